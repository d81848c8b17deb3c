"""What a platform of an image stands on + what a rule asks of bases → problems, advice and the base itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from webhook.core.bases.approval import approved
from webhook.core.bases.catalog import BaseBuild, Status
from webhook.core.evidence import PlatformEvidence
from webhook.core.facts import Trouble
from webhook.core.manifests import Malformed
from webhook.core.policy import BaseEvidence, BaseRequirement, EndOfLife, Policy
from webhook.core.problems import (
    EndOfLifeBase,
    LaggingBase,
    MalformedImage,
    NotFips,
    Problem,
    RevokedBase,
    StaleBase,
    UnapprovedBase,
    Unverifiable,
    WrongVariant,
)
from webhook.core.references import Digest
from webhook.core.verdicts import Standing

__all__ = ["BaseJudgement", "judge_base", "judge_recorded", "revoked_base", "unapproved_base"]

NOTICE = timedelta(days=14)
"""What will be refused within this time is a warning already, so that nobody learns it from a drained node."""
AGE_WITHOUT_RULE = timedelta(days=90)
"""The age from which a base is worth a warning where the rule sets none."""
NO_CATALOG = Trouble(doing="looking up the base", where="the catalog", why="no catalog of bases is loaded")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseJudgement:
    """What follows for one platform. `standing` is the approved base it stands on, if it does."""

    problems: tuple[Problem, ...] = ()
    advisories: tuple[Problem, ...] = ()
    standing: Standing | None = None


def judge_base(
    platform: PlatformEvidence, wanted: BaseRequirement, policy: Policy, as_of: datetime, *, layers_read: bool
) -> BaseJudgement:
    """Judge one platform.

    1. Without a catalog nothing can be said.
    2. Layers that are not what the config claims: the image is malformed, whatever it claims to stand on.
    3. The longest recorded chain decides alone; one of the names it is recorded under must be approved.
    4. The bytes must be proven to be the base's. `layers_read` is false where the signatures failed: no layer was
       read then, ancestry is told from the claims, and the missing proof adds nothing.
    5. Variant, end of life, age and lag are asked of the approved build that fares best (one chain, several names).
    """
    name = str(platform.image.config.platform)
    ancestry = platform.ancestry
    if ancestry is None:
        return BaseJudgement(problems=(Unverifiable(trouble=NO_CATALOG, platform=name),))
    if isinstance(ancestry.proof, Malformed):
        return BaseJudgement(
            problems=(MalformedImage(what=ancestry.proof.what, why=ancestry.proof.why, platform=name),)
        )
    best = judge_recorded(ancestry.matches, platform, wanted, policy, as_of, by=BaseEvidence.LAYERS)
    if best.standing is None:
        return best
    if ancestry.proof.pending and layers_read:
        return BaseJudgement(problems=(*best.problems, _unread(platform, name)), standing=best.standing)
    return best


def revoked_base(platform: PlatformEvidence, policy: Policy, *, by_catalog: bool) -> RevokedBase | None:
    """Find a revoked base anywhere below the image: the policy's own revocations first.

    A chain that the image merely contains condemns as well: its layers are in the image. The catalog's revocations
    count only where the rule asks for a base (`by_catalog`); the policy's count everywhere.
    """
    name = str(platform.image.config.platform)
    builds = (*platform.ancestry.matches, *platform.ancestry.contained) if platform.ancestry else ()
    reasons = {entry.digest: entry.reason for entry in policy.revoked}
    for digest, build in _identities(platform, builds):
        if digest in reasons:
            return RevokedBase(revoked=digest, reason=reasons[digest], build=build, by_policy=True, platform=name)
    for build in builds if by_catalog else ():
        if build.status is Status.REVOKED:
            reason = build.reason or "no reason given"
            return RevokedBase(revoked=build.chain_id, reason=reason, build=build, by_policy=False, platform=name)
    return None


def _identities(platform: PlatformEvidence, builds: tuple[BaseBuild, ...]) -> Iterator[tuple[Digest, BaseBuild | None]]:
    """Yield every digest by which something below the image can be revoked."""
    for build in builds:
        for digest in (build.chain_id, build.digest, build.index_digest):
            if digest is not None:
                yield digest, build
    for chain_id in platform.chain_ids:
        yield chain_id, None


def judge_recorded(
    builds: tuple[BaseBuild, ...],
    platform: PlatformEvidence,
    wanted: BaseRequirement,
    policy: Policy,
    as_of: datetime,
    *,
    by: BaseEvidence,
) -> BaseJudgement:
    """Judge one base that is on record, under all its names; without a standing, none of them is approved."""
    name = str(platform.image.config.platform)
    candidates = [build for build in builds if _admits(wanted, policy, build)]
    if not candidates:
        return BaseJudgement(problems=(unapproved_base(platform, wanted, policy, unapproved=next(iter(builds), None)),))
    judged = (_judge_build(build, wanted, as_of, name, by=by) for build in candidates)
    return min(judged, key=lambda judgement: len(judgement.problems))


def unapproved_base(
    platform: PlatformEvidence,
    wanted: BaseRequirement,
    policy: Policy,
    *,
    unapproved: BaseBuild | None = None,
    built_from: tuple[str, ...] = (),
) -> UnapprovedBase:
    """Return the problem, with the approved bases that the rule admits.

    `unapproved` is the recorded build below the image, `built_from` are images that went into it and are on no record.
    """
    return UnapprovedBase(
        expected=tuple(
            f"{base.repository}:{tag.pattern}"
            for base in policy.bases
            if wanted.repositories is None or base.repository in wanted.repositories
            for tag in base.tags
        ),
        unapproved=unapproved,
        closest=platform.ancestry.closest if platform.ancestry else None,
        platform=str(platform.image.config.platform),
        built_from=built_from,
    )


def _admits(wanted: BaseRequirement, policy: Policy, build: BaseBuild) -> bool:
    return approved(build, policy) and (wanted.repositories is None or build.repository in wanted.repositories)


def _unread(platform: PlatformEvidence, name: str) -> Unverifiable:
    trouble = Trouble(
        doing="reading the layers of the base",
        where="the registry",
        why=f"{len(platform.pending_layers)} of them not read in time; the gate goes on reading, so try again",
    )
    return Unverifiable(trouble=trouble, platform=name)


def _judge_build(
    build: BaseBuild, wanted: BaseRequirement, as_of: datetime, platform: str, *, by: BaseEvidence
) -> BaseJudgement:
    checks = (
        _check_variant(build, wanted, platform),
        _check_fips(build, wanted, platform),
        _check_end_of_life(build, wanted, as_of, platform),
        _check_age(build, wanted, as_of, platform),
        _check_lag(build, wanted, as_of, platform),
    )
    return BaseJudgement(
        problems=tuple(problem for problem, _ in checks if problem is not None),
        advisories=tuple(advice for _, advice in checks if advice is not None),
        standing=Standing(platform=platform, build=build, age_days=(as_of - build.created).days, evidence=by),
    )


_Check = tuple[Problem | None, Problem | None]
"""A problem, or an advice that it will be one, or neither."""


def _check_variant(build: BaseBuild, wanted: BaseRequirement, platform: str) -> _Check:
    if build.variant in wanted.variants:
        return None, None
    return WrongVariant(build=build, allowed=wanted.variants, platform=platform), None


def _check_fips(build: BaseBuild, wanted: BaseRequirement, platform: str) -> _Check:
    """Ask whether the base's signer attested FIPS: the catalog keeps nothing else as `fips`."""
    return (NotFips(build=build, platform=platform), None) if wanted.fips and not build.fips else (None, None)


def _check_end_of_life(build: BaseBuild, wanted: BaseRequirement, as_of: datetime, platform: str) -> _Check:
    if build.end_of_life is None:
        return None, None
    problem = EndOfLifeBase(build=build, end_of_life=build.end_of_life, platform=platform)
    if as_of.date() > build.end_of_life:
        return (problem, None) if wanted.end_of_life is EndOfLife.DENY else (None, problem)
    return (None, problem) if (as_of + NOTICE).date() > build.end_of_life else (None, None)


def _check_age(build: BaseBuild, wanted: BaseRequirement, as_of: datetime, platform: str) -> _Check:
    age = as_of - build.created
    limit = wanted.max_age or AGE_WITHOUT_RULE
    problem = StaleBase(build=build, age_days=age.days, max_age_days=limit.days, platform=platform)
    if wanted.max_age is None:
        return (None, problem) if age > limit else (None, None)
    return _against(age, limit, problem)


def _check_lag(build: BaseBuild, wanted: BaseRequirement, as_of: datetime, platform: str) -> _Check:
    if wanted.max_lag is None or build.superseded_at is None:
        return None, None
    lag = as_of - build.superseded_at
    problem = LaggingBase(build=build, lag_days=lag.days, max_lag_days=wanted.max_lag.days, platform=platform)
    return _against(lag, wanted.max_lag, problem)


def _against(span: timedelta, limit: timedelta, problem: Problem) -> _Check:
    if span > limit:
        return problem, None
    return (None, problem) if span + NOTICE > limit else (None, None)
