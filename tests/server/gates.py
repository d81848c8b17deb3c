"""A gate whose behaviour a test writes down, and the reviews that are sent to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from tests.core.given import digest, policy, rule, use
from webhook.core.facts import Known, Trouble
from webhook.core.pinning import Pin, Pinning
from webhook.core.policy import Mode, Policy
from webhook.core.problems import Unverifiable
from webhook.core.references import ImageReference
from webhook.core.verdicts import Decision, Verdict
from webhook.core.workloads import ImageUse, Workload
from webhook.server.gate import ReadinessCheck

__all__ = ["DIGEST", "POLICY", "ScriptedGate", "allowing", "denying", "review", "stuck"]

POLICY = policy(rule())
DIGEST = digest("resolved")
Deciding = Callable[[Workload, float], Awaitable[Decision]]


class ScriptedGate:
    """A gate that does what it is told, and remembers what it was asked."""

    def __init__(self, deciding: Deciding | None = None) -> None:
        self.deciding = deciding or allowing
        self.ready = True
        self.entered = asyncio.Event()
        self.asked: list[tuple[Workload, float, bool]] = []
        self.pinned: list[tuple[Workload, float]] = []

    async def decide(self, workload: Workload, *, deadline: float, advisory: bool) -> tuple[Decision, Policy]:
        """Decide as told."""
        self.asked.append((workload, deadline, advisory))
        self.entered.set()
        return await self.deciding(workload, deadline), POLICY

    async def pin(self, workload: Workload, *, deadline: float) -> tuple[Pinning, Policy]:
        """Give every image the same digest, unless the deciding fails."""
        self.pinned.append((workload, deadline))
        self.entered.set()
        await self.deciding(workload, deadline)
        uses = ((use, use.image) for use in workload.uses if isinstance(use.image, ImageReference))
        pins = (Pin(use=use, reference=image, found=Known(value=image.pinned(DIGEST))) for use, image in uses)
        return Pinning(workload=workload, pins=tuple(pins)), POLICY

    def readiness(self) -> tuple[ReadinessCheck, ...]:
        """Say what the test says."""
        return (ReadinessCheck(name="policy", ok=self.ready, detail="sha256:abc" if self.ready else "none yet"),)


async def allowing(workload: Workload, _deadline: float) -> Decision:
    """Allow everything."""
    verdicts = tuple(_verdict(image_use) for image_use in workload.uses)
    return Decision(workload=workload, verdicts=verdicts)


async def denying(workload: Workload, _deadline: float) -> Decision:
    """Deny everything, as a gate does that could reach no registry."""
    trouble = Trouble(doing="listing signatures", where="registry.example", why="no answer in time")
    verdicts = tuple(_verdict(image_use, Unverifiable(trouble=trouble)) for image_use in workload.uses)
    return Decision(workload=workload, verdicts=verdicts)


async def stuck(_workload: Workload, _deadline: float) -> Decision:
    """Never come back, whatever the deadline."""
    await asyncio.Event().wait()
    raise AssertionError("an event that nobody sets")


def _verdict(image_use: ImageUse, *problems: Unverifiable) -> Verdict:
    return Verdict(use=image_use, rule=rule(), case=None, mode=Mode.ENFORCE, problems=problems)


def review(uid: str = "uid-1", **request: Any) -> bytes:  # noqa: ANN401 - JSON
    """Return an AdmissionReview about the creation of Pod `shop/api`."""
    pod = {
        "kind": "Pod",
        "metadata": {"name": "api", "namespace": "shop"},
        "spec": {"containers": [{"name": "api", "image": use().image.written}]},
    }
    asked = {
        "uid": uid,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "name": "api",
        "namespace": "shop",
        "userInfo": {"username": "dev"},
        "object": pod,
    } | request
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}).encode()
