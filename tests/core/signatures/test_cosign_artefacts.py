"""What real cosign wrote, read from the image layouts in `tests/data/cosign`: who signed is found, and nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from webhook.core.facts import SignatureCandidate, SignatureSearch
from webhook.core.manifests import Index, Manifest, parse_manifest, runnable_problem
from webhook.core.policy import Authority, KeyAuthority
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.core.signatures.discovery import candidates_in, signature_tag
from webhook.core.signatures.findings import SignatureFindings, Voucher
from webhook.core.signatures.judge import judge_signatures
from webhook.core.signatures.keys import load_public_keys
from webhook.core.trust import Trust

ARTEFACTS = Path(__file__).parents[2] / "data" / "cosign"
TRUST = Trust(catalog=None, as_of=datetime(2026, 11, 23, tzinfo=UTC))
CASES: list[dict[str, Any]] = json.loads((ARTEFACTS / "cases.json").read_text(encoding="utf-8"))["cases"]
SIGNATURES = {"cosign container image signature", "https://sigstore.dev/cosign/sign/v1"}
AUTHORITIES = {
    path.stem: KeyAuthority(name=path.stem, keys=load_public_keys(path.read_bytes()))
    for path in sorted(ARTEFACTS.glob("*.pub"))
}

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))


def blob(case: dict[str, Any], digest: Digest) -> bytes:
    """Return bytes of the layout of a case."""
    return ARTEFACTS.joinpath(case["name"], "blobs", digest.algorithm, digest.hex).read_bytes()


def listing(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the layout of a case lists: manifests by tag or, for what hangs on another, by digest."""
    document = json.loads(ARTEFACTS.joinpath(case["name"], "index.json").read_text(encoding="utf-8"))
    entries: list[dict[str, Any]] = document["manifests"]
    return entries


def manifests(case: dict[str, Any]) -> Iterator[tuple[Digest, Manifest]]:
    """Read all manifests of a case, those inside its indexes too, each once."""
    waiting = {Digest.parse(entry["digest"]): str(entry["mediaType"]) for entry in listing(case)}
    seen: set[Digest] = set()
    while waiting:
        digest, media_type = waiting.popitem()
        seen.add(digest)
        document = parse_manifest(digest, media_type, blob(case, digest))
        if isinstance(document, Index):
            waiting |= {child.digest: child.media_type for child in document.manifests if child.digest not in seen}
        else:
            assert isinstance(document, Manifest)
            yield digest, document


def candidates(case: dict[str, Any], subject: Digest) -> tuple[SignatureCandidate, ...]:
    """Collect what may be a signature over `subject`: behind its `.sig` tag, or in manifests that hang on it."""
    tagged = {
        entry["digest"]
        for entry in listing(case)
        if entry.get("annotations", {}).get("org.opencontainers.image.ref.name") == signature_tag(subject)
    }
    return tuple(
        SignatureCandidate(
            kind=found.kind,
            manifest=carrier,
            payload=blob(case, found.descriptor.digest),
            annotations=found.descriptor.annotations,
        )
        for carrier, manifest in manifests(case)
        if manifest.subject is not None or str(carrier) in tagged
        for found in candidates_in(manifest, subject, carrier)
    )


def findings(case: dict[str, Any], subject: Digest, *authorities: Authority) -> SignatureFindings:
    """Judge a case for one digest."""
    repository = Repository.parse(case["repository"])
    search = SignatureSearch(candidates=candidates(case, subject))
    return judge_signatures(search, PinnedImage(repository=repository, digest=subject), authorities, TRUST)


def signed_digests(case: dict[str, Any]) -> set[Digest]:
    """Return all digests that somebody said something about."""
    return {Digest.parse(case["digest"]), *(Digest.parse(entry["about"]) for entry in case["signatures"])}


@each_case
def test_finds_exactly_who_signed(case: dict[str, Any]) -> None:
    """Every key that signed a digest vouches for it; attestations by the same key do not."""
    for subject in signed_digests(case):
        expected = {
            Voucher(authority=entry["key"], key=AUTHORITIES[entry["key"]].keys[0].fingerprint)
            for entry in case["signatures"]
            if entry["about"] == str(subject) and entry["statement"] in SIGNATURES
        }
        found = findings(case, subject, *AUTHORITIES.values())

        assert set(found.vouchers) == expected
        assert found.incomplete is None


@each_case
def test_signatures_by_others_are_strangers(case: dict[str, Any]) -> None:
    """To somebody who knows none of the keys, each signature is a stranger's and an attestation is nothing."""
    subject = Digest.parse(case["digest"])
    signatures = [e for e in case["signatures"] if e["about"] == str(subject) and e["statement"] in SIGNATURES]

    assert findings(case, subject) == SignatureFindings(strangers=len(signatures))


@pytest.mark.parametrize("form", ["classic", "bundle"])
def test_signed_annotations_are_found(form: str) -> None:
    """What `cosign sign -a` adds is where each form keeps it."""
    (case,) = [case for case in CASES if case["name"] == f"annotated-{form}"]
    subject = Digest.parse(case["digest"])
    keys = AUTHORITIES["ecdsa-p256"].keys
    content = KeyAuthority(name="content", keys=keys, annotations={"env": "production", "ticket": "PLAT-112"})
    demanding = KeyAuthority(name="demanding", keys=keys, annotations={"env": "staging"})

    assert [voucher.authority for voucher in findings(case, subject, content, demanding).vouchers] == ["content"]


@each_case
def test_a_signature_may_not_run(case: dict[str, Any]) -> None:
    """No manifest that carries a signature passes for an image, and no image for a signature."""
    for digest, manifest in manifests(case):
        carries = any(candidates_in(manifest, subject, digest) for subject in signed_digests(case))
        assert not carries or runnable_problem(manifest) is not None
