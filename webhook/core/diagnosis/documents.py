"""Policy and catalog: whether they can be used, are in force, and are fresh; and what the policy lets through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial

from webhook.core.bases.catalog import Catalog
from webhook.core.bases.document import parse_catalog
from webhook.core.diagnosis.findings import Finding, Severity, Unseen, not_checked
from webhook.core.diagnosis.installation import Document, Installation, Intent
from webhook.core.diagnosis.metric_text import samples
from webhook.core.diagnosis.objects import CronJob
from webhook.core.errors import DocumentError, ParseError
from webhook.core.policy import Exemption, Policy, Requirements, Rule
from webhook.core.policy_reading.document import parse_policy
from webhook.core.policy_reading.warnings import warnings
from webhook.core.reading.plain_text import listing, printable

__all__ = ["diagnose_catalog", "diagnose_policy", "read_policy"]

EXEMPTION_SOON = timedelta(days=14)
CATALOG_OLD = timedelta(hours=48)
CATALOG_DEAD = timedelta(days=14)
MAX_SECONDS = timedelta(days=36_500).total_seconds()


def read_policy(document: Document | None) -> Policy | DocumentError | ParseError | None:
    """Return the policy, or what is wrong with it; None if there is nothing to read."""
    if document is None or not isinstance(document.contents, bytes):
        return None
    try:
        return parse_policy(document.contents, read_file=partial(_file, document.files))
    except (DocumentError, ParseError) as error:
        return error


def diagnose_policy(
    seen: Installation, policy: Policy | DocumentError | ParseError | None, *, now: datetime
) -> Iterator[Finding]:
    """Yield what is wrong with the policy; `policy` is what `read_policy` made of it."""
    document = seen.policy
    if document is None:
        return
    where = f"policy {printable(document.source)}"
    if isinstance(document.contents, Unseen):
        why = "what the gate decides by"
        yield not_checked(document.contents, severity=Severity.MEDIUM, check="policy", where=where, why=why)
    elif document.contents is None:
        yield Finding(
            severity=Severity.CRITICAL,
            check="policy",
            where=where,
            what="it is not there",
            why="a gate that restarts is not ready: by the failurePolicy everything is refused, or gets in unseen",
            remedy="bring it back, or say by the release's values where it is",
        )
    elif isinstance(policy, Policy):
        yield from _in_force(seen, policy, where)
        yield from _exemptions(policy, where, now)
        yield from _warnings(policy, where, now)
    else:
        yield Finding(
            severity=Severity.HIGH,
            check="policy",
            where=where,
            what=f"it cannot be used: {printable(str(policy), 300)}",
            why="what was in force before still is, and a gate that restarts is not ready",
            remedy="`dhi-gate policy validate` says everything that is wrong",
        )


def _in_force(seen: Installation, policy: Policy, where: str) -> Iterator[Finding]:
    """Yield whether a running gate decides by this policy."""
    if isinstance(seen.gate_metrics, Unseen):
        why = "whether the gate decides by it"
        yield not_checked(seen.gate_metrics, severity=Severity.LOW, check="policy-in-force", where=where, why=why)
        return
    digests = {
        each.labels.get("digest", "") for each in samples(seen.gate_metrics, "dhi_gate_policy_info") if each.value == 1
    }
    if digests != {str(policy.digest)}:
        yield Finding(
            severity=Severity.HIGH,
            check="policy-in-force",
            where=where,
            what=f"a replica decides by {listing(tuple(sorted(digests))) or 'no policy'}, and it is {policy.digest}",
            why="what somebody believes to be in force is not",
            remedy="if it lasts longer than some seconds, see the log for `policy refused`",
        )


def _exemptions(policy: Policy, where: str, now: datetime) -> Iterator[Finding]:
    """Yield what is let through unjudged, and what soon no longer will be."""
    named = [(f"rule {rule.name}", rule.outcome) for rule in policy.rules]
    named += [(f"rule {rule.name}, except {case.name}", case.outcome) for rule in policy.rules for case in rule.cases]
    holding = [(name, outcome) for name, outcome in named if isinstance(outcome, Exemption) and outcome.holds(now)]
    for name, outcome in holding:
        if outcome.expires is not None and not outcome.holds(now + EXEMPTION_SOON):
            yield Finding(
                severity=Severity.MEDIUM,
                check="exemption-expires",
                where=where,
                what=f"the exemption of {printable(name)} ends on {outcome.expires} ({printable(outcome.reason)})",
                why="from the next day on, what it lets through is judged, and may be refused when it restarts",
                remedy="mend what is exempt, or decide anew and write another day",
            )
    if holding:
        yield Finding(
            severity=Severity.INFO,
            check="exemptions",
            where=where,
            what=f"let through unjudged: {listing(tuple(name for name, _ in holding), limit=400)}",
            why="nobody asks who made these images",
            remedy="have an eye on dhi_gate_exemptions_total",
        )


def _warnings(policy: Policy, where: str, now: datetime) -> Iterator[Finding]:
    """Yield what is allowed and probably not meant; what makes an exemption wide weighs more."""
    wide = tuple(_paths_of_exemptions(policy))
    for warning in warnings(policy, as_of=now):
        exempts = warning.path.removesuffix(".namespaces").removesuffix(".images") in wide
        yield Finding(
            severity=Severity.MEDIUM if exempts else Severity.LOW,
            check="policy-warning",
            where=where,
            what=printable(str(warning), 300),
            why="it is allowed, and probably not meant",
            remedy="`dhi-gate policy validate` shows all of these",
        )


def _paths_of_exemptions(policy: Policy) -> Iterator[str]:
    for index, rule in enumerate(policy.rules):
        if isinstance(rule.outcome, Exemption):
            yield f"spec.rules[{index}]"
        for position, case in enumerate(rule.cases):
            if isinstance(case.outcome, Exemption):
                yield f"spec.rules[{index}].except[{position}]"


def diagnose_catalog(seen: Installation, policy: Policy | None, intent: Intent, *, now: datetime) -> Iterator[Finding]:
    """Yield what is wrong with the catalog, and with the run that keeps it. `policy` tells whether it is needed."""
    needed = policy is None or any(_asks_for_base(each) for rule in policy.rules for each in _outcomes(rule))
    document = seen.catalog
    where = f"catalog {printable(document.source)}" if document else "catalog"
    if document is None or document.contents is None:
        yield Finding(
            severity=Severity.HIGH if needed else Severity.INFO,
            check="catalog",
            where=where,
            what="there is none" if document is None else "it is not there, or empty",
            why="a rule asks for a base, and the gate is not ready without a catalog"
            if needed
            else "no rule asks for a base",
            remedy="run `catalog sync`: kubectl create job --from=cronjob/NAME-sync",
        )
    elif isinstance(document.contents, Unseen):
        yield from _catalog_by_metric(seen, document.contents, where)
    else:
        catalog = _read_catalog(document.contents)
        if isinstance(catalog, Catalog):
            yield from _age(now - catalog.synced_at, where)
        else:
            yield Finding(
                severity=Severity.HIGH,
                check="catalog",
                where=where,
                what=f"it cannot be used: {printable(str(catalog), 300)}",
                why="what was in force before still is, and a gate that restarts is not ready",
                remedy="run `catalog sync`, or push it again",
            )
    if document is not None and document.config_map is not None:
        yield from _sync(seen.sync, intent, now)


def _catalog_by_metric(seen: Installation, unseen: Unseen, where: str) -> Iterator[Finding]:
    """Yield what the gate itself says about a catalog that cannot be read from here."""
    text = seen.gate_metrics if isinstance(seen.gate_metrics, str) else ""
    ages = [each.value for each in samples(text, "dhi_gate_catalog_age_seconds") if 0 <= each.value < MAX_SECONDS]
    if ages:
        yield from _age(timedelta(seconds=max(ages)), where)
    else:
        why = "without a fresh catalog, good images are refused and bad bases are not known"
        yield not_checked(unseen, severity=Severity.MEDIUM, check="catalog", where=where, why=why)


def _age(age: timedelta, where: str) -> Iterator[Finding]:
    if age > CATALOG_OLD:
        yield Finding(
            severity=Severity.CRITICAL if age > CATALOG_DEAD else Severity.MEDIUM,
            check="catalog-age",
            where=where,
            what=f"it was written {age.days} days ago",
            why="new builds of bases are refused as unknown, and ages and revocations are judged on old knowledge",
            remedy="see why `catalog sync` does not succeed: kubectl get jobs, and the log of the last one",
        )


def _sync(seen: CronJob | Unseen | None, intent: Intent, now: datetime) -> Iterator[Finding]:
    where = f"cronjob/{intent.name}-sync in {intent.namespace}"
    why = "the catalog grows old: new builds of bases are refused as unknown"
    find = partial(Finding, severity=Severity.MEDIUM, check="sync", where=where, why=why)
    match seen:
        case Unseen():
            yield not_checked(seen, severity=Severity.LOW, check="sync", where=where, why=why)
        case None:
            what, remedy = "there is none", "set sync.enabled to true, unless somebody else runs `catalog sync`"
            yield find(severity=Severity.LOW, what=what, remedy=remedy)
        case _ if seen.spec.suspend:
            yield find(what="it is suspended", remedy="resume it when the reason is gone")
        case _:
            last = seen.status.last_successful_time
            if last is None or now - last > CATALOG_OLD:
                ago = "never" if last is None else f"last on {last:%Y-%m-%d %H:%M} UTC"
                yield find(what=f"it succeeded {ago}", remedy="see the log of its last job")


def _read_catalog(contents: bytes) -> Catalog | DocumentError | ParseError:
    try:
        return parse_catalog(contents)
    except (DocumentError, ParseError) as error:
        return error


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise ParseError("", "there is no such key beside the policy")
    return files[name]


def _outcomes(rule: Rule) -> tuple[Requirements | Exemption, ...]:
    return (rule.outcome, *(case.outcome for case in rule.cases))


def _asks_for_base(outcome: Requirements | Exemption) -> bool:
    return isinstance(outcome, Requirements) and outcome.base is not None
