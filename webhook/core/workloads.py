"""What a pod, or an object that makes pods, asks to run: an AdmissionReview, a manifest or a bare image → Workload."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from webhook.core.references import BadReference, ImageReference

__all__ = ["STANDARD_INPUT", "ContainerKind", "ImageUse", "Origin", "Requester", "Source", "Workload"]

STANDARD_INPUT = "standard input"
"""The name of the file of an origin that is none."""


class ContainerKind(Enum):
    """Where in a pod an image stands; the value is the word of the policy."""

    MAIN = "main"
    INIT = "init"
    EPHEMERAL = "ephemeral"
    VOLUME = "volume"


class Source(Enum):
    """How the object reached the gate."""

    ADMISSION = "admission"
    """The API server asks about it: tags have been pinned by now if they ever will be."""
    MANIFEST = "manifest"
    """A file: whatever pins tags has not seen it yet."""
    CLUSTER = "cluster"
    """An object that lives in a cluster: as at admission, a pod has been pinned by now if it ever will be."""
    IMAGE = "image"
    """A bare image reference, with no object around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageUse:
    """One place in an object that names an image.

    `container` is the container's or the volume's name, `field` the path of the image field
    (`spec.template.spec.containers[0].image`). `unchanged` is true only if an UPDATE leaves the same image under the
    same container name in the same list.
    """

    container: str
    kind: ContainerKind
    field: str
    image: ImageReference | BadReference
    unchanged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Who asks, as the API server authenticated them."""

    username: str = ""
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The file in which an object stands, as it was named, and the line (from 1) on which its document begins."""

    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """An object and all images it uses, in the order in which a person reads them.

    `namespace` is None for an object without one. `name` falls back to generateName. `operation` is CREATE, UPDATE,
    DELETE or CONNECT for admission, else CREATE. `no_images_because` says why an empty `uses` is right ("DELETE",
    "Service holds no pod"); it is None if and only if `uses` is not empty: an object in which nothing was found is not
    thereby approved. `mirror_pod` is true for the API's reflection of a static pod, confirmed by the node's identity.
    `origin` is None for what stands in no file. `service_account` and `pull_secrets` are by whose credentials a node
    would pull the images; the account is never empty where there is a pod.
    """

    kind: str
    namespace: str | None
    name: str
    operation: str
    source: Source
    uses: tuple[ImageUse, ...]
    no_images_because: str | None = None
    requester: Requester = Requester()
    mirror_pod: bool = False
    origin: Origin | None = None
    service_account: str = "default"
    pull_secrets: tuple[str, ...] = ()
