"""A Kubernetes API server on loopback that serves a fake cluster in the wire format of the real one."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import unquote

import msgspec
from aiohttp import web

from tests.fakes.cluster import NAMESPACES, FakeCluster, ListExpiredError
from webhook.ports import ApiResource, ClusterTrouble, ClusterTroubleKind

__all__ = ["Interceptor", "LoopbackApiServer", "RecordedRequest"]

SHUTDOWN_SECONDS = 0.1
PIECE_BYTES = 1000
ORIGIN = re.compile(r"^https?://[^/]*")
"""What stands before the path in a request to a proxy."""

Interceptor = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
"""Sees a request first and may answer it, late or wrongly; None lets the server answer."""

CODES = {
    ClusterTroubleKind.UNAUTHORIZED: (401, "Unauthorized"),
    ClusterTroubleKind.FORBIDDEN: (403, "Forbidden"),
    ClusterTroubleKind.CONFLICT: (409, "Conflict"),
    ClusterTroubleKind.EXPIRED: (410, "Expired"),
    ClusterTroubleKind.REFUSED: (400, "BadRequest"),
    ClusterTroubleKind.UNAVAILABLE: (503, "ServiceUnavailable"),
    ClusterTroubleKind.TIMEOUT: (504, "Timeout"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """What was asked: method, path and query as they were on the wire."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What a path stands for. `name` is None for a collection."""

    resource: ApiResource
    namespace: str | None
    name: str | None


class LoopbackApiServer:
    """An API server that lives as long as its `async with` block.

    It knows `resources` and namespaces. `tokens` are the bearer tokens that it accepts, if it asks for any.
    `interceptor` plays the broken server and may be exchanged at any time.
    """

    def __init__(
        self,
        cluster: FakeCluster,
        resources: Collection[ApiResource],
        *,
        tls: ssl.SSLContext | None = None,
        tokens: Collection[str] = (),
        interceptor: Interceptor | None = None,
    ) -> None:
        self.cluster = cluster
        self.tokens = set(tokens)
        self.interceptor = interceptor
        self.requests: list[RecordedRequest] = []
        self.url = ""
        self._tls = tls
        self._resources = {(resource.api_version, resource.plural): resource for resource in (*resources, NAMESPACES)}
        application = web.Application()
        application.router.add_route("*", r"/{path:[\s\S]*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop listening and drop all connections."""
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = ORIGIN.sub("", request.raw_path.partition("?")[0])
        recorded = RecordedRequest(
            method=request.method, path=path, query=dict(request.query), headers=dict(request.headers)
        )
        self.requests.append(recorded)
        if self.interceptor is not None and (broken := await self.interceptor(request)) is not None:
            return broken
        if self.tokens and request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _status(401, "Unauthorized", "Unauthorized")
        return await self._answer_known(request, path)

    async def _answer_known(self, request: web.Request, path: str) -> web.StreamResponse:
        """Answer somebody who may ask."""
        segments = tuple(unquote(part) for part in path.strip("/").split("/"))
        is_text = segments in self.cluster.texts or segments[0] not in ("api", "apis")
        place = None if is_text else self._place(path)
        if place is None and not is_text:
            return _unknown()
        try:
            if place is None:
                return web.Response(text=await self.cluster.text(segments))
            return await self._serve(request, place)
        except ListExpiredError as expired:
            return _status(410, "Expired", str(expired), metadata={"continue": expired.token} if expired.token else {})
        except ClusterTrouble as trouble:
            return await _broken(request, trouble)

    async def _serve(self, request: web.Request, place: _Place) -> web.StreamResponse:
        document = await request.read()
        match request.method, place.name:
            case "GET", None if "watch" in request.query:
                answer = await self._watch(request, place, _selected_name(request) or "")
            case "GET", None:
                answer = await self._list(request, place)
            case "POST", None if "dryRun" in request.query:
                answer = await self._rehearse(place, document)
            case "POST", None:
                answer = await self._create(place, document)
            case "GET", str(name):
                found = await self.cluster.read(place.resource, namespace=place.namespace, name=name)
                answer = _not_found(place) if found is None else _document(200, found)
            case "PUT", str(name):
                answer = await self._replace(place, name, document)
            case "DELETE", str(name):
                answer = await self._delete(place, name, uid=msgspec.json.decode(document)["preconditions"]["uid"])
            case _:
                answer = _status(405, "MethodNotAllowed", "the server does not allow this method")
        return answer

    async def _watch(self, request: web.Request, place: _Place, name: str) -> web.StreamResponse:
        """Answer with a line for each event, as long as the caller listens."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        since = int(request.query["resourceVersion"])
        events = self.cluster.events(place.resource, namespace=place.namespace, name=name, since=since)
        async with aclosing(events):
            first = asyncio.ensure_future(anext(events, None))
            await asyncio.sleep(0)
            if first.done():
                first.result()
            await response.prepare(request)
            while (event := await first) is not None:
                line = msgspec.json.encode({"type": event[0], "object": event[1]})
                await response.write(line + b"\n")
                first = asyncio.ensure_future(anext(events, None))
        await response.write_eof()
        return response

    async def _list(self, request: web.Request, place: _Place) -> web.StreamResponse:
        """Answer in chunks, as the real server does."""
        page = self.cluster.page(
            place.resource,
            namespace=place.namespace,
            selector=request.query.get("labelSelector", ""),
            metadata_only="as=PartialObjectMetadataList" in request.headers["Accept"],
            token=request.query.get("continue", ""),
            name=_selected_name(request),
        )
        data = msgspec.json.encode(page)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            response.enable_compression(web.ContentCoding.gzip)
        await response.prepare(request)
        for start in range(0, len(data), PIECE_BYTES):
            await response.write(data[start : start + PIECE_BYTES])
        await response.write_eof()
        return response

    async def _create(self, place: _Place, document: bytes) -> web.Response:
        if place.namespace is not None and self.cluster.object(NAMESPACES, None, place.namespace) is None:
            return _not_found(_Place(resource=NAMESPACES, namespace=None, name=place.namespace))
        return _document(201, await self.cluster.create(place.resource, namespace=place.namespace, document=document))

    async def _rehearse(self, place: _Place, document: bytes) -> web.Response:
        """Answer with the object as it would be stored, and with a header for each warning."""
        if place.namespace is not None and self.cluster.object(NAMESPACES, None, place.namespace) is None:
            return _not_found(_Place(resource=NAMESPACES, namespace=None, name=place.namespace))
        warnings = await self.cluster.rehearse(place.resource, namespace=place.namespace, document=document)
        answer = _document(201, document)
        for warning in warnings:
            quoted = re.sub(r'(["\\])', r"\\\1", warning)
            answer.headers.add("Warning", f'299 - "{quoted}"')
        return answer

    async def _replace(self, place: _Place, name: str, document: bytes) -> web.Response:
        if self.cluster.object(place.resource, place.namespace, name) is None:
            return _not_found(place)
        return _document(
            200,
            await self.cluster.replace(place.resource, namespace=place.namespace, name=name, document=document),
        )

    async def _delete(self, place: _Place, name: str, *, uid: str) -> web.Response:
        there = self.cluster.object(place.resource, place.namespace, name)
        if await self.cluster.delete(place.resource, namespace=place.namespace, name=name, uid=uid):
            return _status(200, "", "", outcome="Success")
        return _not_found(place) if there is None else _status(409, "Conflict", "the UID in the precondition differs")

    def _place(self, path: str) -> _Place | None:
        """Return what a path stands for; None if the server knows no such kind."""
        root, *parts = (unquote(part) for part in path.strip("/").split("/"))
        if root == "apis":
            group, *parts = parts
            parts[0] = f"{group}/{parts[0]}"
        version, *parts = parts
        namespace = None
        if parts[0] == "namespaces" and len(parts) > 2:
            _, namespace, *parts = parts
        resource = self._resources.get((version, parts[0]))
        if resource is None:
            return None
        return _Place(resource=resource, namespace=namespace, name=parts[1] if len(parts) == 2 else None)


def _selected_name(request: web.Request) -> str | None:
    """Return the name that a field selector asks for, unescaped; None if there is none."""
    if "fieldSelector" not in request.query:
        return None
    return re.sub(r"\\(.)", r"\1", request.query["fieldSelector"].removeprefix("metadata.name="))


async def _broken(request: web.Request, trouble: ClusterTrouble) -> web.StreamResponse:
    """Break as the trouble says: in the middle of an answer, with nonsense, or with a Status."""
    match trouble.kind:
        case ClusterTroubleKind.UNREACHABLE:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            response.enable_chunked_encoding()
            await response.prepare(request)
            await response.write(b'{"kind":"List","metadata":{},"items":[')
            if request.transport is not None:
                request.transport.abort()
            return response
        case ClusterTroubleKind.BAD_ANSWER:
            return web.Response(text="<html>nonsense</html>", content_type="text/html")
        case ClusterTroubleKind.MISSING_API:
            return _unknown()
        case kind:
            code, reason = CODES[kind]
            return _status(code, reason, trouble.detail or reason)


def _unknown() -> web.Response:
    return web.Response(status=404, text="404 page not found\n")


def _not_found(place: _Place) -> web.Response:
    details = {"name": place.name, "kind": place.resource.plural}
    return _status(404, "NotFound", f'{place.resource.plural} "{place.name}" not found', details=details)


def _document(code: int, data: bytes) -> web.Response:
    return web.Response(status=code, body=data, content_type="application/json")


def _status(
    code: int,
    reason: str,
    message: str,
    *,
    outcome: str = "Failure",
    metadata: Mapping[str, str] | None = None,
    details: Mapping[str, str | None] | None = None,
) -> web.Response:
    document = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": metadata or {},
        "status": outcome,
        "message": message,
        "reason": reason,
        **({"details": details} if details else {}),
        "code": code,
    }
    return web.json_response(document, status=code)
