"""`kubectl debug` in its three forms, where tags are pinned and where they are not."""

import json
from pathlib import Path

import pytest
import yaml

from tests.e2e.answers import Answer, answer, create
from tests.e2e.conftest import DEVELOPER, NODE, SRE, Cluster, Namespaces, register
from tests.e2e.gate import Gate
from tests.e2e.objects import pod, pod_spec
from tests.e2e.pinning import pinning_configuration
from tests.e2e.site import Site
from tests.e2e.test_updates import debug
from tests.e2e.tools.processes import ApiServer, wait_until

pytestmark = pytest.mark.e2e

WARNING = "debug-exemption: `debugger` is let in for debugging, and that is logged"


@pytest.fixture(scope="module")
def place(api: ApiServer, gate: Gate, site: Site, namespaces: Namespaces) -> str:
    """Return the name of a namespace with a pod to debug, in which tags are pinned too."""
    url = gate.url.replace("/validate", "/mutate")
    name = namespaces.create("prod-debugging")
    ca = site.certificates.ca.read_bytes()
    api.apply(pinning_configuration("debugging", url=url, ca=ca, judged_by=namespaces.judged_by))
    probe = pod("probe", name, pod_spec(site.images["api"].partition("@")[0]))
    wait_until(lambda: create(api, probe, dry_run=True).allowed, "the webhook that pins")
    assert create(api, pod("api", name, pod_spec(site.images["api"]))).allowed
    return name


@pytest.fixture(scope="module", autouse=True)
def leave_nothing(api: ApiServer, place: str) -> object:
    """Take the webhook that pins away after the last test: other modules share these namespaces."""
    yield place
    api.kubectl("delete", "mutatingwebhookconfiguration", "debugging")


def test_an_approved_image_needs_no_exemption(api: ApiServer, site: Site, place: str) -> None:
    """Anybody may debug with a signed image on an approved base, by its tag, and what runs has its digest."""
    accepted = debug(api, place, "api", site.images["web"].partition("@")[0], user=DEVELOPER)

    assert accepted.allowed
    assert not any(warning.startswith("debug-exemption") for warning in accepted.warnings)
    shown = json.loads(api.kubectl("get", "pod/api", f"--namespace={place}", "--output=json").stdout)
    assert [each["image"] for each in shown["spec"]["ephemeralContainers"]] == [site.images["web"]]
    assert shown["spec"]["containers"][0]["image"] == site.images["api"]


def test_another_image_is_refused_with_a_way_out(api: ApiServer, site: Site, place: str) -> None:
    """The refusal of a bad image holds a whole command with an approved one."""
    assert create(api, pod("refused", place, pod_spec(site.images["api"]))).allowed

    refused = debug(api, place, "refused", site.images["other-base"], user=DEVELOPER)

    assert refused.codes == ("unapproved-base",)
    assert f"kubectl debug -n {place} refused -it --image={site.registries.hub}/dhi/python" in refused.message


def test_the_exemption_is_seen(api: ApiServer, cluster: Cluster, site: Site, place: str, gate: Gate) -> None:
    """Who is on call is told that this is an exception; audit log, metrics and log have it too."""
    assert create(api, pod("seen", place, pod_spec(site.images["api"]))).allowed
    before = counted(gate)

    accepted = debug(api, place, "seen", toolbox(site), user=SRE)

    assert accepted.allowed
    assert WARNING in accepted.warnings
    assert counted(gate) == before + 1
    assert any(event.get("debug_exemptions") == ["production/debugging"] for event in gate.events())
    events = [json.loads(line) for line in cluster.audit_log.read_text(encoding="utf-8").splitlines()]
    about = [each for each in events if each["objectRef"].get("subresource") == "ephemeralcontainers"]
    assert about[-1]["annotations"]["pods.main.dhi-gate.dev/debug-exemption"] == "production/debugging"


def test_the_group_is_that_of_whom_one_acts_as(api: ApiServer, site: Site, place: str) -> None:
    """Under impersonation the group counts that was granted by it; who may not impersonate gains nothing."""
    assert create(api, pod("acted", place, pod_spec(site.images["api"]))).allowed

    def debug_as(user: str, *groups: str, by: str) -> Answer:
        acting = (f"--as={user}", *(f"--as-group={group}" for group in groups))
        command = ("debug", "acted", f"--image={toolbox(site)}", f"--namespace={place}", "--attach=false", *acting)
        return answer(api.kubectl(*command, user=by, check=False))

    assert "wrong-variant" in debug_as("someone", "developers", by="admin").codes
    assert "cannot impersonate" in debug_as("someone", "sre", by=DEVELOPER).message
    assert debug_as("someone", "sre", by="admin").allowed


def test_no_pod_begins_with_an_ephemeral_container(api: ApiServer, site: Site, place: str) -> None:
    """A pod that is created with one is refused by the API server itself, for those on call too."""
    spec = {**pod_spec(site.images["api"]), "ephemeralContainers": [{"name": "debugger", "image": toolbox(site)}]}

    assert "ephemeralContainers" in create(api, pod("born", place, spec), user=SRE).message


def test_a_copy_is_a_pod_like_any_other(api: ApiServer, site: Site, place: str) -> None:
    """`--copy-to` is judged by the images of the copy, and gets no exemption."""

    def copy(name: str, image: str) -> Answer:
        target = (f"--copy-to={name}", f"--image={image}", "--container=debugger", "--attach=false")
        return answer(api.kubectl("debug", "api", *target, f"--namespace={place}", user=SRE, check=False))

    assert "wrong-variant" in copy("copy-of-toolbox", toolbox(site)).codes
    assert copy("copy-of-web", site.images["web"].partition("@")[0]).allowed


def test_a_node_is_debugged_by_a_pod_like_any_other(api: ApiServer, site: Site, place: str) -> None:
    """`kubectl debug node/…` makes a pod: a good image may run, and those on call get no other."""

    def debug_node(image: str) -> Answer:
        command = ("debug", f"node/{NODE}", f"--image={image}", "--attach=false", f"--namespace={place}")
        return answer(api.kubectl(*command, check=False))

    assert debug_node(site.images["unsigned"]).codes == ("unsigned",)
    assert debug_node(site.images["web"].partition("@")[0]).allowed


def toolbox(site: Site) -> str:
    """Return the development variant of the base, which only those on call may debug with."""
    return f"{site.registries.hub}/dhi/python:3.13-dev@{site.bases.development}"


def counted(gate: Gate) -> float:
    """Return how many exemptions for debugging were counted."""
    lines = gate.metrics().splitlines()
    return float(next(line for line in lines if line.startswith("dhi_gate_debug_exemptions_total ")).split()[1])


def test_a_list_of_digests(tmp_path: Path, api: ApiServer, site: Site) -> None:
    """With an exception that lists digests, exactly these bytes may be used to debug, by whom it names, and visibly."""
    listed, other = site.images["other-base"], site.images["labelled"]
    policy, catalog = site.copy_documents(tmp_path)
    document = yaml.safe_load(policy.read_text(encoding="utf-8"))
    document["spec"]["rules"][0]["except"] = [
        {
            "name": "toolbox",
            "containers": ["ephemeral"],
            "digests": [listed.partition("@")[2]],
            "groups": ["sre"],
            "exempt": {"reason": "on-call tools", "expires": "2099-12-31"},
        }
    ]
    policy.write_text(yaml.safe_dump(document), encoding="utf-8")
    with site.gate(tmp_path, documents=(policy, catalog)) as gate:
        namespace = register(api, gate, site, name="toolbox").create("prod-toolbox")
        assert create(api, pod("api", namespace, pod_spec(site.images["api"]))).allowed

        accepted = debug(api, namespace, "api", listed, user=SRE)

        assert accepted.allowed
        assert any(warning.startswith("debug-exemption") for warning in accepted.warnings)
        assert not debug(api, namespace, "api", other, user=SRE).allowed
        assert not debug(api, namespace, "api", listed.partition("@")[0], user=SRE).allowed
        assert not debug(api, namespace, "api", listed, user=DEVELOPER).allowed
        assert not create(api, pod("bad", namespace, pod_spec(listed)), user=SRE).allowed
    api.kubectl("delete", "validatingwebhookconfiguration", "toolbox")
