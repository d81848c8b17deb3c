"""What every implementation of the port `Cluster` has to do.

Inherit from `ClusterContract` in a class whose name begins with `Test`, and give it a fixture `subject`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from tests.fakes.cluster import NAMESPACES
from webhook.ports import ApiResource, Cluster, ClusterTrouble, ClusterTroubleKind

__all__ = ["LEASES", "ClusterContract", "Subject"]

LEASES = ApiResource(group="coordination.k8s.io", version="v1", kind="Lease", plural="leases")
"""A kind of which no controller makes objects by itself in a new namespace."""

WIDGETS = ApiResource(group="widgets.example", version="v1", kind="Widget", plural="widgets")
"""A kind that no cluster knows."""

PATIENCE_SECONDS = 20.0
OTHER_UID = "00000000-0000-4000-8000-00000000dead"

LABELS: Mapping[str, Mapping[str, str]] = {
    "front": {"app": "shop", "tier": "front"},
    "back": {"app": "shop", "tier": "back"},
    "cache": {"app": "cache", "example.com/team": "a"},
    "plain": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A cluster to test, and two namespaces in it that are there and empty."""

    cluster: Cluster
    namespace: str
    other_namespace: str

    async def create(
        self, name: str, *, holder: str = "somebody", labels: Mapping[str, str] | None = None, namespace: str = ""
    ) -> dict[str, Any]:
        """Create a lease and return it as it was stored."""
        place = namespace or self.namespace
        document = lease(name, holder=holder, labels=labels)
        stored = await self.cluster.create(LEASES, namespace=place, document=msgspec.json.encode(document))
        return decoded(stored)

    async def names(self, *, namespace: str | None = None, selector: str = "") -> list[str]:
        """Return the names of all leases that a list has, in its order, and as often as it has them."""
        pages = self.cluster.pages(LEASES, namespace=namespace, selector=selector)
        return [item["metadata"]["name"] async for page in pages for item in decoded(page)["items"]]

    async def replace(self, document: Mapping[str, Any], *, name: str = "") -> dict[str, Any]:
        """Replace a lease and return it as it was stored."""
        place, data = name or document["metadata"]["name"], msgspec.json.encode(document)
        return decoded(await self.cluster.replace(LEASES, namespace=self.namespace, name=place, document=data))


def lease(name: str, *, holder: str, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the manifest of a lease."""
    return {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": {"holderIdentity": holder},
    }


def decoded(data: bytes | None) -> dict[str, Any]:
    """Return a document that has to be there."""
    assert data is not None
    return msgspec.json.decode(data, type=dict[str, Any])


async def watched(subject: Subject, name: str) -> AsyncGenerator[bytes | None, None]:
    """Yield the states of a lease, over as many watches as it takes: one may end at any time."""
    last: object = ()
    while True:
        async for state in subject.cluster.watch(LEASES, namespace=subject.namespace, name=name):
            if holder(state) != last:
                last = holder(state)
                yield state


def holder(data: bytes | None) -> str | None:
    """Return who holds a lease; None if there is none."""
    return None if data is None else str(decoded(data)["spec"]["holderIdentity"])


async def refused(question: Awaitable[object], kind: ClusterTroubleKind) -> ClusterTrouble:
    """Return the trouble that a question ends with, which is of this kind."""
    with pytest.raises(ClusterTrouble) as caught:
        await question
    assert caught.value.kind is kind
    return caught.value


class ClusterContract:
    """The tests. Each begins with two empty namespaces."""

    async def test_an_object_is_read_as_it_was_stored(self, subject: Subject) -> None:
        """What was created comes back with a uid and a resourceVersion, byte for byte the same from a read."""
        stored = await subject.create("a", holder="me")
        found = decoded(await subject.cluster.read(LEASES, namespace=subject.namespace, name="a"))
        assert found == stored
        assert found["spec"] == {"holderIdentity": "me"}
        assert found["metadata"]["uid"]
        assert found["metadata"]["resourceVersion"]

    async def test_an_object_that_is_not_there_is_none(self, subject: Subject) -> None:
        """A name that nobody has is known not to be there, in whatever namespace."""
        await subject.create("a")
        assert await subject.cluster.read(LEASES, namespace=subject.namespace, name="b") is None
        assert await subject.cluster.read(LEASES, namespace=subject.other_namespace, name="a") is None

    async def test_an_object_without_a_namespace_is_read(self, subject: Subject) -> None:
        """A Namespace is in none itself."""
        found = decoded(await subject.cluster.read(NAMESPACES, namespace=None, name=subject.namespace))
        assert (found["kind"], found["metadata"]["name"]) == ("Namespace", subject.namespace)
        assert await subject.cluster.read(NAMESPACES, namespace=None, name="not-there") is None

    async def test_a_name_is_given_once(self, subject: Subject) -> None:
        """Creating what is there already is a conflict, and changes nothing."""
        first = await subject.create("a", holder="first")
        await refused(subject.create("a", holder="second"), ClusterTroubleKind.CONFLICT)
        assert decoded(await subject.cluster.read(LEASES, namespace=subject.namespace, name="a")) == first

    async def test_nothing_is_created_in_a_namespace_that_is_not_there(self, subject: Subject) -> None:
        """A namespace that is gone by now is a conflict, and not a kind that is unknown."""
        await refused(subject.create("a", namespace="not-there"), ClusterTroubleKind.CONFLICT)

    async def test_an_object_is_replaced_in_the_state_that_was_read(self, subject: Subject) -> None:
        """The new content is stored, and the state is another one."""
        before = await subject.create("a", holder="me")
        after = await subject.replace({**before, "spec": {"holderIdentity": "you"}})
        assert after["spec"] == {"holderIdentity": "you"}
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]

    async def test_an_object_that_somebody_changed_is_not_replaced(self, subject: Subject) -> None:
        """Whoever read an earlier state gets a conflict, and the later content stays."""
        before = await subject.create("a")
        await subject.replace({**before, "spec": {"holderIdentity": "you"}})
        late = subject.replace({**before, "spec": {"holderIdentity": "me"}})
        await refused(late, ClusterTroubleKind.CONFLICT)
        found = decoded(await subject.cluster.read(LEASES, namespace=subject.namespace, name="a"))
        assert found["spec"] == {"holderIdentity": "you"}

    async def test_replacing_by_the_same_writes_nothing(self, subject: Subject) -> None:
        """The state stays the one it was."""
        before = await subject.create("a")
        assert await subject.replace(before) == before

    async def test_an_object_that_is_gone_is_not_replaced(self, subject: Subject) -> None:
        """It is a conflict, and does not come back."""
        before = await subject.create("a")
        await subject.cluster.delete(LEASES, namespace=subject.namespace, name="a", uid=before["metadata"]["uid"])
        await refused(subject.replace(before), ClusterTroubleKind.CONFLICT)
        assert await subject.names(namespace=subject.namespace) == []

    async def test_an_object_is_deleted_once(self, subject: Subject) -> None:
        """The first delete says that it did it, the second that there was nothing to do."""
        uid = (await subject.create("a"))["metadata"]["uid"]
        assert await subject.cluster.delete(LEASES, namespace=subject.namespace, name="a", uid=uid) is True
        assert await subject.cluster.read(LEASES, namespace=subject.namespace, name="a") is None
        assert await subject.cluster.delete(LEASES, namespace=subject.namespace, name="a", uid=uid) is False

    async def test_another_object_of_the_same_name_is_not_deleted(self, subject: Subject) -> None:
        """The uid says which one is meant."""
        await subject.create("a")
        assert await subject.cluster.delete(LEASES, namespace=subject.namespace, name="a", uid=OTHER_UID) is False
        assert await subject.names(namespace=subject.namespace) == ["a"]

    async def test_a_list_has_every_object_of_its_namespace_once(self, subject: Subject) -> None:
        """Over however many pages, in the order of the names, and nothing of another namespace."""
        expected = [f"lease-{number}" for number in range(5)]
        for name in expected:
            await subject.create(name)
        await subject.create("elsewhere", namespace=subject.other_namespace)
        assert await subject.names(namespace=subject.namespace) == expected

    async def test_a_list_of_all_namespaces_has_those_of_each(self, subject: Subject) -> None:
        """No namespace means every one."""
        await subject.create("here")
        await subject.create("elsewhere", namespace=subject.other_namespace)
        assert {"here", "elsewhere"} <= set(await subject.names())

    async def test_an_empty_list_is_one_page_without_items(self, subject: Subject) -> None:
        """That nothing is there is said, and it is said too of a namespace that is not there."""
        for namespace in (subject.namespace, "not-there"):
            pages = [decoded(page) async for page in subject.cluster.pages(LEASES, namespace=namespace)]
            assert [page["items"] for page in pages] == [[]]

    async def test_a_list_of_metadata_has_nothing_else(self, subject: Subject) -> None:
        """Names, labels and uids are there, content is not."""
        stored = await subject.create("a", labels={"app": "shop"})
        pages = subject.cluster.pages(LEASES, namespace=subject.namespace, metadata_only=True)
        [item] = [item async for page in pages for item in decoded(page)["items"]]
        assert item["kind"] == "PartialObjectMetadata"
        assert item["metadata"]["uid"] == stored["metadata"]["uid"]
        assert item["metadata"]["labels"] == {"app": "shop"}
        assert "spec" not in item

    @pytest.mark.parametrize(
        ("selector", "expected"),
        [
            ("app=shop", ["back", "front"]),
            ("app==shop,tier=front", ["front"]),
            ("app!=shop", ["cache", "plain"]),
            ("tier", ["back", "front"]),
            ("!tier", ["cache", "plain"]),
            ("app in (cache, shop), tier notin (front)", ["back", "cache"]),
            ("tier notin (front,back)", ["cache", "plain"]),
            ("example.com/team=a", ["cache"]),
            ("app=", []),
            ("app=nobody", []),
        ],
    )
    async def test_a_selector_picks_by_labels(self, subject: Subject, selector: str, expected: list[str]) -> None:
        """Equality, sets and presence, all of which have to hold; what lacks a key is not equal to anything."""
        for name, labels in LABELS.items():
            await subject.create(name, labels=labels)
        assert await subject.names(namespace=subject.namespace, selector=selector) == expected

    @pytest.mark.parametrize(
        "selector",
        [
            "app=shop&limit=1",
            "app=shop&continue=x#",
            "app in (shop",
            "app=shop tier=front",
            "../../secrets",
            "app=\x1b[2J",
            "app=shop\r\nImpersonate-User: admin",
        ],
    )
    async def test_a_selector_cannot_become_anything_else(self, subject: Subject, selector: str) -> None:
        """What is no selector is refused, and never another parameter, header or path."""
        await subject.create("a", labels={"app": "shop"})
        listed = subject.names(namespace=subject.namespace, selector=selector)
        trouble = await refused(listed, ClusterTroubleKind.REFUSED)
        assert str(trouble).isprintable()

    @pytest.mark.parametrize("name", ["../secrets", "a/b", "..", ".", "", "a%2Fb", "%2e%2e"])
    async def test_a_name_cannot_become_a_path(self, subject: Subject, name: str) -> None:
        """What can be no name is refused before anything is asked, be it an object's or a namespace's."""
        uid, document = OTHER_UID, msgspec.json.encode(lease("a", holder="me"))
        cluster, namespace = subject.cluster, subject.namespace
        for question in (
            cluster.read(LEASES, namespace=namespace, name=name),
            cluster.read(LEASES, namespace=name, name="a"),
            cluster.create(LEASES, namespace=name, document=document),
            cluster.rehearse(LEASES, namespace=name, document=document),
            cluster.replace(LEASES, namespace=namespace, name=name, document=document),
            cluster.delete(LEASES, namespace=namespace, name=name, uid=uid),
            subject.names(namespace=name),
            anext(cluster.watch(LEASES, namespace=namespace, name=name)),
            anext(cluster.watch(LEASES, namespace=name, name="a")),
        ):
            await refused(question, ClusterTroubleKind.REFUSED)

    @pytest.mark.parametrize("name", ["a b", "ä", "a?watch=1", "a#b", "a;b", "a\nb", "\\..\\b", "a" * 300])
    async def test_a_name_that_nobody_can_have_is_not_there(self, subject: Subject, name: str) -> None:
        """It is asked for as it is, and nothing else is found in its place."""
        await subject.create("a")
        assert await subject.cluster.read(LEASES, namespace=subject.namespace, name=name) is None

    async def test_an_object_is_watched(self, subject: Subject) -> None:
        """Its state comes at once, then every later one: it comes, it changes, it goes; others are not told."""
        async with asyncio.timeout(PATIENCE_SECONDS), aclosing(watched(subject, "a")) as states:
            assert await anext(states) is None
            await subject.create("b")
            stored = await subject.create("a", holder="me")
            assert holder(await anext(states)) == "me"
            await subject.replace({**stored, "spec": {"holderIdentity": "you"}})
            assert holder(await anext(states)) == "you"
            uid = stored["metadata"]["uid"]
            await subject.cluster.delete(LEASES, namespace=subject.namespace, name="a", uid=uid)
            assert await anext(states) is None

    async def test_a_watch_begins_with_what_is_there(self, subject: Subject) -> None:
        """The state of an object that is there already comes first, whoever watches beside."""
        await subject.create("a", holder="me")
        for _ in range(2):
            async with asyncio.timeout(PATIENCE_SECONDS), aclosing(watched(subject, "a")) as states:
                assert holder(await anext(states)) == "me"

    @pytest.mark.parametrize("name", ["a,metadata.name!=b", "a=b", "a\\,b"])
    async def test_a_watched_name_cannot_become_another_selector(self, subject: Subject, name: str) -> None:
        """What nobody can be called is not there, or refused, and never another object."""
        await subject.create("a")
        async with asyncio.timeout(PATIENCE_SECONDS), aclosing(watched(subject, name)) as states:
            assert await anext(states) is None

    async def test_a_rehearsal_creates_nothing(self, subject: Subject) -> None:
        """It says what creating would come to, without a warning where there is none to give."""
        document = msgspec.json.encode(lease("a", holder="me"))
        assert await subject.cluster.rehearse(LEASES, namespace=subject.namespace, document=document) == ()
        assert await subject.names(namespace=subject.namespace) == []

    async def test_a_rehearsal_fails_as_creating_does(self, subject: Subject) -> None:
        """By a name that is taken, and by a namespace that is not there."""
        await subject.create("a")
        document = msgspec.json.encode(lease("a", holder="me"))
        for namespace in (subject.namespace, "not-there"):
            rehearsal = subject.cluster.rehearse(LEASES, namespace=namespace, document=document)
            await refused(rehearsal, ClusterTroubleKind.CONFLICT)

    async def test_what_is_no_object_is_text(self, subject: Subject) -> None:
        """The server says which version it is; what is not there is told, and no segment becomes another path."""
        version = msgspec.json.decode(await subject.cluster.text(("version",)), type=dict[str, Any])
        assert version["gitVersion"]
        await refused(subject.cluster.text(("not-there",)), ClusterTroubleKind.MISSING_API)
        for segment in ("..", "", "a/b", "a%2Fb"):
            await refused(subject.cluster.text(("version", segment)), ClusterTroubleKind.REFUSED)

    async def test_a_kind_that_the_server_does_not_know_is_told(self, subject: Subject) -> None:
        """It is not taken for an object, or a list, that is merely empty."""
        cluster, namespace = subject.cluster, subject.namespace

        async def pages() -> list[bytes]:
            return [page async for page in cluster.pages(WIDGETS, namespace=namespace)]

        document = msgspec.json.encode({"metadata": {"name": "a"}})
        for question in (
            pages(),
            cluster.read(WIDGETS, namespace=namespace, name="a"),
            cluster.create(WIDGETS, namespace=namespace, document=document),
            cluster.rehearse(WIDGETS, namespace=namespace, document=document),
            cluster.replace(WIDGETS, namespace=namespace, name="a", document=document),
            cluster.delete(WIDGETS, namespace=namespace, name="a", uid=OTHER_UID),
            anext(cluster.watch(WIDGETS, namespace=namespace, name="a")),
        ):
            await refused(question, ClusterTroubleKind.MISSING_API)
