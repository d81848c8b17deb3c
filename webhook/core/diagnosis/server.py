"""The server: its Deployment, what it is told, and what keeps it running."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from webhook.core.diagnosis.findings import Finding, Severity, Unseen, not_checked
from webhook.core.diagnosis.installation import Installation, Intent, Sight
from webhook.core.diagnosis.objects import Container, Deployment
from webhook.core.policy import Mode
from webhook.core.reading.plain_text import printable

__all__ = ["argument", "diagnose_server", "mode_of", "server_of"]

REPLICAS = 2
ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"


def server_of(deployment: Deployment) -> Container | None:
    """Return the container of the Deployment that is the gate."""
    return next((each for each in deployment.spec.template.spec.containers if each.name == "server"), None)


def argument(container: Container, flag: str) -> str | None:
    """Return the value of a flag that is written `FLAG=VALUE`, the last one if it is there twice; None without."""
    values = [each.removeprefix(f"{flag}=") for each in container.args or () if each.startswith(f"{flag}=")]
    return values[-1] if values else None


def mode_of(deployment: Sight[Deployment]) -> Mode:
    """Return what the server does at most; ENFORCE, its default, where that cannot be told."""
    server = server_of(deployment) if isinstance(deployment, Deployment) else None
    word = argument(server, "--mode-ceiling") if server else None
    return next((mode for mode in Mode if mode.word == word), Mode.ENFORCE)


def diagnose_server(seen: Installation, intent: Intent) -> Iterator[Finding]:
    """Yield what is wrong with the Deployment and with the objects around it."""
    where = f"deployment/{intent.name} in {intent.namespace}"
    match seen.deployment:
        case Unseen() as unseen:
            why = "whether a gate runs, and what it was told"
            yield not_checked(unseen, severity=Severity.HIGH, check="deployment", where=where, why=why)
        case None:
            yield Finding(
                severity=Severity.CRITICAL,
                check="deployment",
                where=where,
                what="there is no such object",
                why="no gate answers: by the failurePolicy everything is refused, or gets in unseen",
                remedy="run `helm upgrade --install`; are --namespace and --release right?",
            )
        case deployment:
            yield from _replicas(deployment, where)
            yield from _told(deployment, where, intent)
    yield from _around(seen, intent)


def _replicas(deployment: Deployment, where: str) -> Iterator[Finding]:
    ready, wanted = deployment.status.ready_replicas, deployment.spec.replicas
    find = partial(Finding, check="replicas", where=where)
    if ready == 0:
        yield find(
            severity=Severity.CRITICAL,
            what=f"none of {wanted} replicas is ready",
            why="no gate answers: by the failurePolicy everything is refused, or gets in unseen",
            remedy="see `kubectl describe` and the log; /readyz?verbose says what a replica lacks",
        )
    elif ready < REPLICAS or ready < wanted:
        yield find(
            severity=Severity.MEDIUM,
            what=f"{ready} of {wanted} replicas are ready",
            why="when the last one restarts, no gate answers",
            remedy=f"see `kubectl describe`, and set `replicas` to {REPLICAS} or more",
        )


def _told(deployment: Deployment, where: str, intent: Intent) -> Iterator[Finding]:
    server = server_of(deployment)
    if server is None:
        yield Finding(
            severity=Severity.HIGH,
            check="server",
            where=where,
            what="no container is called `server`",
            why="this is not the Deployment of the chart: what runs there is not known",
            remedy="run `helm upgrade` with the release's values; are --namespace and --release right?",
        )
        return
    yield from _mode(mode_of(deployment), where, intent)
    if argument(server, "--policy") is None:
        yield Finding(
            severity=Severity.HIGH,
            check="arguments",
            where=where,
            what="the server is not told by an argument where its policy is",
            why="what it decides by cannot be seen from here",
            remedy="run `helm upgrade` with the release's values",
        )
    if "@sha256:" not in server.image:
        yield Finding(
            severity=Severity.MEDIUM,
            check="image",
            where=where,
            what=f"the gate's own image is named without a digest: {printable(server.image)}",
            why="whoever can move the tag decides what is let in",
            remedy="set image.digest",
        )


def _mode(mode: Mode, where: str, intent: Intent) -> Iterator[Finding]:
    if intent.mode is not None and mode is not intent.mode:
        yield Finding(
            severity=Severity.HIGH if mode < intent.mode else Severity.MEDIUM,
            check="mode",
            where=where,
            what=f"the server does at most {mode.word}, not {intent.mode.word}",
            why="what the policy would refuse gets in"
            if mode < intent.mode
            else "images are refused that were not to be",
            remedy=f"run `helm upgrade` with mode: {intent.mode.word}",
        )
    elif mode is not Mode.ENFORCE:
        yield Finding(
            severity=Severity.INFO,
            check="mode",
            where=where,
            what=f"the server does at most {mode.word}",
            why="nothing is refused",
            remedy="set `mode: enforce` when the audit says that nothing good would be refused",
        )


def _around(seen: Installation, intent: Intent) -> Iterator[Finding]:
    """Yield what is wrong with Service, disruption budget and namespace."""
    here = f"in {intent.namespace}"
    restore = "run `helm upgrade` with the release's values"
    unsure = partial(not_checked, severity=Severity.LOW)
    where = f"service/{intent.name} {here}"
    why = "the API server finds no gate to ask"
    if isinstance(seen.service, Unseen):
        yield unsure(seen.service, check="service", where=where, why=why)
    elif seen.service is None:
        yield Finding(
            severity=Severity.CRITICAL, check="service", where=where, what="there is none", why=why, remedy=restore
        )
    where = f"poddisruptionbudget/{intent.name} {here}"
    why = "drains of nodes may stop all replicas at once"
    if isinstance(seen.budget, Unseen):
        yield unsure(seen.budget, check="disruption-budget", where=where, why=why)
    elif seen.budget is None:
        yield Finding(
            severity=Severity.MEDIUM,
            check="disruption-budget",
            where=where,
            what="there is none",
            why=why,
            remedy=restore,
        )
    yield from _pod_security(seen, intent)


def _pod_security(seen: Installation, intent: Intent) -> Iterator[Finding]:
    where = f"namespace/{intent.namespace}"
    why = "nobody judges the pods there: a privileged one could take the gate's keys and its account"
    if isinstance(seen.namespace, Unseen):
        yield not_checked(seen.namespace, severity=Severity.LOW, check="pod-security", where=where, why=why)
        return
    labels = (seen.namespace.metadata.labels if seen.namespace else None) or {}
    level = labels.get(ENFORCE_LABEL)
    if level != "restricted":
        yield Finding(
            severity=Severity.MEDIUM,
            check="pod-security",
            where=where,
            what=f"{ENFORCE_LABEL} is {printable(level or 'not set')}, not restricted",
            why=why,
            remedy=f"kubectl label namespace {intent.namespace} {ENFORCE_LABEL}=restricted",
        )
