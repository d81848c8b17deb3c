"""Mirrors come first, get no credential that is not theirs, and never have the last word on absence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from tests.adapters.given import LOOPBACK, Recorder, open_registry, passwords, repository, trouble_of
from tests.adapters.raw_server import raw_server
from webhook.adapters.clock import SystemClock
from webhook.adapters.registry.distribution import DistributionRegistry
from webhook.adapters.registry.mirrors import endpoints_for
from webhook.adapters.registry.options import RegistryOptions
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.demo.registry import LoopbackRegistry
from webhook.demo.store import Store
from webhook.ports import TroubleKind

SOON = SystemClock().monotonic() + 3600
DATA = b'{"schemaVersion": 2}'
TYPE = "application/vnd.oci.image.manifest.v1+json"


def put(server: LoopbackRegistry, path: str = "shop/api", data: bytes = DATA) -> Digest:
    """Put a manifest into a registry."""
    return server.store.put_manifest(path, data, TYPE, tag="1", checked=False)


@asynccontextmanager
async def mirrored(
    upstream: LoopbackRegistry, *mirrors: LoopbackRegistry, config: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[DistributionRegistry, Recorder]]:
    """Open the adapter with mirrors in front of a registry."""
    recorder = Recorder()
    options = replace(LOOPBACK, mirrors={upstream.host: tuple(mirror.host for mirror in mirrors)})
    async with open_registry(options, config=passwords(**(config or {})), recorder=recorder) as registry:
        yield registry, recorder


async def test_a_mirror_is_asked_first_and_alone() -> None:
    """What a mirror has is not asked of the registry."""
    async with LoopbackRegistry() as upstream, LoopbackRegistry() as mirror, mirrored(upstream, mirror) as (ask, _):
        digest = put(mirror)
        where = repository(upstream.host)
        assert await ask.resolve(where, "1", deadline=SOON) == digest
        assert await ask.manifest(PinnedImage(repository=where, digest=digest), deadline=SOON) is not None
        assert upstream.requests == []


async def test_what_a_mirror_has_not_or_cannot_tell_is_asked_of_the_next() -> None:
    """An empty mirror and a broken one are passed over; what went wrong is logged."""
    async with (
        LoopbackRegistry() as upstream,
        LoopbackRegistry() as empty,
        LoopbackRegistry() as broken,
        mirrored(upstream, empty, broken) as (ask, recorder),
    ):

        async def fail(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=500)

        broken.interceptor = fail
        digest = put(upstream)
        assert await ask.resolve(repository(upstream.host), "1", deadline=SOON) == digest
        assert [(line["mirror"], line["trouble"]) for line in recorder.logged] == [(broken.host, "unreachable")]


async def test_a_mirror_that_lies_is_passed_over() -> None:
    """Bytes that do not match their digest are fetched elsewhere."""
    async with LoopbackRegistry() as upstream, LoopbackRegistry() as mirror, mirrored(upstream, mirror) as (ask, _):
        digest = put(upstream)
        mirror.store.overwrite_manifest("shop/api", digest, b"{}", TYPE)
        found = await ask.manifest(PinnedImage(repository=repository(upstream.host), digest=digest), deadline=SOON)
        assert found is not None
        assert found.data == DATA


async def test_a_mirror_without_signatures_hides_none() -> None:
    """An empty listing at a mirror is no answer."""
    async with (
        LoopbackRegistry(Store(referrers_api=False)) as upstream,
        LoopbackRegistry() as mirror,
        mirrored(upstream, mirror) as (ask, _),
    ):
        digest = put(upstream)
        listed = b'{"manifests": [{"digest": "%s"}]}' % str(digest).encode()
        tag = f"sha256-{digest.hex}"
        index = "application/vnd.oci.image.index.v1+json"
        upstream.store.put_manifest("shop/api", listed, index, tag=tag, checked=False)
        image = PinnedImage(repository=repository(upstream.host), digest=digest)
        listing = await ask.referrers(image, deadline=SOON)
        assert len(listing.descriptors) == 1


async def test_only_the_registry_itself_can_say_that_there_is_nothing() -> None:
    """Absence at a mirror and trouble at the registry is trouble, under the registry's own name."""
    async with LoopbackRegistry() as upstream, LoopbackRegistry() as mirror, mirrored(upstream, mirror) as (ask, _):

        async def fail(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=500)

        upstream.interceptor = fail
        trouble = await trouble_of(ask.resolve(repository(upstream.host), "1", deadline=SOON))
        assert (trouble.kind, trouble.where) == (TroubleKind.UNREACHABLE, upstream.host)


async def test_a_mirror_gets_no_credential_of_the_registry() -> None:
    """Credentials go where they were written for; a mirror has its own or none."""
    async with LoopbackRegistry() as upstream, LoopbackRegistry() as mirror:

        async def demand(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})

        mirror.interceptor = demand
        async with mirrored(upstream, mirror, config={upstream.host: "u:p"}) as (ask, _):
            assert await ask.resolve(repository(upstream.host), "1", deadline=SOON) is None
        assert all("Authorization" not in request.headers for request in mirror.requests)


async def test_a_silent_mirror_leaves_time_for_the_registry() -> None:
    """A mirror gets its share of the time and no more."""

    async def hang(_writer: asyncio.StreamWriter, _line: str) -> None:
        await asyncio.Event().wait()

    async with LoopbackRegistry() as upstream, raw_server(hang) as mirror:
        digest = put(upstream)
        options = replace(LOOPBACK, mirrors={upstream.host: (mirror.host,)})
        async with open_registry(options) as registry:
            deadline = SystemClock().monotonic() + 0.6
            assert await registry.resolve(repository(upstream.host), "1", deadline=deadline) == digest


@pytest.mark.parametrize(
    ("mirrors", "name", "expected"),
    [
        ({}, "docker.io/library/nginx", ["registry-1.docker.io library/nginx"]),
        (
            {"docker.io": ("m.example/hub", "n.example")},
            "docker.io/library/nginx",
            ["m.example hub/library/nginx", "n.example library/nginx", "registry-1.docker.io library/nginx"],
        ),
        (
            {"r.example": ("m.example",), "r.example/shop": ("docker.io/copies",)},
            "r.example/shop/api",
            ["registry-1.docker.io copies/api", "r.example shop/api"],
        ),
        ({"r.example/shop": ("m.example/x",)}, "r.example/shopping/api", ["r.example shopping/api"]),
        ({"r.example/shop/api": ("m.example/x",)}, "r.example/shop/api", ["m.example x", "r.example shop/api"]),
    ],
)
def test_where_a_repository_is_asked_for(
    mirrors: Mapping[str, tuple[str, ...]], name: str, expected: list[str]
) -> None:
    """The longest prefix counts, by whole segments, and what follows it is kept."""
    endpoints = endpoints_for(RegistryOptions(mirrors=mirrors), Repository.parse(name))
    assert [f"{endpoint.host} {endpoint.repository.path}" for endpoint in endpoints] == expected
