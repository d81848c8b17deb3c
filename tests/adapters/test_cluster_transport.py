"""Exchanges with an API server that is slow, busy, broken or hostile, and lists that do not go on."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.adapters.given import Recorder
from tests.adapters.given_cluster import filled, kubeconfig, open_cluster, server_of, write_kubeconfig
from tests.adapters.raw_server import raw_server
from tests.contract.cluster_contract import LEASES, decoded, refused
from tests.fakes.api_server import LoopbackApiServer
from webhook.adapters.cluster.api_server import _path
from webhook.adapters.cluster.flags import ClusterFlags
from webhook.adapters.cluster.transport import MAX_ANSWER_BYTES
from webhook.adapters.registry.options import Proxies
from webhook.core.errors import ParseError
from webhook.ports import Cluster, ClusterTrouble, ClusterTroubleKind

EMPTY_LIST = {"kind": "LeaseList", "metadata": {}, "items": []}


async def names(cluster: Cluster) -> list[str]:
    """Return the names of all leases in `shop`, as often as they come."""
    pages = cluster.pages(LEASES, namespace="shop")
    return [item["metadata"]["name"] async for page in pages for item in decoded(page)["items"]]


async def broken_list(cluster: Cluster) -> tuple[list[int], ClusterTrouble]:
    """Return how many leases the pages of a list have before it breaks, and how it breaks."""
    sizes: list[int] = []

    async def read_all() -> None:
        async for page in cluster.pages(LEASES, namespace="shop"):
            sizes.append(len(decoded(page)["items"]))  # noqa: PERF401 - what came before an exception is to be kept

    with pytest.raises(ClusterTrouble) as caught:
        await read_all()
    return sizes, caught.value


def flags_of(server: LoopbackApiServer, seconds: float = 30) -> ClusterFlags:
    """Return flags that name a server."""
    return ClusterFlags(server=server.url, request_seconds=seconds)


async def test_a_list_is_asked_for_in_pages() -> None:
    """500 at a time, each with the token of the page before, which is passed on as it is; nothing else is sent."""
    async with server_of(filled(3)) as server:
        async with open_cluster(flags_of(server)) as cluster:
            pages = [decoded(page) async for page in cluster.pages(LEASES, namespace="shop", selector="a!=b, c")]
        assert [page["items"] for page in pages] == [[]]
        async with open_cluster(flags_of(server)) as cluster:
            pages = [decoded(page) async for page in cluster.pages(LEASES)]
        token = pages[0]["metadata"]["continue"]
        assert [(request.path, request.query) for request in server.requests] == [
            (
                "/apis/coordination.k8s.io/v1/namespaces/shop/leases",
                {"limit": "500", "labelSelector": "a!=b, c"},
            ),
            ("/apis/coordination.k8s.io/v1/leases", {"limit": "500"}),
            ("/apis/coordination.k8s.io/v1/leases", {"limit": "500", "continue": token}),
        ]


async def test_an_expired_list_goes_on_at_a_later_state() -> None:
    """With the token that the server gives for it, what is left comes as it is now, and nothing twice."""
    fake = filled(5)
    async with server_of(fake) as server, open_cluster(flags_of(server)) as cluster:
        pages = cluster.pages(LEASES, namespace="shop")
        first = decoded(await anext(pages))
        fake.expire()
        fake.remove(LEASES, "shop", "lease-3")
        rest = [item["metadata"]["name"] async for page in pages for item in decoded(page)["items"]]
    assert [item["metadata"]["name"] for item in first["items"]] == ["lease-0", "lease-1"]
    assert rest == ["lease-2", "lease-4"]


async def test_an_expired_list_without_a_token_begins_anew_once() -> None:
    """What came already comes again; the second time is trouble, and whatever came was yielded."""
    fake = filled(5)
    async with server_of(fake) as server, open_cluster(flags_of(server)) as cluster:
        fake.expire(continuable=False)
        assert await names(cluster) == ["lease-0", "lease-1", *(f"lease-{number}" for number in range(5))]
        fake.expire(2, continuable=False)
        sizes, trouble = await broken_list(cluster)
    assert trouble.kind is ClusterTroubleKind.EXPIRED
    assert sizes == [2, 2]


async def test_a_list_that_expires_for_ever_ends() -> None:
    """A server that gives a new token each time and never a page is not asked for ever."""
    fake = filled(5)
    fake.expire(50)
    async with server_of(fake) as server:
        async with open_cluster(flags_of(server)) as cluster:
            await refused(names(cluster), ClusterTroubleKind.EXPIRED)
        assert len(server.requests) == 5


async def test_a_list_that_does_not_move_ends() -> None:
    """A server that answers with the token that it was sent is not asked again."""

    async def standing(_request: web.Request) -> web.Response:
        return web.json_response({**EMPTY_LIST, "metadata": {"continue": "same"}})

    async with server_of(filled(0), interceptor=standing) as server:
        async with open_cluster(flags_of(server)) as cluster:
            await refused(names(cluster), ClusterTroubleKind.BAD_ANSWER)
        assert len(server.requests) == 2


async def test_a_connection_that_drops_in_the_middle_of_a_page() -> None:
    """The pages before it are there, the broken one is not, and the line says what happened."""
    fake = filled(5)
    fake.break_down(ClusterTroubleKind.UNREACHABLE, "list", after=1)
    async with server_of(fake) as server, open_cluster(flags_of(server)) as cluster:
        sizes, trouble = await broken_list(cluster)
    assert sizes == [2]
    assert str(trouble) == (
        "listing leases in shop: the API server could not be reached (the connection broke in the middle of the answer)"
    )


@pytest.mark.parametrize("head", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
async def test_an_answer_that_ends_too_early(head: str) -> None:
    """Fewer bytes than were announced are no answer, even if they are a whole document."""

    async def short(writer: asyncio.StreamWriter, _request: str) -> None:
        body = json.dumps(EMPTY_LIST)
        piece = f"{len(body):x}\r\n{body}\r\n" if "chunked" in head else body
        writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n{piece}".encode())

    async with raw_server(short) as server, open_cluster(ClusterFlags(server=f"http://{server.host}")) as cluster:
        await refused(names(cluster), ClusterTroubleKind.UNREACHABLE)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (ClusterTroubleKind.UNAUTHORIZED, ClusterTroubleKind.UNAUTHORIZED),
        (ClusterTroubleKind.FORBIDDEN, ClusterTroubleKind.FORBIDDEN),
        (ClusterTroubleKind.MISSING_API, ClusterTroubleKind.MISSING_API),
        (ClusterTroubleKind.CONFLICT, ClusterTroubleKind.CONFLICT),
        (ClusterTroubleKind.REFUSED, ClusterTroubleKind.REFUSED),
        (ClusterTroubleKind.UNAVAILABLE, ClusterTroubleKind.UNAVAILABLE),
        (ClusterTroubleKind.TIMEOUT, ClusterTroubleKind.TIMEOUT),
        (ClusterTroubleKind.BAD_ANSWER, ClusterTroubleKind.BAD_ANSWER),
        (ClusterTroubleKind.UNREACHABLE, ClusterTroubleKind.UNREACHABLE),
    ],
)
async def test_every_trouble_is_told_as_what_it_is(kind: ClusterTroubleKind, told: ClusterTroubleKind) -> None:
    """What the server answers by code and by Status arrives as the port says it."""
    fake = filled(1)
    fake.break_down(kind, "list")
    async with server_of(fake) as server, open_cluster(flags_of(server)) as cluster:
        await refused(names(cluster), told)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (302, ClusterTroubleKind.BAD_ANSWER),
        (204, ClusterTroubleKind.BAD_ANSWER),
        (413, ClusterTroubleKind.REFUSED),
        (422, ClusterTroubleKind.REFUSED),
        (429, ClusterTroubleKind.UNAVAILABLE),
        (500, ClusterTroubleKind.UNAVAILABLE),
        (502, ClusterTroubleKind.UNAVAILABLE),
        (599, ClusterTroubleKind.UNAVAILABLE),
    ],
)
async def test_codes_without_a_status(code: int, kind: ClusterTroubleKind) -> None:
    """What stands between may answer without a Status; then the code is all there is to say, not its page."""

    async def answer(_request: web.Request) -> web.Response:
        body = None if code == 204 else b"<html>a page of a proxy</html>"
        return web.Response(status=code, body=body, headers={"Location": "https://elsewhere.example"})

    async with server_of(filled(0), interceptor=answer) as server:
        async with open_cluster(flags_of(server)) as cluster:
            trouble = await refused(names(cluster), kind)
        assert len(server.requests) == 1
    assert trouble.detail == f"HTTP {code}"


async def test_a_redirect_is_not_followed() -> None:
    """The credentials would go along."""
    async with server_of(filled(1)) as elsewhere:

        async def redirect(_request: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": f"{elsewhere.url}/apis/coordination.k8s.io/v1/leases"})

        async with server_of(filled(0), interceptor=redirect) as server, open_cluster(flags_of(server)) as cluster:
            await refused(names(cluster), ClusterTroubleKind.BAD_ANSWER)
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"nonsense",
        b"[]",
        b"\xff\xfe",
        b'{"kind": "LeaseList", "metadata": {}}',
        b'{"kind": "Lease", "metadata": {}, "items": []}',
        b'{"kind": "LeaseList", "items": []}',
        b'{"kind": "LeaseList", "metadata": {"continue": 7}, "items": []}',
        b'{"kind": "LeaseList", "metadata": {}, "items": [' + b"[" * 100_000,
    ],
)
async def test_what_is_no_list_is_not_an_empty_one(body: bytes) -> None:
    """An answer that is well meant, cut or something else says nothing about what is there."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async with server_of(filled(0), interceptor=answer) as server, open_cluster(flags_of(server)) as cluster:
        await refused(names(cluster), ClusterTroubleKind.BAD_ANSWER)


async def test_what_a_server_says_is_shown_safely() -> None:
    """Control characters are gone and the text is short, whoever wrote it."""
    fake = filled(0)
    fake.break_down(ClusterTroubleKind.FORBIDDEN)

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "message": "no\x1b[2J\n" + "x" * 10_000}, status=403)

    async with server_of(fake, interceptor=answer) as server, open_cluster(flags_of(server)) as cluster:
        trouble = await refused(cluster.read(LEASES, namespace="a\x1b\n" * 100, name="b"), ClusterTroubleKind.FORBIDDEN)
    assert trouble.detail.startswith("no?[2J xxx")
    assert str(trouble).isprintable()
    assert len(str(trouble)) < 600


class Busy:
    """A server that asks to be left alone a number of times, and then serves."""

    def __init__(self, times: int, *, code: int = 429, header: str | None = "2") -> None:
        self.times = times
        self._code = code
        self._headers = {} if header is None else {"Retry-After": header}

    async def __call__(self, _request: web.Request) -> web.StreamResponse | None:
        """Answer as long as it is busy."""
        if self.times == 0:
            return None
        self.times -= 1
        return web.Response(status=self._code, headers=self._headers)


@pytest.mark.parametrize(
    ("busy", "slept", "requests"),
    [
        (Busy(2), [2, 2], 3),
        (Busy(1, code=503, header="7"), [7], 2),
        (Busy(1, header="Mon, 23 Nov 2026 12:00:05 GMT"), [5], 2),
        (Busy(4), [2, 2, 2, 2], 5),
    ],
)
async def test_a_busy_server_is_asked_again(busy: Busy, slept: list[float], requests: int) -> None:
    """After as long as it wants, and then it answers."""
    recorder = Recorder()
    async with server_of(filled(1), interceptor=busy) as server:
        async with open_cluster(flags_of(server), recorder=recorder) as cluster:
            assert await names(cluster) == ["lease-0"]
        assert (recorder.slept, len(server.requests)) == (slept, requests)


@pytest.mark.parametrize(
    ("busy", "slept"),
    [
        (Busy(50), [2, 2, 2, 2]),
        (Busy(50, header="31"), []),
        (Busy(50, header=None), []),
        (Busy(50, code=503, header=None), []),
    ],
)
async def test_patience_has_an_end(busy: Busy, slept: list[float]) -> None:
    """Not more than five times, not for longer than half a minute, and only if the server says how long."""
    recorder = Recorder()
    async with server_of(filled(1), interceptor=busy) as server:
        async with open_cluster(flags_of(server), recorder=recorder) as cluster:
            await refused(names(cluster), ClusterTroubleKind.UNAVAILABLE)
        assert (recorder.slept, len(server.requests)) == (slept, len(slept) + 1)


@pytest.mark.parametrize("beginning", ["", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{   \r\n"])
async def test_a_request_has_a_deadline(beginning: str) -> None:
    """A server that says nothing, or begins and never ends, is left, and the line says which flag allows more."""

    async def hang(writer: asyncio.StreamWriter, _request: str) -> None:
        writer.write(beginning.encode())
        await writer.drain()
        await asyncio.Event().wait()

    async with raw_server(hang) as server:
        flags = ClusterFlags(server=f"http://{server.host}", request_seconds=0.05)
        async with open_cluster(flags) as cluster:
            trouble = await refused(names(cluster), ClusterTroubleKind.TIMEOUT)
    assert trouble.detail == "0.05 s; --request-timeout allows more"


async def test_an_answer_has_a_largest_size() -> None:
    """What is small on the wire and endless when it is unpacked is given up on, without holding it."""
    packed = gzip.compress(bytes(MAX_ANSWER_BYTES + 1), compresslevel=1)

    async def bomb(writer: asyncio.StreamWriter, _request: str) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        writer.write(head.encode() + packed)

    async with raw_server(bomb) as server, open_cluster(ClusterFlags(server=f"http://{server.host}")) as cluster:
        trouble = await refused(names(cluster), ClusterTroubleKind.BAD_ANSWER)
    assert trouble.detail == "it has more than 268,435,456 bytes"


async def test_packing_that_is_broken() -> None:
    """Bytes that cannot be unpacked are an answer that broke."""

    async def broken(_request: web.Request) -> web.Response:
        return web.Response(body=b"no gzip", headers={"Content-Encoding": "gzip"})

    async with server_of(filled(0), interceptor=broken) as server, open_cluster(flags_of(server)) as cluster:
        await refused(names(cluster), ClusterTroubleKind.UNREACHABLE)


@pytest.mark.parametrize(
    ("said", "kind"), [("", ClusterTroubleKind.UNREACHABLE), ("nonsense\r\n\r\n", ClusterTroubleKind.BAD_ANSWER)]
)
async def test_a_server_that_speaks_something_else(said: str, kind: ClusterTroubleKind) -> None:
    """Hanging up without a word is no answer, and what is no HTTP is an answer without sense."""

    async def speak(writer: asyncio.StreamWriter, _request: str) -> None:
        writer.write(said.encode())

    async with raw_server(speak) as server, open_cluster(ClusterFlags(server=f"http://{server.host}")) as cluster:
        await refused(names(cluster), kind)


async def test_what_cannot_be_sent_is_refused() -> None:
    """A name or a selector that is no text, as a terminal may hand it in, does not leave the house."""
    async with server_of(filled(1)) as server:
        async with open_cluster(flags_of(server)) as cluster:
            await refused(cluster.read(LEASES, namespace="shop", name="a\udcff"), ClusterTroubleKind.REFUSED)
            await refused(anext(cluster.pages(LEASES, selector="a=\udcff")), ClusterTroubleKind.REFUSED)
        assert server.requests == []


async def test_a_server_that_is_not_there() -> None:
    """The line says where nobody answered."""
    async with server_of(filled(0)) as server:
        flags = flags_of(server)
    async with open_cluster(flags) as cluster:
        trouble = await refused(names(cluster), ClusterTroubleKind.UNREACHABLE)
    assert trouble.detail.startswith(f"{server.url.removeprefix('http://')}: ")


async def test_a_proxy_stands_between() -> None:
    """The environment's proxy is asked for any other host, and never for loopback."""
    async with server_of(filled(1)) as proxy:
        proxies = Proxies(http=proxy.url)
        async with open_cluster(ClusterFlags(server="http://api.example"), proxies=proxies) as cluster:
            assert await names(cluster) == ["lease-0"]
        async with server_of(filled(2)) as server, open_cluster(flags_of(server), proxies=proxies) as cluster:
            assert await names(cluster) == ["lease-0", "lease-1"]
        assert len(proxy.requests) == 1


async def test_the_proxy_of_a_kubeconfig_wins(tmp_path: Path) -> None:
    """It is asked whatever the environment says, also if it is written without a scheme."""
    async with server_of(filled(1)) as proxy:
        document = kubeconfig(server="http://api.example", proxy_url=proxy.url.removeprefix("http://"))
        flags = ClusterFlags(kubeconfig=write_kubeconfig(tmp_path, document))
        nobody = Proxies(http="http://nobody.example", direct=("*",))
        async with open_cluster(flags, proxies=nobody) as cluster:
            assert await names(cluster) == ["lease-0"]


async def test_a_proxy_that_refuses(tmp_path: Path) -> None:
    """Its answer is told, and its password is not."""

    async def refuse(writer: asyncio.StreamWriter, _request: str) -> None:
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    async with raw_server(refuse) as proxy:
        document = kubeconfig(server="https://api.example", proxy_url=f"http://me:secret@{proxy.host}")
        flags = ClusterFlags(kubeconfig=write_kubeconfig(tmp_path, document))
        async with open_cluster(flags) as cluster:
            trouble = await refused(names(cluster), ClusterTroubleKind.UNREACHABLE)
    assert str(trouble).endswith("(the proxy: HTTP 407)")


@pytest.mark.parametrize("url", ["socks5://me:secret@proxy.example", "http://", "http://me:secret@proxy:port"])
async def test_what_is_no_proxy(tmp_path: Path, url: str) -> None:
    """It is told before anything is asked, without the password."""
    path = write_kubeconfig(tmp_path, kubeconfig(proxy_url=url))
    with pytest.raises(ParseError) as caught:
        async with open_cluster(ClusterFlags(kubeconfig=path)):
            pass
    assert str(caught.value) == "the proxy for the API server (proxy-url, HTTPS_PROXY) is no http or https URL"


async def test_an_object_is_written_as_it_is() -> None:
    """The document goes out byte for byte, as JSON; a delete names the uid and leaves dependents to the server."""
    fake = filled(1)
    seen: list[tuple[str, str | None, bytes]] = []

    async def look(request: web.Request) -> None:
        seen.append((request.method, request.headers.get("Content-Type"), await request.read()))

    document = b'{ "metadata": {"name": "a"},  "spec": {} }'
    async with server_of(fake, interceptor=look) as server, open_cluster(flags_of(server)) as cluster:
        uid = decoded(await cluster.create(LEASES, namespace="shop", document=document))["metadata"]["uid"]
        await cluster.delete(LEASES, namespace="shop", name="a", uid=uid)
    (created, deleted) = seen
    assert created == ("POST", "application/json", document)
    assert deleted[:2] == ("DELETE", "application/json")
    assert msgspec.json.decode(deleted[2]) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": uid},
        "propagationPolicy": "Background",
    }


async def test_a_path_of_the_server_stays() -> None:
    """A server behind a path, as some management servers have it, is asked below that path."""

    async def found(request: web.Request) -> web.Response:
        return web.json_response({**EMPTY_LIST, "metadata": {}})

    async with server_of(filled(0), interceptor=found) as server:
        async with open_cluster(ClusterFlags(server=f"{server.url}/k8s/clusters/c-1/")) as cluster:
            assert await names(cluster) == []
        [request] = server.requests
    assert request.path == "/k8s/clusters/c-1/apis/coordination.k8s.io/v1/namespaces/shop/leases"


@given(parts=st.tuples(st.text(min_size=1), st.text(min_size=1)))
def test_a_name_is_one_part_of_a_path(parts: tuple[str, str]) -> None:
    """Whatever a name holds, the path has as many parts as it should have, and they are the names; or it is refused."""
    namespace, name = parts
    try:
        path = _path(LEASES, namespace, name, doing="asking")
    except ClusterTrouble:
        assert any(part in {".", ".."} or set(part) & set("/%") for part in parts)
        return
    assert path.isascii()
    assert [unquote(part) for part in path.split("/")[5:]] == [namespace, "leases", name]
    assert not set(path) & set("?#& \r\n")
