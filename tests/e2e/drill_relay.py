"""A way that a drill can close: what stands in for a Service, or for the network before a registry."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from threading import Lock, Thread

from tests.e2e.tools.processes import LOOPBACK

__all__ = ["Relay"]


class Relay:
    """Hands connections to its backends (`HOST:PORT`) in turn, byte for byte, as a Service does.

    `backends` may change at any time; connections that are open stay with whom they have. While the way is cut,
    connections are refused, as those to a Service without endpoints are.
    """

    def __init__(self, *backends: str, host: str = LOOPBACK, port: int = 0) -> None:
        self.backends = list(backends)
        self._at = (host, port)
        self._turns = count()
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[Thread] = []
        self.restore()

    @property
    def address(self) -> str:
        """Where it listens, `HOST:PORT`; the same after every cut."""
        host, port = self._at
        return f"{host}:{port}"

    def restore(self) -> None:
        """Listen (again)."""
        self._listener = socket.create_server(self._at)
        self._at = self._listener.getsockname()
        self._start(self._accept, self._listener)

    def cut(self) -> None:
        """Refuse who comes and break what is open."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                _end(each)

    def close(self) -> None:
        """Cut it for good, and wait until nothing is carried any more."""
        self.cut()
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[[socket.socket], None], connection: socket.socket) -> None:
        thread = Thread(target=work, args=(connection,))
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                self._start(self._carry, listener.accept()[0])

    def _carry(self, client: socket.socket) -> None:
        with client, suppress(OSError), self._connect() as backend:
            with self._lock:
                self._open |= {client, backend}
            back = Thread(target=_pump, args=(backend, client))
            back.start()
            _pump(client, backend)
            back.join()
            with self._lock:
                self._open -= {client, backend}

    def _connect(self) -> socket.socket:
        """Connect to whose turn it is; OSError if there is nobody."""
        backends = tuple(self.backends)
        if not backends:
            raise ConnectionRefusedError
        host, _, port = backends[next(self._turns) % len(backends)].rpartition(":")
        return socket.create_connection((host, int(port)))


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for each in (source, target):
        _end(each)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
