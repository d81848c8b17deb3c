"""Who gets which secret, and how often a registry is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from tests.adapters.given import LOOPBACK, LoopbackNames, Recorder, open_registry, passwords, repository, trouble_of
from tests.fakes.clock import ManualClock
from webhook.adapters.clock import SystemClock
from webhook.adapters.registry.credentials import DockerConfig
from webhook.adapters.registry.distribution import DistributionRegistry
from webhook.adapters.registry.options import RegistryOptions
from webhook.adapters.registry.tokens import may_have_credentials
from webhook.core.references import Repository
from webhook.demo.authentication import Authentication, BasicAuthentication, TokenAuthentication
from webhook.demo.registry import LoopbackRegistry
from webhook.ports import TroubleKind

SOON = SystemClock().monotonic() + 3600
TOKENS = TokenAuthentication(username="u", password="p", identity_token="refresh")


def asked(server: LoopbackRegistry) -> list[str]:
    """Return what a server was asked, in short."""
    return [f"{request.method} {request.path}" for request in server.requests]


def config_of(host: str, auth: dict[str, str]) -> DockerConfig:
    """Return a config with one entry."""
    return DockerConfig.parse(json.dumps({"auths": {host: auth}}).encode())


async def ask(registry: DistributionRegistry, where: Repository) -> object:
    """Ask for tags, of which there are none: None if the registry lets us in."""
    return await registry.tags(where, deadline=SOON)


@asynccontextmanager
async def started(authentication: Authentication = None) -> AsyncIterator[LoopbackRegistry]:
    """Run a registry."""
    async with LoopbackRegistry(authentication=authentication) as server:
        yield server


@pytest.mark.parametrize(
    ("authentication", "auth"),
    [
        (BasicAuthentication(username="u", password="p"), {"username": "u", "password": "p"}),
        (TOKENS, {"username": "u", "password": "p"}),
        (TOKENS, {"identitytoken": "refresh"}),
    ],
)
async def test_a_credential_opens_a_private_registry(authentication: Authentication, auth: dict[str, str]) -> None:
    """Passwords and identity tokens answer the challenges they fit."""
    async with started(authentication) as server, open_registry(config=config_of(server.host, auth)) as registry:
        assert await ask(registry, repository(server.host)) is None


@pytest.mark.parametrize(
    ("authentication", "auth"),
    [
        (BasicAuthentication(username="u", password="p"), {"username": "u", "password": "wrong"}),
        (BasicAuthentication(username="u", password="p"), {"identitytoken": "refresh"}),
        (BasicAuthentication(username="u", password="p"), {"registrytoken": "unknown"}),
        (BasicAuthentication(username="u", password="p"), {}),
        (TOKENS, {"username": "u", "password": "wrong"}),
        (TOKENS, {"identitytoken": "wrong"}),
        (TOKENS, {}),
    ],
)
async def test_a_wrong_credential_is_trouble(authentication: Authentication, auth: dict[str, str]) -> None:
    """A refusal is trouble, not absence; it names no secret, and few requests are made."""
    async with started(authentication) as server, open_registry(config=config_of(server.host, auth)) as registry:
        trouble = await trouble_of(ask(registry, repository(server.host)))
        assert trouble.kind is TroubleKind.UNAUTHORIZED
        assert "wrong" not in str(trouble)
        assert len(server.requests) <= 6


async def test_a_token_is_fetched_once_per_repository() -> None:
    """The challenge is remembered for the host, the token for the repository."""
    async with (
        started(TOKENS) as server,
        open_registry(config=passwords(**{server.host: "u:p"})) as registry,
    ):
        for path in ("shop/api", "shop/api", "shop/web"):
            await ask(registry, repository(server.host, path))
        assert asked(server) == [
            "GET /v2/",
            "GET /token",
            "GET /v2/shop/api/tags/list",
            "GET /v2/shop/api/tags/list",
            "GET /token",
            "GET /v2/shop/web/tags/list",
        ]


async def test_questions_at_the_same_time_share_challenge_and_token() -> None:
    """However many questions a review asks of a private repository, it is challenged once and given one token."""
    async with started(TOKENS) as server, open_registry(config=passwords(**{server.host: "u:p"})) as registry:
        tags = (f"v{number}" for number in range(10))
        await asyncio.gather(*(registry.resolve(repository(server.host), tag, deadline=SOON) for tag in tags))
        assert asked(server)[:2] == ["GET /v2/", "GET /token"]
        assert len(server.requests) == 12


async def test_an_anonymous_token_needs_no_credential() -> None:
    """A public registry that works with tokens is asked bare once, then with an anonymous token."""
    public = replace(TOKENS, anonymous_pull=True)
    async with started(public) as server, open_registry() as registry:
        await ask(registry, repository(server.host))
        await ask(registry, repository(server.host))
        assert asked(server) == [
            "GET /v2/shop/api/tags/list",
            "GET /token",
            "GET /v2/shop/api/tags/list",
            "GET /v2/shop/api/tags/list",
        ]


async def test_a_token_that_is_refused_is_replaced_once() -> None:
    """A token that a registry forgot early is fetched again."""
    async with started(TOKENS) as server, open_registry(config=passwords(**{server.host: "u:p"})) as registry:
        await ask(registry, repository(server.host))
        server.authenticator.forget_tokens()
        assert await ask(registry, repository(server.host)) is None
        assert asked(server).count("GET /token") == 2


async def test_an_expired_token_is_replaced_before_it_is_used() -> None:
    """A token is used for nine tenths of its life."""
    clock = ManualClock()
    async with (
        started(TOKENS) as server,
        open_registry(config=passwords(**{server.host: "u:p"}), clock=clock) as registry,
    ):
        await registry.tags(repository(server.host), deadline=clock.monotonic() + 60)
        clock.advance(271)
        await registry.tags(repository(server.host), deadline=clock.monotonic() + 60)
        assert asked(server) == ["GET /v2/", *["GET /token", "GET /v2/shop/api/tags/list"] * 2]


async def test_all_matching_credentials_are_tried() -> None:
    """A wrong entry with a longer path does not hide the right one."""
    async with started(BasicAuthentication(username="u", password="p")) as server:
        config = passwords(**{server.host: "u:p", f"{server.host}/shop": "u:wrong"})
        async with open_registry(config=config) as registry:
            assert await ask(registry, repository(server.host)) is None


async def test_a_credential_stays_with_its_host() -> None:
    """A registry without an entry of its own never sees the credential of another."""
    async with started(TOKENS) as other, open_registry(config=passwords(**{"registry.example": "u:p"})) as registry:
        await trouble_of(ask(registry, repository(other.host)))
        assert all("Authorization" not in request.headers for request in other.requests)


Answer = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def challenging(realm: str) -> Answer:
    """Answer everything with a challenge that names a token service."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=401, headers={"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'})

    return answer


@pytest.mark.parametrize("is_listed", [True, False])
async def test_a_token_service_elsewhere_gets_credentials_only_if_listed(is_listed: bool) -> None:  # noqa: FBT001
    """A realm on another host is asked anonymously, unless the operator listed that host."""
    async with started() as server, started(TOKENS) as service:
        server.interceptor = challenging(f"{service.url}/token")
        options = replace(LOOPBACK, listed_hosts=frozenset({service.host} if is_listed else ()))
        async with open_registry(options, config=passwords(**{server.host: "u:p"})) as registry:
            assert (await trouble_of(ask(registry, repository(server.host)))).kind is TroubleKind.UNAUTHORIZED
        assert [("Authorization" in request.headers) for request in service.requests] == [is_listed]


@pytest.mark.parametrize(
    ("service", "registry", "expected"),
    [
        ("registry.example", "registry.example", True),
        ("registry.example:5000", "registry.example", False),
        ("auth.docker.io", "registry-1.docker.io", True),
        ("auth.docker.io", "registry.example", False),
        ("auth.docker.io.attacker.test", "registry-1.docker.io", False),
        ("listed.example", "registry.example", True),
    ],
)
def test_which_token_service_may_see_a_credential(service: str, registry: str, expected: bool) -> None:  # noqa: FBT001
    """The registry itself, Docker Hub's service for Docker Hub, and listed hosts; nobody else."""
    options = RegistryOptions(listed_hosts=frozenset({"listed.example"}))
    assert may_have_credentials(service, registry=registry, options=options) is expected


@pytest.mark.parametrize(
    ("realm", "kind"),
    [
        ("http://service.example/token", TroubleKind.BAD_ANSWER),
        ("ftp://service.example/token", TroubleKind.BAD_ANSWER),
        ("/token", TroubleKind.BAD_ANSWER),
        ("https://[broken/token", TroubleKind.BAD_ANSWER),
        ("https://service.example/token", TroubleKind.FORBIDDEN_ADDRESS),
        ("https://10.0.0.1/token", TroubleKind.FORBIDDEN_ADDRESS),
        ("https://169.254.169.254/latest", TroubleKind.FORBIDDEN_ADDRESS),
    ],
)
async def test_a_realm_leads_neither_away_from_tls_nor_inside(realm: str, kind: TroubleKind) -> None:
    """A token service without TLS or at an address that is not public is not contacted."""
    async with (
        started() as server,
        open_registry(config=passwords(**{server.host: "u:p"}), resolver=LoopbackNames()) as registry,
    ):
        server.interceptor = challenging(realm)
        assert (await trouble_of(ask(registry, repository(server.host)))).kind is kind


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"token": ""}', '{"token": "a b"}', '{"token": "a\\r\\nb"}', '{"token": 1}', "[" * 9999]
)
async def test_a_token_service_that_sends_no_token(body: str) -> None:
    """What is no token is a bad answer, and never reaches a header."""
    async with started(TOKENS) as server, open_registry(config=passwords(**{server.host: "u:p"})) as registry:

        async def answer(request: web.Request) -> web.StreamResponse | None:
            return web.Response(text=body) if request.path == "/token" else None

        server.interceptor = answer
        assert (await trouble_of(ask(registry, repository(server.host)))).kind is TroubleKind.BAD_ANSWER


async def test_an_identity_token_is_used_as_password_where_there_is_no_oauth() -> None:
    """A service that knows no POST is asked by GET."""
    authentication = TokenAuthentication(username="<token>", password="refresh")
    async with started(authentication) as server:

        async def answer(request: web.Request) -> web.StreamResponse | None:
            return web.Response(status=405) if request.method == "POST" else None

        server.interceptor = answer
        async with open_registry(config=config_of(server.host, {"identitytoken": "refresh"})) as registry:
            assert await ask(registry, repository(server.host)) is None


async def test_a_posted_secret_follows_no_redirect() -> None:
    """A token service cannot send an identity token on to somewhere else."""
    async with started(TOKENS) as server, started() as elsewhere:

        async def answer(request: web.Request) -> web.StreamResponse | None:
            if request.method != "POST":
                return None
            return web.Response(status=307, headers={"Location": f"{elsewhere.url}/token"})

        server.interceptor = answer
        async with open_registry(config=config_of(server.host, {"identitytoken": "refresh"})) as registry:
            assert (await trouble_of(ask(registry, repository(server.host)))).kind is TroubleKind.BAD_ANSWER
        assert elsewhere.requests == []


async def test_a_token_service_in_trouble_is_trouble() -> None:
    """Another status than a refusal is a bad answer of the registry."""
    async with started(TOKENS) as server, open_registry(config=passwords(**{server.host: "u:p"})) as registry:

        async def answer(request: web.Request) -> web.StreamResponse | None:
            return web.Response(status=418) if request.path == "/token" else None

        server.interceptor = answer
        assert (await trouble_of(ask(registry, repository(server.host)))).kind is TroubleKind.BAD_ANSWER


async def test_a_registry_token_is_sent_as_it_is() -> None:
    """A `registrytoken` needs no token service."""
    async with started() as server:

        async def answer(request: web.Request) -> web.StreamResponse | None:
            if request.headers.get("Authorization") == "Bearer ready-made":
                return None
            return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})

        server.interceptor = answer
        async with open_registry(config=config_of(server.host, {"registrytoken": "ready-made"})) as registry:
            assert await ask(registry, repository(server.host)) is None


async def test_a_registry_that_hides_behind_404_is_not_believed() -> None:
    """Where a credential was written, the challenge is looked for before a bare 404 could mislead."""
    async with started() as server:
        digest = server.store.put_manifest("shop/api", b"{}", "text/plain", tag="1", checked=False)

        async def answer(request: web.Request) -> web.StreamResponse | None:
            if "Authorization" in request.headers:
                return None
            is_ping = request.path == "/v2/"
            return web.Response(status=401 if is_ping else 404, headers={"WWW-Authenticate": "Basic"})

        server.interceptor = answer
        async with open_registry(config=passwords(**{server.host: "u:p"})) as registry:
            assert await registry.resolve(repository(server.host), "1", deadline=SOON) == digest


async def test_nothing_secret_is_logged_or_observed() -> None:
    """Neither the log nor the metrics see a secret, and metrics see no host that nobody listed."""
    recorder = Recorder()
    async with started(TOKENS) as server:
        config = passwords(**{server.host: "u:s3cret"})
        async with open_registry(config=config, recorder=recorder) as registry:
            trouble = await trouble_of(ask(registry, repository(server.host)))
    assert "s3cret" not in f"{recorder.logged} {recorder.observed} {trouble}"
    assert recorder.logged[0]["trouble"] == "unauthorized"
    assert {host for host, _ in recorder.observed} == {"other"}
