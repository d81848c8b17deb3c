"""Trusted identities: how they are written, and which subjects they match."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.errors import ParseError
from webhook.core.signatures.notation.subjects import parse_trusted_subject

SUBJECT = x509.Name.from_rfc4514_string("CN=release,OU=Team,O=Example\\, Inc.,ST=WA,C=US")


@pytest.mark.parametrize(
    "text",
    [
        "x509.subject: CN=release",
        "x509.subject:CN=release,O=Example\\, Inc.",
        "x509.subject: C=US, ST=WA, O=Example\\, Inc.",
        "x509.subject: C=US, S=WA",
        "x509.subject: 2.5.4.3=release",
    ],
)
def test_every_attribute_that_is_named_must_be_equal(text: str) -> None:
    """Some attributes of a subject are enough, in any order and spacing."""
    assert parse_trusted_subject(text).matches(SUBJECT)


@pytest.mark.parametrize(
    "text",
    [
        "x509.subject: CN=Release",
        "x509.subject: CN=releas",
        "x509.subject: CN=release,O=Example",
        "x509.subject: CN=release,L=Seattle",
        "x509.subject: CN=release\\ ",
        "x509.subject: OU=release",
        "x509.subject: CN=*",
    ],
)
def test_nothing_else_matches(text: str) -> None:
    """Another case, a prefix, an attribute that is not there or has another value: no match, and no patterns."""
    assert not parse_trusted_subject(text).matches(SUBJECT)


def test_an_attribute_that_stands_twice_matches_nothing() -> None:
    """A subject with two organisational units is neither the one nor the other; its other attributes still count."""
    ambiguous = x509.Name.from_rfc4514_string("CN=release,OU=Team,OU=Guests")

    assert not parse_trusted_subject("x509.subject: OU=Team").matches(ambiguous)
    assert parse_trusted_subject("x509.subject: CN=release").matches(ambiguous)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "x509.subject:",
        "x509.subject: ",
        "x509.subject: *",
        "x509.subject: CN",
        "x509.subject: CN=",
        "x509.subject: CN=a,",
        "x509.subject: ,CN=a",
        "x509.subject: CN=a,,O=b",
        "x509.subject: CN=a, ",
        "x509.subject: CN=a\\",
        "x509.subject: CN=a+O=b",
        "x509.subject: CN=a,CN=b",
        "x509.subject: CN=#0c0161",
        "x509.subject: cn=a",
        "x509.subject: C=USA",
        "x509.subject: CN=a;O=b",
        "X509.subject: CN=a",
        "CN=a",
        "x509.subject: CN=" + "a" * 1024,
    ],
)
def test_what_has_no_one_meaning_is_refused(text: str) -> None:
    """Everyone, no one, and every spelling that two readers could take differently are errors."""
    with pytest.raises(ParseError):
        parse_trusted_subject(text)


@given(st.text(max_size=40))
def test_any_text_is_an_identity_or_an_error(text: str) -> None:
    """Whatever is written is read, or refused with a ParseError; what is read names at least one attribute."""
    try:
        found = parse_trusted_subject(f"x509.subject:{text}")
    except ParseError:
        return
    assert found.attributes


@given(
    st.text(
        alphabet=st.characters(min_codepoint=32, max_codepoint=1000, categories=["L", "N", "P", "Zs"]),
        min_size=1,
        max_size=20,
    )
)
def test_what_a_certificate_tool_prints_can_be_pasted(value: str) -> None:
    """A subject in the form of RFC 4514, with whatever it escapes, is an identity that matches that subject."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, value)])

    assert parse_trusted_subject(f"x509.subject:{name.rfc4514_string()}").matches(name)
