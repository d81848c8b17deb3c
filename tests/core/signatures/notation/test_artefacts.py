"""What the real Notation libraries wrote is verified: who signed is found, and nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.core.signatures.notation.artefacts import CASES, IMAGE, NOW, authority, candidate, judged
from webhook.core.facts import Trouble
from webhook.core.signatures.findings import BrokenSignature, SignatureFindings
from webhook.core.signatures.identity import CertificateIdentity

STRANGER = SignatureFindings(strangers=1)

both_kinds = pytest.mark.parametrize("kind", ["jws", "cose"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["file"]))
def test_finds_exactly_who_signed(case: dict[str, str]) -> None:
    """Every key of every kind vouches under its own name for the digest it signed, and for no other."""
    named = authority(f"x509.subject: CN={case['key']}, O=Example, ST=WA, C=US")
    found = judged(candidate(case["file"]), authority("x509.subject: CN=somebody", name="other"), named)

    if case["digest"] == str(IMAGE.digest):
        assert [voucher.authority for voucher in found.vouchers] == ["release"]
        assert not found.broken
    else:
        assert found.vouchers == ()
        assert [broken.authority for broken in found.broken] == ["release"]
        assert "it signs another image" in found.broken[0].why
    assert found.strangers == 0
    assert found.incomplete is None


@both_kinds
def test_one_subject_is_one_signer(kind: str) -> None:
    """Two authorities that one certificate speaks for are told apart by name and not by signer."""
    found = judged(candidate(f"rsa-2048.{kind}"), authority(name="one"), authority("x509.subject: C=US", name="two"))

    assert [voucher.authority for voucher in found.vouchers] == ["one", "two"]
    assert len({(voucher.key, voucher.identity) for voucher in found.vouchers}) == 1
    other = judged(candidate(f"rsa-3072.{kind}")).vouchers[0]
    assert other.key != found.vouchers[0].key
    assert other.identity != found.vouchers[0].identity


@both_kinds
def test_a_subject_that_is_not_trusted_is_a_named_stranger(kind: str) -> None:
    """A certificate that holds and names somebody else is a stranger's, who can be called by name."""
    found = judged(candidate(f"ecdsa-p384.{kind}"), authority("x509.subject: CN=ecdsa-p256,O=Example"))
    identity = CertificateIdentity(
        issuer="CN=Example Root CA,O=Example,ST=WA,C=US", subject="CN=ecdsa-p384,OU=Release,O=Example,ST=WA,C=US"
    )

    assert found == SignatureFindings(strangers=1, identities=(identity,))


@both_kinds
def test_a_root_that_is_not_trusted_is_a_stranger(kind: str) -> None:
    """A chain that leads to another root names nobody, whatever stands in it."""
    assert judged(candidate(f"ecdsa-p384.{kind}"), authority(store="other-root.pem")) == STRANGER


@both_kinds
def test_the_expiry_that_was_signed_counts(kind: str) -> None:
    """A signature with an expiry holds before it, and is broken from then on."""
    case = next(case for case in CASES if case["file"] == f"expiring.{kind}")
    expiry = datetime.fromisoformat(case["signed"]).astimezone(UTC).replace(microsecond=0) + timedelta(days=1)
    before = judged(candidate(f"expiring.{kind}"), as_of=expiry - timedelta(minutes=1))
    after = judged(candidate(f"expiring.{kind}"), as_of=expiry + timedelta(minutes=1))

    assert before.vouchers
    assert not after.vouchers
    assert "the signature expired at" in after.broken[0].why


@both_kinds
@pytest.mark.parametrize("as_of", [NOW.replace(year=2019), NOW.replace(year=2121)])
def test_every_certificate_must_be_valid_now(kind: str, as_of: datetime) -> None:
    """Before and after the life of a certificate nothing that it signed holds, for there are no timestamps."""
    (broken,) = judged(candidate(f"rsa-2048.{kind}"), as_of=as_of).broken

    assert "is valid from 2020-01-01 to 2120-01-01 only" in broken.why


@both_kinds
def test_a_revoked_certificate_vouches_for_nothing(kind: str) -> None:
    """A certificate on a list in force is revoked; others of the same issuer are not."""
    listing = authority(crls=("issuing-revokes-ecdsa-p256.crl", "root.crl"))
    why = "the certificate of `CN=ecdsa-p256,OU=Release,O=Example,ST=WA,C=US` is revoked"

    assert judged(candidate(f"ecdsa-p256.{kind}"), listing).broken == (BrokenSignature(authority="release", why=why),)
    assert judged(candidate(f"ecdsa-p384.{kind}"), listing).vouchers
    assert judged(candidate(f"ecdsa-p256.{kind}"), authority(crls=("issuing.crl", "root.crl"))).vouchers


@both_kinds
@pytest.mark.parametrize(
    ("crls", "issuer", "lacking"),
    [
        (("root.crl",), "CN=Example Issuing CA", "missing"),
        (("issuing.crl",), "CN=Example Root CA", "missing"),
    ],
)
def test_without_a_list_revocation_is_unknown(kind: str, crls: tuple[str, ...], issuer: str, lacking: str) -> None:
    """Where lists are asked for, a certificate whose issuer has none is neither good nor bad."""
    why = f"the list of `{issuer},O=Example,ST=WA,C=US` is {lacking}"

    assert judged(candidate(f"ecdsa-p256.{kind}"), authority(crls=crls)) == SignatureFindings(
        incomplete=Trouble(doing="checking revocation", where="authority `release`", why=why)
    )
