"""What an audit leaves behind: report objects in a real API server, metrics at a real Pushgateway and in a file."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.audited import Auditor, wait_for_pods
from tests.e2e.objects import Object, pod, pod_spec, workload
from tests.e2e.site import Site
from tests.e2e.tools import processes
from tests.e2e.tools.processes import ApiServer, http_get, wait_until
from tests.e2e.tools.published import report_crds
from webhook.auditing.report_keeping import REPORTS
from webhook.core.reporting.policy_reports import ReportApi

pytestmark = pytest.mark.e2e

APIS = pytest.mark.parametrize("report_api", ReportApi, ids=lambda api: api.value)
OBJECTS = 5
LISTED = "pods,replicationcontrollers,podtemplates,deployments,replicasets,statefulsets,daemonsets,jobs,cronjobs"


@pytest.fixture(scope="module")
def auditor(api: ApiServer, site: Site) -> Auditor:
    """Return what runs audits."""
    return Auditor(api=api, site=site)


def install_definitions(api: ApiServer) -> None:
    """Let the cluster know the kinds of both report APIs."""
    for crd in report_crds():
        api.kubectl("apply", "--server-side", "-f", str(crd))
    api.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")


def furnish(api: ApiServer, site: Site, namespace: str) -> str:
    """Make a namespace with five workloads, one of which is refused and one of which never runs; return its name."""
    api.create_namespace(namespace)
    spec = pod_spec(site.images["web"])
    objects: list[Object] = [
        workload("Deployment", "web", namespace, spec, replicas=2),
        workload("StatefulSet", "store", namespace, spec),
        workload("PodTemplate", "template", namespace, spec),
        pod("alone", namespace, spec),
        pod("unsigned", namespace, pod_spec(site.images["unsigned"])),
    ]
    api.apply(*(relabelled(each) for each in objects))
    wait_for_pods(api, namespace, 5)
    return namespace


def relabelled(wanted: Object) -> Object:
    """Give the pods of an object a label of their own, so that no two select the same."""
    text = json.dumps(wanted).replace('"app": "api"', f'"app": "{wanted["metadata"]["name"]}"')
    named: Object = json.loads(text)
    return named


def stored(api: ApiServer, report_api: ReportApi, namespace: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the reports of a namespace by the name of what they are about."""
    resource = REPORTS[report_api]
    _, body = api.get(f"/apis/{resource.api_version}/namespaces/{namespace}/{resource.plural}")
    return {each["scope"]["name"]: each for each in json.loads(body)["items"]}


def versions(reports: Mapping[str, Mapping[str, Any]]) -> Mapping[str, str]:
    """Return in which state each report is."""
    return {name: each["metadata"]["resourceVersion"] for name, each in reports.items()}


def writing(namespace: str, report_api: ReportApi) -> Sequence[str]:
    """Return the flags of an audit that keeps reports."""
    return ("-n", namespace, "--no-hints", "--write-reports", f"--report-api={report_api.value}")


def test_a_cluster_without_the_kinds(site: Site, tmp_path: Path) -> None:
    """Before the definitions are installed one line says which and from where; what was found is printed."""
    with (
        processes.etcd(tmp_path) as etcd_url,
        processes.kube_apiserver(tmp_path, etcd_url=etcd_url, service_accounts=False) as bare,
    ):
        bare.apply(pod("alone", "default", pod_spec(site.images["web"])))
        done = Auditor(api=bare, site=site).run(*writing("default", ReportApi.POLICYREPORT), "-o", "json")

    assert done.returncode == 2
    assert [row["name"] for row in json.loads(done.stdout)["results"]] == ["alone"]
    summary, line = done.stderr.splitlines()
    assert summary == "reports: 0 created, 0 replaced, 0 unchanged, 0 removed, 1 failed"
    assert line == (
        "error: keeping policyreports.wgpolicyk8s.io/v1alpha2: the API server does not know this kind; install the "
        "CustomResourceDefinition from github.com/kubernetes-sigs/wg-policy-prototypes, policy-report/crd/v1alpha2"
    )


@APIS
def test_reports_follow_what_they_are_about(
    auditor: Auditor, api: ApiServer, site: Site, report_api: ReportApi
) -> None:
    """One for each workload, owned by it; written again only where the findings changed; gone with the workload."""
    install_definitions(api)
    namespace = furnish(api, site, f"prod-{report_api.value}")

    first = auditor.run(*writing(namespace, report_api))
    made = stored(api, report_api, namespace)
    second = auditor.run(*writing(namespace, report_api))

    assert first.stderr.startswith(f"reports: {OBJECTS} created, 0 replaced, 0 unchanged, 0 removed, 0 failed\n")
    assert (first.returncode, second.returncode) == (1, 1)
    assert {name: each["summary"]["fail"] for name, each in made.items()} == {
        **dict.fromkeys(("web", "store", "template", "alone"), 0),
        "unsigned": 1,
    }
    assert second.stderr.startswith(f"reports: 0 created, 0 replaced, {OBJECTS} unchanged, 0 removed, 0 failed\n")
    assert versions(stored(api, report_api, namespace)) == versions(made)

    api.kubectl("set", "image", "statefulset/store", f"api={site.images['unsigned']}", "-n", namespace)
    third = auditor.run(*writing(namespace, report_api))
    changed = stored(api, report_api, namespace)

    assert third.stderr.startswith(f"reports: 0 created, 1 replaced, {OBJECTS - 1} unchanged, 0 removed, 0 failed\n")
    assert {name for name, version in versions(changed).items() if version != versions(made)[name]} == {"store"}
    assert changed["store"]["summary"]["fail"] >= 1

    api.kubectl("delete", "pod", "alone", "-n", namespace, "--force")
    wait_until(lambda: "alone" not in stored(api, report_api, namespace), "the garbage collector")

    disown(api, report_api, changed["template"])
    api.kubectl("delete", "podtemplate", "template", "-n", namespace)
    fourth = auditor.run(*writing(namespace, report_api))

    assert ", 1 removed, 0 failed" in fourth.stderr
    assert stored(api, report_api, namespace).keys() == {"web", "store", "unsigned"}


def disown(api: ApiServer, report_api: ReportApi, report: Mapping[str, Any]) -> None:
    """Let nobody own a report, so that the garbage collector leaves it alone."""
    where = (REPORTS[report_api].qualified, report["metadata"]["name"], "-n", report["metadata"]["namespace"])
    api.kubectl("patch", *where, "--type=json", '-p=[{"op": "remove", "path": "/metadata/ownerReferences"}]')


def test_the_rights_that_it_takes(auditor: Auditor, api: ApiServer, site: Site) -> None:
    """Without them one line says what is missing, and what was found is printed; those of the documentation suffice."""
    install_definitions(api)
    namespace = furnish(api, site, "prod-reporter")
    reporter = ("--as=reporter", "--as-group=reporters")
    run = (*writing(namespace, ReportApi.POLICYREPORT), *reporter, "-o", "json")
    allow(api, namespace, "look", verbs="list", resources=f"{LISTED},policyreports.wgpolicyk8s.io")

    refused = auditor.run(*run)

    assert refused.returncode == 2
    assert len(json.loads(refused.stdout)["results"]) == OBJECTS
    summary, line = refused.stderr.splitlines()
    assert summary == f"reports: 0 created, 0 replaced, 0 unchanged, 0 removed, {OBJECTS} failed"
    assert line.startswith(f"error: writing policyreports in {namespace}: the API server does not allow it (")
    assert 'User "reporter" cannot create resource "policyreports"' in line
    assert line.endswith(f", {OBJECTS} times")
    assert stored(api, ReportApi.POLICYREPORT, namespace) == {}

    verbs = "list,get,create,update,delete"
    allow(api, namespace, "report", verbs=verbs, resources="policyreports.wgpolicyk8s.io")
    allowed = wait_until(lambda: written(auditor.run(*run)), "the new rights")
    disown(api, ReportApi.POLICYREPORT, stored(api, ReportApi.POLICYREPORT, namespace)["template"])
    api.kubectl("delete", "podtemplate", "template", "-n", namespace)
    api.kubectl("delete", "pod", "unsigned", "-n", namespace, "--force")
    api.apply(relabelled(pod("unsigned", namespace, pod_spec(site.images["stranger"]))))
    later = auditor.run(*run)

    assert f"reports: {OBJECTS} created" in allowed
    assert ", 0 failed" in later.stderr
    assert "1 removed" in later.stderr


def written(done: Any) -> str:  # noqa: ANN401 - a finished process
    """Return what a run said if nothing failed, else nothing: new rights take a moment."""
    return str(done.stderr) if ", 0 failed" in done.stderr else ""


def allow(api: ApiServer, namespace: str, name: str, *, verbs: str, resources: str) -> None:
    """Give the reporter rights in a namespace."""
    api.kubectl("create", "role", name, f"--verb={verbs}", f"--resource={resources}", "-n", namespace)
    api.kubectl("create", "rolebinding", name, f"--role={name}", "--user=reporter", "-n", namespace)


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read our samples as a scraper does, by name and labels; the bounds of buckets as numbers, however written."""
    return {
        (sample.name, tuple(sorted(bounded(sample.labels).items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("dhi_gate_")
    }


def bounded(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Write the bound of a bucket in one way: Go says `1` where Python says `1.0`."""
    return {**labels, "le": str(float(labels["le"]))} if "le" in labels else labels


def test_metrics_at_a_gateway_and_in_a_file(auditor: Auditor, api: ApiServer, site: Site, tmp_path: Path) -> None:
    """Both places have the numbers of the last run, and no other; the gateway's are labelled with job and cluster."""
    namespace = furnish(api, site, "prod-measured")
    file = tmp_path / "dhi-gate.prom"
    with processes.pushgateway(tmp_path) as url:
        flags = ("-n", namespace, "--no-hints", f"--metrics-file={file}", f"--push-gateway={url}", "--push-cluster=eu")
        first = auditor.run(*flags)
        api.kubectl("delete", "pod", "unsigned", "-n", namespace, "--force")
        second = auditor.run(*flags)
        scraped = samples(http_get(f"{url}/metrics")[1].decode())

    place = (("cluster", "eu"), ("instance", ""), ("job", "dhi-gate-audit"))
    left = samples(file.read_text())
    assert (first.returncode, second.returncode, second.stderr) == (1, 0, "")
    assert scraped == {(name, tuple(sorted((*labels, *place)))): value for (name, labels), value in left.items()}
    assert left["dhi_gate_audit_workloads", (("result", "pass"),)] == OBJECTS - 1
    assert left["dhi_gate_audit_workloads", (("result", "fail"),)] == 0
    assert left["dhi_gate_audit_pods", (("result", "pass"),)] == 4
    assert left["dhi_gate_audit_complete", ()] == 1
    # Four pods and a template of one image.
    assert left["dhi_gate_base_age_days_count", ()] == left["dhi_gate_base_age_days_bucket", (("le", "inf"),)] == 1
    assert left["dhi_gate_base_oldest_age_days", ()] == left["dhi_gate_base_age_days_sum", ()]

    gone = auditor.run(*flags, "-o", "json")

    assert gone.returncode == 2
    assert len(json.loads(gone.stdout)["results"]) == OBJECTS - 1
    assert re.fullmatch(f"error: {url}: the metrics could not be pushed: .*refused.*\n", gone.stderr)
