"""Judging many things, some at a time, so that whoever is interrupted still has what was judged by then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Generic, TypeVar

from webhook.core.auditing.rows import Row

__all__ = ["Run"]

T = TypeVar("T")

AT_ONCE = 32


class Run(Generic[T]):
    """Judges things by `judge`, 32 at a time. `advanced` is called after each, for a progress bar."""

    def __init__(
        self, things: Sequence[T], judge: Callable[[T], Awaitable[Row]], *, advanced: Callable[[], None] = lambda: None
    ) -> None:
        self._things = things
        self._judge = judge
        self._advanced = advanced
        self._rows: dict[int, Row] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        """What has been judged by now, in the order of the things."""
        return tuple(self._rows[index] for index in sorted(self._rows))

    @property
    def complete(self) -> bool:
        """Whether everything has been judged."""
        return len(self._rows) == len(self._things)

    async def finish(self) -> None:
        """Judge what is left. An error of ours ends the run; what was judged before it stays."""
        left = iter([index for index in range(len(self._things)) if index not in self._rows])
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(self._things))):
                group.create_task(self._work(left))

    async def _work(self, left: Iterator[int]) -> None:
        for index in left:
            self._rows[index] = await self._judge(self._things[index])
            self._advanced()
