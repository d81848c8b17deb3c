"""What the admission endpoint answers, whatever it is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from tests.server.asgi import JSON, AppUnderTest
from tests.server.gates import POLICY, ScriptedGate, denying, review, stuck
from webhook.core.verdicts import Decision
from webhook.core.workloads import Workload
from webhook.server.gate import GateNotReady
from webhook.server.limits import Limits

MIB = 1024 * 1024


async def broken(_workload: Workload, _deadline: float) -> Decision:
    """Fail as code fails."""
    raise KeyError("a bug; token=hunter2")


async def not_ready(_workload: Workload, _deadline: float) -> Decision:
    """Have no policy."""
    raise GateNotReady("there is no policy yet")


async def test_a_review_is_answered_with_its_uid() -> None:
    """An allowed review is an AdmissionReview v1 with the uid of the request."""
    app = AppUnderTest()
    reply = await app.send(review("abc"))
    document = json.loads(reply.body)
    assert reply.status == 200
    assert (document["apiVersion"], document["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert reply.response["uid"] == "abc"
    assert reply.response["allowed"] is True
    assert reply.headers[b"content-type"] == b"application/json"
    assert b"connection" not in reply.headers


async def test_a_denial_carries_a_status() -> None:
    """A denied review has code 403 and says why."""
    reply = await AppUnderTest(gate=ScriptedGate(denying)).send(review())
    assert reply.status == 200
    assert reply.response["allowed"] is False
    assert reply.response["status"]["code"] == 403


@pytest.mark.parametrize(("path", "advisory"), [("/validate", False), ("/validate/advisory", True)])
async def test_the_path_says_whether_the_gate_may_deny(path: str, advisory: bool) -> None:  # noqa: FBT001 - a parameter
    """The gate is told which webhook was called, and by when it has to decide."""
    app = AppUnderTest()
    await app.send(review(), path=path, query=b"timeout=3s")
    ((workload, deadline, told),) = app.gate.asked
    assert (workload.name, told) == ("api", advisory)
    assert deadline == pytest.approx(app.clock.monotonic() + 2)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/validate", JSON, 405),
        ("PUT", "/validate/advisory", JSON, 405),
        ("GET", "/mutate", JSON, 405),
        ("POST", "/validate/", JSON, 404),
        ("POST", "//validate", JSON, 404),
        ("POST", "/", JSON, 404),
        ("GET", "/docs", JSON, 404),
        ("POST", "/validate", (), 400),
        ("POST", "/validate", ((b"content-type", b"text/yaml"),), 400),
        ("POST", "/validate", (*JSON, (b"content-encoding", b"gzip")), 400),
        ("POST", "/validate", ((b"content-type", b"Application/JSON; charset=utf-8"),), 200),
    ],
)
async def test_only_a_post_of_json_to_a_webhook_is_a_review(
    method: str, path: str, headers: tuple[tuple[bytes, bytes], ...], status: int
) -> None:
    """Everything else gets an honest status and a plain reason: no redirect, no 422, no page."""
    reply = await AppUnderTest().send(review(), method=method, path=path, headers=headers)
    assert reply.status == status
    assert 0 < len(reply.body) < 4000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe\x00",
        b"{}",
        b'{"request":{}}',
        b'{"request":{"uid":""}}',
        b'{"request":{"uid":7}}',
        b'{"request":{"uid":"\xff"}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"request":{"uid":"' + b"u" * 1000 + b'"}}',
    ],
)
async def test_what_has_no_uid_is_a_bad_request(body: bytes) -> None:
    """Without a uid there is nothing to answer but HTTP 400, with a plain reason, and the next review is served."""
    app = AppUnderTest()
    reply = await app.send(body)
    assert reply.status == 400
    assert reply.headers[b"content-type"].startswith(b"text/plain")
    assert reply.body.strip()
    assert app.metric("admission_requests_turned_away_total", reason="400") == 1
    assert (await app.send(review())).status == 200


@given(body=st.binary(max_size=300))
async def test_any_bytes_get_an_answer(body: bytes) -> None:
    """Whatever the body, the answer is 400 or an AdmissionReview, and it approves nothing."""
    reply = await AppUnderTest().send(body)
    assert reply.status == 400 or reply.response["allowed"] is False


@pytest.mark.parametrize(
    "request_fields",
    [
        {"kind": {"group": "", "version": "v1", "kind": "Pod"}, "object": None},
        {"object": {"kind": "Pod"}},
        {"operation": "FROBNICATE"},
        {"object": {"kind": "Pod", "spec": {"containers": [{"name": str(n), "image": "a/b"} for n in range(5000)]}}},
    ],
    ids=["no object", "no spec", "strange operation", "5,000 containers"],
)
async def test_an_object_that_cannot_be_read_is_denied(request_fields: dict[str, object]) -> None:
    """With a uid, whatever else is wrong is a denial with code 400, and the gate is not bothered."""
    app = AppUnderTest()
    reply = await app.send(review("u", **request_fields))
    assert reply.status == 200
    assert reply.response["uid"] == "u"
    assert reply.response["allowed"] is False
    assert reply.response["status"]["code"] == 400
    assert app.gate.asked == []


async def test_a_review_of_another_version_is_denied() -> None:
    """An envelope that is no AdmissionReview v1 is denied by its uid."""
    body = review("u").replace(b"admission.k8s.io/v1", b"admission.k8s.io/v9")
    reply = await AppUnderTest().send(body)
    assert reply.response["allowed"] is False


@pytest.mark.parametrize(
    ("deciding", "code"),
    [(broken, 500), (not_ready, 503)],
)
async def test_what_goes_wrong_denies_and_tells_no_secret(deciding: object, code: int) -> None:
    """A fault of the gate's, or its not being ready, denies with the uid; the requester learns nothing of the fault."""
    app = AppUnderTest(gate=ScriptedGate(deciding))  # type: ignore[arg-type]
    reply = await app.send(review("u"))
    assert (reply.status, reply.response["uid"], reply.response["allowed"]) == (200, "u", False)
    assert reply.response["status"]["code"] == code
    assert b"hunter2" not in reply.body
    assert app.logged()[-1]["decision"] == "error"


@pytest.mark.parametrize("deciding", [broken, not_ready])
async def test_the_advisory_webhook_never_denies(deciding: object) -> None:
    """On the advisory path a fault is a warning."""
    app = AppUnderTest(gate=ScriptedGate(deciding))  # type: ignore[arg-type]
    reply = await app.send(review(), path="/validate/advisory")
    assert reply.response["allowed"] is True
    assert reply.response["warnings"]


async def test_a_fault_is_logged_with_its_trace() -> None:
    """Who runs the gate finds the trace and the uid in the log."""
    app = AppUnderTest(gate=ScriptedGate(broken))
    await app.send(review("u"))
    failure, decision = app.logged()
    assert (failure["event"], failure["level"], failure["uid"]) == ("review-failed", "error", "u")
    assert "KeyError" in failure["exception"]
    assert decision["code"] == 500


async def test_a_gate_that_overruns_is_answered_for() -> None:
    """If the gate ignores its deadline, the server denies before the caller gives up."""
    app = AppUnderTest(gate=ScriptedGate(stuck))
    reply = await app.send(review(), query=b"timeout=200ms")
    assert reply.response["allowed"] is False
    assert reply.response["status"]["code"] == 500
    assert app.logged()[0]["event"] == "review-overran"


async def test_a_body_in_pieces_is_one_body() -> None:
    """A chunked body without a length is read to its end."""
    body = review("pieces")
    reply = await AppUnderTest().send(*(body[n : n + 7] for n in range(0, len(body), 7)))
    assert reply.response["uid"] == "pieces"


@pytest.mark.parametrize("size", [7 * MIB + 1, 10 * MIB, 100 * MIB])
async def test_a_body_beyond_the_limit_is_too_large(size: int) -> None:
    """Beyond 7 MiB the answer is 413, and nothing of the body is kept."""
    app = AppUnderTest()
    piece = b" " * (64 * 1024)
    reply = await app.send(*([piece] * (size // len(piece) + 1)))
    assert reply.status == 413
    assert reply.headers[b"connection"] == b"close"
    assert (app.capacity.reviews, app.capacity.held_bytes) == (0, 0)


async def test_a_large_body_is_a_review_like_any_other() -> None:
    """A body of several megabytes, parsed off the loop, is answered."""
    padding = {"kind": "Pod", "data": "x" * (6 * MIB), "spec": {"containers": [{"name": "a", "image": "a.example/b"}]}}
    reply = await AppUnderTest().send(review("large", object=padding))
    assert reply.response["uid"] == "large"
    assert reply.response["allowed"] is True


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    """A caller who stalls is answered 408 and loses the connection."""
    app = AppUnderTest(limits=Limits(read_seconds=0.05))

    async def stalling() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": b"{", "more_body": True}
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "POST", "path": "/validate", "query_string": b"", "headers": list(JSON)}
    reply = await app.drive(scope, stalling())
    assert (reply.status, reply.headers[b"connection"]) == (408, b"close")
    assert app.capacity.reviews == 0


async def test_a_caller_who_leaves_gets_no_answer() -> None:
    """A connection that closes within its body ends the review without an answer."""
    app = AppUnderTest()
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/validate", "query_string": b"", "headers": list(JSON)}
    await app.app(scope, receive, send)
    assert sent == []
    assert app.metric("admission_requests_turned_away_total", reason="caller-gone") == 1


@pytest.mark.parametrize("limits", [Limits(max_reviews=1), Limits(max_held_bytes=1000)])
async def test_overload_is_answered_with_retry_after(limits: Limits) -> None:
    """Beyond the bounds the API server is asked to come back in a second, and finds room then."""
    leave = asyncio.Event()

    async def waiting(workload: Workload, _deadline: float) -> Decision:
        await leave.wait()
        return Decision(workload=workload, verdicts=())

    app = AppUnderTest(gate=ScriptedGate(waiting), limits=limits)
    first = asyncio.create_task(app.send(review()))
    await app.gate.entered.wait()
    reply = await app.send(review(object={"padding": "x" * 2000}))
    assert (reply.status, reply.headers[b"retry-after"]) == (429, b"1")
    leave.set()
    assert (await first).status == 200
    assert (await app.send(review())).status == 200


async def test_while_leaving_answers_are_normal_and_close_the_connection() -> None:
    """In the first step of draining a review is judged as ever, and its connection is not kept."""
    app = AppUnderTest()
    app.lifecycle.leave()
    reply = await app.send(review())
    assert (reply.status, reply.headers[b"connection"]) == (200, b"close")


async def test_while_refusing_callers_are_sent_elsewhere() -> None:
    """In the second step of draining new reviews get 503 with Retry-After, and another replica."""
    app = AppUnderTest()
    app.lifecycle.refuse()
    reply = await app.send(review())
    assert (reply.status, reply.headers[b"retry-after"], reply.headers[b"connection"]) == (503, b"1", b"close")
    assert app.gate.asked == []


async def test_a_review_that_is_cut_off_is_sent_elsewhere() -> None:
    """What the end of draining finds unfinished is answered 503 with Retry-After, not with silence."""
    app = AppUnderTest(gate=ScriptedGate(stuck))
    reviewing = asyncio.create_task(app.send(review()))
    await app.gate.entered.wait()
    reviewing.cancel()
    reply = await reviewing
    assert (reply.status, reply.headers[b"retry-after"]) == (503, b"1")


async def test_every_decision_is_one_line() -> None:
    """The line names who wanted what and on which evidence it was decided, and is safe to read."""
    app = AppUnderTest(gate=ScriptedGate(denying))
    await app.send(review("u", userInfo={"username": 'eve"\n{"event":"decision"'}, dryRun=True))
    (line,) = app.logged()
    assert list(line)[:3] == ["ts", "level", "event"]
    expected = {
        "event": "decision",
        "level": "info",
        "uid": "u",
        "webhook": "/validate",
        "operation": "CREATE",
        "kind": "Pod",
        "namespace": "shop",
        "name": "api",
        "user": 'eve" {"event":"decision"',
        "dry_run": True,
        "decision": "deny",
        "mode": "enforce",
        "rule": "everywhere",
        "codes": ["unverifiable"],
        "policy_digest": str(POLICY.digest),
    }
    assert line.items() >= expected.items()
    (image,) = line["images"]
    assert (image["container"], image["result"]) == ("api", "error")


async def test_a_log_that_cannot_be_written_takes_no_answer() -> None:
    """With its log gone the gate still answers, and counts what it could not say."""
    output = StringIO()
    app = AppUnderTest(output=output)
    output.close()
    reply = await app.send(review())
    assert reply.response["allowed"] is True
    assert app.metric("decision_log_failures_total") == 1


async def test_answers_are_counted_with_bounded_labels() -> None:
    """Kinds and operations that nobody knows share one label."""
    app = AppUnderTest()
    await app.send(review())
    await app.send(review(kind={"group": "x", "version": "v1", "kind": "Evil" * 20}, operation="CREATE"))
    ordinary = {"webhook": "/validate", "operation": "CREATE", "decision": "allow", "dry_run": "false"}
    assert app.metric("admission_requests_total", kind="Pod", mode="enforce", **ordinary) == 1
    assert app.metric("admission_requests_in_flight") == 0
    assert app.metric("admission_request_duration_seconds_count") == 2
    assert "Evil" not in app.metrics.exposition().decode()
