"""The certificate log signs what verifiers will compare: the certificate as it will be, not as it is submitted."""

import base64
import hashlib
import struct
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from tests.e2e.tools.ctlog import Log, without_poison

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ISSUER_KEY = ec.generate_private_key(ec.SECP384R1())
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(*, poison: bool, comment: str = "") -> x509.Certificate:
    """Return a certificate, the same one every time but for its poison and a comment of any length."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(KEY.public_key())
        .serial_number(7)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(minutes=10))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if poison:
        builder = builder.add_extension(x509.PrecertPoison(), critical=True)
    if comment:
        value = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), comment.encode())
        builder = builder.add_extension(value, critical=False)
    return builder.sign(ISSUER_KEY, SHA256())


@pytest.mark.parametrize("length", [0, 1, 20, 60, 100, 120, 127, 128, 200, 255, 256, 1_000, 70_000])
def test_the_poison_is_all_that_is_taken_out(length: int) -> None:
    """Without its poison a precertificate is the certificate to come, whatever the lengths around it become."""
    comment = "x" * length
    precertificate, final = certificate(poison=True, comment=comment), certificate(poison=False, comment=comment)

    assert without_poison(precertificate.tbs_certificate_bytes) == final.tbs_certificate_bytes


def test_a_certificate_without_poison_stays() -> None:
    """Where there is nothing to take out, nothing changes."""
    final = certificate(poison=False)

    assert without_poison(final.tbs_certificate_bytes) == final.tbs_certificate_bytes


def test_the_promise_is_over_the_certificate_to_come() -> None:
    """The signature holds over the structure of RFC 6962, section 3.2, with the issuer's key and the time."""
    log, final = Log(), certificate(poison=False)
    as_der = certificate(poison=True).public_bytes(Encoding.DER)
    promise = log.promise(as_der, _issuer().public_bytes(Encoding.DER), timestamp_ms=1_700_000_000_123)

    public = load_pem_public_key(log.public_pem)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    algorithm, signature = (
        base64.b64decode(str(promise["signature"]))[:4],
        base64.b64decode(str(promise["signature"]))[4:],
    )
    tbs = final.tbs_certificate_bytes
    signed = b"".join(
        [
            struct.pack(">BBQH", 0, 0, 1_700_000_000_123, 1),
            hashlib.sha256(_spki(ISSUER_KEY.public_key())).digest(),
            len(tbs).to_bytes(3, "big"),
            tbs,
            b"\0\0",
        ]
    )
    public.verify(signature, signed, ec.ECDSA(SHA256()))
    assert algorithm == b"\x04\x03" + struct.pack(">H", len(signature))
    assert base64.b64decode(str(promise["id"])) == hashlib.sha256(_spki(public)).digest()


def _spki(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _issuer() -> x509.Certificate:
    name = x509.Name([])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(ISSUER_KEY.public_key())
    dated = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    return dated.sign(ISSUER_KEY, SHA256())
