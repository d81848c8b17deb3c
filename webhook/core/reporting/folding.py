"""The document → what a person has to read: by namespace, the worst first, every cause told once.

Forty containers that lack the same signature have one cause. What two images do not share is left out of it: the
platform, and the advice that names an image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec import UNSET

from webhook.core.problems import CODES
from webhook.core.reporting.document import ContainerDocument, FixDocument, ProblemDocument, WorkloadDocument
from webhook.core.verdicts import Result

__all__ = [
    "Cause",
    "Drift",
    "Said",
    "Section",
    "Use",
    "by_namespace",
    "codes_of",
    "named",
    "short_digest",
    "shown_image",
]

_Item = TypeVar("_Item")

RESULTS = tuple(result.value for result in Result)
ATTENTION = frozenset({Result.FAIL.value, Result.ERROR.value, Result.WARN.value})
RUNNING = "running"
UNVERIFIABLE = "unverifiable"
DIGITS_SHOWN = 12
MENDS: Mapping[str, frozenset[str]] = {
    "base": frozenset(
        {
            "unapproved-base",
            "revoked-base",
            "end-of-life-base",
            "stale-base",
            "wrong-variant",
            "not-fips",
            "base-modified",
        }
    ),
    "pin": frozenset({"unpinned"}),
}
"""Which codes a kind of fix mends; one that is not here is about the image as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One container of a workload."""

    workload: WorkloadDocument
    container: ContainerDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One thing that is wrong, and everything that suffers from it.

    `denies` is false for what only warns. `message` names no platform: `platforms` are those that were named, none for
    all. `helps` and `fixes` are different from each other, in the order in which they were met.
    """

    code: str
    denies: bool
    message: str
    uses: tuple[Use, ...]
    platforms: tuple[str, ...]
    helps: tuple[str, ...]
    fixes: tuple[FixDocument, ...]

    @property
    def workloads(self) -> tuple[WorkloadDocument, ...]:
        """Each workload once."""
        return _each(use.workload for use in self.uses)

    @property
    def containers(self) -> int:
        """How many containers suffer from it; one that runs other bytes than its spec names is one container."""
        return len({(id(use.workload), use.container.name) for use in self.uses})

    @property
    def images(self) -> tuple[str, ...]:
        """The different images, as a person reads them."""
        return tuple(dict.fromkeys(shown_image(use.container) for use in self.uses))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A container that runs other bytes than its spec would give it today.

    `points_to` is the digest that the image of the spec has now, None if that could not be found out.
    """

    use: Use
    points_to: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One sentence about some workloads."""

    text: str
    workloads: tuple[WorkloadDocument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """All that is to be said about one namespace.

    `namespace` is None for what has none. `workloads`, `causes` and `counts` have the worst first. `troubles` say why
    nothing was judged. `fixes` are those that belong to no cause: of drift, above all.
    """

    namespace: str | None
    workloads: tuple[WorkloadDocument, ...]
    causes: tuple[Cause, ...]
    drifts: tuple[Drift, ...]
    troubles: tuple[Said, ...]
    notes: tuple[Said, ...]
    fixes: tuple[FixDocument, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many workloads have each result that some have."""
        found = Counter(workload.result for workload in self.workloads)
        return {result: found[result] for result in RESULTS if found[result]}

    @property
    def pods(self) -> int | None:
        """How many live pods there are; None for what does not live in a cluster."""
        known = [workload.pods for workload in self.workloads if workload.pods is not UNSET]
        return sum(known) if known else None

    @property
    def attention(self) -> tuple[WorkloadDocument, ...]:
        """The workloads that were looked at and are not simply fine."""
        return tuple(one for one in self.workloads if one.trouble is UNSET and one.result in ATTENTION)

    @property
    def quiet(self) -> bool:
        """Whether nothing has to be said but a count."""
        return not (self.attention or self.drifts or self.troubles or self.notes or self.fixes)


def by_namespace(results: Iterable[WorkloadDocument]) -> tuple[Section, ...]:
    """Return a section for each namespace, the one with the worst result first."""
    found: dict[str | None, list[WorkloadDocument]] = {}
    for workload in results:
        found.setdefault(_namespace(workload), []).append(workload)
    sections = [_section(namespace, workloads) for namespace, workloads in found.items()]
    return tuple(sorted(sections, key=lambda one: (_rank(one.workloads[0]), one.namespace or "")))


def codes_of(workload: WorkloadDocument) -> tuple[str, ...]:
    """Return the codes of everything that is wrong with a workload, each once, in their order."""
    found = {problem.code for container in workload.containers for problem in container.problems}
    return tuple(code for code in CODES if code in found)


def named(workload: WorkloadDocument) -> str:
    """Name a workload within its namespace, as kubectl writes it."""
    return f"{workload.kind}/{workload.name}"


def short_digest(digest: str) -> str:
    """Shorten a digest: enough for a person, never for a decision."""
    algorithm, _, digits = digest.partition(":")
    return f"{algorithm}:{digits[:DIGITS_SHOWN]}"


def shown_image(container: ContainerDocument) -> str:
    """Write an image as its author did, and beside it the short digest that was judged."""
    name = container.image.partition("@")[0]
    return f"{name} @ {short_digest(container.digest)}" if container.digest else container.image


def _namespace(workload: WorkloadDocument) -> str | None:
    """Return where a workload belongs; a Namespace that could not be read belongs to itself."""
    is_itself = workload.namespace is None and workload.kind == "Namespace" and workload.trouble is not UNSET
    return workload.name if is_itself else workload.namespace


def _rank(workload: WorkloadDocument) -> int:
    return RESULTS.index(workload.result)


def _section(namespace: str | None, found: Sequence[WorkloadDocument]) -> Section:
    workloads = sorted(found, key=lambda one: (_rank(one), one.kind, one.name))
    uses = [Use(workload=workload, container=container) for workload in workloads for container in workload.containers]
    return Section(
        namespace=namespace,
        workloads=tuple(workloads),
        causes=_causes(uses),
        drifts=tuple(_drifts(workloads)),
        troubles=_said((workload, (workload.unjudged,) if workload.unjudged else ()) for workload in workloads),
        notes=_said((workload, workload.notes or ()) for workload in workloads),
        fixes=_distinct(fix for use in uses if not use.container.problems for fix in use.container.fixes or ()),
    )


@dataclass(slots=True, kw_only=True)
class _Gathering:
    """A cause in the making."""

    uses: list[Use] = field(default_factory=list)
    platforms: dict[str, None] = field(default_factory=dict)
    helps: dict[str, None] = field(default_factory=dict)
    fixes: list[FixDocument] = field(default_factory=list)


def _causes(uses: Iterable[Use]) -> tuple[Cause, ...]:
    """Fold the problems of all containers, the worst first: what denies, what is proven, what most suffer from."""
    found: dict[tuple[bool, str, str], _Gathering] = {}
    for use in uses:
        for problem in use.container.problems:
            gathering = found.setdefault((_denies(problem, use), problem.code, _message(problem)), _Gathering())
            if not gathering.uses or gathering.uses[-1].container is not use.container:
                gathering.uses.append(use)
            if problem.platform:
                gathering.platforms[problem.platform] = None
            gathering.helps[problem.help] = None
            gathering.fixes += _fixes_for(problem, use.container)
    causes = (
        Cause(
            code=code,
            denies=denies,
            message=message,
            uses=tuple(gathering.uses),
            platforms=tuple(gathering.platforms),
            helps=tuple(gathering.helps),
            fixes=_distinct(gathering.fixes),
        )
        for (denies, code, message), gathering in found.items()
    )
    return tuple(sorted(causes, key=_gravity))


def _gravity(cause: Cause) -> tuple[object, ...]:
    return (not cause.denies, cause.code == UNVERIFIABLE, -len(cause.workloads), CODES.index(cause.code), cause.message)


def _denies(problem: ProblemDocument, use: Use) -> bool:
    """Tell whether a problem keeps its object out; in a mode that only warns, bytes that are revoked still do."""
    strict = use.container.mode == "enforce" or use.container.result == Result.FAIL.value
    return problem.severity == "error" and strict and not use.workload.allowed


def _message(problem: ProblemDocument) -> str:
    """Return what is said without the platform, so that the platforms of one image have one cause."""
    return problem.message.replace(f" ({problem.platform})", "", 1) if problem.platform else problem.message


def _fixes_for(problem: ProblemDocument, container: ContainerDocument) -> Iterator[FixDocument]:
    """Yield the fixes to tell with this problem: each is told with the first that it mends, else with the first."""
    for fix in container.fixes or ():
        mended = (one for one in container.problems if one.code in MENDS.get(fix.kind, frozenset()))
        if next(mended, container.problems[0]) is problem:
            yield fix


def _drifts(workloads: Iterable[WorkloadDocument]) -> Iterator[Drift]:
    for workload in workloads:
        for container in workload.containers:
            if container.seen == RUNNING:
                yield Drift(use=Use(workload=workload, container=container), points_to=_points_to(container, workload))


def _points_to(running: ContainerDocument, workload: WorkloadDocument) -> str | None:
    """Return what the image that a node was told to run is now: the spec's, by the same name, in the same container."""
    name = running.image.partition("@")[0]
    written = (one for one in workload.containers if one.seen != RUNNING and one.name == running.name)
    return next((one.digest for one in written if one.image.partition("@")[0] == name), None)


def _said(about: Iterable[tuple[WorkloadDocument, Iterable[str]]]) -> tuple[Said, ...]:
    """Gather the workloads of which the same is said."""
    found: dict[str, list[WorkloadDocument]] = {}
    for workload, texts in about:
        for text in texts:
            found.setdefault(text, []).append(workload)
    return tuple(Said(text=text, workloads=_each(workloads)) for text, workloads in found.items())


def _each(workloads: Iterable[WorkloadDocument]) -> tuple[WorkloadDocument, ...]:
    """Return each workload once. Two that are equal are two."""
    return tuple({id(workload): workload for workload in workloads}.values())


def _distinct(items: Iterable[_Item]) -> tuple[_Item, ...]:
    return tuple(dict.fromkeys(items))
