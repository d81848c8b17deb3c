"""Redirects, addresses, TLS and proxies."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import trustme
from aiohttp import web

from tests.adapters.given import LOOPBACK, LoopbackNames, Recorder, open_registry, passwords, repository, trouble_of
from tests.adapters.raw_server import raw_server
from webhook.adapters.clock import SystemClock
from webhook.adapters.registry.options import Proxies, Reach, RegistryOptions
from webhook.adapters.registry.transport import retry_after_seconds
from webhook.core.references import Digest
from webhook.demo.registry import LoopbackRegistry
from webhook.ports import TroubleKind

SOON = SystemClock().monotonic() + 3600
DATA = b"some bytes"


def redirecting(location: Callable[[web.Request], str]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Answer everything with a redirect."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": location(request)})

    return answer


async def test_a_blob_may_be_redirected_without_the_credential() -> None:
    """A blob comes from another host, which sees no Authorization."""
    async with LoopbackRegistry() as server, LoopbackRegistry() as objects:
        digest = objects.store.put_blob("shop/api", DATA)
        server.interceptor = redirecting(lambda request: f"{objects.url}{request.path}")

        async def demanding(request: web.Request) -> web.StreamResponse:
            if "Authorization" not in request.headers:
                return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})
            return web.Response(status=307, headers={"Location": f"{objects.url}{request.path}"})

        server.interceptor = demanding
        async with open_registry(config=passwords(**{server.host: "u:p"})) as registry:
            assert await registry.blob(repository(server.host), digest, max_bytes=99, deadline=SOON) == DATA
        assert all("Authorization" not in request.headers for request in objects.requests)


async def test_a_redirect_within_the_registry_keeps_the_credential() -> None:
    """The same origin may see the same credential."""
    async with LoopbackRegistry() as server:
        digest = server.store.put_blob("shop/api", DATA)

        async def answer(request: web.Request) -> web.StreamResponse | None:
            if "Authorization" not in request.headers:
                return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})
            if request.query_string:
                return None
            return web.Response(status=302, headers={"Location": f"{request.path}?again=1"})

        server.interceptor = answer
        async with open_registry(config=passwords(**{server.host: "u:p"})) as registry:
            assert await registry.blob(repository(server.host), digest, max_bytes=99, deadline=SOON) == DATA


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_after_a_redirect_is_not_the_registrys(status: int) -> None:
    """That an object store has or gives nothing does not say that the registry has nothing."""
    async with LoopbackRegistry() as server, LoopbackRegistry() as objects:
        server.interceptor = redirecting(lambda request: f"{objects.url}{request.path}")

        async def refuse(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=status)

        objects.interceptor = refuse
        digest = Digest(algorithm="sha256", hex="0" * 64)
        async with open_registry() as registry:
            trouble = await trouble_of(registry.blob(repository(server.host), digest, max_bytes=9, deadline=SOON))
            stream = registry.stream_blob(repository(server.host), digest, max_bytes=9, deadline=SOON)
            also = await trouble_of(anext(aiter(stream)))
        assert trouble.kind is also.kind is TroubleKind.BAD_ANSWER


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("https://10.0.0.1/x", TroubleKind.FORBIDDEN_ADDRESS),
        ("https://objects.example/x?token=s3cret", TroubleKind.FORBIDDEN_ADDRESS),
        ("https://[::ffff:127.0.0.1]/x", TroubleKind.FORBIDDEN_ADDRESS),
        ("https://127.1/x", TroubleKind.BAD_ANSWER),
        ("http://objects.example/x", TroubleKind.BAD_ANSWER),
        ("ftp://objects.example/x", TroubleKind.BAD_ANSWER),
        ("https://[broken/x", TroubleKind.BAD_ANSWER),
        ("", TroubleKind.BAD_ANSWER),
    ],
)
async def test_a_redirect_leads_neither_inside_nor_away_from_tls(location: str, kind: TroubleKind) -> None:
    """A redirect to an address that is not public, to plain HTTP, or to itself without end is trouble."""
    recorder = Recorder()
    async with LoopbackRegistry() as server, open_registry(resolver=LoopbackNames(), recorder=recorder) as registry:
        server.interceptor = redirecting(lambda _: location)
        trouble = await trouble_of(registry.tags(repository(server.host), deadline=SOON))
        assert trouble.kind is kind
        assert "s3cret" not in f"{trouble} {recorder.logged}"
        assert len(server.requests) <= 6


async def test_a_user_name_in_a_redirect_is_not_sent() -> None:
    """A redirect cannot make the gate authenticate somewhere."""
    async with LoopbackRegistry() as server, LoopbackRegistry() as objects, open_registry() as registry:
        server.interceptor = redirecting(lambda request: f"http://user:secret@{objects.host}{request.path}#part")
        await trouble_of(registry.tags(repository(server.host), deadline=SOON))
        assert all("Authorization" not in request.headers for request in objects.requests)


async def test_serve_contacts_listed_hosts_only() -> None:
    """A host that nobody listed is not even looked up."""
    names = LoopbackNames()
    async with open_registry(RegistryOptions(), resolver=names) as registry:
        trouble = await trouble_of(registry.tags(repository("registry.example"), deadline=SOON))
    assert trouble.kind is TroubleKind.FORBIDDEN_ADDRESS
    assert names.asked == []


@pytest.mark.parametrize("host", ["registry.example", "127.0.0.1", "[::1]", "localhost"])
async def test_an_open_rule_reaches_no_private_address(host: str) -> None:
    """A public name that resolves to this machine is refused where the socket would be opened."""
    async with LoopbackRegistry() as server:
        port = server.host.rpartition(":")[2]
        names = LoopbackNames()
        async with open_registry(RegistryOptions(reach=Reach.PUBLIC), resolver=names) as registry:
            trouble = await trouble_of(registry.tags(repository(f"{host}:{port}"), deadline=SOON))
        assert trouble.kind is TroubleKind.FORBIDDEN_ADDRESS
        assert server.requests == []


async def test_a_listed_host_may_be_private_on_its_own_port_only() -> None:
    """Being listed counts for host and port."""
    async with LoopbackRegistry() as server, LoopbackRegistry() as other:
        options = RegistryOptions(insecure_hosts=frozenset({server.host}), reach=Reach.PUBLIC)
        async with open_registry(options) as registry:
            assert await registry.tags(repository(server.host), deadline=SOON) is None
            trouble = await trouble_of(registry.tags(repository(other.host), deadline=SOON))
        assert trouble.kind is TroubleKind.FORBIDDEN_ADDRESS


def authority() -> tuple[ssl.SSLContext, str]:
    """Return a server's TLS settings for 127.0.0.1 and the authority that vouches for them."""
    issuer = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert("127.0.0.1").configure_cert(context)
    return context, issuer.cert_pem.bytes().decode()


async def test_tls_is_verified() -> None:
    """A certificate of an unknown authority is trouble; a known one, for the host or for all, is not."""
    tls, pem = authority()
    async with LoopbackRegistry(tls=tls) as server:
        listed = RegistryOptions(listed_hosts=frozenset({server.host}))
        async with open_registry(listed) as registry:
            trouble = await trouble_of(registry.tags(repository(server.host), deadline=SOON))
        assert trouble.kind is TroubleKind.UNREACHABLE
        assert "CERTIFICATE_VERIFY_FAILED" in trouble.detail
        for options in (replace(listed, ca_pem=pem), replace(LOOPBACK, ca_pem_by_host={server.host: pem})):
            async with open_registry(options) as registry:
                assert await registry.tags(repository(server.host), deadline=SOON) is None


async def test_an_insecure_host_is_asked_by_tls_first() -> None:
    """For an insecure host TLS is used without verification, and plain HTTP where there is no TLS."""
    tls, _ = authority()
    async with LoopbackRegistry(tls=tls) as encrypted, LoopbackRegistry() as plain:
        options = RegistryOptions(insecure_hosts=frozenset({encrypted.host, plain.host}))
        recorder = Recorder()
        async with open_registry(options, recorder=recorder) as registry:
            for host in (encrypted.host, plain.host, plain.host):
                assert await registry.tags(repository(host), deadline=SOON) is None
        outcomes = [(host == plain.host, outcome) for host, outcome in recorder.observed]
        assert outcomes == [(False, "404"), (True, "failed"), (True, "404"), (True, "404")]


async def test_an_insecure_host_that_is_down_is_unreachable() -> None:
    """Where neither TLS nor plain HTTP gets an answer, that is trouble."""
    options = RegistryOptions(insecure_hosts=frozenset({"127.0.0.1:1"}))
    async with open_registry(options) as registry:
        trouble = await trouble_of(registry.tags(repository("127.0.0.1:1"), deadline=SOON))
    assert trouble.kind is TroubleKind.UNREACHABLE


async def test_a_proxy_gets_the_requests_of_public_hosts_only() -> None:
    """A public name goes to the proxy unresolved, a local one does not, and exceptions go directly."""

    async def answer(writer: asyncio.StreamWriter, _line: str) -> None:
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    async with raw_server(answer) as proxy, LoopbackRegistry() as server:
        names = LoopbackNames()
        hosts = frozenset({"insecure.example:80"})
        proxies = Proxies(
            http=f"http://u:s3cret@{proxy.host}", https=f"http://{proxy.host}", direct=("direct.example",)
        )
        options = replace(LOOPBACK, proxies=proxies, insecure_hosts=hosts, reach=Reach.PUBLIC)
        async with open_registry(options, resolver=names) as registry:
            assert await registry.tags(repository("insecure.example:80"), deadline=SOON) is None
            near = await trouble_of(registry.tags(repository("registry.internal"), deadline=SOON))
            direct = await trouble_of(registry.tags(repository("direct.example"), deadline=SOON))
        assert [head.partition(" HTTP")[0] for head in proxy.requests] == [
            "CONNECT insecure.example:80",
            "GET http://insecure.example/v2/shop/api/tags/list?n=1000",
        ]
        assert near.kind is direct.kind is TroubleKind.FORBIDDEN_ADDRESS
        assert names.asked == ["direct.example"]
        async with open_registry(replace(LOOPBACK, proxies=proxies)) as registry:
            assert await registry.tags(repository(server.host), deadline=SOON) is None
        assert "s3cret" not in repr(options)


async def test_a_proxy_that_refuses_is_trouble() -> None:
    """Without the proxy's help a registry cannot be reached."""

    async def refuse(writer: asyncio.StreamWriter, _line: str) -> None:
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    async with raw_server(refuse) as proxy:
        options = RegistryOptions(reach=Reach.PUBLIC, proxies=Proxies(https=f"http://{proxy.host}"))
        async with open_registry(options) as registry:
            trouble = await trouble_of(registry.tags(repository("registry.example"), deadline=SOON))
        assert trouble.kind is TroubleKind.UNREACHABLE
        assert trouble.detail == "the proxy: HTTP 502, 3 tries"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 -0000", 0.0),
        ("", 1.0),
        ("soon", 1.0),
        ("9" * 400, 1.0),
    ],
)
def test_retry_after(header: str, seconds: float) -> None:
    """Seconds and dates are understood; anything else is a second."""
    assert retry_after_seconds(header, datetime(2026, 11, 23, 12, tzinfo=UTC)) == seconds
