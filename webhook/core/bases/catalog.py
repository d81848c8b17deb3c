"""The BaseCatalog as values: every verified build of every listed base, with its layer chain. Facts, not approval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from functools import cached_property

from webhook.core.manifests import Platform
from webhook.core.references import Digest, Repository

__all__ = ["BaseBuild", "Catalog", "Status", "VerifiedBy", "chain_key"]


class Status(Enum):
    """Where a build stands in the life of its tags."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBy:
    """Whose signature over the base was verified, by which key."""

    authority: str
    key_fingerprint: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseBuild:
    """One platform of one build of one base. `layers` and `diff_ids` are base first, top last, and never empty.

    `tags` are those under which the build was seen, whether they still point to it or not. `created` is the DHI
    creation label of the verified config, else the config's own date, else `first_seen`. `chain_id` is the OCI ChainID
    over `diff_ids`. `user` is the config's default user, as written. `superseded_at` is when a newer build of one of
    its tags was seen, None as long as there is none. `fips` needs a verified FIPS attestation; a label is no proof.
    """

    repository: Repository
    tags: tuple[str, ...]
    platform: Platform
    index_digest: Digest | None
    digest: Digest
    config_digest: Digest
    layers: tuple[Digest, ...]
    diff_ids: tuple[Digest, ...]
    chain_id: Digest
    created: datetime
    end_of_life: date | None
    variant: str
    distro: str
    fips: bool
    definition: str
    user: str
    first_seen: datetime
    last_seen: datetime
    superseded_at: datetime | None
    status: Status
    reason: str | None
    verified_by: VerifiedBy

    @property
    def root(self) -> Digest:
        """What a tag points to and a signature is over: the index, or the manifest where there is none."""
        return self.index_digest or self.digest


def chain_key(diff_ids: tuple[Digest, ...]) -> tuple[str, ...]:
    """Return what chains are sorted by, so that those with a common beginning stand together."""
    return tuple(map(str, diff_ids))


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """All builds, and the index by which an image's layers find theirs. `revision` names exactly this content."""

    policy: str
    synced_at: datetime
    revision: Digest
    builds: tuple[BaseBuild, ...]

    @cached_property
    def by_chain(self) -> Mapping[tuple[Platform, tuple[Digest, ...]], tuple[BaseBuild, ...]]:
        """Builds by platform and exact layer chain; one chain may have been recorded under several names."""
        index: dict[tuple[Platform, tuple[Digest, ...]], list[BaseBuild]] = {}
        for build in self.builds:
            index.setdefault((build.platform, build.diff_ids), []).append(build)
        return {key: tuple(builds) for key, builds in index.items()}

    @cached_property
    def chain_lengths(self) -> Mapping[Platform, tuple[int, ...]]:
        """The distinct lengths of the chains of each platform, longest first."""
        lengths: dict[Platform, set[int]] = {}
        for build in self.builds:
            lengths.setdefault(build.platform, set()).add(len(build.diff_ids))
        return {platform: tuple(sorted(found, reverse=True)) for platform, found in lengths.items()}

    @cached_property
    def by_layers(self) -> Mapping[tuple[Digest, ...], tuple[BaseBuild, ...]]:
        """Builds by the exact digests of their compressed layers, on any platform."""
        index: dict[tuple[Digest, ...], list[BaseBuild]] = {}
        for build in self.builds:
            index.setdefault(build.layers, []).append(build)
        return {key: tuple(builds) for key, builds in index.items()}

    @cached_property
    def by_digest(self) -> Mapping[Digest, tuple[BaseBuild, ...]]:
        """Builds by the digest of their manifest and by that of their index."""
        index: dict[Digest, list[BaseBuild]] = {}
        for build in self.builds:
            for digest in {build.digest, build.root}:
                index.setdefault(digest, []).append(build)
        return {digest: tuple(builds) for digest, builds in index.items()}

    @cached_property
    def layer_lengths(self) -> tuple[int, ...]:
        """The distinct numbers of layers of all builds, greatest first."""
        return tuple(sorted({len(build.layers) for build in self.builds}, reverse=True))

    @cached_property
    def in_chain_order(self) -> Mapping[Platform, tuple[BaseBuild, ...]]:
        """The builds of each platform, sorted by their chains (`chain_key`)."""
        groups: dict[Platform, list[BaseBuild]] = {}
        for build in sorted(self.builds, key=lambda build: chain_key(build.diff_ids)):
            groups.setdefault(build.platform, []).append(build)
        return {platform: tuple(builds) for platform, builds in groups.items()}
