"""DER taken apart and put together, for documents that no library would write."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

SEQUENCE = 0x30


def tlv(tag: int, value: bytes) -> bytes:
    """Write one value with its tag and length (X.690, section 8.1)."""
    size = len(value)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    length = bytes([size]) if size < 0x80 else bytes([0x80 | len(octets)]) + octets
    return bytes([tag]) + length + value


def members(der: bytes) -> list[bytes]:
    """Return the values inside a value, each with its tag and length."""
    found: list[bytes] = []
    rest = _value(der)
    while rest:
        whole = len(rest) - len(_after(rest))
        found.append(rest[:whole])
        rest = rest[whole:]
    return found


def resigned(der: bytes, key: ec.EllipticCurvePrivateKey, change: Callable[[list[bytes]], None]) -> bytes:
    """Return a certificate or a list with other members in what is signed, and a signature that fits (SHA-256)."""
    signed, algorithm, _ = members(der)
    inner = members(signed)
    change(inner)
    changed = tlv(SEQUENCE, b"".join(inner))
    signature = tlv(0x03, b"\x00" + key.sign(changed, ec.ECDSA(hashes.SHA256())))
    return tlv(SEQUENCE, changed + algorithm + signature)


def _head(der: bytes) -> tuple[int, int]:
    """Return how long tag and length are, and how long the value is."""
    if der[1] < 0x80:
        return 2, der[1]
    octets = der[1] & 0x7F
    return 2 + octets, int.from_bytes(der[2 : 2 + octets], "big")


def _value(der: bytes) -> bytes:
    start, size = _head(der)
    return der[start : start + size]


def _after(der: bytes) -> bytes:
    start, size = _head(der)
    return der[start + size :]
