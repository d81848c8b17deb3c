"""The small words of an ImagePolicy: names, reasons, globs, hosts, dates. Each parser raises ParseError."""

from __future__ import annotations

import re
from datetime import date

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable
from webhook.core.references import DOCKER_HUB, Glob, Repository

__all__ = [
    "parse_date",
    "parse_group",
    "parse_host",
    "parse_image_glob",
    "parse_line",
    "parse_name",
    "parse_namespace_glob",
    "parse_tag_glob",
    "parse_variant",
]

MAX_NAME_CHARACTERS = 63
MAX_LINE_CHARACTERS = 256
MAX_GLOB_CHARACTERS = 512

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_NAMESPACE_GLOB = re.compile(r"(?!.*\*\*)[a-z0-9*-]{1,63}")
_TAG_GLOB = re.compile(r"(?!.*\*\*)[A-Za-z0-9_.*-]{1,128}")
_VARIANT = re.compile(r"[a-z][a-z0-9-]{0,62}")
_GLOB_PATH = re.compile(r"(?!.*\*\*\*)[a-z0-9._*-]+(?:/[a-z0-9._*-]+)*")
_HOST_CHARACTERS = re.compile(r"[A-Za-z0-9.:\[\]-]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_name(text: str) -> str:
    """Read the name of a policy, an authority, a rule or a case: it is shown in answers and metrics."""
    if len(text) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(text):
        raise ParseError(
            "", "a name is made of at most 63 lower-case letters, digits and, between them, dots and hyphens"
        )
    return text


def parse_line(text: str) -> str:
    """Read a line for people: a reason, a signed annotation."""
    if len(text) > MAX_LINE_CHARACTERS or not text.isprintable() or not text.strip():
        raise ParseError("", f"expected one line of at most {MAX_LINE_CHARACTERS} printable characters")
    return text


def parse_group(text: str) -> str:
    """Read the name of a group as the API server gives it (`system:masters`, `oidc:sre`); it is no glob."""
    if "*" in text:
        raise ParseError("", "a group is named in full, `*` has no meaning here")
    return parse_line(text)


def parse_variant(text: str) -> str:
    """Read the name of a variant of bases, such as `runtime` or `dev`."""
    if not _VARIANT.fullmatch(text):
        raise ParseError("", f"`{printable(text)}` is not a variant such as runtime or dev")
    return text


def parse_date(text: str) -> date:
    """Read a day as `2027-03-31`."""
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ParseError("", f"`{printable(text)}` is not a day such as 2027-03-31")


def parse_host(text: str) -> str:
    """Read `host` or `host:port` and return its canonical form: lower case, aliases folded, no default port."""
    # A made-up path turns a host into a reference, whose grammar and canonical form are settled in one place.
    looks_like_host = _HOST_CHARACTERS.fullmatch(text) and (text == "localhost" or any(c in text for c in ".:"))
    if not looks_like_host:
        raise ParseError("", f"`{printable(text)}` is not a registry host such as registry.example:5000")
    return Repository.parse(f"{text}/a/b").registry


def parse_namespace_glob(text: str) -> Glob:
    """Read a glob over namespace names: DNS-label characters and `*`."""
    if not _NAMESPACE_GLOB.fullmatch(text):
        raise ParseError("", f"`{printable(text)}` is not a namespace glob (lower-case letters, digits, hyphens and *)")
    return Glob(text)


def parse_tag_glob(text: str) -> Glob:
    """Read a glob over tags: the characters of a tag and `*`."""
    if not _TAG_GLOB.fullmatch(text):
        raise ParseError("", f"`{printable(text)}` is not a tag glob (letters, digits, . _ - and *)")
    return Glob(text)


def parse_image_glob(text: str) -> Glob:
    """Read a glob over canonical `host/path` names and return it in canonical form itself.

    `**` alone is any image. Otherwise the host is written out, or begins with `*.`, or is `*`: a host that only *ends*
    open (`registry.example*`) would match hosts of strangers. On Docker Hub, `nginx` is `library/nginx`.
    """
    if text == "**":
        return Glob(text)
    host, slash, path = text.partition("/")
    if not slash or len(text) > MAX_GLOB_CHARACTERS:
        raise ParseError("", f"`{printable(text)}`: an image glob has at least a host and a slash, or is `**`")
    if "@" in path or ":" in path:
        raise ParseError("", f"`{printable(text)}`: an image glob names repositories, without tag or digest")
    if not _GLOB_PATH.fullmatch(path):
        raise ParseError("", f"`{printable(text)}`: `{printable(path)}` is not a path (a-z, 0-9, . _ - / and *)")
    canonical = _host_glob(host)
    if canonical == DOCKER_HUB and "/" not in path and "**" not in path:
        path = f"library/{path}"
    return Glob(f"{canonical}/{path}")


def _host_glob(host: str) -> str:
    name = host.removeprefix("*.")
    if host == "*":
        return host
    if "*" in name:
        raise ParseError("", f"`{printable(host)}`: a host may begin with `*.`, and has no other `*`")
    # A label in the place of `*` makes it a host like any other; an alias of Docker Hub it then is not.
    return parse_host(host) if name == host else f"*.{parse_host(f'label.{name}').removeprefix('label.')}"
