"""Resolving the tags of a Pod for the webhook that pins; it decides nothing, and writes nothing.

Each distinct tag is asked about once, all of them at the same time, until the deadline, by the registries and the
memory that the review uses as well. What each place of the Pod then gets is for `webhook.core.pinning` to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime

from webhook.collecting.images import resolve
from webhook.core.facts import Learnt
from webhook.core.pinning import Pin, Pinning, pinnable
from webhook.core.policy import Policy
from webhook.core.references import ImageReference, PinnedImage, Repository
from webhook.core.workloads import Workload
from webhook.ports import Registry

__all__ = ["resolve_tags"]

TAGS_AT_ONCE = 16
"""Tags of one object that are resolved at the same time: an object may name a thousand."""

_Tag = tuple[Repository, str]


async def resolve_tags(
    workload: Workload, policy: Policy, registry: Registry, *, as_of: datetime, deadline: float
) -> Pinning:
    """Find out what the tags of a workload stand for before `deadline` (an instant on `Clock.monotonic()`).

    What is not known by then is `Trouble`. Two spellings of one tag get one digest.
    """
    wanted = pinnable(workload, policy, as_of)
    distinct = {_tag(reference): reference for _, reference in wanted}
    found = dict(zip(distinct, await _resolved(distinct.values(), registry, deadline=deadline), strict=True))
    return Pinning(
        workload=workload,
        pins=tuple(Pin(use=use, reference=reference, found=found[_tag(reference)]) for use, reference in wanted),
    )


async def _resolved(
    references: Iterable[ImageReference], registry: Registry, *, deadline: float
) -> list[Learnt[PinnedImage | None]]:
    turn = asyncio.Semaphore(TAGS_AT_ONCE)

    async def resolved(reference: ImageReference) -> Learnt[PinnedImage | None]:
        async with turn:
            return await resolve(reference, registry, deadline=deadline)

    return await asyncio.gather(*(resolved(reference) for reference in references))


def _tag(reference: ImageReference) -> _Tag:
    """Return what a reference means, however it is written: no tag is the tag `latest`."""
    return reference.repository, reference.tag or "latest"
