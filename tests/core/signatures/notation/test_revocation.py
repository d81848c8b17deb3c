"""Revocation lists: which can be used, and what they say about a chain."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from tests.core.signatures.notation.der import resigned
from tests.core.signatures.notation.signer import (
    AUTHORITY,
    CA,
    ISSUING,
    LEAF,
    NOW,
    RELEASE,
    ROOT,
    Extensions,
    Words,
    authority,
    judged,
    make_root,
    usage,
)
from webhook.core.errors import ParseError
from webhook.core.facts import Trouble
from webhook.core.signatures.findings import SignatureFindings
from webhook.core.signatures.notation.revocation import MAX_LIST_BYTES, load_revocation_list

WORDS = Words()
PART_ONLY = x509.IssuingDistributionPoint(
    full_name=None,
    relative_name=None,
    only_contains_user_certs=True,
    only_contains_ca_certs=False,
    only_some_reasons=None,
    indirect_crl=False,
    only_contains_attribute_certs=False,
)
NONE_REVOKED = (ISSUING.revokes(), ROOT.revokes())


def unknown(issuer: str, lacking: str) -> SignatureFindings:
    """Return what is found if nobody knows whether a certificate of `issuer` is revoked."""
    why = f"the list of `{issuer},O=Example` is {lacking}"
    return SignatureFindings(incomplete=Trouble(doing="checking revocation", where="authority `release`", why=why))


def test_lists_in_force_that_name_nobody_are_no_obstacle() -> None:
    """With a list for each issuer, and others beside, the signature holds."""
    others = (make_root("CN=Another").revokes(RELEASE.certificate), ROOT.revokes(RELEASE.certificate))

    assert judged(WORDS.jws(), authority(crls=(*NONE_REVOKED, *others))).vouchers


@pytest.mark.parametrize("extra", [(), (ISSUING.revokes(),)])
def test_one_list_that_names_the_certificate_is_enough(extra: tuple[bytes, ...]) -> None:
    """Of two lists in force the one that revokes decides; an issuer can be revoked like a signer."""
    leaf = judged(WORDS.jws(), authority(crls=(*extra, ISSUING.revokes(RELEASE.certificate), ROOT.revokes())))
    issuer = judged(WORDS.jws(), authority(crls=(ISSUING.revokes(), ROOT.revokes(ISSUING.certificate))))

    assert leaf.broken[0].why == "the certificate of `CN=release,OU=Team,O=Example` is revoked"
    assert issuer.broken[0].why == "the certificate of `CN=Issuing,O=Example` is revoked"


@pytest.mark.parametrize("hours", [-48, 48])
def test_a_list_out_of_force_says_nothing(hours: int) -> None:
    """A list that has run out, or has not begun, is neither a proof for nor against."""
    begins = NOW + timedelta(hours=hours)
    stale = ISSUING.revokes(RELEASE.certificate, begins=begins, ends=begins + timedelta(hours=24))

    assert judged(WORDS.jws(), authority(crls=(stale, ROOT.revokes()))) == unknown("CN=Issuing", "not in force")


def test_only_what_is_below_the_trusted_certificate_is_looked_up() -> None:
    """Whoever trusts an issuer needs no list about it; whoever trusts the very certificate needs none at all."""
    assert judged(WORDS.jws(), authority(store=(ISSUING,), crls=(ISSUING.revokes(),))).vouchers
    assert judged(WORDS.jws(), authority(store=(RELEASE,), crls=(ROOT.revokes(),))).vouchers
    assert judged(WORDS.jws(), authority(crls=(ISSUING.revokes(),))) == unknown("CN=Root", "missing")


def test_unknown_for_one_authority_is_not_unknown_for_another() -> None:
    """Each authority has lists of its own."""
    found = judged(WORDS.jws(), authority(crls=NONE_REVOKED[:1]), authority(name="content"))

    assert [voucher.authority for voucher in found.vouchers] == ["content"]
    assert found.incomplete is not None


def test_a_list_must_be_the_issuers_own() -> None:
    """A list in the issuer's name by another key is nobody's, whatever it says."""
    forged = make_root("CN=Issuing,O=Example").revokes()

    assert judged(WORDS.jws(), authority(crls=(forged, ROOT.revokes()))) == unknown("CN=Issuing", "missing")


@pytest.mark.parametrize(
    "extensions",
    [
        ((CA, True), (usage("key_cert_sign"), True)),
        ((CA, True),),
    ],
)
def test_an_issuer_that_may_not_sign_lists_has_none(extensions: Extensions) -> None:
    """Without the key usage for lists, a list by the same key does not count."""
    issuer = make_root("CN=Issuing", extensions)

    assert not load_revocation_list(issuer.revokes()).is_signed_by(issuer.certificate)


def test_lists_by_other_kinds_of_keys_do_not_count() -> None:
    """Only ECDSA and RSA are looked at, with SHA-256 or better."""
    own = ed25519.Ed25519PrivateKey.generate()
    issuer = make_root("CN=Issuing", AUTHORITY, key=own)
    name = issuer.certificate.subject
    builder = x509.CertificateRevocationListBuilder(name, NOW, NOW + timedelta(days=1))
    found = load_revocation_list(builder.sign(own, None).public_bytes(Encoding.DER))
    namesake = make_root("CN=Issuing")

    assert not found.is_signed_by(issuer.certificate)
    assert not found.is_signed_by(namesake.certificate)


def test_both_encodings_are_read() -> None:
    """DER and PEM are one list."""
    der = ISSUING.revokes()
    pem = x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)

    assert load_revocation_list(der) == load_revocation_list(pem)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is not a revocation list"),
        (b"junk", "is not a revocation list"),
        (ISSUING.revokes() + b"\x00", "is not a revocation list"),
        (ROOT.certificate.public_bytes(Encoding.PEM), "is not a revocation list"),
        (x509.load_der_x509_crl(ISSUING.revokes()).public_bytes(Encoding.PEM) * 2, "holds several PEM blocks"),
        (b"\x00" * (MAX_LIST_BYTES + 1), "is larger than 8,388,608 bytes"),
        (ISSUING.revokes(extensions=((x509.DeltaCRLIndicator(1), True),)), "is a list of a part only"),
        (
            ISSUING.revokes(extensions=((PART_ONLY, True),)),
            "is a list of a part only",
        ),
        (
            ISSUING.revokes(
                extensions=((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"), True),)
            ),
            "is a list of a part only, or has a critical extension",
        ),
    ],
)
def test_lists_that_cannot_be_used_are_refused(data: bytes, why: str) -> None:
    """What is no list, or none that says everything, is refused when it is read."""
    with pytest.raises(ParseError) as caught:
        load_revocation_list(data)

    assert why in str(caught.value)


def test_a_list_must_say_until_when_it_holds() -> None:
    """A list without an end could be served for ever."""

    def endless(inner: list[bytes]) -> None:
        del inner[4]  # version, algorithm, issuer, this update, next update

    assert isinstance(ISSUING.key, ec.EllipticCurvePrivateKey)
    with pytest.raises(ParseError, match="does not say until when it holds"):
        load_revocation_list(resigned(ISSUING.revokes(), ISSUING.key, endless))


def test_a_list_with_a_harmless_extension_is_read() -> None:
    """Numbers and identifiers of keys change nothing, critical or not."""
    numbered = ISSUING.revokes(extensions=((x509.CRLNumber(7), False),))

    assert judged(WORDS.cose(), authority(crls=(numbered, ROOT.revokes()))).vouchers
    assert judged(Words(chain=(ROOT.issue("CN=release,O=Example", LEAF), ROOT)).cose()).vouchers
