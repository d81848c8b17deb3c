"""kubectl's flags, as commands about a cluster get them, and the cluster that they open."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from tests.adapters.given import Recorder
from tests.adapters.given_cluster import filled, kubeconfig, server_of, write_kubeconfig
from tests.contract.cluster_contract import LEASES, decoded
from tests.fakes.clock import ManualClock
from webhook.cli.cluster_options import cluster_options
from webhook.settings import ClusterFlags, Surroundings, open_cluster


def gathered(*arguments: str, env: dict[str, str] | None = None) -> tuple[Result, list[ClusterFlags]]:
    """Run a command that takes the flags about a cluster, and return what it got."""
    got: list[ClusterFlags] = []

    @click.command()
    @cluster_options
    def command(*, cluster: ClusterFlags) -> None:
        got.append(cluster)

    return CliRunner().invoke(command, [*arguments], env=env), got


def test_what_is_not_said_is_left_to_the_kubeconfig() -> None:
    """Without a flag nothing is said but how long a request may take."""
    assert gathered()[1] == [ClusterFlags(request_seconds=30)]


def test_every_flag_of_kubectl_arrives() -> None:
    """Each under the name that kubectl users know."""
    result, got = gathered(
        *("--kubeconfig=/k", "--context=x", "--cluster=c", "--user=u", "-s", "https://a", "--tls-server-name=n"),
        *("--insecure-skip-tls-verify", "--client-certificate=/c", "--client-key=/y", "--certificate-authority=/a"),
        *("--token=t", "--as=ann", "--as-uid=1", "--as-group=g", "--as-group=h", "--as-user-extra=k=v=w"),
        *("--as-user-extra=k=", "--request-timeout=2m"),
    )
    assert result.exit_code == 0
    assert got == [
        ClusterFlags(
            kubeconfig=Path("/k"),
            context="x",
            cluster="c",
            user="u",
            server="https://a",
            tls_server_name="n",
            insecure_skip_tls_verify=True,
            client_certificate=Path("/c"),
            client_key=Path("/y"),
            certificate_authority=Path("/a"),
            token="t",
            as_user="ann",
            as_uid="1",
            as_groups=("g", "h"),
            as_user_extra=(("k", "v=w"), ("k", "")),
            request_seconds=120,
        )
    ]


def test_flags_have_variables() -> None:
    """A flag wins over its variable."""
    env = {"DHIGATE_CONTEXT": "one", "DHIGATE_AS": "ann", "DHIGATE_REQUEST_TIMEOUT": "5s"}
    assert gathered("--context=two", env=env)[1] == [ClusterFlags(context="two", as_user="ann", request_seconds=5)]


@pytest.mark.parametrize("flag", ["--as-user-extra=k", "--as-user-extra==v", "--request-timeout=0", "--cluster"])
def test_a_wrong_flag_is_a_wrong_call(flag: str) -> None:
    """It ends with 2 and its own name, before anything is opened."""
    result, got = gathered(flag)
    assert (result.exit_code, got) == (2, [])
    assert flag.partition("=")[0] in result.stderr


async def test_the_cluster_of_the_surroundings_is_opened(tmp_path: Path) -> None:
    """KUBECONFIG, the context's namespace and the usual proxy variables count; loopback is reached directly."""
    async with server_of(filled(3)) as server:
        path = write_kubeconfig(tmp_path, kubeconfig(server=server.url, namespace="shop"))
        environment = {"KUBECONFIG": str(path), "HTTP_PROXY": "http://127.0.0.1:1"}
        around = Surroundings(environment=environment, clock=ManualClock(), log=Recorder().log)
        async with open_cluster(ClusterFlags(), around) as cluster:
            assert cluster.default_namespace == "shop"
            pages = [decoded(page) async for page in cluster.pages(LEASES, namespace=cluster.default_namespace)]
    assert [len(page["items"]) for page in pages] == [2, 1]
