"""The admission application without a socket: a request in, what it answers out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from starlette.types import Message, Scope

from tests.fakes.clock import ManualClock
from tests.server.gates import ScriptedGate
from webhook.ports import Clock
from webhook.server.app import AdmissionApp
from webhook.server.health import health_app
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Capacity, Limits
from webhook.server.logs import LogFormat, open_log
from webhook.server.metrics import Metrics

__all__ = ["JSON", "AppUnderTest", "Reply"]

JSON = ((b"content-type", b"application/json"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def response(self) -> Any:  # noqa: ANN401 - JSON
        """The `response` of the AdmissionReview."""
        return json.loads(self.body)["response"]


@dataclass(slots=True, kw_only=True)
class AppUnderTest:
    """The application with everything around it at hand."""

    gate: ScriptedGate = field(default_factory=ScriptedGate)
    limits: Limits = field(default_factory=Limits)
    clock: Clock = field(default_factory=ManualClock)
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    output: StringIO = field(default_factory=StringIO)
    capacity: Capacity = field(init=False)
    metrics: Metrics = field(init=False)
    app: AdmissionApp = field(init=False)

    def __post_init__(self) -> None:
        """Put it together."""
        self.capacity = Capacity(self.limits)
        self.metrics = Metrics(clock=self.clock, version="1.2.3")
        self.app = AdmissionApp(
            self.gate,
            rest=health_app(self.gate.readiness),
            lifecycle=self.lifecycle,
            capacity=self.capacity,
            metrics=self.metrics,
            clock=self.clock,
            log=open_log(LogFormat.JSON, self.output),
        )

    async def send(
        self,
        *pieces: bytes,
        path: str = "/validate",
        query: bytes = b"timeout=10s",
        method: str = "POST",
        headers: tuple[tuple[bytes, bytes], ...] = JSON,
    ) -> Reply:
        """Send a request whose body comes in these pieces, and return the answer."""
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query,
            "headers": list(headers),
        }
        return await self.drive(scope, _messages(pieces or (b"",)))

    async def drive(self, scope: Scope, incoming: AsyncIterator[Message]) -> Reply:
        """Run the application on messages, and return the answer."""
        sent: list[Message] = []

        async def receive() -> Message:
            return await anext(incoming)

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        start, *bodies = sent
        return Reply(
            status=start["status"],
            headers=dict(start["headers"]),
            body=b"".join(message.get("body", b"") for message in bodies),
        )

    def logged(self) -> list[dict[str, Any]]:
        """Return the lines of the log."""
        return [json.loads(line) for line in self.output.getvalue().splitlines()]

    def metric(self, name: str, **labels: str) -> float | None:
        """Return the value of a metric."""
        return self.metrics.registry.get_sample_value(f"dhi_gate_{name}", labels)


async def _messages(pieces: Iterable[bytes]) -> AsyncIterator[Message]:
    whole = tuple(pieces)
    for number, piece in enumerate(whole, start=1):
        yield {"type": "http.request", "body": piece, "more_body": number < len(whole)}
    yield {"type": "http.disconnect"}
