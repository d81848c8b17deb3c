"""What another policy makes of an object."""

from __future__ import annotations

from dataclasses import replace

from webhook.core.auditing.rows import Change, Row
from webhook.core.problems import Unverifiable

__all__ = ["compared"]

UNKNOWN_BEFORE = "what the policy in force makes of it could not be found out"


def compared(row: Row, *, before: Row) -> Row:
    """Return the row under the candidate policy, marked by what it changes; `before` is under the present policy.

    What admission answers counts. An object that is refused either way, or warned about for other reasons, is the same.
    Whether it is newly refused is unknown where the present policy could not be evaluated.
    """
    if _could_not_be_evaluated(before):
        row = replace(row, unknown=True, notes=(*row.notes, UNKNOWN_BEFORE))
    if row.allowed == before.allowed:
        return replace(row, change=Change.SAME)
    return replace(row, change=Change.NEWLY_ADMITTED if row.allowed else Change.NEWLY_REFUSED)


def _could_not_be_evaluated(row: Row) -> bool:
    verdicts = (verdict for judged in row.judged for verdict in judged.decision.verdicts)
    return row.unknown or any(isinstance(problem, Unverifiable) for verdict in verdicts for problem in verdict.problems)
