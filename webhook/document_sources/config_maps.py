"""A document in a ConfigMap, followed through the API server.

1. The object is watched; each new state of it is in force within moments. What a watch misses comes with the next one.
2. While there is no watch, because RBAC forbids it or the connection breaks, the object is read every few seconds.
3. Files that the document names are other keys of the same ConfigMap, so all change together.
4. An object or a key that is gone leaves the last good value in force; so does an API server that does not answer.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable
from webhook.core.references import Digest
from webhook.document_sources.names import ConfigMapKey
from webhook.document_sources.states import Change, DocumentState, Parser, Unseen, attempt, following
from webhook.ports import ApiResource, Clock, Cluster, ClusterTrouble

__all__ = ["CONFIG_MAPS", "ConfigMapDocument", "ConfigMapKeys", "read_keys"]

T = TypeVar("T")

CONFIG_MAPS = ApiResource(group="", version="v1", kind="ConfigMap", plural="configmaps")


class _ConfigMap(msgspec.Struct, frozen=True, rename="camel"):
    """What is read of a ConfigMap; what is not UTF-8 is base64 in `binaryData`."""

    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMapKeys:
    """The keys of a ConfigMap, None if there is no such object."""

    found: _ConfigMap | None

    def has(self, key: str) -> bool:
        """Tell whether there is such a key."""
        return self.found is not None and (key in self.found.data or key in self.found.binary_data)

    def read(self, where: ConfigMapKey, key: str) -> bytes:
        """Return what a key holds. Raises ParseError."""
        owner = f"ConfigMap {where.namespace}/{where.name}"
        if self.found is None:
            raise ParseError("", f"there is no {owner}")
        if key in self.found.data:
            return self.found.data[key].encode()
        if key not in self.found.binary_data:
            raise ParseError("", f"{owner} has no key `{printable(key)}`")
        try:
            return base64.b64decode(self.found.binary_data[key], validate=True)
        except binascii.Error:
            raise ParseError("", f"the key `{printable(key)}` of {owner} is not base64") from None


def read_keys(document: bytes | None) -> ConfigMapKeys:
    """Read a ConfigMap as the API server gives it. Raises ParseError."""
    if document is None:
        return ConfigMapKeys(found=None)
    try:
        return ConfigMapKeys(found=msgspec.json.decode(document, type=_ConfigMap))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ParseError("", "what the API server has there is no ConfigMap") from None


class ConfigMapDocument(Generic[T]):
    """Implements `webhook.document_sources.states.DocumentSource`."""

    def __init__(self, cluster: Cluster, where: ConfigMapKey, parse: Parser[T], *, clock: Clock) -> None:
        self.where = where
        self._cluster = cluster
        self._parse = parse
        self._clock = clock
        self._seen: ConfigMapKeys | None = None
        self._state: DocumentState[T] = DocumentState()

    @property
    def current(self) -> T | None:
        """The last good value; None if there has been none."""
        return self._state.value

    @property
    def state(self) -> DocumentState[T]:
        """What is in force, and how the last attempt went."""
        return self._state

    async def load(self) -> Change[T] | None:
        """Read the ConfigMap once; None if nothing is new."""
        try:
            found = await self._cluster.read(CONFIG_MAPS, namespace=self.where.namespace, name=self.where.name)
        except ClusterTrouble as trouble:
            return self._not_seen(trouble)
        return await self._take(found)

    async def watch(
        self,
        on_change: Callable[[Change[T]], None],
        *,
        interval_seconds: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Watch the ConfigMap until cancelled, and read it where it cannot be watched."""

        def tell(change: Change[T] | None) -> None:
            if change is not None:
                on_change(change)

        while True:
            states = self._cluster.watch(CONFIG_MAPS, namespace=self.where.namespace, name=self.where.name)
            try:
                async with aclosing(states):
                    async for found in states:
                        tell(await self._take(found))
            except ClusterTrouble:
                tell(await self.load())
            await sleep(interval_seconds)

    async def _take(self, found: bytes | None) -> Change[T] | None:
        """Let a state of the ConfigMap take effect; None if its keys are those that were seen last."""
        try:
            keys = read_keys(found)
        except ParseError as error:
            return self._not_seen(error)
        if keys == self._seen and self._state.unseen is None:
            return None
        self._seen = keys
        reading = _Reading(keys=keys, where=self.where)
        at = self._clock.now()
        change = await asyncio.to_thread(attempt, self._parse, reading.document, reading.read, at=at)
        self._state = following(self._state, change, reading.revision)
        return change

    def _not_seen(self, error: ClusterTrouble | ParseError) -> Unseen | None:
        """Note that the ConfigMap could not be looked at; None if that was so before, for the same reason."""
        why = error.kind.value if isinstance(error, ClusterTrouble) else str(error)
        before = self._state.unseen
        if before is not None and before.why == why:
            return None
        unseen = Unseen(why=why, detail=str(error), at=self._clock.now())
        self._state = following(self._state, unseen, None)
        return unseen


@dataclass(slots=True, kw_only=True)
class _Reading:
    """The keys that one attempt reads, and a hash over them."""

    keys: ConfigMapKeys
    where: ConfigMapKey
    _hasher: hashlib._Hash = field(default_factory=hashlib.sha256)

    def document(self) -> bytes:
        return self.read(self.where.key)

    def read(self, key: str) -> bytes:
        data = self.keys.read(self.where, key)
        self._hasher.update(len(data).to_bytes(8, "big"))
        self._hasher.update(data)
        return data

    @property
    def revision(self) -> Digest:
        return Digest(algorithm="sha256", hex=self._hasher.hexdigest())
