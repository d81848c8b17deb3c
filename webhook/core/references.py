"""Names of images: what a user writes, what it means, and what has been pinned.

Three rules hold here and nowhere else:

1. A reference is read by the grammar of the `distribution/reference` project (2026-04), never by splitting strings.
2. A policy sees the canonical name only: host in lower case, the aliases of Docker Hub folded, the default port
   dropped. `DOCKER.IO/nginx`, `index.docker.io/library/nginx` and `nginx` are one name.
3. A tag and a digest may both be written; the digest then decides, and the tag is kept for people.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import re2

from webhook.core.errors import ParseError

__all__ = [
    "MAX_REFERENCE_CHARACTERS",
    "BadReference",
    "Digest",
    "Glob",
    "ImageReference",
    "PinnedImage",
    "Repository",
    "canonical_name",
]

MAX_REFERENCE_CHARACTERS = 1024
MAX_PATH_CHARACTERS = 255
DOCKER_HUB = "docker.io"
DOCKER_HUB_ALIASES = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
HEX_LENGTHS = {"sha256": 64, "sha512": 128}

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HEX = re.compile(r"[0-9a-f]+")
_BARE_HEX_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """The name of exact bytes, for example `sha256:` and 64 lower-case hexadecimal digits."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read `sha256:…` or `sha512:…`; anything else, upper case included, is a ParseError."""
        algorithm, separator, hexadecimal = text.partition(":")
        if not separator or algorithm not in HEX_LENGTHS:
            raise ParseError("", f"`{_clip(text)}` is not a sha256 or sha512 digest")
        if len(hexadecimal) != HEX_LENGTHS[algorithm] or not _HEX.fullmatch(hexadecimal):
            raise ParseError("", f"`{_clip(text)}` is not {HEX_LENGTHS[algorithm]} lower-case hexadecimal digits")
        return cls(algorithm=algorithm, hex=hexadecimal)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Return the SHA-256 digest of some bytes."""
        return cls(algorithm="sha256", hex=hashlib.sha256(data).hexdigest())

    def __str__(self) -> str:
        """Write the digest as registries do."""
        return f"{self.algorithm}:{self.hex}"

    @property
    def short(self) -> str:
        """The algorithm and the first twelve digits: enough for a person, never for a decision."""
        return f"{self.algorithm}:{self.hex[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Repository:
    """A canonical repository: `registry` is host[:port] in lower case, `path` what follows the first slash."""

    registry: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Repository:
        """Read `host/path` without tag or digest; a ParseError otherwise."""
        reference = ImageReference.parse(text)
        if reference.tag is not None or reference.digest is not None:
            raise ParseError("", f"`{_clip(text)}` is an image, a repository has neither tag nor digest")
        return reference.repository

    def __str__(self) -> str:
        """Write the canonical name that policies match."""
        return f"{self.registry}/{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """What a pod asks for. `written` is what the user typed; `tag` and `digest` may both be there, or neither."""

    repository: Repository
    tag: str | None
    digest: Digest | None
    written: str

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Read a reference of at most 1,024 characters; a ParseError says what is wrong with it.

        Source: the grammar of `distribution/reference`: `name[:tag][@digest]`.
        """
        if not text or len(text) > MAX_REFERENCE_CHARACTERS:
            raise ParseError("", "an image reference has 1 to 1,024 characters")
        remainder, at, digest_text = text.partition("@")
        digest = Digest.parse(digest_text) if at else None
        name, tag = _split_tag(remainder)
        if tag is not None and not _TAG.fullmatch(tag):
            raise ParseError("", f"`{_clip(tag)}` is not a tag")
        return cls(repository=_parse_name(name), tag=tag, digest=digest, written=text)

    def __str__(self) -> str:
        """Write the canonical reference, with the tag and the digest that were given."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"

    def pinned(self, digest: Digest) -> PinnedImage:
        """Return this image as exactly the bytes of `digest`."""
        return PinnedImage(repository=self.repository, digest=digest, tag=self.tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedImage:
    """Exact bytes in a repository. Code that needs to know what an image *is* accepts nothing less."""

    repository: Repository
    digest: Digest
    tag: str | None = None

    def __str__(self) -> str:
        """Write the image as `repository@digest`."""
        return f"{self.repository}@{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadReference:
    """Something that stands where an image reference should, and is none."""

    written: str
    why: str


class Glob:
    """A pattern over canonical names: `*` matches within one path segment, `**` across segments.

    Matching takes linear time whatever the pattern (RE2), and always spans the whole text.
    """

    __slots__ = ("_matcher", "pattern")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        pieces = re.split(r"(\*\*|\*)", pattern)
        expression = "".join({"**": ".*", "*": "[^/]*"}.get(piece, re2.escape(piece)) for piece in pieces)
        self._matcher = re2.compile(f"(?s:{expression})")

    def matches(self, text: str) -> bool:
        """Tell whether the whole of `text` fits."""
        return self._matcher.fullmatch(text) is not None

    def __eq__(self, other: object) -> bool:
        """Two globs are equal if they are written alike."""
        return isinstance(other, Glob) and other.pattern == self.pattern

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash(self.pattern)

    def __repr__(self) -> str:
        """Show the pattern."""
        return f"Glob({self.pattern!r})"


def canonical_name(text: str) -> str:
    """Return a registry (`host[:port]`) or a repository prefix (`host/path`) as policies and registries are named.

    A ParseError if it is neither.
    """
    host, slash, path = text.partition("/")
    if not _HOST.fullmatch(host) or (slash and not _PATH.fullmatch(path)):
        raise ParseError("", f"`{_clip(text)}` is neither a registry host nor a repository")
    return f"{_canonical_host(host)}{slash}{path}"


def _split_tag(text: str) -> tuple[str, str | None]:
    """Part the tag from the name: the colon after the last slash, so that a port is never taken for a tag."""
    head, slash, last = text.rpartition("/")
    name, colon, tag = last.partition(":")
    return f"{head}{slash}{name}", tag if colon else None


def _parse_name(name: str) -> Repository:
    """Read host and path. A first component is a host only if it looks like one (dot, colon, upper case)."""
    first, slash, rest = name.partition("/")
    has_host = bool(slash) and (first == "localhost" or first != first.lower() or any(c in first for c in ".:"))
    host, path = (first, rest) if has_host else (DOCKER_HUB, name)
    if has_host and not _HOST.fullmatch(host):
        raise ParseError("", f"`{_clip(host)}` is not a registry host")
    if not _PATH.fullmatch(path) or len(path) > MAX_PATH_CHARACTERS:
        raise ParseError("", f"`{_clip(path)}` is not a repository name (lower-case letters, digits and . _ - between)")
    if not has_host and _BARE_HEX_NAME.fullmatch(path):
        raise ParseError("", "64 hexadecimal digits alone name no repository")
    registry = _canonical_host(host)
    if registry == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    return Repository(registry=registry, path=path)


def _canonical_host(host: str) -> str:
    """Fold what differs in spelling only: case, leading zeros and the default port, the aliases of Docker Hub."""
    name, _, port = host.lower().rpartition(":") if not host.endswith("]") and ":" in host else (host.lower(), "", "")
    number = int(port) if port else 443
    if not 0 < number < 65536:  # noqa: PLR2004 - the range of a TCP port
        raise ParseError("", f"`{_clip(host)}` has no usable port")
    name = DOCKER_HUB if name in DOCKER_HUB_ALIASES else name
    return name if number == 443 else f"{name}:{number}"  # noqa: PLR2004 - the port of https


def _clip(text: str) -> str:
    """Shorten hostile text for a message; a reference is ASCII, so everything else is shown as `?`."""
    printable = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return printable if len(printable) <= 60 else f"{printable[:57]}..."  # noqa: PLR2004 - fits a line
