"""The product as its user runs it: the installed command, in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.tools.processes import LOOPBACK, Process, http_get, running

PROGRAM = Path(sys.executable).with_name("dhi-gate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """What `dhi-gate certs dev` wrote into a folder."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The authority's certificate."""
        return self.folder / "ca.crt"

    @property
    def certificate(self) -> Path:
        """The certificate of a server on loopback."""
        return self.folder / "tls.crt"

    @property
    def key(self) -> Path:
        """The server's private key."""
        return self.folder / "tls.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A running `dhi-gate serve`."""

    address: str  # host:port of the TLS port
    metrics_address: str
    process: Process
    log: Path

    @property
    def url(self) -> str:
        """Where the API server sends its questions."""
        return f"https://{self.address}/validate"

    def readiness(self) -> str:
        """Return what `/readyz?verbose` says."""
        return http_get(f"http://{self.metrics_address}/readyz?verbose")[1].decode()

    def metrics(self) -> str:
        """Return what `/metrics` says."""
        return http_get(f"http://{self.metrics_address}/metrics")[1].decode()

    def events(self) -> list[Mapping[str, Any]]:
        """Return every line of the log so far; a line that is being written is left out."""
        lines = self.log.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]


def make_certificates(folder: Path) -> Certificates:
    """Make a CA and a certificate for loopback with the product's own command."""
    dhi_gate("certs", "dev", "--directory", str(folder))
    return Certificates(folder=folder)


def dhi_gate(*arguments: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `dhi-gate ARGUMENTS…`, which must end with `status`; nothing of the user's environment plays a part."""
    done = subprocess.run(
        [PROGRAM, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, f"status {done.returncode}: {done.stdout}{done.stderr}"
    return done


@contextmanager
def running_gate(
    folder: Path,
    *,
    policy: Path | str,
    catalog: Path | str,
    certificates: Certificates,
    flags: Sequence[str | Path] = (),
) -> Iterator[Gate]:
    """Run `dhi-gate serve` on free ports of loopback until the end of the block; its log goes into `folder`."""
    log = folder / "gate.log"
    command: list[str | Path] = [
        PROGRAM,
        "serve",
        f"--policy={policy}",
        f"--catalog={catalog}",
        f"--tls-cert={certificates.certificate}",
        f"--tls-key={certificates.key}",
        f"--host={LOOPBACK}",
        "--port=0",
        f"--metrics-host={LOOPBACK}",
        "--metrics-port=0",
        "--drain-seconds=0",
        *flags,
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    with running(command, log=log, environment=environment) as process:

        def started() -> Gate | None:
            """Return the gate once it has said where it listens."""
            events = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line[:1] == "{")
            serving = next((event for event in events if event["event"] == "serving"), None)
            if serving is None:
                return None
            return Gate(address=serving["admission"], metrics_address=serving["metrics"], process=process, log=log)

        yield process.wait_until(started)
