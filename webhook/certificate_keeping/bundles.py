"""What the API servers believe: the `caBundle` of every webhook in the gate's two configurations.

Only `clientConfig.caBundle` is ever changed, by a replacement of the state that was read. A configuration that is not
there is nothing to write to: the mutating one may never be, and both come after the gate at an installation.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import msgspec

from webhook.certificate_keeping.secret import fingerprints
from webhook.ports import ApiResource, Cluster, ClusterTrouble, ClusterTroubleKind

__all__ = ["CONFIGURATIONS", "Sighting", "believed_by_all", "publish", "sight"]

CONFIGURATIONS = tuple(
    ApiResource(
        group="admissionregistration.k8s.io",
        version="v1",
        kind=f"{kind}WebhookConfiguration",
        plural=f"{kind.lower()}webhookconfigurations",
        namespaced=False,
    )
    for kind in ("Validating", "Mutating")
)


class _ClientConfig(msgspec.Struct, frozen=True):
    ca_bundle: str | None = msgspec.field(name="caBundle", default=None)


class _Webhook(msgspec.Struct, frozen=True):
    client_config: _ClientConfig = msgspec.field(name="clientConfig")


class _Configuration(msgspec.Struct, frozen=True):
    webhooks: list[_Webhook] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A configuration as it was read, with the bundle of each of its webhooks."""

    resource: ApiResource
    document: dict[str, Any]
    bundles: tuple[bytes, ...]


async def sight(cluster: Cluster, resource: ApiResource, name: str) -> Sighting | None:
    """Read a configuration, None if there is none; raises ClusterTrouble."""
    data = await cluster.read(resource, namespace=None, name=name)
    if data is None:
        return None
    try:
        webhooks = msgspec.json.decode(data, type=_Configuration).webhooks or ()
        bundles = tuple(_decoded(webhook.client_config.ca_bundle or "") for webhook in webhooks)
        return Sighting(resource=resource, document=msgspec.json.decode(data, type=dict[str, Any]), bundles=bundles)
    except msgspec.DecodeError as error:
        doing = f"reading {resource.plural} {name}"
        raise ClusterTrouble(ClusterTroubleKind.BAD_ANSWER, doing=doing, detail=str(error)) from error


def believed_by_all(sightings: tuple[Sighting, ...]) -> frozenset[str]:
    """Return the authorities that every bundle holds; none if there is no bundle."""
    held = [fingerprints(bundle) for sighting in sightings for bundle in sighting.bundles]
    return frozenset.intersection(*held) if held else frozenset()


async def publish(cluster: Cluster, sighting: Sighting, bundle: bytes) -> bool:
    """Write the bundle wherever a webhook of the configuration has another one, and tell whether there was any.

    Raises ClusterTrouble; CONFLICT if the configuration is not as it was seen any more.
    """
    if all(each == bundle for each in sighting.bundles):
        return False
    text = base64.b64encode(bundle).decode()
    webhooks = [
        {**webhook, "clientConfig": {**webhook["clientConfig"], "caBundle": text}}
        for webhook in sighting.document["webhooks"]
    ]
    document = msgspec.json.encode({**sighting.document, "webhooks": webhooks})
    name = sighting.document["metadata"]["name"]
    await cluster.replace(sighting.resource, namespace=None, name=name, document=document)
    return True


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""
