"""Tags that are versions, their order, and the newest one that is like another."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.auditing.tags import MAX_SHAPES, newest_by_shape, newest_like, read_version_tag

STAGES = ["", "a1", "-alpha", "-beta.2", "-rc.1", "rc2", "-preview3", "-M1"]
SUFFIXES = ["", "-slim", "-alpine3.20", "-alpine3.9", "-3f2a91c", "_custom", ".x"]
versions = st.builds(
    lambda prefix, numbers, stage, suffix: f"{prefix}{'.'.join(map(str, numbers))}{stage}{suffix}",
    st.sampled_from(["", "v"]),
    st.lists(st.integers(0, 30) | st.sampled_from([2025, 2026, 20261123]), min_size=1, max_size=4),
    st.sampled_from(STAGES),
    st.sampled_from(SUFFIXES),
)
tags = versions | st.text(max_size=200) | st.text("0123456789.-_vabrc", max_size=140)


@pytest.mark.parametrize(
    ("tag", "others", "newest"),
    [
        ("1.4.2", ["1.4.2", "1.5.0", "1.10.0", "1.9.9"], "1.10.0"),
        ("v1.4.2", ["1.9.0", "v1.4.10"], "v1.4.10"),
        ("1.4.2", ["v1.9.0", "1.9", "2"], None),
        ("20-slim", ["22-slim", "24", "22.1-slim", "23-alpine"], "22-slim"),
        ("3.12-alpine3.20", ["3.13-alpine3.9", "3.13-alpine3.20", "3.13-debian13"], "3.13-alpine3.20"),
        ("2026.11.01", ["2026.11.23", "2026.9.30"], "2026.11.23"),
        ("2026-11-01", ["2026-11-23", "2026.12.01"], "2026-11-23"),
        ("20261101", ["20261123", "300000000"], "20261123"),
        ("1.4.2", ["2026.11.23"], None),
        ("12", ["2026", "13"], "13"),
        ("1.4.2", ["1.5.0-rc.1", "1.5.0rc2", "1.5.0-alpha", "1.5.0-M3"], None),
        ("1.5.0-rc.1", ["1.5.0-rc.2", "1.5.0-beta.9"], "1.5.0-rc.2"),
        ("1.5.0-rc.1", ["1.5.0", "1.5.0-rc.2"], "1.5.0"),
        ("1.5.0-rc.1", ["1.4.0", "1.6.0-alpha"], "1.6.0-alpha"),
        ("3.13-dev", ["3.14", "3.14-dev"], "3.14-dev"),
        ("1.4.2-3f2a91c", ["1.5.0-77ab123"], None),
        ("9.9.9", ["1.5.0"], None),
        ("1.5.0", ["1.5.0", "1.4.0"], "1.5.0"),
        ("latest", ["1.4.2", "1.5", "1.5.0", "2-slim", "1.6.0-rc.1", "latest"], "1.5.0"),
        (None, ["v1.4.2", "v1.5.0", "sha256-" + "a" * 64 + ".sig"], "v1.5.0"),
        ("main", ["1.4.2", "2026.11.23"], None),
        ("latest", ["main-3f2a91c", "latest"], None),
        ("1.4.2", [], None),
    ],
)
def test_the_newest_tag_of_the_same_shape(tag: str | None, others: list[str], newest: str | None) -> None:
    """Only what is written alike is compared, by numbers; a candidate yields to its release and never precedes it."""
    assert newest_like(tag, newest_by_shape(others)) == newest


@pytest.mark.parametrize(
    "tag",
    ["latest", "main-1.2", "sha256-" + "a" * 64 + ".att", "1a2b3c4", "3f2a91c", "", "v", "1.0\n", "1.0-é", "1" * 129],
)
def test_what_is_no_version(tag: str) -> None:
    """Moving names, commits, attachments and what no tag may be are no versions."""
    assert read_version_tag(tag) is None


def test_the_order_of_a_release() -> None:
    """Numbers count as numbers; alpha, beta and candidates come before their release, and what follows decides last."""
    ordered = ["1.9.0", "1.10.0-alpha", "1.10.0b1", "1.10.0-rc.1", "1.10.0-rc.2", "1.10.0", "1.10.0-r3", "1.10.0-r10"]
    read = [tag for tag in map(read_version_tag, ordered[::-1]) if tag]

    assert [tag.text for tag in sorted(read, key=lambda tag: tag.order)] == ordered


def test_few_shapes_are_remembered() -> None:
    """A repository with a shape for every commit keeps the shapes that most of its tags have."""
    commits = [f"1.0.0-{'x' * number}" for number in range(1, 100)]
    kept = newest_by_shape([f"{commit}{letter}" for commit in commits for letter in "abcdefghijk"] + ["1.4.2", "1.5.0"])

    assert len(kept) == MAX_SHAPES
    assert newest_like("1.4.2", kept) == "1.5.0"


@given(st.lists(tags, max_size=30), st.none() | tags)
def test_every_tag_is_read(found: list[str], tag: str | None) -> None:
    """Whatever a registry lists, the answer is one of these tags and not older than what was asked about."""
    newest = newest_like(tag, newest_by_shape(found))

    assert newest is None or newest in found
    present, proposed = read_version_tag(tag or ""), read_version_tag(newest or "")
    if newest is not None and present is not None:
        assert proposed is not None
        assert proposed.order >= present.order


@given(st.lists(versions, max_size=12).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_the_order_is_total_and_stable(found: tuple[list[str], list[str]]) -> None:
    """In whatever order a registry lists tags, they are sorted alike, and no two different ones are equal."""
    one, other = (sorted(filter(None, map(read_version_tag, listed)), key=lambda tag: tag.order) for listed in found)

    assert one == other
    assert all(left.order < right.order or left.text == right.text for left, right in pairwise(one))
    assert newest_by_shape(found[0]) == newest_by_shape(found[1])
