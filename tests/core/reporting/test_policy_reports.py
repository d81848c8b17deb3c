"""The document → PolicyReport and OpenReports objects."""

from __future__ import annotations

import json
import re
from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.core.given import digest
from tests.core.reporting.audits import HEADING, HOSTILE, SHOP
from tests.core.reporting.page_samples import base, container, fix, problem, report, workload
from webhook.core.reporting.document import OriginDocument, ReportDocument, WorkloadDocument
from webhook.core.reporting.making import make_report
from webhook.core.reporting.policy_reports import LABELS, ReportApi, policy_reports, same_findings

UID = "6f8a1c2e-0b7d-4e55-9a53-1c2d3e4f5a6b"
NOON = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())
UNKNOWN = problem("unverifiable", message="could not be judged", help="try again")


def live(*containers: Any, **changes: Any) -> WorkloadDocument:  # noqa: ANN401 - any field of WorkloadDocument
    """Return a Deployment that lives in a cluster."""
    return workload(*containers, **{"uid": UID, "api_version": "apps/v1", "pods": 3, **changes})


def made(document: ReportDocument, api: ReportApi = ReportApi.POLICYREPORT) -> list[dict[str, Any]]:
    """Return the report objects about a document, as they come back from JSON."""
    found: list[dict[str, Any]] = json.loads(json.dumps(policy_reports(document, api)))
    return found


def results(*containers: Any, **changes: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any field of WorkloadDocument
    """Return the results about one Deployment."""
    (found,) = made(report(live(*containers, **changes)))
    only: list[dict[str, Any]] = found["results"]
    return only


def names(*workloads: WorkloadDocument) -> list[str]:
    """Return what the reports about some objects are called."""
    return [one["metadata"]["name"] for one in made(report(*workloads))]


def test_the_report_of_one_workload() -> None:
    """A report is owned by its object, named after its uid, and says everything about every problem."""
    api = container(problem(platform="linux/amd64"), fixes=(fix(),), signed_by=("a", "b"), seen="spec", pods=3)

    (found,) = made(report(live(api, notes=("not all was read",))))

    name = found["metadata"]["name"]
    assert re.fullmatch(rf"dhi-gate-{UID}-[0-9a-f]{{10}}", name)
    assert found == {
        "apiVersion": "wgpolicyk8s.io/v1alpha2",
        "kind": "PolicyReport",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {
                "app.kubernetes.io/managed-by": "dhi-gate",
                "app.kubernetes.io/part-of": "dhi-gate",
                "app.kubernetes.io/component": "audit",
            },
            "annotations": {"dhi-gate.dev/results-left-out": "0"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "name": "api",
                    "uid": UID,
                    "controller": False,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "scope": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "api", "uid": UID},
        "summary": {"pass": 0, "fail": 1, "warn": 0, "error": 0, "skip": 0},
        "results": [
            {
                "timestamp": {"seconds": NOON, "nanos": 0},
                "source": "dhi-gate",
                "policy": "production",
                "category": "Supply Chain Security",
                "rule": "production",
                "result": "fail",
                "severity": "high",
                "scored": True,
                "message": "api: has no signature at all: expected a signature by `release`. "
                "Help: deploy a digest that `release` signed, or have this one signed.",
                "properties": {
                    "policyDigest": str(digest("policy")),
                    "catalogRevision": str(digest("catalog")),
                    "notes": "not all was read",
                    "container": "api",
                    "field": "spec.template.spec.containers[0].image",
                    "image": "registry.example/shop/api:1.4.2",
                    "digest": str(digest("api")),
                    "mode": "enforce",
                    "seen": "spec",
                    "pods": "3",
                    "signedBy": "a, b",
                    "base": f"dhi.io/python@{base().digest}",
                    "baseTags": "3.13, 3.13-debian13",
                    "baseCreated": "2026-11-14T12:00:00Z",
                    "baseAgeDays": "9",
                    "baseEvidence": "layers",
                    "fixes": "the digest that the tag names now",
                    "code": "unsigned",
                    "platform": "linux/amd64",
                },
            }
        ],
    }


def test_openreports_has_the_same_under_other_names() -> None:
    """The other API names group, kind and source; nothing else differs."""
    document = report(live(container(problem())), live(container(), namespace=None))

    for ours, theirs in zip(made(document), made(document, ReportApi.OPENREPORTS), strict=True):
        kind = ours["kind"].replace("PolicyReport", "Report")
        assert theirs == {**ours, "apiVersion": "openreports.io/v1alpha1", "kind": kind, "source": "dhi-gate"}


def test_what_has_no_namespace_is_reported_for_the_cluster() -> None:
    """A report about an object without a namespace has none either."""
    document = report(live(container(), namespace=None))

    for api, kind in ((ReportApi.POLICYREPORT, "ClusterPolicyReport"), (ReportApi.OPENREPORTS, "ClusterReport")):
        (found,) = made(document, api)
        assert found["kind"] == kind
        assert "namespace" not in found["metadata"]
        assert "namespace" not in found["scope"]


@pytest.mark.parametrize(
    ("problems", "changes", "expected"),
    [
        ((), {}, [("pass", "info", True)]),
        ((), {"result": "skip", "note": "exempt: PLAT-112"}, [("skip", "info", False)]),
        ((problem("revoked"),), {"mode": "audit", "result": "fail"}, [("fail", "critical", True)]),
        ((problem(severity="warning"),), {"result": "warn"}, [("warn", "low", False)]),
        ((problem("unverifiable", severity="warning"),), {"result": "warn"}, [("warn", "low", False)]),
        ((problem(),), {"result": "warn", "mode": "warn"}, [("warn", "high", False)]),
        ((UNKNOWN,), {"result": "error"}, [("error", "medium", True)]),
        ((UNKNOWN,), {"result": "error", "mode": "audit"}, [("error", "medium", False)]),
        ((UNKNOWN, problem()), {}, [("fail", "high", True), ("error", "medium", True)]),
    ],
)
def test_the_result_of_a_problem(
    problems: tuple[Any, ...], changes: dict[str, Any], expected: list[tuple[str, str, bool]]
) -> None:
    """What denies fails and is scored, what nobody could check is an error in every mode; the worst comes first."""
    found = results(container(*problems, **changes))

    assert [(one["result"], one["severity"], one["scored"]) for one in found] == expected


def test_a_result_without_problems_says_why() -> None:
    """An image that passed meets the rule, and one that was not judged has the reason."""
    passed, skipped = results(container(), container(result="skip", note="exempt: PLAT-112"))

    assert [passed["message"], skipped["message"]] == ["api: meets the rule", "api: exempt: PLAT-112"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"because": "holds no pod"}, ("pass", "info", False, "holds no pod")),
        ({"trouble": "listing pods: not allowed"}, ("error", "medium", True, "listing pods: not allowed")),
        ({}, ("error", "medium", True, "nothing was judged")),
    ],
)
def test_an_object_without_images_has_one_result(changes: dict[str, Any], expected: tuple[str, str, bool, str]) -> None:
    """One that rightly has none passes; one about which nothing could be learnt is an error."""
    (found,) = results(**changes)

    assert (found["result"], found["severity"], found["scored"], found["message"]) == expected


def test_the_summary_counts_the_results() -> None:
    """Every result is counted once, under its word."""
    for document in made(make_report(SHOP, HEADING)):
        counted = Counter(one["result"] for one in document["results"])
        assert document["summary"] == {word: counted[word] for word in ("pass", "fail", "warn", "error", "skip")}


def test_what_stands_in_a_file_has_no_owner() -> None:
    """An object without a uid is no owner, and its report has a name of its own that lasts."""
    origin = OriginDocument(file="a.yaml", line=1)
    (found,) = made(report(workload(container(), origin=origin)))

    assert "ownerReferences" not in found["metadata"]
    assert "uid" not in found["scope"]
    assert "apiVersion" not in found["scope"]
    moved = workload(container(problem()), origin=OriginDocument(file="a.yaml", line=40))
    assert names(moved) == [found["metadata"]["name"]]


def test_different_objects_have_different_reports() -> None:
    """Namespace, kind, name, uid and file make the name, and of two of the same in one file both are kept."""
    rows = (
        *(workload(container(), origin=OriginDocument(file=file, line=1)) for file in ("a.yaml", "a.yaml", "b.yaml")),
        workload(container()),
        workload(container(), namespace="other"),
        workload(container(), namespace=None),
        workload(container(), kind="Job"),
        workload(container(), name="web"),
        live(container()),
        live(container(), uid=UID.replace("6", "7")),
    )

    assert len(set(names(*rows))) == len(rows)


def test_files_do_not_take_each_others_names() -> None:
    """The same object in two files has two reports, whichever file is read first."""
    rows = [workload(container(), origin=OriginDocument(file=file, line=1)) for file in ("a.yaml", "b.yaml")]

    assert names(*rows) == names(*reversed(rows))[::-1]


def test_a_claimed_uid_takes_no_report_over() -> None:
    """Pods may claim an owner with the uid of another object: their report is another one, in every order."""
    rows = (live(container()), live(container(), name="forged"), live(container(), kind="Forged"))

    found = {row.name + row.kind: name for row, name in zip(rows, names(*rows), strict=True)}

    assert len(set(found.values())) == len(rows)
    for order in permutations(rows):
        assert {row.name + row.kind: name for row, name in zip(order, names(*order), strict=True)} == found


@pytest.mark.parametrize("uid", ["", "../x", UID.upper(), f"{UID}\n", "a" * 300])
def test_a_uid_that_is_none_is_in_no_name(uid: str) -> None:
    """What is no UUID never becomes a part of the name of an object."""
    (name,) = names(live(container(), uid=uid))

    assert re.fullmatch("dhi-gate-[0-9a-f]{40}", name)


def test_no_report_is_larger_than_etcd_takes() -> None:
    """What would not fit is left out from the mildest end; the summary counts it nevertheless."""
    long = "é" * 1_200
    mild = [problem("stale-base", severity="warning", message=long)] * 500
    (found,) = made(report(live(container(*mild, problem(), image=long))))

    left_out = 501 - len(found["results"])
    assert found["metadata"]["annotations"] == {"dhi-gate.dev/results-left-out": str(left_out)}
    assert left_out > 0
    assert found["results"][0]["result"] == "fail"
    assert found["summary"] == {"pass": 0, "fail": 1, "warn": 500, "error": 0, "skip": 0}
    assert 1_000_000 < len(json.dumps(found, ensure_ascii=False).encode()) < 1_500_000


def test_texts_have_bounds() -> None:
    """A message, and a list of texts, is clipped."""
    found = results(container(problem(message="x" * 5_000), signed_by=("y" * 900,) * 3), trouble="z" * 5_000)
    (troubled,) = results(trouble="z" * 5_000)

    assert {len(one["message"]) for one in (*found, troubled)} == {1_200}
    assert len(found[0]["properties"]["signedBy"]) == 1_200


def test_all_properties_are_texts() -> None:
    """The APIs take texts only; what is not known is left out."""
    for document in (*made(make_report(SHOP, HEADING)), *made(make_report(HOSTILE, HEADING))):
        for one in document["results"]:
            assert {type(value) for value in one["properties"].values()} == {str}
    bare = results(container(digest=None, base=None, signed_by=()))[0]["properties"]
    assert bare.keys().isdisjoint({"digest", "base", "baseAgeDays", "signedBy", "pods", "seen", "code", "fixes"})


def test_no_value_is_shared() -> None:
    """In YAML a report has no anchors and aliases, which not everybody reads."""
    documents = policy_reports(make_report(SHOP, HEADING), ReportApi.POLICYREPORT)

    assert "&id" not in yaml.safe_dump_all(documents)


def test_a_change_and_a_day_are_told() -> None:
    """Of another day, or another policy, each result says so."""
    (found,) = made(report(live(container(), change="newly-refused"), as_of="2026-12-24T00:00:00Z"))

    properties = found["results"][0]["properties"]
    assert (properties["change"], properties["asOf"]) == ("newly-refused", "2026-12-24T00:00:00Z")


def the_same(one: ReportDocument, other: ReportDocument) -> bool:
    """Whether the single reports about two documents say the same, in either order."""
    (before,), (after,) = made(one), made(other)
    assert same_findings(before, after) is same_findings(after, before)
    return same_findings(before, after)


def test_time_alone_is_no_news() -> None:
    """Another hour, catalog, policy digest, age of the base or number of pods leaves a report as it is."""
    before = report(live(container(pods=3)))
    after = report(
        live(container(base=structs.replace(base(9), age_days=10), pods=4)),
        generated_at="2026-11-24T12:00:00Z",
        catalog_revision=str(digest("newer")),
        policy_digest=str(digest("edited")),
    )

    assert the_same(before, after)


@pytest.mark.parametrize(
    "after",
    [
        live(container(problem())),
        live(container(digest=str(digest("new")))),
        live(container(signed_by=())),
        live(container(base=base(10))),
        live(container(base=None)),
        live(container(rule="other")),
        live(container(note="unchanged")),
        live(container(seen="running")),
        live(container(), container(name="proxy")),
        live(container(), notes=("not all was read",)),
        live(container(), api_version="apps/v2"),
    ],
)
def test_everything_else_is_news(after: WorkloadDocument) -> None:
    """Another result, digest, signer, base, rule or note is another finding."""
    assert not the_same(report(live(container())), report(after))


def test_what_others_add_is_no_news() -> None:
    """What the API server and other people write beside ours does not count; what they change in ours does."""
    (ours,) = made(report(live(container(problem()))))
    stored = deepcopy(ours)
    stored["metadata"] |= {"uid": "x", "resourceVersion": "5", "managedFields": [{}], "finalizers": ["a"]}
    stored["metadata"]["labels"]["team"] = "shop"
    stored["metadata"]["annotations"]["seen"] = "yes"
    assert same_findings(stored, ours)

    for where, key in (("labels", next(iter(LABELS))), ("annotations", "dhi-gate.dev/results-left-out")):
        changed = deepcopy(stored)
        changed["metadata"][where][key] = "7"
        assert not same_findings(changed, ours)
    assert not same_findings({**stored, "metadata": {**stored["metadata"], "ownerReferences": []}}, ours)
    for key, value in (("summary", {}), ("scope", None), ("kind", "X"), ("results", [])):
        assert not same_findings({**stored, key: value}, ours)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"metadata": None, "results": None},
        {"metadata": {"labels": 5, "annotations": "x"}, "results": "none"},
        {"results": [None, 5, {"properties": []}]},
    ],
)
def test_what_is_no_report_says_something_else(broken: dict[str, Any]) -> None:
    """An object of any other shape is never taken for one that says what it should."""
    (ours,) = made(report(live(container())))

    assert not same_findings(broken, ours)


@given(st.permutations([problem(), problem("unpinned"), UNKNOWN, problem("stale-base", severity="warning")]))
def test_a_report_says_the_same_as_itself(problems: list[Any]) -> None:
    """The same document gives the same report, from worst to mildest whatever the order of the problems."""
    document = report(live(container(*problems)))

    assert the_same(document, document)
    assert made(document) == made(document)
    assert [one["result"] for one in made(document)[0]["results"]] == ["fail", "fail", "error", "warn"]
