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
from typing import TypeVar

import msgspec
from msgspec import UNSET

from webhook.auditing.stored_reports import OURS, Document, FoundReport, Place, found_on_page, found_report, in_place_of
from webhook.core.reading.plain_text import printable
from webhook.core.reporting.document import ReportDocument
from webhook.core.reporting.policy_reports import ReportApi, policy_reports
from webhook.ports import ApiResource, Cluster, ClusterTrouble, ClusterTroubleKind

__all__ = ["REPORTS", "Audited", "Kept", "keep_reports"]

T = TypeVar("T")


def _resource(api: ReportApi, plural: str) -> ApiResource:
    group, _, version = api.api_version.partition("/")
    return ApiResource(group=group, version=version, kind=api.kind(namespaced=True), plural=plural)


REPORTS: Mapping[ReportApi, ApiResource] = {
    ReportApi.POLICYREPORT: _resource(ReportApi.POLICYREPORT, "policyreports"),
    ReportApi.OPENREPORTS: _resource(ReportApi.OPENREPORTS, "reports"),
}
SOURCES: Mapping[ReportApi, str] = {
    ReportApi.POLICYREPORT: "github.com/kubernetes-sigs/wg-policy-prototypes, policy-report/crd/v1alpha2",
    ReportApi.OPENREPORTS: "github.com/openreports/reports-api, config/crd",
}
AT_ONCE = 8
"""Requests under way: the API server has others to serve."""
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


class _Done(Enum):
    CREATED = "created"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    FAILED = "failed"
    GONE = "gone"


class _NotOursError(Exception):
    """Somebody else's report has the name of ours."""


@dataclass(slots=True, kw_only=True)
class _Keeping:
    """One run, from what is wanted over what is there to what was done."""

    cluster: Cluster
    api: ReportApi
    audited: Audited
    wanted: dict[Place, Document] = field(default_factory=dict)
    found: dict[Place, FoundReport] = field(default_factory=dict)
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
            self.wanted[metadata["namespace"], metadata["name"]] = document

    def places(self) -> Sequence[str | None]:
        """Return the namespaces whose reports must be known, or the one word for all."""
        if self.audited.namespaces is None:
            return [None]
        return sorted(self.audited.namespaces | {namespace for namespace, _ in self.wanted})

    async def look(self, namespace: str | None) -> None:
        """Find out which reports are there, and whether they say what they should. Each page is forgotten at once."""
        try:
            async for page in self.cluster.pages(self.resource, namespace=namespace, selector=OURS):
                self.found.update({found.place: found for found in found_on_page(page, self.wanted)})
        except ClusterTrouble as trouble:
            self.unknown.add(namespace)
            self._tell("listing", namespace, trouble)

    def differences(self) -> Iterator[Place]:
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

    async def settle(self, place: Place) -> None:
        """Do what has to be done about one report."""
        namespace, name = place
        try:
            self.done[await self._written_or_removed(place)] += 1
        except ClusterTrouble as trouble:
            self.done[_Done.FAILED] += 1
            self._tell("writing" if place in self.wanted else "removing", namespace, trouble)
        except _NotOursError:
            why = f"somebody else has a report of that name, without the label {OURS}"
            self.done[_Done.FAILED] += 1
            self._note(f"writing {self._reports_in(namespace)}", why, name)

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

    async def _written_or_removed(self, place: Place) -> _Done:
        if place not in self.wanted:
            return await self._remove(self.found[place])
        try:
            return await self._write(place, self.found.get(place))
        except ClusterTrouble as trouble:
            if trouble.kind is not ClusterTroubleKind.CONFLICT:
                raise
        namespace, name = place
        fresh = await self.cluster.read(self.resource, namespace=namespace, name=name)
        return await self._write(place, None if fresh is None else found_report(fresh, self.wanted))

    async def _write(self, place: Place, found: FoundReport | None) -> _Done:
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
        document = msgspec.json.encode(in_place_of(found, wanted))
        await self.cluster.replace(self.resource, namespace=namespace, name=name, document=document)
        return _Done.REPLACED

    async def _remove(self, found: FoundReport) -> _Done:
        namespace, name = found.place
        was_there = await self.cluster.delete(self.resource, namespace=namespace, name=name, uid=found.metadata.uid)
        return _Done.REMOVED if was_there else _Done.GONE

    def _may_remove_in(self, namespace: str) -> bool:
        """Whether silence about a workload means that it is gone."""
        asked = self.audited.namespaces is None or namespace in self.audited.namespaces
        return asked and not self.unknown & {None, namespace} and self.audited.whole(namespace)

    def _tell(self, doing: str, namespace: str | None, trouble: ClusterTrouble) -> None:
        if trouble.kind is ClusterTroubleKind.MISSING_API:
            why = f"{trouble.kind.value}; install the CustomResourceDefinition from {SOURCES[self.api]}"
            self._note(f"keeping {self.resource.qualified}/{self.resource.version}", why)
        else:
            self._note(f"{doing} {self._reports_in(namespace)}", trouble.kind.value, trouble.detail)

    def _note(self, doing: str, why: str, *details: str) -> None:
        self.troubles.setdefault((doing, why), []).extend(details)

    def _reports_in(self, namespace: str | None) -> str:
        return f"{self.resource.plural} in {'all namespaces' if namespace is None else namespace}"


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
