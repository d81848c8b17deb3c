"""Looking for signatures over exactly one digest: referrers and the `.sig` tag, within bounds."""

from __future__ import annotations

import asyncio

from webhook.collecting.attachments import Attachments, attached_to, behind_tag, fetch_layer, too_many, within_bounds
from webhook.core.facts import SignatureCandidate, SignatureSearch, Trouble
from webhook.core.references import PinnedImage, Repository
from webhook.core.signatures.discovery import CandidateLayer, candidates_in, in_turns, signature_tag
from webhook.ports import Registry

__all__ = ["attached_and_tagged", "search_signatures", "signatures_among"]


async def search_signatures(
    registry: Registry, image: PinnedImage, *, elsewhere: tuple[Repository, ...], deadline: float
) -> SignatureSearch:
    """Find everything that may be a signature over exactly `image`: referrers and the `.sig` tag, both always.

    They lie in the image's repository or `elsewhere`; all of these are asked. What could not be read makes the search
    incomplete and does not hide the rest. Sources: OCI Distribution Spec 1.1, "Listing referrers"; cosign's signature
    specification for the tag, and for COSIGN_REPOSITORY, which moves referrers and tags alike.
    """
    attached, tagged = await attached_and_tagged(registry, image, elsewhere=elsewhere, deadline=deadline)
    return await signatures_among(registry, image, attached, tagged, deadline=deadline)


async def attached_and_tagged(
    registry: Registry, image: PinnedImage, *, elsewhere: tuple[Repository, ...], deadline: float
) -> tuple[Attachments, Attachments]:
    """Open the referrers of the image, and what stands behind its `.sig` tag, at the same time."""
    return await asyncio.gather(
        attached_to(registry, image, elsewhere=elsewhere, deadline=deadline),
        behind_tag(registry, image, signature_tag(image.digest), elsewhere=elsewhere, deadline=deadline),
    )


async def signatures_among(
    registry: Registry, image: PinnedImage, attached: Attachments, tagged: Attachments, *, deadline: float
) -> SignatureSearch:
    """Fetch what may be a signature over exactly `image` among what was found `attached` to it and `tagged` for it."""
    layers = in_turns([_layers(tagged, image), _layers(attached, image)])
    chosen = within_bounds(((place, layer), layer.descriptor) for place, layer in layers)
    fetched = await asyncio.gather(*(_fetch(registry, place, layer, deadline=deadline) for place, layer in chosen))
    troubles = [*tagged.troubles, *attached.troubles, *(found for found in fetched if isinstance(found, Trouble))]
    if len(chosen) < len(layers):
        troubles.append(too_many(image, "signatures"))
    candidates = tuple(found for found in fetched if isinstance(found, SignatureCandidate))
    return SignatureSearch(candidates=candidates, incomplete=troubles[0] if troubles else None)


def _layers(attachments: Attachments, image: PinnedImage) -> tuple[tuple[Repository, CandidateLayer], ...]:
    """Return what may be a signature, each with the repository that holds it."""
    return tuple(
        (one.repository, layer)
        for one in attachments.found
        for layer in candidates_in(one.manifest, image.digest, one.digest)
    )


async def _fetch(
    registry: Registry, place: Repository, layer: CandidateLayer, *, deadline: float
) -> SignatureCandidate | Trouble | None:
    payload = await fetch_layer(registry, place, layer.descriptor, deadline=deadline)
    if not isinstance(payload, bytes):
        return payload
    return SignatureCandidate(
        kind=layer.kind, manifest=layer.manifest, payload=payload, annotations=layer.descriptor.annotations
    )
