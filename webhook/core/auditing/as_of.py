"""The instant as on which an audit judges: a day, an instant, or a span from now."""

from __future__ import annotations

from datetime import UTC, datetime, time

from webhook.core.errors import ParseError
from webhook.core.policy_reading.words import parse_date
from webhook.core.reading.durations import parse_duration
from webhook.core.reading.instants import parse_instant

__all__ = ["parse_as_of"]

LAST_MOMENT = time(23, 59, 59, tzinfo=UTC)


def parse_as_of(text: str, now: datetime) -> datetime:
    """Read `2026-12-24`, `2026-12-24T08:00:00Z` or `+30d`; a ParseError otherwise.

    A day is judged at its end, UTC: what goes stale in the course of it is stale, and an exemption still holds that
    expires on it. `now` has a time zone.
    """
    try:
        if text.startswith("+"):
            return now + parse_duration(text[1:])
        return parse_instant(text) if "T" in text else datetime.combine(parse_date(text), LAST_MOMENT)
    except (ParseError, OverflowError):
        raise ParseError(
            "", "expected a day (2026-12-24), an instant (2026-12-24T08:00:00Z) or a span from now (+30d)"
        ) from None
