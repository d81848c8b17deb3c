"""Which software a repository holds, told by its name: a hint for words and proposals, never a reason to believe."""

from __future__ import annotations

import re

__all__ = ["Version", "software_of", "version_in"]

Version = tuple[int, ...]
"""The numbers of a version, most significant first; empty if it is not known."""

MAX_CHARACTERS = 256
FILLING = frozenset({"base", "dhi", "image", "runtime"})
"""Words that say nothing about what is inside."""
DISTRIBUTIONS = frozenset({"alpine", "bookworm", "bullseye", "debian", "distroless", "slim", "trixie", "ubuntu"})
"""Words that name the software only where nothing else does (`debian-base`)."""
SAME_SOFTWARE = {
    "amazoncorretto": "java",
    "corretto": "java",
    "eclipse-temurin": "java",
    "go": "golang",
    "jdk": "java",
    "jre": "java",
    "nodejs": "node",
    "openjdk": "java",
    "pg": "postgres",
    "postgresql": "postgres",
    "temurin": "java",
}

_BETWEEN_WORDS = re.compile(r"[-_.]+")
_NUMBERS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,7}")


def software_of(name: str) -> str:
    """Return what `registry.example/base/python-3.13` and `dhi.io/python` have in common: `python`.

    `name` is a repository, or the last segment of one. Total; the result is not empty unless the name is.
    """
    segment = name[-MAX_CHARACTERS:].rpartition("/")[2].lower()
    words = [word.rstrip("0123456789") for word in _BETWEEN_WORDS.split(segment)]
    telling = [word for word in words if word and word not in FILLING]
    software = "-".join([word for word in telling if word not in DISTRIBUTIONS] or telling) or segment
    return SAME_SOFTWARE.get(software, software)


def version_in(text: str) -> Version:
    """Return the first dotted number in a name or a value (`python-3.13`, `jdk-21.0.5+11`); empty if there is none."""
    found = _NUMBERS.search(text[:MAX_CHARACTERS])
    return tuple(int(number) for number in found[0].split(".")) if found else ()
