"""The BaseCatalog as values: every verified build of every listed base, with its layer chain. Facts, not approval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from functools import cached_property

from webhook.core.manifests import Platform
from webhook.core.references import Digest, Repository

__all__ = ["BaseBuild", "Catalog", "Status", "VerifiedBy"]


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

    `created` is the DHI creation label of the verified config, else the config's own date, else `first_seen`.
    `chain_id` is the OCI ChainID over `diff_ids`. `user` is the config's default user, as written.
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
