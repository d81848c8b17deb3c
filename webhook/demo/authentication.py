"""How the loopback registry asks who is there: not at all, by password, or by a token that a password buys.

Source: distribution/distribution `docs/spec/auth/token.md` and `oauth.md`; RFC 7617 for Basic.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import assert_never

from aiohttp import web

__all__ = ["Authentication", "Authenticator", "BasicAuthentication", "TokenAuthentication"]

_TOKEN_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuthentication:
    """Every request carries user name and password."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAuthentication:
    """Every request carries a token from `/token`, good for one scope until `Authenticator.forget_tokens`.

    `identity_token` is accepted by POST in place of a password. With `anonymous_pull`, whoever brings no password
    gets a token for pulling. `realm` sends clients elsewhere for tokens, which this registry will then not know.
    """

    username: str
    password: str = field(repr=False)
    identity_token: str | None = field(default=None, repr=False)
    anonymous_pull: bool = False
    realm: str | None = None
    service: str = "loopback"


Authentication = BasicAuthentication | TokenAuthentication | None


class Authenticator:
    """Decides whether a request may pass, and hands out tokens."""

    def __init__(self, authentication: Authentication) -> None:
        self._authentication = authentication
        self._tokens: dict[str, frozenset[str]] = {}

    def forget_tokens(self) -> None:
        """Make every token invalid, as the passing of time would."""
        self._tokens.clear()

    def challenge(self, request: web.Request, *, repository: str | None, action: str) -> str | None:
        """Return the `WWW-Authenticate` value to answer with, None if the request may pass.

        `action` is `pull` or `push`; without a repository any token will do.
        """
        match self._authentication:
            case None:
                return None
            case BasicAuthentication(username=username, password=password):
                return None if _has_password(request, username, password) else 'Basic realm="loopback"'
            case TokenAuthentication() as tokens:
                return self._token_challenge(request, tokens, repository, action)
            case _:
                assert_never(self._authentication)

    async def issue(self, request: web.Request) -> web.Response:
        """Answer `GET /token` (password or anonymous) and `POST /token` (identity token)."""
        match self._authentication:
            case TokenAuthentication() as tokens:
                return await self._issue(request, tokens)
            case _:
                return web.json_response({}, status=HTTPStatus.NOT_FOUND)

    def _token_challenge(
        self, request: web.Request, tokens: TokenAuthentication, repository: str | None, action: str
    ) -> str | None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        needed = f"repository:{repository}:{action}"
        granted = self._tokens.get(token) if kind.lower() == "bearer" else None
        if granted is not None and (repository is None or needed in granted):
            return None
        realm = tokens.realm or f"{request.scheme}://{request.host}/token"
        scope = f',scope="repository:{repository}:{"pull" if action == "pull" else "pull,push"}"' if repository else ""
        return f'Bearer realm="{realm}",service="{tokens.service}"{scope}'

    async def _issue(self, request: web.Request, tokens: TokenAuthentication) -> web.Response:
        form = await request.post() if request.method == "POST" else request.query
        scopes = _scopes(form.getall("scope", []))
        if request.method == "POST":
            grant = form.get("grant_type"), form.get("refresh_token")
            known = tokens.identity_token is not None and grant == ("refresh_token", tokens.identity_token)
        else:
            known = _has_password(request, tokens.username, tokens.password)
        anonymous = tokens.anonymous_pull and "Authorization" not in request.headers and request.method == "GET"
        if not known and not anonymous:
            return web.json_response({"details": "wrong credentials"}, status=HTTPStatus.UNAUTHORIZED)
        granted = scopes if known else frozenset(scope for scope in scopes if scope.endswith(":pull"))
        token = secrets.token_urlsafe(16)
        self._tokens[token] = granted
        return web.json_response({"token": token, "access_token": token, "expires_in": _TOKEN_SECONDS})


def _has_password(request: web.Request, username: str, password: str) -> bool:
    expected = base64.b64encode(f"{username}:{password}".encode()).decode()
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    return kind.lower() == "basic" and secrets.compare_digest(given.encode(), expected.encode())


def _scopes(texts: Iterable[object]) -> frozenset[str]:
    """Part `repository:NAME:pull,push`, several in one text or several texts, into one scope per action."""
    scopes = set()
    for scope in (word for text in texts for word in str(text).split()):
        resource, _, actions = scope.rpartition(":")
        scopes |= {f"{resource}:{action}" for action in actions.split(",")}
    return frozenset(scopes)
