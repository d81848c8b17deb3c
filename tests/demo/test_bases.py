"""Stand-ins for hardened images say what the real ones say."""

import json
from datetime import timedelta

import pytest

from webhook.demo.bases import dhi_base, dhi_index
from webhook.demo.images import AMD64, ARM64, DEFAULT_CREATED, BuiltImage, build, chain_id
from webhook.demo.layers import Compression, MediaFamily
from webhook.demo.variations import copied_from_scratch


def dhi(image: BuiltImage, key: str) -> str:
    """Return a `com.docker.dhi.*` label."""
    return image.labels[f"com.docker.dhi.{key}"]


def test_the_chain_id_label_is_true() -> None:
    """The label holds the chain ID over the base's own diff IDs."""
    base = dhi_base()
    assert dhi(base, "chain-id") == str(chain_id(base.diff_ids)) == str(base.chain_id)


def test_a_runtime_image_is_labelled_as_one() -> None:
    """Name, definition, version, variant and dates stand where Docker puts them, and the user is not root."""
    base = dhi_base(full_version="3.13.13")
    assert dhi(base, "name") == "dhi/python"
    assert dhi(base, "definition") == "image/python/debian-13/3.13"
    assert dhi(base, "version") == "3.13.13-debian13"
    assert dhi(base, "variant") == "runtime"
    assert dhi(base, "created") == "2026-11-20T10:00:00Z"
    assert dhi(base, "date.end-of-life") == "2029-10-31"
    assert dhi(base, "shell") == dhi(base, "package-manager") == ""
    assert base.user == "65532"


def test_a_development_image_has_shell_and_root() -> None:
    """The dev variant says so in variant, definition and version, and runs as root."""
    dev = dhi_base("node", "26", "dev", "alpine-3.24", full_version="26.7.0")
    assert dhi(dev, "variant") == "dev"
    assert dhi(dev, "definition") == "image/node/alpine-3.24/26-dev"
    assert dhi(dev, "version") == "26.7.0-alpine3.24-dev"
    assert (dhi(dev, "shell"), dhi(dev, "package-manager")) == ("busybox", "apk")
    assert dev.user == "root"


def test_the_development_build_contains_the_runtime_build() -> None:
    """The dev chain begins with the whole runtime chain: only the longest match tells them apart."""
    runtime, dev = dhi_base(), dhi_base(variant="dev")
    assert dev.diff_ids[: len(runtime.diff_ids)] == runtime.diff_ids
    assert len(dev.diff_ids) > len(runtime.diff_ids)


def test_a_fips_image_claims_compliance() -> None:
    """The FIPS build says so in compliance and version and needs an entitlement."""
    fips = dhi_base(fips=True)
    assert dhi(fips, "compliance") == "fips,stig,cis"
    assert dhi(fips, "version").endswith("-fips")
    assert dhi(fips, "entitlement") == "enterprise"


def test_an_end_of_life_may_be_unknown() -> None:
    """Most real images have no end-of-life label; then there is none."""
    assert "com.docker.dhi.date.end-of-life" not in dhi_base(end_of_life=None).labels


@pytest.mark.parametrize(
    "other",
    [
        dhi_base(created=DEFAULT_CREATED + timedelta(days=1)),
        dhi_base(platform=ARM64),
        dhi_base("node"),
        dhi_base(distro="debian-12"),
    ],
)
def test_other_builds_have_other_chains(other: BuiltImage) -> None:
    """Another moment, platform, name or distribution is another chain."""
    assert other.chain_id != dhi_base().chain_id


def test_layers_are_zstd_unless_told_otherwise() -> None:
    """Docker ships zstd; gzip and Docker's media types can be asked for and leave the chain as it is."""
    default, other = dhi_base(), dhi_base(compression=Compression.GZIP, family=MediaFamily.DOCKER)
    assert all(layer.media_type.endswith("+zstd") for layer in default.layers)
    assert all(layer.media_type.endswith("tar.gzip") for layer in other.layers)
    assert default.chain_id == other.chain_id
    assert default.digest != other.digest


def test_an_index_of_bases_looks_like_dockers() -> None:
    """Every child has a build ID and the title begins with `dhi/`."""
    listed = json.loads(dhi_index([dhi_base(platform=platform) for platform in (AMD64, ARM64)]).manifest)
    assert listed["annotations"]["org.opencontainers.image.title"].startswith("dhi/python")
    ids = [entry["annotations"]["com.docker.dhi.build.id"] for entry in listed["manifests"]]
    assert len(set(ids)) == 2


def test_derived_images_inherit_the_labels_and_copies_do_not() -> None:
    """`FROM` hands the labels down, `COPY --from` hands down files only."""
    image = build(dhi_base(), [{"app": b"1"}])
    assert dhi(image, "chain-id") == str(dhi_base().chain_id)
    assert copied_from_scratch(image).labels == {}
