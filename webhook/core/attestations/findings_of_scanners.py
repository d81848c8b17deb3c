"""What vulnerability scanners report, in their own JSON: Trivy and Grype.

Each report is known by its own marks; any other is a ParseError, because a report that is not understood is no clean
one. Sources: aquasecurity/trivy `docs/docs/configuration/reporting.md` and its Go types (schema version 2);
anchore/grype `grype/presenter/models`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable
from webhook.core.reading.strict_json import JsonObject

__all__ = ["MAX_VULNERABILITIES", "Fix", "Severity", "Vulnerability", "read_scanner_report", "severity_by_name"]

MAX_VULNERABILITIES = 20_000
MAX_TARGETS = 10_000
MAX_ALIASES = 100
TRIVY_SCHEMA = 2


class Severity(IntEnum):
    """How bad a vulnerability is; the greater value is the worse."""

    UNKNOWN = 0
    NEGLIGIBLE = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5


class Fix(Enum):
    """Whether there is a version of the package without the vulnerability."""

    AVAILABLE = "available"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vulnerability:
    """One finding. `package` is its name for people; `purl` names it exactly, None if the report does not."""

    id: str
    severity: Severity
    fix: Fix
    aliases: tuple[str, ...] = ()
    package: str = ""
    purl: str | None = None

    @property
    def names(self) -> frozenset[str]:
        """Every name under which the vulnerability is known."""
        return frozenset((self.id, *self.aliases))


_SEVERITIES: Mapping[str, Severity] = {
    **{severity.name.lower(): severity for severity in Severity},
    "moderate": Severity.MEDIUM,
    "none": Severity.NEGLIGIBLE,
}
_GRYPE_FIXES: Mapping[str, Fix] = {
    "fixed": Fix.AVAILABLE,
    "not-fixed": Fix.NONE,
    "wont-fix": Fix.NONE,
    "unknown": Fix.UNKNOWN,
    "": Fix.UNKNOWN,
}


def severity_by_name(text: str) -> Severity | None:
    """Return the severity of that name, whatever its case; None if there is none."""
    return _SEVERITIES.get(text.lower())


def read_scanner_report(report: JsonObject) -> tuple[Vulnerability, ...]:
    """Return every finding of a report by Trivy or Grype; a ParseError for any other."""
    report.refuse_variants(("SchemaVersion", "Results", "matches", "descriptor"))
    if report.has("SchemaVersion"):
        return _read_trivy(report)
    if report.has("matches") and report.object("descriptor").text("name") == "grype":
        return tuple(_grype_finding(match) for match in report.objects("matches", at_most=MAX_VULNERABILITIES))
    raise ParseError(report.path, "is the report of a scanner that the gate cannot read (Trivy and Grype it can)")


def _read_trivy(report: JsonObject) -> tuple[Vulnerability, ...]:
    """Read a report of Trivy. One without any target says that nothing was looked into, which is no clean result."""
    if report.integer("SchemaVersion") != TRIVY_SCHEMA:
        raise ParseError(report.at("SchemaVersion"), f"is not {TRIVY_SCHEMA}")
    targets = report.objects("Results", at_most=MAX_TARGETS) if report.has("Results") else ()
    if not targets:
        raise ParseError(report.at("Results"), "names nothing that was scanned")
    findings: list[JsonObject] = []
    for target in targets:
        target.refuse_variants(("Vulnerabilities",))
        if target.has("Vulnerabilities"):
            findings += target.objects("Vulnerabilities", at_most=MAX_VULNERABILITIES)
        if len(findings) > MAX_VULNERABILITIES:
            raise ParseError(report.at("Results"), f"has more than {MAX_VULNERABILITIES:,} findings")
    return tuple(_trivy_finding(finding) for finding in findings)


def _trivy_finding(finding: JsonObject) -> Vulnerability:
    finding.refuse_variants(("VulnerabilityID", "Severity", "FixedVersion", "PkgName", "PkgIdentifier"))
    purl = finding.object_or_empty("PkgIdentifier").text_or("PURL", "")
    return Vulnerability(
        id=finding.text("VulnerabilityID"),
        severity=_severity(finding, "Severity"),
        fix=Fix.AVAILABLE if finding.text_or("FixedVersion", "") else Fix.NONE,
        package=finding.text_or("PkgName", ""),
        purl=purl or None,
    )


def _grype_finding(match: JsonObject) -> Vulnerability:
    match.refuse_variants(("vulnerability", "relatedVulnerabilities", "artifact"))
    found, artifact = match.object("vulnerability"), match.object_or_empty("artifact")
    found.refuse_variants(("id", "severity", "fix"))
    related = "relatedVulnerabilities"
    aliases = match.objects(related, at_most=MAX_ALIASES) if match.has(related) else ()
    state = found.object_or_empty("fix").text_or("state", "")
    if state not in _GRYPE_FIXES:
        raise ParseError(found.at("fix.state"), f"is `{printable(state, 40)}`, which the gate does not know")
    return Vulnerability(
        id=found.text("id"),
        severity=_severity(found, "severity"),
        fix=_GRYPE_FIXES[state],
        aliases=tuple(alias.text("id") for alias in aliases),
        package=artifact.text_or("name", ""),
        purl=artifact.text_or("purl", "") or None,
    )


def _severity(source: JsonObject, key: str) -> Severity:
    text = source.text_or(key, Severity.UNKNOWN.name)
    severity = severity_by_name(text)
    if severity is None:
        raise ParseError(source.at(key), f"is `{printable(text, 40)}`, which is no severity")
    return severity
