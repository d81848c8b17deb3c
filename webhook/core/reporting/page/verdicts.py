"""What was decided about images, each different verdict once, however many workloads it holds for.

Ten thousand workloads run a few hundred images. The rows of the page name the verdict by its number, which keeps the
page small, and the text of each stands in one place, which is also how it is printed on paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
from msgspec import UNSET

from webhook.core.reading.plain_text import counted
from webhook.core.reporting.document import (
    BaseDocument,
    ContainerDocument,
    FixDocument,
    ProblemDocument,
    WorkloadDocument,
)
from webhook.core.reporting.page.markup import Content, Markup, element, joined
from webhook.core.reporting.page.results import ORDER, badge

__all__ = ["DistinctVerdicts", "distinct_verdicts", "help_markup", "verdict_of", "verdicts_section"]

FIXES = {"base": "Build on", "newest": "Use the newer", "pin": "Pin"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DistinctVerdicts:
    """The different verdicts of a report, worst first: their number (from 1), and in how many places each holds."""

    numbers: Mapping[ContainerDocument, int]
    places: Mapping[ContainerDocument, int]


def verdict_of(container: ContainerDocument) -> ContainerDocument:
    """Return what was decided, without the place for which it was."""
    return msgspec.structs.replace(container, name="", field="", seen=UNSET, pods=UNSET)


def distinct_verdicts(workloads: Iterable[WorkloadDocument]) -> DistinctVerdicts:
    """Find the different verdicts of all containers."""
    places = Counter(verdict_of(container) for workload in workloads for container in workload.containers)
    worst_first = sorted(places, key=lambda one: (ORDER.get(one.result, len(ORDER)), one.image, one.rule))
    return DistinctVerdicts(numbers={one: number for number, one in enumerate(worst_first, 1)}, places=places)


def verdicts_section(verdicts: DistinctVerdicts) -> Markup:
    """Return all verdicts. The script shows each beside the containers it holds for, and hides this section."""
    return element(
        "section",
        element("h2", "Verdicts on images", id="verdicts-heading"),
        element("p", "What was decided about each image; the rows above name a verdict by its number.", class_="quiet"),
        *(_article(number, verdict, verdicts.places[verdict]) for verdict, number in verdicts.numbers.items()),
        id="verdicts",
        aria_labelledby="verdicts-heading",
    )


def help_markup(text: str) -> Markup | None:
    """Return an advice under its label; None if there is none."""
    return element("p", element("b", "What to do"), element("span", text), class_="help") if text else None


def _article(number: int, verdict: ContainerDocument, places: int) -> Markup:
    return element(
        "article",
        element(
            "h3",
            element("span", f"V{number}", class_="number"),
            badge(verdict.result),
            element("code", verdict.image),
            element("span", counted(places, "place"), class_="quiet"),
        ),
        element("ul", *map(_problem, verdict.problems), class_="problems") if verdict.problems else None,
        element("ul", *map(_fix, verdict.fixes), class_="fixes") if verdict.fixes else None,
        _evidence(verdict),
        class_="verdict",
        id=f"v{number}",
    )


def _problem(problem: ProblemDocument) -> Markup:
    return element(
        "li",
        element(
            "p",
            element("code", problem.code, class_=f"code {'warning' if problem.severity == 'warning' else 'error'}"),
            element("span", problem.message),
        ),
        element("p", element("b", "What to do"), element("span", problem.help), class_="help")
        if problem.help
        else None,
    )


def _fix(fix: FixDocument) -> Markup:
    """Say what to write; a fix without that only says what would not help."""
    if not fix.write:
        return element("li", element("span", fix.message, class_="quiet"))
    return element(
        "li",
        element("b", FIXES.get(fix.kind, "Use")),
        element("code", fix.write, class_="copyable"),
        element("span", fix.message, class_="quiet") if fix.message else None,
    )


def _evidence(verdict: ContainerDocument) -> Markup:
    """Say on what the verdict rests. What is not known is said to be unknown, not left out."""
    note = () if verdict.note is UNSET else (("Note", verdict.note),)
    facts: tuple[tuple[str, Content], ...] = (
        ("Digest", element("code", verdict.digest, class_="copyable") if verdict.digest else "not known"),
        ("Signed by", ", ".join(verdict.signed_by) or "none established"),
        ("Base", _base(verdict.base) if verdict.base else "none established"),
        ("Rule", f"{verdict.rule} (mode {verdict.mode})"),
        *note,
    )
    return element(
        "dl", *(joined((element("dt", label), element("dd", fact))) for label, fact in facts), class_="evidence"
    )


def _base(base: BaseDocument) -> Markup:
    return joined(
        (
            element("code", f"{base.repository}:{base.tags[0]}" if base.tags else base.repository),
            f" {counted(base.age_days, 'day')} old, shown by {base.evidence} ",
            element("code", base.digest, class_="copyable"),
        )
    )
