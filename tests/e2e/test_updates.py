"""Changes to what runs already: only a new image is judged."""

import pytest

from tests.e2e.answers import Answer, answer, create
from tests.e2e.conftest import DEVELOPER, NODE, SRE, Namespaces
from tests.e2e.objects import pod, pod_spec, workload
from tests.e2e.site import Site
from tests.e2e.tools.processes import ApiServer, wait_until

pytestmark = pytest.mark.e2e


def set_image(api: ApiServer, namespace: str, target: str, image: str) -> Answer:
    """Give the container `api` of an object another image."""
    return answer(api.kubectl("set", "image", target, f"api={image}", "--namespace", namespace, check=False))


def debug(api: ApiServer, namespace: str, pod_name: str, image: str, *, user: str) -> Answer:
    """Attach an ephemeral container to a pod."""
    command = ("debug", pod_name, f"--image={image}", "--container=debugger", "--namespace", namespace)
    return answer(api.kubectl(*command, "--attach=false", user=user, check=False))


def test_the_image_of_a_pod_is_exchanged(api: ApiServer, site: Site, shop: str) -> None:
    """`kubectl set image` may put a good image in the place of another, and not a bad one."""
    assert create(api, pod("exchanged", shop, pod_spec(site.images["api"]))).allowed

    refused = set_image(api, shop, "pod/exchanged", site.images["squashed"])
    accepted = set_image(api, shop, "pod/exchanged", site.images["web"])

    assert refused.first_line == f"1 of 1 container in Pod {shop}/exchanged may not run: api (unapproved-base)"
    assert accepted.allowed


def test_the_image_of_a_deployment_is_exchanged(api: ApiServer, site: Site, shop: str) -> None:
    """Where templates are judged, `kubectl set image` of a Deployment is refused at once."""
    assert create(api, workload("Deployment", "exchanged", shop, pod_spec(site.images["api"]))).allowed

    refused = set_image(api, shop, "deployment/exchanged", site.images["stranger"])
    accepted = set_image(api, shop, "deployment/exchanged", site.images["two-platforms"])

    expected = f"1 of 1 container in Deployment {shop}/exchanged may not run: api (untrusted-signer)"
    assert refused.first_line == expected
    assert accepted.allowed


def test_what_was_there_before_is_left_alone(api: ApiServer, site: Site, namespaces: Namespaces) -> None:
    """A Deployment from before the webhook can be scaled and labelled, but gets no new pods and no other bad image."""
    namespace = "prod-inherited"
    api.create_namespace(namespace)
    inherited = workload("Deployment", "api", namespace, pod_spec(site.images["unsigned"]))
    assert create(api, inherited).allowed
    namespaces.take_over(namespace)

    api.kubectl("label", "deployment/api", "--namespace", namespace, "team=shop")
    api.kubectl("scale", "deployment/api", "--namespace", namespace, "--replicas=0")
    refused = set_image(api, namespace, "deployment/api", site.images["stranger"])

    assert refused.codes == ("untrusted-signer",)


def test_debugging_is_not_a_way_around(api: ApiServer, site: Site, shop: str) -> None:
    """`kubectl debug` with a bad image is refused; the message offers a command with an approved one."""
    assert create(api, pod("debugged", shop, pod_spec(site.images["api"]))).allowed

    refused = debug(api, shop, "debugged", site.images["other-base"], user=DEVELOPER)
    accepted = debug(api, shop, "debugged", site.images["web"], user=DEVELOPER)

    assert refused.codes == ("unapproved-base",)
    assert "ephemeral container `debugger` is not built on an approved DHI base" in refused.message
    assert f"kubectl debug -n {shop} debugged -it --image={site.registries.hub}/dhi/python" in refused.message
    assert accepted.allowed


def test_who_is_on_call_may_debug_with_more(api: ApiServer, site: Site, shop: str) -> None:
    """The development variant of the base is for those on call, and for ephemeral containers only."""
    toolbox = f"{site.registries.hub}/dhi/python:3.13-dev@{site.bases.development}"
    assert create(api, pod("on-call", shop, pod_spec(site.images["api"]))).allowed

    assert not debug(api, shop, "on-call", toolbox, user=DEVELOPER).allowed
    assert debug(api, shop, "on-call", toolbox, user=SRE).allowed
    assert not create(api, pod("toolbox", shop, pod_spec(toolbox)), user=SRE).allowed


def test_a_copy_for_debugging_is_a_pod_like_any_other(api: ApiServer, site: Site, shop: str) -> None:
    """`kubectl debug --copy-to` with another image is judged by that image."""
    assert create(api, pod("original", shop, pod_spec(site.images["api"]))).allowed

    def copy(name: str, image: str) -> Answer:
        target = (f"--copy-to={name}", f"--set-image=api={image}", "--attach=false", f"--namespace={shop}")
        return answer(api.kubectl("debug", "original", *target, user=SRE, check=False))

    assert copy("bad-copy", site.images["unsigned"]).codes == ("unsigned",)
    assert copy("good-copy", site.images["two-platforms"]).allowed


def test_a_mirror_pod_is_reported_and_let_in(api: ApiServer, site: Site, namespaces: Namespaces) -> None:
    """What a node runs already is shown in the API whatever it is; the node alone may say so."""
    namespace = namespaces.create("prod-static")
    bad = {**pod_spec(site.images["unsigned"]), "nodeName": NODE}
    mirror = {"annotations": {"kubernetes.io/config.mirror": "0123", "kubernetes.io/config.source": "file"}}
    wanted = pod(f"static-{NODE}", namespace, bad, metadata=mirror)

    pretender = create(api, wanted, user=DEVELOPER)
    reported = create(api, wanted, user=f"system:node:{NODE}")

    assert pretender.codes == ("unsigned",)
    assert reported.allowed
    assert [warning.partition(":")[0] for warning in reported.warnings] == ["unsigned"]


def test_a_dry_run_changes_nothing_and_is_judged(api: ApiServer, site: Site, shop: str) -> None:
    """`--dry-run=server` gets the verdict of the real thing."""
    good, bad = (pod("tried", shop, pod_spec(site.images[name])) for name in ("api", "copied"))

    assert create(api, good, dry_run=True).allowed
    assert create(api, bad, dry_run=True).codes == ("unapproved-base",)
    assert api.kubectl("get", "pod", "tried", "--namespace", shop, check=False).returncode != 0


def test_what_was_let_in_can_be_deleted(api: ApiServer, site: Site, shop: str) -> None:
    """Deleting asks nobody about images."""
    assert create(api, pod("deleted", shop, pod_spec(site.images["api"]))).allowed

    api.kubectl("delete", "pod", "deleted", "--namespace", shop, "--wait=false")

    wait_until(
        lambda: api.kubectl("get", "pod", "deleted", "--namespace", shop, check=False).returncode != 0, "the deletion"
    )
