"""`dhi-gate serve`, from its flags to its exit status."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner

from tests.server.certificates import TestAuthority
from tests.server.gates import review
from tests.server.serving import Connection
from webhook.cli.serve import serve

POLICY = """
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: trial
spec:
  rules:
    - name: everything
      exempt: {reason: "a trial"}
"""
COMMAND = (sys.executable, "-c", "from webhook.cli.main import main; main()", "serve")
NEEDED = ["--policy", "policy.yaml", "--tls-cert", "tls.crt", "--tls-key", "tls.key"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workers", "2"], "not supported yet: --workers 2"),
        (["--cache", "redis://cache.example"], "not supported yet: --cache redis://cache.example"),
        (["--policy", "configmap:gate/policy"], "--policy: `configmap:gate/policy` is not written"),
        (
            ["--policy", "oci:registry.example/policy:latest"],
            "--policy: a policy from a registry is named by its digest",
        ),
        (["--catalog", "oci:registry.example/catalog@sha256:abc"], "--catalog: `sha256:abc` is not 64"),
        (["--catalog", "oci:registry.example/catalog:1"], "--catalog: behind a tag it needs --catalog-authority"),
        (["--catalog", "catalog.json", "--catalog-authority", "a"], "--catalog-authority belongs to a catalog from"),
        (["--pull-secrets"], "--pull-secrets needs --client-ca"),
        (["--pull-secrets-without-client-ca"], "--pull-secrets-without-client-ca belongs to --pull-secrets"),
        (["--policy", "configmap:a/b/c", "--kubeconfig", "absent"], "absent"),
        (["--port", "70000"], "Invalid value for '--port'"),
        (["--mode-ceiling", "lenient"], "Invalid value for '--mode-ceiling'"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments: list[str], said: str) -> None:
    """A flag whose value is not built, or makes no sense, ends the call with status 2 and names itself."""
    result = CliRunner().invoke(serve, [*NEEDED, *arguments])
    assert result.exit_code == 2
    assert said in result.output


def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    """Without its certificate the server does not start, and names the file without a trace."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    certificate = tmp_path / "tls.crt"
    result = CliRunner().invoke(
        serve,
        ["--policy", str(tmp_path / "policy.yaml"), "--tls-cert", str(certificate), "--tls-key", "tls.key"],
        env={"DHIGATE_PORT": "0", "DHIGATE_METRICS_PORT": "0"},
    )
    assert result.exit_code == 2
    assert f"{certificate}: No such file or directory" in result.output
    assert "Traceback" not in result.output


async def test_the_command_serves_a_policy(tmp_path: Path) -> None:
    """With flags and environment alike it decides by the policy file, and a SIGTERM ends it with status 0."""
    authority = TestAuthority(ca=trustme.CA(), folder=tmp_path)
    authority.write_pair()
    (tmp_path / "policy.yaml").write_text(POLICY)
    environment = os.environ | {
        "DHIGATE_HOST": "127.0.0.1",
        "DHIGATE_METRICS_HOST": "127.0.0.1",
        "DHIGATE_PORT": "0",
        "DHIGATE_METRICS_PORT": "0",
        "DHIGATE_DRAIN_SECONDS": "0",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    running = await asyncio.create_subprocess_exec(*COMMAND, *NEEDED, stdout=PIPE, cwd=tmp_path, env=environment)
    assert running.stdout is not None
    try:
        async with asyncio.timeout(10):
            said = json.loads(await running.stdout.readline())
            while said["event"] != "serving":
                said = json.loads(await running.stdout.readline())
        host, port = said["admission"].split(":")
        reader, writer = await asyncio.open_connection(host, port, ssl=authority.client_context())
        reply = await Connection(reader, writer).request(review())
        assert reply.response["allowed"] is True, reply.body
        assert json.loads(await running.stdout.readline())["rule"] == "everything"
        running.send_signal(signal.SIGTERM)
        writer.close()
        async with asyncio.timeout(10):
            assert await running.wait() == 0
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()
