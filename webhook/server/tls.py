"""The server's certificate: checked as a pair, and exchanged while the server runs.

How a reload stays safe (measured with Python 3.11 and OpenSSL 3.0; `load_cert_chain` on a live context is not):

1. All files are read, the leaf certificate and the key are parsed, and it is checked that they belong together and
   that the certificate is valid now.
2. A fresh context is built from the same files, which are then read again: if they changed meanwhile, nothing is
   believed. A pair that is being written is thus never half taken.
3. Only then does the fresh context become the current one, in one assignment. New connections get it; open ones go on.
4. Whatever fails leaves the last good context in force.

The listening socket owns one front context that has no certificate. Its SNI callback, which OpenSSL calls for every
handshake, also where the client names no server, puts the current context in its place. OpenSSL takes the least TLS
version and the demand for a client certificate from the front context, so these are set there.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from structlog.typing import FilteringBoundLogger

from webhook.ports import Clock
from webhook.server.gate import ReadinessCheck

__all__ = [
    "LiveCertificate",
    "LoadedCertificate",
    "LoadsCertificates",
    "ServedCertificate",
    "TlsError",
    "TlsFiles",
    "front_context",
    "load_certificate",
    "new_context",
    "read_file",
]

MAX_FILE_BYTES = 1024 * 1024
TLS_1_2_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class TlsError(Exception):
    """The files do not hold a usable certificate and key. The text names files, never what is in a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where the PEM files are: the leaf certificate followed by its chain, its key, and who may sign clients."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def all(self) -> tuple[Path, ...]:
        """Return the paths of all files."""
        return (self.certificate, self.key, *(() if self.client_ca is None else (self.client_ca,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCertificate:
    """A certificate that was valid when it was loaded. `fingerprint` is over all files, to notice a change."""

    context: ssl.SSLContext
    expires_at: datetime
    fingerprint: bytes


def load_certificate(files: TlsFiles, *, now: datetime) -> LoadedCertificate:
    """Load and check everything the files hold; raises TlsError if it cannot be used from `now` on."""
    contents = tuple(read_file(path) for path in files.all())
    leaf = _check_pair(files, certificate=contents[0], key=contents[1])
    if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
        valid = f"valid from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} to {leaf.not_valid_after_utc:%Y-%m-%d %H:%M}"
        raise TlsError(f"{files.certificate}: the certificate is {valid} UTC, not now")
    context = new_context(client_ca=files.client_ca is not None, minimum=ssl.TLSVersion.TLSv1_2)
    try:
        context.load_cert_chain(files.certificate, files.key)
        if files.client_ca is not None:
            context.load_verify_locations(files.client_ca)
    except (ssl.SSLError, OSError) as error:
        raise TlsError(f"{files.certificate}: OpenSSL does not accept the files") from error
    if tuple(read_file(path) for path in files.all()) != contents:
        raise TlsError(f"{files.certificate}: the files changed while they were read")
    return LoadedCertificate(context=context, expires_at=leaf.not_valid_after_utc, fingerprint=_fingerprint(contents))


class ServedCertificate(Protocol):
    """A certificate that is kept while the server runs, wherever it comes from."""

    front: ssl.SSLContext

    def kept(self, wake: asyncio.Event) -> AbstractAsyncContextManager[None]:
        """Keep it until the end of the block; `wake` asks for a look at once."""
        ...

    def readiness(self) -> ReadinessCheck:
        """Say whether it can be shown to anyone now."""
        ...


LoadsCertificates = Callable[[LoadedCertificate | None], None]
"""Called after each attempt to exchange the certificate: with the new one, or None if that failed."""


class LiveCertificate:
    """The certificate in force, and its exchange. `front` is the context for the listening socket.

    `on_load` is called after each attempt that found changed files: with the new certificate, or with None if they
    could not be used. Construction loads the first certificate, and raises TlsError if that fails.
    """

    def __init__(
        self,
        files: TlsFiles,
        *,
        minimum_version: ssl.TLSVersion,
        clock: Clock,
        log: FilteringBoundLogger,
        on_load: LoadsCertificates,
        reload_seconds: float = 5.0,
    ) -> None:
        self._files = files
        self._reload_seconds = reload_seconds
        self._clock = clock
        self._log = log
        self._on_load = on_load
        self._failure = ""
        self._current = load_certificate(files, now=clock.now())
        self.front = front_context(
            lambda: self._current.context, client_ca=files.client_ca is not None, minimum=minimum_version
        )
        on_load(self._current)

    def reload(self) -> None:
        """Exchange the certificate if the files changed; keep the last good one if they cannot be used."""
        try:
            if _fingerprint(tuple(read_file(path) for path in self._files.all())) == self._current.fingerprint:
                self._failure = ""
                return
            loaded = load_certificate(self._files, now=self._clock.now())
        except TlsError as error:
            self._on_load(None)
            if str(error) != self._failure:
                self._failure = str(error)
                self._log.error("certificate-reload-failed", reason=str(error))
            return
        self._failure = ""
        self._current = loaded
        self._on_load(loaded)
        self._log.info("certificate-reloaded", expires_at=loaded.expires_at.isoformat())

    @asynccontextmanager
    async def kept(self, wake: asyncio.Event) -> AsyncIterator[None]:
        """Watch the files until the end of the block."""
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self.watch(interval_seconds=self._reload_seconds, wake=wake))
            yield
            watching.cancel()

    async def watch(self, *, interval_seconds: float, wake: asyncio.Event) -> None:
        """Look at the files every so often, and whenever `wake` is set. Runs until it is cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), timeout=interval_seconds)
            wake.clear()
            await asyncio.to_thread(self.reload)

    def readiness(self) -> ReadinessCheck:
        """Say whether the certificate can be shown to anyone now. A failed reload alone does not make unready."""
        expires_at = self._current.expires_at
        detail = f"valid until {expires_at.isoformat()}"
        if expires_at <= self._clock.now():
            return ReadinessCheck(name="certificate", ok=False, detail=f"expired at {expires_at.isoformat()}")
        return ReadinessCheck(
            name="certificate", ok=True, detail=f"{detail}; {self._failure}" if self._failure else detail
        )


def front_context(
    current: Callable[[], ssl.SSLContext | None], *, client_ca: bool, minimum: ssl.TLSVersion
) -> ssl.SSLContext:
    """Make the context of a listening socket, which gives every handshake the certificate that is in force then.

    While there is none, handshakes end with the alert `internal_error`.
    """

    def put_current(connection: ssl.SSLObject, _name: str, _front: ssl.SSLContext) -> int | None:
        context = current()
        if context is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = context
        return None

    front = new_context(client_ca=client_ca, minimum=minimum)
    front.sni_callback = put_current
    return front


def new_context(*, client_ca: bool, minimum: ssl.TLSVersion) -> ssl.SSLContext:
    """Make a server context without a certificate.

    No session tickets: the API server never resumes a session, and without tickets a handshake costs a sixth less.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.set_ciphers(TLS_1_2_CIPHERS)
    context.verify_mode = ssl.CERT_REQUIRED if client_ca else ssl.CERT_NONE
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    return context


def _check_pair(files: TlsFiles, *, certificate: bytes, key: bytes) -> x509.Certificate:
    """Return the leaf certificate, once it is known that the key is its own."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate)[0]
    except ValueError as error:
        raise TlsError(f"{files.certificate}: no PEM certificate") from error
    try:
        public = load_pem_private_key(key, password=None).public_key()
    except (ValueError, TypeError) as error:
        raise TlsError(f"{files.key}: no PEM private key without a passphrase") from error
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*spki) != leaf.public_key().public_bytes(*spki):
        raise TlsError(f"{files.key}: the key does not belong to the certificate in {files.certificate}")
    return leaf


def read_file(path: Path) -> bytes:
    """Read a small file; raises TlsError if that cannot be done."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise TlsError(f"{path}: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise TlsError(f"{path}: larger than 1 MiB")
    return data


def _fingerprint(contents: tuple[bytes, ...]) -> bytes:
    """Name the exact contents of all files without keeping a key in memory."""
    return hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in contents)).digest()
