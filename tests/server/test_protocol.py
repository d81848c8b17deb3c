"""The bounds of one connection, below the application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from tests.server.serving import Connection
from webhook.server.http import plain, send_answer
from webhook.server.listeners import ListenAddress, new_listener, open_socket
from webhook.server.protocol import BoundedHttpProtocol

HEAD = b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n"


async def hello(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer everything alike."""
    await send_answer(send, plain(200, "hello"))


class HastyProtocol(BoundedHttpProtocol):
    """The protocol with a short patience and little room."""

    head_seconds: ClassVar[float] = 0.05
    max_connections: ClassVar[int] = 2


class Served:
    """The protocol on a loopback port, with the set of its connections."""

    def __init__(self, port: int, state: ServerState) -> None:
        self.port = port
        self.state = state

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """Connect."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def served(*, keep_alive_seconds: int = 120) -> AsyncIterator[Served]:
    """Serve the hasty protocol."""
    config = Config(hello, interface="asgi3", ws="none", log_config=None, timeout_keep_alive=keep_alive_seconds)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: HastyProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield Served(server.sockets[0].getsockname()[1], state)


async def test_a_head_that_stops_is_not_waited_for() -> None:
    """A request that begins and does not go on is answered 408 and closed."""
    async with served() as server, server.connected() as connection:
        connection.writer.write(b"GET / HTTP/1.1\r\nHo")
        assert (await connection.answer()).status == 408
        assert await connection.ended()


async def test_a_head_behind_a_whole_request_is_bounded_too() -> None:
    """The clock of the head runs for each request of a connection, not only for the first."""
    async with served() as server, server.connected() as connection:
        assert (await connection.send(HEAD)).status == 200
        connection.writer.write(b"GET / HT")
        assert (await connection.answer()).status == 408


async def test_an_idle_connection_is_kept() -> None:
    """A connection that the API server dialled ahead is not closed for having said nothing yet."""
    async with served() as server, server.connected() as connection:
        await asyncio.sleep(2 * HastyProtocol.head_seconds)
        assert (await connection.send(HEAD)).status == 200


async def test_an_unused_connection_ends_like_an_idle_one() -> None:
    """A connection on which nothing is ever sent ends when the keep-alive time is over."""
    async with served(keep_alive_seconds=0) as server, server.connected() as connection:
        assert await connection.ended()


async def test_connections_beyond_the_limit_are_closed() -> None:
    """The connection that is one too many is closed, and there is room again once another ends."""
    async with served() as server, server.connected() as first:
        assert (await first.send(HEAD)).status == 200
        async with server.connected() as second:
            assert (await second.send(HEAD)).status == 200
            async with server.connected() as third:
                third.writer.write(HEAD)
                assert await third.ended()
        async with asyncio.timeout(2):
            while len(server.state.connections) > 1:  # noqa: ASYNC110 - the server tells nobody that it noticed
                await asyncio.sleep(0)
        async with server.connected() as fourth:
            assert (await fourth.send(HEAD)).status == 200


async def test_a_reset_connection_leaves_nothing_behind() -> None:
    """When a peer resets, no timer keeps the connection in memory."""
    async with served() as server, server.connected() as connection:
        assert (await connection.send(HEAD)).status == 200
        (protocol,) = server.state.connections
        assert isinstance(protocol, HastyProtocol)
        connection.writer.transport.abort()
        protocol.connection_lost(ConnectionResetError())
        assert protocol.timeout_keep_alive_task is None
        assert not server.state.connections


def test_connections_are_kept_longer_than_the_api_server_keeps_them() -> None:
    """The API server closes idle connections after 90 s; whoever closes first must not be the gate."""
    assert new_listener(hello, None).config.timeout_keep_alive > 90


def test_addresses_are_written_as_in_urls() -> None:
    """An IPv6 address stands in brackets."""
    assert str(ListenAddress(host="::1", port=80)) == "[::1]:80"
    assert str(ListenAddress(host="127.0.0.1", port=80)) == "127.0.0.1:80"


async def test_the_address_of_all_addresses_takes_both_families() -> None:
    """`::` serves IPv4 too."""
    with open_socket(ListenAddress(host="::", port=0)) as bound:
        _reader, writer = await asyncio.open_connection("127.0.0.1", bound.getsockname()[1])
        writer.close()
