"""The report for a merge request, read again by a parser of Markdown."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.core.given import NOW
from tests.core.problem_samples import RELEASE, decisions
from tests.core.reporting.audits import (
    COMPARED,
    COMPARISON,
    FILES,
    HEADING,
    HOSTILE,
    HOSTILE_TEXTS,
    SHOP,
    container,
    hostile,
    image,
    judged,
    live,
)
from webhook.core.auditing.rows import Fix, FixKind, Row, row_of
from webhook.core.problems import Unsigned
from webhook.core.reporting.making import Heading, make_report
from webhook.core.reporting.markdown import MAX_CHARACTERS, markdown
from webhook.core.reporting.markdown_texts import block, code, html_code, row
from webhook.core.verdicts import Decision

UNSIGNED = Unsigned(expected=RELEASE)
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
OUR_ELEMENTS = {
    *("h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "strong", "em", "blockquote"),
    *("code", "pre", "details", "summary"),
}
MARK = "Zq7"
"""Stands in every hostile text, and in nothing that we write."""
texts = (st.text(max_size=60) | st.sampled_from(HOSTILE_TEXTS)).map(lambda text: f"{text[:200]}{MARK}{text[:200]}")


class Seen(HTMLParser):
    """What a rendered page consists of: its elements, and the text that stands outside code."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.open_code = 0
        self.prose = ""
        self.code = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.add(tag)
        self.attributes += attrs
        self.open_code += tag == "code"

    def handle_endtag(self, tag: str) -> None:
        """Leave code behind."""
        self.open_code -= tag == "code"

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if self.open_code:
            self.code += data
        else:
            self.prose += data

    def handle_comment(self, data: str) -> None:
        """Note a comment as an element: there is none of ours."""
        self.elements.add(f"!--{data}")


def read(text: str) -> Seen:
    """Render Markdown and read the page."""
    seen = Seen()
    seen.feed(READER.render(text))
    seen.close()
    return seen


def written(*rows: Row, heading: Heading = HEADING) -> str:
    """Return the Markdown of an audit."""
    return markdown(make_report(rows, heading))


def refused(name: str, namespace: str = "shop") -> Row:
    """Return a Deployment whose image nobody signed."""
    return live(namespace, "Deployment", name, judged(container(name, UNSIGNED), pods=1), pods=1)


def assert_inert(text: str) -> None:
    """Demand that a report consists of our elements, and that all else stands in code."""
    seen = read(text)

    assert seen.elements <= OUR_ELEMENTS
    assert all(name in {"class", "style"} for name, _ in seen.attributes)
    assert not any(sign in seen.prose for sign in ("@", "://", "www.", "![", "](", "`", "#", MARK))
    assert seen.open_code == 0
    # GitLab obeys such lines wherever they stand.
    assert not any(line.startswith("/") for line in text.splitlines())


def test_the_headline_says_how_it_came_out() -> None:
    """The first line is the outcome; policy, catalog, day and an incomplete run are named."""
    later = replace(HEADING, as_of=NOW + timedelta(days=30), catalog_revision=None, complete=False)
    text = written(*SHOP, heading=later)

    assert text.startswith("## dhi-gate: 13 of 18 workloads would be refused, 1 could not be judged at all\n")
    assert "no catalog; as of 2026-12-23T12:00:00Z, which is not the present." in text
    assert "**Incomplete:**" in text
    assert "**Incomplete:**" not in written(*SHOP)


def test_causes_are_folded_away() -> None:
    """Each cause is a `<details>` whose summary has code and counts; its fixes can be copied."""
    seen = read(written(*SHOP))

    assert {"details", "summary", "table"} <= seen.elements
    assert "12 containers in 12 workloads" in seen.prose
    assert "error[unsigned]" in seen.code
    assert f"registry.example/shop/web:1.4.2@{container('web').use.image.digest}\n" in seen.code  # type: ignore[union-attr]


def test_drift_notes_and_troubles_are_visible() -> None:
    """They stand under the table, not folded away."""
    text = written(*SHOP)

    assert "  drift: Deployment/web `web` in 12 pods runs sha256:" in text
    assert "  error: listing pods in locked: the API server does not allow it\n" in text
    assert "  note: pull secret `registry` may not be read by you (Deployment/cache)\n" in text


def test_compared_policies() -> None:
    """Both policies are named, and each kind of change has its part."""
    text = written(*COMPARED, heading=COMPARISON)

    assert text.startswith("## dhi-gate: 2 newly refused, 1 newly admitted, 36 same\n")
    assert "compared with `current`" in text
    assert text.index("### Newly refused: 2 workloads") < text.index("### Newly admitted: 1 workload\n")
    assert "`Deployment/api`" in text


def test_files_and_what_has_no_namespace() -> None:
    """What lives in no cluster has no pods to count, and what has no namespace says so."""
    assert "| Workloads | Images |" in written(*FILES[:2])
    assert "### Without a namespace: 1 fail" in written(
        live(None, "Pod", "w", judged(container("w", UNSIGNED), pods=1), pods=1)
    )


def test_fixes_without_a_cause_and_fixes_that_propose_nothing() -> None:
    """A fix of drift is told with its namespace; one that only informs has nothing to copy."""
    fixes = (
        Fix(kind=FixKind.PIN, write="registry.example/w:2", says="pins it"),
        Fix(kind=FixKind.NEWEST, write="", says="the newest tag would be refused too"),
    )
    text = written(replace(live("shop", "Pod", "w", judged(container("w")), pods=1), fixes={image("w").written: fixes}))

    assert "Fix: `pins it`\n\n  ```text\n  registry.example/w:2\n  ```\n" in text
    assert "Note: `the newest tag would be refused too`\n" in text


def test_long_lists_are_counted() -> None:
    """Of many workloads the first are listed, and the others are counted."""
    text = written(*(refused(f"w-{number:03}") for number in range(100)))

    assert text.count("| `Deployment/w-") == 40
    assert "…and 60 more." in text
    assert "  and 97 more\n" in text


@pytest.mark.parametrize("length", range(8))
def test_a_report_fits_into_a_comment_and_says_what_it_left_out(length: int) -> None:
    """What does not fit is counted, with where to find it, and what stands there is whole, wherever the cut falls."""
    text = written(*(refused(f"w-{number}", f"ns-{'x' * length}-{number:03}") for number in range(200)))

    assert MAX_CHARACTERS - 2_000 < len(text) <= MAX_CHARACTERS
    kept = text.count("### Namespace")
    assert f"with {200 - kept:,} namespaces that begin in them, are left out. The same command with `-o json`" in text
    assert text.count("<details>") == text.count("</details>")
    assert_inert(text)


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_texts_stay_texts(text: str) -> None:
    """Whatever others write becomes no link, mention, image, element, reference or command."""
    assert_inert(written(hostile(text)))


def test_all_hostile_texts_together() -> None:
    """A fence or a tag of one text does not meet that of another."""
    assert_inert(written(*HOSTILE))


@given(st.lists(texts, min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_no_text_becomes_markup(found: list[str]) -> None:
    """Nothing that others wrote stands outside code, however it is written."""
    assert_inert(written(*(hostile(text) for text in found)))


@given(st.lists(decisions, max_size=4))
@settings(max_examples=60, deadline=None)
def test_every_audit_can_be_written(found: list[Decision]) -> None:
    """Whatever was decided, the report is short enough, and printable but for its line breaks."""
    text = written(*(row_of(one) for one in found))

    assert len(text) <= MAX_CHARACTERS
    assert all(line.isprintable() for line in text.split("\n"))
    assert read(text).elements <= OUR_ELEMENTS


@given(st.text(max_size=300) | st.sampled_from(HOSTILE_TEXTS))
def test_code_is_one_span(text: str) -> None:
    """A text is one span of code in one cell, or nothing; a bar is shown broken."""
    seen = read(row("A", "B") + row("---", "---") + row(code(text), "end"))

    assert seen.prose.split() == ["A", "B", "end"]
    assert "|" not in code(text)
    assert code("") == ""


@given(st.lists(st.text(max_size=80) | st.sampled_from(HOSTILE_TEXTS), max_size=5))
@example(found=["```", "x", "````"])
def test_a_block_is_one_block(found: list[str]) -> None:
    """Lines stay within their block, and every line is indented."""
    text = block(found)
    seen = read(text)

    assert seen.elements == {"pre", "code"}
    assert seen.prose.strip() == ""
    assert all(line.startswith("  ") for line in text.splitlines())
    assert seen.code.count("\n") == len(found)


def test_code_within_html_is_escaped() -> None:
    """In a line of HTML a text is escaped as HTML."""
    assert html_code("<b>&`x`") == "<code>&lt;b&gt;&amp;`x`</code>"
