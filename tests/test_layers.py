"""Reading layers in the background: once, in turn, within bounds, and never in the way of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.adapters.given import Recorder
from tests.fakes.clock import ManualClock
from tests.fakes.registry import FakeRegistry
from webhook.core.manifests import Descriptor, Malformed
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.demo.images import build, push
from webhook.demo.layers import Compression, Layer
from webhook.layers import BATCH_BYTES, MAX_COMPRESSED_BYTES, LayerInspector
from webhook.ports import RegistryTrouble, TroubleKind

PATIENCE = 5.0


class Reading:
    """An inspector on a registry in memory, with short words for asking it."""

    def __init__(self, inspector: LayerInspector, registry: FakeRegistry, clock: ManualClock) -> None:
        self.inspector = inspector
        self.registry = registry
        self.clock = clock

    def push(self, *layers: Layer, repository: str = "shop/api") -> PinnedImage:
        """Push an image of these layers."""
        digest = push(self.registry.store, repository, build(None, layers))
        return PinnedImage(repository=Repository(registry="registry.example", path=repository), digest=digest)

    async def ask(
        self,
        image: PinnedImage,
        layer: Layer,
        *,
        share: str = "shop",
        seconds: float = PATIENCE,
        size: int | None = None,
    ) -> Digest | Malformed:
        """Ask what a layer of an image contains."""
        descriptor = Descriptor(
            media_type=layer.media_type, digest=layer.digest, size=len(layer.blob) if size is None else size
        )
        deadline = self.clock.monotonic() + seconds
        return await self.inspector.diff_id(image, descriptor, share=share, deadline=deadline)

    async def trouble(self, image: PinnedImage, layer: Layer, **how: object) -> TroubleKind:
        """Ask, and return which trouble there was."""
        with pytest.raises(RegistryTrouble) as caught:
            await self.ask(image, layer, **how)  # type: ignore[arg-type]
        return caught.value.kind

    async def begin(
        self, image: PinnedImage, *layers: Layer, share: str = "shop"
    ) -> list[asyncio.Task[Digest | Malformed]]:
        """Ask about layers one after the other, without waiting for the answers."""
        tasks: list[asyncio.Task[Digest | Malformed]] = []
        for each in layers:
            tasks.append(asyncio.create_task(self.ask(image, each, share=share)))
            await settle()
        return tasks

    def hold(self) -> asyncio.Event:
        """Let the registry wait with its answers until the event is set."""
        self.registry.gate = asyncio.Event()
        return self.registry.gate

    @property
    def read(self) -> int:
        """How many layers were asked for at the registry."""
        return sum(question.startswith("stream_blob") for question in self.registry.asked)


def layer(name: str, compression: Compression = Compression.GZIP, *, size: int = 10) -> Layer:
    """Return a layer with one file."""
    return Layer.of({name: name.encode() * size}, compression=compression)


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def reading() -> AsyncIterator[Reading]:
    """One worker, and room for three that wait."""
    registry, clock = FakeRegistry(), ManualClock()
    async with LayerInspector(
        registry, clock=clock, log=Recorder().log, workers=1, max_waiting=3, max_remembered=2
    ) as inspector:
        yield Reading(inspector, registry, clock)


@pytest.mark.parametrize("compression", list(Compression))
async def test_a_layer_is_read_once_and_remembered(reading: Reading, compression: Compression) -> None:
    """The digest of its content comes from its bytes, and a second question needs no registry."""
    one = layer("one", compression)
    image = reading.push(one)

    assert one.diff_id == await reading.ask(image, one)
    assert one.diff_id == await reading.ask(image, one, seconds=-1)
    assert reading.read == 1


async def test_a_large_layer_is_read_in_batches(reading: Reading) -> None:
    """Pieces are gathered before they go to a thread; nothing is lost at the seams."""
    plain = Layer.of({"large": bytes(3 * BATCH_BYTES)}, compression=Compression.NONE)

    assert plain.diff_id == await reading.ask(reading.push(plain), plain)


async def test_a_layer_that_lies_is_remembered_as_such(reading: Reading) -> None:
    """What the bytes are is a fact, also where they are no layer."""
    broken = Layer(tar=b"", blob=b"garbage", media_type=layer("x").media_type)
    image = reading.push(broken)

    assert isinstance(await reading.ask(image, broken), Malformed)
    assert isinstance(await reading.ask(image, broken), Malformed)
    assert reading.read == 1


async def test_the_media_type_is_part_of_the_question(reading: Reading) -> None:
    """The same bytes under another media type are another layer."""
    one = layer("one")
    image = reading.push(one)
    plain = Layer(tar=one.tar, blob=one.blob, media_type=layer("x", Compression.NONE).media_type)

    assert one.diff_id == await reading.ask(image, one)
    assert isinstance(await reading.ask(image, plain), Malformed)


async def test_a_fact_about_a_layer_holds_in_every_repository(reading: Reading) -> None:
    """The bytes under a digest are the same everywhere, so they are read once."""
    one = layer("one")
    first, second = reading.push(one), reading.push(one, repository="other/app")

    assert one.diff_id == await reading.ask(first, one)
    assert one.diff_id == await reading.ask(second, one)
    assert reading.read == 1


async def test_a_layer_that_was_read_meanwhile_is_not_read_again(reading: Reading) -> None:
    """Of two repositories that wait for the same layer, the second finds it read when its turn comes."""
    one = layer("one")
    first, second = reading.push(one), reading.push(one, repository="other/app")
    answers = await asyncio.gather(*(reading.ask(image, one) for image in (first, second)))

    assert answers == [one.diff_id, one.diff_id]
    assert reading.read == 1


async def test_all_who_ask_at_once_share_one_reading(reading: Reading) -> None:
    """Single flight: many questions about one layer are one question to the registry."""
    one = layer("one")
    image = reading.push(one)
    answers = await asyncio.gather(*(reading.ask(image, one, share=str(n)) for n in range(10)))

    assert answers == [one.diff_id] * 10
    assert reading.read == 1


async def test_a_reading_outlives_the_deadline(reading: Reading) -> None:
    """Who cannot wait is told so; the work goes on, and the next who asks finds it done."""
    one = layer("one")
    image = reading.push(one)
    gate = reading.hold()

    assert await reading.trouble(image, one, seconds=0) is TroubleKind.TIMEOUT
    gate.set()
    assert one.diff_id == await reading.ask(image, one)
    assert reading.read == 1


async def test_a_deadline_is_kept_while_waiting(reading: Reading) -> None:
    """A waiter leaves when its time is up."""
    one = layer("one")
    reading.hold()

    assert await reading.trouble(reading.push(one), one, seconds=0.01) is TroubleKind.TIMEOUT


async def test_trouble_is_told_to_all_and_forgotten(reading: Reading) -> None:
    """Everyone who waits learns it; the next question asks the registry again."""
    one = layer("one")
    image = reading.push(one)
    reading.registry.break_down(TroubleKind.UNREACHABLE, "stream_blob")

    kinds = await asyncio.gather(*(reading.trouble(image, one) for _ in range(2)))
    assert kinds == [TroubleKind.UNREACHABLE, TroubleKind.UNREACHABLE]
    reading.registry.mend()
    assert one.diff_id == await reading.ask(image, one)


async def test_wrong_bytes_are_the_fault_of_the_registry(reading: Reading) -> None:
    """Bytes that do not hash to their digest are no verdict on the layer, whatever they unpack to."""
    one, other = layer("one"), layer("other")
    image = reading.push(one)
    reading.registry.store.overwrite_blob(
        "shop/api", one.digest, other.blob.ljust(len(one.blob), b"?")[: len(one.blob)]
    )

    assert await reading.trouble(image, one) is TroubleKind.WRONG_BYTES


async def test_the_trouble_of_one_repository_is_not_that_of_another(reading: Reading) -> None:
    """A repository that lacks the layer does not answer for one that has it, even when both are asked at once."""
    one = layer("one")
    has, lacks = reading.push(one), reading.push(layer("two"), repository="other/app")

    trouble, answer = await asyncio.gather(reading.trouble(lacks, one), reading.ask(has, one))
    assert trouble is TroubleKind.INCOMPLETE
    assert answer == one.diff_id


async def test_a_layer_beyond_the_limits_is_trouble_and_not_read_again(reading: Reading) -> None:
    """Too large to unpack is neither good nor bad; the limits do not change, so it is remembered."""
    bomb = Layer.of({"zeros": bytes(80_000_000)})
    image = reading.push(bomb)

    assert await reading.trouble(image, bomb) is TroubleKind.TOO_LARGE
    assert await reading.trouble(image, bomb) is TroubleKind.TOO_LARGE
    assert reading.read == 1


async def test_a_layer_that_is_announced_too_large_is_not_fetched(reading: Reading) -> None:
    """The manifest's own word is enough to refuse, and one byte more than it says is not read."""
    one = layer("one")
    image = reading.push(one)

    assert await reading.trouble(image, one, size=MAX_COMPRESSED_BYTES + 1) is TroubleKind.TOO_LARGE
    assert reading.read == 0
    assert await reading.trouble(image, one, size=len(one.blob) - 1) is TroubleKind.TOO_LARGE


async def test_a_reading_that_takes_too_long_ends(reading: Reading) -> None:
    """Each job has its own limit, by the clock of the gate; the port is told about it as well."""
    one = layer("one")
    image = reading.push(one)
    gate = reading.hold()
    waiting = asyncio.create_task(reading.trouble(image, one))
    await settle()
    reading.clock.advance(601)
    gate.set()

    assert await waiting is TroubleKind.TIMEOUT
    assert reading.registry.deadlines[-1] == 1600.0


async def test_a_full_queue_says_so(reading: Reading) -> None:
    """Beyond what may wait, a namespace that holds its part is told that the gate has too much to do."""
    layers = [layer(str(number)) for number in range(5)]
    image = reading.push(*layers)
    gate = reading.hold()
    asked = await reading.begin(image, *layers[:4])

    assert await reading.trouble(image, layers[4]) is TroubleKind.OVERLOADED
    gate.set()
    assert [each.diff_id for each in layers[:4]] == await asyncio.gather(*asked)


async def test_another_namespace_gets_its_turn_in_a_full_queue(reading: Reading) -> None:
    """The greedy namespace loses its newest place to one that holds none, which is served next."""
    layers = [layer(str(number)) for number in range(5)]
    image = reading.push(*layers)
    gate = reading.hold()
    greedy = await reading.begin(image, *layers[:4], share="greedy")
    (modest,) = await reading.begin(image, layers[4], share="modest")
    gate.set()
    answers = await asyncio.gather(*greedy, modest, return_exceptions=True)

    assert isinstance(answers[3], RegistryTrouble)
    assert answers[3].kind is TroubleKind.OVERLOADED
    assert answers[4] == layers[4].diff_id
    order = [question.partition(":")[2] for question in reading.registry.asked]
    assert order.index(str(layers[4].digest)) == 2


async def test_a_layer_that_two_namespaces_want_comes_in_the_sooner_turn(reading: Reading) -> None:
    """Whoever asks for what waits in a long line is not made to stand in it."""
    layers = [layer(str(number)) for number in range(4)]
    image = reading.push(*layers)
    gate = reading.hold()
    greedy = await reading.begin(image, *layers, share="greedy")
    (modest,) = await reading.begin(image, layers[3], share="modest")
    gate.set()
    await asyncio.gather(*greedy, modest)

    order = [question.partition(":")[2] for question in reading.registry.asked]
    assert order.index(str(layers[3].digest)) == 2


async def test_memory_is_bounded(reading: Reading) -> None:
    """What was asked about longest ago is forgotten first."""
    layers = [layer(str(number)) for number in range(3)]
    image = reading.push(*layers)
    for each in (layers[0], layers[1], layers[0], layers[2], layers[0], layers[1]):
        await reading.ask(image, each)

    assert reading.read == 4


class BrokenRegistry(FakeRegistry):
    """A registry with a fault of ours in it."""

    def stream_blob(
        self,
        repository: Repository,  # noqa: ARG002 - the port's signature
        digest: Digest,  # noqa: ARG002 - the port's signature
        *,
        max_bytes: int,  # noqa: ARG002 - the port's signature
        deadline: float,  # noqa: ARG002 - the port's signature
    ) -> AsyncIterator[bytes]:
        """Fail in a way that the port does not know."""
        raise ZeroDivisionError


async def test_our_own_fault_reaches_who_waits() -> None:
    """A fault of ours is not swallowed, does not pass for an answer, and leaves the worker alive."""
    one, recorder = layer("one"), Recorder()
    registry = BrokenRegistry()
    async with LayerInspector(registry, clock=ManualClock(), log=recorder.log, workers=1) as inspector:
        reading = Reading(inspector, registry, ManualClock())
        image = reading.push(one)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await reading.ask(image, one)

    assert [entry["event"] for entry in recorder.logged] == ["layer-not-read"] * 2


async def test_closing_tells_those_who_wait() -> None:
    """Whoever waits, or comes later, is told that the gate has too much to do."""
    registry, one, two = FakeRegistry(), layer("one"), layer("two")
    inspector = LayerInspector(registry, clock=ManualClock(), log=Recorder().log, workers=1)
    reading = Reading(inspector, registry, ManualClock())
    image = reading.push(one, two)
    reading.hold()
    waiting = [asyncio.create_task(reading.trouble(image, each)) for each in (one, two)]
    await settle()
    await inspector.aclose()

    assert await asyncio.gather(*waiting) == [TroubleKind.OVERLOADED, TroubleKind.OVERLOADED]
    assert await reading.trouble(image, one) is TroubleKind.OVERLOADED
