"""A real server on loopback, in the test's own event loop, and a client that shows every byte of HTTP."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import trustme

from tests.fakes.clock import ManualClock
from tests.server.asgi import Reply
from tests.server.certificates import TestAuthority
from tests.server.gates import ScriptedGate
from webhook.ports import Clock
from webhook.server.listeners import ListenAddress
from webhook.server.logs import LogFormat, open_log
from webhook.server.metrics import Metrics
from webhook.server.run import AdmissionServer, ServeOptions, Signals

__all__ = ["Connection", "Serving", "serving"]

ANY_PORT = ListenAddress(host="127.0.0.1", port=0)


class Connection:
    """One connection, kept open until it is left."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self, body: bytes = b"", *, method: str = "POST", target: str = "/validate?timeout=10s") -> Reply:
        """Send a request and return its answer."""
        head = f"{method} {target} HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n"
        return await self.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def send(self, *pieces: bytes) -> Reply:
        """Send bytes as they are and return the answer."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
        return await self.answer()

    async def answer(self) -> Reply:
        """Read an answer."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        status_line, *lines = head.decode().strip().split("\r\n")
        headers = {name.lower().encode(): value.encode() for name, value in (line.split(": ", 1) for line in lines)}
        body = await self.reader.readexactly(int(headers.get(b"content-length", b"0")))
        return Reply(status=int(status_line.split()[1]), headers=headers, body=body)

    async def ended(self) -> bool:
        """Tell whether the server closes the connection without another byte."""
        async with asyncio.timeout(2):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True


@dataclass(slots=True, kw_only=True)
class Serving:
    """A running server with everything around it at hand."""

    authority: TestAuthority
    server: AdmissionServer
    signals: Signals
    gate: ScriptedGate
    metrics: Metrics
    output: StringIO
    running: asyncio.Task[None] = field(init=False)

    @asynccontextmanager
    async def connected(self, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Connection]:
        """Connect to the TLS port."""
        context = tls or self.authority.client_context()
        async with _open(self.server.admission_address, context) as connection:
            yield connection

    @asynccontextmanager
    async def connected_to_metrics(self) -> AsyncIterator[Connection]:
        """Connect to the metrics port."""
        async with _open(self.server.metrics_address, None) as connection:
            yield connection

    def logged(self) -> list[dict[str, Any]]:
        """Return the lines of the log."""
        return [json.loads(line) for line in self.output.getvalue().splitlines()]


@asynccontextmanager
async def serving(
    folder: Path,
    *,
    gate: ScriptedGate | None = None,
    clock: Clock | None = None,
    **changes: Any,  # noqa: ANN401
) -> AsyncIterator[Serving]:
    """Run a server until the end of the block; `changes` are to its ServeOptions."""
    authority = TestAuthority(ca=trustme.CA(), folder=folder)
    authority.write_pair()
    options = ServeOptions(
        admission=ANY_PORT, metrics=ANY_PORT, tls=authority.files(), drain_seconds=0.0, grace_seconds=2.0
    )
    time = clock or ManualClock(datetime.now(UTC))
    output = StringIO()
    gate = gate or ScriptedGate()
    metrics = Metrics(clock=time, version="1.2.3")
    server = AdmissionServer(
        replace(options, **changes), gate=gate, metrics=metrics, clock=time, log=open_log(LogFormat.JSON, output)
    )
    served = Serving(authority=authority, server=server, signals=Signals(), gate=gate, metrics=metrics, output=output)
    served.running = asyncio.create_task(server.run(served.signals))
    try:
        yield served
    finally:
        served.signals.end()
        served.signals.hurry.set()
        await served.running


@asynccontextmanager
async def _open(address: ListenAddress, tls: ssl.SSLContext | None) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=tls)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
