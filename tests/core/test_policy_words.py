"""The small words of a policy: durations, days, names, hosts and globs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.errors import ParseError
from webhook.core.policy_reading.words import (
    parse_date,
    parse_group,
    parse_host,
    parse_image_glob,
    parse_line,
    parse_name,
    parse_namespace_glob,
    parse_tag_glob,
    parse_variant,
)
from webhook.core.reading.durations import parse_duration
from webhook.core.references import Glob, ImageReference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60d", timedelta(days=60)),
        ("12h", timedelta(hours=12)),
        ("15m", timedelta(minutes=15)),
        ("3650d", timedelta(days=3650)),
    ],
)
def test_durations_are_days_hours_or_minutes(text: str, expected: timedelta) -> None:
    """A duration is a number and one unit."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["0d", "-1d", "1.5h", "60", "d", "60 d", "1w", "1d12h", "3651d", "٣d", "99999999999d"])
def test_other_durations_are_refused(text: str) -> None:
    """What is not positive, too long, or written otherwise is no duration."""
    with pytest.raises(ParseError, match="a duration is"):
        parse_duration(text)


@given(st.integers(1, 3650))
def test_days_count_as_days(days: int) -> None:
    """A number of days is that many days, however it is written."""
    assert parse_duration(f"{days}d") == timedelta(days=days)
    assert parse_duration(f"{days * 24}h") == timedelta(days=days)


def test_days_are_read() -> None:
    """A day of the calendar is read."""
    assert parse_date("2028-02-29") == date(2028, 2, 29)


@pytest.mark.parametrize("text", ["2027-02-29", "20270331", "2027-W13-3", "2027-3-1", "2027-03-31T00:00:00Z", "soon"])
def test_other_days_are_refused(text: str) -> None:
    """What is no day of the calendar, or is written otherwise, is refused."""
    with pytest.raises(ParseError, match="is not a day such as 2027-03-31"):
        parse_date(text)


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        (parse_name, "Production"),
        (parse_name, "-a"),
        (parse_name, "a."),
        (parse_name, "a" * 64),
        (parse_name, "a b"),
        (parse_line, "two\nlines"),
        (parse_line, " "),
        (parse_line, "x" * 257),
        (parse_line, "\u202ereversed"),
        (parse_group, "oidc:*"),
        (parse_variant, "Runtime"),
        (parse_tag_glob, "3.13:*"),
        (parse_tag_glob, "**"),
        (parse_namespace_glob, "prod_*"),
        (parse_namespace_glob, "**"),
        (parse_namespace_glob, "Prod"),
        (parse_host, "registry"),
        (parse_host, "registry.example/path"),
        (parse_host, "registry.example:99999"),
        (parse_host, "user@registry.example"),
        (parse_host, "https://registry.example"),
        (parse_host, ".example"),
    ],
)
def test_words_of_another_form_are_refused(parser: Callable[[str], object], text: str) -> None:
    """A word that does not have its form is refused, in one line."""
    with pytest.raises(ParseError) as caught:
        parser(text)

    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Registry.Example", "registry.example"),
        ("registry.example:443", "registry.example"),
        ("registry.example:5000", "registry.example:5000"),
        ("index.docker.io", "docker.io"),
        ("registry-1.docker.io:443", "docker.io"),
        ("localhost", "localhost"),
        ("[::1]:5000", "[::1]:5000"),
        ("registry:5000", "registry:5000"),
    ],
)
def test_hosts_are_made_canonical(text: str, expected: str) -> None:
    """A host is written in the one form in which policies compare it."""
    assert parse_host(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**", "**"),
        ("registry.example/**", "registry.example/**"),
        ("REGISTRY.example:443/shop/*", "registry.example/shop/*"),
        ("index.docker.io/library/*", "docker.io/library/*"),
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("docker.io/*", "docker.io/library/*"),
        ("docker.io/**", "docker.io/**"),
        ("*.registry.example:5000/a", "*.registry.example:5000/a"),
        ("*.Example:443/a", "*.example/a"),
        ("*.index.docker.io/a", "*.index.docker.io/a"),
        ("*/library/nginx", "*/library/nginx"),
    ],
)
def test_image_globs_are_made_canonical(text: str, expected: str) -> None:
    """A glob is compared with canonical names, so its host, and the short names of Docker Hub, are made canonical."""
    assert parse_image_glob(text).pattern == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx", "an image glob has at least a host and a slash, or is `**`"),
        ("*", "an image glob has at least a host and a slash, or is `**`"),
        ("registry.example/" + "a" * 512, "an image glob has at least a host and a slash, or is `**`"),
        ("library/nginx", "`library` is not a registry host such as registry.example:5000"),
        ("**/nginx", "`**`: a host may begin with `*.`, and has no other `*`"),
        ("registry.example*/a", "`registry.example*`: a host may begin with `*.`, and has no other `*`"),
        ("registry.example/a:1", "an image glob names repositories, without tag or digest"),
        ("registry.example/a@sha256:1", "an image glob names repositories, without tag or digest"),
        ("registry.example/", "`` is not a path (a-z, 0-9, . _ - / and *)"),
        ("registry.example/a//b", "`a//b` is not a path (a-z, 0-9, . _ - / and *)"),
        ("registry.example/***", "`***` is not a path (a-z, 0-9, . _ - / and *)"),
        ("registry.example/Shop", "`Shop` is not a path (a-z, 0-9, . _ - / and *)"),
    ],
)
def test_other_image_globs_are_refused(text: str, expected: str) -> None:
    """A glob that leaves its host open at the end, or names no repository, is refused."""
    with pytest.raises(ParseError) as caught:
        parse_image_glob(text)

    assert str(caught.value).endswith(expected)


HOSTS = st.sampled_from(
    ["registry.example", "REGISTRY.example:443", "docker.io", "index.docker.io", "registry.example:5000"]
)
PATHS = st.lists(st.sampled_from(["shop", "api", "a-b", "x.y"]), min_size=1, max_size=3).map("/".join)


@given(HOSTS, PATHS)
def test_a_name_as_its_own_glob_matches_itself(host: str, path: str) -> None:
    """However a repository is spelt, the same spelling as a glob matches its canonical name."""
    repository = ImageReference.parse(f"{host}/{path}").repository

    assert parse_image_glob(f"{host}/{path}").matches(str(repository))


@given(HOSTS, HOSTS, PATHS)
def test_a_glob_never_matches_another_host(host: str, other: str, path: str) -> None:
    """A glob with a host matches images of that host only."""
    repository = ImageReference.parse(f"{other}/{path}").repository

    assert parse_image_glob(f"{host}/**").matches(str(repository)) == (parse_host(host) == repository.registry)


@given(st.text(max_size=40))
def test_any_text_is_a_glob_or_refused(text: str) -> None:
    """Whatever the text, a glob parser answers with a glob or a ParseError of one line."""
    for parser in (parse_image_glob, parse_namespace_glob, parse_tag_glob):
        assert answer(parser, text).isprintable()


def answer(parser: Callable[[str], Glob], text: str) -> str:
    """Return the glob as it is compared, or what is wrong with it."""
    try:
        return parser(text).pattern
    except ParseError as error:
        return str(error)
