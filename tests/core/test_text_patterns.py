"""Patterns for identities: met exactly, or as a whole by an expression."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.errors import ParseError
from webhook.core.reading.text_patterns import MAX_EXPRESSION_CHARACTERS, TextPattern


@given(st.text(max_size=20), st.text(max_size=20))
def test_text_is_met_exactly(text: str, value: str) -> None:
    """Without an expression, a value is the very text or it is not meant, whatever characters it is made of."""
    assert TextPattern(text).matches(text)
    assert TextPattern(text).matches(value) == (text == value)


@pytest.mark.parametrize("value", ["https://a.example/main-2", "x https://a.example/main", "https://a.example/main\n"])
def test_an_expression_matches_the_whole(value: str) -> None:
    """Nothing may stand before or after what an expression matches, a line's end neither."""
    pattern = TextPattern("https://[a-z][.]example/main", is_expression=True)

    assert pattern.matches("https://a.example/main")
    assert not pattern.matches(value)


def test_a_pattern_is_equal_to_one_that_means_the_same() -> None:
    """The same characters mean something else as an expression, and the pattern shows which of the two it is."""
    text, expression = TextPattern("a.b"), TextPattern("a.b", is_expression=True)

    assert text == TextPattern("a.b")
    assert len({text, TextPattern("a.b"), expression}) == 2
    assert [repr(text), repr(expression)] == [
        "TextPattern('a.b', is_expression=False)",
        "TextPattern('a.b', is_expression=True)",
    ]


@pytest.mark.parametrize("text", ["(", r"(a)\1", "a" * (MAX_EXPRESSION_CHARACTERS + 1)])
def test_what_is_no_expression_of_linear_time_is_refused(text: str) -> None:
    """An expression that cannot be read, looks back or is too long is refused when the policy is read."""
    with pytest.raises(ParseError, match="regular expression"):
        TextPattern(text, is_expression=True)
