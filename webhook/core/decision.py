"""decide(): the whole policy, read top to bottom. Total, pure and cheap; it sees values and nothing else.

Only `webhook.review` may call it, so that webhook, audit, command line and demo cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from webhook.core.attestations.statements import AttestationFindings
from webhook.core.evidence import Evidence, PlatformEvidence
from webhook.core.facts import Known, Trouble
from webhook.core.manifests import Malformed
from webhook.core.policy import BaseEvidence, BaseRequirement, Exemption, Mode, Policy, Requirements, Rule
from webhook.core.problems import (
    CODES,
    MalformedImage,
    NotFound,
    Problem,
    Revoked,
    RevokedBase,
    RunsAsRoot,
    Unpinned,
    Unverifiable,
)
from webhook.core.questions import Needs, Question, ask, revocation
from webhook.core.references import ImageReference, PinnedImage
from webhook.core.rules.attestations import Attested, check_attestations
from webhook.core.rules.bases import BaseJudgement, judge_base, revoked_base
from webhook.core.rules.provenance import judge_by_provenance
from webhook.core.rules.signatures import check_signatures
from webhook.core.rules.users import is_provably_not_root
from webhook.core.verdicts import Decision, Standing, Verdict
from webhook.core.workloads import Source, Workload

__all__ = ["decide"]


def decide(
    workload: Workload,
    policy: Policy,
    evidence: Mapping[ImageReference, Evidence],
    *,
    as_of: datetime,
    ceiling: Mode = Mode.ENFORCE,
    never_denies: bool = False,
    rule: Rule | None = None,
) -> Decision:
    """Decide about every image of the workload.

    `evidence` holds an entry for each image that `questions.ask` needs something about. `ceiling` bounds how strictly
    any rule acts; `rule` replaces the one that the namespace picks. A mirror pod runs already, so it is only reported.
    """
    verdicts = tuple(
        _verdict(question, workload, policy, evidence, as_of=as_of, ceiling=ceiling)
        for question in ask(workload, policy, as_of, rule=rule)
    )
    return Decision(workload=workload, verdicts=verdicts, never_denies=never_denies or workload.mirror_pod)


def _verdict(
    question: Question,
    workload: Workload,
    policy: Policy,
    evidence: Mapping[ImageReference, Evidence],
    *,
    as_of: datetime,
    ceiling: Mode,
) -> Verdict:
    """Decide about one image use: unchanged, settled without a question, exempt, or judged on the evidence."""
    use, outcome = question.use, question.outcome
    judgement = _Judgement()
    if question.settled is not None:
        judgement = _Judgement(problems=(question.settled,))
    elif not use.unchanged and isinstance(outcome, Requirements) and isinstance(use.image, ImageReference):
        found = evidence[use.image] if question.needs else None
        judgement = _judge(use.image, outcome, policy, found, needs=question.needs, as_of=as_of)
        judgement = _with_pin_check(judgement, use.image, outcome, workload, policy)
    return Verdict(
        use=use,
        rule=question.rule,
        case=question.case,
        mode=min(question.rule.mode, ceiling),
        image=judgement.image,
        problems=_in_order(judgement.problems),
        advisories=_in_order(judgement.advisories),
        signed_by=judgement.signed_by,
        standings=judgement.standings,
        exemption=outcome if isinstance(outcome, Exemption) and not use.unchanged and not judgement.problems else None,
        unchanged=use.unchanged,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judgement:
    """What came out for one image, before mode and rule give it its weight."""

    image: PinnedImage | None = None
    problems: tuple[Problem, ...] = ()
    advisories: tuple[Problem, ...] = ()
    signed_by: tuple[str, ...] = ()
    standings: tuple[Standing, ...] = ()


def _judge(
    reference: ImageReference,
    wanted: Requirements,
    policy: Policy,
    evidence: Evidence | None,
    *,
    needs: Needs | None,
    as_of: datetime,
) -> _Judgement:
    """Judge one image on what is proven about it.

    1. Not resolved: nothing further can be asked. Where only the pin matters, the pin check says all.
    2. Revoked bytes end the questioning, and so does an image that is not well formed.
    3. Signatures, base and user are each judged, so that the author sees every problem at once.
    """
    if evidence is None or needs is None:
        return _Judgement()
    if isinstance(evidence.image, Trouble):
        unknown = (Unverifiable(trouble=evidence.image),) if needs.platforms else ()
        return _Judgement(problems=unknown)
    image = evidence.image.value
    if image is None:
        return _Judgement(problems=(NotFound(reference=reference),))
    revoked = revocation(policy, image.digest)
    if revoked is not None:
        return _Judgement(image=image, problems=(revoked,))
    if isinstance(evidence.platforms, Malformed):
        malformed = evidence.platforms
        problem = MalformedImage(what=malformed.what, why=malformed.why, platform=malformed.platform)
        return _Judgement(image=image, problems=(problem,))
    return _judge_content(image, wanted, policy, evidence, as_of)


def _judge_content(
    image: PinnedImage, wanted: Requirements, policy: Policy, evidence: Evidence, as_of: datetime
) -> _Judgement:
    problems: list[Problem] = []
    signature_problem = None
    if wanted.signatures and evidence.findings:
        signature_problem = check_signatures(evidence.findings, wanted.signatures, policy.authorities)
        problems += [signature_problem] if signature_problem else []
    if isinstance(evidence.platforms, Trouble):
        problems.append(Unverifiable(trouble=evidence.platforms))
    platforms = evidence.platforms.value if isinstance(evidence.platforms, Known) else ()
    judged = [
        _judge_platform(
            platform,
            wanted,
            Attested(
                findings=evidence.attestations or AttestationFindings(),
                digests=tuple(dict.fromkeys((platform.image.digest, image.digest))),
                platform=str(platform.image.config.platform),
                policy=policy,
                as_of=as_of,
            ),
            layers_read=signature_problem is None,
        )
        for platform in platforms
    ]
    return _Judgement(
        image=image,
        problems=_unless_ended((*problems, *(problem for judgement in judged for problem in judgement.problems))),
        advisories=tuple(advice for judgement in judged for advice in judgement.advisories),
        signed_by=tuple(dict.fromkeys(v.authority for v in evidence.findings.vouchers)) if evidence.findings else (),
        standings=tuple(judgement.standing for judgement in judged if judgement.standing),
    )


def _unless_ended(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Return the problems that end the questioning if there are any, for nothing else is said of such an image.

    A revocation of the base is not left out: it denies in modes in which the others do not.
    """
    if not any(isinstance(problem, Revoked | MalformedImage) for problem in problems):
        return problems
    return tuple(problem for problem in problems if isinstance(problem, Revoked | RevokedBase | MalformedImage))


def _judge_platform(
    platform: PlatformEvidence, wanted: Requirements, attested: Attested, *, layers_read: bool
) -> BaseJudgement:
    """Judge what one child stands on, what is attested of it, and as whom it runs.

    Revoked bytes are named first and alone.
    """
    policy = attested.policy
    revoked = revocation(policy, platform.image.digest) or revoked_base(
        platform, policy, by_catalog=wanted.base is not None
    )
    if revoked is not None:
        return BaseJudgement(problems=(revoked,))
    # A rule that asks only for the user still needs to know whose user it may be.
    asked = wanted.base or BaseRequirement()
    base = judge_by_provenance(platform, asked, wanted.attestations, attested) or judge_base(
        platform, asked, policy, attested.as_of, layers_read=layers_read
    )
    attestations = check_attestations(attested, wanted.attestations)
    user = _check_user(platform, base) if wanted.non_root else ()
    if wanted.base is None:
        return BaseJudgement(problems=(*attestations, *user))
    return BaseJudgement(
        problems=(*base.problems, *attestations, *user), advisories=base.advisories, standing=base.standing
    )


def _check_user(platform: PlatformEvidence, base: BaseJudgement) -> tuple[Problem, ...]:
    """Check the default user. Where it hangs on a base whose layers are not proven yet, nobody knows.

    The base's own user is believed only where its layers are in the image: provenance does not tell which base is.
    """
    user = platform.image.config.user
    by_layers = base.standing is not None and base.standing.evidence is BaseEvidence.LAYERS
    base_user = base.standing.build.user if base.standing is not None and by_layers else None
    if not is_provably_not_root(user, base_user=base_user):
        return (RunsAsRoot(user=user, platform=str(platform.image.config.platform)),)
    if is_provably_not_root(user, base_user=None):
        return ()
    return tuple(problem for problem in base.problems if isinstance(problem, Unverifiable))


def _with_pin_check(
    judgement: _Judgement, reference: ImageReference, wanted: Requirements, workload: Workload, policy: Policy
) -> _Judgement:
    """Add `unpinned` where a digest is demanded and missing.

    Where the pinning webhook is installed (`pinTags`), a template or a manifest will be pinned when its pods are made;
    a pod at admission has been pinned by now if it ever will be.
    """
    will_be_pinned = policy.pin_tags and (
        workload.source is Source.MANIFEST
        or (workload.source in {Source.ADMISSION, Source.CLUSTER} and workload.kind != "Pod")
    )
    if not wanted.pinned or reference.digest is not None or will_be_pinned:
        return judgement
    resolved = judgement.image.digest if judgement.image else None
    return _Judgement(
        image=judgement.image,
        problems=(Unpinned(reference=reference, resolved=resolved), *judgement.problems),
        advisories=judgement.advisories,
        signed_by=judgement.signed_by,
        standings=judgement.standings,
    )


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort by the order of the reason codes, each problem once."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: CODES.index(problem.code)))
