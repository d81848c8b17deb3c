"""What the server needs of the rest of the program: someone who decides, and who says whether they can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from webhook.core.pinning import Pinning
from webhook.core.policy import Policy
from webhook.core.verdicts import Decision
from webhook.core.workloads import Workload

__all__ = ["Gate", "GateNotReady", "ReadinessCheck"]


class GateNotReady(Exception):  # noqa: N818 - a state of the gate, not a fault of its code
    """There is no policy to decide by yet. The text is shown to whoever asked, in one line without a final stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessCheck:
    """One line of `/readyz?verbose`. `detail` says in one line what is wrong, or what is in force."""

    name: str
    ok: bool
    detail: str


class Gate(Protocol):
    """The one door, seen from the server."""

    async def decide(self, workload: Workload, *, deadline: float, advisory: bool) -> tuple[Decision, Policy]:
        """Decide about an object, and return the policy that was in force for it.

        `deadline` is an instant on `Clock.monotonic()`; what is not known by then is `unverifiable`. With `advisory`
        the decision never denies. Raises GateNotReady while there is no policy.
        """
        ...

    async def pin(self, workload: Workload, *, deadline: float) -> tuple[Pinning, Policy]:
        """Find out what the tags of a Pod stand for, and return the policy that was in force for it.

        What is not known by `deadline` is left alone. Raises GateNotReady while there is no policy.
        """
        ...

    def readiness(self) -> tuple[ReadinessCheck, ...]:
        """Tell what the gate needs before it can decide. No check depends on a registry."""
        ...
