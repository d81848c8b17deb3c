"""`dhi-gate version`: which versions a report about a fault should name."""

from __future__ import annotations

import platform
from importlib import metadata

import click

__all__ = ["version"]

LIBRARIES = ("aiohttp", "cryptography", "fastapi", "kubernetes", "msgspec", "sigstore", "uvicorn")


@click.command()
def version() -> None:
    """Print the versions of the gate, of Python and of its libraries."""
    click.echo(f"dhi-gate {metadata.version('dhi-gate')}")
    click.echo(f"python {platform.python_version()}")
    for library in LIBRARIES:
        click.echo(f"{library} {metadata.version(library)}")
