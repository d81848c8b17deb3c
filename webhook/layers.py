"""Reading layers: a bounded background queue, fair between those who ask, around the hasher of the core.

What a layer contains is a fact about its digest and media type, so it is remembered, whoever asked and wherever it was
read: it tells an asker nothing about another repository, since the bytes under a digest are the same everywhere.
Trouble belongs to one repository and one moment: it is told to those who wait for it, and forgotten.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from structlog.typing import FilteringBoundLogger

from webhook.core.bases.layer_hashing import DiffIdHasher, LayerTooLarge
from webhook.core.manifests import Descriptor, Malformed
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.fair_queue import FairQueue, QueueFullError
from webhook.ports import Clock, Registry, RegistryTrouble, TroubleKind

__all__ = ["LayerInspector"]

MAX_COMPRESSED_BYTES = 2 * 1024**3
BATCH_BYTES = 1024**2
"""Compressed bytes that are handed to a thread at once."""

Content = Digest | Malformed | LayerTooLarge
"""What is remembered about a layer. That it is too large is a fact as well: the limits do not change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One layer to read. Repositories are told apart: the trouble of one must not reach those who ask another."""

    repository: Repository
    layer: Digest
    media_type: str
    size: int

    def trouble(self, kind: TroubleKind, detail: str = "") -> RegistryTrouble:
        return RegistryTrouble(kind, doing="reading a layer", where=self.repository.registry, detail=detail)


_Job = asyncio.Future[Content | Exception]
"""A task under way or waiting for its turn. Trouble is a result: an exception that nobody waits for would be noise."""


class LayerInspector:
    """Reads and hashes layers, `workers` at a time, at most `job_seconds` each; up to `max_waiting` wait their turn.

    An async context manager, which belongs to one event loop.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
        workers: int = 2,
        max_waiting: int = 256,
        max_remembered: int = 8192,
        job_seconds: float = 600.0,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._log = log
        self._max_workers = workers
        self._max_remembered = max_remembered
        self._job_seconds = job_seconds
        self._remembered: OrderedDict[tuple[Digest, str], Content] = OrderedDict()
        self._jobs: dict[_Task, _Job] = {}
        self._waiting: FairQueue[_Task] = FairQueue(max_waiting)
        self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="layer")
        self._workers: set[asyncio.Task[None]] = set()
        self._working = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        """Nothing to do: work begins with the first question."""
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop reading."""
        await self.aclose()

    async def diff_id(
        self, image: PinnedImage, layer: Descriptor, *, share: str, deadline: float
    ) -> Digest | Malformed:
        """Return the digest of the uncompressed content of a layer of `image`, or in which way it is not well formed.

        `share` is on whose account it is read (the namespace); `deadline` an instant in seconds on
        `Clock.monotonic()`. Raises RegistryTrouble: TIMEOUT when the deadline comes first, while the work goes on for
        the next who asks; OVERLOADED when too much waits already; TOO_LARGE for a layer beyond the limits; and
        whatever the registry's trouble is.
        """
        task = _Task(repository=image.repository, layer=layer.digest, media_type=layer.media_type, size=layer.size)
        content = self._recall(task)
        if content is None:
            content = await self._outcome(self._join(task, share), task, deadline=deadline)
        if isinstance(content, LayerTooLarge):
            raise task.trouble(TroubleKind.TOO_LARGE, content.why)
        return content

    async def aclose(self) -> None:
        """Stop reading; whoever still waits is told that the gate has too much to do."""
        self._closed = True
        workers = tuple(self._workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        for task, job in self._jobs.items():
            job.set_result(task.trouble(TroubleKind.OVERLOADED, "shutting down"))
        self._jobs.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _recall(self, task: _Task) -> Content | None:
        key = (task.layer, task.media_type)
        if key in self._remembered:
            self._remembered.move_to_end(key)
        return self._remembered.get(key)

    def _join(self, task: _Task, share: str) -> _Job:
        """Return the job for a task: the one there is, or a new one at the end of the line of `share`."""
        if self._closed:
            raise task.trouble(TroubleKind.OVERLOADED, "shutting down")
        if task in self._jobs:
            if task in self._waiting:
                self._waiting.hasten(share, task)
            return self._jobs[task]
        if task.size > MAX_COMPRESSED_BYTES:
            raise task.trouble(TroubleKind.TOO_LARGE, f"{task.size:,} bytes are announced")
        try:
            evicted = self._waiting.push(share, task)
        except QueueFullError:
            raise task.trouble(TroubleKind.OVERLOADED) from None
        if evicted is not None:
            self._jobs.pop(evicted).set_result(evicted.trouble(TroubleKind.OVERLOADED))
        job = self._jobs[task] = asyncio.get_running_loop().create_future()
        self._ensure_worker()
        return job

    async def _outcome(self, job: _Job, task: _Task, *, deadline: float) -> Content:
        """Wait for a job until the deadline; it goes on without us."""
        try:
            outcome = await asyncio.wait_for(asyncio.shield(job), timeout=deadline - self._clock.monotonic())
        except TimeoutError:
            raise task.trouble(TroubleKind.TIMEOUT) from None
        match outcome:
            case RegistryTrouble() as trouble:
                # A new exception for everyone who waits: one that is raised twice collects the traces of both.
                raise RegistryTrouble(trouble.kind, doing=trouble.doing, where=trouble.where, detail=trouble.detail)
            case Exception() as fault:
                raise fault
            case content:
                return content

    def _ensure_worker(self) -> None:
        if self._working < self._max_workers:
            self._working += 1
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        """Do what waits, one job after the other, and end when nothing does."""
        try:
            while (task := self._waiting.pop()) is not None:
                await self._do(task)
        finally:
            # Not in the callback, which runs a moment later: a job that comes in between would find no worker.
            self._working -= 1

    async def _do(self, task: _Task) -> None:
        outcome: Content | Exception
        try:
            outcome = await self._read(task)
            self._remember(task, outcome)
        except RegistryTrouble as trouble:
            outcome = trouble
        except Exception as fault:  # noqa: BLE001 - our own fault: whoever waits must learn it, and the worker must live
            self._log.exception("layer-not-read", layer=str(task.layer))
            outcome = fault
        self._jobs.pop(task).set_result(outcome)

    async def _read(self, task: _Task) -> Content:
        """Stream a layer through the hasher, to its last byte: only then the registry has proven what it sent."""
        known = self._recall(task)
        if known is not None:
            return known
        limit = self._clock.monotonic() + self._job_seconds
        hasher = DiffIdHasher(task.media_type)
        batch = bytearray()
        async for piece in self._registry.stream_blob(task.repository, task.layer, max_bytes=task.size, deadline=limit):
            batch += piece
            if self._clock.monotonic() > limit:
                raise task.trouble(TroubleKind.TIMEOUT)
            if len(batch) >= BATCH_BYTES:
                await self._in_thread(hasher, bytes(batch))
                batch.clear()
        await self._in_thread(hasher, bytes(batch))
        return hasher.finish(layer=task.layer)

    async def _in_thread(self, hasher: DiffIdHasher, piece: bytes) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, hasher.feed, piece)

    def _remember(self, task: _Task, content: Content) -> None:
        self._remembered[task.layer, task.media_type] = content
        while len(self._remembered) > self._max_remembered:
            self._remembered.popitem(last=False)
