"""What bad signatures and attestations get: a verdict with a code, in bounded work and memory, and never a yes."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.advisories.given import REPOSITORY, SIGNED, hang
from tests.advisories.test_keyless import PIPELINE, policy, stand
from tests.core.attestations.given import COSIGN_VULN
from tests.core.signatures.notation.signer import Words, authority, payload
from tests.shop import Shop
from tests.sigstore_stand.placing import attach_layer
from tests.sigstore_stand.signer import StandSigner
from webhook.core.policy import Policy
from webhook.core.references import Digest
from webhook.demo.documents import encode
from webhook.demo.envelopes import SPDX

MIB = 1024 * 1024
MAX_GROWTH = 16 * MIB
"""The largest case is 2 MiB in the registry; it may be held a few times over while it is read."""
MAX_QUESTIONS = 12
"""Manifest, config and referrers of the image, its tags, and manifest and layer of the one thing that hangs on it."""
LARGE = base64.b64encode(b"\x30" * MIB).decode()
A_HASH = base64.b64encode(b"\x00" * 32).decode()
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a review came to, and what it took: questions to the registry by kind, and bytes at most at one time."""

    codes: tuple[str, ...]
    questions: Counter[str]
    peak: int


async def judged(shop: Shop, reference: str, policy: Policy | None = None) -> Judged:
    """Review an image, and measure."""
    shop.registry.asked.clear()
    tracemalloc.start()
    try:
        codes = await shop.codes(reference, policy=policy or shop.policy)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Judged(
        codes=tuple(codes), questions=Counter(one.partition(":")[0] for one in shop.registry.asked), peak=peak
    )


def pushed(shop: Shop) -> tuple[str, Digest]:
    """Push an image that nobody signed, and return its reference and digest."""
    image = shop.app()
    return shop.push(image), image.digest


def pipeline() -> StandSigner:
    """Return the signer whom the keyless policy trusts."""
    return StandSigner(stand=stand(), who=PIPELINE)


def large_certificate(bundle: Json) -> None:
    """Put a certificate of 1 MiB where the genuine one was."""
    bundle["verificationMaterial"]["certificate"]["rawBytes"] = LARGE


def long_proof(bundle: Json) -> None:
    """Prove the entry in the log with 10,000 hashes."""
    bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["hashes"] = [A_HASH] * 10_000


def no_signatures(bundle: Json) -> None:
    """Leave the envelope without a signature."""
    bundle["dsseEnvelope"]["signatures"] = []


def two_signatures(bundle: Json) -> None:
    """Let the envelope carry the signature twice: whoever reads one of several may read another than the next."""
    bundle["dsseEnvelope"]["signatures"] *= 2


KEYLESS: dict[str, tuple[Callable[[Json], None], str]] = {
    "a certificate of 1 MiB": (large_certificate, "untrusted-signer"),
    "a proof of 10,000 hashes": (long_proof, "invalid-signature"),
    "no signatures": (no_signatures, "unsigned"),
    "two signatures": (two_signatures, "unsigned"),
}


@pytest.mark.parametrize(("spoil", "code"), KEYLESS.values(), ids=KEYLESS.keys())
async def test_a_bundle_by_certificate_with_too_much_or_too_little(spoil: Callable[[Json], None], code: str) -> None:
    """A genuine bundle is refused for one thing that is out of bounds, with the code of what is left of it."""
    shop = Shop()
    reference, digest = pushed(shop)
    bundle: Json = json.loads(pipeline().bundle(digest))
    spoil(bundle)
    hang(shop, digest, encode(bundle))
    found = await judged(shop, reference, policy())

    assert found.codes == (code,)
    assert found.questions.total() <= MAX_QUESTIONS
    assert found.peak < MAX_GROWTH


@pytest.mark.parametrize("annotation", ["dev.sigstore.cosign/certificate", "dev.sigstore.cosign/chain"])
async def test_a_classic_layer_with_a_certificate_of_1_mib(annotation: str) -> None:
    """Annotations are read within the same bounds."""
    shop = Shop()
    reference, digest = pushed(shop)
    payload, beside = pipeline().simple_signing(digest, reference="shop/api")
    pem = f"-----BEGIN CERTIFICATE-----\n{LARGE}\n-----END CERTIFICATE-----\n"
    attach_layer(
        shop.registry.store,
        REPOSITORY,
        digest,
        ("application/vnd.dev.cosign.simplesigning.v1+json", payload),
        artifact_type="application/vnd.dev.cosign.artifact.sig.v1+json",
        subject=digest,
        layer_annotations=beside | {annotation: pem},
    )
    found = await judged(shop, reference, policy())

    assert found.codes in (("untrusted-signer",), ("invalid-signature",))
    assert found.questions.total() <= MAX_QUESTIONS
    assert found.peak < MAX_GROWTH


@pytest.mark.parametrize("kind", ["jws", "cose"])
async def test_an_envelope_of_notation_with_a_certificate_of_1_mib(kind: str) -> None:
    """An envelope may be so large as to hold it once, and the certificate may not; or neither may."""
    shop = Shop(require=SIGNED)
    reference, digest = pushed(shop)
    words = Words(payload=payload(digest=str(digest)))
    large = base64.b64decode(LARGE)[: MIB // 2]
    unsigned = {"x5c": [base64.b64encode(large).decode()]} if kind == "jws" else {33: [large]}
    data = getattr(words.but(unsigned=unsigned), kind)().payload
    media_type = {"jws": "application/jose+json", "cose": "application/cose"}[kind]
    artifact = "application/vnd.cncf.notary.signature"
    attach_layer(shop.registry.store, REPOSITORY, digest, (media_type, data), artifact_type=artifact, subject=digest)
    found = await judged(shop, reference, replace(shop.policy, authorities=(authority(),)))

    assert found.codes == ("untrusted-signer",)
    assert found.questions.total() <= MAX_QUESTIONS
    assert found.peak < MAX_GROWTH


async def test_500_referrers_of_which_one_is_good() -> None:
    """What the bound leaves unread is doubt, unless what was read is enough; two hundred are opened at most."""
    shop = Shop(require=SIGNED)
    reference, digest = pushed(shop)
    for number in range(500):
        hang(shop, digest, encode({"junk": number}))
    found = await judged(shop, reference)

    assert found.codes == ("unverifiable",)
    assert found.questions["manifest"] <= 202
    assert found.questions["blob"] <= 202
    assert found.peak < MAX_GROWTH
    shop.release.sign_classic(shop.registry.store, REPOSITORY, digest)
    assert await shop.codes(reference) == []


@pytest.mark.parametrize("where", ["bundle", "envelope", "statement"])
async def test_a_bundle_with_unknown_fields(where: str) -> None:
    """Fields of later versions beside what is known change nothing, and stand in for nothing."""
    shop = Shop(require=SIGNED)
    reference, digest = pushed(shop)
    bundle: Json = json.loads(shop.sandbox.bundle(digest))
    target = {"bundle": bundle, "envelope": bundle["dsseEnvelope"], "statement": bundle["verificationMaterial"]}[where]
    target |= {"trusted": True, "signer": "release", "verified": [{"by": "release"}] * 10_000}
    hang(shop, digest, encode(bundle))
    found = await judged(shop, reference)

    assert found.codes == ("untrusted-signer",)
    assert found.questions.total() <= MAX_QUESTIONS
    assert found.peak < MAX_GROWTH


@pytest.mark.parametrize("signatures", [[], None, "none", [{}], [{"sig": ""}], [{"sig": 7}]])
@pytest.mark.parametrize("bare", [True, False])
async def test_an_envelope_without_signatures(signatures: object, *, bare: bool) -> None:
    """An attestation whose envelope nobody signed is missing, bare or in a bundle that points at a trusted key."""
    shop = Shop(require=f'{{attestations: [{{type: "{SPDX}", from: [release]}}]}}')
    reference, digest = pushed(shop)
    bundle: Json = json.loads(shop.release.bundle(digest, SPDX, {"spdxVersion": "SPDX-2.3"}))
    bundle["dsseEnvelope"]["signatures"] = signatures
    media_type, document = (ENVELOPE, bundle["dsseEnvelope"]) if bare else (BUNDLE, bundle)
    layer = (media_type, encode(document))
    attach_layer(shop.registry.store, REPOSITORY, digest, layer, artifact_type=media_type, subject=digest)
    found = await judged(shop, reference)

    assert found.codes == ("missing-attestation",)
    assert found.questions.total() <= MAX_QUESTIONS


@pytest.mark.parametrize("predicate", ["a string", "", 7, [], True, "x" * MIB])
async def test_a_predicate_that_is_no_object(predicate: object) -> None:
    """A signed report that is a string reports nothing: it fails what is asked of it, and is not passed over."""
    asked = f'{{attestations: [{{type: "{COSIGN_VULN}", from: [release], deny: {{severities: [CRITICAL]}}}}]}}'
    shop = Shop(require=asked)
    reference, digest = pushed(shop)
    store = shop.registry.store
    StandSigner(stand=stand(), who=shop.release.key).attest(
        store, REPOSITORY, digest, predicate, predicate_type=COSIGN_VULN
    )
    found = await judged(shop, reference)

    assert found.codes == ("failed-attestation",)
    assert found.questions.total() <= MAX_QUESTIONS
    assert found.peak < MAX_GROWTH
