"""Attestations as the two builders of our world attach them: BuildKit inside the index, Docker as referrers."""

from __future__ import annotations

from collections.abc import Mapping

from webhook.core.manifests import Platform
from webhook.core.references import Digest
from webhook.demo.documents import (
    EMPTY_BLOB,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_MANIFEST,
    ConfigDocument,
    ManifestDocument,
    RootFilesystemDocument,
    descriptor,
    encode,
)
from webhook.demo.images import BuiltImage, Child
from webhook.demo.layers import Layer
from webhook.demo.referrers import attach, subject_descriptor
from webhook.demo.store import Store

__all__ = ["IN_TOTO", "attach_statement", "attestation_child"]

IN_TOTO = "application/vnd.in-toto+json"
_PREDICATE_TYPE = "in-toto.io/predicate-type"


def attestation_child(image: BuiltImage, statements: Mapping[str, Mapping[str, object]]) -> Child:
    """Return the child by which BuildKit attaches unsigned `statements` (predicate by predicate type) to `image`.

    Source: moby/buildkit `docs/attestations/attestation-storage.md`: platform `unknown/unknown`, in-toto layers, and
    two annotations of the descriptor that say whose attestations these are.
    """
    blobs = [_statement(kind, p, subject="_", digest=image.digest) for kind, p in statements.items()]
    layers = tuple(Layer(tar=blob, blob=blob, media_type=IN_TOTO) for blob in blobs)
    unknown = Platform(os="unknown", architecture="unknown")
    document = ConfigDocument(
        architecture=unknown.architecture,
        os=unknown.os,
        rootfs=RootFilesystemDocument(type="layers", diff_ids=tuple(str(layer.diff_id) for layer in layers)),
    )
    manifest = ManifestDocument(
        schema_version=2,
        media_type=OCI_MANIFEST,
        config=descriptor(OCI_CONFIG, encode(document)),
        layers=tuple(
            descriptor(IN_TOTO, layer.blob, annotations={_PREDICATE_TYPE: kind})
            for layer, kind in zip(layers, statements, strict=True)
        ),
    )
    attestation = BuiltImage(
        manifest=encode(manifest),
        media_type=OCI_MANIFEST,
        config=encode(document),
        config_media_type=OCI_CONFIG,
        layers=layers,
    )
    annotations = {
        "vnd.docker.reference.digest": str(image.digest),
        "vnd.docker.reference.type": "attestation-manifest",
    }
    return Child(image=attestation, platform=unknown, annotations=annotations)


def attach_statement(
    store: Store,
    repository: str,
    image: Digest,
    predicate_type: str,
    predicate: Mapping[str, object],
    *,
    into: str | None = None,
) -> Digest:
    """Attach an attestation to `image` as Docker does to a platform of a hardened image; return its manifest's digest.

    The statement is a plain layer that nobody signed: what Docker signs is the attestation manifest, so whoever wants
    a signed one signs the digest that this returns. It goes `into` another repository if one is given, as Docker does
    for mirrors. Source: moby/policy-helpers `image/verifier.go`.
    """
    target = into or repository
    statement = _statement(predicate_type, predicate, subject=repository, digest=image)
    store.put_blob(target, EMPTY_BLOB)
    store.put_blob(target, statement)
    annotations = {_PREDICATE_TYPE: predicate_type}
    manifest = ManifestDocument(
        schema_version=2,
        media_type=OCI_MANIFEST,
        artifact_type=IN_TOTO,
        config=descriptor(OCI_EMPTY, EMPTY_BLOB),
        layers=(descriptor(IN_TOTO, statement, annotations=annotations),),
        subject=subject_descriptor(store, repository, image),
        annotations=annotations,
    )
    return attach(store, target, image, manifest)


def _statement(predicate_type: str, predicate: Mapping[str, object], *, subject: str, digest: Digest) -> bytes:
    return encode(
        {
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": predicate_type,
            "subject": [{"name": subject, "digest": {digest.algorithm: digest.hex}}],
            "predicate": predicate,
        }
    )
