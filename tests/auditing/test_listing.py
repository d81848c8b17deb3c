"""What an audit sees of a cluster, and how it tells what it may not or could not see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.cluster import NAMESPACES, FakeCluster
from webhook.auditing.listing import Listing, Progress, Scope, list_subjects
from webhook.core.inventory.resources import POD_HOLDERS, PODS, ApiResource
from webhook.core.references import Glob
from webhook.ports import ClusterTroubleKind

BY_KIND = {resource.kind: resource for resource in POD_HOLDERS}
IMAGE = "registry.example/shop/api:1.0"


def place(cluster: FakeCluster, kind: str, name: str, *, namespace: str = "shop", **options: Any) -> str:  # noqa: ANN401
    """Put an object with one container into the cluster, and return its uid.

    `labels` and `owner` (kind and uid of a controller) are its metadata, all else goes beside `spec`.
    """
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "labels": options.pop("labels", {})}
    if owner := options.pop("owner", None):
        owned = BY_KIND[owner[0]].api_version if owner[0] in BY_KIND else "example.com/v1"
        reference = {"apiVersion": owned, "kind": owner[0], "name": owner[0].lower(), "uid": owner[1]}
        metadata["ownerReferences"] = [{**reference, "controller": True}]
    pod: dict[str, Any] = {"containers": [{"name": "api", "image": IMAGE}]}
    spec: dict[str, Any] = {"template": {"spec": pod}}
    if kind == "Pod":
        spec = pod
    elif kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    manifest = {"metadata": metadata, "spec": spec, **options}
    if kind == "PodTemplate":
        manifest = {"metadata": metadata, "template": {"spec": pod}}
    return cluster.put(BY_KIND[kind], manifest)


def a_deployment(cluster: FakeCluster, name: str, *, pods: int = 2, namespace: str = "shop", **options: Any) -> None:  # noqa: ANN401
    """Put a Deployment with its ReplicaSet and running pods into the cluster."""
    top = place(cluster, "Deployment", name, namespace=namespace, **options)
    middle = place(cluster, "ReplicaSet", f"{name}-1", namespace=namespace, owner=("Deployment", top))
    for number in range(pods):
        owner = ("ReplicaSet", middle)
        place(cluster, "Pod", f"{name}-1-{number}", namespace=namespace, owner=owner, status={"phase": "Running"})


def cluster_of(*namespaces: str) -> FakeCluster:
    """Return a cluster with a Deployment of two pods in each of these namespaces, listed two objects a page."""
    cluster = FakeCluster(page_size=2)
    for namespace in namespaces:
        a_deployment(cluster, "api", namespace=namespace)
    return cluster


def told(listing: Listing) -> list[tuple[str | None, str, str, int]]:
    """Return namespace, kind, name and number of live pods of each subject."""
    return [(s.key.namespace, s.key.kind, s.key.name, s.pods) for s in listing.subjects]


async def everything(cluster: FakeCluster, **scope: Any) -> Listing:  # noqa: ANN401
    """List all namespaces."""
    return await list_subjects(cluster, Scope(namespaces=None, **scope))


async def test_all_namespaces_are_one_list_for_each_kind() -> None:
    """Every kind is asked for once, in pages, and pods stand under their top owner."""
    cluster = cluster_of("other", "shop")
    listing = await everything(cluster)

    assert told(listing) == [("other", "Deployment", "api", 2), ("shop", "Deployment", "api", 2)]
    assert (listing.complete, listing.rows, listing.troubles) == (True, (), ())
    assert {question.split()[2] for question in cluster.asked} == {"*"}
    assert {question.split()[1] for question in cluster.asked} == {resource.plural for resource in POD_HOLDERS}


@pytest.mark.parametrize("kind", BY_KIND)
async def test_every_kind_is_seen(kind: str) -> None:
    """Each of the nine kinds has a row, with no pods now or being one."""
    cluster = FakeCluster()
    place(cluster, kind, "api")

    assert told(await everything(cluster)) == [("shop", kind, "api", 1 if kind == "Pod" else 0)]


async def test_one_namespace() -> None:
    """Only what was named is listed."""
    cluster = cluster_of("other", "shop")
    listing = await list_subjects(cluster, Scope(namespaces=("shop",)))

    assert told(listing) == [("shop", "Deployment", "api", 2)]
    assert listing.complete
    assert {question.split()[2] for question in cluster.asked} == {"shop"}


async def test_excluded_namespaces_are_left_out() -> None:
    """A glob keeps namespaces out of the audit."""
    listing = await everything(cluster_of("kube-system", "shop"), excluded=(Glob("kube-*"),))

    assert told(listing) == [("shop", "Deployment", "api", 2)]
    assert listing.complete
    assert not listing.covers("kube-system")


async def test_a_selector_picks_whole_rows() -> None:
    """A row is there if any of its members has the labels, and then with all its pods."""
    cluster = FakeCluster(page_size=2)
    a_deployment(cluster, "picked", labels={"team": "shop"})
    a_deployment(cluster, "left")
    listing = await list_subjects(cluster, Scope(namespaces=("shop",), selector="team=shop"))

    assert told(listing) == [("shop", "Deployment", "picked", 2)]
    assert not listing.covers("shop")
    assert "team=shop" in cluster.selectors


async def test_a_namespace_that_may_not_be_listed_is_an_error_row() -> None:
    """Without the right to list all, each namespace is listed; one that is denied is a row, and the rest goes on."""
    cluster = cluster_of("closed", "shop")
    for resource in POD_HOLDERS:
        cluster.forbid(resource.plural, namespace="closed")
    listing = await everything(cluster)

    assert told(listing) == [("shop", "Deployment", "api", 2)]
    (row,) = listing.rows
    assert (row.kind, row.name) == ("Namespace", "closed")
    assert row.trouble is not None
    assert "pods" in row.trouble
    assert not listing.complete
    assert listing.covers("shop")
    assert not listing.covers("closed")


async def test_who_may_list_one_namespace_is_told_to_name_it() -> None:
    """Where not even the namespaces may be listed, one line says what to do."""
    cluster = cluster_of("closed", "shop")
    cluster.confine("shop")
    everywhere = await everything(cluster)
    named = await list_subjects(cluster, Scope(namespaces=("shop", "closed")))

    (trouble,) = everywhere.troubles
    assert trouble.endswith("name some with -n")
    assert not everywhere.covers("shop")
    assert told(named) == [("shop", "Deployment", "api", 2)]
    assert [row.name for row in named.rows] == ["closed"]


async def test_another_kind_that_may_not_be_listed_is_told() -> None:
    """Who may list pods and not Deployments sees the pods under what is known, and is told what is missing."""
    cluster = cluster_of("shop")
    cluster.forbid("deployments")
    listing = await list_subjects(cluster, Scope(namespaces=("shop",)))

    assert told(listing) == [("shop", "Deployment", "deployment", 2)]
    (trouble,) = listing.troubles
    assert trouble.startswith("listing deployments.apps in shop: ")
    assert not listing.complete
    assert not listing.covers("shop")


async def test_a_kind_that_the_server_lacks_is_no_trouble() -> None:
    """A cluster without a kind has no objects of it."""
    cluster = cluster_of("shop")
    cluster.lack(BY_KIND["CronJob"])

    assert (await everything(cluster)).complete


@pytest.mark.parametrize("namespaces", [None, ("shop",)])
async def test_a_server_without_pods_is_trouble(namespaces: tuple[str, ...] | None) -> None:
    """What answers that it knows no pods is no cluster, so that nothing was found there means nothing."""
    cluster = FakeCluster()
    cluster.put(NAMESPACES, {"metadata": {"name": "shop"}})
    for resource in POD_HOLDERS:
        cluster.lack(resource)
    listing = await list_subjects(cluster, Scope(namespaces=namespaces))

    assert not listing.complete
    assert any("pods" in trouble for trouble in listing.troubles)
    assert not listing.covers("shop")


@pytest.mark.parametrize("namespaces", [None, ("shop", "other")])
async def test_what_was_learnt_before_the_server_went_is_kept(namespaces: tuple[str, ...] | None) -> None:
    """A connection that drops in the middle of a list ends the asking, and nothing counts as seen whole."""
    cluster = FakeCluster(page_size=2)
    a_deployment(cluster, "api", pods=5)
    cluster.break_down(ClusterTroubleKind.UNREACHABLE, "list", plural="pods", after=1)
    listing = await list_subjects(cluster, Scope(namespaces=namespaces))

    assert not listing.complete
    assert any(ClusterTroubleKind.UNREACHABLE.value in trouble for trouble in listing.troubles)
    assert not listing.covers("shop")
    assert not listing.covers("other")


async def test_a_list_that_expired_is_continued() -> None:
    """Objects that come twice because of it count once."""
    cluster = cluster_of("shop")
    cluster.expire(times=1)
    listing = await everything(cluster)

    assert told(listing) == [("shop", "Deployment", "api", 2)]
    assert listing.complete


async def test_an_object_that_cannot_be_read_is_an_error_row() -> None:
    """One broken object hides no other, and is told by name."""
    cluster = cluster_of("shop")
    cluster.put(PODS, {"metadata": {"name": "broken", "namespace": "shop"}, "spec": {"containers": "none"}})
    listing = await everything(cluster)

    assert told(listing) == [("shop", "Deployment", "api", 2)]
    (row,) = listing.rows
    assert (row.kind, row.namespace, row.name) == ("Pod", "shop", "broken")
    assert row.trouble is not None
    assert "containers" in row.trouble
    assert not listing.complete
    assert not listing.covers("shop")


async def test_a_namespace_that_is_not_there_is_told() -> None:
    """An empty namespace is complete; one that does not exist is a mistake; who may not look knows nothing by it."""
    cluster = cluster_of("shop")
    cluster.put(NAMESPACES, {"metadata": {"name": "empty"}})
    empty = await list_subjects(cluster, Scope(namespaces=("empty",)))
    missing = await list_subjects(cluster, Scope(namespaces=("missing",)))
    cluster.forbid("namespaces")
    unknown = await list_subjects(cluster, Scope(namespaces=("missing",)))

    assert (empty.complete, empty.subjects) == (True, ())
    assert missing.troubles == ("there is no namespace `missing`",)
    assert unknown.complete


async def test_progress_counts_objects_and_lists() -> None:
    """Whoever waits sees how far it is."""
    seen: list[Progress] = []
    await list_subjects(cluster_of("shop"), Scope(namespaces=None), progress=seen.append)

    assert seen[-1] == Progress(objects=4, lists_done=9, lists=9)
    assert [one.objects for one in seen] == sorted(one.objects for one in seen)


async def test_a_page_that_is_none_is_told() -> None:
    """An answer that is no list makes the run incomplete, and names the kind."""

    class Garbled(FakeCluster):
        async def pages(self, resource: ApiResource, **_: Any) -> AsyncIterator[bytes]:  # noqa: ANN401
            yield b"<html>" if resource == PODS else b'{"items": []}'

    listing = await everything(Garbled())

    (trouble,) = listing.troubles
    assert trouble.startswith("listing pods: ")
    assert not listing.covers("shop")


@pytest.mark.parametrize("selector", ["", "team=shop"])
@pytest.mark.parametrize("namespaces", [None, ("shop",)])
async def test_an_object_without_identity_hides_nowhere(namespaces: tuple[str, ...] | None, selector: str) -> None:
    """What says neither who nor where it is, is a row in every listing, and no namespace counts as seen whole."""

    class Odd(FakeCluster):
        async def pages(self, resource: ApiResource, **_: Any) -> AsyncIterator[bytes]:  # noqa: ANN401
            odd = resource == PODS and not _.get("metadata_only")
            yield b'{"items": [{"spec": {}}, {"spec": {}}]}' if odd else b'{"items": []}'

    listing = await list_subjects(Odd(), Scope(namespaces=namespaces, selector=selector))

    assert len(listing.rows) == 2
    assert not listing.complete
    assert not listing.covers("shop")


async def test_a_server_that_is_gone_is_asked_nothing_more() -> None:
    """After it went away while one namespace was read, the others are not even looked for."""
    cluster = cluster_of("a")
    cluster.break_down(ClusterTroubleKind.UNREACHABLE, plural="pods")
    await list_subjects(cluster, Scope(namespaces=("a", "b", "c")))

    assert not any(question.startswith("get namespaces") for question in cluster.asked)


async def test_a_server_that_goes_while_namespaces_are_looked_for() -> None:
    """The first look that fails is told, and is the last."""
    cluster = cluster_of("shop")
    cluster.break_down(ClusterTroubleKind.UNREACHABLE, plural="namespaces")
    listing = await list_subjects(cluster, Scope(namespaces=("a", "b", "c")))

    assert [question for question in cluster.asked if question.startswith("get namespaces")] == ["get namespaces /a"]
    assert not listing.covers("b")


async def test_an_excluded_namespace_is_not_asked_about() -> None:
    """A namespace that is named and excluded is left out, and one that is named twice is read once."""
    cluster = cluster_of("shop", "kube-system")
    namespaces = ("shop", "kube-system", "shop")
    listing = await list_subjects(cluster, Scope(namespaces=namespaces, excluded=(Glob("kube-*"),)))

    assert told(listing) == [("shop", "Deployment", "api", 2)]
    assert listing.complete
    assert not any("kube-system" in question for question in cluster.asked)
    assert len([question for question in cluster.asked if question.startswith("list deployments")]) == 1
