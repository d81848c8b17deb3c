"""The flags of the server's certificate: files, or an authority of the gate's own, and nothing in between."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import click
import pytest
from click.testing import CliRunner

from tests.cli.test_serve import POLICY
from webhook.cli.serve import serve
from webhook.cli.tls_options import TlsFlags, tls_options
from webhook.core.serving_certificates import DEFAULT_LIFETIMES
from webhook.server.self_managed import SelfManagedTls
from webhook.server.tls import TlsFiles

FILES = ("--tls-cert", "tls.crt", "--tls-key", "tls.key")
KEPT = ("--tls-self-managed", "gate/dhi-gate-ca", "--tls-service", "gate/dhi-gate", "--tls-webhooks", "dhi-gate")


def read(*arguments: str) -> TlsFlags:
    """Return what a command with these flags gets."""
    got: list[TlsFlags] = []

    @click.command()
    @tls_options
    def command(*, tls: TlsFlags) -> None:
        got.append(tls)

    command.main(arguments, standalone_mode=False)
    return got[0]


def test_files_are_named_together() -> None:
    """Certificate, key and client CA are files that are watched."""
    flags = read(*FILES, "--client-ca", "clients.crt")
    files = TlsFiles(certificate=Path("tls.crt"), key=Path("tls.key"), client_ca=Path("clients.crt"))
    assert flags.source(_no_cluster) == files


def test_the_gate_keeps_them_itself() -> None:
    """All forms of the Service's name and the extra ones, under the lifetimes that are documented."""
    source = read(*KEPT, "--tls-extra-name", "127.0.0.1", "--tls-extra-name", "localhost").source(_no_cluster)
    assert isinstance(source, SelfManagedTls)
    keeping = source.keeping
    assert (keeping.namespace, keeping.secret, keeping.webhooks) == ("gate", "dhi-gate-ca", "dhi-gate")
    service = ("dhi-gate.gate.svc", "dhi-gate", "dhi-gate.gate", "dhi-gate.gate.svc.cluster.local")
    assert keeping.names == (*service, "127.0.0.1", "localhost")
    assert keeping.lifetimes == DEFAULT_LIFETIMES


def test_lifetimes_may_be_changed() -> None:
    """For trials, down to seconds."""
    source = read(*KEPT, "--tls-ca-lifetime", "2m", "--tls-leaf-lifetime", "20s", "--tls-overlap", "5s").source(
        _no_cluster
    )
    assert isinstance(source, SelfManagedTls)
    lifetimes = source.keeping.lifetimes
    assert lifetimes.authority == timedelta(minutes=2)
    assert (lifetimes.leaf, lifetimes.overlap) == (timedelta(seconds=20), timedelta(seconds=5))


def test_two_replicas_are_two() -> None:
    """Processes on one host, too, are told apart in the Lease."""
    identities = {flags.keeping.identity for flags in (read(*KEPT), read(*KEPT)) if flags.keeping}
    assert len(identities) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "a certificate is needed: --tls-cert and --tls-key, or --tls-self-managed"),
        (FILES[:2], "--tls-cert and --tls-key belong together"),
        ((*FILES, *KEPT), "--tls-self-managed stands instead of --tls-cert and --tls-key"),
        (KEPT[:2], "--tls-self-managed needs --tls-service and --tls-webhooks"),
        ((*FILES, *KEPT[2:4]), "--tls-service belongs to --tls-self-managed"),
        ((*FILES, *KEPT[4:]), "--tls-webhooks belongs to --tls-self-managed"),
        ((*FILES, "--tls-extra-name", "localhost"), "--tls-extra-name belongs to --tls-self-managed"),
        (("--tls-self-managed", "ca", *KEPT[2:]), "--tls-self-managed is written NAMESPACE/NAME, not 'ca'"),
        ((*KEPT[:4], "--tls-webhooks", "a/b"), "--tls-webhooks is the name of a webhook configuration, not 'a/b'"),
        ((*KEPT, "--tls-extra-name", "a b"), "--tls-extra-name is a DNS name or an address, not 'a b'"),
        ((*KEPT, "--tls-ca-lifetime", "8d"), "must live at least three times as long"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], said: str) -> None:
    """Half a choice, both choices, or something that is no name: told at the start, with the flag."""
    with pytest.raises(click.UsageError) as caught:
        read(*arguments).source(_no_cluster)
    assert said in caught.value.message


def test_without_a_cluster_it_does_not_start(tmp_path: Path) -> None:
    """Where there is neither a kubeconfig nor a service account the command ends with status 2, in one line."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    arguments = ["--policy", str(tmp_path / "policy.yaml"), *KEPT, "--kubeconfig", str(tmp_path / "none")]
    result = CliRunner().invoke(serve, arguments, env={"DHIGATE_PORT": "0", "DHIGATE_METRICS_PORT": "0"})
    assert result.exit_code == 2
    assert str(tmp_path / "none") in result.output
    assert "Traceback" not in result.output


def _no_cluster() -> NoReturn:
    raise AssertionError("reading flags opens nothing")
