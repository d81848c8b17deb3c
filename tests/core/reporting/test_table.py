"""The table with a row for each container."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given, settings

from tests.core.given import API, build, digest, use
from tests.core.problem_samples import RELEASE, TAGGED, decision, decisions, verdict
from tests.core.reporting.audits import HEADING, SHOP
from webhook.core.auditing.rows import row_of
from webhook.core.policy import Case, Exemption, Requirements
from webhook.core.problems import InvalidReference, Unpinned, Unsigned
from webhook.core.references import BadReference
from webhook.core.reporting.layout import Grid, Style
from webhook.core.reporting.making import make_report
from webhook.core.reporting.table import table
from webhook.core.verdicts import Decision, Standing
from webhook.core.workloads import Source

UNSIGNED = Unsigned(expected=RELEASE)


def drawn(*found: Decision, wide: bool) -> Grid:
    """Return the table of these decisions."""
    return table(make_report([row_of(one) for one in found], HEADING).results, wide=wide)


def texts(grid: Grid) -> Iterator[tuple[str, ...]]:
    """Yield the texts of each row."""
    return (tuple(span.text for span in row) for row in grid.rows)


def test_the_table_has_a_row_for_each_container() -> None:
    """A row tells place, image, result, rule and codes; a wide one tells the evidence as well."""
    standing = Standing(platform="linux/amd64", build=build(), age_days=3)
    found = decision(
        verdict(Unpinned(reference=TAGGED, resolved=None), UNSIGNED, use=use(image=TAGGED)),
        verdict(use=use(container="ok"), signed_by=("release",), standings=(standing,)),
    )
    narrow, wide = drawn(found, wide=False), drawn(found, wide=True)

    assert narrow.headers == ("NAMESPACE", "KIND", "NAME", "CONTAINER", "IMAGE", "RESULT", "RULE", "CODES")
    assert next(texts(narrow)) == (
        "shop",
        "Pod",
        "api",
        "api",
        "registry.example/shop/api:1.4.2",
        "fail",
        "everywhere",
        "unpinned, unsigned",
    )
    assert [row[5].style for row in narrow.rows] == [Style.FAIL, Style.PASS]
    assert wide.headers == (*narrow.headers, "SIGNED BY", "BASE", "AGE", "NOTE")
    assert list(texts(wide))[1][8:] == ("release", f"dhi.io/python@{build().digest.short}", "3d", "")


def test_the_table_names_a_bare_image_once() -> None:
    """An image without an object around it has no name but itself; beside an object those cells are empty."""
    image = API.pinned(digest("api"))
    found = decision(verdict(image=image, use=use(container="image", image=TAGGED)), kind="Image")
    bare = replace(found, workload=replace(found.workload, source=Source.IMAGE, name=TAGGED.written))
    alone, beside = drawn(bare, wide=True), drawn(bare, decision(verdict()), wide=False)

    assert alone.headers[:4] == ("NAMESPACE", "KIND", "IMAGE", "RESULT")
    assert next(texts(alone))[:4] == ("shop", "Image", f"{TAGGED.written}@{digest('api')}", "pass")
    assert beside.headers[:5] == ("NAMESPACE", "KIND", "NAME", "CONTAINER", "IMAGE")
    first, second = texts(beside)
    assert first[2:5] == ("", "", f"{TAGGED.written} @ {digest('api').short}")
    assert second[2:4] == ("api", "api")


def test_the_table_quotes_what_is_no_reference() -> None:
    """A text that is no reference may be anything, and says so by its quotes."""
    bad = BadReference(written="all is well", why="`all is well` is not a reference")
    found = decision(verdict(InvalidReference(reference=bad), use=replace(use(), image=bad)))

    assert next(texts(drawn(found, wide=False)))[4] == "`all is well`"
    assert next(texts(drawn(found, wide=True)))[4] == "all is well"


def test_the_table_notes_what_was_not_judged_as_usual() -> None:
    """Unchanged, exempt and excepted images, and objects without any, say so."""
    case = Case(name="debugging", outcome=Requirements())
    rows = texts(
        drawn(
            decision(
                verdict(unchanged=True),
                verdict(exemption=Exemption(reason="PLAT-112")),
                verdict(case=case),
            ),
            decision(no_images_because="Service is not a kind that holds a pod", kind="Service", namespace=None),
            decision(),
            wide=True,
        )
    )

    assert [row[-1] for row in rows] == [
        "unchanged",
        "exempt: PLAT-112",
        "except debugging",
        "Service is not a kind that holds a pod",
        "nothing was judged",
    ]


def test_what_lives_in_a_cluster_has_pods_and_where_it_was_seen() -> None:
    """The columns are there only where something lives in a cluster; what runs stands beside what is written."""
    grid = table(make_report(SHOP, HEADING).results, wide=False)
    shown = [dict(zip(grid.headers, row, strict=True)) for row in texts(grid)]
    web = [(row["CONTAINER"], row["PODS"], row["SEEN"]) for row in shown if row["NAME"] == "web"]

    assert web == [("web", "40", "spec"), ("proxy", "40", "spec"), ("web", "12", "running")]
    assert grid.numbers == {"PODS"}


@given(decisions)
@settings(max_examples=60)
def test_every_decision_fits_the_table(found: Decision) -> None:
    """Whatever was decided, each row is as long as the headers, and all of it is printable."""
    for grid in (drawn(found, wide=True), drawn(found, wide=False)):
        assert all(len(row) == len(grid.headers) for row in grid.rows)
        assert all(span.text.isprintable() for row in grid.rows for span in row)
