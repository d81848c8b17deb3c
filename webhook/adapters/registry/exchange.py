"""A request to a registry, and an answer whose body is read under a bound."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import aiohttp
from yarl import URL

from webhook.adapters.registry.question import Question
from webhook.ports import RegistryTrouble, TroubleKind

__all__ = ["Exchange", "Request"]

MAX_DISCARDED_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to send, because of a question about the registry host `asked`.

    `authorization` is the value of that header; `form` is posted.
    """

    url: URL
    asked: str
    method: str = "GET"
    accept: str = "*/*"
    authorization: str | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What to send besides method and URL. Nothing compressed is wanted: the bytes that count are the stored."""
        authorization = {"Authorization": self.authorization} if self.authorization is not None else {}
        return {"Accept": self.accept, "Accept-Encoding": "identity", **authorization}

    def authorized(self, authorization: str) -> Request:
        """Return the same request with that `Authorization`."""
        return replace(self, authorization=authorization)

    def towards(self, target: URL) -> Request:
        """Return what to send to the target of a redirect: no credential ever leaves its origin."""
        same_origin = target.origin() == self.url.origin()
        return replace(self, url=target, authorization=self.authorization if same_origin else None)


class Exchange:
    """An answer whose body has not been read. Closing it gives the slot back."""

    __slots__ = ("_closed", "_leave", "_question", "_response", "moved")

    def __init__(
        self, question: Question, response: aiohttp.ClientResponse, *, moved: bool, leave: Callable[[], None]
    ) -> None:
        self._question = question
        self._response = response
        self._leave = leave
        self._closed = False
        self.moved = moved
        """Whether a redirect led to another origin, whose refusals are not the registry's."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status

    @property
    def url(self) -> URL:
        """Where the answer came from in the end."""
        return self._response.url

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case; empty if there is none."""
        return self.header("Content-Type").partition(";")[0].strip().lower()

    def header(self, name: str) -> str:
        """Return the first header of that name, or an empty text."""
        return self._response.headers.get(name, "")

    def headers(self, name: str) -> tuple[str, ...]:
        """Return all headers of that name."""
        return tuple(self._response.headers.getall(name, ()))

    async def pieces(self, max_bytes: int) -> AsyncIterator[bytes]:
        """Yield the body as it arrives; TOO_LARGE as soon as there is more than `max_bytes` of it."""
        # To HEAD, the length is that of a body that does not come.
        announced = 0 if self._response.method == "HEAD" else self._response.content_length or 0
        if announced > max_bytes:
            raise self._question.trouble(TroubleKind.TOO_LARGE, f"Content-Length {announced}")
        received = 0
        try:
            async for piece in self._response.content.iter_any():
                received += len(piece)
                if received > max_bytes:
                    raise self._question.trouble(TroubleKind.TOO_LARGE, f"more than {max_bytes} bytes")
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise self._question.passing(TroubleKind.UNREACHABLE, f"mid-body: {type(error).__name__}") from error

    async def read(self, max_bytes: int) -> bytes:
        """Return the whole body; TOO_LARGE if there is more than `max_bytes` of it."""
        body = bytearray()
        async for piece in self.pieces(max_bytes):
            body += piece
        return bytes(body)

    async def discard(self, max_bytes: int = MAX_DISCARDED_BYTES) -> bytes:
        """Close, and return the body if it is no longer than that, else nothing.

        For answers whose status says enough; a body that is read lets the connection be used again.
        """
        async with self:
            try:
                return await self.read(max_bytes)
            except RegistryTrouble:
                return b""

    def close(self) -> None:
        """Give the slot back, once; a connection with an unread body is not used again."""
        if not self._closed:
            self._closed = True
            self._response.release()
            self._leave()

    async def __aenter__(self) -> Self:
        """Return the exchange."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        self.close()
