"""Pages of lists as an API server writes them; each maker gives something ordinary, its arguments what is special."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from webhook.core.inventory.live_objects import LiveObject
from webhook.core.inventory.reading import parse_page
from webhook.core.inventory.resources import POD_HOLDERS

__all__ = ["BY_KIND", "IMAGE", "live", "manifest", "owner", "page", "running"]

BY_KIND = {resource.kind: resource for resource in POD_HOLDERS}
IMAGE = "registry.example/shop/api:1.0"


def owner(kind: str, name: str, *, uid: str | None = None, controller: bool = True) -> Mapping[str, Any]:
    """Return a reference to an owner; its uid is `uid-of-NAME` unless told otherwise."""
    version = BY_KIND[kind].api_version if kind in BY_KIND else "v1" if kind == "Node" else "argoproj.io/v1alpha1"
    return {
        "apiVersion": version,
        "kind": kind,
        "name": name,
        "uid": uid or f"uid-of-{name}",
        "controller": controller,
    }


def running(*image_ids: str, phase: str = "Running") -> Mapping[str, Any]:
    """Return the status of a pod whose containers `c0`, `c1` … run these."""
    statuses = [{"name": f"c{number}", "imageID": image_id} for number, image_id in enumerate(image_ids)]
    return {"phase": phase, "containerStatuses": statuses}


def manifest(kind: str, name: str, *images: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an object with containers `c0`, `c1` … of these images.

    `owners`, `namespace`, `uid`, `replicas` and `pod` (further parts of the pod's spec) are put where they belong;
    what else is given stands beside `spec`.
    """
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images or (IMAGE,))]
    pod = {"containers": containers, **changes.pop("pod", {})}
    metadata = {
        "name": name,
        "namespace": changes.pop("namespace", "shop"),
        "uid": changes.pop("uid", f"uid-of-{name}"),
        "ownerReferences": list(changes.pop("owners", ())),
    }
    template = {"spec": pod}
    body: dict[str, Any] = {"spec": {"template": template}}
    if kind == "Pod":
        body = {"spec": pod}
    elif kind == "PodTemplate":
        body = {"template": template}
    elif kind == "CronJob":
        body = {"spec": {"jobTemplate": {"spec": {"template": template}}}}
    if "replicas" in changes:
        body["spec"]["replicas"] = changes.pop("replicas")
    return {"metadata": metadata, **body, **changes}


def page(items: Sequence[object]) -> bytes:
    """Return a page of a list."""
    return json.dumps({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}).encode()


def live(kind: str, name: str, *images: str, **changes: Any) -> LiveObject:  # noqa: ANN401
    """Return what is read of such an object."""
    (found,) = parse_page(BY_KIND[kind], page([manifest(kind, name, *images, **changes)]))
    assert isinstance(found, LiveObject)
    return found
