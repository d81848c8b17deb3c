"""The build of the gate's image by real buildah, from nothing each time."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.clients import ClientHome
from tests.e2e.own_image.bases import REPOSITORY, PublishedBases

__all__ = ["SOURCE_DATE_EPOCH", "Builder", "copy_carelessly", "copy_sources"]

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("Dockerfile", ".dockerignore", "LICENSE", "README.md", "pyproject.toml", "requirements", "webhook")
SOURCE_DATE_EPOCH = 1_790_000_000
BUILD_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """Builds on published bases, with an index that `pip_conf` names."""

    home: ClientHome
    registry: str
    bases: PublishedBases
    pip_conf: Path

    def build_and_push(self, context: Path, storage: Path, target: str) -> str:
        """Build the sources in `context` with nothing but an empty `storage`, push to `target`, return the digest."""
        base = f"{self.registry}/{REPOSITORY}"
        image = f"{self.registry}/{target}"
        driver = ("--storage-driver=vfs", f"--root={storage / 'root'}", f"--runroot={storage / 'run'}")
        self.home.run(
            "buildah",
            *driver,
            "build",
            "--isolation=chroot",
            "--tls-verify=false",
            f"--timestamp={SOURCE_DATE_EPOCH}",
            "--identity-label=false",
            f"--secret=id=pip.conf,src={self.pip_conf}",
            f"--build-arg=BUILD_BASE={base}@{self.bases.development}",
            f"--build-arg=RUNTIME_BASE={base}@{self.bases.runtime}",
            f"--tag={image}",
            str(context),
            timeout_s=BUILD_TIMEOUT_S,
        )
        digest_file = storage / "digest"
        self.home.run(
            "buildah", *driver, "push", "--tls-verify=false", f"--digestfile={digest_file}", image, f"docker://{image}"
        )
        digest = digest_file.read_text(encoding="ascii").strip()
        shutil.rmtree(storage)
        return digest


def copy_sources(folder: Path) -> Path:
    """Copy what a build needs to `folder`."""
    shutil.copytree(ROOT, folder, ignore=_all_but_sources)
    return folder


def copy_carelessly(sources: Path, folder: Path) -> Path:
    """Copy `sources` as somebody else has them: unreadable for others, of today, with a key and foreign bytecode."""
    shutil.copytree(sources, folder, copy_function=shutil.copyfile)
    (folder / "release.key").write_text("a private key\n", encoding="utf-8")
    (folder / "webhook" / "__pycache__").mkdir()
    (folder / "webhook" / "__pycache__" / "review.cpython-30.pyc").write_bytes(b"bytecode of another Python")
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return folder


def _all_but_sources(folder: str, names: list[str]) -> set[str]:
    """Leave out what the repository has besides its sources."""
    return set(names) - set(SOURCES) if Path(folder) == ROOT else {"__pycache__"}
