"""Which tags are resolved, and what is written into the Pod."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.given import NOW, SILENCE, digest, policy, rule
from tests.core.reviews import NINE_KINDS, apply_patch, object_of, pod_spec, review, verify_patch, verify_response
from webhook.core.admission import AdmissionRequest, parse_review
from webhook.core.admission_answer import pinning_answer, unpatched
from webhook.core.errors import ParseError
from webhook.core.facts import Known, Learnt
from webhook.core.pinning import Pin, Pinning, PinResult, patch, pinnable, pinned_images
from webhook.core.policy import Case, Exemption, Policy, Requirements
from webhook.core.references import MAX_REFERENCE_CHARACTERS, Glob, ImageReference, PinnedImage
from webhook.core.workloads import Workload

POLICY = policy()
TAGGED = "registry.example/shop/api:1"
EXEMPT = Exemption(reason="add-ons")
DIGEST = digest("resolved")
UID = "705ab4f5-6393-11e8-b7cc-42010a800002"

hosts = st.sampled_from(["", "registry.example/", "REGISTRY.example:5000/", "localhost/", "docker.io/library/"])
names = st.from_regex(r"[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,2}", fullmatch=True)
tags = st.one_of(st.just(""), st.from_regex(r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True))
written = st.builds("".join, st.tuples(hosts, names, tags))


def asked(spec: dict[str, Any], *, kind: str = "Pod", **request: Any) -> Workload:  # noqa: ANN401 - JSON
    """Return what is read of a review about an object with this pod spec."""
    workload = parse_review(review(object_of(kind, spec), kind=kind, **request)).workload
    assert isinstance(workload, Workload)
    return workload


def targets(workload: Workload, by: Policy = POLICY) -> tuple[str, ...]:
    """Return the fields whose tags are to be resolved."""
    return tuple(use.field for use, _ in pinnable(workload, by, NOW))


def pinning(workload: Workload, found: Learnt[PinnedImage | None] | None = None, by: Policy = POLICY) -> Pinning:
    """Return the same finding for every tag, by default the digest `DIGEST`."""
    pins = (
        Pin(use=use, reference=reference, found=found or Known(value=reference.pinned(DIGEST)))
        for use, reference in pinnable(workload, by, NOW)
    )
    return Pinning(workload=workload, pins=tuple(pins))


def everywhere(image: str) -> dict[str, Any]:
    """Return a pod spec that names an image in all four lists."""
    container = {"name": "a", "image": image}
    return {
        "containers": [{"name": "first", "image": f"b.example/pinned@{DIGEST}"}, container],
        "initContainers": [container],
        "ephemeralContainers": [container],
        "volumes": [{"name": "empty", "emptyDir": {}}, {"name": "v", "image": {"reference": image}}],
    }


def test_every_field_of_a_pod_is_pinned() -> None:
    """Containers of all kinds and image volumes get the digest behind what was typed; what has one is left alone."""
    pod = object_of("Pod", everywhere(TAGGED))
    operations = verify_patch(pinning_answer(UID, pinning(asked(everywhere(TAGGED))), POLICY), uid=UID)

    assert apply_patch(pod, operations) == object_of("Pod", everywhere(f"{TAGGED}@{DIGEST}"))
    assert [operation["op"] for operation in operations] == ["test", "replace"] * 4


@pytest.mark.parametrize("kind", [kind for kind in NINE_KINDS if kind != "Pod"])
def test_templates_are_left_alone(kind: str) -> None:
    """No kind that makes pods is changed, so that what is kept elsewhere stays the same as what is in the cluster."""
    assert targets(asked(pod_spec(), kind=kind)) == ()


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_what_brings_no_image_in_is_left_alone(operation: str) -> None:
    """There is nothing to pin where there is nothing to judge."""
    assert targets(asked(pod_spec(), operation=operation)) == ()


def test_an_update_pins_only_what_changes() -> None:
    """The image that stays as it was is left alone: writing into it would restart its container."""
    old = {"containers": [{"name": "a", "image": TAGGED}, {"name": "b", "image": TAGGED}]}
    new = {"containers": [{"name": "a", "image": TAGGED}, {"name": "b", "image": "registry.example/shop/api:2"}]}
    changes: dict[str, Any] = {"operation": "UPDATE", "oldObject": object_of("Pod", old)}

    assert targets(asked(old, **changes)) == ()
    assert targets(asked(new, **changes)) == ("spec.containers[1].image",)


def test_a_new_ephemeral_container_is_pinned_alone() -> None:
    """`kubectl debug` changes nothing but the container that it adds."""
    old = everywhere(TAGGED)
    new = old | {"ephemeralContainers": [*old["ephemeralContainers"], {"name": "debugger", "image": "busybox"}]}
    workload = asked(new, operation="UPDATE", subResource="ephemeralcontainers", oldObject=object_of("Pod", old))

    assert targets(workload) == ("spec.ephemeralContainers[1].image",)


def test_a_mirror_pod_is_left_alone() -> None:
    """What a node runs already cannot be changed in the API."""
    assert targets(replace(asked(pod_spec()), mirror_pod=True)) == ()


@pytest.mark.parametrize("image", [f"nginx@{DIGEST}", f"nginx:1@{DIGEST}", "Nginx:1", "", "a" * 2000])
def test_what_is_pinned_or_no_reference_is_left_alone(image: str) -> None:
    """A digest that is there decides, and what has no name has no tag."""
    assert targets(asked({"containers": [{"name": "a", "image": image}]})) == ()


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (policy(rule(EXEMPT)), ()),
        (policy(rule(images=(Glob("other.example/**"),))), ()),
        (policy(rule(cases=(Case(name="c", outcome=EXEMPT, images=(Glob("registry.example/**"),)),))), ()),
        (policy(rule(Requirements(pinned=False))), ()),
        (policy(rule(Requirements())), ("spec.containers[0].image",)),
        (policy(rule(images=(Glob("registry.example/**"),))), ("spec.containers[0].image",)),
    ],
    ids=["exempt", "forbidden", "exempt by a case", "nothing is asked", "only the digest is asked", "judged"],
)
def test_only_what_is_judged_is_resolved(by: Policy, expected: tuple[str, ...]) -> None:
    """A registry that the review would not ask is not asked for the sake of a digest."""
    assert targets(asked(pod_spec()), by) == expected


@pytest.mark.parametrize(
    ("found", "result"), [(Known(value=None), PinResult.NOT_FOUND), (SILENCE, PinResult.UNRESOLVED)]
)
def test_what_cannot_be_resolved_is_left_alone(found: Learnt[PinnedImage | None], result: PinResult) -> None:
    """A tag that is nowhere, or of which nobody knows, is not written about."""
    found_out = pinning(asked(pod_spec()), found)
    body = pinning_answer(UID, found_out, POLICY)

    assert [pin.result for pin in found_out.pins] == [result]
    assert patch(found_out) == ()
    assert verify_patch(body, uid=UID) == []
    assert "pinned-images" not in verify_response(body, uid=UID)["auditAnnotations"]


def test_a_reference_grows_only_as_long_as_it_stays_one() -> None:
    """A name that has no room for a digest is left alone, for with it nobody could read it any more."""
    label = f"{'a' * 60}."
    longest = MAX_REFERENCE_CHARACTERS - len(f"@sha512:{'0' * 128}")
    fits = f"{(label * 20)[: longest - 6]}x/p:12"
    assert len(fits) == longest

    assert targets(asked({"containers": [{"name": "a", "image": fits}]})) == ("spec.containers[0].image",)
    assert targets(asked({"containers": [{"name": "a", "image": f"{fits}3"}]})) == ()


@given(image=written)
def test_pinning_keeps_the_name_and_is_done_once(image: str) -> None:
    """Whatever was typed, the result means the same repository and tag, begins as typed, and is not pinned again."""
    pod = object_of("Pod", {"containers": [{"name": "a", "image": image}]})
    operations = verify_patch(pinning_answer(UID, pinning(asked(pod["spec"])), POLICY), uid=UID)
    patched = apply_patch(pod, operations)
    before, after = (ImageReference.parse(each["spec"]["containers"][0]["image"]) for each in (pod, patched))

    assert after.written == f"{image}@{DIGEST}"
    assert (after.repository, after.tag, after.digest) == (before.repository, before.tag, DIGEST)
    assert targets(asked(patched["spec"])) == ()


def test_the_audit_log_is_told() -> None:
    """The annotation has field and digest of each image, and of a thousand as many as fit in a line."""
    one = pinning(asked(pod_spec()))
    many = pinning(asked({"containers": [{"name": str(n), "image": TAGGED} for n in range(1000)]}))
    annotations = verify_response(pinning_answer(UID, Pinning(workload=one.workload), POLICY), uid=UID)[
        "auditAnnotations"
    ]

    assert pinned_images(one) == f"spec.containers[0].image {DIGEST}"
    assert pinned_images(many).endswith(" more")
    assert len(pinned_images(many)) < 4200
    assert annotations["policy-digest"] == str(POLICY.digest)


def test_what_cannot_be_read_is_let_in_as_it_is() -> None:
    """The webhook that pins never denies: an object that it cannot read is for the next one to refuse."""
    request = AdmissionRequest(uid=UID, workload=ParseError("", "broken"))
    response = verify_response(unpatched(request.uid), uid=UID)

    assert response["allowed"]
    assert response["auditAnnotations"]["decision"] == "error"
