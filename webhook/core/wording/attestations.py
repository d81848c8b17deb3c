"""Problems with the attestations of an image → words, with what was asked for by a name that people use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from webhook.core.attestations.failures import (
    Failure,
    FromTheFuture,
    NotPassed,
    NotUnderstood,
    TooOld,
    Undated,
    UntrustedBuilder,
    UntrustedSource,
    Vulnerable,
)
from webhook.core.attestations.findings_of_scanners import Fix, Vulnerability
from webhook.core.attestations.predicate_types import (
    FIPS,
    OPENVEX,
    PROVENANCE,
    SPDX,
    VERIFICATION_SUMMARY,
    VULNERABILITIES,
    is_cyclonedx,
)
from webhook.core.policy import AttestationRequirement
from webhook.core.problems import FailedAttestation, MissingAttestation
from webhook.core.reading.plain_text import listing, printable
from webhook.core.wording.words import Words

__all__ = ["words_for_attestations"]

MAX_SHOWN = 5
HOURS_IN_WORDS = 48
"""Up to this many hours an age is told in hours, beyond in days."""

_NAMES: Mapping[str, str] = {
    **dict.fromkeys(VULNERABILITIES, "vulnerability report"),
    **dict.fromkeys(PROVENANCE, "SLSA provenance"),
    SPDX: "SPDX bill of materials",
    OPENVEX: "OpenVEX document",
    VERIFICATION_SUMMARY: "SLSA verification summary",
    FIPS: "FIPS attestation",
}


def words_for_attestations(problem: MissingAttestation | FailedAttestation) -> Words:
    """Choose the words for an attestation that is not there, or fails the rule."""
    match problem:
        case MissingAttestation():
            return _missing(problem)
        case FailedAttestation():
            return _failed(problem)
        case _:
            assert_never(problem)


def _missing(problem: MissingAttestation) -> Words:
    name, signers = _name(problem.expected), _signers(problem.expected.authorities)
    found = [f"by {_quoted(problem.others)}"] if problem.others else []
    found += [f"{one.authority}: {one.why}" for one in problem.broken]
    if problem.strangers:
        found.append(f"{problem.strangers:,} that nobody trusted here vouches for")
    facts = [("expected", f"`{printable(problem.expected.type)}` by {signers}")]
    return Words(
        says=f"has no {name} by anyone this namespace trusts",
        facts=tuple([*facts, ("found", listing(tuple(found)))] if found else facts),
        help=f"attest one with a key or identity of {signers} (`cosign attest`)",
        platform=problem.platform,
    )


def _failed(problem: FailedAttestation) -> Words:
    says, facts, help_text = _about(problem.failure)
    name = _name(problem.expected)
    by = (("by", _quoted(problem.by)),)
    return Words(
        says=f"has a signed {name} that {says}", facts=(*facts, *by), help=help_text, platform=problem.platform
    )


def _about(failure: Failure) -> tuple[str, tuple[tuple[str, str], ...], str]:
    """Return what is said of the attestation, the facts, and the advice."""
    match failure:
        case Undated() | FromTheFuture() | TooOld():
            return _about_time(failure)
        case UntrustedBuilder() | UntrustedSource():
            return _about_build(failure)
        case Vulnerable():
            return _vulnerable(failure)
        case NotUnderstood():
            cause = (("cause", printable(failure.why)),)
            return "the gate cannot read", cause, "attest it in a form that docs/policy.md lists"
        case NotPassed():
            return "did not pass", (("expected", "the result `PASSED`"),), "mend what the verifier complained about"
        case _:
            assert_never(failure)


def _about_time(failure: Undated | FromTheFuture | TooOld) -> tuple[str, tuple[tuple[str, str], ...], str]:
    again = "attest the image again"
    match failure:
        case Undated():
            lacking = (("expected", "a trusted time, or one within the signed statement"),)
            return "does not say when it was made", lacking, "attest with a certificate, or with the time inside"
        case FromTheFuture():
            return "claims to be from the future", (("found", f"{failure.minutes:,} minutes ahead"),), again
        case TooOld():
            expected = (("expected", f"at most {_span(failure.max_age_hours)}"), ("found", _span(failure.age_hours)))
            return "is too old", expected, again
        case _:
            assert_never(failure)


def _about_build(failure: UntrustedBuilder | UntrustedSource) -> tuple[str, tuple[tuple[str, str], ...], str]:
    allowed = ("expected", listing(failure.allowed))
    match failure:
        case UntrustedBuilder():
            found = ("found", f"`{printable(failure.builder)}`")
            return "names a builder that may not build for here", (allowed, found), "build with one that may"
        case UntrustedSource():
            found = ("found", listing(failure.sources) if failure.sources else "no source")
            return "names a source that may not run here", (allowed, found), "build from a repository that may"
        case _:
            assert_never(failure)


def _vulnerable(failure: Vulnerable) -> tuple[str, tuple[tuple[str, str], ...], str]:
    count = len(failure.found)
    shown = listing(tuple(_finding(one) for one in failure.found[:MAX_SHOWN]))
    more = f" and {count - MAX_SHOWN:,} more" if count > MAX_SHOWN else ""
    fixed = any(one.fix is Fix.AVAILABLE for one in failure.found)
    return (
        f"finds {count:,} {'vulnerability' if count == 1 else 'vulnerabilities'} too grave to run",
        (("found", f"{shown}{more}"),),
        "update the packages, rebuild and scan again"
        if fixed
        else "have an OpenVEX statement say why it does not apply",
    )


def _finding(one: Vulnerability) -> str:
    package = f" in {printable(one.package, 40)}" if one.package else ""
    return f"{printable(one.id, 40)} ({one.severity.name.lower()}{package})"


def _span(hours: int) -> str:
    return f"{hours} hours" if hours <= HOURS_IN_WORDS else f"{hours // 24} days"


def _name(wanted: AttestationRequirement) -> str:
    if is_cyclonedx(wanted.type):
        return "CycloneDX bill of materials"
    return _NAMES.get(wanted.type, f"attestation of type `{printable(wanted.type, 80)}`")


def _signers(authorities: tuple[str, ...]) -> str:
    return _quoted(authorities) if len(authorities) == 1 else f"one of {_quoted(authorities)}"


def _quoted(names: tuple[str, ...]) -> str:
    return listing(tuple(f"`{name}`" for name in names))
