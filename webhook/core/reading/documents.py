"""Read a nested document into values, strictly, and say everything that is wrong with it at once.

A reader is a function from a `Value` to a typed value. One that cannot go on complains and raises `Refused`; whoever
reads several things side by side (the keys of a mapping, the items of a list) collects their `Reading`s first and asks
for the values after, so that the second mistake is found although the first was made.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar

from webhook.core.errors import ParseError
from webhook.core.reading.complaints import Complaints, Place
from webhook.core.reading.plain_text import printable

__all__ = ["Keys", "Reading", "Refused", "Section", "Value", "attempt", "did_you_mean"]

T = TypeVar("T")
D = TypeVar("D")


class Refused(Exception):  # noqa: N818 - no error to report: the complaint has been made already
    """A value could not be read, and the complaint about it has been made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys of one kind of mapping: those that are read, and those of the contract that come `later`."""

    known: tuple[str, ...]
    later: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What a reader returned, if it did."""

    found: tuple[T, ...]

    def value(self) -> T:
        """Return it; raises `Refused` if there is nothing."""
        if not self.found:
            raise Refused
        return self.found[0]


def attempt(reader: Callable[[Value], T], value: Value) -> Reading[T]:
    """Read one of several things, so that the others are read too."""
    try:
        return Reading((reader(value),))
    except Refused:
        return Reading(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Something in a document that has not been read yet: text, a number, a flag, nothing, a list or a mapping."""

    place: Place
    raw: object
    complaints: Complaints

    def complain(self, message: str) -> None:
        """Note what is wrong here, and go on."""
        self.complaints.add(self.place, message)

    def refuse(self, message: str) -> NoReturn:
        """Note what is wrong here, and give this value up."""
        self.complain(message)
        raise Refused

    def refuse_unsupported(self) -> NoReturn:
        """Note that this version does not decide what stands here, and give this value up."""
        self.complaints.add_unsupported(self.place)
        raise Refused

    def text(self) -> str:
        """Read text that is not empty."""
        if not isinstance(self.raw, str):
            self.refuse(f"expected text, found {self._found()}")
        if not self.raw:
            self.refuse("is empty")
        return self.raw

    def flag(self) -> bool:
        """Read `true` or `false`; nothing else is one of them."""
        if not isinstance(self.raw, bool):
            self.refuse(f"expected true or false, found {self._found()}")
        return self.raw

    def whole_number(self) -> int:
        """Read a whole number."""
        if not isinstance(self.raw, int) or isinstance(self.raw, bool):
            self.refuse(f"expected a whole number, found {self._found()}")
        return self.raw

    def parsed(self, parser: Callable[[str], T]) -> T:
        """Read text by a parser whose ParseError says what is wrong with it."""
        text = self.text()
        try:
            return parser(text)
        except ParseError as error:
            self.refuse(str(error))

    def one_of(self, choices: Mapping[str, T]) -> T:
        """Read one of a few words."""
        text = self.text()
        if text not in choices:
            self.refuse(f"expected {_either(tuple(choices))}, found {_quoted(text)}")
        return choices[text]

    def items(self, reader: Callable[[Value], T]) -> tuple[T, ...]:
        """Read a list that is not empty."""
        if not isinstance(self.raw, Sequence) or isinstance(self.raw, str):
            self.refuse(f"expected a list, found {self._found()}")
        if not self.raw:
            self.refuse("is an empty list; leave the key out or name something")
        return tuple(reading.value() for reading in [attempt(reader, item) for item in self._items(self.raw)])

    def distinct(self, reader: Callable[[Value], T], *, by: Callable[[T], object] = lambda item: item) -> tuple[T, ...]:
        """Read a list that is not empty and in which nothing stands twice; `by` says what of an item counts."""
        seen: set[object] = set()

        def read(value: Value) -> T:
            item = reader(value)
            if by(item) in seen:
                value.refuse("stands in this list twice")
            seen.add(by(item))
            return item

        return self.items(read)

    def section(self, keys: Keys) -> Section:
        """Read a mapping: complain about every key that is unknown or comes later, and hand out the known ones."""
        mapping = self._mapping()
        for position, key in enumerate(mapping):
            place = self.place.key(key, position)
            if key in keys.later:
                self.complaints.add_unsupported(place)
            elif key not in keys.known:
                here = Place(path=self.place.path, order=place.order)
                self.complaints.add(here, f"unknown key {_quoted(key)}{did_you_mean(key, (*keys.known, *keys.later))}")
        return Section(whole=self, values=self._entries(mapping))

    def entries(self, reader: Callable[[Value], T]) -> dict[str, T]:
        """Read a mapping whose keys are data, and which is not empty."""
        mapping = self._mapping()
        if not mapping:
            self.refuse("is an empty mapping; leave the key out or name something")
        readings = {key: attempt(reader, value) for key, value in self._entries(mapping).items()}
        return {key: reading.value() for key, reading in readings.items()}

    def _mapping(self) -> Mapping[str, object]:
        if not isinstance(self.raw, Mapping):
            self.refuse(f"expected a mapping, found {self._found()}")
        return self.raw

    def _entries(self, mapping: Mapping[str, object]) -> dict[str, Value]:
        return {
            key: Value(place=self.place.key(key, position), raw=raw, complaints=self.complaints)
            for position, (key, raw) in enumerate(mapping.items())
        }

    def _items(self, raw: Sequence[object]) -> Iterator[Value]:
        for position, item in enumerate(raw):
            yield Value(place=self.place.item(position), raw=item, complaints=self.complaints)

    def _found(self) -> str:
        """Say what stands here instead, without repeating what may be long or secret."""
        match self.raw:
            case None:
                return "nothing"
            case bool():
                return "true" if self.raw else "false"
            case int() | float():
                return f"the number {printable(str(self.raw))} (quote it if it is text)"
            case str():
                return "text"
            case Mapping():
                return "a mapping"
            case _:
                return "a list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A mapping whose keys have been checked, being read key by key."""

    whole: Value
    values: Mapping[str, Value]

    def has(self, key: str) -> bool:
        """Tell whether the document holds the key."""
        return key in self.values

    def __getitem__(self, key: str) -> Value:
        """Return what stands under a key that is there."""
        return self.values[key]

    def required(self, key: str, reader: Callable[[Value], T]) -> Reading[T]:
        """Read a key that must be there."""
        if key in self.values:
            return attempt(reader, self.values[key])
        self.whole.complain(f'misses the key "{key}"')
        return Reading(())

    def optional(self, key: str, reader: Callable[[Value], T], default: D) -> Reading[T | D]:
        """Read a key that may be left out."""
        return attempt(reader, self.values[key]) if key in self.values else Reading((default,))

    def exactly_one(self, readers: Mapping[str, Callable[[Value], T]]) -> Reading[T]:
        """Read the one of several keys that is there; more than one, and none, is refused."""
        readings = [self.required(key, reader) for key, reader in readers.items() if self.has(key)]
        if len(readings) == 1:
            return readings[0]
        wanted = " and ".join(_quoted(key) for key in readers)
        self.whole.complain(f"has {'more than one' if readings else 'none'} of {wanted}; exactly one is needed")
        return Reading(())


def _quoted(text: str) -> str:
    return f'"{printable(text)}"'


def _either(words: Sequence[str]) -> str:
    *others, last = [_quoted(word) for word in words]
    return f"{', '.join(others)} or {last}" if others else last


def did_you_mean(written: str, choices: Mapping[str, object] | Sequence[str]) -> str:
    """Return `, did you mean "…"?` if one of the choices is close, however its case is written."""
    by_lower_case = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(written[:60].lower(), by_lower_case, n=1)
    return f', did you mean "{by_lower_case[close[0]]}"?' if close else ""
