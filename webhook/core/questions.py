"""Which rule speaks about each image of a workload, and what has to be found out before it can be judged.

Everything that needs no network is settled here, so that an exempt or forbidden image is never contacted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from webhook.core.attestations.predicate_types import OPENVEX
from webhook.core.contacts import kept_elsewhere
from webhook.core.policy import Case, Exemption, Policy, Requirements, Rule
from webhook.core.problems import ForbiddenImage, InvalidReference, Problem, Revoked
from webhook.core.references import BadReference, Digest, ImageReference, Repository
from webhook.core.workloads import ImageUse, Workload

__all__ = ["Needs", "Question", "ask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What must be learnt about an image: its resolution always, these on top."""

    signatures: bool
    platforms: bool
    attestations: frozenset[str] = frozenset()
    """The predicate types that matter."""
    elsewhere: tuple[Repository, ...] = ()
    """Where else to look for signatures and attestations; the same for every use of one image."""

    def __or__(self, other: Needs) -> Needs:
        """Join what two uses of one image need."""
        return Needs(
            signatures=self.signatures or other.signatures,
            platforms=self.platforms or other.platforms,
            attestations=self.attestations | other.attestations,
            elsewhere=self.elsewhere,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One image use with the rule, the case and the outcome that apply to it.

    `settled` is a problem that ends the questioning. `needs` is None if there is nothing to find out.
    """

    use: ImageUse
    rule: Rule
    case: Case | None
    outcome: Requirements | Exemption
    settled: Problem | None
    needs: Needs | None


def ask(workload: Workload, policy: Policy, as_of: datetime, *, rule: Rule | None = None) -> tuple[Question, ...]:
    """Return a question for every image use, in their order. `rule` replaces the one that the namespace picks."""
    chosen = rule or policy.rule_for(workload.namespace, as_of)
    return tuple(_question(use, workload, policy, chosen, as_of) for use in workload.uses)


def _question(use: ImageUse, workload: Workload, policy: Policy, rule: Rule, as_of: datetime) -> Question:
    case = next((case for case in rule.cases if case.covers(use, workload.requester, as_of)), None)
    outcome = case.outcome if case else rule.outcome
    settled = None if use.unchanged else _settled(use, policy, rule, case, outcome)
    needs = None if use.unchanged or settled else _needs(use, policy, outcome)
    return Question(use=use, rule=rule, case=case, outcome=outcome, settled=settled, needs=needs)


def _settled(
    use: ImageUse, policy: Policy, rule: Rule, case: Case | None, outcome: Requirements | Exemption
) -> Problem | None:
    """Find the problem that ends the questioning before it begins. A revocation beats every exemption."""
    if isinstance(use.image, BadReference):
        return None if isinstance(outcome, Exemption) else InvalidReference(reference=use.image)
    written = revocation(policy, use.image.digest)
    if written is not None:
        return written
    if case is None and not rule.permits(use.image):
        return ForbiddenImage(allowed=tuple(glob.pattern for glob in rule.images or ()))
    return None


def _needs(use: ImageUse, policy: Policy, outcome: Requirements | Exemption) -> Needs | None:
    """Tell what to fetch. Under an exemption nothing is; with revocations in force, every judged image is looked at."""
    if isinstance(outcome, Exemption) or isinstance(use.image, BadReference):
        return None
    attestations = _predicate_types(outcome)
    judged = outcome.signatures is not None or outcome.base is not None or outcome.non_root or bool(attestations)
    if not judged and not policy.revoked and not _resolvable_tag(use.image, outcome):
        return None
    return Needs(
        # A signature over an index is one over the attestations that it lists.
        signatures=outcome.signatures is not None or bool(attestations),
        platforms=judged or bool(policy.revoked),
        attestations=attestations,
        elsewhere=kept_elsewhere(policy, use.image.repository),
    )


def _predicate_types(outcome: Requirements) -> frozenset[str]:
    """Return the types of statements that the rule asks for, and that of the exceptions it accepts."""
    wanted = frozenset(requirement.type for requirement in outcome.attestations)
    return wanted | {OPENVEX} if any(requirement.vex for requirement in outcome.attestations) else wanted


def _resolvable_tag(image: ImageReference, outcome: Requirements) -> bool:
    """Tell whether resolving the tag helps: the answer to an unpinned image names the digest to write."""
    return outcome.pinned and image.digest is None


def revocation(policy: Policy, digest: Digest | None) -> Revoked | None:
    """Return the policy's revocation of exactly these bytes."""
    found = next((entry for entry in policy.revoked if entry.digest == digest), None)
    return Revoked(digest=found.digest, reason=found.reason) if found else None
