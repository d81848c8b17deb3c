"""Certificates that are made on the spot: by an authority of the gate's own, and for development and the demo."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = [
    "CertificateAuthority",
    "DevelopmentCertificates",
    "ServerCertificate",
    "make_authority",
    "make_development_certificates",
    "write_new",
]

TOLERATED_SKEW = timedelta(minutes=5)
"""How far the clock of another machine may be behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificate:
    """A server's certificate and its key, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateAuthority:
    """An authority that can sign."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        """The certificate, as it belongs into a bundle."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key, unencrypted."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def issue(self, names: tuple[str, ...], *, now: datetime, not_after: datetime) -> ServerCertificate:
        """Sign an ECDSA P-256 server certificate for DNS names and addresses, `names[0]` first, with a new key.

        Raises ValueError for a name that is neither.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        valid = (now - TOLERATED_SKEW, not_after)
        leaf = (
            _builder(_name(names[0]), self.certificate.subject, key.public_key(), valid)
            .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA384())
        )
        return ServerCertificate(
            certificate=leaf.public_bytes(Encoding.PEM),
            key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            not_after=leaf.not_valid_after_utc,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopmentCertificates:
    """A CA's certificate, and a server certificate with its key; all PEM. The CA's own key is kept by nobody."""

    ca: bytes
    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        """Show nothing of the key."""
        return "DevelopmentCertificates(...)"


def make_authority(common_name: str, *, now: datetime, lifetime: timedelta) -> CertificateAuthority:
    """Make an authority on ECDSA P-384 that signs servers' certificates and no other authority's."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = _name(common_name)
    certificate = (
        _builder(name, name, key.public_key(), (now - TOLERATED_SKEW, now + lifetime))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA384())
    )
    return CertificateAuthority(certificate=certificate, key=key)


def make_development_certificates(
    names: tuple[str, ...], *, now: datetime, lifetime: timedelta
) -> DevelopmentCertificates:
    """Make a CA and, signed by it, a server certificate for DNS names and addresses, `names[0]` first.

    Because the CA's key is thrown away, nothing else can ever be signed by it.
    """
    authority = make_authority("dhi-gate development CA", now=now, lifetime=lifetime)
    leaf = authority.issue(names, now=now, not_after=now + lifetime)
    return DevelopmentCertificates(ca=authority.pem, certificate=leaf.certificate, key=leaf.key)


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that must not exist, readable from its first byte on only for whom `mode` says. Raises OSError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, valid: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _alternative(name: str) -> x509.GeneralName:
    """Return an address as an address and everything else as a DNS name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
