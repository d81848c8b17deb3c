"""The age of bases as a picture: a line for each base, as long as it is old, and a mark as large as what runs on it.

Nothing is said by colour alone: the length is the age, the words stand beside the mark, and the shape of the mark is
that of its band. Places are in per cent of the width, so that the picture fits any window and its text keeps its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt

from webhook.core.reading.plain_text import clip, counted
from webhook.core.reporting.page.ages import BANDS, AgedBase, Bases
from webhook.core.reporting.page.markup import Markup, element, joined, shown

__all__ = ["ages_section"]

MAX_BASES_DRAWN = 25
MARKED_DAYS = (30, 60, 90)
SHORTEST_AXIS_DAYS = 100
LONGEST_AXIS_DAYS = 365
"""What is older is drawn at the end of the axis, with its age in words: one ancient base must not flatten the rest."""

ROW_HEIGHT = 52
HEAD_HEIGHT = 26
MAX_LABEL_CHARACTERS = 44
MAX_DIGEST_CHARACTERS = 19
SMALLEST_MARK, LARGEST_MARK = 5, 12
"""Half the width of a mark, in pixels."""

SHAPES = ("circle", "circle-ring", "diamond", "square")
"""By band, the youngest first."""


def ages_section(bases: Bases) -> Markup | None:
    """Return the picture, what it says in numbers, and the same as a table; None if no image was judged."""
    if not bases.known and not bases.images_without:
        return None
    return element(
        "section",
        element("h2", "Age of the bases", id="ages-heading"),
        _bands(bases),
        _figure(bases.known) if bases.known else None,
        _table(bases.known) if bases.known else None,
        id="ages",
        aria_labelledby="ages-heading",
    )


def _standing(base: AgedBase) -> str:
    pods = () if base.pods is None else (counted(base.pods, "pod"),)
    return ", ".join((*pods, counted(base.images, "image")))


def _bands(bases: Bases) -> Markup:
    """Return how many bases and images are how old, with the shape of each band."""
    rows = (
        (number, SHAPES[number], band.label, sum(band.holds(base.age_days) for base in bases.known))
        for number, band in enumerate(BANDS)
    )
    without = element(
        "li",
        element("span", "no base established"),
        element("b", counted(bases.images_without, "image")),
        class_="band none",
    )
    return element(
        "ul",
        *(
            element(
                "li",
                element(
                    "svg",
                    _mark(shape, 6),
                    viewBox="-8 -8 16 16",
                    width=16,
                    height=16,
                    class_=f"mark b{number}",
                    aria_hidden="true",
                ),
                element("span", label),
                element("b", counted(found, "base")),
                class_="band",
            )
            for number, shape, label, found in rows
        ),
        without if bases.images_without else None,
        class_="bands",
    )


def _figure(bases: Sequence[AgedBase]) -> Markup:
    drawn = bases[:MAX_BASES_DRAWN]
    days = min(max(SHORTEST_AXIS_DAYS, drawn[0].age_days), LONGEST_AXIS_DAYS)
    largest = max(_weight(base) for base in drawn)
    height = HEAD_HEIGHT + ROW_HEIGHT * len(drawn) + 6
    picture = element(
        "svg",
        element("title", "Age of each base in days", id="ages-title"),
        element("desc", _description(bases, drawn), id="ages-description"),
        *_lines(days, height),
        *(joined(_row(base, number, days, largest)) for number, base in enumerate(drawn)),
        width="100%",
        height=height,
        role="img",
        aria_labelledby="ages-title ages-description",
    )
    more = len(bases) - len(drawn)
    caption = "The larger the mark, the more runs on the base." + (
        f" Drawn are the oldest {len(drawn)}; {counted(more, 'younger base')} in the table." if more else ""
    )
    return element(
        "figure",
        element("div", picture, class_="picture", tabindex=0, role="group", aria_labelledby="ages-heading"),
        element("figcaption", caption, class_="quiet"),
    )


def _description(bases: Sequence[AgedBase], drawn: Sequence[AgedBase]) -> str:
    oldest = drawn[0]
    late = sum(base.age_days > MARKED_DAYS[-1] for base in bases)
    return (
        f"{counted(len(bases), 'base')}; the oldest, {clip(shown(oldest.name), MAX_LABEL_CHARACTERS)}, is "
        f"{counted(oldest.age_days, 'day')} old; {late:,} older than {MARKED_DAYS[-1]} days. The table below has all."
    )


def _place(age_days: int, axis_days: int) -> str:
    """Return where an age stands from the left, in per cent, with room for a mark at both ends."""
    return f"{2 + 95 * min(max(age_days, 0), axis_days) / axis_days:.2f}%"


def _lines(axis_days: int, height: int) -> Iterator[Markup]:
    for days in (0, *MARKED_DAYS):
        x = _place(days, axis_days)
        yield element("line", x1=x, x2=x, y1=HEAD_HEIGHT - 4, y2=height, class_=f"grid d{days}")
        yield element("text", f"{days} d", x=x, y=14, text_anchor="middle", class_="axis")


def _row(base: AgedBase, number: int, axis_days: int, largest: int) -> Iterator[Markup]:
    top = HEAD_HEIGHT + number * ROW_HEIGHT
    middle = top + 36
    x = _place(base.age_days, axis_days)
    band = next((number for number, band in enumerate(BANDS) if band.holds(base.age_days)), 0)
    radius = SMALLEST_MARK + (LARGEST_MARK - SMALLEST_MARK) * sqrt(_weight(base) / largest)
    beyond = ", beyond the scale" if base.age_days > axis_days else ""
    name = element("tspan", clip(shown(base.name), MAX_LABEL_CHARACTERS))
    digest = element("tspan", f"@{clip(shown(base.digest), MAX_DIGEST_CHARACTERS)}", class_="digest")
    told = f"{counted(base.age_days, 'day')}{beyond}, {_standing(base)}"
    yield element("text", name, digest, x=_place(0, axis_days), y=top + 17, dx=5, class_="base")
    yield element("text", told, x=_place(axis_days, axis_days), y=top + 17, text_anchor="end", class_="value")
    yield element("line", x1=_place(0, axis_days), x2=x, y1=middle, y2=middle, class_=f"age b{band}")
    yield element("svg", _mark(SHAPES[band], radius), x=x, y=middle, overflow="visible", class_=f"mark b{band}")


def _weight(base: AgedBase) -> int:
    """Return by what a mark is sized: the pods, or the images where no pods are known. At least 1."""
    return max(base.images if base.pods is None else base.pods, 1)


def _mark(shape: str, radius: float) -> Markup:
    """Return a shape around the origin; `radius` in pixels."""
    size = f"{radius:.1f}"
    if shape == "diamond":
        reach = f"{radius * 1.2:.1f}"
        return element("path", d=f"M0 -{reach}L{reach} 0L0 {reach}L-{reach} 0Z")
    if shape == "square":
        return element("path", d=f"M-{size} -{size}H{size}V{size}H-{size}Z")
    return element("circle", r=size, class_=shape)


def _table(bases: Sequence[AgedBase]) -> Markup:
    has_pods = any(base.pods is not None for base in bases)
    headers = ("Base", "Digest", "Age in days", *(("Pods",) if has_pods else ()), "Images", "Workloads")
    return element(
        "details",
        element("summary", f"The same as a table ({counted(len(bases), 'base')})"),
        element(
            "div",
            element(
                "table",
                element("thead", element("tr", *(element("th", header, scope="col") for header in headers))),
                element("tbody", *(_table_row(base, has_pods=has_pods) for base in bases)),
            ),
            class_="wide",
        ),
    )


def _table_row(base: AgedBase, *, has_pods: bool) -> Markup:
    pods = ("-" if base.pods is None else f"{base.pods:,}",) if has_pods else ()
    numbers = (f"{base.age_days:,}", *pods, f"{base.images:,}", f"{base.workloads:,}")
    return element(
        "tr",
        element("th", element("code", base.name), scope="row"),
        element("td", element("code", base.digest)),
        *(element("td", number, class_="number") for number in numbers),
    )
