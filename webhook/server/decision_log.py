"""One line per answered review: who wanted what, what was decided, by which rule, on which evidence.

Never a body, a header or an environment variable. Every text that came from outside is printable and bounded.
"""

from __future__ import annotations

from structlog.typing import FilteringBoundLogger

from webhook.core.admission import AdmissionRequest
from webhook.core.explain import debug_exemptions
from webhook.core.pinning import Pin, Pinning
from webhook.core.policy import Policy
from webhook.core.reading.plain_text import printable
from webhook.core.references import BadReference
from webhook.core.verdicts import Decision, Verdict
from webhook.core.workloads import Workload

__all__ = ["DecisionLog", "mode_of"]

MAX_IMAGES = 50
MAX_NOTES = 10
NO_MODE = "none"
"""The mode of an answer that no rule gave: an object without images, or a request that could not be judged."""


class DecisionLog:
    """Writes the lines. Each method tells whether its line could be written."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log

    def decided(
        self, request: AdmissionRequest, decision: Decision, policy: Policy, *, webhook: str, seconds: float
    ) -> bool:
        """Log a decision; `seconds` is the time from the head of the request to the answer."""
        verdicts = decision.verdicts
        written: bool = self._log.info(
            "decision",
            **_asked(request, webhook),
            decision="allow" if decision.allowed else "deny",
            result=decision.result.value,
            mode=mode_of(decision),
            rule=",".join(sorted({verdict.rule.name for verdict in verdicts})),
            codes=sorted({problem.code for verdict in verdicts for problem in verdict.problems}),
            because=printable(decision.workload.no_images_because or ""),
            images=[_image(verdict) for verdict in verdicts[:MAX_IMAGES]],
            images_omitted=max(len(verdicts) - MAX_IMAGES, 0),
            debug_exemptions=list(debug_exemptions(decision)),
            notes=[printable(note, 300) for note in decision.notes[:MAX_NOTES]],
            policy=policy.name,
            policy_digest=str(policy.digest),
            duration_ms=_milliseconds(seconds),
        )
        return written

    def pinned(
        self, request: AdmissionRequest, pinning: Pinning, policy: Policy, *, webhook: str, seconds: float
    ) -> bool:
        """Log which tags of a Pod were resolved; `seconds` is the time from the head of the request to the answer."""
        written: bool = self._log.info(
            "decision",
            **_asked(request, webhook),
            decision="allow",
            because=printable(pinning.workload.no_images_because or ""),
            images=[_pin(pin) for pin in pinning.pins[:MAX_IMAGES]],
            images_omitted=max(len(pinning.pins) - MAX_IMAGES, 0),
            policy=policy.name,
            policy_digest=str(policy.digest),
            duration_ms=_milliseconds(seconds),
        )
        return written

    def refused(self, request: AdmissionRequest, reason: str, *, webhook: str, code: int, seconds: float) -> bool:
        """Log an answer that was no decision: the request, or the gate itself, was at fault."""
        written: bool = self._log.warning(
            "decision",
            **_asked(request, webhook),
            decision="error",
            code=code,
            reason=printable(reason, 300),
            duration_ms=_milliseconds(seconds),
        )
        return written


def mode_of(decision: Decision) -> str:
    """Return the word of the strictest mode among the verdicts, `none` if there are none."""
    return max(verdict.mode for verdict in decision.verdicts).word if decision.verdicts else NO_MODE


def _asked(request: AdmissionRequest, webhook: str) -> dict[str, object]:
    """Return what is known of the request, whether its object could be read or not."""
    name = request.workload.name if isinstance(request.workload, Workload) else request.name
    return {
        "uid": printable(request.uid),
        "webhook": webhook,
        "operation": printable(request.operation, 16),
        "kind": printable(request.kind),
        "subresource": printable(request.subresource),
        "namespace": printable(request.namespace or ""),
        "name": printable(name, 253),
        "user": printable(request.username, 256),
        "dry_run": request.dry_run,
    }


def _image(verdict: Verdict) -> dict[str, object]:
    """Return what was decided about one image."""
    image = verdict.use.image
    written = image.written if isinstance(image, BadReference) else str(image)
    return {
        "container": printable(verdict.use.container),
        "ref": printable(written, 300),
        "digest": str(verdict.image.digest) if verdict.image else None,
        "result": verdict.result.value,
        "base": sorted({f"{standing.build.repository}@{standing.build.digest}" for standing in verdict.standings}),
        "signed_by": verdict.signed_by,
    }


def _pin(pin: Pin) -> dict[str, object]:
    """Return what became of one tag."""
    return {
        "container": printable(pin.use.container),
        "ref": printable(str(pin.reference), 300),
        "digest": str(pin.image.digest) if pin.image else None,
        "result": pin.result.value,
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
