"""What is in force of a document wherever it comes from, and how the last attempt to change it went.

1. A document counts only when all of it parses; until the first one does, nothing is in force.
2. What does not parse, is gone or cannot be looked at leaves the last good value in force, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from webhook.core.errors import DocumentError, ParseError
from webhook.core.references import Digest

__all__ = [
    "Change",
    "DocumentSource",
    "DocumentState",
    "Loaded",
    "Parser",
    "ReadFile",
    "Rejected",
    "Unseen",
    "attempt",
    "following",
]

T = TypeVar("T")

ReadFile = Callable[[str], bytes]
"""Returns the bytes of a file, named relative to the document; raises OSError or ParseError."""

Parser = Callable[[bytes, ReadFile], T]
"""Makes a value of a document and the files it refers to; raises DocumentError or ParseError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded(Generic[T]):
    """A document took effect at that time."""

    value: T
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A document did not take effect, for these reasons, one line each. `cause` is set if the fault is ours."""

    errors: tuple[str, ...]
    at: datetime
    cause: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """It is not known how a document is now. `why` is a clause that anyone may read, `detail` is for the log."""

    why: str
    detail: str
    at: datetime


Change = Loaded[T] | Rejected | Unseen
"""What a look at a document brought, if it brought anything new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentState(Generic[T]):
    """What is in force, and how the last attempt to change it went.

    `value` is None until a document has been loaded; `revision` is the SHA-256 of the bytes it was made of.
    `last_rejection` is None if the last attempt succeeded; `unseen` is None if the source could be looked at.
    """

    value: T | None = None
    revision: Digest | None = None
    loaded_at: datetime | None = None
    last_attempt_at: datetime | None = None
    last_rejection: Rejected | None = None
    unseen: Unseen | None = None


class DocumentSource(Protocol[T]):
    """A document, wherever it comes from, and the value of it that is in force."""

    @property
    def current(self) -> T | None:
        """The last good value; None if there has been none."""
        ...

    @property
    def state(self) -> DocumentState[T]:
        """What is in force, and how the last attempt went."""
        ...

    async def load(self) -> Change[T] | None:
        """Look once; None if nothing is new. Never raises: what cannot be had or understood is a value too."""
        ...

    async def watch(
        self,
        on_change: Callable[[Change[T]], None],
        *,
        interval_seconds: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Follow every change; `on_change` is told of each attempt, on the loop.

        `interval_seconds` passes between two looks where nothing tells of changes. Ends when it is cancelled, or when
        the document can never change again.
        """
        ...


def attempt(parse: Parser[T], read: Callable[[], bytes], read_file: ReadFile, *, at: datetime) -> Loaded[T] | Rejected:
    """Read a document and parse it; whatever goes wrong is why it is rejected."""
    try:
        return Loaded(value=parse(read(), read_file), at=at)
    except OSError as error:
        return Rejected(errors=(f"cannot be read: {error.strerror or type(error).__name__}",), at=at)
    except DocumentError as error:
        return Rejected(errors=tuple(str(each) for each in error.errors), at=at)
    except ParseError as error:
        return Rejected(errors=(str(error),), at=at)
    except Exception as error:  # noqa: BLE001 - a fault of ours must not end the watch; the last good value holds
        return Rejected(errors=(f"internal error ({type(error).__name__})",), at=at, cause=error)


def following(state: DocumentState[T], change: Change[T], revision: Digest | None) -> DocumentState[T]:
    """Return the state after a change; `revision` names the bytes that were read, if any were."""
    if isinstance(change, Loaded):
        return DocumentState(value=change.value, revision=revision, loaded_at=change.at, last_attempt_at=change.at)
    if isinstance(change, Rejected):
        return replace(state, last_attempt_at=change.at, last_rejection=change, unseen=None)
    return replace(state, last_attempt_at=change.at, unseen=change)
