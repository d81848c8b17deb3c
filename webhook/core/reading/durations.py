"""Durations as the policy writes them: `60d`, `12h`, `15m`."""

from __future__ import annotations

import re
from datetime import timedelta

from webhook.core.errors import ParseError

__all__ = ["MAX_DURATION", "parse_duration"]

MAX_DURATION = timedelta(days=3650)

_DURATION = re.compile(r"([1-9][0-9]{0,7})([dhm])")
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}


def parse_duration(text: str) -> timedelta:
    """Read a positive whole number of days, hours or minutes, up to ten years; a ParseError otherwise."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ParseError("", "a duration is a whole number of days, hours or minutes, such as 60d, 12h or 15m")
    duration = int(match[1]) * _UNITS[match[2]]
    if duration > MAX_DURATION:
        raise ParseError("", f"a duration is at most {MAX_DURATION.days}d")
    return duration
