"""Layer chain + catalog → the base this image starts with, and what proves it.

Source: OCI Image Specification 1.1, `config.md`, "Layer ChainID".
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import assert_never

from webhook.core.bases.catalog import BaseBuild, Catalog, chain_key
from webhook.core.facts import Known, Learnt, PlatformImage, Trouble
from webhook.core.manifests import Malformed
from webhook.core.references import Digest

__all__ = ["Ancestry", "Closest", "LayerProof", "chain_ids", "only_empty_layers", "trace"]

EMPTY_LAYERS = frozenset(Digest.of(bytes(size)) for size in (0, 512, 1024, 10240))
"""Diff IDs of layers without a file: no bytes, one end-of-archive block, two (Go writes these), a GNU tar record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProof:
    """Whether the image's own bytes are those of the base's layers.

    `pending` are the compressed layers whose content nobody has hashed yet: empty when the proof is complete.
    """

    pending: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Closest:
    """The build that shares the most layers with an image that stands on none; for words only."""

    build: BaseBuild
    shared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestry:
    """What one platform of an image stands on.

    `matches` are the builds with the longest chain that prefixes the image's (several names, one chain), newest first;
    empty if there is none. `contained` are builds with shorter chains that the image also starts with: they approve
    nothing, but a revoked one among them condemns. `chain_ids` are the image's running chain IDs, base first.
    """

    matches: tuple[BaseBuild, ...]
    contained: tuple[BaseBuild, ...]
    chain_ids: tuple[Digest, ...]
    closest: Closest | None
    proof: LayerProof | Malformed


def chain_ids(diff_ids: tuple[Digest, ...]) -> tuple[Digest, ...]:
    """Return the running chain IDs of diff IDs, both base first: the last one names the whole stack.

    The first is the first diff ID itself; each further one hashes `previous + " " + diff ID`. Nothing comes of nothing.
    """
    chain: list[Digest] = []
    for diff_id in diff_ids:
        if not chain:
            chain.append(diff_id)
            continue
        hashed = hashlib.sha256(f"{chain[-1]} {diff_id}".encode())
        chain.append(Digest(algorithm="sha256", hex=hashed.hexdigest()))
    return tuple(chain)


def only_empty_layers(diff_ids: tuple[Digest, ...]) -> bool:
    """Tell whether a chain holds no file at all: every image starts with it, so it proves nothing."""
    return EMPTY_LAYERS.issuperset(diff_ids)


def trace(
    image: PlatformImage, catalog: Catalog, layer_diff_ids: Mapping[Digest, Learnt[Digest] | Malformed]
) -> Ancestry:
    """Find the base of one platform of an image. Nothing but diff IDs, layer digests and the platform is looked at.

    1. Among all recorded builds for exactly this platform, approved or not, those whose whole chain prefixes the
       image's diff IDs are its ancestors; the longest chain is its base, and it alone may be approved. A chain of
       empty layers is nobody's.
    2. Compressed layers that are catalogued with other diff IDs than the config claims: the image is malformed.
    3. The diff IDs are only claims. Each layer of the base is proven by its digest, which the base's signed manifest
       names, or by having been hashed (`layer_diff_ids`, by compressed digest). What is neither is pending.

    Source: Docker's "derived image base discovery" (docker-hardened-images/advisories), steps 5 and 6.
    """
    diff_ids, platform = image.config.diff_ids, image.config.platform
    found = [
        catalog.by_chain[platform, diff_ids[:length]]
        for length in catalog.chain_lengths.get(platform, ())
        if length <= len(diff_ids)
        and (platform, diff_ids[:length]) in catalog.by_chain
        and not only_empty_layers(diff_ids[:length])
    ]
    matches = _newest_first(found[0]) if found else ()
    return Ancestry(
        matches=matches,
        contained=tuple(build for builds in found[1:] for build in builds),
        chain_ids=chain_ids(diff_ids),
        closest=None if matches else _closest(image, catalog),
        proof=_contradiction(image, catalog) or _prove(image, matches, layer_diff_ids),
    )


def _newest_first(builds: tuple[BaseBuild, ...]) -> tuple[BaseBuild, ...]:
    return tuple(sorted(builds, key=lambda build: (build.created, build.first_seen), reverse=True))


def _contradiction(image: PlatformImage, catalog: Catalog) -> Malformed | None:
    """Find layers that are known, by their digests, to hash to other diff IDs than the config claims.

    A config that hides its base in this way (a revoked one, say) could match a shorter chain, or none.
    """
    digests = tuple(layer.digest for layer in image.manifest.layers)
    for length in catalog.layer_lengths:
        for build in catalog.by_layers.get(digests[:length], ()):
            if image.config.diff_ids[:length] != build.diff_ids:
                return Malformed(
                    what=f"config {image.config.digest.short}",
                    why=f"it claims other diff IDs than the layers of {build.repository}@{build.digest.short} have",
                )
    return None


def _prove(
    image: PlatformImage,
    matches: tuple[BaseBuild, ...],
    layer_diff_ids: Mapping[Digest, Learnt[Digest] | Malformed],
) -> LayerProof | Malformed:
    """Hold every layer of the matched chain against the catalog and against what was hashed."""
    pending: list[Digest] = []
    catalogued = _catalogued_layers(matches)
    height = len(catalogued)
    # Strict: a position that were skipped would count as proven.
    for layer, claimed, known in zip(
        image.manifest.layers[:height], image.config.diff_ids[:height], catalogued, strict=True
    ):
        learnt = layer_diff_ids.get(layer.digest)
        match learnt:
            case Malformed() as malformed:
                return malformed
            case Known(value=content) if content != claimed:
                return Malformed(what=f"layer {layer.digest.short}", why="its content is not what the config claims")
            case Known():
                continue
            case Trouble() | None:
                if layer.digest not in known:
                    pending.append(layer.digest)
            case _:
                assert_never(learnt)
    return LayerProof(pending=tuple(dict.fromkeys(pending)))


def _catalogued_layers(matches: tuple[BaseBuild, ...]) -> tuple[frozenset[Digest], ...]:
    """Return, for each position of the chain, the compressed digests that prove it.

    Builds verified by different keys must all name the digest: otherwise a key that is trusted for one base could
    sign a config that lies, and so vouch for the layers of another base. Where they differ, the layer is hashed.
    """
    by_key: dict[Digest, list[BaseBuild]] = {}
    for build in matches:
        by_key.setdefault(build.verified_by.key_fingerprint, []).append(build)
    return tuple(
        frozenset.intersection(
            *(frozenset(build.layers[position] for build in builds) for builds in by_key.values()),
        )
        for position in range(len(matches[0].diff_ids) if matches else 0)
    )


def _closest(image: PlatformImage, catalog: Catalog) -> Closest | None:
    """Find the build with the longest common prefix: in sorted order it is a neighbour of the image's own place."""
    ordered = catalog.in_chain_order.get(image.config.platform, ())
    place = bisect_left(ordered, chain_key(image.config.diff_ids), key=lambda build: chain_key(build.diff_ids))
    neighbours = [
        Closest(build=build, shared=_shared(build.diff_ids, image.config.diff_ids))
        for build in ordered[max(place - 1, 0) : place + 1]
    ]
    best = max(neighbours, key=lambda closest: closest.shared, default=None)
    return best if best and best.shared else None


def _shared(one: tuple[Digest, ...], other: tuple[Digest, ...]) -> int:
    """Count the layers that both start with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
