"""The pull secrets by which a node would pull a pod's images, as far as the caller may read them.

1. A pod's own `imagePullSecrets` count; where it names none, those of its service account.
   Source: Kubernetes documentation, "Add ImagePullSecrets to a service account"; the ServiceAccount admission plugin.
2. Each Secret and each account is read once for a `PullSecrets`, by its name; nothing is ever listed.
3. What could not be read is told, never passed over: the image may then look unreachable and not be.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from webhook.core.errors import DocumentError
from webhook.core.pod_objects import SecretReference
from webhook.core.reading.plain_text import printable
from webhook.core.references import ImageReference
from webhook.core.workloads import Workload
from webhook.ports import ApiResource, ClusterTrouble, ObjectReader, Registries

__all__ = ["SECRETS", "SERVICE_ACCOUNTS", "PullSecrets", "SecretsFound", "usable_secrets"]

T = TypeVar("T")

MAX_PULL_SECRETS = 32
"""How many pull secrets of one pod are used."""
SECRETS = ApiResource(group="", version="v1", kind="Secret", plural="secrets")
SERVICE_ACCOUNTS = ApiResource(group="", version="v1", kind="ServiceAccount", plural="serviceaccounts")
CONFIG_TYPE, CONFIG_KEY = "kubernetes.io/dockerconfigjson", ".dockerconfigjson"
LEGACY_TYPE, LEGACY_KEY = "kubernetes.io/dockercfg", ".dockercfg"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsFound:
    """The pull secrets of one pod as Docker configs, by name.

    `notes` say which named secrets could not be had. `doubts` say what may be missing beside; that matters only where
    a registry then refuses to answer.
    """

    configs: tuple[tuple[str, bytes], ...] = ()
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def usable_secrets(
    workload: Workload, configs: tuple[tuple[str, bytes], ...], registries: Registries
) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """Return the pull secrets that make a difference, and notes about those that could not be used.

    `configs` are those of the workload, by name. Only what holds credentials for one of its images makes a difference,
    so that images that anyone may read are read by the same credentials whatever secrets their pods name.
    """
    repositories = {use.image.repository for use in workload.uses if isinstance(use.image, ImageReference)}
    secrets, notes = [], []
    for name, config in configs:
        try:
            if registries.covers(config, repositories):
                secrets.append(config)
        except DocumentError as error:
            why = "; ".join(str(one) for one in error.errors)
            notes.append(f"pull secret `{printable(name)}` is not used: {printable(why)}")
    return tuple(secrets), tuple(notes)


class _Secret(msgspec.Struct, frozen=True):
    """What is read of a Secret."""

    type: str = ""
    data: dict[str, str] = {}


class _ServiceAccount(msgspec.Struct, frozen=True, rename="camel"):
    """What is read of a ServiceAccount."""

    image_pull_secrets: tuple[SecretReference, ...] = ()


class PullSecrets:
    """Reads the pull secrets of workloads in a cluster; belongs to one event loop."""

    def __init__(self, cluster: ObjectReader) -> None:
        self._cluster = cluster
        self._asked: dict[tuple[str, str, str], asyncio.Task[Any]] = {}

    async def of(self, workload: Workload) -> SecretsFound:
        """Return the pull secrets of a workload. Nothing is raised: what could not be read is a note."""
        if workload.namespace is None:
            return SecretsFound()
        names, doubts = workload.pull_secrets, tuple[str, ...]()
        if not names:
            names, doubts = await self._of_account(workload.namespace, workload.service_account)
        found = [await self._config(workload.namespace, name) for name in names[:MAX_PULL_SECRETS]]
        return SecretsFound(
            configs=tuple(
                (name, config) for name, config in zip(names, found, strict=False) if isinstance(config, bytes)
            ),
            notes=tuple(note for note in found if isinstance(note, str)),
            doubts=doubts,
        )

    async def _of_account(self, namespace: str, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names of the account's pull secrets, and what is doubtful about them."""
        return await self._once(("account", namespace, name), self._read_account(namespace, name))

    async def _config(self, namespace: str, name: str) -> bytes | str:
        """Return the Docker config in a Secret, or why there is none."""
        return await self._once(("secret", namespace, name), self._read_secret(namespace, name))

    async def _once(self, key: tuple[str, str, str], reading: Coroutine[Any, Any, T]) -> T:
        """Wait for a reading: this one, or the first of the same thing."""
        if key in self._asked:
            reading.close()
        else:
            self._asked[key] = asyncio.create_task(reading)
        found: T = await asyncio.shield(self._asked[key])
        return found

    async def _read_account(self, namespace: str, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        try:
            data = await self._cluster.read(SERVICE_ACCOUNTS, namespace=namespace, name=name)
            account = msgspec.json.decode(data, type=_ServiceAccount) if data else _ServiceAccount()
        except (ClusterTrouble, msgspec.DecodeError) as error:
            why = error.kind.value if isinstance(error, ClusterTrouble) else "it is not what the API has there"
            shown = printable(name)
            return (), (f"pull secrets that the service account `{shown}` may name are not used: {why}",)
        return tuple(secret.name for secret in account.image_pull_secrets if secret.name), ()

    async def _read_secret(self, namespace: str, name: str) -> bytes | str:
        shown = printable(name)
        try:
            data = await self._cluster.read(SECRETS, namespace=namespace, name=name)
        except ClusterTrouble as trouble:
            return f"pull secret `{shown}` is not used: {trouble.kind.value}"
        if data is None:
            return f"pull secret `{shown}` does not exist"
        config = _docker_config(data)
        return f"pull secret `{shown}` is no Docker config" if config is None else config


def _docker_config(data: bytes) -> bytes | None:
    """Return what a Secret holds as a Docker `config.json`; the older form holds the value of its `auths`."""
    try:
        secret = msgspec.json.decode(data, type=_Secret)
        if secret.type == CONFIG_TYPE:
            return base64.b64decode(secret.data[CONFIG_KEY], validate=True)
        if secret.type == LEGACY_TYPE:
            auths = json.loads(base64.b64decode(secret.data[LEGACY_KEY], validate=True))
            return json.dumps({"auths": auths}).encode()
    except (msgspec.DecodeError, KeyError, binascii.Error, ValueError, RecursionError):
        return None
    return None
