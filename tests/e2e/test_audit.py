"""`kubectl dhi-gate audit` of a real cluster with a few hundred workloads."""

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pytest
import xmlschema
import yaml

from tests.e2e.answers import Answer, create
from tests.e2e.applications import APPLICATIONS
from tests.e2e.audited import Auditor, let_run, pods_of, populate, wait_for_pods
from tests.e2e.conftest import DEVELOPER
from tests.e2e.objects import WORKLOADS, Object, pod, pod_spec, workload
from tests.e2e.silence import silent_registry
from tests.e2e.site import PASSWORD, USER, Site
from tests.e2e.tools.processes import ApiServer
from tests.e2e.tools.published import junit_schema, report_crds, sarif_schema

pytestmark = pytest.mark.e2e

NAMESPACE = "prod-audited"
EACH = 25
AS_AUDITOR = ("--as=auditor", "--as-group=auditors")


@pytest.fixture(scope="module")
def auditor(api: ApiServer, site: Site) -> Auditor:
    """Return what runs audits."""
    return Auditor(api=api, site=site)


@pytest.fixture(scope="module")
def population(api: ApiServer, site: Site) -> Mapping[tuple[str, str], str]:
    """Fill a namespace, wait for the pods that controllers make, and return the applications by kind and name."""
    population = populate(api, site, NAMESPACE, each=EACH)
    # ReplicationController, Deployment, ReplicaSet, StatefulSet without their first; DaemonSet, Job and bare pods.
    wait_for_pods(api, NAMESPACE, 4 * (EACH - 1) + 3 * EACH)
    return population


def expected_codes(application: str) -> list[str]:
    """Return why admission refuses an application as a container in production."""
    if application == "model":
        return ["unapproved-base", "runs-as-root"]
    if application == "unsigned-model":
        return ["unsigned", "unapproved-base", "runs-as-root"]
    return list(APPLICATIONS[application].codes)


def test_every_workload_is_a_row(auditor: Auditor, population: Mapping[tuple[str, str], str]) -> None:
    """Each object that somebody made is one row with its pods counted and the codes that admission would give."""
    report = auditor.report("-n", NAMESPACE)
    rows = {(row["kind"], row["name"]): row for row in report["results"]}

    assert rows.keys() == population.keys()
    found = {key: sorted({p["code"] for c in row["containers"] for p in c["problems"]}) for key, row in rows.items()}
    assert found == {key: sorted(expected_codes(application)) for key, application in population.items()}
    assert report["metadata"]["complete"] is True
    assert report["summary"]["pods"] == 4 * (EACH - 1) + 3 * EACH
    without = {key for key, row in rows.items() if row["pods"] == 0}
    scaled = {"ReplicationController", "Deployment", "ReplicaSet", "StatefulSet"}
    assert without == {
        key for key in rows if key[0] in {"PodTemplate", "CronJob"} or (key[0] in scaled and key[1].endswith("-0"))
    }


def test_all_namespaces_with_an_exclusion(auditor: Auditor, population: Mapping[tuple[str, str], str]) -> None:
    """`-A` sees every namespace, `--exclude-namespace` leaves some out, and `-l` picks by labels."""
    everything = auditor.report("-A", "--no-hints")
    without = auditor.report("-A", "--exclude-namespace=prod-*", "--no-hints")
    picked = auditor.report("-n", NAMESPACE, "-l", "app=deployment-3")

    assert NAMESPACE in {row["namespace"] for row in everything["results"]}
    assert not any(row["namespace"].startswith("prod-") for row in without["results"])
    assert [(row["kind"], row["name"]) for row in picked["results"]] == [("Deployment", "deployment-3")]


def test_forms_fit_their_published_schemas(
    auditor: Auditor, api: ApiServer, population: Mapping[tuple[str, str], str], tmp_path: Path
) -> None:
    """SARIF, JUnit and both kinds of report objects are what their publishers say they are."""
    sarif = json.loads(auditor.run("-n", NAMESPACE, "-o", "sarif").stdout)
    junit = auditor.run("-n", NAMESPACE, "-o", "junit").stdout
    jsonschema.validate(sarif, sarif_schema())
    xmlschema.XMLSchema(str(junit_schema())).validate(junit)

    refused = sum(1 for application in population.values() if expected_codes(application))
    assert (
        len({result["partialFingerprints"] and json.dumps(result) for result in sarif["runs"][0]["results"]}) > refused
    )
    assert len(ET.fromstring(junit).findall(".//testcase")) == len(population)  # noqa: S314 - our own output
    for path in report_crds():
        api.kubectl("apply", "-f", str(path))
    for form, resource in (("policyreport", "policyreports"), ("openreports", "reports.openreports.io")):
        (tmp_path / "reports.yaml").write_text(auditor.run("-n", NAMESPACE, "-o", form).stdout, encoding="utf-8")
        api.kubectl("wait", "--for=condition=Established", "crd", "-l", "!none", "--all", "--timeout=30s")
        api.kubectl("apply", "--server-side", "-f", str(tmp_path / "reports.yaml"), "--validate=strict")
        stored = json.loads(api.kubectl("get", resource, "-n", NAMESPACE, "-o", "json").stdout)["items"]
        assert len(stored) == len(population)
        api.kubectl("delete", resource, "-n", NAMESPACE, "--all")


def test_forms_for_people(auditor: Auditor, population: Mapping[tuple[str, str], str], tmp_path: Path) -> None:
    """The table folds problems by cause, markdown fits into a comment, and the page is one file."""
    table = auditor.run("-n", NAMESPACE, "--html", str(tmp_path / "page.html"))
    markdown = auditor.run("-n", NAMESPACE, "-o", "markdown")
    names = auditor.run("-n", NAMESPACE, "-o", "name").stdout.splitlines()

    assert table.returncode == 1
    assert table.stdout.count("error[unapproved-base]") < Counter(map(str, population.values())).total() / 4
    assert f"of {len(population)} workloads would be refused" in table.stdout
    assert len(markdown.stdout) <= 60_000
    assert "http://" not in (tmp_path / "page.html").read_text().replace("http://www.w3.org/", "")
    assert sorted(names) == sorted(
        f"{kind.lower()}/{name}" for (kind, name), application in population.items() if expected_codes(application)
    )


def test_it_says_what_admission_says(auditor: Auditor, api: ApiServer, site: Site, shop: str) -> None:
    """Whatever kind and field holds whatever image, the audit of the living object and admission agree."""
    namespace = "prod-lawful"
    api.create_namespace(namespace)
    sidecar = site.images["api"]
    objects = [
        _any(kind, f"{kind}-{field}-{name}".lower(), namespace, pod_spec(image, field=field, sidecar=sidecar))
        for kind in ("Pod", *WORKLOADS)
        for field in ("containers", "initContainers", "volumes")
        for name, image in site.images.items()
    ]
    api.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    report = auditor.report("-n", namespace, "--no-hints")
    audited = {(row["kind"], row["name"]): (row["allowed"], _codes_of_the_spec(row)) for row in report["results"]}

    assert len(audited) == len(objects)
    for wanted in objects:
        asked = {**wanted, "metadata": {**wanted["metadata"], "namespace": shop}}
        answer = create(api, asked, dry_run=True)
        key = (wanted["kind"], wanted["metadata"]["name"])
        assert audited[key] == (answer.allowed, _codes_of_the_refusal(answer)), key


def _any(kind: str, name: str, namespace: str, spec: Object) -> Object:
    """Return an object of any kind whose controllers make nothing of it."""
    if kind == "Pod":
        return pod(name, namespace, spec)
    return workload(kind, name, namespace, spec, replicas=0)


def _codes_of_the_spec(row: Mapping[str, object]) -> list[str]:
    containers: list[Mapping[str, list[Mapping[str, str]]]] = row["containers"]  # type: ignore[assignment]
    return sorted(
        {
            problem["code"]
            for container in containers
            for problem in container["problems"]
            if problem["severity"] == "error"
        }
    )


def _codes_of_the_refusal(answer: Answer) -> list[str]:
    """Return the codes in the first line, which has them all where the rest of the message is cut."""
    named = re.findall(r"\(([a-z, -]+)\)", answer.first_line)
    return sorted({code for codes in named for code in codes.split(", ")})


def test_drift(auditor: Auditor, api: ApiServer, site: Site) -> None:
    """A tag that moved since the pods started is told by the digest that their nodes run."""
    namespace = "lab-drift"
    hub = site.registries.hub
    good, bad = site.images["api"], site.images["nothing-right"]
    site.home.run("crane", "copy", bad.replace(":1.0@", "@"), f"{hub}/shop/moving:1")
    api.create_namespace(namespace)
    api.apply(workload("Deployment", "api", namespace, pod_spec(f"{hub}/shop/moving:1"), replicas=3))
    wait_for_pods(api, namespace, 3)
    let_run(api, pods_of(api, namespace), f"{hub}/shop/moving@{bad.partition('@')[2]}")
    before = auditor.report("-n", namespace)
    site.home.run("crane", "copy", good.replace(":1.0@", "@"), f"{hub}/shop/moving:1")
    site.cosign.sign(f"{hub}/shop/moving@{good.partition('@')[2]}", key="release", form="bundle")
    (row,) = auditor.report("-n", namespace)["results"]

    assert all(container["seen"] == "spec" for container in before["results"][0]["containers"])
    spec, running = row["containers"]
    assert (spec["seen"], spec["digest"], [p["code"] for p in spec["problems"]]) == (
        "spec",
        good.partition("@")[2],
        ["unpinned"],
    )
    assert (running["seen"], running["digest"], running["pods"]) == ("running", bad.partition("@")[2], 3)
    assert {p["code"] for p in running["problems"]} == {"unsigned", "unapproved-base"}


def test_who_may_read_one_namespace(
    auditor: Auditor, api: ApiServer, population: Mapping[tuple[str, str], str]
) -> None:
    """An auditor of one namespace audits it; asked for all, the report says what may not be seen, with status 2."""
    kinds = "pods,replicationcontrollers,podtemplates,deployments,replicasets,statefulsets,daemonsets,jobs,cronjobs"
    api.kubectl("create", "role", "audit", "--verb=list", f"--resource={kinds}", "-n", NAMESPACE)
    api.kubectl("create", "rolebinding", "audit", "--role=audit", "--user=auditor", "-n", NAMESPACE)
    api.kubectl("create", "clusterrole", "namespaces", "--verb=list", "--resource=namespaces")
    own = auditor.run("-n", NAMESPACE, *AS_AUDITOR, "-o", "json")
    blind = auditor.run("-A", *AS_AUDITOR)
    api.kubectl("create", "clusterrolebinding", "namespaces", "--clusterrole=namespaces", "--user=auditor")
    everything = auditor.run("-A", *AS_AUDITOR, "-o", "json", "--no-hints")
    rows = json.loads(everything.stdout)["results"]

    assert (own.returncode, own.stderr) == (1, "")
    assert len(json.loads(own.stdout)["results"]) == len(population)
    assert blind.returncode == 2
    assert "name some with -n" in blind.stderr
    assert everything.returncode == 2
    assert {row["result"] for row in rows if row["kind"] == "Namespace"} == {"error"}
    assert sum(1 for row in rows if row["namespace"] == NAMESPACE) == len(population)
    assert not any(row["kind"] != "Namespace" and row["namespace"] != NAMESPACE for row in rows)


def test_who_may_list_pods_only(auditor: Auditor, population: Mapping[tuple[str, str], str]) -> None:
    """Pods are judged under the owners that they name, and one line says which kinds may not be listed."""
    done = auditor.run("-n", NAMESPACE, "-o", "json", "--no-hints", user=DEVELOPER)

    assert done.returncode == 2
    assert "listing cronjobs.batch, daemonsets.apps, deployments.apps" in done.stderr
    assert {row["kind"] for row in json.loads(done.stdout)["results"]} >= {"Pod", "ReplicaSet", "StatefulSet"}


@pytest.fixture
def private(site: Site) -> str:
    """Return a good image in the registry that asks for a password."""
    return APPLICATIONS["api"].copy(site.home, site.cosign, site.images["api"], site.registries.guarded)


def test_pull_secrets(auditor: Auditor, api: ApiServer, site: Site, private: str) -> None:
    """A private image is read by the pod's pull secret or its service account's; who may not read them is told."""
    namespace = "prod-private"
    api.create_namespace(namespace)
    server = f"--docker-server={site.registries.guarded}"
    login = (server, f"--docker-username={USER}", f"--docker-password={PASSWORD}")
    api.kubectl("create", "secret", "docker-registry", "regcred", *login, "-n", namespace)
    api.kubectl("create", "serviceaccount", "puller", "-n", namespace)
    patch = json.dumps({"imagePullSecrets": [{"name": "regcred"}]})
    api.kubectl("patch", "serviceaccount", "puller", "-n", namespace, f"--patch={patch}")
    api.apply(
        workload("Deployment", "by-pod", namespace, {**pod_spec(private), **json.loads(patch)}, replicas=0),
        workload(
            "Deployment", "by-account", namespace, {**pod_spec(private), "serviceAccountName": "puller"}, replicas=0
        ),
        workload("Deployment", "by-nobody", namespace, pod_spec(private), replicas=0),
    )
    anonymous = [*site.registries.flags]
    rows = {row["name"]: row for row in auditor.report("-n", namespace, registry_flags=anonymous)["results"]}
    role = ("--verb=list", "--resource=deployments,pods")
    api.kubectl("create", "role", "list", *role, "-n", namespace)
    api.kubectl("create", "rolebinding", "list", "--role=list", "--user=auditor", "-n", namespace)
    blind = auditor.report("-n", namespace, *AS_AUDITOR, registry_flags=anonymous)["results"]
    notes = {row["name"]: " ".join(row.get("notes", ())) for row in blind}

    assert {name: row["result"] for name, row in rows.items()} == {
        "by-pod": "pass",
        "by-account": "pass",
        "by-nobody": "error",
    }
    assert notes["by-pod"].startswith("pull secret `regcred` is not used")
    assert notes["by-account"].startswith("pull secrets that the service account `puller` may name are not used")
    assert {row["result"] for row in blind} == {"error"}
    assert PASSWORD not in json.dumps(blind) + json.dumps(rows)


def test_hints(auditor: Auditor, api: ApiServer, site: Site) -> None:
    """A refused image is told the base to build on, the newest tag that would pass, and the digest to pin."""
    namespace = "prod-hints"
    hub, good, bad = site.registries.hub, site.images["api"], site.images["other-base"]
    for tag, image in (("1.0.0", bad), ("1.1.0", good)):
        site.home.run("crane", "copy", image.replace(":1.0@", "@"), f"{hub}/shop/versions:{tag}")
    site.cosign.sign(f"{hub}/shop/versions@{good.partition('@')[2]}", key="release", form="bundle")
    site.cosign.sign(f"{hub}/shop/versions@{bad.partition('@')[2]}", key="release", form="bundle")
    api.create_namespace(namespace)
    api.apply(
        workload(
            "Deployment", "old", namespace, pod_spec(f"{hub}/shop/versions:1.0.0@{bad.partition('@')[2]}"), replicas=0
        ),
        workload("Deployment", "unpinned", namespace, pod_spec(f"{hub}/shop/versions:1.1.0"), replicas=0),
    )
    rows = {row["name"]: row for row in auditor.report("-n", namespace)["results"]}
    fixes = {
        name: {fix["kind"]: fix["write"] for fix in row["containers"][0].get("fixes", ())} for name, row in rows.items()
    }

    assert fixes["old"]["newest"] == f"{hub}/shop/versions:1.1.0@{good.partition('@')[2]}"
    assert fixes["unpinned"]["pin"] == f"{hub}/shop/versions:1.1.0@{good.partition('@')[2]}"


def test_another_policy_and_another_day(auditor: Auditor, site: Site, population: object, tmp_path: Path) -> None:
    """A candidate that asks for less admits more, and in two years nearly everything is stale."""
    policy, _ = site.copy_documents(tmp_path)
    document = yaml.safe_load(policy.read_text())
    document["spec"]["rules"][0]["require"] = {"base": {"maxAge": "400d"}}
    document["spec"]["rules"][0].pop("except")
    policy.write_text(yaml.safe_dump(document))
    compared = auditor.run("-n", NAMESPACE, "--compare", str(site.policy), "-o", "json", policy=policy)
    later = auditor.report("-n", NAMESPACE, "--as-of", "+730d", "--no-hints", policy=policy)
    report = json.loads(compared.stdout)

    assert compared.returncode == 0, compared.stderr
    assert report["summary"]["changes"]["newlyRefused"] == 0
    assert report["summary"]["changes"]["newlyAdmitted"] == len(report["results"]) > 0
    assert {row["change"] for row in report["results"]} == {"newly-admitted"}
    codes = {p["code"] for row in later["results"] for c in row["containers"] for p in c["problems"]}
    assert "stale-base" in codes
    assert later["summary"]["pass"] == 0


def test_ctrl_c(auditor: Auditor, api: ApiServer, site: Site, tmp_path: Path) -> None:
    """Interrupted while a registry is silent, it prints what it has, says so, and ends with 2."""
    namespace = "prod-interrupted"
    api.create_namespace(namespace)
    policy, _ = site.copy_documents(tmp_path)
    with silent_registry() as (address, visited):
        policy.write_text(policy.read_text().replace(site.registries.fragile.address, address))
        image = f"{address}/shop/slow:1.0@sha256:{'1' * 64}"
        api.apply(
            workload("Deployment", "good", namespace, pod_spec(site.images["api"]), replicas=0),
            workload("Deployment", "slow", namespace, pod_spec(image), replicas=0),
        )
        arguments = ("-n", namespace, "-o", "json", f"--insecure-registry={address}")
        status, output, complaints = auditor.interrupted(
            *arguments, policy=policy, once=lambda: visited.wait(timeout=30)
        )

    assert status == 2
    assert "error: the run was interrupted" in complaints
    assert json.loads(output)["metadata"]["complete"] is False
    assert "slow" not in {row["name"] for row in json.loads(output)["results"]}


def test_no_cluster_to_ask(auditor: Auditor, tmp_path: Path) -> None:
    """A kubeconfig that is not there, a wrong token and a server that is gone are one line each, with status 2."""
    (tmp_path / "kubeconfig").write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}],
                "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": ""}}],
                "current-context": "gone",
            }
        )
    )
    missing = auditor.run(environment={"KUBECONFIG": str(tmp_path / "none")})
    gone = auditor.run(environment={"KUBECONFIG": str(tmp_path / "kubeconfig")})
    stranger = auditor.run("--token=nonsense", "-n", NAMESPACE)

    for done, words in ((missing, "kubeconfig"), (gone, "127.0.0.1:1"), (stranger, "does not accept the credentials")):
        assert done.returncode == 2
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, done.stderr
        assert words in errors[0]
