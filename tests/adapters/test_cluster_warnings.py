"""The warnings of an API server, out of the headers that carry them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.adapters.cluster.answers import MAX_SHOWN, MAX_WARNINGS, parse_warnings


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], ()),
        (['299 - "one"', '299 - "two, three"'], ("one", "two, three")),
        (['299 - "one", 299 apiserver "two"'], ("one", "two")),
        ([r'299 - "a \"quoted\" \\ word"'], (r'a "quoted" \ word',)),
        (['110 - "stale"'], ()),
        (["nonsense", '299 - "open'], ()),
        (['299 - "\x1b[2Jred"'], ("?[2Jred",)),
    ],
)
def test_warnings_are_read(headers: list[str], expected: tuple[str, ...]) -> None:
    """Several headers, several in one, escapes; other codes and other forms are none."""
    assert parse_warnings(headers) == expected


@given(st.lists(st.text()))
def test_any_header_is_read(headers: list[str]) -> None:
    """Whatever comes, the texts are few, short and printable."""
    found = parse_warnings([*headers, '299 - "x"' * (2 * MAX_WARNINGS)])
    assert len(found) <= MAX_WARNINGS
    assert all(text.isprintable() and len(text) <= MAX_SHOWN for text in found)
