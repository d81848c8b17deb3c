"""No gate answers an enforcing release: what is new waits, what runs can be managed, and the system goes on."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.answers import answer, create
from tests.e2e.chart.helm import VALUES, Helm
from tests.e2e.objects import pod, pod_spec, workload
from tests.e2e.tools.processes import LOOPBACK, ApiServer, free_port, wait_until

pytestmark = pytest.mark.e2e

IMAGE = "registry.example/shop/api:1"
CALL_FAILED = 'failed calling webhook "pods.dhi-gate.dev"'


@pytest.fixture(scope="module")
def outage(chart_api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run a pod, install an enforcing release, and let its webhooks point where nobody listens."""
    chart_api.create_namespace("outage")
    chart_api.apply(pod("old", "outage", pod_spec(IMAGE)))
    helm = Helm(api=chart_api, folder=tmp_path_factory.mktemp("helm"))
    helm.install("dhi-gate", "gates-down", {**VALUES, "mode": "enforce"}, "--create-namespace")
    chart_api.wait_for_service_account("gates-down")
    for kind, entries in (("validatingwebhookconfiguration", 2), ("mutatingwebhookconfiguration", 1)):
        nowhere = {"url": f"https://{LOOPBACK}:{free_port()}/"}
        patch = [
            {"op": "replace", "path": f"/webhooks/{number}/clientConfig", "value": nowhere} for number in range(entries)
        ]
        chart_api.kubectl("patch", kind, "dhi-gate", "--type=json", f"--patch={json.dumps(patch)}")
    probe = pod("probe", "outage", pod_spec(IMAGE))
    wait_until(lambda: "connection refused" in create(chart_api, probe, dry_run=True).message, "the outage")
    yield chart_api
    helm.uninstall("dhi-gate", "gates-down")


def test_a_new_pod_is_refused_with_a_reason(outage: ApiServer) -> None:
    """What nobody could look at does not start, and the message names the webhook and what became of the call."""
    refused = create(outage, pod("new", "outage", pod_spec(IMAGE)))

    assert not refused.allowed
    assert CALL_FAILED in refused.message
    assert "connection refused" in refused.message


@pytest.mark.parametrize(
    "command",
    [
        ("label", "team=shop"),
        ("annotate", "example.com/ticket=112"),
        ("patch", '--patch={"metadata": {"finalizers": ["shop.example/hold"]}}'),
        ("patch", '--patch={"metadata": {"finalizers": null}}'),
        ("patch", '--patch={"spec": {"activeDeadlineSeconds": 3600}}'),
        ("patch", "--subresource=status", '--patch={"status": {"phase": "Failed"}}'),
    ],
    ids=" ".join,
)
def test_what_changes_no_image_passes(outage: ApiServer, command: tuple[str, ...]) -> None:
    """By the match condition, the API server does not even ask."""
    verb, *change = command

    done = answer(outage.kubectl(verb, "pod/old", *change, "--namespace=outage", check=False))

    assert (done.allowed, done.message) == (True, "")


def test_a_new_image_of_a_running_pod_is_refused(outage: ApiServer) -> None:
    """An image that is swapped is news."""
    swapped = json.dumps({"spec": {"containers": [{"name": "api", "image": "registry.example/other:1"}]}})

    done = answer(outage.kubectl("patch", "pod/old", "-n", "outage", f"--patch={swapped}", check=False))

    assert CALL_FAILED in done.message


def test_a_new_ephemeral_container_is_refused(outage: ApiServer) -> None:
    """So is one that `kubectl debug` adds."""
    command = ("debug", "old", "--image=registry.example/busybox:1", "--namespace=outage", "--attach=false")

    assert CALL_FAILED in answer(outage.kubectl(*command, check=False)).message


@pytest.mark.parametrize("namespace", ["kube-system", "gates-down"])
def test_the_system_and_the_gate_start(outage: ApiServer, namespace: str) -> None:
    """Pods of the system and of the gate need no gate: so it can come back."""
    assert create(outage, pod("needed", namespace, pod_spec(IMAGE)), dry_run=True).allowed


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet", "CronJob", "PodTemplate"])
def test_templates_pass(outage: ApiServer, kind: str) -> None:
    """Templates only get advice, so that without an adviser they are stored: their pods wait."""
    assert create(outage, workload(kind, "later", "outage", pod_spec(IMAGE)), dry_run=True).allowed


def test_a_pod_can_be_deleted(outage: ApiServer) -> None:
    """Nothing keeps what runs from ending."""
    assert answer(outage.kubectl("delete", "pod/old", "-n", "outage", "--dry-run=server", check=False)).allowed
