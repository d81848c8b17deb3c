"""Everything that a doctor looks at, asked of an API server: an intent → what there is.

The caller needs `get` on the objects of the release and on `services/proxy` in its namespace; `get` on both webhook
configurations and on the guard; `list` on the mutating configurations and on the four kinds of RBAC; `get` on the
paths `/version` and `/metrics`. Secrets are never read. What may not be looked at is told, and the rest goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import msgspec

from webhook.certificate_keeping.bundles import CONFIGURATIONS
from webhook.core.diagnosis.certificates import bundle_of, serving_address
from webhook.core.diagnosis.findings import Unseen
from webhook.core.diagnosis.installation import Document, Handshake, Installation, Intent, Sight
from webhook.core.diagnosis.intended import PODS
from webhook.core.diagnosis.objects import (
    Binding,
    CronJob,
    Deployment,
    GuardBinding,
    GuardPolicy,
    Named,
    Role,
    WebhookConfiguration,
)
from webhook.core.diagnosis.rights import Rbac
from webhook.core.diagnosis.server import argument, server_of
from webhook.core.diagnosis.webhooks import configured
from webhook.core.errors import ParseError
from webhook.core.inventory.resources import NAMESPACES, POD_HOLDERS
from webhook.document_sources.config_maps import CONFIG_MAPS, read_keys
from webhook.document_sources.names import ConfigMapKey, parse_document_name
from webhook.ports import ApiResource, Cluster, ClusterTrouble

__all__ = ["BUDGETS", "GUARDS", "RBAC", "SERVICES", "ShakeHands", "look"]

T = TypeVar("T")

VALIDATING, MUTATING = CONFIGURATIONS
BY_KIND = {resource.kind: resource for resource in POD_HOLDERS}
SERVICES = ApiResource(group="", version="v1", kind="Service", plural="services")
BUDGETS = ApiResource(group="policy", version="v1", kind="PodDisruptionBudget", plural="poddisruptionbudgets")


def _of(group: str, kind: str, plural: str, *, namespaced: bool = False) -> ApiResource:
    return ApiResource(group=group, version="v1", kind=kind, plural=plural, namespaced=namespaced)


GUARDS = (
    _of("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
    _of("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
)
RBAC = (
    _of("rbac.authorization.k8s.io", "ClusterRole", "clusterroles"),
    _of("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings"),
    _of("rbac.authorization.k8s.io", "Role", "roles", namespaced=True),
    _of("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", namespaced=True),
)


class ShakeHands(Protocol):
    """Tries whether a server shows a certificate for its name that these authorities (PEM) vouch for."""

    def __call__(self, host: str, port: int, *, authorities: bytes) -> Awaitable[Handshake | Unseen]:
        """Return how it went."""
        ...


class _Page(msgspec.Struct, frozen=True):
    items: list[msgspec.Raw]


async def look(cluster: Cluster, intent: Intent, *, shake_hands: ShakeHands) -> Installation:
    """Look at everything at once. Raises nothing but our own faults: what could not be looked at is Unseen."""
    eye = _Eye(cluster=cluster)
    place, name = intent.namespace, intent.name
    async with asyncio.TaskGroup() as group:
        validating = group.create_task(eye.one(VALIDATING, None, name, WebhookConfiguration))
        mutating = group.create_task(eye.one(MUTATING, None, name, WebhookConfiguration))
        others = group.create_task(eye.every(MUTATING, WebhookConfiguration))
        deployment = group.create_task(eye.one(BY_KIND["Deployment"], place, name, Deployment))
        service = group.create_task(eye.one(SERVICES, place, name, Named))
        budget = group.create_task(eye.one(BUDGETS, place, name, Named))
        namespace = group.create_task(eye.one(NAMESPACES, None, place, Named))
        sync = group.create_task(eye.one(BY_KIND["CronJob"], place, f"{name}-sync", CronJob))
        guard = group.create_task(eye.one(GUARDS[0], None, f"{name}-guard", GuardPolicy))
        binding = group.create_task(eye.one(GUARDS[1], None, f"{name}-guard", GuardBinding))
        rbac = group.create_task(eye.rbac())
        version = group.create_task(eye.text("version"))
        counts = group.create_task(eye.text("metrics"))
        service_path = ("api", "v1", "namespaces", place, "services", f"http:{name}:metrics", "proxy", "metrics")
        gate_metrics = group.create_task(eye.text(*service_path))
    seen = deployment.result()
    async with asyncio.TaskGroup() as group:
        policy = group.create_task(eye.document(seen, "--policy", f"configmap:{place}/{name}-policy/policy.yaml"))
        catalog = group.create_task(eye.document(seen, "--catalog", f"configmap:{place}/{name}-catalog/catalog.json"))
        handshake = group.create_task(_handshake(validating.result(), shake_hands))
    found = others.result()
    return Installation(
        validating=validating.result(),
        mutating=mutating.result(),
        mutating_others=found
        if isinstance(found, Unseen)
        else tuple(each for each in found if each.metadata.name != name),
        handshake=handshake.result(),
        deployment=seen,
        service=service.result(),
        budget=budget.result(),
        namespace=namespace.result(),
        policy=policy.result(),
        catalog=catalog.result(),
        sync=sync.result(),
        guard=guard.result(),
        guard_binding=binding.result(),
        rbac=rbac.result(),
        version=version.result(),
        server_metrics=counts.result(),
        gate_metrics=gate_metrics.result(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Eye:
    """Asks one cluster, and returns what stands in the way in place of what was asked for."""

    cluster: Cluster

    async def one(self, resource: ApiResource, namespace: str | None, name: str, kind: type[T]) -> Sight[T]:
        """Return one object."""
        try:
            data = await self.cluster.read(resource, namespace=namespace, name=name)
        except ClusterTrouble as trouble:
            return Unseen(why=str(trouble))
        return None if data is None else _decoded(data, kind)

    async def every(self, resource: ApiResource, kind: type[T]) -> tuple[T, ...] | Unseen:
        """Return all objects of a kind, or nothing of them."""
        found: list[T] = []
        try:
            async for page in self.cluster.pages(resource):
                items = _decoded(page, _Page)
                if isinstance(items, Unseen):
                    return items
                for item in items.items:
                    decoded = _decoded(item, kind)
                    if isinstance(decoded, Unseen):
                        return decoded
                    found.append(decoded)
        except ClusterTrouble as trouble:
            return Unseen(why=str(trouble))
        return tuple(found)

    async def rbac(self) -> Rbac | Unseen:
        """Return all roles and bindings; a part of them would look like fewer rights."""
        cluster_roles = await self.every(RBAC[0], Role)
        cluster_role_bindings = await self.every(RBAC[1], Binding)
        roles = await self.every(RBAC[2], Role)
        role_bindings = await self.every(RBAC[3], Binding)
        if isinstance(cluster_roles, Unseen):
            return cluster_roles
        if isinstance(cluster_role_bindings, Unseen):
            return cluster_role_bindings
        if isinstance(roles, Unseen):
            return roles
        if isinstance(role_bindings, Unseen):
            return role_bindings
        return Rbac(
            cluster_roles=cluster_roles,
            cluster_role_bindings=cluster_role_bindings,
            roles=roles,
            role_bindings=role_bindings,
        )

    async def text(self, *path: str) -> str | Unseen:
        """Return what the API server says where no object is."""
        try:
            return await self.cluster.text(path)
        except ClusterTrouble as trouble:
            return Unseen(why=str(trouble))

    async def document(self, deployment: Sight[Deployment], flag: str, by_default: str) -> Document | None:
        """Return the document that the server is told by a flag; the chart's, where the server cannot be seen."""
        server = server_of(deployment) if isinstance(deployment, Deployment) else None
        source = argument(server, flag) if server else by_default
        if source is None:
            return None
        try:
            where = parse_document_name(source)
        except ParseError as error:
            return Document(source=source, config_map=None, contents=Unseen(why=str(error)), files={})
        if not isinstance(where, ConfigMapKey):
            unseen = Unseen(why="it is in no ConfigMap, and nothing else is looked at from here")
            return Document(source=source, config_map=None, contents=unseen, files={})
        found = await self._keys(where)
        contents = found if isinstance(found, Unseen) else found.get(where.key)
        files = {} if isinstance(found, Unseen) else found
        return Document(source=source, config_map=(where.namespace, where.name), contents=contents, files=files)

    async def _keys(self, where: ConfigMapKey) -> Mapping[str, bytes] | Unseen:
        """Return what a ConfigMap holds, by key; nothing if it is not there."""
        try:
            keys = read_keys(await self.cluster.read(CONFIG_MAPS, namespace=where.namespace, name=where.name))
            names = (*keys.found.data, *keys.found.binary_data) if keys.found else ()
            return {name: keys.read(where, name) for name in names}
        except (ClusterTrouble, ParseError) as trouble:
            return Unseen(why=str(trouble))


async def _handshake(validating: Sight[WebhookConfiguration], shake_hands: ShakeHands) -> Handshake | Unseen:
    webhook = configured(validating, PODS) if isinstance(validating, WebhookConfiguration) else None
    address = serving_address(webhook) if webhook else None
    authorities = bundle_of(webhook) if webhook else b""
    if address is None or not authorities:
        return Unseen(why="it is not known whom the API server asks and believes")
    host, port = address
    return await shake_hands(host, port, authorities=authorities)


def _decoded(data: bytes | msgspec.Raw, kind: type[T]) -> T | Unseen:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Unseen(why="what the API server sent makes no sense")
