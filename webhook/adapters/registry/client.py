"""Questions to one endpoint of a registry, authorized, tried again where that helps, with bounded answers."""

from __future__ import annotations

from dataclasses import dataclass

from yarl import URL

from webhook.adapters.registry.auth import Authenticator
from webhook.adapters.registry.exchange import Exchange, Request
from webhook.adapters.registry.limits import HostLimits
from webhook.adapters.registry.question import Endpoint, Question
from webhook.adapters.registry.transport import Transport
from webhook.ports import RegistryTrouble, TroubleKind

__all__ = ["NOT_FOUND", "OK", "Answer", "RegistryClient", "is_found"]

OK = 200
NOT_FOUND = 404
MAX_ERROR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer; `moved` if it is the word of another host, to which a redirect led.

    `body` is empty for an error that has more to say than 64 KiB.
    """

    status: int
    moved: bool
    media_type: str
    content_digest: str
    link: str
    url: URL
    body: bytes


class RegistryClient:
    """Asks one endpoint at a time."""

    def __init__(self, *, transport: Transport, authenticator: Authenticator, limits: HostLimits) -> None:
        self._transport = transport
        self._authenticator = authenticator
        self._limits = limits

    def request(self, endpoint: Endpoint, path: str, *, accept: str = "*/*", method: str = "GET") -> Request:
        """Return a request for what lies at `path`, already escaped, below the endpoint's repository."""
        base = self._transport.base_url(endpoint.host)
        url = URL(f"{base}{endpoint.repository.path}/{path}", encoded=True)
        return Request(method=method, url=url, asked=endpoint.host, accept=accept)

    async def ask(self, question: Question, endpoint: Endpoint, request: Request, *, max_bytes: int) -> Answer:
        """Return the answer with its whole body; TOO_LARGE if a good answer has more than `max_bytes`."""

        async def attempt() -> Answer:
            async with await self._authenticator.open(question, endpoint, request) as exchange:
                return await _whole(exchange, max_bytes)

        return await self._limits.persist(question, endpoint.host, attempt)

    async def open(self, question: Question, endpoint: Endpoint, request: Request) -> Exchange | None:
        """Return a good answer with its body unread; None if the registry says that there is none."""

        async def attempt() -> Exchange:
            return await self._authenticator.open(question, endpoint, request)

        exchange = await self._limits.persist(question, endpoint.host, attempt)
        try:
            if is_found(question, status=exchange.status, moved=exchange.moved):
                return exchange
        except RegistryTrouble:
            exchange.close()
            raise
        exchange.close()
        return None

    async def find(self, question: Question, endpoint: Endpoint, request: Request, *, max_bytes: int) -> Answer | None:
        """Return a good answer; None if the registry itself says that there is none."""
        answer = await self.ask(question, endpoint, request, max_bytes=max_bytes)
        if is_found(question, status=answer.status, moved=answer.moved):
            return answer
        return None


def is_found(question: Question, *, status: int, moved: bool) -> bool:
    """Tell whether there is an answer. That there is none, only the registry itself can say."""
    if status == OK:
        return True
    if status == NOT_FOUND and not moved:
        return False
    raise question.trouble(TroubleKind.BAD_ANSWER, f"HTTP {status}{' after a redirect' if moved else ''}")


async def _whole(exchange: Exchange, max_bytes: int) -> Answer:
    """Read an exchange to its end."""
    is_good = exchange.status == OK
    body = await exchange.read(max_bytes) if is_good else await exchange.discard(MAX_ERROR_BYTES)
    return Answer(
        status=exchange.status,
        moved=exchange.moved,
        media_type=exchange.media_type,
        content_digest=exchange.header("Docker-Content-Digest"),
        link=exchange.header("Link"),
        url=exchange.url,
        body=body,
    )
