"""Problems with the base of an image → words, with the line that the Dockerfile should begin with."""

from __future__ import annotations

from typing import assert_never

from webhook.core.bases.catalog import BaseBuild
from webhook.core.bases.software import software_of
from webhook.core.problems import (
    EndOfLifeBase,
    LaggingBase,
    NotFips,
    RevokedBase,
    StaleBase,
    UnapprovedBase,
    WrongVariant,
)
from webhook.core.reading.plain_text import listing, printable
from webhook.core.references import Glob
from webhook.core.wording.words import Words

__all__ = ["base_name", "debug_image", "words_for_base", "words_for_unapproved"]

MAX_PATTERN_CHARACTERS = 512
"""More than any repository with its tag, so that nothing is clipped before it is compared."""

BaseProblem = RevokedBase | EndOfLifeBase | StaleBase | LaggingBase | WrongVariant | NotFips


def words_for_base(problem: BaseProblem, *, advice: bool) -> Words:
    """Choose the words for an image that does stand on a recorded base. With `advice`, time has not run out yet."""
    match problem:
        case RevokedBase():
            return _revoked(problem)
        case EndOfLifeBase():
            return _end_of_life(problem, advice=advice)
        case StaleBase():
            return _stale(problem, advice=advice)
        case LaggingBase():
            return _lagging(problem, advice=advice)
        case WrongVariant():
            return _wrong_variant(problem)
        case NotFips():
            return _not_fips(problem)
        case _:
            assert_never(problem)


def words_for_unapproved(problem: UnapprovedBase) -> Words:
    """Choose the words for an image that stands on no approved base."""
    facts = [("expected", listing(problem.expected))]
    if problem.unapproved is not None:
        facts.append(("found", f"{base_name(problem.unapproved)}, which is not approved"))
    if problem.closest is not None and problem.unapproved is None:
        total = len(problem.closest.build.diff_ids)
        shares = f"shares {problem.closest.shared} of its {total} layers"
        facts.append(("closest", f"{base_name(problem.closest.build)} ({shares})"))
    if problem.built_from:
        facts.append(("from", f"{listing(problem.built_from)}, on no record"))
    return Words(
        says="is not built on an approved DHI base",
        facts=tuple(facts),
        help=f"start the Dockerfile with `FROM {_best_match(problem)}`",
        platform=problem.platform,
    )


def debug_image(problem: UnapprovedBase) -> str | None:
    """Return the approved image to debug with: one that is made for it, else the first."""
    made_for_it = (name for name in problem.expected if _last_segment(name) in {"busybox", "debug", "bash"})
    chosen = next(made_for_it, problem.expected[0] if problem.expected else None)
    return None if chosen is None else _concrete(chosen)


def base_name(build: BaseBuild) -> str:
    """Name a build by repository and tag, by digest if it has lost all its tags."""
    name = f"{build.repository}:{build.tags[0]}" if build.tags else f"{build.repository}@{build.digest.short}"
    return printable(name)


def _revoked(problem: RevokedBase) -> Words:
    name = f"{base_name(problem.build)}, " if problem.build else ""
    by = "policy" if problem.by_policy else "catalog"
    return Words(
        says=f"stands on a base that the {by} revokes",
        facts=(("found", f"{name}{problem.revoked.short}"), ("cause", printable(problem.reason))),
        help=_rebuild(problem.build) if problem.build else "rebuild on a current build of an approved base",
        platform=problem.platform,
    )


def _end_of_life(problem: EndOfLifeBase, *, advice: bool) -> Words:
    when = problem.end_of_life.isoformat()
    return Words(
        says=f"stands on a base whose life ends on {when}" if advice else "stands on a base past its end of life",
        facts=(("found", f"{base_name(problem.build)}, end of life {when}"),),
        help=f"move to a newer release of `{printable(str(problem.build.repository))}` and rebuild",
        platform=problem.platform,
    )


def _stale(problem: StaleBase, *, advice: bool) -> Words:
    return Words(
        says=_in_time("is too old", problem.age_days, problem.max_age_days, advice=advice),
        facts=(
            ("expected", f"built at most {_days(problem.max_age_days)} ago"),
            ("found", f"{base_name(problem.build)}, built {_days(problem.age_days)} ago"),
        ),
        help=_rebuild(problem.build),
        platform=problem.platform,
    )


def _lagging(problem: LaggingBase, *, advice: bool) -> Words:
    return Words(
        says=_in_time("was superseded too long ago", problem.lag_days, problem.max_lag_days, advice=advice),
        facts=(
            ("expected", f"superseded at most {_days(problem.max_lag_days)} ago"),
            ("found", f"{base_name(problem.build)}, superseded {_days(problem.lag_days)} ago"),
        ),
        help=_rebuild(problem.build),
        platform=problem.platform,
    )


def _wrong_variant(problem: WrongVariant) -> Words:
    build = problem.build
    runtime = tuple(tag for tag in (_without_variant(tag, build.variant) for tag in build.tags) if tag)
    if "runtime" in problem.allowed and runtime:
        help_text = f"end the Dockerfile with a stage `FROM {printable(f'{build.repository}:{runtime[0]}')}`"
    else:
        help_text = f"build on a {listing(problem.allowed)} variant of `{printable(str(build.repository))}`"
    return Words(
        says="stands on an approved base of a variant that may not run here",
        facts=(
            ("expected", f"variant {listing(problem.allowed)}"),
            ("found", f"{base_name(build)}, variant {printable(build.variant)}"),
        ),
        help=help_text,
        platform=problem.platform,
    )


def _not_fips(problem: NotFips) -> Words:
    repository = printable(str(problem.build.repository))
    return Words(
        says="stands on a base that is not proven to be FIPS validated",
        facts=(("expected", "a base whose signer attests FIPS"), ("found", base_name(problem.build))),
        help=f"start the Dockerfile with a FIPS tag of `{repository}`; a label proves nothing",
        platform=problem.platform,
    )


def _in_time(what: str, days: int, limit: int, *, advice: bool) -> str:
    """Say that a limit is passed, or as advice when it will be."""
    if not advice or days > limit:
        return f"stands on a base that {what}"
    left = limit - days
    return f"stands on a base that will be refused {f'in {_days(left)}' if left > 0 else 'within a day'}"


def _days(count: int) -> str:
    return f"{count} day" if count == 1 else f"{count} days"


def _rebuild(build: BaseBuild) -> str:
    name = base_name(build) if build.tags else f"{build.repository}:TAG"
    return f"rebuild on the current build: `docker build --pull` with `FROM {printable(name)}`"


def _without_variant(tag: str, variant: str) -> str | None:
    """Return the runtime tag beside one such as `3.13-dev`; None if the tag does not name the variant."""
    suffix = f"-{variant}"
    return tag.removesuffix(suffix) if tag.endswith(suffix) else None


def _best_match(problem: UnapprovedBase) -> str:
    """Choose the approved base to suggest.

    1. A tag of the build that the image stands on, or comes near to, if that tag is approved.
    2. The approved tags of the same repository.
    3. The approved repository that holds the software of the image's own base (`library/python` → `dhi.io/python`).
    4. The first of the list.
    """
    build = problem.unapproved or (problem.closest.build if problem.closest else None)
    expected = tuple(printable(name, MAX_PATTERN_CHARACTERS) for name in problem.expected)
    if build is not None:
        for tag in build.tags:
            name = printable(f"{build.repository}:{tag}", MAX_PATTERN_CHARACTERS)
            if any(Glob(pattern).matches(name) for pattern in expected):
                return name
        segment = build.repository.path.rpartition("/")[2]
        alike = [name for name in expected if software_of(_last_segment(name)) == software_of(segment)]
        if alike:
            return _concrete(min(alike, key=lambda name: _last_segment(name) != segment))
    return _concrete(expected[0]) if expected else "an approved base"


def _last_segment(pattern: str) -> str:
    """Return the last segment of the repository in `dhi.io/python:3.13*`."""
    return pattern.rpartition("/")[2].partition(":")[0]


def _concrete(pattern: str) -> str:
    """Turn a pattern of approved tags into something to write: `3.13*` → `3.13`, `*` → TAG."""
    repository, _, tag = pattern.rpartition(":")
    plain = tag.rstrip("*").rstrip(".-")
    return f"{repository}:{plain if plain and '*' not in plain else 'TAG'}"
