"""The registries of this project under one contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.adapters.given import open_registry
from tests.contract.registry_contract import RegistryContract, StoreShelf, Subject
from tests.fakes.registry import FakeRegistry
from webhook.adapters.cache import CachingRegistry
from webhook.adapters.clock import SystemClock
from webhook.core.references import Repository
from webhook.demo.authentication import TokenAuthentication
from webhook.demo.registry import LoopbackRegistry
from webhook.demo.store import Store

CLOCK = SystemClock()
PATH = "shop/api"


class TestFakeRegistry(RegistryContract):
    """The fake that other tests rely on."""

    @pytest.fixture
    def subject(self) -> Subject:
        """Give an empty fake."""
        fake = FakeRegistry()
        repository = Repository(registry="registry.example", path=PATH)
        return Subject(registry=fake, shelf=StoreShelf(fake.store), repository=repository, clock=CLOCK)


class TestDistributionRegistry(RegistryContract):
    """The real client against a registry over HTTP, with pages of two entries."""

    @pytest.fixture
    async def subject(self) -> AsyncIterator[Subject]:
        """Give an empty registry on loopback."""
        async with LoopbackRegistry(page_size=2) as server, open_registry() as registry:
            repository = Repository(registry=server.host, path=PATH)
            yield Subject(registry=registry, shelf=StoreShelf(server.store), repository=repository, clock=CLOCK)


class TestDistributionRegistryWithoutReferrersApi(RegistryContract):
    """The real client against a registry that has no referrers API and wants tokens."""

    @pytest.fixture
    async def subject(self) -> AsyncIterator[Subject]:
        """Give an empty registry on loopback."""
        tokens = TokenAuthentication(username="u", password="p", anonymous_pull=True)
        store = Store(referrers_api=False)
        async with LoopbackRegistry(store, authentication=tokens) as server, open_registry() as registry:
            repository = Repository(registry=server.host, path=PATH)
            yield Subject(registry=registry, shelf=StoreShelf(store), repository=repository, clock=CLOCK)


class TestCachedDistributionRegistry(RegistryContract):
    """The cache around the real client."""

    @pytest.fixture
    async def subject(self) -> AsyncIterator[Subject]:
        """Give an empty registry on loopback behind a cache."""
        async with LoopbackRegistry(page_size=2) as server, open_registry() as inner:
            registry = CachingRegistry(inner, clock=CLOCK)
            repository = Repository(registry=server.host, path=PATH)
            yield Subject(registry=registry, shelf=StoreShelf(server.store), repository=repository, clock=CLOCK)
            await registry.close()


class TestCachedFakeRegistry(RegistryContract):
    """The cache around the fake."""

    @pytest.fixture
    async def subject(self) -> AsyncIterator[Subject]:
        """Give an empty fake behind a cache."""
        fake = FakeRegistry()
        registry = CachingRegistry(fake, clock=CLOCK)
        repository = Repository(registry="registry.example", path=PATH)
        yield Subject(registry=registry, shelf=StoreShelf(fake.store), repository=repository, clock=CLOCK)
        await registry.close()
