"""Where attestations of an image may be, and which of the layers found there may hold one.

Pure helpers for whoever asks the registry; as with signatures, what a listing or an annotation says leaves nothing out.
Sources: sigstore/cosign `specs/ATTESTATION_SPEC.md` and `specs/BUNDLE_SPEC.md`; moby/buildkit
`docs/attestations/attestation-storage.md`; moby/policy-helpers `image/verifier.go` for Docker's layout.
"""

from __future__ import annotations

from dataclasses import dataclass

from webhook.core.errors import ParseError
from webhook.core.facts import AttestationCandidate, AttestationKind
from webhook.core.manifests import IN_TOTO_TYPE, Descriptor, Manifest
from webhook.core.references import Digest
from webhook.core.signatures.bundle import LAYER_TYPE_PREFIX, MAX_BUNDLE_BYTES
from webhook.core.signatures.discovery import from_both_ends
from webhook.core.signatures.statement import parse_statement

__all__ = ["StatementLayer", "attestation_tag", "may_be_wanted", "statement_layers"]

ENVELOPE_TYPE = "application/vnd.dsse.envelope.v1+json"
IN_TOTO_PREFIX = "application/vnd.in-toto"
ENVELOPE_SUFFIX = "+dsse"
"""in-toto's own name for envelopes, with or without the predicate between (in-toto `spec/v1/envelope.md`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLayer:
    """A layer that may be an attestation, in the manifest that carries it."""

    kind: AttestationKind
    manifest: Digest
    descriptor: Descriptor


def attestation_tag(digest: Digest) -> str:
    """Return the tag behind which cosign's classic attestations of `digest` are."""
    return f"{digest.algorithm}-{digest.hex}.att"


def statement_layers(manifest: Manifest, carrier: Digest, subjects: frozenset[Digest]) -> tuple[StatementLayer, ...]:
    """Return what may be a statement about one of `subjects` in `manifest`, whose digest is `carrier`.

    A bundle stands alone in its manifest. Behind a tag, and inside an index, a manifest has no subject of its own.
    Layers of more than 4 MiB are none.
    """
    if manifest.subject is not None and manifest.subject.digest not in subjects:
        return ()
    kinds = ((_kind(layer, alone=len(manifest.layers) == 1), layer) for layer in manifest.layers)
    found = [StatementLayer(kind=kind, manifest=carrier, descriptor=layer) for kind, layer in kinds if kind is not None]
    return from_both_ends(found)


def may_be_wanted(candidate: AttestationCandidate, predicate_types: frozenset[str]) -> bool:
    """Tell whether a plain candidate is a statement of one of these types, by its own bytes.

    Whoever signed its manifest signed these bytes, so a statement that calls itself something else stays that.
    """
    try:
        return parse_statement(candidate.payload).text("predicateType") in predicate_types
    except ParseError:
        return False


def _kind(layer: Descriptor, *, alone: bool) -> AttestationKind | None:
    if layer.size > MAX_BUNDLE_BYTES:
        return None
    kind = layer.media_type
    if kind == ENVELOPE_TYPE or (kind.startswith(IN_TOTO_PREFIX) and kind.endswith(ENVELOPE_SUFFIX)):
        return AttestationKind.ENVELOPE
    if kind == IN_TOTO_TYPE:
        return AttestationKind.PLAIN
    return AttestationKind.BUNDLE if alone and kind.startswith(LAYER_TYPE_PREFIX) else None
