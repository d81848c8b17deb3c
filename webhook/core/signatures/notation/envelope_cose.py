"""COSE envelopes: a tagged COSE_Sign1, as `notation sign --signature-format cose` writes it.

Source: Notary Project `signature-envelope-cose.md`; RFC 9052, sections 3 and 4; RFC 9360, section 2, for the chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from cbor2 import dumps

from webhook.core.errors import ParseError
from webhook.core.signatures.notation.envelope import (
    EXPIRY,
    MAX_CERTIFICATES,
    MAX_CRITICAL,
    MAX_ENVELOPE_BYTES,
    SIGNING_SCHEME,
    SIGNING_TIME,
    NotationEnvelope,
)
from webhook.core.signatures.notation.strict_cbor import CborValue, Instant, parse_cbor

__all__ = ["LAYER_TYPE", "read_cose"]

LAYER_TYPE = "application/cose"

COSE_SIGN1_TAG = b"\xd2"
ALGORITHM, CRITICAL, CONTENT_TYPE, CHAIN = 1, 2, 3, 33
YEAR_10000 = 253402300800

Header = Mapping[str | int, CborValue]


def read_cose(data: bytes) -> NotationEnvelope:
    """Read an envelope of at most 1 MiB and 10 certificates; a ParseError if it can be read in more ways than one.

    1. The tag of COSE_Sign1, then an array of four: protected header, header, payload, signature.
    2. No label stands in both headers (RFC 9052, section 3): readers differ in which counts.
    3. What is signed is an array of the context, the protected header as it was sent, no external data, the payload.
    """
    # Step 1
    if not data.startswith(COSE_SIGN1_TAG):
        raise ParseError("", "is no tagged COSE_Sign1")
    match parse_cbor(data.removeprefix(COSE_SIGN1_TAG), max_bytes=MAX_ENVELOPE_BYTES):
        case [bytes() as encoded, dict() as header, bytes() as payload, bytes() as signature]:
            protected = parse_cbor(encoded, max_bytes=MAX_ENVELOPE_BYTES)
        case _:
            raise ParseError("", "is no COSE_Sign1 with a payload")
    if not isinstance(protected, dict):
        raise ParseError("protected", "is not a map")
    # Step 2
    if header.keys() & protected.keys():
        raise ParseError("header", "repeats a parameter that is signed")
    # Step 3
    signed = dumps(["Signature1", encoded, b"", payload])
    return NotationEnvelope(
        algorithm=_number(protected, ALGORITHM),
        content_type=_text(protected, CONTENT_TYPE),
        signing_scheme=_text(protected, SIGNING_SCHEME),
        signing_time=_instant(protected, SIGNING_TIME),
        expiry=_instant(protected, EXPIRY),
        critical=_labels(protected),
        attributes=frozenset(protected),
        payload=payload,
        signed_bytes=signed,
        signature=signature,
        certificates=_chain(header),
    )


def _number(header: Header, label: int) -> int:
    value = header.get(label)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ParseError(str(label), "is not a number")
    return value


def _text(header: Header, label: str | int) -> str:
    value = header.get(label)
    if not isinstance(value, str):
        raise ParseError(str(label), "is not text")
    return value


def _instant(header: Header, label: str) -> datetime | None:
    """Read a time in seconds since 1970; a ParseError for any other value that stands there."""
    if label not in header:
        return None
    match header[label]:
        case Instant(seconds) if 0 <= seconds < YEAR_10000:
            return datetime.fromtimestamp(seconds, UTC)
        case _:
            raise ParseError(label, "is not a time in seconds since 1970")


def _labels(header: Header) -> tuple[str | int, ...]:
    value = header.get(CRITICAL)
    if not isinstance(value, list) or len(value) > MAX_CRITICAL:
        raise ParseError("crit", f"is not a list of at most {MAX_CRITICAL} labels")
    labels = tuple(label for label in value if isinstance(label, str | int))
    if len(labels) != len(value):
        raise ParseError("crit", "has an entry that is no label")
    return labels


def _chain(header: Header) -> tuple[bytes, ...]:
    value = header.get(CHAIN)
    if not isinstance(value, list) or len(value) > MAX_CERTIFICATES:
        raise ParseError("x5chain", f"is not a list of at most {MAX_CERTIFICATES} certificates")
    certificates = tuple(item for item in value if isinstance(item, bytes))
    if len(certificates) != len(value):
        raise ParseError("x5chain", "has an entry that is no certificate")
    return certificates
