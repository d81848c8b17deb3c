"""A decision, or why there is none → the bytes of an AdmissionReview v1 response.

What the API server demands of them: `apiVersion` and `kind` of the request, its uid, a boolean, and a patch with its
type from the webhook that pins, from no other. Anything else it takes for a failure of the webhook, which may let the
object in.

Source: Kubernetes, `k8s.io/api/admission/v1/types.go`; `apiserver/pkg/admission/plugin/webhook/request`
(VerifyAdmissionResponse).
"""

from __future__ import annotations

import msgspec

from webhook.core.admission import API_VERSION, KIND, AdmissionRequest
from webhook.core.explain import (
    MAX_STATUS_BYTES,
    MAX_WARNING_CHARACTERS,
    audit_annotations,
    causes,
    status_message,
    warnings,
)
from webhook.core.pinning import Pinning, patch, pinned_images
from webhook.core.policy import Policy
from webhook.core.reading.plain_text import clip_bytes, printable
from webhook.core.verdicts import Decision

__all__ = ["answer", "pinning_answer", "refusal", "reservation", "unpatched"]


class _CauseDocument(msgspec.Struct, frozen=True, gc=False):
    """One reason of a denial."""

    reason: str
    message: str
    field: str


class _DetailsDocument(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a denial is about."""

    name: str = ""
    kind: str = ""
    causes: tuple[_CauseDocument, ...] = ()


class _StatusDocument(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """The `metav1.Status` of a denial; `code` is an HTTP status."""

    status: str
    message: str
    reason: str
    code: int
    details: _DetailsDocument


class _Response(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True, kw_only=True):
    """The answer proper; `status` is left out where the object is allowed. Bytes are written in Base64."""

    uid: str
    allowed: bool
    audit_annotations: dict[str, str]
    status: _StatusDocument | None = None
    warnings: tuple[str, ...] = ()
    patch: bytes = b""
    patch_type: str = ""


class _ResponseReview(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The envelope of an answer."""

    api_version: str
    kind: str
    response: _Response


def answer(request: AdmissionRequest, decision: Decision, policy: Policy) -> bytes:
    """Return the AdmissionReview that carries the decision: 403 `Forbidden` with all causes, or allowed.

    Warnings and audit annotations come with both.
    """
    status = None
    if not decision.allowed:
        details = _DetailsDocument(
            name=decision.workload.name,
            kind=decision.workload.kind,
            causes=tuple(
                _CauseDocument(reason=cause.reason, message=cause.message, field=cause.field)
                for cause in causes(decision)
            ),
        )
        status = _status(403, "Forbidden", status_message(decision), details)
    return _encode(
        _Response(
            uid=request.uid,
            allowed=decision.allowed,
            audit_annotations=dict(audit_annotations(decision, policy)),
            status=status,
            warnings=warnings(decision),
        )
    )


def refusal(uid: str, *, code: int, reason: str, message: str) -> bytes:
    """Return a denial of something that was not judged: a broken object (400 `BadRequest`) or a fault of ours (500).

    `code` is an HTTP status from 400, `reason` the matching `metav1.StatusReason`. The audit annotations say that no
    rule was asked.
    """
    shown = printable(message, MAX_STATUS_BYTES) or reason
    status = _status(code, reason, shown, _DetailsDocument())
    return _encode(_Response(uid=uid, allowed=False, audit_annotations=_unjudged(), status=status))


def reservation(uid: str, *, message: str) -> bytes:
    """Return what a webhook that only advises says of something it could not judge: let in, with a warning."""
    warning = printable(f"dhi-gate did not judge this: {message}", MAX_WARNING_CHARACTERS)
    return _encode(_Response(uid=uid, allowed=True, audit_annotations=_unjudged(), warnings=(warning,)))


def pinning_answer(uid: str, pinning: Pinning, policy: Policy) -> bytes:
    """Return the AdmissionReview that writes digests into an object, which is let in in any case.

    The audit annotation `pinned-images` tells what was written. There is no warning: nothing is wrong, and
    `kubectl --warnings-as-errors` would fail for it.
    """
    operations = patch(pinning)
    told = {"pinned-images": pinned_images(pinning)} if operations else {}
    judged = {"decision": "allow", "mode": "none", "rule": "none", "codes": "", "policy-digest": str(policy.digest)}
    return _encode(
        _Response(
            uid=uid,
            allowed=True,
            audit_annotations=judged | told,
            patch=msgspec.json.encode(operations) if operations else b"",
            patch_type="JSONPatch" if operations else "",
        )
    )


def unpatched(uid: str) -> bytes:
    """Return what the webhook that pins says of an object that it could not look at: let in as it is.

    The webhooks that judge are asked next, and say what is wrong with it.
    """
    return _encode(_Response(uid=uid, allowed=True, audit_annotations=_unjudged()))


def _unjudged() -> dict[str, str]:
    """Return the audit annotations of an answer without a decision."""
    return {"decision": "error", "mode": "none", "rule": "none", "codes": "", "policy-digest": "none"}


def _status(code: int, reason: str, message: str, details: _DetailsDocument) -> _StatusDocument:
    bounded = clip_bytes(message, MAX_STATUS_BYTES)
    return _StatusDocument(status="Failure", message=bounded, reason=reason, code=code, details=details)


def _encode(response: _Response) -> bytes:
    return msgspec.json.encode(_ResponseReview(api_version=API_VERSION, kind=KIND, response=response))
