"""JWS envelopes: flattened JSON, as `notation sign` writes it by default.

Source: Notary Project `signature-envelope-jws.md`; RFC 7515, sections 5.2 and 7.2.2.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from webhook.core.errors import ParseError
from webhook.core.reading.instants import parse_instant
from webhook.core.reading.strict_json import JsonObject, decode_base64, parse_json
from webhook.core.signatures.notation.envelope import (
    AUTHENTIC_SIGNING_TIME,
    EXPIRY,
    MAX_CERTIFICATES,
    MAX_CRITICAL,
    MAX_ENVELOPE_BYTES,
    SIGNING_SCHEME,
    SIGNING_TIME,
    NotationEnvelope,
)

__all__ = ["LAYER_TYPE", "read_jws"]

LAYER_TYPE = "application/jose+json"

_ENVELOPE_KEYS = ("payload", "protected", "header", "signature", "signatures")
_PROTECTED_KEYS = ("alg", "cty", "crit", "b64", SIGNING_SCHEME, SIGNING_TIME, AUTHENTIC_SIGNING_TIME, EXPIRY)


def read_jws(data: bytes) -> NotationEnvelope:
    """Read an envelope of at most 1 MiB and 10 certificates; a ParseError if it can be read in more ways than one.

    1. One object with one signature; strict JSON, and base64url without padding in its one spelling.
    2. No parameter stands in both headers (RFC 7515, section 4): readers differ in which counts.
    3. What is signed is the text of both parts, as it was sent, with a full stop between them.
    """
    # Step 1
    document = JsonObject.of(parse_json(data, max_bytes=MAX_ENVELOPE_BYTES))
    document.refuse_variants(_ENVELOPE_KEYS)
    if document.has("signatures"):
        raise ParseError("signatures", "is of the general form, which may hold several")
    header = document.object("header")
    protected = _read_protected(_base64url(document, "protected"))
    # Step 2
    if header.members.keys() & protected.members.keys():
        raise ParseError(header.path, "repeats a parameter that is signed")
    # Step 3
    signed = f"{document.text('protected')}.{document.text('payload')}".encode()
    return NotationEnvelope(
        algorithm=protected.text("alg"),
        content_type=protected.text("cty"),
        signing_scheme=protected.text(SIGNING_SCHEME),
        signing_time=_instant(protected, SIGNING_TIME),
        expiry=_instant(protected, EXPIRY),
        critical=protected.texts("crit", at_most=MAX_CRITICAL),
        attributes=frozenset(protected.members),
        payload=_base64url(document, "payload"),
        signed_bytes=signed,
        signature=_base64url(document, "signature"),
        certificates=tuple(decode_base64(text) for text in header.texts("x5c", at_most=MAX_CERTIFICATES)),
    )


def _read_protected(data: bytes) -> JsonObject:
    protected = JsonObject.of(parse_json(data, max_bytes=MAX_ENVELOPE_BYTES), path="protected")
    protected.refuse_variants(_PROTECTED_KEYS)
    return protected


def _instant(protected: JsonObject, key: str) -> datetime | None:
    """Read a time; null, which other readers take for a time that is not there, is refused."""
    if key not in protected.members:
        return None
    try:
        return parse_instant(protected.text(key))
    except ParseError as error:
        raise ParseError(key, error.message) from None


def _base64url(document: JsonObject, key: str) -> bytes:
    """Read base64url without padding (RFC 7515, section 2); a ParseError for every other spelling of the same bytes."""
    text = document.text(key)
    try:
        data = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise ParseError(document.at(key), "is not base64url") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=") != text.encode():
        raise ParseError(document.at(key), "is not base64url in its one spelling")
    return data
