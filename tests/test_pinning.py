"""Resolving the tags of a Pod against a registry."""

from __future__ import annotations

import pytest

from tests.core.given import NOW, digest, pod, policy, use
from tests.fakes.registry import FakeRegistry
from tests.shop import Shop
from webhook.core.pinning import PinResult, patch
from webhook.core.references import Digest, ImageReference
from webhook.core.workloads import ContainerKind, ImageUse, Workload
from webhook.demo.images import push
from webhook.pinning import resolve_tags
from webhook.ports import TroubleKind

DEADLINE = 7.0
POLICY = policy()


def naming(*images: str) -> Workload:
    """Return a Pod whose init containers run these images."""
    return pod(*(_init(number, image) for number, image in enumerate(images)))


def _init(number: int, image: str) -> ImageUse:
    field = f"spec.initContainers[{number}].image"
    return use(ImageReference.parse(image), container=f"c{number}", kind=ContainerKind.INIT, field=field)


def registry_with(*tags: str) -> tuple[FakeRegistry, Digest]:
    """Return a registry with one image under these tags of `shop/api`."""
    shop = Shop()
    image = shop.app()
    for tag in tags:
        pushed = push(shop.registry.store, "shop/api", image, tag=tag)
    return shop.registry, pushed


async def test_each_tag_is_asked_about_once() -> None:
    """However often and in whichever spelling a tag stands in a Pod, it is resolved once, and means one digest."""
    registry, pushed = registry_with("1", "latest")
    names = ("registry.example/shop/api", "REGISTRY.example:443/shop/api:latest", "registry.example/shop/api:1")
    pinning = await resolve_tags(naming(*names, names[2]), POLICY, registry, as_of=NOW, deadline=DEADLINE)

    assert sorted(registry.asked) == ["resolve:1", "resolve:latest"]
    assert registry.deadlines == [DEADLINE, DEADLINE]
    written = [operation.value for operation in patch(pinning) if operation.op == "replace"]
    assert written == [f"{name}@{pushed}" for name in (*names, names[2])]


async def test_one_tag_that_is_nowhere_leaves_the_others_alone() -> None:
    """What can be resolved is pinned beside what cannot."""
    registry, _ = registry_with("1")
    images = naming("registry.example/shop/api:2", "registry.example/shop/api:1")
    pinning = await resolve_tags(images, POLICY, registry, as_of=NOW, deadline=DEADLINE)

    assert [pin.result for pin in pinning.pins] == [PinResult.NOT_FOUND, PinResult.PINNED]
    assert {operation.path for operation in patch(pinning)} == {"/spec/initContainers/1/image"}


@pytest.mark.parametrize("kind", TroubleKind)
async def test_no_trouble_of_a_registry_is_raised(kind: TroubleKind) -> None:
    """Whatever keeps a tag from being resolved, the Pod is left as it is."""
    registry, _ = registry_with("1")
    registry.break_down(kind, "resolve")
    pinning = await resolve_tags(naming("registry.example/shop/api:1"), POLICY, registry, as_of=NOW, deadline=DEADLINE)

    assert [pin.result for pin in pinning.pins] == [PinResult.UNRESOLVED]
    assert patch(pinning) == ()


async def test_where_nothing_is_to_be_pinned_nobody_is_asked() -> None:
    """A digest that is written is believed to be meant."""
    registry, _ = registry_with("1")
    image = f"registry.example/shop/api:1@{digest('other')}"
    pinning = await resolve_tags(naming(image), POLICY, registry, as_of=NOW, deadline=DEADLINE)

    assert (pinning.pins, registry.asked) == ((), [])
