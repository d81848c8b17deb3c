"""The catalog on disk: read whole, replaced whole or not at all, and never over somebody else's change."""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from webhook.core.bases.catalog import Catalog
from webhook.core.bases.document import MAX_CATALOG_BYTES, parse_catalog, print_catalog

__all__ = ["CatalogChangedError", "CatalogFile"]

NEW_FILE_MODE = 0o644


class CatalogChangedError(Exception):
    """The file is not what it was when it was read: somebody else has written it in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogFile:
    """A catalog as it was read. `catalog` and `data` are None if there was no file yet."""

    path: Path
    catalog: Catalog | None
    data: bytes | None

    @classmethod
    def read(cls, path: Path) -> CatalogFile:
        """Read the catalog, if there is one; OSError or DocumentError if it cannot be read or understood."""
        data = _contents(path)
        return cls(path=path, catalog=None if data is None else parse_catalog(data), data=data)

    def replace(self, catalog: Catalog) -> None:
        """Put `catalog` in the place of what was read. The file keeps its mode; a symbolic link stays one.

        A sync takes minutes: without the look at what is there now it would undo a revocation made in the meantime.
        Raises CatalogChangedError then, and OSError if the file cannot be written; it is whole in either case.
        """
        target = self.path.resolve()
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(print_catalog(catalog))
                file.flush()
                os.fsync(file.fileno())
            self._put(Path(temporary), target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)

    def _put(self, new: Path, target: Path) -> None:
        new.chmod(stat.S_IMODE(target.stat().st_mode) if target.exists() else NEW_FILE_MODE)
        if _contents(target) != self.data:
            raise CatalogChangedError
        new.replace(target)


def _contents(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_CATALOG_BYTES + 1)
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a crash."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
