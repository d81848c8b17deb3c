"""Judging envelopes: what counts as a signature of whom, what is broken, and what is nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import cbor2
import pytest

from tests.core.signatures.given import IMAGE, OTHER
from tests.core.signatures.notation.signer import (
    CHAIN,
    NOW,
    PREFIX,
    RELEASE,
    ROOT,
    Words,
    authority,
    b64,
    judged,
    of_kind,
    payload,
)
from webhook.core.evidence import count_signers
from webhook.core.facts import CandidateKind, SignatureCandidate, SignatureSearch
from webhook.core.policy import SignatureRequirement
from webhook.core.signatures.findings import SignatureFindings, Voucher
from webhook.core.signatures.judge import judge_signatures
from webhook.core.signatures.keys import usable_key
from webhook.core.trust import Trust

NOTHING = SignatureFindings()
STRANGER = SignatureFindings(strangers=1)
WORDS = Words()

Form = Callable[[Words], SignatureCandidate]
both_forms = pytest.mark.parametrize("form", [Words.jws, Words.cose], ids=["jws", "cose"])


def why(findings: SignatureFindings) -> str:
    """Return why the one broken signature does not hold; nothing else was found."""
    (broken,) = findings.broken
    assert findings == SignatureFindings(broken=(broken,))
    return broken.why


@both_forms
def test_the_honest_signature_vouches(form: Form) -> None:
    """What every case below changes in one place holds as it is, through the door of all signatures too."""
    found = judged(form(WORDS))
    trust = Trust(catalog=None, as_of=NOW)
    search = SignatureSearch(candidates=(form(WORDS),))

    assert [voucher.authority for voucher in found.vouchers] == ["release"]
    assert judge_signatures(search, IMAGE, (authority(),), trust) == found


@both_forms
def test_the_key_that_signed_is_told_as_a_key_authority_holds_it(form: Form) -> None:
    """An authority that holds the key of the certificate, and one that trusts its subject, are one signer."""
    held = usable_key(RELEASE.key.public_key(), "the key")
    by_key = Voucher(authority="key", key=held.fingerprint)
    findings = SignatureFindings(vouchers=(by_key, *judged(form(WORDS)).vouchers))

    assert count_signers(findings, SignatureRequirement(authorities=("key", "release"), at_least=2)) == 1


@both_forms
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (WORDS.but(payload=payload(digest=str(OTHER))), "it signs another image"),
        (WORDS.but(payload=payload(mediaType="application/octet-stream")), "which is no image"),
        (WORDS.but(payload=payload(size=-1)), "targetArtifact.size: is not a size in bytes"),
        (WORDS.but(payload=b"[]"), "is not an object"),
        (WORDS.but(payload=b'{"targetArtifact":{},"targetArtifact":{}}'), "twice in one object"),
        (WORDS.but(payload=b'{"TargetArtifact":{}}'), "which some readers take for `targetArtifact`"),
        (WORDS.but(content_type="application/json"), "content type: is `application/json`"),
        (WORDS.but(scheme="notary.x509.signingAuthority"), "only `notary.x509` is accepted"),
        (WORDS.but(signing_time=None), f"{PREFIX}signingTime: does not stand alone"),
        (WORDS.but(more={f"{PREFIX}authenticSigningTime": "x"}), f"{PREFIX}signingTime: does not stand alone"),
        (WORDS.but(more={f"{PREFIX}verificationPlugin": "x"}), "asks for a plugin"),
        (WORDS.but(critical=()), "crit: does not name the signing scheme"),
        (WORDS.but(critical=(f"{PREFIX}signingScheme",) * 2), "crit: does not name the signing scheme"),
        (WORDS.but(critical=(f"{PREFIX}signingScheme", "x"), more={"x": 1}), "crit: names `x`, which is unknown here"),
        (WORDS.but(critical=(f"{PREFIX}signingScheme", f"{PREFIX}expiry")), "which is unknown here"),
        (
            WORDS.but(critical=(f"{PREFIX}signingScheme",), expiry=NOW + timedelta(days=1)),
            "crit: does not name the signing scheme and the expiry",
        ),
        (WORDS.but(expiry=NOW), f"{PREFIX}expiry: is not after the signing time"),
        (
            WORDS.but(signing_time=NOW - timedelta(days=1), expiry=NOW),
            "the signature expired at 2026-11-23T12:00:00Z",
        ),
    ],
)
def test_what_was_signed_must_be_in_order(form: Form, words: Words, expected: str) -> None:
    """A signature that verifies and says something else than it must is broken, and says in what."""
    assert expected in why(judged(form(words)))


@both_forms
def test_the_expiry_is_believed_until_it_comes(form: Form) -> None:
    """An expiry in the future is no obstacle."""
    assert judged(form(WORDS.but(expiry=NOW + timedelta(seconds=1)))).vouchers


@both_forms
def test_unknown_attributes_that_are_not_critical_are_passed_over(form: Form) -> None:
    """A signer may say more than anybody here reads, signed or not."""
    words = WORDS.but(more={"com.example.build": "7"}, unsigned={f"{PREFIX}signingAgent": "notation/1.3.2"})

    assert judged(form(words)).vouchers


@pytest.mark.parametrize("algorithm", ["ES384", "PS256", "none", "HS256", "es256"])
def test_the_key_alone_chooses_the_algorithm(algorithm: str) -> None:
    """An envelope cannot name another algorithm than that of the key, not even none; numbers are not for JWS."""
    assert why(judged(WORDS.but(algorithm=algorithm).jws())) == "alg: is not the one of the signer's key"
    assert why(judged(WORDS.but(algorithm=-35).cose())) == "alg: is not the one of the signer's key"


@both_forms
def test_limits_of_the_authority_apply(form: Form) -> None:
    """Beyond its repositories, or without the annotations that must be signed, a signature is a named stranger's."""
    annotated = form(WORDS.but(payload=payload(annotations={"env": "production"})))
    for limited in (authority(repositories=("registry.example/other/**",)), authority(annotations={"env": "staging"})):
        found = judged(annotated, limited)

        assert (found.vouchers, found.strangers) == ((), 1)
        assert [identity.subject for identity in found.identities] == ["CN=release,OU=Team,O=Example"]
    assert judged(annotated, authority(repositories=("registry.example/shop/*",))).vouchers
    assert judged(annotated, authority(annotations={"env": "production"})).vouchers


@both_forms
@pytest.mark.parametrize("position", [0, 1, 2])
def test_the_trust_store_may_hold_any_certificate_of_the_chain(form: Form, position: int) -> None:
    """A root, an intermediate authority or the signer's own certificate can be what is trusted."""
    assert judged(form(WORDS), authority(store=(CHAIN[position],))).vouchers


@both_forms
def test_a_certificate_that_anyone_can_copy_proves_nothing(form: Form) -> None:
    """The trusted certificates beside a signature by another key make a broken signature, never a voucher."""
    forger = Words(chain=(ROOT.issue("CN=forger", ()), *CHAIN[1:]))
    stolen = forger.but(chain=CHAIN).ders()
    if form is Words.jws:
        document = forger.jws_document()
        document["header"] = Words().jws_document()["header"]
        candidate = of_kind(CandidateKind.NOTATION_JWS, json.dumps(document).encode())
    else:
        encoded, _, data, signature = forger.cose_parts()
        parts = [encoded, {33: stolen}, data, signature]
        candidate = of_kind(CandidateKind.NOTATION_COSE, cbor2.dumps(cbor2.CBORTag(18, parts)))

    assert why(judged(candidate)) == "the signature does not verify"
    assert judged(candidate, authority("x509.subject: CN=somebody")) == STRANGER


@both_forms
def test_the_same_claims_of_two_authorities_are_judged_apart(form: Form) -> None:
    """What is broken for one is broken for every authority it points at, and for no other."""
    broken = form(WORDS.but(payload=payload(digest=str(OTHER))))
    found = judged(broken, authority(name="one"), authority(name="two"), authority("x509.subject: CN=x", name="three"))

    assert [one.authority for one in found.broken] == ["one", "two"]


def changed(change: Callable[[dict[str, Any]], object]) -> SignatureCandidate:
    """Return a JWS envelope whose JSON was changed after signing."""
    document = WORDS.jws_document()
    change(document)
    return of_kind(CandidateKind.NOTATION_JWS, json.dumps(document).encode())


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("payload"),
        lambda d: d.pop("protected"),
        lambda d: d.pop("header"),
        lambda d: d.pop("signature"),
        lambda d: d.update(signatures=[]),
        lambda d: d.update(Payload=d["payload"]),
        lambda d: d.update(payload=d["payload"] + "="),
        lambda d: d.update(signature=d["signature"][:-1]),
        lambda d: d.update(signature=d["signature"] + "\n"),
        lambda d: d.update(signature="\u00e9"),
        lambda d: d.update(protected=b64(b"[]")),
        lambda d: d.update(protected=b64(b'{"alg":"ES256","alg":"ES256"}')),
        lambda d: d.update(protected=b64(b'{"Alg":"ES256"}')),
        lambda d: d["header"].update(alg="ES256"),
        lambda d: d["header"].pop("x5c"),
        lambda d: d["header"].update(x5c=["!"]),
        lambda d: d["header"].update(x5c=d["header"]["x5c"] * 4),
        lambda d: d["header"].update(x5c={}),
    ],
)
def test_jws_that_can_be_read_in_several_ways_is_nothing(change: Callable[[dict[str, Any]], object]) -> None:
    """What is not exactly one flattened JWS in strict JSON and strict base64url is no signature at all."""
    assert judged(changed(change)) == NOTHING


@pytest.mark.parametrize("key", ["signingTime", "expiry"])
@pytest.mark.parametrize("value", [None, 1, "yesterday", "2026-02-30T00:00:00Z"])
def test_times_in_jws_are_times(key: str, value: object) -> None:
    """A time that is there must be one: null is not the same as absent."""
    assert judged(WORDS.but(more={PREFIX + key: value}).jws()) == NOTHING


def packed(data: object, *, tag: int = 18) -> SignatureCandidate:
    """Return a COSE envelope of these parts."""
    return of_kind(CandidateKind.NOTATION_COSE, cbor2.dumps(cbor2.CBORTag(tag, data)))


def repacked(protected: object = None, header: object = None) -> SignatureCandidate:
    """Return a COSE envelope with another header."""
    parts = WORDS.cose_parts()
    parts[0] = parts[0] if protected is None else cbor2.dumps(protected)
    parts[1] = parts[1] if header is None else header
    return packed(parts)


PROTECTED = WORDS.cose_protected()
DERS = WORDS.ders()


@pytest.mark.parametrize(
    "candidate",
    [
        packed(WORDS.cose_parts(), tag=98),
        of_kind(CandidateKind.NOTATION_COSE, cbor2.dumps(WORDS.cose_parts())),
        packed(WORDS.cose_parts()[:3]),
        packed([*WORDS.cose_parts()[:2], None, b"x"]),
        packed({}),
        of_kind(CandidateKind.NOTATION_COSE, WORDS.cose().payload + b"\x00"),
        of_kind(CandidateKind.NOTATION_COSE, b""),
        repacked(protected=[]),
        repacked(protected=PROTECTED | {33: DERS}),
        repacked(protected=PROTECTED | {1: "ES256"}),
        repacked(protected=PROTECTED | {1: True}),
        repacked(protected=PROTECTED | {2: "x"}),
        repacked(protected=PROTECTED | {2: ["x"] * 17}),
        repacked(protected=PROTECTED | {2: [b"x"]}),
        repacked(protected=PROTECTED | {3: 50}),
        repacked(protected=PROTECTED | {f"{PREFIX}expiry": 1700000000}),
        repacked(protected=PROTECTED | {f"{PREFIX}expiry": cbor2.CBORTag(1, 2**60)}),
        repacked(protected=PROTECTED | {f"{PREFIX}expiry": cbor2.CBORTag(1, 1.5)}),
        repacked(header={}),
        repacked(header={33: DERS[0]}),
        repacked(header={33: DERS * 4}),
        repacked(header={33: [*DERS, "x"]}),
    ],
)
def test_cose_that_can_be_read_in_several_ways_is_nothing(candidate: SignatureCandidate) -> None:
    """What is not exactly one tagged COSE_Sign1 with a payload, a chain and known types is no signature at all."""
    assert judged(candidate) == NOTHING


def test_other_kinds_are_not_read() -> None:
    """A candidate of another form is none of Notation."""
    assert judged(of_kind(CandidateKind.BUNDLE, WORDS.jws().payload)) == NOTHING
    assert judged(of_kind(CandidateKind.SIMPLE_SIGNING, WORDS.jws().payload)) == NOTHING


def test_a_signature_of_another_length_does_not_verify() -> None:
    """Both numbers of an ECDSA signature have their full length."""
    encoded, header, data, signature = WORDS.cose_parts()
    assert isinstance(signature, bytes)
    for wrong in (b"", signature[:-1], signature + b"\x00", bytes(len(signature))):
        assert why(judged(packed([encoded, header, data, wrong]))) == "the signature does not verify"


@both_forms
def test_the_first_certificate_is_the_signer(form: Form) -> None:
    """A chain in another order is one whose first certificate did not sign."""
    assert judged(form(WORDS.but(chain=(RELEASE, ROOT)))).broken
    assert judged(form(WORDS.but(chain=tuple(reversed(CHAIN)))), authority("x509.subject: CN=Root")).broken
