"""A Kubernetes API server, asked over HTTP: the port `Cluster` for the world outside.

Source: Kubernetes API concepts. Objects pass through as bytes; of a page nothing is decoded but what the next one
needs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from http import HTTPStatus
from urllib.parse import quote

import msgspec

from webhook.adapters.cluster.answers import Answer, list_head, status_of, trouble_of
from webhook.adapters.cluster.transport import Request, Transport
from webhook.adapters.cluster.watching import beginning_of, read_event
from webhook.core.inventory.resources import ApiResource
from webhook.core.reading.plain_text import printable
from webhook.ports import ClusterTrouble, ClusterTroubleKind

__all__ = ["ApiServerCluster"]

PAGE_SIZE = 500
MAX_CONTINUATIONS = 3
"""How often in a row a list may expire before it has brought another page."""

WATCH_SECONDS = 30
"""How long the server watches at a time. What a dead connection or a lost event hides comes with the next beginning."""
WATCH_PATIENCE_SECONDS = WATCH_SECONDS + 10.0

METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_IMPOSSIBLE_NAMES = frozenset({"", ".", ".."})


class ApiServerCluster:
    """Implements `webhook.ports.Cluster` over HTTP. `default_namespace` counts where a caller names none.

    `watch_patience_seconds` is how long a watch lasts at most, whatever the server does.
    """

    def __init__(
        self, transport: Transport, *, default_namespace: str, watch_patience_seconds: float = WATCH_PATIENCE_SECONDS
    ) -> None:
        self._transport = transport
        self._watch_patience_seconds = watch_patience_seconds
        self.default_namespace = default_namespace

    async def pages(
        self, resource: ApiResource, *, namespace: str | None = None, selector: str = "", metadata_only: bool = False
    ) -> AsyncIterator[bytes]:
        """Yield the pages of a list, at most 500 objects each, in every namespace if none is named.

        A list that expired is continued at a later state where the server says how, else begun anew, once.
        Source: Kubernetes API concepts, "Retrieving large results sets in chunks" and "410 Gone responses".
        """
        where = "all namespaces" if namespace is None else _shown(namespace)
        doing = f"listing {resource.plural}" + (f" in {where}" if resource.namespaced else "")
        path = _path(resource, namespace, doing=doing)
        if not _is_text(selector):
            raise ClusterTrouble(ClusterTroubleKind.REFUSED, doing=doing, detail="the selector is no UTF-8 text")
        accept = METADATA_ONLY if metadata_only else "application/json"
        token, expiries, may_begin_anew = "", 0, True
        while True:
            query = (("limit", str(PAGE_SIZE)), ("labelSelector", selector), ("continue", token))
            said = tuple((name, value) for name, value in query if value)
            answer = await self._transport.send(
                Request(doing=doing, method="GET", path=path, query=said, accept=accept)
            )
            if answer.code == HTTPStatus.GONE:
                token, expiries = status_of(answer).token, expiries + 1
                if expiries > MAX_CONTINUATIONS or not (token or may_begin_anew):
                    raise trouble_of(answer, doing=doing)
                may_begin_anew = may_begin_anew and bool(token)
                continue
            if answer.code != HTTPStatus.OK:
                raise trouble_of(answer, doing=doing)
            head = list_head(answer, doing=doing)
            yield answer.body
            if not head.token:
                return
            if head.token == token:
                raise ClusterTrouble(ClusterTroubleKind.BAD_ANSWER, doing=doing, detail="the list does not go on")
            token, expiries = head.token, 0

    async def read(self, resource: ApiResource, *, namespace: str | None, name: str) -> bytes | None:
        """Return one object, None if there is none of that name."""
        doing = _doing("reading", resource, namespace, name)
        answer = await self._ask("GET", doing, _path(resource, namespace, name, doing=doing))
        if _is_known_absent(answer):
            return None
        return _body(answer, doing, HTTPStatus.OK)

    async def watch(
        self, resource: ApiResource, *, namespace: str | None, name: str
    ) -> AsyncGenerator[bytes | None, None]:
        """Yield one object as it is now, and again whenever it changed, came or went, for half a minute.

        The field selector is what lets RBAC allow it by `resourceNames`.
        Source: Kubernetes documentation, "Using RBAC Authorization", "Referring to resources".
        """
        doing = _doing("watching", resource, namespace, name)
        _path(resource, namespace, name, doing=doing)
        path = _path(resource, namespace, doing=doing)
        one = (("fieldSelector", f"metadata.name={_escaped_value(name)}"),)
        answer = await self._transport.send(Request(doing=doing, method="GET", path=path, query=one))
        if answer.code != HTTPStatus.OK:
            raise trouble_of(answer, doing=doing)
        beginning = beginning_of(answer, doing=doing)
        yield beginning.document
        events = (
            *one,
            ("watch", "1"),
            ("resourceVersion", beginning.resource_version),
            ("timeoutSeconds", str(WATCH_SECONDS)),
        )
        request = Request(doing=doing, method="GET", path=path, query=events)
        async with aclosing(self._transport.lines(request, seconds=self._watch_patience_seconds)) as lines:
            async for line in lines:
                change = read_event(line, doing=doing)
                if change is not None:
                    yield change.document

    async def create(self, resource: ApiResource, *, namespace: str | None, document: bytes) -> bytes:
        """Create an object and return it as it was stored; CONFLICT if there is one, or if its namespace is gone."""
        doing = _doing("creating", resource, namespace)
        answer = await self._ask("POST", doing, _path(resource, namespace, doing=doing), document)
        if _is_known_absent(answer):
            raise _changed(answer, doing)
        return _body(answer, doing, HTTPStatus.CREATED)

    async def rehearse(self, resource: ApiResource, *, namespace: str | None, document: bytes) -> tuple[str, ...]:
        """Ask what creating an object would come to, without creating it; return the warnings of the API server."""
        doing = _doing("trying to create", resource, namespace)
        path = _path(resource, namespace, doing=doing)
        dry = (("dryRun", "All"),)
        answer = await self._transport.send(Request(doing=doing, method="POST", path=path, query=dry, body=document))
        if _is_known_absent(answer):
            raise _changed(answer, doing)
        _body(answer, doing, HTTPStatus.CREATED)
        return answer.warnings

    async def text(self, path: tuple[str, ...]) -> str:
        """Return what the API server answers where no object is; what is no UTF-8 of it is replaced."""
        doing = f"asking for /{_shown('/'.join(path))}"
        answer = await self._transport.send(
            Request(doing=doing, method="GET", path=_joined(path, doing=doing), accept="*/*")
        )
        return _body(answer, doing, HTTPStatus.OK).decode(errors="replace")

    async def replace(self, resource: ApiResource, *, namespace: str | None, name: str, document: bytes) -> bytes:
        """Replace an object and return it as it was stored; CONFLICT if it is in another state, or gone."""
        doing = _doing("replacing", resource, namespace, name)
        answer = await self._ask("PUT", doing, _path(resource, namespace, name, doing=doing), document)
        if _is_known_absent(answer):
            raise _changed(answer, doing)
        return _body(answer, doing, HTTPStatus.OK)

    async def delete(self, resource: ApiResource, *, namespace: str | None, name: str, uid: str) -> bool:
        """Delete exactly this object; False if it was gone or is another one by now.

        Its dependents are deleted in the background. Source: DeleteOptions, `preconditions.uid`.
        """
        doing = _doing("deleting", resource, namespace, name)
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        path = _path(resource, namespace, name, doing=doing)
        answer = await self._ask("DELETE", doing, path, msgspec.json.encode(options))
        if _is_known_absent(answer) or answer.code == HTTPStatus.CONFLICT:
            return False
        _body(answer, doing, HTTPStatus.OK, HTTPStatus.ACCEPTED)
        return True

    async def _ask(self, method: str, doing: str, path: str, body: bytes | None = None) -> Answer:
        return await self._transport.send(Request(doing=doing, method=method, path=path, body=body))


def _is_known_absent(answer: Answer) -> bool:
    """Tell whether the server says that one object is not there, and not that it knows no such kind."""
    return answer.code == HTTPStatus.NOT_FOUND and status_of(answer).names_an_object


def _changed(answer: Answer, doing: str) -> ClusterTrouble:
    """Say that what was to be written to, or where, was taken away in the meantime."""
    return ClusterTrouble(ClusterTroubleKind.CONFLICT, doing=doing, detail=trouble_of(answer, doing=doing).detail)


def _body(answer: Answer, doing: str, *expected: HTTPStatus) -> bytes:
    if answer.code not in expected:
        raise trouble_of(answer, doing=doing)
    return answer.body


def _path(resource: ApiResource, namespace: str | None, name: str | None = None, *, doing: str) -> str:
    """Return the path of a kind, or of one object, every part of it encoded.

    Raises ClusterTrouble for what can be no part of a path, and so no name either.
    Source: apimachinery `api/validation/path`, "IsValidPathSegmentName".
    """
    root = ("apis", resource.group) if resource.group else ("api",)
    within = ("namespaces", namespace) if resource.namespaced and namespace is not None else ()
    return _joined((*root, resource.version, *within, resource.plural, *(() if name is None else (name,))), doing=doing)


def _joined(parts: tuple[str, ...], *, doing: str) -> str:
    """Return a path of segments, every one of it encoded. Raises ClusterTrouble for what can be none."""
    for part in parts:
        if part in _IMPOSSIBLE_NAMES or "/" in part or "%" in part or not _is_text(part):
            raise ClusterTrouble(ClusterTroubleKind.REFUSED, doing=doing, detail=f"`{_shown(part)}` is no name")
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _escaped_value(name: str) -> str:
    """Return a name as the value of a field selector. Source: apimachinery `fields/selector.go`, "EscapeValue"."""
    return name.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def _is_text(text: str) -> bool:
    """Tell whether a text can be sent at all; what a terminal or a file holds beside UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _doing(verb: str, resource: ApiResource, namespace: str | None, name: str = "") -> str:
    named = f" {_shown(name)}" if name else ""
    return f"{verb} {resource.plural}{named}" + (f" in {_shown(namespace)}" if namespace else "")


def _shown(name: str) -> str:
    return printable(name, 80)
