"""The door, story by story: images are pushed, signed and spoilt, and the gate says what follows."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.shop import HOST, Shop
from webhook.core.manifests import Platform
from webhook.core.references import ImageReference
from webhook.core.verdicts import Result
from webhook.core.workloads import ContainerKind, ImageUse, Source, Workload
from webhook.demo.attestations import attestation_child
from webhook.demo.bases import dhi_base
from webhook.demo.images import ARM64, Child, build, index
from webhook.demo.layers import Compression, File
from webhook.demo.signer import Forgery
from webhook.demo.variations import copied_from_scratch, recompressed, squashed, with_forged_diff_ids
from webhook.ports import TroubleKind


@pytest.fixture
def shop() -> Shop:
    """Return a fresh world."""
    return Shop()


def pod(*images: str) -> Workload:
    """Return a pod with one main container for each image."""
    uses = tuple(
        ImageUse(
            container=f"c{number}",
            kind=ContainerKind.MAIN,
            field=f"spec.containers[{number}].image",
            image=ImageReference.parse(image),
        )
        for number, image in enumerate(images)
    )
    return Workload(kind="Pod", namespace="shop", name="api", operation="CREATE", source=Source.ADMISSION, uses=uses)


class TestSignatures:
    """The same decision whatever shape the signature has."""

    async def test_every_shape_counts(self, shop: Shop) -> None:
        """A classic signature, an OCI 1.1 referrer and a bundle are each enough."""
        for name in ("sign_classic", "sign_oci11", "sign_bundle"):
            image = shop.app(name=name)
            reference = shop.push(image)
            getattr(shop.release, name)(shop.registry.store, "shop/api", image.digest)

            assert await shop.codes(reference) == [], name

    async def test_unsigned(self, shop: Shop) -> None:
        """An image that nobody signed is unsigned, and no layer of it is read."""
        assert await shop.codes(shop.push(recompressed(shop.app(), to=Compression.GZIP))) == ["unsigned"]
        assert not [question for question in shop.registry.asked if question.startswith("stream")]

    async def test_signed_by_someone_else(self, shop: Shop) -> None:
        """A signature by another authority of the policy is untrusted under this rule."""
        decision = await shop.review(shop.push(shop.app(), shop.sandbox))

        assert [p.code for p in decision.verdicts[0].problems] == ["untrusted-signer"]
        assert decision.verdicts[0].signed_by == ("sandbox",)

    async def test_signature_of_another_image(self, shop: Shop) -> None:
        """A signature over another digest, hung up behind this image's tag, is invalid."""
        image, other = shop.app(), shop.app(name="other")
        reference = shop.push(image)
        shop.release.sign_classic(shop.registry.store, "shop/api", image.digest, forgery=Forgery(digest=other.digest))

        assert await shop.codes(reference) == ["invalid-signature"]

    async def test_attestation_is_no_signature(self, shop: Shop) -> None:
        """An SBOM that the release pipeline attested does not count as its signature over the image."""
        image = shop.app()
        reference = shop.push(image)
        shop.release.attest(shop.registry.store, "shop/api", image.digest, {"spdxVersion": "SPDX-2.3"})

        assert await shop.codes(reference) == ["unsigned"]

    async def test_index_signature_counts_for_its_platforms(self, shop: Shop) -> None:
        """A signature over an index carries its platforms; one over a platform does not carry the index."""
        arm = dhi_base(platform=ARM64)
        shop.builds += (shop.record(arm),)
        children = [shop.app(), shop.app(arm)]
        whole, parts = index(children), index(children, annotations={"copy": "2"})
        signed_whole = shop.push(whole, shop.release)
        signed_parts = shop.push(parts, repository="shop/parts")
        for child in children:
            shop.release.sign_bundle(shop.registry.store, "shop/parts", child.digest)

        assert await shop.codes(signed_whole) == []
        assert await shop.codes(signed_parts) == ["unsigned"]
        assert await shop.codes(f"{HOST}/shop/parts@{children[0].digest}") == []

    async def test_junk_does_not_hide_the_signature(self, shop: Shop) -> None:
        """A hundred look-alikes before and after it do not keep a genuine signature from being found."""
        image = shop.app()
        reference = shop.push(image)
        for round_ in range(100):
            forgery = Forgery(flipped=True)
            shop.sandbox.sign_bundle(
                shop.registry.store, "shop/api", image.digest, annotations={"n": str(round_)}, forgery=forgery
            )
            if round_ == 50:
                shop.release.sign_bundle(shop.registry.store, "shop/api", image.digest)

        assert await shop.codes(reference) == []


class TestAncestry:
    """The edge cases of descent, each with its verdict."""

    async def test_squashed(self, shop: Shop) -> None:
        """A squashed image cannot prove what it stands on."""
        assert await shop.codes(shop.push(squashed(shop.app()), shop.release)) == ["unapproved-base"]

    async def test_copied_from_scratch(self, shop: Shop) -> None:
        """Files of a base copied into scratch, with its labels, are no descent."""
        copied = copied_from_scratch(shop.base, labels=shop.base.labels)

        assert "unapproved-base" in await shop.codes(shop.push(copied, shop.release))

    async def test_claims_in_labels_and_history(self, shop: Shop) -> None:
        """Labels and history that name a base approve nothing."""
        other = build(None, [{"bin/sh": File(content=b"sh")}], user="1000")
        liar = build(
            other,
            [{"app": File(content=b"x")}],
            labels=shop.base.labels,
            overrides={"history": [{"created_by": "FROM dhi.io/python:3.13"}, {"created_by": "COPY app"}]},
        )

        assert await shop.codes(shop.push(liar, shop.release)) == ["unapproved-base"]

    async def test_recompressed(self, shop: Shop) -> None:
        """Layers compressed anew are read, hashed and found to be the base's, once for each layer."""
        gzipped = recompressed(shop.app(), to=Compression.GZIP)

        assert await shop.codes(shop.push(gzipped, shop.release)) == []
        streamed = [question for question in shop.registry.asked if question.startswith("stream")]
        assert len(streamed) == len(shop.base.diff_ids)

    async def test_genuine_layers_need_no_reading(self, shop: Shop) -> None:
        """Layers with the very digests of the base's are proof without reading a byte."""
        assert await shop.codes(shop.push(shop.app(), shop.release)) == []
        assert not [question for question in shop.registry.asked if question.startswith("stream")]

    async def test_forged_diff_ids(self, shop: Shop) -> None:
        """A config that merely claims the base's diff IDs is found out by its layers."""
        forged = with_forged_diff_ids(
            shop.app(build(None, [{"a": File(content=b"a")}, {"b": File(content=b"b")}], user="1")), shop.base
        )

        assert await shop.codes(shop.push(forged, shop.release)) == ["malformed-image"]

    async def test_longest_chain_decides(self, shop: Shop) -> None:
        """An image on the development build is that build, though the approved runtime build lies within it."""
        dev = dhi_base(variant="dev", created=shop.clock.now())
        shop.builds += (shop.record(dev, "3.13-dev"),)

        assert await shop.codes(shop.push(shop.app(dev, user="1000"), shop.release)) == ["wrong-variant"]

    async def test_unapproved_build_above_an_approved_one(self, shop: Shop) -> None:
        """A recorded build that no tag approves does not pass as the approved build that it contains."""
        dev = dhi_base(variant="dev", created=shop.clock.now())
        shop.builds += (shop.record(dev, "4.0-dev"),)

        assert await shop.codes(shop.push(shop.app(dev, user="1000"), shop.release)) == ["unapproved-base"]

    async def test_revoked_below(self, shop: Shop) -> None:
        """A revoked base condemns what stands on it."""
        shop.revoke(shop.base.chain_id)

        assert await shop.codes(shop.push(shop.app(), shop.release)) == ["revoked-base"]

    async def test_same_layers_on_another_platform(self, shop: Shop) -> None:
        """The base's layers under another architecture are another image."""
        elsewhere = shop.app(platform=Platform(os="linux", architecture="s390x"))

        assert await shop.codes(shop.push(elsewhere, shop.release)) == ["unapproved-base"]

    async def test_the_base_itself(self, shop: Shop) -> None:
        """The base alone stands on itself."""
        assert await shop.codes(shop.push(shop.base, shop.release)) == []

    async def test_without_a_catalog(self, shop: Shop) -> None:
        """Without a catalog the base is unverifiable, never unapproved."""
        assert await shop.codes(shop.push(shop.app(), shop.release), catalog=False) == ["unverifiable"]

    async def test_every_platform_is_judged(self, shop: Shop) -> None:
        """One platform on another base refuses the index; its attestation child is skipped by its own bytes."""
        good, bad = shop.app(), build(None, [{"bin/sh": File(content=b"sh")}], platform=ARM64, user="1000")
        mixed = index([good, bad, attestation_child(good, {"https://slsa.dev/provenance/v1": {}})])
        honest = index([good, attestation_child(good, {"https://slsa.dev/provenance/v1": {}})])

        decision = await shop.review(shop.push(mixed, shop.release))
        assert [(p.code, p.platform) for p in decision.verdicts[0].problems] == [  # type: ignore[union-attr]
            ("unapproved-base", "linux/arm64")
        ]
        assert await shop.codes(shop.push(honest, shop.release)) == []

    async def test_platform_claim_that_the_config_contradicts(self, shop: Shop) -> None:
        """A runnable child that its descriptor hides as unknown/unknown makes the index malformed."""
        hidden = Child(image=shop.app(), platform=Platform(os="unknown", architecture="unknown"))

        assert await shop.codes(shop.push(index([hidden]), shop.release)) == ["malformed-image"]

    async def test_index_of_attestations_only(self, shop: Shop) -> None:
        """An index that offers nothing to run is malformed, not approved for want of problems."""
        only = index([attestation_child(shop.app(), {"https://slsa.dev/provenance/v1": {}})])

        assert await shop.codes(shop.push(only, shop.release)) == ["malformed-image"]


class TestTheWorldInTheWay:
    """What could not be learnt is unverifiable, and nothing else."""

    @pytest.mark.parametrize("method", ["resolve", "manifest", "blob", "referrers", ""])
    async def test_registry_trouble(self, shop: Shop, method: str) -> None:
        """Trouble with any question ends as `unverifiable`, in time, with what was being done."""
        reference = shop.push(shop.app(), shop.sandbox)
        shop.registry.break_down(TroubleKind.UNREACHABLE, method)

        decision = await shop.review(reference)

        assert {p.code for p in decision.verdicts[0].problems} == {"unverifiable"}
        assert decision.result is Result.ERROR
        assert not decision.allowed

    async def test_trouble_does_not_outweigh_a_found_signature(self, shop: Shop) -> None:
        """If the rule is satisfied by what was found, what could not be seen does not matter."""
        image = shop.app()
        reference = shop.push(image)
        shop.release.sign_classic(shop.registry.store, "shop/api", image.digest)
        shop.registry.break_down(TroubleKind.RATE_LIMITED, "referrers")

        assert await shop.codes(reference) == []

    async def test_layers_that_cannot_be_read(self, shop: Shop) -> None:
        """A base whose layers cannot be read is unproven, which is unverifiable."""
        reference = shop.push(recompressed(shop.app(), to=Compression.GZIP), shop.release)
        shop.registry.break_down(TroubleKind.TIMEOUT, "stream_blob")

        assert set(await shop.codes(reference)) == {"unverifiable"}

    async def test_not_found(self, shop: Shop) -> None:
        """An unknown tag and an unknown digest are not found."""
        missing = shop.app(name="never pushed").digest

        assert await shop.codes(f"{HOST}/shop/api@{missing}") == ["not-found"]
        assert await shop.codes(f"{HOST}/shop/api:none") == ["unpinned", "not-found"]

    async def test_child_that_the_registry_has_not(self, shop: Shop) -> None:
        """An index with a child that is missing is unverifiable: the child may be pushed tomorrow."""
        both = index([shop.app(), shop.app(dhi_base(platform=ARM64))])
        reference = shop.push(both, shop.release)
        shop.registry.store.delete_manifest("shop/api", both.children[1].image.digest)

        assert await shop.codes(reference) == ["unverifiable"]

    async def test_config_that_the_registry_has_not(self, shop: Shop) -> None:
        """An image without its config is unverifiable."""
        image = shop.app()
        reference = shop.push(image, shop.release)
        shop.registry.store.delete_blob("shop/api", image.config_digest)

        assert await shop.codes(reference) == ["unverifiable"]


class TestTheDoor:
    """How many questions are asked, and about what."""

    async def test_each_image_is_asked_about_once(self, shop: Shop) -> None:
        """Three containers with one image ask the registry no more than one does."""
        reference = shop.push(shop.app(), shop.release)
        await shop.review(pod(reference))
        alone = list(shop.registry.asked)
        shop.registry.asked.clear()

        decision = await shop.review(pod(reference, reference, reference))

        assert sorted(shop.registry.asked) == sorted(alone)
        assert [verdict.result for verdict in decision.verdicts] == [Result.PASS] * 3

    async def test_a_tag_is_resolved_once(self, shop: Shop) -> None:
        """A tag is resolved once; a tag beside a digest never."""
        image = shop.app()
        reference = shop.push(image, shop.release)
        shop.registry.store.put_tag("shop/api", "1.0", image.digest)

        assert await shop.codes(f"{HOST}/shop/api:1.0") == ["unpinned"]
        assert len([q for q in shop.registry.asked if q.startswith("resolve") and q.endswith("1.0")]) == 1
        shop.registry.asked.clear()
        assert await shop.codes(reference.replace("@", ":0.9@")) == []
        assert not [q for q in shop.registry.asked if q.endswith("0.9")]

    async def test_exempt_images_are_not_contacted(self, shop: Shop) -> None:
        """Under an exemption nobody is asked anything."""
        exempt = replace(shop.policy, rules=(Shop(require="{pinned: false}").policy.rules[0],))

        decision = await shop.review(f"{HOST}/shop/none:1", policy=exempt)

        assert decision.allowed
        assert shop.registry.asked == []

    async def test_malformed_manifest(self, shop: Shop) -> None:
        """A manifest that two programs would read differently is refused, whoever signed it."""
        image = shop.app()
        twisted = image.manifest.replace(b'"layers"', b'"Layers":[],"layers"')
        digest = shop.registry.store.put_manifest("shop/api", twisted, image.media_type, checked=False)
        shop.release.sign_bundle(shop.registry.store, "shop/api", digest)

        assert await shop.codes(f"{HOST}/shop/api@{digest}") == ["malformed-image"]

    async def test_reviews_do_not_wait_for_each_other(self, shop: Shop) -> None:
        """Images of one pod are asked about at the same time."""
        references = [shop.push(shop.app(name=f"app{n}"), shop.release) for n in range(3)]
        shop.registry.gate = asyncio.Event()
        reviewing = asyncio.create_task(shop.review(pod(*references)))
        while len(shop.registry.asked) < 3:  # noqa: ASYNC110 - turns the loop until the questions have been asked
            await asyncio.sleep(0)

        assert len([q for q in shop.registry.asked if q.startswith("manifest")]) >= 3
        shop.registry.gate.set()
        assert (await reviewing).allowed
