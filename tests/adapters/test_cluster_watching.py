"""Watching one object over HTTP: what is asked, what events mean, and answers that make no sense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import msgspec
import pytest
from aiohttp import web

from tests.contract.cluster_contract import LEASES, refused
from tests.fakes.api_server import Interceptor, LoopbackApiServer
from tests.fakes.cluster import FakeCluster
from webhook.adapters.clock import SystemClock
from webhook.adapters.cluster import transport
from webhook.adapters.cluster.api_server import WATCH_SECONDS, ApiServerCluster
from webhook.adapters.cluster.flags import ClusterFlags
from webhook.adapters.cluster.opening import open_api_server
from webhook.adapters.registry.options import Proxies
from webhook.ports import ClusterTroubleKind

SECONDS = 5.0
OBJECT = {"metadata": {"name": "a", "namespace": "shop"}, "spec": {"holderIdentity": "me"}}


@asynccontextmanager
async def watched(
    interceptor: Interceptor | None = None, *, patience_seconds: float = 40.0
) -> AsyncIterator[tuple[LoopbackApiServer, ApiServerCluster]]:
    """Serve a cluster with one lease, and connect to it."""
    fake = FakeCluster()
    fake.put(LEASES, OBJECT)
    async with LoopbackApiServer(fake, (LEASES,), interceptor=interceptor) as server:
        flags = ClusterFlags(server=server.url)
        opened = open_api_server(
            flags,
            environment={},
            proxies=Proxies(),
            clock=SystemClock(),
            watch_patience_seconds=patience_seconds,
        )
        async with opened as cluster:
            yield server, cluster


def answering(*lines: bytes, status: int = 200) -> Interceptor:
    """Return what answers every watch with these pieces, and nothing else."""

    async def intercept(request: web.Request) -> web.StreamResponse | None:
        if "watch" not in request.query:
            return None
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        await response.write_eof()
        return response

    return intercept


async def states(cluster: ApiServerCluster) -> list[bytes | None]:
    """Return all states that one watch tells."""
    async with asyncio.timeout(SECONDS):
        return [state async for state in cluster.watch(LEASES, namespace="shop", name="a")]


def event(type_name: str, /, **document: object) -> bytes:
    """Return a line of a watch."""
    return msgspec.json.encode({"type": type_name, "object": document}) + b"\n"


async def test_one_object_is_asked_for() -> None:
    """By its name as field selector, which RBAC can allow by `resourceNames`, and for a bounded time."""
    async with watched() as (server, cluster), aclosing(cluster.watch(LEASES, namespace="shop", name="a")) as seen:
        await anext(seen)
        server.cluster.put(LEASES, OBJECT | {"spec": {"holderIdentity": "you"}})
        await anext(seen)
        listed, followed = (request.query for request in server.requests)
    assert listed == {"fieldSelector": "metadata.name=a"}
    assert followed == {
        "fieldSelector": "metadata.name=a",
        "watch": "1",
        "resourceVersion": "2",
        "timeoutSeconds": str(WATCH_SECONDS),
    }


async def test_events_are_read_however_they_are_cut() -> None:
    """Lines may come in pieces; a bookmark changes nothing; what follows the last line's end is no event."""
    changed, gone = event("MODIFIED", spec=1), event("DELETED", spec=1)
    whole = changed + event("BOOKMARK", metadata={"resourceVersion": "9"}) + gone
    pieces = [whole[:7], whole[7:30], whole[30:], b'{"type":"MODIF']
    async with watched(answering(*pieces)) as (_, cluster):
        [first, *rest] = await states(cluster)
    assert first is not None
    assert rest == [b'{"spec":1}', None]


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (event("ERROR", kind="Status", code=410, message="too old resource version"), ClusterTroubleKind.EXPIRED),
        (event("ERROR", kind="Status", code=403), ClusterTroubleKind.FORBIDDEN),
        (event("ERROR", kind="Status", code=500), ClusterTroubleKind.UNAVAILABLE),
        (event("ERROR"), ClusterTroubleKind.BAD_ANSWER),
        (event("RENAMED"), ClusterTroubleKind.BAD_ANSWER),
        (b"<html>\n", ClusterTroubleKind.BAD_ANSWER),
        (b'{"type":"ERROR","object":[]}\n', ClusterTroubleKind.BAD_ANSWER),
        (b"x" * (transport.MAX_LINE_BYTES + 1), ClusterTroubleKind.BAD_ANSWER),
    ],
)
async def test_an_event_that_is_no_state_is_trouble(lines: bytes, kind: ClusterTroubleKind) -> None:
    """Nothing of it is taken for an object that changed or is gone, and no line is read without end."""
    async with watched(answering(lines)) as (_, cluster):
        await refused(states(cluster), kind)


async def test_a_watch_that_is_not_allowed_is_told() -> None:
    """The right to list is not the right to watch."""
    async with watched(answering(b"{}", status=403)) as (_, cluster):
        await refused(states(cluster), ClusterTroubleKind.FORBIDDEN)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b'{"kind":"Lease","items":[],"metadata":{"resourceVersion":"1"}}',
        b'{"kind":"LeaseList","items":[],"metadata":{}}',
        b'{"kind":"LeaseList","items":[{},{}],"metadata":{"resourceVersion":"1"}}',
    ],
)
async def test_a_list_that_makes_no_sense_is_trouble(document: bytes) -> None:
    """An object is gone only if a list of one says so."""

    async def intercept(_: web.Request) -> web.Response:
        return web.Response(body=document)

    async with watched(intercept) as (_, cluster):
        await refused(states(cluster), ClusterTroubleKind.BAD_ANSWER)


async def test_a_connection_that_breaks_is_trouble() -> None:
    """Whoever watches learns of it, and watches anew."""

    async def intercept(request: web.Request) -> web.StreamResponse | None:
        if "watch" not in request.query:
            return None
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b'{"type"')
        assert request.transport is not None
        request.transport.abort()
        return response

    async with watched(intercept) as (_, cluster):
        await refused(states(cluster), ClusterTroubleKind.UNREACHABLE)


@pytest.mark.parametrize("begins", [False, True])
async def test_a_server_that_falls_silent_is_left(begins: bool) -> None:  # noqa: FBT001
    """Whether it never answers or never goes on: a watch ends at its time, and so no change is missed for longer."""
    released = asyncio.Event()

    async def intercept(request: web.Request) -> web.StreamResponse | None:
        if "watch" not in request.query:
            return None
        response = web.StreamResponse()
        if begins:
            await response.prepare(request)
        await released.wait()
        return response

    async with watched(intercept, patience_seconds=0.2) as (_, cluster):
        await refused(states(cluster), ClusterTroubleKind.TIMEOUT)
        released.set()
