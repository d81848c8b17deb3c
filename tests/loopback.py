"""Loopback servers in a thread of their own, for tests of commands that run an event loop themselves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

from webhook.demo.registry import LoopbackRegistry
from webhook.demo.store import Store

__all__ = ["loopback_registry", "served"]

T = TypeVar("T")

START_SECONDS = 5.0


@contextmanager
def loopback_registry(store: Store) -> Iterator[LoopbackRegistry]:
    """Serve `store` over plain HTTP on loopback; the registry's `host` says where."""
    with served(LoopbackRegistry(store)) as registry:
        yield registry


@contextmanager
def served(server: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Run a server in an event loop of its own until the end of the block."""
    started: list[T] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with server as running:
            started.append(running)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    try:
        if not ready.wait(START_SECONDS):
            raise TimeoutError("the loopback server did not start")
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
