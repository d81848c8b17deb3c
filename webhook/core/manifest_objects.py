"""Manifests and live objects → what is to be judged, read as admission would read them.

A file holds YAML documents, JSON, or lists of objects inside each other. What cannot be read becomes a ParseError in
the place where it stands, so that one broken document hides no other.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

import msgspec

from webhook.core.errors import DocumentError, ParseError
from webhook.core.pod_objects import (
    DECODE_ERRORS,
    HOLDERS,
    MAX_NAME_CHARACTERS,
    AnyObject,
    Metadata,
    checked_namespace,
    image_use,
    image_uses,
    parse_error,
)
from webhook.core.reading.plain_text import printable
from webhook.core.reading.yaml_documents import YamlDocument, load_documents
from webhook.core.workloads import ContainerKind, Origin, Source, Workload

__all__ = ["bare_image", "parse_object", "parse_objects"]

MAX_BYTES = 64 << 20
MAX_OBJECTS = 20_000
MAX_LIST_DEPTH = 4


def parse_objects(data: bytes, *, default_namespace: str | None, source_name: str) -> tuple[Workload | ParseError, ...]:
    """Read every object of a file of at most 64 MiB and 20,000 objects, in its order; empty documents are skipped.

    Never raises. An error's path begins with `source_name` and the number of the document, and where the file stops
    being readable the last element is an error. An empty tuple means that the file holds no object at all. The origin
    of an object is `source_name` and the line of its document; those of one list have the line of the list.
    """
    objects = tuple(islice(_objects(data, default_namespace, source_name), MAX_OBJECTS + 1))
    if len(objects) <= MAX_OBJECTS:
        return objects
    excess = ParseError(printable(source_name), f"holds more than {MAX_OBJECTS:,} objects")
    return (*objects[:MAX_OBJECTS], excess)


def parse_object(
    document: Mapping[str, object], *, default_namespace: str | None, origin: Origin | None = None
) -> Workload:
    """Read one object of a manifest or of a cluster; it is judged in its own namespace, else in the default one.

    `origin` is the place in a file where it stands. A ParseError says where the object is not what the Kubernetes API
    has there.
    """
    api_version, kind = _text(document, "apiVersion"), _text(document, "kind")
    group, slash, _ = api_version.partition("/")
    holder_type = HOLDERS.get((group if slash else "", kind))
    try:
        holder = None if holder_type is None else msgspec.convert(document, type=holder_type)
        read = holder or msgspec.convert(document, type=AnyObject)
    except DECODE_ERRORS as error:
        raise parse_error(error, root="the object") from None
    metadata = read.metadata or Metadata()
    shown_kind = printable(kind, MAX_NAME_CHARACTERS)
    return Workload(
        kind=shown_kind,
        namespace=checked_namespace(metadata.namespace) or default_namespace,
        name=metadata.shown_name,
        operation="CREATE",
        source=Source.MANIFEST,
        uses=image_uses(holder, before=None) if holder else (),
        no_images_because=None if holder else f"{shown_kind} is not a kind that holds a pod",
        origin=origin,
    )


def bare_image(text: str, namespace: str | None) -> Workload:
    """Return an image with no object around it, as if it were the one container of something in `namespace`."""
    return Workload(
        kind="Image",
        namespace=namespace,
        name=printable(text, MAX_NAME_CHARACTERS),
        operation="CREATE",
        source=Source.IMAGE,
        uses=(image_use(kind=ContainerKind.MAIN, name="image", text=text, field="image"),),
    )


def _objects(data: bytes, namespace: str | None, source_name: str) -> Iterator[Workload | ParseError]:
    """Yield the objects of all documents, and at the end what kept the rest from being read."""
    source, number = printable(source_name), 0
    try:
        for number, document in enumerate(_documents(data), start=1):
            if document.value is not None:
                origin = Origin(file=source_name, line=document.line)
                yield from _flatten(document.value, namespace, origin, f"{source}, document {number}", 0)
    except DocumentError as error:
        yield from (_located(one, f"{source}, document {number + 1}") for one in error.errors)
    except ParseError as error:
        yield _located(error, f"{source}, document {number + 1}")


def _documents(data: bytes) -> Iterator[YamlDocument]:
    """Yield documents. JSON is read as JSON (YAML parsers stumble over its tabs), all else as YAML."""
    start = len(data) - len(data.lstrip())
    if len(data) <= MAX_BYTES and data[start : start + 1] == b"{":
        try:
            value = json.loads(data, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
        except (json.JSONDecodeError, UnicodeDecodeError):
            pass  # `{` begins a YAML mapping as well; its reader says what is wrong if it is neither
        except RecursionError:
            raise ParseError("", "is nested too deeply") from None
        else:
            yield YamlDocument(value=value, line=1 + data.count(b"\n", 0, start))
            return
    yield from load_documents(data, max_bytes=MAX_BYTES)


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build a JSON object; two readers may disagree about which of two equal keys counts, so neither does."""
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ParseError("", f'key "{printable(twice)}" stands twice')
    return mapping


def _no_constant(text: str) -> object:
    """Refuse `NaN` and `Infinity`, which are no JSON."""
    raise ParseError("", f"{text} is not valid JSON")


def _flatten(
    document: object, namespace: str | None, origin: Origin, where: str, depth: int
) -> Iterator[Workload | ParseError]:
    """Yield the object, or those of the list that it is. As in the API machinery, `items` make a list.

    The items of a typed list (`PodList`) need not say their kind.
    """
    if not isinstance(document, dict):
        yield ParseError(where, "expected a Kubernetes object")
        return
    items = document.get("items")
    if not isinstance(items, list):
        yield _object_or_error(document, namespace, origin, where)
        return
    if depth == MAX_LIST_DEPTH:
        yield ParseError(where, f"lists are nested deeper than {MAX_LIST_DEPTH}")
        return
    inherited = _kind_of_items(document)
    for index, item in enumerate(items):
        whole = {**inherited, **item} if isinstance(item, dict) else item
        yield from _flatten(whole, namespace, origin, f"{where}, items[{index}]", depth + 1)


def _kind_of_items(document: Mapping[str, object]) -> Mapping[str, object]:
    """Return the type that a typed list gives to its items; nothing for `List` itself."""
    kind = document.get("kind")
    if not isinstance(kind, str) or not kind.endswith("List") or kind == "List":
        return {}
    return {"apiVersion": document.get("apiVersion"), "kind": kind.removesuffix("List")}


def _object_or_error(
    document: Mapping[str, object], namespace: str | None, origin: Origin, where: str
) -> Workload | ParseError:
    """Read one object; an error names where it stands."""
    try:
        return parse_object(document, default_namespace=namespace, origin=origin)
    except ParseError as error:
        return _located(error, where)


def _located(error: ParseError, where: str) -> ParseError:
    """Put the place of the document before the path inside it."""
    return ParseError(f"{where}, {error.path}" if error.path else where, error.message)


def _text(document: Mapping[str, object], key: str) -> str:
    """Return a text that must be there."""
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise ParseError(key, "expected a text" if key in document else "is missing")
    return value
