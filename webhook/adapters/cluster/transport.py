"""One HTTP exchange with an API server: credentials, TLS, proxies, time, size.

What holds for every exchange:

1. A redirect is not followed: it would take the credentials along.
2. A credential that is not accepted is obtained anew once, where that can help.
3. What the server asks to be sent again later (Retry-After) is sent again, a bounded number of times.
4. Each try ends at its deadline, whatever the server does; an answer has a bounded size.
5. No cookie is kept and no environment variable is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Self

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from webhook.adapters.cluster.access import Access, AccessKeeper
from webhook.adapters.cluster.answers import Answer, parse_warnings, trouble_of
from webhook.adapters.cluster.target import Target
from webhook.adapters.registry.address_guard import is_loopback_host
from webhook.adapters.registry.options import Proxies
from webhook.adapters.registry.transport import retry_after_seconds
from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable
from webhook.ports import Clock, ClusterTrouble, ClusterTroubleKind

__all__ = ["Request", "Sleep", "Transport"]

MAX_ANSWER_BYTES = 256 * 1024 * 1024
MAX_LINE_BYTES = 8 * 1024 * 1024
"""An event holds an object, which has at most 1.5 MiB, escaped and with its metadata."""
MAX_SHOWN = 300
MAX_CONNECTIONS = 32
MAX_TRIES = 5
MAX_WAIT_SECONDS = 30.0

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked. `path` is what follows the server's URL, encoded; `doing` says it for people."""

    doing: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    accept: str = "application/json"
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received:
    answer: Answer
    wait_seconds: float | None  # None if the server does not ask for patience


class Transport:
    """Sends requests under the laws of this module. An async context manager: it holds the connections."""

    def __init__(
        self,
        *,
        target: Target,
        keeper: AccessKeeper,
        proxies: Proxies,
        request_seconds: float,
        clock: Clock,
        sleep: Sleep,
    ) -> None:
        self._target = target
        self._keeper = keeper
        self._proxy = _proxy_for(target, proxies)
        self._request_seconds = request_seconds
        self._clock = clock
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        """Be ready to connect."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
            headers={"User-Agent": "dhi-gate", "Accept-Encoding": "gzip"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._session.close()

    async def send(self, request: Request) -> Answer:
        """Return the answer to a request, whatever its status code. Raises ClusterTrouble."""
        for _ in range(MAX_TRIES - 1):
            received = await self._send_as_caller(request)
            if received.wait_seconds is None or received.wait_seconds > MAX_WAIT_SECONDS:
                return received.answer
            await self._sleep(received.wait_seconds)
        return (await self._send_as_caller(request)).answer

    async def lines(self, request: Request, *, seconds: float) -> AsyncGenerator[bytes, None]:
        """Yield the lines of an answer as they come, until it ends. Raises ClusterTrouble, TIMEOUT after `seconds`.

        It is for questions that follow one that was answered, so a credential is not obtained anew for it.
        """
        until = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(until):
                response = await self._connect(request, await self._keeper.current())
            async with response:
                if response.status != HTTPStatus.OK:
                    async with asyncio.timeout_at(until):
                        body = await _whole_body(request, response)
                    raise trouble_of(Answer(code=response.status, body=body), doing=request.doing)
                async for line in _lines(request, response, until):
                    yield line
        except ParseError as error:
            raise _trouble(ClusterTroubleKind.UNAUTHORIZED, request, str(error)) from None
        except TimeoutError:
            raise _trouble(ClusterTroubleKind.TIMEOUT, request, f"{seconds:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _as_trouble(request, error) from error

    async def _send_as_caller(self, request: Request) -> _Received:
        """Send with the caller's credential, and once more with another one if it is not accepted."""
        try:
            access = await self._keeper.current()
            received = await self._send_in_time(request, access)
            if received.answer.code == HTTPStatus.UNAUTHORIZED:
                other = await self._keeper.instead_of(access)
                if other is not None:
                    received = await self._send_in_time(request, other)
        except ParseError as error:
            raise _trouble(ClusterTroubleKind.UNAUTHORIZED, request, str(error)) from None
        return received

    async def _send_in_time(self, request: Request, access: Access) -> _Received:
        try:
            async with asyncio.timeout(self._request_seconds):
                return await self._send_once(request, access)
        except TimeoutError:
            why = f"{self._request_seconds:g} s; --request-timeout allows more"
            raise _trouble(ClusterTroubleKind.TIMEOUT, request, why) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _as_trouble(request, error) from error

    async def _send_once(self, request: Request, access: Access) -> _Received:
        async with await self._connect(request, access) as response:
            warnings = parse_warnings(response.headers.getall("Warning", ()))
            answer = Answer(code=response.status, body=await _whole_body(request, response), warnings=warnings)
            return _Received(answer=answer, wait_seconds=self._patience(response))

    async def _connect(self, request: Request, access: Access) -> aiohttp.ClientResponse:
        """Send a request and return the answer, its body unread; whoever gets it closes it."""
        # Built from parts that are encoded already: what a name contains must not be read as a path again.
        url = URL(f"{str(self._target.server).rstrip('/')}{request.path}", encoded=True).with_query(request.query)
        headers = CIMultiDict((("Accept", request.accept), *access.headers))
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        return await self._session.request(
            request.method,
            url,
            headers=headers,
            data=request.body,
            allow_redirects=False,
            proxy=self._proxy,
            ssl=access.tls if access.tls is not None else True,
            server_hostname=self._target.cluster.tls_server_name or None,
        )

    def _patience(self, response: aiohttp.ClientResponse) -> float | None:
        """Return how many seconds the server wants to be left alone before it is asked the same again.

        Source: client-go `rest/with_retry.go`: 429 and errors of the server, if they have a Retry-After.
        """
        busy = response.status == HTTPStatus.TOO_MANY_REQUESTS or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        header = response.headers.get("Retry-After", "")
        return retry_after_seconds(header, self._clock.now()) if busy and header else None


async def _whole_body(request: Request, response: aiohttp.ClientResponse) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise _trouble(ClusterTroubleKind.BAD_ANSWER, request, f"it has more than {MAX_ANSWER_BYTES:,} bytes")
        pieces.append(piece)
    return b"".join(pieces)


async def _lines(request: Request, response: aiohttp.ClientResponse, until: float) -> AsyncIterator[bytes]:
    """Yield lines without their end; what follows the last end of a line is no line."""
    begun = bytearray()
    while True:
        async with asyncio.timeout_at(until):
            piece = await response.content.readany()
        if not piece:
            return
        *ends, rest = piece.split(b"\n")
        for end in ends:
            yield bytes(begun + end)
            begun.clear()
        begun += rest
        if len(begun) > MAX_LINE_BYTES:
            raise _trouble(ClusterTroubleKind.BAD_ANSWER, request, f"a line has more than {MAX_LINE_BYTES:,} bytes")


def _proxy_for(target: Target, proxies: Proxies) -> URL | None:
    """Return the proxy that the kubeconfig names, else the environment's, which never stands before loopback.

    Raises ParseError if it is none; the URL is not shown, for it may hold a password.
    """
    named = target.cluster.proxy_url
    if not named and not is_loopback_host(target.server.raw_host or ""):
        named = proxies.proxy_for(target.server) or ""
    if not named:
        return None
    try:
        proxy = URL(named if "://" in named else f"http://{named}")
    except ValueError:
        proxy = URL()
    if proxy.scheme not in {"http", "https"} or not proxy.raw_host:
        raise ParseError("", "the proxy for the API server (proxy-url, HTTPS_PROXY) is no http or https URL")
    return proxy


def _trouble(kind: ClusterTroubleKind, request: Request, detail: str) -> ClusterTrouble:
    return ClusterTrouble(kind, doing=request.doing, detail=printable(detail, MAX_SHOWN))


def _as_trouble(request: Request, error: Exception) -> ClusterTrouble:
    """Translate what aiohttp raises. URLs stay out of it: that of a proxy may hold a password."""
    unreachable = ClusterTroubleKind.UNREACHABLE
    match error:
        case aiohttp.ClientConnectorCertificateError():
            why = getattr(error.certificate_error, "verify_message", "") or type(error.certificate_error).__name__
            said = f"{error.host}: its certificate is not accepted: {why}; is --certificate-authority the right one?"
            return _trouble(unreachable, request, said)
        case aiohttp.ClientConnectorError():
            return _trouble(unreachable, request, f"{error.host}:{error.port}: {_reason(error.os_error)}")
        case aiohttp.ClientHttpProxyError():
            return _trouble(unreachable, request, f"the proxy: HTTP {error.status}")
        case aiohttp.ClientPayloadError():
            return _trouble(unreachable, request, "the connection broke in the middle of the answer")
        case aiohttp.ClientConnectionError() | OSError():
            return _trouble(unreachable, request, "the connection broke")
        case _:
            return _trouble(ClusterTroubleKind.BAD_ANSWER, request, type(error).__name__)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
