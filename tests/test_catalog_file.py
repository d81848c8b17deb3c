"""The catalog on disk is replaced whole, keeps its mode, and is never written over somebody else's change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.core.given import NOW
from tests.core.given import build as recorded
from webhook.catalog_keeping.file import CatalogChangedError, CatalogFile
from webhook.core.bases.document import print_catalog, seal
from webhook.core.errors import DocumentError

OLD = seal(policy="production", synced_at=NOW, builds=(recorded(),))
NEW = seal(policy="production", synced_at=NOW + timedelta(days=1), builds=(recorded(),))


def names(folder: Path) -> list[str]:
    """Return what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_new_catalog_is_written(tmp_path: Path) -> None:
    """Where there was none, one is made, readable by all, and nothing else is left behind."""
    path = tmp_path / "catalog.json"
    file = CatalogFile.read(path)
    assert file.catalog is None

    file.replace(NEW)
    assert CatalogFile.read(path).catalog == NEW
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(tmp_path) == ["catalog.json"]


def test_mode_and_links_stay(tmp_path: Path) -> None:
    """A replaced catalog has the mode of the old one, and a symbolic link still leads to it."""
    path, link = tmp_path / "catalog.json", tmp_path / "link.json"
    path.write_bytes(print_catalog(OLD))
    path.chmod(0o600)
    link.symlink_to(path)
    CatalogFile.read(link).replace(NEW)

    assert link.is_symlink()
    assert CatalogFile.read(path).catalog == NEW
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_change_in_between_is_not_undone(tmp_path: Path) -> None:
    """Whoever was slower learns it: a revocation made during a sync stays."""
    path = tmp_path / "catalog.json"
    path.write_bytes(print_catalog(OLD))
    slow, fast = CatalogFile.read(path), CatalogFile.read(path)
    fast.replace(NEW)
    with pytest.raises(CatalogChangedError):
        slow.replace(OLD)

    assert CatalogFile.read(path).catalog == NEW
    assert names(tmp_path) == ["catalog.json"]


def test_a_catalog_that_appeared_in_between_is_not_overwritten(tmp_path: Path) -> None:
    """Two first syncs do not overwrite each other."""
    path = tmp_path / "catalog.json"
    first = CatalogFile.read(path)
    path.write_bytes(print_catalog(OLD))
    with pytest.raises(CatalogChangedError):
        first.replace(NEW)


def test_a_broken_catalog_is_not_replaced(tmp_path: Path) -> None:
    """What cannot be read is not taken for an empty catalog: its revocations would be lost."""
    path = tmp_path / "catalog.json"
    path.write_bytes(b"{}")
    with pytest.raises(DocumentError):
        CatalogFile.read(path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A file that cannot be written is an OSError."""
    file = replace(CatalogFile.read(tmp_path / "catalog.json"), path=tmp_path / "none" / "catalog.json")
    with pytest.raises(OSError, match="No such file"):
        file.replace(NEW)
