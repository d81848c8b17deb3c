"""Decisions → DecisionReport and table."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given, settings

from tests.core.given import API, ARM64, NOW, build, digest, policy, use
from tests.core.json_schema import load_schema, violations
from tests.core.problem_samples import RELEASE, TAGGED, decision, decisions, verdict
from webhook.core.auditing.rows import row_of
from webhook.core.facts import Trouble
from webhook.core.policy import Case, Exemption, Mode, Requirements
from webhook.core.problems import StaleBase, Unpinned, Unsigned, Unverifiable
from webhook.core.references import BadReference
from webhook.core.reporting.document import plain_values
from webhook.core.reporting.making import Heading, make_report
from webhook.core.reporting.table import table
from webhook.core.verdicts import Decision, Result, Standing
from webhook.core.workloads import Source

POLICY = policy()
UNSIGNED = Unsigned(expected=RELEASE)
UNKNOWN = Unverifiable(trouble=Trouble(doing="a", where="b", why="c"))


HEADING = Heading(policy=POLICY, catalog_revision=digest("catalog"), generated_at=NOW, complete=True)


def report(*found: Decision, heading: Heading = HEADING) -> dict[str, Any]:
    """Return the report about these decisions."""
    return plain_values(make_report([row_of(one) for one in found], heading))


def test_the_report_of_one_workload() -> None:
    """The report has exactly the fields of its documentation."""
    aging = StaleBase(build=build(), age_days=55, max_age_days=60, platform="linux/amd64")
    standings = (
        Standing(platform="linux/amd64", build=build(), age_days=3),
        Standing(platform="linux/arm64", build=build(platform=ARM64, created=NOW - timedelta(days=9)), age_days=9),
    )
    judged = verdict(
        UNSIGNED, advisories=(aging,), image=API.pinned(digest("api")), signed_by=("sandbox",), standings=standings
    )

    assert report(decision(judged, kind="Deployment")) == {
        "apiVersion": "dhi-gate.dev/v1alpha1",
        "kind": "DecisionReport",
        "metadata": {
            "policy": "production",
            "policyDigest": str(POLICY.digest),
            "catalogRevision": str(digest("catalog")),
            "generatedAt": "2026-11-23T12:00:00Z",
            "complete": True,
        },
        "summary": {"workloads": 1, "images": 1, "pass": 0, "warn": 0, "fail": 1, "error": 0, "skip": 0},
        "results": [
            {
                "namespace": "shop",
                "kind": "Deployment",
                "name": "api",
                "result": "fail",
                "allowed": False,
                "containers": [
                    {
                        "name": "api",
                        "field": "spec.containers[0].image",
                        "image": API.written,
                        "digest": str(digest("api")),
                        "rule": "everywhere",
                        "mode": "enforce",
                        "result": "fail",
                        "signedBy": ["sandbox"],
                        "base": {
                            "repository": "dhi.io/python",
                            "tags": ["3.13", "3.13-debian13"],
                            "digest": str(build().digest),
                            "created": "2026-11-14T12:00:00Z",
                            "ageDays": 9,
                            "evidence": "layers",
                        },
                        "problems": [
                            {
                                "code": "unsigned",
                                "severity": "error",
                                "platform": None,
                                "message": "has no signature at all: expected a signature by `release`",
                                "help": "deploy a digest that `release` signed, or have this one signed",
                            },
                            {
                                "code": "stale-base",
                                "severity": "warning",
                                "platform": "linux/amd64",
                                "message": "stands on a base that will be refused in 5 days (linux/amd64): expected "
                                "built at most 60 days ago; found dhi.io/python:3.13, built 55 days ago",
                                "help": "rebuild on the current build: `docker build --pull` with "
                                "`FROM dhi.io/python:3.13`",
                            },
                        ],
                    }
                ],
            }
        ],
    }


def test_the_summary_counts_workloads_and_resolved_images() -> None:
    """Workloads are counted by their worst container, images by what they resolved to."""
    image = API.pinned(digest("api"))
    summary = report(
        decision(verdict(image=image), verdict(UNSIGNED, image=image)),
        decision(verdict(UNSIGNED, mode=Mode.WARN)),
        decision(verdict(UNKNOWN)),
        decision(verdict(image=TAGGED.pinned(digest("other")))),
        decision(verdict(exemption=Exemption(reason="PLAT-112"))),
        decision(no_images_because="Service is not a kind that holds a pod"),
    )["summary"]

    assert summary == {"workloads": 6, "images": 2, "pass": 2, "warn": 1, "fail": 1, "error": 1, "skip": 1}


def test_what_is_not_known_is_null() -> None:
    """No catalog, no digest and no base are null; times are told in UTC."""
    broken = decision(verdict(use=replace(use(), image=BadReference(written="a\x1b", why="b"))), namespace=None)
    heading = Heading(
        policy=POLICY,
        catalog_revision=None,
        generated_at=datetime(2026, 11, 23, 12, tzinfo=timezone(timedelta(hours=2))),
        complete=False,
    )
    document = report(broken, decision(verdict(use=use(image=TAGGED))), heading=heading)

    assert document["metadata"]["catalogRevision"] is None
    assert document["metadata"]["generatedAt"] == "2026-11-23T10:00:00Z"
    assert document["metadata"]["complete"] is False
    first, second = (result["containers"][0] for result in document["results"])
    assert (first["image"], first["digest"], first["base"], first["problems"]) == ("a?", None, None, [])
    assert second["digest"] is None
    assert document["results"][0]["namespace"] is None


def test_the_table_has_a_row_for_each_container() -> None:
    """A row tells place, image, result, rule and codes; a wide one tells the evidence as well."""
    standing = Standing(platform="linux/amd64", build=build(), age_days=3)
    judged = decision(
        verdict(Unpinned(reference=TAGGED, resolved=None), UNSIGNED, use=use(image=TAGGED)),
        verdict(use=use(container="ok"), signed_by=("release",), standings=(standing,)),
    )
    narrow, wide = table((judged,), wide=False), table((judged,), wide=True)

    assert narrow.headers == ("NAMESPACE", "KIND", "NAME", "CONTAINER", "IMAGE", "RESULT", "RULE", "CODES")
    assert narrow.rows[0] == (
        "shop",
        "Pod",
        "api",
        "api",
        "registry.example/shop/api:1.4.2",
        "fail",
        "everywhere",
        "unpinned, unsigned",
    )
    assert narrow.results == (Result.FAIL, Result.PASS)
    assert wide.headers == (*narrow.headers, "SIGNED BY", "BASE", "AGE", "NOTE")
    assert wide.rows[1][8:] == ("release", f"dhi.io/python@{build().digest.short}", "3d", "")


def test_the_table_names_a_bare_image_once() -> None:
    """An image without an object around it has no name but itself; beside an object those cells are empty."""
    image = API.pinned(digest("api"))
    found = decision(verdict(image=image, use=use(container="image", image=TAGGED)), kind="Image")
    bare = replace(found, workload=replace(found.workload, source=Source.IMAGE, name=TAGGED.written))
    alone, beside = table((bare,), wide=True), table((bare, decision(verdict())), wide=False)

    assert alone.headers[:4] == ("NAMESPACE", "KIND", "IMAGE", "RESULT")
    assert alone.rows[0][:4] == ("shop", "Image", f"{TAGGED.written}@{digest('api')}", "pass")
    assert beside.headers[:5] == ("NAMESPACE", "KIND", "NAME", "CONTAINER", "IMAGE")
    assert beside.rows[0][2:5] == ("", "", f"{TAGGED.written} @ {digest('api').short}")
    assert beside.rows[1][2:4] == ("api", "api")


def test_the_table_notes_what_was_not_judged_as_usual() -> None:
    """Unchanged, exempt and excepted images, and objects without any, say so."""
    case = Case(name="debugging", outcome=Requirements())
    rows = table(
        (
            decision(
                verdict(unchanged=True),
                verdict(exemption=Exemption(reason="PLAT-112")),
                verdict(case=case),
            ),
            decision(no_images_because="Service is not a kind that holds a pod", kind="Service", namespace=None),
            decision(),
        ),
        wide=True,
    ).rows

    assert [row[-1] for row in rows] == [
        "unchanged",
        "exempt: PLAT-112",
        "except debugging",
        "Service is not a kind that holds a pod",
        "nothing was judged",
    ]
    assert {len(row) for row in rows} == {12}


@given(decisions)
@settings(max_examples=60)
def test_every_decision_can_be_reported(found: Decision) -> None:
    """Whatever was decided, the report is plain, printable and valid by its schema, and the table fits its headers."""
    document = report(found)
    shown = table((found,), wide=True)

    assert document == json.loads(json.dumps(document))
    assert violations(document, load_schema("report")) == ()
    assert all(len(row) == len(shown.headers) for row in shown.rows)
    assert all(cell.isprintable() for row in shown.rows for cell in row)
    for container in document["results"][0]["containers"]:
        assert container["image"].isprintable()
        for problem in container["problems"]:
            assert problem["message"].isprintable()
            assert problem["help"].isprintable()
