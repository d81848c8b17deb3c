"""Documents as OCI artefacts: which layer holds the document, and how it is unpacked.

An artefact is a manifest of the kind's artifact type with exactly one layer of the same media type; `+gzip` or `+zstd`
behind it says how the layer is packed. Source: OCI Image Specification 1.1, "Guidelines for Artifact Usage".
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import Enum

import zstandard

from webhook.core.bases.document import MAX_CATALOG_BYTES
from webhook.core.descriptors import Descriptor
from webhook.core.errors import ParseError
from webhook.core.manifests import Manifest
from webhook.core.policy_reading.document import MAX_POLICY_BYTES
from webhook.core.reading.plain_text import printable

__all__ = ["ArtifactKind", "document_layer", "unpack"]

GZIP, ZSTD = "+gzip", "+zstd"
GZIP_WBITS = 16 + zlib.MAX_WBITS
MAX_WINDOW_BYTES = 128 * 1024 * 1024
"""Memory that a zstd frame may ask for: as much as `zstd` itself accepts without being told."""
ZSTD_STEP_BYTES = 1024
"""A block of zstd has at least 4 bytes and at most 128 KiB of content, so this is unpacked to 32 MiB at most.
Source: RFC 8878, section 3.1.1.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    media_type: str
    max_bytes: int


class ArtifactKind(Enum):
    """The documents that travel as artefacts, with their media type and the most bytes that one has, unpacked."""

    POLICY = _Kind(media_type="application/vnd.dhi-gate.policy.v1alpha1+yaml", max_bytes=MAX_POLICY_BYTES)
    CATALOG = _Kind(media_type="application/vnd.dhi-gate.catalog.v1alpha1+json", max_bytes=MAX_CATALOG_BYTES)

    @property
    def media_type(self) -> str:
        """The artifact type of the manifest, and the media type of its layer."""
        return self.value.media_type

    @property
    def max_bytes(self) -> int:
        """The most bytes that the document, and its layer, may have."""
        return self.value.max_bytes


def document_layer(manifest: Manifest, kind: ArtifactKind) -> Descriptor:
    """Return the layer that holds the document. Raises ParseError if the artefact is none of this kind."""
    found = manifest.artifact_type or manifest.config.media_type
    if found != kind.media_type:
        raise ParseError("", f"it is an artefact of type `{printable(found)}`, not `{kind.media_type}`")
    if len(manifest.layers) != 1:
        raise ParseError("", f"it has {len(manifest.layers)} layers, a document is one")
    layer = manifest.layers[0]
    if layer.media_type not in {kind.media_type, kind.media_type + GZIP, kind.media_type + ZSTD}:
        raise ParseError("", f"its layer is of type `{printable(layer.media_type)}`, not `{kind.media_type}`")
    return layer


def unpack(data: bytes, layer: Descriptor, kind: ArtifactKind) -> bytes:
    """Return the document that a layer holds. Raises ParseError if it is broken or has too many bytes."""
    if layer.media_type.endswith(GZIP):
        document = _gunzip(data, kind.max_bytes)
    elif layer.media_type.endswith(ZSTD):
        document = _unzstd(data, kind.max_bytes)
    else:
        document = data
    if len(document) > kind.max_bytes:
        raise ParseError("", f"it has more than {kind.max_bytes:,} bytes")
    return document


def _gunzip(data: bytes, max_bytes: int) -> bytes:
    """Unpack one gzip member, at most one byte more than is allowed."""
    member = zlib.decompressobj(wbits=GZIP_WBITS)
    try:
        document = member.decompress(data, max_bytes + 1)
    except zlib.error:
        raise ParseError("", "its layer is not gzip") from None
    if len(document) <= max_bytes and (not member.eof or member.unused_data):
        raise ParseError("", "its layer is not one whole gzip member")
    return document


def _unzstd(data: bytes, max_bytes: int) -> bytes:
    """Unpack one zstd frame, at most one byte more than is allowed."""
    frame = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).decompressobj(read_across_frames=False)
    pieces, size = [], 0
    try:
        for start in range(0, len(data), ZSTD_STEP_BYTES):
            if frame.eof or size > max_bytes:
                break
            pieces.append(frame.decompress(data[start : start + ZSTD_STEP_BYTES]))
            size += len(pieces[-1])
    except zstandard.ZstdError:
        raise ParseError("", "its layer is not zstd") from None
    if size <= max_bytes and (not frame.eof or frame.unused_data):
        raise ParseError("", "its layer is not one whole zstd frame")
    return b"".join(pieces)[: max_bytes + 1]
