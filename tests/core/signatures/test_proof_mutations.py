"""Altered proofs: no bit of what came with a signature may change, where an authority relies on it."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.core.signatures.given_keyless import KEY, found, keyless, logged_key, signed
from webhook.core.facts import SignatureCandidate
from webhook.core.policy import Authority

SEED = 20261123
FLIPS = 40

Put = Callable[[bytes], SignatureCandidate]
ENTRY = ("verificationMaterial", "tlogEntries", 0)
TEXT = "checkpoint"


def flips(data: bytes) -> Iterator[bytes]:
    """Yield copies of `data` with one bit changed in each, at places that are always the same."""
    for place in random.Random(SEED).sample(range(len(data) * 8), min(FLIPS, len(data) * 8)):  # noqa: S311 - no secret
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        yield bytes(damaged)


def inside_bundle(candidate: SignatureCandidate, path: tuple[str | int, ...]) -> tuple[bytes, Put]:
    """Return what stands in a bundle, decoded, and how to put something else there."""

    def holder(document: Any) -> Any:  # noqa: ANN401 - JSON
        for step in path[:-1]:
            document = document[step]
        return document

    written = holder(json.loads(candidate.payload))[path[-1]]
    is_text = path[-1] == "envelope"

    def put(data: bytes) -> SignatureCandidate:
        document = json.loads(candidate.payload)
        holder(document)[path[-1]] = data.decode("utf-8", "replace") if is_text else base64.b64encode(data).decode()
        return replace(candidate, payload=json.dumps(document).encode())

    return (written.encode() if is_text else base64.b64decode(written)), put


PARTS = [
    ("rekor-v1", ("verificationMaterial", "certificate", "rawBytes")),
    ("rekor-v1", (*ENTRY, "canonicalizedBody")),
    ("rekor-v1", (*ENTRY, "logId", "keyId")),
    ("rekor-v1", (*ENTRY, "inclusionPromise", "signedEntryTimestamp")),
    ("rekor-v1", (*ENTRY, "inclusionProof", "rootHash")),
    ("rekor-v1", (*ENTRY, "inclusionProof", "hashes", 0)),
    ("rekor-v1", (*ENTRY, "inclusionProof", "checkpoint", "envelope")),
    ("rekor-v1", ("dsseEnvelope", "payload")),
    ("rekor-v1", ("dsseEnvelope", "signatures", 0, "sig")),
    ("rekor-v2", ("verificationMaterial", "certificate", "rawBytes")),
    ("rekor-v2", (*ENTRY, "canonicalizedBody")),
    ("rekor-v2", (*ENTRY, "inclusionProof", "checkpoint", "envelope")),
    ("rekor-v2", ("verificationMaterial", "timestampVerificationData", "rfc3161Timestamps", 0, "signedTimestamp")),
]


@pytest.mark.parametrize(("witness", "path"), PARTS)
def test_no_bit_of_a_bundle_by_certificate_may_change(witness: Any, path: tuple[str | int, ...]) -> None:  # noqa: ANN401 - literals
    """With any bit of certificate, entry, proof or timestamp changed, a bundle vouches for nobody."""
    data, put = inside_bundle(signed(witness=witness), path)
    assert found(put(data)).vouchers
    survivors = [damaged for damaged in flips(data) if found(put(damaged)).vouchers]

    assert survivors == []


@pytest.mark.parametrize(("witness", "path"), [part for part in PARTS if "certificate" not in part[1]])
def test_no_bit_of_a_bundle_by_a_logged_key_may_change(witness: Any, path: tuple[str | int, ...]) -> None:  # noqa: ANN401 - literals
    """With any bit of entry, proof or timestamp changed, a bundle by a key that must be logged vouches for nobody."""
    data, put = inside_bundle(signed(witness=witness, who=KEY), path)
    by: tuple[Authority, ...] = (logged_key(),)
    assert found(put(data), by=by).vouchers
    survivors = [damaged for damaged in flips(data) if found(put(damaged), by=by).vouchers]

    assert survivors == []


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("dev.sigstore.cosign/bundle", "SignedEntryTimestamp"),
        ("dev.sigstore.cosign/bundle", "Payload.body"),
        ("dev.sigstore.cosign/rfc3161timestamp", "SignedRFC3161Timestamp"),
    ],
)
def test_no_bit_of_classic_annotations_may_change(name: str, member: str) -> None:
    """With any bit of promise, entry or timestamp changed, a classic signature vouches for nobody."""
    candidate = signed("simple", "rekor-v1-tsa")
    document = json.loads(candidate.annotations[name])
    *outer, last = member.split(".")
    holder = document[outer[0]] if outer else document
    survivors = []
    for damaged in flips(base64.b64decode(holder[last])):
        holder[last] = base64.b64encode(damaged).decode()
        altered = replace(candidate, annotations={**candidate.annotations, name: json.dumps(document)})
        if found(altered).vouchers:
            survivors.append(damaged)

    assert found(candidate).vouchers
    assert survivors == []


@pytest.mark.parametrize("member", ["integratedTime", "logIndex"])
def test_no_number_that_was_promised_may_change(member: str) -> None:
    """The time and the index of an entry are what the log promised, in both forms."""
    bundle, classic = signed(), signed("simple")
    document = json.loads(bundle.payload)
    entry = document["verificationMaterial"]["tlogEntries"][0]
    entry[member] = str(int(entry[member]) + 1)
    beside = json.loads(classic.annotations["dev.sigstore.cosign/bundle"])
    beside["Payload"][member] += 1
    annotations = {**classic.annotations, "dev.sigstore.cosign/bundle": json.dumps(beside)}

    assert not found(replace(bundle, payload=json.dumps(document).encode())).vouchers
    assert not found(replace(classic, annotations=annotations), by=(keyless(),)).vouchers
