"""Fixes for refused images, story by story: an image is pushed and refused, and what is proposed is tried out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.adapters.given import Recorder
from tests.fakes.registry import FakeRegistry
from tests.shop import HOST, SECONDS, Shop
from webhook.auditing.hints import QUESTION_SECONDS, HintFinder
from webhook.core.auditing.rows import Fix, FixKind, Judged, Seen
from webhook.core.bases.catalog import Status
from webhook.core.manifest_objects import bare_image
from webhook.core.manifests import Platform
from webhook.core.references import Digest, ImageReference, Repository
from webhook.core.verdicts import Decision
from webhook.core.workloads import Workload
from webhook.demo.bases import dhi_base
from webhook.demo.images import ARM64, BuiltImage, BuiltIndex, build, index
from webhook.demo.layers import File
from webhook.examining import Examinations
from webhook.layers import LayerInspector
from webhook.ports import TroubleKind
from webhook.review import World, review

SIGNED = "{pinned: false, signatures: {from: [release]}, base: {maxAge: 60d}}"
NOTHING: Mapping[str, object] = {}
STRICT = "{signatures: {from: [release]}, base: {maxAge: 60d}}"


class Desk:
    """A shop, and a finder of fixes over it. `reviewed` are the images that the finder had judged.

    The finder takes catalog and deadline as they are when it is first used.
    """

    def __init__(self, shop: Shop, examinations: Examinations, layers: LayerInspector) -> None:
        self.shop = shop
        self.reviewed: list[str] = []
        self.has_catalog = True
        self.deadline = shop.clock.monotonic() + 3600
        self._examinations = examinations
        self._layers = layers
        self._finder: HintFinder | None = None

    def tag(self, tag: str, content: BuiltImage | BuiltIndex, *, signed: bool = True, path: str = "shop/api") -> str:
        """Push an image under a tag, signed by the release pipeline or by nobody, and return the reference by tag."""
        self.shop.push(content, *([self.shop.release] if signed else []), repository=path)
        self.shop.registry.store.put_tag(path, tag, content.digest)
        return f"{HOST}/{path}:{tag}"

    def stranger(self, runtime: Mapping[str, object] = NOTHING, *, platform: Platform | None = None) -> BuiltImage:
        """Build an application on no known base, whose config says this of how it runs."""
        files = [{"bin/app": File(content=f"app {runtime} {platform}".encode())}]
        return build(None, files, platform=platform, overrides={"config": {"User": "1000", **runtime}})

    def digest_of(self, tag: str, path: str = "shop/api") -> Digest:
        """Return what a tag points to."""
        stored = self.shop.registry.store.manifest(path, tag)
        assert stored is not None
        return stored.digest

    async def review(self, workload: Workload) -> Decision:
        """Review as an audit does: what one review finds out, the next one knows."""
        world = World(
            registry=self.shop.registry,
            layers=self._layers,
            clock=self.shop.clock,
            catalog=self.shop.catalog if self.has_catalog else None,
            examinations=self._examinations,
        )
        return await review(workload, self.shop.policy, world, deadline=self.shop.clock.monotonic() + SECONDS)

    async def judged(self, image: str, seen: Seen = Seen.SPEC) -> Judged:
        """Have an image judged."""
        return Judged(decision=await self.review(bare_image(image, "shop")), seen=seen)

    async def row(self, *judged: Judged) -> Mapping[str, tuple[Fix, ...]]:
        """Return the fixes for a row."""
        if self._finder is None:
            self._finder = HintFinder(
                registry=self.shop.registry,
                judge=self._judge,
                found_out=self._examinations.about,
                policy=self.shop.policy,
                catalog=self.shop.catalog if self.has_catalog else None,
                clock=self.shop.clock,
                as_of=self.shop.clock.now(),
                deadline=self.deadline,
            )
        return await self._finder.fixes(judged)

    async def fixes(self, image: str) -> tuple[Fix, ...]:
        """Return the fixes for one image."""
        found = await self.row(await self.judged(image))
        assert found.keys() <= {image}
        return found.get(image, ())

    async def only(self, image: str, kind: FixKind) -> Fix | None:
        """Return the one fix of that kind, None if there is none."""
        found = [fix for fix in await self.fixes(image) if fix.kind is kind]
        assert len(found) <= 1
        return next(iter(found), None)

    @property
    def lists(self) -> int:
        """How often tags were listed."""
        return self.shop.registry.asked.count("tags")

    async def _judge(self, workload: Workload) -> Decision:
        self.reviewed += [use.image.written for use in workload.uses]
        return await self.review(workload)


class Forgetful(FakeRegistry):
    """A registry that loses the tag 1.5.0 as soon as it has listed it."""

    async def tags(self, repository: Repository, *, deadline: float) -> tuple[str, ...] | None:
        """Return all tags, for the last time."""
        listed = await super().tags(repository, deadline=deadline)
        self.store.delete_tag(repository.path, "1.5.0")
        return listed


@asynccontextmanager
async def opened(require: str) -> AsyncIterator[Desk]:
    """Open a desk under a policy that requires this."""
    shop = Shop(require=require)
    async with (
        Examinations() as examinations,
        LayerInspector(shop.registry, clock=shop.clock, log=Recorder().log) as layers,
    ):
        yield Desk(shop, examinations, layers)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """Return a desk under a policy that asks for no digest."""
    async with opened(SIGNED) as found:
        yield found


@pytest.fixture
async def strict() -> AsyncIterator[Desk]:
    """Return a desk under a policy that asks for digests too."""
    async with opened(STRICT) as found:
        yield found


class TestBase:
    """Which approved base replaces the present one."""

    async def test_a_base_of_the_same_software(self, desk: Desk) -> None:
        """An image that says it holds Python is proposed the approved Python, and built on that it passes."""
        image = desk.tag("1", desk.stranger({"Env": ["PYTHON_VERSION=3.13.1"]}))

        fix = await desk.only(image, FixKind.BASE)

        assert fix == Fix(
            kind=FixKind.BASE,
            write=f"dhi.io/python:3.13@{desk.shop.base.digest}",
            says="the nearest approved base for `python` 3.13.1",
        )
        assert await desk.shop.codes(desk.tag("2", desk.shop.app())) == []

    async def test_another_version_is_told(self, desk: Desk) -> None:
        """Nobody is moved to another major version unawares."""
        image = desk.tag("1", desk.stranger({"Env": ["PYTHON_VERSION=2.7.18"]}))

        fix = await desk.only(image, FixKind.BASE)

        assert fix is not None
        assert fix.says == "the nearest approved base for `python` 2.7.18: version 3.13, a newer major version"

    async def test_a_stale_base(self, desk: Desk) -> None:
        """The current build of the tag that the image was built on."""
        old = dhi_base(created=desk.shop.clock.now() - timedelta(days=90))
        recorded = desk.shop.record(old)
        aged = replace(recorded, created=desk.shop.clock.now() - timedelta(days=90), status=Status.SUPERSEDED)
        desk.shop.builds += (aged,)
        image = desk.tag("1", desk.shop.app(old))

        fix = await desk.only(image, FixKind.BASE)

        assert fix is not None
        assert fix.write == f"dhi.io/python:3.13@{desk.shop.base.digest}"

    async def test_an_aging_base(self, desk: Desk) -> None:
        """What is only warned about so far has its fix too, and nothing else is looked for."""
        old = dhi_base(created=desk.shop.clock.now() - timedelta(days=50))
        desk.shop.builds += (replace(desk.shop.record(old), created=desk.shop.clock.now() - timedelta(days=50)),)
        image = desk.tag("1", desk.shop.app(old))
        desk.tag("2", desk.shop.app(name="newer"))

        assert [fix.kind for fix in await desk.fixes(image)] == [FixKind.BASE]

    async def test_the_base_is_there_for_every_platform(self, desk: Desk) -> None:
        """An image for two platforms is proposed no base that is on record for one of them only."""
        arm = desk.shop.record(dhi_base(platform=ARM64))
        labels = {"Labels": {"org.opencontainers.image.base.name": "docker.io/library/python:3.13"}}
        both = index([desk.stranger(labels), desk.stranger(labels, platform=ARM64)])
        image = desk.tag("1", both)

        assert await desk.only(image, FixKind.BASE) is None

        async with opened(SIGNED) as other:
            whole = Digest.of(b"index")
            both_recorded = (replace(desk.shop.builds[0], index_digest=whole), replace(arm, index_digest=whole))
            key = replace(arm.verified_by, key_fingerprint=other.shop.docker.fingerprint)
            other.shop.builds = tuple(replace(one, verified_by=key) for one in both_recorded)
            other.tag("1", both)

            fix = await other.only(image, FixKind.BASE)

        assert fix is not None
        assert fix.write == f"dhi.io/python:3.13@{whole}"

    async def test_software_that_is_not_approved(self, desk: Desk) -> None:
        """For what nobody approves a base of, nothing is proposed: the problem itself lists what is approved."""
        assert await desk.fixes(desk.tag("1", desk.stranger({"Env": ["NODE_VERSION=20"]}))) == ()

    async def test_without_a_catalog(self, desk: Desk) -> None:
        """Nothing is known of any base then."""
        desk.has_catalog = False
        image = desk.tag("1", desk.stranger({"Env": ["PYTHON_VERSION=3.13"]}))

        assert await desk.fixes(image) == ()

    async def test_where_nothing_was_found_out(self, desk: Desk) -> None:
        """A decision that another run made brings no evidence along."""
        image = desk.tag("1", desk.stranger({"Env": ["PYTHON_VERSION=3.13"]}))
        decision = await desk.shop.review(image)

        assert await desk.row(Judged(decision=decision)) == {}

    async def test_claims_choose_and_approve_nothing(self, desk: Desk) -> None:
        """An image that names a base of its own choice in every way is proposed an approved base or none."""
        claims = {
            "Env": ["PYTHON_VERSION=3.13", "EVIL_VERSION=9"],
            "Labels": {"org.opencontainers.image.base.name": "evil.example/python:9@sha256:00\x1b[31m"},
        }

        fix = await desk.only(desk.tag("1", desk.stranger(claims)), FixKind.BASE)

        assert fix is not None
        assert fix.write == f"dhi.io/python:3.13@{desk.shop.base.digest}"
        assert "evil" not in fix.says


class TestNewest:
    """Whether the newest tag of the same image would pass."""

    async def test_it_would_pass(self, desk: Desk) -> None:
        """Then it is written whole, and what is written passes."""
        image = desk.tag("1.4.2", desk.shop.app(name="old"), signed=False)
        desk.tag("1.10.0", desk.shop.app(name="new"))
        desk.tag("1.9.0", desk.shop.app(name="middle"))

        fix = await desk.only(image, FixKind.NEWEST)

        written = f"{HOST}/shop/api:1.10.0@{desk.digest_of('1.10.0')}"
        assert fix == Fix(kind=FixKind.NEWEST, write=written, says="the newest tag `1.10.0` would pass")
        assert await desk.shop.codes(fix.write) == []

    async def test_it_would_be_refused_too(self, desk: Desk) -> None:
        """Then it is said why, and nothing is proposed to write."""
        image = desk.tag("1.4.2", desk.shop.app(name="old"), signed=False)
        desk.tag("1.5.0", desk.stranger(), signed=False)

        fix = await desk.only(image, FixKind.NEWEST)

        says = "the newest tag `1.5.0` would be refused too: unsigned, unapproved-base"
        assert fix == Fix(kind=FixKind.NEWEST, write="", says=says)

    async def test_a_tag_that_was_pushed_again(self, desk: Desk) -> None:
        """The newest tag may be the image's own, if it points to other bytes than the digest that is written."""
        old = desk.shop.app(name="old")
        desk.tag("1.4.2", old, signed=False)
        desk.tag("1.4.2", desk.shop.app(name="rebuilt"))
        image = f"{HOST}/shop/api:1.4.2@{old.digest}"

        fix = await desk.only(image, FixKind.NEWEST)

        assert fix is not None
        assert fix.write == f"{HOST}/shop/api:1.4.2@{desk.digest_of('1.4.2')}"

    async def test_a_tag_that_does_not_exist(self, desk: Desk) -> None:
        """Whoever mistyped a tag is shown the newest one."""
        desk.tag("1.5.0", desk.shop.app())

        fix = await desk.only(f"{HOST}/shop/api:1.4.22", FixKind.NEWEST)

        assert fix is not None
        assert fix.says == "the newest tag `1.5.0` would pass"

    async def test_nothing_newer(self, desk: Desk) -> None:
        """Where the image is the newest itself, or nothing is like it, nothing is reviewed or said."""
        newest = desk.tag("1.5.0", desk.shop.app(), signed=False)
        branch = desk.tag("main", desk.shop.app(), signed=False, path="shop/branches")

        assert await desk.fixes(newest) == ()
        assert await desk.fixes(branch) == ()
        assert desk.reviewed == []

    async def test_a_tag_that_went_away(self, desk: Desk) -> None:
        """A tag that is listed and gone by the time it is asked for is no newest tag."""
        image = desk.tag("1.4.2", desk.shop.app(), signed=False)
        desk.tag("1.5.0", desk.shop.app(name="new"))
        desk.shop.registry = Forgetful(desk.shop.registry.store)

        assert await desk.fixes(image) == ()
        assert "resolve:1.5.0" in desk.shop.registry.asked

    @pytest.mark.parametrize("method", ["tags", "resolve"])
    async def test_trouble_is_no_hint(self, desk: Desk, method: str) -> None:
        """A registry that does not answer costs the hint, and nothing else."""
        image = desk.tag("1.4.2", desk.stranger({"Env": ["PYTHON_VERSION=3.13"]}), signed=False)
        desk.tag("1.5.0", desk.shop.app())
        judged = await desk.judged(image)
        desk.shop.registry.break_down(TroubleKind.TIMEOUT, method)

        assert [fix.kind for fix in (await desk.row(judged))[image]] == [FixKind.BASE]

    async def test_what_could_not_be_judged_is_not_said(self, desk: Desk) -> None:
        """Where the registry breaks down under the review of the newest tag, nobody knows whether it would pass."""
        image = desk.tag("1.4.2", desk.shop.app(name="old"), signed=False)
        desk.tag("1.5.0", desk.shop.app(name="new"))
        judged = await desk.judged(image)
        desk.shop.registry.break_down(TroubleKind.TIMEOUT, "manifest")

        assert await desk.row(judged) == {}
        assert len(desk.reviewed) == 1

    async def test_an_unverifiable_image(self, desk: Desk) -> None:
        """A registry that was silent about the image is not asked for its tags."""
        image = desk.tag("1.4.2", desk.shop.app())
        desk.shop.registry.break_down(TroubleKind.TIMEOUT, "manifest")

        assert await desk.fixes(image) == ()
        assert desk.lists == 0

    async def test_each_question_is_asked_once(self, desk: Desk) -> None:
        """Many objects and images of one repository: its tags are listed once, and its newest tag is judged once."""
        images = [desk.tag(f"1.4.{n}", desk.shop.app(name=f"old{n}"), signed=False) for n in range(20)]
        desk.tag("1.5.0", desk.shop.app(name="new"))
        judged = [await desk.judged(image) for image in images]

        rows = await asyncio.gather(*(desk.row(*judged) for _ in range(5)))

        assert all(row.keys() == set(images) and row == rows[0] for row in rows)
        assert desk.lists == 1
        assert len(desk.reviewed) == 1

    async def test_few_repositories_at_once(self, desk: Desk) -> None:
        """However many repositories a run touches, only a few are listed at the same time."""
        images = [desk.tag("1.4.2", desk.shop.app(), signed=False, path=f"shop/app{n}") for n in range(30)]
        judged = [await desk.judged(image) for image in images]
        desk.shop.registry.gate = asyncio.Event()
        finding = asyncio.create_task(desk.row(*judged))
        for _ in range(200):
            await asyncio.sleep(0)

        assert desk.lists == 8
        desk.shop.registry.gate.set()
        await finding
        assert desk.lists == 30

    async def test_every_question_ends_in_time(self, desk: Desk) -> None:
        """No question lasts longer than its share, or than the run."""
        image = desk.tag("1.4.2", desk.shop.app(name="old"), signed=False)
        now = desk.shop.clock.monotonic()
        judged = await desk.judged(image)
        desk.shop.registry.deadlines.clear()
        await desk.row(judged)

        assert desk.shop.registry.deadlines == [now + QUESTION_SECONDS] * 2

    async def test_the_run_ends_the_questions(self, desk: Desk) -> None:
        """A run that is nearly over leaves less time."""
        image = desk.tag("1.4.2", desk.shop.app(name="old"), signed=False)
        judged = await desk.judged(image)
        desk.deadline = desk.shop.clock.monotonic() + 1
        desk.shop.registry.deadlines.clear()
        await desk.row(judged)

        assert set(desk.shop.registry.deadlines) == {desk.deadline}

    async def test_who_gives_up_leaves_the_question_to_others(self, desk: Desk) -> None:
        """A row that is cancelled while it lists tags does not take the hint from the next one."""
        image = desk.tag("1.4.2", desk.shop.app(name="old"), signed=False)
        desk.tag("1.5.0", desk.shop.app(name="new"))
        judged = await desk.judged(image)
        desk.shop.registry.gate = asyncio.Event()
        first, second = (asyncio.create_task(desk.row(judged)) for _ in range(2))
        for _ in range(20):
            await asyncio.sleep(0)
        assert desk.lists == 1
        first.cancel()
        desk.shop.registry.gate.set()

        assert [fix.kind for fix in (await second)[image]] == [FixKind.NEWEST]
        with pytest.raises(asyncio.CancelledError):
            await first


class TestPin:
    """Which digest to pin."""

    async def test_an_unpinned_image(self, strict: Desk) -> None:
        """The digest that was judged, and that it passes; nothing else is looked for."""
        image = strict.tag("1.4.2", strict.shop.app())

        (fix,) = await strict.fixes(image)

        written = f"{HOST}/shop/api:1.4.2@{strict.digest_of('1.4.2')}"
        assert fix == Fix(kind=FixKind.PIN, write=written, says="pins what `1.4.2` points to, which passes")
        assert await strict.shop.codes(fix.write) == []
        assert strict.lists == 0

    async def test_a_digest_that_is_refused_all_the_same(self, strict: Desk) -> None:
        """It is said that the digest alone does not help, after what does."""
        image = strict.tag("1.4.2", strict.shop.app(name="old"), signed=False)
        strict.tag("1.5.0", strict.shop.app(name="new"))

        newest, pin = await strict.fixes(image)

        assert newest.says == "the newest tag `1.5.0` would pass"
        assert pin.says == "pins what `1.4.2` points to, which is refused all the same: unsigned"

    async def test_a_tag_that_moved(self, desk: Desk) -> None:
        """Both what the tag points to now and what still runs can be pinned, each with how it fares."""
        old = desk.shop.app(name="old")
        desk.shop.push(old, desk.shop.release)
        image = desk.tag("1.4.2", desk.shop.app(name="new"), signed=False)
        other = desk.tag("1", desk.shop.app(name="other"), path="shop/other")
        running = f"{image}@{old.digest}"

        found = await desk.row(
            await desk.judged(image), await desk.judged(other), await desk.judged(running, Seen.RUNNING)
        )

        assert {written: [(fix.write, fix.says) for fix in fixes] for written, fixes in found.items()} == {
            image: [
                (
                    f"{image}@{desk.digest_of('1.4.2')}",
                    "pins what `1.4.2` points to, which is refused all the same: unsigned",
                )
            ],
            running: [(running, "pins what runs, which passes")],
        }

    async def test_a_pinned_image_needs_no_pin(self, desk: Desk) -> None:
        """Where a node runs other bytes than the digest that is written, only what runs is news."""
        old, new = desk.shop.app(name="old"), desk.shop.app(name="new")
        desk.shop.push(old, desk.shop.release)
        image = desk.tag("1.4.2", new)

        found = await desk.row(
            await desk.judged(f"{image}@{new.digest}"), await desk.judged(f"{image}@{old.digest}", Seen.RUNNING)
        )

        assert found.keys() == {f"{image}@{old.digest}"}


async def test_what_passes_needs_no_fix(desk: Desk) -> None:
    """Nothing is asked for an image with which nothing is wrong, nor for what is no image."""
    image = desk.tag("1.4.2", desk.shop.app())
    desk.tag("1.5.0", desk.shop.app(name="new"))

    assert await desk.fixes(image) == ()
    assert await desk.fixes("no image") == ()
    assert desk.lists == 0


async def test_two_containers_with_one_image_have_one_set_of_fixes(strict: Desk) -> None:
    """The same image in two places of an object is mended once."""
    image = strict.tag("1.4.2", strict.shop.app(), signed=False)
    workload = bare_image(image, "shop")
    (use,) = workload.uses
    twice = replace(workload, uses=(use, replace(use, container="second")))
    assert isinstance(use.image, ImageReference)

    found = await strict.row(Judged(decision=await strict.review(twice)))

    assert [fix.kind for fix in found[image]] == [FixKind.PIN]
