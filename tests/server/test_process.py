"""The server as a process: uvloop, signals, log lines on standard output and the exit status."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trustme

from tests.server.certificates import TestAuthority
from tests.server.gates import review
from tests.server.serving import Connection

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def process(folder: Path) -> AsyncIterator[Process]:
    """Run the server of `gate_process`."""
    command = (sys.executable, "-m", "tests.server.gate_process", str(folder))
    running = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, cwd=ROOT)
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def line_of(running: Process, event: str) -> Any:  # noqa: ANN401 - JSON
    """Read log lines up to that event, and return its line."""
    assert running.stdout is not None
    async with asyncio.timeout(10):
        while line := await running.stdout.readline():
            said = json.loads(line)
            if said["event"] == event:
                return said
    raise AssertionError(f"no {event}")


async def test_a_process_serves_reloads_and_ends_with_status_0(tmp_path: Path) -> None:
    """SIGHUP exchanges the certificate, SIGTERM drains, and the exit status is 0."""
    authority = TestAuthority(ca=trustme.CA(), folder=tmp_path)
    authority.write_pair()
    async with process(tmp_path) as running:
        host, port = (await line_of(running, "serving"))["admission"].split(":")
        reader, writer = await asyncio.open_connection(host, port, ssl=authority.client_context())
        connection = Connection(reader, writer)
        assert (await connection.request(review("one"))).response["allowed"] is True
        assert (await line_of(running, "decision"))["uid"] == "one"
        authority.write_pair(key_type=trustme.KeyType.RSA)
        running.send_signal(signal.SIGHUP)
        await line_of(running, "certificate-reloaded")
        assert (await connection.request(review("two"))).status == 200
        running.send_signal(signal.SIGTERM)
        await line_of(running, "stopped")
        writer.close()
        async with asyncio.timeout(5):
            assert await running.wait() == 0
        assert running.stderr is not None
        assert await running.stderr.read() == b""


async def test_a_process_without_a_pair_does_not_start(tmp_path: Path) -> None:
    """With no certificate to show, the process ends at once and says which file is missing."""
    async with process(tmp_path) as running:
        _output, errors = await running.communicate()
        assert running.returncode == 1
        assert b"tls.crt: No such file or directory" in errors
