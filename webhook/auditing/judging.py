"""Subjects → rows: what admission would say to an object, to its live pods, and to what its nodes run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from webhook.auditing.hints import HintFinder
from webhook.auditing.worlds import Worlds
from webhook.core.auditing.drift import Drift, Moved, compare_running
from webhook.core.auditing.rows import Fix, Judged, Row, Seen, row_of
from webhook.core.evidence import Evidence
from webhook.core.inventory.live_objects import LivePods, Subject
from webhook.core.policy import Policy, Rule
from webhook.core.problems import Unverifiable
from webhook.core.reading.plain_text import printable
from webhook.core.references import ImageReference
from webhook.core.verdicts import Decision
from webhook.core.workloads import ContainerKind, ImageUse, Source, Workload
from webhook.ports import Clock
from webhook.pull_secrets import PullSecrets, SecretsFound
from webhook.review import World, found_out, review

__all__ = ["Judge"]

OBJECT_SECONDS = 30.0
"""How long the images of one object may take: as long as the longest timeout of a webhook."""
STATUS_FIELDS = {
    ContainerKind.MAIN: "status.containerStatuses",
    ContainerKind.INIT: "status.initContainerStatuses",
    ContainerKind.EPHEMERAL: "status.ephemeralContainerStatuses",
    ContainerKind.VOLUME: "status.volumes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Judges under one policy, changing nothing. `deadline` ends the run, an instant on the clock's monotonic hand.

    `secrets` is None where there is no cluster to read pull secrets from; `rule` replaces the namespaces' rules;
    `hints` says whether to look for what would help with what is refused.
    """

    policy: Policy
    worlds: Worlds
    clock: Clock
    deadline: float
    secrets: PullSecrets | None = None
    rule: Rule | None = None
    hints: bool = True
    _finders: dict[int, HintFinder] = field(default_factory=dict, init=False)

    async def row(self, thing: Subject | Workload) -> Row:
        """Judge an object that lives in a cluster, or one that stands in a file."""
        return await (self._subject(thing) if isinstance(thing, Subject) else self._workload(thing))

    async def _workload(self, workload: Workload) -> Row:
        world, _ = await self.worlds.world_for(workload, ())
        row = row_of(await self._review(workload, world))
        return replace(row, fixes=await self._fixes((world, judged) for judged in row.judged))

    async def _subject(self, subject: Subject) -> Row:
        """Judge an object and the pods that run for it.

        1. The object is judged as admission would judge it.
        2. Live pods that name other images than the object (injected ones, `kubectl debug`, a rollout that is under
           way), or that are pulled by other credentials, are judged as admission would judge these pods.
        3. What nodes run under a tag that has moved since is judged by its digest.
        """
        sheet = _Sheet(subject=subject)
        owner = subject.workload
        owned = await self._world(owner, sheet) if owner else None
        live = [(alike, await self._world(alike.workload, sheet)) for alike in subject.live]
        told = [a for a, world in live if world is owned and _is_told_by(owner, a.workload, self.policy)]
        if owner and owned:
            sheet.add(owned, await self._review(owner, owned), Seen.SPEC, sum(alike.pods for alike in told))
        for alike, world in live:
            if alike not in told:
                sheet.add(world, await self._review(alike.workload, world), Seen.POD, alike.pods)
            moved = self._moved(alike, world, sheet)
            if moved is not None:
                sheet.add(world, await self._review(moved, world), Seen.RUNNING, alike.pods)
        return replace(sheet.row(), fixes=await self._fixes(sheet.judged))

    async def _fixes(self, judged: Iterable[tuple[World, Judged]]) -> Mapping[str, tuple[Fix, ...]]:
        """Look for what would help, by the credentials by which it was judged."""
        if not self.hints:
            return {}
        by_world: dict[int, list[Judged]] = {}
        for world, one in judged:
            if id(world) not in self._finders:
                self._finders[id(world)] = self._finder(world)
            by_world.setdefault(id(world), []).append(one)
        found = [await self._finders[world].fixes(ones) for world, ones in by_world.items()]
        return {written: fixes for one in found for written, fixes in one.items()}

    def _finder(self, world: World) -> HintFinder:
        return HintFinder(
            registry=world.registry,
            judge=partial(self._review, world=world),
            found_out=partial(_found_out, world=world),
            policy=self.policy,
            catalog=world.catalog,
            clock=self.clock,
            as_of=self.clock.now(),
            deadline=self.deadline,
        )

    async def _world(self, workload: Workload, sheet: _Sheet) -> World:
        found = await self.secrets.of(workload) if self.secrets else SecretsFound()
        world, notes = await self.worlds.world_for(workload, found.configs)
        sheet.note(*found.notes, *notes)
        sheet.doubts.update(dict.fromkeys(found.doubts))
        return world

    async def _review(self, workload: Workload, world: World) -> Decision:
        deadline = min(self.deadline, self.clock.monotonic() + OBJECT_SECONDS)
        return await review(workload, self.policy, world, deadline=deadline, rule=self.rule)

    def _moved(self, alike: LivePods, world: World, sheet: _Sheet) -> Workload | None:
        """Return the pods as their nodes run them, with those containers alone that run other bytes; None if all do."""
        moved = tuple(self._moved_uses(alike, world, sheet))
        if not moved:
            return None
        pod = alike.workload
        return Workload(
            kind=pod.kind,
            namespace=pod.namespace,
            name=pod.name,
            operation=pod.operation,
            source=Source.CLUSTER,
            uses=moved,
            service_account=pod.service_account,
            pull_secrets=pod.pull_secrets,
        )

    def _moved_uses(self, alike: LivePods, world: World, sheet: _Sheet) -> Iterator[ImageUse]:
        uses = {(use.kind, use.container): use for use in alike.workload.uses}
        found = found_out(alike.workload, self.policy, world, rule=self.rule)
        for running in alike.running:
            use = uses.get((running.kind, running.container))
            if use is None:
                continue
            evidence = found.get(use.image) if isinstance(use.image, ImageReference) else None
            drift = compare_running(use.image, running.image_id, evidence, self.policy)
            if isinstance(drift, Moved):
                field_path = STATUS_FIELDS[running.kind]
                yield ImageUse(container=use.container, kind=use.kind, field=field_path, image=drift.image)
            elif drift is Drift.UNKNOWN and evidence is not None:
                shown = printable(running.image_id, 80)
                sheet.unknown = True
                sheet.note(
                    f"what `{printable(use.container, 63)}` runs could not be compared: its node calls it `{shown}`"
                )


@dataclass(slots=True, kw_only=True)
class _Sheet:
    """A row in the making."""

    subject: Subject
    judged: list[tuple[World, Judged]] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    doubts: dict[str, None] = field(default_factory=dict)
    unknown: bool = False

    def add(self, world: World, decision: Decision, seen: Seen, pods: int) -> None:
        """Add a decision. The same about other pods is counted, not said again."""
        for index, (_, judged) in enumerate(self.judged):
            if judged.seen is seen and judged.decision.verdicts == decision.verdicts:
                self.judged[index] = world, replace(judged, pods=judged.pods + pods)
                return
        self.judged.append((world, Judged(decision=decision, seen=seen, pods=pods)))

    def note(self, *notes: str) -> None:
        """Add what a reader must know, once."""
        self.notes.update(dict.fromkeys(notes))

    def row(self) -> Row:
        """Return the row; doubts about credentials are told where something could not be found out."""
        key = self.subject.key
        verdicts = (verdict for _, judged in self.judged for verdict in judged.decision.verdicts)
        unknown = any(isinstance(problem, Unverifiable) for verdict in verdicts for problem in verdict.problems)
        return Row(
            kind=printable(key.kind),
            namespace=key.namespace,
            name=printable(key.name),
            key=key,
            judged=tuple(judged for _, judged in self.judged),
            pods=self.subject.pods,
            notes=(*self.notes, *(self.doubts if unknown else ())),
            unknown=self.unknown,
        )


def _found_out(image: ImageReference, world: World) -> Evidence | None:
    """Return what any review of the run found out about an image; None if none had to."""
    return world.examinations.about(image) if world.examinations else None


def _is_told_by(owner: Workload | None, pod: Workload, policy: Policy) -> bool:
    """Tell whether judging the owner judged the pod: it is the pod, or names every image of it in the same place.

    Where tags are pinned on the way in, a template may name a tag and a pod that names it still has slipped through.
    """
    if owner is None:
        return False
    if owner.kind == pod.kind:
        return owner.uses == pod.uses
    slipped = policy.pin_tags and any(
        isinstance(use.image, ImageReference) and not use.image.digest for use in pod.uses
    )
    return not slipped and _images(pod) <= _images(owner)


def _images(workload: Workload) -> frozenset[tuple[ContainerKind, str, str]]:
    return frozenset((use.kind, use.container, use.image.written) for use in workload.uses)
