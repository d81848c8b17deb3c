"""Decisions → DecisionReport."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given, settings

from tests.core.given import API, ARM64, NOW, build, digest, policy, use
from tests.core.json_schema import load_schema, violations
from tests.core.problem_samples import RELEASE, TAGGED, decision, decisions, verdict
from tests.core.reporting.audits import COMPARED, COMPARISON, HEADING, HOSTILE, SHOP, container, judged, live
from webhook.core.auditing.rows import Judged, Row, Seen, error_row, row_of
from webhook.core.facts import Trouble
from webhook.core.inventory.live_objects import ObjectKey
from webhook.core.policy import Exemption, Mode
from webhook.core.problems import StaleBase, Unsigned, Unverifiable
from webhook.core.references import BadReference
from webhook.core.reporting.document import plain_values
from webhook.core.reporting.making import Heading, make_report
from webhook.core.verdicts import Decision, Standing

POLICY = policy()
UNSIGNED = Unsigned(expected=RELEASE)
UNKNOWN = Unverifiable(trouble=Trouble(doing="a", where="b", why="c"))


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


def test_what_others_wrote_is_printable_everywhere() -> None:
    """Names of kinds, objects, containers, rules and files, notes and fixes: no character of them controls anything."""
    texts = list(_texts(plain_values(make_report(HOSTILE, HEADING))))

    assert all(text.isprintable() for text in texts)
    assert "?evil" in texts


def test_a_row_that_could_not_be_judged_says_why() -> None:
    """It has no containers, is not allowed, and makes no image count."""
    row = error_row(kind="Namespace", namespace=None, name="locked", trouble="listing pods:\nnot allowed")
    document = plain_values(make_report([row], HEADING))

    assert document["results"] == [
        {
            "namespace": None,
            "kind": "Namespace",
            "name": "locked",
            "result": "error",
            "allowed": False,
            "trouble": "listing pods: not allowed",
            "containers": [],
        }
    ]
    assert document["summary"]["error"] == 1
    assert document["summary"]["images"] == 0


def test_the_report_of_what_lives_in_a_cluster() -> None:
    """It has the identity of the object, pods, drift, notes and fixes; pods that name the same say it once."""
    document = plain_values(make_report(SHOP, HEADING))
    web = next(entry for entry in document["results"] if entry["name"] == "web")

    assert violations(document, load_schema("report")) == ()
    assert (web["apiVersion"], web["uid"], web["pods"]) == ("apps/v1", "uid-prod-shop-web", 40)
    assert [(one["name"], one["seen"], one["pods"]) for one in web["containers"]] == [
        ("web", "spec", 40),
        ("proxy", "spec", 40),
        ("web", "running", 12),
    ]
    assert [fix["kind"] for fix in web["containers"][0]["fixes"]] == ["base", "newest", "pin"]
    assert "fixes" not in web["containers"][1]


def test_pods_that_name_what_their_template_names_are_not_told_twice() -> None:
    """What an injected container adds is told; what the template said already is not."""
    template = judged(container("api"), pods=2)
    pods = judged(container("api"), container("injected"), seen=Seen.POD, pods=2)
    document = make_report([live("shop", "Deployment", "api", template, pods, pods=2)], HEADING)

    assert [(one.name, one.seen) for one in document.results[0].containers] == [("api", "spec"), ("injected", "pod")]


def test_compared_policies_list_what_changes() -> None:
    """What stays the same is counted only, and both policies are named."""
    document = plain_values(make_report(COMPARED, COMPARISON))

    assert violations(document, load_schema("report")) == ()
    assert document["metadata"]["comparedWith"] == {
        "policy": "current",
        "policyDigest": str(digest("policy")),
    }
    assert document["summary"]["changes"] == {"newlyRefused": 2, "newlyAdmitted": 1, "same": 36}
    assert document["summary"]["workloads"] == 39
    assert [entry["change"] for entry in document["results"]] == ["newly-refused", "newly-refused", "newly-admitted"]


def test_another_day_is_named() -> None:
    """A report about another day than its own says which."""
    heading = replace(HEADING, as_of=NOW + timedelta(days=30))

    assert report(decision(verdict()), heading=heading)["metadata"]["asOf"] == "2026-12-23T12:00:00Z"


def _texts(value: object) -> Iterator[str]:
    """Yield every text in plain values, keys aside."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)


@given(decisions)
@settings(max_examples=60)
def test_every_decision_can_be_reported(found: Decision) -> None:
    """Whatever was decided, the report is plain, printable and valid by its schema."""
    document = report(found)

    assert document == json.loads(json.dumps(document))
    assert violations(document, load_schema("report")) == ()
    assert all(text.isprintable() for text in _texts(document))


def test_what_pods_name_as_their_template_does_is_counted_there() -> None:
    """A container that pods with an injected one share with their template is told once, with all its pods."""
    same, injected = verdict(use=use()), verdict(UNSIGNED, use=use(container="proxy"))
    key = ObjectKey(api_version="apps/v1", kind="Deployment", namespace="shop", name="api", uid="1")
    judged = (
        Judged(decision=decision(same), seen=Seen.SPEC, pods=1),
        Judged(decision=decision(same, injected), seen=Seen.POD, pods=3),
    )
    row = Row(kind="Deployment", namespace="shop", name="api", key=key, pods=4, judged=judged)
    (told,) = make_report([row], HEADING).results

    assert [(one.name, one.seen, one.pods) for one in told.containers] == [("api", "spec", 4), ("proxy", "pod", 3)]
