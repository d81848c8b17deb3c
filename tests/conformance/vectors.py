"""The vectors of sigstore-conformance: what to verify, with what, and whether it must hold.

They are data that the project did not make and does not carry: `DHIGATE_CONFORMANCE_ASSETS` names the folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ASSETS", "Vector", "vectors"]

ASSETS = os.environ.get("DHIGATE_CONFORMANCE_ASSETS")
"""The `test/assets` folder of the suite; None if nobody named it."""

IDENTITY = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/"
    "extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
ISSUER = "https://token.actions.githubusercontent.com"
FAILING = "_fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One folder of the suite."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name, by which exceptions are listed."""
        return self.folder.name

    @property
    def must_hold(self) -> bool:
        """Whether a verifier must accept it; every other must be refused."""
        return not self.name.endswith(FAILING)

    @property
    def arguments(self) -> list[str]:
        """The command line that the suite's protocol makes of it."""
        key, root = self.folder / "key.pub", self.folder / "trusted_root.json"
        identity = ["--certificate-identity", self._text("identity", IDENTITY)]
        issuer = ["--certificate-oidc-issuer", self._text("issuer", ISSUER)]
        return [
            "verify-bundle",
            *("--bundle", str(self.folder / "bundle.sigstore.json")),
            *(["--key", str(key)] if key.exists() else [*identity, *issuer]),
            *(["--trusted-root", str(root)] if root.exists() else []),
            str(self._artifact),
        ]

    @property
    def _artifact(self) -> Path:
        own = self.folder / "artifact"
        return own if own.exists() else self.folder.parent / "a.txt"

    def _text(self, name: str, default: str) -> str:
        file = self.folder / name
        return file.read_text(encoding="utf-8").strip() if file.exists() else default


def vectors() -> tuple[Vector, ...]:
    """Return all vectors by name; none if there are no assets."""
    if ASSETS is None:
        return ()
    folders = (Path(ASSETS) / "bundle-verify").iterdir()
    return tuple(Vector(folder=folder) for folder in sorted(folders) if folder.is_dir())
