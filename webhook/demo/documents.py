"""The JSON documents of an OCI registry, as the demo writes them: typed, compact, in one order of keys.

Source: OCI Image Specification 1.1 (`descriptor.md`, `manifest.md`, `image-index.md`, `config.md`); the media types of
Docker are those of its "Image Manifest Version 2, Schema 2".
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from webhook.core.errors import ParseError
from webhook.core.manifests import Platform
from webhook.core.references import Digest

__all__ = [
    "DOCKER_CONFIG",
    "DOCKER_INDEX",
    "DOCKER_MANIFEST",
    "EMPTY_BLOB",
    "OCI_CONFIG",
    "OCI_EMPTY",
    "OCI_INDEX",
    "OCI_MANIFEST",
    "AnyManifest",
    "ConfigDocument",
    "DescriptorDocument",
    "HistoryDocument",
    "IndexDocument",
    "ManifestDocument",
    "PlatformDocument",
    "RootFilesystemDocument",
    "RuntimeDocument",
    "descriptor",
    "encode",
    "read_manifest",
    "timestamp",
]

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

EMPTY_BLOB = b"{}"
"""The content of the empty descriptor of the OCI specification."""


class PlatformDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a descriptor of an index says about the platform of a child."""

    architecture: str
    os: str
    variant: str = ""

    @classmethod
    def of(cls, platform: Platform) -> PlatformDocument:
        """Write a platform as registries do."""
        return cls(architecture=platform.architecture, os=platform.os, variant=platform.variant)


class DescriptorDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A pointer to a blob or a manifest; `size` in bytes."""

    media_type: str
    digest: str
    size: int
    artifact_type: str | None = None
    platform: PlatformDocument | None = None
    annotations: dict[str, str] | None = None


class ManifestDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An image manifest as it is written; `layers` are base first."""

    schema_version: int
    media_type: str
    config: DescriptorDocument
    layers: tuple[DescriptorDocument, ...]
    artifact_type: str | None = None
    subject: DescriptorDocument | None = None
    annotations: dict[str, str] | None = None


class IndexDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An image index as it is written."""

    schema_version: int
    media_type: str
    manifests: tuple[DescriptorDocument, ...]
    annotations: dict[str, str] | None = None


class AnyManifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a registry reads of a manifest or an index that somebody pushes: where it points."""

    media_type: str = ""
    artifact_type: str | None = None
    config: DescriptorDocument | None = None
    layers: tuple[DescriptorDocument, ...] = ()
    manifests: tuple[DescriptorDocument, ...] = ()
    subject: DescriptorDocument | None = None
    annotations: dict[str, str] | None = None


class RuntimeDocument(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """How a container of the image starts: the inner `config` of an image config."""

    user: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class RootFilesystemDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The diff IDs of an image, base first."""

    type: str
    diff_ids: tuple[str, ...]


class HistoryDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of a build; an `empty_layer` has no diff ID."""

    created: str
    created_by: str = ""
    empty_layer: bool = False


class ConfigDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An image config."""

    architecture: str
    os: str
    rootfs: RootFilesystemDocument
    variant: str = ""
    created: str = ""
    config: RuntimeDocument = msgspec.field(default_factory=RuntimeDocument)
    history: tuple[HistoryDocument, ...] = ()


def encode(document: object) -> bytes:
    """Write a document compactly and always in the same bytes."""
    return msgspec.json.encode(document)


def read_manifest(data: bytes) -> AnyManifest:
    """Read where a manifest or an index points; ParseError if it is neither."""
    try:
        return msgspec.json.decode(data, type=AnyManifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ParseError("", str(error)) from error


def descriptor(media_type: str, data: bytes, *, annotations: dict[str, str] | None = None) -> DescriptorDocument:
    """Point to `data`."""
    return DescriptorDocument(
        media_type=media_type, digest=str(Digest.of(data)), size=len(data), annotations=annotations
    )


def timestamp(instant: datetime) -> str:
    """Write an instant as image configs do: RFC 3339, UTC, whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
