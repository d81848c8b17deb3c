"""Manifests, indexes and configs: what is read, what is refused as malformed, what may run."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.manifests import (
    MAX_CHILDREN,
    MAX_LAYERS,
    Descriptor,
    ImageConfig,
    Index,
    Malformed,
    Manifest,
    Platform,
    attestation_contradiction,
    is_attestation,
    parse_config,
    parse_manifest,
    platform_contradiction,
    runnable_problem,
)
from webhook.core.references import Digest
from webhook.demo.attestations import attestation_child
from webhook.demo.documents import DOCKER_INDEX, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from webhook.demo.images import ARM64, BuiltImage, build, index
from webhook.demo.layers import Compression, MediaFamily
from webhook.demo.signer import Signer
from webhook.demo.store import Store

Document = dict[str, Any]
Change = Callable[[Document], object]

IMAGE = build(None, [{"a": b"1"}, {"b": b"2"}], user="65532", labels={"x": "1", "X": "2"})
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
SIGNER = Signer.generate()


def read_manifest(image: BuiltImage = IMAGE) -> Manifest:
    """Read the manifest of a well-formed image."""
    manifest = parse_manifest(image.digest, image.media_type, image.manifest)
    assert isinstance(manifest, Manifest)
    return manifest


def changed(data: bytes, change: Change) -> bytes:
    """Return a JSON document after a change in it."""
    document: Document = json.loads(data)
    change(document)
    return json.dumps(document).encode()


def refused(data: bytes, media_type: str = OCI_MANIFEST) -> str:
    """Return why a manifest or index is malformed."""
    problem = parse_manifest(Digest.of(data), media_type, data)
    assert isinstance(problem, Malformed)
    assert problem.what.endswith(Digest.of(data).short)
    return problem.why


def read_config(change: Change, image: BuiltImage = IMAGE) -> ImageConfig | Malformed:
    """Read the config of an image after a change in it."""
    config = changed(image.config, change)
    manifest = changed(image.manifest, lambda m: m["config"].update(size=len(config), digest=str(Digest.of(config))))
    parsed = parse_manifest(Digest.of(manifest), image.media_type, manifest)
    assert isinstance(parsed, Manifest)
    return parse_config(parsed, config)


@pytest.mark.parametrize("family", MediaFamily)
@pytest.mark.parametrize("compression", Compression)
def test_reads_images_of_every_common_type(family: MediaFamily, compression: Compression) -> None:
    """OCI and Docker images with plain, gzip and zstd layers are read as what they are, and may run."""
    image = build(None, [{"a": b"1"}], family=family, compression=compression, annotations={"k": "v"})
    manifest = read_manifest(image)
    config = parse_config(manifest, image.config)

    assert manifest.config.digest == image.config_digest
    assert tuple(layer.digest for layer in manifest.layers) == image.layer_digests
    assert manifest.annotations == {"k": "v"}
    assert runnable_problem(manifest) is None
    assert not is_attestation(manifest)
    assert isinstance(config, ImageConfig)
    assert (config.digest, config.diff_ids) == (image.config_digest, image.diff_ids)


def test_reads_a_config() -> None:
    """User, labels (whose names may differ in case only), date and platform come from the config."""
    config = parse_config(read_manifest(), IMAGE.config)

    assert config == ImageConfig(
        digest=IMAGE.config_digest,
        platform=Platform(os="linux", architecture="amd64"),
        diff_ids=IMAGE.diff_ids,
        user="65532",
        created=datetime(2026, 11, 20, 10, tzinfo=UTC),
        labels={"x": "1", "X": "2"},
    )


@pytest.mark.parametrize("family", MediaFamily)
def test_reads_an_index(family: MediaFamily) -> None:
    """An index gives its children in order, with the platform it claims for each."""
    arm = build(None, [{"a": b"1"}], platform=ARM64, family=family)
    amd = build(None, [{"a": b"1"}], family=family)
    built = index([arm, amd], family=family, annotations={"k": "v"})
    parsed = parse_manifest(built.digest, built.media_type, built.manifest)

    assert isinstance(parsed, Index)
    assert tuple(child.digest for child in parsed.manifests) == (arm.digest, amd.digest)
    assert parsed.manifests[0].platform == ARM64
    assert parsed.annotations == {"k": "v"}


def test_reads_manifests_that_are_no_images() -> None:
    """A signature is a manifest too: it is read with its subject and type, and may not run."""
    store = Store()
    store.put_manifest("shop/api", IMAGE.manifest, IMAGE.media_type, checked=False)
    stored = store.manifest("shop/api", SIGNER.sign_bundle(store, "shop/api", IMAGE.digest))
    assert stored is not None
    manifest = parse_manifest(stored.digest, stored.media_type, stored.data)

    assert isinstance(manifest, Manifest)
    assert manifest.subject is not None
    assert manifest.subject.digest == IMAGE.digest
    assert manifest.artifact_type == "application/vnd.dev.sigstore.bundle.v0.3+json"
    problem = runnable_problem(manifest)
    assert problem is not None
    assert problem.why == "config is of type `application/vnd.oci.empty.v1+json`, which is no image config"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda m: m.update(schemaVersion=1), "schemaVersion: is not 2"),
        (lambda m: m.update(schemaVersion=True), "schemaVersion: is not an integer"),
        (lambda m: m.pop("schemaVersion"), "schemaVersion: is missing"),
        (lambda m: m.update(fsLayers=[]), "schema 1"),
        (lambda m: m.update(mediaType=OCI_INDEX), "but it was served as"),
        (lambda m: m.update(manifests=[]), "an index and an image manifest at once"),
        (lambda m: m.update(manifests=None), "an index and an image manifest at once"),
        (lambda m: m.update(Layers=m.pop("layers")), "has the key `Layers`, which some readers take for `layers`"),
        (lambda m: m.update(Layers=[]), "has the keys `layers` and `Layers`"),
        (lambda m: m.pop("layers"), "layers: is missing"),
        (lambda m: m.pop("config"), "config: is missing"),
        (lambda m: m["config"].update(Digest="x"), "has the keys `digest` and `Digest`"),
        (lambda m: m["config"].pop("mediaType"), "config.mediaType: is missing"),
        (lambda m: m["config"].update(mediaType=""), "config.mediaType: is empty"),
        (lambda m: m["layers"][1].update(digest="sha256:abc"), "layers[1].digest: `sha256:abc` is not 64"),
        (lambda m: m["layers"][1].update(digest="md5:abc"), "is not a sha256 or sha512 digest"),
        (lambda m: m["layers"][0].update(size=-1), "layers[0].size: is not a size in bytes"),
        (lambda m: m["layers"][0].update(size=2**63), "layers[0].size: is not a size in bytes"),
        (lambda m: m["layers"][0].update(size=1.0), "layers[0].size: is not an integer"),
        (lambda m: m["layers"][0].update(urls="http://x"), "layers[0].urls: is not an array"),
        (lambda m: m["layers"][0].update(annotations={"k": 1}), "layers[0].annotations[k]: is not a string"),
        (lambda m: m["config"].update(data="!"), "config.data: is not base64"),
        (lambda m: m["config"].update(data="e30="), "config.data: is not what the digest and the size announce"),
        (lambda m: m.update(subject={}), "subject.digest: is missing"),
        (lambda m: m.update(layers=m["layers"] * MAX_LAYERS), "layers: has more than 1,000 items"),
        (lambda m: m.update(annotations=[]), "annotations: is not an object"),
        (lambda m: m.update(artifactType=1), "artifactType: is not a string"),
    ],
)
def test_refuses_malformed_manifests(change: Change, why: str) -> None:
    """A manifest that two readers could read differently is malformed, and the reason names the place."""
    assert why in refused(changed(IMAGE.manifest, change))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda i: i["manifests"][0].update(mediaType=OCI_INDEX), "manifests[0]: is an index inside an index"),
        (lambda i: i["manifests"][0].update(mediaType=DOCKER_INDEX), "manifests[0]: is an index inside an index"),
        (lambda i: i["manifests"][0].update(mediaType="x/y"), "manifests[0]: is of type `x/y`, which is no image"),
        (lambda i: i["manifests"][0].update(urls=["http://x"]), "manifests[0]: names urls"),
        (lambda i: i["manifests"][0]["platform"].update(os=""), "manifests[0].platform.os: `` names no platform"),
        (lambda i: i["manifests"][0]["platform"].update(Variant="x"), "manifests[0].platform: has the key `Variant`"),
        (lambda i: i.update(manifests=i["manifests"] * (MAX_CHILDREN + 1)), "manifests: has more than 250 items"),
        (lambda i: i.update(layers=[]), "an index and an image manifest at once"),
        (lambda i: i.update(config={}), "an index and an image manifest at once"),
    ],
)
def test_refuses_malformed_indexes(change: Change, why: str) -> None:
    """An index with children that are no image manifests, or too many of them, is malformed."""
    assert why in refused(changed(index([IMAGE]).manifest, change), OCI_INDEX)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/json",
        "",
    ],
)
def test_refuses_other_types_of_answers(media_type: str) -> None:
    """Schema 1 and whatever is not called an index or an image manifest is malformed."""
    assert "is of" in refused(changed(IMAGE.manifest, lambda m: m.pop("mediaType")), media_type)


def test_believes_the_answer_where_the_document_is_silent() -> None:
    """A manifest without a media type of its own is what the registry says it is."""
    data = changed(IMAGE.manifest, lambda m: m.pop("mediaType"))
    manifest = parse_manifest(Digest.of(data), OCI_MANIFEST, data)

    assert isinstance(manifest, Manifest)
    assert manifest.media_type == OCI_MANIFEST


def test_embedded_data_may_repeat_the_content() -> None:
    """A descriptor may carry the bytes it points to."""
    data = changed(IMAGE.manifest, lambda m: m["config"].update(data=base64.b64encode(IMAGE.config).decode()))

    assert isinstance(parse_manifest(Digest.of(data), OCI_MANIFEST, data), Manifest)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda layer: layer.update(urls=["http://x"]), "layers[1] names urls to fetch it from"),
        (lambda layer: layer.update(mediaType=f"{LAYER}+encrypted"), "layers[1] is encrypted"),
        (
            lambda layer: layer.update(mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
            "layers[1] is a foreign layer, which registries do not hold",
        ),
        (
            lambda layer: layer.update(mediaType="application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
            "layers[1] is a foreign layer, which registries do not hold",
        ),
        (lambda layer: layer.update(mediaType="x/y"), "layers[1] is of type `x/y`, which is no known layer type"),
        (lambda layer: layer.update(mediaType=LAYER.upper()), f"layers[1] is of type `{LAYER.upper()}`, which is"),
    ],
)
def test_images_with_other_layers_may_not_run(change: Change, why: str) -> None:
    """Foreign, encrypted and unknown layers are readable, but make the image malformed."""
    data = changed(IMAGE.manifest, lambda m: change(m["layers"][1]))
    manifest = parse_manifest(Digest.of(data), OCI_MANIFEST, data)
    assert isinstance(manifest, Manifest)
    problem = runnable_problem(manifest)

    assert problem is not None
    assert why in problem.why


def test_config_urls_may_not_run() -> None:
    """A config that is to be fetched from elsewhere makes the image malformed."""
    data = changed(IMAGE.manifest, lambda m: m["config"].update(urls=["http://x"]))
    manifest = parse_manifest(Digest.of(data), OCI_MANIFEST, data)
    assert isinstance(manifest, Manifest)
    problem = runnable_problem(manifest)

    assert problem is not None
    assert problem.why == "config names urls to fetch it from"


def test_knows_attestations_by_their_own_bytes() -> None:
    """A manifest is an attestation only if it has layers and all of them are in-toto statements."""
    attestation = attestation_child(IMAGE, {"https://spdx.dev/Document": {}}).image
    manifest = read_manifest(attestation)
    assert is_attestation(manifest)

    spoil: tuple[Change, ...] = (
        lambda m: m.update(layers=[]),
        lambda m: m["layers"].append(json.loads(IMAGE.manifest)["layers"][0]),
        lambda m: m["config"].update(mediaType="x/y"),
    )
    for change in spoil:
        data = changed(attestation.manifest, change)
        spoilt = parse_manifest(Digest.of(data), OCI_MANIFEST, data)
        assert isinstance(spoilt, Manifest)
        assert not is_attestation(spoilt)


def test_an_index_that_calls_an_image_unknown_is_contradicted() -> None:
    """A runnable image does not become an attestation by the platform its index gives it."""
    config = parse_config(read_manifest(), IMAGE.config)
    assert isinstance(config, ImageConfig)
    unknown = Platform(os="unknown", architecture="unknown")
    problem = platform_contradiction(listed(unknown), config)

    assert problem is not None
    assert problem.why == "is offered for unknown/unknown, but its config is for linux/amd64"
    assert problem.platform == "linux/amd64"


def test_the_same_platform_or_none_is_no_contradiction() -> None:
    """An index may leave the platform out, or name the one of the config."""
    config = parse_config(read_manifest(), IMAGE.config)
    assert isinstance(config, ImageConfig)

    assert platform_contradiction(listed(None), config) is None
    assert platform_contradiction(listed(config.platform), config) is None
    assert platform_contradiction(listed(ARM64), config) is not None


@pytest.mark.parametrize(("platform", "named"), [(ARM64, "linux/arm64"), (None, "any platform")])
def test_an_index_that_offers_attestations_to_a_node_is_contradicted(platform: Platform | None, named: str) -> None:
    """Attestations are offered for `unknown/unknown` and nothing else."""
    problem = attestation_contradiction(listed(platform))

    assert problem is not None
    assert problem.why == f"holds attestations only, but is offered for {named}"
    assert attestation_contradiction(listed(Platform(os="unknown", architecture="unknown"))) is None


def listed(platform: Platform | None) -> Descriptor:
    """Return what an index says about the image."""
    return Descriptor(media_type=OCI_MANIFEST, digest=IMAGE.digest, size=1, platform=platform)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (("linux", "amd64", None), "linux/amd64"),
        (("Linux", "x86_64", "v1"), "linux/amd64"),
        (("linux", "x86-64", "v2"), "linux/amd64/v2"),
        (("linux", "aarch64", "v8"), "linux/arm64"),
        (("linux", "arm64", "8"), "linux/arm64"),
        (("linux", "arm", ""), "linux/arm/v7"),
        (("linux", "arm", "7"), "linux/arm/v7"),
        (("linux", "arm", "6"), "linux/arm/v6"),
        (("linux", "arm", "v5"), "linux/arm/v5"),
        (("linux", "armhf", ""), "linux/arm/v7"),
        (("linux", "armel", ""), "linux/arm/v6"),
        (("linux", "i386", ""), "linux/386"),
        (("macOS", "arm64", ""), "darwin/arm64"),
    ],
)
def test_normalises_platforms(written: tuple[str, str, str | None], expected: str) -> None:
    """Different spellings of one platform are one platform."""
    system, architecture, variant = written
    config = read_config(lambda c: c.update(os=system, architecture=architecture, variant=variant))

    assert isinstance(config, ImageConfig)
    assert str(config.platform) == expected


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: c.pop("os"), "os: is missing"),
        (lambda c: c.update(architecture=""), "architecture: `` names no platform"),
        (lambda c: c.update(variant="v8\n"), "variant: `v8` names no platform"),
        (lambda c: c.update(os=1), "os: is not a string"),
        (lambda c: c.pop("rootfs"), "rootfs: is missing"),
        (lambda c: c.update(Rootfs=c.pop("rootfs")), "has the key `Rootfs`, which some readers take for `rootfs`"),
        (lambda c: c["rootfs"].update(type="layer"), "rootfs.type: is not `layers`"),
        (lambda c: c["rootfs"].update(diff_ids=None), "rootfs.diff_ids: has 0 entries for 2 layers"),
        (lambda c: c["rootfs"]["diff_ids"].append("x"), "rootfs.diff_ids: has 3 entries for 2 layers"),
        (lambda c: c["rootfs"].update(Diff_IDs=[]), "some readers take for one"),
        (lambda c: c["rootfs"]["diff_ids"].__setitem__(1, "x"), "rootfs.diff_ids[1]: `x` is not a sha256"),
        (lambda c: c["rootfs"]["diff_ids"].__setitem__(0, f"sha512:{'0' * 128}"), "[0]: is not a sha256 digest"),
        (lambda c: c["config"].update(user="0"), "has the keys `User` and `user`"),
        (lambda c: c.update(config={"user": "0"}), "config: has the key `user`, which some readers take for `User`"),
        (lambda c: c["config"].update(User=0), "config.User: is not a string"),
        (lambda c: c["config"].update(Labels={"a": None}), "config.Labels[a]: is not a string"),
        (lambda c: c.update(created="yesterday"), "created: is not a date and time of RFC 3339"),
        (lambda c: c.update(created="2026-02-30T00:00:00Z"), "created: is no date that exists"),
        (lambda c: c.update(created="0001-01-01T00:00:00+23:00"), "created: is no date that exists"),
        (lambda c: c.update(created="2026-11-20 10:00:00Z"), "created: is not a date and time of RFC 3339"),
    ],
)
def test_refuses_malformed_configs(change: Change, why: str) -> None:
    """A config that is incomplete, does not fit its manifest or can be read in two ways is malformed."""
    problem = read_config(change)

    assert isinstance(problem, Malformed)
    assert why in problem.why
    assert problem.what.startswith("config sha256:")


def test_refuses_configs_of_other_types_and_sizes() -> None:
    """A config of another type than an image's, or of another size than announced, is malformed."""
    manifest = read_manifest()
    problem = parse_config(manifest, IMAGE.config + b" ")
    assert isinstance(problem, Malformed)
    assert "bytes where the manifest says" in problem.why

    data = changed(IMAGE.manifest, lambda m: m["config"].update(mediaType="x/y"))
    other = parse_manifest(Digest.of(data), OCI_MANIFEST, data)
    assert isinstance(other, Manifest)
    problem = parse_config(other, IMAGE.config)
    assert isinstance(problem, Malformed)
    assert problem.why == "is of type `x/y`, which is no image config"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-11-20T10:00:00.123456789Z", datetime(2026, 11, 20, 10, microsecond=123456, tzinfo=UTC)),
        ("2026-11-20T12:00:00.5+02:00", datetime(2026, 11, 20, 10, microsecond=500000, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        (None, None),
    ],
)
def test_reads_dates_with_nanoseconds(written: str | None, expected: datetime | None) -> None:
    """A date is an instant in UTC, cut to microseconds; a config without one has none."""
    config = read_config(lambda c: c.update(created=written))

    assert isinstance(config, ImageConfig)
    assert config.created == expected
    assert config.created is None or config.created.utcoffset() == timedelta(0)


def test_a_config_needs_no_runtime_part() -> None:
    """Without `config` there is no user and there are no labels."""
    config = read_config(lambda c: c.pop("config"))

    assert isinstance(config, ImageConfig)
    assert (config.user, config.labels) == ("", {})


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            ["PATH=/bin", "NODE_VERSION=20.11.1", "YARN_VERSION=1.22", "DB_PASSWORD=20", "NODE_VERSION=20.12"],
            [("NODE_VERSION", "20.12"), ("YARN_VERSION", "1.22")],
        ),
        ([None, 7, {}, "PYTHON_VERSION=3.13"], [("PYTHON_VERSION", "3.13")]),
        (["NODE_VERSION=20\n", "NODE_VERSION=", "node_version=20", "_VERSION=1", f"A_VERSION={'1' * 65}"], []),
        ([*["A=1"] * 1000, "NODE_VERSION=20"], []),
        ("NODE_VERSION=20", []),
        (None, []),
    ],
)
def test_variables_that_name_versions_are_kept(variables: object, expected: list[tuple[str, str]]) -> None:
    """Of the environment nothing is kept but short versions, and no image is refused for the rest of it."""
    config = read_config(lambda c: c["config"].update(Env=variables))

    assert isinstance(config, ImageConfig)
    assert list(config.versions.items()) == expected


def test_an_image_may_have_no_layers() -> None:
    """An image `FROM scratch` without content is well formed; that it stands on no base is for others to say."""
    empty = build(None, [])
    config = parse_config(read_manifest(empty), empty.config)

    assert isinstance(config, ImageConfig)
    assert config.diff_ids == ()
    assert runnable_problem(read_manifest(empty)) is None


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([str(IMAGE.digest), OCI_CONFIG]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["schemaVersion", "mediaType", "config", "layers", "Layers", "digest", "size", "rootfs", "os"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(documents, st.sampled_from([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST]))
def test_any_document_is_read_or_malformed(document: object, media_type: str) -> None:
    """Whatever the JSON is, reading it as manifest or config raises nothing."""
    data = json.dumps(document).encode()
    parse_manifest(Digest.of(data), media_type, data)
    manifest = read_manifest()
    sized = Manifest(
        media_type=manifest.media_type,
        config=Descriptor(media_type=OCI_CONFIG, digest=Digest.of(data), size=len(data)),
        layers=(),
    )
    parse_config(sized, data)


def test_reads_sha512_names() -> None:
    """Content may be named by SHA-512."""
    name = f"sha512:{'0' * 128}"
    data = changed(IMAGE.manifest, lambda m: m["layers"][0].update(digest=name))
    manifest = parse_manifest(Digest.of(data), OCI_MANIFEST, data)

    assert isinstance(manifest, Manifest)
    assert manifest.layers[0].digest == Digest.parse(name)
