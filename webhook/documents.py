"""Files on disk → the values in force: read, parsed, and read again whenever they change.

1. A document counts only when all of it parses; until the first one does, nothing is in force.
2. A change that does not parse leaves the last good value in force, and says so.
3. What is watched is the document and every file that it refers to, through symbolic links: Kubernetes replaces a
   mounted ConfigMap by turning its link `..data`.
4. A document and its files belong together: if one of them changes while they are read, all are read again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Generic, TypeVar

from webhook.core.bases.catalog import Catalog
from webhook.core.bases.document import MAX_CATALOG_BYTES, parse_catalog
from webhook.core.errors import ParseError
from webhook.core.policy import Policy
from webhook.core.policy_reading.document import parse_policy
from webhook.core.references import Digest
from webhook.document_sources.states import (
    DocumentState,
    Loaded,
    Parser,
    ReadFile,
    Rejected,
    attempt,
    following,
)
from webhook.ports import Clock

__all__ = [
    "DocumentFile",
    "DocumentState",
    "Loaded",
    "Parser",
    "ReadFile",
    "Rejected",
    "catalog_file",
    "load_policy",
    "policy_file",
    "read_catalog_document",
    "read_policy_document",
]

T = TypeVar("T")

MAX_FILE_BYTES = 16 << 20
MAX_ATTEMPTS = 3


class DocumentFile(Generic[T]):
    """One document on disk, and the value of it that is in force."""

    def __init__(self, path: Path, parse: Parser[T], *, clock: Clock, max_bytes: int = MAX_FILE_BYTES) -> None:
        self.path = path
        self._parse = parse
        self._clock = clock
        self._max_bytes = max_bytes
        self._seen: _Snapshot | None = None
        self._state: DocumentState[T] = DocumentState()

    @property
    def current(self) -> T | None:
        """The last good value; None if there has been none."""
        return self._state.value

    @property
    def state(self) -> DocumentState[T]:
        """What is in force, and how the last attempt went."""
        return self._state

    def reload(self) -> Loaded[T] | Rejected | None:
        """Read the document if anything changed since the last attempt; None if nothing did.

        Blocks on the file system. Never raises: a document that cannot be had or understood is a `Rejected`.
        """
        if self._seen is not None and self._seen.is_current():
            return None
        snapshot, result = self._read_together()
        unchanged = self._seen is not None and self._seen.revision == snapshot.revision
        self._seen = snapshot
        if unchanged:
            return None
        self._state = following(self._state, result, snapshot.revision)
        return result

    async def load(self) -> Loaded[T] | Rejected | None:
        """Read the document, if anything changed, off the loop."""
        return await asyncio.to_thread(self.reload)

    async def watch(
        self,
        on_change: Callable[[Loaded[T] | Rejected], None],
        *,
        interval_seconds: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Reload whenever something changed, until cancelled; `on_change` is told of each attempt, on the loop."""
        while True:
            result = await self.load()
            if result is not None:
                on_change(result)
            await sleep(interval_seconds)

    def _read_together(self) -> tuple[_Snapshot, Loaded[T] | Rejected]:
        for _ in range(MAX_ATTEMPTS):
            snapshot = _Snapshot(self._max_bytes)
            result = self._attempt(snapshot)
            if snapshot.is_current():
                return snapshot, result
        return snapshot, Rejected(errors=("keeps changing while it is read",), at=self._clock.now())

    def _attempt(self, snapshot: _Snapshot) -> Loaded[T] | Rejected:
        return attempt(
            self._parse,
            lambda: snapshot.read(self.path),
            lambda name: snapshot.read(self.path.parent / name),
            at=self._clock.now(),
        )


def read_policy_document(data: bytes, read_file: ReadFile) -> Policy:
    """Parse a policy, with the files it refers to, wherever both come from."""
    return parse_policy(data, read_file=read_file)


def read_catalog_document(data: bytes, _read_file: ReadFile) -> Catalog:
    """Parse a catalog; it refers to no other file."""
    return parse_catalog(data)


def policy_file(path: Path, *, clock: Clock) -> DocumentFile[Policy]:
    """Return the policy on disk, with the key files it refers to."""
    return DocumentFile(path, read_policy_document, clock=clock)


def catalog_file(path: Path, *, clock: Clock) -> DocumentFile[Catalog]:
    """Return the catalog on disk."""
    return DocumentFile(path, read_catalog_document, clock=clock, max_bytes=MAX_CATALOG_BYTES)


def load_policy(path: Path) -> Policy:
    """Read a policy once. Raises DocumentError for what is wrong in it, OSError or ParseError if it cannot be read."""
    data = _read_bounded(path, MAX_FILE_BYTES)
    return parse_policy(data, read_file=lambda name: _read_bounded(path.parent / name, MAX_FILE_BYTES))


class _Snapshot:
    """The files that were read in one attempt: how each looked just before, and a hash over all of them."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._looks: dict[Path, _Look | None] = {}
        self._hasher = hashlib.sha256()

    def read(self, path: Path) -> bytes:
        """Return the content; a file that cannot be read is watched all the same, for it may come back."""
        self._looks[path] = _look(path)
        data = _read_bounded(path, self._max_bytes)
        self._hasher.update(len(data).to_bytes(8, "big"))
        self._hasher.update(data)
        return data

    def is_current(self) -> bool:
        """Tell whether every file still looks as it did before it was read."""
        return all(_look(path) == look for path, look in self._looks.items())

    @property
    def revision(self) -> Digest:
        """The hash over everything that was read."""
        return Digest(algorithm="sha256", hex=self._hasher.hexdigest())


_Look = tuple[int, int, int, int, int]


def _look(path: Path) -> _Look | None:
    """Return what changes when a file is written to or replaced, links followed; None if there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _read_bounded(path: Path, max_bytes: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ParseError("", f"is larger than {max_bytes:,} bytes")
    return data
