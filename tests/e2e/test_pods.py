"""Pods of every kind of image, judged by what the API server answers to their author."""

import json

import pytest

from tests.e2e.answers import create
from tests.e2e.applications import APPLICATIONS, BAD, GOOD, Application
from tests.e2e.conftest import Cluster, Namespaces
from tests.e2e.gate import Gate
from tests.e2e.objects import pod, pod_spec
from tests.e2e.site import Site
from tests.e2e.tools.processes import ApiServer

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("application", GOOD, ids=lambda application: application.name)
def test_a_good_image_runs(api: ApiServer, site: Site, shop: str, application: Application) -> None:
    """A pod whose image is signed and built on the hardened base is admitted without a word."""
    image = site.images[application.name]

    answer = create(api, pod(application.name, shop, pod_spec(image)))

    assert (answer.allowed, answer.message) == (True, "")


@pytest.mark.parametrize("application", BAD, ids=lambda application: application.name)
def test_a_bad_image_is_refused(api: ApiServer, site: Site, shop: str, application: Application) -> None:
    """A pod with any other image is refused with every reason, and the first line says it all."""
    name, codes = application.name, ", ".join(application.codes)

    answer = create(api, pod(name, shop, pod_spec(site.images[name])))

    assert not answer.allowed
    assert answer.first_line == f"1 of 1 container in Pod {shop}/{name} may not run: api ({codes})"
    assert answer.codes == application.codes
    assert answer.webhook == "pods.main.dhi-gate.dev"


def test_the_message_says_what_to_change(api: ApiServer, site: Site, shop: str) -> None:
    """The author of an image reads who should have signed it and what its Dockerfile should begin with."""
    message = create(api, pod("nothing-right", shop, pod_spec(site.images["nothing-right"]))).message

    assert "expected: a signature by `release`" in message
    assert f"start the Dockerfile with `FROM {site.registries.hub}/dhi/python:3.13" in message
    assert message.endswith("rule: production; why and what now: dhi-gate explain unsigned")
    assert len(message.encode()) <= 1024


def test_a_tag_alone_is_not_enough(api: ApiServer, site: Site, shop: str) -> None:
    """An image without a digest is refused, and the message holds the reference to write instead."""
    image = site.images["api"]

    answer = create(api, pod("unpinned", shop, pod_spec(image.partition("@")[0])))

    assert answer.codes == ("unpinned",)
    assert f"write `{image}`" in answer.message


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("{hub}/shop/api@sha256:" + "0" * 64, "not-found"),
        ("docker.example/shop/api:1@sha256:" + "0" * 64, "forbidden-image"),
        ("{hub}/Shop/API:1", "bad-reference"),
    ],
)
def test_an_image_that_cannot_be_had(api: ApiServer, site: Site, shop: str, image: str, code: str) -> None:
    """An image that is nowhere, may not be fetched or has no valid name is refused for that."""
    answer = create(api, pod("missing", shop, pod_spec(image.format(hub=site.registries.hub))))

    assert answer.codes == (code,)


@pytest.mark.parametrize("field", ["containers", "initContainers", "volumes"])
def test_every_field_is_judged(api: ApiServer, site: Site, shop: str, field: str) -> None:
    """One bad image beside good ones is found, wherever it stands."""
    spec = pod_spec(site.images["unsigned"], field=field, sidecar=site.images["api"])

    answer = create(api, pod("mixed", shop, spec))

    assert answer.codes == ("unsigned",)


def test_two_bad_containers_are_both_named(api: ApiServer, site: Site, shop: str) -> None:
    """The first line names every container that is at fault."""
    spec = pod_spec(site.images["stranger"], field="initContainers", sidecar=site.images["unsigned"])

    answer = create(api, pod("two", shop, spec))

    assert (
        f"2 of 2 containers in Pod {shop}/two may not run: api (unsigned), prepare (untrusted-signer)"
        == answer.first_line
    )


def test_an_image_volume_is_judged_by_its_own_case(api: ApiServer, site: Site, shop: str) -> None:
    """Data needs no base but a signature: the signed model is mounted, the other is refused."""
    good = pod_spec(site.images["model"], field="volumes", sidecar=site.images["api"])
    bad = pod_spec(site.images["unsigned-model"], field="volumes", sidecar=site.images["api"])

    assert create(api, pod("with-model", shop, good)).allowed
    refused = create(api, pod("with-bad-model", shop, bad))

    assert refused.codes == APPLICATIONS["unsigned-model"].codes
    assert "rule: production, except data-volumes;" in refused.message


def test_data_is_no_program(api: ApiServer, site: Site, shop: str) -> None:
    """The case for volumes speaks about volumes only: the same image as a container is refused."""
    answer = create(api, pod("model", shop, pod_spec(site.images["model"])))

    assert not answer.allowed
    assert "unapproved-base" in answer.codes


def test_a_namespace_without_the_webhook_is_left_alone(api: ApiServer, site: Site, namespaces: Namespaces) -> None:
    """Where the webhook is not registered nobody is asked."""
    api.create_namespace("elsewhere")

    assert create(api, pod("unsigned", "elsewhere", pod_spec(site.images["unsigned"]))).allowed


def test_warn_mode_shows_one_line_per_problem(api: ApiServer, site: Site, namespaces: Namespaces) -> None:
    """Under a rule that warns the pod is created, and its author sees why it would be refused elsewhere."""
    laboratory = namespaces.create("lab-shop")

    answer = create(api, pod("nothing-right", laboratory, pod_spec(site.images["nothing-right"])))

    assert answer.allowed
    assert [warning.partition(":")[0] for warning in answer.warnings] == ["unsigned", "unapproved-base"]
    assert all(len(warning) <= 120 for warning in answer.warnings)


def test_audit_mode_is_silent(api: ApiServer, cluster: Cluster, site: Site, namespaces: Namespaces) -> None:
    """Under a rule that only audits nobody is told, but the audit log of the API server knows."""
    watched = namespaces.create("watched-shop")

    answer = create(api, pod("nothing-right", watched, pod_spec(site.images["nothing-right"])))

    assert (answer.allowed, answer.message) == (True, "")
    found = audit_annotations(cluster, watched, "nothing-right")
    assert (found["mode"], found["rule"], found["codes"]) == ("audit", "observation", "unsigned,unapproved-base")


@pytest.mark.parametrize("namespace", ["prod-revoked", "lab-revoked", "watched-revoked"])
def test_what_is_revoked_runs_nowhere(api: ApiServer, site: Site, namespaces: Namespaces, namespace: str) -> None:
    """A revoked image is refused in every mode, and the message says why it was revoked."""
    namespaces.create(namespace)

    answer = create(api, pod("withdrawn", namespace, pod_spec(site.images["withdrawn"])))

    assert answer.codes == ("revoked",)
    assert "cause:    leaked token in layer 4" in answer.message


def test_a_denial_is_in_the_audit_log(api: ApiServer, cluster: Cluster, site: Site, shop: str, gate: Gate) -> None:
    """The audit log says of a refused pod which policy refused it and why, and the metrics count it."""
    create(api, pod("logged", shop, pod_spec(site.images["unsigned"])))

    found = audit_annotations(cluster, shop, "logged")
    assert (found["decision"], found["mode"], found["codes"]) == ("deny", "enforce", "unsigned")
    assert found["policy-digest"].startswith("sha256:")
    assert 'decision="deny"' in gate.metrics()


def audit_annotations(cluster: Cluster, namespace: str, name: str) -> dict[str, str]:
    """Return what the gate noted in the audit log about the last attempt to create a pod."""
    events = [json.loads(line) for line in cluster.audit_log.read_text(encoding="utf-8").splitlines()]
    about = [
        event
        for event in events
        if event["objectRef"].get("namespace") == namespace and event["objectRef"].get("name") == name
    ]
    prefix = "pods.main.dhi-gate.dev/"
    return {
        key.removeprefix(prefix): value for key, value in about[-1]["annotations"].items() if key.startswith(prefix)
    }
