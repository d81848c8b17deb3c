"""The server as the API server meets it: HTTP/1.1 over TLS on loopback, from the first request to the last."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fakes.clock import ManualClock
from tests.server.gates import ScriptedGate, allowing, review, stuck
from tests.server.serving import Connection, serving
from webhook.core.verdicts import Decision
from webhook.core.workloads import Workload
from webhook.server.limits import Limits

MIB = 1024 * 1024


async def test_a_connection_is_kept_for_the_next_review(tmp_path: Path) -> None:
    """Many reviews go over one connection, and no answer names the server's software."""
    async with serving(tmp_path) as served, served.connected() as connection:
        for number in range(20):
            reply = await connection.request(review(str(number)))
            assert reply.response["uid"] == str(number)
        assert set(reply.headers) == {b"content-type", b"content-length", b"x-content-type-options"}


async def test_a_certificate_is_exchanged_under_load(tmp_path: Path) -> None:
    """While certificates change, also through a half-written pair, no review fails and no connection ends."""
    async with serving(tmp_path, reload_seconds=0.01) as served, served.connected() as kept:
        for number in range(12):
            if number % 4 == 1:
                served.authority.files().certificate.write_bytes(b"-----BEGIN CERTIF")
            if number % 4 == 3:
                served.authority.write_pair()
            assert (await kept.request(review())).status == 200
            async with served.connected() as fresh:
                assert (await fresh.request(review())).status == 200
        serials = served.metrics.registry.get_sample_value("dhi_gate_tls_reloads_total", {"result": "success"})
        assert serials is not None
        assert serials > 1


async def test_a_chunked_body_needs_no_length(tmp_path: Path) -> None:
    """A body in chunks is read to its end."""
    body = review("chunked")
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(body[n : n + 50]), body[n : n + 50]) for n in range(0, len(body), 50))
    head = b"POST /validate HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving(tmp_path) as served, served.connected() as connection:
        reply = await connection.send(head, chunks, b"0\r\n\r\n")
        assert reply.response["uid"] == "chunked"


async def test_a_body_of_ten_mebibytes_is_refused_and_others_are_served(tmp_path: Path) -> None:
    """The sender hears 413 though still sending; meanwhile others get their answers."""
    async with serving(tmp_path) as served, served.connected() as big, served.connected() as small:
        sending = asyncio.create_task(big.request(b" " * (10 * MIB)))
        assert (await small.request(review())).status == 200
        reply = await sending
        assert (reply.status, reply.headers[b"connection"]) == (413, b"close")
        assert await big.ended()
        assert (await small.request(review())).status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"this is not http\r\n\r\n", 400),
        (b"GET /" + b"a" * (1024 * 1024), 431),
        (b"POST /validate HTTP/1.1\r\n" + b"X: y\r\n" * 200_000, 431),
    ],
    ids=["not HTTP", "endless path", "endless headers"],
)
async def test_a_bad_head_ends_the_connection(tmp_path: Path, sent: bytes, status: int) -> None:
    """What is no HTTP, or has no end, is answered and closed without taking memory."""
    async with serving(tmp_path) as served, served.connected() as connection:
        connection.writer.write(sent)
        assert (await connection.answer()).status == status
        assert await connection.ended()


async def test_health_is_on_both_ports_and_metrics_on_one(tmp_path: Path) -> None:
    """The TLS port answers probes too; metrics are on their own port alone."""
    async with (
        serving(tmp_path) as served,
        served.connected() as tls,
        served.connected_to_metrics() as plain,
    ):
        for connection in (tls, plain):
            assert (await connection.request(method="GET", target="/livez")).body == b"ok\n"
            assert (await connection.request(method="GET", target="/readyz")).body == b"ok\n"
        assert (await tls.request(method="GET", target="/metrics")).status == 404
        assert b"dhi_gate_build_info" in (await plain.request(method="GET", target="/metrics")).body
        assert (await plain.request(review())).status == 404


async def test_readiness_tells_what_is_missing(tmp_path: Path) -> None:
    """Without a policy the server is not ready, and says so line by line; it is alive all the same."""
    gate = ScriptedGate()
    gate.ready = False
    async with serving(tmp_path, gate=gate) as served, served.connected_to_metrics() as connection:
        reply = await connection.request(method="GET", target="/readyz")
        assert reply.status == 503
        assert b"[-]policy failed: none yet\n" in reply.body
        assert (await connection.request(method="GET", target="/livez")).status == 200
        gate.ready = True
        verbose = await connection.request(method="GET", target="/readyz?verbose")
        assert verbose.status == 200
        lines = verbose.body.decode().splitlines()
        assert [line.split(" ", 1)[0] for line in lines] == ["[+]policy", "[+]certificate", "[+]lifecycle", "ok"]


async def test_draining_finishes_what_is_in_flight(tmp_path: Path) -> None:
    """After a signal: not ready, new reviews sent elsewhere, the review in flight answered, and an end."""
    leave = asyncio.Event()

    async def waiting(workload: Workload, deadline: float) -> Decision:
        await leave.wait()
        return await allowing(workload, deadline)

    gate = ScriptedGate(waiting)
    async with serving(tmp_path, gate=gate) as served:
        async with served.connected() as busy, served.connected() as other, served.connected_to_metrics() as probe:
            in_flight = asyncio.create_task(busy.request(review("in flight")))
            await gate.entered.wait()
            assert (await probe.request(method="GET", target="/readyz")).status == 200
            served.signals.end()
            await _unready(probe)
            turned_away = await other.request(review())
            assert (turned_away.status, turned_away.headers[b"retry-after"]) == (503, b"1")
            leave.set()
            reply = await in_flight
            assert (reply.response["uid"], reply.headers[b"connection"]) == ("in flight", b"close")
        async with asyncio.timeout(2):
            await served.running
    assert served.logged()[-1]["event"] == "stopped"


async def test_reviews_are_answered_until_the_endpoint_is_gone(tmp_path: Path) -> None:
    """In the first seconds after a signal new connections are still served, once each; a second signal hurries."""
    async with (
        serving(tmp_path, drain_seconds=3600.0) as served,
        served.connected() as connection,
        served.connected_to_metrics() as probe,
    ):
        served.signals.end()
        await _unready(probe)
        reply = await connection.request(review())
        assert (reply.status, reply.headers[b"connection"]) == (200, b"close")
        assert await connection.ended()
        async with served.connected() as fresh:
            assert (await fresh.request(review())).status == 200
        served.signals.end()
        async with asyncio.timeout(2):
            await served.running


async def test_a_review_that_outlives_the_grace_is_sent_elsewhere(tmp_path: Path) -> None:
    """What is still in flight at the end gets 503 with Retry-After rather than a broken connection."""
    gate = ScriptedGate(stuck)
    async with (
        serving(tmp_path, gate=gate, grace_seconds=0.0) as served,
        served.connected() as connection,
    ):
        in_flight = asyncio.create_task(connection.request(review()))
        await gate.entered.wait()
        served.signals.end()
        reply = await in_flight
        assert (reply.status, reply.headers[b"retry-after"]) == (503, b"1")


async def test_a_flood_is_asked_to_come_back(tmp_path: Path) -> None:
    """With every place taken, others hear 429 with Retry-After and keep their connections."""
    gate = ScriptedGate(stuck)
    async with (
        serving(tmp_path, gate=gate, limits=Limits(max_reviews=1), clock=ManualClock(datetime.now(UTC))) as served,
        served.connected() as first,
        served.connected() as second,
    ):
        occupying = asyncio.create_task(first.request(review(), target="/validate?timeout=1s"))
        await gate.entered.wait()
        for _ in range(3):
            reply = await second.request(review())
            assert (reply.status, reply.headers[b"retry-after"]) == (429, b"1")
        assert (await occupying).response["status"]["code"] == 500


async def _unready(probe: Connection) -> None:
    """Ask until the server says that it is not ready."""
    async with asyncio.timeout(2):
        while (await probe.request(method="GET", target="/readyz")).status == 200:
            pass
