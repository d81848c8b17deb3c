"""The document folded: by namespace, the worst first, each cause once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.given import NOW, build, digest
from tests.core.problem_samples import RELEASE, decisions
from tests.core.reporting.audits import FILES, HEADING, SHOP, container, image, judged, live
from webhook.core.auditing.rows import Fix, FixKind, Row, Seen, error_row, row_of
from webhook.core.facts import Trouble
from webhook.core.policy import Mode
from webhook.core.problems import EndOfLifeBase, NotFound, Problem, Revoked, StaleBase, Unsigned, Unverifiable
from webhook.core.references import ImageReference
from webhook.core.reporting.folding import Cause, Section, by_namespace, codes_of
from webhook.core.reporting.making import make_report
from webhook.core.verdicts import Decision
from webhook.core.workloads import ContainerKind

UNSIGNED = Unsigned(expected=RELEASE)
OLD = EndOfLifeBase(build=build(), end_of_life=NOW.date())
SILENT = Unverifiable(trouble=Trouble(doing="listing signatures", where="registry.example", why="no answer in time"))


def folded(*rows: Row) -> tuple[Section, ...]:
    """Return the sections of these rows."""
    return by_namespace(make_report(rows, HEADING).results)


def deployment(name: str, *problems: Problem, namespace: str = "shop", **changes: Any) -> Row:  # noqa: ANN401 - any field of Verdict
    """Return a Deployment with two pods and a container of its name."""
    return live(namespace, "Deployment", name, judged(container(name, *problems, **changes), pods=2), pods=2)


def only_cause(*rows: Row) -> Cause:
    """Return the one cause of everything that is wrong with these rows."""
    ((cause,),) = (section.causes for section in folded(*rows))
    return cause


def test_one_cause_for_all_who_share_it() -> None:
    """Many containers that lack the same signature have one cause, one advice, and are counted."""
    cause = only_cause(*(deployment(f"w{number}", UNSIGNED) for number in range(12)))

    assert (cause.code, cause.denies, cause.containers, len(cause.workloads), len(cause.images)) == (
        "unsigned",
        True,
        12,
        12,
        12,
    )
    assert cause.helps == ("deploy a digest that `release` signed, or have this one signed",)


def test_workloads_that_are_equal_are_counted_each() -> None:
    """Two objects of the same name in two files are two."""
    cause = only_cause(deployment("w", UNSIGNED), deployment("w", UNSIGNED))

    assert (len(cause.workloads), cause.containers, len(cause.images)) == (2, 2, 1)


def test_platforms_of_one_image_share_a_cause() -> None:
    """What is wrong on two platforms is said once, without naming either, and both are kept."""
    stale = StaleBase(build=build(), age_days=75, max_age_days=60, platform="linux/amd64")
    cause = only_cause(deployment("w", stale, replace(stale, platform="linux/arm64")))

    assert cause.platforms == ("linux/amd64", "linux/arm64")
    assert "linux" not in cause.message
    assert len(cause.uses) == 1


def test_the_worst_comes_first() -> None:
    """What denies comes before what warns, what is proven before what is unknown, what many have before what few."""
    rows = (
        *(deployment(f"a{number}", SILENT) for number in range(4)),
        deployment("b", NotFound(reference=image("b"))),
        deployment("c", UNSIGNED),
        deployment("d", UNSIGNED),
        deployment("e", OLD, mode=Mode.WARN),
        deployment("f", OLD, mode=Mode.WARN),
        deployment("g", OLD, mode=Mode.WARN),
    )
    (section,) = folded(*rows)

    assert [(cause.code, cause.denies) for cause in section.causes] == [
        ("unsigned", True),
        ("not-found", True),
        ("unverifiable", True),
        ("end-of-life-base", False),
    ]
    assert [workload.result for workload in section.workloads] == ["fail"] * 3 + ["error"] * 4 + ["warn"] * 3
    assert section.counts == {"fail": 3, "error": 4, "warn": 3}


def test_namespaces_come_by_their_worst_result_and_then_by_name() -> None:
    """The one with a refusal comes first; what has no namespace counts as the first by name."""
    rows = (
        deployment("a", namespace="b"),
        deployment("a", namespace="a"),
        deployment("a", UNSIGNED, namespace="z"),
        *FILES[2:],
    )

    assert [section.namespace for section in folded(*rows)] == ["z", None, "a", "b"]


def test_advice_does_not_deny() -> None:
    """Advice is a warning even under a rule that is enforced, and beside a problem that denies."""
    (section,) = folded(deployment("w", UNSIGNED, advisories=(OLD,)))

    assert [(cause.code, cause.denies) for cause in section.causes] == [
        ("unsigned", True),
        ("end-of-life-base", False),
    ]


def test_a_container_is_counted_once() -> None:
    """One that runs other bytes than its spec names is one container, though both suffer."""
    running = judged(container("w", UNSIGNED, reference=image("w", "1.4.1")), seen=Seen.RUNNING, pods=1)
    cause = only_cause(live("shop", "Pod", "w", judged(container("w", UNSIGNED), pods=2), running, pods=2))

    assert (cause.containers, len(cause.uses), len(cause.images)) == (1, 2, 2)


def test_a_revocation_denies_in_every_mode() -> None:
    """Bytes that the policy revokes are refused under a rule that only warns."""
    revoked = Revoked(digest=digest("w"), reason="leaked token")
    section = folded(deployment("w", revoked, mode=Mode.WARN))[0]

    assert section.causes[0].denies
    assert section.workloads[0].result == "fail"


def test_what_is_let_in_all_the_same_is_not_denied() -> None:
    """A pod that a node reports is let in whatever is wrong with it."""
    found = judged(container("w", UNSIGNED), pods=1)
    mirror = replace(found, decision=replace(found.decision, never_denies=True))

    assert not only_cause(live("shop", "Pod", "w", mirror, pods=1)).denies


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        (FixKind.BASE, ["end-of-life-base"]),
        (FixKind.NEWEST, ["unsigned"]),
        (FixKind.PIN, ["unsigned"]),
    ],
)
def test_a_fix_is_told_with_what_it_mends(kind: FixKind, codes: list[str]) -> None:
    """A base mends what is wrong with the base; what mends no problem in particular is told with the first."""
    reference = image("w")
    fix = Fix(kind=kind, write="registry.example/w:2", says="would pass")
    row = replace(deployment("w", UNSIGNED, OLD), fixes={reference.written: (fix, fix)})
    (section,) = folded(row)

    assert [cause.code for cause in section.causes if cause.fixes] == codes
    assert [len(cause.fixes) for cause in section.causes if cause.fixes] == [1]
    assert section.fixes == ()


def test_a_fix_without_a_problem_is_not_lost() -> None:
    """A fix for an image with which nothing is wrong (its tag has moved) is told with its namespace."""
    fix = Fix(kind=FixKind.PIN, write="registry.example/w:2", says="pins what runs")
    (section,) = folded(replace(deployment("w"), fixes={image("w").written: (fix,)}))

    assert [one.write for one in section.fixes] == ["registry.example/w:2"]
    assert not section.quiet


def test_drift_says_what_runs_and_what_the_tag_means_now() -> None:
    """What runs is found beside the container of the same name whose image has the same name."""
    section = folded(*SHOP)[0]
    (drift,) = section.drifts

    assert drift.use.container.digest == str(digest("yesterday"))
    assert drift.points_to == str(digest("web"))
    assert only(section, "unsigned").containers == 12


def test_drift_from_something_unknown() -> None:
    """Where the spec names another image by now, or none, nothing is claimed about what its tag points to."""
    moved = ImageReference.parse(f"registry.example/shop/old:1@{digest('old')}")
    running = judged(container("w", reference=moved), seen=Seen.RUNNING, pods=2)
    volume = judged(container("v", reference=moved), seen=Seen.SPEC, pods=2)
    row = live("shop", "Deployment", "w", judged(container("w"), pods=2), volume, running, pods=2)

    assert [drift.points_to for drift in folded(row)[0].drifts] == [None]


def test_troubles_and_notes_are_told_once() -> None:
    """The same sentence about many workloads is one sentence; a namespace that may not be read belongs to itself."""
    note = "pull secret `registry` may not be read by you"
    noted = [replace(deployment(name), notes=(note,)) for name in ("a", "b")]
    locked = error_row(kind="Namespace", namespace=None, name="locked", trouble="not allowed")
    first, second = folded(*noted, locked)

    assert (first.namespace, [said.text for said in first.troubles], first.attention) == ("locked", ["not allowed"], ())
    assert [(said.text, [one.name for one in said.workloads]) for said in second.notes] == [(note, ["a", "b"])]
    assert not first.quiet
    assert not second.quiet


def test_what_nobody_judged_is_in_trouble() -> None:
    """An object in which nothing was judged is told with the reason, and needs attention."""
    (section,) = folded(live("shop", "Pod", "w", judged(), pods=1))

    assert [said.text for said in section.troubles] == ["nothing was judged"]
    assert [one.name for one in section.attention] == ["w"]


def test_a_quiet_namespace() -> None:
    """Where all pass or are exempt, nothing has to be said; pods are counted only where there are any."""
    quiet = {section.namespace: section.quiet for section in folded(*SHOP)}

    assert quiet == {"prod-shop": False, "locked": False, "staging": False, "quiet": True, "kube-system": True}
    assert [section.pods for section in folded(*FILES)] == [None, 1]


def only(section: Section, code: str) -> Cause:
    """Return the one cause of that code."""
    (cause,) = (cause for cause in section.causes if cause.code == code)
    return cause


@given(st.lists(decisions, max_size=4))
@settings(max_examples=60)
def test_nothing_is_lost_by_folding(found: list[Decision]) -> None:
    """Every workload is in one section, and every problem of every container in a cause of its code."""
    results = make_report([row_of(one) for one in found], HEADING).results
    sections = by_namespace(results)
    shown = Counter(id(workload) for section in sections for workload in section.workloads)

    assert shown == Counter(id(workload) for workload in results)
    for workload in results:
        causes = [cause for section in sections for cause in section.causes if workload in cause.workloads]
        assert set(codes_of(workload)) == {cause.code for cause in causes}
        helps = {text for cause in causes for text in cause.helps}
        assert {problem.help for one in workload.containers for problem in one.problems} <= helps


def test_volumes_have_images_too() -> None:
    """An image volume that suffers is counted with the containers."""
    found = container("data", UNSIGNED)
    volume = replace(found, use=replace(found.use, kind=ContainerKind.VOLUME, field="spec.volumes[0].image.reference"))

    assert only_cause(live("shop", "Pod", "w", judged(volume, pods=1), pods=1)).containers == 1
