"""Handshakes with real servers on loopback."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme

from webhook.adapters.tls_handshake import shake_hands
from webhook.core.diagnosis.findings import Unseen
from webhook.core.diagnosis.installation import Handshake


@asynccontextmanager
async def serving(authority: trustme.CA, *names: str) -> AsyncIterator[int]:
    """Serve with a certificate for these names, and yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)

    async def end(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(end, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_certificate_that_is_believed() -> None:
    """Name and authority are right, and the end of the certificate is told."""
    authority = trustme.CA()
    async with serving(authority, "localhost") as port:
        shown = await shake_hands("localhost", port, authorities=authority.cert_pem.bytes())
    assert isinstance(shown, Handshake)
    assert (shown.address, shown.distrust) == (f"localhost:{port}", "")
    assert shown.expires_at is not None


@pytest.mark.parametrize(("name", "why"), [("localhost", "issuer"), ("other.example", "match")])
async def test_a_certificate_that_is_not_believed(name: str, why: str) -> None:
    """Another authority, or another name, is distrust and no outage."""
    authority = trustme.CA()
    believed = authority if name != "localhost" else trustme.CA()
    async with serving(authority, name) as port:
        shown = await shake_hands("localhost", port, authorities=believed.cert_pem.bytes())
    assert isinstance(shown, Handshake)
    assert why in shown.distrust


@pytest.mark.parametrize("authorities", [b"", b"nothing", "ä".encode(), trustme.CA().cert_pem.bytes()])
async def test_nobody_answers(authorities: bytes) -> None:
    """What cannot be reached, or believed in at all, was not looked at."""
    assert isinstance(await shake_hands("127.0.0.1", 1, authorities=authorities), Unseen)


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    """Whoever accepts a connection and is silent was not looked at either."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        shown = await shake_hands("127.0.0.1", port, authorities=trustme.CA().cert_pem.bytes(), seconds=0.05)
    assert isinstance(shown, Unseen)
    assert "does not answer" in shown.why
