"""Which registries and trusted roots a policy speaks of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.policies import COMPLETE, complete, parse, plain
from webhook.core.contacts import kept_elsewhere, leaves_images_open, listed_hosts, refreshed_roots
from webhook.core.references import Repository
from webhook.core.signatures.trust_roots import PublicGood

EXEMPT = {"exempt": {"reason": "PLAT-112"}}
REQUIRING = {"require": {"signatures": {"from": ["release"]}}}
CLOSED = {"images": ["registry.example/**"]}


def rules(*written: dict[str, Any]) -> dict[str, Any]:
    """Return a policy of these rules; all but the last speak about a namespace of their own."""
    document = plain()
    document["spec"]["rules"] = [
        {"name": f"rule-{number}"} | ({"namespaces": [f"n{number}"]} if number < len(written) else {}) | rule
        for number, rule in enumerate(written, start=1)
    ]
    return document


def test_every_host_that_is_named_is_listed() -> None:
    """Images of rules and exceptions, bases, mirrors, registries and where signatures lie; an exemption's too."""
    assert "vendor.example/agent" in COMPLETE
    assert listed_hosts(parse(complete())) == {
        "cache.example",
        "dhi.io",
        "registry.example",
        "registry.scout.docker.com",
        "sigs.example",
        "vendor.example",
    }


@pytest.mark.parametrize(
    ("repository", "places"),
    [
        ("registry.example/shop/api", ["sigs.example/all"]),
        ("registry.example/mirror/dhi-python", ["registry.scout.docker.com/example/dhi-python", "sigs.example/all"]),
        ("dhi.io/python", ["registry.scout.docker.com/example/dhi-python"]),
        ("dhi.io/node", []),
        ("cache.example/shop/api", []),
    ],
)
def test_where_else_something_may_be_attached(repository: str, places: list[str]) -> None:
    """A base and its mirrors have their attestations elsewhere, and the images of a host their signatures."""
    assert [str(place) for place in kept_elsewhere(parse(complete()), Repository.parse(repository))] == places


@pytest.mark.parametrize(
    ("glob", "hosts"),
    [
        ("registry.example:5000/shop/*", {"registry.example:5000"}),
        ("docker.io/library/*", {"docker.io"}),
        ("*.example/**", set()),
        ("**", set()),
    ],
)
def test_a_glob_lists_its_host_if_it_has_one(glob: str, hosts: set[str]) -> None:
    """A host that is written out is listed with its port; a pattern of hosts lists none, or it would list too much."""
    document = rules(REQUIRING | {"images": [glob]})
    assert listed_hosts(parse(document)) == {"dhi.io"} | hosts


@pytest.mark.parametrize(
    ("written", "is_open"),
    [
        ([REQUIRING], True),
        ([REQUIRING | CLOSED], False),
        ([REQUIRING | {"images": ["registry.example/**", "*.example/**"]}], True),
        ([REQUIRING | {"images": ["**"]}], True),
        ([REQUIRING, REQUIRING | CLOSED], True),
        ([EXEMPT], False),
        ([EXEMPT | {"images": ["**"]}, REQUIRING | CLOSED], False),
        ([REQUIRING | CLOSED | {"mode": "warn"}, REQUIRING | {"mode": "audit"}], True),
        ([REQUIRING | CLOSED | {"except": [{"name": "any", "containers": ["ephemeral"]} | REQUIRING]}], True),
        ([REQUIRING | CLOSED | {"except": [{"name": "one", "images": ["a.example/*"]} | REQUIRING]}], False),
        ([REQUIRING | CLOSED | {"except": [{"name": "all", "containers": ["ephemeral"]} | EXEMPT]}], False),
    ],
)
def test_images_are_open_where_something_judged_may_come_from_anywhere(
    written: list[dict[str, Any]],
    is_open: bool,  # noqa: FBT001
) -> None:
    """Any rule or exception that judges and names no hosts opens the policy; an exemption contacts nobody."""
    assert leaves_images_open(parse(rules(*written))) is is_open


def test_roots_that_are_no_files_are_refreshed() -> None:
    """Authorities by certificate without a root of their own want the public-good one; keys alone want none."""
    identity = {"issuer": "https://token.example", "subject": "release@shop.example"}
    document = plain()
    assert refreshed_roots(parse(document)) == frozenset()
    document["spec"]["authorities"].append({"name": "pipeline", "keyless": {"identities": [identity]}})
    assert refreshed_roots(parse(document)) == {PublicGood()}
