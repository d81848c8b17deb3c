"""`dhi-gate audit` of a cluster that is served on loopback in the wire format of the real one."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from tests.cli.given import Workshop, open_workshop
from tests.fakes.api_server import LoopbackApiServer
from tests.fakes.cluster import FakeCluster
from tests.loopback import served
from webhook.auditing.report_keeping import REPORTS
from webhook.core.inventory.resources import POD_HOLDERS, ApiResource
from webhook.core.reporting.policy_reports import ReportApi
from webhook.pull_secrets import SECRETS, SERVICE_ACCOUNTS

BY_KIND = {resource.kind: resource for resource in POD_HOLDERS}
POLICY_REPORTS = REPORTS[ReportApi.POLICYREPORT]
SERVED = (*POD_HOLDERS, SECRETS, SERVICE_ACCOUNTS, *REPORTS.values())


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Return a workshop whose registry is up."""
    with open_workshop(tmp_path_factory.mktemp("audit")) as workshop:
        yield workshop


class Town:
    """A cluster behind a served API server, and an audit of it."""

    def __init__(self, workshop: Workshop, cluster: FakeCluster, url: str) -> None:
        self.workshop = workshop
        self.cluster = cluster
        self.url = url

    def audit(self, *arguments: str) -> Result:
        """Run `dhi-gate audit` against the cluster."""
        return self.workshop.run("audit", "-s", self.url, *arguments)

    def report(self, *arguments: str) -> dict[str, Any]:
        """Run it, and return the report document."""
        found: dict[str, Any] = json.loads(self.audit(*arguments, "-o", "json").stdout)
        return found

    def deployment(self, name: str, image: str, *, namespace: str = "shop", pods: int = 3, runs: str = "") -> None:
        """Put a Deployment with its pods into the cluster; `runs` is what their nodes say they run."""
        top = self._put("Deployment", name, namespace, {"template": {"spec": _pod(image)}})
        owner = ("apps/v1", "Deployment", name, top)
        middle = self._put("ReplicaSet", f"{name}-1", namespace, {"template": {"spec": _pod(image)}}, owner=owner)
        for number in range(pods):
            statuses = [{"name": "api", "imageID": runs or image}]
            self._put(
                "Pod",
                f"{name}-1-{number}",
                namespace,
                _pod(image),
                owner=("apps/v1", "ReplicaSet", f"{name}-1", middle),
                status={"phase": "Running", "containerStatuses": statuses},
            )

    def _put(
        self,
        kind: str,
        name: str,
        namespace: str,
        spec: dict[str, Any],
        *,
        owner: tuple[str, str, str, str] | None = None,
        **rest: object,
    ) -> str:
        metadata: dict[str, Any] = {"name": name, "namespace": namespace}
        if owner:
            fields = dict(zip(("apiVersion", "kind", "name", "uid"), owner, strict=True))
            metadata["ownerReferences"] = [{**fields, "controller": True}]
        return self.cluster.put(BY_KIND[kind], {"metadata": metadata, "spec": spec, **rest})


def _pod(image: str) -> dict[str, Any]:
    return {"containers": [{"name": "api", "image": image}]}


@pytest.fixture
def town(workshop: Workshop) -> Iterator[Town]:
    """Return an empty cluster whose API server is up."""
    cluster = FakeCluster(page_size=3)
    with served(LoopbackApiServer(cluster, SERVED)) as server:
        yield Town(workshop, cluster, server.url)


def test_a_namespace_is_audited(town: Town) -> None:
    """Each top owner is a row with its number of pods; the status is that of the worst."""
    town.deployment("good", town.workshop.good, pods=4)
    town.deployment("bad", town.workshop.unsigned)
    town.deployment("elsewhere", town.workshop.unsigned, namespace="other")
    result = town.audit("-n", "shop", "-o", "json")
    report = json.loads(result.stdout)

    assert result.exit_code == 1, result.output
    assert [(row["kind"], row["name"], row["pods"], row["result"]) for row in report["results"]] == [
        ("Deployment", "bad", 3, "fail"),
        ("Deployment", "good", 4, "pass"),
    ]
    assert report["summary"]["pods"] == 7
    assert report["metadata"]["complete"] is True


def test_all_namespaces_are_audited_but_for_the_excluded(town: Town) -> None:
    """`-A` audits every namespace, and `--exclude-namespace` leaves some out."""
    for namespace in ("kube-system", "other", "shop"):
        town.deployment("api", town.workshop.good, namespace=namespace)

    assert [row["namespace"] for row in town.report("-A", "--exclude-namespace", "kube-*")["results"]] == [
        "other",
        "shop",
    ]


def test_drift_is_a_finding(town: Town) -> None:
    """Pods that run something else than their tag points to make the row worse, by the digest that they run."""
    unsigned = town.workshop.unsigned
    town.deployment("api", town.workshop.tagged, namespace="watched", runs=unsigned)
    (row,) = town.report("-n", "watched")["results"]

    running = [container for container in row["containers"] if container["seen"] == "running"]
    assert [(one["digest"], one["pods"]) for one in running] == [(unsigned.partition("@")[2], 3)]
    assert [problem["code"] for problem in running[0]["problems"]] == ["unsigned"]


def test_what_runs_and_cannot_be_compared_is_no_pass(town: Town) -> None:
    """Other bytes that no registry can be asked about are an error, the run is not complete, and the status is 2."""
    town.deployment("api", town.workshop.good, runs=f"sha256:{'0' * 64}")
    result = town.audit("-n", "shop", "-o", "json")
    report = json.loads(result.stdout)

    assert result.exit_code == 2
    assert report["metadata"]["complete"] is False
    assert (report["summary"]["pass"], report["summary"]["error"]) == (0, 1)
    assert "could not be compared" in report["results"][0]["notes"][0]


def test_an_interruption_while_reports_are_kept_is_told(town: Town) -> None:
    """Ctrl-C after the report was printed ends with 2 and one line, and the report is there."""
    town.deployment("api", town.workshop.good)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)  # a run that never comes must not hold up the test

        def interrupt() -> None:
            with silent.accept()[0] as asked:
                asked.recv(1)  # the metrics are being pushed, so all else is done
                os.kill(os.getpid(), signal.SIGINT)
                asked.recv(65_536)

        thread = threading.Thread(target=interrupt)
        thread.start()
        result = town.audit("-n", "shop", "-o", "json", "--push-gateway", f"http://127.0.0.1:{silent.getsockname()[1]}")
        thread.join()

    assert result.exit_code == 2
    assert result.stderr.splitlines() == ["error: the run was interrupted"]
    assert json.loads(result.stdout)["summary"]["pass"] == 1


def test_a_closed_namespace_is_an_error_row(town: Town) -> None:
    """What the caller may not list is told, the rest is audited, and the status is 2."""
    town.deployment("api", town.workshop.good)
    town.deployment("api", town.workshop.good, namespace="closed")
    for resource in POD_HOLDERS:
        town.cluster.forbid(resource.plural, namespace="closed")
    result = town.audit("-A", "-o", "json")
    rows = {row["namespace"]: row for row in json.loads(result.stdout)["results"]}

    assert result.exit_code == 2
    assert rows["shop"]["result"] == "pass"
    assert json.loads(result.stdout)["metadata"]["complete"] is False
    assert (rows["closed"]["kind"], rows["closed"]["result"]) == ("Namespace", "error")
    assert "pods" in rows["closed"]["trouble"]


def test_reports_are_kept_and_removed(town: Town) -> None:
    """A report stands beside each workload, is written again only if it says something else, and goes with it."""
    town.deployment("good", town.workshop.good)
    town.deployment("bad", town.workshop.unsigned)
    first = town.audit("-n", "shop", "--write-reports")
    kept = {one["metadata"]["uid"]: one["metadata"]["resourceVersion"] for one in town.cluster.objects(POLICY_REPORTS)}
    second = town.audit("-n", "shop", "--write-reports")
    unchanged = {
        one["metadata"]["uid"]: one["metadata"]["resourceVersion"] for one in town.cluster.objects(POLICY_REPORTS)
    }
    _remove(town.cluster, "bad")
    third = town.audit("-n", "shop", "--write-reports")

    assert "2 created, 0 replaced" in first.stderr
    assert "2 unchanged" in second.stderr
    assert kept == unchanged
    assert len(kept) == 2
    assert "1 unchanged, 1 removed" in third.stderr
    assert len(town.cluster.objects(POLICY_REPORTS)) == 1


def test_a_server_that_goes_away_leaves_what_was_learnt(town: Town) -> None:
    """A connection that fails is one line and status 2, and the report says that it is not complete."""
    town.deployment("api", town.workshop.good)
    lost = town.workshop.run("audit", "-s", "http://127.0.0.1:1", "-n", "shop")

    assert lost.exit_code == 2
    assert [line for line in lost.stderr.splitlines() if line.startswith("error: ")]
    assert "127.0.0.1:1" in lost.stderr


def test_a_namespace_that_does_not_exist_is_told(town: Town) -> None:
    """A mistyped namespace is not an empty one."""
    result = town.audit("-n", "shpo")

    assert result.exit_code == 2
    assert "error: there is no namespace `shpo`" in result.stderr


def test_two_policies_are_compared_on_a_cluster(town: Town, tmp_path: Path) -> None:
    """`--compare` shows what the candidate changes for what lives in the cluster."""
    policy = yaml.safe_load((town.workshop.folder / "policy.yaml").read_text())
    policy["spec"]["rules"] = [{"name": "lenient", "require": {"base": {}}}]
    lenient = tmp_path / "lenient.yaml"
    lenient.write_text(yaml.safe_dump(policy))
    town.deployment("good", town.workshop.good)
    town.deployment("bad", town.workshop.unsigned)
    result = town.audit("-n", "shop", "--compare", str(lenient))

    assert result.exit_code == 1
    assert "newly refused" in result.stdout
    assert "Deployment/bad" in result.stdout
    assert "Deployment/good" not in result.stdout


def _remove(cluster: FakeCluster, name: str) -> None:
    """Remove a Deployment with all that it owns."""
    gone: tuple[tuple[ApiResource, str], ...] = (
        (BY_KIND["Deployment"], name),
        (BY_KIND["ReplicaSet"], f"{name}-1"),
        *((BY_KIND["Pod"], f"{name}-1-{number}") for number in range(3)),
    )
    for resource, each in gone:
        cluster.remove(resource, "shop", each)
