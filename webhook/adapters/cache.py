"""A registry that remembers: for good what a digest names, for a moment what may change, and trouble not at all."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from webhook.adapters.expiring import ExpiringStore
from webhook.adapters.single_flight import SingleFlight
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.ports import Clock, RawManifest, ReferrerListing, Registry, RegistryTrouble, TroubleKind

__all__ = ["CachingRegistry"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_ENTRIES = 50_000
MAX_BLOB_BYTES = 64 * 1024
MAX_QUESTIONS = 1024
FETCH_SECONDS = 10.0
"""How long an answer is waited for at least, even if whoever asked first has less time: others may want it too."""
ENTRY_BYTES = 512
"""What an entry weighs beside its bytes, roughly."""
SIGNATURE_TAG_PREFIXES = ("sha256-", "sha512-")

Key = tuple[str, str]
"""A repository, and a digest or tag in it. That one repository has a manifest says nothing about another."""


class CachingRegistry:
    """Implements `webhook.ports.Registry` in front of `inner`, for one scope of credentials.

    Manifests, and blobs of up to 64 KiB, are kept within `manifest_bytes` and `blob_bytes`, the most recently used
    longest. A tag is believed for `tag_seconds`; what is attached to an image, by listing or by a tag that is derived
    from a digest, for `referrer_seconds`; that something is not there for `absence_seconds`; of each of these there are
    at most `max_entries`. The same question is asked once at a time. Lists of tags and streams pass through.
    """

    def __init__(
        self,
        inner: Registry,
        *,
        clock: Clock,
        manifest_bytes: int = 64 * 1024 * 1024,
        blob_bytes: int = 64 * 1024 * 1024,
        tag_seconds: float = 10.0,
        referrer_seconds: float = 30.0,
        absence_seconds: float = 5.0,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._tag_seconds = tag_seconds
        self._referrer_seconds = referrer_seconds
        self._absence_seconds = absence_seconds
        self._manifests: _ByteBoundedStore[RawManifest] = _ByteBoundedStore(manifest_bytes)
        self._blobs: _ByteBoundedStore[bytes] = _ByteBoundedStore(blob_bytes)
        self._absent_manifests: ExpiringStore[Key, None] = ExpiringStore(clock=clock, max_entries=max_entries)
        self._tags: ExpiringStore[Key, Digest | None] = ExpiringStore(clock=clock, max_entries=max_entries)
        self._listings: ExpiringStore[Key, ReferrerListing] = ExpiringStore(clock=clock, max_entries=max_entries)
        self._resolving: _SharedQuestions[Key, Digest | None] = _SharedQuestions(clock)
        self._fetching_manifests: _SharedQuestions[Key, RawManifest | None] = _SharedQuestions(clock)
        self._fetching_blobs: _SharedQuestions[tuple[Key, int], bytes | None] = _SharedQuestions(clock)
        self._listing: _SharedQuestions[Key, ReferrerListing] = _SharedQuestions(clock)

    async def close(self) -> None:
        """Stop what is under way; `inner` is closed by whoever opened it."""
        await self._resolving.close()
        await self._fetching_manifests.close()
        await self._fetching_blobs.close()
        await self._listing.close()

    async def resolve(self, repository: Repository, tag: str, *, deadline: float) -> Digest | None:
        """Return what `tag` points to, or pointed to a moment ago."""
        key = (str(repository), tag)
        remembered = self._tags.get(key)
        if remembered is not None:
            return remembered.value

        async def fetch(patience: float) -> Digest | None:
            found = await self._inner.resolve(repository, tag, deadline=patience)
            is_attachment = tag.startswith(SIGNATURE_TAG_PREFIXES)
            lasting = self._referrer_seconds if is_attachment else self._tag_seconds
            self._tags.put(key, found, seconds=self._absence_seconds if found is None else lasting)
            return found

        doubt = _Doubt(doing="resolving a tag", where=repository.registry)
        return await self._resolving.ask(key, fetch, doubt, deadline=deadline)

    async def manifest(self, image: PinnedImage, *, deadline: float) -> RawManifest | None:
        """Return a manifest, from memory if it was fetched before."""
        key = (str(image.repository), str(image.digest))
        remembered = self._manifests.get(key)
        if remembered is not None or self._absent_manifests.get(key) is not None:
            return remembered

        async def fetch(patience: float) -> RawManifest | None:
            found = await self._inner.manifest(image, deadline=patience)
            if found is None:
                self._absent_manifests.put(key, None, seconds=self._absence_seconds)
            else:
                self._manifests.put(key, found, weight=len(found.data))
            return found

        doubt = _Doubt(doing="fetching a manifest", where=image.repository.registry)
        return await self._fetching_manifests.ask(key, fetch, doubt, deadline=deadline)

    async def blob(self, repository: Repository, digest: Digest, *, max_bytes: int, deadline: float) -> bytes | None:
        """Return a blob, from memory if it is small and was fetched before."""
        key = (str(repository), str(digest))
        doubt = _Doubt(doing="fetching a blob", where=repository.registry)
        remembered = self._blobs.get(key)
        if remembered is not None and len(remembered) > max_bytes:
            raise doubt.trouble(TroubleKind.TOO_LARGE)
        if remembered is not None:
            return remembered

        async def fetch(patience: float) -> bytes | None:
            found = await self._inner.blob(repository, digest, max_bytes=max_bytes, deadline=patience)
            if found is not None and len(found) <= MAX_BLOB_BYTES:
                self._blobs.put(key, found, weight=len(found))
            return found

        return await self._fetching_blobs.ask((key, max_bytes), fetch, doubt, deadline=deadline)

    def stream_blob(
        self, repository: Repository, digest: Digest, *, max_bytes: int, deadline: float
    ) -> AsyncIterator[bytes]:
        """Pass the stream of `inner` through: layers are too large to remember, what they contain is remembered."""
        return self._inner.stream_blob(repository, digest, max_bytes=max_bytes, deadline=deadline)

    async def referrers(self, image: PinnedImage, *, deadline: float) -> ReferrerListing:
        """Return what is attached to `image`, or was a moment ago."""
        key = (str(image.repository), str(image.digest))
        remembered = self._listings.get(key)
        if remembered is not None:
            return remembered.value

        async def fetch(patience: float) -> ReferrerListing:
            found = await self._inner.referrers(image, deadline=patience)
            # Nobody has signed *yet*: whoever signs and deploys again should not wait long.
            seconds = self._referrer_seconds if found.descriptors else self._absence_seconds
            self._listings.put(key, found, seconds=seconds)
            return found

        doubt = _Doubt(doing="listing signatures", where=image.repository.registry)
        return await self._listing.ask(key, fetch, doubt, deadline=deadline)

    async def tags(self, repository: Repository, *, deadline: float) -> tuple[str, ...] | None:
        """Return all tags, as `inner` lists them now."""
        return await self._inner.tags(repository, deadline=deadline)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Doubt:
    """What trouble of the cache itself says about the question."""

    doing: str
    where: str

    def trouble(self, kind: TroubleKind) -> RegistryTrouble:
        return RegistryTrouble(kind, doing=self.doing, where=self.where)


class _SharedQuestions(Generic[K, V]):
    """Questions that are asked once at a time, while each of those who wait keeps their own deadline."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._flights: SingleFlight[K, V] = SingleFlight()

    async def close(self) -> None:
        """Stop what is under way."""
        await self._flights.close()

    async def ask(
        self, key: K, fetch: Callable[[float], Coroutine[Any, Any, V]], doubt: _Doubt, *, deadline: float
    ) -> V:
        """Return what `fetch`, called with a deadline, returns: this call's or that of an earlier one under way."""
        while (now := self._clock.monotonic()) < deadline:
            is_first = key not in self._flights
            if is_first and len(self._flights) >= MAX_QUESTIONS:
                raise doubt.trouble(TroubleKind.OVERLOADED)
            patience = max(deadline, now + FETCH_SECONDS)
            try:
                async with asyncio.timeout(deadline - now):
                    return await self._flights.run(key, partial(fetch, patience))
            except TimeoutError:
                break
            except RegistryTrouble as trouble:
                # The patience of whoever asked first ran out, not this one's: ask again.
                if is_first or trouble.kind is not TroubleKind.TIMEOUT:
                    raise
        raise doubt.trouble(TroubleKind.TIMEOUT)


class _ByteBoundedStore(Generic[V]):
    """Values by key within a number of bytes; what was not used for longest makes room."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Key, tuple[V, int]] = OrderedDict()

    def get(self, key: Key) -> V | None:
        """Return what is kept."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: Key, value: V, *, weight: int) -> None:
        """Keep a value that weighs so many bytes."""
        _, replaced = self._entries.pop(key, (None, 0))
        self._entries[key] = (value, weight + ENTRY_BYTES)
        self._bytes += weight + ENTRY_BYTES - replaced
        while self._bytes > self._max_bytes:
            _, (_, freed) = self._entries.popitem(last=False)
            self._bytes -= freed
