"""How YAML is read: strictly, in one way, within bounds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.errors import DocumentError, ParseError
from webhook.core.reading.complaints import Complaints
from webhook.core.reading.yaml_documents import MAX_DOCUMENTS, load_document, load_documents


def load(text: str) -> object:
    """Read one document."""
    complaints = Complaints()
    document = load_document(text.encode(), complaints, max_bytes=10_000)
    complaints.raise_if_any()
    return document


def refusal(data: bytes, *, max_bytes: int = 10_000) -> str:
    """Return why a document is refused."""
    with pytest.raises(ParseError) as caught:
        load_document(data, Complaints(), max_bytes=max_bytes)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-03-31", "2027-03-31"),
        ("2027-03-31T10:00:00Z", "2027-03-31T10:00:00Z"),
        ("1:30", "1:30"),
        ("yes", "yes"),
        ("off", "off"),
        ("012", "012"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        ("3.13", 3.13),
        ("-2e3", -2000.0),
        ("42", 42),
        ("-7", -7),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("'null'", "null"),
        ('"12"', "12"),
        ("|\n  two\n  lines", "two\nlines"),
    ],
)
def test_plain_scalars_are_read_as_json_would(text: str, expected: object) -> None:
    """Numbers, true, false and null are what JSON says they are; dates, times and other words stay text."""
    assert load(f"value: {text}") == {"value": expected}


def test_keys_are_text_as_written() -> None:
    """A key that looks like a number or a flag is the text that was written."""
    assert load("1: a\ntrue: b\n'<<': c\n") == {"1": "a", "true": "b", "<<": "c"}


def test_aliases_repeat_what_they_name() -> None:
    """An alias is the value of its anchor, on whatever level; the last anchor of a name counts."""
    assert load("a: &x {b: [1]}\nc: *x\nd: &x 2\ne: [*x]") == {"a": {"b": [1]}, "c": {"b": [1]}, "d": 2, "e": [2]}


def test_merge_keys_fill_in() -> None:
    """A merge key adds what is not written out; of several mappings the first wins; a quoted `<<` is a key."""
    assert load("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3") == {"x": {"a": 1, "b": 2}, "y": {"b": 3, "a": 1}}
    assert load("<<: [{a: 1}, {a: 2, b: 3}]") == {"a": 1, "b": 3}


def test_aliases_do_not_blow_up() -> None:
    """Aliases of aliases that would repeat too much, or nest too deeply, are refused with their line."""
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    tower = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n" + "".join(f"a{n}: &a{n} [[[[[*a{n - 1}]]]]]\n" for n in range(1, 12))

    with pytest.raises(ParseError, match="aliases repeat too much"):
        load(laughs)
    with pytest.raises(ParseError, match="nested deeper"):
        load(tower)


def test_a_byte_order_mark_is_no_content() -> None:
    """A file that an editor began with a byte order mark is read like any other."""
    assert load("\ufeffa: 1") == {"a": 1}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a: *x", "a: line 1: the alias `x` is unknown"),
        (b"a: &x [*x]", "a[0]: line 1: the alias `x` is unknown"),
        (b"a:\n  <<: [{b: 1}, 2]", "a: line 2: a merge key mixes mappings in"),
        (b"a:\n  <<: 1", "a: line 2: a merge key mixes mappings in"),
        (b"a: !!python/name:os.system x", "a: line 1: tags (`!`, `!!`) are not read"),
        (b"a: !thing {}", "a: line 1: tags (`!`, `!!`) are not read"),
        (b"? [a]\n: 1", "line 1: a key is plain text"),
        (b"!x a: 1", "line 1: a key is plain text"),
        (b"a: 1\n---\nb: 2", "holds several documents; exactly one is expected"),
        (b"", "is empty"),
        (b"# nothing but a comment", "is empty"),
        (b"a: [1", "line 2: did not find expected ',' or ']'"),
        (b"a:\n\t- b", "line 2: found character that cannot start any token"),
        (b"a: \x00", "holds characters that YAML does not allow"),
        (b"a: \xff", "is not UTF-8 text (byte 3)"),
        (b"[" * 100, "line 1: is nested deeper than 64 levels"),
    ],
)
def test_what_is_no_plain_document_is_refused(data: bytes, expected: str) -> None:
    """Whatever makes a document mean more than it shows is refused, with the line where it stands."""
    assert refusal(data) == expected


def test_size_is_bounded() -> None:
    """A document that is larger than allowed is not read at all."""
    assert refusal(b"a" * 11, max_bytes=10) == "is larger than 10 bytes"


def test_keys_that_stand_twice_are_all_told() -> None:
    """Every key that stands twice is an error at its mapping, in the order of the document."""
    with pytest.raises(DocumentError) as caught:
        load("a: {x: 1, x: 2}\nb: [{y: 1, 'y': 2}]\na: 3\n")

    assert str(caught.value).splitlines() == [
        'a: key "x" stands twice (again in line 1)',
        'b[0]: key "y" stands twice (again in line 2)',
        'key "a" stands twice (again in line 3)',
    ]


def test_a_stream_yields_its_documents() -> None:
    """Documents come one by one with the line on which their content begins, and an empty one is nothing."""
    documents = load_documents(b"# head\na: 1\n---\n---\n# below\n\n[2]\n", max_bytes=100)

    assert list(documents) == [({"a": 1}, 2), (None, 4), ([2], 7)]


def test_a_stream_with_a_key_twice_is_refused() -> None:
    """In a stream, too, a key that stands twice is an error."""
    with pytest.raises(DocumentError, match="stands twice"):
        list(load_documents(b"a: 1\na: 2\n", max_bytes=100))


def test_the_number_of_documents_is_bounded() -> None:
    """A stream of more documents than anybody writes is refused."""
    with pytest.raises(ParseError, match="holds more than 10,000 documents"):
        list(load_documents(b"---\n" * (MAX_DOCUMENTS + 1), max_bytes=100_000))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text("abc:#-*&!{}[],'\" \n\t\u00e9", max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab<>:# ", max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_json_is_read_as_json(value: object) -> None:
    """JSON is YAML: any JSON text is read as the JSON value that it is."""
    assert load(json.dumps(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever the bytes, the answer is a value, or a ParseError of one line."""
    assert "\n" not in answer(data)


def answer(data: bytes) -> str:
    """Return the type of the document, or what is wrong with it."""
    try:
        return type(load_document(data, Complaints(), max_bytes=1000)).__name__
    except ParseError as error:
        return str(error)
