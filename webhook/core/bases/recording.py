"""A base whose signature was verified → its records for the catalog, one per platform, under the tags that fit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from webhook.core.bases.catalog import BaseBuild, Status, VerifiedBy
from webhook.core.bases.identity import BaseIdentity, Unfit, identify, tag_contradiction, variant_by_tags
from webhook.core.errors import ParseError
from webhook.core.facts import PlatformImage
from webhook.core.references import Digest, ImageReference, Repository

__all__ = ["Recording", "SkippedTag", "VerifiedBase", "record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBase:
    """What a tag points to (`root`, an index or a single manifest), whose signature holds, with all its platforms.

    `fips` are the platforms of which its signer attests that they are FIPS validated.
    """

    root: Digest
    platforms: tuple[PlatformImage, ...]
    verified_by: VerifiedBy
    fips: frozenset[Digest] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedTag:
    """A tag that is not recorded, and why. `tag` is empty where none was asked for."""

    tag: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The records of one base, none if nothing fits, and the tags that do not fit it."""

    builds: tuple[BaseBuild, ...] = ()
    skipped: tuple[SkippedTag, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that fit."""
        return self.builds[0].tags if self.builds else ()


def record(base: VerifiedBase, repository: Repository, tags: tuple[str, ...], *, now: datetime) -> Recording:
    """Record a base under its canonical repository.

    All platforms must be what they are offered as, each under every tag; one that is not spoils the base. Without
    `tags`, the base is recorded under the exact version that its labels name. Dates of sighting and the status are
    placeholders: `changes.observe` settles them.
    """
    identities: list[BaseIdentity] = []
    for platform in base.platforms:
        identity = identify(platform, repository, now=now)
        if isinstance(identity, Unfit):
            why = f"{platform.config.platform}: {identity.why}"
            return Recording(skipped=tuple(SkippedTag(tag=tag, why=why) for tag in tags or ("",)))
        identities.append(identity)
    wanted = tags or _labelled_tags(identities)
    if not wanted:
        return Recording(skipped=(SkippedTag(tag="", why="its labels name no version, so its tag must be written"),))
    skipped = tuple(skip for tag in wanted if (skip := _skip(identities, tag)) is not None)
    spoilt = frozenset(skip.tag for skip in skipped)
    fitting = tuple(sorted(tag for tag in wanted if tag not in spoilt))
    if not fitting:
        return Recording(skipped=skipped)
    described = zip(base.platforms, identities, strict=True)
    builds = tuple(
        _build(base, platform, identity, repository=repository, tags=fitting, now=now)
        for platform, identity in described
    )
    return Recording(builds=builds, skipped=skipped)


def _labelled_tags(identities: list[BaseIdentity]) -> tuple[str, ...]:
    """Return the exact versions that the platforms name, if these are tags: usually one."""
    versions = dict.fromkeys(identity.version for identity in identities if identity.version)
    return tuple(version for version in versions if _is_tag(version))


def _is_tag(text: str) -> bool:
    try:
        return ImageReference.parse(f"localhost/base:{text}").tag == text
    except ParseError:
        return False


def _skip(identities: list[BaseIdentity], tag: str) -> SkippedTag | None:
    contradictions = (tag_contradiction(identity, tag) for identity in identities)
    unfit = next((found for found in contradictions if found is not None), None)
    return SkippedTag(tag=tag, why=unfit.why) if unfit else None


def _build(
    base: VerifiedBase,
    platform: PlatformImage,
    identity: BaseIdentity,
    *,
    repository: Repository,
    tags: tuple[str, ...],
    now: datetime,
) -> BaseBuild:
    return BaseBuild(
        repository=repository,
        tags=tags,
        platform=platform.config.platform,
        index_digest=None if platform.digest == base.root else base.root,
        digest=platform.digest,
        config_digest=platform.config.digest,
        layers=tuple(layer.digest for layer in platform.manifest.layers),
        diff_ids=platform.config.diff_ids,
        chain_id=identity.chain_id,
        created=identity.created or now,
        end_of_life=identity.end_of_life,
        variant=identity.variant or variant_by_tags(tags),
        distro=identity.distro,
        fips=platform.digest in base.fips,
        definition=identity.definition,
        user=identity.user,
        first_seen=now,
        last_seen=now,
        superseded_at=None,
        status=Status.SUPERSEDED,
        reason=None,
        verified_by=base.verified_by,
    )
