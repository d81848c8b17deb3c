"""`dhi-gate schema`: the JSON Schemas of the documents, for editors and pipelines."""

from __future__ import annotations

from importlib import resources

import click

__all__ = ["schema"]

KINDS = ("policy", "catalog", "report")


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
def schema(kind: str) -> None:
    """Print the JSON Schema (2020-12) of a KIND of document."""
    click.echo((resources.files("webhook.core") / "schemas" / f"{kind}.json").read_text(encoding="utf-8"), nl=False)
