"""From the publication of a base to the verdict on an image built on it: rebuilt, re-tagged, mirrored, revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.shop import Shop
from webhook.core.bases.changes import revoke
from webhook.core.policy import Policy
from webhook.core.references import Digest, Repository
from webhook.demo.bases import dhi_base
from webhook.demo.images import BuiltImage, build, push
from webhook.demo.layers import EMPTY_TAR, Compression, Layer
from webhook.demo.signer import Signer
from webhook.demo.variations import recompressed, with_forged_diff_ids
from webhook.sync import RepositoryReport, sync

MIRROR = Repository.parse("registry.example/mirror/dhi-python")
DAY = timedelta(days=1)


class Story(Shop):
    """A shop whose catalog is what a sync makes of what is published, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.builds = ()

    def publish(self, image: BuiltImage, *tags: str, to: str = "python", by: Signer | None = None) -> Digest:
        """Push a base under tags, signed by Docker unless somebody else is named."""
        digest = push(self.registry.store, to, image)
        for tag in tags:
            self.registry.store.put_tag(to, tag, digest)
        (by or self.docker).sign_oci11(self.registry.store, to, digest)
        return digest

    async def sync(self, policy: Policy | None = None) -> RepositoryReport:
        """Bring the catalog up to date."""
        catalog = self.catalog if self.builds else None
        deadline = self.clock.monotonic() + 60
        result = await sync(catalog, policy or self.policy, self.registry, self.clock, deadline=deadline)
        self.builds = result.catalog.builds
        return result.reports[0]

    async def verdict(self, base: BuiltImage) -> Sequence[str]:
        """Build an application on a base, release it, and return the reason codes."""
        return await self.codes(self.push(self.app(base), self.release))


@pytest.fixture
def story() -> Story:
    """Return a fresh world with an empty catalog."""
    return Story()


async def test_an_image_on_a_published_base_is_admitted(story: Story) -> None:
    """Synced, verified, approved: nothing to object."""
    story.publish(story.base, "3.13")
    await story.sync()

    assert await story.verdict(story.base) == []


async def test_an_image_on_the_former_build_is_admitted(story: Story) -> None:
    """A rebuilt base leaves its former build valid until age or lag end it."""
    latter = dhi_base(created=story.clock.now() - DAY)
    story.publish(story.base, "3.13")
    await story.sync()
    story.publish(latter, "3.13")
    await story.sync()

    assert await story.verdict(story.base) == []
    assert await story.verdict(latter) == []


async def test_lag_counts_from_the_newer_build(story: Story) -> None:
    """An image on a superseded build is stale as soon as the newer one was there for longer than the rule admits."""
    strict = story.policy_that("{signatures: {from: [release]}, base: {maxLag: 14d}}")
    story.publish(story.base, "3.13")
    await story.sync()
    story.publish(dhi_base(created=story.clock.now() - DAY), "3.13")
    await story.sync()
    image = story.push(story.app(), story.release)

    story.clock.advance(13 * DAY.total_seconds())
    assert await story.codes(image, policy=strict) == []
    story.clock.advance(2 * DAY.total_seconds())
    assert await story.codes(image, policy=strict) == ["stale-base"]


async def test_a_build_under_an_unapproved_tag_only_is_not_approved(story: Story) -> None:
    """Re-tagged upstream: once it is seen under an approved tag, it counts."""
    story.publish(story.base, "3")
    await story.sync()
    assert await story.verdict(story.base) == ["unapproved-base"]

    story.publish(story.base, "3", "3.13")
    await story.sync()
    assert await story.verdict(story.base) == []


async def test_a_former_version_under_a_newer_tag_is_not_approved(story: Story) -> None:
    """A signed old build that somebody tags as the approved version is refused at the sync."""
    old = dhi_base(version="3.12", created=story.clock.now() - DAY)
    story.publish(old, "3.13")
    report = await story.sync()

    assert [skip.tag for skip in report.skipped] == ["3.13"]
    assert await story.verdict(old) == ["unapproved-base"]


async def test_a_development_base_does_not_pass_as_the_runtime_base_inside_it(story: Story) -> None:
    """Shared layers: the longest match decides, although the runtime layers are approved."""
    dev = dhi_base(variant="dev", created=story.clock.now() - 3 * DAY)
    story.publish(story.base, "3.13")
    story.publish(dev, "3.13-dev")
    await story.sync()

    assert dev.diff_ids[:3] == story.base.diff_ids
    assert await story.verdict(dev) == ["wrong-variant", "runs-as-root"]


async def test_an_image_built_on_a_mirror_is_admitted(story: Story) -> None:
    """A faithful mirror serves the same bytes; the base is recorded under its canonical name."""
    mirrored = replace(story.policy, bases=(replace(story.policy.bases[0], mirrors=(MIRROR,)),))
    story.publish(story.base, "3.13", to=MIRROR.path)
    report = await story.sync(mirrored)

    assert report.source == MIRROR
    assert await story.verdict(story.base) == []


async def test_a_converting_mirror_is_no_obstacle(story: Story) -> None:
    """An image on a recompressed copy of the base is read once, and proven by its content."""
    story.publish(story.base, "3.13")
    await story.sync()

    assert await story.verdict(recompressed(story.base, to=Compression.GZIP)) == []


async def test_a_base_pushed_to_the_mirror_by_others_is_not_approved(story: Story) -> None:
    """Whoever can push to a mirror can tag what they like; without Docker's signature it is nothing."""
    mirrored = replace(story.policy, bases=(replace(story.policy.bases[0], mirrors=(MIRROR,)),))
    story.publish(story.base, "3.13", to=MIRROR.path, by=story.sandbox)
    await story.sync(mirrored)

    assert await story.verdict(story.base) == ["unapproved-base"]


async def test_a_revoked_chain_is_refused_under_every_name(story: Story) -> None:
    """A later recording of the same layers, under another manifest and tag, is revoked as well."""
    story.publish(story.base, "3.13")
    await story.sync()
    story.builds = revoke(story.builds, story.base.chain_id, reason="CVE-2026-1")
    again = build(story.base, [], labels={"com.docker.dhi.title": "again"})
    story.publish(again, "3.13", "3.13.9")
    await story.sync()

    assert await story.verdict(again) == ["revoked-base"]


async def test_an_empty_base_is_nobodys(story: Story) -> None:
    """A signed base without content would be below every image: it is not recorded."""
    empty = Layer(tar=EMPTY_TAR, blob=EMPTY_TAR, media_type="application/vnd.oci.image.layer.v1.tar")
    hollow = build(None, [empty], user="65532")
    story.publish(hollow, "3.13")
    await story.sync()

    assert story.builds == ()
    assert await story.verdict(hollow) == ["unapproved-base"]


async def test_claimed_layers_that_are_not_there_are_refused(story: Story) -> None:
    """A config that merely claims the diff IDs of the base is malformed once its layers have been read."""
    story.publish(story.base, "3.13")
    await story.sync()
    evil = build(None, [{f"bin/{n}": b"evil"} for n in range(4)], user="65532")

    assert await story.codes(story.push(with_forged_diff_ids(evil, story.base), story.release)) == ["malformed-image"]
