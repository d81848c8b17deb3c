"""A document in a ConfigMap: what is in force after each change, and what is said about it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.core.policies import plain, public_pem
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import FakeCluster
from tests.test_documents import read_words
from webhook.document_sources.config_maps import CONFIG_MAPS, ConfigMapDocument
from webhook.document_sources.names import ConfigMapKey
from webhook.document_sources.states import Change, Loaded, Rejected, Unseen
from webhook.documents import read_policy_document
from webhook.ports import ClusterTroubleKind

WHERE = ConfigMapKey(namespace="gate", name="policy", key="words")
SECONDS = 5.0


@dataclass(slots=True)
class Following:
    """A cluster, a document in it, and what a watch told about the document."""

    cluster: FakeCluster = field(default_factory=FakeCluster)
    told: asyncio.Queue[Change[str]] = field(default_factory=asyncio.Queue)
    pauses: asyncio.Queue[float] = field(default_factory=asyncio.Queue)
    going_on: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    document: ConfigMapDocument[str] = field(init=False)

    def __post_init__(self) -> None:
        """Make the document, which nobody has written yet."""
        self.document = ConfigMapDocument(self.cluster, WHERE, read_words, clock=ManualClock())

    def put(self, binary: dict[str, bytes] | None = None, **data: str) -> None:
        """Write the ConfigMap."""
        manifest: dict[str, Any] = {"metadata": {"name": WHERE.name, "namespace": WHERE.namespace}, "data": data}
        if binary:
            manifest["binaryData"] = {key: base64.b64encode(value).decode() for key, value in binary.items()}
        self.cluster.put(CONFIG_MAPS, manifest)

    def remove(self) -> None:
        """Delete the ConfigMap."""
        self.cluster.remove(CONFIG_MAPS, WHERE.namespace, WHERE.name)

    async def pause(self, seconds: float) -> None:
        """Sleep until a test goes on."""
        self.pauses.put_nowait(seconds)
        await self.going_on.acquire()

    async def next(self) -> Change[str]:
        """Return what is told next."""
        async with asyncio.timeout(SECONDS):
            return await self.told.get()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch until the end of the block."""
        task = asyncio.create_task(self.document.watch(self.told.put_nowait, interval_seconds=2.0, sleep=self.pause))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def following() -> Following:
    """Return a cluster without the ConfigMap."""
    return Following()


def value(change: Change[str] | None) -> str:
    """Return what took effect."""
    assert isinstance(change, Loaded), change
    return change.value


def errors(change: Change[str] | None) -> tuple[str, ...]:
    """Return why it did not take effect."""
    assert isinstance(change, Rejected), change
    return change.errors


async def test_each_state_is_in_force_when_it_is_seen(following: Following) -> None:
    """The first state, each change, and each change of another key that the document names."""
    following.put(words="first @key", key="old")
    async with following.watching():
        assert value(await following.next()) == "first old"
        before = following.document.state.revision
        following.put(words="first @key", key="new")
        assert value(await following.next()) == "first new"
        assert following.document.current == "first new"
        assert following.document.state.revision != before
        following.put({"key": b"bytes"}, words="first @key")
        assert value(await following.next()) == "first bytes"
    assert following.pauses.empty()


async def test_what_changes_nothing_is_not_told(following: Following) -> None:
    """Labels of the object are none of the document's."""
    following.put(words="first")
    await following.document.load()
    following.cluster.put(
        CONFIG_MAPS,
        {"metadata": {"name": "policy", "namespace": "gate", "labels": {"a": "b"}}, "data": {"words": "first"}},
    )
    assert await following.document.load() is None


async def test_what_is_broken_or_gone_leaves_the_last_good_value(following: Following) -> None:
    """A document that does not parse, a key and an object that are gone: each is told once, and mended by the next."""
    following.put(words="good")
    async with following.watching():
        await following.next()
        following.put(words="bad")
        assert errors(await following.next()) == ("words[0]: is bad", "words: are bad")
        following.put(other="good")
        assert errors(await following.next()) == ("ConfigMap gate/policy has no key `words`",)
        following.remove()
        assert errors(await following.next()) == ("there is no ConfigMap gate/policy",)
        assert following.document.current == "good"
        assert following.document.state.last_rejection is not None
        following.put(words="good")
        assert value(await following.next()) == "good"
        assert following.document.state.last_rejection is None


async def test_a_key_that_is_missing_is_named(following: Following) -> None:
    """The document names another key, and the ConfigMap does not have it, or nothing that can be read."""
    following.put(words="@key")
    assert errors(await following.document.load()) == ("ConfigMap gate/policy has no key `key`",)
    manifest = {"metadata": {"name": "policy", "namespace": "gate"}, "data": {"words": "@key"}}
    following.cluster.put(CONFIG_MAPS, manifest | {"binaryData": {"key": "***"}})
    assert errors(await following.document.load()) == ("the key `key` of ConfigMap gate/policy is not base64",)


@pytest.mark.parametrize("kind", [ClusterTroubleKind.FORBIDDEN, ClusterTroubleKind.EXPIRED])
async def test_without_a_watch_it_is_read(following: Following, kind: ClusterTroubleKind) -> None:
    """Where watches are forbidden, or break, the ConfigMap is read at intervals, and watched again when that works."""
    following.put(words="first")
    following.cluster.break_down(kind, "watch", times=3)
    following.cluster.break_down(kind, "list", after=1, times=1)
    async with following.watching(), asyncio.timeout(SECONDS):
        assert value(await following.next()) == "first"
        assert await following.pauses.get() == 2.0
        following.put(words="second")
        following.going_on.release()
        assert value(await following.next()) == "second"
    assert "get configmaps gate/policy" in following.cluster.asked


async def test_an_outage_is_told_once_and_leaves_the_last_good_value(following: Following) -> None:
    """While the API server does not answer that is said; when it is back, so is what it has, changed or not."""
    following.put(words="first")
    async with following.watching(), asyncio.timeout(SECONDS):
        await following.next()
        following.cluster.break_down(ClusterTroubleKind.UNREACHABLE)
        following.cluster.end_watches()
        for _ in range(3):
            await following.pauses.get()
            following.going_on.release()
        change = await following.next()
        assert isinstance(change, Unseen)
        assert change.why == "the API server could not be reached"
        assert following.told.empty()
        assert following.document.current == "first"
        assert following.document.state.unseen == change
        following.cluster.mend()
        following.going_on.release()
        assert value(await following.next()) == "first"
        assert following.document.state.unseen is None


async def test_nothing_is_in_force_until_the_server_answers(following: Following) -> None:
    """A gate that starts during an outage has no document, and knows why."""
    following.cluster.break_down(ClusterTroubleKind.UNREACHABLE)
    assert isinstance(await following.document.load(), Unseen)
    assert await following.document.load() is None
    assert following.document.current is None
    following.cluster.mend()
    assert errors(await following.document.load()) == ("there is no ConfigMap gate/policy",)


async def test_nonsense_is_not_taken_for_a_document(following: Following) -> None:
    """An object that is no ConfigMap says nothing about the document."""
    following.cluster.put(CONFIG_MAPS, {"metadata": {"name": "policy", "namespace": "gate"}, "data": ["words"]})
    change = await following.document.load()
    assert isinstance(change, Unseen)
    assert change.why == "what the API server has there is no ConfigMap"


async def test_a_policy_finds_its_files_beside_it(following: Following) -> None:
    """`file:` names another key of the same ConfigMap, and nothing outside of it."""
    document = plain()
    document["spec"]["authorities"][0]["key"] = {"file": "release.pem"}
    where = ConfigMapKey(namespace="gate", name="policy", key="policy.yaml")
    policy = ConfigMapDocument(following.cluster, where, read_policy_document, clock=ManualClock())
    following.put(None, **{"policy.yaml": str(document).replace("'", '"')})
    change = await policy.load()
    assert isinstance(change, Rejected)
    assert "has no key `release.pem`" in change.errors[0]
    following.put(None, **{"policy.yaml": str(document).replace("'", '"'), "release.pem": public_pem("release")})
    assert isinstance(await policy.load(), Loaded)
