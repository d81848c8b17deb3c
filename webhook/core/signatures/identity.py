"""Whom a certificate of Fulcio names: the subject, and the issuer of the token by which it was proven.

Source: sigstore/fulcio `docs/oid-info.md` for the extensions and names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import ObjectIdentifier

from webhook.core.errors import ParseError
from webhook.core.references import Digest

__all__ = ["CertificateIdentity", "CertifiedSigner", "claimed_identity", "read_identity"]

ISSUER = ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
ISSUER_BEFORE_2022 = ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
USER_NAME = ObjectIdentifier("1.3.6.1.4.1.57264.1.7")


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateIdentity:
    """The two parts of an identity, as a certificate spells them."""

    issuer: str
    subject: str

    @property
    def fingerprint(self) -> Digest:
        """Return what tells this identity from every other: the SHA-256 of both parts as a JSON array."""
        encoded = json.dumps([self.issuer, self.subject]).encode()
        return Digest.of(encoded)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedSigner:
    """Who signed by a certificate that holds, and when: the earliest of the trusted times.

    `key` is the fingerprint of the key that the certificate certifies.
    """

    key: Digest
    identity: CertificateIdentity
    signed_at: datetime


def read_identity(certificate: x509.Certificate) -> CertificateIdentity:
    """Read whom a certificate names; a ParseError unless it names exactly one subject and one issuer.

    1. The subject is the only subject alternative name: a URI, an e-mail address, or Fulcio's user name.
    2. The issuer is in the extension 1.8, a DER string; in older certificates in 1.1, bare text. Both must agree.
    """
    return CertificateIdentity(issuer=_issuer(certificate), subject=_subject(certificate))


def claimed_identity(der: bytes) -> CertificateIdentity | None:
    """Read whom a certificate that nobody has verified names; None if it names nobody, or is none."""
    try:
        return read_identity(x509.load_der_x509_certificate(der))
    except Exception:  # noqa: BLE001 - anyone can write these bytes, and nothing is believed of them
        return None


def _subject(certificate: x509.Certificate) -> str:
    try:
        names = tuple(_extensions(certificate).get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        raise ParseError("certificate", "names no subject") from None
    if len(names) != 1:
        raise ParseError("certificate", "does not name exactly one subject")
    match names[0]:
        case x509.UniformResourceIdentifier(value=subject) | x509.RFC822Name(value=subject):
            return subject
        case x509.OtherName(type_id=type_id, value=der) if type_id == USER_NAME:
            return _utf8_string(der)
        case _:
            raise ParseError("certificate", "names its subject by no URI, e-mail address or user name")


def _issuer(certificate: x509.Certificate) -> str:
    found: set[str] = set()
    for extension in _extensions(certificate):
        if isinstance(extension.value, x509.UnrecognizedExtension):
            if extension.oid == ISSUER:
                found.add(_utf8_string(extension.value.value))
            if extension.oid == ISSUER_BEFORE_2022:
                found.add(_text(extension.value.value))
    if len(found) != 1:
        raise ParseError("certificate", "does not name exactly one issuer of its identity")
    return found.pop()


def _extensions(certificate: x509.Certificate) -> x509.Extensions:
    try:
        return certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise ParseError("certificate", "has extensions that cannot be read") from None


def _utf8_string(der: bytes) -> str:
    """Read a UTF8String (X.690, section 8.23)."""
    try:
        return asn1.decode_der(str, der)
    except ValueError:
        raise ParseError("certificate", "has a name that is no UTF-8 string") from None


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ParseError("certificate", "has a name that is no UTF-8 string") from None
