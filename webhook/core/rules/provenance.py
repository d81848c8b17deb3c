"""Signed provenance as evidence for the base, where the layers show none.

An image that was squashed, or put together without layers of its base, can show nothing else. What is asked for:

1. The rule requires provenance with `builders`, and there is one that satisfies it; all of these count.
2. It names at least one image, and every image that it names is a base on record: which of them the result stands on
   is not said, so one that is used by no later stage must not stand in for the others.
3. Every one of them is approved and satisfies the rule by itself, as if it were the base; none is revoked.
"""

from __future__ import annotations

from webhook.core.attestations.predicate_types import PROVENANCE
from webhook.core.bases.catalog import Status
from webhook.core.evidence import PlatformEvidence
from webhook.core.manifests import Malformed
from webhook.core.policy import AttestationRequirement, BaseEvidence, BaseRequirement, Policy
from webhook.core.problems import RevokedBase
from webhook.core.reading.plain_text import printable
from webhook.core.rules.attestations import Attested
from webhook.core.rules.bases import BaseJudgement, judge_recorded, unapproved_base
from webhook.core.rules.provenance_descent import BuiltFrom, ProvenanceDescent

__all__ = ["judge_by_provenance"]


def judge_by_provenance(
    platform: PlatformEvidence,
    wanted: BaseRequirement,
    required: tuple[AttestationRequirement, ...],
    attested: Attested,
) -> BaseJudgement | None:
    """Judge the base of one platform by provenance; None if the rule does not take it, or the layers show a base.

    Also None if there is no provenance that the rule believes: the verdict by layers stands then.
    """
    ancestry = platform.ancestry
    if BaseEvidence.PROVENANCE not in wanted.evidence or ancestry is None:
        return None
    if ancestry.matches or isinstance(ancestry.proof, Malformed):
        return None
    # Step 1
    believed = [statement for one in required if _names_builders(one) for statement in attested.accepted(one)]
    descents = [descent for descent in platform.descents if descent.statement in believed]
    if not descents:
        return None
    # Steps 2 and 3
    judged = [_judge(descent, platform, wanted, attested) for descent in descents]
    problems = tuple(dict.fromkeys(problem for judgement in judged for problem in judgement.problems))
    standings = [judgement.standing for judgement in judged if judgement.standing]
    return BaseJudgement(
        problems=problems,
        advisories=tuple(dict.fromkeys(advice for judgement in judged for advice in judgement.advisories)),
        standing=max(standings, key=lambda standing: standing.age_days, default=None) if not problems else None,
    )


def _names_builders(required: AttestationRequirement) -> bool:
    return required.type in PROVENANCE and required.builders is not None


def _judge(
    descent: ProvenanceDescent, platform: PlatformEvidence, wanted: BaseRequirement, attested: Attested
) -> BaseJudgement:
    """Judge what one provenance names. The oldest of its bases is the one that the image stands on, for the report."""
    policy, name = attested.policy, attested.platform
    for image in descent.images:
        revoked = _revoked(image, policy, name)
        if revoked is not None:
            return BaseJudgement(problems=(revoked,))
    unknown = tuple(printable(built.image.uri) for built in descent.images if not built.builds)
    if unknown or not descent.images:
        return BaseJudgement(problems=(unapproved_base(platform, wanted, policy, built_from=unknown),))
    judged = [
        judge_recorded(built.builds, platform, wanted, policy, attested.as_of, by=BaseEvidence.PROVENANCE)
        for built in descent.images
    ]
    standings = [judgement.standing for judgement in judged if judgement.standing]
    return BaseJudgement(
        problems=tuple(problem for judgement in judged for problem in judgement.problems),
        advisories=tuple(advice for judgement in judged for advice in judgement.advisories),
        standing=max(standings, key=lambda standing: standing.age_days, default=None),
    )


def _revoked(built: BuiltFrom, policy: Policy, platform: str) -> RevokedBase | None:
    """Find a revocation of an image that went into the build: the policy's own first, of it or of its chain."""
    reasons = {entry.digest: entry.reason for entry in policy.revoked}
    digest = built.image.digest
    if digest in reasons and digest is not None:
        return RevokedBase(revoked=digest, reason=reasons[digest], build=None, by_policy=True, platform=platform)
    for build in built.builds:
        for identity in (build.digest, build.index_digest, build.chain_id):
            if identity is not None and identity in reasons:
                return RevokedBase(
                    revoked=identity, reason=reasons[identity], build=build, by_policy=True, platform=platform
                )
        if build.status is Status.REVOKED:
            reason = build.reason or "no reason given"
            return RevokedBase(revoked=build.chain_id, reason=reason, build=build, by_policy=False, platform=platform)
    return None
