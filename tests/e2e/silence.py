"""A registry that takes a call and never says a word."""

import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from tests.e2e.tools.processes import LOOPBACK


@contextmanager
def silent_registry() -> Iterator[tuple[str, Event]]:
    """Listen and never answer; yield the address, and an event that says that somebody has come."""
    visited = Event()
    with ThreadPoolExecutor(1) as pool, socket.create_server((LOOPBACK, 0)) as listener:

        def accept() -> socket.socket:
            connection = listener.accept()[0]
            visited.set()
            return connection

        visit: Future[socket.socket] = pool.submit(accept)
        host, port = listener.getsockname()
        try:
            yield f"{host}:{port}", visited
        finally:
            if not visited.is_set():
                socket.create_connection((host, port)).close()
            visit.result().close()
