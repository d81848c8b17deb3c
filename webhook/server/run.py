"""The server as a whole: two listeners, a certificate that is watched, and an orderly end."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from webhook.ports import Clock
from webhook.server.app import AdmissionApp
from webhook.server.gate import Gate, ReadinessCheck
from webhook.server.health import health_app, metrics_app
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Capacity, Limits
from webhook.server.listeners import ListenAddress, new_listener, open_socket
from webhook.server.metrics import Metrics
from webhook.server.self_managed import SelfManagedCertificate, SelfManagedTls
from webhook.server.tls import LiveCertificate, LoadedCertificate, ServedCertificate, TlsFiles

__all__ = ["AdmissionServer", "ServeOptions", "Signals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """How to serve.

    `drain_seconds` is how long requests are still answered after a SIGTERM, so that the endpoint can be removed
    everywhere; `grace_seconds` how long what is then in flight may take.
    """

    admission: ListenAddress
    metrics: ListenAddress
    tls: TlsFiles | SelfManagedTls
    minimum_tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    drain_seconds: float = 5.0
    grace_seconds: float = 15.0
    reload_seconds: float = 5.0
    limits: Limits = field(default_factory=Limits)


class Signals:
    """What the process is told from outside, as events of the running loop.

    `stop` begins the end, `hurry` skips what is left of draining, `reload` looks at the certificate now.
    """

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        self.reload = asyncio.Event()

    def end(self) -> None:
        """Begin to drain, or, when draining, skip what is left of it."""
        (self.hurry if self.stop.is_set() else self.stop).set()


class AdmissionServer:
    """Serves a gate. Construction binds both sockets and loads the files of TLS: OSError or TlsError if it cannot.

    `admission_address` and `metrics_address` are those it really listens on.
    """

    def __init__(
        self, options: ServeOptions, *, gate: Gate, metrics: Metrics, clock: Clock, log: FilteringBoundLogger
    ) -> None:
        self._options = options
        self._gate = gate
        self._metrics = metrics
        self._log = log
        self._lifecycle = Lifecycle()
        self._capacity = Capacity(options.limits)
        self._certificate = self._certificate_of(options, clock, log)
        admission_app = AdmissionApp(
            gate,
            rest=health_app(self.readiness),
            lifecycle=self._lifecycle,
            capacity=self._capacity,
            metrics=metrics,
            clock=clock,
            log=log,
        )
        self._sockets = (open_socket(options.admission), open_socket(options.metrics))
        self._listeners = (
            new_listener(admission_app, self._certificate.front),
            new_listener(metrics_app(self.readiness, metrics), None),
        )
        self.admission_address, self.metrics_address = (
            ListenAddress(host=wanted.host, port=bound.getsockname()[1])
            for wanted, bound in zip((options.admission, options.metrics), self._sockets, strict=True)
        )

    def readiness(self) -> tuple[ReadinessCheck, ...]:
        """Return everything that must hold before requests are welcome."""
        return (*self._gate.readiness(), self._certificate.readiness(), self._lifecycle.readiness())

    async def run(self, signals: Signals) -> None:
        """Serve until told to stop, then drain and return; raises what opening a cluster raises."""
        async with self._certificate.kept(signals.reload), asyncio.TaskGroup() as group:
            for listener, bound in zip(self._listeners, self._sockets, strict=True):
                group.create_task(listener.serve(sockets=[bound]))
            self._log.info("serving", admission=str(self.admission_address), metrics=str(self.metrics_address))
            await signals.stop.wait()
            await self._drain(signals)
            for listener in self._listeners:
                listener.should_exit = True
        self._log.info("stopped")

    async def _drain(self, signals: Signals) -> None:
        """Leave in two steps, so that no request is lost.

        1. Not ready any more: the endpoint is removed. Until every API server knows, requests are answered as ever,
           but each answer closes its connection.
        2. New requests are sent elsewhere, while those in flight are finished. Whoever is still waiting after the
           grace is sent elsewhere too.
        """
        self._log.info("draining", reviews=self._capacity.reviews)
        self._lifecycle.leave()
        with suppress(TimeoutError):
            await asyncio.wait_for(signals.hurry.wait(), timeout=self._options.drain_seconds)
        self._lifecycle.refuse()
        try:
            await asyncio.wait_for(self._capacity.idle(), timeout=self._options.grace_seconds)
        except TimeoutError:
            self._log.warning("draining-cut-short", reviews=self._capacity.reviews)
            self._capacity.cut_off()

    def _certificate_of(self, options: ServeOptions, clock: Clock, log: FilteringBoundLogger) -> ServedCertificate:
        """Return the certificate that files hold, or that the gate signs itself."""
        if isinstance(options.tls, TlsFiles):
            return LiveCertificate(
                options.tls,
                minimum_version=options.minimum_tls,
                clock=clock,
                log=log,
                on_load=self._count_certificate,
                reload_seconds=options.reload_seconds,
            )
        return SelfManagedCertificate(
            options.tls,
            minimum_version=options.minimum_tls,
            clock=clock,
            log=log,
            observer=self._metrics,
            on_load=self._count_certificate,
        )

    def _count_certificate(self, loaded: LoadedCertificate | None) -> None:
        """Note an attempt to load the certificate."""
        self._metrics.certificate_reloaded(ok=loaded is not None)
        if loaded is not None:
            self._metrics.certificate_loaded(expires_at=loaded.expires_at)
