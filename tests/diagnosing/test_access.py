"""Who can take the gate away, or walk past it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.diagnosing.given import DEPLOYMENTS, House, webhook_of
from tests.fakes.cluster import Manifest
from webhook.core.diagnosis.findings import exit_status
from webhook.core.diagnosis.installation import Intent
from webhook.core.diagnosis.objects import Binding, Metadata, PolicyRule, Role, RoleRef, Subject
from webhook.core.diagnosis.rights import Rbac, Right, holders
from webhook.diagnosing.looking import RBAC, VALIDATING
from webhook.ports import ApiResource, ClusterTroubleKind

CI: Manifest = {"kind": "ServiceAccount", "name": "ci", "namespace": "build"}
ANN: Manifest = {"kind": "User", "name": "ann"}
CONFIGURATIONS = "validatingwebhookconfigurations"


def rule(group: str, resource: str, *verbs: str, names: tuple[str, ...] = ()) -> Manifest:
    """Return a rule of a role."""
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs), "resourceNames": list(names)}


@pytest.mark.parametrize(
    ("one", "check"),
    [
        (rule("admissionregistration.k8s.io", CONFIGURATIONS, "delete", names=("dhi-gate",)), "access-webhooks"),
        (rule("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "deletecollection"), "access-webhooks"),
        (rule("admissionregistration.k8s.io", "validatingadmissionpolicybindings", "delete"), "access-guard"),
        (rule("", "configmaps", "update", names=("dhi-gate-policy",)), "access-policy"),
        (rule("", "configmaps", "patch", names=("dhi-gate-catalog",)), "access-catalog"),
        (rule("", "secrets", "get", names=("dhi-gate-ca",)), "access-secret"),
        (rule("", "secrets", "list"), "access-secret"),
        (rule("apps", "deployments", "patch", names=("dhi-gate",)), "access-deployment"),
        (rule("apps", "*/scale", "patch"), "access-deployment"),
        (rule("", "pods/exec", "create"), "access-deployment"),
        (rule("", "serviceaccounts/token", "create"), "access-deployment"),
        (rule("rbac.authorization.k8s.io", "clusterroles", "escalate"), "access-rbac"),
        (rule("rbac.authorization.k8s.io", "clusterroles", "bind", names=("cluster-admin",)), "access-rbac"),
        (rule("rbac.authorization.k8s.io", "roles", "bind"), "access-rbac"),
        (rule("", "users", "impersonate"), "access-rbac"),
        (rule("", "groups", "impersonate", names=("system:masters",)), "access-rbac"),
        (rule("batch", "jobs", "create"), "access-excluded-namespace"),
        (rule("", "pods/ephemeralcontainers", "patch"), "access-excluded-namespace"),
    ],
)
async def test_a_right_is_found(one: Manifest, check: str) -> None:
    """Every way to change the gate, or to go where it does not look, has its check; an account weighs more."""
    house = House()
    house.bind(CI, one)
    house.bind(ANN, one, role="other")
    found = await house.found(check)
    assert {severity for severity, _ in found} == {"medium", "low"}
    assert any(what.startswith("serviceaccount:build/ci can ") for _, what in found)
    assert any(what.startswith("user:ann can ") for _, what in found)


@pytest.mark.parametrize(
    "one",
    [
        rule("admissionregistration.k8s.io", CONFIGURATIONS, "get", "list", "create"),
        rule("admissionregistration.k8s.io", CONFIGURATIONS, "delete", names=("other",)),
        rule("admissionregistration.k8s.io", CONFIGURATIONS, "deletecollection", names=("dhi-gate",)),
        rule("apps", CONFIGURATIONS, "delete"),
        rule("", "configmaps", "get"),
        rule("", "secrets", "get", names=("other",)),
        rule("", "secrets", "list", names=("dhi-gate-ca",)),
        rule("apps", "deployments/status", "patch"),
        rule("rbac.authorization.k8s.io", "clusterroles", "bind", names=("view",)),
        rule("", "groups", "impersonate", names=("developers",)),
    ],
)
async def test_what_is_no_danger_is_not_told(one: Manifest) -> None:
    """Reading, other objects, and names where a request has none."""
    house = House()
    house.bind(CI, one)
    assert not [each for each in await house.findings() if each.check.startswith("access")]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ({"kind": "Group", "name": "system:authenticated"}, "critical"),
        ({"kind": "Group", "name": "system:serviceaccounts:build"}, "critical"),
        ({"kind": "User", "name": "system:anonymous"}, "critical"),
        ({"kind": "User", "name": "system:serviceaccount:build:ci"}, "medium"),
        ({"kind": "Group", "name": "platform"}, "low"),
        ({"kind": "Group", "name": "system:masters"}, ""),
        ({"kind": "User", "name": "system:kube-controller-manager"}, ""),
        ({"kind": "ServiceAccount", "name": "dhi-gate", "namespace": "dhi-gate"}, ""),
    ],
)
async def test_who_it_is_matters(subject: Manifest, expected: str) -> None:
    """Everybody is grave; Kubernetes itself, and the gate with its own bundle, are none."""
    house = House()
    house.bind(subject, rule("admissionregistration.k8s.io", CONFIGURATIONS, "update"))
    assert await house.degree("access-webhooks") == expected


async def test_a_controller_is_known_by_its_own_binding_alone() -> None:
    """The account of a controller that somebody bound elsewhere too is told."""
    house = House()
    controller = {"kind": "ServiceAccount", "name": "job-controller", "namespace": "kube-system"}
    house.bind(controller, rule("", "pods", "create"), role="system:controller:job-controller")
    assert await house.found("access-excluded-namespace") == []
    house.bind(controller, rule("", "pods", "create"), role="mine")
    assert len(await house.found("access-excluded-namespace")) == 3


async def test_somebody_who_is_trusted() -> None:
    """Whom an operator names is not told, and the status is 0."""
    house = House()
    house.bind(CI, rule("*", "*", "*"))
    assert exit_status(await house.findings()) == 1
    house.intent = Intent(namespace="dhi-gate", name="dhi-gate", trusted=frozenset({"serviceaccount:build/ci"}))
    assert exit_status(await house.findings()) == 0


async def test_a_right_in_another_namespace_is_none() -> None:
    """A RoleBinding counts where it is; an account without a namespace is of that of its binding."""
    house = House()
    house.bind({"kind": "ServiceAccount", "name": "ci"}, rule("", "pods", "create"), namespace="shop")
    assert await house.found("access-excluded-namespace") == []
    house.bind({"kind": "ServiceAccount", "name": "ci"}, rule("", "pods", "create"), namespace="kube-system")
    assert await house.found("access-excluded-namespace") == [
        ("medium", "serviceaccount:kube-system/ci can run any image there")
    ]


async def test_labels_matter_where_namespaces_are_picked_by_them() -> None:
    """Who may label namespaces is told only if that decides anything."""
    house = House()
    house.bind(ANN, rule("", "namespaces", "patch"))
    assert await house.found("access-namespaces") == []
    house.change(
        VALIDATING,
        lambda one: webhook_of(one, "pods.dhi-gate.dev")["namespaceSelector"].update(matchLabels={"judged": "yes"}),
    )
    assert await house.degree("access-namespaces") == "low"


async def test_a_document_that_is_in_no_config_map_has_no_editors() -> None:
    """What is in a registry is not a matter of RBAC."""
    house = House()
    house.bind(ANN, rule("", "configmaps", "update"))
    server = "--policy=oci:registry.example/p:1", "--catalog=oci:registry.example/c:1"
    house.change(
        DEPLOYMENTS, lambda one: one["spec"]["template"]["spec"]["containers"][0].update(args=["serve", *server])
    )
    assert {each.check for each in await house.findings() if each.check.startswith("access")} == set()


@pytest.mark.parametrize("resource", RBAC, ids=lambda each: each.plural)
async def test_a_part_of_rbac_is_not_enough(resource: ApiResource) -> None:
    """Where roles or bindings cannot be listed, nothing is said about rights, and the status is 2."""
    house = House()
    house.cluster.break_down(ClusterTroubleKind.FORBIDDEN, plural=resource.plural)
    found = await house.findings()
    assert [(each.severity.value, each.checked) for each in found if each.check == "access"] == [("medium", False)]
    assert exit_status(found) == 2


async def test_rbac_that_makes_no_sense_is_not_read_in_part() -> None:
    """A role that cannot be read could grant anything."""
    house = House()
    house.cluster.put(RBAC[0], {"metadata": {"name": "odd"}, "rules": "all"})
    assert await house.degree("access") == "medium"


async def test_a_role_that_is_not_there_grants_nothing() -> None:
    """A binding alone is no right, and a role without rules is none either."""
    house = House()
    house.cluster.put(
        RBAC[1], {"metadata": {"name": "a"}, "roleRef": {"kind": "ClusterRole", "name": "gone"}, "subjects": [ANN]}
    )
    house.cluster.put(RBAC[0], {"metadata": {"name": "empty"}})
    house.cluster.put(
        RBAC[1], {"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "empty"}, "subjects": [ANN]}
    )
    house.cluster.put(RBAC[1], {"metadata": {"name": "c"}, "roleRef": {"kind": "ClusterRole", "name": "empty"}})
    assert not [each for each in await house.findings() if each.check.startswith("access")]


WORDS = st.sampled_from(["*", "get", "update", "delete", "create"])
RULES = st.builds(
    PolicyRule,
    verbs=st.lists(WORDS, max_size=3),
    api_groups=st.lists(st.sampled_from(["*", "", "apps"]), max_size=2),
    resources=st.lists(st.sampled_from(["*", "pods", "pods/exec", "*/exec", "configmaps"]), max_size=2),
    resource_names=st.lists(st.sampled_from(["a", "b"]), max_size=2),
)
RIGHTS = st.builds(
    Right,
    verbs=st.frozensets(st.sampled_from(["get", "update", "delete", "create"]), min_size=1),
    group=st.sampled_from(["", "apps"]),
    resource=st.sampled_from(["pods", "pods/exec", "configmaps"]),
    namespace=st.sampled_from(["shop", "garage"]),
    name=st.sampled_from(["", "a"]),
)


def bound(rules: list[PolicyRule], *, namespace: str = "") -> Rbac:
    """Return rules that are bound to somebody, in a namespace or everywhere."""
    role = Role(metadata=Metadata(name="r", namespace=namespace), rules=rules)
    subject = Subject(kind="User", name="ann")
    reference = RoleRef(kind="Role" if namespace else "ClusterRole", name="r")
    binding = Binding(metadata=Metadata(name="b", namespace=namespace), role_ref=reference, subjects=[subject])
    if namespace:
        return Rbac(roles=(role,), role_bindings=(binding,))
    return Rbac(cluster_roles=(role,), cluster_role_bindings=(binding,))


@given(rules=st.lists(RULES, max_size=3), more=RULES, right=RIGHTS)
def test_a_further_rule_takes_no_right_away(rules: list[PolicyRule], more: PolicyRule, right: Right) -> None:
    """RBAC only adds."""
    assert set(holders(bound(rules), [right])) <= set(holders(bound([*rules, more]), [right]))


@given(rules=st.lists(RULES, max_size=3), right=RIGHTS)
def test_what_holds_everywhere_holds_somewhere(rules: list[PolicyRule], right: Right) -> None:
    """The same rules grant in a namespace exactly what they grant everywhere, and nothing in another one."""
    everywhere = holders(bound(rules), [right])
    assert holders(bound(rules, namespace=right.namespace or ""), [right]) == everywhere
    assert holders(bound(rules, namespace="elsewhere"), [right]) == ()


@given(right=RIGHTS)
def test_who_may_do_everything_may_do_this(right: Right) -> None:
    """`*` stands for every verb, group and resource."""
    everything = PolicyRule(verbs=["*"], api_groups=["*"], resources=["*"])
    assert holders(bound([everything]), [right]) == ("user:ann",)
