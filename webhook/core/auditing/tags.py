"""The tags of a repository → the newest one that is like another. Whoever pushes chooses tags, so they are only hints.

A tag is read as a version if it begins with one: `1.4.2`, `v1.4.2`, `20-slim`, `2026.11.23`, `1.5.0-rc.1`. Neither
SemVer (two or four numbers, `_`, no `+`) nor PEP 440 (`20-slim` is none) covers what registries hold, so the order is
our own: by the numbers, a release candidate before its release, then by the numbers of what follows (`-alpine3.20`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from webhook.core.bases.software import Version

__all__ = ["Shape", "VersionTag", "newest_by_shape", "newest_like", "read_version_tag"]

MAX_TAG_CHARACTERS = 128
MAX_SHAPES = 1_000
"""How many shapes of one repository are remembered, the most frequent ones: tags may name commits."""
YEARS = range(1990, 2100)
CALENDAR_DIGITS = frozenset({4, 8, 10, 12, 14})
"""How long a number is that begins with a year: the year alone, with month and day, with the time of day."""
STAGES = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "m": 1, "pre": 1, "preview": 1, "cr": 2, "rc": 2}
"""Pre-releases in the order in which they come. `dev` is none: hardened images have it as a variant."""

_VERSION_TAG = re.compile(
    r"(?P<v>v?)"
    r"(?P<release>[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])|[0-9]+(?:\.[0-9]+)*)"
    r"(?:[-_.]?(?P<stage>(?i:alpha|beta|preview|pre|rc|cr|[abm](?=[.-]?[0-9])))(?:[.-]?(?P<count>[0-9]+))?)?"
    r"(?P<suffix>(?:[-_.][A-Za-z0-9_.-]*)?)"
)
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What two tags must have in common to be compared.

    `parts` counts the numbers of the release, `suffix` has `#` for each number (`-alpine#.#`). Calendar versions are
    not compared with others, which would all be older.
    """

    prefix: str
    separator: str
    parts: int
    calendar: bool
    stage: bool
    suffix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTag:
    """A tag that begins with a version. `stage` is the kind of pre-release and its number, None for a release."""

    text: str
    release: Version
    stage: tuple[int, int] | None
    suffix_numbers: tuple[int, ...]
    shape: Shape

    @property
    def order(self) -> tuple[Version, bool, tuple[int, int], tuple[int, ...], str]:
        """What tags are sorted by, oldest first; no two tags are equal, so that the newest is always the same one."""
        return self.release, self.stage is None, self.stage or (0, 0), self.suffix_numbers, self.text


def read_version_tag(text: str) -> VersionTag | None:
    """Read a tag; None if it is no version (`latest`, `main-3f2a91c`, `sha256-….sig`) or no tag at all. Total."""
    found = _VERSION_TAG.fullmatch(text) if len(text) <= MAX_TAG_CHARACTERS else None
    if found is None:
        return None
    release = tuple(int(number) for number in _NUMBER.findall(found["release"]))
    stage = found["stage"]
    return VersionTag(
        text=text,
        release=release,
        stage=(STAGES[stage.lower()], int(found["count"] or 0)) if stage else None,
        suffix_numbers=tuple(int(number) for number in _NUMBER.findall(found["suffix"])),
        shape=Shape(
            prefix=found["v"],
            separator="-" if "-" in found["release"] else ".",
            parts=len(release),
            calendar=_is_calendar(found["release"]),
            stage=stage is not None,
            suffix=_NUMBER.sub("#", found["suffix"]),
        ),
    )


def newest_by_shape(tags: Iterable[str]) -> Mapping[Shape, VersionTag]:
    """Return the newest tag of each of the 1,000 most frequent shapes; what is no version is left out."""
    counts: Counter[Shape] = Counter()
    newest: dict[Shape, VersionTag] = {}
    for tag in filter(None, map(read_version_tag, tags)):
        counts[tag.shape] += 1
        known = newest.get(tag.shape)
        if known is None or known.order < tag.order:
            newest[tag.shape] = tag
    most_frequent = sorted(newest, key=lambda shape: (-counts[shape], newest[shape].text))
    return {shape: newest[shape] for shape in most_frequent[:MAX_SHAPES]}


def newest_like(tag: str | None, newest: Mapping[Shape, VersionTag]) -> str | None:
    """Return the newest tag of the shape of `tag`, which may be itself; None if there is none, or only older ones.

    A release stands for its candidates too, never the other way round. For what is no version (`latest`, or no tag at
    all) the newest plain version is taken, if all plain versions of the repository follow one scheme.
    """
    present = read_version_tag(tag) if tag else None
    if present is None:
        return _newest_plain(newest)
    shapes = {present.shape, replace(present.shape, stage=False)}
    found = [newest[shape] for shape in shapes if shape in newest and newest[shape].order >= present.order]
    return max(found, key=lambda one: one.order).text if found else None


def _newest_plain(newest: Mapping[Shape, VersionTag]) -> str | None:
    """Return the newest of the plain releases with the most numbers: the others (`1`, `1.5`) move."""
    plain = [shape for shape in newest if not shape.suffix and not shape.stage]
    if len({(shape.prefix, shape.separator, shape.calendar) for shape in plain}) != 1:
        return None
    return newest[max(plain, key=lambda shape: shape.parts)].text


def _is_calendar(release: str) -> bool:
    """Tell whether a release is a day or an instant: `2026.11.23`, `2026-11-23`, `20261123`, `20261123143000`."""
    first = _NUMBER.findall(release)[0]
    return len(first) in CALENDAR_DIGITS and int(first[:4]) in YEARS
