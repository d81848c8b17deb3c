"""Puts signatures where clients look for them: classic tags, and referrers."""

from __future__ import annotations

from collections.abc import Mapping

from webhook.core.references import Digest
from webhook.demo.documents import (
    EMPTY_BLOB,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_MANIFEST,
    ManifestDocument,
    descriptor,
    encode,
    read_manifest,
)
from webhook.demo.referrers import attach, subject_descriptor
from webhook.demo.store import Store, fallback_tag

__all__ = ["add_classic_layer", "attach_layer"]


def add_classic_layer(
    store: Store,
    repository: str,
    image: Digest,
    layer: tuple[str, bytes],
    *,
    suffix: str,
    annotations: Mapping[str, str],
) -> Digest:
    """Add a layer (media type and bytes) to the manifest behind `sha256-….<suffix>`, beside those that are there."""
    media_type, data = layer
    tag = f"{fallback_tag(image)}.{suffix}"
    present = store.manifest(repository, tag)
    layers = (
        *(read_manifest(present.data).layers if present else ()),
        descriptor(media_type, data, annotations=dict(annotations)),
    )
    config = encode(
        {"architecture": "", "os": "", "rootfs": {"type": "layers", "diff_ids": [e.digest for e in layers]}}
    )
    store.put_blob(repository, data)
    store.put_blob(repository, config)
    manifest = ManifestDocument(
        schema_version=2, media_type=OCI_MANIFEST, config=descriptor(OCI_CONFIG, config), layers=layers
    )
    return store.put_manifest(repository, encode(manifest), OCI_MANIFEST, tag=tag)


def attach_layer(
    store: Store,
    repository: str,
    image: Digest,
    layer: tuple[str, bytes],
    *,
    artifact_type: str,
    subject: Digest,
    annotations: Mapping[str, str] | None = None,
    layer_annotations: Mapping[str, str] | None = None,
    listed_as: str | None = None,
) -> Digest:
    """Attach a manifest with one layer (media type and bytes) to `subject`, listed with `image`."""
    media_type, data = layer
    store.put_blob(repository, EMPTY_BLOB)
    store.put_blob(repository, data)
    manifest = ManifestDocument(
        schema_version=2,
        media_type=OCI_MANIFEST,
        artifact_type=artifact_type,
        config=descriptor(OCI_EMPTY, EMPTY_BLOB),
        layers=(descriptor(media_type, data, annotations=dict(layer_annotations) if layer_annotations else None),),
        subject=subject_descriptor(store, repository, subject),
        annotations=dict(annotations) if annotations else None,
    )
    return attach(store, repository, image, manifest, listed_as=listed_as)
