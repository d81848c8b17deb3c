"""Vulnerability reports: what a scanner found in an image, in the one form that rules are held against.

- cosign's own type has the scanner's report as it is, in `scanner.result` (or `scanners[].result`);
- in-toto's types, versions 0.1 and 0.2, have a list in `scanner.result` that does not depend on the scanner.

What is not understood is a ParseError and never a clean report. Sources: sigstore/cosign
`specs/COSIGN_VULN_ATTESTATION_SPEC.md`; in-toto/attestation `spec/predicates/vuln.md` and `vulns_0.2.md`.
"""

from __future__ import annotations

from webhook.core.attestations.findings_of_scanners import (
    MAX_VULNERABILITIES,
    Fix,
    Severity,
    Vulnerability,
    read_scanner_report,
    severity_by_name,
)
from webhook.core.attestations.predicate_types import COSIGN_VULNERABILITIES
from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable
from webhook.core.reading.strict_json import JsonObject

__all__ = ["read_vulnerabilities"]

MAX_SCANNERS = 16
MAX_SCORES = 64

_RATINGS = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM), (0.1, Severity.LOW))
"""The lowest base score of each rating. Source: CVSS v3.1 specification, section 5."""
_HIGHEST_SCORE = 10.0


def read_vulnerabilities(predicate_type: str, predicate: JsonObject) -> tuple[Vulnerability, ...]:
    """Return every finding of a report of one of these types; a ParseError for what is not understood."""
    if predicate_type in COSIGN_VULNERABILITIES:
        reports = _scanners(predicate)
        return tuple(found for scanner in reports for found in read_scanner_report(scanner.object("result")))
    results = predicate.object("scanner").objects("result", at_most=MAX_VULNERABILITIES)
    return tuple(_in_toto_finding(item) for item in results)


def _scanners(predicate: JsonObject) -> tuple[JsonObject, ...]:
    """Return the scanners of cosign's report: its specification has a list of them, its program writes one."""
    predicate.refuse_variants(("scanner", "scanners"))
    one = (predicate.object("scanner"),) if predicate.has("scanner") else ()
    more = predicate.objects("scanners", at_most=MAX_SCANNERS) if predicate.has("scanners") else ()
    if not (*one, *more):
        raise ParseError(predicate.at("scanner"), "is missing")
    return (*one, *more)


def _in_toto_finding(item: JsonObject) -> Vulnerability:
    """Read one finding. It may stand in a `vulnerability` of its own, as the text of version 0.1 has it.

    The format says nothing about fixes and packages, so whether there is a fix is unknown.
    """
    found = item.object("vulnerability") if item.has("vulnerability") else item
    found.refuse_variants(("id", "severity"))
    if isinstance(found.members.get("severity"), dict):
        scores: tuple[JsonObject, ...] = (found.object("severity"),)
    else:
        scores = found.objects("severity", at_most=MAX_SCORES) if found.has("severity") else ()
    severity = max((_severity(score) for score in scores), default=Severity.UNKNOWN)
    return Vulnerability(id=found.text("id"), severity=severity, fix=Fix.UNKNOWN)


def _severity(source: JsonObject) -> Severity:
    """Read a rating in words, or a CVSS base score."""
    score = source.text("score")
    named = severity_by_name(score)
    if named is not None:
        return named
    try:
        number = float(score)
    except ValueError:
        number = -1.0
    if "cvss" not in source.text("method").lower() or not 0 <= number <= _HIGHEST_SCORE:
        raise ParseError(source.at("score"), f"is `{printable(score, 40)}`, neither a rating in words nor a CVSS score")
    return next((rating for least, rating in _RATINGS if number >= least), Severity.NEGLIGIBLE)
