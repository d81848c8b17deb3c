"""A serving certificate that the gate signs itself and that no file ever holds.

OpenSSL, as Python offers it, takes a certificate and its key from a path only. The path is that of an anonymous file
(memfd) of this process: it has no name in any file system, is gone with its last descriptor, whatever becomes of the
process, and needs no writable folder. A temporary file would need all of that arranged, and a volume in memory.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from webhook.certificate_keeping.keeper import CertificateKeeper, Keeping, Observer
from webhook.certificates import ServerCertificate
from webhook.ports import Clock, Cluster
from webhook.server.gate import ReadinessCheck
from webhook.server.tls import (
    LoadedCertificate,
    LoadsCertificates,
    TlsError,
    front_context,
    new_context,
    read_file,
)

__all__ = ["LOOK_SECONDS", "SelfManagedCertificate", "SelfManagedTls"]

LOOK_SECONDS = 2.0
"""How often a replica looks at the cluster: what somebody wiped is back within this time."""

LEAVE_SECONDS = 2.0
"""How long giving back the lease may hold up the end; without it others wait for the lease to run out."""

OpenCluster = Callable[[], AbstractAsyncContextManager[Cluster]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfManagedTls:
    """Instead of files: what is kept in which cluster, and who may sign clients."""

    keeping: Keeping
    open_cluster: OpenCluster
    client_ca: Path | None = None
    look_seconds: float = LOOK_SECONDS


class SelfManagedCertificate:
    """The leaf in force, and its keeping. `front` is the context for the listening socket.

    Construction reads the client CA and raises TlsError if it cannot be used. Until there is a leaf, handshakes fail
    and the server is not ready.
    """

    def __init__(
        self,
        tls: SelfManagedTls,
        *,
        minimum_version: ssl.TLSVersion,
        clock: Clock,
        log: FilteringBoundLogger,
        observer: Observer,
        on_load: LoadsCertificates,
    ) -> None:
        self._tls = tls
        self._clock = clock
        self._log = log
        self._observer = observer
        self._on_load = on_load
        self._keeper: CertificateKeeper | None = None
        self._leaf: ServerCertificate | None = None
        self._context: ssl.SSLContext | None = None
        self._client_ca = _client_authorities(tls.client_ca)
        self._client_ca_failure = ""
        self.front = front_context(lambda: self._context, client_ca=tls.client_ca is not None, minimum=minimum_version)

    @asynccontextmanager
    async def kept(self, wake: asyncio.Event) -> AsyncIterator[None]:
        """Keep the certificate until the end of the block, looking every so often and whenever `wake` is set.

        Raises what opening the cluster raises: a configuration that cannot be used must not wait for a request. In the
        end the lease is given back.
        """
        async with self._tls.open_cluster() as cluster:
            self._keeper = CertificateKeeper(
                cluster,
                self._tls.keeping,
                clock=self._clock,
                log=self._log,
                observer=self._observer,
                on_leaf=self._use,
            )
            looking = asyncio.create_task(self._look_for_ever(self._keeper, wake))
            try:
                yield
            finally:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LEAVE_SECONDS):
                        await self._keeper.leave()

    def readiness(self) -> ReadinessCheck:
        """Say whether there is a leaf that can be shown to anyone now, and what stands in the way of the next one."""
        troubles = "; ".join((*self._troubles(), *filter(None, (self._client_ca_failure,))))
        if self._leaf is None:
            detail = f"none yet: {troubles or 'the API server has not answered'}"
            return ReadinessCheck(name="certificate", ok=False, detail=detail)
        expires_at = self._leaf.not_after
        is_valid = self._clock.now() < expires_at
        detail = f"{'valid until' if is_valid else 'expired at'} {expires_at.isoformat()}{self._authority()}"
        return ReadinessCheck(name="certificate", ok=is_valid, detail=f"{detail}; {troubles}" if troubles else detail)

    def _troubles(self) -> tuple[str, ...]:
        return self._keeper.troubles if self._keeper is not None else ()

    def _authority(self) -> str:
        record = self._keeper.record if self._keeper is not None else None
        if record is None:
            return ""
        rotating = ", rotating" if len(record.authorities) > 1 else ""
        return f", its authority until {record.current.not_after.isoformat()}{rotating}"

    async def _look_for_ever(self, keeper: CertificateKeeper, wake: asyncio.Event) -> None:
        while True:
            try:
                await keeper.look()
                await asyncio.to_thread(self._look_at_client_ca)
            except Exception:  # noqa: BLE001 - nothing may end the keeping of a server that has a good leaf
                self._observer.keeping_failed("fault")
                self._log.exception("certificate-keeping-fault")
            with suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), timeout=self._tls.look_seconds)
            wake.clear()

    def _look_at_client_ca(self) -> None:
        """Take up a changed client CA; one that cannot be used leaves the last good one in force."""
        try:
            found = _client_authorities(self._tls.client_ca)
            if found != self._client_ca and self._leaf is not None:
                self._context = _context(self._leaf, found)
        except TlsError as error:
            if str(error) != self._client_ca_failure:
                self._log.error("certificate-reload-failed", reason=str(error))
            self._client_ca_failure = str(error)
            return
        self._client_ca, self._client_ca_failure = found, ""

    def _use(self, leaf: ServerCertificate) -> None:
        """Show a leaf to everybody who connects from now on."""
        context = _context(leaf, self._client_ca)
        self._leaf, self._context = leaf, context
        self._on_load(LoadedCertificate(context=context, expires_at=leaf.not_after, fingerprint=b""))
        self._log.info("certificate-reloaded", expires_at=leaf.not_after.isoformat())


def _client_authorities(path: Path | None) -> str:
    """Return who may sign clients (PEM), empty if nobody is asked; TlsError if there should be someone and is not."""
    if path is None:
        return ""
    data = read_file(path)
    try:
        text = data.decode("ascii")
        new_context(client_ca=True, minimum=ssl.TLSVersion.TLSv1_2).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise TlsError(f"{path}: no certificate authorities (PEM)") from error
    return text


def _context(leaf: ServerCertificate, client_ca: str) -> ssl.SSLContext:
    """Make the context of a leaf by way of an anonymous file: see the head of this module."""
    context = new_context(client_ca=bool(client_ca), minimum=ssl.TLSVersion.TLSv1_2)
    if client_ca:
        context.load_verify_locations(cadata=client_ca)
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(leaf.certificate + leaf.key)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    return context
