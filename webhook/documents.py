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
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar, assert_never

from webhook.core.bases.catalog import Catalog
from webhook.core.bases.document import MAX_CATALOG_BYTES, parse_catalog
from webhook.core.errors import DocumentError, ParseError
from webhook.core.policy import Policy
from webhook.core.policy_reading.document import parse_policy
from webhook.core.references import Digest
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
]

T = TypeVar("T")

MAX_FILE_BYTES = 16 << 20
MAX_ATTEMPTS = 3

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
class DocumentState(Generic[T]):
    """What is in force, and how the last attempt to change it went.

    `value` is None until a document has been loaded; `revision` is the SHA-256 of the bytes it was made of.
    `last_rejection` is None if the last attempt succeeded.
    """

    value: T | None = None
    revision: Digest | None = None
    loaded_at: datetime | None = None
    last_attempt_at: datetime | None = None
    last_rejection: Rejected | None = None


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
        self._state = self._following(result, snapshot.revision)
        return result

    async def watch(
        self,
        on_reload: Callable[[Loaded[T] | Rejected], None],
        *,
        interval_seconds: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Reload whenever something changed, until cancelled; `on_reload` is told of each attempt, on the loop."""
        while True:
            result = await asyncio.to_thread(self.reload)
            if result is not None:
                on_reload(result)
            await sleep(interval_seconds)

    def _read_together(self) -> tuple[_Snapshot, Loaded[T] | Rejected]:
        for _ in range(MAX_ATTEMPTS):
            snapshot = _Snapshot(self._max_bytes)
            result = self._attempt(snapshot)
            if snapshot.is_current():
                return snapshot, result
        return snapshot, Rejected(errors=("keeps changing while it is read",), at=self._clock.now())

    def _attempt(self, snapshot: _Snapshot) -> Loaded[T] | Rejected:
        at = self._clock.now()
        try:
            data = snapshot.read(self.path)
            value = self._parse(data, lambda name: snapshot.read(self.path.parent / name))
        except OSError as error:
            return Rejected(errors=(f"cannot be read: {error.strerror or type(error).__name__}",), at=at)
        except DocumentError as error:
            return Rejected(errors=tuple(str(each) for each in error.errors), at=at)
        except ParseError as error:
            return Rejected(errors=(str(error),), at=at)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the watch; the last good value holds
            return Rejected(errors=(f"internal error ({type(error).__name__})",), at=at, cause=error)
        return Loaded(value=value, at=at)

    def _following(self, result: Loaded[T] | Rejected, revision: Digest) -> DocumentState[T]:
        match result:
            case Loaded():
                return DocumentState(
                    value=result.value, revision=revision, loaded_at=result.at, last_attempt_at=result.at
                )
            case Rejected():
                return replace(self._state, last_attempt_at=result.at, last_rejection=result)
            case _:
                assert_never(result)


def policy_file(path: Path, *, clock: Clock) -> DocumentFile[Policy]:
    """Return the policy on disk, with the key files it refers to."""
    return DocumentFile(path, lambda data, read_file: parse_policy(data, read_file=read_file), clock=clock)


def catalog_file(path: Path, *, clock: Clock) -> DocumentFile[Catalog]:
    """Return the catalog on disk; it refers to no other file."""
    return DocumentFile(path, lambda data, _read_file: parse_catalog(data), clock=clock, max_bytes=MAX_CATALOG_BYTES)


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
