"""Objects → rows: top owners with their pods, whatever references say."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.core.inventory.given import IMAGE, live, owner, running
from webhook.core.inventory.grouping import Inventory
from webhook.core.inventory.live_objects import LiveObject, Subject

OTHER = "registry.example/shop/other:2.0"


def grouped(*objects: LiveObject, picked: frozenset[str] | None = None) -> tuple[Subject, ...]:
    """Return the rows of these objects."""
    inventory = Inventory()
    for one in objects:
        inventory.add(one)
    return inventory.subjects(picked)


def told(subjects: Sequence[Subject]) -> list[tuple[str, str, int]]:
    """Return kind, name and number of live pods of each row."""
    return [(subject.key.kind, subject.key.name, subject.pods) for subject in subjects]


def a_deployment(name: str = "api", *, pods: int = 3) -> tuple[LiveObject, ...]:
    """Return a Deployment with its ReplicaSet and pods."""
    middle = f"{name}-1"
    return (
        live("Deployment", name),
        live("ReplicaSet", middle, owners=[owner("Deployment", name)], replicas=pods),
        *(live("Pod", f"{middle}-{number}", owners=[owner("ReplicaSet", middle)]) for number in range(pods)),
    )


def test_pods_stand_under_their_top_owner() -> None:
    """Pod, ReplicaSet and Deployment are one row that counts the pods, alike ones folded."""
    (subject,) = grouped(*a_deployment(pods=40))

    assert told([subject]) == [("Deployment", "api", 40)]
    assert subject.workload is not None
    assert subject.workload.kind == "Deployment"
    assert [alike.pods for alike in subject.live] == [40]


def test_a_job_stands_under_its_cron_job() -> None:
    """Pod, Job and CronJob are one row."""
    job = live("Job", "night-1", owners=[owner("CronJob", "night")])
    pod = live("Pod", "night-1-x", owners=[owner("Job", "night-1")])

    assert told(grouped(live("CronJob", "night"), job, pod)) == [("CronJob", "night", 1)]


def test_an_owner_that_cannot_be_read_has_a_row() -> None:
    """The pods of an Argo Rollout stand under it, by the word of its ReplicaSet."""
    middle = live("ReplicaSet", "api-1", owners=[owner("Rollout", "api")])
    (subject,) = grouped(middle, live("Pod", "api-1-x", owners=[owner("ReplicaSet", "api-1")]))

    assert told([subject]) == [("Rollout", "api", 1)]
    assert subject.workload is None


def test_an_unreadable_owner_of_nothing_that_runs_shows_what_is_below_it() -> None:
    """No row is without something to judge: an idle ReplicaSet of a Rollout is there with its template."""
    idle = live("ReplicaSet", "api-1", owners=[owner("Rollout", "api")], replicas=0)
    (subject,) = grouped(idle)

    assert told([subject]) == [("Rollout", "api", 0)]
    assert [alike.workload.kind for alike in subject.live] == ["ReplicaSet"]


def test_pods_without_an_owner_and_workloads_without_pods() -> None:
    """A bare pod is its own row, and so is what has no pods now; a finished pod keeps its row with none."""
    subjects = grouped(
        live("Pod", "bare"),
        live("Pod", "done", status=running("x", phase="Succeeded")),
        live("CronJob", "suspended"),
        live("Deployment", "zero", replicas=0),
    )

    assert told(subjects) == [
        ("CronJob", "suspended", 0),
        ("Deployment", "zero", 0),
        ("Pod", "bare", 1),
        ("Pod", "done", 0),
    ]


def test_a_mirror_pod_is_a_row_of_its_own() -> None:
    """A Node owns the mirrors of its static pods in name only."""
    assert told(grouped(live("Pod", "etcd-node-1", owners=[owner("Node", "node-1")]))) == [("Pod", "etcd-node-1", 1)]


def test_a_deployment_keeps_its_row_whoever_says_to_own_it() -> None:
    """A forged reference does not hide a workload that people write under another."""
    forged = live("Deployment", "bad", owners=[owner("Deployment", "good")])

    assert told(grouped(live("Deployment", "good"), forged)) == [("Deployment", "bad", 0), ("Deployment", "good", 0)]


def test_a_forged_reference_hides_no_image() -> None:
    """A pod that claims a good Deployment stands in its row with its own images."""
    forged = live("Pod", "forged", OTHER, owners=[owner("Deployment", "api")])
    (subject,) = grouped(*a_deployment(), forged)

    assert subject.pods == 4
    assert {use.image.written for alike in subject.live for use in alike.workload.uses} == {IMAGE, OTHER}


def test_what_wants_pods_and_has_none_is_shown() -> None:
    """A ReplicaSet whose pods are refused is there with its template, unless its owner says the same."""
    stuck = live("ReplicaSet", "api-2", OTHER, owners=[owner("Deployment", "api")], replicas=3)
    (subject,) = grouped(*a_deployment(), stuck)
    (alone,) = grouped(live("Deployment", "api"), live("ReplicaSet", "api-1", owners=[owner("Deployment", "api")]))

    assert [(alike.workload.kind, alike.pods) for alike in subject.live] == [("Pod", 3), ("ReplicaSet", 0)]
    assert alone.live == ()


def test_references_in_a_circle_end() -> None:
    """Where references lead in a circle, the first by name is the owner."""
    first = live("ReplicaSet", "a", owners=[owner("ReplicaSet", "b")])
    second = live("ReplicaSet", "b", owners=[owner("ReplicaSet", "a")])
    own = live("ReplicaSet", "self", owners=[owner("ReplicaSet", "self")])

    assert [name for _, name, _ in told(grouped(second, first, own))] == ["a", "self"]


def test_references_that_differ_are_settled_by_number() -> None:
    """An owner that was not listed is called what most of the references to it say."""
    pods = [live("Pod", f"p{number}", owners=[owner("Rollout", "right", uid="u")]) for number in range(2)]
    forged = live("Pod", "p9", owners=[owner("Rollout", "wrong", uid="u")])

    assert told(grouped(*pods, forged)) == [("Rollout", "right", 3)]


def test_an_owner_in_another_namespace_cannot_be_meant() -> None:
    """The same uid in another namespace is another object."""
    pod = live("Pod", "x", namespace="other", owners=[owner("ReplicaSet", "api-1")])
    subjects = grouped(live("ReplicaSet", "api-1"), pod)

    assert [(subject.key.namespace, subject.key.kind, subject.pods) for subject in subjects] == [
        ("other", "ReplicaSet", 1),
        ("shop", "ReplicaSet", 0),
    ]


def test_an_object_that_comes_twice_counts_once() -> None:
    """A list that was continued at a later state may bring an object again; the later state counts."""
    (subject,) = grouped(live("Pod", "bare"), live("Pod", "bare", OTHER))

    assert subject.pods == 1
    assert subject.workload is not None
    assert [use.image.written for use in subject.workload.uses] == [OTHER]


def test_objects_are_counted_once() -> None:
    """How many objects there are is known while they come in."""
    inventory = Inventory()
    for one in (*a_deployment(), live("Deployment", "api")):
        inventory.add(one)

    assert len(inventory) == 5


def test_pods_that_run_something_else_are_told_apart() -> None:
    """Pods that name the same and run different bytes are two kinds of live pods, the more frequent first."""
    owned = [owner("Deployment", "api")]
    old = [live("Pod", f"old-{number}", owners=owned, status=running("old")) for number in range(2)]
    new = live("Pod", "new", owners=owned, status=running("new"))
    (subject,) = grouped(live("Deployment", "api"), new, *old)

    assert [(alike.pods, alike.running[0].image_id) for alike in subject.live] == [(2, "old"), (1, "new")]


def test_a_selector_picks_whole_rows() -> None:
    """A row is there if any member of it was picked, and then with all of them."""
    rows = (*a_deployment("a"), *a_deployment("b"))

    assert told(grouped(*rows, picked=frozenset({"uid-of-b-1-0"}))) == [("Deployment", "b", 3)]
    assert grouped(*rows, picked=frozenset()) == ()


POOL = (
    *a_deployment("a", pods=2),
    *a_deployment("b", pods=1),
    live("Pod", "bare"),
    live("Pod", "forged", OTHER, owners=[owner("Deployment", "a")]),
    live("Pod", "orphan", owners=[owner("ReplicaSet", "gone")]),
    live("ReplicaSet", "left", owners=[owner("ReplicaSet", "right")]),
    live("ReplicaSet", "right", owners=[owner("ReplicaSet", "left")]),
    live("Pod", "done", status=running("x", phase="Failed")),
)


@given(st.permutations(POOL), st.sets(st.integers(min_value=0, max_value=len(POOL) - 1)))
def test_laws_of_grouping(order: list[LiveObject], left_out: set[int]) -> None:
    """Rows do not depend on the order of arrival; no live pod is lost; every live image is in its row."""
    kept = [one for number, one in enumerate(POOL) if number not in left_out]
    subjects = grouped(*kept)

    assert grouped(*(one for one in order if one in kept)) == subjects
    assert sum(subject.pods for subject in subjects) == sum(1 for one in kept if one.lives)
    assert all(subject.workload or subject.live for subject in subjects)
    shown = [
        {use.image.written for alike in subject.live for use in alike.workload.uses}
        | ({use.image.written for use in subject.workload.uses} if subject.workload else set())
        for subject in subjects
    ]
    for one in kept:
        if one.lives:
            assert any({use.image.written for use in one.workload.uses} <= images for images in shown)
