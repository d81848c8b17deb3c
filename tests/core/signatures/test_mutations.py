"""Altered signatures: whatever is changed in what was signed or signs, nobody vouches for it any more."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.signatures.given import RELEASE, bundle_by, bundle_of, judged, simple_by, simple_of
from webhook.core.facts import CandidateKind, SignatureCandidate
from webhook.core.signatures.dsse import Envelope
from webhook.demo.envelopes import SIGNATURE_ANNOTATION
from webhook.demo.signer import Signer

SEED = 20261123
MUTATIONS = 150

SIMPLE = simple_by(RELEASE, annotations={"env": "production"})
BUNDLE = bundle_by(RELEASE, annotations={"env": "production"})


def flipped(data: bytes, bit: int) -> bytes:
    """Return `data` with one bit changed."""
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def flips(data: bytes) -> list[bytes]:
    """Return copies of `data` with one bit changed in each, at places that are always the same."""
    places = random.Random(SEED).sample(range(len(data) * 8), min(MUTATIONS, len(data) * 8))  # noqa: S311 - no secret
    return [flipped(data, place) for place in places]


def test_the_originals_vouch() -> None:
    """What the other tests alter is genuine before."""
    assert judged(SIMPLE).vouchers
    assert judged(BUNDLE).vouchers


def test_no_bit_of_a_signed_text_may_change() -> None:
    """Simple signing with any bit of its payload changed vouches for nobody."""
    for payload in flips(SIMPLE.payload):
        assert not judged(replace(SIMPLE, payload=payload)).vouchers


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "ed25519"])
def test_no_bit_of_a_signature_may_change(kind: Any) -> None:  # noqa: ANN401 - the literals of KeyKind
    """A signature with any bit changed verifies for no kind of key."""
    signer = Signer.generate(kind)
    genuine = simple_by(signer)
    signature = base64.b64decode(genuine.annotations[SIGNATURE_ANNOTATION])
    for damaged in flips(signature):
        annotations = {SIGNATURE_ANNOTATION: base64.b64encode(damaged).decode()}
        assert not judged(simple_of(genuine.payload, annotations)).vouchers


@pytest.mark.parametrize("member", ["payload", "sig"])
def test_no_bit_inside_an_envelope_may_change(member: str) -> None:
    """A bundle whose payload or signature has any bit changed vouches for nobody, and is broken by its hint."""
    document = json.loads(BUNDLE.payload)
    holder = document["dsseEnvelope"] if member == "payload" else document["dsseEnvelope"]["signatures"][0]
    for damaged in flips(base64.b64decode(holder[member])):
        holder[member] = base64.b64encode(damaged).decode()
        findings = judged(bundle_of(json.dumps(document).encode()))
        assert not findings.vouchers
        # A changed predicate type makes it an attestation that does not verify: no signature at all.
        assert findings.broken or b"https://sigstore.dev/cosign/sign/v1" not in damaged


def test_a_bundle_with_a_changed_bit_says_the_same_or_nothing() -> None:
    """Where a bundle still counts after a bit of its file changed, the change was outside of what is signed."""
    genuine = json.loads(BUNDLE.payload)["dsseEnvelope"]
    for damaged in flips(BUNDLE.payload):
        if judged(bundle_of(damaged)).vouchers:
            assert json.loads(damaged)["dsseEnvelope"]["payload"] == genuine["payload"]


def test_a_signature_does_not_move_between_forms() -> None:
    """A signature over an envelope is none over the bare payload, and the other way round."""
    document = json.loads(BUNDLE.payload)["dsseEnvelope"]
    payload = base64.b64decode(document["payload"])
    assert not judged(simple_of(payload, {SIGNATURE_ANNOTATION: document["signatures"][0]["sig"]})).vouchers

    bundle = json.loads(BUNDLE.payload)
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(SIMPLE.payload).decode()
    bundle["dsseEnvelope"]["signatures"] = [{"sig": SIMPLE.annotations[SIGNATURE_ANNOTATION]}]
    assert not judged(bundle_of(json.dumps(bundle).encode())).vouchers


@given(st.binary(max_size=300), st.dictionaries(st.sampled_from([SIGNATURE_ANNOTATION, "x"]), st.text(max_size=80)))
def test_hostile_candidates_raise_nothing_and_vouch_for_nobody(payload: bytes, annotations: dict[str, str]) -> None:
    """Whatever is found beside an image, judging it raises nothing and finds no voucher."""
    for kind in CandidateKind:
        candidate = SignatureCandidate(kind=kind, manifest=SIMPLE.manifest, payload=payload, annotations=annotations)
        findings = judged(candidate)
        assert not findings.vouchers
        assert findings.incomplete is None


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["AAAA", RELEASE.key.hint]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["publicKey", "hint", "payload", "payloadType", "signatures", "sig", "certificate"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(json_values, json_values)
def test_hostile_bundles_raise_nothing_and_vouch_for_nobody(material: object, envelope: object) -> None:
    """A bundle with any JSON for its parts is judged without an error, and vouches for nobody."""
    document = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": material,
        "dsseEnvelope": envelope,
    }
    findings = judged(bundle_of(json.dumps(document).encode()))

    assert not findings.vouchers
    assert findings.incomplete is None


@given(st.text(max_size=8), st.binary(max_size=20), st.text(max_size=8), st.binary(max_size=20))
def test_two_envelopes_never_have_the_same_signed_bytes(
    first_type: str, first: bytes, second_type: str, second: bytes
) -> None:
    """The encoding that is signed tells type and payload apart, also where the type is not ASCII."""
    one = Envelope(payload_type=first_type, payload=first, signature=b"").signed_bytes
    two = Envelope(payload_type=second_type, payload=second, signature=b"").signed_bytes

    assert (one == two) == ((first_type, first) == (second_type, second))


def test_encodes_as_the_specification_does() -> None:
    """The example of the DSSE protocol comes out byte for byte; lengths count bytes, not characters."""
    example = Envelope(payload_type="http://example.com/HelloWorld", payload=b"hello world", signature=b"")
    wide = Envelope(payload_type="\u00e9", payload=b"", signature=b"")

    assert example.signed_bytes == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert wide.signed_bytes == b"DSSEv1 2 \xc3\xa9 0 "
