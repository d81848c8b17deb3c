"""How grave each reason code is, for formats that want a word or a number for it.

The gate itself knows no degrees: a rule is met or it is not. Whoever sorts reports does, by what an attacker gains if
the image runs:

- `critical`: somebody tampered, or it is known that the bytes must not run;
- `high`: nobody whom the policy trusts answers for what would run;
- `medium`: the image is vouched for and falls short of what the rule demands; or nobody could look, which is never
  "fine" and no finding either;
- `low`: nothing would run, because there is no such image.

An advice, which denies in no mode yet, is `low`; what is in order is `info`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from webhook.core.reporting.document import ProblemDocument

__all__ = ["Severity", "severity_of", "severity_of_code"]


class Severity(Enum):
    """The degrees of PolicyReport and OpenReports, gravest first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


_BY_CODE: Mapping[str, Severity] = {
    "bad-reference": Severity.LOW,
    "forbidden-image": Severity.HIGH,
    "unpinned": Severity.MEDIUM,
    "not-found": Severity.LOW,
    "revoked": Severity.CRITICAL,
    "malformed-image": Severity.HIGH,
    "invalid-signature": Severity.CRITICAL,
    "untrusted-signer": Severity.HIGH,
    "unsigned": Severity.HIGH,
    "unapproved-base": Severity.HIGH,
    "revoked-base": Severity.CRITICAL,
    "end-of-life-base": Severity.MEDIUM,
    "stale-base": Severity.MEDIUM,
    "wrong-variant": Severity.MEDIUM,
    "not-fips": Severity.MEDIUM,
    "base-modified": Severity.HIGH,
    "forbidden-content": Severity.HIGH,
    "missing-attestation": Severity.MEDIUM,
    "failed-attestation": Severity.HIGH,
    "runs-as-root": Severity.MEDIUM,
    "pod-security": Severity.MEDIUM,
    "unverifiable": Severity.MEDIUM,
}


def severity_of_code(code: str) -> Severity:
    """Return how grave a problem of this code is. Raises KeyError for what is no code of the contract."""
    return _BY_CODE[code]


def severity_of(problem: ProblemDocument) -> Severity:
    """Return how grave a problem, or an advice, of a report is."""
    return Severity.LOW if problem.severity == "warning" else severity_of_code(problem.code)
