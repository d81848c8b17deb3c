"""Keeping the catalog: every verified build is recorded, nothing unverified ever is, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.core.given import digest, policy
from tests.fakes.clock import ManualClock
from tests.fakes.registry import FakeRegistry
from webhook.core.bases.approval import approved
from webhook.core.bases.catalog import BaseBuild, Catalog, Status
from webhook.core.bases.changes import revoke
from webhook.core.bases.document import parse_catalog, print_catalog, seal
from webhook.core.bases.identity import Unfit
from webhook.core.facts import Trouble
from webhook.core.policy import ApprovedBase, KeyAuthority, Policy
from webhook.core.references import Digest, Glob, ImageReference, Repository
from webhook.core.signatures.keys import load_public_keys
from webhook.demo.bases import dhi_base, dhi_index
from webhook.demo.images import AMD64, ARM64, BuiltImage, BuiltIndex, build, push
from webhook.demo.layers import EMPTY_TAR, Layer
from webhook.demo.signer import Forgery, Signer
from webhook.ports import TroubleKind
from webhook.sync import Enrolment, RepositoryReport, SyncResult, enrol, sync

PYTHON = Repository.parse("dhi.io/python")
NODE = Repository.parse("dhi.io/node")
MIRROR = Repository.parse("registry.example/mirror/dhi-python")
OTHER_MIRROR = Repository.parse("cache.example/other/python")
DAY = timedelta(days=1)
SECONDS = 900.0
DOCKER, STRANGER = Signer.generate(), Signer.generate()


def authority(*signers: Signer, name: str = "docker-dhi") -> KeyAuthority:
    """Return somebody in the policy who holds the keys of these."""
    keys = tuple(key for signer in signers for key in load_public_keys(signer.public_pem.encode()))
    return KeyAuthority(name=name, keys=keys)


class Docker:
    """Publishes hardened images, and syncs a catalog with what is published."""

    def __init__(self) -> None:
        self.registry = FakeRegistry()
        self.clock = ManualClock()
        self.catalog: Catalog | None = None
        self.policy = policy(
            authorities=(authority(DOCKER), authority(STRANGER, name="stranger")),
            bases=(ApprovedBase(repository=PYTHON, tags=(Glob("3.13*"),), signed_by=("docker-dhi",)),),
        )

    def mirrored(self, *mirrors: Repository) -> Policy:
        """Return the policy with mirrors of its one base."""
        return replace(self.policy, bases=(replace(self.policy.bases[0], mirrors=mirrors),))

    def publish(
        self,
        content: BuiltImage | BuiltIndex,
        *tags: str,
        to: Repository = PYTHON,
        by: Signer | None = DOCKER,
        forgery: Forgery | None = None,
    ) -> Digest:
        """Push a base, sign it as Docker does, and let tags point to it."""
        pushed = push(self.registry.store, to.path, content)
        for tag in tags:
            self.registry.store.put_tag(to.path, tag, pushed)
        if by is not None:
            by.sign_oci11(self.registry.store, to.path, pushed, forgery=forgery or Forgery())
        return pushed

    def base(self, age: int = 3, **options: object) -> BuiltIndex:
        """Make a base for two platforms, `age` days old by the present clock."""
        created = self.clock.now() - age * DAY
        images = [dhi_base(created=created, platform=platform, **options) for platform in (AMD64, ARM64)]  # type: ignore[arg-type]
        return dhi_index(images)

    async def sync(self, policy: Policy | None = None, *, allow_shrink: bool = False) -> RepositoryReport:
        """Sync, keep the result as a file would, and return the report of the first repository."""
        return (await self.sync_all(policy, allow_shrink=allow_shrink)).reports[0]

    async def sync_all(self, policy: Policy | None = None, *, allow_shrink: bool = False) -> SyncResult:
        """Sync, and keep the result as a file would."""
        result = await sync(
            self.catalog,
            policy or self.policy,
            self.registry,
            self.clock,
            deadline=self.clock.monotonic() + SECONDS,
            allow_shrink=allow_shrink,
        )
        self.catalog = parse_catalog(print_catalog(result.catalog))
        assert self.catalog == result.catalog
        return result

    async def enrol(self, text: str, policy: Policy | None = None) -> Enrolment | Unfit | Trouble:
        """Add one build, and keep the result if there is one."""
        found = await enrol(
            self.catalog,
            policy or self.policy,
            self.registry,
            self.clock,
            image=ImageReference.parse(text),
            deadline=self.clock.monotonic() + SECONDS,
        )
        if isinstance(found, Enrolment):
            self.catalog = parse_catalog(print_catalog(found.catalog))
        return found

    @property
    def builds(self) -> tuple[BaseBuild, ...]:
        """What is on record."""
        return self.catalog.builds if self.catalog else ()

    def state(self, of: BuiltIndex | BuiltImage) -> Status | None:
        """Return the status that all platforms of a base have, None if it is not on record."""
        found = {build.status for build in self.builds if build.root == of.digest}
        return found.pop() if len(found) == 1 else None


@pytest.fixture
def docker() -> Docker:
    """Return an empty registry and no catalog."""
    return Docker()


def whys(report: RepositoryReport) -> dict[str, str]:
    """Return why each tag was skipped."""
    return {skip.tag: skip.why for skip in report.skipped}


async def test_every_platform_of_every_tag_is_recorded(docker: Docker) -> None:
    """A verified index gives one record per platform, with all its tags and what its config says."""
    index = docker.base()
    docker.publish(index, "3.13", "3.13-debian13")
    result = await docker.sync_all()

    assert result.complete
    assert result.catalog.synced_at == docker.clock.now()
    assert (len(result.reports[0].recorded), result.reports[0].unchanged, result.reports[0].skipped) == (2, 0, ())
    image = index.children[0].image
    (amd64,) = (build for build in docker.builds if build.platform == AMD64)
    assert (PYTHON, ("3.13", "3.13-debian13"), index.digest, image.digest, image.config_digest) == (
        amd64.repository,
        amd64.tags,
        amd64.index_digest,
        amd64.digest,
        amd64.config_digest,
    )
    assert (image.layer_digests, image.diff_ids, image.chain_id) == (amd64.layers, amd64.diff_ids, amd64.chain_id)
    assert (amd64.variant, amd64.distro, amd64.fips, amd64.user) == ("runtime", "debian-13", False, "65532")
    assert (docker.clock.now() - 3 * DAY, Status.ACTIVE) == (amd64.created, amd64.status)
    assert ("docker-dhi", DOCKER.fingerprint) == (amd64.verified_by.authority, amd64.verified_by.key_fingerprint)
    assert all(approved(build, docker.policy) for build in docker.builds)


async def test_a_single_manifest_is_a_base_too(docker: Docker) -> None:
    """Without an index the manifest itself is what is signed."""
    image = dhi_base()
    docker.publish(image, "3.13")
    await docker.sync()

    assert [(None, image.digest)] == [(build.index_digest, build.digest) for build in docker.builds]


async def test_two_children_for_one_platform_are_both_recorded(docker: Docker) -> None:
    """An index may offer a platform twice; each child is a record of its own, the same child only one."""
    one, two = dhi_base(), dhi_base(created=docker.clock.now() - 9 * DAY)
    index = dhi_index([one, two, one])
    docker.publish(index, "3.13")
    await docker.sync()

    assert {one.digest, two.digest} == {build.digest for build in docker.builds}
    assert docker.state(index) is Status.ACTIVE


async def test_unapproved_and_development_builds_are_recorded_as_such(docker: Docker) -> None:
    """They must be found by the longest match, and approve nothing."""
    docker.publish(docker.base(version="3.12"), "3.12")
    docker.publish(docker.base(variant="dev"), "3.13-dev")
    await docker.sync()

    assert {(("3.12",), "runtime", False), (("3.13-dev",), "dev", True)} == {
        (build.tags, build.variant, approved(build, docker.policy)) for build in docker.builds
    }


async def test_a_second_sync_asks_once_per_tag(docker: Docker) -> None:
    """What is on record by a key that still counts is not fetched again; that it was seen is noted."""
    docker.publish(docker.base(), "3.13", "3.13-debian13")
    await docker.sync()
    docker.registry.asked.clear()
    docker.clock.advance(3600)
    report = await docker.sync()

    assert sorted(docker.registry.asked) == ["resolve:3.13", "resolve:3.13-debian13", "tags"]
    assert (len(report.recorded), report.unchanged, report.trouble) == (0, 2, None)
    assert {docker.clock.now()} == {build.last_seen for build in docker.builds}


async def test_signature_tags_are_no_bases(docker: Docker) -> None:
    """A tag of the form `sha256-…` is where the signature lies: it is neither recorded nor skipped."""
    index = docker.base()
    docker.publish(index, "3.13", by=None)
    DOCKER.sign_classic(docker.registry.store, PYTHON.path, index.digest)
    report = await docker.sync()

    assert (len(report.recorded), report.skipped) == (2, ())
    assert {("3.13",)} == {build.tags for build in docker.builds}


@pytest.mark.parametrize(
    ("by", "forgery", "why"),
    [
        (None, Forgery(), "it is not signed by docker-dhi"),
        (STRANGER, Forgery(), "it is signed, but not by docker-dhi"),
        (DOCKER, Forgery(digest=digest("another image")), "a signature by docker-dhi does not hold"),
        (DOCKER, Forgery(flipped=True), "it is signed, but not by docker-dhi"),
    ],
)
async def test_what_does_not_verify_is_skipped(docker: Docker, by: Signer | None, forgery: Forgery, why: str) -> None:
    """An unsigned, foreign, misplaced or broken signature records nothing, and is no failure of the repository."""
    docker.publish(docker.base(), "3.13", by=by, forgery=forgery)
    result = await docker.sync_all()

    assert docker.builds == ()
    assert why in whys(result.reports[0])["3.13"]
    assert result.complete


async def test_a_signature_on_a_platform_is_none_on_the_index(docker: Docker) -> None:
    """What a tag points to must be signed itself: an index may be put together by anyone."""
    index = docker.base()
    docker.publish(index, "3.13", by=None)
    for child in index.children:
        DOCKER.sign_oci11(docker.registry.store, PYTHON.path, child.image.digest)

    assert "not signed" in whys(await docker.sync())["3.13"]


@pytest.mark.parametrize(
    ("options", "tag", "why"),
    [
        ({"name": "node"}, "3.13", "its name is `dhi/node`"),
        ({"version": "3.12"}, "3.13", "its version is `3.12.9-debian13`"),
        ({"variant": "dev"}, "3.13", "its variant is `dev`"),
        ({"age": -1}, "3.13", "created in the future"),
    ],
)
async def test_a_base_must_be_what_its_tag_says(docker: Docker, options: dict[str, int], tag: str, why: str) -> None:
    """Another image, an old version under a newer tag, or a date in the future: signed, and refused all the same."""
    docker.publish(docker.base(**options), tag)

    assert why in whys(await docker.sync())[tag]
    assert docker.builds == ()


async def test_only_the_tags_that_fit_are_recorded(docker: Docker) -> None:
    """A build under a right and a wrong tag is recorded under the right one."""
    docker.publish(docker.base(), "3.13", "3.14")
    report = await docker.sync()

    assert {("3.13",)} == {build.tags for build in docker.builds}
    assert {"3.14"} == set(whys(report))


async def test_one_bad_platform_spoils_the_base(docker: Docker) -> None:
    """An index with a child that is not the base it claims is not recorded at all."""
    docker.publish(dhi_index([dhi_base(), dhi_base("node", platform=ARM64)]), "3.13")

    assert whys(await docker.sync())["3.13"].startswith("linux/arm64: its name is")
    assert docker.builds == ()


async def test_hollow_and_malformed_bases_are_refused(docker: Docker) -> None:
    """Every image would stand on an empty layer; what is not well formed is nothing."""
    empty = Layer(tar=EMPTY_TAR, blob=EMPTY_TAR, media_type="application/vnd.oci.image.layer.v1.tar")
    docker.publish(build(None, [empty]), "hollow")
    docker.publish(build(None, [{"a": b""}], overrides={"rootfs": {"type": "layers", "diff_ids": []}}), "malformed")
    report = await docker.sync()

    assert "no layer that holds anything" in whys(report)["hollow"]
    assert "not well formed" in whys(report)["malformed"]


async def test_a_base_of_the_company_needs_no_labels(docker: Docker) -> None:
    """Its variant comes from the tag, its age from the config."""
    docker.publish(build(None, [{"etc/a": b""}], created=docker.clock.now() - DAY), "1.2")
    docker.publish(build(None, [{"etc/b": b""}]), "1.2-dev")
    await docker.sync()

    assert {build.tags[0]: build.variant for build in docker.builds} == {"1.2": "runtime", "1.2-dev": "dev"}


async def test_a_rebuilt_base_supersedes_the_former_one(docker: Docker) -> None:
    """The tag moves on: both builds are on record, the former one superseded from now on."""
    former, latter = docker.base(age=9), docker.base(age=1)
    docker.publish(former, "3.13")
    await docker.sync()
    docker.publish(latter, "3.13")
    docker.clock.advance(3600)
    report = await docker.sync()

    assert (len(report.recorded), report.skipped) == (2, ())
    assert (docker.state(former), docker.state(latter)) == (Status.SUPERSEDED, Status.ACTIVE)
    assert {docker.clock.now()} == {b.superseded_at for b in docker.builds if b.root == former.digest}


async def test_an_old_build_replayed_under_its_tag_changes_nothing(docker: Docker) -> None:
    """A mirror that turns a tag back does not turn back the catalog, and it is said."""
    former, latter = docker.base(age=9), docker.base(age=1)
    docker.publish(latter, "3.13")
    await docker.sync()
    docker.publish(former, "3.13")
    result = await docker.sync_all()

    assert (docker.state(former), docker.state(latter)) == (Status.SUPERSEDED, Status.ACTIVE)
    assert "older build" in whys(result.reports[0])["3.13"]
    assert result.complete


async def test_a_known_build_under_another_tag_is_held_against_it(docker: Docker) -> None:
    """A build on record is not approved by being tagged anew: its labels must fit that tag as well."""
    index = docker.base(version="3.12")
    docker.publish(index, "3.12")
    await docker.sync()
    docker.registry.store.put_tag(PYTHON.path, "3.13", index.digest)
    docker.registry.store.put_tag(PYTHON.path, "3", index.digest)
    report = await docker.sync()

    assert {"3.13"} == set(whys(report))
    assert {("3", "3.12")} == {build.tags for build in docker.builds}


async def test_a_tag_that_moves_to_something_unverified_keeps_its_build(docker: Docker) -> None:
    """Whoever can move a tag cannot take the verified build away by that."""
    index = docker.base()
    docker.publish(index, "3.13")
    await docker.sync()
    docker.publish(docker.base(age=1), "3.13", by=STRANGER)
    report = await docker.sync()

    assert {"3.13"} == set(whys(report))
    assert docker.state(index) is Status.ACTIVE


async def test_a_key_that_left_the_policy_is_asked_for_again(docker: Docker) -> None:
    """After a rotation the known builds are verified anew, and keep counting if the new key signed them too."""
    renewed = Signer.generate()
    index, abandoned = docker.base(), docker.base(version="3.12")
    docker.publish(index, "3.13")
    docker.publish(abandoned, "3.12")
    await docker.sync()
    renewed.sign_oci11(docker.registry.store, PYTHON.path, index.digest)
    rotated = replace(docker.policy, authorities=(authority(renewed),))
    report = await docker.sync(rotated)

    assert {renewed.fingerprint} == {
        build.verified_by.key_fingerprint for build in docker.builds if build.root == index.digest
    }
    assert {"3.12"} == set(whys(report))
    assert docker.state(abandoned) is Status.ACTIVE
    assert not any(approved(build, rotated) for build in docker.builds if build.root == abandoned.digest)


async def test_a_revoked_chain_is_born_revoked(docker: Docker) -> None:
    """The same layers under another index are the same chain, and a sync never lifts a revocation."""
    first = dhi_base()
    docker.publish(first, "3.13")
    await docker.sync()
    assert docker.catalog is not None
    revoked = revoke(docker.builds, first.chain_id, reason="CVE-2026-1")
    docker.catalog = seal(policy="production", synced_at=docker.clock.now(), builds=revoked)
    docker.publish(dhi_index([first]), "3.13")
    await docker.sync(allow_shrink=True)

    assert [(build.status, build.reason) for build in docker.builds] == [(Status.REVOKED, "CVE-2026-1")] * 2


async def test_a_repository_that_cannot_be_asked_keeps_its_records(docker: Docker) -> None:
    """It is reported as failed, the catalog stays as old as it was, and the other repositories go on."""
    docker.publish(docker.base(), "3.13")
    await docker.sync()
    before, synced_at = docker.builds, docker.clock.now()
    docker.clock.advance(3600)
    docker.registry.break_down(TroubleKind.UNREACHABLE)
    result = await docker.sync_all()

    assert not result.complete
    assert result.reports[0].trouble is not None
    assert (before, synced_at) == (docker.builds, result.catalog.synced_at)


@pytest.mark.parametrize("method", ["resolve", "referrers", "manifest", "blob"])
async def test_trouble_with_a_tag_fails_the_repository(docker: Docker, method: str) -> None:
    """Not to know is never to skip: whatever could not be asked is a failure, and says nothing about the base."""
    docker.publish(docker.base(), "3.13")
    docker.registry.break_down(TroubleKind.TIMEOUT, method)
    report = await docker.sync()

    assert report.trouble is not None
    assert report.skipped == ()
    assert docker.builds == ()


async def test_a_verified_base_that_is_not_complete_is_trouble(docker: Docker) -> None:
    """A config that the registry has lost may come back: nothing is known about the base until then."""
    image = dhi_base()
    docker.publish(image, "3.13")
    docker.registry.store.delete_blob(PYTHON.path, image.config_digest)
    report = await docker.sync()

    assert report.trouble is not None
    assert report.skipped == ()


async def test_a_repository_that_is_not_there_has_failed(docker: Docker) -> None:
    """An absent repository is no empty one."""
    report = await docker.sync()

    assert report.trouble == Trouble(doing="listing tags", where="dhi.io", why="there is no dhi.io/python")


async def test_a_policy_without_bases_is_no_success(docker: Docker) -> None:
    """Nothing to read is not everything read."""
    assert not (await docker.sync_all(replace(docker.policy, bases=()))).complete


async def test_a_mirror_gives_content_and_signatures(docker: Docker) -> None:
    """What is read from a mirror is recorded under the canonical name; the canonical place is not asked."""
    index = docker.base()
    docker.publish(index, "3.13", to=MIRROR)
    report = await docker.sync(docker.mirrored(MIRROR))

    assert (report.source, report.trouble) == (MIRROR, None)
    assert {(PYTHON, index.digest)} == {(build.repository, build.root) for build in docker.builds}


async def test_places_are_tried_in_order(docker: Docker) -> None:
    """A mirror that has nothing is passed over: the next one, and at last the repository itself."""
    docker.publish(docker.base(), "3.13", to=PYTHON)
    report = await docker.sync(docker.mirrored(MIRROR, OTHER_MIRROR))

    assert (report.source, report.trouble) == (PYTHON, None)


async def test_a_mirror_that_anyone_can_push_to_adds_nothing(docker: Docker) -> None:
    """Only what carries the signature of the base's own authority is recorded, wherever it lies."""
    docker.publish(docker.base(), "3.13", to=MIRROR, by=STRANGER)

    assert {"3.13"} == set(whys(await docker.sync(docker.mirrored(MIRROR))))


async def test_a_sudden_shrink_stops_the_repository(docker: Docker) -> None:
    """More than a tenth of the tags without an active build: nothing is changed, unless it is permitted."""
    for minor in range(10):
        docker.publish(docker.base(version=f"3.{minor}"), f"3.{minor}")
    await docker.sync()
    for minor in range(2):
        docker.registry.store.delete_tag(PYTHON.path, f"3.{minor}")
    before = docker.builds
    report = await docker.sync()

    assert report.trouble is not None
    assert "4 of 20" in report.trouble.why
    assert before == docker.builds
    assert (await docker.sync(allow_shrink=True)).trouble is None
    assert sum(build.status is Status.SUPERSEDED for build in docker.builds) == 4


async def test_a_tenth_may_go(docker: Docker) -> None:
    """A tag that is given up is no alarm; its build stays on record."""
    for minor in range(10):
        docker.publish(docker.base(version=f"3.{minor}"), f"3.{minor}")
    await docker.sync()
    docker.registry.store.delete_tag(PYTHON.path, "3.0")
    report = await docker.sync()

    assert report.trouble is None
    assert (len(docker.builds), sum(build.status is Status.SUPERSEDED for build in docker.builds)) == (20, 2)


async def test_entries_of_one_repository_are_visited_once(docker: Docker) -> None:
    """Two entries with other tags and signers are one repository; either signer may have signed."""
    two = replace(docker.policy.bases[0], tags=(Glob("3.12"),), signed_by=("stranger",))
    docker.publish(docker.base(), "3.13")
    docker.publish(docker.base(version="3.12"), "3.12", by=STRANGER)
    result = await docker.sync_all(replace(docker.policy, bases=(*docker.policy.bases, two)))

    assert len(result.reports) == 1
    assert len(docker.builds) == 4


async def test_progress_is_told(docker: Docker) -> None:
    """Every step is counted: a tag resolved, a base read."""
    docker.publish(docker.base(), "3.13", "3")
    told: list[tuple[Repository, int, int]] = []
    await sync(
        None,
        docker.policy,
        docker.registry,
        docker.clock,
        deadline=docker.clock.monotonic() + SECONDS,
        on_progress=lambda *step: told.append(step),
    )

    assert told == [(PYTHON, 1, 2), (PYTHON, 2, 2), (PYTHON, 3, 3)]


async def test_one_question_does_not_take_all_the_time(docker: Docker) -> None:
    """Each question gets a minute at most, and never more than the run has left."""
    docker.publish(docker.base(), "3.13")
    await docker.sync()

    assert {docker.clock.monotonic() + 60} == set(docker.registry.deadlines)


async def test_an_older_build_is_enrolled_by_digest(docker: Docker) -> None:
    """Verified like the rest, under the exact version that its labels name, and superseded from the first day."""
    former, latter = docker.base(age=90), docker.base(age=1)
    docker.publish(former)
    docker.publish(latter, "3.13")
    await docker.sync()
    first_sight, synced_at = docker.clock.now(), docker.clock.now()
    docker.clock.advance(3600)
    found = await docker.enrol(f"dhi.io/python@{former.digest}")

    assert isinstance(found, Enrolment)
    assert {AMD64, ARM64} == {build.platform for build in found.builds}
    assert {("3.13.9-debian13",)} == {build.tags for build in found.builds}
    assert {(Status.SUPERSEDED, first_sight)} == {(build.status, build.superseded_at) for build in found.builds}
    assert all(approved(build, docker.policy) for build in found.builds)
    assert found.catalog.synced_at == synced_at
    assert docker.state(latter) is Status.ACTIVE


async def test_a_base_can_be_enrolled_under_a_written_tag(docker: Docker) -> None:
    """The tag must fit the labels, as one found by a sync must."""
    index = docker.base()
    docker.publish(index)
    found = await docker.enrol(f"dhi.io/python:3.13@{index.digest}")

    assert isinstance(found, Enrolment)
    assert {("3.13",)} == {build.tags for build in found.builds}
    assert isinstance(await docker.enrol(f"dhi.io/python:3.14@{index.digest}"), Unfit)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"dhi.io/node@{digest('x')}", "the policy lists no base dhi.io/node"),
        ("dhi.io/python:3.13", "it has no digest"),
        (f"dhi.io/python@{digest('x')}", "it is not signed"),
    ],
)
async def test_what_cannot_be_enrolled(docker: Docker, text: str, why: str) -> None:
    """Only a digest of a listed base that can be verified is added."""
    found = await docker.enrol(text)

    assert isinstance(found, Unfit)
    assert why in found.why
    assert docker.catalog is None


async def test_a_base_whose_labels_name_no_tag_needs_one(docker: Docker) -> None:
    """Without a tag nothing could ever approve it."""
    plain, odd = build(None, [{"a": b""}]), build(None, [{"b": b""}], labels={"com.docker.dhi.version": "3/13"})
    for image in (plain, odd):
        docker.publish(image)
        found = await docker.enrol(f"dhi.io/python@{image.digest}")
        assert isinstance(found, Unfit)
        assert "tag must be written" in found.why


async def test_enrolling_tries_all_places_and_tells_of_the_first(docker: Docker) -> None:
    """A mirror may have kept what the repository no longer has; trouble is told as such."""
    index = docker.base()
    docker.publish(index, to=OTHER_MIRROR)
    wide = docker.mirrored(MIRROR, OTHER_MIRROR)
    assert isinstance(await docker.enrol(f"dhi.io/python@{index.digest}", wide), Enrolment)

    docker.registry.break_down(TroubleKind.TIMEOUT)
    assert isinstance(await docker.enrol(f"dhi.io/python@{index.digest}", wide), Trouble)


async def test_a_signed_base_that_is_gone_is_skipped(docker: Docker) -> None:
    """A tag may point to what the registry has lost: nothing to record, and no trouble."""
    index = docker.base()
    docker.publish(index, "3.13")
    signed = docker.registry.store.manifest(PYTHON.path, index.digest)
    assert signed is not None
    docker.registry.store.delete_manifest(PYTHON.path, index.digest)
    docker.registry.store.put_tag(PYTHON.path, "3.13", index.digest)
    found = await docker.enrol(f"dhi.io/python@{index.digest}")

    assert Unfit(why="the registry does not have it") == found
