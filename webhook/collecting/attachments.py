"""What is attached to a digest: the manifests behind its referrers and behind a tag that is made of it, opened.

It lies in the repository of the image and, where a policy says so, in others `elsewhere`: all of them are asked.
Nothing is judged here. What is listed and gone, or no manifest, carries nothing; trouble is kept beside what was found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

from webhook.core.facts import Trouble
from webhook.core.manifests import Descriptor, Manifest, parse_manifest
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.core.signatures.discovery import fetch_order, in_turns
from webhook.ports import Registry, RegistryTrouble, TroubleKind

__all__ = [
    "Attachment",
    "Attachments",
    "attached_to",
    "behind_tag",
    "fetch_layer",
    "too_many",
    "within_bounds",
]

T = TypeVar("T")

MAX_REFERRERS_READ = 200
"""Manifests of referrers that are opened for one image in one repository; the likely ones come first."""
MAX_CANDIDATES = 200
"""Signatures, or attestations, of one image that are fetched to be judged."""
MAX_CANDIDATE_BYTES = 32 * 1024 * 1024
"""How many bytes they may have together, by their descriptors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A manifest that hangs on a digest, its own digest, and the repository that holds it and its layers."""

    repository: Repository
    digest: Digest
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """What hangs on one digest, the likely signatures first. With `troubles`, there may be more."""

    found: tuple[Attachment, ...] = ()
    troubles: tuple[Trouble, ...] = ()


async def attached_to(
    registry: Registry, image: PinnedImage, *, elsewhere: tuple[Repository, ...], deadline: float
) -> Attachments:
    """Read the referrers of the image. What they are is told by their own bytes, never by their descriptors."""
    read = await asyncio.gather(
        *(_referrers(registry, place, deadline=deadline) for place in _places(image, elsewhere))
    )
    return _together(read)


async def behind_tag(
    registry: Registry, image: PinnedImage, tag: str, *, elsewhere: tuple[Repository, ...], deadline: float
) -> Attachments:
    """Read what a tag that is made of the image's digest points to.

    For a sha512 digest that tag would be longer than a tag may be, so there is none.
    """
    if image.digest.algorithm != "sha256":
        return Attachments()
    read = await asyncio.gather(
        *(_tagged(registry, place, tag, deadline=deadline) for place in _places(image, elsewhere))
    )
    return _together(read)


async def fetch_layer(
    registry: Registry, repository: Repository, layer: Descriptor, *, deadline: float
) -> bytes | Trouble | None:
    """Fetch one layer; None if the registry does not have it, or it is larger than its descriptor says."""
    try:
        return await registry.blob(repository, layer.digest, max_bytes=layer.size, deadline=deadline)
    except RegistryTrouble as trouble:
        # An attachment larger than its descriptor says is junk; it must not keep a genuine one from counting.
        return None if trouble.kind is TroubleKind.TOO_LARGE else trouble.as_trouble()


def within_bounds(layers: Iterable[tuple[T, Descriptor]]) -> tuple[T, ...]:
    """Return the first of some things, each with its layer, that may be fetched together."""
    first = tuple(layers)[:MAX_CANDIDATES]
    total = accumulate(descriptor.size for _, descriptor in first)
    return tuple(
        thing for (thing, _), bytes_so_far in zip(first, total, strict=True) if bytes_so_far <= MAX_CANDIDATE_BYTES
    )


def too_many(image: PinnedImage, what: str) -> Trouble:
    """Return the trouble that a bound was met while looking for `what`."""
    return Trouble(
        doing=f"looking for {what}",
        where=image.repository.registry,
        why="more is attached to the image than the gate reads",
    )


def _places(image: PinnedImage, elsewhere: tuple[Repository, ...]) -> tuple[PinnedImage, ...]:
    """Return the image as each repository would name it: a digest is the same everywhere."""
    repositories = dict.fromkeys((image.repository, *elsewhere))
    return tuple(PinnedImage(repository=repository, digest=image.digest) for repository in repositories)


def _together(places: Iterable[Attachments]) -> Attachments:
    """Join what was found in several repositories: none waits for the end of another."""
    read = tuple(places)
    return Attachments(
        found=in_turns([place.found for place in read]),
        troubles=tuple(trouble for place in read for trouble in place.troubles),
    )


async def _referrers(registry: Registry, image: PinnedImage, *, deadline: float) -> Attachments:
    try:
        listing = await registry.referrers(image, deadline=deadline)
    except RegistryTrouble as trouble:
        return Attachments(troubles=(trouble.as_trouble(),))
    ordered = fetch_order(listing.descriptors)
    read = await asyncio.gather(
        *(_open(registry, image, descriptor.digest, deadline=deadline) for descriptor in ordered[:MAX_REFERRERS_READ])
    )
    cut_short = listing.truncated or len(ordered) > MAX_REFERRERS_READ
    return _sum(read, *((too_many(image, "attachments"),) if cut_short else ()))


async def _tagged(registry: Registry, image: PinnedImage, tag: str, *, deadline: float) -> Attachments:
    try:
        digest = await registry.resolve(image.repository, tag, deadline=deadline)
    except RegistryTrouble as trouble:
        return Attachments(troubles=(trouble.as_trouble(),))
    return _sum([await _open(registry, image, digest, deadline=deadline)]) if digest is not None else Attachments()


async def _open(
    registry: Registry, image: PinnedImage, digest: Digest, *, deadline: float
) -> Attachment | Trouble | None:
    """Open one manifest. One that is listed and gone, or cannot be read, carries nothing."""
    try:
        raw = await registry.manifest(PinnedImage(repository=image.repository, digest=digest), deadline=deadline)
    except RegistryTrouble as trouble:
        return trouble.as_trouble()
    manifest = parse_manifest(raw.digest, raw.media_type, raw.data) if raw else None
    if not isinstance(manifest, Manifest):
        return None
    return Attachment(repository=image.repository, digest=digest, manifest=manifest)


def _sum(read: Iterable[Attachment | Trouble | None], *troubles: Trouble) -> Attachments:
    opened = tuple(read)
    return Attachments(
        found=tuple(one for one in opened if isinstance(one, Attachment)),
        troubles=(*(one for one in opened if isinstance(one, Trouble)), *troubles),
    )
