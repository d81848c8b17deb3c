"""Findings about signatures + what a rule asks → at most one problem, the first that applies."""

from __future__ import annotations

from webhook.core.evidence import count_signers
from webhook.core.policy import Authority, Identity, KeylessAuthority, SignatureRequirement
from webhook.core.problems import InvalidSignature, Problem, Unsigned, UntrustedSigner, Unverifiable
from webhook.core.signatures.findings import SignatureFindings

__all__ = ["check_signatures"]


def check_signatures(
    findings: SignatureFindings, expected: SignatureRequirement, authorities: tuple[Authority, ...] = ()
) -> Problem | None:
    """Return None if enough of the named authorities signed, else the one thing to say about it.

    `authorities` are those of the policy; who they are decides nothing here, and is told to who was refused.

    1. Enough distinct signers: nothing to say, whatever else was found.
    2. The search was incomplete: the missing signature may be what could not be seen.
    3. A signature points at a named authority and does not hold.
    4. There are signatures, by others.
    5. There is none.
    """
    if count_signers(findings, expected) >= expected.at_least:
        return None
    if findings.incomplete is not None:
        return Unverifiable(trouble=findings.incomplete)
    broken = tuple(finding for finding in findings.broken if finding.authority in expected.authorities)
    if broken:
        return InvalidSignature(expected=expected, broken=broken)
    found = tuple(dict.fromkeys(voucher.authority for voucher in findings.vouchers))
    strangers = findings.strangers + len(findings.broken)
    if found or strangers:
        return UntrustedSigner(
            expected=expected,
            meant=_meant(expected, authorities),
            found=found,
            strangers=strangers,
            identities=findings.identities,
        )
    return Unsigned(expected=expected)


def _meant(expected: SignatureRequirement, authorities: tuple[Authority, ...]) -> tuple[Identity, ...]:
    """Return whom certificates must name to count for the named authorities."""
    named = (one for one in authorities if isinstance(one, KeylessAuthority) and one.name in expected.authorities)
    return tuple(identity for authority in named for identity in authority.identities)
