"""Collecting facts: the questions that a registry is asked about one image, and the bounds on asking.

Nothing is judged here. Port errors become `Trouble`; documents that cannot be read one way only become `Malformed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from webhook.collecting.attachments import Attachment, Attachments
from webhook.collecting.attestations import search_attestations
from webhook.collecting.signatures import attached_and_tagged, signatures_among
from webhook.core.facts import AttestationSearch, Facts, Known, Learnt, PlatformImage, SignatureSearch, Trouble
from webhook.core.manifests import (
    MAX_CONFIG_BYTES,
    Descriptor,
    Index,
    Malformed,
    Manifest,
    attestation_contradiction,
    is_attestation,
    parse_config,
    parse_manifest,
    platform_contradiction,
    runnable_problem,
)
from webhook.core.questions import Needs
from webhook.core.references import Digest, ImageReference, PinnedImage
from webhook.ports import RawManifest, Registry, RegistryTrouble, TroubleKind

__all__ = ["MAX_IMAGE_BYTES", "Children", "collect_children", "collect_facts", "resolve"]

MAX_IMAGE_BYTES = 8 * 1024 * 1024
"""How many bytes of manifests and configs are read for one image: in memory they take many times as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Children:
    """What an image consists of: what can run, and the attestation manifests that its index lists beside."""

    platforms: tuple[PlatformImage, ...]
    attestations: tuple[Attachment, ...] = ()


class _Documents:
    """The manifests and configs of one image. More than 8 MiB of them are TOO_LARGE."""

    def __init__(self, registry: Registry, *, deadline: float) -> None:
        self._registry = registry
        self._deadline = deadline
        self._left = MAX_IMAGE_BYTES

    async def manifest(self, image: PinnedImage) -> RawManifest | None:
        """Return a manifest or an index."""
        raw = await self._registry.manifest(image, deadline=self._deadline)
        self._count(image, raw.data if raw else b"")
        return raw

    async def config(self, image: PinnedImage, digest: Digest) -> bytes | None:
        """Return the config of an image."""
        data = await self._registry.blob(image.repository, digest, max_bytes=MAX_CONFIG_BYTES, deadline=self._deadline)
        self._count(image, data or b"")
        return data

    def _count(self, image: PinnedImage, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise RegistryTrouble(TroubleKind.TOO_LARGE, doing="reading the image", where=image.repository.registry)


async def collect_facts(reference: ImageReference, needs: Needs, registry: Registry, *, deadline: float) -> Facts:
    """Learn what is needed about one image. A tag is resolved once; all else is asked by that digest."""
    image = await resolve(reference, registry, deadline=deadline)
    if not isinstance(image, Known) or image.value is None or not needs.platforms:
        return Facts(reference=reference, image=image)
    children, (attached, signatures) = await asyncio.gather(
        collect_children(registry, image.value, deadline=deadline),
        _search_if_needed(needs, registry, image.value, deadline=deadline),
    )
    if children is None:
        return Facts(reference=reference, image=Known(value=None))
    attestations = await _attestations_if_needed(needs, registry, image.value, children, attached, deadline=deadline)
    platforms = Known(value=children.value.platforms) if isinstance(children, Known) else children
    return Facts(
        reference=reference, image=image, platforms=platforms, signatures=signatures, attestations=attestations
    )


async def collect_children(
    registry: Registry, image: PinnedImage, *, deadline: float
) -> Known[Children] | Trouble | Malformed | None:
    """Read every child of an image, in the order of its index; None if the registry does not have the image.

    Children are taken by digest, each once, and held against every descriptor that offers them. One is set apart only
    if its own bytes show an attestation, and no descriptor offers it to a node.
    """
    documents = _Documents(registry, deadline=deadline)
    try:
        raw = await documents.manifest(image)
        if raw is None:
            return None
        root = parse_manifest(raw.digest, raw.media_type, raw.data)
        if isinstance(root, Malformed):
            return root
        if isinstance(root, Index):
            return await _read_children(documents, image, root)
        single = await _read_platform(documents, image, root)
    except RegistryTrouble as trouble:
        return trouble.as_trouble()
    return single if isinstance(single, Malformed) else Known(value=Children(platforms=(single,)))


async def resolve(reference: ImageReference, registry: Registry, *, deadline: float) -> Learnt[PinnedImage | None]:
    """Pin the reference. A written digest decides; its tag is never asked about."""
    if reference.digest is not None:
        return Known(value=reference.pinned(reference.digest))
    try:
        digest = await registry.resolve(reference.repository, reference.tag or "latest", deadline=deadline)
    except RegistryTrouble as trouble:
        return trouble.as_trouble()
    return Known(value=reference.pinned(digest) if digest else None)


async def _search_if_needed(
    needs: Needs, registry: Registry, image: PinnedImage, *, deadline: float
) -> tuple[Attachments, SignatureSearch | None]:
    """List what is attached to the image once, for signatures and attestations."""
    if not needs.signatures:
        return Attachments(), None
    attached, tagged = await attached_and_tagged(registry, image, elsewhere=needs.elsewhere, deadline=deadline)
    return attached, await signatures_among(registry, image, attached, tagged, deadline=deadline)


async def _attestations_if_needed(
    needs: Needs,
    registry: Registry,
    image: PinnedImage,
    children: Known[Children] | Trouble | Malformed,
    attached: Attachments,
    *,
    deadline: float,
) -> AttestationSearch | None:
    """Search where the rule asks for some, and the platforms that they must be about are known."""
    if not needs.attestations or not isinstance(children, Known):
        return None
    return await search_attestations(
        registry,
        image,
        tuple(platform.digest for platform in children.value.platforms),
        wanted=needs.attestations,
        attached=attached,
        in_index=children.value.attestations,
        elsewhere=needs.elsewhere,
        deadline=deadline,
    )


async def _read_children(
    documents: _Documents, image: PinnedImage, index: Index
) -> Known[Children] | Trouble | Malformed:
    offers: dict[Digest, tuple[Descriptor, ...]] = {}
    for descriptor in index.manifests:
        offers[descriptor.digest] = (*offers.get(descriptor.digest, ()), descriptor)
    read = await asyncio.gather(*(_read_child(documents, image, digest, offered) for digest, offered in offers.items()))
    for kind in (Malformed, Trouble):
        spoilt = next((found for found in read if isinstance(found, kind)), None)
        if spoilt is not None:
            return spoilt
    platforms = tuple(found for found in read if isinstance(found, PlatformImage))
    if not platforms:
        return Malformed(what=f"index {image.digest.short}", why="it offers nothing that can run")
    attestations = tuple(found for found in read if isinstance(found, Attachment))
    return Known(value=Children(platforms=platforms, attestations=attestations))


async def _read_child(
    documents: _Documents, image: PinnedImage, digest: Digest, offered: tuple[Descriptor, ...]
) -> PlatformImage | Attachment | Malformed | Trouble:
    """Read one child of an index, `offered` by these descriptors: something that can run, or an attestation.

    A child that the registry does not have cannot run today and may be pushed tomorrow: nobody knows what it is.
    """
    child = PinnedImage(repository=image.repository, digest=digest)
    try:
        raw = await documents.manifest(child)
        if raw is None:
            raise _incomplete(image, f"manifest {digest}")
        manifest = parse_manifest(raw.digest, raw.media_type, raw.data)
        if isinstance(manifest, Index):
            return Malformed(what=f"index {image.digest.short}", why="it holds another index")
        if isinstance(manifest, Malformed):
            return manifest
        if is_attestation(manifest):
            attachment = Attachment(repository=child.repository, digest=digest, manifest=manifest)
            return _first(map(attestation_contradiction, offered)) or attachment
        platform = await _read_platform(documents, child, manifest)
    except RegistryTrouble as trouble:
        return trouble.as_trouble()
    if isinstance(platform, Malformed):
        return platform
    return _first(platform_contradiction(descriptor, platform.config) for descriptor in offered) or platform


def _first(problems: Iterable[Malformed | None]) -> Malformed | None:
    return next((problem for problem in problems if problem is not None), None)


async def _read_platform(documents: _Documents, image: PinnedImage, manifest: Manifest) -> PlatformImage | Malformed:
    problem = runnable_problem(manifest)
    if problem is not None:
        return problem
    digest = manifest.config.digest
    data = await documents.config(image, digest)
    if data is None:
        raise _incomplete(image, f"config {digest}")
    config = parse_config(manifest, data)
    if isinstance(config, Malformed):
        return config
    return PlatformImage(digest=image.digest, manifest=manifest, config=config)


def _incomplete(image: PinnedImage, missing: str) -> RegistryTrouble:
    return RegistryTrouble(
        TroubleKind.INCOMPLETE, doing="reading the image", where=image.repository.registry, detail=f"no {missing}"
    )
