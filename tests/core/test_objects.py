"""Manifests and live objects → what is to be judged."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.core.reviews import NINE_KINDS, object_of, pod_spec, review
from webhook.core.admission import parse_review
from webhook.core.errors import ParseError
from webhook.core.manifest_objects import bare_image, parse_object, parse_objects
from webhook.core.references import BadReference, ImageReference
from webhook.core.workloads import ContainerKind, Origin, Source, Workload


def read(data: str | bytes, namespace: str | None = "default") -> list[Workload | str]:
    """Return the objects of a file; errors as their text."""
    raw = data if isinstance(data, bytes) else data.encode()
    found = parse_objects(raw, default_namespace=namespace, source_name="api.yaml")
    return [str(one) if isinstance(one, ParseError) else one for one in found]


def named(data: str | bytes) -> list[str]:
    """Return `kind namespace/name` of each object of a file."""
    return [one if isinstance(one, str) else f"{one.kind} {one.namespace}/{one.name}" for one in read(data)]


POD = json.dumps(object_of("Pod", pod_spec()))
DEPLOYMENT = yaml.safe_dump(object_of("Deployment", pod_spec()))


def test_a_file_of_many_documents() -> None:
    """Documents are read in order, empty ones are skipped, and kinds without pods say that they are."""
    data = f"---\n# nothing here\n---\n{DEPLOYMENT}---\n---\n{POD}\n---\napiVersion: v1\nkind: Service\n"

    deployment, pod, service = read(data)

    assert isinstance(deployment, Workload)
    assert isinstance(pod, Workload)
    assert isinstance(service, Workload)
    assert [use.image.written for use in deployment.uses] == ["registry.example/shop/api:1"]
    assert (
        deployment.kind,
        deployment.namespace,
        deployment.name,
        deployment.source,
    ) == ("Deployment", "shop", "api", Source.MANIFEST)
    assert pod.no_images_because is None
    assert (service.uses, service.no_images_because) == ((), "Service is not a kind that holds a pod")


def test_the_namespace_is_the_objects_own_else_the_default() -> None:
    """An object is judged where it says it belongs, else where the caller says."""
    with_own = object_of("Pod", pod_spec())
    without = object_of("Pod", pod_spec(), namespace=None)
    bare = {**without, "metadata": None}

    assert parse_object(with_own, default_namespace="other").namespace == "shop"
    assert parse_object(without, default_namespace="other").namespace == "other"
    assert parse_object(bare, default_namespace=None).namespace is None


@pytest.mark.parametrize("text", [POD, json.dumps(json.loads(POD), indent="\t"), f"\n\n  {POD}", "\ufeff" + POD])
def test_json_is_read_as_json(text: str) -> None:
    """A file that begins like JSON is JSON, tabs and all."""
    assert named(text) == ["Pod shop/api"]


def origins(data: str) -> list[Origin | None]:
    """Return where each object of a file stands."""
    return [one.origin for one in read(data) if isinstance(one, Workload)]


def test_an_object_knows_the_line_of_its_document() -> None:
    """The line is that of the first key, below `---` and comments; an error before it changes nothing."""
    data = f"# Source: api.yaml\n---\n# the gate\n{DEPLOYMENT}---\n- broken\n--- # again\n{DEPLOYMENT}"
    second = 4 + DEPLOYMENT.count("\n") + 3

    assert origins(data) == [Origin(file="api.yaml", line=4), Origin(file="api.yaml", line=second)]


def test_the_items_of_a_list_stand_where_the_list_does() -> None:
    """Objects of one list share the line of its document."""
    whole = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [json.loads(POD)] * 2})

    assert origins(f"kind: Service\napiVersion: v1\n---\n{whole}") == [
        Origin(file="api.yaml", line=1),
        *[Origin(file="api.yaml", line=4)] * 2,
    ]


@pytest.mark.parametrize(("text", "line"), [(POD, 1), (f"\n\n  {POD}", 3), ("\ufeff" + POD, 1), (f"{{\n{POD[1:]}", 1)])
def test_json_begins_at_its_brace(text: str, line: int) -> None:
    """What stands before the brace of a JSON object is no part of it."""
    assert origins(text) == [Origin(file="api.yaml", line=line)]


def test_an_origin_names_the_file_as_the_caller_did() -> None:
    """A long name is shortened in an error, never in the origin: it is the name of a file."""
    name = "deep/" * 60 + "api.yaml"
    (found,) = parse_objects(POD.encode(), default_namespace=None, source_name=name)
    (error,) = parse_objects(b"- a", default_namespace=None, source_name=name)

    assert isinstance(found, Workload)
    assert found.origin == Origin(file=name, line=1)
    assert len(str(error)) < len(name)


def test_an_object_from_elsewhere_stands_in_no_file() -> None:
    """An object of a cluster has no origin, and neither has a bare image."""
    assert parse_object(json.loads(POD), default_namespace=None).origin is None
    assert bare_image("nginx", None).origin is None


@given(st.lists(st.sampled_from([DEPLOYMENT, "# only a comment\n", "kind: Service\napiVersion: v1\n"]), max_size=6))
def test_the_line_of_an_object_is_one_of_its_own(documents: list[str]) -> None:
    """Wherever documents begin, the line named is the one on which the first key of the object stands."""
    data = "---\n" + "---\n".join(f"# {number}\n{text}" for number, text in enumerate(documents))
    lines = data.splitlines()

    for origin in origins(data):
        assert origin is not None
        assert lines[origin.line - 1].startswith(("apiVersion:", "kind: Service"))


def test_yaml_may_begin_with_a_brace() -> None:
    """A flow mapping is YAML though it begins like JSON."""
    assert named("{apiVersion: v1, kind: Service, metadata: {name: a}}") == ["Service default/a"]


def test_lists_are_flattened() -> None:
    """The items of lists are objects of their own, also in lists of lists; typed lists lend their items the kind."""
    pod = json.loads(POD)
    untyped = {key: value for key, value in pod.items() if key not in {"kind", "apiVersion"}}
    inner = {"apiVersion": "v1", "kind": "PodList", "items": [untyped, pod]}
    whole = {"apiVersion": "v1", "kind": "List", "items": [inner, json.loads(POD)]}

    assert named(json.dumps(whole)) == ["Pod shop/api"] * 3
    assert named(json.dumps({"apiVersion": "v1", "kind": "List", "items": []})) == []


def test_a_list_of_workloads_of_a_group() -> None:
    """The group of a typed list is that of its items."""
    item = {"metadata": {"name": "api"}, "spec": {"template": {"spec": pod_spec()}}}

    (found,) = read(json.dumps({"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [item]}))

    assert isinstance(found, Workload)
    assert (found.kind, len(found.uses)) == ("Deployment", 1)


def test_lists_have_bounds() -> None:
    """Lists nested too deeply, and files with too many objects, end in an error."""
    nested: dict[str, Any] = json.loads(POD)
    for _ in range(5):
        nested = {"apiVersion": "v1", "kind": "List", "items": [nested]}
    many = {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "A"}] * 20_001}

    (too_deep,) = read(json.dumps(nested))
    assert too_deep == ("api.yaml, document 1, items[0], items[0], items[0], items[0]: lists are nested deeper than 4")
    found = read(json.dumps(many))
    assert (len(found), found[-1]) == (20_001, "api.yaml: holds more than 20,000 objects")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("kind: Pod\n", "api.yaml, document 1, apiVersion: is missing"),
        ("apiVersion: v1\n", "api.yaml, document 1, kind: is missing"),
        ("apiVersion: v1\nkind: 5\n", "api.yaml, document 1, kind: expected a text"),
        ("apiVersion: v1\nkind: ''\n", "api.yaml, document 1, kind: expected a text"),
        ("- a\n", "api.yaml, document 1: expected a Kubernetes object"),
        ("apiVersion: v1\nkind: List\nitems: [5]\n", "api.yaml, document 1, items[0]: expected a Kubernetes object"),
        ("apiVersion: v1\nkind: Pod\n", "api.yaml, document 1, spec: is missing"),
        ("apiVersion: v1\nkind: Pod\nspec: {containers: []}\n", "spec.containers: is empty"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {namespace: A_B}\nspec: {containers: [{}]}\n", "metadata.namespace: is"),
        (
            "apiVersion: v1\nkind: Service\nmetadata: []\n",
            "document 1, metadata: expected object, found array",
        ),
        (
            "apiVersion: apps/v1\nkind: Deployment\nspec: {template: 5}\n",
            "spec.template: expected object, found",
        ),
        ("kind: Pod\n\tapiVersion: v1\n", "api.yaml, document 1: line 2:"),
        ("kind: a\n---\nkind: [\n", "api.yaml, document 2: line "),
        ("kind: Pod\nkind: Job\n", 'api.yaml, document 1: key "kind" stands twice'),
        ('{"kind": "Pod", "kind": "Job"}', 'api.yaml, document 1: key "kind" stands twice'),
        ('{"kind": NaN}', "api.yaml, document 1: NaN is not valid JSON"),
        (b"kind: \xff\n", "api.yaml, document 1: is not UTF-8"),
        (b'{"kind": "\xff"}', "api.yaml, document 1: is not UTF-8"),
        ('{"a":' + "[" * 5_000 + "]" * 5_000 + "}", "api.yaml, document 1: is nested too deeply"),
    ],
)
def test_what_cannot_be_read_says_where(data: str | bytes, error: str) -> None:
    """An error names the file, the document and the path inside it."""
    last = read(data)[-1]

    assert isinstance(last, str)
    assert error in last


def test_a_broken_document_hides_no_other() -> None:
    """Documents before and after one that is not what it should be are read."""
    data = f"{DEPLOYMENT}---\nkind: Pod\n---\n{DEPLOYMENT}---\nkind: [\n"

    assert [isinstance(one, Workload) for one in read(data)] == [True, False, True, False]


def test_an_empty_file_holds_nothing() -> None:
    """A file without any object gives no object: whoever asked must not take that for an approval."""
    assert read("") == []
    assert read("# nothing\n---\n") == []


def test_a_file_that_is_too_large() -> None:
    """A file beyond the bound is not read, whether YAML or JSON."""
    assert read(b"{" + b" " * (64 << 20)) == ["api.yaml, document 1: is larger than 67,108,864 bytes"]


def test_a_mapping_that_no_document_can_hold() -> None:
    """Values from elsewhere than a document are read as strictly."""
    odd: Any = {5: "five", "apiVersion": "v1", "kind": "Pod"}

    with pytest.raises(ParseError, match="is not what the Kubernetes API has there"):
        parse_object(odd, default_namespace=None)


def test_a_bare_image_is_one_container() -> None:
    """A reference alone is judged as the one image of an object of kind Image."""
    found = bare_image("registry.example/shop/api:1", "shop")
    broken = bare_image("Not An Image", None)

    assert (
        found.kind,
        found.name,
        found.namespace,
        found.source,
    ) == ("Image", "registry.example/shop/api:1", "shop", Source.IMAGE)
    (use,) = found.uses
    assert (ImageReference.parse("registry.example/shop/api:1"), ContainerKind.MAIN) == (use.image, use.kind)
    assert isinstance(broken.uses[0].image, BadReference)


images = st.none() | st.sampled_from(["", "nginx", "registry.example/a:1", "UPPER/case", "a:b:c"])
containers = st.none() | st.lists(
    st.fixed_dictionaries({}, optional={"name": st.text("ab", max_size=3), "image": images}), max_size=3
)
volumes = st.none() | st.lists(
    st.fixed_dictionaries(
        {"name": st.text("ab", max_size=3)},
        optional={
            "image": st.none() | st.fixed_dictionaries({}, optional={"reference": images}),
            "emptyDir": st.builds(dict),
        },
    ),
    max_size=3,
)
specs = st.fixed_dictionaries(
    {},
    optional={
        "containers": containers,
        "initContainers": containers,
        "ephemeralContainers": containers,
        "volumes": volumes,
    },
)


@given(st.sampled_from(list(NINE_KINDS)), specs)
def test_admission_and_manifests_see_the_same_images(kind: str, spec: object) -> None:
    """Whatever the object, the API server's question and a file in YAML or JSON lead to the same uses, or error."""
    obj = object_of(kind, spec)
    admitted = parse_review(review(obj, kind=kind)).workload
    from_yaml = parse_objects(yaml.safe_dump(obj).encode(), default_namespace=None, source_name="f")
    from_json = parse_objects(json.dumps(obj).encode(), default_namespace=None, source_name="f")

    for (read_back,) in (from_yaml, from_json):
        if isinstance(admitted, Workload):
            assert isinstance(read_back, Workload)
            assert admitted.uses == read_back.uses
        else:
            assert isinstance(read_back, ParseError)
            assert f"f, document 1, {admitted}" == str(read_back)


@given(st.text(max_size=60))
def test_any_text_is_a_tuple_of_values(text: str) -> None:
    """Reading a file never raises."""
    data = text.encode("utf-8", "surrogatepass")

    assert isinstance(parse_objects(data, default_namespace=None, source_name="f"), tuple)
