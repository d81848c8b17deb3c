"""What the end-to-end tests share: one site, one cluster, and one gate that is registered with it."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.answers import create
from tests.e2e.gate import Gate
from tests.e2e.objects import JUDGED_BY, TEMPLATES, pod, pod_spec, webhook_configuration
from tests.e2e.site import Site, open_site
from tests.e2e.tools import processes, toolchain
from tests.e2e.tools.processes import ApiServer, wait_until

SRE = "sre-on-call"
DEVELOPER = "developer"
NODE = "node-1"

NEEDED_TOOLS = (
    *(name for name, tool in toolchain.TOOLS.items() if not tool.optional),
    *("buildah", "chromedriver", "chromium", "helm", "pushgateway"),
)

AUDIT_POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, verbs: [create], resources: [{group: "", resources: [pods]}]}
  - {level: Metadata, verbs: [patch, update], resources: [{group: "", resources: [pods/ephemeralcontainers]}]}
  - {level: None}
"""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find or make every tool before the first test, in view: from nothing that takes minutes.

    Errors: `pytest.UsageError` with the way out, if a tool can neither be found nor made here.
    """
    wanted = any(item.get_closest_marker("e2e") for item in session.items)
    if not wanted or session.config.option.collectonly:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        try:
            for name in NEEDED_TOOLS:
                toolchain.provide(name)
        except toolchain.ToolMissingError as error:
            raise pytest.UsageError(str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The API server, and its audit log: a JSON object per line for every pod that somebody wanted to create."""

    api: ApiServer
    audit_log: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespaces:
    """Makes namespaces for which the gate registered as `judged_by` is asked; `unsigned` is an image it refuses."""

    api: ApiServer
    judged_by: str
    unsigned: str

    def create(self, name: str, *, templates: str = "ignored") -> str:
        """Create a namespace and return its name; `templates` is what happens to those: denied, advised, ignored."""
        self.api.create_namespace(name, labels={JUDGED_BY: self.judged_by, TEMPLATES: templates})
        return name

    def take_over(self, name: str) -> None:
        """Bring a namespace that is there already under the gate, templates too, and wait until that holds."""
        labels = (f"{JUDGED_BY}={self.judged_by}", f"{TEMPLATES}=denied")
        self.api.kubectl("label", "namespace", name, *labels)
        self.wait_until_judged(name)

    def wait_until_judged(self, namespace: str) -> None:
        """Wait until the API server asks the gate about pods of a namespace under the strict rule."""
        probe = pod("probe", namespace, pod_spec(self.unsigned))
        wait_until(lambda: not create(self.api, probe, dry_run=True).allowed, f"the webhooks for {namespace}")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Build, sign and push all images, and sync the catalog."""
    with open_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run a cluster with a developer, somebody on call, and a node; all of them may do with pods what they like."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "audit-policy.yaml").write_text(AUDIT_POLICY, encoding="utf-8")
    log = folder / "audit.log"
    flags = (
        f"--audit-policy-file={folder / 'audit-policy.yaml'}",
        f"--audit-log-path={log}",
        "--audit-log-mode=blocking-strict",
    )
    users = {DEVELOPER: ["developers"], SRE: ["sre"], f"system:node:{NODE}": ["system:nodes"]}
    with processes.cluster(folder, users=users, api_server_flags=flags) as api:
        groups = [f"--group={group}" for group in ("developers", "sre", "system:nodes")]
        api.kubectl("create", "clusterrole", "pods", "--verb=*", "--resource=pods,pods/ephemeralcontainers")
        api.kubectl("create", "clusterrolebinding", "pods", "--clusterrole=pods", *groups)
        api.add_node(NODE)
        yield Cluster(api=api, audit_log=log)


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> ApiServer:
    """Return the cluster's API server."""
    return cluster.api


def register(api: ApiServer, gate: Gate, site: Site, *, name: str, timeout_s: int = 10) -> Namespaces:
    """Register a gate for namespaces of its own and wait until it is asked about them."""
    ca = site.certificates.ca.read_bytes()
    api.apply(webhook_configuration(name, url=gate.url, ca=ca, timeout_s=timeout_s))
    namespaces = Namespaces(api=api, judged_by=name, unsigned=site.images["unsigned"])
    namespaces.wait_until_judged(namespaces.create(f"prod-{name}-probe"))
    return namespaces


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[Gate]:
    """Run the gate that most tests ask."""
    with site.gate(tmp_path_factory.mktemp("gate")) as gate:
        yield gate


@pytest.fixture(scope="session")
def namespaces(api: ApiServer, gate: Gate, site: Site) -> Namespaces:
    """Register the gate and return the maker of its namespaces."""
    return register(api, gate, site, name="main")


@pytest.fixture(scope="session")
def shop(namespaces: Namespaces) -> str:
    """Return the name of a namespace under the strict rule, where bad templates are denied too."""
    return namespaces.create("prod-shop", templates="denied")
