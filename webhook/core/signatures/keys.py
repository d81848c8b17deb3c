"""Public keys as authorities hold them: which kinds are accepted, and how each verifies.

| key | signature | hash |
|---|---|---|
| ECDSA P-256, P-384, P-521 | ASN.1 DER | that of the curve (SHA-256, -384, -512), or SHA-256 |
| RSA, 2,048 to 8,192 bits | PKCS #1 v1.5 | SHA-256 |
| Ed25519 | pure, or prehashed (Ed25519ph, empty context) | SHA-512, inside |

The table is fixed: no signature chooses its own hash. cosign v3 signs with the curve's hash and with Ed25519ph; older
clients, and other tools, sign with SHA-256 on every curve and with pure Ed25519. Ed25519ph prefixes what is signed
(RFC 8032, section 5.1), so neither form of a signature can pass for the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import assert_never

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from nacl import bindings
from nacl.exceptions import BadSignatureError

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable
from webhook.core.references import Digest

__all__ = ["PublicKey", "load_public_keys", "usable_key"]

MAX_PEM_BYTES = 256 * 1024
MAX_KEYS = 32
RSA_BITS = range(2048, 8192 + 1)
ED25519_SIGNATURE_BYTES = 64

_CURVE_HASHES: dict[str, tuple[HashAlgorithm, ...]] = {
    "secp256r1": (SHA256(),),
    "secp384r1": (SHA384(), SHA256()),
    "secp521r1": (SHA512(), SHA256()),
}
_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----\s[^-]*-----END \1-----")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A usable verification key; `fingerprint` is the SHA-256 of its DER SubjectPublicKeyInfo."""

    key: EllipticCurvePublicKey | RSAPublicKey | Ed25519PublicKey
    fingerprint: Digest

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Tell whether `signature` is one by this key over exactly `message`, by the table of this module.

        Any bytes may be handed in: what is no signature verifies nothing, and raises nothing.
        """
        match self.key:
            case EllipticCurvePublicKey() as key:
                hashes = _CURVE_HASHES[key.curve.name]
                return any(_ecdsa_holds(key, signature, message, algorithm) for algorithm in hashes)
            case RSAPublicKey() as key:
                return _rsa_holds(key, signature, message)
            case Ed25519PublicKey() as key:
                return _ed25519_holds(key, signature, message) or _ed25519ph_holds(key, signature, message)
            case _:
                assert_never(self.key)


def load_public_keys(pem: bytes) -> tuple[PublicKey, ...]:
    """Read one or more PEM blocks of public keys, in their order; text between the blocks explains (RFC 7468).

    A ParseError for no key, the same key twice, a private key (which is not repeated in the message), and every kind
    that the table of this module does not have.
    """
    if len(pem) > MAX_PEM_BYTES:
        raise ParseError("", f"is larger than {MAX_PEM_BYTES:,} bytes")
    if b"PRIVATE KEY-----" in pem:
        raise ParseError("", "holds a private key; a policy needs the public one, and the private one belongs nowhere")
    if b"-----" in _PEM_BLOCK.sub(b"", pem):
        raise ParseError("", "holds a PEM block that does not begin or end properly")
    blocks = tuple(_PEM_BLOCK.finditer(pem))
    if not 0 < len(blocks) <= MAX_KEYS:
        raise ParseError("", f"holds {len(blocks)} PEM blocks where 1 to {MAX_KEYS} public keys are expected")
    keys = tuple(_load(block[1].decode(), block[0], number) for number, block in enumerate(blocks, start=1))
    if len({key.fingerprint for key in keys}) != len(keys):
        raise ParseError("", "holds the same key twice")
    return keys


def _load(label: str, block: bytes, number: int) -> PublicKey:
    if label not in ("PUBLIC KEY", "RSA PUBLIC KEY"):
        raise ParseError("", f"key {number} is a PEM block of type `{label}`, not a public key")
    try:
        key = load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm):
        raise ParseError("", f"key {number} cannot be read as a public key") from None
    return usable_key(key, f"key {number}")


def usable_key(key: object, name: str) -> PublicKey:
    """Take a loaded key, called `name` in messages; a ParseError for a kind that the table of this module lacks."""
    match key:
        case EllipticCurvePublicKey() if key.curve.name not in _CURVE_HASHES:
            raise ParseError("", f"{name} is on the curve {printable(key.curve.name)}; use P-256, P-384 or P-521")
        case RSAPublicKey() if key.key_size not in RSA_BITS:
            raise ParseError("", f"{name} is RSA with {key.key_size} bits; use 2,048 to 8,192")
        case EllipticCurvePublicKey() | RSAPublicKey() | Ed25519PublicKey():
            der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return PublicKey(key=key, fingerprint=Digest.of(der))
        case _:
            kind = type(key).__name__.removesuffix("PublicKey")
            raise ParseError("", f"{name} is of the kind {kind}; use ECDSA, RSA or Ed25519")


def _ecdsa_holds(key: EllipticCurvePublicKey, signature: bytes, message: bytes, algorithm: HashAlgorithm) -> bool:
    try:
        key.verify(signature, message, ECDSA(algorithm))
    except InvalidSignature:
        return False
    return True


def _rsa_holds(key: RSAPublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _ed25519_holds(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _ed25519ph_holds(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    """Verify the prehashed form, which `cryptography` does not offer, with libsodium."""
    if len(signature) != ED25519_SIGNATURE_BYTES:
        return False
    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, message)
    try:
        return bool(bindings.crypto_sign_ed25519ph_final_verify(state, signature, key.public_bytes_raw()))
    except BadSignatureError:
        return False
