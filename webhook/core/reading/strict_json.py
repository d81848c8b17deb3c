"""JSON from strangers, read so that every other program must read it alike, or not at all.

What is refused, because some reader somewhere takes it differently:

1. Bytes that are not UTF-8 (RFC 8259, section 8.1), a byte order mark, and escaped surrogates without their partner.
2. A key that stands twice in an object: readers take the first, the last, or both.
3. Keys of one object that are equal under caseless matching: Go's `encoding/json` lets `Layers`, and by Unicode folding
   a key with U+017F for its last letter, stand for `layers`. Objects that Go reads as a map compare their keys exactly,
   so there case may differ: `FREE_FORM` names them.
4. `NaN` and `Infinity` (no JSON), numbers that overflow a double, and integers beyond 64 bits.
5. What nests deeper than its reader asks for, before any recursion begins.
6. Keys beyond ASCII of more than 128 characters: to compare two of them takes the square of their length.
"""

from __future__ import annotations

import base64
import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable

__all__ = ["FREE_FORM", "JsonObject", "JsonValue", "decode_base64", "parse_json"]

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]

FREE_FORM = frozenset({"annotations", "labels", "Labels", "optional", "Volumes", "ExposedPorts"})
"""Keys whose value maps free names to values: OCI annotations, labels, cosign's signed annotations, paths and ports.

Source: `map[string]…` fields in the Go types of the OCI Image Specification 1.1 and of cosign's simple-signing payload.
"""

MAX_NUMBER_CHARACTERS = 64
MAX_FOREIGN_KEY_CHARACTERS = 128
"""A run of combining characters is put in order by insertion, here and elsewhere; nobody names anything so long."""
INTEGERS = range(-(2**63), 2**64)

# The closing quote may be missing, so that an unfinished string is met once and not again from each quote inside it.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ONE_KIND_OF_BRACKET = bytes.maketrans(b"{}", b"[]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(data: bytes, *, max_bytes: int, max_depth: int = 32) -> JsonValue:
    """Return the one value that `data` holds; arrays come as lists and objects as dicts in the order of the document.

    `max_depth` counts nested arrays and objects: a bare number has depth 0. A ParseError (without a path) for all that
    the head of this module refuses.
    """
    if len(data) > max_bytes:
        raise ParseError("", f"is larger than {max_bytes:,} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ParseError("", "is not UTF-8") from None
    _check_depth(data, max_depth)
    keys = _KeyRules()
    decoder = json.JSONDecoder(
        object_pairs_hook=keys.read_object, parse_int=_integer, parse_float=_float, parse_constant=_refuse_constant
    )
    try:
        value: JsonValue = decoder.decode(text)
    except json.JSONDecodeError as error:
        raise ParseError("", f"is not JSON: {error.msg} at character {error.pos}") from None
    keys.check()
    if _ESCAPED_SURROGATE.search(text):
        _check_surrogates(value)
    return value


def decode_base64(text: str) -> bytes:
    """Read standard base64 (RFC 4648, section 4) with its padding; a ParseError for every other spelling of the bytes.

    What the last character says beyond the last byte must be zero (section 3.5).
    """
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise ParseError("", "is not base64") from None
    if base64.b64encode(data) != text.encode():
        raise ParseError("", "is not base64 in its one spelling")
    return data


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonObject:
    """A JSON object that is read field by field; `path` is where it stands in the document.

    Every method raises ParseError with the path of the field. As in Go, a field that is null counts as absent.
    """

    members: Mapping[str, JsonValue]
    path: str = ""

    @classmethod
    def of(cls, value: JsonValue, *, path: str = "") -> JsonObject:
        """Take `value` for an object."""
        if not isinstance(value, dict):
            raise ParseError(path, "is not an object")
        return cls(members=value, path=path)

    def at(self, key: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Tell whether the field is there and not null."""
        return self.members.get(key) is not None

    def text(self, key: str) -> str:
        """Return a string that must be there; it may be empty."""
        value = self._required(key)
        if not isinstance(value, str):
            raise ParseError(self.at(key), "is not a string")
        return value

    def text_or(self, key: str, default: str) -> str:
        """Return a string, or `default` where there is none."""
        return self.text(key) if self.has(key) else default

    def integer(self, key: str) -> int:
        """Return an integer that must be there; `true` and `1.0` are none."""
        value = self._required(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ParseError(self.at(key), "is not an integer")
        return value

    def object(self, key: str) -> JsonObject:
        """Return an object that must be there."""
        return JsonObject.of(self._required(key), path=self.at(key))

    def object_or_empty(self, key: str) -> JsonObject:
        """Return an object, or one without fields where there is none."""
        return self.object(key) if self.has(key) else JsonObject(members={}, path=self.at(key))

    def base64(self, key: str) -> bytes:
        """Return the bytes that a string in standard base64 stands for; nothing but base64 may be in it."""
        try:
            return decode_base64(self.text(key))
        except ParseError as error:
            raise ParseError(self.at(key), error.message) from None

    def objects(self, key: str, *, at_most: int) -> tuple[JsonObject, ...]:
        """Return an array of objects that must be there; it may be empty."""
        items = self._array(key, at_most)
        return tuple(JsonObject.of(item, path=f"{self.at(key)}[{number}]") for number, item in enumerate(items))

    def texts(self, key: str, *, at_most: int) -> tuple[str, ...]:
        """Return an array of strings that must be there; it may be empty."""
        found: list[str] = []
        for number, item in enumerate(self._array(key, at_most)):
            if not isinstance(item, str):
                raise ParseError(f"{self.at(key)}[{number}]", "is not a string")
            found.append(item)
        return tuple(found)

    def text_map(self, key: str) -> Mapping[str, str]:
        """Return an object whose values are all strings; empty where there is none."""
        found: dict[str, str] = {}
        for name, value in self.object_or_empty(key).members.items():
            if not isinstance(value, str):
                raise ParseError(f"{self.at(key)}[{printable(name)}]", "is not a string")
            found[name] = value
        return found

    def refuse_variants(self, known: Collection[str]) -> None:
        """Refuse a key that Go would take for one of the `known` ones though it is spelled differently.

        The exact key need not be there: `Layers` alone is read as `layers` by Go and overlooked by others.
        """
        folded = {_fold(name): name for name in known}
        for key in self.members:
            meant = folded.get(_fold(key))
            if meant is not None and meant != key:
                raise ParseError(self.path, f"has the key `{printable(key)}`, which some readers take for `{meant}`")

    def _required(self, key: str) -> JsonValue:
        value = self.members.get(key)
        if value is None:
            raise ParseError(self.at(key), "is missing")
        return value

    def _array(self, key: str, at_most: int) -> list[JsonValue]:
        value = self._required(key)
        if not isinstance(value, list):
            raise ParseError(self.at(key), "is not an array")
        if len(value) > at_most:
            raise ParseError(self.at(key), f"has more than {at_most:,} items")
        return value


class _KeyRules:
    """Builds objects while the decoder meets them, innermost first, and remembers those with keys too alike.

    Only whoever builds the parent knows under which key an object stands, so judgement on likeness waits until then.
    """

    __slots__ = ("_alike",)

    def __init__(self) -> None:
        self._alike: dict[int, ParseError] = {}

    def read_object(self, pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        """Build one object; a ParseError if a key stands twice."""
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ParseError(
                "", f"has the key `{printable(_first_repeated(key for key, _ in pairs))}` twice in one object"
            )
        spellings: dict[str, str] = {}
        for key, value in pairs:
            if key in FREE_FORM:
                # Objects stay alive as long as the document, so an identity cannot come to name another one.
                self._alike.pop(id(value), None)
            other = spellings.setdefault(_fold(key), key)
            if other != key:
                message = f"has the keys `{printable(other)}` and `{printable(key)}`, which some readers take for one"
                self._alike[id(members)] = ParseError("", message)
        return members

    def check(self) -> None:
        """Raise the first objection that no parent has lifted."""
        for error in self._alike.values():
            raise error


def _fold(key: str) -> str:
    """Map keys that any reader might confuse to one string.

    Source: Unicode Standard, chapter 3, definition D146 (compatibility caseless match); wider than the simple folding
    that Go applies.
    """
    if key.isascii():
        return key.lower()
    if len(key) > MAX_FOREIGN_KEY_CHARACTERS:
        raise ParseError("", f"has a key beyond ASCII of more than {MAX_FOREIGN_KEY_CHARACTERS} characters")
    folded = unicodedata.normalize("NFD", key).casefold()
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", folded).casefold())


def _first_repeated(keys: Iterable[str]) -> str:
    counted = Counter(keys)
    return next(key for key, times in counted.items() if times > 1)


def _check_depth(data: bytes, max_depth: int) -> None:
    """Peel one level of brackets per round: whatever is left after `max_depth` rounds is deeper, or unbalanced."""
    brackets = _STRING.sub(b"", data).translate(_ONE_KIND_OF_BRACKET, _NOT_BRACKETS)
    for _ in range(max_depth):
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise ParseError("", f"nests deeper than {max_depth} levels, or its brackets do not match")


def _check_surrogates(value: JsonValue) -> None:
    """Refuse strings that are no Unicode text: a surrogate that was escaped alone."""
    waiting: list[JsonValue] = [value]
    while waiting:
        match waiting.pop():
            case str(text):
                if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
                    raise ParseError("", "has half of a surrogate pair in a string")
            case list(items):
                waiting.extend(items)
            case dict(members):
                waiting.extend(members)
                waiting.extend(members.values())
            case _:
                continue


def _integer(literal: str) -> int:
    number = int(literal) if len(literal) <= MAX_NUMBER_CHARACTERS else INTEGERS.stop
    if number not in INTEGERS:
        raise ParseError("", "has an integer of more than 64 bits")
    return number


def _float(literal: str) -> float:
    number = float(literal) if len(literal) <= MAX_NUMBER_CHARACTERS else math.inf
    if not math.isfinite(number):
        raise ParseError("", "has a number that is out of range")
    return number


def _refuse_constant(literal: str) -> NoReturn:
    raise ParseError("", f"has `{literal}`, which is no JSON")
