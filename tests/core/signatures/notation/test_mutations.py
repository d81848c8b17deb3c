"""One bit flipped in what was signed, or in what proves it, and nobody vouches; and no bytes raise anything."""

from __future__ import annotations

import base64
import json
import random

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.signatures.notation.artefacts import authority, candidate, content, judged
from webhook.core.facts import SignatureCandidate

SAMPLE = 40
TRUSTED = authority(crls=("issuing.crl", "root.crl"))

NAMES = ["ecdsa-p256.jws", "ecdsa-p256.cose", "ecdsa-p521.cose", "rsa-2048.jws", "rsa-4096.cose", "annotated.jws"]


def flipped(data: bytes, bit: int) -> bytes:
    """Return the bytes with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def parts_of(name: str) -> list[bytes]:
    """Return what the signature depends on: what was signed, the signature, and the certificates in their order."""
    if name.endswith(".jws"):
        document = json.loads(content(name))
        signed = [document[key].encode() for key in ("protected", "payload", "signature")]
        return [*signed, *(base64.b64decode(der) for der in document["header"]["x5c"])]
    protected, header, payload, signature = cbor2.loads(content(name)[1:])
    return [protected, payload, signature, *header[33]]


def put_together(name: str, parts: list[bytes]) -> SignatureCandidate:
    """Return the envelope with these parts."""
    protected, payload, signature, *chain = parts
    if name.endswith(".jws"):
        document = json.loads(content(name))
        texts = (part.decode("latin-1") for part in (protected, payload, signature))
        document |= dict(zip(("protected", "payload", "signature"), texts, strict=True))
        document["header"]["x5c"] = [base64.b64encode(der).decode() for der in chain]
        return candidate(name, json.dumps(document).encode())
    header = cbor2.loads(content(name)[1:])[1] | {33: chain}
    return candidate(name, b"\xd2" + cbor2.dumps([protected, header, payload, signature]))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_put_together_unchanged_holds(name: str) -> None:
    """Taking an envelope apart and putting it together changes nothing: what fails below fails for the bit."""
    assert judged(put_together(name, parts_of(name)), TRUSTED).vouchers


@pytest.mark.parametrize("name", NAMES)
def test_no_bit_can_be_flipped(name: str) -> None:
    """A sample of bits of every part: attributes, payload, signature, each certificate."""
    parts = parts_of(name)
    chance = random.Random(name)  # noqa: S311 - the same bits in every run
    for position, part in enumerate(parts):
        for bit in chance.sample(range(8 * len(part)), SAMPLE):
            changed = [*parts[:position], flipped(part, bit), *parts[position + 1 :]]

            assert not judged(put_together(name, changed), TRUSTED).vouchers, (position, bit)


@pytest.mark.parametrize("name", ["ecdsa-p256.jws", "ecdsa-p256.cose"])
def test_no_bit_of_the_envelope_raises(name: str) -> None:
    """A sample of bits of the whole envelope: a finding comes back, whatever it is."""
    data = content(name)
    for bit in random.Random(name).sample(range(8 * len(data)), 300):  # noqa: S311 - the same bits in every run
        judged(candidate(name, flipped(data, bit)), TRUSTED)


@given(st.sampled_from(["x.jws", "x.cose"]), st.binary(max_size=200))
def test_any_bytes_are_nothing(name: str, data: bytes) -> None:
    """Bytes that nobody signed vouch for nothing, and raise nothing."""
    assert not judged(candidate(name, data), TRUSTED).vouchers


@given(st.data())
def test_any_structure_vouches_for_nothing(data: st.DataObject) -> None:
    """Envelopes of the right shape with any values in them are no signature of anybody's, and raise nothing."""
    leaves = st.none() | st.booleans() | st.integers(-9, 2**40) | st.text(max_size=6) | st.binary(max_size=6)
    inner = st.lists(leaves, max_size=3) | leaves
    keys = st.sampled_from([1, 2, 3, 33, "io.cncf.notary.signingScheme", "io.cncf.notary.expiry"])
    headers = st.dictionaries(keys, inner, max_size=6)
    parts = [cbor2.dumps(data.draw(headers)), data.draw(headers), data.draw(leaves), data.draw(leaves)]

    assert not judged(candidate("x.cose", b"\xd2" + cbor2.dumps(parts)), TRUSTED).vouchers
