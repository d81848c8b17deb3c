"""Objects as the lists of an API server have them: the nine kinds, with what only a live object has.

What admission reads is read by the same types. Added is who an object is, who controls it, and as much of its state as
tells whether pods run for it. Only these fields are decoded.

Source: Kubernetes API reference, core/v1, apps/v1, batch/v1, meta/v1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from webhook.core.pod_objects import (
    CronJob,
    Metadata,
    Pod,
    PodTemplate,
    TemplateHolder,
    TemplateHolderSpec,
)

__all__ = [
    "LIVE_HOLDERS",
    "ContainerStatus",
    "LiveCronJob",
    "LiveHolder",
    "LiveJob",
    "LiveMetadata",
    "LivePod",
    "LivePodTemplate",
    "LiveReplicas",
    "LiveTemplateHolder",
    "OwnerReference",
    "PodStatus",
]


class OwnerReference(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What an object says about one of its owners. Whoever may write the object writes this."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None


class LiveMetadata(Metadata, frozen=True, gc=False, kw_only=True, rename="camel"):
    """Who an object is. An API server stores none without a uid."""

    uid: str
    owner_references: list[OwnerReference] | None = None


class ImageVolumeStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The image that a node mounted (KEP-5365)."""

    image_ref: str | None = None


class VolumeStatus(msgspec.Struct, frozen=True, gc=False):
    """How a volume is mounted; `image` only for an image volume."""

    image: ImageVolumeStatus | None = None


class VolumeMountStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A mount of the volume `name`."""

    name: str | None = None
    volume_status: VolumeStatus | None = None


class ContainerStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What a node says about one container; `image_id` is empty until its image has been pulled."""

    name: str | None = None
    image_id: str | None = msgspec.field(name="imageID", default=None)
    volume_mounts: list[VolumeMountStatus] | None = None


class PodStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """How a pod fares, in the words of its node."""

    phase: str | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    ephemeral_container_statuses: list[ContainerStatus] | None = None


class Condition(msgspec.Struct, frozen=True, gc=False):
    """One condition of an object: `status` is `True`, `False` or `Unknown`."""

    type: str | None = None
    status: str | None = None


class JobStatus(msgspec.Struct, frozen=True, gc=False):
    """How a Job fares."""

    conditions: list[Condition] | None = None


class ReplicasSpec(TemplateHolderSpec, frozen=True, gc=False, kw_only=True):
    """A template and how many pods are to be made from it; the API's default is one."""

    replicas: int | None = None


class LivePod(Pod, frozen=True, gc=False, kw_only=True):
    """A Pod."""

    ENDED: ClassVar[frozenset[str]] = frozenset({"Succeeded", "Failed"})

    metadata: LiveMetadata
    status: PodStatus | None = None

    @property
    def has_ended(self) -> bool:
        """Whether none of its containers will run again. A pod of which no node has reported yet has not ended."""
        return self.status is not None and self.status.phase in self.ENDED


class LivePodTemplate(PodTemplate, frozen=True, gc=False, kw_only=True):
    """A PodTemplate."""

    metadata: LiveMetadata


class LiveTemplateHolder(TemplateHolder, frozen=True, gc=False, kw_only=True):
    """A Deployment, a StatefulSet or a DaemonSet."""

    metadata: LiveMetadata


class LiveReplicas(TemplateHolder, frozen=True, gc=False, kw_only=True):
    """A ReplicaSet or a ReplicationController."""

    metadata: LiveMetadata
    spec: ReplicasSpec


class LiveJob(TemplateHolder, frozen=True, gc=False, kw_only=True):
    """A Job."""

    ENDINGS: ClassVar[frozenset[str | None]] = frozenset({"Complete", "Failed"})

    metadata: LiveMetadata
    status: JobStatus | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it starts no more pods."""
        conditions = (self.status and self.status.conditions) or ()
        return any(condition.type in self.ENDINGS and condition.status == "True" for condition in conditions)


class LiveCronJob(CronJob, frozen=True, gc=False, kw_only=True):
    """A CronJob."""

    metadata: LiveMetadata


LiveHolder = LivePod | LivePodTemplate | LiveTemplateHolder | LiveReplicas | LiveJob | LiveCronJob

LIVE_HOLDERS: Mapping[tuple[str, str], type[LiveHolder]] = {
    ("", "Pod"): LivePod,
    ("", "PodTemplate"): LivePodTemplate,
    ("", "ReplicationController"): LiveReplicas,
    ("apps", "DaemonSet"): LiveTemplateHolder,
    ("apps", "Deployment"): LiveTemplateHolder,
    ("apps", "ReplicaSet"): LiveReplicas,
    ("apps", "StatefulSet"): LiveTemplateHolder,
    ("batch", "CronJob"): LiveCronJob,
    ("batch", "Job"): LiveJob,
}
"""By API group and kind, how a live object is read; the same kinds as `pod_objects.HOLDERS`."""
