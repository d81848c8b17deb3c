"""How long a review may take: the caller's `?timeout=`, less a margin in which the answer travels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

__all__ = ["Deadlines", "deadlines", "parse_duration"]

DEFAULT_SECONDS = 10.0
"""What Kubernetes takes for a webhook that names no `timeoutSeconds`."""
MAX_SECONDS = 30.0
"""The greatest `timeoutSeconds` that Kubernetes accepts."""
MARGIN_SECONDS = 1.0
SHORTEST_SECONDS = 0.25
MAX_DURATION_CHARACTERS = 32
MAX_QUERY_FIELDS = 16

_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TERM = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Three instants on `Clock.monotonic()`.

    `decide_by` is what the gate is told; `answer_by` is when the server answers in its place should the gate overrun;
    `caller_leaves_at` is when nobody listens any more.
    """

    decide_by: float
    answer_by: float
    caller_leaves_at: float


def deadlines(query: bytes, *, arrived: float) -> Deadlines:
    """Read `?timeout=` from a raw query string; without a usable one, Kubernetes' default of 10 s holds.

    The API server rounds its own remaining time **up** to a second, hence the margin of one second. A caller with
    less time than that gets a quarter of a second of work, and may have left by then.
    """
    seconds = min(_timeout_of(query) or DEFAULT_SECONDS, MAX_SECONDS)
    decide_by = arrived + max(seconds - MARGIN_SECONDS, SHORTEST_SECONDS)
    caller_leaves_at = max(arrived + seconds, decide_by)
    return Deadlines(
        decide_by=decide_by,
        answer_by=(decide_by + caller_leaves_at) / 2,
        caller_leaves_at=caller_leaves_at,
    )


def parse_duration(text: str) -> float | None:
    """Read a positive Go duration (`10s`, `1m30s`, `500ms`, `.5s`) as seconds; None if it is none.

    Source: Go's documentation of `time.ParseDuration`.
    """
    if len(text) > MAX_DURATION_CHARACTERS:
        return None
    seconds, position = 0.0, 0
    for term in _TERM.finditer(text):
        if term.start() != position:
            return None
        seconds += float(term[1]) * _UNIT_SECONDS[term[2]]
        position = term.end()
    return seconds if position == len(text) and seconds > 0 else None


@lru_cache(maxsize=64)
def _timeout_of(query: bytes) -> float | None:
    """Return the first `timeout` of a query string in seconds, None if there is no usable one.

    Remembered, because API servers send one or two distinct query strings in all their life.
    """
    try:
        fields = parse_qsl(query.decode("utf-8", "replace"), max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        return None
    return next((parse_duration(value) for name, value in fields if name == "timeout"), None)
