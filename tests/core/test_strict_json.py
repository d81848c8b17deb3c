"""Strict JSON: what may be read, what is refused, and the paths of its errors."""

from __future__ import annotations

import base64
import contextlib
import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webhook.core.errors import ParseError
from webhook.core.reading.strict_json import JsonObject, JsonValue, decode_base64, parse_json

MAX_BYTES = 1024 * 1024

scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
keys = st.text("abcxyz019._-/", max_size=8)
values = st.recursive(
    scalars | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def read(text: str) -> JsonValue:
    """Read a document of ordinary size."""
    return parse_json(text.encode(), max_bytes=MAX_BYTES)


def read_object(text: str) -> JsonObject:
    """Read a document whose top is an object."""
    return JsonObject.of(read(text))


@given(values)
def test_reads_what_json_writes(value: JsonValue) -> None:
    """Any value with plain keys that is written as JSON is read back unchanged."""
    assert read(json.dumps(value, ensure_ascii=False)) == value
    assert read(json.dumps(value, ensure_ascii=True)) == value


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\u0d8n1e-.tfN ', max_size=200).map(str.encode))
@example(b'"' + b'\\"' * 50_000)
@example(b"[" * 100_000)
@example(b"1" * 5_000)
def test_raises_nothing_but_parse_errors(data: bytes) -> None:
    """Whatever the bytes are, the answer is a value or a ParseError."""
    with contextlib.suppress(ParseError):
        parse_json(data, max_bytes=MAX_BYTES)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not JSON"),
        ('{"a": 1', "brackets do not match"),
        ("[1}", "is not JSON"),
        ('{"a": 1} {}', "is not JSON"),
        ("\ufeff{}", "is not JSON"),
        ('{"a": 1, "a": 1}', "has the key `a` twice"),
        ('[{"b": {"a": 1, "c": 2, "a": null}}]', "has the key `a` twice"),
        ('{"layers": 1, "Layers": 2}', "has the keys `layers` and `Layers`"),
        ('{"layers": 1, "layer\u017f": 2}', "some readers take for one"),
        ('{"k": 1, "\u212a": 2}', "some readers take for one"),
        ('{"stra\u00dfe": 1, "STRASSE": 2}', "some readers take for one"),
        ('{"\\u006cayers": 1, "LAYERS": 2}', "some readers take for one"),
        ('{"x": [{"annotations": [{"a": 1, "A": 2}]}]}', "some readers take for one"),
        ('{"annotations": {"a": 1, "a": 2}}', "has the key `a` twice"),
        ('{"annotations": {"x": {"a": 1, "A": 2}}}', "some readers take for one"),
        ("NaN", "which is no JSON"),
        ("[-Infinity]", "which is no JSON"),
        ("1e999", "out of range"),
        ("0." + "1" * 100, "out of range"),
        ("18446744073709551616", "more than 64 bits"),
        ("-9223372036854775809", "more than 64 bits"),
        ("9" * 5000, "more than 64 bits"),
        ('"\\ud800"', "half of a surrogate pair"),
        ('{"a": ["\\uDC00x"]}', "half of a surrogate pair"),
        ('{"\\ud800": 1}', "half of a surrogate pair"),
        ('"a\nb"', "is not JSON"),
        ("01", "is not JSON"),
        ("\u0661", "is not JSON"),
    ],
)
def test_refuses_what_readers_take_differently(text: str, why: str) -> None:
    """Text that some reader would take for something else is refused, with the reason."""
    with pytest.raises(ParseError, match=why):
        read(text)


def test_refuses_bytes_that_are_not_utf8() -> None:
    """Bytes that are not UTF-8, encoded surrogates included, are refused."""
    for data in (b'"\xff"', b'"\xed\xa0\x80"', '"a"'.encode("utf-16")):
        with pytest.raises(ParseError, match="is not UTF-8"):
            parse_json(data, max_bytes=MAX_BYTES)


def test_bounds_size_and_depth() -> None:
    """One byte or one level more than was allowed is refused, and what is just within is read."""
    assert parse_json(b"[]", max_bytes=2) == []
    with pytest.raises(ParseError, match="is larger than 1 bytes"):
        parse_json(b"[]", max_bytes=1)
    assert parse_json(b'[{"a": []}]', max_bytes=99, max_depth=3) == [{"a": []}]
    with pytest.raises(ParseError, match="nests deeper than 2 levels"):
        parse_json(b'[{"a": []}]', max_bytes=99, max_depth=2)


def test_bounds_keys_that_take_long_to_compare() -> None:
    """Combining characters are put in order by insertion: a key of megabytes of them would take half an hour."""
    marks = "\u0315\u0300" * 500_000
    with pytest.raises(ParseError, match="a key beyond ASCII of more than 128 characters"):
        parse_json(json.dumps({marks: 1}, ensure_ascii=False).encode(), max_bytes=4 * 1024 * 1024)
    assert read(json.dumps({marks[:128]: marks[:1_000]})) == {marks[:128]: marks[:1_000]}
    assert read(json.dumps({"a" * 1_000: 1})) == {"a" * 1_000: 1}


def test_brackets_in_strings_have_no_depth() -> None:
    """Brackets and escaped quotes inside a string do not count as nesting."""
    assert parse_json(b'"[\\"[[[{{{"', max_bytes=99, max_depth=0) == '["[[[{{{'


def test_free_form_maps_may_differ_in_case() -> None:
    """Keys of maps that every reader compares exactly may differ in case, and only there."""
    expected = {"annotations": {"a": "1", "A": "2"}, "config": {"Labels": {"x": "1", "X": "2"}}}

    assert expected == read(json.dumps(expected))


def test_whole_surrogate_pairs_are_text() -> None:
    """A character outside the basic plane may be escaped as a pair, beside values of every type."""
    assert read('["\\ud83d\\ude00", 1, null, {"a\\u00e9": true}]') == ["\U0001f600", 1, None, {"a\u00e9": True}]


@given(st.characters(codec="utf-8"))
def test_folding_covers_simple_case_folding(character: str) -> None:
    """Two keys of which one is a case variant of the other never stand in one object."""
    variants = {character.upper(), character.lower(), character.title(), character.casefold()} - {character}
    # Go folds single characters only, and the dotted and dotless i fold to themselves there.
    for variant in variants:
        if len(variant) == 1 and variant.casefold() == character.casefold():
            with pytest.raises(ParseError, match="some readers take for one"):
                read(json.dumps({f"x{character}": 1, f"x{variant}": 2}))


def test_compatibility_forms_fold_too() -> None:
    """Full-width letters and ligatures are taken for the letters they look like."""
    wide = "\uff4c\uff41\uff59\uff45\uff52\uff53"
    assert unicodedata.normalize("NFKC", wide) == "layers"
    with pytest.raises(ParseError, match="which some readers take for `layers`"):
        read_object(json.dumps({wide: 1})).refuse_variants(("layers",))


def test_refuses_a_variant_that_stands_alone() -> None:
    """A misspelled key is refused although the right one is absent, and the right one is not."""
    source = read_object('{"x": {"Layers": [], "other": 1}}')
    with pytest.raises(ParseError) as caught:
        source.object("x").refuse_variants(("layers",))

    assert str(caught.value) == "x: has the key `Layers`, which some readers take for `layers`"
    read_object('{"layers": []}').refuse_variants(("layers",))


def test_accessors_return_what_is_there() -> None:
    """Each accessor returns its type, and null counts as absent."""
    source = read_object('{"t": "x", "n": 3, "o": {"t": ""}, "l": [{"n": 1}], "s": ["a"], "m": {"A": "1"}, "z": null}')

    assert source.text("t") == "x"
    assert source.text_or("t", "y") == "x"
    assert source.text_or("z", "y") == "y"
    assert source.integer("n") == 3
    assert source.object("o").text("t") == ""
    assert source.object_or_empty("z").members == {}
    assert source.object_or_empty("o").members == {"t": ""}
    assert tuple(item.integer("n") for item in source.objects("l", at_most=1)) == (1,)
    assert source.texts("s", at_most=1) == ("a",)
    assert source.text_map("m") == {"A": "1"}
    assert source.text_map("absent") == {}
    assert not source.has("z")


@pytest.mark.parametrize(
    ("read_field", "expected"),
    [
        (lambda o: o.text("absent"), "x.absent: is missing"),
        (lambda o: o.text("null"), "x.null: is missing"),
        (lambda o: o.text("n"), "x.n: is not a string"),
        (lambda o: o.integer("t"), "x.t: is not an integer"),
        (lambda o: o.integer("yes"), "x.yes: is not an integer"),
        (lambda o: o.integer("f"), "x.f: is not an integer"),
        (lambda o: o.object("n"), "x.n: is not an object"),
        (lambda o: o.objects("l", at_most=9), "x.l[0]: is not an object"),
        (lambda o: o.objects("n", at_most=9), "x.n: is not an array"),
        (lambda o: o.texts("l", at_most=9), "x.l[1]: is not a string"),
        (lambda o: o.texts("l", at_most=1), "x.l: has more than 1 items"),
        (lambda o: o.text_map("m"), "x.m[a?]: is not a string"),
        (lambda o: o.base64("t"), "x.t: is not base64"),
    ],
)
def test_accessors_name_the_field(read_field: object, expected: str) -> None:
    """An error says where in the document the field is, and what is wrong there."""
    source = read_object(
        '{"x": {"t": "?", "n": 3, "f": 1.0, "yes": true, "null": null, "l": ["a", 1], "m": {"a\\u0007": 1}}}'
    ).object("x")
    assert callable(read_field)
    with pytest.raises(ParseError) as caught:
        read_field(source)

    assert expected == str(caught.value)


def test_only_objects_are_objects() -> None:
    """An array at the top is no object."""
    with pytest.raises(ParseError, match="is not an object"):
        read_object("[]")


@pytest.mark.parametrize("text", ["a", "YQ", "YQ==\n", "Y Q==", "YQ-_", "YQ==YQ==", "YR==", "YWJ=", "\u00e9"])
def test_base64_is_strict(text: str) -> None:
    """Base64 with anything lenient about it is refused."""
    with pytest.raises(ParseError, match="is not base64"):
        decode_base64(text)


@given(st.binary(max_size=64))
def test_base64_reads_what_is_written(data: bytes) -> None:
    """Standard base64 of any bytes is read back."""
    written = read_object(json.dumps({"x": base64.b64encode(data).decode()}))

    assert data == written.base64("x")
