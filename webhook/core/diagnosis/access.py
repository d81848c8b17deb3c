"""Who can take the gate away, or walk past it: rights on its objects, and in the namespaces that it does not judge.

Source: Kubernetes documentation, "Role Based Access Control Good Practices" and "Admission Webhook Good Practices".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from webhook.core.diagnosis.coverage import excluded_namespaces, further_terms
from webhook.core.diagnosis.findings import Finding, Severity, Unseen, not_checked
from webhook.core.diagnosis.installation import Installation, Intent
from webhook.core.diagnosis.intended import EXCLUDED_ALWAYS, PODS
from webhook.core.diagnosis.objects import Selector, WebhookConfiguration
from webhook.core.diagnosis.rights import Right, holders
from webhook.core.diagnosis.webhooks import configured
from webhook.core.reading.plain_text import listing

__all__ = ["diagnose_access"]

CHANGE = frozenset({"create", "update", "patch", "delete", "deletecollection"})
READ = frozenset({"get", "list", "watch"})
SWAP = frozenset({"update", "patch"})
CREATE = frozenset({"create"})
MAKERS = (
    ("", "pods"),
    ("", "replicationcontrollers"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
)
EVERYBODY = frozenset(
    {
        *("group:system:authenticated", "group:system:unauthenticated", "user:system:anonymous"),
        "group:system:serviceaccounts",
    }
)
MAX_SHOWN = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class _Power:
    """Something that somebody could do to the gate. `own` are the accounts that have to be able to."""

    check: str
    where: str
    what: str
    why: str
    rights: tuple[Right, ...]
    own: frozenset[str] = frozenset()


def diagnose_access(seen: Installation, intent: Intent) -> Iterator[Finding]:
    """Yield, for each power over the gate, who has it beside those who must and those who are trusted.

    Everybody is grave, an account of a program is medium, because whoever takes over the program has it, and a person
    or a group is low.
    """
    if isinstance(seen.rbac, Unseen):
        why = "who can change the gate, or walk past it"
        yield not_checked(seen.rbac, severity=Severity.MEDIUM, check="access", where="rbac", why=why)
        return
    for power in _powers(seen, intent):
        found = [each for each in holders(seen.rbac, power.rights) if each not in power.own | intent.trusted]
        yield from _findings(power, found)


def _findings(power: _Power, found: list[str]) -> Iterator[Finding]:
    everybody = tuple(each for each in found if each in EVERYBODY or each.startswith("group:system:serviceaccounts:"))
    programs = tuple(each for each in found if each.startswith("serviceaccount:"))
    people = tuple(each for each in found if each not in {*everybody, *programs})
    degrees = ((Severity.CRITICAL, everybody), (Severity.MEDIUM, programs), (Severity.LOW, people))
    for severity, subjects in degrees:
        if subjects:
            yield Finding(
                severity=severity,
                check=power.check,
                where=power.where,
                what=f"{listing(subjects, limit=MAX_SHOWN)} can {power.what}",
                why=power.why,
                remedy="take the right away, or say that they are meant to have it with --trusted SUBJECT",
            )


def _powers(seen: Installation, intent: Intent) -> Iterator[_Power]:
    yield from _over_configurations(intent)
    yield from _over_documents(seen, intent)
    yield from _over_the_server(intent)
    yield from _over_rbac(intent)
    for namespace in sorted(_excluded(seen, intent)):
        yield _in_excluded(namespace)
    if further_terms(_selector(seen)):
        rights = (Right(verbs=CHANGE, group="", resource="namespaces", namespace=None),)
        yield _Power(
            check="access-namespaces",
            where="namespaces",
            what="label namespaces",
            why="which namespaces are judged depends on labels, so they can let a namespace leave",
            rights=rights,
        )


def _over_configurations(intent: Intent) -> Iterator[_Power]:
    group = "admissionregistration.k8s.io"
    kinds = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
    # Creating another one takes nothing away from this one.
    verbs = CHANGE - CREATE
    yield _Power(
        check="access-webhooks",
        where=f"webhook configurations {intent.name}",
        what="change or delete them",
        why="then the gate is asked about nothing, and nobody but the audit log of the API server knows",
        rights=tuple(
            Right(verbs=verbs, group=group, resource=kind, namespace=None, name=intent.name) for kind in kinds
        ),
        own=_accounts(intent, ""),
    )
    guards = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
    yield _Power(
        check="access-guard",
        where=f"the guard {intent.name}-guard",
        what="change or delete it",
        why="then the webhook configurations are guarded by RBAC alone",
        rights=tuple(
            Right(verbs=verbs, group=group, resource=kind, namespace=None, name=f"{intent.name}-guard")
            for kind in guards
        ),
    )


def _over_documents(seen: Installation, intent: Intent) -> Iterator[_Power]:
    documents = (("policy", seen.policy, _accounts(intent)), ("catalog", seen.catalog, _accounts(intent, "-sync")))
    for kind, document, own in documents:
        if document is None or document.config_map is None:
            continue
        namespace, name = document.config_map
        yield _Power(
            check=f"access-{kind}",
            where=f"configmap/{name} in {namespace}",
            what=f"change the {kind}",
            why="whoever writes it decides what is let in",
            rights=(Right(verbs=CHANGE, group="", resource="configmaps", namespace=namespace, name=name),),
            own=own,
        )


def _over_the_server(intent: Intent) -> Iterator[_Power]:
    namespace, name = intent.namespace, intent.name
    yield _Power(
        check="access-secret",
        where=f"secret/{name}-ca in {namespace}",
        what="read or change it",
        why="with the key in it, somebody can pass for the gate before the API server",
        rights=(Right(verbs=CHANGE | READ, group="", resource="secrets", namespace=namespace, name=f"{name}-ca"),),
        own=_accounts(intent, ""),
    )
    yield _Power(
        check="access-deployment",
        where=f"deployment/{name} in {namespace}",
        what="change, stop or enter the gate",
        why="whoever does decides what is let in, or that nobody is asked",
        rights=(
            Right(verbs=CHANGE - CREATE, group="apps", resource="deployments", namespace=namespace, name=name),
            Right(verbs=SWAP, group="apps", resource="deployments/scale", namespace=namespace, name=name),
            Right(verbs=CREATE | {"get"}, group="", resource="pods/exec", namespace=namespace),
            Right(verbs=CHANGE - CREATE, group="", resource="services", namespace=namespace, name=name),
            Right(verbs=CREATE, group="", resource="serviceaccounts/token", namespace=namespace, name=name),
        ),
    )


def _over_rbac(intent: Intent) -> Iterator[_Power]:
    """Yield who can get whatever right they like, by name too: `cluster-admin` and `system:masters` are enough."""
    grow, act = frozenset({"bind", "escalate"}), frozenset({"impersonate"})
    group = "rbac.authorization.k8s.io"
    yield _Power(
        check="access-rbac",
        where="rbac",
        what="give themselves any right (bind, escalate, impersonate)",
        why="they can do everything that is listed here, and everything else",
        rights=(
            Right(verbs=grow, group=group, resource="clusterroles", namespace=None, name="cluster-admin"),
            Right(verbs=grow, group=group, resource="roles", namespace=intent.namespace),
            Right(verbs=act, group="", resource="users", namespace=None),
            Right(verbs=act, group="", resource="serviceaccounts", namespace=None),
            Right(verbs=act, group="", resource="groups", namespace=None, name="system:masters"),
        ),
    )


def _in_excluded(namespace: str) -> _Power:
    make = tuple(Right(verbs=CREATE, group=group, resource=kind, namespace=namespace) for group, kind in MAKERS)
    swap = tuple(
        Right(verbs=SWAP, group=group, resource=kind, namespace=namespace)
        for group, kind in (*MAKERS, ("", "pods/ephemeralcontainers"))
    )
    return _Power(
        check="access-excluded-namespace",
        where=f"namespace/{namespace}",
        what="run any image there",
        why="the gate is not asked about this namespace",
        rights=(*make, *swap),
    )


def _accounts(intent: Intent, *suffixes: str) -> frozenset[str]:
    return frozenset(f"serviceaccount:{intent.namespace}/{intent.name}{suffix}" for suffix in suffixes)


def _selector(seen: Installation) -> Selector | None:
    webhook = configured(seen.validating, PODS) if isinstance(seen.validating, WebhookConfiguration) else None
    return webhook.namespace_selector if webhook else None


def _excluded(seen: Installation, intent: Intent) -> frozenset[str]:
    """Return the namespaces that are not judged; those that should not be, where the configuration is not known."""
    selector = _selector(seen)
    return excluded_namespaces(selector) if selector else frozenset({*EXCLUDED_ALWAYS, intent.namespace})
