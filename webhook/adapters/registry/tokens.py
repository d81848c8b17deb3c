"""Tokens from the service that a registry names in its challenge.

A token service is named by the registry, so it is somebody else's word where to send a secret. It gets one only if

1. it stands on the registry's own host, or
2. the registry is Docker Hub and it is Docker Hub's own service, or
3. the operator listed its host.

Any other service is asked anonymously. What holds for addresses, TLS and redirects holds here too.

Source: the token specification of the distribution project ("token", "oauth").
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import assert_never

import msgspec
from yarl import URL

from webhook.adapters.registry.challenges import BearerChallenge
from webhook.adapters.registry.credentials import TOKEN_USER, IdentityToken, Password
from webhook.adapters.registry.exchange import Exchange, Request
from webhook.adapters.registry.limits import SHARED_SECONDS, HostLimits
from webhook.adapters.registry.options import RegistryOptions, host_of
from webhook.adapters.registry.question import Endpoint, Question
from webhook.adapters.registry.transport import Transport
from webhook.adapters.single_flight import SingleFlight
from webhook.ports import Clock, TroubleKind

__all__ = ["HUB_HOST", "Authorization", "TokenService", "basic", "may_have_credentials"]

HUB_HOST = "registry-1.docker.io"
HUB_TOKEN_HOST = "auth.docker.io"  # noqa: S105 - a host
CLIENT_ID = "dhi-gate"
MAX_ANSWER_BYTES = 1024 * 1024
DEFAULT_SECONDS = 60
MAX_SECONDS = 3600
SAFETY = 0.9
"""The part of a token's life in which it is used."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,32768}")
_REFUSED = frozenset({400, 401, 403})
_NO_OAUTH = frozenset({404, 405})


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The value of an `Authorization` header, and for how many seconds it will do."""

    value: str = field(repr=False)
    seconds: float


class TokenService:
    """Fetches tokens; the same one once at a time."""

    def __init__(self, *, transport: Transport, limits: HostLimits, options: RegistryOptions, clock: Clock) -> None:
        self._transport = transport
        self._limits = limits
        self._options = options
        self._clock = clock
        self._flights: SingleFlight[tuple[str, BearerChallenge, str], Authorization | None] = SingleFlight()

    async def fetch(
        self,
        question: Question,
        endpoint: Endpoint,
        challenge: BearerChallenge,
        credential: Password | IdentityToken | None,
    ) -> Authorization | None:
        """Return a token that may pull from the repository; None if the service refuses this credential."""
        source = credential.source if credential is not None else ""
        patient = question.until(max(question.deadline, self._clock.monotonic() + SHARED_SECONDS))
        return await self._flights.run(
            (endpoint.key, challenge, source), lambda: self._ask(patient, endpoint, challenge, credential)
        )

    async def close(self) -> None:
        """Stop fetching."""
        await self._flights.close()

    async def _ask(
        self,
        question: Question,
        endpoint: Endpoint,
        challenge: BearerChallenge,
        credential: Password | IdentityToken | None,
    ) -> Authorization | None:
        """Ask the service, which others may be waiting for too."""
        realm = self._realm(question, challenge)
        is_trusted = may_have_credentials(host_of(realm), registry=endpoint.host, options=self._options)
        trusted = credential if is_trusted else None
        scope = f"repository:{endpoint.repository.path}:pull"
        query = {"scope": scope} | ({"service": challenge.service} if challenge.service else {})
        plain = Request(url=realm.update_query(query), asked=endpoint.host)

        async def attempt() -> Authorization | None:
            match trusted:
                case None:
                    return await self._exchange(question, plain)
                case Password(username=username, password=password):
                    return await self._exchange(question, plain.authorized(basic(username, password)))
                case IdentityToken(token=token):
                    form = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": token} | query
                    posted = Request(method="POST", url=realm, asked=endpoint.host, form=form)
                    return await self._exchange(question, posted, otherwise=plain.authorized(basic(TOKEN_USER, token)))
                case _:
                    assert_never(trusted)

        return await self._limits.persist(question, host_of(realm), attempt)

    async def _exchange(
        self, question: Question, request: Request, *, otherwise: Request | None = None
    ) -> Authorization | None:
        """Send a request for a token; `otherwise` to a service that does not know the first kind of request."""
        async with await self._transport.open(question, request) as exchange:
            if not (otherwise is not None and exchange.status in _NO_OAUTH):
                return await self._read(question, exchange)
        return await self._exchange(question, otherwise)

    async def _read(self, question: Question, exchange: Exchange) -> Authorization | None:
        """Read the service's answer."""
        if exchange.status in _REFUSED:
            return None
        if exchange.status != 200:  # noqa: PLR2004 - OK
            raise question.trouble(TroubleKind.BAD_ANSWER, f"token service: HTTP {exchange.status}")
        try:
            answer = msgspec.json.decode(await exchange.read(MAX_ANSWER_BYTES), type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise question.trouble(TroubleKind.BAD_ANSWER, "the token service sent no token") from None
        token = answer.token or answer.access_token or ""
        if not _TOKEN.fullmatch(token):
            raise question.trouble(TroubleKind.BAD_ANSWER, "the token service sent no token")
        seconds = min(max(answer.expires_in or DEFAULT_SECONDS, 1), MAX_SECONDS)
        return Authorization(value=f"Bearer {token}", seconds=seconds * SAFETY)

    def _realm(self, question: Question, challenge: BearerChallenge) -> URL:
        """Read the service's URL, without user name and fragment."""
        try:
            return URL(challenge.realm).with_user(None).with_fragment(None)
        except ValueError:
            raise question.trouble(TroubleKind.BAD_ANSWER, "the token service's address is no URL") from None


def may_have_credentials(service: str, *, registry: str, options: RegistryOptions) -> bool:
    """Tell whether a token service may see what was written for a registry, both hosts, by the cases above."""
    if service == registry:
        return True
    if registry == HUB_HOST and service == HUB_TOKEN_HOST:
        return True
    return options.is_listed(service)


class _Answer(msgspec.Struct, frozen=True):
    """What a token service writes."""

    token: str | None = None
    access_token: str | None = None
    expires_in: int | None = None


def basic(username: str, password: str) -> str:
    """Write the header value of basic authentication (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
