"""The cache: what it keeps, for how long, and what it never keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.adapters.given import repository, trouble_of
from tests.fakes.clock import ManualClock
from tests.fakes.registry import FakeRegistry
from webhook.adapters.cache import CachingRegistry
from webhook.adapters.clock import SystemClock
from webhook.core.references import Digest, PinnedImage
from webhook.ports import TroubleKind

WHERE = repository("registry.example")
TYPE = "application/vnd.oci.image.manifest.v1+json"
DATA = b'{"schemaVersion": 2}'


class World:
    """A cache in front of a fake, and a clock."""

    def __init__(self, *, manifest_bytes: int = 10_000, blob_bytes: int = 200_000) -> None:
        self.clock = ManualClock()
        self.fake = FakeRegistry()
        self.cache = CachingRegistry(self.fake, clock=self.clock, manifest_bytes=manifest_bytes, blob_bytes=blob_bytes)

    @property
    def deadline(self) -> float:
        """A minute from now."""
        return self.clock.monotonic() + 60

    def put(self, data: bytes = DATA, tag: str | None = None) -> PinnedImage:
        """Push a manifest."""
        digest = self.fake.store.put_manifest(WHERE.path, data, TYPE, tag=tag, checked=False)
        return PinnedImage(repository=WHERE, digest=digest)

    async def resolve(self, tag: str) -> Digest | None:
        """Ask for a tag."""
        return await self.cache.resolve(WHERE, tag, deadline=self.deadline)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Give an empty world."""
    world = World()
    yield world
    await world.cache.close()


async def test_a_manifest_is_fetched_once(world: World) -> None:
    """What a digest names is kept for good."""
    image = world.put()
    found = [await world.cache.manifest(image, deadline=world.deadline) for _ in range(2)]
    world.clock.advance(10**6)
    found.append(await world.cache.manifest(image, deadline=world.deadline))
    assert [one.data for one in found if one] == [DATA] * 3
    assert len(world.fake.asked) == 1


async def test_another_repository_is_another_question(world: World) -> None:
    """That one repository has a manifest does not say that another has it."""
    image = world.put()
    await world.cache.manifest(image, deadline=world.deadline)
    elsewhere = PinnedImage(repository=repository("registry.example", "other"), digest=image.digest)
    assert await world.cache.manifest(elsewhere, deadline=world.deadline) is None


async def test_absence_is_believed_for_a_moment(world: World) -> None:
    """A manifest that was not there is asked for again after five seconds."""
    image = PinnedImage(repository=WHERE, digest=Digest(algorithm="sha256", hex="0" * 64))
    for _ in range(2):
        assert await world.cache.manifest(image, deadline=world.deadline) is None
    assert len(world.fake.asked) == 1
    world.clock.advance(5)
    await world.cache.manifest(image, deadline=world.deadline)
    assert len(world.fake.asked) == 2


@pytest.mark.parametrize(
    ("tag", "is_there", "seconds"),
    [("1.0", True, 10), ("1.0", False, 5), (f"sha256-{'0' * 64}.sig", True, 30), (f"sha256-{'0' * 64}.sig", False, 5)],
)
async def test_a_tag_is_believed_for_its_time(world: World, tag: str, is_there: bool, seconds: float) -> None:  # noqa: FBT001
    """Tags last ten seconds, tags of signatures thirty, absence five."""
    expected = world.put(tag=tag).digest if is_there else None
    assert await world.resolve(tag) == expected
    world.clock.advance(seconds - 0.1)
    assert await world.resolve(tag) == expected
    assert len(world.fake.asked) == 1
    world.clock.advance(0.1)
    assert await world.resolve(tag) == expected
    assert len(world.fake.asked) == 2


async def test_an_empty_listing_is_believed_for_a_shorter_time(world: World) -> None:
    """Whoever signs an image should not wait long; what is attached lasts thirty seconds."""
    image = world.put()
    await world.cache.referrers(image, deadline=world.deadline)
    attached = b'{"subject": {"mediaType": "x", "digest": "%s", "size": 1}}' % str(image.digest).encode()
    world.put(attached)
    world.clock.advance(4)
    assert (await world.cache.referrers(image, deadline=world.deadline)).descriptors == ()
    world.clock.advance(1)
    for seconds in (29, 1):
        assert len((await world.cache.referrers(image, deadline=world.deadline)).descriptors) == 1
        world.clock.advance(seconds)
    await world.cache.referrers(image, deadline=world.deadline)
    assert len(world.fake.asked) == 3


async def test_small_blobs_are_kept_and_large_ones_are_not(world: World) -> None:
    """A blob of up to 64 KiB is fetched once."""
    for size, asked in ((64 * 1024, 1), (64 * 1024 + 1, 3)):
        digest = world.fake.store.put_blob(WHERE.path, b"x" * size)
        for _ in range(2):
            found = await world.cache.blob(WHERE, digest, max_bytes=10**6, deadline=world.deadline)
            assert found is not None
        assert len(world.fake.asked) == asked


async def test_a_kept_blob_obeys_the_bound_of_whoever_asks(world: World) -> None:
    """Memory does not turn a blob that is too large into one that is not."""
    digest = world.fake.store.put_blob(WHERE.path, b"x" * 100)
    await world.cache.blob(WHERE, digest, max_bytes=100, deadline=world.deadline)
    trouble = await trouble_of(world.cache.blob(WHERE, digest, max_bytes=99, deadline=world.deadline))
    assert trouble.kind is TroubleKind.TOO_LARGE


async def test_memory_is_bounded_and_keeps_what_is_used() -> None:
    """Within the bound the least recently used goes first; what alone exceeds it is not kept."""
    world = World(manifest_bytes=2 * (512 + 100))
    first, second, third = (world.put(number * 100) for number in (b"1", b"2", b"3"))
    for image in (first, second, first, third, first, second):
        await world.cache.manifest(image, deadline=world.deadline)
    names = [str(image.digest) for image in (first, second, third, second)]
    assert world.fake.asked == [f"manifest:{name}" for name in names]
    large = world.put(b"x" * 5000)
    for _ in range(2):
        await world.cache.manifest(large, deadline=world.deadline)
    assert world.fake.asked.count(f"manifest:{large.digest}") == 2


@pytest.mark.parametrize("method", ["resolve", "manifest", "blob", "referrers"])
async def test_trouble_is_never_kept(world: World, method: str) -> None:
    """A registry that works again is believed at once."""
    image = world.put(tag="1")
    questions: dict[str, Callable[[], Awaitable[object]]] = {
        "resolve": lambda: world.cache.resolve(WHERE, "1", deadline=world.deadline),
        "manifest": lambda: world.cache.manifest(image, deadline=world.deadline),
        "blob": lambda: world.cache.blob(WHERE, image.digest, max_bytes=9, deadline=world.deadline),
        "referrers": lambda: world.cache.referrers(image, deadline=world.deadline),
    }
    world.fake.break_down(TroubleKind.UNREACHABLE, method)
    assert (await trouble_of(questions[method]())).kind is TroubleKind.UNREACHABLE
    world.fake.mend()
    await questions[method]()


async def test_many_who_ask_are_one_question(world: World) -> None:
    """However many reviews want a manifest, the registry is asked once."""
    image = world.put()
    world.fake.gate = asyncio.Event()
    waiting = [asyncio.create_task(world.cache.manifest(image, deadline=world.deadline)) for _ in range(50)]
    await asyncio.sleep(0)
    world.fake.gate.set()
    assert all(await asyncio.gather(*waiting))
    assert len(world.fake.asked) == 1


async def test_who_gives_up_does_not_end_the_question() -> None:
    """The first to ask may run out of time; the others, and memory, still get the answer."""
    fake, clock = FakeRegistry(), SystemClock()
    cache = CachingRegistry(fake, clock=clock)
    digest = fake.store.put_manifest(WHERE.path, DATA, TYPE, checked=False)
    image = PinnedImage(repository=WHERE, digest=digest)
    fake.gate = asyncio.Event()
    hasty = asyncio.create_task(trouble_of(cache.manifest(image, deadline=clock.monotonic() + 0.05)))
    await asyncio.sleep(0)
    patient = asyncio.create_task(cache.manifest(image, deadline=clock.monotonic() + 5))
    assert (await hasty).kind is TroubleKind.TIMEOUT
    fake.gate.set()
    assert await patient is not None
    assert len(fake.asked) == 1
    await cache.close()


async def test_whoever_has_more_time_asks_again(world: World) -> None:
    """A question that ended with the patience of another is asked anew."""
    image = world.put()
    world.fake.gate = asyncio.Event()
    world.fake.break_down(TroubleKind.TIMEOUT)
    first = asyncio.create_task(trouble_of(world.cache.manifest(image, deadline=world.deadline)))
    await asyncio.sleep(0)
    second = asyncio.create_task(trouble_of(world.cache.manifest(image, deadline=world.deadline + 100)))
    await asyncio.sleep(0)
    world.fake.gate.set()
    assert {(await first).kind, (await second).kind} == {TroubleKind.TIMEOUT}
    assert len(world.fake.asked) == 2
    assert world.fake.deadlines[1] > world.fake.deadlines[0]


async def test_a_deadline_that_has_passed_asks_nothing(world: World) -> None:
    """No question begins for somebody who has left."""
    trouble = await trouble_of(world.cache.manifest(world.put(), deadline=world.clock.monotonic()))
    assert trouble.kind is TroubleKind.TIMEOUT
    assert world.fake.asked == []


async def test_questions_under_way_are_bounded(world: World) -> None:
    """A flood of different questions is refused rather than queued without end."""
    world.fake.gate = asyncio.Event()
    waiting = [asyncio.create_task(world.resolve(f"v{number}")) for number in range(1024)]
    await asyncio.sleep(0)
    assert (await trouble_of(world.resolve("one-more"))).kind is TroubleKind.OVERLOADED
    world.fake.gate.set()
    assert await asyncio.gather(*waiting) == [None] * 1024


async def test_streams_and_lists_of_tags_pass_through(world: World) -> None:
    """Layers and lists of tags are not kept."""
    digest = world.fake.store.put_blob(WHERE.path, b"layer")
    for _ in range(2):
        stream = world.cache.stream_blob(WHERE, digest, max_bytes=99, deadline=world.deadline)
        assert [piece async for piece in stream] == [b"layer"]
        assert await world.cache.tags(WHERE, deadline=world.deadline) == ()
    assert len(world.fake.asked) == 4
