"""The selectors of a webhook: which namespaces and which objects the gate is never asked about."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from webhook.core.diagnosis.coverage import excluded_namespaces, further_terms
from webhook.core.diagnosis.findings import Finding, Severity
from webhook.core.diagnosis.installation import Intent
from webhook.core.diagnosis.intended import EXCLUDED_ALWAYS, RESTORE
from webhook.core.diagnosis.objects import Webhook
from webhook.core.reading.plain_text import listing

__all__ = ["diagnose_selection"]


def diagnose_selection(webhook: Webhook, place: str, intent: Intent, *, judges: bool) -> Iterator[Finding]:
    """Yield whom the gate is not asked about. `judges` says that this entry may refuse."""
    find = partial(Finding, where=place)
    always = {*EXCLUDED_ALWAYS, intent.namespace}
    excluded = excluded_namespaces(webhook.namespace_selector)
    unmeant = tuple(sorted(excluded - always - intent.excluded))
    needed = tuple(sorted(always - excluded))
    terms = further_terms(webhook.namespace_selector)
    objects = further_terms(webhook.object_selector) or excluded_namespaces(webhook.object_selector)
    if objects:
        yield find(
            severity=Severity.CRITICAL if judges else Severity.MEDIUM,
            check="object-selector",
            what="there is an objectSelector",
            why="whoever creates a pod writes its labels, and so decides for himself whether it is judged",
            remedy=RESTORE,
        )
    if not judges:
        return
    if terms:
        yield find(
            severity=Severity.MEDIUM,
            check="namespace-selector",
            what=f"only namespaces with {listing(terms, limit=400)} are judged",
            why="what runs in the others is not seen, and whoever may label namespaces can leave",
            remedy="leave webhook.namespaceSelector empty when the rollout is over",
        )
    if unmeant:
        yield find(
            severity=Severity.MEDIUM,
            check="excluded-namespaces",
            what=f"namespaces are left out that nobody named: {listing(unmeant, limit=400)}",
            why="whoever can create pods there runs what they like",
            remedy="take them out of webhook.excludedNamespaces, or name them with --excluded-namespace",
        )
    if needed:
        yield find(
            severity=Severity.HIGH,
            check="excluded-namespaces",
            what=f"the gate is asked about {listing(needed)} too",
            why="a gate that is down then holds up what it, or the cluster, needs to come back",
            remedy=RESTORE,
        )
    yield find(
        severity=Severity.INFO,
        check="excluded-namespaces",
        what=f"not judged: {listing(tuple(sorted(excluded)), limit=400) or 'no namespace'}",
        why="whoever can create pods there runs what they like",
        remedy="keep that right to those who run the cluster",
    )
