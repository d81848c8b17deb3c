"""What an API server says while one object is watched: the state to begin with, then an event in each line.

Source: Kubernetes API concepts, "Efficient detection of changes", "Watch bookmarks", "410 Gone responses".
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from webhook.adapters.cluster.answers import Answer, trouble_of
from webhook.ports import ClusterTrouble, ClusterTroubleKind

__all__ = ["Beginning", "Changed", "beginning_of", "read_event"]

PRESENT = frozenset({"ADDED", "MODIFIED"})
BOOKMARK, DELETED, ERROR = "BOOKMARK", "DELETED", "ERROR"


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str


class _List(msgspec.Struct, frozen=True):
    kind: str
    items: tuple[msgspec.Raw, ...]
    metadata: _Metadata


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Failure(msgspec.Struct, frozen=True):
    code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """The object as it was listed, None if there was none, and the state from which events follow."""

    document: bytes | None
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The object as it is since an event; None if it is gone."""

    document: bytes | None


def beginning_of(answer: Answer, *, doing: str) -> Beginning:
    """Read a list of one object at most. Raises ClusterTrouble: nothing else may look like an object that is gone."""
    try:
        listed = msgspec.json.decode(answer.body, type=_List)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _nonsense(doing, "it is no list") from None
    if not listed.kind.endswith("List") or len(listed.items) > 1:
        raise _nonsense(doing, "it is no list of one object")
    document = bytes(listed.items[0]) if listed.items else None
    return Beginning(document=document, resource_version=listed.metadata.resource_version)


def read_event(line: bytes, *, doing: str) -> Changed | None:
    """Read a line; None if it changes nothing. Raises ClusterTrouble for an error and for what makes no sense."""
    try:
        event = msgspec.json.decode(line, type=_Event)
        code = msgspec.json.decode(event.object, type=_Failure).code if event.type == ERROR else 0
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _nonsense(doing, "it is no event") from None
    if event.type in PRESENT:
        return Changed(document=bytes(event.object))
    if event.type == DELETED:
        return Changed(document=None)
    if event.type == BOOKMARK:
        return None
    if event.type == ERROR:
        raise trouble_of(Answer(code=code, body=bytes(event.object)), doing=doing)
    raise _nonsense(doing, "it is no known event")


def _nonsense(doing: str, why: str) -> ClusterTrouble:
    return ClusterTrouble(ClusterTroubleKind.BAD_ANSWER, doing=doing, detail=why)
