"""What bad requests get from the whole gate: a clear answer in time, while others are served and memory is bounded."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.composed import Composed, composed, pod_review

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024
MAX_GROWTH = 64 * MIB
MAX_SECONDS = 1.5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gate(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Composed]:
    """Return a running gate that all tests of this module share, as all requests of a cluster do."""
    async with composed(tmp_path_factory.mktemp("gate")) as running:
        yield running


def with_uid(**request: object) -> bytes:
    """Return an AdmissionReview about a Pod, changed."""
    return pod_review("registry.example/a", **request)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, b"the review: "),
        (b'{"request": {"uid": "u', 400, b"the review: is not valid JSON"),
        (b'\xff\xfe{"request": {"uid": "u"}}', 400, b"the review: is not valid JSON"),
        (b"[" * 100_000, 400, b"the review: "),
        (b"null", 400, b"the review: expected object, found null"),
        (b'{"kind": "AdmissionReview", "request": {}}', 400, b"uid: is missing"),
        (with_uid(uid=None), 400, b"request.uid: expected string, found null"),
        (with_uid(uid=""), 400, b"request.uid: has 0 characters, expected 1 to 256"),
        (with_uid(uid="u" * 257), 400, b"request.uid: has 257 characters"),
        (with_uid(object={"pad": "x" * 10 * MIB}), 413, b"a review has at most 7,340,032 bytes"),
    ],
    ids=["empty", "half", "not-utf-8", "deep", "null", "no-uid", "null-uid", "empty-uid", "long-uid", "10-MiB"],
)
async def test_what_is_no_review_is_an_http_error(gate: Composed, body: bytes, status: int, said: bytes) -> None:
    """Without a uid, or beyond the bound, there is nothing to answer with but HTTP, and the connection may stay."""
    reply = await gate.post_beside_a_good_one(body)
    assert reply.status == status, reply.body
    assert said in reply.body
    assert reply.seconds < MAX_SECONDS


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"object": None}, "request.object: expected object, found null"),
        ({"object": []}, "request.object: expected object, found array"),
        ({"object": {"kind": "Pod"}}, "spec: is missing"),
        ({"object": {"kind": "Deployment", "spec": {"containers": []}}}, "request.object.kind: expected Pod"),
        (
            {"object": {"kind": "Pod", "spec": {"containers": None}}},
            "spec.containers: is empty, but a pod has at least one container",
        ),
        ({"object": {"kind": "Pod", "spec": {"containers": {}}}}, "spec.containers: expected array"),
        ({"object": {"kind": "Pod", "spec": {"containers": [None]}}}, "containers[0]: expected object, found null"),
        ({"object": {"kind": "Pod", "spec": {"containers": []}}}, "spec.containers: is empty"),
        ({"operation": "PATCH"}, "request.operation: expected one of"),
        ({"kind": "Pod"}, "request.kind: expected object, found string"),
        ({"namespace": "../etc"}, "is not the name of a namespace"),
        ({"containers": [{"name": f"c{n}", "image": "a"} for n in range(5000)]}, "names 5,000 images"),
    ],
)
async def test_a_broken_review_is_denied_with_its_uid(gate: Composed, changes: dict[str, object], said: str) -> None:
    """Once the uid is known, whatever is wrong denies with code 400, and says where."""
    reply = await gate.post_beside_a_good_one(with_uid(**changes))
    assert reply.status == 200
    assert reply.response["uid"] == "uid-1"
    assert reply.response["allowed"] is False
    assert reply.response["status"]["code"] == 400
    assert said in reply.message
    assert len(reply.message) <= 1024
    assert reply.seconds < MAX_SECONDS


@pytest.mark.parametrize("version", ["admission.k8s.io/v1beta1", "v1", ""])
async def test_another_version_of_the_review_is_denied(gate: Composed, version: str) -> None:
    """Only AdmissionReview v1 is understood; anything else that has a uid is told so."""
    document = json.loads(with_uid()) | {"apiVersion": version}
    reply = await gate.post_beside_a_good_one(json.dumps(document).encode())
    assert (reply.status, reply.response["allowed"]) == (200, False)
    assert "apiVersion: expected AdmissionReview of admission.k8s.io/v1" in reply.message


@pytest.mark.parametrize(
    "image",
    ["registry.example/" + "a" * 10_240, "a" * 10_240, "registry.example/a:" + "t" * 10_240, "\x1b[2J\n" * 2_000, ""],
)
async def test_a_monstrous_reference_is_a_verdict(gate: Composed, image: str) -> None:
    """A reference of 10 KB is no reference; its author is told so in a short and printable message."""
    reply = await gate.post_beside_a_good_one(pod_review(image))
    assert reply.response["status"]["code"] == 403
    assert reply.codes == ["bad-reference"]
    assert len(reply.message) <= 1024
    assert all(line.isprintable() for line in reply.message.splitlines())
    assert "\x1b" not in gate.log.getvalue()


async def pieces(total: int) -> AsyncIterator[bytes]:
    """Yield a body of so many bytes."""
    for _ in range(total // 65_536):
        yield b" " * 65_536


async def test_bodies_beyond_the_bound_fill_no_memory(gate: Composed) -> None:
    """Eight bodies of 10 MiB, none of which says how long it will be, are turned away without being held."""
    tracemalloc.start()
    try:
        replies = await asyncio.gather(*(gate.post(pieces(10 * MIB)) for _ in range(8)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [reply.status for reply in replies] == [413] * 8
    assert peak < MAX_GROWTH
