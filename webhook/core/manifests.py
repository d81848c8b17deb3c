"""Index, manifest and config bytes, read strictly into values.

What two programs could read differently is refused as `Malformed`: keys that stand twice or differ in case only, counts
that do not agree, unknown layer types, nested indexes, a platform that the config contradicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from webhook.core.references import Digest

__all__ = ["Descriptor", "ImageConfig", "Index", "Malformed", "Manifest", "Platform"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """An image that is not well formed: `what` names the document ("manifest sha256:…"), `why` what is wrong."""

    what: str
    why: str
    platform: str | None = None


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
    """A pointer to bytes: all of it but the digest is a claim. `size` is in bytes."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An OCI index or Docker manifest list."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """An OCI or Docker image manifest; `layers` are base first, top last."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """An image config; `diff_ids` are base first, top last, and only what the config claims."""

    digest: Digest
    platform: Platform
    diff_ids: tuple[Digest, ...]
    user: str
    created: datetime | None
    labels: Mapping[str, str] = field(default_factory=dict)
