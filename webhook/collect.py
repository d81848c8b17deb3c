"""Collecting facts: the questions that a registry is asked about one image, and the bounds on asking.

Nothing is judged here. Port errors become `Trouble`; documents that cannot be read one way only become `Malformed`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from webhook.attachments import Attachment, Attachments
from webhook.collect_attestations import search_attestations
from webhook.collect_signatures import attached_and_tagged, signatures_among
from webhook.core.facts import AttestationSearch, Facts, Known, Learnt, PlatformImage, SignatureSearch, Trouble
from webhook.core.manifests import (
    MAX_CONFIG_BYTES,
    Descriptor,
    Index,
    Malformed,
    Manifest,
    is_attestation,
    parse_config,
    parse_manifest,
    platform_contradiction,
    runnable_problem,
)
from webhook.core.questions import Needs
from webhook.core.references import ImageReference, PinnedImage
from webhook.ports import Registry, RegistryTrouble, TroubleKind

__all__ = ["Children", "collect_children", "collect_facts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Children:
    """What an image consists of: what can run, and the attestation manifests that its index lists beside."""

    platforms: tuple[PlatformImage, ...]
    attestations: tuple[Attachment, ...] = ()


async def collect_facts(reference: ImageReference, needs: Needs, registry: Registry, *, deadline: float) -> Facts:
    """Learn what is needed about one image. A tag is resolved once; all else is asked by that digest."""
    image = await _resolve(reference, registry, deadline=deadline)
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

    Children are taken by digest, each once. One is set apart only if its own bytes show an attestation.
    """
    try:
        raw = await registry.manifest(image, deadline=deadline)
        if raw is None:
            return None
        root = parse_manifest(raw.digest, raw.media_type, raw.data)
        if isinstance(root, Malformed):
            return root
        if isinstance(root, Index):
            return await _read_children(registry, image, root, deadline=deadline)
        single = await _read_platform(registry, image, root, deadline=deadline)
    except RegistryTrouble as trouble:
        return trouble.as_trouble()
    return single if isinstance(single, Malformed) else Known(value=Children(platforms=(single,)))


async def _resolve(reference: ImageReference, registry: Registry, *, deadline: float) -> Learnt[PinnedImage | None]:
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
    attached, tagged = await attached_and_tagged(registry, image, deadline=deadline)
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
        deadline=deadline,
    )


async def _read_children(
    registry: Registry, image: PinnedImage, index: Index, *, deadline: float
) -> Known[Children] | Trouble | Malformed:
    children = {descriptor.digest: descriptor for descriptor in index.manifests}
    read = await asyncio.gather(
        *(_read_child(registry, image, descriptor, deadline=deadline) for descriptor in children.values())
    )
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
    registry: Registry, image: PinnedImage, descriptor: Descriptor, *, deadline: float
) -> PlatformImage | Attachment | Malformed | Trouble:
    """Read one child of an index: something that can run, or an attestation.

    A child that the registry does not have cannot run today and may be pushed tomorrow: nobody knows what it is.
    """
    child = PinnedImage(repository=image.repository, digest=descriptor.digest)
    try:
        raw = await registry.manifest(child, deadline=deadline)
        if raw is None:
            raise _incomplete(image, f"manifest {descriptor.digest}")
        manifest = parse_manifest(raw.digest, raw.media_type, raw.data)
        if isinstance(manifest, Index):
            return Malformed(what=f"index {image.digest.short}", why="it holds another index")
        if isinstance(manifest, Malformed):
            return manifest
        if is_attestation(manifest):
            return Attachment(digest=child.digest, manifest=manifest)
        platform = await _read_platform(registry, child, manifest, deadline=deadline)
    except RegistryTrouble as trouble:
        return trouble.as_trouble()
    if isinstance(platform, Malformed):
        return platform
    return platform_contradiction(descriptor, platform.config) or platform


async def _read_platform(
    registry: Registry, image: PinnedImage, manifest: Manifest, *, deadline: float
) -> PlatformImage | Malformed:
    problem = runnable_problem(manifest)
    if problem is not None:
        return problem
    digest = manifest.config.digest
    data = await registry.blob(image.repository, digest, max_bytes=MAX_CONFIG_BYTES, deadline=deadline)
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
