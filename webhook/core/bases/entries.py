"""The entries of a BaseCatalog document → builds: every field strictly, and what they must say about each other."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TypeVar

from webhook.core.bases.ancestry import chain_ids, only_empty_layers
from webhook.core.bases.catalog import BaseBuild, Status, VerifiedBy
from webhook.core.descriptors import read_platform
from webhook.core.errors import ParseError
from webhook.core.manifests import Platform
from webhook.core.reading.documents import Keys, Value
from webhook.core.reading.strict_json import JsonObject
from webhook.core.references import Digest, ImageReference, Repository

__all__ = ["CLOCK_SKEW", "calendar_date", "read_builds", "timestamp"]

T = TypeVar("T")

CLOCK_SKEW = timedelta(minutes=10)
"""By how much a build may seem to come from the future: clocks differ."""

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_VERIFIED_BY = Keys(known=("authority", "keyFingerprint"))
_ENTRY = Keys(
    known=(
        "repository",
        "tags",
        "platform",
        "indexDigest",
        "digest",
        "configDigest",
        "layers",
        "diffIDs",
        "chainID",
        "created",
        "endOfLife",
        "variant",
        "distro",
        "fips",
        "definition",
        "user",
        "firstSeen",
        "lastSeen",
        "supersededAt",
        "status",
        "reason",
        "verifiedBy",
    )
)


def timestamp(text: str) -> datetime:
    """Read an instant in UTC, such as `2026-11-23T02:00:00Z`; a ParseError otherwise. Source: RFC 3339."""
    try:
        return datetime.fromisoformat(_matching(_TIMESTAMP, text))
    except ValueError:
        raise ParseError("", "is not an instant in UTC such as 2026-11-23T02:00:00Z") from None


def calendar_date(text: str) -> date:
    """Read a day, such as `2029-10-31`; a ParseError otherwise."""
    try:
        return date.fromisoformat(_matching(_DATE, text))
    except ValueError:
        raise ParseError("", "is not a day such as 2029-10-31") from None


def read_builds(value: Value) -> tuple[BaseBuild, ...]:
    """Read all entries. The list may be empty: nothing was verified yet, so nothing is approved."""
    if value.raw == []:
        return ()
    return value.distinct(_build, by=lambda build: (build.repository, build.root, build.digest))


def _build(value: Value) -> BaseBuild:
    entry = value.section(_ENTRY)
    repository = entry.required("repository", lambda item: item.parsed(_repository))
    tags = entry.required("tags", lambda item: item.distinct(lambda tag: tag.parsed(_tag)))
    platform = entry.required("platform", lambda item: item.parsed(_platform))
    index_digest = entry.required("indexDigest", lambda item: _nullable(item, _digest))
    digest = entry.required("digest", _digest)
    config_digest = entry.required("configDigest", _digest)
    layers = entry.required("layers", lambda item: item.items(_digest))
    diff_ids = entry.required("diffIDs", lambda item: item.items(_digest))
    chain_id = entry.required("chainID", _digest)
    created = entry.required("created", _instant)
    end_of_life = entry.required("endOfLife", lambda item: _nullable(item, lambda day: day.parsed(calendar_date)))
    variant = entry.required("variant", Value.text)
    distro = entry.required("distro", _text)
    fips = entry.required("fips", Value.flag)
    definition = entry.required("definition", _text)
    user = entry.required("user", _text)
    first_seen = entry.required("firstSeen", _instant)
    last_seen = entry.required("lastSeen", _instant)
    superseded_at = entry.required("supersededAt", lambda item: _nullable(item, _instant))
    status = entry.required("status", lambda item: item.one_of({status.value: status for status in Status}))
    reason = entry.required("reason", lambda item: _nullable(item, Value.text))
    verified_by = entry.required("verifiedBy", _verified_by)
    build = BaseBuild(
        repository=repository.value(),
        tags=tags.value(),
        platform=platform.value(),
        index_digest=index_digest.value(),
        digest=digest.value(),
        config_digest=config_digest.value(),
        layers=layers.value(),
        diff_ids=diff_ids.value(),
        chain_id=chain_id.value(),
        created=created.value(),
        end_of_life=end_of_life.value(),
        variant=variant.value(),
        distro=distro.value(),
        fips=fips.value(),
        definition=definition.value(),
        user=user.value(),
        first_seen=first_seen.value(),
        last_seen=last_seen.value(),
        superseded_at=superseded_at.value(),
        status=status.value(),
        reason=reason.value(),
        verified_by=verified_by.value(),
    )
    _check_consistency(build, value)
    return build


def _check_consistency(build: BaseBuild, value: Value) -> None:
    """Complain about fields that contradict each other; each complaint stands at the entry."""
    if len(build.layers) != len(build.diff_ids):
        value.complain(f"{len(build.layers)} layers do not go with {len(build.diff_ids)} diffIDs")
    if only_empty_layers(build.diff_ids):
        value.complain("holds nothing but empty layers, with which every image starts")
    if chain_ids(build.diff_ids)[-1] != build.chain_id:
        value.complain("the chainID is not that of the diffIDs")
    if build.created > build.last_seen + CLOCK_SKEW:
        value.complain("was created after it was last seen")
    if build.first_seen > build.last_seen:
        value.complain("was first seen after it was last seen")
    if (build.status is Status.REVOKED) != (build.reason is not None):
        value.complain("a revoked build has a reason, and no other has one")
    if build.status is Status.ACTIVE and build.superseded_at is not None:
        value.complain("an active build has not been superseded")


def _verified_by(value: Value) -> VerifiedBy:
    section = value.section(_VERIFIED_BY)
    authority = section.required("authority", Value.text)
    fingerprint = section.required("keyFingerprint", _digest)
    return VerifiedBy(authority=authority.value(), key_fingerprint=fingerprint.value())


def _nullable(value: Value, reader: Callable[[Value], T]) -> T | None:
    return None if value.raw is None else reader(value)


def _text(value: Value) -> str:
    """Read text that may be empty."""
    return "" if value.raw == "" else value.text()


def _digest(value: Value) -> Digest:
    return value.parsed(Digest.parse)


def _instant(value: Value) -> datetime:
    return value.parsed(timestamp)


def _repository(text: str) -> Repository:
    repository = Repository.parse(text)
    if str(repository) != text:
        raise ParseError("", f"is not canonical; write {repository}")
    return repository


def _tag(text: str) -> str:
    return ImageReference.parse(f"localhost/base:{text}").tag or ""


def _platform(text: str) -> Platform:
    """Read `os/architecture[/variant]` in the one spelling that images are compared by."""
    names = dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))
    platform = read_platform(JsonObject(members=names))
    if str(platform) != text:
        raise ParseError("", f"is not in its usual spelling; write {platform}")
    return platform


def _matching(pattern: re.Pattern[str], text: str) -> str:
    """Return a text of that form; ValueError otherwise."""
    if not pattern.fullmatch(text):
        raise ValueError(pattern.pattern)
    return text
