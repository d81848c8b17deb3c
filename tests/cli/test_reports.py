"""Every form of a report as it is printed, and the drawing of lines and tables."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.core.given import use
from tests.core.problem_samples import verdict
from tests.core.reporting.audits import (
    COMPARED,
    COMPARISON,
    HEADING,
    HOSTILE,
    PRODUCTION,
    SHOP,
    UNSIGNED,
    container,
    judged,
    live,
)
from webhook.cli.drawing import draw
from webhook.cli.reports import FORMATS, deliver, render
from webhook.core.auditing.rows import Fix, FixKind
from webhook.core.problems import InvalidReference
from webhook.core.references import BadReference
from webhook.core.reporting.layout import Grid, Line, Span, Style

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
words = st.text(st.characters(categories=["L", "N", "P"]), max_size=30)


def printed(output: str, *, audit: bool = True, coloured: bool = False, width: int | None = None) -> str:
    """Return the audit of the shop in one form."""
    return render(SHOP, output, HEADING, audit=audit, coloured=coloured, width=width)


def spans(*texts: str) -> tuple[Span, ...]:
    """Return plain spans."""
    return tuple(Span(text=text) for text in texts)


@pytest.mark.parametrize("audit", [True, False])
@pytest.mark.parametrize("output", FORMATS)
def test_every_form_ends_with_a_line_break(output: str, audit: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Each form is text with a final line break and no other control characters, also of hostile texts."""
    for rows in (SHOP, HOSTILE):
        text = render(rows, output, HEADING, audit=audit, coloured=False)

        assert text.endswith("\n")
        assert all(line.isprintable() for line in text.split("\n"))


def test_forms_for_programs_can_be_read() -> None:
    """JSON, YAML and SARIF are one document, JUnit is XML, and reports are a stream of objects."""
    assert json.loads(printed("json")) == yaml.safe_load(printed("yaml"))
    assert json.loads(printed("sarif"))["version"] == "2.1.0"
    assert ET.fromstring(printed("junit")).tag == "testsuites"  # noqa: S314 - our own words
    for output, kind in (("policyreport", "PolicyReport"), ("openreports", "Report")):
        text = printed(output)
        documents = list(yaml.safe_load_all(text))

        assert text.startswith("---\n")
        assert kind in {document["kind"] for document in documents}
        assert len(documents) == len(SHOP)


def test_a_form_of_nothing_is_readable_too() -> None:
    """No objects are no documents, and still a valid document where there is always one."""
    assert render((), "policyreport", HEADING, audit=True, coloured=False) == ""
    assert json.loads(render((), "json", HEADING, audit=True, coloured=False))["results"] == []
    assert render((), "name", HEADING, audit=True, coloured=False) == ""


def test_names_are_of_what_was_refused() -> None:
    """What would not be admitted is named; what could not be looked at is not: it may be a whole namespace."""
    names = printed("name").splitlines()

    assert "deployment/web" in names
    assert "cronjob/report" in names
    assert len(names) == 13
    assert render(COMPARED, "name", COMPARISON, audit=True, coloured=False) == (
        "deployment/worker-1\ndeployment/worker-2\n"
    )


def test_what_is_named_is_one_word() -> None:
    """Who may write an owner reference puts no flag and no second name into the command that the names end in."""
    rows = [
        live("shop", kind, name, judged(container("api", UNSIGNED)), pods=1)
        for kind, name in (("--all", "x"), ("Rollout", "a --all-namespaces"), ("Rollout", "a;$(id)*"), ("", ""))
    ]
    names = render(rows, "name", HEADING, audit=True, coloured=False).splitlines()

    assert len(names) == 4
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./:@-]*", name) for name in names)
    assert "rollout/a_--all-namespaces" in names


@pytest.mark.parametrize("audit", [True, False])
@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("indent", ["", "word " * 20])
def test_no_line_is_a_command_of_a_pipeline(output: str, audit: bool, indent: str) -> None:  # noqa: FBT001 - a parameter of the test
    """A CI runner takes a printed line that begins with `::` for a command, whatever blanks stand before it."""
    command = "::stop-commands::x"
    bad = BadReference(written=f"{indent}{command}", why="it is none")
    bads = [bad, replace(bad, written=f"{bad.written}/2")]
    refused = [
        verdict(InvalidReference(reference=one), use=replace(use(container=command), image=one), rule=PRODUCTION)
        for one in bads
    ]
    row = live("shop", command, f"{indent}{command}", judged(*refused), pods=1, notes=(command, f"{indent}{command}"))
    fixed = replace(row, fixes={bad.written: (Fix(kind=FixKind.NEWEST, write=command, says=f"{indent}{command}"),)})
    text = render((fixed, row), output, HEADING, audit=audit, coloured=False, width=60)

    assert not re.search(r"^\s*::", text, re.MULTILINE)


def test_a_check_tells_every_object_in_full() -> None:
    """A check has a table with a row for each container, and all problems below it; an audit folds them."""
    assert printed("table", audit=False).count("error[unsigned]") == 12
    assert printed("table").count("error[unsigned]") == 1


def test_colours() -> None:
    """Colours add nothing but escapes, and only where they are wanted."""
    coloured = printed("table", coloured=True)

    assert "\x1b[31mfail\x1b[0m" in coloured
    assert ESCAPES.sub("", coloured) == printed("table")
    assert "\x1b" not in printed("table")


def test_lines_are_broken_between_words() -> None:
    """Text stays within the width but for words that are longer, which are copied; what is whole is never broken."""
    text = printed("table", width=80)
    long = [line for line in text.splitlines() if cell_len(line) > 80]

    assert long
    assert all("@sha256:" in line.split()[-1] for line in long)
    assert text.split() == printed("table").split()


def test_a_line_goes_on_below() -> None:
    """A line that is too long goes on further in; a label is not left alone before a long word."""
    blocks = (
        Line(spans=spans("error: ", f"{'word ' * 12}end"), indent=2, hanging=4),
        Line(spans=spans("image: ", "x" * 50), indent=2, hanging=7),
        Line(spans=spans("word " * 20), whole=True),
    )

    assert draw(blocks, coloured=False, width=1).splitlines() == [
        "  error: word word word word word word",
        "      word word word word word word end",
        f"  image: {'x' * 50}",
        ("word " * 20).rstrip(),
    ]


def test_columns_stay_aligned_for_wide_characters() -> None:
    """An ideograph has two cells: what stands beside it begins where it begins in other rows."""
    grid = Grid(headers=("NAME", "PODS"), rows=(spans("日本語", "7"), spans("api", "40")), numbers=frozenset({"PODS"}))

    assert draw((grid,), coloured=False, width=None) == "NAME    PODS\n日本語     7\napi       40\n"


def test_a_table_that_is_too_wide_breaks_its_cells() -> None:
    """Where there is no room, cells break between words first; a table that does not wrap keeps its lines."""
    rows = (spans("unpinned, unsigned, stale-base", "production-of-the-shop"),)
    wrapping = Grid(headers=("CODES", "RULE"), rows=rows, indent=2, wraps=True)
    rigid = Grid(headers=("CODES", "RULE"), rows=rows)

    assert draw((wrapping,), coloured=False, width=40).splitlines() == [
        "  CODES           RULE",
        "  unpinned,       production-of-the-shop",
        "  unsigned,",
        "  stale-base",
    ]
    assert draw((rigid,), coloured=False, width=40).splitlines()[1] == "  ".join(span.text for span in rows[0])


@given(st.lists(st.tuples(words, words, words), min_size=1, max_size=4), st.integers(40, 100))
def test_a_table_fits_and_loses_nothing(rows: list[tuple[str, str, str]], width: int) -> None:
    """Whatever stands in a table, each line fits, and each column has all of its text."""
    grid = Grid(headers=("A", "B", "C"), rows=tuple(spans(*row) for row in rows), wraps=True)
    text = draw((grid,), coloured=False, width=width)

    assert all(cell_len(line) <= width for line in text.splitlines())
    assert sorted("".join(text.split())) == sorted("ABC" + "".join("".join(row) for row in rows))


def test_styles_have_colours() -> None:
    """Each style but the plain one is drawn by an escape."""
    for style in Style:
        text = draw((Line(spans=(Span(text="x", style=style),)),), coloured=True, width=None)

        assert ("\x1b" in text) == (style is not Style.PLAIN)


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    """A pipe or a device stays one, and a link stays a link to the file that is replaced."""
    pipe, file, link = tmp_path / "pipe", tmp_path / "file", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(file)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    deliver("text\n", pipe)
    deliver("text\n", link)

    assert os.read(reading, 100) == b"text\n"
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert file.read_text() == "text\n"
    os.close(reading)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """The text stands in the file, and nothing is left beside it."""
    target = tmp_path / "report.txt"
    deliver("one\n", target)
    deliver("two\n", target)

    assert target.read_text() == "two\n"
    assert list(tmp_path.iterdir()) == [target]
