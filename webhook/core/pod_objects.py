"""The kinds that hold a pod, and the four lists of a pod that name images; one reader for every way in.

A pod names images in `containers`, `initContainers`, `ephemeralContainers` and `volumes[].image` (KEP-4639), and in
nothing else. Nine kinds are or hold a pod. JSON from the API server and objects read from YAML become the same typed
values here, so admission, `check` and `audit` cannot see different images. Only the fields that matter are decoded.

Source: Kubernetes API reference, core/v1, apps/v1, batch/v1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

import msgspec

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable
from webhook.core.references import BadReference, ImageReference
from webhook.core.workloads import ContainerKind, ImageUse

__all__ = [
    "DECODE_ERRORS",
    "DEFAULT_SERVICE_ACCOUNT",
    "HOLDERS",
    "MAX_NAME_CHARACTERS",
    "AnyObject",
    "CronJob",
    "Metadata",
    "Pod",
    "PodHolder",
    "PodTemplate",
    "TemplateHolder",
    "TemplateHolderSpec",
    "checked_namespace",
    "image_use",
    "image_uses",
    "parse_error",
    "pulled_by",
]

MAX_IMAGES = 1_000
"""How many images one object may name."""
DEFAULT_SERVICE_ACCOUNT = "default"
"""The account of a pod that names none. Source: Kubernetes, "Configure Service Accounts for Pods"."""
MAX_NAME_CHARACTERS = 253
MAX_SHOWN_REFERENCE = 256

DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""All that decoding hostile JSON can raise: what is malformed, not UTF-8, or nested too deeply."""

_AT = re.compile(r"(?P<what>.*) - at `\$\.?(?P<path>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>\w+)`")
_EXPECTED = re.compile(r"Expected `(?P<expected>[^`]*)`, got `(?P<found>[^`]*)`")
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class Container(msgspec.Struct, frozen=True, gc=False):
    """What matters of a container in any of the three lists."""

    name: str | None = None
    image: str | None = None


class ImageVolumeSource(msgspec.Struct, frozen=True, gc=False):
    """The image that a volume shows."""

    reference: str | None = None


class Volume(msgspec.Struct, frozen=True, gc=False):
    """A volume; `image` is None for every kind of volume but an image volume."""

    name: str | None = None
    image: ImageVolumeSource | None = None


class SecretReference(msgspec.Struct, frozen=True, gc=False):
    """A Secret in the pod's namespace."""

    name: str | None = None


class PodSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A pod's spec. `containers` must be there: a spec read without it would be a pod without images."""

    containers: list[Container] | None
    init_containers: list[Container] | None = None
    ephemeral_containers: list[Container] | None = None
    volumes: list[Volume] | None = None
    node_name: str | None = None
    service_account_name: str | None = None
    image_pull_secrets: list[SecretReference] | None = None


class Annotations(msgspec.Struct, frozen=True, gc=False):
    """The one annotation that is read: a kubelet's mark on the mirror of a static pod. It is a claim, not a proof."""

    mirror: str | None = msgspec.field(name="kubernetes.io/config.mirror", default=None)


class Metadata(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Who an object is."""

    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    annotations: Annotations | None = None

    @property
    def shown_name(self) -> str:
        """The name, else what it will begin with."""
        return printable(self.name or self.generate_name or "", MAX_NAME_CHARACTERS)


class AnyObject(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What is the same in all objects."""

    kind: str | None = None
    metadata: Metadata | None = None


class PodTemplateSpec(msgspec.Struct, frozen=True, gc=False):
    """A pod to be made."""

    spec: PodSpec


class TemplateHolderSpec(msgspec.Struct, frozen=True, gc=False):
    """The spec of everything that makes pods from one template."""

    template: PodTemplateSpec


class JobTemplateSpec(msgspec.Struct, frozen=True, gc=False):
    """A job to be made."""

    spec: TemplateHolderSpec


class CronJobSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The spec of a CronJob."""

    job_template: JobTemplateSpec


class Pod(AnyObject, frozen=True, gc=False, kw_only=True):
    """A Pod."""

    pod_path: ClassVar[str] = "spec"
    spec: PodSpec

    @property
    def pod(self) -> PodSpec:
        """The pod's spec."""
        return self.spec


class PodTemplate(AnyObject, frozen=True, gc=False, kw_only=True):
    """A PodTemplate, which has a template and no spec."""

    pod_path: ClassVar[str] = "template.spec"
    template: PodTemplateSpec

    @property
    def pod(self) -> PodSpec:
        """The spec of the pods that are made from it."""
        return self.template.spec


class TemplateHolder(AnyObject, frozen=True, gc=False, kw_only=True):
    """A Deployment, or one of the other kinds that hold a template in their spec."""

    pod_path: ClassVar[str] = "spec.template.spec"
    spec: TemplateHolderSpec

    @property
    def pod(self) -> PodSpec:
        """The spec of the pods that it makes."""
        return self.spec.template.spec


class CronJob(AnyObject, frozen=True, gc=False, kw_only=True):
    """A CronJob, whose pods are two templates away."""

    pod_path: ClassVar[str] = "spec.jobTemplate.spec.template.spec"
    spec: CronJobSpec

    @property
    def pod(self) -> PodSpec:
        """The spec of the pods of the jobs that it makes."""
        return self.spec.job_template.spec.template.spec


PodHolder = Pod | PodTemplate | TemplateHolder | CronJob

HOLDERS: Mapping[tuple[str, str], type[PodHolder]] = {
    ("", "Pod"): Pod,
    ("", "PodTemplate"): PodTemplate,
    ("", "ReplicationController"): TemplateHolder,
    ("apps", "DaemonSet"): TemplateHolder,
    ("apps", "Deployment"): TemplateHolder,
    ("apps", "ReplicaSet"): TemplateHolder,
    ("apps", "StatefulSet"): TemplateHolder,
    ("batch", "CronJob"): CronJob,
    ("batch", "Job"): TemplateHolder,
}
"""By API group and kind, how an object holds its pod; the same in every version that ever existed."""


def pulled_by(pod: PodSpec) -> tuple[str, tuple[str, ...]]:
    """Return by whose credentials a node would pull the images of a pod: its service account and its pull secrets."""
    names = (secret.name or "" for secret in pod.image_pull_secrets or ())
    return pod.service_account_name or DEFAULT_SERVICE_ACCOUNT, tuple(name for name in names if name)


def image_uses(holder: PodHolder, *, before: PodHolder | None) -> tuple[ImageUse, ...]:
    """Return every image of the object, main containers first; never an empty tuple.

    `before` is the object that an UPDATE replaces: an image is unchanged if the same list held the same image under
    the same container name. A ParseError says that there is no container, or that there are too many images.
    """
    path = holder.pod_path
    if not holder.pod.containers:
        raise ParseError(f"{path}.containers", "is empty, but a pod has at least one container")
    count = sum(1 for _ in _named_images(holder))
    if count > MAX_IMAGES:
        raise ParseError(path, f"names {count:,} images, the gate judges at most {MAX_IMAGES:,} in one object")
    known = frozenset((kind, name, text) for kind, name, text, _ in _named_images(before)) if before else frozenset()
    return tuple(
        image_use(kind=kind, name=name, text=text, field=field, unchanged=(kind, name, text) in known)
        for kind, name, text, field in _named_images(holder)
    )


def image_use(*, kind: ContainerKind, name: str, text: str, field: str, unchanged: bool = False) -> ImageUse:
    """Read one image reference; one that is none, or is not there, is a BadReference."""
    image: ImageReference | BadReference
    try:
        image = ImageReference.parse(text)
    except ParseError as error:
        image = BadReference(
            written=printable(text, MAX_SHOWN_REFERENCE), why=error.message if text else "no image is given"
        )
    return ImageUse(
        container=printable(name, MAX_NAME_CHARACTERS), kind=kind, field=field, image=image, unchanged=unchanged
    )


def checked_namespace(text: str | None) -> str | None:
    """Return the namespace, None if there is none; a ParseError if no namespace can have that name (RFC 1123 label)."""
    if not text:
        return None
    if not _NAMESPACE.fullmatch(text):
        raise ParseError("metadata.namespace", "is not the name of a namespace")
    return text


def parse_error(error: Exception, *, root: str) -> ParseError:
    """Say in our words what one of DECODE_ERRORS found; `root` names the document if the whole of it is wrong."""
    if isinstance(error, UnicodeDecodeError):
        return ParseError(root, "is not valid UTF-8")
    if isinstance(error, RecursionError):
        return ParseError(root, "is nested too deeply")
    if not isinstance(error, msgspec.ValidationError):
        return ParseError(root, "is not valid JSON")
    text = str(error)
    located = _AT.fullmatch(text)
    what, path = (located["what"], located["path"]) if located else (text, "")
    if missing := _MISSING.fullmatch(what):
        return ParseError(".".join(part for part in (path, missing["field"]) if part), "is missing")
    if expected := _EXPECTED.fullmatch(what):
        return ParseError(path or root, f"expected {_plain(expected['expected'])}, found {_plain(expected['found'])}")
    return ParseError(path or root, "is not what the Kubernetes API has there")


def _plain(type_name: str) -> str:
    """Name a JSON type as JSON does. That a field may also be null helps nobody."""
    name = type_name.removesuffix(" | null")
    return {"str": "string", "int": "number", "float": "number", "bool": "boolean"}.get(name, name)


def _named_images(holder: PodHolder) -> Iterator[tuple[ContainerKind, str, str, str]]:
    """Yield list, container or volume name, image as written (empty if absent) and field path of every image."""
    pod, path = holder.pod, holder.pod_path
    for kind, key, containers in (
        (ContainerKind.MAIN, "containers", pod.containers),
        (ContainerKind.INIT, "initContainers", pod.init_containers),
        (ContainerKind.EPHEMERAL, "ephemeralContainers", pod.ephemeral_containers),
    ):
        for index, container in enumerate(containers or ()):
            yield kind, container.name or "", container.image or "", f"{path}.{key}[{index}].image"
    for index, volume in enumerate(pod.volumes or ()):
        if volume.image is not None:
            text = volume.image.reference or ""
            yield ContainerKind.VOLUME, volume.name or "", text, f"{path}.volumes[{index}].image.reference"
