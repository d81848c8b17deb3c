"""The product's own server on loopback, and somebody who calls it as the API server does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path

import aiohttp
import msgspec
from structlog.typing import FilteringBoundLogger

from webhook.documents import catalog_file, policy_file
from webhook.live_gate import LiveGate
from webhook.ports import Clock
from webhook.server.listeners import ListenAddress
from webhook.server.metrics import Metrics
from webhook.server.run import AdmissionServer, ServeOptions, Signals
from webhook.server.tls import TlsFiles
from webhook.settings import RegistryFlags, Surroundings, open_registry, open_trust

__all__ = ["Answer", "UnexpectedAnswer", "WebhookCaller", "calling", "serving"]

ANY_PORT = ListenAddress(host="127.0.0.1", port=0)
TIMEOUT_SECONDS = 10
"""What the API server gives a webhook by default."""


class UnexpectedAnswer(Exception):  # noqa: N818 - the domain's word, like RegistryTrouble
    """The server answered with something that is not the AdmissionReview it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said about one review, and how many milliseconds it took to say it.

    `codes` are those of the reasons for a denial, `message` is what its user reads, empty where there is none.
    """

    allowed: bool
    codes: tuple[str, ...]
    message: str
    warnings: tuple[str, ...]
    milliseconds: float


class _Cause(msgspec.Struct, frozen=True):
    reason: str


class _Details(msgspec.Struct, frozen=True):
    causes: tuple[_Cause, ...] = ()


class _Status(msgspec.Struct, frozen=True):
    message: str
    details: _Details = _Details()


class _Response(msgspec.Struct, frozen=True):
    uid: str
    allowed: bool
    status: _Status | None = None
    warnings: tuple[str, ...] = ()


class _Review(msgspec.Struct, frozen=True):
    response: _Response


class _Request(msgspec.Struct, frozen=True):
    uid: str


class _RequestReview(msgspec.Struct, frozen=True):
    request: _Request


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookCaller:
    """Sends AdmissionReviews to the webhook at `url` over TLS."""

    url: str
    session: aiohttp.ClientSession
    clock: Clock

    async def ask(self, review: bytes) -> Answer:
        """Send a review and return the verdict; raises UnexpectedAnswer if what comes back is none."""
        started = self.clock.monotonic()
        try:
            async with self.session.post(
                self.url,
                params={"timeout": f"{TIMEOUT_SECONDS}s"},
                data=review,
                headers={"Content-Type": "application/json"},
            ) as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnexpectedAnswer(f"{self.url}: no answer ({type(error).__name__})") from error
        milliseconds = (self.clock.monotonic() - started) * 1000
        if status != HTTPStatus.OK:
            raise UnexpectedAnswer(f"{self.url}: HTTP {status}")
        return _answer(review, body, milliseconds)


@asynccontextmanager
async def calling(server: str, *, ca: Path, clock: Clock) -> AsyncIterator[WebhookCaller]:
    """Open connections to a server, given by its URL without a path; only the CA in that file (PEM) is trusted."""
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca))
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield WebhookCaller(url=f"{server}/validate", session=session, clock=clock)


@asynccontextmanager
async def serving(
    *, policy: Path, catalog: Path, tls: TlsFiles, clock: Clock, log: FilteringBoundLogger
) -> AsyncIterator[str]:
    """Run the admission server on a free port of loopback until the end of the block; yield its URL.

    It is what `dhi-gate serve` runs, with the same limits on what it may contact. It knows no environment, so that
    neither proxies nor credentials of whoever tries it play a part.
    """
    metrics = Metrics(clock=clock, version=version("dhi-gate"))
    around = Surroundings(environment={}, clock=clock, log=log, serving=True, observe=metrics.observe_registry)
    options = ServeOptions(admission=ANY_PORT, metrics=ANY_PORT, tls=tls, drain_seconds=0.0)
    gate = LiveGate(
        policy_file=policy_file(policy, clock=clock),
        catalog_file=catalog_file(catalog, clock=clock),
        open_registry=lambda wanted: open_registry(wanted, RegistryFlags(), around),
        open_trust=lambda: open_trust(around),
        clock=clock,
        log=log,
        metrics=metrics,
    )
    async with gate:
        server = AdmissionServer(options, gate=gate, metrics=metrics, clock=clock, log=log)
        signals = Signals()
        running = asyncio.create_task(server.run(signals))
        try:
            yield f"https://{server.admission_address}"
        finally:
            signals.end()
            await running


def _answer(review: bytes, body: bytes, milliseconds: float) -> Answer:
    """Read the answer to a review, which must carry its uid."""
    try:
        response = msgspec.json.decode(body, type=_Review).response
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnexpectedAnswer(f"the answer is no AdmissionReview: {error}") from error
    if response.uid != msgspec.json.decode(review, type=_RequestReview).request.uid:
        raise UnexpectedAnswer("the answer belongs to another review")
    status = response.status
    return Answer(
        allowed=response.allowed,
        codes=tuple(dict.fromkeys(cause.reason for cause in status.details.causes)) if status else (),
        message=status.message if status else "",
        warnings=response.warnings,
        milliseconds=milliseconds,
    )
