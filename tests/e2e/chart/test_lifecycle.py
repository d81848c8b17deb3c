"""A release comes, changes, goes back, goes and comes again, and what the gate wrote in between is not lost."""

import shutil
from pathlib import Path

import pytest

from tests.chart.readme import CHART
from tests.e2e.answers import create
from tests.e2e.chart.helm import VALUES, Helm
from tests.e2e.chart.installed import BUNDLE, CATALOG, Release
from tests.e2e.objects import pod, pod_spec, workload
from tests.e2e.tools.processes import ApiServer, wait_until

pytestmark = pytest.mark.e2e

KINDS = (
    "configmap,secret,serviceaccount,service,deployment,cronjob,job,lease,role,rolebinding,poddisruptionbudget,"
    "networkpolicy,clusterrole,clusterrolebinding,validatingwebhookconfiguration,mutatingwebhookconfiguration,"
    "validatingadmissionpolicy,validatingadmissionpolicybinding"
)
WRITTEN = {
    "bundles": {BUNDLE},
    "authority": {"ca.crt": BUNDLE},
    "holder": "one",
    "catalog": {"catalog.json": CATALOG},
}
UNWRITTEN = {"bundles": {None}, "authority": None, "holder": None, "catalog": None}
ENFORCING = {**VALUES, "mode": "enforce", "webhook": {"timeoutSeconds": 1}}
WARNING = {**VALUES, "webhook": {"timeoutSeconds": 1}, "mutation": {"enabled": True, "timeoutSeconds": 1}}


@pytest.mark.parametrize("applying", ["--server-side=true", "--server-side=false"])
def test_a_release_loses_nothing(chart_api: ApiServer, helm: Helm, applying: str, tmp_path: Path) -> None:
    """Upgrade and rollback keep the CA, its bundle, the lease and the catalog; uninstalling leaves nothing."""
    helm = Helm(api=chart_api, folder=tmp_path, flags=(applying,))
    release = Release(api=chart_api, name="dhi-gate", namespace=f"gates-{applying[-4:].strip('=')}")

    helm.install("dhi-gate", release.namespace, WARNING, "--create-namespace")
    assert release.kept() == UNWRITTEN
    release.run()
    assert (release.kept(), release.pods_fail()) == (WRITTEN, "Ignore")

    helm.upgrade("dhi-gate", release.namespace, ENFORCING)
    assert (release.kept(), release.pods_fail()) == (WRITTEN, "Fail")

    helm.rollback("dhi-gate", release.namespace, 1)
    assert (release.kept(), release.pods_fail()) == (WRITTEN, "Ignore")

    helm.uninstall("dhi-gate", release.namespace)
    wait_until(lambda: not left_behind(chart_api), "the end of all objects")

    helm.install("dhi-gate", release.namespace, ENFORCING)
    assert (release.kept(), release.pods_fail()) == (UNWRITTEN, "Fail")
    helm.uninstall("dhi-gate", release.namespace)


def test_an_older_chart_is_upgraded(chart_api: ApiServer, helm: Helm, tmp_path: Path) -> None:
    """What the gate wrote under another version of the chart stays, and the first sync is not run again."""
    older = tmp_path / "older"
    shutil.copytree(CHART, older)
    text = (older / "Chart.yaml").read_text(encoding="utf-8")
    (older / "Chart.yaml").write_text(text.replace("version: 0.1.0", "version: 0.0.9"), encoding="utf-8")
    release = Release(api=chart_api, name="dhi-gate", namespace="gates-older")

    Helm(api=chart_api, folder=tmp_path, chart=older).install(
        "dhi-gate", release.namespace, WARNING, "--create-namespace"
    )
    release.run()
    helm.upgrade("dhi-gate", release.namespace, WARNING)

    deployment = release.get("deployment", "dhi-gate")
    assert deployment["metadata"]["labels"]["helm.sh/chart"] == "dhi-gate-0.1.0"
    assert release.kept() == WRITTEN
    assert chart_api.kubectl("get", "jobs", "-n", release.namespace, "-o", "name").stdout == ""
    helm.uninstall("dhi-gate", release.namespace)


def test_nothing_blocks_afterwards(chart_api: ApiServer, helm: Helm) -> None:
    """A release that enforced without a gate behind it is gone, and pods are created as ever."""
    chart_api.create_namespace("after")
    one, other = (pod(name, "after", pod_spec("registry.example/shop/api:1")) for name in ("one", "other"))
    helm.install("dhi-gate", "gates-gone", ENFORCING, "--create-namespace")
    wait_until(lambda: not create(chart_api, one, dry_run=True).allowed, "the webhooks")

    helm.uninstall("dhi-gate", "gates-gone")

    wait_until(lambda: create(chart_api, one, dry_run=True).allowed, "the end of the webhooks")
    chart_api.apply(other, workload("Deployment", "api", "after", pod_spec("registry.example/shop/api:1")))
    wait_until(lambda: pods_of_the_deployment(chart_api), "the pod of the deployment")


def test_the_notes_say_what_is_going_on(helm: Helm) -> None:
    """Mode, failure policy, what is not judged, the emergency command, certificates, and what is dubious."""
    doubtful = {**VALUES, "replicas": 1, "policy": {**VALUES["policy"], "spec": {"rules": [{"name": "all"}]}}}

    calm = helm.install("dhi-gate", "gates-notes", ENFORCING, "--create-namespace", "--dry-run=client")
    worried = helm.install("dhi-gate", "gates-notes", doubtful, "--create-namespace", "--dry-run=client")

    for said in (
        "mode:            enforce\n",
        "failure policy:  Fail, so pods are refused while no gate answers",
        "not judged:      kube-system, kube-node-lease, gates-notes",
        "certificates:    selfManaged",
        "kubectl delete validatingwebhookconfiguration dhi-gate",
    ):
        assert said in calm
    assert "the policy does not say `pinTags: true`" not in calm
    for warned in ("the policy does not say `pinTags: true`", "with one replica", "image.digest is empty"):
        assert f"WARNING: {warned}" in worried.replace("mutation.enabled pins tags, and ", "")


def left_behind(api: ApiServer) -> str:
    """Return the names of all objects in the cluster that a release made."""
    selector = "app.kubernetes.io/part-of=dhi-gate,app.kubernetes.io/managed-by=Helm"
    return api.kubectl("get", KINDS, "-A", "-l", selector, "-o", "name").stdout


def pods_of_the_deployment(api: ApiServer) -> str:
    """Return the names of the pods that were made of the template."""
    return api.kubectl("get", "pods", "-n", "after", "-l", "app=api", "-o", "name").stdout
