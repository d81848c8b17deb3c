"""A certificate authority and a signer of Notation that do as they are told, also what nobody should."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.core.signatures.given import IMAGE
from webhook.core.facts import CandidateKind, SignatureCandidate
from webhook.core.policy import NotationAuthority
from webhook.core.references import Glob
from webhook.core.signatures.findings import SignatureFindings
from webhook.core.signatures.notation.judge import judge_notation
from webhook.core.signatures.notation.revocation import RevocationList, load_revocation_list
from webhook.core.signatures.notation.subjects import parse_trusted_subject

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
PREFIX = "io.cncf.notary."
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CA = x509.BasicConstraints(ca=True, path_length=None)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Extensions = tuple[tuple[x509.ExtensionType, bool], ...]


def usage(*names: str) -> x509.KeyUsage:
    """Return a key usage with these bits."""
    bits = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    more = ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{bit: bit in names for bit in (*bits, *more)})


LEAF: Extensions = (
    (usage("digital_signature"), True),
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False),
)
AUTHORITY: Extensions = ((CA, True), (usage("key_cert_sign", "crl_sign"), True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A certificate and its key."""

    key: PrivateKey
    certificate: x509.Certificate

    def issue(
        self,
        subject: str,
        extensions: Extensions,
        *,
        key: PrivateKey | None = None,
        begins: datetime = NOW - timedelta(days=1),
        ends: datetime = NOW + timedelta(days=1),
    ) -> Holder:
        """Return the holder of a new certificate."""
        own = key or ec.generate_private_key(ec.SECP256R1())
        name = x509.Name.from_rfc4514_string(subject)
        builder = x509.CertificateBuilder(
            self.certificate.subject, name, own.public_key(), x509.random_serial_number(), begins, ends
        )
        return Holder(key=own, certificate=sign(builder, self.key, extensions))

    def revokes(
        self,
        *certificates: x509.Certificate,
        begins: datetime = NOW - timedelta(days=1),
        ends: datetime = NOW + timedelta(days=1),
        extensions: Extensions = (),
    ) -> bytes:
        """Return a revocation list, DER."""
        builder = x509.CertificateRevocationListBuilder(self.certificate.subject, begins, ends)
        for certificate in certificates:
            revoked = x509.RevokedCertificateBuilder(certificate.serial_number, begins).build()
            builder = builder.add_revoked_certificate(revoked)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def sign(builder: x509.CertificateBuilder, key: PrivateKey, extensions: Extensions) -> x509.Certificate:
    """Add extensions and sign."""
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    plain = isinstance(key, ed25519.Ed25519PrivateKey)
    return builder.sign(key, None if plain else hashes.SHA256())


def make_root(
    subject: str = "CN=Root,O=Example",
    extensions: Extensions = AUTHORITY,
    *,
    key: PrivateKey | None = None,
    begins: datetime = NOW - timedelta(days=1),
    ends: datetime = NOW + timedelta(days=1),
) -> Holder:
    """Return a root that signed itself."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string(subject)
    builder = x509.CertificateBuilder(name, name, own.public_key(), x509.random_serial_number(), begins, ends)
    return Holder(key=own, certificate=sign(builder, own, extensions))


ROOT = make_root()
ISSUING = ROOT.issue("CN=Issuing,O=Example", AUTHORITY)
RELEASE = ISSUING.issue("CN=release,OU=Team,O=Example", LEAF)
CHAIN = (RELEASE, ISSUING, ROOT)


def payload(**changes: object) -> bytes:
    """Return what is signed about IMAGE, with members of the descriptor said otherwise."""
    target = {"mediaType": MANIFEST, "digest": str(IMAGE.digest), "size": 7} | changes
    return json.dumps({"targetArtifact": target}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Everything that goes into an envelope. Of the attributes, those that are None are left out."""

    chain: tuple[Holder, ...] = CHAIN
    payload: bytes = field(default_factory=payload)
    algorithm: str | int | None = None
    content_type: str = PAYLOAD_TYPE
    scheme: object = "notary.x509"
    signing_time: datetime | None = NOW
    expiry: datetime | None = None
    critical: tuple[object, ...] | None = None
    more: Mapping[str, object] = field(default_factory=dict)
    unsigned: Mapping[str, object] = field(default_factory=dict)

    def but(self, **changes: Any) -> Words:  # noqa: ANN401 - any of the fields
        """Return the same with some of it said otherwise."""
        return replace(self, **changes)

    @property
    def named(self) -> tuple[object, ...]:
        """What is marked critical."""
        if self.critical is not None:
            return self.critical
        return (f"{PREFIX}signingScheme", *((f"{PREFIX}expiry",) if self.expiry else ()))

    def jws(self) -> SignatureCandidate:
        """Write it as JWS."""
        return of_kind(CandidateKind.NOTATION_JWS, json.dumps(self.jws_document()).encode())

    def jws_document(self) -> dict[str, Any]:
        """Return the members of the JSON object."""
        protected: dict[str, object] = {
            "alg": self.algorithm or _names(self.chain[0].key)[0],
            "cty": self.content_type,
            "crit": list(self.named),
            f"{PREFIX}signingScheme": self.scheme,
        }
        for name, moment in (("signingTime", self.signing_time), ("expiry", self.expiry)):
            protected |= {PREFIX + name: moment.isoformat()} if moment else {}
        first, second = b64(json.dumps(protected | dict(self.more)).encode()), b64(self.payload)
        x5c = [base64.b64encode(der).decode() for der in self.ders()]
        return {
            "payload": second,
            "protected": first,
            "header": {"x5c": x5c, **self.unsigned},
            "signature": b64(raw_signature(self.chain[0].key, f"{first}.{second}".encode())),
        }

    def cose(self) -> SignatureCandidate:
        """Write it as COSE."""
        return of_kind(CandidateKind.NOTATION_COSE, cbor2.dumps(cbor2.CBORTag(18, self.cose_parts())))

    def cose_protected(self) -> dict[object, object]:
        """Return what is signed beside the payload."""
        protected: dict[object, object] = {
            1: self.algorithm or _names(self.chain[0].key)[1],
            2: list(self.named),
            3: self.content_type,
            f"{PREFIX}signingScheme": self.scheme,
        }
        for name, moment in (("signingTime", self.signing_time), ("expiry", self.expiry)):
            protected |= {PREFIX + name: cbor2.CBORTag(1, int(moment.timestamp()))} if moment else {}
        return protected | dict(self.more)

    def cose_parts(self) -> list[object]:
        """Return the four members of the array."""
        encoded = cbor2.dumps(self.cose_protected())
        signed = cbor2.dumps(["Signature1", encoded, b"", self.payload])
        header: dict[object, object] = {33: self.ders()}
        return [encoded, header | dict(self.unsigned), self.payload, raw_signature(self.chain[0].key, signed)]

    def ders(self) -> list[bytes]:
        """Return the certificates."""
        return [holder.certificate.public_bytes(Encoding.DER) for holder in self.chain]


def of_kind(kind: CandidateKind, data: bytes) -> SignatureCandidate:
    """Return a candidate of that kind, whatever its bytes are."""
    return SignatureCandidate(kind=kind, manifest=IMAGE.digest, payload=data)


def b64(data: bytes) -> str:
    """Write base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_signature(key: PrivateKey, message: bytes) -> bytes:
    """Sign as the kind of key does; keys of other kinds sign in their own way."""
    match key:
        case ec.EllipticCurvePrivateKey():
            algorithm = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.key_size]
            r, s = decode_dss_signature(key.sign(message, ec.ECDSA(algorithm)))
            octets = (key.key_size + 7) // 8
            return r.to_bytes(octets, "big") + s.to_bytes(octets, "big")
        case _:
            return b"of no use here"


def _names(key: PrivateKey) -> tuple[str, int]:
    bits = key.key_size if isinstance(key, ec.EllipticCurvePrivateKey) else 256
    return {256: ("ES256", -7), 384: ("ES384", -35), 521: ("ES512", -36)}[bits]


def authority(
    *identities: str,
    name: str = "release",
    store: tuple[Holder, ...] = (ROOT,),
    crls: tuple[bytes, ...] = (),
    repositories: tuple[str, ...] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> NotationAuthority:
    """Return an authority that trusts `CN=release,O=Example` below ROOT."""
    lists: tuple[RevocationList, ...] = tuple(load_revocation_list(crl) for crl in crls)
    return NotationAuthority(
        name=name,
        trust_store=tuple(holder.certificate for holder in store),
        identities=tuple(map(parse_trusted_subject, identities or ("x509.subject: CN=release,O=Example",))),
        crls=lists,
        repositories=tuple(map(Glob, repositories)) if repositories else None,
        annotations=annotations,
    )


def judged(candidate: SignatureCandidate, *by: NotationAuthority, as_of: datetime = NOW) -> SignatureFindings:
    """Judge one envelope for IMAGE."""
    return judge_notation(candidate, IMAGE, by or (authority(),), as_of)
