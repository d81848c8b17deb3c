"""Every way in which the webhook configurations can be changed, and what a doctor says to it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.diagnosing.given import House, webhook_of
from tests.fakes.cluster import Manifest
from webhook.core.policy import Mode
from webhook.diagnosing.looking import MUTATING, VALIDATING
from webhook.ports import ApiResource

PODS, WORKLOADS, PIN = "pods.dhi-gate.dev", "workloads.dhi-gate.dev", "pin.dhi-gate.dev"
KINDS = {PODS: VALIDATING, WORKLOADS: VALIDATING, PIN: MUTATING}
ALWAYS_TRUE = {"name": "exclude", "expression": "object.metadata.name != 'evil'"}


def changed(name: str, **fields: Any) -> House:  # noqa: ANN401 - any JSON
    """Return an installation with fields of one entry replaced."""
    house = House()
    house.change(KINDS[name], lambda one: webhook_of(one, name).update(fields))
    return house


def with_rule(name: str, **fields: Any) -> House:  # noqa: ANN401 - any JSON
    """Return an installation with fields of the first rule of one entry replaced."""
    house = House()
    house.change(KINDS[name], lambda one: webhook_of(one, name)["rules"][0].update(fields))
    return house


@pytest.mark.parametrize(("resource", "expected"), [(VALIDATING, "critical"), (MUTATING, "medium")])
async def test_a_configuration_that_is_gone(resource: ApiResource, expected: str) -> None:
    """Without the validating one nothing is judged; without the pinning one, what it is counted on for."""
    house = House()
    house.remove(resource)
    check = "validating-webhook" if resource is VALIDATING else "mutating-webhook"
    assert await house.degree(check) == expected


async def test_pinning_that_nobody_counts_on() -> None:
    """Where the policy does not say `pinTags: true`, no pinning may be meant."""
    house = House()
    house.remove(MUTATING)
    house.write_policy("""
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata: {name: production}
spec: {rules: [{name: everything, require: {pinned: true}}]}
""")
    assert await house.degree("mutating-webhook") == "info"


@pytest.mark.parametrize(("name", "expected"), [(PODS, "critical"), (WORKLOADS, "low")])
async def test_an_entry_that_is_gone(name: str, expected: str) -> None:
    """What counts are the pods; templates only get advice."""
    house = House()
    house.change(VALIDATING, lambda one: one["webhooks"].remove(webhook_of(one, name)))
    assert await house.degree("webhook-missing") == expected


async def test_a_configuration_without_entries() -> None:
    """An empty configuration asks nobody."""
    house = House()
    house.change(VALIDATING, lambda one: one.pop("webhooks"))
    assert ("critical", "there is no such entry") in await house.found("webhook-missing")


async def test_an_entry_that_nobody_knows() -> None:
    """A webhook of somebody else in our configuration is told."""
    house = House()
    house.change(VALIDATING, lambda one: one["webhooks"].append({**webhook_of(one, PODS), "name": "spy.example"}))
    assert await house.found("webhook-unknown") == [
        ("medium", "there are entries that the chart does not have: spy.example")
    ]


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"operations": ["CREATE"]}, "UPDATE pods, UPDATE pods/ephemeralcontainers"),
        ({"resources": ["pods"]}, "CREATE pods/ephemeralcontainers, UPDATE pods/ephemeralcontainers"),
        ({"resources": ["*"]}, "CREATE pods/ephemeralcontainers, UPDATE pods/ephemeralcontainers"),
        ({"resources": ["*/ephemeralcontainers"]}, "CREATE pods, UPDATE pods"),
        ({"scope": "Cluster"}, "CREATE pods"),
        ({"apiGroups": ["apps"]}, "CREATE pods"),
        ({"apiVersions": ["v1beta1"]}, "CREATE pods"),
        ({"resources": []}, "CREATE pods"),
    ],
)
async def test_rules_that_are_narrowed(fields: Manifest, missing: str) -> None:
    """Whatever the rules no longer speak about gets in unseen, and is named."""
    ((severity, what), *_) = await with_rule(PODS, **fields).found("rules")
    assert severity == "critical"
    assert what.startswith(f"no rule speaks about {missing}")


async def test_an_entry_without_rules() -> None:
    """It is asked about nothing."""
    house = House()
    house.change(VALIDATING, lambda one: webhook_of(one, PODS).pop("rules"))
    assert await house.degree("rules") == "critical"


@pytest.mark.parametrize(
    "fields",
    [
        {"resources": ["pods", "pods/ephemeralcontainers", "pods/status"]},
        {"resources": ["pods/*"]},
        {"resources": ["*/*"]},
        {"operations": ["*"]},
        {"apiGroups": ["", "apps"]},
    ],
)
async def test_rules_that_are_widened(fields: Manifest) -> None:
    """They let nothing through, and hold up more than needed."""
    assert await with_rule(PODS, **fields).degree("rules") == "low"


async def test_rules_that_say_the_same_otherwise() -> None:
    """Any scope that holds namespaced objects, and any version, covers pods."""
    assert await with_rule(PODS, scope="*", apiVersions=["*"]).degree("rules") == ""


@pytest.mark.parametrize(("name", "expected"), [(PODS, "critical"), (WORKLOADS, "low"), (PIN, "low")])
async def test_a_condition_that_somebody_added(name: str, expected: str) -> None:
    """What it excludes is never seen, whatever else it says."""
    house = House()
    house.change(
        KINDS[name],
        lambda one: webhook_of(one, name).update(
            matchConditions=[*webhook_of(one, name).get("matchConditions", []), ALWAYS_TRUE]
        ),
    )
    assert await house.degree("match-conditions") == expected


async def test_a_condition_that_somebody_changed() -> None:
    """An expression of the same name counts by what it says."""
    condition = {"name": "images-changed", "expression": "request.operation == 'UPDATE'"}
    assert await changed(PODS, matchConditions=[condition]).degree("match-conditions") == "critical"


@pytest.mark.parametrize(("name", "expected"), [(PODS, "medium"), (PIN, "low")])
async def test_a_condition_that_is_gone(name: str, expected: str) -> None:
    """An outage then holds up every label."""
    assert await changed(name, matchConditions=[]).degree("match-conditions") == expected


@pytest.mark.parametrize(
    ("name", "service", "expected"),
    [
        (PODS, {"name": "evil"}, "high"),
        (PODS, {"namespace": "evil"}, "high"),
        (PODS, {"port": 8443}, "high"),
        (PODS, {"path": "/validate/advisory"}, "critical"),
        (WORKLOADS, {"path": "/validate"}, "medium"),
        (PIN, {"name": "evil"}, "high"),
    ],
)
async def test_another_destination(name: str, service: Manifest, expected: str) -> None:
    """Whoever answers decides; a path that only advises never denies."""
    house = House()
    house.change(KINDS[name], lambda one: webhook_of(one, name)["clientConfig"]["service"].update(service))
    assert await house.degree("destination") == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [("https://evil.example/validate", "high"), ("https://evil.example", "critical"), ("", "critical")],
)
async def test_a_destination_outside(url: str, expected: str) -> None:
    """A URL in place of the Service is told."""
    config = {"url": url, "caBundle": House().bundle()}
    assert await changed(PODS, clientConfig=config).degree("destination") == expected


@pytest.mark.parametrize(
    ("fields", "check", "expected"),
    [
        ({"matchPolicy": "Exact"}, "match-policy", "medium"),
        ({"sideEffects": "NoneOnDryRun"}, "side-effects", "medium"),
        ({"admissionReviewVersions": ["v1beta1"]}, "review-version", "high"),
        ({"admissionReviewVersions": None}, "review-version", "high"),
        ({"timeoutSeconds": 30}, "timeout", "low"),
        ({"failurePolicy": "Ignore"}, "failure-policy", "high"),
        ({"objectSelector": {"matchLabels": {"judge": "me"}}}, "object-selector", "critical"),
    ],
)
async def test_fields_that_are_changed(fields: Manifest, check: str, expected: str) -> None:
    """Each field that matters is held against the chart's."""
    assert await changed(PODS, **fields).degree(check) == expected


@pytest.mark.parametrize(
    ("name", "fields", "check", "expected"),
    [
        (WORKLOADS, {"failurePolicy": "Fail"}, "failure-policy", "medium"),
        (
            WORKLOADS,
            {"objectSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}},
            "object-selector",
            "medium",
        ),
        (PIN, {"failurePolicy": "Fail"}, "failure-policy", "medium"),
        (PIN, {"reinvocationPolicy": "Never"}, "reinvocation-policy", "low"),
    ],
)
async def test_fields_of_the_other_entries(name: str, fields: Manifest, check: str, expected: str) -> None:
    """What only advises, or only pins, lets nothing through and must hold nothing up."""
    assert await changed(name, **fields).degree(check) == expected


async def test_the_failure_policy_follows_the_mode() -> None:
    """Below enforce, `Fail` would refuse what a running gate never refuses."""
    house = House()
    house.intent = type(house.intent)(namespace="dhi-gate", name="dhi-gate", mode=Mode.WARN)
    assert await house.degree("failure-policy") == "medium"


def selecting(*expressions: Manifest, labels: Manifest | None = None) -> House:
    """Return an installation with this namespaceSelector."""
    return changed(PODS, namespaceSelector={"matchExpressions": list(expressions), "matchLabels": labels or {}})


def leaving_out(*names: str) -> Manifest:
    """Return the condition that leaves namespaces out by name."""
    return {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": list(names)}


CHARTS = ("kube-system", "kube-node-lease", "dhi-gate")


async def test_a_namespace_that_is_left_out() -> None:
    """It is told, unless whoever asks has named it."""
    house = selecting(leaving_out(*CHARTS, "shop"))
    assert ("medium", "namespaces are left out that nobody named: shop") in await house.found("excluded-namespaces")
    house.intent = type(house.intent)(namespace="dhi-gate", name="dhi-gate", excluded=frozenset({"shop"}))
    assert [severity for severity, _ in await house.found("excluded-namespaces")] == ["info"]


@pytest.mark.parametrize("selector", [None, {}, {"matchExpressions": [leaving_out("kube-node-lease")]}])
async def test_a_namespace_that_must_be_left_out(selector: Manifest | None) -> None:
    """A gate that is asked about itself, or about the system, can keep both from coming back."""
    found = await changed(PODS, namespaceSelector=selector).found("excluded-namespaces")
    assert found[0][0] == "high"
    assert "dhi-gate, kube-" in found[0][1]


@pytest.mark.parametrize(
    ("house", "shown"),
    [
        (selecting(leaving_out(*CHARTS), labels={"judged": "yes"}), "judged=yes"),
        (selecting(leaving_out(*CHARTS), {"key": "judged", "operator": "Exists"}), "judged Exists"),
        (
            selecting(leaving_out(*CHARTS), {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["a"]}),
            "kubernetes.io/metadata.name In (a)",
        ),
    ],
)
async def test_namespaces_that_are_picked_by_labels(house: House, shown: str) -> None:
    """What is not picked is not judged, and who labels namespaces decides."""
    assert await house.found("namespace-selector") == [("medium", f"only namespaces with {shown} are judged")]


async def test_others_that_change_pods() -> None:
    """Their names are part of the picture, if they are asked about pods at all."""
    house = House()
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    house.cluster.put(
        MUTATING, {"metadata": {"name": "mesh"}, "webhooks": [{"name": "inject.example", "rules": rules}]}
    )
    house.cluster.put(MUTATING, {"metadata": {"name": "nothing"}})
    house.cluster.put(MUTATING, {"metadata": {"name": "silent"}, "webhooks": [{"name": "other.example"}]})
    assert await house.found("other-webhooks") == [("info", "others change pods: mesh/inject.example")]
