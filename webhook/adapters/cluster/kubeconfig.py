"""Kubeconfig files, found, read and merged as kubectl does.

Source: client-go `tools/clientcmd`: `--kubeconfig` names one file, which must be there; else `KUBECONFIG` lists files,
of which those that are not there are passed by; else `~/.kube/config`. Of entries with the same name the first counts,
and so does the first `current-context`. Paths in a file are relative to its folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from webhook.core.errors import DocumentError, ParseError
from webhook.core.pod_objects import parse_error
from webhook.core.reading.complaints import Complaints
from webhook.core.reading.yaml_documents import load_document

__all__ = [
    "ClusterEntry",
    "ContextEntry",
    "EnvironmentVariable",
    "ExecEntry",
    "Kubeconfig",
    "UserEntry",
    "find_kubeconfigs",
    "read_kubeconfigs",
]

MAX_KUBECONFIG_BYTES = 16 * 1024 * 1024


class EnvironmentVariable(msgspec.Struct, frozen=True):
    """A variable that an exec plugin gets besides those of the caller."""

    name: str
    value: str = ""


class ExecEntry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a program is called that hands out a credential."""

    command: str
    api_version: str
    args: tuple[str, ...] | None = None
    env: tuple[EnvironmentVariable, ...] | None = None
    provide_cluster_info: bool = False
    install_hint: str = ""


class ClusterEntry(msgspec.Struct, frozen=True, rename="kebab", omit_defaults=True):
    """An API server: where it is, and how it proves who it is."""

    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    extensions: tuple[dict[str, Any], ...] | None = None


class UserEntry(msgspec.Struct, frozen=True, rename="kebab", omit_defaults=True):
    """Who the caller is, and for whom they act."""

    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    exec: ExecEntry | None = None
    auth_provider: dict[str, Any] | None = None
    as_user: str = msgspec.field(default="", name="as")
    as_uid: str = ""
    as_groups: tuple[str, ...] | None = None
    as_user_extra: dict[str, tuple[str, ...]] | None = None

    def __repr__(self) -> str:
        """Show nothing: most of it is secret."""
        return "UserEntry(...)"


class ContextEntry(msgspec.Struct, frozen=True):
    """A cluster and a user, by name, and the namespace that counts where none is named."""

    cluster: str = ""
    user: str = ""
    namespace: str = ""


class Kubeconfig(msgspec.Struct, frozen=True, kw_only=True):
    """All files together: entries by name."""

    clusters: dict[str, ClusterEntry] = {}
    users: dict[str, UserEntry] = {}
    contexts: dict[str, ContextEntry] = {}
    current_context: str = ""


def find_kubeconfigs(named: Path | None, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files that count, in order. `named` counts alone, and whether it is there is seen when it is read."""
    if named is not None:
        return (named,)
    if listed := environment.get("KUBECONFIG"):
        return tuple(path for text in listed.split(os.pathsep) if text and _is_there(path := Path(text), unknown=True))
    home = environment.get("HOME")
    usual = Path(home, ".kube", "config") if home else None
    return (usual,) if usual is not None and _is_there(usual, unknown=False) else ()


def read_kubeconfigs(paths: Iterable[Path]) -> Kubeconfig:
    """Read and merge files. Raises DocumentError, with the file and the place, and nothing that an entry holds."""
    merged = Kubeconfig()
    for path in paths:
        try:
            read = _parse(_read(path))
        except ParseError as error:
            raise DocumentError((ParseError(_joined(path, error.path), error.message),)) from None
        except DocumentError as error:
            raise DocumentError(tuple(ParseError(_joined(path, e.path), e.message) for e in error.errors)) from None
        folder = path.absolute().parent
        merged = Kubeconfig(
            clusters={entry.name: _located_cluster(entry.cluster, folder) for entry in _first(read.clusters)}
            | merged.clusters,
            users={entry.name: _located_user(entry.user, folder) for entry in _first(read.users)} | merged.users,
            contexts={entry.name: entry.context or ContextEntry() for entry in _first(read.contexts)} | merged.contexts,
            current_context=merged.current_context or read.current_context or "",
        )
    return merged


def _is_there(path: Path, *, unknown: bool) -> bool:
    """Look for a file. Where nobody may look, one that was named is read all the same, for its error to be told."""
    try:
        return path.exists()
    except OSError:
        return unknown


class _NamedCluster(msgspec.Struct, frozen=True):
    name: str
    cluster: ClusterEntry | None = None


class _NamedUser(msgspec.Struct, frozen=True):
    name: str
    user: UserEntry | None = None


class _NamedContext(msgspec.Struct, frozen=True):
    name: str
    context: ContextEntry | None = None


class _File(msgspec.Struct, frozen=True):
    """One file as it is written; lists may be null, as kubectl itself writes them."""

    clusters: tuple[_NamedCluster, ...] | None = None
    users: tuple[_NamedUser, ...] | None = None
    contexts: tuple[_NamedContext, ...] | None = None
    current_context: str | None = msgspec.field(default=None, name="current-context")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KUBECONFIG_BYTES + 1)
    except OSError as error:
        raise ParseError("", f"cannot be read: {error.strerror or type(error).__name__}") from None


def _parse(data: bytes) -> _File:
    complaints = Complaints()
    document = load_document(data, complaints, max_bytes=MAX_KUBECONFIG_BYTES)
    complaints.raise_if_any()
    try:
        return _File() if document is None else msgspec.convert(document, type=_File)
    except msgspec.ValidationError as error:
        raise parse_error(error, root="") from None


def _joined(path: Path, place: str) -> str:
    return f"{path}: {place}" if place else str(path)


_Named = TypeVar("_Named", _NamedCluster, _NamedUser, _NamedContext)


def _first(entries: tuple[_Named, ...] | None) -> tuple[_Named, ...]:
    """Return the first entry of each name."""
    return tuple({entry.name: entry for entry in reversed(entries or ())}.values())


def _located_cluster(entry: ClusterEntry | None, folder: Path) -> ClusterEntry:
    entry = entry or ClusterEntry()
    return msgspec.structs.replace(entry, certificate_authority=_located(entry.certificate_authority, folder))


def _located_user(entry: UserEntry | None, folder: Path) -> UserEntry:
    entry = entry or UserEntry()
    plugin = entry.exec
    # A plain name is looked for in PATH, anything with a separator is a path.
    if plugin is not None and os.sep in plugin.command:
        plugin = msgspec.structs.replace(plugin, command=_located(plugin.command, folder))
    return msgspec.structs.replace(
        entry,
        client_certificate=_located(entry.client_certificate, folder),
        client_key=_located(entry.client_key, folder),
        token_file=_located(entry.token_file, folder),
        exec=plugin,
    )


def _located(path: str, folder: Path) -> str:
    return str(folder / path) if path else ""
