"""The trust material in `certs/`: public, well formed, and the keys that their README says they are."""

from __future__ import annotations

from pathlib import Path

from webhook.core.signatures.keys import load_public_keys

CERTS = Path(__file__).parent.parent / "certs"


def test_dockers_key_is_the_one_whose_fingerprint_is_written_down() -> None:
    """Docker's key for Hardened Images has the fingerprint that the README tells people to compare."""
    (key,) = load_public_keys((CERTS / "dhi" / "dhi-2.pub").read_bytes())

    assert str(key.fingerprint) == "sha256:118ba556dd52f4aec67018efd316c285c783cd3e54cc0f4527605715c643887c"
    assert key.fingerprint.hex in (CERTS / "README.md").read_text(encoding="utf-8")
