"""Candidates for attestations: who verifiably states what, and that nothing else gets through."""

from __future__ import annotations

import json
import random
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.attestations.given import SPDX
from tests.core.given import NOW, digest
from webhook.core.attestations.discovery import attestation_tag, may_be_wanted, statement_layers
from webhook.core.attestations.judge import judge_attestations
from webhook.core.attestations.statements import AttestationFindings
from webhook.core.facts import (
    AttestationCandidate,
    AttestationKind,
    AttestationSearch,
    CandidateKind,
    SignatureCandidate,
    SignatureSearch,
)
from webhook.core.manifests import Descriptor, Manifest
from webhook.core.policy import KeyAuthority
from webhook.core.references import Digest, Glob, PinnedImage, Repository
from webhook.core.signatures.findings import SignatureFindings
from webhook.core.signatures.keys import load_public_keys
from webhook.core.trust import Trust
from webhook.demo.documents import encode
from webhook.demo.envelopes import statement
from webhook.demo.signer import Forgery, Signer

IMAGE = PinnedImage(repository=Repository.parse("registry.example/shop/api"), digest=digest("index"))
CHILD, CARRIER = digest("child"), digest("carrier")
RELEASE, STRANGER = Signer.generate(), Signer.generate()
SBOM = {"spdxVersion": "SPDX-2.3"}
SEED = 20261123


def authority(**limits: Any) -> KeyAuthority:  # noqa: ANN401 - any field
    """Return the release authority within these limits."""
    return KeyAuthority(name="release", keys=load_public_keys(RELEASE.public_pem.encode()), **limits)


def candidate(kind: AttestationKind, payload: bytes) -> AttestationCandidate:
    """Return a candidate in the manifest `CARRIER`."""
    return AttestationCandidate(kind=kind, manifest=CARRIER, payload=payload)


def bundle(signer: Signer = RELEASE, image: Digest = CHILD, **options: Any) -> AttestationCandidate:  # noqa: ANN401
    """Return a bill of materials in a bundle."""
    return candidate(AttestationKind.BUNDLE, signer.bundle(image, SPDX, SBOM, **options))


def envelope(source: AttestationCandidate) -> AttestationCandidate:
    """Return the envelope of a bundle alone."""
    return candidate(AttestationKind.ENVELOPE, encode(json.loads(source.payload)["dsseEnvelope"]))


def signature(signer: Signer, of: Digest) -> SignatureSearch:
    """Return a search that found a signature over a manifest."""
    payload, annotations = signer.simple_signing(of, reference="registry.example/shop/api")
    found = SignatureCandidate(
        kind=CandidateKind.SIMPLE_SIGNING, manifest=digest("signature"), payload=payload, annotations=annotations
    )
    return SignatureSearch(candidates=(found,))


def judged(search: AttestationSearch | AttestationCandidate, **limits: Any) -> AttestationFindings:  # noqa: ANN401
    """Judge what was found for the image and its one platform."""
    found = search if isinstance(search, AttestationSearch) else AttestationSearch(candidates=(search,))
    return judge_attestations(
        found,
        IMAGE,
        (CHILD,),
        (authority(**limits),),
        Trust(catalog=None, as_of=NOW),
        over_index=SignatureFindings(),
    )


@pytest.mark.parametrize("form", [bundle(), envelope(bundle())], ids=["bundle", "envelope"])
def test_verified(form: AttestationCandidate) -> None:
    """A statement by a key of the policy is verified, with its subject and its predicate."""
    (found,) = judged(form).statements

    assert (found.predicate_type, found.predicate, found.subjects) == (SPDX, SBOM, frozenset({CHILD}))
    assert [voucher.authority for voucher in found.vouchers] == ["release"]
    assert found.manifest == CARRIER


@pytest.mark.parametrize(
    ("limits", "options", "counts"),
    [
        ({"repositories": (Glob("registry.example/**"),)}, {}, True),
        ({"repositories": (Glob("other.example/**"),)}, {}, False),
        ({"annotations": {"env": "prod"}}, {"annotations": {"env": "prod"}}, True),
        ({"annotations": {"env": "prod"}}, {"annotations": {"env": "test"}}, False),
        ({"annotations": {"env": "prod"}}, {}, False),
    ],
)
def test_limits(limits: dict[str, Any], options: dict[str, Any], counts: bool) -> None:  # noqa: FBT001
    """An authority attests only within its repositories, and only with the annotations that it must sign."""
    assert bool(judged(bundle(**options), **limits).statements) is counts


def test_one_digest_under_many_names() -> None:
    """Builders name a digest once per tag; annotations count only where all of these agree."""
    document = json.loads(statement(CHILD, SPDX, SBOM, annotations={"env": "prod", "tag": "1"}))
    document["subject"].append({"name": "other", "digest": {"sha256": CHILD.hex}, "annotations": {"env": "prod"}})
    document["subject"].append({"name": "elsewhere", "digest": {"sha256": "0" * 64}})
    payload = json.dumps(document).encode()
    found = _plain(payload, signature(RELEASE, CARRIER))

    assert judged(found).statements[0].subjects == {CHILD}


def _plain(payload: bytes, search: SignatureSearch | None = None) -> AttestationSearch:
    """Return the search that found a plain statement, and signatures over its manifest."""
    over = {CARRIER: search} if search else {}
    return AttestationSearch(candidates=(candidate(AttestationKind.PLAIN, payload),), over_manifests=over)


PLAIN = statement(CHILD, SPDX, SBOM, annotations={})


def test_plain() -> None:
    """A plain statement is vouched for by whoever signed its manifest, and by nobody else."""
    assert judged(_plain(PLAIN, signature(RELEASE, CARRIER))).statements
    for search in (None, signature(STRANGER, CARRIER), signature(RELEASE, CHILD)):
        findings = judged(_plain(PLAIN, search))
        assert not findings.statements
        assert len(findings.claims) == 1


def test_plain_statement_about_another_image() -> None:
    """A signed manifest whose statement is about another image does not hold in the signer's name."""
    other = statement(digest("other"), SPDX, SBOM, annotations={})
    (claim,) = judged(_plain(other, signature(RELEASE, CARRIER))).claims

    assert [broken.authority for broken in claim.broken] == ["release"]


@pytest.mark.parametrize(
    "forgery",
    [
        Forgery(flipped=True),
        Forgery(digest=digest("other")),
        Forgery(payload_type="text/plain"),
        Forgery(predicate_type="https://sigstore.dev/cosign/sign/v1"),
    ],
)
def test_forgeries(forgery: Forgery) -> None:
    """Nothing that is forged in one place is a statement, bundled or not."""
    for form in (bundle(forgery=forgery), envelope(bundle(forgery=forgery))):
        assert not judged(form).statements


@pytest.mark.parametrize("form", [bundle(), envelope(bundle())], ids=["bundle", "envelope"])
def test_flipped_bits(form: AttestationCandidate) -> None:
    """Whichever bit of a candidate is flipped, it states nothing, or the very same."""
    whole = judged(form).statements
    generator = random.Random(SEED)  # noqa: S311 - a repeatable sample
    for _ in range(150):
        position, bit = generator.randrange(len(form.payload)), 1 << generator.randrange(8)
        payload = bytearray(form.payload)
        payload[position] ^= bit
        assert judged(candidate(form.kind, bytes(payload))).statements in ((), whole)


def test_flipped_bits_of_a_signed_manifest() -> None:
    """A signature over the manifest in which one bit is flipped vouches for no plain statement."""
    (found,) = signature(RELEASE, CARRIER).candidates
    generator = random.Random(SEED)  # noqa: S311 - a repeatable sample
    for _ in range(100):
        payload = bytearray(found.payload)
        payload[generator.randrange(len(payload))] ^= 1 << generator.randrange(8)
        spoilt = SignatureCandidate(
            kind=found.kind, manifest=found.manifest, payload=bytes(payload), annotations=found.annotations
        )
        assert not judged(_plain(PLAIN, SignatureSearch(candidates=(spoilt,)))).statements


@given(
    st.sampled_from(AttestationKind),
    st.binary(max_size=60)
    | st.sampled_from([b"{}", b"[]", b'{"payloadType":1}', b'{"predicateType":"x","_type":1}', b"[" * 5000]),
)
def test_any_bytes(kind: AttestationKind, payload: bytes) -> None:
    """Whatever the bytes are, judging them gives findings without a statement, and no exception."""
    findings = judged(candidate(kind, payload))

    assert (findings.statements, findings.incomplete) == ((), None)


def test_a_failure_while_judging_is_neither_yes_nor_no() -> None:
    """If judging one candidate fails unexpectedly, the others count and the findings are incomplete."""
    spoilt = candidate(AttestationKind.PLAIN, cast("bytes", None))
    findings = judged(AttestationSearch(candidates=(spoilt, bundle())))

    assert len(findings.statements) == 1
    assert findings.incomplete is not None


def test_envelope_without_signatures() -> None:
    """An envelope that nobody signed, and one that two signed, state nothing."""
    document = json.loads(envelope(bundle()).payload)
    for times in (0, 2):
        payload = encode(document | {"signatures": document["signatures"] * times})
        assert judged(candidate(AttestationKind.ENVELOPE, payload)) == AttestationFindings()


def descriptor(kind: str, size: int = 100) -> Descriptor:
    """Return a layer of that type."""
    return Descriptor(media_type=kind, digest=digest(kind), size=size)


def manifest(*layers: Descriptor, subject: Digest | None = None) -> Manifest:
    """Return a manifest with these layers."""
    config = descriptor("application/vnd.oci.empty.v1+json")
    about = Descriptor(media_type="m", digest=subject, size=1) if subject else None
    return Manifest(
        media_type="application/vnd.oci.image.manifest.v1+json", config=config, layers=layers, subject=about
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("application/vnd.dsse.envelope.v1+json", AttestationKind.ENVELOPE),
        ("application/vnd.in-toto+dsse", AttestationKind.ENVELOPE),
        ("application/vnd.in-toto.spdx+dsse", AttestationKind.ENVELOPE),
        ("application/vnd.in-toto+json", AttestationKind.PLAIN),
        ("application/vnd.dev.sigstore.bundle.v0.3+json", AttestationKind.BUNDLE),
        ("application/vnd.dev.cosign.simplesigning.v1+json", None),
    ],
)
def test_layers(kind: str, expected: AttestationKind | None) -> None:
    """Layer types tell how to read a layer; what hangs on another digest, or is too large, is none."""
    layer, digests = descriptor(kind), frozenset({CHILD})

    assert [one.kind for one in statement_layers(manifest(layer, subject=CHILD), CARRIER, digests)] == [
        *([expected] if expected else [])
    ]
    assert statement_layers(manifest(layer, subject=digest("other")), CARRIER, digests) == ()
    assert statement_layers(manifest(descriptor(kind, 5 << 20)), CARRIER, digests) == ()


def test_bundles_stand_alone() -> None:
    """A bundle beside other layers is none."""
    layers = (descriptor("application/vnd.dev.sigstore.bundle.v0.3+json"), descriptor("text/plain"))

    assert statement_layers(manifest(*layers), CARRIER, frozenset({CHILD})) == ()


def test_wanted_types() -> None:
    """A plain statement says itself of which type it is; what says nothing is wanted by nobody."""
    assert may_be_wanted(candidate(AttestationKind.PLAIN, PLAIN), frozenset({SPDX}))
    assert not may_be_wanted(candidate(AttestationKind.PLAIN, PLAIN), frozenset({"other"}))
    assert not may_be_wanted(candidate(AttestationKind.PLAIN, b"{"), frozenset({SPDX}))
    assert attestation_tag(CHILD) == f"sha256-{CHILD.hex}.att"
