"""Who may do what, computed from roles and bindings as the API server's RBAC authorizer does.

1. A rule grants if verb, API group and resource are in it, or `*` stands for them; `*/SUB` stands for that subresource
   of every resource.
2. A rule with `resourceNames` grants nothing that names no object: `create`, `list`, `watch` and `deletecollection`.
3. A ClusterRoleBinding grants everywhere, a RoleBinding in its namespace alone, and nothing that has none.
4. A binding to a role that is not there grants nothing.

Source: Kubernetes documentation, "Using RBAC Authorization"; `pkg/apis/rbac/v1/evaluation_helpers.go`.
Other authorizers (webhooks, the node authorizer) cannot be read by anybody, and are not covered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from webhook.core.diagnosis.objects import Binding, PolicyRule, Role, RoleRef, Subject

__all__ = ["Rbac", "Right", "holders", "subject_name"]

NAMELESS_VERBS = frozenset({"create", "list", "watch", "deletecollection"})
ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """Any one of `verbs` on a resource, such as `pods` or `pods/exec`; on one object if it has a `name`.

    `namespace` None is a resource that is in none.
    """

    verbs: frozenset[str]
    group: str
    resource: str
    namespace: str | None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rbac:
    """All roles and bindings of a cluster."""

    cluster_roles: tuple[Role, ...] = ()
    cluster_role_bindings: tuple[Binding, ...] = ()
    roles: tuple[Role, ...] = ()
    role_bindings: tuple[Binding, ...] = ()


def holders(rbac: Rbac, rights: Collection[Right]) -> tuple[str, ...]:
    """Return who holds at least one of the rights, each once, sorted, as `subject_name` writes them.

    What Kubernetes itself brings along is left out: the group that no rule can bind, and its own components.
    """
    found = {
        subject_name(subject, binding)
        for binding, rules in _grants(rbac)
        if any(_grants_right(binding, rules, right) for right in rights)
        for subject in binding.subjects or ()
        if not _is_component(subject, binding)
    }
    return tuple(sorted(found))


def subject_name(subject: Subject, binding: Binding) -> str:
    """Write a subject as `user:NAME`, `group:NAME` or `serviceaccount:NAMESPACE/NAME`."""
    if subject.kind == "ServiceAccount":
        return f"serviceaccount:{subject.namespace or binding.metadata.namespace}/{subject.name}"
    if subject.kind == "User" and subject.name.startswith(ACCOUNT):
        return f"serviceaccount:{subject.name.removeprefix(ACCOUNT).replace(':', '/', 1)}"
    return f"{subject.kind.lower()}:{subject.name}"


def _grants(rbac: Rbac) -> Iterator[tuple[Binding, tuple[PolicyRule, ...]]]:
    """Yield every binding with the rules that it brings into force."""
    cluster_roles = {role.metadata.name: role for role in rbac.cluster_roles}
    roles = {(role.metadata.namespace, role.metadata.name): role for role in rbac.roles}

    def rules(reference: RoleRef, namespace: str) -> tuple[PolicyRule, ...]:
        cluster_wide = reference.kind == "ClusterRole"
        role = cluster_roles.get(reference.name) if cluster_wide else roles.get((namespace, reference.name))
        return tuple(role.rules or ()) if role is not None else ()

    for binding in (*rbac.cluster_role_bindings, *rbac.role_bindings):
        yield binding, rules(binding.role_ref, binding.metadata.namespace)


def _grants_right(binding: Binding, rules: tuple[PolicyRule, ...], right: Right) -> bool:
    """Tell whether a binding grants a right. One that is in no namespace is a ClusterRoleBinding."""
    if binding.metadata.namespace not in ("", right.namespace):
        return False
    return any(_rule_grants(rule, right, verb) for rule in rules for verb in right.verbs)


def _rule_grants(rule: PolicyRule, right: Right, verb: str) -> bool:
    if not _has(rule.verbs, verb) or not _has(rule.api_groups or (), right.group):
        return False
    if not _has_resource(rule.resources or (), right.resource):
        return False
    if not rule.resource_names:
        return True
    return verb not in NAMELESS_VERBS and bool(right.name) and right.name in rule.resource_names


def _has(listed: Collection[str], wanted: str) -> bool:
    return wanted in listed or "*" in listed


def _has_resource(listed: Collection[str], wanted: str) -> bool:
    _, slash, subresource = wanted.partition("/")
    return _has(listed, wanted) or (bool(slash) and f"*/{subresource}" in listed)


def _is_component(subject: Subject, binding: Binding) -> bool:
    """Tell whether this is Kubernetes itself: `system:masters`, a component, or a controller under its own binding.

    Source: `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`: the binding `system:controller:NAME` is of the account
    NAME in `kube-system`, and components are users of their own names.
    """
    match subject.kind:
        case "Group":
            return subject.name == "system:masters"
        case "User":
            return subject.name in {"system:kube-controller-manager", "system:kube-scheduler"}
        case _:
            own = f"system:controller:{subject.name}"
            return subject.namespace == "kube-system" and binding.metadata.name == own
