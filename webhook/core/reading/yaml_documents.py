"""YAML (and JSON, which is YAML) → plain values, read in the one way that nobody can read differently.

1. Plain scalars are read as JSON would read them: numbers, `true`, `false`, `null`. Everything else is text, so that
   `2027-03-31`, `1:30`, `yes` and `012` stay what was written. (YAML 1.2, "Core Schema", and narrower.)
2. A key that stands twice in one mapping is refused: parsers disagree about which one counts.
3. Aliases and merge keys (`<<`) are read as kubectl reads them, as long as what they repeat stays small: a few lines
   must not become a large document. Tags are refused.
4. Size, depth and the number of documents have bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import yaml

from webhook.core.errors import ParseError
from webhook.core.reading.complaints import Complaints, Place
from webhook.core.reading.plain_text import printable

__all__ = ["YamlDocument", "load_document", "load_documents"]

MAX_DEPTH = 64
MAX_DOCUMENTS = 10_000
MAX_REPEATED_NODES = 100_000
"""Values that the aliases of one document may repeat, each counted as often as it is repeated."""

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
    document = next(documents, None)
    if document is None:
        raise ParseError("", "is empty")
    if next(documents, None) is not None:
        raise ParseError("", "holds several documents; exactly one is expected")
    return document.value


class YamlDocument(NamedTuple):
    """One document of a stream, and the line (from 1) on which what it holds begins, below `---` and comments."""

    value: object
    line: int


def load_documents(data: bytes, *, max_bytes: int) -> Iterator[YamlDocument]:
    """Yield the documents of a stream of at most `max_bytes` bytes; the value of one that holds nothing is None.

    Raises ParseError where the stream is not YAML, and DocumentError where keys stand twice.
    """
    complaints = Complaints()
    for document in _documents(_Events(data, max_bytes=max_bytes), complaints):
        complaints.raise_if_any()
        yield document


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


def _documents(events: _Events, complaints: Complaints) -> Iterator[YamlDocument]:
    events.next()  # the start of the stream
    for _ in range(MAX_DOCUMENTS):
        if isinstance(events.next(), yaml.StreamEndEvent):
            return
        first = events.next()
        value = _Composer(events, complaints).compose(first, Place(), 0)
        yield YamlDocument(value=value, line=_line_number(first.start_mark))
        events.next()  # the end of the document
    raise ParseError("", f"holds more than {MAX_DOCUMENTS:,} documents")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Anchored:
    """A value that aliases may repeat: how many values it holds, itself included, and on how many levels."""

    value: object
    nodes: int
    height: int


class _Composer:
    """Builds the value that begins with an event, consuming what belongs to it. One document, one composer."""

    def __init__(self, events: _Events, complaints: Complaints) -> None:
        self._events = events
        self._complaints = complaints
        self._anchored: dict[str, _Anchored] = {}
        self._nodes = 0
        self._repeated_nodes = 0
        self._deepest = 0

    def compose(self, event: yaml.Event, place: Place, depth: int) -> object:
        """Return the value; `depth` is the level it stands on."""
        self._go_to(depth, event)
        if isinstance(event, yaml.AliasEvent):
            return self._repeat(event, place, depth)
        before, outer_deepest, self._deepest = self._nodes, self._deepest, depth
        self._nodes += 1
        value = self._value(event, place, depth)
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            height = self._deepest - depth
            self._anchored[event.anchor] = _Anchored(value=value, nodes=self._nodes - before, height=height)
        self._deepest = max(self._deepest, outer_deepest)
        return value

    def _value(self, event: yaml.Event, place: Place, depth: int) -> object:
        match event:
            case yaml.MappingStartEvent(tag=None):
                return self._mapping(place, depth)
            case yaml.SequenceStartEvent(tag=None):
                return self._sequence(place, depth)
            case yaml.ScalarEvent(tag=None):
                is_plain, _ = event.implicit
                return _plain_scalar(event.value) if is_plain else event.value
            case _:
                raise ParseError(place.path, f"{_line(event.start_mark)}: tags (`!`, `!!`) are not read")

    def _repeat(self, event: yaml.AliasEvent, place: Place, depth: int) -> object:
        """Return the value that an alias stands for. One inside itself is not complete yet, hence unknown."""
        name = event.anchor or ""
        anchored = self._anchored.get(name)
        if anchored is None:
            raise ParseError(place.path, f"{_line(event.start_mark)}: the alias `{printable(name)}` is unknown")
        self._nodes += anchored.nodes
        self._repeated_nodes += anchored.nodes
        if self._repeated_nodes > MAX_REPEATED_NODES:
            raise ParseError(place.path, f"{_line(event.start_mark)}: aliases repeat too much")
        self._go_to(depth + anchored.height, event)
        return anchored.value

    def _go_to(self, depth: int, event: yaml.Event) -> None:
        if depth > MAX_DEPTH:
            raise ParseError("", f"{_line(event.start_mark)}: is nested deeper than {MAX_DEPTH} levels")
        self._deepest = max(self._deepest, depth)

    def _sequence(self, place: Place, depth: int) -> list[object]:
        items: list[object] = []
        while not isinstance(event := self._events.next(), yaml.SequenceEndEvent):
            items.append(self.compose(event, place.item(len(items)), depth + 1))
        return items

    def _mapping(self, place: Place, depth: int) -> dict[str, object]:
        mapping: dict[str, object] = {}
        merged: list[dict[str, object]] = []
        position = 0
        while not isinstance(event := self._events.next(), yaml.MappingEndEvent):
            key = _key(event, place)
            value = self.compose(self._events.next(), place.key(key.text, position), depth + 1)
            if key.merges:
                merged += _mappings_to_merge(value, place, event)
            elif key.text in mapping:
                here = Place(path=place.path, order=(*place.order, position))
                line = _line(event.start_mark)
                self._complaints.add(here, f'key "{printable(key.text)}" stands twice (again in {line})')
            else:
                mapping[key.text] = value
                position += 1
        for source in merged:
            mapping = mapping | {key: value for key, value in source.items() if key not in mapping}
        return mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """A key as the text that is written; one that `merges` mixes another mapping in."""

    text: str
    merges: bool


def _key(event: yaml.Event, place: Place) -> _Key:
    if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
        raise ParseError(place.path, f"{_line(event.start_mark)}: a key is plain text")
    is_plain, _ = event.implicit
    return _Key(text=event.value, merges=is_plain and event.value == "<<")


def _mappings_to_merge(value: object, place: Place, event: yaml.Event) -> list[dict[str, object]]:
    """Return what a merge key mixes in: one mapping or a list of them, the first of which wins.

    Source: "Merge Key Language-Independent Type for YAML", version 1.1.
    """
    sources = value if isinstance(value, list) else [value]
    mappings = [source for source in sources if isinstance(source, dict)]
    if len(mappings) < len(sources):
        raise ParseError(place.path, f"{_line(event.start_mark)}: a merge key mixes mappings in")
    return mappings


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


def _line_number(mark: _Mark | None) -> int:
    return mark.line + 1 if mark else 1
