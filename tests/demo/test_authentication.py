"""The loopback registry asks for credentials as real registries do."""

import base64
import re
from http import HTTPStatus

import aiohttp
import pytest

from tests.demo.upload import upload
from webhook.demo.authentication import Authentication, BasicAuthentication, TokenAuthentication
from webhook.demo.images import build, push
from webhook.demo.registry import LoopbackRegistry

IMAGE = build(None, [{"a": b"1"}])
BASIC = BasicAuthentication(username="ann", password="hush")
TOKEN = TokenAuthentication(username="ann", password="hush", identity_token="long")
ANN = {"Authorization": f"Basic {base64.b64encode(b'ann:hush').decode()}"}
EVE = {"Authorization": f"Basic {base64.b64encode(b'eve:hush').decode()}"}


async def pull(session: aiohttp.ClientSession, registry: LoopbackRegistry, headers: dict[str, str]) -> tuple[int, str]:
    """Ask for an image; return the status and the challenge."""
    async with session.get(f"{registry.url}/v2/shop/api/manifests/1", headers=headers) as answer:
        return answer.status, answer.headers.get("WWW-Authenticate", "")


async def token(
    session: aiohttp.ClientSession, registry: LoopbackRegistry, scope: str, headers: dict[str, str]
) -> dict[str, str]:
    """Buy a token by password; return the header that shows it, an empty one if there was none."""
    async with session.get(f"{registry.url}/token", params={"scope": scope}, headers=headers) as answer:
        body = await answer.json()
    return {"Authorization": f"Bearer {body['token']}"} if "token" in body else {}


async def test_a_password_opens_the_registry(session: aiohttp.ClientSession) -> None:
    """Without the right user name and password every answer is a Basic challenge."""
    async with LoopbackRegistry(authentication=BASIC) as registry:
        push(registry.store, "shop/api", IMAGE, tag="1")
        assert await pull(session, registry, {}) == (HTTPStatus.UNAUTHORIZED, 'Basic realm="loopback"')
        assert (await pull(session, registry, EVE))[0] == HTTPStatus.UNAUTHORIZED
        assert (await pull(session, registry, ANN))[0] == HTTPStatus.OK


async def test_a_challenge_leads_to_a_token(session: aiohttp.ClientSession) -> None:
    """The challenge names realm, service and scope; the token from there opens that repository and no other."""
    async with LoopbackRegistry(authentication=TOKEN) as registry:
        push(registry.store, "shop/api", IMAGE, tag="1")
        status, challenge = await pull(session, registry, ANN)
        assert status == HTTPStatus.UNAUTHORIZED
        asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        assert asked == {"realm": f"{registry.url}/token", "service": "loopback", "scope": "repository:shop/api:pull"}
        right = await token(session, registry, asked["scope"], ANN)
        other = await token(session, registry, "repository:shop/web:pull", ANN)
        assert (await pull(session, registry, right))[0] == HTTPStatus.OK
        assert (await pull(session, registry, other))[0] == HTTPStatus.UNAUTHORIZED
        assert await token(session, registry, asked["scope"], EVE) == {}


async def test_tokens_are_forgotten(session: aiohttp.ClientSession) -> None:
    """A token that the registry has forgotten is challenged again."""
    async with LoopbackRegistry(authentication=TOKEN) as registry:
        push(registry.store, "shop/api", IMAGE, tag="1")
        shown = await token(session, registry, "repository:shop/api:pull", ANN)
        registry.authenticator.forget_tokens()
        assert (await pull(session, registry, shown))[0] == HTTPStatus.UNAUTHORIZED


async def test_an_identity_token_buys_a_token(session: aiohttp.ClientSession) -> None:
    """POST with the identity token is as good as a password, with another one it is not."""
    async with LoopbackRegistry(authentication=TOKEN) as registry:
        for given, status in (("long", HTTPStatus.OK), ("short", HTTPStatus.UNAUTHORIZED)):
            form = {"grant_type": "refresh_token", "refresh_token": given, "scope": "repository:shop/api:pull"}
            async with session.post(f"{registry.url}/token", data=form) as answer:
                assert answer.status == status


async def test_a_push_needs_the_right_to_push(session: aiohttp.ClientSession) -> None:
    """A token for pulling does not push; one for both does."""
    async with LoopbackRegistry(authentication=TOKEN) as registry:
        puller = await token(session, registry, "repository:shop/api:pull", ANN)
        async with session.post(f"{registry.url}/v2/shop/api/blobs/uploads/", headers=puller) as answer:
            assert answer.status == HTTPStatus.UNAUTHORIZED
            assert 'scope="repository:shop/api:pull,push"' in answer.headers["WWW-Authenticate"]
        pusher = await token(session, registry, "repository:shop/api:pull,push", ANN)
        assert await upload(session, registry.url, "shop/api", IMAGE, tag="1", headers=pusher) == IMAGE.digest


async def test_anonymous_clients_may_only_pull(session: aiohttp.ClientSession) -> None:
    """Where anonymous pulling is allowed, a token without a password pulls and does not push."""
    public = TokenAuthentication(username="ann", password="hush", anonymous_pull=True)
    async with LoopbackRegistry(authentication=public) as registry:
        push(registry.store, "shop/api", IMAGE, tag="1")
        nobody = await token(session, registry, "repository:shop/api:pull,push", {})
        assert (await pull(session, registry, nobody))[0] == HTTPStatus.OK
        async with session.post(f"{registry.url}/v2/shop/api/blobs/uploads/", headers=nobody) as answer:
            assert answer.status == HTTPStatus.UNAUTHORIZED
        assert await token(session, registry, "repository:shop/api:pull", EVE) == {}


async def test_the_version_endpoint_takes_any_token(session: aiohttp.ClientSession) -> None:
    """`/v2/` belongs to no repository: it challenges without a scope and accepts any token."""
    async with LoopbackRegistry(authentication=TOKEN) as registry:
        async with session.get(f"{registry.url}/v2/") as answer:
            assert "scope" not in answer.headers["WWW-Authenticate"]
        shown = await token(session, registry, "repository:shop/api:pull", ANN)
        async with session.get(f"{registry.url}/v2/", headers=shown) as answer:
            assert answer.status == HTTPStatus.OK


async def test_a_realm_can_be_elsewhere(session: aiohttp.ClientSession) -> None:
    """A registry may send its clients to another host for tokens, honest or not."""
    elsewhere = TokenAuthentication(username="ann", password="hush", realm="https://evil.example/token")
    async with LoopbackRegistry(authentication=elsewhere) as registry:
        assert 'realm="https://evil.example/token"' in (await pull(session, registry, {}))[1]


@pytest.mark.parametrize("authentication", [None, BASIC])
async def test_tokens_are_sold_only_where_they_are_used(
    session: aiohttp.ClientSession, authentication: Authentication
) -> None:
    """A registry without tokens has no token endpoint."""
    async with (
        LoopbackRegistry(authentication=authentication) as registry,
        session.get(f"{registry.url}/token", headers=ANN) as answer,
    ):
        assert answer.status == HTTPStatus.NOT_FOUND


def test_secrets_are_not_shown() -> None:
    """Passwords and tokens are in no repr."""
    assert "hush" not in repr(BASIC)
    assert "hush" not in repr(TOKEN)
    assert "long" not in repr(TOKEN)
