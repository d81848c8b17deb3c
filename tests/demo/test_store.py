"""The store refuses what a real registry refuses, and does as it is told where a test wants it to lie."""

import json

import pytest

from webhook.core.references import Digest
from webhook.demo.documents import OCI_MANIFEST
from webhook.demo.images import build, push
from webhook.demo.store import Refusal, Store, fallback_tag

IMAGE = build(None, [{"a": b"1"}])
OTHER = Digest.of(b"other")


def test_a_blob_is_kept_under_its_digest() -> None:
    """What goes in comes out under its SHA-256, in its own repository only."""
    store = Store()
    digest = store.put_blob("shop/api", b"data")
    assert store.blob("shop/api", digest) == b"data"
    assert store.blob("shop/web", digest) is None
    assert store.repositories == ("shop/api",)


def test_a_sha512_name_is_honoured() -> None:
    """A blob may be named by another algorithm, if the name is true."""
    digest = Digest.parse(
        "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
        "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
    )
    assert Store().put_blob("shop/api", b"", expected=digest) == digest


def test_content_that_does_not_fit_its_name_is_refused() -> None:
    """A wrong digest is refused for blobs and for manifests."""
    with pytest.raises(Refusal, match="DIGEST_INVALID"):
        Store().put_blob("shop/api", b"data", expected=OTHER)
    with pytest.raises(Refusal, match="DIGEST_INVALID"):
        Store().put_manifest("shop/api", b"{}", OCI_MANIFEST, expected=OTHER)


@pytest.mark.parametrize("name", ["", "Shop", "shop//api", "shop/api:1", "shop/api@x", "../x"])
def test_a_bad_repository_name_is_refused(name: str) -> None:
    """Only names of the reference grammar become repositories."""
    with pytest.raises(Refusal, match="NAME_INVALID"):
        Store().put_blob(name, b"data")


def test_a_bad_tag_is_refused() -> None:
    """Only tags of the reference grammar are tags."""
    with pytest.raises(Refusal, match="MANIFEST_INVALID"):
        Store().put_tag("shop/api", ".x", OTHER)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b'{"mediaType": "\xff"}', b'{"a":' * 100_000])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    """Bytes that are no JSON object, or one nested without end, do not become a manifest unless asked for."""
    store = Store()
    with pytest.raises(Refusal, match="MANIFEST_INVALID"):
        store.put_manifest("shop/api", data, OCI_MANIFEST)
    assert store.put_manifest("shop/api", data, OCI_MANIFEST, checked=False) == Digest.of(data)
    assert store.referrers("shop/api", OTHER) == ()


def test_a_manifest_must_call_itself_what_it_is_pushed_as() -> None:
    """The media type of the push and the field inside have to agree."""
    with pytest.raises(Refusal, match="but calls itself"):
        Store().put_manifest("shop/api", IMAGE.manifest, "application/vnd.oci.image.index.v1+json")


def test_a_manifest_needs_its_blobs() -> None:
    """A manifest whose config or layers are missing is refused unless told otherwise."""
    store = Store()
    with pytest.raises(Refusal, match="MANIFEST_BLOB_UNKNOWN"):
        store.put_manifest("shop/api", IMAGE.manifest, IMAGE.media_type)
    assert store.put_manifest("shop/api", IMAGE.manifest, IMAGE.media_type, checked=False) == IMAGE.digest


def test_tags_move_and_are_listed_in_order() -> None:
    """A tag points to what it was last given; the list is sorted."""
    store = Store()
    newer = build(None, [{"a": b"2"}])
    for tag in ("b", "a", "B"):
        push(store, "shop/api", IMAGE, tag=tag)
    push(store, "shop/api", newer, tag="a")
    assert store.tags("shop/api") == ("B", "a", "b")
    assert store.tags("shop/web") is None
    stored = store.manifest("shop/api", "a")
    assert stored is not None
    assert stored.digest == newer.digest


def test_what_is_deleted_is_gone() -> None:
    """Blobs, manifests and tags can be lost; a tag without its manifest names nothing."""
    store = Store()
    push(store, "shop/api", IMAGE, tag="1")
    store.delete_blob("shop/api", IMAGE.config_digest)
    assert store.blob("shop/api", IMAGE.config_digest) is None
    store.delete_manifest("shop/api", IMAGE.digest)
    assert store.manifest("shop/api", "1") is None
    store.delete_tag("shop/api", "1")
    assert store.tags("shop/api") == ()


def test_a_lying_registry_can_be_had() -> None:
    """Overwritten content is served under a digest that it does not hash to."""
    store = Store()
    store.overwrite_blob("shop/api", OTHER, b"lie")
    store.overwrite_manifest("shop/api", OTHER, b"{}", OCI_MANIFEST)
    assert store.blob("shop/api", OTHER) == b"lie"
    stored = store.manifest("shop/api", OTHER)
    assert stored is not None
    assert stored.data == b"{}"


def test_referrers_are_found_by_subject() -> None:
    """Manifests with the subject are described by their own artefact type, else by their config's media type."""
    store = Store()
    subject = {"mediaType": OCI_MANIFEST, "digest": str(OTHER), "size": 1}
    config = {"mediaType": "application/x-config", "digest": str(store.put_blob("a", b"{}")), "size": 2}
    documents = (
        {"artifactType": "application/x-own", "config": config, "subject": subject, "annotations": {"k": "v"}},
        {"config": config, "subject": subject},
        {"subject": subject},
        {"config": config},
        {"config": config, "subject": {**subject, "digest": str(Digest.of(b"foreign"))}},
    )
    for document in documents:
        store.put_manifest("a", json.dumps(document).encode(), OCI_MANIFEST)
    own, by_config, bare = store.referrers("a", OTHER)
    assert (own.artifact_type, own.annotations) == ("application/x-own", {"k": "v"})
    assert by_config.artifact_type == "application/x-config"
    assert bare.artifact_type is None
    assert store.referrers("b", OTHER) == ()


def test_the_fallback_tag_is_the_digest_with_a_dash() -> None:
    """The tag of the specification's older scheme."""
    assert fallback_tag(OTHER) == f"sha256-{OTHER.hex}"
