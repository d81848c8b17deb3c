"""`POST /mutate`: it writes digests, and whatever happens it never denies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.reviews import verify_patch, verify_response
from tests.server.asgi import AppUnderTest, Reply
from tests.server.gates import DIGEST, POLICY, Deciding, ScriptedGate, review, stuck
from webhook.core.verdicts import Decision
from webhook.core.workloads import Workload
from webhook.server.gate import GateNotReady
from webhook.server.limits import Limits

WRITTEN = "registry.example/shop/api"
TAGGED = {"kind": "Pod", "spec": {"containers": [{"name": "api", "image": f"{WRITTEN}:1"}]}}


async def broken(_workload: Workload, _deadline: float) -> Decision:
    """Fail as code fails."""
    raise KeyError("a bug; token=hunter2")


async def not_ready(_workload: Workload, _deadline: float) -> Decision:
    """Have no policy."""
    raise GateNotReady("there is no policy yet")


async def mutate(app: AppUnderTest, *, query: bytes = b"timeout=10s", **request: Any) -> Reply:  # noqa: ANN401 - JSON
    """Have a Pod with a tag pinned, or what the fields of the request say instead."""
    return await app.send(review("u", **({"object": TAGGED} | request)), path="/mutate", query=query)


async def test_a_tag_gets_its_digest() -> None:
    """The answer is a patch that tests what stands there and replaces it, and the audit log is told."""
    app = AppUnderTest()
    reply = await mutate(app)
    path = "/spec/containers/0/image"
    assert verify_patch(reply.body, uid="u") == [
        {"op": "test", "path": path, "value": f"{WRITTEN}:1"},
        {"op": "replace", "path": path, "value": f"{WRITTEN}:1@{DIGEST}"},
    ]
    assert reply.response["auditAnnotations"] == {
        "decision": "allow",
        "mode": "none",
        "rule": "none",
        "codes": "",
        "policy-digest": str(POLICY.digest),
        "pinned-images": f"spec.containers[0].image {DIGEST}",
    }
    assert "warnings" not in reply.response


async def test_the_gate_pins_before_the_caller_leaves() -> None:
    """It is told the deadline, and is not asked to judge."""
    app = AppUnderTest()
    await mutate(app, query=b"timeout=3s")
    ((workload, deadline),) = app.gate.pinned
    assert (workload.name, app.gate.asked) == ("api", [])
    assert deadline == pytest.approx(app.clock.monotonic() + 2)


@pytest.mark.parametrize(("deciding", "code"), [(broken, 500), (not_ready, 503), (stuck, 500)])
async def test_what_goes_wrong_is_let_in_as_it_is(deciding: Deciding, code: int) -> None:
    """A fault, a gate without a policy and one that overruns leave the Pod alone; the log says what happened."""
    app = AppUnderTest(gate=ScriptedGate(deciding))
    reply = await mutate(app, query=b"timeout=200ms")
    assert verify_response(reply.body, uid="u")["allowed"]
    assert b"hunter2" not in reply.body
    assert app.logged()[-1].items() >= {"decision": "error", "webhook": "/mutate", "code": code}.items()
    assert app.metric("admission_requests_total", **labels(decision="error")) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"object": None},
        {"object": {"kind": "Pod"}},
        {"operation": "FROBNICATE"},
        {"namespace": "Not A Namespace"},
        {"object": {"kind": "Pod", "spec": {"containers": [{"name": str(n), "image": "a/b"} for n in range(5000)]}}},
    ],
    ids=["no object", "no spec", "strange operation", "no namespace", "5,000 containers"],
)
async def test_what_cannot_be_read_is_let_in_as_it_is(fields: dict[str, Any]) -> None:
    """A broken object is for the webhooks that judge; the gate is not bothered."""
    app = AppUnderTest()
    reply = await mutate(app, **fields)
    assert verify_response(reply.body, uid="u")["allowed"]
    assert app.gate.pinned == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["spec", "containers", "image", "name", "kind"]), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
async def test_no_object_is_ever_denied(obj: object) -> None:
    """Whatever the object is, it is let in."""
    assert (await mutate(AppUnderTest(), object=obj)).response["allowed"] is True


@pytest.mark.parametrize("limits", [Limits(max_reviews=0), Limits(max_held_bytes=10)])
async def test_overload_asks_to_come_back(limits: Limits) -> None:
    """Overload is no answer: the API server tries again within its timeout, and goes on without us if that is over."""
    reply = await mutate(AppUnderTest(limits=limits))
    assert (reply.status, reply.headers[b"retry-after"]) == (429, b"1")


async def test_draining_asks_to_come_back() -> None:
    """A replica that is shutting down sends callers to another one, as with any review."""
    app = AppUnderTest()
    app.lifecycle.refuse()
    reply = await mutate(app)
    assert (reply.status, reply.headers[b"retry-after"]) == (503, b"1")


async def test_pinning_is_logged_and_counted() -> None:
    """One line tells what was typed and what it stood for; the metrics count the request and the image."""
    app = AppUnderTest()
    await mutate(app)
    (line,) = app.logged()
    assert line.items() >= {"event": "decision", "webhook": "/mutate", "uid": "u", "decision": "allow"}.items()
    assert line["images"] == [
        {"container": "api", "ref": f"{WRITTEN}:1", "digest": str(DIGEST), "result": "pinned"},
    ]
    assert app.metric("pinned_images_total", result="pinned") == 1
    assert app.metric("pinned_images_total", result="unresolved") == 0
    assert app.metric("admission_requests_total", **labels(decision="allow")) == 1


async def test_nothing_to_pin_is_no_patch() -> None:
    """A deletion is let in without a patch."""
    app = AppUnderTest()
    reply = await mutate(app, operation="DELETE", object=None, oldObject=TAGGED)
    assert verify_patch(reply.body, uid="u") == []
    assert app.metric("pinned_images_total", result="pinned") == 0
    assert reply.response["allowed"] is True


def labels(*, decision: str) -> dict[str, str]:
    """Return the labels of a Pod's creation at the webhook that pins."""
    asked = {"webhook": "/mutate", "operation": "CREATE", "kind": "Pod", "dry_run": "false"}
    return asked | {"decision": decision, "mode": "none"}
