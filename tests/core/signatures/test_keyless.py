"""Signatures by certificate: who is vouched for, what is broken, and who stays a stranger."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from tests.core.signatures.given import OTHER
from tests.core.signatures.given_keyless import (
    FORMS,
    ISSUER,
    KEY,
    OTHER_STAND,
    PIPELINE,
    ROOT,
    STAND,
    SUBJECT,
    found,
    keyless,
    signed,
)
from tests.sigstore_stand.flaws import Flaws
from tests.sigstore_stand.stand import STAND_NOW
from webhook.core.evidence import count_signers
from webhook.core.facts import CandidateKind, SignatureCandidate, Trouble
from webhook.core.policy import KeyAuthority, SignatureRequirement
from webhook.core.signatures.findings import SignatureFindings, Voucher
from webhook.core.signatures.identity import CertificateIdentity
from webhook.core.signatures.keys import usable_key
from webhook.core.signatures.trust_root_reading import load_trust_root
from webhook.core.signatures.trust_roots import PublicGood

WHO = CertificateIdentity(issuer=ISSUER, subject=SUBJECT)
A_KEY = KEY.fingerprint
A_VOUCHER = Voucher(authority="release", key=A_KEY, identity=WHO.fingerprint, signed_at=STAND_NOW)
VOUCHED = SignatureFindings(vouchers=(A_VOUCHER,))
A_STRANGER = SignatureFindings(strangers=1, identities=(WHO,))
every_form = pytest.mark.parametrize(("form", "witness", "version"), FORMS)


def why(findings: SignatureFindings) -> str:
    """Return why the only candidate is broken, and check that nobody vouches."""
    assert not findings.vouchers
    (broken,) = findings.broken
    return broken.why


def certificate_of(candidate: SignatureCandidate) -> x509.Certificate:
    """Return the certificate that came with a signature."""
    if candidate.kind is CandidateKind.SIMPLE_SIGNING:
        return x509.load_pem_x509_certificate(candidate.annotations["dev.sigstore.cosign/certificate"].encode())
    material = json.loads(candidate.payload)["verificationMaterial"]
    return x509.load_der_x509_certificate(base64.b64decode(material["certificate"]["rawBytes"]))


def keys_aside(findings: SignatureFindings) -> SignatureFindings:
    """Return findings as if all was signed with one key: every signature has a key of its own."""
    return replace(findings, vouchers=tuple(replace(voucher, key=A_KEY) for voucher in findings.vouchers))


@every_form
def test_a_genuine_signature_vouches_with_its_time(form: str, witness: Any, version: Any) -> None:  # noqa: ANN401 - literals
    """A signature by the expected identity vouches in every form, and is dated by who saw it."""
    assert keys_aside(found(signed(form, witness, version))) == VOUCHED


@pytest.mark.parametrize("kind", ["uri", "email", "user-name"])
@pytest.mark.parametrize("extensions", ["both", "old", "new"])
def test_subjects_and_issuers_are_read_as_fulcio_writes_them(kind: Any, extensions: Any) -> None:  # noqa: ANN401 - literals
    """A subject may be a URI, an address or a user name; the issuer stands in an old extension, a new one, or both."""
    who = replace(PIPELINE, subject="https://a.example" if kind == "uri" else "alice@a.example", kind=kind)
    candidate = signed(who=who, flaws=Flaws(issuer_extensions=extensions))

    assert found(candidate, by=(keyless(subject=who.subject),)).vouchers


def test_a_pattern_must_match_the_whole_identity() -> None:
    """An identity that only contains what a pattern describes is a stranger's."""
    pattern = keyless(issuer="https://gitlab[.]example", subject="https://gitlab[.]example/shop/.*", is_expression=True)
    evil = replace(PIPELINE, subject=f"https://evil.example/?{SUBJECT}")

    assert found(signed(), by=(pattern,)).vouchers
    assert found(signed(who=evil), by=(pattern,)) == SignatureFindings(
        strangers=1, identities=(CertificateIdentity(issuer=ISSUER, subject=evil.subject),)
    )


@pytest.mark.parametrize(
    "authority", [keyless(subject=SUBJECT[:-1]), keyless(issuer="https://other.example"), keyless(issuer=ISSUER[:-1])]
)
def test_another_identity_is_a_stranger_with_a_name(authority: Any) -> None:  # noqa: ANN401 - literals
    """Both parts must fit; a certificate that holds and names somebody else makes a stranger whose name is known."""
    assert found(signed(), by=(authority,)) == A_STRANGER


@pytest.mark.parametrize(
    ("flaws", "expected"),
    [
        (Flaws(sct="missing"), "certificate log"),
        (Flaws(sct="twice"), "certificate log"),
        (Flaws(sct="flipped"), "certificate log"),
        (Flaws(sct="stranger"), "certificate log"),
        (Flaws(usage="no-code-signing"), "signing code"),
        (Flaws(usage="no-digital-signature"), "certificate"),
        (Flaws(validity=timedelta(minutes=-20)), "not valid when"),
        (Flaws(validity=timedelta(minutes=20)), "not valid when"),
        (Flaws(authority="stranger"), "no certificate authority of the trust root"),
        (Flaws(entry="missing"), "without a trusted time|is missing"),
        (Flaws(entry="unrelated"), "about other content|about another"),
        (Flaws(entry="other-digest"), "other content"),
        (Flaws(entry="other-verifier"), "another signer"),
        (Flaws(entry="other-signature"), "another signature"),
        (Flaws(log="stranger"), "no log of the trust root"),
        (Flaws(promise="flipped"), "did not sign"),
        (Flaws(flipped=True), "not by the key of its certificate"),
    ],
)
@pytest.mark.parametrize("form", ["simple", "bundle"])
def test_each_flaw_breaks_the_signature(form: str, flaws: Flaws, expected: str) -> None:
    """A signature that points at the authority and has one thing wrong is broken, and the reason says what."""
    assert any(part in why(found(signed(form, flaws=flaws))) for part in expected.split("|"))


@pytest.mark.parametrize(
    ("flaws", "expected"),
    [
        (Flaws(proof="missing"), "inclusionProof"),
        (Flaws(proof="flipped"), "not in the tree"),
        (Flaws(proof="checkpoint-missing"), "checkpoint"),
        (Flaws(proof="checkpoint-flipped"), "not signed by the log"),
        (Flaws(promise="missing"), "without a trusted time"),
    ],
)
def test_a_flawed_proof_breaks_a_bundle(flaws: Flaws, expected: str) -> None:
    """A bundle of a later version carries a proof, which holds, and needs a time beside it."""
    assert expected in why(found(signed(flaws=flaws)))


@pytest.mark.parametrize(
    ("flaws", "expected"),
    [
        (Flaws(stamp="missing"), "without a trusted time"),
        (Flaws(stamp="unrelated"), "another signature"),
        (Flaws(stamp="stranger"), "no timestamp authority"),
        (Flaws(stamp="flipped"), "timestamp"),
        (Flaws(stamped=timedelta(hours=1)), "not valid when"),
    ],
)
def test_a_flawed_timestamp_breaks_a_bundle(flaws: Flaws, expected: str) -> None:
    """Without a promise the time is that of a timestamp, which must be a trusted authority's over this signature."""
    assert expected in why(found(signed(witness="rekor-v2", flaws=flaws)))


def test_a_flawed_timestamp_spoils_a_signature_that_a_log_promised() -> None:
    """What comes along must hold, also where the rest would do."""
    assert "timestamp" in why(found(signed(witness="rekor-v1-tsa", flaws=Flaws(stamp="stranger"))))


@pytest.mark.parametrize("flaws", [Flaws(leaf_key="rsa-2048"), Flaws(leaf_key="ecdsa-p384"), Flaws(unknown_field=True)])
def test_what_the_library_cannot_verify_is_verified(flaws: Flaws) -> None:
    """Other kinds of keys in certificates, and fields of later versions, do not keep a genuine signature out."""
    assert keys_aside(found(signed(flaws=flaws))) == VOUCHED


def test_an_empty_proof_may_be_left_out() -> None:
    """The first entry of a new log has no hashes in its proof, and JSON leaves them out."""
    stand = type(STAND).create(log_size=0)
    authority = keyless(root=load_trust_root(stand.trusted_root()))

    assert found(signed(stand=stand, flaws=Flaws(proof="hashes-omitted")), by=(authority,)).vouchers


@pytest.mark.parametrize("form", ["simple", "bundle"])
def test_claims_are_checked_in_what_was_signed(form: str) -> None:
    """A genuine signature over another image is broken, and an attestation is none."""
    assert "another image" in why(found(signed(form, flaws=Flaws(digest=OTHER))))
    assert found(signed(flaws=Flaws(predicate_type="https://spdx.dev/Document"))) == SignatureFindings()


@pytest.mark.parametrize("form", ["simple", "bundle"])
def test_limits_hold_for_certificates_too(form: str) -> None:
    """Outside its repositories, or without the annotations it must sign, an authority is a stranger."""
    candidate = signed(form, annotations={"env": "production"})

    assert found(
        candidate, by=(keyless(annotations={"env": "production"}, repositories=("registry.example/**",)),)
    ).vouchers
    assert found(candidate, by=(keyless(annotations={"env": "test"}),)).strangers == 1
    assert found(candidate, by=(keyless(repositories=("elsewhere.example/**",)),)).strangers == 1


def test_another_sigstore_is_not_believed() -> None:
    """The same identity by another Sigstore is broken, for it is claimed and not proven, and its name is not told."""
    findings = found(signed(stand=OTHER_STAND))

    assert "no log of the trust root" in why(findings)
    assert findings.identities == ()


def test_each_authority_is_asked_with_its_own_root() -> None:
    """A certificate that holds under the root of one authority breaks nothing for another that has another root."""
    other = keyless("other", root=load_trust_root(OTHER_STAND.trusted_root()))

    assert keys_aside(found(signed(), by=(keyless(), other))) == VOUCHED
    assert found(signed(), by=(other, keyless(subject="nobody"))) == A_STRANGER


def test_authorities_that_share_an_identity_are_one_signer() -> None:
    """Two authorities vouch by one identity, and count once."""
    findings = found(signed(), by=(keyless("a"), keyless("b", subject=".*", issuer=".*", is_expression=True)))

    assert [voucher.authority for voucher in findings.vouchers] == ["a", "b"]
    assert count_signers(findings, SignatureRequirement(authorities=("a", "b"), at_least=2)) == 1


@pytest.mark.parametrize("form", ["simple", "bundle"])
def test_a_key_and_the_identity_that_it_was_certified_for_are_one_signer(form: str) -> None:
    """One signature counts once, although one authority knows its key and another whom its certificate names."""
    candidate = signed(form)
    held = usable_key(certificate_of(candidate).public_key(), "the key")
    findings = found(candidate, by=(keyless("a"), KeyAuthority(name="b", keys=(held,))))

    assert {voucher.authority for voucher in findings.vouchers} == {"a", "b"}
    assert {voucher.key for voucher in findings.vouchers} == {held.fingerprint}
    assert count_signers(findings, SignatureRequirement(authorities=("a", "b"), at_least=2)) == 1


def test_a_root_that_nobody_has_leaves_the_question_open() -> None:
    """Without its root an authority cannot be judged: that is not a no."""
    lacking = Trouble(doing="refreshing", where="tuf.example", why="no answer")
    by = (keyless(root=PublicGood()),)

    assert found(signed(), by=by).incomplete is not None
    assert found(signed(), by=by, roots={PublicGood(): lacking}).incomplete == lacking
    assert keys_aside(found(signed(), by=by, roots={PublicGood(): ROOT})) == VOUCHED


def test_a_time_in_the_future_is_not_believed() -> None:
    """A signature that was made after now, by a clock that is trusted, is broken; a clock may be a little ahead."""
    assert "future" in why(found(signed(), as_of=STAND_NOW - timedelta(hours=1)))
    assert keys_aside(found(signed(), as_of=STAND_NOW - timedelta(minutes=2))) == VOUCHED


@pytest.mark.parametrize("witness", ["rekor-v1", "rekor-v2"])
def test_keys_count_only_for_their_time(witness: Any) -> None:  # noqa: ANN401 - literals
    """A root whose keys began to count after the signature, or ended before it, proves nothing."""
    late = STAND.trusted_root(valid_from=STAND_NOW + timedelta(1))
    ended = STAND.trusted_root(valid_until=STAND_NOW - timedelta(1))
    for root in (late, ended):
        assert why(found(signed(witness=witness), by=(keyless(root=load_trust_root(root)),)))
    edge = keyless(root=load_trust_root(STAND.trusted_root(valid_until=STAND_NOW)))
    assert found(signed(witness=witness), by=(edge,)).vouchers


def test_a_timestamp_needs_an_authority_in_the_root() -> None:
    """A root without timestamp authorities cannot check a timestamp, and says so."""
    authority = keyless(root=load_trust_root(STAND.trusted_root(timestamp_authorities=False)))

    assert "lists no timestamp authority" in why(found(signed(witness="rekor-v2"), by=(authority,)))


def test_without_a_named_subject_it_points_at_nobody() -> None:
    """A certificate that names no issuer is nobody's."""
    assert found(signed(flaws=Flaws(issuer_extensions="none"))) == SignatureFindings(strangers=1)
