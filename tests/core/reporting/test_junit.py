"""The document → JUnit XML."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.given import digest
from tests.core.problem_samples import decisions
from tests.core.reporting.audits import HEADING, HOSTILE, SHOP
from tests.core.reporting.page_samples import base, container, fix, problem, report, workload
from webhook.core.auditing.rows import row_of
from webhook.core.reporting.document import OriginDocument, ReportDocument, WorkloadDocument
from webhook.core.reporting.junit import junit
from webhook.core.reporting.making import make_report
from webhook.core.verdicts import Decision

UNKNOWN = problem("unverifiable", message="could not be judged", help="try again")


def parsed(document: ReportDocument) -> ET.Element:
    """Return the root of what is written about a report."""
    return ET.fromstring(junit(document))  # noqa: S314 - our own words


def cases(*workloads: WorkloadDocument) -> list[ET.Element]:
    """Return the cases about some objects."""
    return list(parsed(report(*workloads)).iter("testcase"))


def outcomes(*workloads: WorkloadDocument) -> list[list[str]]:
    """Return what each case has beside its output."""
    return [[child.tag for child in case if child.tag != "system-out"] for case in cases(*workloads)]


def counts(element: ET.Element) -> dict[str, int]:
    """Return the numbers of a suite, or of all of them."""
    return {key: int(element.get(key, "-1")) for key in ("tests", "failures", "errors")}


def test_the_document_of_one_failure() -> None:
    """A suite for the namespace, a case for the container, a failure for the problem, and what helps beside it."""
    api = container(problem(), fixes=(fix(),), signed_by=("sandbox",), base=base(9))
    deployment = workload(api, origin=OriginDocument(file="deploy/api.yaml", line=12), notes=("not all was read",))
    says = (
        "registry.example/shop/api:1.4.2 has no signature at all: expected a signature by `release`. "
        "Help: deploy a digest that `release` signed, or have this one signed."
    )

    assert (
        junit(report(deployment))
        == f"""\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="dhi-gate" tests="1" failures="1" errors="0" time="0">
  <testsuite name="shop" tests="1" failures="1" errors="0" time="0" timestamp="2026-11-23T12:00:00" skipped="0">
    <properties>
      <property name="policy" value="production" />
      <property name="policyDigest" value="{digest("policy")}" />
      <property name="catalogRevision" value="{digest("catalog")}" />
    </properties>
    <testcase classname="shop.Deployment.api" name="api: registry.example/shop/api:1.4.2" time="0">
      <failure type="unsigned" message="has no signature at all: expected a signature by `release`">{says}</failure>
      <system-out>deploy/api.yaml, line 12
note: not all was read
fail by rule production (enforce), spec.template.spec.containers[0].image
digest: {digest("api")}
signed by: sandbox
base: dhi.io/python@{base(9).digest}, 9 days old
error: unsigned: {says.removeprefix("registry.example/shop/api:1.4.2 ")}
fix: the digest that the tag names now</system-out>
    </testcase>
  </testsuite>
</testsuites>
"""
    )


@pytest.mark.parametrize(
    ("problems", "changes", "expected"),
    [
        ((), {}, []),
        ((problem(), problem("unpinned")), {}, ["failure", "failure"]),
        ((problem(severity="warning"),), {"result": "warn"}, []),
        ((problem(),), {"result": "warn", "mode": "audit"}, []),
        ((UNKNOWN,), {"result": "error"}, ["error"]),
        ((UNKNOWN,), {"result": "error", "mode": "audit"}, ["error"]),
        ((problem(), UNKNOWN), {"result": "warn", "mode": "warn"}, ["error"]),
        ((problem(), UNKNOWN), {}, ["error", "failure"]),
        ((), {"result": "skip", "note": "exempt: PLAT-112"}, ["skipped"]),
    ],
)
def test_what_makes_a_case_fail(problems: tuple[Any, ...], changes: dict[str, Any], expected: list[str]) -> None:
    """What denies is a failure, what nobody could check an error in every mode, and a warning passes."""
    assert outcomes(workload(container(*problems, **changes))) == [expected]


def test_a_warning_that_passes_is_told() -> None:
    """The words of a warning stand in the output of its case."""
    (case,) = cases(workload(container(problem(help=""), result="warn", mode="warn")))

    assert "error: unsigned: has no signature at all" in case.findtext("system-out", "")


def test_an_exempt_image_says_why() -> None:
    """A skipped case has the reason of its exemption, or the word for it."""
    told, untold = cases(workload(container(result="skip", note="exempt: PLAT-112"), container(result="skip")))

    assert [told.findtext("skipped"), untold.findtext("skipped")] == ["exempt: PLAT-112", "exempt"]


def test_an_object_without_images_is_a_case() -> None:
    """One that rightly has none passes and says why; one about which nothing is known is an error."""
    service = workload(kind="Service", because="Service is not a kind that holds a pod", result="pass")
    locked = workload(kind="Namespace", namespace=None, name="locked", trouble="not allowed")

    fine, silent, troubled = cases(service, workload(), locked)

    assert (fine.get("name"), fine.findtext("system-out")) == ("(no images)", service.because)
    assert [one.get("name") for one in (troubled, silent)] == ["(not judged)"] * 2
    assert [one.findtext("error") for one in (fine, troubled, silent)] == [None, "not allowed", "nothing was judged"]
    assert (fine.get("classname"), troubled.get("classname")) == ("shop.Service.api", "Namespace.locked")


def test_suites_are_namespaces_in_the_order_of_the_report() -> None:
    """Each namespace has one suite, and so has what is in none."""
    rows = [workload(container(), namespace=namespace) for namespace in ("b", None, "a", "b")]

    shown = [(suite.get("name"), suite.get("tests")) for suite in parsed(report(*rows))]

    assert shown == [("b", "2"), ("(no namespace)", "1"), ("a", "1")]


def test_an_incomplete_run_fails() -> None:
    """A run that did not decide everything has an error that no other case hides; a complete one has not."""
    found = parsed(report(workload(container()), complete=False))

    assert counts(found) == {"tests": 2, "failures": 0, "errors": 1}
    (error,) = found.iter("error")
    assert error.text == "not everything that was asked about could be judged"
    assert list(parsed(report(workload(container()))).iter("error")) == []


def test_no_two_cases_have_the_same_names() -> None:
    """Cases that would be taken for one are numbered, even if somebody took the name with the number."""
    one = container()
    trap = container(image=f"{one.image} #2")
    rows = (workload(one, trap, one, one, container(seen="running"), container(seen="spec")), workload(one))

    names = [(case.get("classname"), case.get("name", "").partition("1.4.2")[2]) for case in cases(*rows)]

    assert [name for _, name in names] == ["", " #2", " #3", " #4", " (running)", " #5", " #6"]


def test_the_catalog_may_be_missing() -> None:
    """Without a catalog the property says so."""
    found = parsed(report(workload(container()), catalog_revision=None))

    assert {one.get("name"): one.get("value") for one in found.iter("property")}["catalogRevision"] == "none"


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1b", "\ud800", "\ufffe", "\uffff"])
def test_what_xml_forbids_never_appears(character: str) -> None:
    """Not even a report that was not made printable leads to a document that nobody can parse."""
    row = workload(container(problem(message=character), image=character), name=character, namespace=character)

    found = junit(report(row))

    assert character not in found
    assert {suite.get("name") for suite in parsed(report(row))} == {"?"}


def test_texts_of_attackers_stay_text() -> None:
    """Whatever others call their things, the document has the elements that it should have and no other."""
    document = make_report(HOSTILE, HEADING)

    tags = {element.tag for element in parsed(document).iter()}

    assert tags == {"testsuites", "testsuite", "properties", "property", "testcase", "error", "failure", "system-out"}
    assert len(list(parsed(document).iter("testcase"))) == 2 * len(HOSTILE)


def test_a_failure_counts_before_an_error() -> None:
    """A case with both counts once, as what denies."""
    assert counts(parsed(report(workload(container(problem(), UNKNOWN))))) == {"tests": 1, "failures": 1, "errors": 0}


def test_an_audit_is_counted_once() -> None:
    """The numbers of the suites are those of the whole, and each case counts once."""
    found = parsed(make_report(SHOP, HEADING))

    assert counts(found)["tests"] == len(list(found.iter("testcase")))
    for key, number in counts(found).items():
        assert number == sum(counts(suite)[key] for suite in found)
    assert sum(int(suite.get("skipped", "")) for suite in found) == len(list(found.iter("skipped"))) == 1


@given(st.lists(decisions, max_size=3))
def test_any_report_can_be_parsed(found: list[Decision]) -> None:
    """Whatever was decided, the document is XML 1.0, and a case fails exactly if something denies or is unknown."""
    document = make_report([row_of(one) for one in found], HEADING)
    text = junit(document)

    assert re.search("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text) is None
    failing = [case for case in parsed(document).iter("testcase") if case.find("failure") is not None]
    assert len(failing) == sum(use.result == "fail" for row in document.results for use in row.containers)
    troubled = [case for case in parsed(document).iter("testcase") if case.find("error") is not None]
    unknown = [row for row in document.results if row.unjudged]
    errors = [
        {one.code for one in use.problems if one.severity == "error"}
        for row in document.results
        for use in row.containers
    ]
    assert len(troubled) == len(unknown) + sum("unverifiable" in codes for codes in errors)
