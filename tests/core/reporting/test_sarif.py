"""The document → SARIF."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import shake_256
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.given import digest
from tests.core.reporting.audits import HEADING, HOSTILE, SHOP
from tests.core.reporting.page_samples import base, container, fix, problem, report, workload
from webhook.core.problems import CODES
from webhook.core.reporting.document import OriginDocument, ReportDocument, WorkloadDocument
from webhook.core.reporting.making import make_report
from webhook.core.reporting.sarif import sarif
from webhook.core.workloads import STANDARD_INPUT

DENIALS = Path(__file__).parents[3] / "docs" / "denials.md"


def run(document: ReportDocument) -> dict[str, Any]:
    """Return the one run of the log about a report, as it comes back from JSON."""
    log = json.loads(json.dumps(sarif(document, tool_version="1.2.3")))
    assert log["version"] == "2.1.0"
    (only,) = log["runs"]
    found: dict[str, Any] = only
    return found


def results(*workloads: WorkloadDocument) -> list[dict[str, Any]]:
    """Return the results about some objects."""
    found: list[dict[str, Any]] = run(report(*workloads))["results"]
    return found


def notifications(document: ReportDocument) -> list[tuple[str, str]]:
    """Return level and text of what the run says beside its results."""
    (invocation,) = run(document)["invocations"]
    return [(one["level"], one["message"]["text"]) for one in invocation["toolExecutionNotifications"]]


def fingerprints(*workloads: WorkloadDocument) -> set[str]:
    """Return the names by which code scanning knows the findings of a report."""
    return {one["partialFingerprints"]["primaryLocationLineHash"] for one in results(*workloads)}


def test_a_problem_becomes_a_result() -> None:
    """A result names its rule, its level, the image, the container and the file, and what was decided by what."""
    deployment = workload(
        container(problem(platform="linux/amd64"), fixes=(fix(),)),
        origin=OriginDocument(file="deploy/api.yaml", line=12),
    )

    (found,) = results(deployment)

    name = found["partialFingerprints"]["dhiGateFinding/v1"]
    assert found == {
        "ruleId": "unsigned",
        "ruleIndex": CODES.index("unsigned"),
        "kind": "fail",
        "level": "error",
        "message": {
            "text": "api: registry.example/shop/api:1.4.2 has no signature at all: expected a signature by `release`. "
            "Help: deploy a digest that `release` signed, or have this one signed."
        },
        "locations": [
            {
                "logicalLocations": [{"fullyQualifiedName": "shop/Deployment/api/api", "kind": "resource"}],
                "physicalLocation": {
                    "artifactLocation": {"uri": "deploy/api.yaml", "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": 12},
                },
            }
        ],
        "partialFingerprints": {"dhiGateFinding/v1": name, "primaryLocationLineHash": name},
        "properties": {
            "namespace": "shop",
            "field": "spec.template.spec.containers[0].image",
            "digest": str(digest("api")),
            "policyRule": "production",
            "mode": "enforce",
            "platform": "linux/amd64",
            "fixes": ["the digest that the tag names now"],
        },
    }


@pytest.mark.parametrize(
    ("mode", "result", "severity", "level"),
    [
        ("enforce", "fail", "error", "error"),
        ("enforce", "error", "error", "error"),
        ("enforce", "fail", "warning", "warning"),
        ("warn", "warn", "error", "warning"),
        ("audit", "error", "error", "warning"),
        ("audit", "fail", "error", "error"),
    ],
)
def test_the_level_says_whether_it_denies(mode: str, result: str, severity: str, level: str) -> None:
    """What denies is an error, in any mode if it is revoked; an advice, and what only warns, is a warning."""
    (found,) = results(workload(container(problem(severity=severity), mode=mode, result=result)))

    assert (found["kind"], found["level"]) == ("fail", level)


def test_rules_are_the_reason_codes() -> None:
    """Every code is a rule, in the order of the contract, with the text of its documentation and a link to it."""
    driver = run(report())["tool"]["driver"]

    assert (driver["name"], driver["version"]) == ("dhi-gate", "1.2.3")
    assert [rule["id"] for rule in driver["rules"]] == list(CODES)
    headings = {line for line in DENIALS.read_text().splitlines() if line.startswith("## ")}
    for rule in driver["rules"]:
        short, full = rule["shortDescription"]["text"], rule["fullDescription"]["text"]
        assert f"## `{rule['helpUri'].partition('#')[2]}`" in headings
        assert full.startswith(short.removesuffix("."))
        assert len(full) <= 1_024
        assert "](" not in rule["help"]["markdown"]
        assert 0 < float(rule["properties"]["security-severity"]) <= 10


@pytest.mark.parametrize(
    ("file", "location"),
    [
        ("./deploy//api.yaml", {"uri": "deploy/api.yaml", "uriBaseId": "%SRCROOT%"}),
        ("a b/[x]?#%.yaml", {"uri": "a%20b/%5Bx%5D%3F%23%25.yaml", "uriBaseId": "%SRCROOT%"}),
        ("javascript:alert(1)", {"uri": "javascript%3Aalert%281%29", "uriBaseId": "%SRCROOT%"}),
        ("../api.yaml", {"uri": "../api.yaml", "uriBaseId": "%SRCROOT%"}),
        ("/srv/api é.yaml", {"uri": "file:///srv/api%20%C3%A9.yaml"}),
        ("//evil.example/a", {"uri": "file:///evil.example/a"}),
    ],
)
def test_a_file_is_named_by_a_safe_uri(file: str, location: dict[str, str]) -> None:
    """The name of a file is a path and nothing else: it can become no scheme, host, query or fragment."""
    (found,) = results(workload(container(problem()), origin=OriginDocument(file=file, line=1)))

    assert found["locations"][0]["physicalLocation"]["artifactLocation"] == location


@pytest.mark.parametrize("changes", [{}, {"origin": OriginDocument(file=STANDARD_INPUT, line=3)}])
def test_what_stands_in_no_file_has_no_place_in_one(changes: dict[str, Any]) -> None:
    """Objects of a cluster, and what came by standard input, have their name alone."""
    (found,) = results(workload(container(problem()), namespace=None, **changes))

    assert found["locations"] == [
        {"logicalLocations": [{"fullyQualifiedName": "Deployment/api/api", "kind": "resource"}]}
    ]


def test_text_becomes_neither_link_nor_placeholder() -> None:
    """Brackets, braces and backslashes of others are escaped as SARIF wants it, in results and notifications."""
    hostile = "[click](http://evil.example) {0} \\[x]"
    escaped = "\\[click\\](http://evil.example) {{0}} \\\\\\[x\\]"
    row = workload(container(problem(message=hostile), image="a"), notes=(hostile,))

    (found,) = results(row)

    assert f"a {escaped}. Help: " in found["message"]["text"]
    assert notifications(report(row)) == [("note", f"{escaped} (1 object)")]


def test_a_problem_without_advice_has_none() -> None:
    """Where there is nothing to advise the message ends with what is wrong."""
    (found,) = results(workload(container(problem(message="is odd", help=""), image="a")))

    assert found["message"]["text"] == "api: a is odd."


def test_fingerprints_outlive_rebuilds_and_birthdays() -> None:
    """A new digest, an older base, another line and another message leave a finding what it is."""
    before = workload(container(problem("stale-base"), base=base(70)), origin=OriginDocument(file="a.yaml", line=1))
    changed = container(
        problem("stale-base", message="built 71 days ago"),
        base=base(71),
        image=f"registry.example/shop/api:1.4.3@{digest('new')}",
        digest=str(digest("new")),
    )

    assert fingerprints(before) == fingerprints(workload(changed, origin=OriginDocument(file="a.yaml", line=9)))


def test_the_fingerprint_of_a_bare_image_is_without_its_digest() -> None:
    """An image that was asked about by itself keeps its name when it is rebuilt."""
    images = [workload(container(problem()), kind="Image", name=f"a.example/b:1@{digest(seed)}") for seed in "xy"]

    assert fingerprints(images[0]) == fingerprints(images[1])


def test_different_findings_have_different_fingerprints() -> None:
    """Namespace, kind, name, container, place, code and platform tell findings apart, and else their number does."""
    one = problem(platform="linux/amd64")
    rows = (
        workload(container(one, one, problem(), problem("unpinned"))),
        workload(container(one, name="proxy"), container(one, seen="running")),
        workload(container(one), namespace="other"),
        workload(container(one), namespace=None),
        workload(container(one), kind="Job"),
        workload(container(one), name="web"),
    )

    assert len(fingerprints(*rows)) == len(results(*rows)) == 10


def test_a_finding_outlives_its_neighbours() -> None:
    """Where one platform is mended, the finding about the other one keeps its name."""
    mended, left = (problem(platform=platform) for platform in ("linux/amd64", "linux/arm64"))

    (alone,) = results(workload(container(left)))
    _, beside = results(workload(container(mended, left)))
    assert alone["partialFingerprints"] == beside["partialFingerprints"]


def test_the_order_of_objects_changes_no_fingerprint() -> None:
    """A report in another order has the same findings."""
    rows = [workload(container(problem(), problem("unpinned")), name=name) for name in ("a", "b", "c")]

    assert all(fingerprints(*order) == fingerprints(*rows) for order in permutations(rows))


def test_the_run_tells_by_what_was_judged() -> None:
    """Policy, catalog, day and time are there, and the policy names the category of code scanning."""
    found = run(report(policy="shop/production", as_of="2026-12-24T00:00:00Z"))

    assert found["automationDetails"] == {"id": "dhi-gate/shop%2Fproduction/"}
    assert found["invocations"] == [
        {"executionSuccessful": True, "endTimeUtc": "2026-11-23T12:00:00Z", "toolExecutionNotifications": []}
    ]
    assert found["properties"] == {
        "policy": "shop/production",
        "policyDigest": str(digest("policy")),
        "catalogRevision": str(digest("catalog")),
        "asOf": "2026-12-24T00:00:00Z",
    }
    assert "catalogRevision" not in run(report(catalog_revision=None))["properties"]


def test_what_could_not_be_judged_is_told() -> None:
    """A row of trouble, one about which nothing is said and an incomplete run are errors of the run, not results."""
    locked = workload(namespace=None, kind="Namespace", name="locked", trouble="listing pods: not allowed")
    document = report(locked, workload(), workload(because="holds no pod", result="pass"), complete=False)

    (invocation,) = run(document)["invocations"]

    assert run(document)["results"] == []
    assert invocation["executionSuccessful"] is False
    assert notifications(document) == [
        ("error", "The run is incomplete: not everything that was asked about could be judged."),
        ("error", "listing pods: not allowed"),
        ("error", "nothing was judged"),
    ]
    named = [one["locations"][0]["logicalLocations"][0] for one in invocation["toolExecutionNotifications"][1:]]
    assert [one["fullyQualifiedName"] for one in named] == ["Namespace/locked", "shop/Deployment/api"]
    for incomplete in (report(complete=False), report(locked)):
        assert run(incomplete)["invocations"][0]["executionSuccessful"] is False


def test_a_note_is_told_once() -> None:
    """What a reader must know of many objects is one notification that counts them."""
    rows = [workload(container(), name=name, notes=("pull secret `a` may not be read",)) for name in "abc"]

    assert notifications(report(*rows)) == [("note", "pull secret `a` may not be read (3 objects)")]


def test_notifications_are_bounded() -> None:
    """Of very many notifications the first are told, and the rest counted."""
    found = notifications(report(*(workload(name=f"n{number}", trouble="no answer") for number in range(502))))

    assert found == [*[("error", "no answer")] * 500, ("warning", "2 notifications more.")]


def test_no_more_results_than_code_scanning_takes() -> None:
    """Beyond 25,000 results the mildest are left out, which is told; the gravest come first."""
    mild = container(*[problem("stale-base", severity="warning")] * 25_000, result="warn")
    found = run(report(workload(mild, container(problem(), name="proxy"))))

    assert len(found["results"]) == 25_000
    assert [one["level"] for one in found["results"][:2]] == ["error", "warning"]
    assert found["invocations"][0]["toolExecutionNotifications"] == [
        {"level": "warning", "message": {"text": "1 result left out: code scanning accepts no more."}}
    ]


def test_no_more_bytes_than_code_scanning_takes() -> None:
    """Results that do not compress are left out before the file would be too large to be uploaded."""
    noise = (b64encode(shake_256(str(number).encode()).digest(900)).decode() for number in range(9_000))
    found = run(report(workload(container(*(problem(message=text) for text in noise)))))

    size = sum(len(one["message"]["text"]) * 3 // 4 for one in found["results"])
    assert 6_000_000 < size < 9_000_000
    (note,) = found["invocations"][0]["toolExecutionNotifications"]
    assert (
        note["message"]["text"] == f"{9_000 - len(found['results']):,} results left out: code scanning accepts no more."
    )


def test_every_problem_of_an_audit_is_a_result() -> None:
    """Nothing is folded: each problem and each advice of each container has a result of its own."""
    document = make_report(SHOP, HEADING)
    problems = [one.code for row in document.results for use in row.containers for one in use.problems]

    assert sorted(problems) == sorted(one["ruleId"] for one in run(document)["results"])


def test_texts_of_attackers_stay_text() -> None:
    """Whatever others call their things, no message has a link, and every file name is a relative URI."""
    for row in HOSTILE:
        for found in run(make_report([row], HEADING))["results"]:
            assert "](" not in found["message"]["text"].replace("\\]", "")
            location = found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            assert location.isascii()
            assert not set(location) & set(':?#[]@<>"\\^`{|} ') or location.startswith("file:///")


@given(st.lists(st.sampled_from(CODES), max_size=8), st.booleans())
def test_results_are_the_same_for_the_same_report(codes: list[str], complete: bool) -> None:  # noqa: FBT001 - hypothesis
    """A report is printed the same each time, and its results number as many as its problems."""
    row = workload(container(*map(problem, codes)))
    document = report(row, complete=complete)
    again: ReportDocument = msgspec.convert(msgspec.to_builtins(document), type=ReportDocument)

    assert sarif(document, tool_version="1") == sarif(again, tool_version="1")
    assert len(fingerprints(row)) == len(codes)
