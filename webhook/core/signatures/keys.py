"""Public keys as authorities hold them: which kinds are accepted, and how each verifies."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from webhook.core.references import Digest

__all__ = ["PublicKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A usable verification key; `fingerprint` is the SHA-256 of its DER SubjectPublicKeyInfo."""

    key: EllipticCurvePublicKey | RSAPublicKey | Ed25519PublicKey
    fingerprint: Digest
