"""What the author of an object or of an image writes, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from tests.advisories.given import asked_for, codes_of, pod_of
from tests.core.reviews import NINE_KINDS, object_of, pod_spec, review
from tests.shop import Shop
from webhook.core.admission import parse_review
from webhook.core.errors import DocumentError, ParseError
from webhook.demo.images import BuiltImage, build
from webhook.demo.layers import File
from webhook.ports import TroubleKind

DELETED = "2026-11-23T00:00:00Z"


class TestTheObject:
    """Nothing that the author of an object writes into it speaks for its images."""

    @pytest.mark.parametrize("kind", NINE_KINDS)
    @pytest.mark.parametrize("field", ["containers", "initContainers", "ephemeralContainers", "volumes"])
    async def test_an_unchecked_field(self, shop: Shop, kind: str, field: str) -> None:
        """One unsigned image refuses every kind, wherever it hides: Connaisseur 1.3.0 and 3.1.1, Kyverno #16275."""
        good, bad = shop.push(shop.app(), shop.release), shop.push(shop.app(name="bad"))
        hidden = {"name": "x", "image": {"reference": bad}} if field == "volumes" else {"name": "x", "image": bad}
        honest = [{"name": "api", "image": good}]
        spec = {"containers": honest, field: [*honest, hidden] if field == "containers" else [hidden]}

        assert codes_of(await shop.review(asked_for(review(object_of(kind, spec), kind=kind)))) == ["unsigned"]

    @pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet"])
    async def test_zero_replicas(self, shop: Shop, kind: str) -> None:
        """A workload that is scaled to nothing is judged like any other: Portieris #508."""
        unsigned = object_of(kind, pod_spec(containers=[{"name": "api", "image": shop.push(shop.app())}]))
        unsigned["spec"]["replicas"] = 0

        assert codes_of(await shop.review(asked_for(review(unsigned, kind=kind)))) == ["unsigned"]

    async def test_an_owner_reference_is_trusted(self, shop: Shop) -> None:
        """A pod that claims to belong to an approved workload is judged itself (Portieris `podspec.go`)."""
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "api", "uid": "1", "controller": True}

        assert codes_of(await shop.review(pod_of(shop.push(shop.app()), ownerReferences=[owner]))) == ["unsigned"]

    async def test_a_forged_verdict_in_the_object(self, shop: Shop) -> None:
        """Annotations and labels that say "verified" say nothing: Kyverno `forged-verification-annotation`, #12978."""
        reference = shop.push(shop.app())
        forged = {
            "kyverno.io/verify-images": json.dumps({reference: "pass"}),
            "dhi-gate.dev/decision": "allow",
            "pods.main.dhi-gate.dev/decision": "allow",
            "dhi-gate.dev/skip": "true",
        }

        decision = await shop.review(pod_of(reference, annotations=forged, labels={"AllowAdmissionSkip": "true"}))

        assert codes_of(decision) == ["unsigned"]

    async def test_a_deletion_timestamp_lets_an_image_in(self, shop: Shop) -> None:
        """In an object that is being deleted a new image is judged, a finalizer can go: CVE-2023-34091."""
        old = object_of("Pod", pod_spec(), deletionTimestamp=DELETED, finalizers=["a"])
        new = pod_spec(containers=[{"name": "api", "image": shop.push(shop.app())}])
        changed = object_of("Pod", new, deletionTimestamp=DELETED)
        released = object_of("Pod", pod_spec(), deletionTimestamp=DELETED)

        refused = await shop.review(asked_for(review(changed, operation="UPDATE", oldObject=old)))
        passed = await shop.review(asked_for(review(released, operation="UPDATE", oldObject=old)))

        assert (codes_of(refused), passed.allowed) == (["unsigned"], True)

    async def test_an_exception_that_an_object_gives_itself(self, shop: Shop) -> None:
        """Exceptions are the policy's, for the namespace of the request, not the object's: CVE-2024-48921."""
        spec = pod_spec(containers=[{"name": "api", "image": shop.push(shop.app())}])
        elsewhere = object_of("Pod", spec, namespace="kube-system", labels={"policy": "exempt"})

        found = parse_review(review(elsewhere)).workload

        assert isinstance(found, ParseError) or found.namespace == "shop"


class TestErrors:
    """What goes wrong never allows."""

    @pytest.mark.parametrize("method", ["manifest", "blob", "referrers", "resolve", ""])
    @pytest.mark.parametrize("kind", TroubleKind)
    async def test_an_error_path_that_allows(self, shop: Shop, kind: TroubleKind, method: str) -> None:
        """Trouble with any question denies, and says so: Kyverno #15705, kwctl #265, CVE-2026-44309."""
        reference = shop.push(shop.app())
        shop.registry.break_down(kind, method)

        decision = await shop.review(reference)

        assert "unverifiable" in codes_of(decision)
        assert not decision.allowed

    async def test_nothing_that_was_found_is_no_approval(self, shop: Shop) -> None:
        """An object in which no image was found is approved only for a reason that is known: CVE-2026-44310."""
        pod = pod_of(shop.push(shop.app()))

        assert not (await shop.review(replace(pod, uses=()))).allowed

    async def test_a_failure_is_remembered_as_an_answer(self, shop: Shop) -> None:
        """What could not be learnt is asked again the next time, and a verdict is no one else's: Connaisseur."""
        reference = shop.push(shop.app(), shop.release)
        shop.registry.break_down(TroubleKind.TIMEOUT)
        assert set(await shop.codes(reference)) == {"unverifiable"}

        shop.registry.mend()
        assert await shop.codes(reference) == []

    @pytest.mark.parametrize(
        "require",
        [
            "{signature: {from: [release]}}",
            "{signatures: {form: [release]}}",
            "{signatures: {from: [release], atleast: 2}}",
            "{signatures: {from: []}}",
            "{signatures: {from: [release], atLeast: 0}}",
            "{base: {intact: {}}, verify: true}",
        ],
    )
    def test_an_option_that_does_nothing(self, shop: Shop, require: str) -> None:
        """What would not be decided on is refused, never accepted and ignored: Kyverno #16809, #17162."""
        with pytest.raises(DocumentError):
            shop.policy_that(require)

    async def test_many_pods_at_once_are_judged_alike(self, shop: Shop) -> None:
        """The second of many who ask at the same time gets the verdict of the first: Kyverno #17117."""
        good, bad = shop.push(shop.app(), shop.release), shop.push(shop.app(name="bad"))

        decisions = await asyncio.gather(*(shop.review(image) for image in (good, bad) * 20))

        assert [codes_of(decision) for decision in decisions] == [[], ["unsigned"]] * 20


class TestAncestry:
    """What looks like the approved base and is not below the image."""

    @pytest.fixture
    def shop(self) -> Shop:
        """Return a world whose rule asks for the approved base and nothing else."""
        return Shop(require="{base: {}}")

    async def codes(self, shop: Shop, image: BuiltImage) -> list[str]:
        """Push an image and return its reason codes."""
        return list(await shop.codes(shop.push(image)))

    async def test_a_layer_under_the_base(self, shop: Shop) -> None:
        """An image that puts its own layer below the base's is another image."""
        image = build(build(None, [{"evil": File(content=b"x")}], user="1000"), shop.base.layers)

        assert await self.codes(shop, image) == ["unapproved-base"]

    async def test_the_base_in_the_middle(self, shop: Shop) -> None:
        """The base's layers above others are no base, however many follow."""
        below = build(None, [{"evil": File(content=b"x")}], user="1000")
        image = build(build(below, shop.base.layers), [{"app": File(content=b"y")}])

        assert await self.codes(shop, image) == ["unapproved-base"]

    async def test_the_layers_of_the_base_in_another_order(self, shop: Shop) -> None:
        """The chain counts, not the set of its layers."""
        image = build(None, tuple(reversed(shop.base.layers)), user="1000")

        assert await self.codes(shop, image) == ["unapproved-base"]

    async def test_a_base_that_loses_its_last_layer(self, shop: Shop) -> None:
        """Part of a base is not the base."""
        image = build(None, shop.base.layers[:-1], user="1000", labels=shop.base.labels)

        assert await self.codes(shop, image) == ["unapproved-base"]

    async def test_labels_that_were_set_by_hand(self, shop: Shop) -> None:
        """Labels are not evidence (mnfst/llm-gateway #1674)."""
        image = build(None, [{"bin/sh": File(content=b"x")}], labels=shop.base.labels, user="1000")

        assert await self.codes(shop, image) == ["unapproved-base"]
