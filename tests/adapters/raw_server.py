"""A server that writes whatever bytes a test wants, for what no honest HTTP library would send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["RawServer", "raw_server"]

Script = Callable[[asyncio.StreamWriter, str], Awaitable[None]]
"""Writes an answer to a request, whose first line it is given; the connection is closed afterwards."""


@dataclass(slots=True)
class RawServer:
    """Where it listens, and the head of every request that came."""

    host: str = ""
    requests: list[str] = field(default_factory=list)


@asynccontextmanager
async def raw_server(script: Script) -> AsyncIterator[RawServer]:
    """Listen on loopback and answer every connection once."""
    state = RawServer()
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            running.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            state.requests.append(head)
            await script(writer, head.partition("\r\n")[0])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    state.host = f"{address[0]}:{address[1]}"
    try:
        yield state
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
