"""Attestations under short-lived certificates, in every form, and what their age counts from."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.shop import Shop
from tests.sigstore_stand.certificates import Identity
from tests.sigstore_stand.signer import StandSigner
from tests.sigstore_stand.stand import STAND_NOW, SigstoreStand
from tests.sigstore_stand.witnesses import Witness
from webhook.core.policy import AttestationRequirement, KeylessAuthority, Policy, Requirements
from webhook.core.policy import Identity as Named
from webhook.core.reading.text_patterns import TextPattern
from webhook.core.signatures.trust_root_reading import load_trust_root

ISSUER, SUBJECT = "https://gitlab.example", "https://gitlab.example/shop/api//.gitlab-ci.yml@refs/heads/main"
CUSTOM = "https://example.com/review/v1"
STAND = SigstoreStand.create()


def policy(shop: Shop) -> Policy:
    """Return a policy whose rule asks for a fresh attestation by the pipeline's identity."""
    identity = Named(issuer=TextPattern(ISSUER), subject=TextPattern(SUBJECT))
    root = load_trust_root(STAND.trusted_root())
    authority = KeylessAuthority(name="pipeline", identities=(identity,), trust_root=root)
    wanted = AttestationRequirement(type=CUSTOM, authorities=("pipeline",), max_age=timedelta(days=7))
    rule = replace(shop.policy.rules[0], outcome=Requirements(attestations=(wanted,)))
    return replace(shop.policy, authorities=(authority,), rules=(rule,))


def pipeline(subject: str = SUBJECT, *, witness: Witness = "rekor-v1") -> StandSigner:
    """Return the pipeline, or somebody with another identity."""
    return StandSigner(stand=STAND, who=Identity(issuer=ISSUER, subject=subject), witness=witness)


@pytest.fixture
def shop() -> Shop:
    """Return a world an hour after the stand's signatures are made."""
    shop = Shop()
    shop.clock = type(shop.clock)(STAND_NOW + timedelta(hours=1))
    return shop


FORMS: tuple[tuple[str, Witness], ...] = (
    ("attest", "rekor-v1"),
    ("attest", "rekor-v2"),
    ("attest_classic", "rekor-v1"),
    ("attest_classic", "rekor-v1-tsa"),
    ("attest_dsse", "rekor-v1-tsa"),
)


@pytest.mark.parametrize(("form", "witness"), FORMS)
async def test_every_form(shop: Shop, form: str, witness: Witness) -> None:
    """A bundle, an envelope behind the `.att` tag and one as a referrer count alike, for a week."""
    image = shop.app()
    reference = shop.push(image)
    signer = pipeline(witness=witness)
    getattr(signer, form)(shop.registry.store, "shop/api", image.digest, "looks good", predicate_type=CUSTOM)

    assert await shop.codes(reference, policy=policy(shop)) == []
    shop.clock.advance(timedelta(days=8).total_seconds())
    assert await shop.codes(reference, policy=policy(shop)) == ["failed-attestation"]


async def test_another_identity(shop: Shop) -> None:
    """An identity of which the wanted one is only a prefix attests nothing here."""
    image = shop.app()
    reference = shop.push(image)
    pipeline(f"{SUBJECT}-fork").attest(shop.registry.store, "shop/api", image.digest, {}, predicate_type=CUSTOM)

    assert await shop.codes(reference, policy=policy(shop)) == ["missing-attestation"]
