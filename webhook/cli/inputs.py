"""Reading what a command is given; what cannot be read ends the command with status 2 and every reason."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, TextIO

import click

from webhook.core.bases.catalog import Catalog
from webhook.core.bases.document import MAX_CATALOG_BYTES, parse_catalog
from webhook.core.errors import DocumentError, ParseError
from webhook.core.policy import Policy
from webhook.documents import load_policy

__all__ = ["CANNOT_TELL", "fail", "manifest_files", "read_catalog", "read_manifest", "read_policy"]

CANNOT_TELL = 2
"""The exit status if something could not be evaluated, or the call was wrong."""

MANIFEST_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
MAX_MANIFEST_BYTES = 64 * 1024 * 1024


def fail(where: str, error: OSError | DocumentError | ParseError, *, doing: str = "read") -> NoReturn:
    """End the command: one line for each thing that is wrong. `doing` is what the system would not let happen."""
    match error:
        case DocumentError():
            lines = [str(each) for each in error.errors]
        case OSError():
            lines = [f"cannot be {doing}: {error.strerror or type(error).__name__}"]
        case _:
            lines = [str(error)]
    for line in lines:
        click.echo(f"error: {where}: {line}", err=True)
    sys.exit(CANNOT_TELL)


def read_policy(path: Path) -> Policy:
    """Read the policy, or end the command."""
    try:
        return load_policy(path)
    except (OSError, DocumentError, ParseError) as error:
        fail(str(path), error)


def read_catalog(path: Path | None) -> Catalog | None:
    """Read the catalog, or end the command; None if none is given."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return parse_catalog(file.read(MAX_CATALOG_BYTES + 1))
    except (OSError, DocumentError, ParseError) as error:
        fail(str(path), error)


def manifest_files(names: tuple[str, ...], *, recursive: bool) -> Iterator[Path | None]:
    """Yield the files behind the names: None for standard input (`-`), the manifests of a folder in their order."""
    for name in names:
        path = Path(name)
        if name == "-":
            yield None
        elif path.is_dir():
            inside = path.rglob("*") if recursive else path.glob("*")
            yield from sorted(file for file in inside if file.suffix in MANIFEST_SUFFIXES and file.is_file())
        else:
            yield path


def read_manifest(path: Path | None, stdin: TextIO) -> bytes:
    """Return the bytes of a manifest or of standard input, or end the command."""
    if path is None:
        return stdin.buffer.read(MAX_MANIFEST_BYTES + 1)
    try:
        with path.open("rb") as file:
            return file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        fail(str(path), error)
