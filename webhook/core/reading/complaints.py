"""Everything that is wrong with one document: where it stands, what it is, told at once and in order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from webhook.core.errors import DocumentError, ParseError
from webhook.core.reading.plain_text import printable

__all__ = ["Complaints", "NotSupportedYet", "Place"]

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


class NotSupportedYet(ParseError):  # noqa: N818 - the words of the contract
    """The document asks for something that this version does not decide: refused, never accepted and ignored."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "not supported yet")

    def __str__(self) -> str:
        """Write it as the contract does."""
        return f"{self.message}: {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a document something stands: `path` for people, `order` (position on every level) for sorting."""

    path: str = ""
    order: tuple[int, ...] = ()

    def key(self, name: str, position: int) -> Place:
        """Return the place of the value of a mapping's key; `position` counts the keys as written."""
        shown = name if _PLAIN_KEY.fullmatch(name) else f'"{printable(name)}"'
        return Place(path=f"{self.path}.{shown}" if self.path else shown, order=(*self.order, position))

    def item(self, position: int) -> Place:
        """Return the place of a list's item."""
        return Place(path=f"{self.path}[{position}]", order=(*self.order, position))


class Complaints:
    """Everything that is wrong with one document, so far."""

    def __init__(self) -> None:
        self._found: list[tuple[tuple[int, ...], ParseError]] = []

    def add(self, place: Place, message: str) -> None:
        """Note what is wrong at a place: one line without a final stop, and never a secret."""
        self._found.append((place.order, ParseError(place.path, message)))

    def add_unsupported(self, place: Place) -> None:
        """Note that the document asks for something that this version does not decide."""
        self._found.append((place.order, NotSupportedYet(place.path)))

    def raise_if_any(self) -> None:
        """Raise a DocumentError with all of them in document order; do nothing if there are none."""
        if self._found:
            raise DocumentError(tuple(error for _, error in sorted(self._found, key=lambda found: found[0])))
