"""Reading `WWW-Authenticate`."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.adapters.registry.challenges import BasicChallenge, BearerChallenge, Challenge, parse_challenges


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (['Basic realm="x"'], (BasicChallenge(),)),
        (["basic"], (BasicChallenge(),)),
        (
            ['Bearer realm="https://a/t?x=1,2",service="r, x",scope="a:b" , Basic realm="q\\"uote"'],
            (BearerChallenge(realm="https://a/t?x=1,2", service="r, x"), BasicChallenge()),
        ),
        (["bearer realm=https://a/t"], (BearerChallenge(realm="https://a/t", service=""),)),
        (["NEGOTIATE", "Basic realm=x"], (BasicChallenge(),)),
        (['Bearer realm="https://a", realm="https://b"'], (BearerChallenge(realm="https://a", service=""),)),
        (["Bearer", 'Bearer service="x"', ""], ()),
    ],
)
def test_challenges_are_read(headers: list[str], expected: tuple[Challenge, ...]) -> None:
    """Several challenges, in one header or several, in any case, with quoted commas, are understood."""
    assert parse_challenges(headers) == expected


@given(st.lists(st.text(alphabet='Bearr ealm="\\,x \t', max_size=200), max_size=3))
def test_any_header_is_answered(headers: list[str]) -> None:
    """No header makes the parser fail."""
    parse_challenges(headers)


@pytest.mark.parametrize("piece", [" ", ",", "Bearer ", 'a="', 'Bearer a="b",', "\\", " ,"])
def test_a_long_header_takes_no_long_time(piece: str) -> None:
    """A hostile header is read in linear time."""
    begun = time.perf_counter()
    parse_challenges([piece * 8192])
    assert time.perf_counter() - begun < 0.5
