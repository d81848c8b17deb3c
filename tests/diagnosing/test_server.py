"""The Deployment and what is around it, certificates among it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from tests.diagnosing.given import DEPLOYMENTS, House, webhook_of
from tests.fakes.cluster import NAMESPACES, Manifest
from webhook.core.diagnosis.findings import Unseen
from webhook.core.diagnosis.installation import Handshake, Intent, full_name
from webhook.core.policy import Mode
from webhook.diagnosing.looking import BUDGETS, GUARDS, MUTATING, SERVICES, VALIDATING
from webhook.ports import ApiResource, ClusterTroubleKind


def server(deployment: Manifest) -> Manifest:
    """Return the container that is the gate."""
    found: Manifest = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize(
    ("resource", "check", "expected"),
    [
        (DEPLOYMENTS, "deployment", "critical"),
        (SERVICES, "service", "critical"),
        (BUDGETS, "disruption-budget", "medium"),
    ],
)
async def test_an_object_that_is_gone(resource: ApiResource, check: str, expected: str) -> None:
    """Each object of the release is missed."""
    house = House()
    house.remove(resource)
    assert await house.degree(check) == expected


@pytest.mark.parametrize(
    ("wanted", "ready", "expected"),
    [(2, 0, "critical"), (2, 1, "medium"), (1, 1, "medium"), (3, 2, "medium"), (3, 3, "")],
)
async def test_replicas(wanted: int, ready: int, expected: str) -> None:
    """At least two have to be ready, and as many as are wanted."""
    house = House()
    house.change(
        DEPLOYMENTS, lambda one: (one["spec"].update(replicas=wanted), one.update(status={"readyReplicas": ready}))
    )
    assert await house.degree("replicas") == expected


@pytest.mark.parametrize(
    ("edit", "check", "expected"),
    [
        (lambda one: server(one).update(name="else"), "server", "high"),
        (lambda one: server(one).update(args=["serve"]), "arguments", "high"),
        (lambda one: server(one).pop("args"), "arguments", "high"),
        (lambda one: server(one).update(image="registry.example/dhi-gate:1"), "image", "medium"),
        (lambda one: server(one)["args"].append("--mode-ceiling=warn"), "mode", "info"),
    ],
)
async def test_what_the_server_is(edit: Callable[[Manifest], object], check: str, expected: str) -> None:
    """Its image, its arguments and its mode are looked at; the last of two arguments counts."""
    house = House()
    house.change(DEPLOYMENTS, edit)
    assert await house.degree(check) == expected


@pytest.mark.parametrize(
    ("meant", "ceiling", "expected"),
    [(Mode.ENFORCE, "warn", "high"), (Mode.WARN, "enforce", "medium"), (Mode.ENFORCE, "enforce", "")],
)
async def test_a_mode_that_is_not_meant(meant: Mode, ceiling: str, expected: str) -> None:
    """Being laxer is worse than being stricter."""
    house = House()
    house.intent = Intent(namespace="dhi-gate", name="dhi-gate", mode=meant)
    house.change(DEPLOYMENTS, lambda one: server(one)["args"].append(f"--mode-ceiling={ceiling}"))
    assert await house.degree("mode") == expected


@pytest.mark.parametrize("labels", [None, {"pod-security.kubernetes.io/enforce": "baseline"}])
async def test_the_namespace_is_not_restricted(labels: Manifest | None) -> None:
    """Nobody judges the pods beside the gate, so that Pod Security has to."""
    house = House()
    house.cluster.put(NAMESPACES, {"metadata": {"name": "dhi-gate", "labels": labels}})
    assert await house.degree("pod-security") == "medium"


async def test_a_namespace_that_is_not_there() -> None:
    """It is not restricted either."""
    house = House()
    house.cluster.remove(NAMESPACES, None, "dhi-gate")
    assert await house.degree("pod-security") == "medium"


@pytest.mark.parametrize(
    ("bundle", "expected"),
    [
        ("", "critical"),
        ("!", "critical"),
        ("bm90aGluZw==", "critical"),
        (House().bundle(days=-1), "critical"),
        (House().bundle(days=10), "high"),
    ],
)
async def test_a_bundle_that_nobody_can_believe(bundle: str, expected: str) -> None:
    """Missing, broken or expired, it ends every call; soon to expire, it was not renewed."""
    house = House()
    for resource in (VALIDATING, MUTATING):
        house.change(resource, lambda one: [each["clientConfig"].update(caBundle=bundle) for each in one["webhooks"]])
    assert {severity for severity, _ in await house.found("ca-bundle")} == {expected}


async def test_entries_that_believe_others() -> None:
    """Bundles that differ are told, though each is good."""
    house = House()
    house.change(
        VALIDATING, lambda one: webhook_of(one, "pods.dhi-gate.dev")["clientConfig"].update(caBundle=house.bundle())
    )
    assert await house.found("ca-bundle") == [("medium", "the entries do not believe the same authorities")]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (Handshake(address="a:1", distrust="unable to get local issuer certificate", expires_at=None), "critical"),
        (Handshake(address="a:1", distrust="", expires_at=House().now + timedelta(hours=3)), "high"),
        (Handshake(address="a:1", distrust="", expires_at=None), ""),
        (Unseen(why="a:1 cannot be reached from here"), "low"),
    ],
)
async def test_the_certificate_that_is_served(shown: Handshake | Unseen, expected: str) -> None:
    """It has to be believed and fresh; where it cannot be seen, that is told."""
    house = House()
    house.handshake = shown
    assert await house.degree("served-certificate") == expected


def point(configuration: Manifest, *, url: str, bundle: str) -> None:
    """Let the API server ask a URL, and believe somebody else."""
    webhook_of(configuration, "pods.dhi-gate.dev")["clientConfig"] = {"url": url, "caBundle": bundle}


async def test_the_address_is_that_of_the_webhook() -> None:
    """The Service by the name in its certificate, or the host of the URL; nobody where there is neither."""
    house = House()
    await house.findings()
    for url, bundle in (
        ("https://gate.example/validate", "eA=="),
        ("https://[", "eA=="),
        ("", "eA=="),
        ("https://x", ""),
    ):
        house.change(
            VALIDATING,
            partial(point, url=url, bundle=bundle),
        )
        await house.findings()
    assert [(host, port) for host, port, _ in house.asked] == [("dhi-gate.dhi-gate.svc", 443), ("gate.example", 443)]
    house.cluster.remove(VALIDATING, None, "dhi-gate")
    assert (await house.found("served-certificate"))[0][1].startswith("not checked: it is not known whom")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"major": "1", "minor": "27"}', "medium"),
        ('{"major": "1", "minor": "29+"}', "low"),
        ('{"major": "1", "minor": "30"}', ""),
        ('{"major": "one", "minor": "30", "gitVersion": "v"}', "low"),
        ('{"major": "x", "minor": ""}', "low"),
        ("nonsense", "low"),
    ],
)
async def test_the_version_of_kubernetes(answer: str, expected: str) -> None:
    """Conditions need 1.28, and cannot be switched off since 1.30."""
    house = House()
    house.cluster.texts[("version",)] = answer
    assert await house.degree("kubernetes-version") == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('apiserver_admission_webhook_fail_open_count{name="pods.dhi-gate.dev",type="validating"} 3', "high"),
        ('apiserver_admission_webhook_fail_open_count_total{name="pin.dhi-gate.dev"} 1', "low"),
        ('apiserver_admission_webhook_fail_open_count{name="pods.dhi-gate.dev"} 0', ""),
        ('apiserver_admission_webhook_fail_open_count{name="other.example"} 3', ""),
        ('apiserver_admission_webhook_fail_open_count{name="pods.dhi-gate.dev"} +Inf', ""),
        ('apiserver_admission_webhook_fail_open_count{name="pods.dhi-gate.dev"} many', ""),
        ("apiserver_admission_webhook_fail_open_count{", ""),
    ],
)
async def test_requests_that_were_let_through(line: str, expected: str) -> None:
    """What the API server counted of our webhooks is told."""
    house = House()
    house.cluster.texts[("metrics",)] = f"{line}\n"
    assert await house.degree("fail-open") == expected


@pytest.mark.parametrize(
    ("kept", "spec", "expected"),
    [
        ((), {}, "low"),
        (GUARDS[:1], {}, "medium"),
        (GUARDS[1:], {}, "medium"),
        (GUARDS, {"policyName": "other", "validationActions": ["Deny"]}, "medium"),
        (GUARDS, {"policyName": "dhi-gate-guard", "validationActions": ["Audit"]}, "medium"),
        (GUARDS, {"policyName": "dhi-gate-guard"}, "medium"),
        (GUARDS, {"policyName": "dhi-gate-guard", "validationActions": ["Deny"]}, ""),
    ],
)
async def test_the_guard(kept: tuple[ApiResource, ...], spec: Manifest, expected: str) -> None:
    """Policy and binding belong together, and have to deny."""
    house = House()
    for resource in GUARDS:
        if resource not in kept:
            house.cluster.remove(resource, None, "dhi-gate-guard")
    if GUARDS[1] in kept and spec:
        house.change(GUARDS[1], lambda one: one.update(spec=spec), name="dhi-gate-guard")
    assert await house.degree("guard") == expected


async def test_a_guard_that_ignores_its_own_failures() -> None:
    """A guard that fails open is none."""
    house = House()
    house.change(GUARDS[0], lambda one: one["spec"].update(failurePolicy="Ignore"), name="dhi-gate-guard")
    assert await house.degree("guard") == "medium"


async def test_a_guard_of_which_one_half_cannot_be_seen() -> None:
    """It is not known whether there is one."""
    house = House()
    house.cluster.break_down(ClusterTroubleKind.FORBIDDEN, plural=GUARDS[1].plural)
    ((severity, what),) = await house.found("guard")
    assert severity == "low"
    assert what.startswith("not checked")


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("dhi-gate", "dhi-gate"),
        ("my-dhi-gate", "my-dhi-gate"),
        ("prod", "prod-dhi-gate"),
        ("a" * 42, "a" * 42),
        ("a" * 33, f"{'a' * 33}-dhi-gate"),
    ],
)
def test_a_release_is_named_as_the_chart_names_it(release: str, expected: str) -> None:
    """At most 43 characters, without a dash at the end."""
    assert full_name(release) == expected
