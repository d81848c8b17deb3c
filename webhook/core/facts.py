"""What was learnt about an image: bytes that were fetched and checked, or why they could not be.

Nothing here is judged. *Could not find out* (`Trouble`) is never *no* and never *yes*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from webhook.core.manifests import ImageConfig, Malformed, Manifest
from webhook.core.references import Digest, ImageReference, PinnedImage

__all__ = [
    "AttestationCandidate",
    "AttestationKind",
    "AttestationSearch",
    "CandidateKind",
    "Facts",
    "Known",
    "Learnt",
    "PlatformImage",
    "SignatureCandidate",
    "SignatureSearch",
    "Trouble",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known(Generic[T]):
    """A value that was learnt. `None` inside means that the thing is known not to exist."""

    value: T


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why something could not be learnt. Never the same thing as "no".

    All three are shown to whoever asks, so they name the registry and never what the network said about it:
    `doing` is an activity ("listing signatures"), `where` a host, `why` one plain clause ("no answer in time").
    """

    doing: str
    where: str
    why: str


Learnt = Known[T] | Trouble


class CandidateKind(Enum):
    """How a candidate for a signature is packed. The kind says how to read it, never whether to believe it."""

    SIMPLE_SIGNING = "simple-signing"
    """`payload` is the signed JSON, `annotations` hold the signature (cosign's classic form, and its OCI 1.1 form)."""
    BUNDLE = "bundle"
    """`payload` is a Sigstore bundle, JSON."""
    NOTATION_JWS = "notation-jws"
    """`payload` is a Notation envelope, JSON."""
    NOTATION_COSE = "notation-cose"
    """`payload` is a Notation envelope, CBOR."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureCandidate:
    """Bytes that may be a signature over the image they were found with.

    `manifest` is the manifest that carried them; `annotations` are those of their layer descriptor, which nobody
    signed: they hold the signature itself and hints.
    """

    kind: CandidateKind
    manifest: Digest
    payload: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureSearch:
    """All candidates that were found for one digest. With `incomplete`, more may exist that could not be seen."""

    candidates: tuple[SignatureCandidate, ...]
    incomplete: Trouble | None = None


class AttestationKind(Enum):
    """How a candidate for an attestation is packed. The kind says how to read it, never whether to believe it."""

    ENVELOPE = "envelope"
    """`payload` is a DSSE envelope, JSON (cosign's classic form)."""
    BUNDLE = "bundle"
    """`payload` is a Sigstore bundle, JSON."""
    PLAIN = "plain"
    """`payload` is the bare statement: whoever vouches for it signed the manifest that carries it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationCandidate:
    """Bytes that may be a statement about the image they were found with.

    `manifest` is the manifest that carried them; `annotations` are those of their layer descriptor, which nobody
    signed.
    """

    kind: AttestationKind
    manifest: Digest
    payload: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationSearch:
    """All candidates that were found for an image and its platforms. With `incomplete`, more may exist.

    `over_manifests` holds what may be signatures over the manifests of plain candidates. `in_index` are those of these
    manifests that the image's own index lists, so that a signature over the index is one over them.
    """

    candidates: tuple[AttestationCandidate, ...]
    over_manifests: Mapping[Digest, SignatureSearch] = field(default_factory=dict)
    in_index: frozenset[Digest] = frozenset()
    incomplete: Trouble | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformImage:
    """One runnable child of an image (or the image itself): its manifest and config, strictly read."""

    digest: Digest
    manifest: Manifest
    config: ImageConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about one image that a pod asks for.

    `image`: what the reference resolved to; Known(None) if the registry does not have it.
    `platforms`: every runnable child, or the one way in which the image is not well formed, or why nobody knows;
    None if nobody asked.
    `signatures`: what was found attached to the resolved digest; None if nobody asked.
    `attestations`: what was found attached to the resolved digest and to its platforms; None if nobody asked.
    `layer_diff_ids`: by compressed layer digest, the digest of the uncompressed bytes as the gate itself computed it,
    or why it is not known, or in which way the layer is not well formed.
    """

    reference: ImageReference
    image: Learnt[PinnedImage | None]
    platforms: Learnt[tuple[PlatformImage, ...]] | Malformed | None = None
    signatures: SignatureSearch | None = None
    attestations: AttestationSearch | None = None
    layer_diff_ids: Mapping[Digest, Learnt[Digest] | Malformed] = field(default_factory=dict)
