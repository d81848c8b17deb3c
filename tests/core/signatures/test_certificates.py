"""Certificates by themselves: whom they name, and what a certificate must be made for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from rfc3161_client import decode_timestamp_response

from tests.core.signatures.given_keyless import ISSUER, PIPELINE, ROOT, STAND, SUBJECT
from tests.sigstore_stand.certificates import CertificateAuthority, der_of, new_chain
from tests.sigstore_stand.der import der_text
from tests.sigstore_stand.flaws import NO_FLAWS
from tests.sigstore_stand.stand import STAND_NOW
from webhook.core.errors import ParseError
from webhook.core.signatures.identity import CertificateIdentity, claimed_identity, read_identity
from webhook.core.signatures.signing_certificates import _check_usage, check_certificate, load_certificate
from webhook.core.signatures.timestamps import _is_regular, stamped_at
from webhook.core.signatures.trusted_material import Chain, TrustedMaterial, trusted_material
from webhook.demo.keys import SigningKey

KEY = ec.generate_private_key(ec.SECP256R1())
NEW_ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
OLD_ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
URI = x509.UniformResourceIdentifier(SUBJECT)
BY_NEW = x509.UnrecognizedExtension(NEW_ISSUER, der_text(ISSUER))
BY_OLD = x509.UnrecognizedExtension(OLD_ISSUER, ISSUER.encode())


def certificate(*extensions: x509.ExtensionType) -> x509.Certificate:
    """Return a certificate that signs itself, with these extensions."""
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, KEY.public_key(), 1, STAND_NOW, STAND_NOW + timedelta(minutes=10))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEY, hashes.SHA256())


def names(*general: x509.GeneralName) -> x509.SubjectAlternativeName:
    """Return the extension with subjects."""
    return x509.SubjectAlternativeName(general)


@pytest.mark.parametrize("issuers", [(BY_NEW,), (BY_OLD,), (BY_NEW, BY_OLD)])
def test_both_parts_of_an_identity_are_read(issuers: tuple[x509.ExtensionType, ...]) -> None:
    """The issuer stands in either extension, or in both alike."""
    expected = CertificateIdentity(issuer=ISSUER, subject=SUBJECT)

    assert read_identity(certificate(names(URI), *issuers)) == expected
    assert claimed_identity(der_of(certificate(names(URI), *issuers))) == expected


@pytest.mark.parametrize(
    "extensions",
    [
        (),
        (names(URI),),
        (BY_NEW,),
        (names(URI, x509.RFC822Name("a@b.example")), BY_NEW),
        (names(x509.DNSName("b.example")), BY_NEW),
        (names(x509.OtherName(x509.ObjectIdentifier("1.2.3"), der_text("alice"))), BY_NEW),
        (names(URI), BY_NEW, x509.UnrecognizedExtension(OLD_ISSUER, b"https://other.example")),
        (names(URI), x509.UnrecognizedExtension(NEW_ISSUER, b"bare")),
        (names(URI), x509.UnrecognizedExtension(NEW_ISSUER, der_text(ISSUER) + b"!")),
        (names(URI), x509.UnrecognizedExtension(OLD_ISSUER, b"\xff")),
    ],
)
def test_an_identity_that_two_readers_could_read_differently_is_none(
    extensions: tuple[x509.ExtensionType, ...],
) -> None:
    """No subject or two, an unknown kind of name, no issuer or two, or text that is none: nobody is named."""
    made = certificate(*extensions)
    with pytest.raises(ParseError):
        read_identity(made)

    assert claimed_identity(der_of(made)) is None


def test_extensions_that_cannot_be_read_name_nobody() -> None:
    """A certificate whose extensions are broken names nobody, and raises nothing else."""
    der = der_of(certificate(names(URI), BY_NEW))
    broken = x509.load_der_x509_certificate(der.replace(b"\x55\x1d\x11\x04", b"\x55\x1d\x13\x04"))
    with pytest.raises(ParseError, match="cannot be read"):
        read_identity(broken)


@given(st.text(), st.text(), st.text(), st.text())
def test_two_identities_never_share_a_fingerprint(issuer: str, subject: str, other: str, another: str) -> None:
    """What counts signers tells identities apart, however their parts are cut."""
    one = CertificateIdentity(issuer=issuer, subject=subject)
    two = CertificateIdentity(issuer=other, subject=another)

    assert (one.fingerprint == two.fingerprint) == (one == two)


def test_a_fingerprint_is_that_of_both_parts() -> None:
    """The fingerprint is the hash of a JSON array, so that others can compute it."""
    encoded = json.dumps([ISSUER, SUBJECT]).encode()

    assert CertificateIdentity(issuer=ISSUER, subject=SUBJECT).fingerprint.hex == hashlib.sha256(encoded).hexdigest()


@pytest.mark.parametrize("extensions", [(), (names(URI), BY_NEW)])
def test_a_certificate_says_what_it_was_made_for(extensions: tuple[x509.ExtensionType, ...]) -> None:
    """Without key usages a certificate was made for nothing."""
    with pytest.raises(ParseError, match="made for"):
        _check_usage(certificate(*extensions))


@given(st.binary(max_size=100))
def test_hostile_bytes_are_no_certificate(der: bytes) -> None:
    """Bytes that are no certificate name nobody and are refused in one way."""
    assert claimed_identity(der) is None
    with pytest.raises(ParseError):
        load_certificate(der)


def test_the_first_of_several_authorities_need_not_be_the_issuer() -> None:
    """A root may list several authorities and certificate logs; each certificate finds its own."""
    trusted = trusted_material(ROOT)
    other = trusted_material(ROOT).timestampers
    many = type(trusted)(
        issuers=(*other, *trusted.issuers),
        certificate_logs=(*trusted.logs, *trusted.certificate_logs),
        logs=trusted.logs,
        timestampers=trusted.timestampers,
    )
    leaf = STAND.authority.certify(SigningKey.generate(), PIPELINE, at=STAND_NOW, flaws=NO_FLAWS)

    check_certificate(leaf, (), many, (STAND_NOW, STAND_NOW + timedelta(minutes=1)))
    with pytest.raises(ParseError, match="not valid when"):
        check_certificate(leaf, (), many, (STAND_NOW, STAND_NOW + timedelta(hours=1)))
    with pytest.raises(ParseError, match="without a trusted time"):
        check_certificate(leaf, (), many, ())


def below(purpose: x509.ObjectIdentifier) -> tuple[x509.Certificate, x509.Certificate, TrustedMaterial]:
    """Return the pipeline's certificate, the authority for `purpose` that issued it, and trust in its root alone."""
    key, (issuing, root) = new_chain("issuing.stand.test", purpose, not_before=STAND_NOW - timedelta(days=1))
    authority = CertificateAuthority(
        key=key, chain=(issuing, root), log=STAND.authority.log, strange_log=STAND.authority.strange_log
    )
    (listed,) = trusted_material(ROOT).issuers
    trusted = replace(trusted_material(ROOT), issuers=(Chain(certificates=(root,), period=listed.period),))
    return authority.certify(SigningKey.generate(), PIPELINE, at=STAND_NOW, flaws=NO_FLAWS), issuing, trusted


def test_an_authority_may_come_along_if_it_is_for_code() -> None:
    """A root may list itself alone; an authority below it that is for servers or timestamps certifies no signers."""
    leaf, issuing, trusted = below(ExtendedKeyUsageOID.CODE_SIGNING)
    check_certificate(leaf, (issuing,), trusted, (STAND_NOW,))
    for purpose in (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.TIME_STAMPING):
        leaf, issuing, trusted = below(purpose)
        with pytest.raises(ParseError, match="an authority that is for another purpose"):
            check_certificate(leaf, (issuing,), trusted, (STAND_NOW,))


def test_there_is_one_way_up() -> None:
    """Namesakes among the certificates that come along multiply the ways to the root, each of which costs much."""
    leaf, issuing, trusted = below(ExtendedKeyUsageOID.CODE_SIGNING)
    _, namesake, _ = below(ExtendedKeyUsageOID.CODE_SIGNING)
    with pytest.raises(ParseError, match="two certificates of one name"):
        check_certificate(leaf, (namesake, issuing), trusted, (STAND_NOW,))


def test_a_timestamp_authority_has_a_root_of_its_own() -> None:
    """A chain of one certificate leads nowhere, and bytes that are no response are none."""
    (chain,) = trusted_material(ROOT).timestampers
    alone = Chain(certificates=chain.certificates[:1], period=chain.period)
    response = STAND.clock.stamp(b"signature", at=STAND_NOW)

    assert stamped_at(response, b"signature", (alone, chain)) == STAND_NOW
    with pytest.raises(ParseError, match="no timestamp authority"):
        stamped_at(response, b"signature", (alone,))
    with pytest.raises(ParseError, match="cannot be read"):
        stamped_at(b"x", b"signature", (chain,))


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b"\x02\x01\x03\x31", b"\x02\x01\x01\x31"),
        (b"\x02\x01\x01\x30\x48", b"\x02\x01\x03\x30\x48"),
        (b"\x3d\x04\x03\x02\x04", b"\x3d\x04\x03\x03\x04"),
        (b"\x3d\x04\x03\x02\x04", b"\x3d\x04\x03\x07\x04"),
        (b"\x3d\x04\x03\x02\x04", b"\x3d\x04\x03\x02\x05"),
    ],
)
def test_what_nobody_signed_in_a_timestamp_must_be_right(written: bytes, instead: bytes) -> None:
    """Versions and the name of the algorithm are under no signature, and are not believed to be anything else."""
    response = STAND.clock.stamp(b"signature", at=STAND_NOW)
    assert response.count(written) == 1
    with pytest.raises(ParseError, match="timestamp"):
        stamped_at(response.replace(written, instead), b"signature", trusted_material(ROOT).timestampers)


def test_nothing_follows_the_signature_of_a_timestamp() -> None:
    """Attributes that nobody signed could stand behind the signature; a response that has any is irregular."""
    response = STAND.clock.stamp(b"signature", at=STAND_NOW)
    read = decode_timestamp_response(response)

    assert _is_regular(read, response)
    assert not _is_regular(read, response + b"\x00")
