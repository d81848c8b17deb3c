"""What came of a review, whichever webhook was asked, and the AdmissionReview that says it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from webhook.core.admission import AdmissionRequest
from webhook.core.admission_answer import answer, pinning_answer, refusal, reservation, unpatched
from webhook.core.pinning import Pinning
from webhook.core.policy import Policy
from webhook.core.verdicts import Decision

__all__ = ["Decided", "Outcome", "Pinned", "Refused", "Task", "encode"]


class Task(Enum):
    """What a webhook is there for. Only one that judges may deny."""

    JUDGE = "judge"
    ADVISE = "advise"
    PIN = "pin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the gate says."""

    decision: Decision
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """Which tags the gate could resolve."""

    pinning: Pinning
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why there is no decision: `code` and `reason` are those of a Kubernetes Status."""

    code: int
    reason: str
    message: str


Outcome = Decided | Pinned | Refused


def encode(task: Task, request: AdmissionRequest, outcome: Outcome) -> bytes:
    """Return the AdmissionReview."""
    match outcome:
        case Decided(decision=decision, policy=policy):
            return answer(request, decision, policy)
        case Pinned(pinning=pinning, policy=policy):
            return pinning_answer(request.uid, pinning, policy)
        case Refused():
            return _encode_refusal(task, request.uid, outcome)
        case _:
            assert_never(outcome)


def _encode_refusal(task: Task, uid: str, refused: Refused) -> bytes:
    match task:
        case Task.JUDGE:
            return refusal(uid, code=refused.code, reason=refused.reason, message=refused.message)
        case Task.ADVISE:
            return reservation(uid, message=refused.message)
        case Task.PIN:
            return unpatched(uid)
        case _:
            assert_never(task)
