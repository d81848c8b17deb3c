"""What another policy makes of an object."""

from __future__ import annotations

from dataclasses import replace

from webhook.core.auditing.rows import Change, Row

__all__ = ["compared"]


def compared(row: Row, *, before: Row) -> Row:
    """Return the row under the candidate policy, marked by what it changes; `before` is under the present policy.

    What admission answers counts. An object that is refused either way, or warned about for other reasons, is the same.
    """
    if row.allowed == before.allowed:
        return replace(row, change=Change.SAME)
    return replace(row, change=Change.NEWLY_ADMITTED if row.allowed else Change.NEWLY_REFUSED)
