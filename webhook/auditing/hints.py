"""Finding out what would mend a refused image: the questions behind `webhook.core.auditing.hints`.

A hint is never worth an error: what a registry does not tell in time is not said. Whatever is proposed is judged
through the one door before it is said to pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from webhook.core.auditing.base_choice import ApprovedBases
from webhook.core.auditing.base_hints import base_hints, base_problems
from webhook.core.auditing.hints import (
    asked_base,
    base_fix,
    newest_fix,
    newest_helps,
    pin_fix,
    retagged,
    written_name,
)
from webhook.core.auditing.rows import Fix, Judged, Seen
from webhook.core.auditing.tags import Shape, VersionTag, newest_by_shape, newest_like
from webhook.core.bases.catalog import Catalog
from webhook.core.evidence import Evidence
from webhook.core.facts import Known
from webhook.core.policy import Policy
from webhook.core.references import Digest, ImageReference, Repository
from webhook.core.verdicts import Decision, Verdict
from webhook.core.workloads import Workload
from webhook.ports import Clock, Registry, RegistryTrouble

__all__ = ["HintFinder"]

IMAGES_AT_ONCE = 8
"""Images for which something is looked up at the same time, and so repositories whose tags are listed."""
QUESTION_SECONDS = 10.0
"""How long one question may take at most: hints are the least that a run is for."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Once(Generic[K, V]):
    """Answers that are found once for a key. Who asks while it is being found waits, and takes over if that fails."""

    def __init__(self) -> None:
        self._answers: dict[K, V] = {}
        self._turns: dict[K, asyncio.Lock] = {}

    async def get(self, key: K, find: Callable[[], Awaitable[V]]) -> V:
        """Return the answer for `key`, by `find` if there is none yet."""
        async with self._turns.setdefault(key, asyncio.Lock()):
            if key not in self._answers:
                self._answers[key] = await find()
            return self._answers[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """An image under a rule, and with which problems: what hints are the same for."""

    image: ImageReference
    rule: str
    case: str | None
    codes: tuple[str, ...]


class HintFinder:
    """Finds fixes for the images of one run under one policy, each image and rule once, for one scope of credentials.

    `judge` reviews a workload through the one door, with the rule and within the time of the run. `found_out` tells
    what reviews have found out about an image, None if nothing. `deadline` ends the run, an instant on
    `Clock.monotonic()`. It belongs to one event loop.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        judge: Callable[[Workload], Awaitable[Decision]],
        found_out: Callable[[ImageReference], Evidence | None],
        policy: Policy,
        catalog: Catalog | None,
        clock: Clock,
        as_of: datetime,
        deadline: float,
    ) -> None:
        self._registry = registry
        self._judge = judge
        self._found_out = found_out
        self._clock = clock
        self._deadline = deadline
        self._bases = ApprovedBases(policy=policy, catalog=catalog, as_of=as_of) if catalog else None
        self._turn = asyncio.Semaphore(IMAGES_AT_ONCE)
        self._remedies: _Once[_Case, tuple[Fix, ...]] = _Once()
        self._tags: _Once[Repository, Mapping[Shape, VersionTag]] = _Once()
        self._verdicts: _Once[tuple[ImageReference, str, str | None], Verdict] = _Once()

    async def fixes(self, judged: Sequence[Judged]) -> Mapping[str, tuple[Fix, ...]]:
        """Return what would help with the images of one row, by the image as it is written; nothing for what passes.

        Raises nothing but our own faults.
        """
        uses = tuple(_uses(judged))
        moved = frozenset(written_name(use.image) for use in uses if use.seen is Seen.RUNNING)
        found = await asyncio.gather(*(self._fixes(use, moved) for use in uses))
        fixes: dict[str, tuple[Fix, ...]] = {}
        for use, proposed in zip(uses, found, strict=True):
            known = fixes.get(use.image.written, ())
            fixes[use.image.written] = tuple(dict.fromkeys((*known, *proposed)))
        return {written: proposed for written, proposed in fixes.items() if proposed}

    async def _fixes(self, use: _Use, moved: frozenset[str]) -> tuple[Fix, ...]:
        verdict = use.verdict
        tag_moved = use.image.digest is None and written_name(use.image) in moved
        pinned = pin_fix(verdict, moved=tag_moved or use.seen is Seen.RUNNING)
        case = _Case(
            image=use.image,
            rule=verdict.rule.name,
            case=verdict.case.name if verdict.case else None,
            codes=tuple(problem.code for problem in (*verdict.problems, *verdict.advisories)),
        )
        remedies = await self._remedies.get(case, lambda: self._find(use)) if case.codes else ()
        return (*remedies, *([pinned] if pinned else []))

    async def _find(self, use: _Use) -> tuple[Fix, ...]:
        found = [self._base(use)]
        if newest_helps(use.verdict):
            async with self._turn:
                found.append(await self._newest(use))
        return tuple(fix for fix in found if fix is not None)

    def _base(self, use: _Use) -> Fix | None:
        """Propose another base, from what was found out about the image when it was judged."""
        problems = base_problems(use.verdict)
        evidence = self._found_out(use.image) if problems else None
        if self._bases is None or evidence is None or not isinstance(evidence.platforms, Known):
            return None
        platforms = evidence.platforms.value
        base = self._bases.propose(
            base_hints(problems, use.image, platforms),
            frozenset(platform.image.config.platform for platform in platforms),
            asked_base(use.verdict),
        )
        return base_fix(base) if base else None

    async def _newest(self, use: _Use) -> Fix | None:
        """Say whether the newest tag would pass; None where there is none, it is this very image, or nobody knows."""
        image = use.image
        try:
            newest = newest_like(
                image.tag, await self._tags.get(image.repository, lambda: self._list(image.repository))
            )
            digest = await self._resolve(image.repository, newest) if newest else None
        except RegistryTrouble:
            return None
        judged = use.verdict.image.digest if use.verdict.image else None
        candidate = retagged(image, newest, digest) if newest and digest and digest != judged else None
        if candidate is None:
            return None
        rule, case = use.verdict.rule.name, use.verdict.case
        key = (candidate, rule, case.name if case else None)
        return newest_fix(candidate, await self._verdicts.get(key, lambda: self._review(use, candidate)))

    async def _list(self, repository: Repository) -> Mapping[Shape, VersionTag]:
        """List a repository, and keep the newest tags only: there may be 100,000 of them in each."""
        tags = await self._registry.tags(repository, deadline=self._patience())
        return await asyncio.to_thread(newest_by_shape, tags or ())

    async def _resolve(self, repository: Repository, tag: str) -> Digest | None:
        return await self._registry.resolve(repository, tag, deadline=self._patience())

    async def _review(self, use: _Use, candidate: ImageReference) -> Verdict:
        """Review the workload with the candidate in the place of the image, and with nothing else."""
        place = replace(use.verdict.use, image=candidate, unchanged=False)
        (verdict,) = (await self._judge(replace(use.workload, uses=(place,)))).verdicts
        return verdict

    def _patience(self) -> float:
        return min(self._deadline, self._clock.monotonic() + QUESTION_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """One image of a row, with what was decided about it."""

    workload: Workload
    verdict: Verdict
    image: ImageReference
    seen: Seen


def _uses(judged: Sequence[Judged]) -> Iterator[_Use]:
    for one in judged:
        for verdict in one.decision.verdicts:
            if isinstance(verdict.use.image, ImageReference):
                yield _Use(workload=one.decision.workload, verdict=verdict, image=verdict.use.image, seen=one.seen)
