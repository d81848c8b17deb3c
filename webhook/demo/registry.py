"""A real OCI registry on 127.0.0.1: in memory, over HTTP or TLS, open or asking for credentials."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler

from webhook.demo.authentication import Authentication, Authenticator
from webhook.demo.endpoints import Endpoints, refused
from webhook.demo.store import Refusal, Store

__all__ = ["Interceptor", "LoopbackRegistry", "RecordedRequest"]

_MAX_REQUEST_BYTES = 256 * 1024 * 1024
_SHUTDOWN_SECONDS = 0.1

Interceptor = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
"""Sees a request first and may answer it, late or wrongly; None lets the registry answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """What was asked. The headers may hold credentials and are not shown."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=False)


class LoopbackRegistry:
    """A registry that lives as long as its `async with` block.

    `store` is what it serves (by default a new, empty one, with a referrers API); it may be changed at any time.
    `tls` makes it HTTPS. `page_size` bounds lists of tags and referrers. `interceptor` plays the broken registry; it
    comes before authentication and may be exchanged while the registry runs. `requests` records everything asked.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        authentication: Authentication = None,
        page_size: int | None = None,
        interceptor: Interceptor | None = None,
    ) -> None:
        self.store = store or Store()
        self.authenticator = Authenticator(authentication)
        self.interceptor = interceptor
        self.requests: list[RecordedRequest] = []
        self._tls = tls
        self._host = ""
        application = web.Application(client_max_size=_MAX_REQUEST_BYTES, middlewares=[self._answer])
        application.add_routes(Endpoints(self.store, page_size=page_size).routes())
        application.add_routes(
            [web.get("/token", self.authenticator.issue), web.post("/token", self.authenticator.issue)]
        )
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        address = self._runner.addresses[0]
        self._host = f"{address[0]}:{address[1]}"
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop listening and drop all connections."""
        await self._runner.cleanup()

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`, as the first part of an image reference."""
        if not self._host:
            raise RuntimeError("the registry has an address only inside `async with`")
        return self._host

    @property
    def url(self) -> str:
        """The same as a URL without a path."""
        return f"{'https' if self._tls else 'http'}://{self.host}"

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Record, let the interceptor have its way, ask for credentials, and turn refusals into answers."""
        self.requests.append(
            RecordedRequest(
                method=request.method,
                path=request.path,
                query=request.query_string,
                headers=dict(request.headers),
            )
        )
        answer = await self.interceptor(request) if self.interceptor else None
        if answer is not None:
            return answer
        challenge = self._challenge(request)
        if challenge is not None:
            refusal = Refusal("UNAUTHORIZED", "authentication required", status=HTTPStatus.UNAUTHORIZED)
            return refused(refusal, headers={"WWW-Authenticate": challenge})
        try:
            return await handler(request)
        except Refusal as refusal:
            return refused(refusal)

    def _challenge(self, request: web.Request) -> str | None:
        """Return the challenge that the request has to answer first, if any; tokens are asked for without one."""
        if request.path == "/token":
            return None
        return self.authenticator.challenge(
            request,
            repository=request.match_info.get("name"),
            action="pull" if request.method in {"GET", "HEAD"} else "push",
        )
