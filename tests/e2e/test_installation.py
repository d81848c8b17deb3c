"""The built wheel in an empty virtual environment: everything the product needs is in it or named by it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.gate import make_certificates
from tests.e2e.tools.processes import LOOPBACK, free_port, http_get, running
from tests.test_package import PROJECT, build_wheel

pytestmark = pytest.mark.e2e

POLICY = """
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata: {name: trial}
spec:
  rules:
    - {name: everything, exempt: {reason: "a trial"}}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel with exactly the locked dependencies, each checked by its hash; return the command."""
    folder = tmp_path_factory.mktemp("installation")
    python = folder / "venv" / "bin" / "python"
    wheel = build_wheel(folder)
    run(sys.executable, "-m", "venv", folder / "venv")
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
    run(*pip, "--require-hashes", "--requirement", PROJECT / "requirements" / "runtime.txt")
    run(*pip, wheel)
    run(python, "-m", "pip", "check", "--disable-pip-version-check")
    return python.with_name("dhi-gate")


def run(*command: str | Path, folder: Path | None = None) -> str:
    """Run a command, which must succeed, far from the source tree; return what it printed."""
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        command, cwd=folder or "/", env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}"
    return done.stdout


def test_it_knows_its_version(program: Path) -> None:
    """`dhi-gate version` and `kubectl dhi-gate version` are the same program."""
    assert run(program, "version") == run(program.with_name("kubectl-dhi_gate"), "version")


@pytest.mark.parametrize("document", ["policy", "catalog", "report"])
def test_it_carries_its_schemas(program: Path, document: str) -> None:
    """The schemas are in the package."""
    assert '"$schema"' in run(program, "schema", document)


def test_it_explains(program: Path) -> None:
    """The long texts are in the package."""
    assert "unsigned" in run(program, "explain", "unsigned")


def test_it_shows_itself(program: Path) -> None:
    """The demo runs without the source tree, and every verdict is as it has to be."""
    assert "unapproved-base" in run(program, "demo", "--color=never")


def test_it_serves(program: Path, tmp_path: Path) -> None:
    """The installed server starts and is ready."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    certificates = make_certificates(tmp_path / "certificates")
    health = f"{LOOPBACK}:{free_port()}"
    command = (
        program,
        "serve",
        f"--policy={policy}",
        f"--tls-cert={certificates.certificate}",
        f"--tls-key={certificates.key}",
        f"--host={LOOPBACK}",
        "--port=0",
        f"--metrics-host={LOOPBACK}",
        f"--metrics-port={health.partition(':')[2]}",
        "--drain-seconds=0",
    )
    with running(list(command), log=tmp_path / "gate.log") as process:
        process.wait_until(lambda: http_get(f"http://{health}/livez")[0] == 200)
