"""Parts of genuine signatures put together anew: whoever has a signature of his own and an old one of somebody else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from tests.core.signatures.given import IMAGE, OTHER, RELEASE, bundle_of, judged, simple_of
from tests.core.signatures.given_keyless import ISSUER, KEY, PIPELINE, STAND, found, keyless, logged_key
from tests.sigstore_stand.certificates import Identity
from tests.sigstore_stand.signer import StandSigner
from tests.sigstore_stand.witnesses import Witness
from webhook.demo.envelopes import IN_TOTO_PAYLOAD, bundle, pre_authentication_encoding
from webhook.demo.keys import SigningKey

STRANGER = Identity(issuer=ISSUER, subject="https://gitlab.example/evil/api//.gitlab-ci.yml@refs/heads/main")
PARTS: tuple[tuple[str, ...], ...] = (
    ("verificationMaterial", "signer"),
    ("verificationMaterial", "tlogEntries", "body"),
    ("verificationMaterial", "tlogEntries", "seen"),
    ("verificationMaterial", "timestampVerificationData"),
    ("dsseEnvelope", "payload"),
    ("dsseEnvelope", "signatures"),
)
SIGNER_KEYS = ("certificate", "publicKey")


def taken_apart(document: Mapping[str, Any]) -> dict[tuple[str, ...], Any]:
    """Return what a bundle is made of, part by part."""
    material, envelope = document["verificationMaterial"], document["dsseEnvelope"]
    (entry,) = material["tlogEntries"]
    return {
        PARTS[0]: {key: material[key] for key in SIGNER_KEYS if key in material},
        PARTS[1]: entry["canonicalizedBody"],
        PARTS[2]: {key: value for key, value in entry.items() if key != "canonicalizedBody"},
        PARTS[3]: material.get("timestampVerificationData"),
        PARTS[4]: envelope["payload"],
        PARTS[5]: envelope["signatures"],
    }


def put_together(parts: Mapping[tuple[str, ...], Any], kind: str) -> bytes:
    """Return a bundle made of these parts."""
    entry = {**parts[PARTS[2]], "canonicalizedBody": parts[PARTS[1]]}
    material = {**parts[PARTS[0]], "tlogEntries": [entry], "timestampVerificationData": parts[PARTS[3]]}
    envelope = {"payloadType": IN_TOTO_PAYLOAD, "payload": parts[PARTS[4]], "signatures": parts[PARTS[5]]}
    return json.dumps({"mediaType": kind, "verificationMaterial": material, "dsseEnvelope": envelope}).encode()


@pytest.mark.parametrize("witness", ["rekor-v1", "rekor-v1-tsa", "rekor-v2"])
@pytest.mark.parametrize(("victim", "attacker"), [(PIPELINE, STRANGER), (KEY, SigningKey.generate()), (KEY, STRANGER)])
def test_no_mixture_of_a_stranger_and_an_old_signature_vouches(
    victim: Identity | SigningKey, attacker: Identity | SigningKey, witness: Witness
) -> None:
    """Certificate, key, entry, proof, timestamp, statement and signature belong together, each with every other."""
    old = json.loads(StandSigner(stand=STAND, who=victim, witness=witness).bundle(OTHER))
    own = json.loads(StandSigner(stand=STAND, who=attacker, witness=witness).bundle(IMAGE.digest))
    both = (taken_apart(old), taken_apart(own))
    for choice in product((0, 1), repeat=len(PARTS)):
        mixed = {part: both[which][part] for part, which in zip(PARTS, choice, strict=True)}
        findings = found(bundle_of(put_together(mixed, old["mediaType"])), by=(keyless(), logged_key()))

        assert findings.vouchers == (), choice
        assert findings.incomplete is None, choice


@pytest.mark.parametrize("witness", ["rekor-v1-tsa", "rekor-v2"])
def test_put_together_rightly_it_vouches(witness: Witness) -> None:
    """What the mixtures spoil holds as it is."""
    for who in (PIPELINE, KEY):
        whole = json.loads(StandSigner(stand=STAND, who=who, witness=witness).bundle(IMAGE.digest))
        again = put_together(taken_apart(whole), whole["mediaType"])

        assert found(bundle_of(again), by=(keyless(), logged_key())).vouchers


def test_a_signature_of_one_form_is_none_of_another() -> None:
    """What a key signed as a statement is no simple signature, and the text of one in an envelope is no statement."""
    payload, beside = RELEASE.simple_signing(IMAGE.digest, reference=str(IMAGE.repository))
    document = json.loads(RELEASE.bundle(IMAGE.digest))
    statement = json.dumps({"_type": "x"}).encode()
    encoded = pre_authentication_encoding(IN_TOTO_PAYLOAD, statement)
    (name,) = (key for key in beside if key.endswith("/signature"))
    stolen = {name: document["dsseEnvelope"]["signatures"][0]["sig"]}
    forms = (
        simple_of(encoded, stolen),
        simple_of(payload, stolen),
        simple_of(statement, stolen),
        bundle_of(bundle(payload, RELEASE.key.sign(payload), hint=RELEASE.key.hint)),
        bundle_of(
            bundle(
                payload, RELEASE.key.sign(pre_authentication_encoding(IN_TOTO_PAYLOAD, payload)), hint=RELEASE.key.hint
            )
        ),
    )

    assert [judged(candidate).vouchers for candidate in forms] == [()] * len(forms)
