"""Where signatures of an image may be, and which of the things found there may be signatures.

Pure helpers for whoever asks the registry. What a listing or an annotation says may choose where to look first; nothing
is left out by it, because a registry, a mirror or a stranger may have written it.
Sources: OCI Distribution Specification 1.1, "Referrers Tag Schema"; sigstore/cosign `specs/SIGNATURE_SPEC.md` and
`specs/BUNDLE_SPEC.md`; Notary Project `signature-specification.md`, "OCI Signatures".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeVar

from webhook.core.facts import CandidateKind
from webhook.core.manifests import Descriptor, Manifest
from webhook.core.references import Digest
from webhook.core.signatures import bundle, simple_signing
from webhook.core.signatures.notation import envelope_cose, envelope_jws
from webhook.core.signatures.notation.envelope import MAX_ENVELOPE_BYTES
from webhook.core.signatures.statement import COSIGN_SIGN

__all__ = [
    "CandidateLayer",
    "candidates_in",
    "fallback_tag",
    "fetch_order",
    "from_both_ends",
    "in_turns",
    "signature_tag",
]

T = TypeVar("T")

MAX_LIKELY_MANIFEST_BYTES = 64 * 1024
COSIGN_ARTIFACT = "application/vnd.dev.cosign.artifact.sig.v1+json"
NOTATION_ARTIFACT = "application/vnd.cncf.notary.signature"
PREDICATE_ANNOTATION = "dev.sigstore.bundle.predicateType"
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
TAG_HEX_DIGITS = 64

_NOTATION_KINDS = {
    envelope_jws.LAYER_TYPE: CandidateKind.NOTATION_JWS,
    envelope_cose.LAYER_TYPE: CandidateKind.NOTATION_COSE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateLayer:
    """A layer that may be a signature, in the manifest that carries it. Its annotations are in `descriptor`."""

    kind: CandidateKind
    manifest: Digest
    descriptor: Descriptor


def fallback_tag(digest: Digest) -> str:
    """Return the tag behind which referrers are indexed where a registry has no API for them."""
    return f"{digest.algorithm}-{digest.hex[:TAG_HEX_DIGITS]}"


def signature_tag(digest: Digest) -> str:
    """Return the tag behind which cosign's classic signatures of `digest` are.

    cosign spells all digits. For sha512 that is longer than a tag may be, so no registry has such a tag.
    """
    return f"{digest.algorithm}-{digest.hex}.sig"


def fetch_order(descriptors: tuple[Descriptor, ...]) -> tuple[Descriptor, ...]:
    """Return all of `descriptors`, those first that seem to be signatures.

    The ranks take turns, and each rank is walked from both ends: whoever hangs up a thousand look-alikes pushes a
    genuine signature back by a few places only.
    """
    ranks: tuple[list[Descriptor], ...] = ([], [], [])
    for descriptor in descriptors:
        ranks[_rank(descriptor)].append(descriptor)
    return in_turns([from_both_ends(rank) for rank in ranks])


def candidates_in(manifest: Manifest, subject: Digest, carrier: Digest) -> tuple[CandidateLayer, ...]:
    """Return what may be a signature over `subject` in `manifest`, whose digest is `carrier`.

    The manifest's own subject and types decide: a bundle stands alone in its manifest, and so does an envelope of
    Notation, whose layer type is that of any envelope, so that the manifest says whose it is; simple signing has one
    layer for each signature and, behind a `.sig` tag, no subject. Layers larger than their form allows are none.
    """
    if manifest.subject is not None and manifest.subject.digest != subject:
        return ()
    kind_of = _notation_kind if NOTATION_ARTIFACT in (manifest.artifact_type, manifest.config.media_type) else _kind
    kinds = ((kind_of(layer, alone=len(manifest.layers) == 1), layer) for layer in manifest.layers)
    found = [CandidateLayer(kind=kind, manifest=carrier, descriptor=layer) for kind, layer in kinds if kind is not None]
    return from_both_ends(found)


def from_both_ends(items: Sequence[T]) -> tuple[T, ...]:
    """Return first, last, second, last but one, …: junk that was put before or after the rest cannot crowd it out."""
    half = (len(items) + 1) // 2
    return in_turns([items[:half], items[half:][::-1]])


def in_turns(groups: Iterable[Sequence[T]]) -> tuple[T, ...]:
    """Return the first of each group, the second of each, …: no group waits for the end of another."""
    rounds = zip_longest(*([(item,) for item in group] for group in groups), fillvalue=())
    return tuple(item for turn in rounds for place in turn for item in place)


def _rank(descriptor: Descriptor) -> int:
    """Guess from unsigned hints: 0 seems to be a signature, 1 may be one, 2 seems to be something else.

    go-containerregistry up to 0.21.5 lists bundles by the type of their empty config, so that type says nothing.
    """
    if descriptor.size > MAX_LIKELY_MANIFEST_BYTES:
        return 2
    kind, predicate = descriptor.artifact_type or EMPTY_CONFIG, descriptor.annotations.get(PREDICATE_ANNOTATION)
    if kind in (COSIGN_ARTIFACT, NOTATION_ARTIFACT) or predicate == COSIGN_SIGN:
        return 0
    if predicate is not None:
        return 2
    return 1 if kind == EMPTY_CONFIG or kind.startswith(bundle.LAYER_TYPE_PREFIX) else 2


def _kind(layer: Descriptor, *, alone: bool) -> CandidateKind | None:
    if layer.media_type == simple_signing.LAYER_TYPE and layer.size <= simple_signing.MAX_PAYLOAD_BYTES:
        return CandidateKind.SIMPLE_SIGNING
    if alone and layer.media_type.startswith(bundle.LAYER_TYPE_PREFIX) and layer.size <= bundle.MAX_BUNDLE_BYTES:
        return CandidateKind.BUNDLE
    return None


def _notation_kind(layer: Descriptor, *, alone: bool) -> CandidateKind | None:
    fits = alone and layer.size <= MAX_ENVELOPE_BYTES
    return _NOTATION_KINDS.get(layer.media_type) if fits else None
