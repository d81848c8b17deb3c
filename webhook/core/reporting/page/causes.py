"""What stands in the way, folded over all namespaces: one cause for each reason code, and how much it holds up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from webhook.core.reading.plain_text import counted
from webhook.core.reporting.folding import Cause, Section
from webhook.core.reporting.page.markup import Markup, element
from webhook.core.reporting.page.verdicts import help_markup
from webhook.core.wording.codes import EXPLANATIONS

__all__ = ["causes_section"]

MAX_MESSAGES = 12
"""How many different messages of one code are shown; the others are counted."""


@dataclass(slots=True, kw_only=True)
class _Told:
    """One message, in the making: how many workloads it is told of, and the first advice that came with it."""

    help: str
    workloads: int = 0


@dataclass(slots=True, kw_only=True)
class _Obstacle:
    """One reason code, in the making. A workload counts once, whatever the number of messages it gets."""

    workloads: set[int] = field(default_factory=set)
    images: set[str] = field(default_factory=set)
    told: dict[str, _Told] = field(default_factory=dict)

    def add(self, cause: Cause) -> None:
        """Count a cause of one namespace."""
        workloads = cause.workloads
        self.workloads.update(map(id, workloads))
        self.images.update(cause.images)
        self.told.setdefault(cause.message, _Told(help=cause.helps[0])).workloads += len(workloads)


def causes_section(sections: Iterable[Section]) -> Markup | None:
    """Return the causes, those that deny first, then the most frequent; None where nothing is wrong."""
    obstacles: defaultdict[tuple[bool, str], _Obstacle] = defaultdict(_Obstacle)
    for section in sections:
        for cause in section.causes:
            obstacles[cause.denies, cause.code].add(cause)
    if not obstacles:
        return None
    worst_first = sorted(obstacles, key=lambda key: (not key[0], -len(obstacles[key].workloads), key[1]))
    return element(
        "section",
        element("h2", "What stands in the way", id="causes-heading"),
        *(_cause(code, obstacles[denies, code], denies=denies) for denies, code in worst_first),
        id="causes",
        aria_labelledby="causes-heading",
    )


def _cause(code: str, obstacle: _Obstacle, *, denies: bool) -> Markup:
    extent = f"{counted(len(obstacle.workloads), 'workload')}, {counted(len(obstacle.images), 'image')}"
    explanation = EXPLANATIONS.get(code)
    return element(
        "details",
        element(
            "summary",
            element(
                "span",
                element("code", code, class_=f"code {'error' if denies else 'warning'}"),
                None if denies else element("span", " warns", class_="quiet"),
            ),
            element("span", extent, class_="count"),
            element("span", explanation.means, class_="means") if explanation else None,
        ),
        element("ul", *_messages(obstacle), class_="problems"),
        element(
            "p",
            element("a", f"Show the workloads with {code}", href=f"#code={quote(code, safe='', errors='replace')}"),
            class_="needs-script",
        ),
        class_="cause",
    )


def _messages(obstacle: _Obstacle) -> Sequence[Markup]:
    """Return the most frequent messages; those of equal frequency in the order of their words."""
    told = sorted(obstacle.told.items(), key=lambda one: (-one[1].workloads, one[0]))
    listed = [
        element(
            "li",
            element("p", element("span", counted(one.workloads, "workload"), class_="count"), element("span", message)),
            help_markup(one.help),
        )
        for message, one in told[:MAX_MESSAGES]
    ]
    more = len(told) - MAX_MESSAGES
    return [*listed, element("li", f"and {counted(more, 'other message')}", class_="quiet")] if more > 0 else listed
