"""Documents pushed as artefacts, in the form in which the usual tools push them."""

from __future__ import annotations

import gzip

from webhook.core.document_artifacts import ArtifactKind
from webhook.core.references import Digest
from webhook.demo.documents import EMPTY_BLOB, OCI_EMPTY, OCI_MANIFEST, ManifestDocument, descriptor, encode
from webhook.demo.store import Store

__all__ = ["push_document"]


def push_document(
    store: Store, repository: str, kind: ArtifactKind, data: bytes, *, tag: str | None = None, packed: bool = False
) -> Digest:
    """Push a document as an artefact of its kind, packed or not, and return the digest of its manifest."""
    layer, media_type = (gzip.compress(data, mtime=0), f"{kind.media_type}+gzip") if packed else (data, kind.media_type)
    for blob in (EMPTY_BLOB, layer):
        store.put_blob(repository, blob)
    manifest = ManifestDocument(
        schema_version=2,
        media_type=OCI_MANIFEST,
        artifact_type=kind.media_type,
        config=descriptor(OCI_EMPTY, EMPTY_BLOB),
        layers=(descriptor(media_type, layer),),
    )
    return store.put_manifest(repository, encode(manifest), OCI_MANIFEST, tag=tag)
