"""Objects as they arrive → rows of an audit, each a top owner with the pods that run for it.

1. The top owner is found by following controller references upwards through what was listed in the same namespace;
   the uid decides, and a listed object is called what it is, whatever a reference calls it.
2. Only pods, and what makes pods on behalf of something else (ReplicaSets, ReplicationControllers, Jobs), stand in the
   row of an owner. A Deployment keeps a row of its own, whoever says to own it: else a forged reference would hide it.
3. An owner that was not listed (an Argo Rollout; one that is gone) is known by the references to it. If they differ,
   most of them decide how it is called.
4. A Node owns the mirrors of its static pods in name only: each is a row of its own.
5. Where references lead in a circle, the first of the circle by name is the owner.
6. Nothing is hidden in a row: live pods are there with their own images; what wants pods and has none is there with
   its template, unless its owner's says the same; and an owner that cannot be read and for which nothing runs is there
   with whatever stands below it.

Source: Kubernetes, "Owners and Dependents"; API reference, meta/v1 OwnerReference.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, replace

from webhook.core.inventory.live_objects import LiveObject, LivePods, ObjectKey, RunningContainer, Subject
from webhook.core.references import BadReference
from webhook.core.workloads import ContainerKind, Workload

__all__ = ["Inventory"]

MADE_FOR_OTHERS = frozenset({"Pod", "ReplicaSet", "ReplicationController", "Job"})
"""Kinds that controllers make in numbers: runs, revisions, replicas. The others of the nine are written by people."""

_Place = tuple[str | None, str]
"""Namespace and uid: what an object is to those in its namespace."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Shape:
    """What alike objects have in common; `workload` is named like whichever arrived first."""

    workload: Workload
    running: tuple[RunningContainer, ...]
    images: frozenset[tuple[ContainerKind, str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """One object, as little as can be kept of it."""

    key: ObjectKey
    owner: ObjectKey | None
    shape: _Shape
    lives: bool
    wants_pods: bool

    @property
    def workload(self) -> Workload:
        """The object as admission would judge it."""
        return replace(self.shape.workload, name=self.key.name)


class Inventory:
    """Takes objects in any order and groups them. Of a pod that others are like, about a kilobyte is kept."""

    def __init__(self) -> None:
        self._members: dict[_Place, _Member] = {}
        self._shapes: dict[Hashable, _Shape] = {}
        self._owners: dict[ObjectKey, ObjectKey] = {}

    def __len__(self) -> int:
        """Count the objects."""
        return len(self._members)

    def add(self, found: LiveObject) -> None:
        """Take an object. One that comes again, because its list was continued at a later state, replaces itself."""
        self._members[found.key.namespace, found.key.uid] = _Member(
            key=found.key,
            owner=self._owners.setdefault(found.owner, found.owner) if found.owner else None,
            shape=self._shape(found),
            lives=found.lives,
            wants_pods=found.wants_pods,
        )

    def subjects(self, picked: frozenset[str] | None = None) -> tuple[Subject, ...]:
        """Return the rows by namespace, kind and name.

        `picked` are the uids that a label selector chose: only rows that hold one of them are returned, and these
        whole; None chooses all.
        """
        tops = _Tops(self._members)
        rows: dict[_Place, list[_Member]] = defaultdict(list)
        for place, member in self._members.items():
            rows[tops.of(place)].append(member)
        names = self._names(rows)
        subjects = [
            _subject(names[place], self._members.get(place), members)
            for place, members in rows.items()
            if picked is None or any(member.key.uid in picked for member in members)
        ]
        return tuple(sorted(subjects, key=lambda subject: _order(subject.key)))

    def _shape(self, found: LiveObject) -> _Shape:
        """Return what is known already of objects like this one."""
        workload = found.workload
        alike = (
            (workload.kind, workload.namespace, workload.service_account, workload.pull_secrets),
            # What is no reference is shown shortened, so its text alone does not tell it from others.
            *(
                (use.field, use.container, use.image.written, isinstance(use.image, BadReference) and use.image.why)
                for use in workload.uses
            ),
            *((running.kind.value, running.container, running.image_id) for running in found.running),
        )
        if alike not in self._shapes:
            images = frozenset((use.kind, use.container, use.image.written) for use in workload.uses)
            self._shapes[alike] = _Shape(workload=workload, running=found.running, images=images)
        return self._shapes[alike]

    def _names(self, rows: Collection[_Place]) -> dict[_Place, ObjectKey]:
        """Return who the owners are: what was listed, else what most of the references to it say."""
        said: dict[_Place, Counter[ObjectKey]] = defaultdict(Counter)
        for member in self._members.values():
            if member.owner is not None:
                said[member.owner.namespace, member.owner.uid][member.owner] += 1
        return {
            place: self._members[place].key if place in self._members else _most_said(said[place]) for place in rows
        }


class _Tops:
    """Finds the top owner of each member, going each step once however long the chains are."""

    def __init__(self, members: Mapping[_Place, _Member]) -> None:
        self._members = members
        self._known: dict[_Place, _Place] = {}

    def of(self, place: _Place) -> _Place:
        """Return the place of the row to which a member belongs."""
        way: dict[_Place, None] = {}
        current = place
        while current not in self._known:
            if current in way:
                circle = list(way)[list(way).index(current) :]
                self._known[current] = min(circle, key=lambda one: _order(self._members[one].key))
                break
            way[current] = None
            above = self._above(current)
            if above is None:
                self._known[current] = current
                break
            current = above
        top = self._known[current]
        self._known.update(dict.fromkeys(way, top))
        return top

    def _above(self, place: _Place) -> _Place | None:
        """Return the next owner; None for a row of its own, and for what was not listed."""
        member = self._members.get(place)
        if member is None or member.owner is None or member.key.kind not in MADE_FOR_OTHERS:
            return None
        if (member.owner.api_version, member.owner.kind) == ("v1", "Node"):
            return None
        return member.owner.namespace, member.owner.uid


def _most_said(names: Counter[ObjectKey]) -> ObjectKey:
    return min(names, key=lambda key: (-names[key], _order(key)))


def _subject(key: ObjectKey, top: _Member | None, members: list[_Member]) -> Subject:
    """Return the row of an owner; `top` is what was listed of it."""
    live = _folded([member for member in members if member.lives])
    idle = _one_of_each(_idle(top, members))
    if top is None and not live and not idle:
        idle = _one_of_each(members)
    return Subject(key=key, workload=top.workload if top else None, live=(*live, *idle))


def _folded(pods: list[_Member]) -> tuple[LivePods, ...]:
    """Count pods that are alike, the most frequent first."""
    alike: dict[_Shape, list[_Member]] = defaultdict(list)
    for pod in pods:
        alike[pod.shape].append(pod)
    groups = sorted(
        ((min(group, key=_by_name), len(group)) for group in alike.values()),
        key=lambda group: (-group[1], _by_name(group[0])),
    )
    return tuple(LivePods(workload=first.workload, pods=pods, running=first.shape.running) for first, pods in groups)


def _idle(top: _Member | None, members: list[_Member]) -> list[_Member]:
    """Return what wants pods and has none, but for what names nothing that its owner does not name."""
    with_pods = {member.owner.uid for member in members if member.lives and member.owner}
    told = top.shape.images if top else frozenset()
    return [
        member
        for member in members
        if member.wants_pods and member.key.uid not in with_pods and not member.shape.images <= told
    ]


def _one_of_each(members: list[_Member]) -> tuple[LivePods, ...]:
    """Return templates without pods, those that name the same images in the same places once."""
    first = {member.shape.images: member for member in sorted(members, key=_by_name, reverse=True)}
    return tuple(LivePods(workload=member.workload, pods=0) for member in reversed(first.values()))


def _order(key: ObjectKey) -> tuple[str, ...]:
    """Sort by what people look for, and by the rest so that no two objects are equal."""
    return (key.namespace or "", key.kind, key.name, key.api_version, key.uid)


def _by_name(member: _Member) -> tuple[str, ...]:
    return _order(member.key)
