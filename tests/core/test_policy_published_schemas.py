"""The schemas of the catalog and of the report, held against what is really written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.core.given import API, NOW, RELEASE, build, digest, pod, policy, use
from tests.core.given import rule as a_rule
from tests.core.json_schema import load_schema, violations
from webhook.core.auditing.rows import row_of
from webhook.core.bases.document import print_catalog, seal
from webhook.core.policy import Mode, SignatureRequirement
from webhook.core.problems import CODES, InvalidReference, Unsigned
from webhook.core.references import BadReference
from webhook.core.reporting.document import plain_values
from webhook.core.reporting.making import Heading, make_report
from webhook.core.verdicts import Decision, Standing, Verdict


def report(*verdicts: Verdict) -> Mapping[str, object]:
    """Return the report about one Pod with these verdicts."""
    decision = Decision(workload=pod(*(verdict.use for verdict in verdicts)), verdicts=verdicts)
    heading = Heading(policy=policy(), catalog_revision=digest("catalog"), generated_at=NOW, complete=True)
    document: Mapping[str, object] = json.loads(json.dumps(plain_values(make_report([row_of(decision)], heading))))
    return document


def test_a_catalog_fits_its_schema() -> None:
    """A catalog as it is written is valid by the schema that is published for it."""
    builds = (build(), build(end_of_life=NOW.date(), index_digest=None))
    catalog = seal(policy="production", synced_at=NOW, builds=builds)

    assert violations(json.loads(print_catalog(catalog)), load_schema("catalog")) == ()


def test_the_schema_of_the_catalog_has_no_other_keys() -> None:
    """Every key that the schema defines for a build is written, and each of them must be there."""
    (written,) = json.loads(print_catalog(seal(policy="p", synced_at=NOW, builds=(build(),))))["bases"]
    definition = load_schema("catalog")["$defs"]["build"]

    assert set(definition["properties"]) == set(definition["required"]) == set(written)


def test_a_report_fits_its_schema() -> None:
    """A report about a good, a bad and an unreadable image is valid by the schema that is published for it."""
    unsigned = Unsigned(expected=SignatureRequirement(authorities=("release",)))
    good = Verdict(
        use=use(),
        rule=a_rule(),
        case=None,
        mode=Mode.ENFORCE,
        image=API.pinned(digest("api")),
        signed_by=(RELEASE.name,),
        standings=(Standing(platform="linux/amd64", build=build(), age_days=3),),
    )
    bad = Verdict(use=use(), rule=a_rule(), case=None, mode=Mode.WARN, problems=(unsigned,))
    reference = BadReference(written="A:", why="is none")
    unreadable = Verdict(
        use=replace(use(), image=reference),
        rule=a_rule(),
        case=None,
        mode=Mode.AUDIT,
        problems=(InvalidReference(reference=reference),),
    )

    assert violations(report(good, bad, unreadable), load_schema("report")) == ()


def test_the_report_schema_lists_every_code() -> None:
    """A reason code of the report is one of those that `explain` knows."""
    assert tuple(load_schema("report")["$defs"]["problem"]["properties"]["code"]["enum"]) == CODES


@pytest.mark.parametrize("kind", ["policy", "catalog", "report"])
def test_every_definition_is_used(kind: str) -> None:
    """A schema defines nothing that it does not refer to, and refers to nothing that it does not define."""
    schema = load_schema(kind)
    text = json.dumps(schema)
    used = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}

    assert used == set(schema["$defs"])
