"""Descriptors: how OCI documents point to bytes, and what they claim about them.

Source: OCI Image Specification 1.1, `descriptor.md`; platforms are those of its `image-index.md`, normalised as
containerd does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable
from webhook.core.reading.strict_json import JsonObject
from webhook.core.references import Digest

__all__ = ["Descriptor", "Platform", "read_descriptor", "read_digest", "read_platform"]

MAX_URLS = 100
SIZES = range(2**63)

_DESCRIPTOR_KEYS = frozenset({"mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"})
_PLATFORM_KEYS = frozenset({"architecture", "os", "os.version", "os.features", "variant", "features"})
_PLATFORM_WORD = re.compile(r"[a-z0-9._-]{1,64}")
_OPERATING_SYSTEMS = {"macos": "darwin"}
_ARCHITECTURES = {"i386": "386", "x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Platform:
    """Operating system, architecture and variant, normalised (`arm64/v8` is `arm64`)."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        """Write it as `linux/amd64` or `linux/arm/v7`."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A pointer to bytes: all of it but the digest is a claim. `size` is in bytes.

    `urls` are other places to fetch from, which the gate never follows.
    """

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str | None = None
    urls: tuple[str, ...] = ()


def read_descriptor(source: JsonObject) -> Descriptor:
    """Read one descriptor; a ParseError names the field that is wrong.

    Embedded `data` must be the very bytes that digest and size announce, since some readers use it instead of fetching.
    """
    source.refuse_variants(_DESCRIPTOR_KEYS)
    digest = read_digest(source.text("digest"), path=source.at("digest"))
    size = source.integer("size")
    if size not in SIZES:
        raise ParseError(source.at("size"), "is not a size in bytes")
    media_type = source.text("mediaType")
    if not media_type:
        raise ParseError(source.at("mediaType"), "is empty")
    if source.has("data"):
        _check_data(source, digest, size)
    return Descriptor(
        media_type=media_type,
        digest=digest,
        size=size,
        platform=read_platform(source.object("platform")) if source.has("platform") else None,
        annotations=source.text_map("annotations"),
        artifact_type=source.text_or("artifactType", "") or None,
        urls=source.texts("urls", at_most=MAX_URLS) if source.has("urls") else (),
    )


def read_platform(source: JsonObject) -> Platform:
    """Read operating system, architecture and variant from a descriptor's platform or from an image config.

    Several spellings of one platform come out as one; a ParseError for words that name nothing.
    """
    source.refuse_variants(_PLATFORM_KEYS)
    system = _platform_word(source, "os")
    architecture = _platform_word(source, "architecture")
    variant = _platform_word(source, "variant") if source.text_or("variant", "") else ""
    return _normalised(_OPERATING_SYSTEMS.get(system, system), _ARCHITECTURES.get(architecture, architecture), variant)


def read_digest(text: str, *, path: str) -> Digest:
    """Read a digest, with `path` in the ParseError."""
    try:
        return Digest.parse(text)
    except ParseError as error:
        raise ParseError(path, error.message) from None


def _platform_word(source: JsonObject, key: str) -> str:
    written = source.text(key)
    word = written.lower()
    if not _PLATFORM_WORD.fullmatch(word):
        raise ParseError(source.at(key), f"`{printable(written)}` names no platform")
    return word


def _normalised(system: str, architecture: str, variant: str) -> Platform:
    """Fold spellings of one platform. Source: `normalizeArch` of containerd's `platforms` package."""
    match architecture, variant:
        case ("amd64", "v1") | ("arm64", "8" | "v8"):
            variant = ""
        case ("armhf", _) | ("arm", "" | "7"):
            architecture, variant = "arm", "v7"
        case "armel", _:
            architecture, variant = "arm", "v6"
        case "arm", "5" | "6" | "8":
            variant = f"v{variant}"
        case _:
            pass
    return Platform(os=system, architecture=architecture, variant=variant)


def _check_data(source: JsonObject, digest: Digest, size: int) -> None:
    """Hold embedded bytes against size and digest (`descriptor.md`: "Implementations … MUST verify")."""
    data = source.base64("data")
    if len(data) != size or hashlib.new(digest.algorithm, data).hexdigest() != digest.hex:
        raise ParseError(source.at("data"), "is not what the digest and the size announce")
