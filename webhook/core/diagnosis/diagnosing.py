"""An installation that was looked at → everything that is wrong with it, gravest first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from webhook.core.diagnosis.access import diagnose_access
from webhook.core.diagnosis.certificates import diagnose_certificates
from webhook.core.diagnosis.documents import diagnose_catalog, diagnose_policy, read_policy
from webhook.core.diagnosis.findings import Finding, in_order
from webhook.core.diagnosis.installation import Installation, Intent
from webhook.core.diagnosis.server import diagnose_server, mode_of
from webhook.core.diagnosis.surroundings import diagnose_surroundings
from webhook.core.diagnosis.webhooks import diagnose_webhooks
from webhook.core.policy import Policy

__all__ = ["diagnose"]


def diagnose(seen: Installation, intent: Intent, *, now: datetime) -> tuple[Finding, ...]:
    """Return all findings, gravest first. What could not be looked at is among them."""
    return in_order(_findings(seen, intent, now))


def _findings(seen: Installation, intent: Intent, now: datetime) -> Iterator[Finding]:
    read = read_policy(seen.policy)
    policy = read if isinstance(read, Policy) else None
    mode = intent.mode if intent.mode is not None else mode_of(seen.deployment)
    yield from diagnose_webhooks(seen, intent, mode=mode, pins_tags=policy is not None and policy.pin_tags)
    yield from diagnose_server(seen, intent)
    yield from diagnose_certificates(seen, intent, now=now)
    yield from diagnose_policy(seen, read, now=now)
    yield from diagnose_catalog(seen, policy, intent, now=now)
    yield from diagnose_access(seen, intent)
    yield from diagnose_surroundings(seen, intent)
