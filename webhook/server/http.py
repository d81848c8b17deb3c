"""Plain HTTP under the admission protocol: reading a bounded body, and answers that are no AdmissionReview."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from webhook.server.limits import Slot

__all__ = [
    "BodyTooLarge",
    "CallerGone",
    "HttpAnswer",
    "plain",
    "read_body",
    "rejection",
    "retry_later",
    "send_answer",
]

DISCARDED_BODIES = 4
"""How many times the limit is read and thrown away so that a caller who is still sending can hear the answer."""


class BodyTooLarge(Exception):  # noqa: N818 - the name of the HTTP status
    """The body is larger than the limit. Nothing of it is kept."""


class CallerGone(Exception):  # noqa: N818 - a state, not a fault of the code
    """The connection was closed before the body had arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """A whole HTTP answer. With `close`, the connection ends after it."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    close: bool = False


def plain(
    status: int, reason: str, *, headers: tuple[tuple[bytes, bytes], ...] = (), close: bool = False
) -> HttpAnswer:
    """Make an answer of one line of text, for people."""
    return HttpAnswer(
        status=status,
        body=f"{reason}\n".encode(),
        content_type=b"text/plain; charset=utf-8",
        headers=headers,
        close=close,
    )


def retry_later(status: int, reason: str, *, close: bool = False) -> HttpAnswer:
    """Make an answer after which the API server tries again by itself, within its timeout.

    Source: client-go `rest/with_retry.go`: 429 and every 5xx, if and only if they carry `Retry-After`.
    """
    return plain(status, reason, headers=((b"retry-after", b"1"),), close=close)


def rejection(scope: Scope) -> HttpAnswer | None:
    """Return what is wrong with a request to a webhook's path before its body is read; None if nothing is."""
    if scope["method"] != "POST":
        return plain(405, "a webhook is called with POST", headers=((b"allow", b"POST"),))
    content_type = _header(scope["headers"], b"content-type").partition(b";")[0].strip().lower()
    if content_type != b"application/json":
        return plain(400, "the Content-Type is not application/json")
    if _header(scope["headers"], b"content-encoding") not in (b"", b"identity"):
        return plain(400, "a Content-Encoding is not understood here")
    return None


async def read_body(receive: Receive, slot: Slot, *, max_bytes: int) -> bytes:
    """Read a whole request body of at most `max_bytes`, accounting for it in `slot` as it comes.

    Raises BodyTooLarge (after having thrown away up to four times the limit), CallerGone and Overloaded.
    """
    body = bytearray()
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        piece: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(piece)
        if size <= max_bytes:
            slot.hold(len(piece))
            body += piece
        elif size <= DISCARDED_BODIES * max_bytes:
            slot.release()
            body.clear()
        else:
            raise BodyTooLarge
    if size > max_bytes:
        raise BodyTooLarge
    return bytes(body)


async def send_answer(send: Send, answer: HttpAnswer) -> None:
    """Send a whole answer."""
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *answer.headers,
    ]
    if answer.close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    """Return the first header of that lower-case name, empty if there is none."""
    return next((value for key, value in headers if key == name), b"")
