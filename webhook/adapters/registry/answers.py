"""What a registry writes in its listings, read leniently but within bounds.

Nothing here is believed: a listing only says what to fetch next, by digest.
"""

from __future__ import annotations

import re

import msgspec
from yarl import URL

from webhook.core.errors import ParseError
from webhook.core.manifests import Descriptor
from webhook.core.references import Digest

__all__ = ["is_error_document", "next_page", "parse_descriptors", "parse_tags"]

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_LINK = re.compile(r"\s*<([^<>]*)>\s*((?:;[^,]*)?)(?:,|$)")
_NEXT = re.compile(r';\s*rel\s*=\s*"?next"?\s*(?:;|$)', re.IGNORECASE)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def parse_descriptors(data: bytes) -> tuple[Descriptor, ...]:
    """Return the `manifests` of an index; an entry without a usable digest is left out, platforms are not read.

    Raises ParseError if the document is no index at all.
    """
    try:
        index = msgspec.json.decode(data, type=_Index)
    except _UNREADABLE as error:
        raise ParseError("", "not an image index") from error
    return tuple(found for entry in index.manifests or () if (found := _descriptor(entry)) is not None)


def parse_tags(data: bytes) -> tuple[str, ...]:
    """Return the tags of one page, in its order; what is no tag is left out. Raises ParseError if it is no page."""
    try:
        page = msgspec.json.decode(data, type=_Tags)
    except _UNREADABLE as error:
        raise ParseError("", "not a list of tags") from error
    return tuple(tag for tag in page.tags or () if _TAG.fullmatch(tag))


def is_error_document(data: bytes) -> bool:
    """Tell whether a registry answered in the specification's own form of an error."""
    try:
        return bool(msgspec.json.decode(data, type=_Errors).errors)
    except _UNREADABLE:
        return False


def next_page(link: str, current: URL) -> URL | None:
    """Return the URL of the next page (RFC 8288), None after the last. ParseError if it leads to another origin."""
    target = next((match[1] for match in _LINK.finditer(link) if _NEXT.search(match[2])), None)
    if target is None:
        return None
    try:
        url = current.join(URL(target)).with_fragment(None)
        same = url.origin() == current.origin() and url.user is None and url.password is None
    except ValueError as error:
        raise ParseError("", "the next page has no usable address") from error
    if not same:
        raise ParseError("", "the next page is on another host")
    return url


class _Index(msgspec.Struct, frozen=True):
    """An index, as far as a listing needs it."""

    manifests: list[msgspec.Raw] | None


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    """A descriptor, as far as a listing needs it."""

    digest: str
    media_type: str = ""
    size: int = 0
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None


class _Tags(msgspec.Struct, frozen=True):
    """A page of tags."""

    tags: list[str] | None


class _Errors(msgspec.Struct, frozen=True):
    """An error document."""

    errors: list[msgspec.Raw]


def _descriptor(entry: msgspec.Raw) -> Descriptor | None:
    try:
        read = msgspec.json.decode(entry, type=_Entry)
        digest = Digest.parse(read.digest)
    except (*_UNREADABLE, ParseError):
        return None
    return Descriptor(
        media_type=read.media_type,
        digest=digest,
        size=read.size,
        annotations=read.annotations or {},
        artifact_type=read.artifact_type,
    )
