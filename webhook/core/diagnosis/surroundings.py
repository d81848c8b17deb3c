"""What is around the installation: the API server's version and its own counts, and the guard."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial

import msgspec

from webhook.core.diagnosis.findings import Finding, Severity, Unseen, not_checked
from webhook.core.diagnosis.installation import Installation, Intent
from webhook.core.diagnosis.intended import PIN, VALIDATING
from webhook.core.diagnosis.metric_text import samples
from webhook.core.reading.plain_text import printable

__all__ = ["diagnose_surroundings"]

FAIL_OPEN = "apiserver_admission_webhook_fail_open_count"
FAIL_OPEN_NAMES = (FAIL_OPEN, f"{FAIL_OPEN}_total")
CONDITIONS_SINCE = (1, 28)
CONDITIONS_STABLE = (1, 30)
"""KEP-3716: on by default, and beyond being switched off."""


class _Version(msgspec.Struct, frozen=True, rename="camel"):
    major: str
    minor: str
    git_version: str = ""


def diagnose_surroundings(seen: Installation, intent: Intent) -> Iterator[Finding]:
    """Yield what the API server says about itself and about the webhooks, and whether they are guarded."""
    yield from _version(seen.version)
    yield from _fail_open(seen.server_metrics)
    yield from _guard(seen, intent)


def _version(seen: str | Unseen) -> Iterator[Finding]:
    where = "version of the API server"
    why = "matchConditions, which skip unchanged images, need Kubernetes 1.28"
    version = seen if isinstance(seen, Unseen) else _parsed(seen)
    find = partial(Finding, check="kubernetes-version", where=where, why=why, remedy="upgrade the cluster")
    if isinstance(version, Unseen):
        yield not_checked(version, severity=Severity.LOW, check="kubernetes-version", where=where, why=why)
    elif version < CONDITIONS_SINCE:
        yield find(severity=Severity.MEDIUM, what=f"it is {version[0]}.{version[1]}")
    elif version < CONDITIONS_STABLE:
        yield find(severity=Severity.LOW, what=f"it is {version[0]}.{version[1]}, where they can be switched off")


def _parsed(text: str) -> tuple[int, int] | Unseen:
    """Read what `/version` answers; some providers write a minor as `29+`."""
    try:
        version = msgspec.json.decode(text, type=_Version)
    except msgspec.DecodeError:
        return Unseen(why="the API server's answer makes no sense")
    match = re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})\+?", f"{version.major}.{version.minor}")
    if match is None:
        return Unseen(why=f"the API server calls itself {printable(version.git_version) or 'nothing'}")
    return int(match[1]), int(match[2])


def _fail_open(seen: str | Unseen) -> Iterator[Finding]:
    where = FAIL_OPEN
    why = "whether the API server let pods in because no gate answered"
    if isinstance(seen, Unseen):
        yield not_checked(seen, severity=Severity.LOW, check="fail-open", where=where, why=why)
        return
    names = {PIN.name, *(entry.name for entry in VALIDATING)}
    counts: Counter[str] = Counter()
    for name in FAIL_OPEN_NAMES:
        for sample in samples(seen, name):
            if sample.labels.get("name") in names and 0 < sample.value < float("inf"):
                counts[sample.labels["name"]] += int(sample.value)
    for name, count in sorted(counts.items()):
        judged = name == VALIDATING[0].name
        yield Finding(
            severity=Severity.HIGH if judged else Severity.LOW,
            check="fail-open",
            where=f"{where} {name}",
            what=f"since it started, one API server let {count:,} requests through because no gate answered",
            why="these images were never judged" if judged else "nobody was told what the gate would have said",
            remedy="run `dhi-gate audit` over what runs, and see why the gate did not answer",
        )


def _guard(seen: Installation, intent: Intent) -> Iterator[Finding]:
    where = f"validatingadmissionpolicy/{intent.name}-guard"
    why = "whoever RBAC lets near the webhook configurations can take the gate away"
    find = partial(Finding, check="guard", where=where, why=why)
    policy, binding = seen.guard, seen.guard_binding
    unsure = partial(not_checked, severity=Severity.LOW, check="guard", where=where, why=why)
    if isinstance(policy, Unseen):
        yield unsure(policy)
    elif isinstance(binding, Unseen):
        yield unsure(binding)
    elif policy is None and binding is None:
        yield find(severity=Severity.LOW, what="there is none", remedy="set guard.enabled, and name who may")
    elif policy is None or binding is None or binding.spec.policy_name != f"{intent.name}-guard":
        yield find(severity=Severity.MEDIUM, what="policy or binding is missing", remedy="run `helm upgrade`")
    elif "Deny" not in (binding.spec.validation_actions or ()) or policy.spec.failure_policy != "Fail":
        yield find(severity=Severity.MEDIUM, what="it does not deny", remedy="run `helm upgrade`")
