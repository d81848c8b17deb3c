"""Signed provenance + catalog → the images that an image was built from, and which of them are on record.

Nothing is approved here. A digest decides; the names beside it are for people.
"""

from __future__ import annotations

from dataclasses import dataclass

from webhook.core.attestations.predicate_types import PROVENANCE
from webhook.core.attestations.provenance import Dependency, read_provenance
from webhook.core.attestations.statements import VerifiedStatement
from webhook.core.bases.catalog import BaseBuild, Catalog
from webhook.core.errors import ParseError
from webhook.core.manifests import Platform

__all__ = ["BuiltFrom", "ProvenanceDescent", "trace_provenance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltFrom:
    """An image that went into a build, and the recorded builds of that digest: none if it is no base on record.

    Where the digest is that of an index, only the builds for the platform count; a build stage may run on another
    platform than its result, so where there is none for it, all do.
    """

    image: Dependency
    builds: tuple[BaseBuild, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceDescent:
    """What one verified provenance names as images, in its order; empty if it names none."""

    statement: VerifiedStatement
    images: tuple[BuiltFrom, ...]


def trace_provenance(
    statements: tuple[VerifiedStatement, ...], platform: Platform, catalog: Catalog
) -> tuple[ProvenanceDescent, ...]:
    """Look up the images of every provenance among `statements`. One that cannot be read names nothing."""
    found: list[ProvenanceDescent] = []
    for statement in statements:
        if statement.predicate_type not in PROVENANCE:
            continue
        try:
            provenance = read_provenance(statement.predicate_type, statement.predicate_object())
        except ParseError:
            continue
        images = tuple(_look_up(image, platform, catalog) for image in dict.fromkeys(provenance.images))
        found.append(ProvenanceDescent(statement=statement, images=images))
    return tuple(found)


def _look_up(image: Dependency, platform: Platform, catalog: Catalog) -> BuiltFrom:
    recorded = catalog.by_digest.get(image.digest, ()) if image.digest is not None else ()
    fitting = tuple(build for build in recorded if build.platform == platform)
    return BuiltFrom(image=image, builds=fitting or recorded)
