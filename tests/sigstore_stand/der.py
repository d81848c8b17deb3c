"""Writes the few ASN.1 types that timestamps and certificate extensions need, in DER.

Source: ITU-T X.690, sections 8 and 10 (definite lengths, shortest form, sets sorted by their encoding).
"""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = [
    "der_integer",
    "der_null",
    "der_octets",
    "der_oid",
    "der_sequence",
    "der_set",
    "der_tagged",
    "der_text",
    "der_time",
]

SHORT_LENGTH = 0x80
CONSTRUCTED_CONTEXT = 0xA0


def der_integer(value: int) -> bytes:
    """Write an integer of any size, not negative."""
    return _element(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def der_octets(value: bytes) -> bytes:
    """Write an OCTET STRING."""
    return _element(0x04, value)


def der_null() -> bytes:
    """Write NULL."""
    return _element(0x05, b"")


def der_oid(dotted: str) -> bytes:
    """Write an OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return _element(0x06, b"".join(_base128(arc) for arc in (first * 40 + second, *rest)))


def der_text(value: str) -> bytes:
    """Write a UTF8String."""
    return _element(0x0C, value.encode())


def der_time(value: datetime) -> bytes:
    """Write a GeneralizedTime in UTC, whole seconds."""
    return _element(0x18, value.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())


def der_sequence(*parts: bytes) -> bytes:
    """Write a SEQUENCE of encoded parts."""
    return _element(0x30, b"".join(parts))


def der_set(*parts: bytes) -> bytes:
    """Write a SET OF encoded parts, in their canonical order."""
    return _element(0x31, b"".join(sorted(parts)))


def der_tagged(number: int, content: bytes) -> bytes:
    """Put `content` under a constructed context tag; implicit tagging hands in the content without its own head."""
    return _element(CONSTRUCTED_CONTEXT | number, content)


def _element(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < SHORT_LENGTH:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, SHORT_LENGTH | len(length)]) + length + content


def _base128(arc: int) -> bytes:
    """Write one arc of an object identifier: seven bits to a byte, all but the last marked."""
    digits = [arc & 0x7F]
    while arc := arc >> 7:
        digits.append(0x80 | arc & 0x7F)
    return bytes(reversed(digits))
