"""What lives in a cluster, asked of its API server: a scope → the subjects of an audit, and what could not be seen.

1. All nine kinds are listed unfiltered, so that the owners of pods are known; what a label selector picks is asked
   beside it, for metadata alone.
2. All namespaces are one list per kind. A kind that may not be listed so is listed in each namespace.
3. A namespace whose pods may not be listed is an error row; another kind that may not be is a trouble of the namespace.
   A kind that the server does not know has no objects; but what knows no pods is no cluster.
4. An API server that is gone is asked nothing more. What was learnt until then is kept.
5. What could not be seen is told, and makes the listing incomplete. A namespace that was named and seems to be empty
   is looked for: nothing is not found in a place that does not exist.

The caller needs the verb `list` on the nine kinds, in the namespaces or, for all of them, in the cluster; `list` on
`namespaces` where it has the former only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from webhook.core.auditing.rows import Row, error_row
from webhook.core.errors import ParseError
from webhook.core.inventory.grouping import Inventory
from webhook.core.inventory.live_objects import Subject, UnreadableObject
from webhook.core.inventory.reading import parse_identities, parse_page
from webhook.core.inventory.resources import NAMESPACES, POD_HOLDERS, PODS
from webhook.core.reading.plain_text import listing
from webhook.core.references import Glob
from webhook.ports import ApiResource, Cluster, ClusterTrouble, ClusterTroubleKind

__all__ = ["Listing", "Progress", "Scope", "list_subjects"]

LISTS_AT_ONCE = 4
"""A page may be many megabytes, and an API server has others to serve."""
GONE = frozenset({ClusterTroubleKind.UNREACHABLE, ClusterTroubleKind.TIMEOUT, ClusterTroubleKind.UNAUTHORIZED})
"""Troubles that every further question would have too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is to be audited. `namespaces` None is all of them, but for the `excluded`; `selector` picks by labels."""

    namespaces: tuple[str, ...] | None
    excluded: tuple[Glob, ...] = ()
    selector: str = ""

    def holds(self, namespace: str | None) -> bool:
        """Tell whether what is in this namespace is to be audited."""
        if self.namespaces is not None and namespace not in self.namespaces:
            return False
        return not any(glob.matches(namespace or "") for glob in self.excluded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a listing is: objects read so far, and how many of the lists that are known to be needed are done."""

    objects: int
    lists_done: int
    lists: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What was found. `rows` are about what could not be judged; `troubles` one line each, without a final stop.

    `complete` is true if all that lives in the scope was seen. `fully_listed` are the namespaces in which all was;
    None for every namespace of the scope.
    """

    scope: Scope
    subjects: tuple[Subject, ...]
    rows: tuple[Row, ...]
    troubles: tuple[str, ...]
    complete: bool
    fully_listed: frozenset[str] | None

    def covers(self, namespace: str) -> bool:
        """Tell whether everything in this namespace was seen: what is not among the subjects is not there."""
        if self.scope.selector or not self.scope.holds(namespace):
            return False
        return self.fully_listed is None or namespace in self.fully_listed


async def list_subjects(
    cluster: Cluster, scope: Scope, *, progress: Callable[[Progress], None] = lambda _: None
) -> Listing:
    """List what lives in the scope. Raises nothing but our own faults: what could not be listed is told."""
    lister = _Lister(cluster=cluster, scope=scope, progress=progress)
    if scope.namespaces is None:
        await lister.list_everywhere()
    else:
        namespaces = tuple(dict.fromkeys(name for name in scope.namespaces if scope.holds(name)))
        await lister.list_in(namespaces, POD_HOLDERS)
        await lister.look_for_empty(namespaces)
    return lister.result()


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    """One list: a kind, in a namespace or in all. With `picks`, only who the selector picks is asked."""

    resource: ApiResource
    namespace: str | None
    picks: bool = False


_Answers = dict[_List, ClusterTrouble | None]
"""Lists that were read to the end, or why not."""


@dataclass(slots=True, kw_only=True)
class _Lister:
    """A listing under way, and what is known by now."""

    cluster: Cluster
    scope: Scope
    progress: Callable[[Progress], None]
    inventory: Inventory = field(default_factory=Inventory)
    picked: set[str] = field(default_factory=set)
    unreadable: dict[str, UnreadableObject] = field(default_factory=dict)
    denied: dict[str, str] = field(default_factory=dict)
    troubles: dict[str, None] = field(default_factory=dict)
    listed: set[str] | None = None
    partly: set[str] = field(default_factory=set)
    everywhere: bool = True
    gone: bool = False
    lists: int = 0
    lists_done: int = 0

    async def list_everywhere(self) -> None:
        """List every kind in all namespaces at once; what may not be listed so, in each of them."""
        answers = await self._read_all(self._lists(None, POD_HOLDERS))
        forbidden = {asked.resource for asked, trouble in answers.items() if _is(trouble, _FORBIDDEN)}
        for asked, trouble in answers.items():
            if trouble is not None and not _is_told_elsewhere(asked, trouble):
                self._tell(str(trouble))
        if forbidden and not self.gone:
            await self._list_in_each(tuple(kind for kind in POD_HOLDERS if kind in forbidden))

    async def _list_in_each(self, resources: tuple[ApiResource, ...]) -> None:
        namespaces: list[str] = []
        try:
            async for page in self.cluster.pages(NAMESPACES):
                namespaces += [identity.name for identity in parse_identities(page)]
        except (ClusterTrouble, ParseError) as error:
            kinds = listing(tuple(resource.qualified for resource in resources))
            self._tell(f"{kinds} may not be listed in all namespaces, nor which there are ({error}): name some with -n")
            return
        await self.list_in(tuple(name for name in namespaces if self.scope.holds(name)), resources)

    async def list_in(self, namespaces: tuple[str, ...], resources: tuple[ApiResource, ...]) -> None:
        """List kinds in each namespace, pods first: where these are denied nothing else is asked."""
        self.listed = set(namespaces)
        pods = tuple(resource for resource in resources if resource == PODS)
        others = tuple(resource for resource in resources if resource != PODS)
        await self._read_in(namespaces, pods)
        await self._read_in(tuple(name for name in namespaces if name not in self.denied), others)

    async def _read_in(self, namespaces: tuple[str, ...], resources: tuple[ApiResource, ...]) -> None:
        lists = (one for namespace in namespaces for one in self._lists(namespace, resources))
        answers = await self._read_all(tuple(lists))
        for namespace in namespaces:
            self._judge_answers(namespace, {one: answers[one] for one in self._lists(namespace, resources)})

    def _judge_answers(self, namespace: str, answers: _Answers) -> None:
        """Tell what could not be listed in a namespace."""
        forbidden = {asked.resource: trouble for asked, trouble in answers.items() if _is(trouble, _FORBIDDEN)}
        if forbidden:
            self.partly.add(namespace)
        if PODS in forbidden:
            self.denied[namespace] = str(forbidden[PODS])
        elif forbidden:
            kinds = listing(tuple(sorted(resource.qualified for resource in forbidden)))
            self.troubles[f"listing {kinds} in {namespace}: {_FORBIDDEN.value}"] = None
        for asked, trouble in answers.items():
            if trouble is not None and not _is_told_elsewhere(asked, trouble):
                self.partly.add(namespace)
                self.troubles[str(trouble)] = None

    async def look_for_empty(self, namespaces: tuple[str, ...]) -> None:
        """Look whether a namespace is there in which nothing was found. Who may not look knows nothing by it."""
        empty = set(namespaces) - self.partly - {subject.key.namespace for subject in self.inventory.subjects()}
        for namespace in sorted(empty):
            if self.gone:
                return
            try:
                if await self.cluster.read(NAMESPACES, namespace=None, name=namespace) is None:
                    self.partly.add(namespace)
                    self.troubles[f"there is no namespace `{namespace}`"] = None
            except ClusterTrouble as trouble:
                self.gone = trouble.kind in GONE
                if not _is(trouble, _FORBIDDEN):
                    self._tell(str(trouble))

    def result(self) -> Listing:
        """Return what was found in the scope."""
        picked = frozenset(self.picked) if self.scope.selector else None
        unreadable = [
            one
            for one in self.unreadable.values()
            if (one.namespace is None or self.scope.holds(one.namespace))
            and (picked is None or not one.uid or one.uid in picked)
        ]
        self.partly.update(one.namespace for one in unreadable if one.namespace)
        # What does not even say where it is may be anywhere.
        self.everywhere = self.everywhere and all(one.namespace for one in unreadable)
        rows = (
            *(error_row(kind="Namespace", namespace=name, name=name, trouble=why) for name, why in self.denied.items()),
            *(
                error_row(kind=one.kind, namespace=one.namespace, name=one.name, trouble=str(one.error))
                for one in unreadable
            ),
        )
        return Listing(
            scope=self.scope,
            subjects=tuple(one for one in self.inventory.subjects(picked) if self.scope.holds(one.key.namespace)),
            rows=tuple(sorted(rows, key=lambda row: (row.namespace or "", row.kind, row.name))),
            troubles=tuple(self.troubles),
            complete=not (self.troubles or rows),
            fully_listed=self._fully_listed(),
        )

    def _fully_listed(self) -> frozenset[str] | None:
        if not self.everywhere:
            return frozenset()
        return None if self.listed is None and not self.partly else frozenset(self.listed or ()) - self.partly

    def _lists(self, namespace: str | None, resources: Iterable[ApiResource]) -> tuple[_List, ...]:
        """Return the lists to read; with a selector, each kind is asked once more for whom it picks."""
        picks = (False, True) if self.scope.selector else (False,)
        return tuple(_List(resource=kind, namespace=namespace, picks=pick) for kind in resources for pick in picks)

    async def _read_all(self, lists: tuple[_List, ...]) -> _Answers:
        """Read lists, some at a time, until the API server is gone."""
        self.lists += len(lists)
        turn = asyncio.Semaphore(LISTS_AT_ONCE)
        answers: _Answers = {}

        async def read(asked: _List) -> None:
            async with turn:
                answers[asked] = None if self.gone else await self._read(asked)
                self.lists_done += 1
                self._advance()

        await asyncio.gather(*map(read, lists))
        return answers

    async def _read(self, asked: _List) -> ClusterTrouble | None:
        selector = self.scope.selector if asked.picks else ""
        pages = self.cluster.pages(
            asked.resource, namespace=asked.namespace, selector=selector, metadata_only=asked.picks
        )
        try:
            async for page in pages:
                self._take(asked, page)
        except ClusterTrouble as trouble:
            if trouble.kind in GONE:
                self.gone, self.everywhere = True, False
            return trouble
        except ParseError as error:
            doing = f"listing {asked.resource.qualified}"
            return ClusterTrouble(ClusterTroubleKind.BAD_ANSWER, doing=doing, detail=str(error))
        return None

    def _take(self, asked: _List, page: bytes) -> None:
        if asked.picks:
            self.picked.update(identity.uid for identity in parse_identities(page))
            return
        for found in parse_page(asked.resource, page):
            if isinstance(found, UnreadableObject):
                self.unreadable[found.uid or f"{found.kind} {len(self.unreadable)}"] = found
            else:
                self.inventory.add(found)
        self._advance()

    def _advance(self) -> None:
        self.progress(Progress(objects=len(self.inventory), lists_done=self.lists_done, lists=self.lists))

    def _tell(self, trouble: str) -> None:
        """Tell what leaves nobody knowing what there is anywhere."""
        self.everywhere = False
        self.troubles[trouble] = None


_FORBIDDEN, _MISSING = ClusterTroubleKind.FORBIDDEN, ClusterTroubleKind.MISSING_API


def _is(trouble: ClusterTrouble | None, *kinds: ClusterTroubleKind) -> bool:
    return trouble is not None and trouble.kind in kinds


def _is_told_elsewhere(asked: _List, trouble: ClusterTrouble) -> bool:
    """Tell whether a trouble is one of a namespace, or that a kind is not there, of which nothing has to be told."""
    return trouble.kind is _FORBIDDEN or (trouble.kind is _MISSING and asked.resource != PODS)
