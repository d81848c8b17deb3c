"""Listening sockets, and uvicorn set up to serve an application on one."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from webhook.server.protocol import BoundedHttpProtocol

__all__ = ["ListenAddress", "Listener", "new_listener", "open_socket"]

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 120
"""Longer than the 90 s for which the API server keeps an idle connection: whoever closes first must not be us."""
CLOSING_SECONDS = 2
"""How long connections may take to close at the end, before they are cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddress:
    """A host name or address of this machine, and a TCP port; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write the address as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Listener(uvicorn.Server):
    """uvicorn, with signals left to the process: two listeners and an orderly end share them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def open_socket(address: ListenAddress) -> socket.socket:
    """Bind and listen; connections queue from now on. Raises OSError if the address cannot be had.

    `::` takes IPv4 too. Accepted connections inherit TCP_NODELAY: an answer is two writes, and the second must not
    wait 40 ms for the first one's acknowledgement.
    """
    bound = socket.create_server(
        (address.host, address.port),
        family=socket.AF_INET6 if ":" in address.host else socket.AF_INET,
        backlog=BACKLOG,
        dualstack_ipv6=address.host == "::" and socket.has_dualstack_ipv6(),
    )
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound


def new_listener(app: ASGIApp, tls: ssl.SSLContext | None) -> Listener:
    """Make the server of one socket: HTTP/1.1 over httptools, TLS if there is a context."""
    return Listener(
        uvicorn.Config(
            app,
            http=BoundedHttpProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            workers=1,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=CLOSING_SECONDS,
            ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        )
    )
