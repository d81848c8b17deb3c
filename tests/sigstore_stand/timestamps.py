"""The timestamp authority: who saw a signature, and when.

Source: RFC 3161, section 2.4.2 (response and TSTInfo); RFC 5652, section 5 (SignedData); RFC 5816 (ESSCertIDv2).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.sigstore_stand.certificates import der_of, new_chain
from tests.sigstore_stand.der import (
    der_integer,
    der_octets,
    der_oid,
    der_sequence,
    der_set,
    der_tagged,
    der_time,
)

__all__ = ["TimestampAuthority"]

SHA256 = der_sequence(der_oid("2.16.840.1.101.3.4.2.1"))
ECDSA_SHA256 = der_sequence(der_oid("1.2.840.10045.4.3.2"))
SIGNED_DATA = der_oid("1.2.840.113549.1.7.2")
TST_INFO = der_oid("1.2.840.113549.1.9.16.1.4")
CONTENT_TYPE = der_oid("1.2.840.113549.1.9.3")
MESSAGE_DIGEST = der_oid("1.2.840.113549.1.9.4")
SIGNING_CERTIFICATE_V2 = der_oid("1.2.840.113549.1.9.16.2.47")
POLICY = der_oid("1.3.6.1.4.1.57264.2")
GRANTED = der_sequence(der_integer(0))
LIFETIME = timedelta(days=3650)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampAuthority:
    """Signs that it saw some bytes at a time. `chain` is its own certificate, the intermediate and the root."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...]

    @classmethod
    def create(cls, *, not_before: datetime) -> TimestampAuthority:
        """Make an authority with a P-256 key, valid for ten years."""
        issuer_key, issuers = new_chain("clock.stand.test", ExtendedKeyUsageOID.TIME_STAMPING, not_before=not_before)
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(key=key, chain=(_certificate(key, issuers[0], issuer_key, not_before), *issuers))

    def stamp(self, message: bytes, at: datetime, *, embed_certificate: bool = True) -> bytes:
        """Return a TimeStampResp over the SHA-256 of `message`, in whole seconds."""
        imprint = der_sequence(SHA256, der_octets(hashlib.sha256(message).digest()))
        serial = int.from_bytes(hashlib.sha256(message).digest()[:8], "big")
        info = der_sequence(der_integer(1), POLICY, imprint, der_integer(serial), der_time(at))
        attributes = (
            der_sequence(CONTENT_TYPE, der_set(TST_INFO)),
            der_sequence(MESSAGE_DIGEST, der_set(der_octets(hashlib.sha256(info).digest()))),
            der_sequence(SIGNING_CERTIFICATE_V2, der_set(self._certificate_identifier())),
        )
        signature = self.key.sign(der_set(*attributes), ec.ECDSA(hashes.SHA256()))
        signer = der_sequence(
            der_integer(1),
            der_sequence(self.chain[0].issuer.public_bytes(), der_integer(self.chain[0].serial_number)),
            SHA256,
            der_tagged(0, b"".join(sorted(attributes))),
            ECDSA_SHA256,
            der_octets(signature),
        )
        content = der_sequence(TST_INFO, der_tagged(0, der_octets(info)))
        certificates = der_tagged(0, der_of(self.chain[0])) if embed_certificate else b""
        signed = der_sequence(der_integer(3), der_set(SHA256), content, certificates, der_set(signer))
        return der_sequence(GRANTED, der_sequence(SIGNED_DATA, der_tagged(0, signed)))

    def _certificate_identifier(self) -> bytes:
        identifier = der_sequence(der_octets(hashlib.sha256(der_of(self.chain[0])).digest()))
        return der_sequence(der_sequence(identifier))


def _certificate(
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    not_before: datetime,
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "timestamps of clock.stand.test")])
    return (
        x509.CertificateBuilder(issuer_name=issuer.subject, subject_name=name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_before + LIFETIME)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA384())
    )
