"""What the tests of the chart share: a cluster of their own, where its webhooks are in nobody's way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.chart.helm import Helm
from tests.e2e.chart.published_crds import crds
from tests.e2e.tools import processes
from tests.e2e.tools.processes import ApiServer

DEVELOPER = "developer"
DEPLOYER = "deployer"


@pytest.fixture(scope="session")
def chart_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run a cluster that has the kinds of cert-manager and of the Prometheus Operator, and two users."""
    users = {DEVELOPER: ["developers"], DEPLOYER: ["deployers"]}
    with processes.cluster(tmp_path_factory.mktemp("chart-cluster"), users=users) as api:
        for crd in crds():
            api.kubectl("create", "-f", str(crd))
        api.kubectl("wait", "--for=condition=Established", "crd", "--all")
        for user in users:
            api.kubectl("create", "clusterrolebinding", user, "--clusterrole=cluster-admin", f"--user={user}")
        yield api


@pytest.fixture
def helm(chart_api: ApiServer, tmp_path: Path) -> Helm:
    """Return Helm as people run it: it applies on the server's side."""
    return Helm(api=chart_api, folder=tmp_path)
