"""Trusted roots that are what a test says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from webhook.core.facts import Trouble
from webhook.core.signatures.trust_roots import PublicGood, TrustRoot, TufMirror
from webhook.ports import RootState

__all__ = ["FakeTrust"]


class FakeTrust:
    """Implements `webhook.ports.TrustSource` and remembers what it was asked to follow."""

    def __init__(self) -> None:
        self.followed: frozenset[TufMirror | PublicGood] = frozenset()
        self.known: Mapping[TufMirror | PublicGood, TrustRoot | Trouble] = {}
        self.shown: tuple[RootState, ...] = ()
        self.closed = False

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Remember the end."""
        self.closed = True

    def follow(self, sources: frozenset[TufMirror | PublicGood]) -> None:
        """Remember what is wanted."""
        self.followed = sources

    async def settled(self, *, deadline: float) -> None:
        """Wait for nothing."""

    def roots(self) -> Mapping[TufMirror | PublicGood, TrustRoot | Trouble]:
        """Return what the test says."""
        return self.known

    def states(self) -> tuple[RootState, ...]:
        """Return what the test says."""
        return self.shown
