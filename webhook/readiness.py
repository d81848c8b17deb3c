"""What readiness says about documents and trusted roots."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar

from webhook.core.policy import Policy, Requirements
from webhook.document_sources.states import DocumentSource
from webhook.ports import RootState
from webhook.server.gate import ReadinessCheck

__all__ = ["asks_for_a_base", "document_check", "root_check"]

T = TypeVar("T")

HOUR = timedelta(hours=1)
STALE_AFTER = timedelta(hours=48)
"""A trusted root that its source has not confirmed for so long may lack a revocation."""


def asks_for_a_base(policy: Policy) -> bool:
    """Tell whether some rule cannot be judged without a catalog."""
    outcomes = [rule.outcome for rule in policy.rules]
    outcomes += [case.outcome for rule in policy.rules for case in rule.cases]
    return any(isinstance(outcome, Requirements) and outcome.base is not None for outcome in outcomes)


def document_check(name: str, file: DocumentSource[T] | None, *, needed: bool) -> ReadinessCheck:
    """Say whether a document is in force, and what is wrong with its latest version."""
    if file is None:
        detail = "none is given, and a rule asks for a base" if needed else "none is given"
        return ReadinessCheck(name=name, ok=not needed, detail=detail)
    rejection, unseen = file.state.last_rejection, file.state.unseen
    complaint = f"the latest version is refused: {rejection.errors[0]}" if rejection else ""
    if unseen is not None:
        complaint = f"it cannot be looked at: {unseen.why}"
    if file.current is None:
        return ReadinessCheck(name=name, ok=not needed, detail=complaint or "not loaded yet")
    in_force = f"in force: {file.state.revision}"
    return ReadinessCheck(name=name, ok=True, detail=f"{in_force}; {complaint}" if complaint else in_force)


def root_check(state: RootState, now: datetime) -> ReadinessCheck:
    """Say how old a trusted root is. It is no reason to turn requests away: most may do without it."""
    if state.refreshed_at is None:
        detail = "built in" if state.loaded else "not loaded"
    else:
        age = now - state.refreshed_at
        detail = f"{'stale: ' if age > STALE_AFTER else ''}last confirmed {age // HOUR} h ago"
    complaint = f"; {state.trouble.why}" if state.trouble else ""
    return ReadinessCheck(name=f"trust-root {state.source}", ok=True, detail=f"{detail}{complaint}")
