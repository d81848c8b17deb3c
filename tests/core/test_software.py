"""The software that a repository's name tells, and the version in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.given import build
from webhook.core.bases.ancestry import Closest
from webhook.core.bases.software import software_of, version_in
from webhook.core.problems import UnapprovedBase
from webhook.core.references import Repository
from webhook.core.wording.bases import words_for_unapproved


@pytest.mark.parametrize(
    ("name", "software"),
    [
        ("docker.io/library/node", "node"),
        ("dhi.io/node", "node"),
        ("docker.io/acme/dhi-node", "node"),
        ("registry.example/base/python-3.13", "python"),
        ("python3", "python"),
        ("base-image-python", "python"),
        ("node-alpine", "node"),
        ("NodeJS", "node"),
        ("go", "golang"),
        ("dhi.io/eclipse-temurin", "java"),
        ("docker.io/library/amazoncorretto", "java"),
        ("debian", "debian"),
        ("dhi.io/debian-base", "debian"),
        ("node-exporter", "node-exporter"),
        ("base", "base"),
        ("3.13", "3.13"),
        ("", ""),
    ],
)
def test_software_by_name(name: str, software: str) -> None:
    """Registry, prefix, version and distribution aside, one software has one name; another word is another software."""
    assert software_of(name) == software


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("20.11.1", (20, 11, 1)),
        ("jdk-21.0.5+11", (21, 0, 5)),
        ("v22", (22,)),
        ("python-3.13", (3, 13)),
        ("python", ()),
        ("", ()),
    ],
)
def test_the_first_number_is_the_version(text: str, version: tuple[int, ...]) -> None:
    """Whatever stands around it, the first dotted number counts."""
    assert version_in(text) == version


@given(st.text(max_size=600))
def test_every_name_is_read(name: str) -> None:
    """No name is too strange; one that is not empty tells some software, and little of a long one is looked at."""
    last = name.rpartition("/")[2]

    assert bool(software_of(name)) == bool(last)
    assert len(version_in(name)) <= 8


@pytest.mark.parametrize(
    ("near", "suggested"),
    [
        ("docker.io/library/eclipse-temurin", "eclipse-temurin:21"),
        ("docker.io/library/openjdk", "amazoncorretto:21"),
        ("docker.io/acme/dhi-node", "node:22"),
    ],
)
def test_the_help_of_a_denial_goes_by_software(near: str, suggested: str) -> None:
    """The suggested base holds the software of the closest one, under the same name if there is one."""
    closest = Closest(build=build(repository=Repository.parse(near), tags=()), shared=1)
    expected = ("dhi.io/python:3.13", "dhi.io/amazoncorretto:21", "dhi.io/eclipse-temurin:21", "dhi.io/node:22")
    problem = UnapprovedBase(expected=expected, unapproved=None, closest=closest)

    assert words_for_unapproved(problem).help == f"start the Dockerfile with `FROM dhi.io/{suggested}`"
