"""Looking for attestations of an image and its platforms, in all the places where they are stored.

| who | where |
|---|---|
| cosign, classic | DSSE envelopes behind the tag `sha256-….att` |
| cosign v3, GitHub, others | bundles and envelopes as referrers |
| Docker | plain statements as referrers of each platform; what is signed is the manifest that carries one |
| BuildKit | plain statements in attestation manifests that the index lists |

All of it lies in the repository of the image or, where the policy says so, elsewhere. Where something hung tells
nothing about what it is about: the statement's own subject does, when it is verified.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from webhook.collecting.attachments import (
    Attachment,
    Attachments,
    attached_to,
    behind_tag,
    fetch_layer,
    too_many,
    within_bounds,
)
from webhook.collecting.signatures import search_signatures
from webhook.core.attestations.discovery import StatementLayer, attestation_tag, may_be_wanted, statement_layers
from webhook.core.facts import (
    AttestationCandidate,
    AttestationKind,
    AttestationSearch,
    SignatureSearch,
    Trouble,
)
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.core.signatures.discovery import from_both_ends, in_turns
from webhook.ports import Registry

__all__ = ["search_attestations"]

MAX_SIGNED_MANIFESTS = 64
"""Manifests with plain statements whose own signatures are looked for."""


async def search_attestations(
    registry: Registry,
    image: PinnedImage,
    platforms: tuple[Digest, ...],
    *,
    wanted: frozenset[str],
    attached: Attachments,
    in_index: tuple[Attachment, ...],
    elsewhere: tuple[Repository, ...],
    deadline: float,
) -> AttestationSearch:
    """Find everything that may be a statement about `image` or one of its `platforms`.

    `attached` are the referrers of the image itself, `in_index` the attestation manifests that it lists. What is
    attached, to the image or to such a manifest, is looked for in the image's repository and `elsewhere`. Signatures
    over manifests are looked for only where the statement inside is of a `wanted` predicate type. What could not be
    read makes the search incomplete and does not hide the rest.
    """
    search = _Search(
        registry=registry,
        image=image,
        digests=frozenset((image.digest, *platforms)),
        wanted=wanted,
        elsewhere=elsewhere,
        deadline=deadline,
    )
    others = tuple(digest for digest in platforms if digest != image.digest)
    found = (attached, *await search.attachments(others), Attachments(found=in_index))
    layers = in_turns([search.layers(attachments) for attachments in found])
    chosen = within_bounds(((place, layer), layer.descriptor) for place, layer in layers)
    fetched = await asyncio.gather(*(search.fetch(place, layer) for place, layer in chosen))
    candidates = tuple(one for one in fetched if isinstance(one, AttestationCandidate))
    listed = frozenset(one.digest for one in in_index)
    over_manifests, cut_short = await search.over_manifests(candidates, listed)
    troubles = [trouble for attachments in found for trouble in attachments.troubles]
    troubles += [one for one in fetched if isinstance(one, Trouble)]
    if cut_short or len(chosen) < len(layers):
        troubles.append(too_many(image, "attestations"))
    return AttestationSearch(
        candidates=candidates,
        over_manifests=over_manifests,
        in_index=listed,
        incomplete=troubles[0] if troubles else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """What every question of one search needs. `digests` are those that a statement may be about."""

    registry: Registry
    image: PinnedImage
    digests: frozenset[Digest]
    wanted: frozenset[str]
    elsewhere: tuple[Repository, ...]
    deadline: float

    async def attachments(self, platforms: tuple[Digest, ...]) -> list[Attachments]:
        """Open the referrers of the platforms, and the tags of the image and the platforms."""
        pinned = [PinnedImage(repository=self.image.repository, digest=digest) for digest in platforms]
        return await asyncio.gather(
            *(
                behind_tag(
                    self.registry,
                    one,
                    attestation_tag(one.digest),
                    elsewhere=self.elsewhere,
                    deadline=self.deadline,
                )
                for one in (self.image, *pinned)
            ),
            *(attached_to(self.registry, one, elsewhere=self.elsewhere, deadline=self.deadline) for one in pinned),
        )

    def layers(self, attachments: Attachments) -> tuple[tuple[Repository, StatementLayer], ...]:
        """Return what may be statements with the repository of each, each manifest waiting for no other's end."""
        return in_turns(
            [
                [(one.repository, layer) for layer in statement_layers(one.manifest, one.digest, self.digests)]
                for one in attachments.found
            ]
        )

    async def fetch(self, place: Repository, layer: StatementLayer) -> AttestationCandidate | Trouble | None:
        """Fetch one candidate; None for what is gone, or is plain and of a type that nobody asked for."""
        payload = await fetch_layer(self.registry, place, layer.descriptor, deadline=self.deadline)
        if not isinstance(payload, bytes):
            return payload
        candidate = AttestationCandidate(
            kind=layer.kind, manifest=layer.manifest, payload=payload, annotations=layer.descriptor.annotations
        )
        plain = candidate.kind is AttestationKind.PLAIN
        return None if plain and not may_be_wanted(candidate, self.wanted) else candidate

    async def over_manifests(
        self, candidates: tuple[AttestationCandidate, ...], listed: frozenset[Digest]
    ) -> tuple[dict[Digest, SignatureSearch], bool]:
        """Look for signatures over the manifests of plain statements; with it, whether there were too many.

        Those that the index lists come last: a signature over the index is enough for them.
        """
        manifests = dict.fromkeys(one.manifest for one in candidates if one.kind is AttestationKind.PLAIN)
        ordered = sorted(from_both_ends(tuple(manifests)), key=lambda manifest: manifest in listed)
        chosen = ordered[:MAX_SIGNED_MANIFESTS]
        pinned = [PinnedImage(repository=self.image.repository, digest=digest) for digest in chosen]
        found = await asyncio.gather(
            *(search_signatures(self.registry, one, elsewhere=self.elsewhere, deadline=self.deadline) for one in pinned)
        )
        return dict(zip(chosen, found, strict=True)), len(chosen) < len(ordered)
