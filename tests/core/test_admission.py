"""AdmissionReview requests → what is to be judged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.reviews import NINE_KINDS, object_of, pod_spec, review
from webhook.core.admission import parse_review
from webhook.core.errors import ParseError
from webhook.core.references import BadReference, ImageReference
from webhook.core.workloads import ContainerKind, Source, Workload

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"
FOUR_FIELDS = pod_spec(
    initContainers=[{"name": "setup", "image": "registry.example/setup:1"}],
    ephemeralContainers=[{"name": "debugger", "image": "registry.example/debug:1"}],
    volumes=[
        {"name": "scratch", "emptyDir": {}},
        {"name": "disk", "rbd": {"image": "not-a-container-image"}},
        {"name": "data", "image": {"reference": "registry.example/data:1", "pullPolicy": "Always"}},
    ],
)


def workload(body: bytes) -> Workload:
    """Return what a review asks about, which must be readable."""
    found = parse_review(body).workload
    assert isinstance(found, Workload), found
    return found


def refused(body: bytes) -> str:
    """Return why the object of a review cannot be judged; its uid must be readable."""
    request = parse_review(body)
    assert request.uid == UID
    assert isinstance(request.workload, ParseError), request.workload
    return str(request.workload)


def written(found: Workload) -> list[str]:
    """Return the images of a workload as they were written."""
    return [use.image.written for use in found.uses]


@pytest.mark.parametrize("kind", NINE_KINDS)
def test_all_four_fields_of_all_nine_kinds(kind: str) -> None:
    """Every list of a pod that names images is read in every kind that holds a pod, with the path of the field."""
    found = workload(review(object_of(kind, FOUR_FIELDS), kind=kind))
    path = NINE_KINDS[kind][1]

    assert [
        ("api", ContainerKind.MAIN, f"{path}.containers[0].image", "registry.example/shop/api:1"),
        ("setup", ContainerKind.INIT, f"{path}.initContainers[0].image", "registry.example/setup:1"),
        ("debugger", ContainerKind.EPHEMERAL, f"{path}.ephemeralContainers[0].image", "registry.example/debug:1"),
        ("data", ContainerKind.VOLUME, f"{path}.volumes[2].image.reference", "registry.example/data:1"),
    ] == [(use.container, use.kind, use.field, use.image.written) for use in found.uses]
    assert found.no_images_because is None
    assert (kind, "shop", "api", "CREATE", Source.ADMISSION) == (
        found.kind,
        found.namespace,
        found.name,
        found.operation,
        found.source,
    )


@pytest.mark.parametrize("kind", NINE_KINDS)
def test_a_holder_without_its_pod_is_refused(kind: str) -> None:
    """An object that should hold a pod's spec and does not is refused, with the path of what is missing."""
    path = NINE_KINDS[kind][1]
    parts = path.split(".")

    for length in range(len(parts)):
        whole: Any = {}
        for key in reversed(parts[:length]):
            whole = {key: whole}
        missing = ".".join(parts[: length + 1])
        assert refused(review({"kind": kind, **whole}, kind=kind)) == f"{missing}: is missing"
    assert refused(review(object_of(kind, None), kind=kind)) == f"{path}: expected object, found null"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "spec.containers: is missing"),
        ({"containers": None}, "spec.containers: is empty, but a pod has at least one container"),
        ({"containers": []}, "spec.containers: is empty, but a pod has at least one container"),
        ({"containers": {}}, "spec.containers: expected array, found object"),
        ({"containers": [None]}, "spec.containers[0]: expected object, found null"),
        ({"containers": [{"image": 5}]}, "spec.containers[0].image: expected string, found number"),
        ({"Containers": [{"image": "a"}]}, "spec.containers: is missing"),
        (pod_spec(volumes=[{"image": "a"}]), "spec.volumes[0].image: expected object, found string"),
        ([], "spec: expected object, found array"),
    ],
)
def test_a_broken_pod_is_refused(spec: object, message: str) -> None:
    """A pod that cannot be read is refused with the path of the fault, and never taken for one without images."""
    assert message == refused(review({"kind": "Pod", "spec": spec}))


def test_null_lists_hold_nothing() -> None:
    """Go writes an empty list as null; a pod with containers and null elsewhere is an ordinary pod."""
    spec = pod_spec(initContainers=None, ephemeralContainers=None, volumes=None)

    assert written(workload(review(object_of("Pod", spec)))) == ["registry.example/shop/api:1"]


def test_an_image_that_is_not_there_is_a_bad_reference() -> None:
    """A container or an image volume without an image is judged as a bad reference, not passed over."""
    spec = {
        "containers": [{"name": "empty", "image": ""}, {"name": "absent"}, {"image": None}],
        "volumes": [{"name": "data", "image": {}}, {"name": "none", "image": None}],
    }

    found = workload(review(object_of("Deployment", spec), kind="Deployment"))

    assert [BadReference(written="", why="no image is given")] * 4 == [use.image for use in found.uses]
    assert [use.container for use in found.uses] == ["empty", "absent", "", "data"]


def test_a_reference_of_ten_kilobytes_is_bad_and_not_kept() -> None:
    """A reference longer than any registry's is a bad reference of which only the beginning is kept."""
    (use,) = workload(review(object_of("Pod", {"containers": [{"name": "c", "image": "a" * 10_240}]}))).uses

    assert isinstance(use.image, BadReference)
    assert len(use.image.written) == 256
    assert use.image.why == "an image reference has 1 to 1,024 characters"


def test_a_thousand_images_are_judged_and_more_are_refused() -> None:
    """An object names at most 1,000 images; the refusal says how many it has and how many may be."""
    containers = [{"name": f"c{i}", "image": "a"} for i in range(1000)]
    extra = {"volumes": [{"name": "v", "image": {"reference": "a"}}]}

    assert len(workload(review(object_of("Pod", {"containers": containers}))).uses) == 1000
    assert refused(review(object_of("Pod", {"containers": containers, **extra}))) == (
        "spec: names 1,001 images, the gate judges at most 1,000 in one object"
    )
    assert "5,000 images" in refused(review(object_of("Pod", {"containers": containers * 5})))


def test_on_update_only_the_same_image_under_the_same_name_in_the_same_list_is_unchanged() -> None:
    """An image that moves to another container, another list or another spelling counts as new."""
    old = pod_spec(
        containers=[{"name": "a", "image": "one"}, {"name": "b", "image": "two"}, {"name": "c", "image": "three"}],
        ephemeralContainers=[{"name": "d", "image": "debug"}],
    )
    new = pod_spec(
        containers=[{"name": "a", "image": "one"}, {"name": "b", "image": "one"}, {"name": "d", "image": "debug"}],
        initContainers=[{"name": "a", "image": "one"}],
        ephemeralContainers=[{"name": "d", "image": "debug"}, {"name": "e", "image": "debug"}],
    )
    body = review(object_of("Pod", new), oldObject=object_of("Pod", old), operation="UPDATE")

    assert [use.unchanged for use in workload(body).uses] == [True, False, False, False, True, False]


def test_on_create_nothing_is_unchanged() -> None:
    """An oldObject beside a CREATE, which no API server sends, excuses nothing."""
    pod = object_of("Pod", pod_spec())

    assert [use.unchanged for use in workload(review(pod, oldObject=pod)).uses] == [False]


def test_an_update_needs_the_object_that_it_replaces() -> None:
    """An UPDATE whose oldObject is missing or broken is refused."""
    pod = object_of("Pod", pod_spec())

    assert refused(review(pod, operation="UPDATE")) == "request.oldObject: expected object, found null"
    assert refused(review(pod, operation="UPDATE", oldObject={"kind": "Pod"})) == "spec: is missing"


def test_an_object_that_is_being_deleted_passes_unless_it_brings_a_new_image() -> None:
    """Removing a finalizer changes no image; a new image is judged in an object with a deletionTimestamp as well."""
    old = object_of("Pod", pod_spec(), deletionTimestamp="2026-11-23T00:00:00Z", finalizers=["a"])
    same = object_of("Pod", pod_spec(), deletionTimestamp="2026-11-23T00:00:00Z")
    other = object_of(
        "Pod", {"containers": [{"name": "api", "image": "new"}]}, deletionTimestamp="2026-11-23T00:00:00Z"
    )

    assert workload(review(same, operation="UPDATE", oldObject=old)).uses[0].unchanged
    assert not workload(review(other, operation="UPDATE", oldObject=old)).uses[0].unchanged


@pytest.mark.parametrize(
    ("body", "because"),
    [
        (review(None, operation="DELETE", oldObject=object_of("Pod", {})), "DELETE brings no image in"),
        (review({"kind": "PodExecOptions"}, kind="PodExecOptions", operation="CONNECT"), "CONNECT brings no image in"),
        (review(None, kind="Binding", subResource="binding"), "the subresource binding brings no image in"),
        (review(None, subResource="eviction", kind="Eviction"), "the subresource eviction brings no image in"),
        (review(None, subResource="status", operation="UPDATE"), "the subresource status brings no image in"),
        (
            review(None, kind="Scale", group="autoscaling", subResource="scale", operation="UPDATE"),
            "the subresource scale brings no image in",
        ),
        (review({"spec": {}}, kind="Service"), "Service is not a kind that holds a pod"),
        (review({}, kind="Deployment", group="example.dev"), "Deployment is not a kind that holds a pod"),
    ],
)
def test_what_brings_no_image_in_says_why(body: bytes, because: str) -> None:
    """Deletions, connections, other subresources and other kinds have no images, for a reason that is given."""
    found = workload(body)

    assert ((), because) == (found.uses, found.no_images_because)


@pytest.mark.parametrize("subresource", ["ephemeralcontainers", "resize"])
def test_subresources_that_carry_the_whole_pod_are_read(subresource: str) -> None:
    """`kubectl debug` goes through a subresource; its containers are judged like any other."""
    old = object_of("Pod", pod_spec())
    new = object_of("Pod", pod_spec(ephemeralContainers=[{"name": "debugger", "image": "busybox"}]))
    request = parse_review(review(new, oldObject=old, operation="UPDATE", subResource=subresource))

    assert isinstance(request.workload, Workload)
    assert [use.unchanged for use in request.workload.uses] == [True, False]
    assert subresource == request.subresource


def test_the_kind_of_the_request_must_be_the_kind_of_the_object() -> None:
    """An object that says it is something else than the request says is refused."""
    body = review(object_of("Job", pod_spec()), kind="Deployment")

    assert refused(body) == "request.object.kind: expected Deployment, found Job"
    assert refused(review({"spec": pod_spec()})) == "request.object.kind: expected Pod, found nothing"


def test_the_kind_that_was_registered_for_counts() -> None:
    """Under matchPolicy Equivalent the user may have called another version; the converted object is judged."""
    body = review(
        object_of("Deployment", pod_spec()),
        kind="Deployment",
        requestKind={"group": "extensions", "version": "v1beta1", "kind": "Other"},
    )

    assert len(workload(body).uses) == 1


MIRROR = {"kubernetes.io/config.mirror": "hash"}
NODE = {"username": "system:node:node-1", "groups": ["system:nodes", "system:authenticated"]}


@pytest.mark.parametrize(
    ("annotations", "user", "node", "expected"),
    [
        (MIRROR, NODE, "node-1", True),
        (MIRROR, NODE, "node-2", False),
        (MIRROR, NODE, None, False),
        ({}, NODE, "node-1", False),
        (None, NODE, "node-1", False),
        (MIRROR, {**NODE, "groups": ["developers"]}, "node-1", False),
        (MIRROR, {**NODE, "username": "dev"}, "node-1", False),
        (MIRROR, {"username": "system:node:", "groups": ["system:nodes"]}, "", False),
        (MIRROR, None, "node-1", False),
    ],
)
def test_a_mirror_pod_is_known_by_annotation_and_node(
    annotations: object, user: object, node: object, *, expected: bool
) -> None:
    """Anybody can write the annotation: it counts only from the authenticated node that the pod is bound to."""
    pod = object_of("Pod", pod_spec(nodeName=node), annotations=annotations)

    assert expected is workload(review(pod, userInfo=user)).mirror_pod


def test_only_whole_pods_are_mirror_pods() -> None:
    """Neither a template nor an ephemeral container that a node adds is the mirror of a static pod."""
    spec = pod_spec(nodeName="node-1")
    pod = object_of("Pod", spec, annotations=MIRROR)
    job = object_of("Job", spec, annotations=MIRROR)
    debugged = review(pod, oldObject=pod, operation="UPDATE", subResource="ephemeralcontainers", userInfo=NODE)

    assert not workload(debugged).mirror_pod
    assert not workload(review(job, kind="Job", userInfo=NODE)).mirror_pod


@pytest.mark.parametrize(
    ("request_fields", "metadata", "name"),
    [
        ({"name": "api"}, {}, "api"),
        ({"name": ""}, {"name": "", "generateName": "api-7d9f-"}, "api-7d9f-"),
        ({"name": None}, {"name": "own"}, "own"),
        ({"name": ""}, {"name": None}, ""),
        ({"name": "a\nb" + "x" * 300}, {}, "a b" + "x" * 247 + "..."),
    ],
)
def test_the_name_falls_back_to_generate_name(request_fields: Any, metadata: Any, name: str) -> None:  # noqa: ANN401
    """A new pod often has no name yet; what its name will begin with is shown, in one line of bounded length."""
    assert name == workload(review(object_of("Pod", pod_spec(), **metadata), **request_fields)).name


def test_what_is_known_of_the_request() -> None:
    """User, groups, operation, subresource and dry run are taken from the request, and are empty if absent."""
    pod = object_of("Pod", pod_spec())
    request = parse_review(review(pod, dryRun=True))
    bare = parse_review(review(pod, userInfo=None, namespace=None, name=None, dryRun=None))

    assert isinstance(request.workload, Workload)
    assert frozenset({"developers", "system:authenticated"}) == request.workload.requester.groups
    assert (
        request.username,
        request.operation,
        request.kind,
        request.subresource,
        request.namespace,
        request.name,
        request.dry_run,
    ) == ("dev", "CREATE", "Pod", "", "shop", "api", True)
    assert (bare.username, bare.namespace, bare.name, bare.dry_run) == ("", None, "", False)
    assert isinstance(bare.workload, Workload)
    assert bare.workload.namespace is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"apiVersion": "admission.k8s.io/v1beta1"}, "apiVersion: expected AdmissionReview of admission.k8s.io/v1"),
        ({"kind": "TokenReview"}, "apiVersion: expected AdmissionReview of admission.k8s.io/v1"),
        ({"kind": 5}, "kind: expected string, found number"),
        ({"apiVersion": None}, "apiVersion: expected string, found null"),
    ],
)
def test_a_review_of_another_kind_is_answered_as_broken(change: dict[str, object], message: str) -> None:
    """A wrong group, version or kind with a readable uid gets an answer that says so."""
    whole = json.loads(review(object_of("Pod", pod_spec()))) | change

    assert message == refused(json.dumps(whole).encode())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"operation": "PATCH"}, "request.operation: expected one of CREATE, UPDATE, DELETE, CONNECT"),
        ({"operation": None}, "request.operation: expected string, found null"),
        ({"userInfo": "root"}, "request.userInfo: expected object, found string"),
        ({"namespace": "Not A Namespace"}, "metadata.namespace: is not the name of a namespace"),
        ({"object": None}, "request.object: expected object, found null"),
        ({"object": "text"}, "request.object: expected object, found string"),
    ],
)
def test_a_broken_request_with_a_uid_is_answered(fields: Any, message: str) -> None:  # noqa: ANN401 - JSON
    """Whatever is wrong beside the uid becomes an answer and not an HTTP error."""
    assert message == refused(review(object_of("Pod", pod_spec()), **fields))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the review: is not valid JSON"),
        (b"{", "the review: is not valid JSON"),
        (b"nonsense", "the review: is not valid JSON"),
        (b"[]", "the review: expected object, found array"),
        (b"{}", "request: is missing"),
        (b'{"request": null}', "request: expected object, found null"),
        (b'{"request": {"uid": ""}}', "request.uid: has 0 characters, expected 1 to 256"),
        (b'{"request": {"uid": 7}}', "request.uid: expected string, found number"),
        (b'{"request": {"uid": "\xff"}}', "the review: is not valid UTF-8"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "the review: is nested too deeply"),
        (b'{"request": {"uid": "' + b"u" * 300 + b'"}}', "request.uid: has 300 characters, expected 1 to 256"),
    ],
)
def test_without_a_uid_nothing_can_be_answered(body: bytes, message: str) -> None:
    """A ParseError is raised only where there is no uid to answer to."""
    with pytest.raises(ParseError) as caught:
        parse_review(body)

    assert message == str(caught.value)


def test_invalid_utf8_in_the_object_is_answered() -> None:
    """Bytes that are no text in a field that is read make the object broken, not the server."""
    body = review(object_of("Pod", {"containers": [{"name": "c", "image": "MARK"}]})).replace(b"MARK", b"\xff\xfe")

    assert refused(body) == "request.object: is not valid UTF-8"


@pytest.mark.parametrize(
    ("bytes_of_object", "message"),
    [
        (b'{"deep":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "nested too deeply"),
        (b'{"kind":"Pod","spec":{"containers":[{"name":"\\ud800"}]}}', "not valid JSON"),
        (b'{"kind":"Pod",', "not valid JSON"),
    ],
)
def test_an_object_that_breaks_the_whole_review(bytes_of_object: bytes, message: str) -> None:
    """Where the object keeps the review from being JSON at all, there is no uid to believe."""
    with pytest.raises(ParseError, match=message):
        parse_review(review("MARK").replace(b'"MARK"', bytes_of_object))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(json_values, st.sampled_from(list(NINE_KINDS)))
def test_any_object_is_a_workload_or_an_error(obj: object, kind: str) -> None:
    """Whatever stands where an object should, the uid comes back and nothing but values comes out."""
    request = parse_review(review(obj, kind=kind))

    assert request.uid == UID
    assert isinstance(request.workload, Workload | ParseError)
    if isinstance(request.workload, Workload):
        assert request.workload.uses


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_parse_error(body: bytes) -> None:
    """Garbage ends in a ParseError and in nothing else."""
    with pytest.raises(ParseError):
        parse_review(body)


names = st.text("abc", min_size=1, max_size=2)
containers = st.lists(st.fixed_dictionaries({"name": names, "image": names}), min_size=1, max_size=4)


@given(containers, containers)
def test_unchanged_is_what_the_old_list_held(old: list[dict[str, str]], new: list[dict[str, str]]) -> None:
    """A use is unchanged exactly if the old list has its pair of name and image."""
    body = review(
        object_of("Pod", {"containers": new}), oldObject=object_of("Pod", {"containers": old}), operation="UPDATE"
    )

    assert [container in old for container in new] == [use.unchanged for use in workload(body).uses]


def test_references_are_parsed() -> None:
    """An image that can be read is an ImageReference with what was written."""
    (use,) = workload(review(object_of("Pod", pod_spec()))).uses

    assert ImageReference.parse("registry.example/shop/api:1") == use.image
