"""What a terminal shows of an audit, before it is drawn."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

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
from webhook.core.auditing.rows import Fix, FixKind, Row, Seen, row_of
from webhook.core.problems import Unsigned
from webhook.core.reporting.layout import Block, Grid, Line, Style
from webhook.core.reporting.making import Heading, make_report
from webhook.core.reporting.overview import overview
from webhook.core.verdicts import Decision

UNSIGNED = Unsigned(expected=RELEASE)


def shown(*rows: Row, heading: Heading = HEADING, wide: bool = False) -> tuple[Block, ...]:
    """Return the blocks of an audit."""
    return overview(make_report(rows, heading), wide=wide)


def lines(blocks: tuple[Block, ...]) -> list[str]:
    """Return the texts of the lines, tables aside."""
    return ["".join(span.text for span in block.spans) for block in blocks if isinstance(block, Line)]


def grids(blocks: tuple[Block, ...]) -> list[Grid]:
    """Return the tables."""
    return [block for block in blocks if isinstance(block, Grid)]


def test_what_is_fine_is_counted_and_not_listed() -> None:
    """A workload that passes stands in no table and no line but a count."""
    blocks = shown(*SHOP)
    names = {row[0].text for grid in grids(blocks) for row in grid.rows}

    assert "Deployment/web" in names
    assert "StatefulSet/store" not in names
    assert "nothing to do in 2 namespaces (2 workloads): quiet, kube-system" in lines(blocks)


def test_the_last_lines_say_how_it_came_out() -> None:
    """The outcome and all counts are at the end, in the same words whatever was found."""
    assert lines(shown(*SHOP))[-2:] == [
        "13 of 18 workloads would be refused, 1 could not be judged at all",
        "19 workloads, 119 pods, 20 images: pass 3, fail 12, warn 1, error 2, skip 1",
    ]
    assert lines(shown())[-2:] == [
        "nothing was found to judge",
        "0 workloads, 0 images: pass 0, fail 0, warn 0, error 0, skip 0",
    ]


def test_an_incomplete_run_says_so() -> None:
    """Where not everything could be judged, a line says it; where everything was, none does."""
    said = "incomplete: not everything that was asked about could be judged"

    assert said in lines(shown(*FILES, heading=replace(HEADING, complete=False)))
    assert said not in lines(shown(*FILES))


def test_the_ground_is_named() -> None:
    """Policy, catalog and instant are named, and that an instant is not the present."""
    later = replace(HEADING, as_of=NOW + timedelta(days=30), catalog_revision=None)

    assert "judged by policy `production`, no catalog, as of 2026-12-23T12:00:00Z (not the present)" in lines(
        shown(*FILES, heading=later)
    )


def test_what_is_to_be_written_stands_alone() -> None:
    """The image of a fix is a line of its own that is never broken; a fix that proposes none has no such line."""
    fixes = (
        Fix(kind=FixKind.NEWEST, write="", says="the newest tag 2 would be refused too: unsigned"),
        *(Fix(kind=FixKind.PIN, write=f"registry.example/w:{number}", says="pins it") for number in range(6)),
    )
    row = live("shop", "Deployment", "w", judged(container("w", UNSIGNED), pods=1), pods=1)
    blocks = shown(replace(row, fixes={image("w").written: fixes}))
    whole = [block.spans[0].text for block in blocks if isinstance(block, Line) and block.whole]

    assert whole == [f"registry.example/w:{number}" for number in range(4)]
    assert any("note:" in line and "refused too" in line for line in lines(blocks))
    assert any(line.endswith("and 2 more: `-o json` has all") for line in lines(blocks))


def test_drift_is_told_with_both_digests() -> None:
    """What runs and what the tag means now stand in one line, with how the running bytes fare."""
    (line,) = (line for line in lines(shown(*SHOP)) if line.startswith("drift:"))

    assert line == (
        "drift: Deployment/web `web` in 12 pods runs sha256:9523d9fbe79b "
        "while registry.example/shop/web:1.4.2 points to sha256:4b5e57f6eb2f: fail"
    )


def test_drift_from_something_unknown_claims_nothing() -> None:
    """Where nobody knows what the tag points to, or how many pods run it, the line says no more than is known."""
    running = judged(container("w"), seen=Seen.RUNNING)
    found = lines(shown(live("shop", "Deployment", "w", running, pods=1)))
    unnamed = lines(shown(hostile("a b")))

    assert any("runs sha256:" in line and "could not be found out: pass" in line for line in found)
    assert any("in 1 pod runs other bytes" in line for line in unnamed)


def test_files_have_a_column_and_pods_only_where_there_are_any() -> None:
    """What stands in a file is found by it, and columns that would be empty are left out."""
    (grid,) = grids(shown(*FILES))

    assert grid.headers == ("WORKLOAD", "RESULT", "RULE", "CODES", "FILE")
    assert [[span.text for span in row] for row in grid.rows] == [
        ["Deployment/web", "fail", "production", "unsigned", "deploy/shop.yaml:1"]
    ]
    assert grid.rows[0][1].style is Style.FAIL


def test_compared_policies_have_a_part_for_each_change() -> None:
    """Newly refused comes first, then newly admitted with what passes now, then how many are the same."""
    blocks = shown(*COMPARED, heading=COMPARISON)
    found = lines(blocks)

    assert found[0] == "newly refused by `candidate` (admitted by `current`): 2 workloads"
    assert "newly admitted by `candidate` (refused by `current`): 1 workload" in found
    assert [row[0].text for row in grids(blocks)[1].rows] == ["Deployment/api"]
    assert found[-2] == "2 newly refused, 1 newly admitted, 36 same"


def test_wide_lists_every_container_once() -> None:
    """The table with a row for each container stands first, and no other; the causes follow."""
    blocks = shown(*SHOP, wide=True)
    (grid,) = grids(blocks)

    assert blocks[0] is grid
    assert len(grid.rows) == 21
    assert any(line.startswith("error[unsigned]:") for line in lines(blocks))
    assert grids(shown(wide=True)) == []


def test_what_has_no_namespace_says_so() -> None:
    """Objects without a namespace have a heading all the same."""
    row = live(None, "Pod", "w", judged(container("w", UNSIGNED), pods=1), pods=1)

    assert lines(shown(row))[0] == "without a namespace: 1 fail (1 pod)"


@given(st.lists(decisions, max_size=4), st.booleans())
@settings(max_examples=60)
def test_every_audit_can_be_shown(found: list[Decision], wide: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    """Whatever was decided, every text is printable, and every row fits its headers."""
    blocks = shown(*(row_of(one) for one in found), *HOSTILE[: len(HOSTILE_TEXTS)], wide=wide)

    for block in blocks:
        rows = block.rows if isinstance(block, Grid) else (block.spans,)
        assert all(span.text.isprintable() for row in rows for span in row)
        assert not isinstance(block, Grid) or all(len(row) == len(block.headers) for row in block.rows)
