"""The certificate authority and the log of its certificates: what Fulcio and a CT log do.

Sources: sigstore/fulcio `docs/certificate-specification.md` and `docs/oid-info.md`; RFC 6962, sections 3.2 and 3.3.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, assert_never

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from tests.sigstore_stand.der import der_octets, der_text
from tests.sigstore_stand.flaws import Flaws
from webhook.demo.keys import PrivateKey, SigningKey

__all__ = [
    "CertificateAuthority",
    "CertificateLog",
    "Identity",
    "der_of",
    "new_chain",
    "pem_of",
    "spki_of",
]

LEAF_LIFETIME = timedelta(minutes=10)
AUTHORITY_LIFETIME = timedelta(days=3650)
FULCIO = "1.3.6.1.4.1.57264.1"
OLD_ISSUER = x509.ObjectIdentifier(f"{FULCIO}.1")
USER_NAME = x509.ObjectIdentifier(f"{FULCIO}.7")
NEW_ISSUER = x509.ObjectIdentifier(f"{FULCIO}.8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who signs: a subject as an OIDC `issuer` calls it, and how the certificate writes it.

    `extensions` are further DER extensions of Fulcio by their last arc, such as 12 for the source repository.
    """

    subject: str
    issuer: str
    kind: Literal["uri", "email", "user-name"] = "uri"
    extensions: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateLog:
    """A CT log, which signs that it will list a certificate. `log_id` is the SHA-256 of its key."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls) -> CertificateLog:
        """Make a log with a new P-256 key."""
        return cls(key=ec.generate_private_key(ec.SECP256R1()))

    @property
    def log_id(self) -> bytes:
        """The SHA-256 of the log's key."""
        return hashlib.sha256(spki_of(self.key)).digest()

    def timestamp(self, precertificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> bytes:
        """Return a signed certificate timestamp over a certificate that has none yet (RFC 6962, section 3.2)."""
        milliseconds = int(at.timestamp() * 1000)
        tbs = precertificate.tbs_certificate_bytes
        issuer_spki = issuer.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        precertificate_entry = hashlib.sha256(issuer_spki).digest() + len(tbs).to_bytes(3, "big") + tbs
        signed = struct.pack("!BBQH", 0, 0, milliseconds, 1) + precertificate_entry + struct.pack("!H", 0)
        signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        head = struct.pack("!B32sQH", 0, self.log_id, milliseconds, 0)
        return head + struct.pack("!BBH", 4, 3, len(signature)) + signature


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateAuthority:
    """Certifies a key for ten minutes. `chain` is the intermediate that signs, then the root."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, x509.Certificate]
    log: CertificateLog
    strange_log: CertificateLog

    @classmethod
    def create(cls, *, log: CertificateLog, not_before: datetime) -> CertificateAuthority:
        """Make a root and an intermediate, both P-384, valid for ten years."""
        key, chain = new_chain("authority.stand.test", ExtendedKeyUsageOID.CODE_SIGNING, not_before=not_before)
        return cls(key=key, chain=chain, log=log, strange_log=CertificateLog.create())

    def certify(self, key: SigningKey, identity: Identity, *, at: datetime, flaws: Flaws) -> x509.Certificate:
        """Certify that `identity` holds `key` at that time, with a signed certificate timestamp inside."""
        not_before = at + flaws.validity
        builder = self._profile(key.private, identity, flaws, not_before)
        timestamps = self._timestamps(builder, flaws, not_before)
        if timestamps:
            packed = b"".join(struct.pack("!H", len(each)) + each for each in timestamps)
            value = der_octets(struct.pack("!H", len(packed)) + packed)
            oid = ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        return builder.sign(self.key, hashes.SHA384())

    def _timestamps(self, builder: x509.CertificateBuilder, flaws: Flaws, at: datetime) -> tuple[bytes, ...]:
        precertificate = builder.sign(self.key, hashes.SHA384())
        honest = self.log.timestamp(precertificate, self.chain[0], at)
        match flaws.sct:
            case "embedded":
                return (honest,)
            case "missing":
                return ()
            case "twice":
                return (honest, self.log.timestamp(precertificate, self.chain[0], at))
            case "flipped":
                return (honest[:-1] + bytes([honest[-1] ^ 1]),)
            case "stranger":
                return (self.strange_log.timestamp(precertificate, self.chain[0], at),)
            case _:
                assert_never(flaws.sct)

    def _profile(
        self, key: PrivateKey, identity: Identity, flaws: Flaws, not_before: datetime
    ) -> x509.CertificateBuilder:
        """Write everything but the certificate timestamp, in Fulcio's profile."""
        issuer = self.chain[0]
        subject_key = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key())
        purpose = (
            ExtendedKeyUsageOID.SERVER_AUTH if flaws.usage == "no-code-signing" else ExtendedKeyUsageOID.CODE_SIGNING
        )
        builder = (
            x509.CertificateBuilder(issuer_name=issuer.subject, subject_name=x509.Name([]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_before + LEAF_LIFETIME)
            .add_extension(_key_usage(signs=flaws.usage != "no-digital-signature", certifies=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_key), critical=False)
            .add_extension(x509.SubjectAlternativeName([_alternative_name(identity)]), critical=True)
        )
        for extension in _identity_extensions(identity, flaws):
            builder = builder.add_extension(extension, critical=False)
        return builder


def new_chain(
    name: str, purpose: x509.ObjectIdentifier, *, not_before: datetime
) -> tuple[ec.EllipticCurvePrivateKey, tuple[x509.Certificate, x509.Certificate]]:
    """Make a root and an intermediate for `purpose`; return the key of the latter, and both, the latter first."""
    root_key, key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    root_name = _name(f"root of {name}")
    root = _authority(root_name, root_name, root_key, root_key, path_length=1, not_before=not_before).sign(
        root_key, hashes.SHA384()
    )
    intermediate = (
        _authority(_name(name), root_name, key, root_key, path_length=0, not_before=not_before)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .sign(root_key, hashes.SHA384())
    )
    return key, (intermediate, root)


def spki_of(key: PrivateKey) -> bytes:
    """Return the DER of the public half."""
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def der_of(certificate: x509.Certificate) -> bytes:
    """Return the DER of a certificate."""
    return certificate.public_bytes(serialization.Encoding.DER)


def pem_of(*certificates: x509.Certificate) -> bytes:
    """Return certificates as PEM blocks, one after the other."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def _authority(
    name: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    path_length: int,
    not_before: datetime,
) -> x509.CertificateBuilder:
    issuer_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder(issuer_name=issuer, subject_name=name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_before + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(signs=False, certifies=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer_identifier, critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "stand.test"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(*, signs: bool, certifies: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=not signs and not certifies,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certifies,
        crl_sign=certifies,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_name(identity: Identity) -> x509.GeneralName:
    match identity.kind:
        case "uri":
            return x509.UniformResourceIdentifier(identity.subject)
        case "email":
            return x509.RFC822Name(identity.subject)
        case "user-name":
            return x509.OtherName(USER_NAME, der_text(identity.subject))
        case _:
            assert_never(identity.kind)


def _identity_extensions(identity: Identity, flaws: Flaws) -> tuple[x509.UnrecognizedExtension, ...]:
    """Write the issuer as raw bytes where old clients look for it, and as DER where new ones do; then the rest."""
    found = []
    if flaws.issuer_extensions in {"both", "old"}:
        found.append(x509.UnrecognizedExtension(OLD_ISSUER, identity.issuer.encode()))
    if flaws.issuer_extensions in {"both", "new"}:
        found.append(x509.UnrecognizedExtension(NEW_ISSUER, der_text(identity.issuer)))
    for arc, value in identity.extensions:
        found.append(x509.UnrecognizedExtension(x509.ObjectIdentifier(f"{FULCIO}.{arc}"), der_text(value)))
    return tuple(found)
