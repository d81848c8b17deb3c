"""Proving to a registry who asks, with each secret kept to its host.

How an answer is got from a registry that may want credentials:

1. What worked for this repository a moment ago is sent again.
2. The registry's challenge is answered: the one it is known for, else, if credentials were written for this
   repository, the one that `/v2/` shows. Some private registries say 404 to strangers, so the first question to
   them must not be a bare one.
3. The matching credentials are tried in turn; where none matches, a token is asked for anonymously.
4. The request goes out bare. A challenge that comes back and was not answered yet is answered as in step 3.
5. A registry that still says 401 or 403 has refused: UNAUTHORIZED. Nothing is repeated, so none can keep the gate in
   a loop.
"""

from __future__ import annotations

from typing import Protocol, assert_never

from webhook.adapters.expiring import ExpiringStore
from webhook.adapters.registry.challenges import BasicChallenge, BearerChallenge, Challenge, parse_challenges
from webhook.adapters.registry.credentials import BearerToken, Credential, IdentityToken, Password
from webhook.adapters.registry.exchange import Exchange, Request
from webhook.adapters.registry.limits import SHARED_SECONDS, HostLimits
from webhook.adapters.registry.question import Endpoint, Question
from webhook.adapters.registry.tokens import Authorization, TokenService, basic
from webhook.adapters.registry.transport import Transport
from webhook.adapters.single_flight import SingleFlight
from webhook.core.references import Repository
from webhook.ports import Clock, RegistryTrouble, TroubleKind

__all__ = ["Authenticator", "Credentials"]

MAX_TRIED_CREDENTIALS = 5
MAX_REMEMBERED = 4096
CHALLENGE_SECONDS = 3600.0
LASTING_SECONDS = 300.0
"""How long a credential that does not expire is taken for the one that works."""

REFUSED = frozenset({401, 403})


class Credentials(Protocol):
    """Where credentials come from."""

    async def matching(self, repository: Repository, question: Question) -> tuple[Credential, ...]:
        """Return the credentials for a repository, in the order in which they are to be tried."""
        ...

    async def close(self) -> None:
        """Let go of what is held."""
        ...


class Authenticator:
    """Opens exchanges with registries, with whatever authorization they demand."""

    def __init__(
        self,
        *,
        transport: Transport,
        limits: HostLimits,
        credentials: Credentials,
        tokens: TokenService,
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._limits = limits
        self._clock = clock
        self._credentials = credentials
        self._tokens = tokens
        self._working: ExpiringStore[str, str] = ExpiringStore(clock=clock, max_entries=MAX_REMEMBERED)
        self._challenges: ExpiringStore[str, Challenge | None] = ExpiringStore(clock=clock, max_entries=MAX_REMEMBERED)
        self._pings: SingleFlight[str, Challenge | None] = SingleFlight()

    async def close(self) -> None:
        """End what is under way, and let go of the credentials."""
        await self._pings.close()
        await self._tokens.close()
        await self._credentials.close()

    async def open(self, question: Question, endpoint: Endpoint, request: Request) -> Exchange:
        """Return the registry's answer to `request`; a refusal by the registry itself is UNAUTHORIZED."""
        working = self._working.get(endpoint.key)
        if working is not None:
            exchange = await self._admitted(question, request.authorized(working.value))
            if exchange is not None:
                return exchange
            self._working.forget(endpoint.key)
        credentials = await self._credentials.matching(endpoint.repository, question)
        known = await self._known_challenge(question, endpoint, ask=bool(credentials))
        if known is not None:
            exchange = await self._answer(question, endpoint, request, known, credentials)
            if exchange is not None:
                return exchange
        return await self._begin_bare(question, endpoint, request, known, credentials)

    async def _begin_bare(
        self,
        question: Question,
        endpoint: Endpoint,
        request: Request,
        answered: Challenge | None,
        credentials: tuple[Credential, ...],
    ) -> Exchange:
        """Send a request without authorization and answer the challenge, unless it was `answered` before."""
        exchange = await self._transport.open(question, request)
        if not _is_refusal(exchange):
            return exchange
        challenge = _strongest(exchange)
        await exchange.discard()
        if challenge is not None and challenge != answered:
            self._challenges.put(endpoint.host, challenge, seconds=CHALLENGE_SECONDS)
            authorized = await self._answer(question, endpoint, request, challenge, credentials)
            if authorized is not None:
                return authorized
        tried = ", ".join(credential.source for credential in credentials) or "no credential"
        raise question.trouble(TroubleKind.UNAUTHORIZED, f"{endpoint.host}: tried {tried}")

    async def _known_challenge(self, question: Question, endpoint: Endpoint, *, ask: bool) -> Challenge | None:
        """Return what the registry is known to want; with `ask`, find out if it is not known."""
        known = self._challenges.get(endpoint.host)
        if known is not None or not ask:
            return known.value if known is not None else None
        return await self._pings.run(endpoint.host, lambda: self._ping(question, endpoint))

    async def _ping(self, question: Question, endpoint: Endpoint) -> Challenge | None:
        """Ask what the registry wants; others may be waiting for the answer too."""
        patient = question.until(max(question.deadline, self._clock.monotonic() + SHARED_SECONDS))
        ping = Request(url=self._transport.base_url(endpoint.host), asked=endpoint.host)

        async def attempt() -> Challenge | None:
            exchange = await self._transport.open(patient, ping)
            challenge = _strongest(exchange)
            await exchange.discard()
            return challenge

        challenge = await self._limits.persist(patient, endpoint.host, attempt)
        self._challenges.put(endpoint.host, challenge, seconds=CHALLENGE_SECONDS)
        return challenge

    async def _answer(
        self,
        question: Question,
        endpoint: Endpoint,
        request: Request,
        challenge: Challenge,
        credentials: tuple[Credential, ...],
    ) -> Exchange | None:
        """Try the credentials in turn, none of them anonymously; None if the registry refuses them all."""
        for credential in credentials[:MAX_TRIED_CREDENTIALS] or (None,):
            authorization = await self._authorization(question, endpoint, challenge, credential)
            if authorization is None:
                continue
            # Remembered before it is used, so that questions asked at the same time need not fetch their own token.
            self._working.put(endpoint.key, authorization.value, seconds=authorization.seconds)
            exchange = await self._admitted(question, request.authorized(authorization.value))
            if exchange is not None:
                return exchange
            self._working.forget(endpoint.key)
        return None

    async def _admitted(self, question: Question, request: Request) -> Exchange | None:
        """Send a request; None if the registry refuses it."""
        exchange = await self._transport.open(question, request)
        if not _is_refusal(exchange):
            return exchange
        await exchange.discard()
        return None

    async def _authorization(
        self, question: Question, endpoint: Endpoint, challenge: Challenge, credential: Credential | None
    ) -> Authorization | None:
        """Return what answers a challenge; None if this credential cannot, or the token service refuses it."""
        match challenge, credential:
            case _, BearerToken(token=token):
                return Authorization(value=f"Bearer {token}", seconds=LASTING_SECONDS)
            case BasicChallenge(), Password(username=username, password=password):
                return Authorization(value=basic(username, password), seconds=LASTING_SECONDS)
            case BasicChallenge(), _:
                return None
            case BearerChallenge(), Password() | IdentityToken() | None:
                return await self._token(question, endpoint, challenge, credential)
            case _:
                assert_never(challenge)

    async def _token(
        self,
        question: Question,
        endpoint: Endpoint,
        challenge: BearerChallenge,
        credential: Password | IdentityToken | None,
    ) -> Authorization | None:
        """Fetch a token; a challenge whose service makes trouble is not relied on again."""
        try:
            return await self._tokens.fetch(question, endpoint, challenge, credential)
        except RegistryTrouble:
            self._challenges.forget(endpoint.host)
            raise


def _is_refusal(exchange: Exchange) -> bool:
    """Tell whether the registry itself refuses; what another host says after a redirect is not its word."""
    return exchange.status in REFUSED and not exchange.moved


def _strongest(exchange: Exchange) -> Challenge | None:
    """Return the challenge to answer: for a token if there is one, since a token opens one repository only."""
    challenges = parse_challenges(exchange.headers("WWW-Authenticate"))
    bearer = next((one for one in challenges if isinstance(one, BearerChallenge)), None)
    return bearer or next(iter(challenges), None)
