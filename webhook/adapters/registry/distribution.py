"""Container registries, asked over HTTP: the port `Registry` for the world outside.

Source: OCI Distribution Specification 1.1. Only bytes that hash to their digest leave this module. The order of its
work: what may be asked (`registry_options`), at which endpoints (mirrors first), how often and how long
(`registry_limits`), with which credentials (`registry_auth`), over which connections (`registry_transport`).
"""

from __future__ import annotations

import asyncio
import hashlib
import random as random_numbers
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Self
from urllib.parse import quote

from aiohttp.abc import AbstractResolver
from structlog.typing import FilteringBoundLogger

from webhook.adapters.registry.auth import Authenticator, Credentials
from webhook.adapters.registry.client import NOT_FOUND, OK, RegistryClient
from webhook.adapters.registry.exchange import Exchange
from webhook.adapters.registry.limits import HostLimits
from webhook.adapters.registry.listings import Listings
from webhook.adapters.registry.mirrors import Mirrors
from webhook.adapters.registry.options import RegistryOptions
from webhook.adapters.registry.question import Endpoint, Question
from webhook.adapters.registry.tokens import TokenService
from webhook.adapters.registry.transport import Observe, Transport
from webhook.core.errors import ParseError
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.ports import Clock, RawManifest, ReferrerListing, TroubleKind

__all__ = ["DistributionRegistry"]

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.artifact.manifest.v1+json"
)


class DistributionRegistry:
    """Implements `webhook.ports.Registry` over HTTP. An async context manager: it holds the connections.

    `observe` is told about every request, `log` what registries say when they fail. `credentials` are closed together
    with this. `resolver` answers names instead of the system's, `sleep` waits between tries, `random` scatters them.
    """

    def __init__(
        self,
        *,
        options: RegistryOptions,
        credentials: Credentials,
        clock: Clock,
        log: FilteringBoundLogger,
        observe: Observe,
        resolver: AbstractResolver | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = random_numbers.random,
    ) -> None:
        self._limits = HostLimits(options=options, clock=clock, sleep=sleep, random=random)
        self._transport = Transport(
            options=options, limits=self._limits, clock=clock, observe=observe, resolver=resolver
        )
        tokens = TokenService(transport=self._transport, limits=self._limits, options=options, clock=clock)
        self._authenticator = Authenticator(
            transport=self._transport, limits=self._limits, credentials=credentials, tokens=tokens, clock=clock
        )
        self._client = RegistryClient(transport=self._transport, authenticator=self._authenticator, limits=self._limits)
        self._listings = Listings(client=self._client, clock=clock)
        self._mirrors = Mirrors(options=options, clock=clock, log=log)

    async def __aenter__(self) -> Self:
        """Be ready to connect."""
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End what is under way and close all connections."""
        await self._authenticator.close()
        await self._transport.__aexit__()

    async def resolve(self, repository: Repository, tag: str, *, deadline: float) -> Digest | None:
        """Return what `tag` points to right now.

        The digest that the registry names in a header is taken, since whatever it names is fetched by digest and
        hashed; without a usable header the manifest itself is fetched and hashed.
        """
        path = f"manifests/{quote(tag, safe='')}"

        async def ask(question: Question, endpoint: Endpoint) -> Digest | None:
            head = self._client.request(endpoint, path, accept=MANIFEST_TYPES, method="HEAD")
            answer = await self._client.ask(question, endpoint, head, max_bytes=0)
            if answer.status == NOT_FOUND and not answer.moved:
                return None
            if answer.status == OK and (named := _digest(answer.content_digest)) is not None:
                return named
            get = self._client.request(endpoint, path, accept=MANIFEST_TYPES)
            found = await self._client.find(question, endpoint, get, max_bytes=MAX_MANIFEST_BYTES)
            return None if found is None else Digest.of(found.body)

        question = Question(doing="resolving a tag", where=repository.registry, deadline=deadline)
        return await self._mirrors.ask(question, repository, ask)

    async def manifest(self, image: PinnedImage, *, deadline: float) -> RawManifest | None:
        """Return the manifest or index whose bytes hash to `image.digest`; at most 4 MiB.

        Source: OCI Distribution Spec 1.1, "Pulling manifests".
        """

        async def ask(question: Question, endpoint: Endpoint) -> RawManifest | None:
            request = self._client.request(endpoint, f"manifests/{image.digest}", accept=MANIFEST_TYPES)
            found = await self._client.find(question, endpoint, request, max_bytes=MAX_MANIFEST_BYTES)
            if found is None:
                return None
            _check(question, found.body, image.digest)
            return RawManifest(digest=image.digest, media_type=found.media_type, data=found.body)

        question = Question(doing="fetching a manifest", where=image.repository.registry, deadline=deadline)
        return await self._mirrors.ask(question, image.repository, ask)

    async def blob(self, repository: Repository, digest: Digest, *, max_bytes: int, deadline: float) -> bytes | None:
        """Return a whole blob whose bytes hash to `digest`. `max_bytes` counts bytes on the wire.

        Source: OCI Distribution Spec 1.1, "Pulling blobs".
        """

        async def ask(question: Question, endpoint: Endpoint) -> bytes | None:
            request = self._client.request(endpoint, f"blobs/{digest}")
            found = await self._client.find(question, endpoint, request, max_bytes=max_bytes)
            if found is None:
                return None
            _check(question, found.body, digest)
            return found.body

        question = Question(doing="fetching a blob", where=repository.registry, deadline=deadline)
        return await self._mirrors.ask(question, repository, ask)

    async def stream_blob(
        self, repository: Repository, digest: Digest, *, max_bytes: int, deadline: float
    ) -> AsyncIterator[bytes]:
        """Yield a blob in pieces; raises after the last piece if the bytes do not hash to `digest`.

        Mirrors and further tries are there only before the first piece. A blob that the registry does not have is
        INCOMPLETE: it was named by a manifest of the same repository.
        """
        question = Question(doing="reading a layer", where=repository.registry, deadline=deadline)

        async def ask(question: Question, endpoint: Endpoint) -> Exchange | None:
            return await self._client.open(question, endpoint, self._client.request(endpoint, f"blobs/{digest}"))

        exchange = await self._mirrors.ask(question, repository, ask)
        if exchange is None:
            raise question.trouble(TroubleKind.INCOMPLETE, str(digest))
        hasher = hashlib.new(digest.algorithm)
        async with exchange:
            pieces = exchange.pieces(max_bytes)
            while piece := await self._limits.within(question, anext(pieces, b"")):
                hasher.update(piece)
                yield piece
        if hasher.hexdigest() != digest.hex:
            raise question.trouble(TroubleKind.WRONG_BYTES, f"expected {digest}")

    async def referrers(self, image: PinnedImage, *, deadline: float) -> ReferrerListing:
        """Return what is attached to `image`: the referrers API, or the fallback tag where there is none.

        Source: OCI Distribution Spec 1.1, "Listing referrers" and "Backwards compatibility".
        """

        async def ask(question: Question, endpoint: Endpoint) -> ReferrerListing:
            return await self._listings.referrers(question, endpoint, image.digest)

        question = Question(doing="listing signatures", where=image.repository.registry, deadline=deadline)
        return await self._mirrors.ask(question, image.repository, ask, is_answer=lambda found: bool(found.descriptors))

    async def tags(self, repository: Repository, *, deadline: float) -> tuple[str, ...] | None:
        """Return all tags, following pages; more than 100,000 are TOO_LARGE.

        Source: OCI Distribution Spec 1.1, "Listing tags".
        """
        question = Question(doing="listing tags", where=repository.registry, deadline=deadline)
        return await self._mirrors.ask(question, repository, self._listings.tags)


def _check(question: Question, data: bytes, digest: Digest) -> None:
    """Refuse bytes that do not hash to their digest."""
    if hashlib.new(digest.algorithm, data).hexdigest() != digest.hex:
        raise question.trouble(TroubleKind.WRONG_BYTES, f"expected {digest}")


def _digest(header: str) -> Digest | None:
    """Read a digest that a registry wrote; None if it is none."""
    try:
        return Digest.parse(header)
    except ParseError:
        return None
