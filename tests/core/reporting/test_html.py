"""The page: one file that needs nothing else, whatever the texts in it are."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from tests.core.reporting.page_samples import (
    COMPARED,
    base,
    container,
    fix,
    large_report,
    problem,
    report,
    shop_report,
    workload,
)
from webhook.core.reporting.document import ReportDocument, WorkloadDocument
from webhook.core.reporting.html import html_page
from webhook.core.reporting.page.ages import collect_bases
from webhook.core.reporting.page.markup import element, raw_element

GOLDEN = Path(__file__).parent / "golden_pages"
VOID = frozenset({"br", "input", "meta", "line", "path", "circle"})
HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "a\u2028b\u2029c",
    "\u202eevil\u202c",
    "\ud800",
    "<!--",
    "]]>",
    "&amp;&#x3c;",
    "x" * 100_000,
    "\x00\x1b[31m",
)


@dataclass(slots=True)
class _Page(HTMLParser):
    """What a parser makes of a page: elements with their attributes, and the text that is shown."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"br", "input", "meta"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All that is shown."""
        return " ".join(self.texts)

    def names(self) -> list[str]:
        """Return the elements in their order."""
        return [name for name, _ in self.elements]


def read(page: str) -> _Page:
    """Parse a page, which must be balanced."""
    parsed = _Page()
    parsed.feed(page)
    parsed.close()
    assert parsed.unbalanced == []
    assert parsed.open == []
    return parsed


def everywhere(text: str) -> ReportDocument:
    """Return a report in which every text that somebody else writes is this one."""
    use = container(
        problem(message=text, help=text, platform=text),
        name=text,
        field=text,
        image=text,
        digest=text,
        rule=text,
        signed_by=(text,),
        base=base(5, repository=text, tags=(text,), digest=text),
        note=text,
        fixes=(fix(write=text, message=text), fix(write="", message=text)),
        seen="running",
        pods=1,
    )
    hostile = workload(use, namespace=text, kind=text, name=text, pods=1, notes=(text,))
    unjudged = workload(namespace=text, kind=text, name=text, trouble=text)
    return report(hostile, unjudged, policy=text, complete=False)


def test_everything_is_shown() -> None:
    """Outcome, causes, fixes, signers, bases, drift, notes and troubles are on the page."""
    page = read(html_page(shop_report()))

    for text in (
        "4 of 7 workloads would be refused",
        "Drift in 1 workload.",
        "night-report",
        "pull secret `shop-registry` may not be read by you",
        "you may not list pods in namespace `secret`",
        "has no signature at all",
        "deploy a digest that `release` signed",
        "registry.example/shop/api:1.4.2@sha256:",
        "exempt: PLAT-112",
        "131 days, 2 pods, 1 image",
        "Service is not a kind that holds a pod",
        "deploy/front.yaml, line 12",
        "other bytes than the image names today",
    ):
        assert text in page.text, text


def test_a_run_that_is_not_complete_says_so_first() -> None:
    """Nobody takes half a page for an approval."""
    page = read(html_page(shop_report(complete=False)))

    assert "Incomplete: " in page.text
    assert "Do not take this page for an approval" in page.text
    assert any(attributes.get("role") == "alert" for _, attributes in page.elements)


def test_another_day_and_another_policy() -> None:
    """The day as on which is judged stands at the top, and of compared policies what changes."""
    refused = workload(container(problem()), name="worse", change="newly-refused")
    admitted = workload(container(), name="better", change="newly-admitted")
    page = read(html_page(report(refused, admitted, as_of="2026-12-24T23:59:59Z", compared_with=COMPARED))).text

    assert "2026-12-24 23:59:59 UTC" in page
    assert "production-2025" in page
    assert "newly refused" in page
    assert "newly admitted" in page
    assert "Below stands only what changes" in page


@pytest.mark.parametrize("complete", [True, False])
def test_a_page_about_nothing(*, complete: bool) -> None:
    """A report without rows is a page that says so."""
    page = read(html_page(report(complete=complete, catalog_revision=None)))

    assert "There is nothing to list." in page.text
    assert "none: no base could be recognised" in page.text


def test_the_page_loads_sends_and_runs_nothing_else() -> None:
    """Its policy lets in only the style sheet and the script that are in it, and no element has an address."""
    text = html_page(shop_report())
    page = read(text)
    (policy,) = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy
    for name in ("style", "script"):
        (source,) = re.findall(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    addresses = {a[key] for _, a in page.elements for key in ("href", "src", "action", "srcset") if a.get(key)}
    assert all(str(address).startswith("#") for address in addresses)
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert "style" not in {key for _, attributes in page.elements for key in attributes}


PLAIN = read(html_page(everywhere("plain"))).names()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_a_text(text: str) -> None:
    """Whatever a name or a message contains, the page has the same elements as with a harmless one."""
    page = html_page(everywhere(text))

    assert read(page).names() == PLAIN
    assert page.encode("utf-8")
    assert len(page) < 200_000


@given(st.text(max_size=60))
@settings(max_examples=60)
def test_any_text_is_a_text(text: str) -> None:
    """No text becomes markup, a control character or an address."""
    page = html_page(everywhere(text or "x"))

    assert read(page).names() == PLAIN
    assert not any(ord(character) < 32 and character != "\n" for character in page)
    assert "\u2028" not in page


def test_bases_are_counted_once_for_each_pod() -> None:
    """Pods and images are counted by base; what stands on no base is counted apart; unknown pods are unknown."""
    twice = workload(
        container(seen="spec", pods=3), container(name="b", digest="sha256:b", seen="spec", pods=3), pods=3
    )
    nothing = workload(container(base=None, digest=None))
    from_file = workload(container(base=base(80)))
    bases = collect_bases((twice, nothing, from_file))

    assert [(one.age_days, one.pods, one.images, one.workloads) for one in bases.known] == [
        (80, None, 1, 1),
        (9, 3, 2, 1),
    ]
    assert bases.images_without == 1


@pytest.mark.parametrize("age", [0, 30, 31, 60, 61, 90, 91, 365, 4000, -1])
def test_any_age_has_a_place(age: int) -> None:
    """The youngest and the oldest base are drawn inside the picture, with their age in words."""
    page = html_page(report(workload(container(base=base(age)))))
    places = [float(x) for x in re.findall(r'\sx[12]?="([0-9.]+)%"', page)]

    assert all(0 <= place <= 100 for place in places)
    assert f"{age:,} day" in page


def test_many_bases_are_drawn_in_part() -> None:
    """The oldest are drawn, the others counted, and the table has all; without a tag the repository names it."""
    uses = [container(base=base(number + 1, tags=() if number % 2 else ("1",))) for number in range(40)]
    page = read(html_page(report(workload(*uses)))).text

    assert "15 younger bases in the table" in page
    assert "The same as a table (40 bases)" in page


def test_many_messages_of_one_cause_are_counted() -> None:
    """A cause that speaks in many words shows the most frequent, and says how many there are."""
    rows = [workload(container(problem(message=f"message {number}")), name=f"w{number}") for number in range(20)]

    assert "and 8 other messages" in read(html_page(report(*rows))).text


def test_sources_cannot_end_their_element() -> None:
    """A script that could close its element by itself is refused when the page is made."""
    with pytest.raises(ValueError, match="must not contain"):
        raw_element("script", "x = '</script>'")
    assert element("p", "a", None, id="b", hidden=True, title=None).html == '<p id="b" hidden>a</p>'


def test_a_page_grows_with_what_it_shows() -> None:
    """Ten times the workloads make at most ten times the page: verdicts are told once."""
    small, large = (len(html_page(large_report(number))) for number in (200, 2_000))

    assert large < 10 * small


@pytest.mark.parametrize("name", ["shop", "nothing", "compared"])
def test_golden_page(name: str) -> None:
    """A page is exactly its file, style sheet and script aside; `DHIGATE_GOLDEN=1` writes it anew, to be read."""
    reports: dict[str, ReportDocument] = {
        "shop": shop_report(complete=False),
        "nothing": report(),
        "compared": report(_changed("newly-refused"), compared_with=COMPARED),
    }
    page = re.sub(r"<(style|script)>.*?</\1>", r"<\1></\1>", html_page(reports[name]), flags=re.DOTALL)
    page = re.sub(r"sha256-[A-Za-z0-9+/=]+'", "sha256-'", page).replace("><", ">\n<")
    path = GOLDEN / f"{name}.html"
    if os.environ.get("DHIGATE_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(page)

    assert page == path.read_text()


def _changed(change: str) -> WorkloadDocument:
    return replace(workload(container(problem())), change=change, pods=UNSET)
