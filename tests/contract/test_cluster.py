"""The clusters of this project under one contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.cluster_contract import LEASES, WIDGETS, ClusterContract, Subject
from tests.fakes.api_server import LoopbackApiServer
from tests.fakes.cluster import NAMESPACES, FakeCluster
from webhook.adapters.clock import SystemClock
from webhook.adapters.cluster.flags import ClusterFlags
from webhook.adapters.cluster.opening import open_api_server
from webhook.adapters.registry.options import Proxies


def fake_cluster() -> FakeCluster:
    """Return a cluster with two empty namespaces, that serves pages of two."""
    fake = FakeCluster(page_size=2)
    for name in ("shop", "garage"):
        fake.put(NAMESPACES, {"metadata": {"name": name}})
    fake.lack(WIDGETS)
    return fake


class TestFakeCluster(ClusterContract):
    """The fake that other tests rely on."""

    @pytest.fixture
    def subject(self) -> Subject:
        """Give an empty fake."""
        return Subject(cluster=fake_cluster(), namespace="shop", other_namespace="garage")


class TestApiServerCluster(ClusterContract):
    """The real client against a server over HTTP, with pages of two objects."""

    @pytest.fixture
    async def subject(self) -> AsyncIterator[Subject]:
        """Give an empty server on loopback."""
        async with LoopbackApiServer(fake_cluster(), (LEASES,)) as server:
            flags = ClusterFlags(server=server.url)
            async with open_api_server(flags, environment={}, proxies=Proxies(), clock=SystemClock()) as cluster:
                yield Subject(cluster=cluster, namespace="shop", other_namespace="garage")
