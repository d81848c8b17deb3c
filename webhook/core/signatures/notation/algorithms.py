"""How a leaf's key signs: the key alone decides, and the envelope must say the same.

| key | JWS | COSE | signature |
|---|---|---|---|
| RSA, 2,048 · 3,072 · 4,096 bits | PS256 · PS384 · PS512 | -37 · -38 · -39 | PSS, salt as long as the hash |
| ECDSA P-256 · P-384 · P-521 | ES256 · ES384 · ES512 | -7 · -35 · -36 | r and s of fixed length, side by side |

Source: Notary Project `signature-specification.md`, "Algorithm Selection"; RFC 7518, sections 3.4 and 3.5; RFC 9053,
section 2.1, and RFC 8230, section 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from webhook.core.errors import ParseError
from webhook.core.references import Digest
from webhook.core.signatures.keys import usable_key

__all__ = ["LeafKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Algorithm:
    """A row of the table: its names in both envelopes, and its hash."""

    jws: str
    cose: int
    hash: HashAlgorithm


_BY_RSA_BITS: Mapping[int, _Algorithm] = {
    2048: _Algorithm(jws="PS256", cose=-37, hash=SHA256()),
    3072: _Algorithm(jws="PS384", cose=-38, hash=SHA384()),
    4096: _Algorithm(jws="PS512", cose=-39, hash=SHA512()),
}
_BY_CURVE: Mapping[str, _Algorithm] = {
    "secp256r1": _Algorithm(jws="ES256", cose=-7, hash=SHA256()),
    "secp384r1": _Algorithm(jws="ES384", cose=-35, hash=SHA384()),
    "secp521r1": _Algorithm(jws="ES512", cose=-36, hash=SHA512()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafKey:
    """The public key of a signer, and the one way in which it signs."""

    key: RSAPublicKey | EllipticCurvePublicKey
    algorithm: _Algorithm

    @classmethod
    def of(cls, key: object) -> LeafKey:
        """Take the key of a certificate; a ParseError for every kind that the table does not have."""
        match key:
            case RSAPublicKey() if key.key_size in _BY_RSA_BITS:
                return cls(key=key, algorithm=_BY_RSA_BITS[key.key_size])
            case EllipticCurvePublicKey() if key.curve.name in _BY_CURVE:
                return cls(key=key, algorithm=_BY_CURVE[key.curve.name])
            case _:
                raise ParseError("", "the key is neither RSA of 2,048, 3,072 or 4,096 bits nor ECDSA P-256 to P-521")

    @property
    def fingerprint(self) -> Digest:
        """The fingerprint of the key, the same as where an authority holds it: its kinds are a part of those."""
        return usable_key(self.key, "the key of the certificate").fingerprint

    def is_named(self, name: str | int) -> bool:
        """Tell whether `name`, as an envelope gives it (text in JWS, a number in COSE), is this key's way to sign."""
        return name in (self.algorithm.jws, self.algorithm.cose)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Tell whether `signature` is one by this key over exactly `message`; raises nothing, whatever the bytes."""
        hashing = self.algorithm.hash
        try:
            match self.key:
                case RSAPublicKey() as key:
                    key.verify(signature, message, PSS(mgf=MGF1(hashing), salt_length=PSS.DIGEST_LENGTH), hashing)
                case EllipticCurvePublicKey() as key:
                    key.verify(_as_der(signature, (key.key_size + 7) // 8), message, ECDSA(hashing))
                case _:
                    assert_never(self.key)
        except InvalidSignature:
            return False
        return True


def _as_der(signature: bytes, octets: int) -> bytes:
    """Turn r and s of `octets` bytes each into the ASN.1 form; InvalidSignature for any other length."""
    if len(signature) != 2 * octets:
        raise InvalidSignature
    return encode_dss_signature(int.from_bytes(signature[:octets], "big"), int.from_bytes(signature[octets:], "big"))
