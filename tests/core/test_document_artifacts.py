"""Documents as OCI artefacts: which layer holds one, and how it is unpacked within bounds."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.descriptors import Descriptor
from webhook.core.document_artifacts import ArtifactKind, document_layer, unpack
from webhook.core.errors import ParseError
from webhook.core.manifests import Manifest
from webhook.core.references import Digest

KIND = ArtifactKind.POLICY
TYPE = KIND.media_type
EMPTY = "application/vnd.oci.empty.v1+json"


def descriptor(media_type: str) -> Descriptor:
    """Return a descriptor of some bytes."""
    return Descriptor(media_type=media_type, digest=Digest.of(b"x"), size=1)


def manifest(*layers: str, artifact_type: str | None = TYPE, config: str = EMPTY) -> Manifest:
    """Return an artefact with layers of these types."""
    return Manifest(
        media_type="application/vnd.oci.image.manifest.v1+json",
        config=descriptor(config),
        layers=tuple(map(descriptor, layers)),
        artifact_type=artifact_type,
    )


@pytest.mark.parametrize("packing", ["", "+gzip", "+zstd"])
@pytest.mark.parametrize("told", [manifest(TYPE), manifest(TYPE, artifact_type=None, config=TYPE)])
def test_the_one_layer_is_the_document(told: Manifest, packing: str) -> None:
    """The kind is told by the artifact type, or by the type of the config where there is none."""
    layers = (descriptor(TYPE + packing),)
    assert document_layer(replace(told, layers=layers), KIND) == layers[0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (manifest(TYPE, artifact_type=ArtifactKind.CATALOG.media_type), "it is an artefact of type"),
        (manifest(TYPE, artifact_type=None), "it is an artefact of type"),
        (manifest(), "it has 0 layers"),
        (manifest(TYPE, TYPE), "it has 2 layers"),
        (manifest(TYPE + "+xz"), "its layer is of type"),
        (manifest(ArtifactKind.CATALOG.media_type), "its layer is of type"),
    ],
)
def test_what_is_no_such_artefact_is_refused(wrong: Manifest, said: str) -> None:
    """Another kind, none or several layers, or a layer of another type."""
    with pytest.raises(ParseError, match=said):
        document_layer(wrong, KIND)


@given(st.binary(max_size=10_000))
def test_what_was_packed_is_unpacked(document: bytes) -> None:
    """However it is packed, the document is the same."""
    packed = {"": document, "+gzip": gzip.compress(document), "+zstd": zstandard.compress(document)}
    for packing, data in packed.items():
        assert unpack(data, descriptor(TYPE + packing), KIND) == document


@pytest.mark.parametrize("packing", ["", "+gzip", "+zstd"])
def test_no_more_than_the_bound_is_unpacked(packing: str) -> None:
    """As many bytes as a document may have are fine, one more is not, and a bomb of a gigabyte is not blown up."""
    packers: dict[str, Callable[[bytes], bytes]] = {"": bytes, "+gzip": gzip.compress, "+zstd": zstandard.compress}
    pack = packers[packing]
    full = bytes(KIND.max_bytes)
    assert unpack(pack(full), descriptor(TYPE + packing), KIND) == full
    for size in (KIND.max_bytes + 1, 256 * KIND.max_bytes):
        with pytest.raises(ParseError, match="it has more than 1,048,576 bytes"):
            unpack(pack(bytes(size)), descriptor(TYPE + packing), KIND)


@pytest.mark.parametrize(("packing", "pack"), [("+gzip", gzip.compress), ("+zstd", zstandard.compress)])
def test_what_is_broken_is_refused(packing: str, pack: Callable[[bytes], bytes]) -> None:
    """Something else, half of it, more behind it, or nothing at all."""
    whole = pack(b"document" * 1000)
    for data in (b"kind: ImagePolicy", whole[:-4], whole + whole, whole + b"x", b""):
        with pytest.raises(ParseError, match="its layer is not"):
            unpack(data, descriptor(TYPE + packing), KIND)
