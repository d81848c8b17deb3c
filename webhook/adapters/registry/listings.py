"""The listings of a registry, which come in pages: tags, and what is attached to an image."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import TypeVar

from yarl import URL

from webhook.adapters.expiring import ExpiringStore
from webhook.adapters.registry.answers import is_error_document, next_page, parse_descriptors, parse_tags
from webhook.adapters.registry.client import NOT_FOUND, OK, Answer, RegistryClient, is_found
from webhook.adapters.registry.exchange import Request
from webhook.adapters.registry.question import Endpoint, Question
from webhook.core.errors import ParseError
from webhook.core.manifests import Descriptor
from webhook.core.references import Digest
from webhook.ports import Clock, ReferrerListing, TroubleKind

__all__ = ["Listings"]

T = TypeVar("T")

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
MAX_PAGE_BYTES = 4 * 1024 * 1024
MAX_REFERRER_PAGES = 20
MAX_REFERRERS = 1000
MAX_TAG_PAGES = 1000
MAX_TAGS = 100_000
TAGS_PER_PAGE = 1000
NO_API_SECONDS = 600.0
MAX_REMEMBERED_HOSTS = 1024
NO_API = frozenset({400, 404, 405, 406, 501})
"""Answers of registries without the referrers API. The specification knows 404 only; the others are in use."""


class Listings:
    """Reads listings from one endpoint at a time, page by page."""

    def __init__(self, *, client: RegistryClient, clock: Clock) -> None:
        self._client = client
        self._without_api: ExpiringStore[str, bool] = ExpiringStore(clock=clock, max_entries=MAX_REMEMBERED_HOSTS)

    async def tags(self, question: Question, endpoint: Endpoint) -> tuple[str, ...] | None:
        """Return all tags of a repository, each once; None if the registry does not know the repository."""
        first = self._client.request(endpoint, f"tags/list?n={TAGS_PER_PAGE}", accept="application/json")
        tags: dict[str, None] = {}
        pages = 0
        async for page, _ in self._pages(question, endpoint, first):
            if not is_found(question, status=page.status, moved=page.moved):
                return None
            pages += 1
            tags |= dict.fromkeys(_read(question, parse_tags, page))
            if len(tags) > MAX_TAGS or pages > MAX_TAG_PAGES:
                raise question.trouble(TroubleKind.TOO_LARGE, f"more than {MAX_TAGS} tags or {MAX_TAG_PAGES} pages")
        return tuple(tags)

    async def referrers(self, question: Question, endpoint: Endpoint, digest: Digest) -> ReferrerListing:
        """Return what is attached to a digest.

        1. The referrers API counts if it answers 200 with an OCI index. Another type, or one of the errors by which
           registries without the API are known, means that there is none. That is remembered for the host, unless
           the error has the form of the specification: then it may speak of this repository alone.
        2. Without the API, and also if it lists nothing, the fallback tag is read: registries that gained the API
           later do not always know what was attached before. An image with referrers costs no second request.
        """
        if self._without_api.get(endpoint.host) is None:
            listing = await self._from_api(question, endpoint, digest)
            if listing.descriptors:
                return listing
        return await self._from_fallback_tag(question, endpoint, digest)

    async def _from_api(self, question: Question, endpoint: Endpoint, digest: Digest) -> ReferrerListing:
        """Ask the API; nothing is listed if there is no API."""
        first = self._client.request(endpoint, f"referrers/{digest}", accept=OCI_INDEX)
        found: list[Descriptor] = []
        pages = 0
        async for page, following in self._pages(question, endpoint, first):
            if pages == 0 and self._has_no_api(endpoint, page):
                break
            if page.status != OK or page.moved or page.media_type != OCI_INDEX:
                raise question.trouble(TroubleKind.BAD_ANSWER, f"HTTP {page.status} {page.media_type}")
            found += _read(question, parse_descriptors, page)
            pages += 1
            is_last = pages == MAX_REFERRER_PAGES and following is not None
            if len(found) > MAX_REFERRERS or is_last:
                return ReferrerListing(descriptors=tuple(found[:MAX_REFERRERS]), truncated=True)
        return ReferrerListing(descriptors=tuple(found))

    def _has_no_api(self, endpoint: Endpoint, page: Answer) -> bool:
        """Tell whether a first page shows that there is no referrers API here, and remember it if it is general."""
        is_other = page.status in NO_API or (page.status == OK and page.media_type != OCI_INDEX)
        missing = is_other and not page.moved
        if missing and not (page.status == NOT_FOUND and is_error_document(page.body)):
            self._without_api.put(endpoint.host, value=True, seconds=NO_API_SECONDS)
        return missing

    async def _from_fallback_tag(self, question: Question, endpoint: Endpoint, digest: Digest) -> ReferrerListing:
        """Read the index under the tag that is derived from the digest; no such tag means that nothing is attached.

        Source: OCI Distribution Specification 1.1, "Referrers Tag Schema": at most 64 digits of the digest.
        """
        tag = f"{digest.algorithm}-{digest.hex[:64]}"
        request = self._client.request(endpoint, f"manifests/{tag}", accept=OCI_INDEX)
        index = await self._client.find(question, endpoint, request, max_bytes=MAX_PAGE_BYTES)
        if index is None:
            return ReferrerListing(descriptors=())
        found = _read(question, parse_descriptors, index)
        return ReferrerListing(descriptors=found[:MAX_REFERRERS], truncated=len(found) > MAX_REFERRERS)

    async def _pages(
        self, question: Question, endpoint: Endpoint, first: Request
    ) -> AsyncIterator[tuple[Answer, URL | None]]:
        """Yield page after page, each with the address of the one that follows; whoever reads them sets the bound."""
        following: URL | None = first.url
        while following is not None:
            request = replace(first, url=following)
            page = await self._client.ask(question, endpoint, request, max_bytes=MAX_PAGE_BYTES)
            try:
                following = next_page(page.link, page.url) if page.status == OK else None
            except ParseError as error:
                raise question.trouble(TroubleKind.BAD_ANSWER, error.message) from error
            yield page, following


def _read(question: Question, parse: Callable[[bytes], tuple[T, ...]], page: Answer) -> tuple[T, ...]:
    """Parse a page; what cannot be parsed is a bad answer."""
    try:
        return parse(page.body)
    except ParseError as error:
        raise question.trouble(TroubleKind.BAD_ANSWER, error.message) from error
