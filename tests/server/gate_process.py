"""A server process with a gate that allows everything: its arguments are a folder with a pair, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.server.gates import ScriptedGate
from webhook.adapters.clock import SystemClock
from webhook.server.gate import Gate
from webhook.server.listeners import ListenAddress
from webhook.server.logs import LogFormat, open_log
from webhook.server.metrics import Metrics
from webhook.server.process import run_process
from webhook.server.run import ServeOptions
from webhook.server.tls import TlsFiles


@asynccontextmanager
async def open_gate(_metrics: Metrics) -> AsyncIterator[Gate]:
    """Open a gate that allows everything."""
    yield ScriptedGate()


def main(folder: Path) -> None:
    """Serve on any free ports of loopback until a signal."""
    anywhere = ListenAddress(host="127.0.0.1", port=0)
    options = ServeOptions(
        admission=anywhere,
        metrics=anywhere,
        tls=TlsFiles(certificate=folder / "tls.crt", key=folder / "tls.key"),
        drain_seconds=0.0,
        reload_seconds=3600.0,
    )
    log = open_log(LogFormat.JSON, sys.stdout)
    run_process(options, open_gate=open_gate, clock=SystemClock(), log=log, version="1.2.3")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
