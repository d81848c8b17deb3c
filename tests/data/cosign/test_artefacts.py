"""What is checked in is what `cases.json` says, whole and without secrets."""

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.data.cosign.measure import PublicKey, recognise, signatures_in
from tests.data.cosign.repository import Json

HERE = Path(__file__).resolve().parent
CASES: list[Json] = json.loads((HERE / "cases.json").read_text(encoding="utf-8"))["cases"]


def public_key(path: Path) -> PublicKey:
    """Return the checked-in key at `path`."""
    key = load_pem_public_key(path.read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey)
    return key


def test_every_layout_is_a_case() -> None:
    """Each folder with an image layout has its entry, and each entry its folder."""
    assert sorted(case["name"] for case in CASES) == sorted(path.parent.name for path in HERE.glob("*/oci-layout"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_case_is_as_described(case: Json) -> None:
    """Every blob has the digest it is named by, and the signatures are those that were measured."""
    keys = {path.stem: public_key(path) for path in HERE.glob("*.pub")}
    layout = HERE / case["name"]

    for blob in (layout / "blobs" / "sha256").iterdir():
        assert blob.name == hashlib.sha256(blob.read_bytes()).hexdigest()

    found = [(found.statement, found.about, *recognise(found, keys)) for found in signatures_in(layout)]
    expected = [(said["statement"], said["about"], said["key"], said["scheme"]) for said in case["signatures"]]
    assert expected == found


def test_no_private_key_is_checked_in() -> None:
    """Only public halves stay."""
    files = [path for path in HERE.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}]

    assert [path for path in files if b"PRIVATE" in path.read_bytes()] == []


def test_the_artefacts_are_small() -> None:
    """The whole folder stays below 300 kB."""
    assert sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file() and path.suffix != ".pyc") < 300_000
