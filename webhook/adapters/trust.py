"""Sigstore trusted roots that change while the gate runs: loaded at the start, refreshed in the background.

1. No review waits for a root. It is judged by the roots that are there, and by none where one could not be had.
2. The public-good root is the one that came with the `sigstore` package: no network. Whoever wants it refreshed names
   its TUF repository as a mirror.
3. A refresh that fails leaves the last good root in force, and is tried again soon. It is logged and counted.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Self, assert_never
from urllib.parse import quote

from structlog.typing import FilteringBoundLogger

from webhook.adapters.tuf_mirror import fetch_trust_root, mirror_name
from webhook.core.facts import Trouble
from webhook.core.signatures.trust_root_reading import load_trust_root
from webhook.core.signatures.trust_roots import PublicGood, TrustRoot, TufMirror
from webhook.core.trust import NOT_LOADED
from webhook.ports import Clock, RootState

__all__ = ["BackgroundTrust", "built_in_root"]

REFRESH_SECONDS = 6 * 3600.0
"""How often a mirror is looked at; Sigstore signs its timestamp anew every few days."""
RETRY_SECONDS = 300.0
"""How soon after a failure."""
PUBLIC_GOOD_NAME = "public-good"
PUBLIC_GOOD_REPOSITORY = "https://tuf-repo-cdn.sigstore.dev"

Source = TufMirror | PublicGood


@dataclass(slots=True, kw_only=True)
class _Kept:
    """What is known of one source, and the task that keeps it so."""

    root: TrustRoot | None = None
    refreshed_at: datetime | None = None
    trouble: Trouble | None = NOT_LOADED
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class BackgroundTrust:
    """Implements `webhook.ports.TrustSource`. An async context manager: it ends with its tasks.

    `directory` keeps the metadata of mirrors beyond the life of the process; without one, a temporary folder does.
    `sleep` waits so many seconds.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
        directory: Path | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._log = log
        self._directory = directory
        self._temporary: Path | None = None
        self._sleep = sleep
        self._kept: dict[Source, _Kept] = {}

    async def __aenter__(self) -> Self:
        """Wait for sources to follow."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop refreshing, and remove what was temporary."""
        tasks = [kept.task for kept in self._kept.values() if kept.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._temporary is not None:
            await asyncio.to_thread(shutil.rmtree, self._temporary, ignore_errors=True)

    def follow(self, sources: frozenset[Source]) -> None:
        """Keep these roots from now on, and forget all others."""
        for gone in self._kept.keys() - sources:
            task = self._kept.pop(gone).task
            if task is not None:
                task.cancel()
        for source in sources - self._kept.keys():
            kept = self._kept[source] = _Kept()
            kept.task = asyncio.create_task(self._keep(source, kept))

    async def settled(self, *, deadline: float) -> None:
        """Wait until each root has been tried once, or until the deadline (an instant on `Clock.monotonic()`)."""
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline - self._clock.monotonic()):
                await asyncio.gather(*(kept.tried.wait() for kept in self._kept.values()))

    def roots(self) -> Mapping[Source, TrustRoot | Trouble]:
        """Return the last good root of each source, or why there has been none."""
        return {source: kept.root or kept.trouble or NOT_LOADED for source, kept in self._kept.items()}

    def states(self) -> tuple[RootState, ...]:
        """Return how each source is, by name."""
        found = (
            RootState(
                source=_name(source),
                loaded=kept.root is not None,
                refreshed_at=kept.refreshed_at,
                trouble=kept.trouble,
            )
            for source, kept in self._kept.items()
        )
        return tuple(sorted(found, key=lambda state: state.source))

    async def _keep(self, source: Source, kept: _Kept) -> None:
        """Load a root, and load it again for ever if it can change."""
        while True:
            result = await self._load(source)
            self._note(source, kept, result)
            kept.tried.set()
            if isinstance(source, PublicGood):
                return
            await self._sleep(RETRY_SECONDS if isinstance(result, Trouble) else REFRESH_SECONDS)

    async def _load(self, source: Source) -> TrustRoot | Trouble:
        match source:
            case PublicGood():
                return await asyncio.to_thread(built_in_root)
            case TufMirror():
                try:
                    directory = self._writable()
                except OSError as error:
                    why = f"there is no place for its metadata: {error.strerror or type(error).__name__}"
                    return Trouble(doing="loading the trust root", where=mirror_name(source), why=why)
                return await asyncio.to_thread(fetch_trust_root, source, directory, clock=self._clock)
            case _:
                assert_never(source)

    def _note(self, source: Source, kept: _Kept, result: TrustRoot | Trouble) -> None:
        name = _name(source)
        match result:
            case Trouble(why=why):
                kept.trouble = result
                self._log.warning("trust root not refreshed", source=name, why=why, in_force=_digest(kept.root))
            case TrustRoot():
                if result != kept.root:
                    self._log.info("trust root in force", source=name, digest=_digest(result))
                kept.root, kept.trouble = result, None
                kept.refreshed_at = None if isinstance(source, PublicGood) else self._clock.now()
            case _:
                assert_never(result)

    def _writable(self) -> Path:
        """Return where metadata is kept; OSError if a temporary folder is needed and cannot be made."""
        if self._directory is not None:
            return self._directory
        if self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="dhi-gate-trust-"))
        return self._temporary


def built_in_root() -> TrustRoot:
    """Return the root that `sigstore` was released with."""
    folder = files("sigstore") / "_store" / quote(PUBLIC_GOOD_REPOSITORY, safe="")
    return load_trust_root((folder / "trusted_root.json").read_bytes())


def _name(source: Source) -> str:
    return PUBLIC_GOOD_NAME if isinstance(source, PublicGood) else mirror_name(source)


def _digest(root: TrustRoot | None) -> str | None:
    return None if root is None else str(root.digest)
