"""Pages of a list → the objects on them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.inventory.given import BY_KIND, IMAGE, live, manifest, owner, page, running
from webhook.core.errors import ParseError
from webhook.core.inventory.live_objects import LiveObject, ObjectKey, RunningContainer, UnreadableObject
from webhook.core.inventory.reading import Identity, parse_identities, parse_page
from webhook.core.workloads import ContainerKind, Source

PODS = BY_KIND["Pod"]


@pytest.mark.parametrize("kind", BY_KIND)
def test_every_kind_is_read(kind: str) -> None:
    """Each of the nine kinds has its identity and its images, judged as what lives in a cluster."""
    found = live(kind, "api")

    assert found.key == ObjectKey(
        api_version=BY_KIND[kind].api_version, kind=kind, namespace="shop", name="api", uid="uid-of-api"
    )
    assert (found.workload.kind, found.workload.source, found.workload.operation) == (kind, Source.CLUSTER, "CREATE")
    assert [use.image.written for use in found.workload.uses] == [IMAGE]
    assert found.owner is None


def test_kinds_are_named_as_rbac_names_them() -> None:
    """A right is written with the group, but for the core group."""
    assert (PODS.qualified, BY_KIND["CronJob"].qualified) == ("pods", "cronjobs.batch")


def test_whose_credentials_pull_is_read() -> None:
    """The service account and the pull secrets of the pod are kept; without an account it is `default`."""
    secrets = [{"name": "one"}, {}, {"name": "two"}]
    found = live("Deployment", "api", pod={"serviceAccountName": "puller", "imagePullSecrets": secrets})

    assert (found.workload.service_account, found.workload.pull_secrets) == ("puller", ("one", "two"))
    assert live("Pod", "api").workload.service_account == "default"


def test_the_controller_is_the_owner_that_says_so() -> None:
    """Of several owners the controlling one counts, looked for in the object's own namespace."""
    found = live("Pod", "api", owners=[owner("Job", "no", controller=False), owner("ReplicaSet", "yes")])

    assert found.owner == ObjectKey(
        api_version="apps/v1", kind="ReplicaSet", namespace="shop", name="yes", uid="uid-of-yes"
    )
    assert live("Pod", "api", owners=[owner("Job", "no", controller=False)]).owner is None


@pytest.mark.parametrize(
    ("phase", "lives"),
    [("Pending", True), ("Running", True), ("Unknown", True), ("Succeeded", False), ("Failed", False)],
)
def test_a_pod_lives_until_it_has_ended(phase: str, *, lives: bool) -> None:
    """A pod that succeeded or failed runs no more; one of which nothing is known may."""
    assert live("Pod", "api", status={"phase": phase}).lives is lives
    assert live("Pod", "api").lives


@pytest.mark.parametrize(
    ("kind", "changes", "wants"),
    [
        ("ReplicaSet", {"replicas": 3}, True),
        ("ReplicaSet", {}, True),
        ("ReplicaSet", {"replicas": 0}, False),
        ("ReplicationController", {"replicas": 0}, False),
        ("Job", {}, True),
        ("Job", {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}, False),
        ("Job", {"status": {"conditions": [{"type": "Failed", "status": "False"}]}}, True),
        ("Deployment", {"replicas": 3}, False),
        ("CronJob", {}, False),
    ],
)
def test_what_makes_pods_for_others_and_is_not_done(kind: str, changes: dict[str, Any], *, wants: bool) -> None:
    """A ReplicaSet with replicas and a Job that has not ended want pods, whether they get them or not."""
    assert live(kind, "api", **changes).wants_pods is wants


def test_what_nodes_run_is_read_of_every_list() -> None:
    """The image IDs of all three kinds of containers and of mounted images are kept, and empty ones are not."""
    mounted = {"name": "model", "volumeStatus": {"image": {"imageRef": "registry.example/model@sha256:1"}}}
    status = {
        "phase": "Running",
        "containerStatuses": [
            {
                "name": "c0",
                "imageID": "a",
                "volumeMounts": [mounted, {"name": "data"}, {"name": "x", "volumeStatus": {}}],
            }
        ],
        "initContainerStatuses": [{"name": "prepare", "imageID": "b"}, {"name": "waiting", "imageID": ""}],
        "ephemeralContainerStatuses": [{"imageID": "c"}],
    }

    assert live("Pod", "api", status=status).running == (
        RunningContainer(container="c0", kind=ContainerKind.MAIN, image_id="a"),
        RunningContainer(container="model", kind=ContainerKind.VOLUME, image_id="registry.example/model@sha256:1"),
        RunningContainer(container="prepare", kind=ContainerKind.INIT, image_id="b"),
        RunningContainer(container="", kind=ContainerKind.EPHEMERAL, image_id="c"),
    )


def test_a_broken_object_hides_no_other() -> None:
    """What cannot be read is told by name and uid, with the path of what is wrong."""
    broken = manifest("Pod", "broken")
    broken["spec"]["containers"] = "none"
    found = parse_page(PODS, page([manifest("Pod", "a"), broken, manifest("Pod", "b")]))

    assert [type(one) for one in found] == [LiveObject, UnreadableObject, LiveObject]
    unreadable = found[1]
    assert isinstance(unreadable, UnreadableObject)
    assert (unreadable.kind, unreadable.namespace, unreadable.name) == ("Pod", "shop", "broken")
    assert unreadable.uid == "uid-of-broken"
    assert unreadable.error.path == "spec.containers"


@pytest.mark.parametrize(
    "broken",
    [7, None, {}, {"metadata": {"name": "x"}}, {"metadata": {"name": "x", "uid": "y", "namespace": "NO"}, "spec": {}}],
)
def test_an_object_without_identity_is_told_by_its_place(broken: object) -> None:
    """What has not even a name is told by where it stands on the page."""
    (found,) = parse_page(PODS, page([broken]))

    assert isinstance(found, UnreadableObject)
    assert (found.namespace, found.name, found.uid) == (None, "items[0]", "")


def test_an_object_with_a_bad_pod_keeps_its_identity() -> None:
    """A pod without containers is no approval but an object that cannot be read."""
    empty = manifest("Pod", "empty")
    empty["spec"]["containers"] = []
    (found,) = parse_page(PODS, page([empty]))

    assert isinstance(found, UnreadableObject)
    assert found.name == "empty"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"<html>", b'{"items": 7}', b"\xff"])
def test_what_is_no_page_is_an_error(data: bytes) -> None:
    """A body without items is no empty list."""
    with pytest.raises(ParseError):
        parse_page(PODS, data)
    with pytest.raises(ParseError):
        parse_identities(data)


def test_a_page_of_nothing() -> None:
    """Some servers write null where there are no items."""
    assert parse_page(PODS, b'{"items": null}') == ()
    assert parse_identities(b'{"items": null}') == ()


def test_metadata_alone() -> None:
    """Of PartialObjectMetadata the name and the uid are read."""
    items = [{"metadata": {"name": "a", "uid": "1"}}, {"metadata": {"uid": "2"}}]

    assert parse_identities(page(items)) == (Identity(name="a", uid="1"), Identity(name="", uid="2"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["metadata", "spec", "uid", "name", "containers", "status"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_any_item_is_read_or_told(item: object) -> None:
    """Whatever stands on a page, each item is an object or an error, and every text in them is printable."""
    (found,) = parse_page(PODS, json.dumps({"items": [item]}).encode())

    if isinstance(found, UnreadableObject):
        assert found.name.isprintable()
    else:
        assert found.key.name.isprintable()
        assert found.workload.uses


@given(st.text(max_size=40), st.text(max_size=40))
def test_foreign_texts_become_printable(name: str, image_id: str) -> None:
    """What an object or a node says of itself has no control characters by the time it is kept."""
    found = live("Pod", "api", owners=[owner("ReplicaSet", name, uid=name or "uid")], status=running(image_id))

    assert found.owner is not None
    assert found.owner.name.isprintable()
    assert all(one.image_id.isprintable() for one in found.running)
