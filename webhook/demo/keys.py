"""Private keys that sign as cosign does. They live in memory only and are never printed."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Literal, assert_never

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from nacl import bindings

from webhook.core.references import Digest

__all__ = ["HashRule", "KeyKind", "SigningKey"]

KeyKind = Literal["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048", "ed25519"]
HashRule = Literal["curve", "sha256"]
"""`curve`: the hash that fits the curve, as cosign v3 signs; `sha256`: SHA-256 for all, as older clients do."""

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_CURVES: dict[KeyKind, ec.EllipticCurve] = {
    "ecdsa-p256": ec.SECP256R1(),
    "ecdsa-p384": ec.SECP384R1(),
    "ecdsa-p521": ec.SECP521R1(),
}
_CURVE_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key pair and the way it signs. `hash_rule` is for curves (RSA is SHA-256 anyway), `prehashed` for Ed25519ph.

    ValueError if another key is asked for the prehashed form.

    Source: the signer choice of sigstore/sigstore `pkg/signature`; Ed25519ph: RFC 8032, section 5.1, context empty.
    """

    private: PrivateKey = field(repr=False)
    hash_rule: HashRule = "curve"
    prehashed: bool = False

    def __post_init__(self) -> None:
        """Refuse a choice that the key cannot honour."""
        if self.prehashed and not isinstance(self.private, ed25519.Ed25519PrivateKey):
            raise ValueError("only Ed25519 has a prehashed form")

    @classmethod
    def generate(
        cls, kind: KeyKind = "ecdsa-p256", *, hash_rule: HashRule = "curve", prehashed: bool = False
    ) -> SigningKey:
        """Make a new key pair."""
        return cls(private=_new_private_key(kind), hash_rule=hash_rule, prehashed=prehashed)

    @property
    def public_pem(self) -> str:
        """The public key as a policy holds it: PEM, SubjectPublicKeyInfo."""
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(encoding, form).decode()

    @property
    def fingerprint(self) -> Digest:
        """The SHA-256 of the public key's DER (SubjectPublicKeyInfo)."""
        encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        der = self.private.public_key().public_bytes(encoding, form)
        return Digest.of(der)

    @property
    def hint(self) -> str:
        """The fingerprint as Sigstore bundles hint at it: base64 of its bytes."""
        return base64.b64encode(bytes.fromhex(self.fingerprint.hex)).decode()

    def sign(self, message: bytes) -> bytes:
        """Sign: ECDSA in DER, RSA as PKCS #1 v1.5, Ed25519 pure or prehashed."""
        match self.private:
            case ec.EllipticCurvePrivateKey() as private:
                algorithm = hashes.SHA256() if self.hash_rule == "sha256" else _CURVE_HASHES[private.curve.name]
                return private.sign(message, ec.ECDSA(algorithm))
            case rsa.RSAPrivateKey() as private:
                return private.sign(message, padding.PKCS1v15(), hashes.SHA256())
            case ed25519.Ed25519PrivateKey() as private:
                return _sign_ed25519ph(private, message) if self.prehashed else private.sign(message)
            case _:
                assert_never(self.private)


def _new_private_key(kind: KeyKind) -> PrivateKey:
    match kind:
        case "ecdsa-p256" | "ecdsa-p384" | "ecdsa-p521":
            return ec.generate_private_key(_CURVES[kind])
        case "rsa-2048":
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            assert_never(kind)


def _sign_ed25519ph(private: ed25519.Ed25519PrivateKey, message: bytes) -> bytes:
    _, secret = bindings.crypto_sign_seed_keypair(private.private_bytes_raw())
    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, message)
    return bytes(bindings.crypto_sign_ed25519ph_final_create(state, secret))
