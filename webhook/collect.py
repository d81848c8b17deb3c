"""Collecting facts: the questions that a registry is asked about one image, and the bounds on asking.

Nothing is judged here. Port errors become `Trouble`; documents that cannot be read one way only become `Malformed`.
"""

from __future__ import annotations

import asyncio
from itertools import accumulate

from webhook.core.facts import (
    Facts,
    Known,
    Learnt,
    PlatformImage,
    SignatureCandidate,
    SignatureSearch,
    Trouble,
)
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
from webhook.core.signatures.discovery import CandidateLayer, candidates_in, fetch_order, in_turns, signature_tag
from webhook.ports import Registry, RegistryTrouble, TroubleKind

__all__ = ["collect_facts", "collect_platforms", "search_signatures"]

MAX_REFERRERS_READ = 200
"""Manifests of referrers that are opened for one image; the likely ones come first."""
MAX_CANDIDATES = 200
"""Signatures of one image that are fetched to be judged."""
MAX_CANDIDATE_BYTES = 32 * 1024 * 1024
"""How many bytes they may have together, by their descriptors."""


async def collect_facts(reference: ImageReference, needs: Needs, registry: Registry, *, deadline: float) -> Facts:
    """Learn what is needed about one image. A tag is resolved once; all else is asked by that digest."""
    image = await _resolve(reference, registry, deadline=deadline)
    if not isinstance(image, Known) or image.value is None or not needs.platforms:
        return Facts(reference=reference, image=image)
    platforms, signatures = await asyncio.gather(
        collect_platforms(registry, image.value, deadline=deadline),
        _search_if_needed(needs, registry, image.value, deadline=deadline),
    )
    if platforms is None:
        return Facts(reference=reference, image=Known(value=None))
    return Facts(reference=reference, image=image, platforms=platforms, signatures=signatures)


async def collect_platforms(
    registry: Registry, image: PinnedImage, *, deadline: float
) -> Known[tuple[PlatformImage, ...]] | Trouble | Malformed | None:
    """Read every runnable child of an image, in the order of its index; None if the registry does not have the image.

    Children are taken by digest, each once. One is skipped only if its own bytes show an attestation.
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
    return single if isinstance(single, Malformed) else Known(value=(single,))


async def search_signatures(registry: Registry, image: PinnedImage, *, deadline: float) -> SignatureSearch:
    """Find everything that may be a signature over exactly `image`: referrers and the `.sig` tag, both always.

    What could not be read makes the search incomplete and does not hide the rest. Sources: OCI Distribution Spec 1.1,
    "Listing referrers"; cosign's signature specification for the tag.
    """
    tagged, attached = await asyncio.gather(
        _tagged_signatures(registry, image, deadline=deadline),
        _attached_signatures(registry, image, deadline=deadline),
    )
    found = in_turns([tagged, attached])
    layers = tuple(layer for layer in found if isinstance(layer, CandidateLayer))
    chosen = _within_bounds(layers)
    fetched = await asyncio.gather(*(_fetch_candidate(registry, image, layer, deadline=deadline) for layer in chosen))
    troubles = [trouble for trouble in (*found, *fetched) if isinstance(trouble, Trouble)]
    if len(chosen) < len(layers):
        troubles.append(_too_many(image))
    candidates = tuple(candidate for candidate in fetched if isinstance(candidate, SignatureCandidate))
    return SignatureSearch(candidates=candidates, incomplete=troubles[0] if troubles else None)


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
) -> SignatureSearch | None:
    return await search_signatures(registry, image, deadline=deadline) if needs.signatures else None


async def _read_children(
    registry: Registry, image: PinnedImage, index: Index, *, deadline: float
) -> Known[tuple[PlatformImage, ...]] | Trouble | Malformed:
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
    return Known(value=platforms)


async def _read_child(
    registry: Registry, image: PinnedImage, descriptor: Descriptor, *, deadline: float
) -> PlatformImage | Malformed | Trouble | None:
    """Read one child of an index; None for an attestation.

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
            return None
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


def _within_bounds(layers: tuple[CandidateLayer, ...]) -> tuple[CandidateLayer, ...]:
    """Return the first of `layers` that may be fetched together."""
    total = accumulate(layer.descriptor.size for layer in layers[:MAX_CANDIDATES])
    return tuple(
        layer for layer, bytes_so_far in zip(layers, total, strict=False) if bytes_so_far <= MAX_CANDIDATE_BYTES
    )


async def _tagged_signatures(
    registry: Registry, image: PinnedImage, *, deadline: float
) -> tuple[CandidateLayer | Trouble, ...]:
    """Read cosign's classic signatures, behind the tag that is derived from the digest.

    For a sha512 digest that tag would be longer than a tag may be, so there is none.
    """
    if image.digest.algorithm != "sha256":
        return ()
    try:
        digest = await registry.resolve(image.repository, signature_tag(image.digest), deadline=deadline)
    except RegistryTrouble as trouble:
        return (trouble.as_trouble(),)
    if digest is None:
        return ()
    carrier = PinnedImage(repository=image.repository, digest=digest)
    return await _layers_of(registry, image, carrier, deadline=deadline)


async def _attached_signatures(
    registry: Registry, image: PinnedImage, *, deadline: float
) -> tuple[CandidateLayer | Trouble, ...]:
    """Read the referrers of the image. What they are is told by their own bytes, never by their descriptors."""
    try:
        listing = await registry.referrers(image, deadline=deadline)
    except RegistryTrouble as trouble:
        return (trouble.as_trouble(),)
    ordered = fetch_order(listing.descriptors)
    carriers = [PinnedImage(repository=image.repository, digest=d.digest) for d in ordered[:MAX_REFERRERS_READ]]
    read = await asyncio.gather(*(_layers_of(registry, image, carrier, deadline=deadline) for carrier in carriers))
    cut_short = listing.truncated or len(ordered) > MAX_REFERRERS_READ
    found = tuple(layer for layers in read for layer in layers)
    return (*found, _too_many(image)) if cut_short else found


async def _layers_of(
    registry: Registry, image: PinnedImage, carrier: PinnedImage, *, deadline: float
) -> tuple[CandidateLayer | Trouble, ...]:
    """Open one manifest. One that is listed and gone, or cannot be read, carries nothing."""
    try:
        raw = await registry.manifest(carrier, deadline=deadline)
    except RegistryTrouble as trouble:
        return (trouble.as_trouble(),)
    manifest = parse_manifest(raw.digest, raw.media_type, raw.data) if raw else None
    return candidates_in(manifest, image.digest, carrier.digest) if isinstance(manifest, Manifest) else ()


async def _fetch_candidate(
    registry: Registry, image: PinnedImage, layer: CandidateLayer, *, deadline: float
) -> SignatureCandidate | Trouble | None:
    try:
        payload = await registry.blob(
            image.repository, layer.descriptor.digest, max_bytes=layer.descriptor.size, deadline=deadline
        )
    except RegistryTrouble as trouble:
        # An attachment larger than its descriptor says is junk; it must not keep a genuine signature from counting.
        return None if trouble.kind is TroubleKind.TOO_LARGE else trouble.as_trouble()
    if payload is None:
        return None
    return SignatureCandidate(
        kind=layer.kind, manifest=layer.manifest, payload=payload, annotations=layer.descriptor.annotations
    )


def _too_many(image: PinnedImage) -> Trouble:
    return Trouble(
        doing="looking for signatures",
        where=image.repository.registry,
        why="more is attached to the image than the gate reads",
    )
