"""uvicorn's HTTP/1.1 protocol with the bounds it lacks: on the head of a request, in bytes and in time."""

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

__all__ = ["BoundedHttpProtocol"]


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection.

    Beyond uvicorn 0.54 (`protocols/http/httptools_impl.py`):
    1. A connection that never sent a byte is kept as long as an idle one, not longer. Not shorter either: the API
       server dials ahead, keeps the spare connection in its pool for 90 s, and does not repeat a POST on a closed one.
    2. A request that has begun has 10 s and 64 KiB for its head, else it is answered 408 or 431 and closed. A body is
       bounded by the application.
    3. Connections beyond 2,048 are closed as they come.
    4. The keep-alive timer ends with the connection, also when the connection was reset; otherwise the timer keeps
       the whole connection in memory until it fires.
    """

    max_head_bytes: ClassVar[int] = 64 * 1024
    head_seconds: ClassVar[float] = 10.0
    max_connections: ClassVar[int] = 2048

    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _turned_away = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection, or close it if there are too many."""
        if len(self.connections) >= self.max_connections:
            self._turned_away = True
            cast("asyncio.Transport", transport).abort()
            return
        super().connection_made(cast("asyncio.Transport", transport))
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, its timers included."""
        if self._turned_away:
            return
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._end_head()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; close if a head grows too large."""
        if self._turned_away:
            return
        if self._head_timer is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_timer is not None and self._head_bytes > self.max_head_bytes:
            self._refuse_head(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Start the clock of a request's head."""
        super().on_message_begin()
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(self.head_seconds, self._refuse_head, b"408 Request Timeout")

    def on_headers_complete(self) -> None:
        """Stop the clock of the head, and let the application run."""
        self._end_head()
        super().on_headers_complete()

    def _refuse_head(self, status: bytes) -> None:
        """Answer a head that cannot be waited for, unless an earlier answer is still on its way, and close."""
        self._end_head()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None or cycle.response_complete:
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        self.transport.close()

    def _end_head(self) -> None:
        """Stop the clock of the head."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
