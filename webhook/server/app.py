"""`POST /validate` and its siblings: raw ASGI in front of FastAPI, which has everything that need not be fast.

How a review goes through, each step ending it if it must:

1. Path, method, type of content, and room for one more review.
2. The body, at most 7 MiB and for a bounded time. Without a uid in it there is no AdmissionReview to answer with.
3. The gate decides, or resolves tags, within the caller's time, less a second.
4. The answer is encoded, sent and logged.

Once the uid is known, whatever goes wrong is answered as a denial with that uid (by the advisory webhook, as a
warning; by the one that pins, as an approval without a patch): an HTTP error would be a failed webhook, which some
configurations ignore. Overload and draining are the exception, because the API server tries those again by itself. For
the webhook that pins too: an object that is let in without its digests is refused by the next webhook, while one that
waits a second is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import assert_never

from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from webhook.core.admission import AdmissionRequest, parse_review
from webhook.core.errors import ParseError
from webhook.core.workloads import Workload
from webhook.ports import Clock
from webhook.server.deadlines import Deadlines, deadlines
from webhook.server.decision_log import NO_MODE, DecisionLog, mode_of
from webhook.server.gate import Gate, GateNotReady
from webhook.server.http import (
    BodyTooLarge,
    CallerGone,
    HttpAnswer,
    plain,
    read_body,
    rejection,
    retry_later,
    send_answer,
)
from webhook.server.lifecycle import Lifecycle, Phase
from webhook.server.limits import Capacity, Overloaded, Slot
from webhook.server.metrics import Metrics
from webhook.server.outcomes import Decided, Outcome, Pinned, Refused, Task, encode

__all__ = ["AdmissionApp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Webhook:
    """A path, and what is done there."""

    path: str
    task: Task


WEBHOOKS: Mapping[str, _Webhook] = MappingProxyType(
    {
        "/validate": _Webhook(path="/validate", task=Task.JUDGE),
        "/validate/advisory": _Webhook(path="/validate/advisory", task=Task.ADVISE),
        "/mutate": _Webhook(path="/mutate", task=Task.PIN),
    }
)

DRAINING = retry_later(503, "this replica is shutting down", close=True)
OVERLOADED = retry_later(429, "too many reviews at once")


class AdmissionApp:
    """The application of the TLS port. `rest` answers every path that is no webhook."""

    def __init__(
        self,
        gate: Gate,
        *,
        rest: ASGIApp,
        lifecycle: Lifecycle,
        capacity: Capacity,
        metrics: Metrics,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._gate = gate
        self._rest = rest
        self._lifecycle = lifecycle
        self._capacity = capacity
        self._metrics = metrics
        self._clock = clock
        self._log = log
        self._decisions = DecisionLog(log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        webhook = WEBHOOKS.get(scope["path"])
        if webhook is not None:
            await self._serve(webhook, scope, receive, send)
        else:
            await self._rest(scope, receive, send)

    async def _serve(self, webhook: _Webhook, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to a webhook; closes the connection after it while the server drains."""
        try:
            reply = await self._reply(webhook, scope, receive)
        except CallerGone:
            self._metrics.turned_away("caller-gone")
            return
        except asyncio.CancelledError:
            # The end of draining found the review unfinished: another replica may still have time to answer.
            reply = DRAINING
        if reply.status != 200:  # noqa: PLR2004 - HTTP OK
            self._metrics.turned_away(str(reply.status))
        if self._lifecycle.phase is not Phase.SERVING:
            reply = replace(reply, close=True)
        await send_answer(send, reply)

    async def _reply(self, webhook: _Webhook, scope: Scope, receive: Receive) -> HttpAnswer:
        """Return the answer to a request to a webhook."""
        if self._lifecycle.phase is Phase.REFUSING:
            return DRAINING
        rejected = rejection(scope)
        return await self._admit(webhook, scope, receive) if rejected is None else rejected

    async def _admit(self, webhook: _Webhook, scope: Scope, receive: Receive) -> HttpAnswer:
        """Make room for a review and answer it, or say in HTTP why that cannot be."""
        arrived = self._clock.monotonic()
        limits = deadlines(scope["query_string"], arrived=arrived)
        try:
            with self._capacity.review() as slot, self._metrics.review():
                request = await self._read(receive, slot, seconds=limits.decide_by - arrived)
                return await self._review(webhook, request, limits, arrived=arrived)
        except Overloaded:
            return OVERLOADED
        except TimeoutError:
            return plain(408, "the request did not arrive in time", close=True)
        except BodyTooLarge:
            return plain(413, f"a review has at most {self._capacity.limits.max_body_bytes:,} bytes", close=True)
        except ParseError as error:
            return plain(400, str(error))

    async def _read(self, receive: Receive, slot: Slot, *, seconds: float) -> AdmissionRequest:
        """Receive and parse a review; raises ParseError if it has no uid, TimeoutError if it does not come."""
        limits = self._capacity.limits
        async with asyncio.timeout(min(limits.read_seconds, seconds)):
            body = await read_body(receive, slot, max_bytes=limits.max_body_bytes)
        if len(body) <= limits.parse_inline_bytes:
            request = parse_review(body)
        else:
            request = await asyncio.to_thread(parse_review, body)
        slot.release()
        return request

    async def _review(
        self, webhook: _Webhook, request: AdmissionRequest, limits: Deadlines, *, arrived: float
    ) -> HttpAnswer:
        """Decide, and encode the answer; a fault of ours becomes a refusal."""
        try:
            outcome = await self._decide(webhook, request, limits)
            body = encode(webhook.task, request, outcome)
        except Exception as error:  # noqa: BLE001 - fail closed: whatever broke, the caller gets an answer with its uid
            overrun = isinstance(error, TimeoutError)
            self._log.exception("review-overran" if overrun else "review-failed", uid=request.uid)
            message = "the gate did not decide in time" if overrun else "the gate failed; its log says why"
            outcome = Refused(code=500, reason="InternalError", message=message)
            body = encode(webhook.task, request, outcome)
        self._record(webhook, request, outcome, seconds=self._clock.monotonic() - arrived)
        return HttpAnswer(status=200, body=body)

    async def _decide(self, webhook: _Webhook, request: AdmissionRequest, limits: Deadlines) -> Outcome:
        """Ask the gate, and no longer than the caller waits."""
        match request.workload:
            case ParseError() as error:
                return Refused(code=400, reason="BadRequest", message=str(error))
            case Workload() as workload:
                pass
            case _:
                assert_never(request.workload)
        try:
            async with asyncio.timeout(limits.answer_by - self._clock.monotonic()):
                return await self._ask(webhook.task, workload, deadline=limits.decide_by)
        except GateNotReady as error:
            return Refused(code=503, reason="ServiceUnavailable", message=str(error))

    async def _ask(self, task: Task, workload: Workload, *, deadline: float) -> Decided | Pinned:
        """Have the gate do what the webhook is there for."""
        if task is Task.PIN:
            pinning, policy = await self._gate.pin(workload, deadline=deadline)
            return Pinned(pinning=pinning, policy=policy)
        decision, policy = await self._gate.decide(workload, deadline=deadline, advisory=task is Task.ADVISE)
        return Decided(decision=decision, policy=policy)

    def _record(self, webhook: _Webhook, request: AdmissionRequest, outcome: Outcome, *, seconds: float) -> None:
        """Count and log an answer; that this fails takes nothing from the answer."""
        try:
            match outcome:
                case Decided(decision=decision, policy=policy):
                    word, mode = "allow" if decision.allowed else "deny", mode_of(decision)
                    self._metrics.decided(decision)
                    logged = self._decisions.decided(request, decision, policy, webhook=webhook.path, seconds=seconds)
                case Pinned(pinning=pinning, policy=policy):
                    word, mode = "allow", NO_MODE
                    self._metrics.pinned(pinning)
                    logged = self._decisions.pinned(request, pinning, policy, webhook=webhook.path, seconds=seconds)
                case Refused():
                    word, mode = "error", NO_MODE
                    logged = self._decisions.refused(
                        request, outcome.message, webhook=webhook.path, code=outcome.code, seconds=seconds
                    )
                case _:
                    assert_never(outcome)
            if not logged:
                self._metrics.log_failed()
            self._metrics.answered(
                webhook=webhook.path,
                operation=request.operation,
                kind=request.kind,
                decision=word,
                mode=mode,
                dry_run=request.dry_run,
            )
        except Exception:  # noqa: BLE001 - a log that cannot be written must not turn an approval into an outage
            self._metrics.log_failed()
