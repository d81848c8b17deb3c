"""The signer of the Notary Project and the gate: what the real libraries sign today is verified today."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.core.signatures.given import IMAGE, OTHER
from tests.core.signatures.notation.signer import LEAF, authority, make_root, of_kind
from tests.e2e.tools import toolchain
from webhook.core.facts import CandidateKind
from webhook.core.signatures.notation.judge import judge_notation

pytestmark = pytest.mark.e2e

KINDS = {"jws": CandidateKind.NOTATION_JWS, "cose": CandidateKind.NOTATION_COSE}


@pytest.mark.parametrize("form", KINDS)
def test_a_fresh_signature_vouches_for_its_image_until_it_expires(form: str, tmp_path: Path) -> None:
    """A signature of this very minute vouches for its own digest, for no other, and for no longer than it says."""
    now = datetime.now(UTC)
    begins, ends = now - timedelta(hours=1), now + timedelta(days=30)
    root = make_root(begins=begins, ends=ends)
    leaf = root.issue("CN=release,O=Example", LEAF, begins=begins, ends=ends)
    pem = b"".join(holder.certificate.public_bytes(Encoding.PEM) for holder in (leaf, root))
    (tmp_path / "chain.pem").write_bytes(pem)
    key = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "leaf.key").write_bytes(key)
    command = [
        *(str(toolchain.provide("notation-sign")), "-format", form, "-key", "leaf.key", "-chain", "chain.pem"),
        *("-digest", str(IMAGE.digest), "-size", "7", "-expiry", "24h", "-annotation", "env=production"),
    ]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=60)
    candidate = of_kind(KINDS[form], made.stdout)
    by = (authority(store=(root,), annotations={"env": "production"}),)
    soon = now + timedelta(minutes=1)

    assert judge_notation(candidate, IMAGE, by, soon).vouchers
    assert judge_notation(candidate, replace(IMAGE, digest=OTHER), by, soon).broken
    assert judge_notation(candidate, IMAGE, by, now + timedelta(days=2)).broken
