"""One page of a list, as the API server sends it → the objects on it.

1. A page is an object with `items`. What has none is not an empty list but an error.
2. Each item is read by itself, so that one that cannot be read hides no other; it is told by name.
3. Who controls an object is what its owner references say, and anybody's to write. Nothing is concluded from it here.

Source: Kubernetes API concepts, "Collections"; Kubernetes API reference, meta/v1 ObjectMeta and OwnerReference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from webhook.core.errors import ParseError
from webhook.core.inventory.api_objects import (
    LIVE_HOLDERS,
    ContainerStatus,
    LiveHolder,
    LiveJob,
    LiveMetadata,
    LivePod,
    LiveReplicas,
    PodStatus,
)
from webhook.core.inventory.live_objects import LiveObject, ObjectKey, RunningContainer, UnreadableObject
from webhook.core.inventory.resources import ApiResource
from webhook.core.pod_objects import (
    DECODE_ERRORS,
    MAX_NAME_CHARACTERS,
    Metadata,
    checked_namespace,
    image_uses,
    parse_error,
    pulled_by,
)
from webhook.core.reading.plain_text import printable
from webhook.core.workloads import ContainerKind, Source, Workload

__all__ = ["Identity", "parse_identities", "parse_page"]

MAX_IMAGE_ID_CHARACTERS = 1_200
"""An image reference of the longest kind, with the runtime's word before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The object that an item of metadata stands for."""

    name: str
    uid: str


class _Page(msgspec.Struct, frozen=True, gc=False):
    """A page whose items are read one by one. Of no items, some servers make null."""

    items: list[msgspec.Raw] | None


class _Identified(msgspec.Struct, frozen=True, gc=False):
    """An object that is broken elsewhere, or of which only the metadata was asked for."""

    metadata: LiveMetadata


class _MetadataPage(msgspec.Struct, frozen=True, gc=False):
    """A page of PartialObjectMetadata."""

    items: list[_Identified] | None


_PAGES = msgspec.json.Decoder(_Page)
_METADATA_PAGES = msgspec.json.Decoder(_MetadataPage)
_IDENTIFIED = msgspec.json.Decoder(_Identified)
_HOLDER_DECODERS = {key: msgspec.json.Decoder(holder) for key, holder in LIVE_HOLDERS.items()}


def parse_page(resource: ApiResource, page: bytes) -> tuple[LiveObject | UnreadableObject, ...]:
    """Read a page of one of the nine kinds, in its order; a ParseError if the page itself is none."""
    try:
        items = _PAGES.decode(page).items or ()
    except DECODE_ERRORS as error:
        raise parse_error(error, root="the list") from None
    return tuple(_object_or_why_not(resource, item, index) for index, item in enumerate(items))


def parse_identities(page: bytes) -> tuple[Identity, ...]:
    """Read a page of PartialObjectMetadata, in its order; a ParseError if any of it cannot be read."""
    try:
        items = _METADATA_PAGES.decode(page).items or ()
    except DECODE_ERRORS as error:
        raise parse_error(error, root="the list") from None
    return tuple(Identity(name=item.metadata.name or "", uid=item.metadata.uid) for item in items)


def _object_or_why_not(resource: ApiResource, item: msgspec.Raw, index: int) -> LiveObject | UnreadableObject:
    try:
        try:
            holder = _HOLDER_DECODERS[resource.group, resource.kind].decode(item)
        except DECODE_ERRORS as error:
            raise parse_error(error, root="the object") from None
        return _live_object(resource, holder)
    except ParseError as error:
        # A fresh error, because the one that was raised holds on to the frames it passed, and with them the page.
        return _unreadable(resource, item, index, ParseError(error.path, error.message))


def _unreadable(resource: ApiResource, item: msgspec.Raw, index: int, error: ParseError) -> UnreadableObject:
    """Name an object that cannot be read, as far as that can be."""
    try:
        metadata: Metadata = _IDENTIFIED.decode(item).metadata
        namespace = checked_namespace(metadata.namespace)
    except (*DECODE_ERRORS, ParseError):
        metadata, namespace = Metadata(), None
    return UnreadableObject(
        kind=resource.kind,
        namespace=namespace,
        name=metadata.shown_name or f"items[{index}]",
        uid=metadata.uid if isinstance(metadata, LiveMetadata) else "",
        error=error,
    )


def _live_object(resource: ApiResource, holder: LiveHolder) -> LiveObject:
    namespace = checked_namespace(holder.metadata.namespace)
    key = ObjectKey(
        api_version=resource.api_version,
        kind=resource.kind,
        namespace=namespace,
        name=holder.metadata.shown_name,
        uid=holder.metadata.uid,
    )
    return LiveObject(
        key=key,
        owner=_controller(holder.metadata, namespace),
        workload=_workload(key, holder),
        lives=isinstance(holder, LivePod) and not holder.has_ended,
        wants_pods=_wants_pods(holder),
        running=tuple(dict.fromkeys(_running(holder.status))) if isinstance(holder, LivePod) and holder.status else (),
    )


def _workload(key: ObjectKey, holder: LiveHolder) -> Workload:
    service_account, pull_secrets = pulled_by(holder.pod)
    return Workload(
        kind=key.kind,
        namespace=key.namespace,
        name=key.name,
        operation="CREATE",
        source=Source.CLUSTER,
        uses=image_uses(holder, before=None),
        service_account=service_account,
        pull_secrets=pull_secrets,
    )


def _controller(metadata: LiveMetadata, namespace: str | None) -> ObjectKey | None:
    """Return the owner that says to control the object, of which an API server admits one at most.

    An owner in another namespace cannot be meant: what the reference names is looked for in the object's own.
    """
    for reference in metadata.owner_references or ():
        if reference.controller:
            return ObjectKey(
                api_version=printable(reference.api_version, MAX_NAME_CHARACTERS),
                kind=printable(reference.kind, MAX_NAME_CHARACTERS),
                namespace=namespace,
                name=printable(reference.name, MAX_NAME_CHARACTERS),
                uid=printable(reference.uid, MAX_NAME_CHARACTERS),
            )
    return None


def _wants_pods(holder: LiveHolder) -> bool:
    if isinstance(holder, LiveReplicas):
        return holder.spec.replicas != 0
    return isinstance(holder, LiveJob) and not holder.has_ended


def _running(status: PodStatus) -> Iterator[RunningContainer]:
    """Yield what the node has pulled for each container, and for each image volume with every mount of it."""
    for kind, statuses in (
        (ContainerKind.MAIN, status.container_statuses),
        (ContainerKind.INIT, status.init_container_statuses),
        (ContainerKind.EPHEMERAL, status.ephemeral_container_statuses),
    ):
        for container in statuses or ():
            if container.image_id:
                yield _running_container(container.name, kind, container.image_id)
            yield from _mounted(container)


def _mounted(container: ContainerStatus) -> Iterator[RunningContainer]:
    for mount in container.volume_mounts or ():
        image = mount.volume_status and mount.volume_status.image
        if image and image.image_ref:
            yield _running_container(mount.name, ContainerKind.VOLUME, image.image_ref)


def _running_container(name: str | None, kind: ContainerKind, image_id: str) -> RunningContainer:
    return RunningContainer(
        container=printable(name or "", MAX_NAME_CHARACTERS),
        kind=kind,
        image_id=printable(image_id, MAX_IMAGE_ID_CHARACTERS),
    )
