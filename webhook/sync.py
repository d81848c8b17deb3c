"""Keeping the catalog: what the registries of the listed bases hold now → a catalog with every verified build of them.

Through the same ports and the same core as a review. For each base repository:

1. List its tags at the first place that answers: its mirrors in the order of the policy, then the repository itself.
   Tags of the form `sha256-…` carry signatures and are no bases.
2. Resolve every tag. What is on record under that tag, verified by a key that still counts, is not fetched again.
3. Read and verify the rest by digest (`catalog_keeping.reading`), and hold it against its tags and its repository
   (`core.bases.recording`).
4. Record what holds (`core.bases.changes`). What cannot be verified is skipped and said; what could not be asked
   leaves its records as they are, and the repository has failed.
5. Keep nothing of a repository in which more than a tenth of the (tag, platform) pairs would lose their active build.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

from webhook.catalog_keeping.reading import read_base
from webhook.catalog_keeping.visits import Progress, Visit, Visitor, places
from webhook.core.bases.approval import base_authorities
from webhook.core.bases.catalog import BaseBuild, Catalog
from webhook.core.bases.changes import Shrinkage, Sighting, observe, shrinkage, turned_back
from webhook.core.bases.document import seal
from webhook.core.bases.identity import Unfit
from webhook.core.bases.recording import SkippedTag, VerifiedBase, record
from webhook.core.contacts import kept_elsewhere
from webhook.core.facts import Trouble
from webhook.core.policy import ApprovedBase, Policy
from webhook.core.references import ImageReference, PinnedImage, Repository
from webhook.core.trust import Roots, Trust
from webhook.ports import Clock, Registry

__all__ = ["NO_ROOTS", "Enrolment", "RepositoryReport", "SyncResult", "enrol", "sync"]

QUESTIONS_AT_ONCE = 16
NO_ROOTS: Roots = {}
PAIRS_PER_LOSS = 10
"""At most one in so many active (tag, platform) pairs may be lost."""
TURNED_BACK = "it points to an older build than the newest one seen under it, so it supersedes nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryReport:
    """How one repository fared. `source` is where its tags were listed, None if nowhere.

    `recorded` are new builds, `unchanged` counts the tags that were on record already, `skipped` says why a tag is not
    recorded, or why it changes nothing. With `trouble` the repository has failed.
    """

    repository: Repository
    source: Repository | None
    recorded: tuple[BaseBuild, ...]
    unchanged: int
    skipped: tuple[SkippedTag, ...]
    trouble: Trouble | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResult:
    """The catalog after a sync, and how each repository fared, in the order of the policy."""

    catalog: Catalog
    reports: tuple[RepositoryReport, ...]

    @property
    def complete(self) -> bool:
        """Whether every repository was read; no repository at all is no success."""
        return bool(self.reports) and all(report.trouble is None for report in self.reports)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """The catalog with one more base, and the records of that base."""

    catalog: Catalog
    builds: tuple[BaseBuild, ...]


async def sync(
    catalog: Catalog | None,
    policy: Policy,
    registry: Registry,
    clock: Clock,
    *,
    deadline: float,
    roots: Roots = NO_ROOTS,
    allow_shrink: bool = False,
    on_progress: Progress = lambda _repository, _done, _expected: None,
) -> SyncResult:
    """Return the catalog as it should be now; no entry of the old one is lost.

    `deadline` is an instant in seconds on `Clock.monotonic()`: what is not read by then makes its repository a failed
    one, and what was read is kept. `roots` are as in a review's `World`. The catalog counts as synced only when all
    repositories were. Raises nothing but our own faults.
    """
    builds = catalog.builds if catalog else ()
    now = clock.now().replace(microsecond=0)
    turns = asyncio.Semaphore(QUESTIONS_AT_ONCE)
    visitors = [
        Visitor(
            base=base,
            policy=policy,
            recorded=tuple(build for build in builds if build.repository == base.repository),
            registry=registry,
            clock=clock,
            trust=Trust(catalog=None, as_of=now, roots=roots),
            deadline=deadline,
            turns=turns,
            on_progress=on_progress,
        )
        for base in _by_repository(policy)
    ]
    reports: list[RepositoryReport] = []
    for visit in await asyncio.gather(*(visitor.visit() for visitor in visitors)):
        builds, report = _keep(builds, visit, now, allow_shrink=allow_shrink)
        reports.append(report)
    complete = all(report.trouble is None for report in reports)
    synced_at = now if complete or catalog is None else catalog.synced_at
    kept = seal(policy=policy.name, synced_at=synced_at, builds=builds)
    return SyncResult(catalog=kept, reports=tuple(reports))


async def enrol(
    catalog: Catalog | None,
    policy: Policy,
    registry: Registry,
    clock: Clock,
    *,
    image: ImageReference,
    deadline: float,
    roots: Roots = NO_ROOTS,
) -> Enrolment | Unfit | Trouble:
    """Add one build of a listed base by its digest, verified like the rest: usually one that no tag points to any more.

    It is recorded under the tag of `image`, which must fit its labels, or under the exact version that these name. The
    places are those of `sync`. The catalog does not count as synced by this.
    """
    base = next((base for base in _by_repository(policy) if base.repository == image.repository), None)
    if base is None:
        return Unfit(why=f"the policy lists no base {image.repository}")
    now = clock.now().replace(microsecond=0)
    trust = Trust(catalog=None, as_of=now, roots=roots)
    found = await _find(base, image, policy, registry, trust=trust, deadline=deadline)
    if not isinstance(found, VerifiedBase):
        return found
    recording = record(found, base.repository, (image.tag,) if image.tag else (), now=now)
    if not recording.builds:
        return Unfit(why=recording.skipped[0].why)
    sighting = Sighting(repository=base.repository, verified=recording.builds, carried={})
    builds = observe(catalog.builds if catalog else (), sighting, now=now)
    kept = seal(policy=policy.name, synced_at=catalog.synced_at if catalog else now, builds=builds)
    return Enrolment(
        catalog=kept,
        builds=tuple(build for build in kept.builds if (build.repository, build.root) == (base.repository, found.root)),
    )


async def _find(
    base: ApprovedBase, image: ImageReference, policy: Policy, registry: Registry, *, trust: Trust, deadline: float
) -> VerifiedBase | Unfit | Trouble:
    """Read a base at the first place where it can be verified; else say what is wrong at the first place."""
    if image.digest is None:
        return Unfit(why="it has no digest; what tags point to is recorded by `catalog sync`")
    objections: list[Unfit | Trouble] = []
    authorities = base_authorities(base, policy)
    for place in places(base):
        pinned = PinnedImage(repository=place, digest=image.digest)
        found = await read_base(
            registry,
            pinned,
            base.repository,
            authorities,
            elsewhere=kept_elsewhere(policy, place),
            trust=trust,
            deadline=deadline,
        )
        if isinstance(found, VerifiedBase):
            return found
        objections.append(found)
    return objections[0]


def _by_repository(policy: Policy) -> tuple[ApprovedBase, ...]:
    """Join the entries of one repository, so that it is visited once; each may have other tags and signers."""
    joined: dict[Repository, ApprovedBase] = {}
    for base in policy.bases:
        known = joined.get(base.repository, base)
        joined[base.repository] = replace(
            known,
            tags=tuple(dict.fromkeys((*known.tags, *base.tags))),
            signed_by=tuple(dict.fromkeys((*known.signed_by, *base.signed_by))),
            mirrors=tuple(dict.fromkeys((*known.mirrors, *base.mirrors))),
        )
    return tuple(joined.values())


def _keep(
    builds: tuple[BaseBuild, ...], visit: Visit, now: datetime, *, allow_shrink: bool
) -> tuple[tuple[BaseBuild, ...], RepositoryReport]:
    """Record what one visit found, unless too much would be lost by it."""
    repository = visit.sighting.repository
    after = observe(builds, visit.sighting, now=now)
    loss = shrinkage(builds, after, repository)
    trouble = visit.trouble
    if len(loss.lost) * PAIRS_PER_LOSS > loss.active_before and not allow_shrink:
        after, trouble = builds, _shrinking(loss, repository)
    known = {(build.repository, build.root, build.digest) for build in builds}
    turned = tuple(SkippedTag(tag=tag, why=TURNED_BACK) for tag in turned_back(after, visit.sighting))
    report = RepositoryReport(
        repository=repository,
        source=visit.source,
        recorded=tuple(build for build in after if (build.repository, build.root, build.digest) not in known),
        unchanged=visit.unchanged,
        skipped=(*visit.skipped, *turned),
        trouble=trouble,
    )
    return after, report


def _shrinking(loss: Shrinkage, repository: Repository) -> Trouble:
    tag, platform = loss.lost[0]
    return Trouble(
        doing=f"keeping the records of {repository}",
        where="the catalog",
        why=(
            f"{len(loss.lost)} of {loss.active_before} pairs of tag and platform would lose their active build, "
            f"{tag} on {platform} among them; --allow-shrink permits that"
        ),
    )
