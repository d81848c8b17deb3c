"""Layer chain + catalog → the base this image starts with, and what proves it."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.core.catalog import BaseBuild
from webhook.core.manifests import Malformed
from webhook.core.references import Digest

__all__ = ["Ancestry", "Closest", "LayerProof"]


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
