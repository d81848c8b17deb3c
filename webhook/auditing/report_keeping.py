"""The findings of an audit, kept in the cluster: one report object for each workload, owned by it.

1. A report is ours if its label `app.kubernetes.io/managed-by` says `dhi-gate`. Nothing else is ever written over or
   removed, whatever its name is.
2. A report is written only if it is not there or says something else, times aside. What somebody changed in what it
   says is put right; labels, annotations and finalizers that others added stay.
3. A report about a workload of which the audit says nothing is removed, but only where the audit saw the whole
   namespace. The garbage collector is often faster, for the workload owns its report.
4. Whoever was faster wins once: a conflict is settled by a fresh look at what is there, and a second one is trouble.
5. Where the reports of a namespace cannot be listed nothing is written: what is there is not known.

The caller needs `list`, `get`, `create`, `update` and `delete` on `policyreports` of the API group `wgpolicyk8s.io`, or
on `reports` of `openreports.io`: in the audited namespaces, or in all where all are audited. Owning needs no more,
because no report keeps its owner from being deleted.
Source: Kubernetes, "Garbage Collection" and "Admission Control in Kubernetes", OwnerReferencesPermissionEnforcement.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from webhook.core.reading.plain_text import printable
from webhook.core.reporting.document import ReportDocument
from webhook.core.reporting.policy_reports import ReportApi, policy_reports, same_findings
from webhook.ports import ApiResource, Cluster, ClusterTrouble, ClusterTroubleKind

__all__ = ["MANAGED_BY", "MANAGER", "REPORTS", "Audited", "Kept", "keep_reports"]

T = TypeVar("T")

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "dhi-gate"
REPORTS: Mapping[ReportApi, ApiResource] = {
    ReportApi.POLICYREPORT: ApiResource(
        group="wgpolicyk8s.io", version="v1alpha2", kind="PolicyReport", plural="policyreports"
    ),
    ReportApi.OPENREPORTS: ApiResource(group="openreports.io", version="v1alpha1", kind="Report", plural="reports"),
}
SOURCES: Mapping[ReportApi, str] = {
    ReportApi.POLICYREPORT: "github.com/kubernetes-sigs/wg-policy-prototypes, policy-report/crd/v1alpha2",
    ReportApi.OPENREPORTS: "github.com/openreports/reports-api, crd/openreports.io/v1alpha1",
}
AT_ONCE = 8
"""Requests under way; an API server gives a client that asks for more the same share of its time."""
MAX_DETAIL_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What an audit was about. `namespaces` is None if it was about all of them.

    `whole` tells of a namespace whether everything in it was listed to the end, without a selector of labels, and
    judged: only there does silence about a workload mean that it is gone.
    """

    namespaces: frozenset[str] | None
    whole: Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How many reports were written or left alone, and, in `failed`, how many are not as they should be.

    `troubles` says why, in one line for each cause; there may be one without a report that failed.
    """

    created: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0
    troubles: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the reports in the cluster say what the audit says."""
        return not self.troubles


async def keep_reports(cluster: Cluster, report: ReportDocument, api: ReportApi, *, audited: Audited) -> Kept:
    """Make the report objects of the audited namespaces say what `report` says; what does not live there is left out.

    Raises nothing but our own faults, and ValueError for a report about another day or about what changes between two
    policies, after which most workloads would seem to be gone.
    """
    if report.metadata.hypothetical:
        raise ValueError("reports are about what is, not about what would be")
    keeping = _Keeping(cluster=cluster, api=api, audited=audited)
    keeping.want(report)
    await _some_at_a_time(keeping.look, keeping.places())
    await _some_at_a_time(keeping.settle, keeping.differences())
    return keeping.kept()


_Place = tuple[str, str]
"""Namespace and name of a report."""
_Document = dict[str, Any]


class _Done(Enum):
    CREATED = "created"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    FAILED = "failed"
    GONE = "gone"


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
class _Found:
    """A report that is there; `says_so` if it says what it should."""

    metadata: _Metadata
    says_so: bool

    @property
    def is_ours(self) -> bool:
        return self.metadata.labels.get(MANAGED_BY) == MANAGER


class _NotOursError(Exception):
    """Somebody else's report has the name of ours."""


@dataclass(slots=True, kw_only=True)
class _Keeping:
    """One run, from what is wanted over what is there to what was done."""

    cluster: Cluster
    api: ReportApi
    audited: Audited
    wanted: dict[_Place, _Document] = field(default_factory=dict)
    found: dict[_Place, _Found] = field(default_factory=dict)
    unknown: set[str | None] = field(default_factory=set)  # where reports could not be listed; None is everywhere
    done: Counter[_Done] = field(default_factory=Counter)
    troubles: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # by what failed and why: the details

    @property
    def resource(self) -> ApiResource:
        """The kind of objects in which reports are kept."""
        return REPORTS[self.api]

    def want(self, report: ReportDocument) -> None:
        """Take down what should be there: a report about each object that lives in a namespace."""
        live = tuple(one for one in report.results if one.uid is not UNSET and one.namespace is not None)
        for document in policy_reports(msgspec.structs.replace(report, results=live), self.api):
            metadata = document["metadata"]
            place = (metadata["namespace"], metadata["name"])
            if place in self.wanted:
                # Whoever creates pods chooses the owner that they claim, its uid included.
                self._fail(f"keeping reports in {place[0]}", "two workloads claim the same uid", place[1])
            else:
                self.wanted[place] = document

    def places(self) -> Sequence[str | None]:
        """Return the namespaces whose reports must be known, or the one word for all."""
        if self.audited.namespaces is None:
            return [None]
        return sorted(self.audited.namespaces | {namespace for namespace, _ in self.wanted})

    async def look(self, namespace: str | None) -> None:
        """Find out which reports are there, and whether they say what they should. Each page is forgotten at once."""
        selector = f"{MANAGED_BY}={MANAGER}"
        try:
            async for page in self.cluster.pages(self.resource, namespace=namespace, selector=selector):
                for item in _decoded(page, _Page).items:
                    found = self._understood(item)
                    self.found[found.metadata.namespace, found.metadata.name] = found
        except ClusterTrouble as trouble:
            self.unknown.add(namespace)
            self._tell("listing", namespace, trouble)

    def differences(self) -> Iterator[_Place]:
        """Yield the reports that are to be written or removed, and count those that are as they should be."""
        for place in self.wanted:
            if self.unknown & {None, place[0]}:
                self.done[_Done.FAILED] += 1
            elif place in self.found and self.found[place].says_so:
                self.done[_Done.UNCHANGED] += 1
            else:
                yield place
        for place, found in self.found.items():
            if place not in self.wanted and found.is_ours and self._may_remove_in(place[0]):
                yield place

    async def settle(self, place: _Place) -> None:
        """Do what has to be done about one report."""
        namespace, name = place
        try:
            self.done[await self._written_or_removed(place)] += 1
        except ClusterTrouble as trouble:
            self.done[_Done.FAILED] += 1
            self._tell("writing" if place in self.wanted else "removing", namespace, trouble)
        except _NotOursError:
            why = f"somebody else has a report of that name, without the label {MANAGED_BY}={MANAGER}"
            self._fail(f"writing {self._reports_in(namespace)}", why, name)

    def kept(self) -> Kept:
        """Return what was done."""
        return Kept(
            created=self.done[_Done.CREATED],
            replaced=self.done[_Done.REPLACED],
            unchanged=self.done[_Done.UNCHANGED],
            removed=self.done[_Done.REMOVED],
            failed=self.done[_Done.FAILED],
            troubles=tuple(_line(doing, why, details) for (doing, why), details in sorted(self.troubles.items())),
        )

    async def _written_or_removed(self, place: _Place) -> _Done:
        if place not in self.wanted:
            return await self._remove(self.found[place].metadata)
        try:
            return await self._write(place, self.found.get(place))
        except ClusterTrouble as trouble:
            if trouble.kind is not ClusterTroubleKind.CONFLICT:
                raise
        namespace, name = place
        fresh = await self.cluster.read(self.resource, namespace=namespace, name=name)
        return await self._write(place, None if fresh is None else self._understood(fresh))

    async def _write(self, place: _Place, found: _Found | None) -> _Done:
        """Create or replace a report; CONFLICT if it is not what was found."""
        namespace, name = place
        wanted = self.wanted[place]
        if found is None:
            document = msgspec.json.encode(wanted)
            await self.cluster.create(self.resource, namespace=namespace, document=document)
            return _Done.CREATED
        if not found.is_ours:
            raise _NotOursError
        if found.says_so:
            return _Done.UNCHANGED
        document = msgspec.json.encode(_in_place_of(found.metadata, wanted))
        await self.cluster.replace(self.resource, namespace=namespace, name=name, document=document)
        return _Done.REPLACED

    async def _remove(self, metadata: _Metadata) -> _Done:
        was_there = await self.cluster.delete(
            self.resource, namespace=metadata.namespace, name=metadata.name, uid=metadata.uid
        )
        return _Done.REMOVED if was_there else _Done.GONE

    def _may_remove_in(self, namespace: str) -> bool:
        """Whether silence about a workload means that it is gone."""
        asked = self.audited.namespaces is None or namespace in self.audited.namespaces
        return asked and not self.unknown & {None, namespace} and self.audited.whole(namespace)

    def _understood(self, data: bytes | msgspec.Raw) -> _Found:
        """Read a report that is there; BAD_ANSWER if it is none."""
        metadata = _decoded(data, _Object).metadata
        wanted = self.wanted.get((metadata.namespace, metadata.name))
        return _Found(
            metadata=metadata, says_so=wanted is not None and same_findings(_decoded(data, _Document), wanted)
        )

    def _tell(self, doing: str, namespace: str | None, trouble: ClusterTrouble) -> None:
        if trouble.kind is ClusterTroubleKind.MISSING_API:
            crd, source = self.resource.qualified, SOURCES[self.api]
            why = f"{trouble.kind.value}; install the CustomResourceDefinition from {source} (`kubectl apply -f`)"
            self.troubles[f"keeping {crd}/{self.resource.version}", why] = []
        else:
            details = self.troubles.setdefault((f"{doing} {self._reports_in(namespace)}", trouble.kind.value), [])
            details.append(trouble.detail)

    def _fail(self, doing: str, why: str, detail: str) -> None:
        self.done[_Done.FAILED] += 1
        self.troubles.setdefault((doing, why), []).append(detail)

    def _reports_in(self, namespace: str | None) -> str:
        return f"{self.resource.plural} in {'all namespaces' if namespace is None else namespace}"


def _in_place_of(metadata: _Metadata, wanted: _Document) -> _Document:
    """Return what is wanted, for the object that is there in the state in which it was read."""
    ours = wanted["metadata"]
    return {
        **wanted,
        "metadata": {
            **ours,
            "labels": {**metadata.labels, **ours.get("labels", {})},
            "annotations": {**metadata.annotations, **ours.get("annotations", {})},
            "finalizers": metadata.finalizers,
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
        },
    }


def _decoded(data: bytes | msgspec.Raw, form: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=form)
    except msgspec.DecodeError as error:
        raise ClusterTrouble(ClusterTroubleKind.BAD_ANSWER, doing="reading a report", detail=str(error)) from error


def _line(doing: str, why: str, details: Sequence[str]) -> str:
    """Say once what went wrong, with the first of the details and how many there are."""
    first = f" ({printable(details[0], MAX_DETAIL_CHARACTERS)})" if details and details[0] else ""
    more = f", {len(details)} times" if len(details) > 1 else ""
    return f"{printable(doing)}: {why}{first}{more}"


async def _some_at_a_time(act: Callable[[T], Awaitable[None]], things: Sequence[T] | Iterator[T]) -> None:
    left = iter(things)

    async def work() -> None:
        for thing in left:
            await act(thing)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
