"""A registry is down: what runs can be managed, and nothing new is let in unseen."""

from dataclasses import dataclass

import pytest

from tests.e2e.answers import answer, create
from tests.e2e.applications import APPLICATIONS
from tests.e2e.conftest import Namespaces
from tests.e2e.gate import dhi_gate
from tests.e2e.objects import pod, pod_spec, workload
from tests.e2e.site import Site
from tests.e2e.tools.processes import ApiServer, wait_until

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A namespace with a pod and a deployment whose registry is gone, and an image of it that the gate never saw."""

    namespace: str
    unseen: str


@pytest.fixture(scope="module")
def outage(api: ApiServer, site: Site, namespaces: Namespaces) -> Outage:
    """Run images from a registry, and then stop the registry."""
    fragile = site.registries.fragile
    seen, unseen = (
        APPLICATIONS[name].copy(site.home, site.cosign, site.images[name], fragile.address) for name in ("api", "web")
    )
    namespace = namespaces.create("prod-outage", templates="denied")
    held = pod("api", namespace, pod_spec(seen), metadata={"finalizers": ["shop.example/hold"]})
    assert create(api, held).allowed
    assert create(api, workload("Deployment", "api", namespace, pod_spec(seen), replicas=2)).allowed
    fragile.stop()
    return Outage(namespace=namespace, unseen=unseen)


@pytest.mark.parametrize(
    "command",
    [
        ("label", "pod/api", "team=shop"),
        ("annotate", "pod/api", "shop.example/ticket=112"),
        ("label", "deployment/api", "team=shop"),
        ("annotate", "deployment/api", "shop.example/ticket=112"),
        ("patch", "deployment/api", "--patch", '{"spec": {"paused": true}}'),
        ("scale", "deployment/api", "--replicas=1"),
        ("patch", "deployment/api", "--patch", '{"spec": {"replicas": 0}}'),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_what_runs_can_be_managed(api: ApiServer, outage: Outage, command: tuple[str, ...]) -> None:
    """Labels, annotations and fewer replicas need no registry."""
    done = answer(api.kubectl(*command, "--namespace", outage.namespace, check=False))

    assert (done.allowed, done.message) == (True, "")


def test_what_holds_up_a_deletion_can_be_removed(api: ApiServer, outage: Outage) -> None:
    """A pod that is being deleted loses its finalizer, and is gone."""
    api.kubectl("delete", "pod", "api", "--namespace", outage.namespace, "--wait=false", "--grace-period=0")

    api.kubectl("patch", "pod", "api", "--namespace", outage.namespace, '--patch={"metadata":{"finalizers":null}}')

    wait_until(
        lambda: api.kubectl("get", "pod", "api", "--namespace", outage.namespace, check=False).returncode != 0,
        "the deletion",
    )


def test_nothing_new_is_let_in_unseen(api: ApiServer, outage: Outage) -> None:
    """A new pod whose image cannot be checked is refused, and the message does not call the image bad."""
    refused = create(api, pod("new", outage.namespace, pod_spec(outage.unseen)))

    assert refused.first_line == (f"1 of 1 container in Pod {outage.namespace}/new may not run: api (unverifiable)")
    assert "could not be checked; this does not say that it is bad" in refused.message
    assert f"at:       {outage.unseen.partition('/')[0]}" in refused.message


def test_the_check_cannot_tell_either(site: Site, outage: Outage) -> None:
    """On the command line, what cannot be checked ends with the status 2."""
    documents = (f"--policy={site.policy}", f"--catalog={site.catalog}")

    done = dhi_gate("check", outage.unseen, f"--namespace={outage.namespace}", *documents, status=2)

    assert "unverifiable" in done.stdout


def test_other_registries_are_not_held_up(api: ApiServer, outage: Outage, site: Site) -> None:
    """Images of a registry that is up are judged as ever."""
    assert create(api, pod("good", outage.namespace, pod_spec(site.images["web"]))).allowed
    assert create(api, pod("bad", outage.namespace, pod_spec(site.images["copied"]))).codes == ("unapproved-base",)
