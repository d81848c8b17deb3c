"""Visiting the repository of a base: every tag asked about once, and read only where it is not on record.

Bounded in time by a deadline and in breadth by turns; what goes wrong with one tag does not touch the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

from webhook.catalog_keeping.reading import read_base
from webhook.core.bases.approval import base_authorities, still_trusted
from webhook.core.bases.catalog import BaseBuild
from webhook.core.bases.changes import Sighting
from webhook.core.bases.identity import Unfit
from webhook.core.bases.recording import Recording, SkippedTag, VerifiedBase, record
from webhook.core.contacts import kept_elsewhere
from webhook.core.facts import Trouble
from webhook.core.policy import ApprovedBase, Authority, Policy
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.core.trust import Trust
from webhook.ports import Clock, Registry, RegistryTrouble

__all__ = ["Progress", "Visit", "Visitor", "places"]

QUESTION_SECONDS = 60.0
"""How long one question may take, so that a place that never answers leaves time for the others."""

Progress = Callable[[Repository, int, int], None]
"""Told whenever a step is done: the repository, how many steps are done, how many there are so far."""

Answer = Digest | Trouble | None
"""What a tag points to; None if it points to nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What was learnt. `source` is where the tags were listed, None if nowhere; `unchanged` counts tags on record.

    `trouble` is the first thing that could not be learnt; the sighting leaves out what it concerns.
    """

    sighting: Sighting
    source: Repository | None = None
    unchanged: int = 0
    skipped: tuple[SkippedTag, ...] = ()
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    source: Repository
    tags: tuple[str, ...]


def places(base: ApprovedBase) -> tuple[Repository, ...]:
    """Return where a base may be read: its mirrors in their order, then the repository itself."""
    return tuple(dict.fromkeys((*base.mirrors, base.repository)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Asks about one base of `policy`. `recorded` is what the catalog holds of its repository.

    `turns` bounds what goes on at once; `deadline` is an instant in seconds on `Clock.monotonic()`.
    """

    base: ApprovedBase
    policy: Policy
    recorded: tuple[BaseBuild, ...]
    registry: Registry
    clock: Clock
    trust: Trust
    deadline: float
    turns: asyncio.Semaphore
    on_progress: Progress

    @property
    def authorities(self) -> tuple[Authority, ...]:
        """Who may vouch for the base."""
        return base_authorities(self.base, self.policy)

    async def visit(self) -> Visit:
        """List, resolve, read; raises nothing but our own faults."""
        listing = await self._list()
        if isinstance(listing, Trouble):
            return Visit(sighting=Sighting(repository=self.base.repository, carried={}), trouble=listing)
        steps = _Steps(self.on_progress, self.base.repository)
        steps.expect(len(listing.tags))
        answers = await asyncio.gather(*(self._resolve(listing.source, tag, steps) for tag in listing.tags))
        resolved = dict(zip(listing.tags, answers, strict=True))
        on_record = self._on_record()
        unknown = _group(resolved, on_record)
        steps.expect(len(unknown))
        read = await asyncio.gather(*(self._read(listing.source, root, unknown[root], steps) for root in unknown))
        return self._sum(listing.source, resolved, on_record, dict(zip(unknown, read, strict=True)))

    async def _list(self) -> _Listing | Trouble:
        """Return the tags that the first place which answers has; trouble with the first place, if none does."""
        troubles: list[Trouble] = []
        for place in places(self.base):
            try:
                tags = await self.registry.tags(place, deadline=self._patience())
            except RegistryTrouble as trouble:
                troubles.append(trouble.as_trouble())
                continue
            if tags is not None:
                return _Listing(source=place, tags=tuple(tag for tag in tags if not tag.startswith("sha256-")))
            troubles.append(Trouble(doing="listing tags", where=place.registry, why=f"there is no {place}"))
        return troubles[0]

    async def _resolve(self, source: Repository, tag: str, steps: _Steps) -> Answer:
        async with self.turns:
            try:
                return await self.registry.resolve(source, tag, deadline=self._patience())
            except RegistryTrouble as trouble:
                return trouble.as_trouble()
            finally:
                steps.done()

    async def _read(
        self, source: Repository, root: Digest, tags: tuple[str, ...], steps: _Steps
    ) -> Recording | Trouble:
        async with self.turns:
            found = await read_base(
                self.registry,
                PinnedImage(repository=source, digest=root),
                self.base.repository,
                self.authorities,
                elsewhere=kept_elsewhere(self.policy, source),
                trust=self.trust,
                deadline=self._patience(),
            )
        steps.done()
        match found:
            case VerifiedBase() as base:
                return record(base, self.base.repository, tags, now=self.trust.as_of)
            case Unfit(why=why):
                return Recording(skipped=tuple(SkippedTag(tag=tag, why=why) for tag in tags))
            case Trouble() as trouble:
                return trouble
            case _:
                assert_never(found)

    def _on_record(self) -> frozenset[tuple[str, Digest]]:
        """Return the tags and what they point to of which nothing needs to be fetched again.

        A build on record that appears under another tag is read again, since its labels must fit that tag too; and so
        is one that awaits an attestation.
        """
        shared: dict[Digest, frozenset[str]] = {}
        for build in self.recorded:
            trusted = still_trusted(build.verified_by, self.authorities, self.base.repository)
            tags = frozenset(build.tags if trusted and not _awaits_fips(build) else ())
            shared[build.root] = shared.get(build.root, tags) & tags
        return frozenset((tag, root) for root, tags in shared.items() for tag in tags)

    def _sum(
        self,
        source: Repository,
        resolved: Mapping[str, Answer],
        on_record: frozenset[tuple[str, Digest]],
        read: Mapping[Digest, Recording | Trouble],
    ) -> Visit:
        recordings = {root: found for root, found in read.items() if isinstance(found, Recording)}
        known = {tag: root for tag, root in resolved.items() if isinstance(root, Digest) and (tag, root) in on_record}
        fresh = {tag: root for root, recording in recordings.items() for tag in recording.tags}
        recorded_tags = {tag for build in self.recorded for tag in build.tags}
        sighting = Sighting(
            repository=self.base.repository,
            verified=tuple(build for recording in recordings.values() for build in recording.builds),
            carried={**known, **fresh},
            absent=frozenset(tag for tag in recorded_tags if resolved.get(tag) is None),
        )
        troubles = [found for found in (*resolved.values(), *read.values()) if isinstance(found, Trouble)]
        skipped = [skip for recording in recordings.values() for skip in recording.skipped]
        return Visit(
            sighting=sighting,
            source=source,
            unchanged=len(known),
            skipped=tuple(sorted(skipped, key=lambda skip: skip.tag)),
            trouble=troubles[0] if troubles else None,
        )

    def _patience(self) -> float:
        return min(self.deadline, self.clock.monotonic() + QUESTION_SECONDS)


def _group(
    resolved: Mapping[str, Answer], on_record: frozenset[tuple[str, Digest]]
) -> Mapping[Digest, tuple[str, ...]]:
    """Group the tags that are not on record by what they point to."""
    unknown: dict[Digest, tuple[str, ...]] = {}
    for tag, root in resolved.items():
        if isinstance(root, Digest) and (tag, root) not in on_record:
            unknown[root] = (*unknown.get(root, ()), tag)
    return unknown


def _awaits_fips(build: BaseBuild) -> bool:
    """Tell whether a build that is FIPS validated by its tags was not attested to be so when it was read."""
    return not build.fips and any("fips" in tag.partition("_")[0].split("-") for tag in build.tags)


class _Steps:
    """Counts the steps of one visit."""

    def __init__(self, on_progress: Progress, repository: Repository) -> None:
        self._on_progress = on_progress
        self._repository = repository
        self._done = 0
        self._expected = 0

    def expect(self, steps: int) -> None:
        self._expected += steps

    def done(self) -> None:
        self._done += 1
        self._on_progress(self._repository, self._done, self._expected)
