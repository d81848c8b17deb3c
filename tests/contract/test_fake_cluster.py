"""What the fake cluster does on demand, which the contract cannot ask of a real one."""

from __future__ import annotations

import pytest

from tests.contract.cluster_contract import LEASES, decoded, lease, refused
from tests.fakes.cluster import NAMESPACES, FakeCluster
from tests.fakes.label_selectors import parse_selector
from webhook.ports import ClusterTroubleKind


async def names(fake: FakeCluster, namespace: str | None) -> list[str]:
    """Return the names of all leases."""
    pages = fake.pages(LEASES, namespace=namespace)
    return [item["metadata"]["name"] async for page in pages for item in decoded(page)["items"]]


@pytest.fixture
def fake() -> FakeCluster:
    """Return a cluster with a lease in each of two namespaces."""
    fake = FakeCluster(page_size=2)
    for namespace in ("shop", "garage"):
        fake.put(LEASES, {"metadata": {"name": "a", "namespace": namespace}})
    return fake


async def test_a_verb_is_forbidden(fake: FakeCluster) -> None:
    """On one kind in one namespace, and so for all namespaces at once; everything else goes on."""
    fake.forbid("leases", verb="list", namespace="shop")
    await refused(names(fake, "shop"), ClusterTroubleKind.FORBIDDEN)
    await refused(names(fake, None), ClusterTroubleKind.FORBIDDEN)
    assert await names(fake, "garage") == ["a"]
    assert await fake.read(LEASES, namespace="shop", name="a") is not None
    assert await fake.read(NAMESPACES, namespace=None, name="shop") is not None


async def test_a_caller_is_confined(fake: FakeCluster) -> None:
    """What RoleBindings allow: a namespace and what it holds, the Namespace itself too, and no list of all."""
    fake.confine("shop")
    assert await names(fake, "shop") == ["a"]
    assert await fake.read(NAMESPACES, namespace=None, name="shop") is not None
    for question in (
        names(fake, "garage"),
        names(fake, None),
        fake.read(NAMESPACES, namespace=None, name="garage"),
        anext(fake.pages(NAMESPACES)),
    ):
        await refused(question, ClusterTroubleKind.FORBIDDEN)


async def test_trouble_comes_when_it_was_asked_for(fake: FakeCluster) -> None:
    """After so many questions, so many times, for one verb; `mend` ends what has no end."""
    fake.break_down(ClusterTroubleKind.UNAVAILABLE, "get", after=1, times=1)
    assert await fake.read(LEASES, namespace="shop", name="a") is not None
    await refused(fake.read(LEASES, namespace="shop", name="a"), ClusterTroubleKind.UNAVAILABLE)
    assert await fake.read(LEASES, namespace="shop", name="a") is not None
    fake.break_down(ClusterTroubleKind.UNREACHABLE, namespace="shop")
    await refused(names(fake, "shop"), ClusterTroubleKind.UNREACHABLE)
    assert await names(fake, "garage") == ["a"]
    fake.mend()
    assert await names(fake, "shop") == ["a"]


async def test_a_list_is_that_of_the_moment_at_which_it_began(fake: FakeCluster) -> None:
    """What comes or goes meanwhile changes nothing, unless the list is continued at a later state."""
    for number in range(3):
        fake.put(LEASES, lease(f"b{number}", holder="me") | {"metadata": {"name": f"b{number}", "namespace": "shop"}})
    pages = fake.pages(LEASES, namespace="shop")
    await anext(pages)
    fake.remove(LEASES, "shop", "b2")
    assert [item["metadata"]["name"] for item in decoded(await anext(pages))["items"]] == ["b1", "b2"]
    assert await names(fake, "shop") == ["a", "b0", "b1"]


async def test_questions_are_recorded(fake: FakeCluster) -> None:
    """With verb, resource and place, a page each."""
    fake.put(LEASES, {"metadata": {"name": "b", "namespace": "shop"}})
    await names(fake, None)
    await fake.read(LEASES, namespace="shop", name="a")
    assert fake.asked == ["list leases *", "list leases *", "get leases shop/a"]


def test_an_object_keeps_its_uid_when_it_is_put_again(fake: FakeCluster) -> None:
    """It is the same object in another state, and the namespace is made once."""
    first = fake.object(LEASES, "shop", "a")
    uid = fake.put(LEASES, {"metadata": {"name": "a", "namespace": "shop", "labels": {"k": "v"}}})
    second = fake.object(LEASES, "shop", "a")
    assert first is not None
    assert second is not None
    assert uid == first["metadata"]["uid"] == second["metadata"]["uid"]
    assert first["metadata"]["resourceVersion"] != second["metadata"]["resourceVersion"]
    assert [each["metadata"]["name"] for each in fake.objects(NAMESPACES)] == ["garage", "shop"]


@pytest.mark.parametrize("text", ["a b", "=", "a=b=c", "a in b", "a in (b", "!a=b", "a,,b", "a/b/c", "a notin ()x"])
def test_what_is_no_selector(text: str) -> None:
    """It is refused, as the API server refuses it."""
    with pytest.raises(ValueError, match="unable to parse"):
        parse_selector(text)
