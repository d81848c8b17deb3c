"""Certificates are exchanged under a running server, and only for good ones."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path, PosixPath
from typing import Any

import pytest
import structlog
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from structlog.testing import CapturingLogger

from tests.fakes.clock import ManualClock
from tests.server.certificates import TestAuthority
from webhook.server.tls import LiveCertificate, LoadedCertificate, TlsError, TlsFiles, load_certificate

EC = trustme.KeyType.ECDSA
RSA = trustme.KeyType.RSA


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    """Make a CA that writes into the test's folder."""
    return TestAuthority(ca=trustme.CA(), folder=tmp_path)


class Watched:
    """A live certificate, what it told, and what it logged."""

    def __init__(self, authority: TestAuthority, *, minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> None:
        self.clock = ManualClock(datetime.now(UTC))
        self.loads: list[LoadedCertificate | None] = []
        self.loaded = threading.Semaphore(0)
        self.logged = CapturingLogger()
        self.live = LiveCertificate(
            authority.files(),
            minimum_version=minimum,
            clock=self.clock,
            log=structlog.wrap_logger(self.logged, wrapper_class=structlog.make_filtering_bound_logger(0)),
            on_load=self.note,
        )

    def note(self, loaded: LoadedCertificate | None) -> None:
        """Remember an attempt, and tell who waits for one."""
        self.loads.append(loaded)
        self.loaded.release()


@asynccontextmanager
async def listening(front: ssl.SSLContext) -> AsyncIterator[int]:
    """Serve a TLS echo on loopback with that front context, and yield its port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.readline():
                writer.write(data)
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=front)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def served_leaf(port: int, context: ssl.SSLContext, *, host: str = "127.0.0.1") -> x509.Certificate:
    """Connect (to an address, which sends no SNI) and return the certificate that was shown."""
    _reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return x509.load_der_x509_certificate(der)


@pytest.mark.parametrize(("before", "after"), [(RSA, EC), (EC, RSA), (EC, EC)])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_new_connections_get_the_new_certificate(
    authority: TestAuthority, before: trustme.KeyType, after: trustme.KeyType, host: str
) -> None:
    """After a reload every key type is exchanged for any other, with SNI (a name) and without it (an address)."""
    authority.write_pair(key_type=before)
    watched = Watched(authority)
    async with listening(watched.live.front) as port:
        first = await served_leaf(port, authority.client_context(), host=host)
        authority.write_pair(key_type=after)
        watched.live.reload()
        second = await served_leaf(port, authority.client_context(), host=host)
    assert first.serial_number != second.serial_number
    assert isinstance(second.public_key(), rsa.RSAPublicKey if after is RSA else ec.EllipticCurvePublicKey)


async def test_open_connections_outlive_a_reload(authority: TestAuthority) -> None:
    """A connection made before a reload goes on after it."""
    authority.write_pair()
    watched = Watched(authority)
    async with listening(watched.live.front) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=authority.client_context())
        authority.write_pair()
        watched.live.reload()
        writer.write(b"still there\n")
        assert await reader.readline() == b"still there\n"
        writer.close()
        await writer.wait_closed()


def _mismatched_key(authority: TestAuthority) -> None:
    certificate = authority.files().certificate.read_bytes()
    authority.write_pair()
    authority.files().certificate.write_bytes(certificate)


def _cut_short(authority: TestAuthority) -> None:
    path = authority.files().certificate
    path.write_bytes(path.read_bytes()[:100])


def _no_key(authority: TestAuthority) -> None:
    authority.files().key.unlink()


def _expired(authority: TestAuthority) -> None:
    authority.write_pair(not_after=datetime.now(UTC) - timedelta(minutes=1))


def _huge(authority: TestAuthority) -> None:
    authority.files().certificate.write_bytes(b"x" * (1024 * 1024 + 1))


def _no_usable_key(authority: TestAuthority) -> None:
    authority.files().key.write_bytes(b"not a key")


BREAKAGES = [_mismatched_key, _cut_short, _no_key, _expired, _huge, _no_usable_key]


@pytest.mark.parametrize("breakage", BREAKAGES)
async def test_a_bad_pair_leaves_the_last_good_one_in_force(
    authority: TestAuthority, breakage: Callable[[TestAuthority], None]
) -> None:
    """Half-written, mismatched, expired or missing files change nothing but a metric, a log line and a detail."""
    authority.write_pair()
    watched = Watched(authority)
    async with listening(watched.live.front) as port:
        good = await served_leaf(port, authority.client_context())
        breakage(authority)
        watched.live.reload()
        watched.live.reload()
        assert await served_leaf(port, authority.client_context()) == good
        assert watched.loads[1:] == [None, None]
        assert len(watched.logged.calls) == 1, "the same failure is logged once"
        assert watched.live.readiness().ok
        authority.write_pair()
        watched.live.reload()
        assert await served_leaf(port, authority.client_context()) != good


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_server_does_not_start_with_a_bad_pair(
    authority: TestAuthority, breakage: Callable[[TestAuthority], None]
) -> None:
    """At the start there is no last good pair: the error names the file."""
    authority.write_pair()
    breakage(authority)
    with pytest.raises(TlsError, match=r"tls\.(crt|key): "):
        load_certificate(authority.files(), now=datetime.now(UTC))


def test_a_key_with_a_passphrase_is_refused_without_asking(authority: TestAuthority) -> None:
    """Nobody sits at the server's terminal to type a passphrase."""
    authority.write_pair()
    key = ec.generate_private_key(ec.SECP256R1())
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    authority.files().key.write_bytes(encrypted)
    with pytest.raises(TlsError, match="without a passphrase"):
        load_certificate(authority.files(), now=datetime.now(UTC))


def test_unchanged_files_are_not_loaded_again(authority: TestAuthority) -> None:
    """A look at unchanged files tells nobody anything."""
    authority.write_pair()
    watched = Watched(authority)
    watched.live.reload()
    assert len(watched.loads) == 1
    assert watched.logged.calls == []


def test_an_expired_certificate_makes_unready(authority: TestAuthority) -> None:
    """Once the certificate in force has expired the server is not ready, and says since when."""
    authority.write_pair(not_after=datetime.now(UTC) + timedelta(hours=1))
    watched = Watched(authority)
    assert watched.live.readiness().ok
    watched.clock.advance(timedelta(hours=2).total_seconds())
    check = watched.live.readiness()
    assert not check.ok
    assert check.detail.startswith("expired at ")


async def test_old_tls_is_refused(authority: TestAuthority) -> None:
    """With a least version of 1.3, a client that stops at 1.2 gets no connection."""
    authority.write_pair()
    watched = Watched(authority, minimum=ssl.TLSVersion.TLSv1_3)
    client = authority.client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    async with listening(watched.live.front) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await served_leaf(port, client)
        assert (await served_leaf(port, authority.client_context())).serial_number


async def test_clients_must_show_a_certificate_of_the_client_ca(authority: TestAuthority, tmp_path: Path) -> None:
    """With a client CA, a client without its certificate is not served, and one with it is, after a reload too."""
    authority.write_pair()
    clients = trustme.CA()
    client_ca = tmp_path / "clients.crt"
    client_ca.write_bytes(clients.cert_pem.bytes())
    files = authority.files()
    trusting = TlsFiles(certificate=files.certificate, key=files.key, client_ca=client_ca)
    live = LiveCertificate(
        trusting,
        minimum_version=ssl.TLSVersion.TLSv1_2,
        clock=ManualClock(datetime.now(UTC)),
        log=structlog.wrap_logger(CapturingLogger()),
        on_load=lambda _loaded: None,
    )
    known = authority.client_context()
    clients.issue_cert("apiserver@example.com").configure_cert(known)
    async with listening(live.front) as port:
        assert await echoed(port, known)
        assert not await echoed(port, authority.client_context())
        others = trustme.CA()
        client_ca.write_bytes(others.cert_pem.bytes())
        live.reload()
        assert not await echoed(port, known)


async def echoed(port: int, context: ssl.SSLContext) -> bool:
    """Tell whether a client is served; in TLS 1.3 it learns of a refusal only when it reads."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"hello\n")
        line = await reader.readline()
    except (ssl.SSLError, ConnectionError):
        return False
    writer.close()
    return line == b"hello\n"


async def test_the_watch_looks_when_it_is_woken(authority: TestAuthority) -> None:
    """A SIGHUP makes the watch look at once, not at its next interval."""
    authority.write_pair()
    watched, wake = Watched(authority), asyncio.Event()
    watched.loaded.acquire()
    watching = asyncio.create_task(watched.live.watch(interval_seconds=3600, wake=wake))
    authority.write_pair()
    wake.set()
    assert await asyncio.to_thread(watched.loaded.acquire, timeout=2)
    watching.cancel()


async def test_the_watch_looks_by_itself(authority: TestAuthority) -> None:
    """Nobody has to tell the watch that the files changed."""
    authority.write_pair()
    watched = Watched(authority)
    watched.loaded.acquire()
    watching = asyncio.create_task(watched.live.watch(interval_seconds=0.01, wake=asyncio.Event()))
    authority.write_pair()
    assert await asyncio.to_thread(watched.loaded.acquire, timeout=2)
    watching.cancel()


class _ChangingPath(PosixPath):
    """A file that somebody replaces as soon as it was read once."""

    def open(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Path's own signature
        """Open the file, and leave another under its name."""
        file = super().open(*args, **kwargs)
        copy = Path(str(self)).read_bytes()
        self.unlink()
        Path(str(self)).write_bytes(copy + b"\n")
        return file


def test_files_that_change_while_they_are_read_are_not_believed(authority: TestAuthority) -> None:
    """A pair that is exchanged between checking and loading is not taken, though each half would do."""
    authority.write_pair()
    files = authority.files()
    changing = TlsFiles(certificate=_ChangingPath(files.certificate), key=files.key)
    with pytest.raises(TlsError, match="changed while they were read"):
        load_certificate(changing, now=datetime.now(UTC))


def test_a_client_ca_that_is_none_is_refused(authority: TestAuthority, tmp_path: Path) -> None:
    """A client CA file without a certificate does not quietly trust nobody or everybody."""
    authority.write_pair()
    empty = tmp_path / "empty.crt"
    empty.touch()
    files = TlsFiles(certificate=authority.files().certificate, key=authority.files().key, client_ca=empty)
    with pytest.raises(TlsError, match="OpenSSL does not accept"):
        load_certificate(files, now=datetime.now(UTC))
