"""The `WWW-Authenticate` headers of a registry, read into values.

Source: RFC 9110 section 11.6.1 (several challenges in one header, quoted commas, schemes in any case) and the token
specification of the distribution project for the parameters of `Bearer`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["BasicChallenge", "BearerChallenge", "Challenge", "parse_challenges"]

MAX_HEADER_CHARACTERS = 8192

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a grammar rule's name in RFC 9110
_SCHEME = re.compile(rf"[\s,]*({_TOKEN})(?=\s|,|$)(?!\s*=)")
# A value without quotes should be a token; registries that write a bare URL there are understood too.
_PARAMETER = re.compile(rf'[\s,]*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicChallenge:
    """The registry wants a user name and a password with each request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerChallenge:
    """The registry wants a token that the service at `realm`, a URL as the registry wrote it, hands out."""

    realm: str
    service: str


Challenge = BasicChallenge | BearerChallenge


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Return the challenges that are understood, in their order; what is not understood is left out."""
    return tuple(challenge for header in headers for challenge in _parse_header(header[:MAX_HEADER_CHARACTERS]))


def _parse_header(header: str) -> Iterable[Challenge]:
    """Read one header: schemes, each followed by its parameters."""
    position = 0
    while match := _SCHEME.match(header, position):
        scheme, position = match[1].lower(), match.end()
        parameters: dict[str, str] = {}
        while match := _PARAMETER.match(header, position):
            quoted = match[2]
            # The first value stands if a name is written twice, so that nothing can be appended to a challenge.
            parameters.setdefault(match[1].lower(), match[3] if quoted is None else _ESCAPED.sub(r"\1", quoted))
            position = match.end()
        if scheme == "basic":
            yield BasicChallenge()
        elif scheme == "bearer" and parameters.get("realm"):
            yield BearerChallenge(realm=parameters["realm"], service=parameters.get("service", ""))
