"""Rows: what follows from the decisions in them, and what another policy changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.given import NOW
from tests.core.problem_samples import RELEASE, decision, decisions, verdict
from webhook.core.auditing.as_of import parse_as_of
from webhook.core.auditing.changes import compared
from webhook.core.auditing.rows import Change, Judged, Row, Seen, error_row, row_of
from webhook.core.errors import ParseError
from webhook.core.problems import Unsigned
from webhook.core.verdicts import Decision, Result

GOOD = decision(verdict())
BAD = decision(verdict(Unsigned(expected=RELEASE)))


def row(*found: Decision) -> Row:
    """Return a row of these decisions."""
    judged = tuple(Judged(decision=one, seen=Seen.POD) for one in found)
    return Row(kind="Pod", namespace="shop", name="api", judged=judged)


def test_a_row_of_a_file_is_its_decision() -> None:
    """An object of a file has its own name and result."""
    found = row_of(BAD)

    assert (found.kind, found.namespace, found.name) == ("Pod", "shop", "api")
    assert (found.result, found.allowed, found.pods) == (Result.FAIL, False, None)


def test_a_row_of_nothing_is_an_error() -> None:
    """What could not be judged is neither allowed nor passed."""
    found = error_row(kind="Namespace", namespace="shop", name="shop", trouble="listing pods: not allowed")

    assert (found.result, found.allowed) == (Result.ERROR, False)


@given(st.lists(decisions, min_size=1, max_size=4))
def test_a_row_is_the_worst_of_its_decisions(found: list[Decision]) -> None:
    """It fares as its worst decision, and is allowed only if all are."""
    order = list(Result)

    assert row(*found).result is min((one.result for one in found), key=order.index)
    assert row(*found).allowed == all(one.allowed for one in found)


def test_a_change_is_what_admission_would_answer_differently() -> None:
    """Refused and admitted are compared; the same answer for another reason is the same."""
    assert compared(row(BAD), before=row(GOOD)).change is Change.NEWLY_REFUSED
    assert compared(row(GOOD), before=row(BAD)).change is Change.NEWLY_ADMITTED
    assert compared(row(BAD), before=row(BAD, GOOD)).change is Change.SAME


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-12-24", datetime(2026, 12, 24, 23, 59, 59, tzinfo=UTC)),
        ("2026-12-24T09:00:00+01:00", datetime(2026, 12, 24, 8, tzinfo=UTC)),
        ("+30d", NOW + timedelta(days=30)),
        ("+12h", NOW + timedelta(hours=12)),
    ],
)
def test_the_day_as_on_which_is_judged(text: str, instant: datetime) -> None:
    """A day is judged at its end; an instant and a span from now are what they say."""
    assert parse_as_of(text, NOW) == instant


@pytest.mark.parametrize("text", ["", "tomorrow", "30d", "+30", "2026-13-01", "2026-12-24T99:00:00Z", "-1d"])
def test_what_is_no_day_is_refused(text: str) -> None:
    """The message says what can be written."""
    with pytest.raises(ParseError, match="expected a day"):
        parse_as_of(text, NOW)


def test_a_span_beyond_all_days_is_refused() -> None:
    """The last day of the calendar is not passed."""
    with pytest.raises(ParseError, match="expected a day"):
        parse_as_of("+3650d", datetime(9999, 1, 1, tzinfo=UTC))
