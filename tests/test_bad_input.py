"""What bad images and registries get from the whole gate: a verdict in time, others served, memory bounded."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.composed import REPOSITORY, Composed, composed, pod_review
from webhook.core.references import Digest
from webhook.demo.documents import OCI_INDEX, OCI_MANIFEST
from webhook.demo.images import index
from webhook.demo.layers import Compression
from webhook.demo.registry import Interceptor
from webhook.demo.variations import recompressed

MIB = 1024 * 1024
MAX_GROWTH = 64 * MIB
SHORT = "1500ms"
"""Leaves the gate half a second to decide; the answer has to be there when the time is up."""
SHORT_SECONDS = 1.5

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Composed]:
    """Return a running gate."""
    async with composed(tmp_path) as running:
        yield running


def manifest_that_is_no_json(gate: Composed) -> Digest:
    """Push bytes that are no JSON as a manifest."""
    data = b"\x7fELF not a manifest"
    return gate.shop.registry.store.put_manifest(REPOSITORY, data, OCI_MANIFEST, checked=False)


def nested_index(gate: Composed) -> Digest:
    """Push an index whose one child is an index."""
    inner = index([gate.shop.app()])
    gate.signed(inner)
    child = {"mediaType": OCI_INDEX, "digest": str(inner.digest), "size": len(inner.manifest)}
    outer = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).encode()
    return gate.shop.registry.store.put_manifest(REPOSITORY, outer, OCI_INDEX)


def wrong_config(gate: Composed) -> Digest:
    """Push an image whose config is served with other bytes than its digest says."""
    image = gate.shop.app(name="wrong-config")
    digest = gate.signed(image)
    gate.shop.registry.store.overwrite_blob(REPOSITORY, image.config_digest, b"{}")
    return digest


def wrong_manifest(gate: Composed) -> Digest:
    """Push an image whose manifest is served with other bytes than its digest says."""
    digest = gate.signed(gate.shop.app(name="wrong-manifest"))
    gate.shop.registry.store.overwrite_manifest(REPOSITORY, digest, b"{}", OCI_MANIFEST)
    return digest


def two_spellings(gate: Composed) -> Digest:
    """Push a manifest that shows its layers to one program and others to the next."""
    image = gate.shop.app(name="two-spellings")
    gate.signed(image)
    data = image.manifest[:-1] + b',"Layers":[]}'
    return gate.shop.registry.store.put_manifest(REPOSITORY, data, OCI_MANIFEST)


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (manifest_that_is_no_json, "malformed-image", "is not JSON"),
        (nested_index, "malformed-image", "is an index inside an index"),
        (two_spellings, "malformed-image", "has the keys `layers` and `Layers`"),
        (wrong_config, "unverifiable", "the registry sent bytes that do not match their digest"),
        (wrong_manifest, "unverifiable", "the registry sent bytes that do not match their digest"),
    ],
)
async def test_a_spoilt_image_is_a_verdict(
    gate: Composed, spoil: Callable[[Composed], Digest], code: str, said: str
) -> None:
    """What can be read one way only, or does not hash, is told as what it is: the image's fault or the registry's."""
    reply = await gate.post_beside_a_good_one(pod_review(gate.at_bad(spoil(gate))))
    assert reply.codes == [code], reply.message
    assert said in reply.message
    assert reply.seconds < SHORT_SECONDS


def begun(request: web.Request) -> web.StreamResponse:
    """Begin an answer."""
    return web.StreamResponse(headers={"Content-Type": request.headers.get("Accept", "").partition(",")[0] or "*/*"})


async def flood(request: web.Request) -> web.StreamResponse:
    """Answer with bytes without end, as fast as they are taken."""
    answer = begun(request)
    await answer.prepare(request)
    while request.transport is not None and not request.transport.is_closing():
        await answer.write(b"x" * 65_536)
        await asyncio.sleep(0)  # a write that meets no resistance would let nobody else run
    return answer


async def go_silent(request: web.Request) -> web.StreamResponse:
    """Begin an answer and say nothing more."""
    answer = begun(request)
    await answer.prepare(request)
    await answer.write(b'{"schemaVersion": 2,')
    await asyncio.Event().wait()
    return answer


async def break_off(request: web.Request) -> web.StreamResponse:
    """Promise much, send little and close the connection."""
    answer = begun(request)
    answer.content_length = 1000
    await answer.prepare(request)
    await answer.write(b'{"schemaVersion": 2,')
    if request.transport is not None:
        request.transport.abort()
    return answer


async def redirect_to_itself(request: web.Request) -> web.StreamResponse:
    """Send whoever asks to where they are."""
    return web.Response(status=307, headers={"Location": str(request.url)})


async def redirect_to_metadata(request: web.Request) -> web.StreamResponse:
    """Send whoever asks to the address where clouds keep their secrets."""
    return web.Response(status=307, headers={"Location": f"https://169.254.169.254{request.path}"})


async def demand_again(request: web.Request) -> web.StreamResponse:
    """Refuse every token that this registry hands out."""
    if request.path == "/token":
        return web.json_response({"token": "t", "expires_in": 300})
    realm = f'Bearer realm="https://{request.host}/token",service="s"'
    return web.Response(status=401, headers={"WWW-Authenticate": realm})


async def demand_from_the_demander(request: web.Request) -> web.StreamResponse:
    """Let the token service itself ask for a token."""
    realm = f'Bearer realm="https://{request.host}/token",service="s"'
    return web.Response(status=401, headers={"WWW-Authenticate": realm})


def only(part: str, behaviour: Behaviour) -> Interceptor:
    """Misbehave where the path holds `part`, and be honest elsewhere."""

    async def answer(request: web.Request) -> web.StreamResponse | None:
        return await behaviour(request) if part in request.path else None

    return answer


MISBEHAVIOURS = {
    "floods": flood,
    "goes-silent": go_silent,
    "breaks-off": break_off,
    "redirects-to-itself": redirect_to_itself,
    "redirects-to-metadata": redirect_to_metadata,
    "demands-again": demand_again,
    "demands-from-the-demander": demand_from_the_demander,
}
PLACES = {"manifest": "/manifests/sha256:", "config": "/blobs/{config}", "referrers": "/referrers/", "everything": "/"}


@pytest.mark.parametrize("behaviour", MISBEHAVIOURS.values(), ids=MISBEHAVIOURS.keys())
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
async def test_a_registry_that_misbehaves_makes_nothing_but_doubt(
    gate: Composed, place: str, behaviour: Behaviour
) -> None:
    """Whatever a registry does, wherever, the image is `unverifiable` in time; the message names the host alone."""
    image = gate.shop.app(name="spoilt")
    gate.bad.interceptor = only(place.format(config=image.config_digest), behaviour)
    reply = await gate.post_beside_a_good_one(pod_review(gate.at_bad(gate.signed(image))), caller_waits=SHORT)
    assert reply.status == 200
    assert reply.response["allowed"] is False
    assert set(reply.codes) == {"unverifiable"}, reply.message
    assert gate.bad.host in reply.message
    assert "169.254" not in reply.message
    assert reply.seconds < SHORT_SECONDS


async def test_a_layer_without_end_is_no_proof(gate: Composed) -> None:
    """Layers that have to be read and never end are read no further than their size; nothing is admitted for it."""
    image = recompressed(gate.shop.app(), to=Compression.GZIP)
    layers = {str(layer) for layer in image.layer_digests}

    async def answer(request: web.Request) -> web.StreamResponse | None:
        return await flood(request) if request.path.rpartition("/")[2] in layers else None

    gate.bad.interceptor = answer
    reply = await gate.post_beside_a_good_one(pod_review(gate.at_bad(gate.signed(image))), caller_waits=SHORT)
    assert reply.codes == ["unverifiable"], reply.message
    assert reply.seconds < SHORT_SECONDS


@pytest.mark.parametrize("place", ["/manifests/", "/blobs/", "/referrers/"])
async def test_a_flood_fills_no_memory(gate: Composed, place: str) -> None:
    """Four reviews of a registry that sends without end take less than 64 MiB, the sender's buffers included."""
    images = [gate.at_bad(gate.signed(gate.shop.app(name=f"flood-{number}"))) for number in range(4)]
    gate.bad.interceptor = only(place, flood)
    tracemalloc.start()
    try:
        replies = await asyncio.gather(*(gate.post(pod_review(image), caller_waits=SHORT) for image in images))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all("unverifiable" in reply.codes for reply in replies)
    assert peak < MAX_GROWTH
