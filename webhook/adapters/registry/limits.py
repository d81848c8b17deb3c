"""How hard a registry may be pressed: requests at once, pauses it asked for, and rest while it keeps failing."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from webhook.adapters.registry.options import RegistryOptions
from webhook.adapters.registry.question import PassingTrouble, Question
from webhook.ports import Clock, RegistryTrouble, TroubleKind

__all__ = ["SHARED_SECONDS", "HostLimits"]

T = TypeVar("T")

TRIES = 3
MAX_HOSTS = 1024
FIRST_BACKOFF_SECONDS = 0.1
MAX_PAUSE_SECONDS = 300.0
LEAST_USEFUL_SECONDS = 0.05
SHARED_SECONDS = 10.0
"""How long a question that several wait for may take at least, whatever the deadline of whoever asked first."""
FAILURES = frozenset({TroubleKind.UNREACHABLE, TroubleKind.TIMEOUT})


class _Host:
    """What is known about one host: free slots, failures in a row, and until when it is left alone, and why."""

    __slots__ = ("asked_to_wait_until", "failures", "in_use", "resting_until", "slots")

    def __init__(self, requests_at_once: int) -> None:
        self.slots = asyncio.Semaphore(requests_at_once)
        self.in_use = 0
        self.failures = 0
        self.resting_until = 0.0
        self.asked_to_wait_until = 0.0

    def leave(self) -> None:
        """Give one slot back."""
        self.in_use -= 1
        self.slots.release()


class HostLimits:
    """Limits per contacted host, for at most 1,024 hosts; those that have been idle longest are forgotten.

    `sleep` waits so many seconds; `random` gives numbers from 0 to 1 that spread repeated tries.
    """

    def __init__(
        self,
        *,
        options: RegistryOptions,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
        random: Callable[[], float],
    ) -> None:
        self._options = options
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    async def persist(self, question: Question, host: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` returns, within the deadline of the question, trying at most three times.

        Only PassingTrouble is tried again. After five failures in a row the host rests for a few seconds, in which
        every question about it fails at once.
        """
        state = self._state(host)
        if self._clock.monotonic() >= question.deadline:
            raise question.trouble(TroubleKind.TIMEOUT, "the deadline had passed before anything was asked")
        if self._clock.monotonic() < state.resting_until:
            raise question.trouble(TroubleKind.UNREACHABLE, f"{host} kept failing and is left alone for a moment")
        try:
            answer = await self.within(question, self._tries(question, attempt))
        except RegistryTrouble as trouble:
            self._note_failure(state, trouble.kind)
            raise
        state.failures = 0
        return answer

    async def within(self, question: Question, answer: Awaitable[T]) -> T:
        """Wait for an answer no longer than the question allows."""
        try:
            async with asyncio.timeout(question.deadline - self._clock.monotonic()):
                return await answer
        except TimeoutError:
            raise question.trouble(TroubleKind.TIMEOUT) from None

    async def enter(self, question: Question, host: str) -> Callable[[], None]:
        """Take one of the host's slots and return the function that gives it back.

        Waits first for as long as the host asked to be left alone; a host without a free slot is OVERLOADED, which is
        the gate's own trouble and does not count as a failure of the host.
        """
        state = self._state(host)
        wait = state.asked_to_wait_until - self._clock.monotonic()
        if wait > 0:
            if self._clock.monotonic() + wait >= question.deadline:
                raise question.trouble(TroubleKind.RATE_LIMITED, f"{host} asks to wait for {wait:.0f} s")
            await self._sleep(wait)
        try:
            async with asyncio.timeout(question.deadline - self._clock.monotonic() - LEAST_USEFUL_SECONDS):
                await state.slots.acquire()
        except TimeoutError:
            raise question.trouble(TroubleKind.OVERLOADED, f"no free slot for {host}") from None
        state.in_use += 1
        return state.leave

    def pause(self, host: str, seconds: float) -> None:
        """Leave the host alone for as long as it asked, at most five minutes."""
        until = self._clock.monotonic() + min(seconds, MAX_PAUSE_SECONDS)
        state = self._state(host)
        state.asked_to_wait_until = max(state.asked_to_wait_until, until)

    async def _tries(self, question: Question, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try, and try again after a growing and scattered moment if that fits into the deadline."""
        for number in range(1, TRIES):
            try:
                return await attempt()
            except PassingTrouble as trouble:
                moment = FIRST_BACKOFF_SECONDS * 2 ** (number - 1) * (0.5 + self._random())
                if self._clock.monotonic() + moment >= question.deadline:
                    raise question.trouble(trouble.kind, trouble.detail) from trouble
            await self._sleep(moment)
        try:
            return await attempt()
        except PassingTrouble as trouble:
            raise question.trouble(trouble.kind, f"{trouble.detail}, {TRIES} tries") from trouble

    def _note_failure(self, state: _Host, kind: TroubleKind) -> None:
        """Count what suggests that the host is down; after a rest, one more failure is enough for the next one."""
        if kind not in FAILURES:
            state.failures = 0
            return
        state.failures += 1
        if state.failures >= self._options.failures_before_pause:
            state.failures -= 1
            state.resting_until = self._clock.monotonic() + self._options.pause_seconds

    def _state(self, host: str) -> _Host:
        """Return what is known about a host, making room for a new one without forgetting any that is in use."""
        state = self._hosts.get(host)
        if state is None:
            idle = (name for name, other in self._hosts.items() if not other.in_use)
            if len(self._hosts) >= MAX_HOSTS and (oldest := next(idle, None)) is not None:
                del self._hosts[oldest]
            state = self._hosts[host] = _Host(self._options.requests_per_registry)
        self._hosts.move_to_end(host)
        return state
