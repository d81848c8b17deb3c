"""The certificates and the key that Fulcio issues from: a root, and an intermediate for code signing below it."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=30)
_ORGANISATION = "e2e.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Files of a certificate authority."""

    chain: Path  # PEM: the intermediate, then the root
    key: Path  # PEM: the intermediate's private key, encrypted, for Fulcio takes no other
    password: str


def make_authority(folder: Path) -> Authority:
    """Make an authority that is valid from now on, as the public Sigstore's is: two keys on P-384."""
    root_key, key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    root_name, name = _name("root"), _name("intermediate")
    root = _certificate(root_name, root_key, issuer=root_name, path_length=1).sign(root_key, SHA384())
    intermediate = (
        _certificate(name, key, issuer=root_name, path_length=0)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, SHA384())
    )
    made = Authority(chain=folder / "fulcio-chain.pem", key=folder / "fulcio-key.pem", password=secrets.token_urlsafe())
    made.chain.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in (intermediate, root)))
    encryption = BestAvailableEncryption(made.password.encode())
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return made


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _certificate(
    name: x509.Name, key: ec.EllipticCurvePrivateKey, *, issuer: x509.Name, path_length: int
) -> x509.CertificateBuilder:
    """Begin the certificate of an authority that may have `path_length` authorities below it."""
    start = datetime.now(UTC)
    signs_certificates = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(signs_certificates, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
