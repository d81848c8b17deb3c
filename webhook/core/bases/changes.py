"""How a catalog grows: builds are added, superseded and revoked, and never removed.

1. A tag points to one build per platform, its holder. A build is `active` while it holds one of its tags, `superseded`
   when it holds none.
2. A build that is older than the newest one seen under a tag does not become the holder of that tag, and supersedes
   nobody: whoever turns back a tag does not turn back the catalog.
3. A tag that the registry no longer has is held by nobody. A tag about which nothing was learnt stays with its holder.
4. `superseded_at` is when a newer build of one of its tags (or of its definition) was seen; None if none was: the tags
   are gone, or their newer builds leave its platform out.
5. A revocation holds for the chain: for every record of it, under any name, and for those still to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from webhook.core.bases.catalog import BaseBuild, Status
from webhook.core.bases.identity import DEV
from webhook.core.errors import ParseError
from webhook.core.manifests import Platform
from webhook.core.references import Digest, Repository

__all__ = ["Shrinkage", "Sighting", "observe", "revoke", "shrinkage", "turned_back"]

Stream = tuple[str, str, Platform]
"""What successive builds have in common: ("tag" or "definition", its name, the platform)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What was learnt about one repository.

    `verified` are builds that were read and verified just now; their `tags` are those that fit them, their dates and
    status are settled here. `carried` says what tags point to (an index, or a manifest without one), all of them
    verified now or recorded under that tag before; `absent` are tags that the registry does not have.
    """

    repository: Repository
    verified: tuple[BaseBuild, ...] = ()
    carried: Mapping[str, Digest]
    absent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrinkage:
    """How many (tag, platform) pairs of a repository had an active build, and which of them have none any more."""

    active_before: int
    lost: tuple[tuple[str, Platform], ...]


def observe(builds: tuple[BaseBuild, ...], sighting: Sighting, *, now: datetime) -> tuple[BaseBuild, ...]:
    """Return all builds of the catalog after the sighting of one repository; those of others stay as they are."""
    revoked = {build.chain_id: build.reason for build in builds if build.status is Status.REVOKED}
    recorded = {(b.root, b.digest): b for b in builds if b.repository == sighting.repository}
    for fresh in sighting.verified:
        known = recorded.get((fresh.root, fresh.digest))
        recorded[fresh.root, fresh.digest] = _renewed(known, fresh) if known else _born(fresh, revoked, now)
    tags_by_root: dict[Digest, tuple[str, ...]] = {}
    for tag, root in sighting.carried.items():
        tags_by_root[root] = (*tags_by_root.get(root, ()), tag)
    seen = tuple(_seen(build, tags_by_root.get(build.root, ()), now) for build in recorded.values())
    others = tuple(build for build in builds if build.repository != sighting.repository)
    return (*others, *_settle(seen, sighting, now))


def turned_back(builds: Iterable[BaseBuild], sighting: Sighting) -> tuple[str, ...]:
    """Return the tags that point to an older build than the newest one seen under them, sorted."""
    own = (build for build in builds if build.repository == sighting.repository)
    return tuple(
        sorted(
            {
                name
                for (kind, name, _), stream in _streams(own).items()
                if kind == "tag" and _is_turned_back(stream, sighting.carried.get(name))
            }
        )
    )


def revoke(builds: tuple[BaseBuild, ...], digest: Digest, *, reason: str) -> tuple[BaseBuild, ...]:
    """Revoke by chain ID, or by the digest of a manifest or index whose chains are meant; every record of them.

    A ParseError if nothing in the catalog has that digest, or if there is no reason.
    """
    if not reason.strip():
        raise ParseError("", "a revocation needs a reason")
    chains = {b.chain_id for b in builds if digest in (b.chain_id, b.digest, b.index_digest)}
    if not chains:
        raise ParseError("", f"no build in the catalog has the chain ID or digest {digest}")
    return tuple(
        replace(build, status=Status.REVOKED, reason=reason) if build.chain_id in chains else build for build in builds
    )


def shrinkage(before: Iterable[BaseBuild], after: Iterable[BaseBuild], repository: Repository) -> Shrinkage:
    """Compare two states of a repository. A pair counts as active if the newest build seen under the tag is."""
    active = _active_pairs(build for build in before if build.repository == repository)
    remaining = _active_pairs(build for build in after if build.repository == repository)
    return Shrinkage(active_before=len(active), lost=tuple(sorted(active - remaining)))


def _active_pairs(builds: Iterable[BaseBuild]) -> frozenset[tuple[str, Platform]]:
    return frozenset(
        (name, platform)
        for (kind, name, platform), stream in _streams(builds).items()
        if kind == "tag" and max(stream, key=_age).status is Status.ACTIVE
    )


def _born(build: BaseBuild, revoked: Mapping[Digest, str | None], now: datetime) -> BaseBuild:
    """Return a new record. It holds no tag until the tags are settled."""
    status = Status.REVOKED if build.chain_id in revoked else Status.SUPERSEDED
    return replace(
        build,
        first_seen=now,
        last_seen=now,
        superseded_at=None,
        status=status,
        reason=revoked.get(build.chain_id),
    )


def _renewed(known: BaseBuild, fresh: BaseBuild) -> BaseBuild:
    """Verify a record anew. The bytes are the same; the tags, the signer's word and an untold variant may differ."""
    return replace(
        known,
        tags=_joined(known.tags, fresh.tags),
        variant=DEV if DEV in (known.variant, fresh.variant) else known.variant,
        fips=fresh.fips,
        verified_by=fresh.verified_by,
    )


def _seen(build: BaseBuild, tags: tuple[str, ...], now: datetime) -> BaseBuild:
    """Return a record of a build to which these tags point now."""
    return replace(build, tags=_joined(build.tags, tags), last_seen=now) if tags else build


def _settle(builds: tuple[BaseBuild, ...], sighting: Sighting, now: datetime) -> tuple[BaseBuild, ...]:
    """Find the holder of every tag, and give every build the status that follows."""
    streams = _streams(builds)
    holders = {
        (platform, root)
        for (kind, name, platform), stream in streams.items()
        if kind == "tag"
        for root in _holder(name, stream, sighting)
    }
    return tuple(_settled(b, streams, now, holds_a_tag=(b.platform, b.root) in holders) for b in builds)


def _holder(tag: str, stream: tuple[BaseBuild, ...], sighting: Sighting) -> frozenset[Digest]:
    """Return the root digest of the build that a tag is taken to point to; none, or one."""
    carried = sighting.carried.get(tag)
    sighted = any(build.root == carried for build in stream)
    if tag in sighting.absent or (carried is not None and not sighted):
        return frozenset()
    if carried is not None and not _is_turned_back(stream, carried):
        return frozenset({carried})
    active = tuple(build for build in stream if build.status is Status.ACTIVE)
    return frozenset({max(active, key=_age).root}) if active else frozenset()


def _is_turned_back(stream: tuple[BaseBuild, ...], carried: Digest | None) -> bool:
    sighted = [build.created for build in stream if build.root == carried]
    return bool(sighted) and max(sighted) < max(build.created for build in stream)


def _settled(
    build: BaseBuild, streams: Mapping[Stream, tuple[BaseBuild, ...]], now: datetime, *, holds_a_tag: bool
) -> BaseBuild:
    if build.status is Status.REVOKED:
        return build
    if holds_a_tag:
        return replace(build, status=Status.ACTIVE, superseded_at=None)
    return replace(
        build,
        status=Status.SUPERSEDED,
        superseded_at=build.superseded_at or _superseded_at(build, streams, now),
    )


def _superseded_at(build: BaseBuild, streams: Mapping[Stream, tuple[BaseBuild, ...]], now: datetime) -> datetime | None:
    """Return when a newer build was seen: now, or earlier if this one is recorded only now."""
    newer = [
        other.first_seen
        for stream in _streams_of(build)
        for other in streams[stream]
        if other.root != build.root and _age(other) > _age(build)
    ]
    if not newer:
        return None
    return min(newer) if build.first_seen == now else now


def _streams(builds: Iterable[BaseBuild]) -> Mapping[Stream, tuple[BaseBuild, ...]]:
    streams: dict[Stream, list[BaseBuild]] = {}
    for build in builds:
        for stream in _streams_of(build):
            streams.setdefault(stream, []).append(build)
    return {key: tuple(found) for key, found in streams.items()}


def _streams_of(build: BaseBuild) -> tuple[Stream, ...]:
    tags = tuple(("tag", tag, build.platform) for tag in build.tags)
    return (*tags, ("definition", build.definition, build.platform)) if build.definition else tags


def _age(build: BaseBuild) -> tuple[datetime, datetime]:
    return build.created, build.first_seen


def _joined(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))
