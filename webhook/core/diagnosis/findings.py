"""What was found wrong with an installation, how grave it is, and which exit status follows.

How grave a finding is follows from what it means for the images that run:

- `critical`: images get in unseen, or nothing can be started, now;
- `high`: they will as soon as something else happens that is to be expected, such as a restart;
- `medium`: the installation is not what it should be; somebody has to look at it;
- `low`: worth knowing, and nothing to get up for;
- `info`: as it is meant to be, and part of the picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from webhook.core.reading.plain_text import printable
from webhook.core.reporting.severities import Severity

__all__ = ["Finding", "Severity", "Unseen", "exit_status", "in_order", "not_checked"]

MAX_CHARACTERS = 600
NOTHING_GRAVE, GRAVE, NOT_SEEN = 0, 1, 2

_DEGREES = tuple(Severity)
_GRAVE = frozenset({Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Something that could not be looked at, and what stood in the way, in one line without a final stop."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that somebody should know. `check` is a stable word for programs, `where` the object it is about.

    `what` is what was seen, `why` what that means, `remedy` what to do: one or more sentences each, without a final
    stop. If `checked` is false it could not be looked at, and the severity is that of what may be behind it.
    """

    severity: Severity
    check: str
    where: str
    what: str
    why: str
    remedy: str
    checked: bool = True


def not_checked(unseen: Unseen, *, severity: Severity, check: str, where: str, why: str, remedy: str = "") -> Finding:
    """Return the finding that nobody could look. Silence would pass for health."""
    return Finding(
        severity=severity,
        check=check,
        where=where,
        what=f"not checked: {printable(unseen.why, MAX_CHARACTERS)}",
        why=why,
        remedy=remedy or "give whoever runs this the right to read it, and run it again",
        checked=False,
    )


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return them gravest first; those of one degree in the order in which they were found."""
    return tuple(sorted(findings, key=lambda finding: _DEGREES.index(finding.severity)))


def exit_status(findings: Iterable[Finding]) -> int:
    """Return 2 if something that may be grave could not be looked at, else 1 if something grave was found, else 0.

    Grave is `medium` and above.
    """
    grave = [finding for finding in findings if finding.severity in _GRAVE]
    if any(not finding.checked for finding in grave):
        return NOT_SEEN
    return GRAVE if grave else NOTHING_GRAVE
