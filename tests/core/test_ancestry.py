"""What an image stands on: the longest recorded chain, the proof of its layers, and the cases that prove nothing."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.given import AMD64, ARM64, NOW, SILENCE, digest
from tests.core.given import build as recorded
from webhook.core.bases.ancestry import Ancestry, LayerProof, chain_ids, only_empty_layers, trace
from webhook.core.bases.catalog import BaseBuild, Catalog, Status, VerifiedBy
from webhook.core.facts import Known, Learnt, PlatformImage
from webhook.core.manifests import Malformed, parse_config, parse_manifest
from webhook.core.manifests import Manifest as ParsedManifest
from webhook.core.references import Digest, Repository
from webhook.demo.bases import dhi_base
from webhook.demo.images import BuiltImage, build, chain_id
from webhook.demo.layers import EMPTY_TAR, Compression, Layer
from webhook.demo.variations import copied_from_scratch, recompressed, squashed, with_forged_diff_ids

EMPTY = Digest.parse("sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef")
BASE = dhi_base()
DEV = dhi_base(variant="dev")


def platform_image(image: BuiltImage) -> PlatformImage:
    """Read an image as the collector does."""
    manifest = parse_manifest(image.digest, image.media_type, image.manifest)
    assert isinstance(manifest, ParsedManifest)
    config = parse_config(manifest, image.config)
    assert not isinstance(config, Malformed)
    return PlatformImage(digest=image.digest, manifest=manifest, config=config)


def entry(image: BuiltImage, **changes: object) -> BaseBuild:
    """Return the catalog entry of a base."""
    facts: dict[str, object] = {
        "diff_ids": image.diff_ids,
        "layers": image.layer_digests,
        "platform": image.platform,
        "digest": image.digest,
    }
    return recorded(**{**facts, **changes})


def catalog(*builds: BaseBuild) -> Catalog:
    """Return a catalog of exactly these."""
    return Catalog(policy="production", synced_at=NOW, revision=digest("revision"), builds=builds)


def app(
    base: BuiltImage | None = BASE, *, name: str = "app", compression: Compression = Compression.GZIP
) -> BuiltImage:
    """Build an application on a base."""
    return build(base, [{f"opt/{name}": name.encode()}], compression=compression)


def traced(
    image: BuiltImage, *builds: BaseBuild, learnt: dict[Digest, Learnt[Digest] | Malformed] | None = None
) -> Ancestry:
    """Trace an image through a catalog of these builds."""
    return trace(platform_image(image), catalog(*builds), learnt or {})


def hashed(image: BuiltImage) -> dict[Digest, Learnt[Digest] | Malformed]:
    """Return what reading every layer of an image would tell."""
    return {layer.digest: Known(value=layer.diff_id) for layer in image.layers}


def test_an_image_stands_on_the_base_whose_layers_it_starts_with() -> None:
    """The whole chain of the base prefixes the image's, and its very blobs prove it without reading a layer."""
    found = traced(app(), entry(BASE))

    assert (entry(BASE),) == found.matches
    assert LayerProof() == found.proof
    assert found.closest is None


def test_a_base_by_itself_is_a_base() -> None:
    """A chain that covers all layers matches too."""
    assert (entry(BASE),) == traced(BASE, entry(BASE)).matches


def test_the_longest_chain_wins() -> None:
    """An image on the development variant stands on that, not on the runtime layers inside it."""
    runtime, dev = entry(BASE), entry(DEV, variant="dev")
    found = traced(app(DEV), runtime, dev)

    assert (dev,) == found.matches
    assert (runtime,) == found.contained


def test_a_longer_chain_that_does_not_fit_is_passed_over() -> None:
    """The runtime base is found although a longer chain is on record."""
    assert (entry(BASE),) == traced(app(), entry(BASE), entry(DEV, variant="dev")).matches


def test_an_image_shorter_than_every_chain_matches_nothing_twice() -> None:
    """A record with more layers than the image has is never compared with all of them."""
    found = traced(BASE, entry(BASE), entry(DEV))

    assert (entry(BASE),) == found.matches
    assert found.contained == ()


def test_a_revoked_base_that_is_merely_contained_is_told() -> None:
    """The revoked runtime base below a development base is among the contained ones."""
    revoked = entry(BASE, status=Status.REVOKED, reason="CVE-2026-1")

    assert (revoked,) == traced(app(DEV), revoked, entry(DEV)).contained


def test_one_chain_under_several_names_gives_all_of_them_newest_first() -> None:
    """A re-tagged or copied base is found under every name it was recorded under."""
    older = entry(BASE, repository=Repository.parse("registry.example/bases/python"), created=NOW - timedelta(days=9))
    newer = entry(BASE)

    assert (newer, older) == traced(app(), older, newer).matches


def test_builds_for_another_platform_do_not_match() -> None:
    """The same layers recorded for arm64 prove nothing about an amd64 image."""
    found = traced(app(), entry(BASE, platform=ARM64))

    assert found.matches == ()
    assert found.closest is None


def test_a_rebuilt_base_is_another_base() -> None:
    """An image on the former build stands on that one; on an unrecorded build, on none, and the closest is told."""
    former = dhi_base(created=datetime(2026, 10, 1, tzinfo=UTC))

    assert (entry(former),) == traced(app(former), entry(BASE), entry(former)).matches
    found = traced(app(former), entry(BASE))
    assert found.matches == ()
    assert found.closest is not None
    assert (entry(BASE), 2) == (found.closest.build, found.closest.shared)


@pytest.mark.parametrize("flattened", [squashed(app()), copied_from_scratch(app()), copied_from_scratch(BASE)])
def test_flattened_images_stand_on_nothing(flattened: BuiltImage) -> None:
    """Squash and `COPY --from` into scratch keep the files, perhaps the labels, and no layer: no descent is proven."""
    found = traced(flattened, entry(BASE))

    assert found.matches == ()
    assert found.closest is None
    assert LayerProof() == found.proof


@pytest.mark.parametrize("to", [Compression.GZIP, Compression.NONE])
def test_recompressed_layers_must_be_read(to: Compression) -> None:
    """Other blobs with the same diff IDs prove nothing until they are hashed, and everything after."""
    image = recompressed(app(), to=to)
    found = traced(image, entry(BASE))

    assert (entry(BASE),) == found.matches
    assert LayerProof(pending=image.layer_digests[:3]) == found.proof
    assert LayerProof() == traced(image, entry(BASE), learnt=hashed(image)).proof


def test_layers_above_the_base_are_not_asked_about() -> None:
    """Only the layers of the matched chain have to be proven."""
    image = app()
    broken = Malformed(what="layer", why="it ends in the middle")

    assert LayerProof() == traced(image, entry(BASE), learnt={image.layer_digests[-1]: broken}).proof


def test_a_config_that_claims_the_diff_ids_of_a_base_is_found_out() -> None:
    """An image whose layers are not the base's stands on it only as long as nobody has looked."""
    evil = build(None, [{"bin/evil": b"1"}, {"bin/evil": b"2"}, {"bin/evil": b"3"}, {"app": b""}])
    image = with_forged_diff_ids(evil, BASE)

    assert LayerProof(pending=image.layer_digests[:3]) == traced(image, entry(BASE)).proof
    proof = traced(image, entry(BASE), learnt=hashed(image)).proof
    assert isinstance(proof, Malformed)
    assert proof.why == "its content is not what the config claims"
    assert image.layer_digests[0].short in proof.what


def test_what_was_hashed_beats_what_is_on_record() -> None:
    """A catalogued blob that turned out to hold something else condemns the image."""
    lie: dict[Digest, Learnt[Digest] | Malformed] = {BASE.layer_digests[1]: Known(value=digest("else"))}

    assert isinstance(traced(app(), entry(BASE), learnt=lie).proof, Malformed)


def test_a_layer_that_is_not_well_formed_condemns() -> None:
    """What the hasher objects to is passed on as it is."""
    image = recompressed(app(), to=Compression.GZIP)
    broken = Malformed(what="layer", why="it ends in the middle of its gzip data")

    assert broken is traced(image, entry(BASE), learnt={image.layer_digests[0]: broken}).proof


def test_trouble_leaves_a_layer_pending() -> None:
    """A layer that could not be read is as unknown as one that nobody tried."""
    image = recompressed(app(), to=Compression.GZIP)
    learnt = {**hashed(image), image.layer_digests[1]: SILENCE}

    assert LayerProof(pending=(image.layer_digests[1],)) == traced(image, entry(BASE), learnt=learnt).proof


def test_a_layer_that_stands_twice_is_pending_once() -> None:
    """Each digest is asked about once, in the order of the layers."""
    twin = Layer.of({"etc/": b""})
    image = build(None, [twin, twin])
    base = entry(image, layers=(digest("a"), digest("b")))

    assert LayerProof(pending=(twin.digest,)) == traced(image, base).proof


def test_a_config_that_hides_a_known_base_is_malformed() -> None:
    """Layers that are on record with other diff IDs than the config claims are not what it says."""
    other = build(None, [{"etc/a": b"a"}, {"etc/b": b"b"}, {"etc/c": b"c"}])
    image = with_forged_diff_ids(app(), other)
    found = traced(image, entry(BASE))

    assert found.matches == ()
    assert isinstance(found.proof, Malformed)
    assert "claims other diff IDs" in found.proof.why


def test_a_config_cannot_pass_a_longer_base_for_a_shorter_one() -> None:
    """Layers of the development base, claimed to be the runtime base and something else, are found out."""
    forged = with_forged_diff_ids(app(DEV), build(BASE, [{"opt/innocent": b""}]))
    found = traced(forged, entry(BASE), entry(DEV))

    assert (entry(BASE),) == found.matches
    assert isinstance(found.proof, Malformed)


def test_another_key_cannot_prove_layers_of_this_base() -> None:
    """Where builds of one chain were verified by different keys, a blob that only one of them names must be read."""
    evil = build(None, [{"bin/evil": b"1"}, {"bin/evil": b"2"}, {"bin/evil": b"3"}])
    image = with_forged_diff_ids(evil, BASE)
    lying = entry(
        BASE,
        layers=evil.layer_digests,
        repository=Repository.parse("registry.example/bases/other"),
        verified_by=VerifiedBy(authority="release", key_fingerprint=digest("another key")),
    )

    assert LayerProof(pending=image.layer_digests) == traced(image, entry(BASE), lying).proof


def test_blobs_of_any_copy_by_the_same_key_prove() -> None:
    """A recompressed copy of a base that the same key signed proves its own blobs."""
    copy = recompressed(BASE, to=Compression.GZIP)

    assert LayerProof() == traced(app(copy), entry(BASE), entry(copy)).proof
    assert LayerProof() == traced(app(BASE), entry(BASE), entry(copy)).proof


def test_a_chain_of_empty_layers_is_nobodys_base() -> None:
    """Every image can start with the empty tar, so that chain neither matches nor is contained."""
    empty = Layer(tar=EMPTY_TAR, blob=EMPTY_TAR, media_type="application/vnd.oci.image.layer.v1.tar")
    hollow = build(None, [empty, empty])
    found = traced(app(hollow), entry(hollow))

    assert empty.diff_id == EMPTY
    assert only_empty_layers(hollow.diff_ids)
    assert only_empty_layers(())
    assert not only_empty_layers(app(hollow).diff_ids)
    assert () == found.matches == found.contained


def test_an_image_whose_layers_and_claims_do_not_match_in_number_is_never_proven() -> None:
    """The strict readers refuse such an image; should one come through, nothing is skipped in silence."""
    image = platform_image(app())
    short = PlatformImage(
        digest=image.digest,
        manifest=ParsedManifest(
            media_type=image.manifest.media_type, config=image.manifest.config, layers=image.manifest.layers[:1]
        ),
        config=image.config,
    )
    with pytest.raises(ValueError, match="zip"):
        trace(short, catalog(entry(BASE)), {})


def test_chain_ids_are_those_of_the_specification() -> None:
    """The first is the diff ID itself, every further one hashes its predecessor and the next diff ID."""
    first, second = digest("1"), digest("2")
    both = hashlib.sha256(f"{first} {second}".encode()).hexdigest()

    assert (first, Digest(algorithm="sha256", hex=both)) == chain_ids((first, second))
    assert chain_ids(()) == ()


SEEDS = st.lists(st.sampled_from("abc"), min_size=1, max_size=6)


@given(SEEDS)
def test_chain_ids_agree_with_the_image_maker(seeds: list[str]) -> None:
    """Two independent foldings name every prefix alike."""
    diff_ids = tuple(digest(seed) for seed in seeds)
    expected = tuple(chain_id(diff_ids[: length + 1]) for length in range(len(diff_ids)))

    assert expected == chain_ids(diff_ids)


@given(SEEDS, st.lists(SEEDS, max_size=6))
def test_trace_agrees_with_trying_every_build(seeds: list[str], chains: list[list[str]]) -> None:
    """The longest match, the contained builds and the closest one are those that a plain search finds."""
    image = platform_image(build(None, [{f"opt/{seed}": seed.encode()} for seed in seeds]))
    names = {seed: Layer.of({f"opt/{seed}": seed.encode()}).diff_id for seed in "abc"}
    builds = tuple(
        recorded(diff_ids=tuple(names[s] for s in chain), digest=digest(f"{number}"), platform=AMD64)
        for number, chain in enumerate(chains)
    )
    found = trace(image, catalog(*builds), {})
    own = image.config.diff_ids
    ancestors = [b for b in builds if own[: len(b.diff_ids)] == b.diff_ids]
    longest = max((len(b.diff_ids) for b in ancestors), default=0)

    assert {b.digest for b in ancestors if len(b.diff_ids) == longest} == {b.digest for b in found.matches}
    assert {b.digest for b in ancestors if len(b.diff_ids) < longest} == {b.digest for b in found.contained}
    shared = max((_common(b.diff_ids, own) for b in builds), default=0)
    assert (0 if ancestors else shared) == (found.closest.shared if found.closest else 0)


def _common(one: tuple[Digest, ...], other: tuple[Digest, ...]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
