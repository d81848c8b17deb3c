"""A registry in memory that implements the port without HTTP, and breaks on demand."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

from webhook.core.manifests import Descriptor
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.demo.documents import DescriptorDocument, read_manifest
from webhook.demo.store import Store, fallback_tag
from webhook.ports import RawManifest, ReferrerListing, RegistryTrouble, TroubleKind

__all__ = ["FakeRegistry"]

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
PIECE_BYTES = 64 * 1024


class FakeRegistry:
    """Implements `webhook.ports.Registry` over the content of a `Store`.

    Every registry host is this one registry. `asked` records the questions as `method:name`, `deadlines` when each
    had to end. `break_down` makes one method or repository, or all, answer with trouble. While `gate` is an event that
    is not set, every question waits for it.
    """

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or Store()
        self.asked: list[str] = []
        self.deadlines: list[float] = []
        self.gate: asyncio.Event | None = None
        self._broken: dict[tuple[str, str], TroubleKind] = {}

    def break_down(self, kind: TroubleKind, method: str = "", *, repository: str = "") -> None:
        """Answer with this trouble from now on: to `method` (`resolve`, `blob` …) or everything, there or everywhere.

        `repository` is a path, without its host.
        """
        self._broken[repository, method] = kind

    def mend(self) -> None:
        """Work again."""
        self._broken.clear()

    async def resolve(self, repository: Repository, tag: str, *, deadline: float) -> Digest | None:
        """Return what `tag` points to."""
        await self._begin("resolve", repository, tag, deadline)
        stored = self.store.manifest(repository.path, tag)
        return stored.digest if stored else None

    async def manifest(self, image: PinnedImage, *, deadline: float) -> RawManifest | None:
        """Return a manifest whose bytes hash to its digest."""
        await self._begin("manifest", image.repository, str(image.digest), deadline)
        stored = self.store.manifest(image.repository.path, image.digest)
        if stored is None:
            return None
        _check(image.repository, stored.data, image.digest, max_bytes=MAX_MANIFEST_BYTES)
        return RawManifest(digest=image.digest, media_type=stored.media_type, data=stored.data)

    async def blob(self, repository: Repository, digest: Digest, *, max_bytes: int, deadline: float) -> bytes | None:
        """Return a blob whose bytes hash to its digest."""
        await self._begin("blob", repository, str(digest), deadline)
        data = self.store.blob(repository.path, digest)
        if data is not None:
            _check(repository, data, digest, max_bytes=max_bytes)
        return data

    async def stream_blob(
        self, repository: Repository, digest: Digest, *, max_bytes: int, deadline: float
    ) -> AsyncIterator[bytes]:
        """Yield a blob in pieces, then check it."""
        await self._begin("stream_blob", repository, str(digest), deadline)
        data = self.store.blob(repository.path, digest)
        if data is None:
            raise _trouble(TroubleKind.INCOMPLETE, "stream_blob", repository)
        for start in range(0, min(len(data), max_bytes), PIECE_BYTES):
            yield data[start : min(start + PIECE_BYTES, max_bytes)]
        _check(repository, data, digest, max_bytes=max_bytes)

    async def referrers(self, image: PinnedImage, *, deadline: float) -> ReferrerListing:
        """Return what the store lists, and what stands behind the fallback tag if it lists nothing."""
        await self._begin("referrers", image.repository, str(image.digest), deadline)
        path = image.repository.path
        entries = self.store.referrers(path, image.digest) if self.store.referrers_api else ()
        fallback = self.store.manifest(path, fallback_tag(image.digest))
        if not entries and fallback is not None:
            entries = read_manifest(fallback.data).manifests
        return ReferrerListing(descriptors=tuple(_descriptor(entry) for entry in entries))

    async def tags(self, repository: Repository, *, deadline: float) -> tuple[str, ...] | None:
        """Return all tags."""
        await self._begin("tags", repository, "", deadline)
        return self.store.tags(repository.path)

    async def _begin(self, method: str, repository: Repository, name: str, deadline: float) -> None:
        """Record a question, hold it up, and refuse it if that is what was asked for."""
        self.asked.append(f"{method}:{name}" if name else method)
        self.deadlines.append(deadline)
        if self.gate is not None:
            await self.gate.wait()
        said = ((place, about) for place in (repository.path, "") for about in (method, ""))
        kind = next((self._broken[key] for key in said if key in self._broken), None)
        if kind is not None:
            raise _trouble(kind, method, repository)


def _trouble(kind: TroubleKind, method: str, repository: Repository) -> RegistryTrouble:
    return RegistryTrouble(kind, doing=f"asking for {method}", where=repository.registry)


def _check(repository: Repository, data: bytes, digest: Digest, *, max_bytes: int) -> None:
    if len(data) > max_bytes:
        raise _trouble(TroubleKind.TOO_LARGE, "bytes", repository)
    if hashlib.new(digest.algorithm, data).hexdigest() != digest.hex:
        raise _trouble(TroubleKind.WRONG_BYTES, "bytes", repository)


def _descriptor(entry: DescriptorDocument) -> Descriptor:
    return Descriptor(
        media_type=entry.media_type,
        digest=Digest.parse(entry.digest),
        size=entry.size,
        annotations=entry.annotations or {},
        artifact_type=entry.artifact_type,
    )
