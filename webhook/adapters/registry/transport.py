"""One HTTP exchange with a registry: guarded addresses, redirects by hand, TLS, proxies, limits.

What holds for every exchange:

1. A socket is opened only to a public address, unless the host is listed (`address_guard`).
2. TLS is verified and never left behind by a redirect, unless the host is listed as insecure.
3. A redirect to another origin carries no Authorization; there are at most five of them.
4. Nothing is decompressed, no cookie is kept, no environment variable is read.
5. The names of hosts reach metrics only if an operator listed them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from webhook.adapters.registry.address_guard import (
    ForbiddenAddressError,
    is_loopback_host,
    may_be_public_host,
    public_socket,
)
from webhook.adapters.registry.exchange import Exchange, Request
from webhook.adapters.registry.limits import HostLimits
from webhook.adapters.registry.options import RegistryOptions, host_of
from webhook.adapters.registry.question import Question
from webhook.adapters.registry.tls import TlsContexts
from webhook.ports import Clock, RegistryTrouble, TroubleKind

__all__ = ["Observe", "Transport", "retry_after_seconds"]

Observe = Callable[[str, str], None]
"""Told about every HTTP request: the host, or "other" for one that nobody listed, and the status or what failed."""

MAX_REDIRECTS = 5
MAX_CONNECTIONS = 256
OTHER_HOST = "other"
DEFAULT_RETRY_AFTER_SECONDS = 1.0

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Transport:
    """Sends requests under the laws of this module. An async context manager: it holds the connections."""

    def __init__(
        self,
        *,
        options: RegistryOptions,
        limits: HostLimits,
        clock: Clock,
        observe: Observe,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._options = options
        self._limits = limits
        self._clock = clock
        self._observe = observe
        self._resolver = resolver
        self._tls = TlsContexts(options)
        self._found_plain: set[str] = set()

    async def __aenter__(self) -> Self:
        """Prepare two pools: one that reaches public addresses only, one for hosts that may be private."""
        self._public = _session(
            aiohttp.TCPConnector(limit=MAX_CONNECTIONS, resolver=self._resolver, socket_factory=public_socket)
        )
        self._private = _session(aiohttp.TCPConnector(limit=MAX_CONNECTIONS, resolver=self._resolver))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._public.close()
        await self._private.close()

    def base_url(self, host: str) -> URL:
        """Return the URL under which the API of a registry is asked."""
        scheme = "http" if self._options.speaks_plain(host) else "https"
        return URL(f"{scheme}://{host}/v2/")

    async def open(self, question: Question, request: Request) -> Exchange:
        """Send, follow redirects, and return the answer with its body unread.

        408, 429 and 5xx but 501 are PassingTrouble. A redirect of a form is not followed: a form holds a credential.
        """
        leave = await self._limits.enter(question, host_of(request.url))
        try:
            return await self._follow(question, request, leave)
        except BaseException:
            leave()
            raise

    async def _follow(self, question: Question, first: Request, leave: Callable[[], None]) -> Exchange:
        """Send `first` and what its redirects ask for, up to an answer that is none."""
        host = host_of(first.url)
        request = first
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send(question, request)
            try:
                target = self._target(question, request, response)
                if target is None:
                    self._raise_passing(question, response, host)
                    moved = request.url.origin() != first.url.origin()
                    return Exchange(question, response, moved=moved, leave=leave)
            except RegistryTrouble:
                response.release()
                raise
            response.release()
            request = request.towards(target)
        raise question.trouble(TroubleKind.BAD_ANSWER, f"more than {MAX_REDIRECTS} redirects")

    def _target(self, question: Question, request: Request, response: aiohttp.ClientResponse) -> URL | None:
        """Return where an answer points to, without user name and fragment; None if it is no redirect."""
        if response.status not in _REDIRECTS:
            return None
        if request.form is not None:
            raise question.trouble(TroubleKind.BAD_ANSWER, "a redirect of a posted form")
        try:
            return request.url.join(URL(response.headers.get("Location", ""))).with_user(None).with_fragment(None)
        except ValueError as error:
            raise question.trouble(TroubleKind.BAD_ANSWER, "a redirect to what is no URL") from error

    def _raise_passing(self, question: Question, response: aiohttp.ClientResponse, host: str) -> None:
        """Tell what may be gone a moment later, and remember for how long a registry wants to be left alone."""
        status = response.status
        if status == 429:  # noqa: PLR2004 - RFC 6585
            seconds = retry_after_seconds(response.headers.get("Retry-After", ""), self._clock.now())
            self._limits.pause(host, seconds)
            raise question.passing(TroubleKind.RATE_LIMITED, f"HTTP {status}, Retry-After {seconds:.0f} s")
        # RFC 9110: a timeout, and errors of the server except "not implemented", which does not pass.
        if status == 408 or (status >= 500 and status != 501):  # noqa: PLR2004 - named above
            raise question.passing(TroubleKind.UNREACHABLE, f"HTTP {status}")

    async def _send(self, question: Question, request: Request) -> aiohttp.ClientResponse:
        """Send once; for an insecure host that has no TLS, once more without."""
        host = host_of(request.url)
        may_fall_back = request.url.scheme == "https" and host in self._options.insecure_hosts
        plain = replace(request, url=request.url.with_scheme("http")) if may_fall_back else request
        try:
            if host in self._found_plain:
                return await self._send_once(question, plain)
            try:
                return await self._send_once(question, request)
            except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, aiohttp.ServerDisconnectedError):
                if not may_fall_back:
                    raise
            response = await self._send_once(question, plain)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _as_trouble(question, error) from error
        self._found_plain.add(host)
        return response

    async def _send_once(self, question: Question, request: Request) -> aiohttp.ClientResponse:
        """Send one request to one host, if it may be contacted. Raises what aiohttp raises."""
        host = host_of(request.url)
        label = host if self._options.is_listed(host) else OTHER_HOST
        session, proxy = self._route(question, request.url, asked=request.asked)
        try:
            response = await session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.form,
                allow_redirects=False,
                proxy=proxy,
                ssl=self._tls.for_host(host),
            )
        except asyncio.CancelledError:
            self._observe(label, "cancelled")
            raise
        except (aiohttp.ClientError, OSError, ValueError):
            self._observe(label, "failed")
            raise
        self._observe(label, str(response.status))
        return response

    def _route(self, question: Question, url: URL, *, asked: str) -> tuple[aiohttp.ClientSession, str | None]:
        """Choose connections and proxy for a URL.

        A proxy resolves names by itself, so the target is then judged by its spelling; the proxy's own address was
        given by the operator.
        """
        host = host_of(url)
        if url.scheme not in {"http", "https"} or not url.raw_host:
            raise question.trouble(TroubleKind.BAD_ANSWER, "led to a URL that is neither http nor https")
        if url.scheme == "http" and not self._options.may_be_plain(host, asked=asked):
            raise question.trouble(TroubleKind.BAD_ANSWER, f"led to {host} without TLS")
        may_be_private = self._options.may_be_private(host, asked=asked)
        proxy = None if is_loopback_host(host) else self._options.proxies.proxy_for(url)
        if proxy is not None and not may_be_private and not may_be_public_host(host):
            raise question.trouble(TroubleKind.FORBIDDEN_ADDRESS, f"{host} by way of the proxy")
        return (self._private if may_be_private or proxy is not None else self._public), proxy


def retry_after_seconds(header: str, now: datetime) -> float:
    """Read a `Retry-After`: seconds or a date (RFC 9110 section 10.2.3); one second if it is neither."""
    if header.strip().isdecimal() and len(header) < 10:  # noqa: PLR2004 - longer than any time worth waiting
        return float(header)
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return DEFAULT_RETRY_AFTER_SECONDS
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    """Build a session without cookies, environment, decompression or time limits of its own."""
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
        headers={"User-Agent": "dhi-gate"},
    )


def _as_trouble(question: Question, error: Exception) -> RegistryTrouble:
    """Translate what aiohttp raises. URLs stay out of the detail: their queries may hold tokens."""
    match error:
        case aiohttp.ClientConnectorError(os_error=ForbiddenAddressError()):
            return question.trouble(TroubleKind.FORBIDDEN_ADDRESS, f"{error.host}: not a public address")
        case aiohttp.ClientConnectorCertificateError():
            return question.trouble(TroubleKind.UNREACHABLE, f"{error.host}: {error.certificate_error}")
        case aiohttp.ClientConnectorError():
            return question.passing(TroubleKind.UNREACHABLE, f"{error.host}: {error.os_error}")
        case aiohttp.ClientHttpProxyError():
            return question.passing(TroubleKind.UNREACHABLE, f"the proxy: HTTP {error.status}")
        case aiohttp.ClientConnectionError() | OSError():
            return question.passing(TroubleKind.UNREACHABLE, type(error).__name__)
        case _:
            return question.trouble(TroubleKind.BAD_ANSWER, type(error).__name__)
