"""Images are well formed, deterministic, and stand on their base."""

import json
from datetime import UTC, datetime

import pytest

from webhook.core.manifests import Platform
from webhook.core.references import Digest
from webhook.demo.images import AMD64, ARM64, BuiltImage, Child, build, chain_id, index, push
from webhook.demo.layers import Compression, Layer, MediaFamily
from webhook.demo.store import Refusal, Store

A, B, C = (Digest(algorithm="sha256", hex=letter * 64) for letter in "abc")
AB = "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c"
ABC = "sha256:c1377126441fb2f5ec2c21ae2a60255331d639e830f0ee1b40a36e52d4c40588"


def test_chain_ids_have_the_values_of_the_specification() -> None:
    """The first link is the diff ID itself, each further one the hash of "chain diffID"."""
    assert chain_id([A]) == A
    assert str(chain_id([A, B])) == AB
    assert str(chain_id([A, B, C])) == ABC


def test_no_layers_have_no_chain() -> None:
    """A chain ID over nothing is an error and not some digest."""
    with pytest.raises(ValueError, match="at least one"):
        chain_id([])


def test_the_same_arguments_make_the_same_image() -> None:
    """Two builds from the same arguments have the same digest; another file makes another."""
    first, second = (build(None, [{"a": b"1"}], labels={"x": "y"}) for _ in range(2))
    assert first == second
    assert build(None, [{"a": b"2"}], labels={"x": "y"}).digest != first.digest


def test_a_derived_image_stands_on_its_base() -> None:
    """Layers, labels, user, platform and history of the base come first and stay as they are."""
    base = build(None, [{"a": b"1"}], platform=ARM64, user="65532", labels={"x": "1"}, compression=Compression.ZSTD)
    image = build(base, [{"b": b"2"}], labels={"y": "2"})
    assert image.diff_ids[:1] == base.diff_ids
    assert image.layer_digests[:1] == base.layer_digests
    assert image.labels == {"x": "1", "y": "2"}
    assert (image.user, image.platform) == ("65532", ARM64)
    assert image.document.history[: len(base.document.history)] == base.document.history


def test_history_counts_layers() -> None:
    """History has one entry per layer, and a change of user is an entry without a layer."""
    history = build(None, [{"a": b"1"}, {"b": b"2"}], user="1000").document.history
    assert [entry.empty_layer for entry in history] == [False, False, True]


def test_the_manifest_points_to_config_and_layers() -> None:
    """Digests, sizes and media types in the manifest are those of the bytes."""
    image = build(None, [{"a": b"1"}], annotations={"k": "v"})
    manifest = json.loads(image.manifest)
    assert manifest["config"] == {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": str(image.config_digest),
        "size": len(image.config),
    }
    assert [layer["digest"] for layer in manifest["layers"]] == [str(digest) for digest in image.layer_digests]
    assert manifest["annotations"] == {"k": "v"}


def test_docker_images_carry_docker_media_types_throughout() -> None:
    """A Docker image on an OCI base has Docker's media types for manifest, config and every layer."""
    base = build(None, [{"a": b"1"}], compression=Compression.ZSTD)
    image = build(base, [{"b": b"2"}], family=MediaFamily.DOCKER)
    manifest = json.loads(image.manifest)
    assert manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert manifest["config"]["mediaType"] == "application/vnd.docker.container.image.v1+json"
    assert [layer["mediaType"] for layer in manifest["layers"]] == [
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ]
    assert image.diff_ids[:1] == base.diff_ids


def test_overrides_replace_keys_of_the_config() -> None:
    """Whatever the config should say instead, it says."""
    image = build(None, [{"a": b"1"}], overrides={"os": "windows", "os.version": "10"})
    config = json.loads(image.config)
    assert (config["os"], config["os.version"], config["architecture"]) == ("windows", "10", "amd64")


def test_creation_is_written_in_utc() -> None:
    """The instant of creation stands in the config to the second, in UTC."""
    image = build(None, [{"a": b"1"}], created=datetime(2026, 4, 11, 22, 45, 39, tzinfo=UTC))
    assert image.document.created == "2026-04-11T22:45:39Z"


def test_an_index_lists_its_children() -> None:
    """Children stand in order under their own platform, or under what a Child says of them."""
    amd, arm = (build(None, [{"a": b"1"}], platform=platform) for platform in (AMD64, ARM64))
    odd = Child(image=arm, platform=Platform(os="linux", architecture="arm", variant="v7"), annotations={"k": "v"})
    listed = json.loads(index([amd, odd], annotations={"t": "u"}).manifest)
    assert listed["annotations"] == {"t": "u"}
    assert [entry["platform"] for entry in listed["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm", "os": "linux", "variant": "v7"},
    ]
    assert listed["manifests"][1]["annotations"] == {"k": "v"}


def test_a_docker_index_is_a_manifest_list() -> None:
    """Docker's media type for an index can be had too."""
    listed = index([build(None, [{"a": b"1"}])], family=MediaFamily.DOCKER)
    assert listed.media_type == "application/vnd.docker.distribution.manifest.list.v2+json"


def test_a_push_brings_everything_and_the_tag() -> None:
    """After a push of an index its children, configs and layers are there and the tag names the index."""
    store = Store()
    image = build(None, [{"a": b"1"}])
    listed = index([image])
    assert push(store, "shop/api", listed, tag="1") == listed.digest
    stored = store.manifest("shop/api", "1")
    assert stored is not None
    assert stored.data == listed.manifest
    assert store.manifest("shop/api", image.digest) is not None
    assert store.blob("shop/api", image.config_digest) == image.config


def test_an_image_that_lies_about_its_bytes_can_be_made() -> None:
    """A layer whose blob is not its tar keeps the claimed diff ID and its own digest, and a registry takes it."""
    lie = Layer(tar=b"claimed", blob=b"real", media_type="application/vnd.oci.image.layer.v1.tar")
    image: BuiltImage = build(None, [lie])
    assert image.diff_ids == (lie.diff_id,)
    assert push(Store(), "shop/api", image) == image.digest


def test_an_index_without_its_children_is_refused() -> None:
    """The index alone does not get in."""
    listed = index([build(None, [{"a": b"1"}])])
    with pytest.raises(Refusal, match="MANIFEST_BLOB_UNKNOWN"):
        Store().put_manifest("shop/api", listed.manifest, listed.media_type)
