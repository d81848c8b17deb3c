"""The published JSON Schema and the parser, held together; and the parser and the keys that it says it knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.json_schema import load_schema, violations
from tests.core.policies import Path, complete, errors, plain, replaced, without, written
from webhook.core.policy_reading.keys import SECTIONS

SCHEMA = load_schema("policy")
MAPPINGS_OF_DATA = ("spec.authorities[0].annotations",)


def definitions() -> dict[str, dict[str, Any]]:
    """Return the schema's definitions of mappings with fixed keys, by name."""
    return {"document": SCHEMA} | {
        name: definition
        for name, definition in SCHEMA["$defs"].items()
        if definition.get("additionalProperties") is False
    }


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every value inside a value."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*path, index))


def at(value: Any, path: Path) -> Any:  # noqa: ANN401 - any value of a document
    """Return what stands at a path."""
    for step in path:
        value = value[step]
    return value


PATHS = tuple(paths(complete()))
MAPPINGS = tuple(path for path in ((), *PATHS) if isinstance(at(complete(), path), dict))


def test_the_schema_and_the_parser_know_the_same_mappings() -> None:
    """Every kind of mapping that the parser reads is defined in the schema, and the reverse."""
    assert set(definitions()) == set(SECTIONS)


@pytest.mark.parametrize("name", SECTIONS)
def test_the_schema_and_the_parser_know_the_same_keys(name: str) -> None:
    """Every key that the parser knows is in the schema, and the reverse."""
    assert set(definitions()[name]["properties"]) == set(SECTIONS[name].known)


def test_the_complete_example_uses_every_key() -> None:
    """The example that the tests of this module vary leaves no key out, so that none escapes them."""
    used = {str(path[-1]) for path in PATHS}

    assert used >= {key for keys in SECTIONS.values() for key in keys.known}


@pytest.mark.parametrize("path", PATHS, ids=written)
def test_every_key_is_read(path: Path) -> None:
    """A value that fits nowhere is refused wherever it stands: there is no key that is accepted and ignored."""
    document = replaced(complete(), path, [{"": []}])

    assert any(error.startswith(written(path)) for error in errors(document))
    assert violations(document, SCHEMA)


@pytest.mark.parametrize("path", MAPPINGS, ids=written)
def test_no_other_key_is_read(path: Path) -> None:
    """A key that nobody knows is refused in every mapping, by the parser and by the schema."""
    document = replaced(complete(), (*path, "surplus"), "value")
    if written(path) in MAPPINGS_OF_DATA:
        assert errors(document) == violations(document, SCHEMA) == ()
        return

    assert any('unknown key "surplus"' in error for error in errors(document))
    assert violations(document, SCHEMA)


@pytest.mark.parametrize("path", PATHS, ids=written)
def test_what_may_be_left_out_may_be_left_out_of_both(path: Path) -> None:
    """What the parser can do without, the schema can do without."""
    document = without(complete(), path)
    if not errors(document):
        assert violations(document, SCHEMA) == ()


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 3),
    st.sampled_from(["", "x", "*", "**", "60d", "runtime", "release", "dhi.io/python", "registry.example/**", "warn"]),
    st.text(max_size=8),
    st.just([]),
    st.lists(st.sampled_from(["release", "docker-dhi", "dev", "a b", "dhi.io/*"]), min_size=1, max_size=2),
    st.just({}),
)


@given(st.lists(st.tuples(st.sampled_from(PATHS), JUNK), max_size=3))
def test_what_the_parser_accepts_the_schema_accepts(changes: list[tuple[Path, object]]) -> None:
    """A policy that can be used is never marked as wrong by an editor that knows the schema."""
    document = complete()
    for path, value in changes:
        try:
            document = replaced(document, path, value)
        except (KeyError, IndexError, TypeError):
            continue
    if not errors(document):
        assert violations(document, SCHEMA) == ()


def test_the_shortest_policy_fits() -> None:
    """The schema asks for no more than the parser does."""
    assert violations(plain(), SCHEMA) == ()
