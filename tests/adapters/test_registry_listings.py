"""Tags and referrers: pages, bounds, and registries without the referrers API."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from tests.adapters.given import open_registry, repository, trouble_of
from tests.fakes.clock import ManualClock
from webhook.adapters.clock import SystemClock
from webhook.adapters.registry.answers import is_error_document, next_page, parse_descriptors, parse_tags
from webhook.core.errors import ParseError
from webhook.core.references import Digest, PinnedImage
from webhook.demo.registry import LoopbackRegistry
from webhook.ports import TroubleKind

SOON = SystemClock().monotonic() + 3600
INDEX = "application/vnd.oci.image.index.v1+json"
SUBJECT = Digest(algorithm="sha256", hex="0" * 64)
PAGE = URL("https://registry.example/v2/shop/api/tags/list?n=1000")

Answer = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def entry(number: int) -> dict[str, object]:
    """Return a descriptor of an index."""
    return {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": f"sha256:{number:064x}", "size": 1}


def index(*numbers: int) -> bytes:
    """Return an index with these descriptors."""
    return json.dumps({"schemaVersion": 2, "manifests": [entry(number) for number in numbers]}).encode()


def pinned(host: str) -> PinnedImage:
    """Return the image that everything is attached to."""
    return PinnedImage(repository=repository(host), digest=SUBJECT)


def referring(**kwargs: object) -> Answer:
    """Answer the referrers API with this response."""

    async def answer(request: web.Request) -> web.StreamResponse | None:
        return web.Response(**kwargs) if "/referrers/" in request.path else None  # type: ignore[arg-type]

    return answer


def with_fallback(server: LoopbackRegistry, data: bytes) -> None:
    """Put a document behind the fallback tag."""
    server.store.put_manifest("shop/api", data, INDEX, tag=f"sha256-{SUBJECT.hex}", checked=False)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404, "text": "404 page not found"},
        {"status": 404, "text": '{"errors":[{"code":"NOT_FOUND"}]}'},
        {"status": 400},
        {"status": 405},
        {"status": 406},
        {"status": 501},
        {"text": "<html>"},
        {"body": index(2), "content_type": "application/json"},
        {"body": index(), "content_type": INDEX},
    ],
)
async def test_the_fallback_tag_is_read(answer: dict[str, object]) -> None:
    """Without the API, or if it lists nothing, the index behind the fallback tag counts."""
    async with LoopbackRegistry() as server, open_registry() as registry:
        server.interceptor = referring(**answer)
        with_fallback(server, index(1))
        listing = await registry.referrers(pinned(server.host), deadline=SOON)
        assert [str(found.digest) for found in listing.descriptors] == [f"sha256:{1:064x}"]


@pytest.mark.parametrize(("text", "expected"), [("404 page not found", 1), ('{"errors":[{"code":"NOT_FOUND"}]}', 2)])
async def test_that_there_is_no_api_is_remembered_for_a_while(text: str, expected: int) -> None:
    """A registry that does not know the endpoint is not asked again for ten minutes; one that does, is."""
    clock = ManualClock()
    async with LoopbackRegistry() as server, open_registry(clock=clock) as registry:
        server.interceptor = referring(status=404, text=text)

        async def ask() -> int:
            await registry.referrers(pinned(server.host), deadline=clock.monotonic() + 60)
            return sum("/referrers/" in request.path for request in server.requests)

        assert [await ask(), await ask()] == [1, expected]
        clock.advance(601)
        assert await ask() == expected + 1


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_trouble_with_the_api_is_no_absence(status: int) -> None:
    """Refusals and errors of the server are trouble; the fallback tag is not asked instead."""
    async with LoopbackRegistry() as server, open_registry() as registry:
        server.interceptor = referring(status=status)
        with_fallback(server, index(1))
        await trouble_of(registry.referrers(pinned(server.host), deadline=SOON))


@pytest.mark.parametrize("data", [b"[]", b"", b"\xff", b'{"schemaVersion": 2}', b"[" * 50_000])
async def test_a_fallback_tag_on_something_else_is_trouble(data: bytes) -> None:
    """What is no index does not say that nothing is attached."""
    async with LoopbackRegistry() as server, open_registry() as registry:
        with_fallback(server, data)
        trouble = await trouble_of(registry.referrers(pinned(server.host), deadline=SOON))
        assert trouble.kind is TroubleKind.BAD_ANSWER


async def test_an_entry_that_cannot_be_read_is_left_out() -> None:
    """One bad descriptor does not hide the others."""
    bad: list[object] = [{"digest": "md5:x"}, {"digest": 1}, "x", {}, {"digest": f"sha256:{3:064x}", "size": "1"}]
    data = json.dumps({"manifests": [*bad, {**entry(1), "artifactType": "t", "annotations": {"a": "b"}}]}).encode()
    (found,) = parse_descriptors(data)
    assert (found.artifact_type, found.annotations, found.size) == ("t", {"a": "b"}, 1)


def endless(link: Callable[[int], str]) -> Answer:
    """Answer with page after page of one entry each."""

    async def answer(request: web.Request) -> web.StreamResponse | None:
        number = int(request.query.get("page", "0"))
        headers = {"Link": f'<{link(number + 1)}>; rel="next"'}
        if request.path.endswith("tags/list"):
            return web.json_response({"tags": [f"v{number}"]}, headers=headers)
        return web.Response(body=index(number), content_type=INDEX, headers=headers)

    return answer


async def test_a_listing_without_end_is_cut_short() -> None:
    """After twenty pages, or a thousand entries, a listing says that it is incomplete."""
    async with LoopbackRegistry() as server, open_registry() as registry:
        server.interceptor = endless(lambda number: f"?page={number}")
        listing = await registry.referrers(pinned(server.host), deadline=SOON)
        assert (len(listing.descriptors), listing.truncated, len(server.requests)) == (20, True, 20)
        server.interceptor = referring(body=index(*range(1001)), content_type=INDEX)
        listing = await registry.referrers(pinned(server.host), deadline=SOON)
        assert (len(listing.descriptors), listing.truncated) == (1000, True)


async def test_a_long_fallback_index_is_cut_short() -> None:
    """The fallback tag is bounded like the API."""
    async with LoopbackRegistry() as server, open_registry() as registry:
        with_fallback(server, index(*range(1001)))
        listing = await registry.referrers(pinned(server.host), deadline=SOON)
        assert (len(listing.descriptors), listing.truncated) == (1000, True)


async def test_a_list_of_tags_without_end_is_too_large() -> None:
    """Tags that go in circles, or are too many, are trouble."""
    async with LoopbackRegistry() as server, open_registry() as registry:
        server.interceptor = endless(lambda _: "?page=0")
        trouble = await trouble_of(registry.tags(repository(server.host), deadline=SOON))
        assert trouble.kind is TroubleKind.TOO_LARGE


@pytest.mark.parametrize("link", ["http://127.0.0.1:1/v2/x", "https://[broken"])
async def test_the_next_page_is_on_the_same_host(link: str) -> None:
    """A listing cannot lead elsewhere."""
    async with LoopbackRegistry() as server, open_registry() as registry:
        server.interceptor = endless(lambda _: link)
        for question in (
            registry.tags(repository(server.host), deadline=SOON),
            registry.referrers(pinned(server.host), deadline=SOON),
        ):
            assert (await trouble_of(question)).kind is TroubleKind.BAD_ANSWER


async def test_a_second_page_that_fails_is_trouble() -> None:
    """A listing that breaks off in the middle is not taken for the whole."""
    async with LoopbackRegistry() as server, open_registry() as registry:
        first = endless(lambda _: "?page=1")

        async def answer(request: web.Request) -> web.StreamResponse | None:
            return web.Response(status=404) if "page" in request.query else await first(request)

        server.interceptor = answer
        trouble = await trouble_of(registry.referrers(pinned(server.host), deadline=SOON))
        assert trouble.kind is TroubleKind.BAD_ANSWER


async def test_a_list_of_tags_that_is_none_is_trouble() -> None:
    """A page that cannot be read is a bad answer."""
    async with LoopbackRegistry() as server, open_registry() as registry:

        async def answer(_request: web.Request) -> web.StreamResponse | None:
            return web.Response(text="<html>")

        server.interceptor = answer
        trouble = await trouble_of(registry.tags(repository(server.host), deadline=SOON))
        assert trouble.kind is TroubleKind.BAD_ANSWER


def test_tags_are_read() -> None:
    """What is no tag is left out, and null is an empty list."""
    assert parse_tags(b'{"tags": ["a", "-b", "c/d", ""]}') == ("a",)
    assert parse_tags(b'{"tags": null}') == ()


def test_an_error_document_has_errors() -> None:
    """Only the form of the specification is one."""
    assert is_error_document(b'{"errors": [{"code": "X"}]}')
    assert not any(map(is_error_document, (b"", b'{"errors": []}', b"[]", b"404 page not found")))


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("", None),
        ('<?page=2>; rel="prev"', None),
        ('</v2/x?last=a>; rel="next"', "https://registry.example/v2/x?last=a"),
        ("</v2/x>;rel=next", "https://registry.example/v2/x"),
        ('<?p=1>; rel="prev", <?p=3>; title="x"; rel="next"', "https://registry.example/v2/shop/api/tags/list?p=3"),
        ("<https://registry.example/v2/x#part>; REL=next", "https://registry.example/v2/x"),
    ],
)
def test_the_next_page_is_found(link: str, expected: str | None) -> None:
    """Relative and absolute links are followed, other relations are not."""
    found = next_page(link, PAGE)
    assert (None if found is None else str(found)) == expected


@pytest.mark.parametrize(
    "link", ["//other.example/x", "http://registry.example/x", "https://u:p@registry.example/x", "https://[x"]
)
def test_a_next_page_elsewhere_is_refused(link: str) -> None:
    """Another host, scheme or user is another place."""
    with pytest.raises(ParseError):
        next_page(f'<{link}>; rel="next"', PAGE)


@given(st.text(alphabet='<>;=,"relnxt /?', max_size=100))
def test_any_link_header_is_answered(link: str) -> None:
    """No header makes the parser fail with anything else."""
    try:
        next_page(link, PAGE)
    except ParseError:
        return


@given(st.binary(max_size=200))
def test_any_listing_is_answered(data: bytes) -> None:
    """No bytes make a parser fail with anything else."""
    for parse in (parse_descriptors, parse_tags):
        try:
            parse(data)
        except ParseError:
            continue
