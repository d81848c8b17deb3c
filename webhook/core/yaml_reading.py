"""YAML (and JSON, which is YAML) → plain values, read in the one way that nobody can read differently.

1. Plain scalars are read as JSON would read them: numbers, `true`, `false`, `null`. Everything else is text, so that
   `2027-03-31`, `1:30`, `yes` and `012` stay what was written. (YAML 1.2, "Core Schema", and narrower.)
2. A key that stands twice in one mapping is refused: parsers disagree about which one counts.
3. Aliases, merge keys and tags are refused: they make a small text a large document, or another one.
4. Size, depth and the number of documents have bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import yaml

from webhook.core.complaints import Complaints, Place
from webhook.core.errors import ParseError
from webhook.core.plain_text import printable

__all__ = ["load_document", "load_documents"]

MAX_DEPTH = 64
MAX_DOCUMENTS = 10_000

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_FLAGS = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")


def load_document(data: bytes, complaints: Complaints, *, max_bytes: int) -> object:
    """Read exactly one document of at most `max_bytes` bytes.

    Returns text, numbers, flags, None, lists and mappings with text keys, in the order of the document. Keys that stand
    twice are added to `complaints` (the first one is kept); what is no such document is a ParseError.
    """
    events = _Events(data, max_bytes=max_bytes)
    documents = _documents(events, complaints)
    document = next(documents, _NOTHING)
    if document is _NOTHING:
        raise ParseError("", "is empty")
    if next(documents, _NOTHING) is not _NOTHING:
        raise ParseError("", "holds several documents; exactly one is expected")
    return document


def load_documents(data: bytes, *, max_bytes: int) -> Iterator[object]:
    """Yield the documents of a stream of at most `max_bytes` bytes; one that holds nothing is yielded as None.

    Raises ParseError where the stream is not YAML, and DocumentError where keys stand twice.
    """
    complaints = Complaints()
    for document in _documents(_Events(data, max_bytes=max_bytes), complaints):
        complaints.raise_if_any()
        yield document


_NOTHING = object()


class _Events:
    """The events of a YAML stream; every error of the parser becomes a ParseError that names the line."""

    def __init__(self, data: bytes, *, max_bytes: int) -> None:
        if len(data) > max_bytes:
            raise ParseError("", f"is larger than {max_bytes:,} bytes")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ParseError("", f"is not UTF-8 text (byte {error.start})") from None
        self._stream = yaml.parse(text, Loader=yaml.CSafeLoader)

    def next(self) -> yaml.Event:
        try:
            return next(self._stream)
        except yaml.MarkedYAMLError as error:
            raise ParseError("", f"{_line(error.problem_mark)}: {error.problem}") from None
        except yaml.YAMLError:
            raise ParseError("", "holds characters that YAML does not allow") from None


def _documents(events: _Events, complaints: Complaints) -> Iterator[object]:
    events.next()  # the start of the stream
    for _ in range(MAX_DOCUMENTS):
        if isinstance(events.next(), yaml.StreamEndEvent):
            return
        yield _Composer(events, complaints).compose(events.next(), Place(), 0)
        events.next()  # the end of the document
    raise ParseError("", f"holds more than {MAX_DOCUMENTS:,} documents")


@dataclass(frozen=True, slots=True)
class _Composer:
    """Builds the value that begins with an event, consuming what belongs to it."""

    events: _Events
    complaints: Complaints

    def compose(self, event: yaml.Event, place: Place, depth: int) -> object:
        line = _line(event.start_mark)
        if depth > MAX_DEPTH:
            raise ParseError("", f"{line}: is nested deeper than {MAX_DEPTH} levels")
        match event:
            case yaml.MappingStartEvent(tag=None):
                return self._mapping(place, depth)
            case yaml.SequenceStartEvent(tag=None):
                return self._sequence(place, depth)
            case yaml.ScalarEvent(tag=None):
                is_plain, _ = event.implicit
                return _plain_scalar(event.value) if is_plain else event.value
            case yaml.AliasEvent():
                raise ParseError(place.path, f"{line}: aliases are not read; write the value out")
            case _:
                raise ParseError(place.path, f"{line}: tags (`!`, `!!`) are not read")

    def _sequence(self, place: Place, depth: int) -> list[object]:
        items: list[object] = []
        while not isinstance(event := self.events.next(), yaml.SequenceEndEvent):
            items.append(self.compose(event, place.item(len(items)), depth + 1))
        return items

    def _mapping(self, place: Place, depth: int) -> dict[str, object]:
        mapping: dict[str, object] = {}
        position = 0
        while not isinstance(event := self.events.next(), yaml.MappingEndEvent):
            line = _line(event.start_mark)
            key = _key(event, place)
            value = self.compose(self.events.next(), place.key(key, position), depth + 1)
            if key in mapping:
                here = Place(path=place.path, order=(*place.order, position))
                self.complaints.add(here, f'key "{printable(key)}" stands twice (again in {line})')
            else:
                mapping[key] = value
                position += 1
        return mapping


def _key(event: yaml.Event, place: Place) -> str:
    """Read a key as the text that is written. A merge key would mix another mapping in."""
    line = _line(event.start_mark)
    if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
        raise ParseError(place.path, f"{line}: a key is plain text")
    is_plain, _ = event.implicit
    if event.value == "<<" and is_plain:
        raise ParseError(place.path, f"{line}: merge keys are not read; write the keys out")
    return event.value


def _plain_scalar(text: str) -> object:
    if text in _NULLS:
        return None
    if text in _FLAGS:
        return _FLAGS[text]
    if _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


class _Mark(Protocol):
    """A place in the text; the parser written in C has a class of its own for it."""

    @property
    def line(self) -> int: ...


def _line(mark: _Mark | None) -> str:
    return f"line {mark.line + 1}" if mark else "somewhere"
