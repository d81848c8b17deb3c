"""One verified statement + what a rule asks of its type → the first way in which it fails, or none.

1. When it was signed, where the rule bounds its age.
2. Its form: an SBOM that is no SBOM is not there.
3. What it says: findings and their excuses, builder and source, the result of a verification.

**When it was signed.** A certificate that lives for minutes must have been valid at the trusted time, so that time is
the signature's. A key, and a certificate that lives for years, can have its old signatures stamped or logged again at
any time and by anybody; a timestamp then proves only that the signature is no younger. So for these the statement's
own word about its time counts, which was signed with it, or the trusted time if that is earlier.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote

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
from webhook.core.attestations.forms import check_form, read_verification_result, stated_time
from webhook.core.attestations.openvex import VexStatement, is_excused
from webhook.core.attestations.predicate_types import PROVENANCE, VERIFICATION_SUMMARY, VULNERABILITIES
from webhook.core.attestations.provenance import Provenance, read_provenance
from webhook.core.attestations.statements import VerifiedStatement
from webhook.core.attestations.vulnerabilities import read_vulnerabilities
from webhook.core.errors import ParseError
from webhook.core.policy import AttestationRequirement, VulnerabilityLimit
from webhook.core.references import Digest, Glob
from webhook.core.signatures.findings import Voucher

__all__ = ["Surroundings", "age_failure", "content_failure"]

CLOCK_SKEW = timedelta(minutes=10)
"""By how much a statement may seem to come from the future: clocks differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a statement is held against beside the rule.

    `short_lived` are the authorities whose certificates live for minutes. `images` are the digests under which the
    image may be named. `excuses` are the statements of those whose word the rule takes for exceptions.
    """

    as_of: datetime
    short_lived: frozenset[str]
    images: tuple[Digest, ...]
    excuses: tuple[VexStatement, ...] = ()


def age_failure(
    statement: VerifiedStatement, wanted: AttestationRequirement, around: Surroundings
) -> NotUnderstood | Undated | FromTheFuture | TooOld | None:
    """Say what is wrong with the time of a statement; of several who vouch for it, the one that serves best counts."""
    if wanted.max_age is None:
        return None
    try:
        times = [_signed_at(statement, v, around) for v in statement.vouchers if v.authority in wanted.authorities]
    except ParseError as error:
        return NotUnderstood(why=str(error))
    known = sorted(time for time in times if time is not None)
    if not known:
        return Undated()
    past = [time for time in known if time <= around.as_of + CLOCK_SKEW]
    if not past:
        return FromTheFuture(minutes=(known[0] - around.as_of) // timedelta(minutes=1))
    age = around.as_of - past[-1]
    if age > wanted.max_age:
        hour = timedelta(hours=1)
        return TooOld(age_hours=age // hour, max_age_hours=wanted.max_age // hour)
    return None


def content_failure(
    statement: VerifiedStatement, wanted: AttestationRequirement, around: Surroundings
) -> Failure | None:
    """Say in which way the content of a statement fails the rule."""
    kind = statement.predicate_type
    try:
        check_form(kind, statement.predicate)
        if kind in VULNERABILITIES:
            found = read_vulnerabilities(kind, statement.predicate_object())
            return _vulnerable(found, wanted.deny, around) if wanted.deny else None
        if kind in PROVENANCE:
            return _untrusted_build(read_provenance(kind, statement.predicate_object()), wanted)
        if kind == VERIFICATION_SUMMARY and read_verification_result(statement.predicate_object()) != "PASSED":
            return NotPassed()
    except ParseError as error:
        return NotUnderstood(why=str(error))
    return None


def _signed_at(statement: VerifiedStatement, voucher: Voucher, around: Surroundings) -> datetime | None:
    """Return when the voucher's signature was made, by the rule in the head of this module."""
    if voucher.authority in around.short_lived and voucher.signed_at is not None:
        return voucher.signed_at
    stated = stated_time(statement.predicate_type, statement.predicate)
    return stated if stated is None or voucher.signed_at is None else min(stated, voucher.signed_at)


def _vulnerable(found: tuple[Vulnerability, ...], deny: VulnerabilityLimit, around: Surroundings) -> Vulnerable | None:
    """Return the findings that keep the image out. Where nobody knows of a fix, there may be one."""
    counting = (
        one for one in found if one.severity in deny.severities and not (deny.fixed_only and one.fix is Fix.NONE)
    )
    left = [one for one in dict.fromkeys(counting) if not is_excused(one, around.excuses, around.images)]
    return Vulnerable(found=tuple(sorted(left, key=lambda one: (-one.severity, one.id)))) if left else None


def _untrusted_build(provenance: Provenance, wanted: AttestationRequirement) -> Failure | None:
    """Hold builder and sources against the rule. Every source must be listed, and one at least be named."""
    builders, sources = wanted.builders, wanted.sources
    if builders is not None and not _fits(provenance.builder, builders):
        return UntrustedBuilder(builder=provenance.builder, allowed=_patterns(builders))
    if sources is None or (provenance.sources and all(_fits(source, sources) for source in provenance.sources)):
        return None
    return UntrustedSource(sources=provenance.sources, allowed=_patterns(sources))


def _fits(uri: str, globs: tuple[Glob, ...]) -> bool:
    """Tell whether a URI fits one of the globs; one with `..` in its path may lead elsewhere, and fits none."""
    return ".." not in unquote(uri).split("/") and any(glob.matches(uri) for glob in globs)


def _patterns(globs: tuple[Glob, ...]) -> tuple[str, ...]:
    return tuple(glob.pattern for glob in globs)
