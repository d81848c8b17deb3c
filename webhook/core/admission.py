"""AdmissionReview v1: the bytes of a request → what is to be judged.

Which objects hold images worth judging is decided in `_workload`, in this order:

1. DELETE brings nothing in, and CONNECT (exec, attach, port-forward) starts nothing from an image.
2. Subresources of a pod other than `ephemeralcontainers` and `resize` carry no image, or none that they could change.
3. Kinds that hold no pod hold no image. The kind is the one that the webhook was registered for, not `requestKind`.
4. Every other object must hold a pod, and a pod at least one container: what cannot be read is refused, not passed.

Only the fields that matter are decoded: this is the hot path. Source: Kubernetes, `k8s.io/api/admission/v1/types.go`.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from webhook.core.errors import ParseError
from webhook.core.pod_objects import (
    DECODE_ERRORS,
    DEFAULT_SERVICE_ACCOUNT,
    HOLDERS,
    MAX_NAME_CHARACTERS,
    Metadata,
    Pod,
    PodHolder,
    checked_namespace,
    image_uses,
    parse_error,
    pulled_by,
)
from webhook.core.reading.plain_text import printable
from webhook.core.workloads import Requester, Source, Workload

__all__ = ["API_VERSION", "KIND", "AdmissionRequest", "parse_review"]

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

MAX_UID_CHARACTERS = 256
OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT")
OPERATIONS_WITHOUT_IMAGES = ("DELETE", "CONNECT")
SUBRESOURCES_WITH_IMAGES = ("", "ephemeralcontainers", "resize")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRequest:
    """What the API server asks. The uid is known whatever else is not; what is not known is empty.

    `workload` is the object as it is to be judged, or why it cannot be read.
    """

    uid: str
    workload: Workload | ParseError
    operation: str = ""
    kind: str = ""
    subresource: str = ""
    namespace: str | None = None
    name: str = ""
    username: str = ""
    dry_run: bool = False


class _GroupVersionKind(msgspec.Struct, frozen=True, gc=False):
    """The kind that the webhook was registered for."""

    version: str
    kind: str
    group: str = ""


class _UserInfo(msgspec.Struct, frozen=True, gc=False):
    """Who asks, as the API server authenticated them."""

    username: str | None = None
    groups: list[str] | None = None


class _Request(msgspec.Struct, frozen=True, gc=False, rename="camel", kw_only=True):
    """The request; objects stay raw until their kind is known."""

    uid: str
    kind: _GroupVersionKind
    operation: str
    sub_resource: str | None = None
    name: str | None = None
    namespace: str | None = None
    user_info: _UserInfo | None = None
    object: msgspec.Raw = msgspec.Raw(b"null")
    old_object: msgspec.Raw = msgspec.Raw(b"null")
    dry_run: bool | None = None


class _Review(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The envelope."""

    api_version: str
    kind: str
    request: _Request


class _UidOnly(msgspec.Struct, frozen=True, gc=False):
    """The one field without which nothing can be answered."""

    uid: str


class _ReviewWithUid(msgspec.Struct, frozen=True, gc=False):
    """An envelope that is broken elsewhere."""

    request: _UidOnly


_REVIEWS = msgspec.json.Decoder(_Review)
_REVIEWS_WITH_UID = msgspec.json.Decoder(_ReviewWithUid)
_HOLDER_DECODERS = {key: msgspec.json.Decoder(holder) for key, holder in HOLDERS.items()}


def parse_review(body: bytes) -> AdmissionRequest:
    """Read an AdmissionReview request.

    A ParseError is raised only if no uid can be read, so that nothing can be answered but HTTP 400. Whatever else is
    wrong stands in the `workload` of the request that is returned, and denies.
    """
    try:
        review = _REVIEWS.decode(body)
    except DECODE_ERRORS as error:
        return AdmissionRequest(uid=_uid_of(body), workload=parse_error(error, root="the review"))
    request = review.request
    user = request.user_info or _UserInfo()
    return AdmissionRequest(
        uid=_checked_uid(request.uid),
        workload=_workload_or_error(review, user),
        operation=printable(request.operation),
        kind=printable(request.kind.kind, MAX_NAME_CHARACTERS),
        subresource=printable(request.sub_resource or ""),
        namespace=printable(request.namespace or "") or None,
        name=printable(request.name or "", MAX_NAME_CHARACTERS),
        username=printable(user.username or "", MAX_NAME_CHARACTERS),
        dry_run=request.dry_run or False,
    )


def _uid_of(body: bytes) -> str:
    """Return the uid of a review that is broken elsewhere; a ParseError if there is none."""
    try:
        return _checked_uid(_REVIEWS_WITH_UID.decode(body).request.uid)
    except DECODE_ERRORS as error:
        raise parse_error(error, root="the review") from None


def _checked_uid(uid: str) -> str:
    """Refuse a uid that no API server sends and that should not be echoed."""
    if not 0 < len(uid) <= MAX_UID_CHARACTERS:
        raise ParseError("request.uid", f"has {len(uid):,} characters, expected 1 to {MAX_UID_CHARACTERS}")
    return uid


def _workload_or_error(review: _Review, user: _UserInfo) -> Workload | ParseError:
    """Read the object; what is wrong with it is a value, for the uid is known and the caller gets an answer."""
    try:
        return _workload(review, user)
    except ParseError as error:
        # A fresh error, because the one that was raised holds on to the frames it passed, and with them the body.
        return ParseError(error.path, error.message)


def _workload(review: _Review, user: _UserInfo) -> Workload:
    """Read what is to be judged, by the steps in the module's docstring."""
    if (review.api_version, review.kind) != (API_VERSION, KIND):
        raise ParseError("apiVersion", f"expected {KIND} of {API_VERSION}")
    request = review.request
    if request.operation not in OPERATIONS:
        raise ParseError("request.operation", f"expected one of {', '.join(OPERATIONS)}")
    requester = Requester(username=user.username or "", groups=frozenset(user.groups or ()))
    because = _no_images_because(request)
    holder = None if because else _decode(request.object, request.kind, root="request.object")
    metadata = (holder.metadata if holder else None) or Metadata()
    service_account, pull_secrets = pulled_by(holder.pod) if holder else (DEFAULT_SERVICE_ACCOUNT, ())
    return Workload(
        kind=printable(request.kind.kind, MAX_NAME_CHARACTERS),
        namespace=checked_namespace(request.namespace),
        name=printable(request.name or "", MAX_NAME_CHARACTERS) or metadata.shown_name,
        operation=request.operation,
        source=Source.ADMISSION,
        uses=image_uses(holder, before=_before(request)) if holder else (),
        no_images_because=because,
        requester=requester,
        mirror_pod=isinstance(holder, Pod) and not request.sub_resource and _is_mirror(holder, requester),
        service_account=service_account,
        pull_secrets=pull_secrets,
    )


def _no_images_because(request: _Request) -> str | None:
    """Say why the request has no image to judge; None if it has."""
    if request.operation in OPERATIONS_WITHOUT_IMAGES:
        return f"{request.operation} brings no image in"
    if (request.sub_resource or "") not in SUBRESOURCES_WITH_IMAGES:
        return f"the subresource {printable(request.sub_resource or '')} brings no image in"
    if (request.kind.group, request.kind.kind) not in HOLDERS:
        return f"{printable(request.kind.kind)} is not a kind that holds a pod"
    return None


def _decode(raw: msgspec.Raw, kind: _GroupVersionKind, *, root: str) -> PodHolder:
    """Read an object of one of the nine kinds; a ParseError names the path inside it."""
    try:
        holder = _HOLDER_DECODERS[kind.group, kind.kind].decode(raw)
    except DECODE_ERRORS as error:
        raise parse_error(error, root=root) from None
    if holder.kind != kind.kind:
        raise ParseError(
            f"{root}.kind", f"expected {printable(kind.kind)}, found {printable(holder.kind or 'nothing')}"
        )
    return holder


def _before(request: _Request) -> PodHolder | None:
    """Return the object that an UPDATE replaces."""
    if request.operation != "UPDATE":
        return None
    return _decode(request.old_object, request.kind, root="request.oldObject")


def _is_mirror(pod: Pod, requester: Requester) -> bool:
    """Tell whether a node reports a static pod that it runs already.

    The annotation is anybody's to write. It counts only from the very node that the pod is bound to, as authenticated.
    """
    marked = pod.metadata is not None and pod.metadata.annotations is not None and pod.metadata.annotations.mirror
    node = pod.spec.node_name
    if not marked or not node:
        return False
    return requester.username == f"system:node:{node}" and "system:nodes" in requester.groups
