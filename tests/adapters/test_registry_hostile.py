"""Registries that lie, flood, hang and break off: each ends in time, with trouble that says what happened."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import replace

import pytest
from aiohttp import web

from tests.adapters.given import LOOPBACK, Recorder, open_registry, repository, trouble_of
from tests.adapters.raw_server import Script, raw_server
from tests.fakes.clock import ManualClock
from webhook.adapters.clock import SystemClock
from webhook.core.references import Digest, PinnedImage
from webhook.demo.registry import LoopbackRegistry
from webhook.ports import TroubleKind

DATA = b'{"schemaVersion": 2}'
DIGEST = Digest.of(DATA)
TYPE = "application/vnd.oci.image.manifest.v1+json"


def soon(seconds: float = 60) -> float:
    """Return a deadline."""
    return SystemClock().monotonic() + seconds


def pinned(host: str, digest: Digest = DIGEST) -> PinnedImage:
    """Return an image at a host."""
    return PinnedImage(repository=repository(host), digest=digest)


def writing(*pieces: bytes, forever: bytes = b"") -> Script:
    """Write these bytes, and then others without end."""

    async def script(writer: asyncio.StreamWriter, _line: str) -> None:
        for piece in pieces:
            writer.write(piece)
        while forever:
            writer.write(forever)
            await writer.drain()

    return script


OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.index.v1+json\r\n"


@pytest.mark.parametrize(
    ("script", "kind", "requests"),
    [
        (writing(OK_HEAD, b"Content-Length: 20\r\n\r\nhalf"), TroubleKind.UNREACHABLE, 3),
        (writing(OK_HEAD, b"Transfer-Encoding: chunked\r\n\r\n5\r\nhal"), TroubleKind.UNREACHABLE, 3),
        (writing(OK_HEAD, b"Connection: close\r\n\r\nhalf"), TroubleKind.WRONG_BYTES, 1),
        (writing(OK_HEAD, b"\r\n", forever=b"x" * 65536), TroubleKind.TOO_LARGE, 1),
        (writing(OK_HEAD, b"Content-Length: 99999999\r\n\r\n"), TroubleKind.TOO_LARGE, 1),
        (writing(OK_HEAD, forever=b"X-A: " + b"a" * 1000 + b"\r\n"), TroubleKind.BAD_ANSWER, 1),
        (writing(b"this is not HTTP\r\n\r\n"), TroubleKind.BAD_ANSWER, 1),
        (writing(b""), TroubleKind.UNREACHABLE, None),
        (writing(OK_HEAD, b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx"), TroubleKind.WRONG_BYTES, 1),
    ],
)  # fmt: skip
async def test_a_broken_answer_is_trouble(script: Script, kind: TroubleKind, requests: int | None) -> None:
    """Broken bodies are asked for again twice, lies and floods are not; nothing hangs and nothing is believed."""
    async with raw_server(script) as server, open_registry() as registry:
        begun = time.perf_counter()
        trouble = await trouble_of(registry.manifest(pinned(server.host), deadline=soon(5)))
        assert trouble.kind is kind
        assert requests is None or len(server.requests) == requests
        assert time.perf_counter() - begun < 2


@pytest.mark.parametrize("announced", [OK_HEAD, b""])
async def test_silence_ends_with_the_deadline(announced: bytes) -> None:
    """A registry that accepts and then says nothing costs no more than the deadline."""

    async def script(writer: asyncio.StreamWriter, _line: str) -> None:
        writer.write(announced)
        await asyncio.Event().wait()

    async with raw_server(script) as server, open_registry() as registry:
        begun = time.perf_counter()
        trouble = await trouble_of(registry.manifest(pinned(server.host), deadline=soon(0.2)))
        assert trouble.kind is TroubleKind.TIMEOUT
        assert time.perf_counter() - begun < 1


async def test_a_drip_of_bytes_ends_with_the_deadline() -> None:
    """A stream that never ends ends for us, even though pieces keep arriving."""

    async def script(writer: asyncio.StreamWriter, _line: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with raw_server(script) as server, open_registry() as registry:
        stream = registry.stream_blob(repository(server.host), DIGEST, max_bytes=10**9, deadline=soon(0.3))

        async def drink() -> list[bytes]:
            return [piece async for piece in stream]

        assert (await trouble_of(drink())).kind is TroubleKind.TIMEOUT


async def test_a_stream_that_breaks_off_is_trouble() -> None:
    """Half a layer is not a layer."""
    script = writing(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    async with raw_server(script) as server, open_registry() as registry:
        stream = registry.stream_blob(repository(server.host), DIGEST, max_bytes=1000, deadline=soon())

        async def drink() -> list[bytes]:
            return [piece async for piece in stream]

        assert (await trouble_of(drink())).kind is TroubleKind.UNREACHABLE


async def test_bytes_are_checked_against_their_digest() -> None:
    """Manifests, blobs and streams of other bytes are never returned."""
    async with LoopbackRegistry() as server, open_registry() as registry:
        server.store.overwrite_manifest("shop/api", DIGEST, DATA + b" ", TYPE)
        server.store.overwrite_blob("shop/api", DIGEST, DATA + b" ")
        where = repository(server.host)
        stream = registry.stream_blob(where, DIGEST, max_bytes=999, deadline=soon())

        async def drink() -> list[bytes]:
            return [piece async for piece in stream]

        troubles = (
            await trouble_of(registry.manifest(pinned(server.host), deadline=soon())),
            await trouble_of(registry.blob(where, DIGEST, max_bytes=999, deadline=soon())),
            await trouble_of(drink()),
        )
        assert {trouble.kind for trouble in troubles} == {TroubleKind.WRONG_BYTES}


async def test_sha512_is_checked_too() -> None:
    """The algorithm of the digest is the one that is used."""
    digest = Digest(algorithm="sha512", hex=hashlib.sha512(DATA).hexdigest())
    async with LoopbackRegistry() as server, open_registry() as registry:
        server.store.overwrite_blob("shop/api", digest, DATA)
        found = await registry.blob(repository(server.host), digest, max_bytes=999, deadline=soon())
        assert found == DATA


@pytest.mark.parametrize("header", ["", "sha256:abc", "md5:x", "SHA256:" + "0" * 64])
async def test_an_unusable_digest_header_is_not_believed(header: str) -> None:
    """Without a usable header the manifest is fetched and hashed."""
    async with LoopbackRegistry() as server, open_registry() as registry:
        server.store.put_manifest("shop/api", DATA, TYPE, tag="1", checked=False)

        async def answer(request: web.Request) -> web.StreamResponse | None:
            return web.Response(headers={"Docker-Content-Digest": header}) if request.method == "HEAD" else None

        server.interceptor = answer
        assert await registry.resolve(repository(server.host), "1", deadline=soon()) == DIGEST


async def test_a_registry_that_knows_no_head_is_asked_by_get() -> None:
    """A refusal of HEAD says nothing about the tag."""
    async with LoopbackRegistry() as server, open_registry() as registry:
        server.store.put_manifest("shop/api", DATA, TYPE, tag="1", checked=False)

        async def answer(request: web.Request) -> web.StreamResponse | None:
            return web.Response(status=405) if request.method == "HEAD" else None

        server.interceptor = answer
        assert await registry.resolve(repository(server.host), "1", deadline=soon()) == DIGEST
        assert await registry.resolve(repository(server.host), "2", deadline=soon()) is None


async def test_a_tag_cannot_leave_its_path() -> None:
    """Whatever a tag holds is one segment of a path."""
    async with LoopbackRegistry() as server, open_registry() as registry:
        await registry.resolve(repository(server.host), "../../x?y#z", deadline=soon())
        assert server.requests[0].path == "/v2/shop/api/manifests/../../x?y#z"
        assert server.requests[0].query == ""


async def test_trouble_that_passes_is_outlived() -> None:
    """An error of the server is tried again twice, after a growing moment."""
    recorder = Recorder()
    async with LoopbackRegistry() as server, open_registry(recorder=recorder) as registry:

        async def answer(_request: web.Request) -> web.StreamResponse | None:
            return web.Response(status=503 if len(server.requests) == 1 else 408) if len(server.requests) < 3 else None

        server.interceptor = answer
        assert await registry.tags(repository(server.host), deadline=soon()) is None
        assert recorder.slept == [0.1, 0.2]
        assert [outcome for _, outcome in recorder.observed] == ["503", "408", "404"]


async def test_no_try_begins_that_would_outlive_the_deadline() -> None:
    """Where waiting would take too long, the trouble is told at once."""
    clock = ManualClock()
    recorder = Recorder()
    async with LoopbackRegistry() as server, open_registry(clock=clock, recorder=recorder) as registry:

        async def answer(_request: web.Request) -> web.StreamResponse | None:
            clock.advance(0.95)
            return web.Response(status=503)

        server.interceptor = answer
        trouble = await trouble_of(registry.tags(repository(server.host), deadline=clock.monotonic() + 1))
        assert trouble.kind is TroubleKind.UNREACHABLE
        assert (len(server.requests), recorder.slept) == (1, [])


@pytest.mark.parametrize(("deadline", "slept"), [(60, [7.0]), (5, [])])
async def test_retry_after_is_honoured_if_it_fits(deadline: float, slept: list[float]) -> None:
    """A registry that asks for time gets it, unless the deadline comes first; others are not made to ask again."""
    clock = ManualClock()
    recorder = Recorder()

    async def sleep(seconds: float) -> None:
        await recorder.sleep(seconds)
        clock.advance(seconds)

    async with LoopbackRegistry() as server, open_registry(clock=clock, recorder=recorder, sleep=sleep) as registry:

        async def answer(_request: web.Request) -> web.StreamResponse | None:
            return web.Response(status=429, headers={"Retry-After": "7"}) if len(server.requests) == 1 else None

        server.interceptor = answer
        question = registry.tags(repository(server.host), deadline=clock.monotonic() + deadline)
        if slept:
            assert await question is None
            assert recorder.slept[1:] == [pytest.approx(6.9)]
        else:
            assert (await trouble_of(question)).kind is TroubleKind.RATE_LIMITED
            assert len(server.requests) == 1


async def test_a_registry_that_keeps_failing_is_left_alone() -> None:
    """After five failures in a row nothing is asked for five seconds; then one failure is enough."""
    clock = ManualClock()
    async with LoopbackRegistry() as server, open_registry(clock=clock) as registry:
        working = False

        async def answer(_request: web.Request) -> web.StreamResponse | None:
            return None if working else web.Response(status=500)

        async def ask() -> int:
            await trouble_of(registry.tags(repository(server.host), deadline=clock.monotonic() + 60))
            return len(server.requests)

        server.interceptor = answer
        assert [await ask() for _ in range(6)] == [3, 6, 9, 12, 15, 15]
        clock.advance(5)
        assert [await ask() for _ in range(2)] == [18, 18]
        clock.advance(5)
        working = True
        assert await registry.tags(repository(server.host), deadline=clock.monotonic() + 60) is None


async def test_refusals_do_not_make_a_registry_rest() -> None:
    """A registry that answers is not down, whatever it answers."""
    async with LoopbackRegistry() as server, open_registry() as registry:

        async def answer(_request: web.Request) -> web.StreamResponse | None:
            return web.Response(status=403)

        server.interceptor = answer
        for _ in range(8):
            trouble = await trouble_of(registry.tags(repository(server.host), deadline=soon()))
            assert trouble.kind is TroubleKind.UNAUTHORIZED


async def test_a_deadline_that_has_passed_asks_nothing() -> None:
    """No request is made for an answer that nobody waits for."""
    async with LoopbackRegistry() as server, open_registry() as registry:
        trouble = await trouble_of(registry.tags(repository(server.host), deadline=soon(-1)))
        assert trouble.kind is TroubleKind.TIMEOUT
        assert server.requests == []


async def test_a_registry_gets_so_many_requests_at_once_and_no_more() -> None:
    """Requests beyond the limit wait for a slot, and are OVERLOADED if none becomes free in time."""
    async with LoopbackRegistry() as server:
        gate, busy = asyncio.Event(), asyncio.Event()
        under_way = most = 0

        async def answer(_request: web.Request) -> web.StreamResponse | None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            if under_way == 2:
                busy.set()
            await gate.wait()
            under_way -= 1
            return None

        server.interceptor = answer
        async with open_registry(replace(LOOPBACK, requests_per_registry=2)) as registry:
            where = repository(server.host)
            first = [asyncio.create_task(registry.tags(where, deadline=soon())) for _ in range(5)]
            await busy.wait()
            late = await trouble_of(registry.tags(where, deadline=soon(0.2)))
            gate.set()
            assert await asyncio.gather(*first) == [None] * 5
        assert late.kind is TroubleKind.OVERLOADED
        assert most == 2


async def test_an_unexpected_status_is_a_bad_answer() -> None:
    """What a registry should not say is not taken for absence."""
    async with LoopbackRegistry() as server, open_registry() as registry:

        async def answer(_request: web.Request) -> web.StreamResponse | None:
            return web.Response(status=410, text="x" * 100_000)

        server.interceptor = answer
        for question in (
            registry.tags(repository(server.host), deadline=soon()),
            registry.manifest(pinned(server.host), deadline=soon()),
            registry.blob(repository(server.host), DIGEST, max_bytes=9, deadline=soon()),
            registry.referrers(pinned(server.host), deadline=soon()),
        ):
            assert (await trouble_of(question)).kind is TroubleKind.BAD_ANSWER
