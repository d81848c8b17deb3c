"""What runs beside what is written: the word of a container runtime → the image that runs, if it is another one.

A runtime names what it runs by the digest of the index or manifest that it pulled (`registry.example/api@sha256:…`,
with Docker `docker-pullable://` before it), or by the image ID alone, which is the digest of the config. The
repository in it is whichever the node pulled these bytes from first, so that of the spec is used.

Source: Kubernetes API reference, ContainerStatus `imageID`; CRI API, `ContainerStatus.image_ref`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from webhook.core.errors import ParseError
from webhook.core.evidence import Evidence
from webhook.core.facts import Known
from webhook.core.policy import Policy
from webhook.core.questions import revocation
from webhook.core.reading.plain_text import printable
from webhook.core.references import BadReference, Digest, ImageReference

__all__ = ["Drift", "Moved", "compare_running"]

_BARE_ID = re.compile(r"[0-9a-f]{64}")
MAX_IMAGE_ID_CHARACTERS = 1_200


class Drift(Enum):
    """How what runs compares with what is written, where it is not known to be other bytes."""

    NONE = "none"
    """The same image, or one whose difference no rule asks about."""
    UNKNOWN = "unknown"
    """The runtime names it by something that cannot be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Other bytes run. `image` is the image of the spec, pinned to what runs."""

    image: ImageReference


def compare_running(
    written: ImageReference | BadReference, image_id: str, evidence: Evidence | None, policy: Policy
) -> Drift | Moved:
    """Tell what a container runs that its spec, as it reads today, would not give it.

    `evidence` is what was found out about `written`; None if nothing had to be (an exemption), in which case only
    bytes that the policy revokes count.

    1. A runtime that names one platform of the index, or its config, runs the same image.
    2. A tag that is gone or whose registry is silent still runs as what it was: the digest says what to judge.
    3. An image ID that is no digest of the present image is of another one, which nothing can be asked about.
    """
    if isinstance(written, BadReference):
        return Drift.NONE
    running = _digest(image_id)
    if running is None:
        return Drift.UNKNOWN
    moved = Moved(image=_pinned(written, running))
    if evidence is None:
        return moved if revocation(policy, running) and running != written.digest else Drift.NONE
    if running in _digests(written, evidence):
        return Drift.NONE
    return moved if "@" in image_id else Drift.UNKNOWN


def _digest(image_id: str) -> Digest | None:
    """Read the digest at the end of an image ID; None if there is none."""
    if len(image_id) > MAX_IMAGE_ID_CHARACTERS:
        return None
    text = image_id.rpartition("@")[2].rpartition("//")[2]
    try:
        return Digest.parse(f"sha256:{text}" if _BARE_ID.fullmatch(text) else text)
    except ParseError:
        return None


def _digests(written: ImageReference, evidence: Evidence) -> frozenset[Digest]:
    """Return every digest by which a runtime may name the present image: its own, its platforms', their configs'."""
    image = evidence.image.value if isinstance(evidence.image, Known) else None
    platforms = evidence.platforms.value if isinstance(evidence.platforms, Known) else ()
    named = {written.digest, image.digest if image else None}
    for platform in platforms:
        named |= {platform.image.digest, platform.image.manifest.config.digest}
    return frozenset(digest for digest in named if digest is not None)


def _pinned(written: ImageReference, digest: Digest) -> ImageReference:
    """Write the image as its spec does, with the digest that runs."""
    name = printable(written.written.partition("@")[0], MAX_IMAGE_ID_CHARACTERS)
    return ImageReference(repository=written.repository, tag=written.tag, digest=digest, written=f"{name}@{digest}")
