"""Where the commands about the catalog read it and write it; what cannot be done ends the command."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import NoReturn

import click

from webhook.catalog_keeping.config_map import CatalogConfigMap, OpenCluster
from webhook.catalog_keeping.file import CatalogChangedError, CatalogFile
from webhook.cli.inputs import CANNOT_TELL, fail
from webhook.core.bases.catalog import Catalog
from webhook.core.errors import DocumentError, ParseError
from webhook.document_sources.names import ConfigMapKey, DocumentName
from webhook.ports import ClusterTrouble

__all__ = ["existing", "keep", "open_file", "open_named", "refuse", "replace_file"]

CHANGED_MEANWHILE = "somebody else has changed it in the meantime, so nothing was written; run this again"


def open_file(path: Path) -> CatalogFile:
    """Read the catalog, which need not be there yet, or end the command."""
    try:
        return CatalogFile.read(path)
    except (OSError, DocumentError) as error:
        fail(str(path), error)


def existing(file: CatalogFile) -> Catalog:
    """Return the catalog, or end the command if there is none."""
    if file.catalog is None:
        refuse(str(file.path), "there is no such file; `dhi-gate catalog sync` makes it")
    return file.catalog


def replace_file(file: CatalogFile, new: Catalog) -> None:
    """Write the catalog, or end the command."""
    try:
        file.replace(new)
    except CatalogChangedError:
        refuse(str(file.path), CHANGED_MEANWHILE)
    except OSError as error:
        refuse(str(file.path), f"cannot be written: {error.strerror or type(error).__name__}")


def open_named(name: DocumentName | None, open_cluster: OpenCluster) -> CatalogFile | CatalogConfigMap:
    """Read the catalog where it is to be kept, or end the command."""
    match name:
        case Path():
            return open_file(name)
        case ConfigMapKey():
            try:
                return asyncio.run(CatalogConfigMap.read(name, open_cluster))
            except ClusterTrouble as trouble:
                refuse(str(name), str(trouble))
            except (DocumentError, ParseError) as error:
                fail(str(name), error)
        case _:
            raise click.UsageError(
                "--catalog: sync keeps a file or a ConfigMap; push the file to a registry afterwards"
            )


async def keep(kept: CatalogFile | CatalogConfigMap, new: Catalog) -> None:
    """Write the catalog where it was read, or end the command."""
    if isinstance(kept, CatalogFile):
        replace_file(kept, new)
        return
    try:
        await kept.replace(new)
    except CatalogChangedError:
        refuse(str(kept.where), CHANGED_MEANWHILE)
    except ClusterTrouble as trouble:
        refuse(str(kept.where), str(trouble))
    except (DocumentError, ParseError) as error:
        fail(str(kept.where), error, doing="written")


def refuse(what: str, why: str) -> NoReturn:
    """End the command with one line."""
    click.echo(f"error: {what}: {why}", err=True)
    sys.exit(CANNOT_TELL)
