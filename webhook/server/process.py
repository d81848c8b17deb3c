"""The server as a process of its own: event loop, signals, log and metrics around it."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

import uvloop
from structlog.typing import FilteringBoundLogger

from webhook.ports import Clock
from webhook.server.gate import Gate
from webhook.server.logs import adopt_library_logs
from webhook.server.metrics import Metrics
from webhook.server.run import AdmissionServer, ServeOptions, Signals

__all__ = ["OpenGate", "run_process"]

GC_THRESHOLDS = (50_000, 20, 100)
SWITCH_INTERVAL_SECONDS = 0.0005

OpenGate = Callable[[Metrics], AbstractAsyncContextManager[Gate]]


def run_process(
    options: ServeOptions, *, open_gate: OpenGate, clock: Clock, log: FilteringBoundLogger, version: str
) -> None:
    """Serve until SIGTERM or SIGINT, drain, and return.

    Raises OSError if a port cannot be had and TlsError if the certificate cannot be used; later, nothing but faults.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options, open_gate=open_gate, clock=clock, log=log, version=version))


async def _serve(
    options: ServeOptions, *, open_gate: OpenGate, clock: Clock, log: FilteringBoundLogger, version: str
) -> None:
    """Open the gate and serve it."""
    signals = Signals()
    metrics = Metrics(clock=clock, version=version)
    with _received(signals):
        async with open_gate(metrics) as gate:
            server = AdmissionServer(options, gate=gate, metrics=metrics, clock=clock, log=log)
            adopt_library_logs(log)
            _settle()
            await server.run(signals)


@contextmanager
def _received(signals: Signals) -> Iterator[None]:
    """Take signals: SIGTERM and SIGINT end, a second one hurries, SIGHUP reloads the certificate."""
    loop = asyncio.get_running_loop()
    handlers = {signal.SIGTERM: signals.end, signal.SIGINT: signals.end, signal.SIGHUP: signals.reload.set}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def _settle() -> None:
    """Tune the interpreter for a long life, once everything is loaded.

    What was allocated until now lives as long as the process: the garbage collector need not look at it again, which
    spares a pause of tens of milliseconds now and then. Threads that verify signatures keep the interpreter for half a
    millisecond at a time, not for five: the event loop waits less for them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
