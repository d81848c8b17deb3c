"""Everything that makes pods: its template is judged where that is registered, and its pods in any case."""

import json

import pytest

from tests.e2e.answers import create
from tests.e2e.conftest import Namespaces
from tests.e2e.objects import WORKLOADS, pod_spec, workload
from tests.e2e.site import Site
from tests.e2e.tools.processes import ApiServer, wait_until

pytestmark = pytest.mark.e2e

FIELDS = ("containers", "initContainers", "volumes")

# The template's place in each kind, as the messages have it.
TEMPLATE_PATHS = {
    "PodTemplate": "template.spec",
    "CronJob": "spec.jobTemplate.spec.template.spec",
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("kind", WORKLOADS)
def test_a_bad_template_is_refused(api: ApiServer, site: Site, shop: str, kind: str, field: str) -> None:
    """Where templates are judged, a bad image in any field of any kind is refused before there is a pod."""
    spec = pod_spec(site.images["stranger"], field=field, sidecar=site.images["api"])

    answer = create(api, workload(kind, "bad", shop, spec), dry_run=True)

    assert answer.webhook == "workloads.main.dhi-gate.dev"
    assert answer.codes == ("untrusted-signer",)
    assert f" in {kind} {shop}/bad may not run: " in answer.first_line


@pytest.mark.parametrize("kind", WORKLOADS)
def test_a_good_template_is_admitted(api: ApiServer, site: Site, shop: str, kind: str) -> None:
    """With good images in all fields every kind is admitted without a word."""
    image = site.images["api"]
    spec = {
        **pod_spec(image, field="initContainers"),
        **pod_spec(site.images["model"], field="volumes", sidecar=image),
    }

    answer = create(api, workload(kind, "good", shop, spec), dry_run=True)

    assert (answer.allowed, answer.message) == (True, "")


@pytest.mark.parametrize("kind", WORKLOADS)
def test_the_cause_names_the_field(api: ApiServer, site: Site, shop: str, kind: str) -> None:
    """Programs learn the path of the field and the code from the details of the answer."""
    wanted = workload(kind, "bad", shop, pod_spec(site.images["unsigned"]))

    shown = api.kubectl("create", "-f", "-", "-v=9", "--dry-run=server", stdin=json.dumps(wanted), check=False).stderr

    path = TEMPLATE_PATHS.get(kind, "spec.template.spec")
    assert f"{path}.containers[0].image" in shown


def test_the_pods_of_a_replica_set_are_refused(api: ApiServer, site: Site, namespaces: Namespaces) -> None:
    """Where only pods are judged, a Deployment is let in, and its ReplicaSet is told why it gets no pods."""
    namespace = namespaces.create("prod-pods-only")

    answer = create(api, workload("Deployment", "api", namespace, pod_spec(site.images["unsigned"])))

    assert answer.allowed
    event = wait_until(lambda: failure(api, namespace, "ReplicaSet"), "an event of the refusal")
    assert " may not run: api (unsigned)" in event
    assert "expected: a signature by `release`" in event
    assert pod_names(api, namespace) == []


@pytest.mark.parametrize("kind", ["ReplicationController", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"])
def test_the_pods_of_every_controller_are_refused(
    api: ApiServer, site: Site, namespaces: Namespaces, kind: str
) -> None:
    """Whichever controller creates a pod, the image decides."""
    namespace = namespaces.create(f"prod-{kind.lower()}")

    assert create(api, workload(kind, "api", namespace, pod_spec(site.images["other-base"]))).allowed

    event = wait_until(lambda: failure(api, namespace, kind), "an event of the refusal")
    assert " may not run: api (unapproved-base)" in event


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job"])
def test_the_pods_of_a_good_image_are_created(api: ApiServer, site: Site, namespaces: Namespaces, kind: str) -> None:
    """A controller gets its pods if their image is good."""
    namespace = namespaces.create(f"prod-good-{kind.lower()}")

    assert create(api, workload(kind, "api", namespace, pod_spec(site.images["web"]))).allowed

    wait_until(lambda: pod_names(api, namespace), f"a pod of the {kind}")


def test_advice_about_templates(api: ApiServer, site: Site, namespaces: Namespaces) -> None:
    """Where templates are only advised on, a bad one is let in with the very warning that its pods will be refused."""
    namespace = namespaces.create("prod-advised", templates="advised")

    answer = create(api, workload("Deployment", "api", namespace, pod_spec(site.images["unsigned"])))

    assert answer.allowed
    assert [warning.partition(":")[0] for warning in answer.warnings] == ["unsigned"]
    wait_until(lambda: failure(api, namespace, "ReplicaSet"), "an event of the refusal")


def test_a_cron_job_starts_only_good_jobs(api: ApiServer, site: Site, namespaces: Namespaces) -> None:
    """A Job made from a CronJob is judged by its pod."""
    namespace = namespaces.create("prod-cron")
    assert create(api, workload("CronJob", "nightly", namespace, pod_spec(site.images["labelled"]))).allowed

    api.kubectl("create", "job", "now", "--from=cronjob/nightly", "--namespace", namespace)

    event = wait_until(lambda: failure(api, namespace, "Job"), "an event of the refusal")
    assert " may not run: api (unapproved-base)" in event


def failure(api: ApiServer, namespace: str, kind: str) -> str | None:
    """Return what the event says of the pod that a controller of this kind could not create."""
    listed = json.loads(api.kubectl("get", "events", "--namespace", namespace, "--output=json").stdout)
    return next(
        (
            str(event["message"])
            for event in listed["items"]
            if (event["reason"], event["involvedObject"]["kind"]) == ("FailedCreate", kind)
        ),
        None,
    )


def pod_names(api: ApiServer, namespace: str) -> list[str]:
    """Return the names of all pods of a namespace."""
    return api.kubectl("get", "pods", "--namespace", namespace, "--output=name").stdout.split()
