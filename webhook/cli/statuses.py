"""The exit status of a command that decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from webhook.cli.inputs import CANNOT_TELL
from webhook.core.auditing.rows import Change, Row
from webhook.core.problems import Unverifiable
from webhook.core.verdicts import Result, Verdict

__all__ = ["FAIL_ON", "exit_status", "leaves_unknown"]

DENIED = 1
FAIL_ON = ("fail", "warn")
"""What can make the status 1."""


def exit_status(rows: Sequence[Row], fail_on: str, *, complete: bool) -> int:
    """Return 2 if anything could not be evaluated, also beside a definite denial; else 1 if anything would be denied.

    With `fail_on` warn, warnings count as denials. Where two policies are compared, only what is newly refused counts.
    """
    if not complete or leaves_unknown(rows):
        return CANNOT_TELL
    counting = [row for row in rows if row.change in {None, Change.NEWLY_REFUSED}]
    warned = any(verdict.result is Result.WARN for verdict in _verdicts(counting))
    denied = any(not row.allowed for row in counting)
    return DENIED if denied or (fail_on == "warn" and warned) else 0


def leaves_unknown(rows: Sequence[Row]) -> bool:
    """Tell whether anything about these objects could not be found out."""
    unknown = any(row.trouble or row.unknown or not row.judged for row in rows)
    return unknown or any(map(_is_unknown, _verdicts(rows)))


def _verdicts(rows: Iterable[Row]) -> Iterable[Verdict]:
    return (verdict for row in rows for judged in row.judged for verdict in judged.decision.verdicts)


def _is_unknown(verdict: Verdict) -> bool:
    return any(isinstance(problem, Unverifiable) for problem in verdict.problems)
