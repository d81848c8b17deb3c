"""One run of `dhi-gate audit`: list or read, judge, and keep what was learnt whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from webhook.auditing.auditor import Candidate, Judgement, open_judgement
from webhook.auditing.listing import Listing, Scope, list_subjects
from webhook.auditing.run import Run
from webhook.auditing.worlds import Surrounding
from webhook.cli.progress import AuditProgress
from webhook.cli.statuses import leaves_unknown
from webhook.core.auditing.rows import Row
from webhook.core.bases.catalog import Catalog
from webhook.core.contacts import refreshed_roots
from webhook.core.inventory.live_objects import Subject
from webhook.core.policy import Mode
from webhook.core.workloads import Workload
from webhook.ports import Cluster, Registries
from webhook.pull_secrets import PullSecrets
from webhook.settings import RegistryFlags, Surroundings, open_registries, open_trust, standing_clock

__all__ = ["AuditRun", "Found", "Plan"]

ROOTS_SECONDS = 15.0
"""How long the run waits for trusted roots to be refreshed before it goes on with what it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is judged by, how, and for how long; `as_of` has a time zone."""

    candidate: Candidate
    catalog: Catalog | None
    as_of: datetime
    ceiling: Mode
    registry: RegistryFlags
    seconds: float
    use_pull_secrets: bool = True


@dataclass(slots=True, kw_only=True)
class Found:
    """What a run has learnt so far; it `began` at that many seconds of the clock's monotonic hand.

    `troubles` are one line each; with any of them the run is not complete.
    """

    began: float
    rows: tuple[Row, ...] = ()
    troubles: list[str] = field(default_factory=list)
    listing: Listing | None = None
    interrupted: bool = False

    @property
    def complete(self) -> bool:
        """Whether everything that was asked about was seen and judged, and nothing is unknown."""
        return not self.troubles and not leaves_unknown(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRun:
    """A run and what it has learnt so far: `found` holds it also after an interruption."""

    plan: Plan
    around: Surroundings
    progress: AuditProgress
    found: Found

    async def over_files(self, workloads: Sequence[Workload]) -> None:
        """Judge what stands in files."""
        with _interruptible(self.found):
            await self._judge(workloads, secrets=None)

    async def over_cluster(self, cluster: Cluster, scope: Scope) -> None:
        """List a cluster and judge what lives there."""
        with _interruptible(self.found):
            listing = await list_subjects(cluster, scope, progress=self.progress.listed)
            self.found.listing = listing
            self.found.rows = listing.rows
            self.found.troubles.extend(listing.troubles)
            secrets = PullSecrets(cluster) if self.plan.use_pull_secrets else None
            await self._judge(listing.subjects, secrets=secrets)

    async def _judge(self, things: Sequence[Subject | Workload], *, secrets: PullSecrets | None) -> None:
        """Judge all, some at a time, until the end of the plan's time."""
        listed = self.found.rows
        self.progress.begin_judging(len(things))
        try:
            async with asyncio.timeout(self.plan.seconds), _opened(self.plan, self.around, secrets) as judgement:
                run = Run(things, judgement, advanced=self.progress.judged)
                try:
                    await run.finish()
                finally:
                    self.found.rows = (*listed, *run.rows)
        except TimeoutError:
            self.found.troubles.append("the run took longer than --timeout allows")


@contextmanager
def _interruptible(found: Found) -> Iterator[None]:
    """Turn an interruption into trouble: what was learnt before it is still worth printing."""
    try:
        yield
    except asyncio.CancelledError:
        found.interrupted = True
        found.troubles.append("the run was interrupted")
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()


@asynccontextmanager
async def _opened(plan: Plan, around: Surroundings, secrets: PullSecrets | None) -> AsyncIterator[Judgement]:
    """Open registries and trusted roots, and give what judges by them."""
    policies = [policy for policy in (plan.candidate.policy, plan.candidate.before) if policy]
    async with open_trust(around) as trust:
        trust.follow(frozenset(root for policy in policies for root in refreshed_roots(policy)))
        await trust.settled(deadline=around.clock.monotonic() + ROOTS_SECONDS)

        def surrounding(registries: Registries) -> Surrounding:
            return Surrounding(
                registries=registries,
                clock=standing_clock(plan.as_of),
                log=around.log,
                catalog=plan.catalog,
                roots=trust.roots(),
                ceiling=plan.ceiling,
            )

        async with open_judgement(
            plan.candidate,
            surrounding,
            partial(open_registries, flags=plan.registry, around=around),
            secrets=secrets,
            deadline=around.clock.monotonic() + plan.seconds,
        ) as judgement:
            yield judgement
