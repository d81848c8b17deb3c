"""Tags of pods are pinned by the real API server, and the digest is what is judged."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.answers import answer, create
from tests.e2e.conftest import DEVELOPER, Cluster, Namespaces, register
from tests.e2e.gate import Gate
from tests.e2e.objects import Object, pod, pod_spec, workload
from tests.e2e.pinning import other_webhook, pinning_configuration
from tests.e2e.site import Site
from tests.e2e.tools.processes import ApiServer, wait_until

pytestmark = pytest.mark.e2e

NAME = "pinning"


@pytest.fixture(scope="module")
def pinned(api: ApiServer, gate: Gate, site: Site) -> Namespaces:
    """Register both webhooks of the gate for namespaces of their own, and wait until tags are pinned."""
    namespaces = register(api, gate, site, name=NAME)
    url = gate.url.replace("/validate", "/mutate")
    ca = site.certificates.ca.read_bytes()
    api.apply(pinning_configuration(NAME, url=url, ca=ca, judged_by=NAME))
    probe = pod("tagged", f"prod-{NAME}-probe", pod_spec(tag_of(site, "api")))
    wait_until(lambda: create(api, probe, dry_run=True).allowed, "the webhook that pins")
    return namespaces


@pytest.fixture(scope="module")
def place(pinned: Namespaces) -> str:
    """Return the name of a namespace in which tags are pinned."""
    return pinned.create("prod-pinned", templates="advised")


def tag_of(site: Site, name: str) -> str:
    """Return the reference of an image by its tag alone."""
    return site.images[name].partition("@")[0]


def live(api: ApiServer, namespace: str, what: str) -> Any:  # noqa: ANN401 - JSON
    """Return an object as it is in the cluster."""
    return json.loads(api.kubectl("get", what, "--namespace", namespace, "--output=json").stdout)


def image_of(api: ApiServer, namespace: str, name: str) -> str:
    """Return the image of the first container of a pod."""
    return str(live(api, namespace, f"pod/{name}")["spec"]["containers"][0]["image"])


@contextmanager
def registered(api: ApiServer, name: str, document: Object, probe: Object) -> Iterator[None]:
    """Have another webhook called until the end of the block, and wait until it is: it labels what it has seen."""
    api.apply(document)

    def seen() -> bool:
        command = ("create", "-f", "-", "--dry-run=server", "--output=json")
        shown = api.kubectl(*command, stdin=json.dumps(probe), check=False).stdout
        return '"seen"' in shown

    try:
        wait_until(seen, f"the webhook {name}")
        yield
    finally:
        api.kubectl("delete", "mutatingwebhookconfiguration", name)


@pytest.mark.parametrize("field", ["containers", "initContainers", "volumes"])
def test_a_tag_is_pinned_and_admitted(api: ApiServer, site: Site, place: str, field: str) -> None:
    """A pod that names a good image by its tag is created, and has the digest behind what was typed."""
    name = "model" if field == "volumes" else "api"
    spec = pod_spec(tag_of(site, name), field=field, sidecar=tag_of(site, "web"))

    assert create(api, pod(f"tag-{field.lower()}", place, spec), user=DEVELOPER).allowed

    found = live(api, place, f"pod/tag-{field.lower()}")["spec"]
    written = found[field][0]["image"]["reference"] if field == "volumes" else found[field][0]["image"]
    assert written == site.images[name]


def test_a_bad_image_is_refused_by_its_digest(api: ApiServer, site: Site, place: str) -> None:
    """Pinning approves nothing: the image is refused for what it is, and not for its tag."""
    refused = create(api, pod("bad", place, pod_spec(tag_of(site, "unsigned"))))

    assert (refused.codes, refused.webhook) == (("unsigned",), f"pods.{NAME}.dhi-gate.dev")


@pytest.mark.parametrize("image", ["{hub}/shop/nowhere:1", "docker.example/shop/api:1"])
def test_what_cannot_be_pinned_is_left_to_the_judge(api: ApiServer, site: Site, place: str, image: str) -> None:
    """A tag that is nowhere, or may not be asked about, stays; the validating webhook says why it is refused."""
    refused = create(api, pod("left", place, pod_spec(image.format(hub=site.registries.hub))))

    assert refused.webhook == f"pods.{NAME}.dhi-gate.dev"
    assert refused.codes in (("unpinned", "not-found"), ("forbidden-image",))


def test_a_tag_that_moves_between_the_webhooks_slips_nothing_through(
    api: ApiServer, site: Site, pinned: Namespaces
) -> None:
    """A tag that is moved to a bad image after it was pinned changes nothing: what runs is what was judged."""
    namespace = pinned.create("prod-moving")
    target = f"{site.registries.hub}/shop/moving"
    good, bad = (site.images[name].partition("@")[2] for name in ("api", "unsigned"))
    for name, digest in (("api", good), ("unsigned", bad)):
        source = f"{site.registries.hub}/shop/{name}@{digest}"
        site.home.run("crane", "copy", source, f"{target}:{name}")
    site.cosign.sign(f"{target}@{good}", key="release", form="bundle")

    def move(request: Any) -> list[Object]:  # noqa: ANN401 - JSON
        """Move the tag to the bad image, now that the gate has pinned it, and leave a trace."""
        name = request["object"]["metadata"]["name"]
        if name == "moved":
            site.home.run("crane", "copy", f"{target}@{bad}", f"{target}:1")
        return [{"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}}]

    site.home.run("crane", "copy", f"{target}@{good}", f"{target}:1")
    ca = site.certificates.ca.read_bytes()
    with other_webhook(site.certificates, move) as url:
        mover = pinning_configuration("zz-mover", url=url, ca=ca, judged_by=NAME)
        with registered(api, "zz-mover", mover, pod("probe", namespace, pod_spec(site.images["api"]))):
            answered = create(api, pod("moved", namespace, pod_spec(f"{target}:1")))

    assert site.home.run("crane", "digest", f"{target}:1").strip() == bad
    assert answered.allowed
    assert image_of(api, namespace, "moved") == f"{target}:1@{good}"


def test_what_another_webhook_adds_is_pinned_too(api: ApiServer, site: Site, pinned: Namespaces) -> None:
    """A container that is injected after pinning is pinned when the gate is asked again, and only that one."""
    namespace = pinned.create("prod-injected")
    sidecar = {"name": "sidecar", "image": tag_of(site, "web")}

    def inject(request: Any) -> list[Object]:  # noqa: ANN401 - JSON
        """Add a sidecar once, and leave a trace."""
        if any(container["name"] == "sidecar" for container in request["object"]["spec"]["containers"]):
            return []
        trace = {"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}}
        return [trace, {"op": "add", "path": "/spec/containers/-", "value": sidecar}]

    with other_webhook(site.certificates, inject) as url:
        injector = pinning_configuration("zz-injector", url=url, ca=site.certificates.ca.read_bytes(), judged_by=NAME)
        with registered(api, "zz-injector", injector, pod("probe", namespace, pod_spec(site.images["api"]))):
            answered = create(api, pod("injected", namespace, pod_spec(tag_of(site, "api"))))

    assert answered.allowed
    containers = live(api, namespace, "pod/injected")["spec"]["containers"]
    assert [each["image"] for each in containers] == [site.images["api"], site.images["web"]]


def test_a_label_restarts_nothing(api: ApiServer, site: Site, pinned: Namespaces) -> None:
    """A pod from before the webhook that is labelled keeps its tag: writing a digest would restart its container."""
    namespace = "prod-labelled"
    api.create_namespace(namespace)
    tag = tag_of(site, "api")
    assert create(api, pod("old", namespace, pod_spec(tag))).allowed
    pinned.take_over(namespace)
    before = live(api, namespace, "pod/old")["metadata"]

    api.kubectl("label", "pod/old", "--namespace", namespace, "team=shop")

    after = live(api, namespace, "pod/old")["metadata"]
    assert image_of(api, namespace, "old") == tag
    assert before.get("generation") == after.get("generation")


def test_without_conditions_a_label_restarts_nothing_either(api: ApiServer, gate: Gate, site: Site) -> None:
    """The gate itself leaves unchanged images alone, also where the API server asks it about every update."""
    namespace = "prod-asked"
    api.create_namespace(namespace)
    assert create(api, pod("old", namespace, pod_spec(tag_of(site, "api")))).allowed
    url = gate.url.replace("/validate", "/mutate")
    ca = site.certificates.ca.read_bytes()
    name = "pinning-always"
    api.apply(pinning_configuration(name, url=url, ca=ca, judged_by=name, conditions=False))
    api.kubectl("label", "namespace", namespace, f"e2e.dhi-gate.dev/judged-by={name}")
    probe = json.dumps(pod("probe", namespace, pod_spec(tag_of(site, "web"))))
    command = ("create", "-f", "-", "--dry-run=server", "--output=json")
    wait_until(lambda: "@sha256:" in api.kubectl(*command, stdin=probe).stdout, "the webhook that is always asked")

    api.kubectl("label", "pod/old", "--namespace", namespace, "team=shop")

    assert any(event.get("operation") == "UPDATE" and event.get("name") == "old" for event in gate.events())
    assert image_of(api, namespace, "old") == tag_of(site, "api")


def test_applying_twice_is_applying_once(api: ApiServer, site: Site, place: str) -> None:
    """A Deployment keeps its tag: `kubectl diff` and a second apply find nothing, while its pods are pinned."""
    wanted = json.dumps(workload("Deployment", "twice", place, pod_spec(tag_of(site, "api"))))
    api.kubectl("apply", "-f", "-", stdin=wanted)
    first = live(api, place, "deployment/twice")

    def pods() -> list[Any]:
        listed = live(api, place, "pods")["items"]
        return [each for each in listed if each["metadata"].get("generateName", "").startswith("twice-")]

    (made,) = wait_until(pods, "the pod of the Deployment")
    assert made["spec"]["containers"][0]["image"] == site.images["api"]
    assert api.kubectl("diff", "-f", "-", stdin=wanted, check=False).returncode == 0
    assert api.kubectl("apply", "-f", "-", stdin=wanted).stdout.strip() == "deployment.apps/twice unchanged"
    second = live(api, place, "deployment/twice")
    assert first["metadata"]["generation"] == second["metadata"]["generation"]
    assert second["spec"]["template"]["spec"]["containers"][0]["image"] == tag_of(site, "api")


def test_a_changed_image_of_a_pod_is_pinned(api: ApiServer, site: Site, place: str) -> None:
    """`kubectl set image` with a tag writes the digest."""
    assert create(api, pod("exchanged", place, pod_spec(tag_of(site, "api")))).allowed

    done = api.kubectl("set", "image", "pod/exchanged", f"api={tag_of(site, 'web')}", "--namespace", place, check=False)

    assert answer(done).allowed
    assert image_of(api, place, "exchanged") == site.images["web"]


def test_a_pod_of_a_template_that_nobody_can_read_is_not_denied_by_pinning(
    api: ApiServer, site: Site, place: str
) -> None:
    """A name that is no reference is refused by the webhook that judges, not by the one that pins."""
    refused = create(api, pod("broken", place, pod_spec(f"{site.registries.hub}/Shop/API:1")))

    assert (refused.codes, refused.webhook) == (("bad-reference",), f"pods.{NAME}.dhi-gate.dev")


def test_the_audit_log_tells_what_was_pinned(
    api: ApiServer, cluster: Cluster, site: Site, place: str, gate: Gate
) -> None:
    """The annotation of the webhook that pins has field and digest, and the metrics count the image."""
    assert create(api, pod("noted", place, pod_spec(tag_of(site, "api")))).allowed

    events = [json.loads(line) for line in cluster.audit_log.read_text(encoding="utf-8").splitlines()]
    (event,) = [each for each in events if each["objectRef"].get("name") == "noted"]
    digest = site.images["api"].partition("@")[2]
    told = event["annotations"][f"pin.{NAME}.dhi-gate.dev/pinned-images"]
    assert told == f"spec.containers[0].image {digest}"
    assert 'dhi_gate_pinned_images_total{result="pinned"}' in gate.metrics()
