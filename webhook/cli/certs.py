"""`dhi-gate certs`: certificates for development. In a cluster they come from the chart or from cert-manager."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from webhook.cli.options import flag

__all__ = ["DevelopmentCertificates", "certs", "make_development_certificates"]

LOOPBACK_NAMES = ("127.0.0.1", "::1", "localhost")
TOLERATED_SKEW = timedelta(minutes=5)
"""How far the clock of another machine may be behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopmentCertificates:
    """A CA's certificate, and a server certificate with its key; all PEM. The CA's own key is kept by nobody."""

    ca: bytes
    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        """Show nothing of the key."""
        return "DevelopmentCertificates(...)"


def make_development_certificates(
    names: tuple[str, ...], *, now: datetime, lifetime: timedelta
) -> DevelopmentCertificates:
    """Make a CA and, signed by it, an ECDSA P-256 server certificate for DNS names and addresses, `names[0]` first.

    Because the CA's key is thrown away, nothing else can ever be signed by it.
    """
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("dhi-gate development CA")
    key = ec.generate_private_key(ec.SECP256R1())
    valid = (now - TOLERATED_SKEW, now + lifetime)
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), valid)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        _builder(_name(names[0]), ca_name, key.public_key(), valid)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return DevelopmentCertificates(
        ca=ca.public_bytes(Encoding.PEM),
        certificate=leaf.public_bytes(Encoding.PEM),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


@click.group("certs")
def certs() -> None:
    """Make certificates for development."""


@certs.command("dev")
@flag("--directory", type=click.Path(file_okay=False, path_type=Path), default=Path("certs/dev"), show_default=True)
@flag("--service", default="dhi-gate", show_default=True, help="The Service that the API server calls.")
@flag("--service-namespace", default="dhi-gate", show_default=True, help="The namespace of that Service.")
@flag("--name", "names", multiple=True, help="A further DNS name or address.")
@flag("--days", type=click.IntRange(1, 365), default=90, show_default=True, help="How long they are valid.")
def dev(*, directory: Path, service: str, service_namespace: str, names: tuple[str, ...], days: int) -> None:
    """Make a CA and a server certificate for loopback and a Service's names; never overwrites a file.

    Writes ca.crt (for `caBundle`), tls.crt and tls.key into the directory.
    """
    in_cluster = f"{service}.{service_namespace}.svc"
    wanted = (in_cluster, service, f"{service}.{service_namespace}", f"{in_cluster}.cluster.local", *LOOPBACK_NAMES)
    try:
        made = make_development_certificates((*wanted, *names), now=datetime.now(UTC), lifetime=timedelta(days=days))
    except ValueError as error:
        raise click.UsageError(f"a name is neither a DNS name nor an address: {error}") from error
    files = {"ca.crt": (made.ca, 0o644), "tls.crt": (made.certificate, 0o644), "tls.key": (made.key, 0o600)}
    existing = [name for name in files if (directory / name).exists()]
    if existing:
        raise click.UsageError(f"{directory} already holds {', '.join(existing)}; remove them to make new ones")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, (content, mode) in files.items():
            _write_new(directory / name, content, mode)
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}") from error
    click.echo(f"{directory}: ca.crt, tls.crt and tls.key, valid for {days} days")


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that must not exist, readable from its first byte on only for whom `mode` says."""
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
