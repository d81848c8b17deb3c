"""CBOR from strangers, read so that every other program must read it alike, or not at all.

What is refused: lengths that are left open, a map key that stands twice, keys that are neither text nor whole numbers,
floating-point numbers, bytes after the value, and every tag but 1 (RFC 8949, section 3.4.2), which comes as an
`Instant`. Decoders give other tags a meaning of their own (big numbers, regular expressions, shared values), so the
library is told to leave them all alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from cbor2 import CBORDecoder, CBORError, CBORTag

from webhook.core.errors import ParseError

__all__ = ["CborValue", "Instant", "parse_cbor"]

MAX_DEPTH = 8
EPOCH_TAG = 1


@dataclass(frozen=True, slots=True)
class Instant:
    """A point in time: whole seconds since 1970-01-01, UTC."""

    seconds: int


CborValue = None | bool | int | str | bytes | Instant | list["CborValue"] | dict[str | int, "CborValue"]


class _LeftAlone(dict[int, Callable[[object, bool], object]]):
    """Answers for every tag there is that its value is to be handed out with the tag around it."""

    def __missing__(self, tag: int) -> Callable[[object, bool], object]:
        return lambda value, _immutable: CBORTag(tag, value)


def parse_cbor(data: bytes, *, max_bytes: int) -> CborValue:
    """Return the one value that `data` holds, at most 8 containers deep; a ParseError for what this module refuses."""
    if len(data) > max_bytes:
        raise ParseError("", f"is larger than {max_bytes:,} bytes")
    source = BytesIO(data)
    decoder = CBORDecoder(
        source,
        semantic_decoders=_LeftAlone(),
        max_depth=MAX_DEPTH,
        allow_indefinite=False,
        allow_duplicate_keys=False,
    )
    try:
        value = decoder.decode()
    except (CBORError, ValueError, OverflowError, MemoryError):
        raise ParseError("", "is not CBOR that can be read in one way only") from None
    if source.tell() != len(data):
        raise ParseError("", "has bytes after its end")
    return _checked(value)


def _checked(value: object) -> CborValue:
    """Return the value if it is made of nothing but what a `CborValue` may be."""
    match value:
        case None | bool() | int() | str() | bytes():
            return value
        case list():
            return [_checked(item) for item in value]
        case dict():
            return {_checked_key(key): _checked(item) for key, item in value.items()}
        case CBORTag(tag=tag, value=int() as seconds) if tag == EPOCH_TAG and not isinstance(seconds, bool):
            return Instant(seconds)
        case _:
            raise ParseError("", "has a value of a kind that has no place here")


def _checked_key(key: object) -> str | int:
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise ParseError("", "has a key that is neither text nor a whole number")
    return key
