"""Attaches manifests to images, as cosign and oras do: by `subject`, and by the fallback tag where need be."""

from __future__ import annotations

import msgspec

from webhook.core.references import Digest
from webhook.demo.documents import (
    OCI_INDEX,
    DescriptorDocument,
    IndexDocument,
    ManifestDocument,
    descriptor,
    encode,
    read_manifest,
)
from webhook.demo.store import Store, fallback_tag

__all__ = ["attach", "list_in_fallback", "subject_descriptor"]


def subject_descriptor(store: Store, repository: str, image: Digest) -> DescriptorDocument:
    """Point to a manifest that is there; LookupError if it is not."""
    stored = store.manifest(repository, image)
    if stored is None:
        raise LookupError(f"{repository}@{image} is not in the registry")
    return DescriptorDocument(media_type=stored.media_type, digest=str(image), size=len(stored.data))


def attach(
    store: Store, repository: str, image: Digest, manifest: ManifestDocument, *, listed_as: str | None = None
) -> Digest:
    """Push a manifest whose `subject` is (or pretends to be) `image`; return its digest.

    Where the registry has no referrers API, the manifest is also listed under the fallback tag of `image`, with its
    true artefact type or with `listed_as`: older clients wrote the type of the empty config there.
    Source: OCI Distribution Specification 1.1, "Pushing Manifests with Subject".
    """
    data = encode(manifest)
    digest = store.put_manifest(repository, data, manifest.media_type)
    if not store.referrers_api:
        entry = msgspec.structs.replace(
            descriptor(manifest.media_type, data, annotations=manifest.annotations),
            artifact_type=listed_as or manifest.artifact_type or manifest.config.media_type,
        )
        list_in_fallback(store, repository, image, entry)
    return digest


def list_in_fallback(store: Store, repository: str, image: Digest, entry: DescriptorDocument) -> None:
    """Add `entry` to the index behind the fallback tag of `image`, which is made if need be."""
    tag = fallback_tag(image)
    present = store.manifest(repository, tag)
    listed = read_manifest(present.data).manifests if present else ()
    document = IndexDocument(schema_version=2, media_type=OCI_INDEX, manifests=(*listed, entry))
    store.put_manifest(repository, encode(document), OCI_INDEX, tag=tag)
