"""Discovery: where to look, in which order, and what may be a signature."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.signatures.given import IMAGE, OTHER, RELEASE, digest
from webhook.core.facts import CandidateKind
from webhook.core.manifests import Descriptor, Manifest, parse_manifest
from webhook.core.references import Digest
from webhook.core.signatures.discovery import (
    CandidateLayer,
    candidates_in,
    fallback_tag,
    fetch_order,
    from_both_ends,
    in_turns,
    signature_tag,
)
from webhook.demo.documents import OCI_MANIFEST
from webhook.demo.store import Store

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
EMPTY = "application/vnd.oci.empty.v1+json"
COSIGN_ARTIFACT = "application/vnd.dev.cosign.artifact.sig.v1+json"
NOTATION = "application/vnd.cncf.notary.signature"
CARRIER = digest("carrier")


def listed(
    name: str, artifact_type: str | None, annotations: Mapping[str, str] | None = None, *, size: int = 900
) -> Descriptor:
    """Return an entry of a list of referrers."""
    return Descriptor(
        media_type=OCI_MANIFEST,
        digest=digest(name),
        size=size,
        artifact_type=artifact_type,
        annotations=annotations or {},
    )


def layer(media_type: str, *, size: int = 100, name: str = "layer") -> Descriptor:
    """Return a layer."""
    return Descriptor(media_type=media_type, digest=digest(name), size=size)


def carrying(*layers: Descriptor, subject: Digest | None = IMAGE.digest) -> Manifest:
    """Return a manifest with layers that hangs on a subject."""
    return Manifest(
        media_type=OCI_MANIFEST,
        config=layer(EMPTY, size=2),
        layers=layers,
        subject=Descriptor(media_type=OCI_MANIFEST, digest=subject, size=1) if subject else None,
    )


def test_names_the_tags_of_a_digest() -> None:
    """The tags are derived from the digest; the fallback tag of a long one is cut to 64 digits."""
    long = Digest(algorithm="sha512", hex="ab" * 64)

    assert signature_tag(IMAGE.digest) == f"sha256-{IMAGE.digest.hex}.sig"
    assert fallback_tag(IMAGE.digest) == f"sha256-{IMAGE.digest.hex}"
    assert fallback_tag(long) == f"sha512-{'ab' * 32}"


def test_likely_signatures_are_fetched_first() -> None:
    """Hints put signatures before bundles of unknown content, and those before what is something else."""
    predicate = "dev.sigstore.bundle.predicateType"
    oci11 = listed("oci11", COSIGN_ARTIFACT)
    sign = listed("sign", EMPTY, {predicate: "https://sigstore.dev/cosign/sign/v1"})
    bundle = listed("bundle", BUNDLE)
    untyped = listed("untyped", None)
    empty = listed("empty", EMPTY)
    sbom = listed("sbom", BUNDLE, {predicate: "https://spdx.dev/Document"})
    huge = listed("huge", COSIGN_ARTIFACT, size=100_000)
    notation = listed("notation", NOTATION)
    other = listed("other", "x/y")

    assert fetch_order((sbom, sign))[0] is sign
    assert fetch_order((huge, oci11))[0] is oci11
    assert fetch_order((sbom, bundle, notation))[0] is notation
    assert fetch_order((other, bundle))[0] is bundle
    assert fetch_order((other, empty))[0] is empty
    assert fetch_order((other, untyped, oci11)) == (oci11, untyped, other)


@given(st.lists(st.sampled_from([COSIGN_ARTIFACT, BUNDLE, EMPTY, None, "x/y"]), max_size=40))
def test_the_order_leaves_nothing_out(artifact_types: list[str | None]) -> None:
    """Every listed manifest comes up exactly once, whatever the hints say."""
    descriptors = tuple(listed(str(number), kind) for number, kind in enumerate(artifact_types))

    assert len(fetch_order(descriptors)) == len(descriptors)
    assert {d.digest for d in fetch_order(descriptors)} == {d.digest for d in descriptors}


@pytest.mark.parametrize("position", [0, 5000])
@pytest.mark.parametrize("artifact_type", [COSIGN_ARTIFACT, BUNDLE, EMPTY, None, "x/y"])
def test_look_alikes_push_a_signature_back_by_a_few_places(artifact_type: str | None, position: int) -> None:
    """Thousands of entries with the best hints before or after it leave any entry among the first six."""
    junk = [listed(f"junk {number}", COSIGN_ARTIFACT) for number in range(5000)]
    genuine = listed("genuine", artifact_type)
    ordered = fetch_order((*junk[:position], genuine, *junk[position:]))

    assert genuine in ordered[:6]


@given(st.lists(st.integers(), max_size=30))
def test_both_ends_take_turns(items: list[int]) -> None:
    """The order from both ends is first, last, second, last but one, and nothing is lost."""
    waiting, expected = list(items), []
    while waiting:
        expected.append(waiting.pop(0))
        if waiting:
            expected.append(waiting.pop())

    assert from_both_ends(items) == tuple(expected)


def test_groups_take_turns() -> None:
    """The groups are served round by round; empty ones are passed over, and what is None is served too."""
    assert in_turns([]) == ()
    assert in_turns([(1, 2, 3), (), (None,), (5, 6)]) == (1, None, 5, 2, 6, 3)


def test_finds_what_the_signer_made() -> None:
    """Each of the three forms is found in the manifest that carries it, with the annotations of the layer."""
    store = Store()
    image = b'{"schemaVersion":2}'
    signed = store.put_manifest("shop/api", image, OCI_MANIFEST, checked=False)
    carriers = {
        CandidateKind.BUNDLE: RELEASE.sign_bundle(store, "shop/api", signed),
        CandidateKind.SIMPLE_SIGNING: RELEASE.sign_oci11(store, "shop/api", signed),
    }
    RELEASE.sign_classic(store, "shop/api", signed)
    classic = store.manifest("shop/api", signature_tag(signed))
    assert classic is not None
    for kind, carrier in (*carriers.items(), (CandidateKind.SIMPLE_SIGNING, classic.digest)):
        stored = store.manifest("shop/api", carrier)
        assert stored is not None
        manifest = parse_manifest(stored.digest, stored.media_type, stored.data)
        assert isinstance(manifest, Manifest)
        (found,) = candidates_in(manifest, signed, carrier)

        assert found == CandidateLayer(kind=kind, manifest=carrier, descriptor=manifest.layers[0])
        payload = store.blob("shop/api", found.descriptor.digest)
        assert payload is not None
        assert json.loads(payload)


def test_one_manifest_may_carry_many_classic_signatures() -> None:
    """All simple-signing layers are candidates, from both ends; other layers beside them are not."""
    layers = [layer(SIMPLE_SIGNING, name=str(number)) for number in range(3)]
    found = candidates_in(carrying(*layers, layer("x/y"), layer(BUNDLE), subject=None), IMAGE.digest, CARRIER)

    assert [candidate.descriptor for candidate in found] == [layers[0], layers[2], layers[1]]


@pytest.mark.parametrize(
    "manifest",
    [
        carrying(),
        carrying(layer("x/y")),
        carrying(layer(BUNDLE), subject=OTHER),
        carrying(layer(SIMPLE_SIGNING), subject=OTHER),
        carrying(layer(BUNDLE), layer(BUNDLE)),
        carrying(layer(SIMPLE_SIGNING, size=1024 * 1024 + 1)),
        carrying(layer(BUNDLE, size=4 * 1024 * 1024 + 1)),
    ],
)
def test_other_manifests_carry_no_candidates(manifest: Manifest) -> None:
    """What hangs on another subject, has other layers, two bundles or too much to read is no signature."""
    assert candidates_in(manifest, IMAGE.digest, CARRIER) == ()


def test_a_bundle_of_any_version_is_a_candidate() -> None:
    """The layer's type tells a bundle by its beginning; which versions count is judged from its bytes."""
    for version in (BUNDLE, "application/vnd.dev.sigstore.bundle+json;version=0.1"):
        (found,) = candidates_in(carrying(layer(version)), IMAGE.digest, CARRIER)
        assert found.kind is CandidateKind.BUNDLE


def of_notation(*layers: Descriptor, by_config: bool = False, subject: Digest = IMAGE.digest) -> Manifest:
    """Return a manifest that says it carries a signature of Notation, in the newer or the older form."""
    return Manifest(
        media_type=OCI_MANIFEST,
        config=layer(NOTATION if by_config else EMPTY, size=2),
        layers=layers,
        subject=Descriptor(media_type=OCI_MANIFEST, digest=subject, size=1),
        artifact_type=None if by_config else NOTATION,
    )


@pytest.mark.parametrize("by_config", [True, False])
def test_an_envelope_of_notation_is_told_by_its_manifest(*, by_config: bool) -> None:
    """The type of the artefact, or that of the config in the older form, says whose envelope the one layer is."""
    for media_type, kind in (
        ("application/jose+json", CandidateKind.NOTATION_JWS),
        ("application/cose", CandidateKind.NOTATION_COSE),
    ):
        (found,) = candidates_in(of_notation(layer(media_type), by_config=by_config), IMAGE.digest, CARRIER)

        assert found.kind is kind
        assert candidates_in(carrying(layer(media_type)), IMAGE.digest, CARRIER) == ()


@pytest.mark.parametrize(
    "manifest",
    [
        of_notation(),
        of_notation(layer("x/y")),
        of_notation(layer(BUNDLE)),
        of_notation(layer(SIMPLE_SIGNING)),
        of_notation(layer("application/cose"), layer("application/cose")),
        of_notation(layer("application/cose", size=1024 * 1024 + 1)),
        of_notation(layer("application/cose"), subject=OTHER),
    ],
)
def test_other_manifests_of_notation_carry_no_candidates(manifest: Manifest) -> None:
    """Another layer, two envelopes, too much to read, or another subject: no signature of this image."""
    assert candidates_in(manifest, IMAGE.digest, CARRIER) == ()
