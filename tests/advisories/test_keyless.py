"""What a certificate, a log and a timestamp do not prove."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from tests.advisories.given import REPOSITORY, SIGNED, hang
from tests.shop import Shop
from tests.sigstore_stand.certificates import Identity
from tests.sigstore_stand.flaws import NO_FLAWS, Flaws
from tests.sigstore_stand.signer import StandSigner
from tests.sigstore_stand.stand import SigstoreStand
from tests.sigstore_stand.witnesses import Witness
from webhook.core.policy import Policy
from webhook.core.policy_reading.document import parse_policy

ISSUER = "https://token.example"
PIPELINE = Identity(issuer=ISSUER, subject="https://git.example/shop/api@refs/heads/main")
FORMS = ("classic", "bundle")
BROKEN = (["invalid-signature"], ["untrusted-signer"])


@cache
def stand() -> SigstoreStand:
    """Return the Sigstore that the policies trust."""
    return SigstoreStand.create()


def policy(require: str = SIGNED, **authorities: Mapping[str, str]) -> Policy:
    """Return a policy with one identity for each authority, by default `release`, who is the pipeline."""
    identities = authorities or {"release": {"issuer": ISSUER, "subject": PIPELINE.subject}}
    lines = [
        f"{{name: {name}, keyless: {{trustRoot: {{file: root.json}}, identities: [{json.dumps(identity)}]}}}}"
        for name, identity in identities.items()
    ]
    text = f"""
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata: {{name: production}}
spec:
  authorities: [{", ".join(lines)}]
  rules: [{{name: everywhere, require: {require}}}]
"""
    return parse_policy(text.encode(), read_file=lambda _name: stand().trusted_root())


async def signed_with(
    shop: Shop, flaws: Flaws, *, form: str = "bundle", witness: Witness = "rekor-v1-tsa", who: Identity = PIPELINE
) -> list[str]:
    """Sign an image with one thing wrong and return what the gate says."""
    image = shop.app()
    reference = shop.push(image)
    signer = StandSigner(stand=stand(), who=who, witness=witness, flaws=flaws)
    getattr(signer, f"sign_{form}")(shop.registry.store, REPOSITORY, image.digest)
    return list(await shop.codes(reference, policy=policy()))


@pytest.mark.parametrize("witness", ["rekor-v1", "rekor-v1-tsa", "rekor-v2"])
async def test_the_honest_signature_passes(shop: Shop, witness: Witness) -> None:
    """What the other tests spoil is accepted as long as nothing is wrong with it."""
    assert await signed_with(shop, NO_FLAWS, witness=witness) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "flaws",
    [
        Flaws(entry="unrelated"),
        Flaws(entry="other-digest"),
        Flaws(entry="other-verifier"),
        Flaws(entry="other-signature"),
        Flaws(entry="missing"),
        Flaws(log="stranger"),
    ],
    ids=lambda flaws: f"{flaws.entry}-{flaws.log}",
)
async def test_a_log_entry_for_another_artefact(shop: Shop, form: str, flaws: Flaws) -> None:
    """An entry binds digest, signature and certificate: CVE-2022-23649, CVE-2022-36056, CVE-2026-22703."""
    assert await signed_with(shop, flaws, form=form) in BROKEN


@pytest.mark.parametrize(
    "flaws",
    [
        Flaws(proof="flipped"),
        Flaws(proof="checkpoint-flipped"),
        Flaws(proof="checkpoint-missing"),
        Flaws(promise="flipped"),
    ],
    ids=lambda flaws: f"{flaws.proof}-{flaws.promise}",
)
async def test_a_proof_that_does_not_hold(shop: Shop, flaws: Flaws) -> None:
    """A proof, a checkpoint and a promise that are there must hold: CVE-2026-49834."""
    assert await signed_with(shop, flaws) in BROKEN


@pytest.mark.parametrize("stamp", ["missing", "unrelated", "stranger", "flipped"])
async def test_a_timestamp_of_something_else(shop: Shop, stamp: Any) -> None:  # noqa: ANN401 - one of the literals
    """Where a timestamp is the only clock, it must be one of this signature: CVE-2026-39984, CVE-2026-54787."""
    assert await signed_with(shop, Flaws(stamp=stamp), witness="rekor-v2") in BROKEN


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("minutes", [-60, -11, 1, 60])
async def test_a_certificate_at_another_time(shop: Shop, form: str, minutes: int) -> None:
    """A certificate vouches for its ten minutes only, with or without a log: CVE-2026-24122."""
    assert await signed_with(shop, Flaws(validity=timedelta(minutes=minutes)), form=form, witness="rekor-v1") in BROKEN


@pytest.mark.parametrize(
    "flaws",
    [
        Flaws(sct="missing"),
        Flaws(sct="flipped"),
        Flaws(sct="stranger"),
        Flaws(usage="no-code-signing"),
        Flaws(authority="stranger"),
    ],
    ids=lambda flaws: f"{flaws.sct}-{flaws.usage}-{flaws.authority}",
)
async def test_a_certificate_that_is_none(shop: Shop, flaws: Flaws) -> None:
    """Who certified it, for what, and before whose eyes: gitsign CVE-2026-44309."""
    assert await signed_with(shop, flaws) in BROKEN


@pytest.mark.parametrize(
    "subject",
    [
        "https://git.example/shop/api@refs/heads/main-2",
        "https://git.example/shop/api@refs/heads/mai",
        "https://evil.example/?https://git.example/shop/api@refs/heads/main",
        "https://gitxexample/shop/api@refs/heads/main",
    ],
)
@pytest.mark.parametrize("key", ["subject", "subjectRegExp"])
async def test_an_identity_that_matches_only_a_prefix(shop: Shop, subject: str, key: str) -> None:
    """An identity counts as a whole, written as text or as an expression: CVE-2025-29778."""
    image = shop.app()
    reference = shop.push(image)
    who = Identity(issuer=ISSUER, subject=subject)
    StandSigner(stand=stand(), who=who).sign_bundle(shop.registry.store, REPOSITORY, image.digest)
    wanted = PIPELINE.subject if key == "subject" else PIPELINE.subject.replace(".", r"\.")

    assert await shop.codes(reference, policy=policy(release={"issuer": ISSUER, key: wanted})) == ["untrusted-signer"]


async def test_an_identity_of_another_issuer(shop: Shop) -> None:
    """The right subject from another issuer is somebody else: CVE-2025-29778 (`issuerRegExp` ignored)."""
    other = Identity(issuer="https://token.example.attacker.example", subject=PIPELINE.subject)

    assert await signed_with(shop, NO_FLAWS, who=other) == ["untrusted-signer"]


async def test_a_threshold_met_by_one_identity(shop: Shop) -> None:
    """Two authorities that one identity satisfies are one signer, however often it signed: CVE-2026-49834."""
    exact = {"issuer": ISSUER, "subject": PIPELINE.subject}
    loose = {"issuer": ISSUER, "subjectRegExp": r"https://git\.example/shop/.*"}
    two = policy("{signatures: {from: [exact, loose], atLeast: 2}}", exact=exact, loose=loose)
    image = shop.app()
    reference = shop.push(image)
    for witness in ("rekor-v1", "rekor-v2"):
        signer = StandSigner(stand=stand(), who=PIPELINE, witness=witness)
        signer.sign_bundle(shop.registry.store, REPOSITORY, image.digest)

    assert await shop.codes(reference, policy=two) == ["untrusted-signer"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda material: material.update(certificate={"rawBytes": ""}),
        lambda material: material.update(certificate={}),
        lambda material: material.update(certificate={"rawBytes": "A" * 1_400_000}),
        lambda material: material.update(x509CertificateChain={"certificates": []}, certificate=None),
        lambda material: material["tlogEntries"][0]["inclusionProof"].update(hashes=["AAAA"] * 10_000),
        lambda material: material.update(tlogEntries=material["tlogEntries"] * 1_000),
        lambda material: material.update(tlogEntries=[]),
        lambda material: material.clear(),
    ],
)
async def test_material_that_is_empty_or_endless(shop: Shop, spoil: Callable[[dict[str, Any]], object]) -> None:
    """No certificate is no success, and a large one is no crash: CVE-2026-44310, CVE-2025-66564, CVE-2024-45395."""
    image = shop.app()
    reference = shop.push(image)
    bundle = json.loads(StandSigner(stand=stand(), who=PIPELINE).bundle(image.digest))
    spoil(bundle["verificationMaterial"])
    hang(shop, image.digest, json.dumps(bundle).encode())

    assert await shop.codes(reference, policy=policy()) in (*BROKEN, ["unsigned"])
