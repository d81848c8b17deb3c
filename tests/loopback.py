"""A loopback registry in a thread of its own, for tests of commands that run an event loop themselves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from webhook.demo.registry import LoopbackRegistry
from webhook.demo.store import Store

__all__ = ["loopback_registry"]

START_SECONDS = 5.0


@contextmanager
def loopback_registry(store: Store) -> Iterator[LoopbackRegistry]:
    """Serve `store` over plain HTTP on loopback; the registry's `host` says where."""
    started: list[LoopbackRegistry] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with LoopbackRegistry(store) as registry:
            started.append(registry)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    try:
        if not ready.wait(START_SECONDS):
            raise TimeoutError("the loopback registry did not start")
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
