"""Label selectors as an API server reads them.

Source: Kubernetes, "Labels and selectors": requirements parted by commas, each of which must hold; `=`, `==`, `!=`,
`in`, `notin`, `key` and `!key`. What lacks the key satisfies `!=` and `notin`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

__all__ = ["Matches", "parse_selector"]

Matches = Callable[[Mapping[str, str]], bool]
"""Tells whether labels satisfy a selector."""

NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
KEY = rf"(?:[a-z0-9](?:[-a-z0-9.]{{0,251}}[a-z0-9])?/)?{NAME}"
VALUE = rf"(?:{NAME})?"
REQUIREMENT = re.compile(
    rf"\s*(?:(?P<absent>!)\s*)?(?P<key>{KEY})\s*"
    rf"(?:(?P<equality>==?|!=)\s*(?P<value>{VALUE})"
    rf"|\s(?P<set>in|notin)\s*\((?P<values>\s*{VALUE}\s*(?:,\s*{VALUE}\s*)*)\))?\s*"
)
COMMA = re.compile(r",(?![^(]*\))")


def parse_selector(text: str) -> Matches:
    """Return what decides about labels; an empty selector takes everything. Raises ValueError if it is none."""
    requirements = [_parse_requirement(part) for part in COMMA.split(text)] if text.strip() else []
    return lambda labels: all(holds(labels) for holds in requirements)


def _parse_requirement(text: str) -> Matches:
    found = REQUIREMENT.fullmatch(text)
    if found is None or (found["absent"] and (found["equality"] or found["set"])):
        raise ValueError(f"unable to parse requirement: {text!r}")
    key = found["key"]
    if found["absent"]:
        return lambda labels: key not in labels
    if found["equality"] or found["set"]:
        listed = found["values"] if found["set"] else found["value"]
        values = {value.strip() for value in listed.split(",")}
        if found["equality"] == "!=" or found["set"] == "notin":
            return lambda labels: labels.get(key) not in values
        return lambda labels: labels.get(key) in values
    return lambda labels: key in labels
