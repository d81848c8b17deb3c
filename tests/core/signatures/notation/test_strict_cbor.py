"""CBOR that can be read in one way only."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.errors import ParseError
from webhook.core.signatures.notation.strict_cbor import CborValue, Instant, parse_cbor

LIMIT = 1024
scalars = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text(max_size=8) | st.binary(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_what_another_program_wrote_is_read_back(value: CborValue) -> None:
    """Whatever is made of the kinds that have a place here comes back as it was."""
    assert parse_cbor(cbor2.dumps(value), max_bytes=LIMIT) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\x02",
        b"\xa2\x01\x02\x01\x03",
        b"\xa2\x61a\x01\x61a\x02",
        b"\x9f\x01\xff",
        b"\xbf\xff",
        b"\x5f\x41a\xff",
        b"\xf9\x3c\x00",
        b"\xa1\xf9\x3c\x00\x01",
        b"\xa1\x80\x01",
        b"\xa1\xf5\x01",
        b"\xa1\x41a\x01",
        b"\x62\xff\xff",
        b"\xf7",
        b"\x81" * 9 + b"\x01",
        b"\x9b\x00\x00\x00\x00\x70\x00\x00\x00",
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xc1\x61a",
        b"\xc1\xf5",
        b"\xc1\xf9\x3c\x00",
        b"\x00" * (LIMIT + 1),
    ],
)
def test_what_two_readers_could_take_differently_is_refused(data: bytes) -> None:
    """Open lengths, repeated keys, keys and values of other kinds, depth, and what is no CBOR at all."""
    with pytest.raises(ParseError):
        parse_cbor(data, max_bytes=LIMIT)


@pytest.mark.parametrize("tag", [*range(2, 300), 1004, 43000, 55799, 2**32, 2**64 - 1])
def test_no_tag_has_a_meaning_but_that_of_time(tag: int) -> None:
    """Whatever the library could make of a tag (patterns, big numbers, shared values), nothing is made of it."""
    values: tuple[object, ...] = (0, "(a+)+$", b"\xff", [0, 0], {})
    for value in values:
        with pytest.raises(ParseError):
            parse_cbor(cbor2.dumps(cbor2.CBORTag(tag, value)), max_bytes=LIMIT)


def test_a_time_is_whole_seconds() -> None:
    """The one tag that is read gives seconds since 1970, before it too."""
    assert parse_cbor(b"\xc1\x1a\x63\x6b\xb3\x44", max_bytes=LIMIT) == Instant(1_668_002_628)
    assert parse_cbor(b"\xc1\x20", max_bytes=LIMIT) == Instant(-1)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    """Whatever comes in is read, or refused with a ParseError."""
    try:
        parse_cbor(data, max_bytes=LIMIT)
    except ParseError:
        return


def test_values_are_counted_before_any_is_built() -> None:
    """Keys that are arrays can be made to collide, and then a map of a megabyte takes a minute to be refused."""
    most = cbor2.dumps([b"\x00" * 300, "a" * 30, *[1] * 997])
    collider = b"\x82\x1b" + b"\x00" * 8 + b"\x1b" + b"\x00" * 8

    assert parse_cbor(most, max_bytes=4096) == [b"\x00" * 300, "a" * 30, *[1] * 997]
    for data in (cbor2.dumps([1] * 1_000), b"\xb9\x01\x90" + (collider + b"\x00") * 400):
        with pytest.raises(ParseError, match="more than 1,000 values"):
            parse_cbor(data, max_bytes=10_000)
