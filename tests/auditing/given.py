"""Objects of a cluster, and judges, for the stories of these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from tests.adapters.given import Recorder
from tests.shop import Shop
from webhook.adapters.registry.credential_files import ConfigSource, FixedConfig
from webhook.adapters.registry.pull_secrets import PullSecretRegistries
from webhook.auditing.auditor import Candidate, Judgement, open_judgement
from webhook.auditing.worlds import Surrounding
from webhook.core.inventory.live_objects import LivePods, ObjectKey, RunningContainer, Subject
from webhook.core.manifest_objects import parse_object
from webhook.core.policy import Policy
from webhook.core.workloads import ContainerKind, Source, Workload
from webhook.ports import Registries, Registry
from webhook.pull_secrets import PullSecrets

__all__ = ["Opened", "deployment", "judging", "pod", "runs", "subject", "template_of"]

RUN_SECONDS = 3600.0


class Opened:
    """Registries that are all one registry in memory; `configs` are the credentials with which it was opened."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.configs: list[ConfigSource] = []

    async def open(self, config: ConfigSource) -> Registry:
        """Remember the credentials."""
        self.configs.append(config)
        return self.registry


@asynccontextmanager
async def judging(
    shop: Shop,
    *,
    policy: Policy | None = None,
    before: Policy | None = None,
    secrets: PullSecrets | None = None,
    opened: Opened | None = None,
) -> AsyncIterator[Judgement]:
    """Open what judges by the shop's policy, over its registry."""
    opened = opened or Opened(shop.registry)

    @asynccontextmanager
    async def open_registries(_: Policy) -> AsyncIterator[Registries]:
        yield PullSecretRegistries(opened.open, FixedConfig())

    def surrounding(registries: Registries) -> Surrounding:
        return Surrounding(registries=registries, clock=shop.clock, log=Recorder().log, catalog=shop.catalog)

    async with open_judgement(
        Candidate(policy=policy or shop.policy, before=before),
        surrounding,
        open_registries,
        secrets=secrets,
        deadline=shop.clock.monotonic() + RUN_SECONDS,
    ) as judge:
        yield judge


def pod(*images: str, name: str = "api-x", spec: Mapping[str, Any] | None = None) -> Workload:
    """Return a live pod in the namespace `shop`, with a container `c0`, `c1` … for each image."""
    return _live(
        {"apiVersion": "v1", "kind": "Pod", "metadata": _named(name), "spec": {**_pod(images), **(spec or {})}}
    )


def deployment(*images: str, name: str = "api", spec: Mapping[str, Any] | None = None) -> Workload:
    """Return a live Deployment in the namespace `shop`."""
    template = {"spec": {**_pod(images), **(spec or {})}}
    return _live(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _named(name), "spec": {"template": template}}
    )


def template_of(workload: Workload, *alike: LivePods) -> Subject:
    """Return the row of an object with these live pods."""
    version = {"Deployment": "apps/v1"}.get(workload.kind, "v1")
    return subject(workload.kind, workload.name, *alike, workload=workload, api_version=version)


def subject(
    kind: str, name: str, *alike: LivePods, workload: Workload | None = None, api_version: str = "v1"
) -> Subject:
    """Return a row in the namespace `shop`."""
    key = ObjectKey(api_version=api_version, kind=kind, namespace="shop", name=name, uid=f"uid-of-{name}")
    return Subject(key=key, workload=workload, live=alike)


def runs(workload: Workload, *image_ids: str, pods: int = 1) -> LivePods:
    """Return live pods whose containers `c0`, `c1` … run these."""
    running = tuple(
        RunningContainer(container=f"c{number}", kind=ContainerKind.MAIN, image_id=image_id)
        for number, image_id in enumerate(image_ids)
    )
    return LivePods(workload=workload, pods=pods, running=running)


def _pod(images: tuple[str, ...]) -> dict[str, Any]:
    return {"containers": [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]}


def _named(name: str) -> dict[str, str]:
    return {"name": name, "namespace": "shop"}


def _live(document: dict[str, Any]) -> Workload:
    workload = parse_object(document, default_namespace=None)
    holder = document["spec"].get("template", document)["spec"]
    return replace(
        workload,
        source=Source.CLUSTER,
        service_account=holder.get("serviceAccountName", "default"),
        pull_secrets=tuple(secret["name"] for secret in holder.get("imagePullSecrets", ())),
    )
