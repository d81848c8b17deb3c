"""The real programs start, answer and stop."""

import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.tools import processes
from tests.e2e.tools.processes import ApiServer, ProcessFailedError, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run a whole cluster, with a user who may do nothing yet."""
    with processes.cluster(tmp_path_factory.mktemp("cluster"), users={"alice": ["developers"]}) as api:
        yield api


def status_of(method: str, address: str, path: str, body: bytes | None = None, **headers: str) -> int:
    """Return the status of the answer to an HTTP request."""
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def pods(api: ApiServer, namespace: str) -> list[dict[str, str]]:
    """Return phase and owner's kind of every Pod in `namespace`."""
    listed = json.loads(api.kubectl("get", "pods", "--namespace", namespace, "--output", "json").stdout)["items"]
    return [{"phase": pod["status"]["phase"], "owner": pod["metadata"]["ownerReferences"][0]["kind"]} for pod in listed]


def test_controllers_turn_workloads_into_pods(api: ApiServer) -> None:
    """A Deployment and, as soon as there is a node, a DaemonSet get Pods, which stay Pending."""
    labels = {"app": "api"}
    image_volume = {"name": "data", "image": {"reference": "registry.example/shop/data:1"}}
    pod = {"containers": [{"name": "api", "image": "registry.example/shop/api:1"}], "volumes": [image_volume]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    metadata = {"name": "api", "namespace": "shop"}
    selector = {"matchLabels": labels}
    api.create_namespace("shop")
    api.add_node("node-1")
    api.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"replicas": 2, "selector": selector, "template": template},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": metadata,
            "spec": {"selector": selector, "template": template},
        },
    )

    wait_until(lambda: len(pods(api, "shop")) == 3, "three Pods")

    assert [{"phase": "Pending", "owner": kind} for kind in ("DaemonSet", "ReplicaSet", "ReplicaSet")] == sorted(
        pods(api, "shop"), key=lambda pod: pod["owner"]
    )


def test_users_may_do_what_rbac_says(api: ApiServer) -> None:
    """A further user is refused until a role is bound to one of its groups."""
    assert "cannot list resource" in api.kubectl("get", "pods", user="alice", check=False).stderr

    api.kubectl("create", "clusterrolebinding", "developers", "--clusterrole=view", "--group=developers")

    wait_until(lambda: api.get("/api/v1/namespaces/default/pods", user="alice")[0] == 200, "the role to apply")


def test_a_refused_command_says_why(api: ApiServer) -> None:
    """The error of a checked kubectl has its own words."""
    with pytest.raises(ProcessFailedError, match=r'kubectl get pod nobody: .*pods "nobody" not found'):
        api.kubectl("get", "pod", "nobody")


@pytest.mark.parametrize(("referrers", "status"), [(True, 200), (False, 404)])
def test_registry_with_and_without_referrers(tmp_path: Path, status: int, *, referrers: bool) -> None:
    """The in-memory registry answers the referrers API only where it is asked to."""
    with processes.oci_registry(tmp_path, referrers=referrers) as address:
        # A repository that nothing was pushed to is not known at all.
        assert status_of("PUT", address, "/v2/shop/api/manifests/1.0", b'{"schemaVersion":2,"manifests":[]}') == 201

        assert status_of("GET", address, f"/v2/shop/api/referrers/sha256:{'0' * 64}") == status


def test_registry_that_asks_for_a_password(tmp_path: Path) -> None:
    """Debian's registry lets in who knows the password, and nobody else."""
    credentials = base64.b64encode("robot:pässword".encode()).decode()
    with processes.debian_registry(tmp_path, htpasswd={"robot": "pässword"}) as address:
        assert status_of("GET", address, "/v2/") == 401
        assert status_of("GET", address, "/v2/", Authorization=f"Basic {credentials}") == 200


def test_a_failed_start_shows_the_log(tmp_path: Path) -> None:
    """A program that cannot start ends the wait at once, with the last words of its log."""
    nowhere = tmp_path / "nowhere.pem"
    with (
        pytest.raises(ProcessFailedError, match=r"(?s)docker-registry ended with status 1;.*nowhere\.pem"),
        processes.debian_registry(tmp_path, tls=(nowhere, nowhere)),
    ):
        pass
