"""Make the artefacts in this folder anew: envelopes signed by the real Notation libraries in Go.

    python -m tests.data.notation.make      # from the root of the project, inside its virtual environment

Every case is one `Case` below and becomes a file of its name, `.jws` or `.cose`. `cases.json` says of every case what
was signed. The private keys live in a temporary folder and are gone afterwards, so each run makes new certificates.
"""

import datetime as dt
import hashlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.e2e.tools import toolchain

HERE = Path(__file__).resolve().parent

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

# Long enough that no test depends on the day it runs; within these years nothing but the expiry of a case ends.
BEGIN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
END = dt.datetime(2120, 1, 1, tzinfo=dt.UTC)
LISTED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
IMAGE = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}'
OTHER_IMAGE = IMAGE + b"\n"

KEYS: Mapping[str, Callable[[], PrivateKey]] = {
    "ecdsa-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ecdsa-p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-3072": lambda: rsa.generate_private_key(65537, 3072),
    "rsa-4096": lambda: rsa.generate_private_key(65537, 4096),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One signature; the leaf that made it is named after its kind of key."""

    name: str
    key: str = "ecdsa-p256"
    subject: bytes = IMAGE
    arguments: tuple[str, ...] = ()


def _cases() -> Iterator[Case]:
    yield from (Case(name=key, key=key) for key in KEYS)
    yield Case(name="expiring", arguments=("-expiry", "24h"))
    yield Case(name="annotated", arguments=("-annotation", "env=production", "-annotation", "ticket=PLAT-112"))
    yield Case(name="other-digest", subject=OTHER_IMAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """A certificate and the key that it certifies."""

    key: PrivateKey
    certificate: x509.Certificate

    def issue(
        self, subject: x509.Name, key: PrivateKey, *extensions: tuple[x509.ExtensionType, bool]
    ) -> x509.Certificate:
        """Return a certificate for `key`."""
        return _certificate(subject, key, self.certificate.subject, self.key, *extensions)

    def revokes(self, *certificates: x509.Certificate) -> bytes:
        """Return a revocation list that names these certificates, DER."""
        builder = x509.CertificateRevocationListBuilder(self.certificate.subject, LISTED, END)
        for certificate in certificates:
            revoked = x509.RevokedCertificateBuilder(certificate.serial_number, LISTED).build()
            builder = builder.add_revoked_certificate(revoked)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def main() -> None:
    """Make all of it."""
    root = _root("Example Root CA")
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name.from_rfc4514_string("CN=Example Issuing CA,O=Example,ST=WA,C=US")
    issuing = Issuer(key=key, certificate=root.issue(name, key, *_for_authority(path_length=0)))
    (HERE / "root.pem").write_bytes(_pem(root.certificate))
    (HERE / "other-root.pem").write_bytes(_pem(_root("Another Root CA").certificate))
    leaves: dict[str, x509.Certificate] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for kind, generate in KEYS.items():
            leaves[kind] = _write_leaf(issuing, root, kind, generate(), Path(scratch))
        made = [_sign(case, extension, Path(scratch)) for case in _cases() for extension in ("jws", "cose")]
    (HERE / "root.crl").write_bytes(root.revokes())
    (HERE / "issuing.crl").write_bytes(issuing.revokes())
    (HERE / "issuing-revokes-ecdsa-p256.crl").write_bytes(issuing.revokes(leaves["ecdsa-p256"]))
    document = {"mediaType": MEDIA_TYPE, "digest": _digest(IMAGE), "size": len(IMAGE), "cases": made}
    (HERE / "cases.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _write_leaf(issuing: Issuer, root: Issuer, kind: str, key: PrivateKey, folder: Path) -> x509.Certificate:
    """Issue a leaf and write its key and chain into the temporary folder, for the signer."""
    name = x509.Name.from_rfc4514_string(f"CN={kind},OU=Release,O=Example,ST=WA,C=US")
    leaf = issuing.issue(name, key, *_for_leaf())
    encoded = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{kind}.key").write_bytes(encoded)
    (folder / f"{kind}.pem").write_bytes(_pem(leaf, issuing.certificate, root.certificate))
    return leaf


def _sign(case: Case, extension: str, folder: Path) -> dict[str, object]:
    digest = _digest(case.subject)
    command = [
        *(str(toolchain.provide("notation-sign")), "-format", extension, "-media-type", MEDIA_TYPE),
        *("-digest", digest, "-size", str(len(case.subject)), *case.arguments),
    ]
    files = ["-key", str(folder / f"{case.key}.key"), "-chain", str(folder / f"{case.key}.pem")]
    made = subprocess.run([*command, *files], capture_output=True, check=True, timeout=60)
    (HERE / f"{case.name}.{extension}").write_bytes(made.stdout)
    return {
        "file": f"{case.name}.{extension}",
        "key": case.key,
        "digest": digest,
        "command": " ".join(["notation-sign", *command[1:], "-key", f"{case.key}.key", "-chain", f"{case.key}.pem"]),
        "signed": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def _root(name: str) -> Issuer:
    key = ec.generate_private_key(ec.SECP384R1())
    subject = x509.Name.from_rfc4514_string(f"CN={name},O=Example,ST=WA,C=US")
    return Issuer(key=key, certificate=_certificate(subject, key, subject, key, *_for_authority(path_length=None)))


def _certificate(
    subject: x509.Name,
    key: PrivateKey,
    issuer: x509.Name,
    issuer_key: PrivateKey,
    *extensions: tuple[x509.ExtensionType, bool],
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(END)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, hashes.SHA384())


def _for_authority(*, path_length: int | None) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return (
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (_key_usage(certificates=True), True),
    )


def _for_leaf() -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False),
    )


def _key_usage(*, certificates: bool) -> x509.KeyUsage:
    """Return the use of an authority's key (certificates and revocation lists), or of a leaf's (signatures)."""
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


if __name__ == "__main__":
    main()
