"""The catalog in a ConfigMap: replaced whole or not at all, and never over somebody else's change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import msgspec

from webhook.catalog_keeping.file import CatalogChangedError
from webhook.core.bases.catalog import Catalog
from webhook.core.bases.document import parse_catalog, print_catalog
from webhook.core.errors import DocumentError, ParseError
from webhook.document_sources.config_maps import CONFIG_MAPS, read_keys
from webhook.document_sources.names import ConfigMapKey
from webhook.ports import Cluster, ClusterTrouble, ClusterTroubleKind

__all__ = ["CatalogConfigMap", "OpenCluster"]

MAX_CONFIG_MAP_BYTES = 1024 * 1024
"""What all values of a ConfigMap may have together. Source: Kubernetes documentation, "ConfigMaps", "Motivation"."""

OpenCluster = Callable[[], AbstractAsyncContextManager[Cluster]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogConfigMap:
    """A catalog as it was read. `catalog` is None if the key was not there; `document` is the whole object."""

    where: ConfigMapKey
    catalog: Catalog | None
    document: Mapping[str, Any]
    open_cluster: OpenCluster

    @classmethod
    async def read(cls, where: ConfigMapKey, open_cluster: OpenCluster) -> CatalogConfigMap:
        """Read the catalog, if there is one. The ConfigMap has to be there, so that no right to create one is needed.

        Raises ClusterTrouble, ParseError or DocumentError if it cannot be read or understood.
        """
        async with open_cluster() as cluster:
            data = await cluster.read(CONFIG_MAPS, namespace=where.namespace, name=where.name)
        if data is None:
            raise ParseError("", "there is no such ConfigMap; make an empty one first")
        keys = read_keys(data)
        found = keys.read(where, where.key) if keys.has(where.key) else None
        document = msgspec.json.decode(data, type=dict[str, Any])
        catalog = None if found is None else parse_catalog(found)
        return cls(where=where, catalog=catalog, document=document, open_cluster=open_cluster)

    async def replace(self, catalog: Catalog) -> None:
        """Put `catalog` in the place of what was read; other keys stay.

        Raises CatalogChangedError if somebody else has changed the ConfigMap, DocumentError if it would not fit, and
        ClusterTrouble.
        """
        key, text = self.where.key, print_catalog(catalog).decode()
        others = {name: value for name, value in (self.document.get("data") or {}).items() if name != key}
        binary = {name: value for name, value in (self.document.get("binaryData") or {}).items() if name != key}
        data = {**others, key: text}
        size = sum(len(value.encode()) for value in (*data.values(), *binary.values()))
        if size > MAX_CONFIG_MAP_BYTES:
            raise DocumentError((ParseError("", _too_large(size)),))
        document = {**self.document, "data": data, "binaryData": binary}
        try:
            async with self.open_cluster() as cluster:
                await cluster.replace(
                    CONFIG_MAPS,
                    namespace=self.where.namespace,
                    name=self.where.name,
                    document=msgspec.json.encode(document),
                )
        except ClusterTrouble as trouble:
            if trouble.kind is ClusterTroubleKind.CONFLICT:
                raise CatalogChangedError from trouble
            raise


def _too_large(size: int) -> str:
    return (
        f"the catalog has {size:,} bytes, and a ConfigMap takes {MAX_CONFIG_MAP_BYTES:,}: list fewer tags of bases, or "
        "keep it in a file and push that to a registry (--catalog oci:… of serve)"
    )
