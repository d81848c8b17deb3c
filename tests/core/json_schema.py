"""As much of JSON Schema (2020-12) as our schemas use; a keyword that is not known here fails the test."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from typing import Any

ANNOTATIONS = frozenset({"$schema", "$id", "$defs", "title", "description", "default", "examples", "format"})
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "null": type(None),
}
KEYWORDS: Mapping[str, tuple[type, Callable[[Any, Any], bool]]] = {
    "required": (dict, lambda value, wanted: set(wanted) <= set(value)),
    "minProperties": (dict, lambda value, wanted: len(value) >= wanted),
    "minItems": (list, lambda value, wanted: len(value) >= wanted),
    "uniqueItems": (list, lambda value, _: len({json.dumps(item, sort_keys=True) for item in value}) == len(value)),
    "pattern": (str, lambda value, wanted: re.search(wanted, value) is not None),
    "minLength": (str, lambda value, wanted: len(value) >= wanted),
    "maxLength": (str, lambda value, wanted: len(value) <= wanted),
    "minimum": (int, lambda value, wanted: value >= wanted),
}
"""The keywords that speak about one type: a value of another type satisfies them."""


def load_schema(kind: str) -> dict[str, Any]:
    """Return one of the schemas that ship with the package."""
    text = (resources.files("webhook.core") / "schemas" / f"{kind}.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def violations(value: object, schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keywords that a value violates, each after the path where; nothing if the value is valid."""
    return tuple(_violations(value, schema, schema, "$"))


def _violations(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    for keyword, wanted in schema.items():
        if keyword in ANNOTATIONS:
            continue
        if keyword == "$ref":
            yield from _violations(value, root["$defs"][wanted.removeprefix("#/$defs/")], root, path)
        elif keyword in ("oneOf", "anyOf"):
            fitting = sum(not any(_violations(value, each, root, path)) for each in wanted)
            if fitting == 0 or (keyword == "oneOf" and fitting > 1):
                yield f"{path}: {keyword}"
        elif keyword in ("properties", "additionalProperties", "items"):
            yield from _inner(value, keyword, schema, root, path)
        elif not _holds(keyword, wanted, value):
            yield f"{path}: {keyword}"


def _inner(value: Any, keyword: str, schema: Mapping[str, Any], root: Mapping[str, Any], path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    properties = schema.get("properties", {})
    if keyword == "items" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _violations(item, schema["items"], root, f"{path}[{index}]")
    elif keyword == "properties" and isinstance(value, dict):
        for key in properties.keys() & value.keys():
            yield from _violations(value[key], properties[key], root, f"{path}.{key}")
    elif keyword == "additionalProperties" and isinstance(value, dict):
        for key in value.keys() - properties.keys():
            if schema["additionalProperties"] is False:
                yield f"{path}: no key {key}"
            else:
                yield from _violations(value[key], schema["additionalProperties"], root, f"{path}.{key}")


def _holds(keyword: str, wanted: Any, value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Judge one keyword by itself; one that speaks about another type holds."""
    if keyword == "type":
        return isinstance(value, TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool))
    if keyword == "const":
        return type(value) is type(wanted) and bool(value == wanted)
    if keyword == "enum":
        return value in wanted
    about, judge = KEYWORDS[keyword]
    return not isinstance(value, about) or judge(value, wanted)
