"""One judge for a run, or two whose answers are compared: what policies, catalog and day make of each object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from webhook.auditing.judging import Judge
from webhook.auditing.worlds import Surrounding, Worlds
from webhook.core.auditing.changes import compared
from webhook.core.auditing.rows import Row
from webhook.core.inventory.live_objects import Subject
from webhook.core.policy import Policy
from webhook.core.workloads import Workload
from webhook.ports import Registries
from webhook.pull_secrets import PullSecrets

__all__ = ["Candidate", "Judgement", "open_judgement"]

OpenRegistries = Callable[[Policy], AbstractAsyncContextManager[Registries]]
Judgement = Callable[[Subject | Workload], Awaitable[Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is judged by. With `before`, the policy that is in force now, rows tell what `policy` changes.

    `rule_name` replaces the rules that namespaces pick; both policies have one of that name. `hints` says whether to
    look for what would help with what is refused.
    """

    policy: Policy
    before: Policy | None = None
    rule_name: str | None = None
    hints: bool = True


@asynccontextmanager
async def open_judgement(
    candidate: Candidate,
    surrounding: Callable[[Registries], Surrounding],
    open_registries: OpenRegistries,
    *,
    secrets: PullSecrets | None,
    deadline: float,
) -> AsyncIterator[Judgement]:
    """Open what a run needs, and give what turns each of its objects into a row.

    `surrounding` makes of opened registries what else the run has in common. Under two policies each object is judged
    by both at the same time; they share no connections, because a policy says which hosts may be asked, and how.
    """
    async with AsyncExitStack() as stack:

        async def judge_under(policy: Policy, *, hints: bool) -> Judge:
            around = surrounding(await stack.enter_async_context(open_registries(policy)))
            worlds = await stack.enter_async_context(Worlds(around))
            return Judge(
                policy=policy,
                worlds=worlds,
                clock=around.clock,
                deadline=deadline,
                secrets=secrets,
                rule=policy.rule_named(candidate.rule_name) if candidate.rule_name else None,
                hints=hints,
            )

        judge = await judge_under(candidate.policy, hints=candidate.hints)
        before = await judge_under(candidate.before, hints=False) if candidate.before else None

        async def judged(thing: Subject | Workload) -> Row:
            if before is None:
                return await judge.row(thing)
            row, row_before = await asyncio.gather(judge.row(thing), before.row(thing))
            return compared(row, before=row_before)

        yield judged
