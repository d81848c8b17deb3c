"""How a caller proves who they are, kept fresh: tokens end, plugins hand out new ones, files are rewritten."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from ssl import SSLContext
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from webhook.adapters.cluster.kubeconfig import UserEntry
from webhook.adapters.cluster.target import Target
from webhook.core.errors import ParseError
from webhook.ports import Clock

if TYPE_CHECKING:
    from webhook.adapters.cluster.official_client import PluginCredential

__all__ = ["Access", "AccessKeeper", "obtain_access"]

TOKEN_FILE_AGE = timedelta(minutes=1)
"""For how long what a token file said counts; a kubelet rewrites it long before the token ends."""

MAX_TOKEN_BYTES = 1024 * 1024
HEADER_NAME_SIGNS = "!#$&'*+^`|"
"""What may stand in the name of a header besides letters, digits and `-._~` (RFC 9110, section 5.6.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What goes with every request. `tls` is None for an API server without TLS, which gets no credential either.

    `expires_at` is when to obtain it anew; `renewable` tells whether another one could come of that.
    """

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tls: SSLContext | None
    expires_at: datetime | None = None
    renewable: bool = False


def obtain_access(target: Target, *, environment: Mapping[str, str], now: datetime) -> Access:
    """Run the plugin, read the files, and return what came of it. Blocks. Raises ParseError."""
    if target.server.scheme == "http":
        return Access(tls=None)
    from webhook.adapters.cluster import official_client  # noqa: PLC0415 - what only commands about clusters are to pay

    user, expires_at = target.user, None
    if user.token_file:
        user = msgspec.structs.replace(user, token=_read_token(Path(user.token_file)))
        expires_at = now + TOKEN_FILE_AGE
    elif user.exec is not None and not user.token:
        given = official_client.run_plugin(user.exec, target.cluster, environment)
        user, expires_at = _with_plugin(user, given), given.expires_at
    loaded = official_client.load(target.cluster, user)
    proof = (("Authorization", loaded.authorization),) if loaded.authorization else ()
    return Access(
        headers=_checked((*proof, *_impersonation(user))),
        tls=loaded.tls,
        expires_at=expires_at,
        renewable=bool(target.user.token_file) or target.user.exec is not None,
    )


class AccessKeeper:
    """The access of one run, obtained when it is first needed, anew when it ends, and once more if it is refused."""

    def __init__(self, obtain: Callable[[datetime], Access], *, clock: Clock) -> None:
        self._obtain = obtain
        self._clock = clock
        self._access: Access | None = None
        self._lock = asyncio.Lock()

    async def current(self) -> Access:
        """Return what is to be sent now. Raises ParseError."""
        async with self._lock:
            if self._access is None or _has_ended(self._access, self._clock.now()):
                self._access = await asyncio.to_thread(self._obtain, self._clock.now())
            return self._access

    async def instead_of(self, refused: Access) -> Access | None:
        """Return what to try after `refused` was not accepted, None if there is nothing else. Raises ParseError."""
        async with self._lock:
            if self._access is refused:
                if not refused.renewable:
                    return None
                self._access = await asyncio.to_thread(self._obtain, self._clock.now())
            return self._access


def _has_ended(access: Access, now: datetime) -> bool:
    return access.expires_at is not None and access.expires_at <= now


def _read_token(path: Path) -> str:
    try:
        with path.open("rb") as file:
            token = file.read(MAX_TOKEN_BYTES).decode("ascii").strip()
    except OSError as error:
        raise ParseError(str(path), f"cannot be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        token = ""
    if not token:
        raise ParseError(str(path), "holds no token")
    return token


def _with_plugin(user: UserEntry, given: PluginCredential) -> UserEntry:
    """Return the user with what the plugin handed out in place of what the kubeconfig has."""
    if given.certificate:
        user = msgspec.structs.replace(
            user,
            client_certificate="",
            client_certificate_data=base64.b64encode(given.certificate.encode()).decode(),
            client_key="",
            client_key_data=base64.b64encode(given.key.encode()).decode(),
        )
    return msgspec.structs.replace(user, token=given.token)


def _impersonation(user: UserEntry) -> Iterator[tuple[str, str]]:
    """Yield the headers by which a caller acts for somebody else. Source: Kubernetes, "User impersonation"."""
    if user.as_user:
        yield "Impersonate-User", user.as_user
    if user.as_uid:
        yield "Impersonate-Uid", user.as_uid
    for group in user.as_groups or ():
        yield "Impersonate-Group", group
    for key, values in (user.as_user_extra or {}).items():
        for value in values:
            yield f"Impersonate-Extra-{quote(key, safe=HEADER_NAME_SIGNS)}", value


def _checked(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return headers that no value can break out of; what a token holds is not shown."""
    for name, value in headers:
        if not value.isprintable():
            raise ParseError("", f"the value for {name} holds control characters")
    return headers
