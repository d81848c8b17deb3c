"""The BaseCatalog document → `Catalog`, and back: strict to read, the same bytes every time it is written.

Field names are those of the contract. An entry takes one line per field, so that a version control system shows what
a sync has changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime

from webhook.core.bases.catalog import BaseBuild, Catalog
from webhook.core.bases.entries import read_builds, timestamp
from webhook.core.errors import DocumentError, ParseError
from webhook.core.reading.complaints import Complaints, Place
from webhook.core.reading.documents import Keys, Value, attempt
from webhook.core.reading.strict_json import parse_json
from webhook.core.references import Digest

__all__ = ["MAX_CATALOG_BYTES", "entry_fields", "parse_catalog", "print_catalog", "seal"]

API_VERSION = "dhi-gate.dev/v1alpha1"
KIND = "BaseCatalog"
MAX_CATALOG_BYTES = 256 * 1024 * 1024
MAX_DEPTH = 8

_ENCODER = json.JSONEncoder(ensure_ascii=False)
_DOCUMENT = Keys(known=("apiVersion", "kind", "metadata", "bases"))
_METADATA = Keys(known=("policy", "syncedAt", "revision"))


def parse_catalog(data: bytes) -> Catalog:
    """Read a BaseCatalog of at most 256 MiB; raises DocumentError with everything that is wrong, in document order.

    Nothing derived is believed: chain IDs and the revision are computed again, and what differs is refused.
    """
    complaints = Complaints()
    try:
        raw = parse_json(data, max_bytes=MAX_CATALOG_BYTES, max_depth=MAX_DEPTH)
    except ParseError as error:
        raise DocumentError((error,)) from None
    reading = attempt(_catalog, Value(place=Place(), raw=raw, complaints=complaints))
    complaints.raise_if_any()
    return reading.value()


def print_catalog(catalog: Catalog) -> bytes:
    """Write a catalog: entries sorted by repository, platform and age, one line per field, in UTF-8."""
    entries = ",".join(f"\n  {_print_entry(entry_fields(build))}" for build in sorted(catalog.builds, key=_order))
    metadata = {
        "policy": catalog.policy,
        "syncedAt": _print_time(catalog.synced_at),
        "revision": str(_revision(catalog.builds)),
    }
    head = f'{{\n "apiVersion": {_json(API_VERSION)},\n "kind": {_json(KIND)},\n "metadata": {_json(metadata)},\n'
    return f'{head} "bases": [{entries}]\n}}\n'.encode()


def seal(*, policy: str, synced_at: datetime, builds: Iterable[BaseBuild]) -> Catalog:
    """Make a catalog of builds in any order, and compute its revision."""
    ordered = tuple(sorted(builds, key=_order))
    return Catalog(policy=policy, synced_at=synced_at, revision=_revision(ordered), builds=ordered)


def entry_fields(build: BaseBuild) -> Mapping[str, object]:
    """Return an entry as the document holds it, by field name, in the order of the contract."""
    return {
        "repository": str(build.repository),
        "tags": build.tags,
        "platform": str(build.platform),
        "indexDigest": _text_or_null(build.index_digest),
        "digest": str(build.digest),
        "configDigest": str(build.config_digest),
        "layers": tuple(map(str, build.layers)),
        "diffIDs": tuple(map(str, build.diff_ids)),
        "chainID": str(build.chain_id),
        "created": _print_time(build.created),
        "endOfLife": _text_or_null(build.end_of_life),
        "variant": build.variant,
        "distro": build.distro,
        "fips": build.fips,
        "definition": build.definition,
        "user": build.user,
        "firstSeen": _print_time(build.first_seen),
        "lastSeen": _print_time(build.last_seen),
        "supersededAt": _print_time(build.superseded_at) if build.superseded_at else None,
        "status": build.status.value,
        "reason": build.reason,
        "verifiedBy": {
            "authority": build.verified_by.authority,
            "keyFingerprint": str(build.verified_by.key_fingerprint),
        },
    }


def _catalog(value: Value) -> Catalog:
    document = value.section(_DOCUMENT)
    version = document.required("apiVersion", lambda item: item.one_of({API_VERSION: API_VERSION}))
    kind = document.required("kind", lambda item: item.one_of({KIND: KIND}))
    metadata = document.required("metadata", _metadata)
    builds = document.required("bases", read_builds)
    version.value()
    kind.value()
    policy, synced_at = metadata.value()
    return seal(policy=policy, synced_at=synced_at, builds=builds.value())


def _metadata(value: Value) -> tuple[str, datetime]:
    """Read who wrote the catalog and when. Its revision is computed anew: it has to name what is in force."""
    metadata = value.section(_METADATA)
    policy = metadata.required("policy", Value.text)
    synced_at = metadata.required("syncedAt", lambda item: item.parsed(timestamp))
    metadata.required("revision", lambda item: item.parsed(Digest.parse))
    return policy.value(), synced_at.value()


def _order(build: BaseBuild) -> tuple[str, str, datetime, str, str]:
    return str(build.repository), str(build.platform), build.created, str(build.root), str(build.digest)


def _revision(builds: Iterable[BaseBuild]) -> Digest:
    """Hash what is recorded about every build, but not when it was last seen.

    A sync that finds nothing new changes nothing that follows from the catalog, so it must not change its name.
    """
    hasher = hashlib.sha256()
    for build in sorted(builds, key=_order):
        facts = {key: value for key, value in entry_fields(build).items() if key != "lastSeen"}
        hasher.update(_print_entry(facts).encode())
    return Digest(algorithm="sha256", hex=hasher.hexdigest())


def _print_entry(fields: Mapping[str, object]) -> str:
    lines = ",\n   ".join(f"{_json(key)}: {_json(value)}" for key, value in fields.items())
    return f"{{{lines}}}"


def _text_or_null(value: Digest | date | None) -> str | None:
    return None if value is None else str(value)


def _print_time(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _json(value: object) -> str:
    return _ENCODER.encode(value)
