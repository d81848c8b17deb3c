"""Instants as documents of the field write them: date and time of RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from webhook.core.errors import ParseError

__all__ = ["parse_instant"]

_INSTANT = re.compile(
    r"(?P<second>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,9}))?(?P<zone>Z|[+-]\d\d:\d\d)", re.ASCII
)


def parse_instant(text: str) -> datetime:
    """Read an instant, in UTC and cut to microseconds; a ParseError if it is none. Source: RFC 3339, section 5.6."""
    parts = _INSTANT.fullmatch(text)
    if parts is None:
        raise ParseError("", "is not a date and time of RFC 3339")
    microseconds = (parts["fraction"] or "0")[:6].ljust(6, "0")
    try:
        return datetime.fromisoformat(f"{parts['second']}.{microseconds}{parts['zone']}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise ParseError("", "is no date that exists") from None
