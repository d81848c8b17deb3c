"""Pinning: which images of a Pod get the digest that their tag stands for, and the patch that writes it.

1. Only Pods are pinned. Templates are left as their authors wrote them, so that who compares a cluster with what is
   kept elsewhere sees no difference. A mirror pod shows what a node runs already, and cannot be changed.
2. An image is pinned if the review would ask a registry about it, it has no digest, and an UPDATE does not leave it
   as it was. So exempt and forbidden images are neither asked about nor touched, and a change of a label restarts
   nothing.
3. What was typed stays, and the digest is appended. A reference that has one is never touched, so pinning twice is
   pinning once.
4. A tag that cannot be resolved is left alone. The review that follows says what is wrong with it.

Source: RFC 6901, RFC 6902; Kubernetes documentation, "Admission Webhook Good Practices".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from webhook.core.facts import Learnt, Trouble
from webhook.core.policy import Policy
from webhook.core.questions import ask
from webhook.core.reading.plain_text import listing
from webhook.core.references import MAX_REFERENCE_CHARACTERS, ImageReference, PinnedImage
from webhook.core.workloads import ImageUse, Workload

__all__ = ["PatchOperation", "Pin", "PinResult", "Pinning", "patch", "pinnable", "pinned_images"]

MAX_ANNOTATION_CHARACTERS = 4_096
LONGEST_DIGEST_CHARACTERS = len("@sha512:") + 128


class PinResult(Enum):
    """What became of a tag; the value is a label of the metric and a word of the log."""

    PINNED = "pinned"
    NOT_FOUND = "not-found"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One place in a Pod that names an image by its tag, and what that tag was found to stand for."""

    use: ImageUse
    reference: ImageReference
    found: Learnt[PinnedImage | None]

    @property
    def result(self) -> PinResult:
        """What became of the tag."""
        if isinstance(self.found, Trouble):
            return PinResult.UNRESOLVED
        return PinResult.NOT_FOUND if self.found.value is None else PinResult.PINNED

    @property
    def image(self) -> PinnedImage | None:
        """The exact bytes; None where they are not known."""
        return None if isinstance(self.found, Trouble) else self.found.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinning:
    """What was found out about the tags of one object. Without `pins` there was nothing to pin."""

    workload: Workload
    pins: tuple[Pin, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchOperation:
    """One operation of a JSON Patch, `test` or `replace`; `path` is a JSON Pointer."""

    op: str
    path: str
    value: str


def pinnable(workload: Workload, policy: Policy, as_of: datetime) -> tuple[tuple[ImageUse, ImageReference], ...]:
    """Return the image uses whose tags are to be resolved, in their order."""
    if workload.kind != "Pod" or workload.mirror_pod:
        return ()
    return tuple(
        (question.use, question.use.image)
        for question in ask(workload, policy, as_of)
        if question.needs is not None and isinstance(question.use.image, ImageReference) and _takes(question.use.image)
    )


def patch(pinning: Pinning) -> tuple[PatchOperation, ...]:
    """Return the operations that write the digests; empty if nothing could be pinned.

    Each place is tested first: a patch that meets another object than the one that was read changes nothing at all.
    """
    operations = []
    for pin in pinning.pins:
        if pin.image is not None:
            path, written = _pointer(pin.use.field), pin.reference.written
            operations.append(PatchOperation(op="test", path=path, value=written))
            operations.append(PatchOperation(op="replace", path=path, value=f"{written}@{pin.image.digest}"))
    return tuple(operations)


def pinned_images(pinning: Pinning) -> str:
    """Tell the audit log, in one line, which field got which digest; empty if nothing could be pinned."""
    told = tuple(f"{pin.use.field} {pin.image.digest}" for pin in pinning.pins if pin.image is not None)
    return listing(told, limit=MAX_ANNOTATION_CHARACTERS)


def _takes(reference: ImageReference) -> bool:
    """Tell whether a reference has no digest yet, and with one would still be a reference."""
    room = MAX_REFERENCE_CHARACTERS - LONGEST_DIGEST_CHARACTERS
    return reference.digest is None and len(reference.written) <= room


def _pointer(field: str) -> str:
    """Write the path of an image field as a JSON Pointer. No key of it holds `~` or `/`, which would be escaped."""
    return "/" + field.replace("[", ".").replace("]", "").replace(".", "/")
