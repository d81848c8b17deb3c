"""A refused image → what its base may be meant to be: guesses, the best first.

Everything here but the recorded builds is the author's word. It chooses what to propose and decides nothing: a proposal
is an approved base, whatever the image says of itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from webhook.core.auditing.tags import read_version_tag
from webhook.core.bases.catalog import BaseBuild
from webhook.core.bases.software import Version, software_of, version_in
from webhook.core.evidence import PlatformEvidence
from webhook.core.problems import (
    EndOfLifeBase,
    LaggingBase,
    NotFips,
    RevokedBase,
    StaleBase,
    UnapprovedBase,
    WrongVariant,
)
from webhook.core.references import ImageReference, Repository
from webhook.core.verdicts import Verdict

__all__ = ["BaseHint", "base_hints", "base_problems", "build_version"]

BaseProblem = UnapprovedBase | RevokedBase | EndOfLifeBase | StaleBase | LaggingBase | WrongVariant | NotFips

BASE_NAME = "org.opencontainers.image.base.name"
"""Source: OCI Image Specification 1.1, `annotations.md`; build tools write it as a label as well."""
DHI_NAME = "com.docker.dhi.name"
DHI_VERSION = "com.docker.dhi.version"
MAX_NAME_CHARACTERS = 1_024
ALPINE = "alpine"

_AFTER_NAME = re.compile(r"[:@]")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseHint:
    """One guess. What is empty or None is not known.

    `tags` are those of a recorded build, `distro` is one of the catalog (`debian-13`) or `alpine` alone.
    """

    software: str
    version: Version = ()
    repository: Repository | None = None
    tags: tuple[str, ...] = ()
    distro: str = ""
    fips: bool = False


def base_problems(verdict: Verdict) -> tuple[BaseProblem, ...]:
    """Return the problems and advisories of an image that another base would mend."""
    return tuple(problem for problem in (*verdict.problems, *verdict.advisories) if isinstance(problem, BaseProblem))


def base_hints(
    problems: Sequence[BaseProblem], image: ImageReference, platforms: Sequence[PlatformEvidence]
) -> tuple[BaseHint, ...]:
    """Return the guesses, each once: from what is proven to what is merely said.

    1. The recorded build that the image stands on.
    2. The base that a label, an annotation or a provenance names.
    3. The versions in the environment (`NODE_VERSION`), those of the base before those of the image.
    4. The recorded build that the image comes near to.
    5. The image's own name.
    """
    own = _named(str(replace(image, digest=None)))
    hints = (
        *(_recorded(build) for build in map(_base, problems) if build is not None),
        *_labelled(platforms),
        *(_named(uri) for problem in problems if isinstance(problem, UnapprovedBase) for uri in problem.built_from),
        *_from_environment(platforms),
        *(_recorded(p.closest.build) for p in problems if isinstance(p, UnapprovedBase) and p.closest is not None),
        own,
    )
    on_alpine = any(hint.distro == ALPINE for hint in hints)
    return tuple(
        dict.fromkeys(replace(hint, distro=ALPINE) if on_alpine and not hint.distro else hint for hint in hints)
    )


def build_version(build: BaseBuild) -> Version:
    """Return the most precise version that the tags of a build tell; empty if none does."""
    found = (tag.release for tag in map(read_version_tag, build.tags) if tag is not None)
    return max(found, key=lambda version: (len(version), version), default=())


def _base(problem: BaseProblem) -> BaseBuild | None:
    return problem.unapproved if isinstance(problem, UnapprovedBase) else problem.build


def _recorded(build: BaseBuild) -> BaseHint:
    return BaseHint(
        software=software_of(build.repository.path),
        version=build_version(build),
        repository=build.repository,
        tags=build.tags,
        distro=build.distro,
        fips=build.fips,
    )


def _labelled(platforms: Sequence[PlatformEvidence]) -> Iterator[BaseHint]:
    """Yield what labels name: the standard ones, and those that a hardened base leaves to a squashed image."""
    for platform in platforms:
        labels = platform.image.config.labels
        for name in (labels.get(BASE_NAME), platform.image.manifest.annotations.get(BASE_NAME)):
            if name:
                yield _named(name)
        if DHI_NAME in labels:
            yield _named(f"{labels[DHI_NAME]}:{labels.get(DHI_VERSION, '')}")


def _from_environment(platforms: Sequence[PlatformEvidence]) -> Iterator[BaseHint]:
    for platform in platforms:
        for name, version in platform.image.config.versions.items():
            software = software_of(name.removesuffix("_VERSION").replace("_", "-"))
            yield BaseHint(software=software, version=version_in(version))


def _named(text: str) -> BaseHint:
    """Read the name of an image, or the purl of one (`pkg:docker/python@3.13?platform=…`). Total."""
    name = text[:MAX_NAME_CHARACTERS].partition("?")[0].rpartition("/")[2]
    segment, tag, *_ = (*_AFTER_NAME.split(name), "")
    version = read_version_tag(tag)
    return BaseHint(
        software=software_of(segment),
        version=version.release if version else version_in(segment),
        distro=ALPINE if ALPINE in name else "",
    )
