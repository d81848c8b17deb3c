"""Approved bases + what an image's base is guessed to be → the one to propose.

A base is fit to be proposed if an image that were nothing but this base would pass what the rule asks of bases: that is
asked of the very rules that judge images, so a proposal cannot be refused for its base.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from webhook.core.auditing.base_hints import BaseHint, build_version
from webhook.core.auditing.tags import read_version_tag
from webhook.core.bases.ancestry import trace
from webhook.core.bases.approval import approved
from webhook.core.bases.catalog import BaseBuild, Catalog, Status
from webhook.core.bases.software import Version, software_of
from webhook.core.evidence import PlatformEvidence
from webhook.core.facts import PlatformImage
from webhook.core.manifests import Descriptor, ImageConfig, Manifest, Platform
from webhook.core.policy import BaseEvidence, BaseRequirement, Policy
from webhook.core.references import Digest, Repository
from webhook.core.rules.bases import judge_base, judge_recorded, revoked_base

__all__ = ["ApprovedBases", "ProposedBase"]

TELLING_NUMBERS = 2
"""How many numbers of a version tell releases apart that programs can tell apart."""

_Name = tuple[Repository, Digest]
"""One base as it is written in a Dockerfile: its repository, and the digest of the index over all its platforms."""
_Rank = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedBase:
    """An approved base, by a tag that the policy approves. `version` is the most precise that is known of it."""

    repository: Repository
    tag: str
    digest: Digest
    version: Version
    hint: BaseHint

    def __str__(self) -> str:
        """Write it as a Dockerfile does, whole."""
        return f"{self.repository}:{self.tag}@{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """A build that is fit to be proposed; `advisories` counts what will be wrong with it soon."""

    build: BaseBuild
    advisories: int


class ApprovedBases:
    """The bases of a catalog that may be proposed under a policy at an instant.

    Builds are judged when a rule first asks for their software, and once: a run proposes bases for many images.
    """

    def __init__(self, *, policy: Policy, catalog: Catalog, as_of: datetime) -> None:
        self._policy = policy
        self._catalog = catalog
        self._as_of = as_of
        self._fit: dict[tuple[str, BaseRequirement], tuple[Mapping[Platform, _Fit], ...]] = {}

    @cached_property
    def _active(self) -> Mapping[str, Sequence[BaseBuild]]:
        """The approved current builds by their software. A catalog is long, and where nothing is wrong nobody looks."""
        listed = {base.repository for base in self._policy.bases}
        active: dict[str, list[BaseBuild]] = {}
        for build in self._catalog.builds:
            if build.status is Status.ACTIVE and build.repository in listed and approved(build, self._policy):
                active.setdefault(software_of(build.repository.path), []).append(build)
        return active

    def propose(
        self, hints: Sequence[BaseHint], platforms: frozenset[Platform], wanted: BaseRequirement
    ) -> ProposedBase | None:
        """Return the base to build on under a rule, None if no approved base fits any of the guesses.

        It is there for each of the `platforms`, which are not empty. The first guess whose software is among the
        approved bases counts.
        """
        for hint in hints:
            offered = [
                offer
                for builds in self._bases(hint.software, wanted)
                if platforms and platforms <= builds.keys()
                for offer in self._offers([builds[platform] for platform in sorted(platforms)], hint, wanted)
            ]
            if offered:
                return max(offered, key=lambda offer: offer[0])[1]
        return None

    def _bases(self, software: str, wanted: BaseRequirement) -> tuple[Mapping[Platform, _Fit], ...]:
        """Return the fit builds of each base, by their platforms."""
        key = (software, wanted)
        if key not in self._fit:
            bases: dict[_Name, dict[Platform, _Fit]] = {}
            for build in self._active.get(software, ()):
                fit = self._judge(build, wanted)
                if fit is not None:
                    bases.setdefault((build.repository, build.root), {})[build.platform] = fit
            self._fit[key] = tuple(bases.values())
        return self._fit[key]

    def _judge(self, build: BaseBuild, wanted: BaseRequirement) -> _Fit | None:
        """Judge a build as if it were an image; None if it is not fit."""
        if wanted.repositories is not None and build.repository not in wanted.repositories:
            return None
        image = _as_image(build)
        ancestry = trace(image, self._catalog, {})
        evidence = PlatformEvidence(image=image, chain_ids=ancestry.chain_ids, ancestry=ancestry)
        if revoked_base(evidence, self._policy, by_catalog=True) is not None:
            return None
        # Under any name of its layers, then under this one: a name that is no good must not be proposed for another's.
        standing = judge_base(evidence, wanted, self._policy, self._as_of, layers_read=True)
        named = judge_recorded((build,), evidence, wanted, self._policy, self._as_of, by=BaseEvidence.LAYERS)
        if standing.problems or named.problems:
            return None
        return _Fit(build=build, advisories=len(named.advisories))

    def _offers(
        self, fits: Sequence[_Fit], hint: BaseHint, wanted: BaseRequirement
    ) -> Iterator[tuple[_Rank, ProposedBase]]:
        """Yield one base under each of its approved tags, with what it is sorted by, best last."""
        first = fits[0].build
        version = build_version(first)
        for tag in first.tags:
            if approved(replace(first, tags=(tag,)), self._policy):
                base = ProposedBase(repository=first.repository, tag=tag, digest=first.root, version=version, hint=hint)
                yield _rank(base, fits, wanted), base


def _rank(base: ProposedBase, fits: Sequence[_Fit], wanted: BaseRequirement) -> _Rank:
    """Return what proposals are sorted by: the most important first, greater is better, no two alike.

    1. The repository and the version of the guess.
    2. The first variant that the rule names, FIPS as the guess or the rule has it, the distribution.
    3. Nothing that will soon be wrong, the newest version, the plainest flavour (`22`, not `22-compat`), the newest.
    4. A tag of the guess, then one with the fewest numbers, which moves along with fixes, and of these the one that
       goes on (`22-debian13`, not `22`), which never moves to another distribution.
    """
    build, hint = fits[0].build, base.hint
    release = _release(base.tag)
    return (
        base.repository == hint.repository,
        _closeness(release, base.version, hint.version),
        -wanted.variants.index(build.variant),
        build.fips == (hint.fips or wanted.fips),
        _is_alpine(build.distro) == _is_alpine(hint.distro),
        build.distro == hint.distro,
        -max(fit.advisories for fit in fits),
        base.version,
        -min(map(len, build.tags)),
        min(fit.build.created for fit in fits),
        base.tag in hint.tags,
        bool(release),
        -len(release),
        base.tag,
        str(base.digest),
        base.repository,
    )


def _closeness(tag: Version, build: Version, guess: Version) -> tuple[int, ...]:
    """Return how near a base comes to a version; greater is nearer.

    1. A tag that says the same as far as both go: `20` for 20.11, rather `20.11`. A third number brings nothing nearer:
       whoever has 3.13.1 is not kept from the fixes of 3.13.
    2. The next later one of the same major version, else the last earlier one.
    3. Any other.
    """
    if not guess:
        return ()
    agreed = min(len(tag), len(guess))
    if agreed and tag[:agreed] == guess[:agreed]:
        return (3, min(agreed, TELLING_NUMBERS))
    if build[:1] != guess[:1]:
        return (0,)
    line = build[:TELLING_NUMBERS]
    return (2, *(-number for number in line)) if build > guess else (1, *line)


def _release(tag: str) -> Version:
    found = read_version_tag(tag)
    return found.release if found else ()


def _is_alpine(distro: str) -> bool:
    return distro.startswith("alpine")


def _as_image(build: BaseBuild) -> PlatformImage:
    """Return a recorded build as the image that it is. What the catalog does not keep, no rule about bases looks at."""
    return PlatformImage(
        digest=build.digest,
        manifest=Manifest(
            media_type="",
            config=Descriptor(media_type="", digest=build.config_digest, size=0),
            layers=tuple(Descriptor(media_type="", digest=layer, size=0) for layer in build.layers),
        ),
        config=ImageConfig(
            digest=build.config_digest,
            platform=build.platform,
            diff_ids=build.diff_ids,
            user=build.user,
            created=build.created,
        ),
    )
