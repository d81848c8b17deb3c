"""The webhook configurations: whether the API server asks the gate about everything that it is to judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from webhook.core.diagnosis.coverage import is_wider, uncovered
from webhook.core.diagnosis.findings import Finding, Severity, Unseen, not_checked
from webhook.core.diagnosis.installation import Installation, Intent
from webhook.core.diagnosis.intended import (
    MATCH_EXPRESSION,
    MAX_TIMEOUT_SECONDS,
    PIN,
    PODS,
    RESTORE,
    VALIDATING,
    Entry,
)
from webhook.core.diagnosis.objects import Webhook, WebhookConfiguration
from webhook.core.diagnosis.selection import diagnose_selection
from webhook.core.policy import Mode
from webhook.core.reading.plain_text import listing, printable

__all__ = ["configured", "diagnose_webhooks"]

BRING_BACK = "run `helm upgrade` with the release's values"
WHOLE_PODS: Mapping[str, tuple[str, ...]] = {"": ("pods",)}


def configured(seen: WebhookConfiguration, entry: Entry) -> Webhook | None:
    """Return the webhook of that name."""
    return next((webhook for webhook in seen.webhooks or () if webhook.name == entry.name), None)


def diagnose_webhooks(seen: Installation, intent: Intent, *, mode: Mode, pins_tags: bool) -> Iterator[Finding]:
    """Yield what is wrong with both configurations and every entry of them.

    `mode` is what the server does at most; with `pins_tags` the policy counts on the pinning webhook.
    """
    yield from _validating(seen.validating, intent, mode)
    yield from _mutating(seen.mutating, intent, pins_tags=pins_tags)
    yield from _others(seen.mutating_others)


def _validating(seen: WebhookConfiguration | Unseen | None, intent: Intent, mode: Mode) -> Iterator[Finding]:
    where = f"validatingwebhookconfiguration/{intent.name}"
    find = partial(Finding, where=where, remedy=BRING_BACK)
    match seen:
        case Unseen():
            why = "without it, or with another one, no pod is judged"
            yield not_checked(seen, severity=Severity.CRITICAL, check="validating-webhook", where=where, why=why)
        case None:
            yield find(
                severity=Severity.CRITICAL,
                check="validating-webhook",
                what="there is no such object",
                why="the API server asks the gate about nothing: every image gets in unseen",
            )
        case _:
            for entry in VALIDATING:
                yield from _entry(seen, entry, where, intent, mode)
            yield from _strangers(seen, where)


def _entry(seen: WebhookConfiguration, entry: Entry, where: str, intent: Intent, mode: Mode) -> Iterator[Finding]:
    webhook = configured(seen, entry)
    place = f"{where} {entry.name}"
    judges = entry is PODS
    if webhook is None:
        why = "every image gets in unseen" if judges else "nobody is told early what its pods will be refused for"
        yield Finding(
            severity=Severity.CRITICAL if judges else Severity.LOW,
            check="webhook-missing",
            where=place,
            what="there is no such entry",
            why=why,
            remedy=RESTORE,
        )
        return
    yield from _rules(webhook, entry, place, grave=Severity.CRITICAL if judges else Severity.LOW)
    yield from _conditions(webhook, entry, place, grave=Severity.CRITICAL if judges else Severity.LOW)
    yield from _destination(webhook, entry, place, intent, grave=Severity.CRITICAL if judges else Severity.MEDIUM)
    yield from _protocol(webhook, place)
    yield from _failure_policy(webhook, place, "Fail" if judges and mode is Mode.ENFORCE else "Ignore")
    yield from diagnose_selection(webhook, place, intent, judges=judges)


def _mutating(seen: WebhookConfiguration | Unseen | None, intent: Intent, *, pins_tags: bool) -> Iterator[Finding]:
    where = f"mutatingwebhookconfiguration/{intent.name}"
    webhook = configured(seen, PIN) if isinstance(seen, WebhookConfiguration) else None
    if isinstance(seen, Unseen):
        why = "without it, tags are not pinned"
        yield not_checked(seen, severity=Severity.MEDIUM, check="mutating-webhook", where=where, why=why)
    elif webhook is None:
        yield Finding(
            severity=Severity.MEDIUM if pins_tags else Severity.INFO,
            check="mutating-webhook",
            where=where,
            what="there is none that pins tags",
            why="the policy says `pinTags: true`, so that pods made of templates with tags are refused as unpinned"
            if pins_tags
            else "an image that is named by a tag alone is refused where the policy demands a digest",
            remedy=BRING_BACK if pins_tags else "nothing, if `mutation.enabled` is false on purpose",
        )
    else:
        yield from _pinning(webhook, f"{where} {PIN.name}", intent)


def _pinning(webhook: Webhook, place: str, intent: Intent) -> Iterator[Finding]:
    """Yield what is wrong with the pinning. It is a convenience: what it leaves alone is judged all the same."""
    yield from _rules(webhook, PIN, place, grave=Severity.LOW)
    yield from _conditions(webhook, PIN, place, grave=Severity.LOW)
    yield from _destination(webhook, PIN, place, intent, grave=Severity.HIGH)
    yield from _protocol(webhook, place)
    yield from _failure_policy(webhook, place, "Ignore")
    if webhook.reinvocation_policy != "IfNeeded":
        yield Finding(
            severity=Severity.LOW,
            check="reinvocation-policy",
            where=place,
            what=f"reinvocationPolicy is {printable(webhook.reinvocation_policy)}",
            why="the tag of a container that another webhook adds later is not pinned",
            remedy=RESTORE,
        )


def _rules(webhook: Webhook, entry: Entry, place: str, *, grave: Severity) -> Iterator[Finding]:
    rules = webhook.rules or ()
    missing = uncovered(rules, entry.resources)
    if missing:
        yield Finding(
            severity=grave,
            check="rules",
            where=place,
            what=f"no rule speaks about {listing(missing)}",
            why="the API server does not ask the gate about that: images get in unseen by this way",
            remedy=RESTORE,
        )
    if is_wider(rules, entry.resources):
        yield Finding(
            severity=Severity.LOW,
            check="rules",
            where=place,
            what="the rules speak about more than what carries images",
            why="what is asked needlessly is held up, or refused, while no gate answers",
            remedy=RESTORE,
        )


def _conditions(webhook: Webhook, entry: Entry, place: str, *, grave: Severity) -> Iterator[Finding]:
    conditions = webhook.match_conditions or []
    wanted = [_squeezed(MATCH_EXPRESSION)] if entry.skips_unchanged_images else []
    foreign = [each for each in conditions if _squeezed(each.expression) not in wanted]
    if foreign:
        yield Finding(
            severity=grave,
            check="match-conditions",
            where=place,
            what=f"there is a condition of its own: {printable(foreign[0].name)}: {printable(foreign[0].expression)}",
            why="what does not fulfil it gets in unseen",
            remedy=RESTORE,
        )
    elif len(conditions) < len(wanted):
        yield Finding(
            severity=Severity.MEDIUM if grave is Severity.CRITICAL else Severity.LOW,
            check="match-conditions",
            where=place,
            what="the condition that skips unchanged images is missing",
            why="while no gate answers, labels, finalizers and status of every pod are held up",
            remedy=f"{RESTORE}; Kubernetes below 1.28 does not know conditions",
        )


def _destination(webhook: Webhook, entry: Entry, place: str, intent: Intent, *, grave: Severity) -> Iterator[Finding]:
    service = webhook.client_config.service
    asked = webhook.client_config.url
    if service is not None:
        asked = f"{service.namespace}/{service.name}:{service.port}{service.path}"
    wanted = f"{intent.namespace}/{intent.name}:443{entry.path}"
    if asked != wanted:
        yield Finding(
            severity=Severity.HIGH if grave is Severity.CRITICAL and _path_of(webhook) == entry.path else grave,
            check="destination",
            where=place,
            what=f"the API server asks {printable(asked) or 'nobody'}, not {wanted}",
            why="whoever answers there decides what runs",
            remedy=RESTORE,
        )


def _path_of(webhook: Webhook) -> str:
    config = webhook.client_config
    if config.service is not None:
        return config.service.path
    _, slash, path = config.url.removeprefix("https://").partition("/")
    return slash + path


def _protocol(webhook: Webhook, place: str) -> Iterator[Finding]:
    find = partial(Finding, where=place, remedy=RESTORE)
    if webhook.match_policy != "Equivalent":
        yield find(
            severity=Severity.MEDIUM,
            check="match-policy",
            what=f"matchPolicy is {printable(webhook.match_policy)}",
            why="an object that is sent in another version of its API gets in unseen",
        )
    if webhook.side_effects != "None":
        yield find(
            severity=Severity.MEDIUM,
            check="side-effects",
            what=f"sideEffects is {printable(webhook.side_effects) or 'not said'}",
            why="the API server may refuse dry runs; the gate has no side effects",
        )
    if "v1" not in (webhook.admission_review_versions or ()):
        yield find(
            severity=Severity.HIGH,
            check="review-version",
            what="admissionReviewVersions lacks v1",
            why="the API server speaks a language that the gate does not know, which counts as an outage",
        )
    if webhook.timeout_seconds > MAX_TIMEOUT_SECONDS:
        yield find(
            severity=Severity.LOW,
            check="timeout",
            what=f"timeoutSeconds is {webhook.timeout_seconds}",
            why="that is how long everybody who creates a pod waits when the gate is slow",
        )


def _failure_policy(webhook: Webhook, place: str, wanted: str) -> Iterator[Finding]:
    if webhook.failure_policy == wanted:
        return
    opens = wanted == "Fail"
    yield Finding(
        severity=Severity.HIGH if opens else Severity.MEDIUM,
        check="failure-policy",
        where=place,
        what=f"failurePolicy is {printable(webhook.failure_policy)}, not {wanted}",
        why="while no gate answers, every image gets in unseen; whoever can stop the gate can do that"
        if opens
        else "while no gate answers, requests are refused that a running gate never would refuse",
        remedy=f"{RESTORE}; webhook.failurePolicy follows `mode` if it is left empty",
    )


def _strangers(seen: WebhookConfiguration, where: str) -> Iterator[Finding]:
    known = [entry.name for entry in VALIDATING]
    names = tuple(webhook.name for webhook in seen.webhooks or ())
    extra = tuple(name for name in names if name not in known)
    if extra:
        yield Finding(
            severity=Severity.MEDIUM,
            check="webhook-unknown",
            where=where,
            what=f"there are entries that the chart does not have: {listing(extra)}",
            why="somebody else wrote them, and they see what is in the pods",
            remedy=RESTORE,
        )


def _others(seen: tuple[WebhookConfiguration, ...] | Unseen) -> Iterator[Finding]:
    """Name the webhooks of others that may still change a pod. The gate judges what comes out of all of them."""
    where = "mutatingwebhookconfigurations"
    if isinstance(seen, Unseen):
        why = "webhooks that add containers make pods that nobody wrote; the gate judges what comes out"
        yield not_checked(seen, severity=Severity.INFO, check="other-webhooks", where=where, why=why)
        return
    changing = tuple(
        f"{each.metadata.name}/{webhook.name}"
        for each in seen
        for webhook in each.webhooks or ()
        if _changes_pods(webhook)
    )
    if changing:
        yield Finding(
            severity=Severity.INFO,
            check="other-webhooks",
            where=where,
            what=f"others change pods: {listing(changing, limit=400)}",
            why="the images that they add are judged like any other, and refused if they do not pass",
            remedy="see that the policy admits what they add",
        )


def _changes_pods(webhook: Webhook) -> bool:
    return uncovered(webhook.rules or (), WHOLE_PODS) != uncovered((), WHOLE_PODS)


def _squeezed(expression: str) -> str:
    """Return an expression without what means nothing in it."""
    return "".join(expression.split())
