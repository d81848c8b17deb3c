"""Verified attestations + what a rule asks for → problems, for one platform of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from webhook.core.attestations.checking import Surroundings, age_failure, content_failure
from webhook.core.attestations.failures import Failure, TooOld
from webhook.core.attestations.openvex import VexStatement, read_openvex
from webhook.core.attestations.predicate_types import OPENVEX, VERIFICATION_SUMMARY
from webhook.core.attestations.statements import AttestationFindings, VerifiedStatement
from webhook.core.errors import ParseError
from webhook.core.policy import AttestationRequirement, KeylessAuthority, Policy
from webhook.core.problems import FailedAttestation, MissingAttestation, Problem, Unverifiable
from webhook.core.references import Digest

__all__ = ["Attested", "check_attestations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """One platform of an image and what is stated about it.

    `digests` are the platform's own, and that of the index through which it was asked for: a statement about the index
    is one about each of its platforms. `platform` is its name for people.
    """

    findings: AttestationFindings
    digests: tuple[Digest, ...]
    platform: str
    policy: Policy
    as_of: datetime

    def statements(self, predicate_type: str, authorities: tuple[str, ...]) -> tuple[VerifiedStatement, ...]:
        """Return what any of these authorities states of that type about this platform."""
        return tuple(
            statement
            for statement in self.findings.statements
            if statement.predicate_type == predicate_type
            and not statement.subjects.isdisjoint(self.digests)
            and any(voucher.authority in authorities for voucher in statement.vouchers)
        )

    def accepted(self, wanted: AttestationRequirement) -> tuple[VerifiedStatement, ...]:
        """Return the statements that satisfy a requirement."""
        around = self.surroundings(wanted.vex)
        return tuple(
            statement
            for statement in self.statements(wanted.type, wanted.authorities)
            if age_failure(statement, wanted, around) is None and content_failure(statement, wanted, around) is None
        )

    def surroundings(self, vex: tuple[str, ...] = ()) -> Surroundings:
        """Return what a statement is held against, with the exceptions that these authorities state."""
        short_lived = (one.name for one in self.policy.authorities if isinstance(one, KeylessAuthority))
        return Surroundings(
            as_of=self.as_of,
            short_lived=frozenset(short_lived),
            images=self.digests,
            excuses=_excuses(self.statements(OPENVEX, vex)),
        )


def check_attestations(attested: Attested, required: tuple[AttestationRequirement, ...]) -> tuple[Problem, ...]:
    """Check every required attestation; each adds at most one problem, the first that applies.

    1. Nobody whom the rule names states anything of that type: it is missing, or nobody knows if the search was
       incomplete.
    2. None is fresh: the freshest fails.
    3. Of the fresh ones any that fails, fails: a registry may serve an old clean report beside the new one.
    4. The rule denies by content, and the search was incomplete: what could not be seen may be the one that fails.
    """
    found = (_check(attested, requirement) for requirement in required)
    return tuple(problem for problem in found if problem is not None)


def _check(attested: Attested, wanted: AttestationRequirement) -> Problem | None:
    statements = attested.statements(wanted.type, wanted.authorities)
    incomplete = attested.findings.incomplete
    unseen = Unverifiable(trouble=incomplete, platform=attested.platform) if incomplete is not None else None
    around = attested.surroundings(wanted.vex)
    # Step 1
    if not statements:
        return unseen or _missing(attested, wanted)
    # Step 2
    ages = [(statement, age_failure(statement, wanted, around)) for statement in statements]
    fresh = [statement for statement, failure in ages if failure is None]
    if not fresh:
        return unseen or _stale(attested, wanted, ages)
    # Step 3
    for statement in fresh:
        failure = content_failure(statement, wanted, around)
        if failure is not None:
            return _failed(attested, wanted, statement, failure)
    # Step 4
    return unseen if _decides_by_content(wanted) else None


def _decides_by_content(wanted: AttestationRequirement) -> bool:
    return wanted.type == VERIFICATION_SUMMARY or any((wanted.deny, wanted.builders, wanted.sources))


def _stale(
    attested: Attested, wanted: AttestationRequirement, ages: Sequence[tuple[VerifiedStatement, Failure | None]]
) -> FailedAttestation:
    """Tell of the freshest; of those without a time that can be told, of the first."""
    old = [(failure.age_hours, statement, failure) for statement, failure in ages if isinstance(failure, TooOld)]
    if old:
        _, statement, youngest = min(old, key=lambda one: one[0])
        return _failed(attested, wanted, statement, youngest)
    return next(_failed(attested, wanted, statement, failure) for statement, failure in ages if failure is not None)


def _failed(
    attested: Attested, wanted: AttestationRequirement, statement: VerifiedStatement, failure: Failure
) -> FailedAttestation:
    by = dict.fromkeys(v.authority for v in statement.vouchers if v.authority in wanted.authorities)
    return FailedAttestation(expected=wanted, by=tuple(by), failure=failure, platform=attested.platform)


def _excuses(documents: tuple[VerifiedStatement, ...]) -> tuple[VexStatement, ...]:
    """Read all exceptions. One that cannot be read may take another back, so then there are none."""
    try:
        return tuple(one for document in documents for one in read_openvex(document.predicate_object()))
    except ParseError:
        return ()


def _missing(attested: Attested, wanted: AttestationRequirement) -> MissingAttestation:
    claims = [claim for claim in attested.findings.claims if claim.predicate_type == wanted.type]
    broken = tuple(b for claim in claims for b in claim.broken if b.authority in wanted.authorities)
    stated = (s for s in attested.findings.statements if s.predicate_type == wanted.type)
    others = dict.fromkeys(
        voucher.authority
        for statement in stated
        if not statement.subjects.isdisjoint(attested.digests)
        for voucher in statement.vouchers
    )
    return MissingAttestation(
        expected=wanted,
        others=tuple(others),
        broken=tuple(dict.fromkeys(broken)),
        strangers=sum(not claim.broken for claim in claims),
        platform=attested.platform,
    )
