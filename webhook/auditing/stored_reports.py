"""Report objects as an API server has them: bytes → which they are, whose, and whether they say what they should.

What is ours is told by its label `app.kubernetes.io/managed-by`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from webhook.core.pod_objects import DECODE_ERRORS
from webhook.core.reporting.policy_reports import LABELS, same_findings
from webhook.ports import ClusterTrouble, ClusterTroubleKind

__all__ = ["OURS", "Document", "FoundReport", "Place", "found_on_page", "found_report", "in_place_of"]

T = TypeVar("T")

Place = tuple[str, str]
"""Namespace and name of a report."""
Document = dict[str, Any]
"""A report object as plain values."""

MANAGED_BY = "app.kubernetes.io/managed-by"
OURS = f"{MANAGED_BY}={LABELS[MANAGED_BY]}"
"""The selector of the reports that are ours."""


class _Metadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What matters of a report that is there, apart from what it says."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()


class _Object(msgspec.Struct, frozen=True, kw_only=True):
    metadata: _Metadata


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    items: list[msgspec.Raw]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundReport:
    """A report that is there; `says_so` if it says what it should. What it says otherwise is not kept."""

    metadata: _Metadata
    says_so: bool

    @property
    def place(self) -> Place:
        """Where it is."""
        return self.metadata.namespace, self.metadata.name

    @property
    def is_ours(self) -> bool:
        """Whether we may write over it, or remove it."""
        return self.metadata.labels.get(MANAGED_BY) == LABELS[MANAGED_BY]


def found_on_page(page: bytes, wanted: Mapping[Place, Document]) -> Iterator[FoundReport]:
    """Yield the reports on a page of a list, held against what is wanted; BAD_ANSWER if it is no such page."""
    return (found_report(item, wanted) for item in _decoded(page, _Page).items)


def found_report(data: bytes | msgspec.Raw, wanted: Mapping[Place, Document]) -> FoundReport:
    """Read a report that is there and hold it against what is wanted; BAD_ANSWER if it is none."""
    metadata = _decoded(data, _Object).metadata
    expected = wanted.get((metadata.namespace, metadata.name))
    says_so = expected is not None and same_findings(_decoded(data, Document), expected)
    return FoundReport(metadata=metadata, says_so=says_so)


def in_place_of(found: FoundReport, wanted: Document) -> Document:
    """Return what is wanted, for the object that is there in the state in which it was read.

    Labels, annotations and finalizers of others stay, because a PUT replaces the whole object.
    """
    there, ours = found.metadata, wanted["metadata"]
    metadata = {
        **ours,
        "labels": {**there.labels, **ours["labels"]},
        "annotations": {**there.annotations, **ours["annotations"]},
        "finalizers": there.finalizers,
        "uid": there.uid,
        "resourceVersion": there.resource_version,
    }
    return {**wanted, "metadata": metadata}


def _decoded(data: bytes | msgspec.Raw, form: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=form)
    except DECODE_ERRORS as error:
        raise ClusterTrouble(ClusterTroubleKind.BAD_ANSWER, doing="reading a report", detail=str(error)) from error
