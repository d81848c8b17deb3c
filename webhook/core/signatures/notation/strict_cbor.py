"""CBOR from strangers, read so that every other program must read it alike, or not at all.

What is refused: lengths that are left open, a map key that stands twice, keys that are neither text nor whole numbers,
floating-point numbers, bytes after the value, and every tag but 1 (RFC 8949, section 3.4.2), which comes as an
`Instant`. Decoders give other tags a meaning of their own (big numbers, regular expressions, shared values), so the
library is told to leave them all alone. So is what has more than 1,000 values: a map of keys whose hashes collide, as
those of arrays can be made to, would take the square of their number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from cbor2 import CBORDecoder, CBORError, CBORTag

from webhook.core.errors import ParseError

__all__ = ["CborValue", "Instant", "parse_cbor"]

MAX_DEPTH = 8
MAX_VALUES = 1_000
BYTES, TEXT = 2, 3
EPOCH_TAG = 1

_ARGUMENT_OCTETS = {24: 1, 25: 2, 26: 4, 27: 8}
"""How many bytes follow the first one of a value, by its lower five bits (RFC 8949, section 3)."""


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
    _check_count(data)
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


def _check_count(data: bytes) -> None:
    """Count the values by their heads, in the order in which the decoder meets them, before any is built."""
    position = 0
    for _ in range(MAX_VALUES):
        if position >= len(data):
            return
        kind, argument = divmod(data[position], 32)
        position += 1
        octets = _ARGUMENT_OCTETS.get(argument, 0)
        if octets:
            argument = int.from_bytes(data[position : position + octets], "big")
        position += octets + (argument if kind in (BYTES, TEXT) else 0)
    if position < len(data):
        raise ParseError("", f"has more than {MAX_VALUES:,} values")


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
