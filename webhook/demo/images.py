"""Makes OCI and Docker images, and spoils them: the same arguments always give the same digests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import assert_never

import msgspec

from webhook.core.manifests import Platform
from webhook.core.references import Digest
from webhook.demo.documents import (
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    ConfigDocument,
    DescriptorDocument,
    HistoryDocument,
    IndexDocument,
    ManifestDocument,
    PlatformDocument,
    RootFilesystemDocument,
    RuntimeDocument,
    descriptor,
    encode,
    timestamp,
)
from webhook.demo.layers import Compression, Entry, Layer, MediaFamily
from webhook.demo.store import Store

__all__ = [
    "AMD64",
    "ARM64",
    "DEFAULT_CREATED",
    "BuiltImage",
    "BuiltIndex",
    "Child",
    "assemble",
    "build",
    "chain_id",
    "index",
    "push",
]

AMD64 = Platform(os="linux", architecture="amd64")
ARM64 = Platform(os="linux", architecture="arm64")
DEFAULT_CREATED = datetime(2026, 11, 20, 10, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """An image manifest with everything that it points to; `layers` are base first, top last."""

    manifest: bytes
    media_type: str
    config: bytes
    config_media_type: str
    layers: tuple[Layer, ...]

    @property
    def digest(self) -> Digest:
        """The digest of the manifest: the name of the image."""
        return Digest.of(self.manifest)

    @property
    def config_digest(self) -> Digest:
        """The digest of the config."""
        return Digest.of(self.config)

    @property
    def document(self) -> ConfigDocument:
        """The config, read back; `msgspec.DecodeError` if it was replaced by something that is none."""
        return msgspec.json.decode(self.config, type=ConfigDocument)

    @property
    def platform(self) -> Platform:
        """What the config says it runs on."""
        document = self.document
        return Platform(os=document.os, architecture=document.architecture, variant=document.variant)

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the config."""
        return self.document.config.labels

    @property
    def user(self) -> str:
        """The default user of the config."""
        return self.document.config.user

    @property
    def diff_ids(self) -> tuple[Digest, ...]:
        """What the config claims about the uncompressed layers, base first."""
        return tuple(Digest.parse(text) for text in self.document.rootfs.diff_ids)

    @property
    def layer_digests(self) -> tuple[Digest, ...]:
        """The digests of the layer blobs, base first."""
        return tuple(layer.digest for layer in self.layers)

    @property
    def chain_id(self) -> Digest:
        """The chain ID over all claimed diff IDs; ValueError if there are none."""
        return chain_id(self.diff_ids)

    @property
    def family(self) -> MediaFamily:
        """Whose media types the manifest carries."""
        return MediaFamily.DOCKER if self.media_type == DOCKER_MANIFEST else MediaFamily.OCI


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """An image as an index lists it. What the index says about it need not be true."""

    image: BuiltImage
    platform: Platform
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIndex:
    """An index with its children, in their order."""

    manifest: bytes
    media_type: str
    children: tuple[Child, ...]

    @property
    def digest(self) -> Digest:
        """The digest of the index: the name of the image for all platforms."""
        return Digest.of(self.manifest)


def build(
    base: BuiltImage | None = None,
    layers: Sequence[Mapping[str, Entry] | Layer] = (),
    *,
    platform: Platform | None = None,
    user: str | None = None,
    labels: Mapping[str, str] | None = None,
    created: datetime = DEFAULT_CREATED,
    compression: Compression = Compression.GZIP,
    family: MediaFamily = MediaFamily.OCI,
    overrides: Mapping[str, object] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> BuiltImage:
    """Build `FROM base` (None: `scratch`) with `layers` on top, as BuildKit does.

    The layers of the base stay as they are; platform, user and labels are inherited where they are not given, and
    labels are added to. `compression` packs the new layers that come as files. `overrides` replace top-level keys of
    the config (`rootfs`, `history`, `os`, …), whatever that makes of it; `annotations` go on the manifest.
    """
    new = tuple(
        layer if isinstance(layer, Layer) else Layer.of(layer, compression=compression, family=family)
        for layer in layers
    )
    below = base.layers if base else ()
    stack = tuple(layer.in_family(family) for layer in (*below, *new))
    document = _config_document(
        base,
        new,
        platform=platform or (base.platform if base else AMD64),
        user=user,
        labels=labels or {},
        created=created,
    )
    config = encode({**msgspec.to_builtins(document), **(overrides or {})})
    return assemble(config, stack, family=family, annotations=annotations)


def assemble(
    config: bytes, layers: tuple[Layer, ...], *, family: MediaFamily, annotations: Mapping[str, str] | None = None
) -> BuiltImage:
    """Write the manifest over a config, whatever its bytes are, and its layers."""
    docker = family is MediaFamily.DOCKER
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    config_media_type = DOCKER_CONFIG if docker else OCI_CONFIG
    manifest = ManifestDocument(
        schema_version=2,
        media_type=media_type,
        config=descriptor(config_media_type, config),
        layers=tuple(descriptor(layer.media_type, layer.blob) for layer in layers),
        annotations=dict(annotations) if annotations else None,
    )
    return BuiltImage(
        manifest=encode(manifest),
        media_type=media_type,
        config=config,
        config_media_type=config_media_type,
        layers=layers,
    )


def index(
    children: Sequence[BuiltImage | Child],
    *,
    family: MediaFamily = MediaFamily.OCI,
    annotations: Mapping[str, str] | None = None,
) -> BuiltIndex:
    """Offer several images as one; an image that comes without a Child is listed under its own platform."""
    listed = tuple(
        child if isinstance(child, Child) else Child(image=child, platform=child.platform) for child in children
    )
    media_type = DOCKER_INDEX if family is MediaFamily.DOCKER else OCI_INDEX
    document = IndexDocument(
        schema_version=2,
        media_type=media_type,
        manifests=tuple(_child_descriptor(child) for child in listed),
        annotations=dict(annotations) if annotations else None,
    )
    return BuiltIndex(manifest=encode(document), media_type=media_type, children=listed)


def chain_id(diff_ids: Sequence[Digest]) -> Digest:
    """Fold diff IDs, base first, into the name of the whole stack; ValueError if there are none.

    Source: OCI Image Specification 1.1, `config.md`, "Layer ChainID".
    """
    if not diff_ids:
        raise ValueError("a chain ID needs at least one diff ID")
    chain = str(diff_ids[0])
    for diff_id in diff_ids[1:]:
        chain = f"sha256:{hashlib.sha256(f'{chain} {diff_id}'.encode()).hexdigest()}"
    return Digest.parse(chain)


def push(store: Store, repository: str, content: BuiltImage | BuiltIndex, *, tag: str | None = None) -> Digest:
    """Put an image, or an index and its children, into `repository`, and let `tag` point to it."""
    match content:
        case BuiltIndex(children=children):
            for child in children:
                push(store, repository, child.image)
        case BuiltImage(config=config, layers=layers):
            store.put_blob(repository, config)
            for layer in layers:
                store.put_blob(repository, layer.blob)
        case _:
            assert_never(content)
    return store.put_manifest(repository, content.manifest, content.media_type, tag=tag)


def _config_document(
    base: BuiltImage | None,
    new: tuple[Layer, ...],
    *,
    platform: Platform,
    user: str | None,
    labels: Mapping[str, str],
    created: datetime,
) -> ConfigDocument:
    """Write the config of a build step on the config of its base."""
    parent = base.document if base else None
    runtime = parent.config if parent else RuntimeDocument()
    when = timestamp(created)
    history = tuple(HistoryDocument(created=when, created_by="COPY . . # buildkit") for _ in new)
    if user is not None:
        history += (HistoryDocument(created=when, created_by=f"USER {user}", empty_layer=True),)
    return ConfigDocument(
        architecture=platform.architecture,
        os=platform.os,
        variant=platform.variant,
        created=when,
        config=msgspec.structs.replace(
            runtime,
            user=runtime.user if user is None else user,
            labels={**runtime.labels, **labels},
        ),
        rootfs=RootFilesystemDocument(
            type="layers",
            diff_ids=(*(parent.rootfs.diff_ids if parent else ()), *(str(layer.diff_id) for layer in new)),
        ),
        history=(*(parent.history if parent else ()), *history),
    )


def _child_descriptor(child: Child) -> DescriptorDocument:
    plain = descriptor(child.image.media_type, child.image.manifest, annotations=dict(child.annotations) or None)
    return msgspec.structs.replace(plain, platform=PlatformDocument.of(child.platform))
