"""A document in a registry, followed by looking again: only a tag can ever name another one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from webhook.core.errors import DocumentError, ParseError
from webhook.core.reading.plain_text import printable
from webhook.core.references import Digest
from webhook.document_sources.artifacts import ArtifactReader, UnverifiedError
from webhook.document_sources.states import Change, DocumentState, Loaded, Parser, Rejected, Unseen, attempt, following
from webhook.ports import Clock, RegistryTrouble

__all__ = ["ArtifactDocument"]

T = TypeVar("T")

READ_SECONDS = 120.0
"""How long one look may take: a catalog has many megabytes."""

Objection = Callable[[T, T], str | None]
"""Says why a value must not follow the one in force, None if it may."""


class ArtifactDocument(Generic[T]):
    """Implements `webhook.document_sources.states.DocumentSource`.

    A tag is looked at every `refresh_seconds`, and sooner after trouble; what it names must follow what is in force
    without any `objection`.
    """

    def __init__(
        self,
        reader: ArtifactReader,
        parse: Parser[T],
        *,
        clock: Clock,
        refresh_seconds: float,
        objection: Objection[T] = lambda _before, _after: None,
    ) -> None:
        self.reader = reader
        self._parse = parse
        self._clock = clock
        self._refresh_seconds = refresh_seconds
        self._objection = objection
        self._seen: tuple[str, ...] | Digest | None = None
        self._state: DocumentState[T] = DocumentState()

    @property
    def current(self) -> T | None:
        """The last good value; None if there has been none."""
        return self._state.value

    @property
    def state(self) -> DocumentState[T]:
        """What is in force, and how the last attempt went."""
        return self._state

    async def load(self) -> Change[T] | None:
        """Look once; None if it is as it was the last time."""
        at = self._clock.now()
        try:
            data = await self.reader.read(deadline=self._clock.monotonic() + READ_SECONDS)
        except (RegistryTrouble, UnverifiedError) as trouble:
            why = trouble.kind.value if isinstance(trouble, RegistryTrouble) else str(trouble)
            return self._note(Unseen(why=why, detail=str(trouble), at=at), (why,))
        except (ParseError, DocumentError, OSError) as error:
            why = printable(str(error), 300)
            return self._note(Rejected(errors=(why,), at=at), (why,))
        revision = Digest.of(data)
        if self._seen == revision:
            return None
        return self._note(await asyncio.to_thread(self._judged, data), revision)

    async def watch(
        self,
        on_change: Callable[[Change[T]], None],
        *,
        interval_seconds: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Look again until cancelled; ends once a digest has been read, because that can never change."""
        while not self._is_final:
            troubled = self._state.unseen is not None or self._state.value is None
            await sleep(min(interval_seconds, self._refresh_seconds) if troubled else self._refresh_seconds)
            change = await self.load()
            if change is not None:
                on_change(change)

    @property
    def _is_final(self) -> bool:
        return self.reader.image.digest is not None and self.reader.voucher is None and self._state.value is not None

    def _judged(self, data: bytes) -> Loaded[T] | Rejected:
        """Parse the document, and hold it against the one in force."""
        change = attempt(self._parse, lambda: data, _no_file, at=self._clock.now())
        before = self._state.value
        if isinstance(change, Loaded) and before is not None:
            why = self._objection(before, change.value)
            if why is not None:
                return Rejected(errors=(why,), at=change.at)
        return change

    def _note(self, change: Change[T], seen: tuple[str, ...] | Digest) -> Change[T] | None:
        """Keep a change; None if it is the trouble of the last time."""
        if seen == self._seen:
            return None
        self._seen = seen
        self._state = following(self._state, change, seen if isinstance(seen, Digest) else None)
        return change


def _no_file(_name: str) -> bytes:
    raise ParseError("", "a policy from a registry has no files beside it; write their content into it as `data`")
