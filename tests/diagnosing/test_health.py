"""A healthy installation, and one that cannot be looked at."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.diagnosing.given import DEPLOYMENTS, House
from tests.fakes.cluster import FakeCluster
from webhook.core.diagnosis.findings import exit_status, in_order
from webhook.core.diagnosis.installation import Handshake
from webhook.core.diagnosis.intended import MATCH_EXPRESSION, PIN, VALIDATING
from webhook.ports import ClusterTroubleKind

TEMPLATES = Path(__file__).parents[2] / "charts" / "dhi-gate" / "templates"


async def test_a_healthy_installation_has_nothing_to_fear() -> None:
    """What the chart renders, with a fresh catalog and nobody else in RBAC: only which namespaces are left out."""
    found = await House().findings()
    assert {(each.severity.value, each.check) for each in found} == {("info", "excluded-namespaces")}
    assert exit_status(found) == 0


@pytest.mark.parametrize("kind", [ClusterTroubleKind.FORBIDDEN, ClusterTroubleKind.UNREACHABLE])
async def test_what_cannot_be_looked_at_is_told(kind: ClusterTroubleKind) -> None:
    """Every check that could not be made is a finding, and the status says that nobody knows."""
    house = House()
    house.cluster.break_down(kind)
    found = await house.findings()
    assert {each.check for each in found} == {
        *("validating-webhook", "mutating-webhook", "other-webhooks", "served-certificate"),
        *("deployment", "service", "disruption-budget", "pod-security", "policy", "catalog", "sync"),
        *("access", "guard", "fail-open", "kubernetes-version"),
    }
    assert not any(each.checked for each in found)
    assert exit_status(found) == 2


async def test_what_makes_no_sense_is_not_taken_for_health() -> None:
    """An answer that cannot be read is something that was not looked at."""
    house = House()
    house.change(DEPLOYMENTS, lambda one: one.update(spec=1))
    (found,) = [each for each in await house.findings() if each.check == "deployment"]
    assert not found.checked


async def test_a_list_that_makes_no_sense_is_not_an_empty_one() -> None:
    """What cannot be read of RBAC, and of the webhooks of others, was not looked at."""

    class Garbled(FakeCluster):
        async def pages(self, *_: object, **__: object) -> AsyncIterator[bytes]:
            yield b"[]"

    house = House()
    intact = house.cluster
    house.cluster = Garbled()
    house.cluster._objects, house.cluster.texts = intact._objects, intact.texts
    unseen = {each.check for each in await house.findings() if not each.checked}
    assert unseen == {"other-webhooks", "access"}


async def test_the_gravest_comes_first() -> None:
    """The order is that of the degrees, and stable."""
    house = House()
    house.cluster.texts.clear()
    house.handshake = Handshake(address="gate:443", distrust="self-signed", expires_at=None)
    found = await house.findings()
    assert found[0].severity.value == "critical"
    assert in_order(found) == found
    assert in_order(reversed(found))[0] == found[0]


def test_what_is_intended_is_what_the_chart_renders() -> None:
    """Names, paths, resources and the condition stand in the chart's templates as they do here."""
    webhook = (TEMPLATES / "_webhook.tpl").read_text(encoding="utf-8")
    rendered = (TEMPLATES / "validating-webhook.yaml").read_text(encoding="utf-8")
    rendered += (TEMPLATES / "mutating-webhook.yaml").read_text(encoding="utf-8") + webhook
    match = re.search(r"expression: >-\n(.*?)\{\{- end", webhook, re.DOTALL)
    assert match is not None
    assert " ".join(match[1].split()) == MATCH_EXPRESSION
    for entry in (*VALIDATING, PIN):
        assert f"- name: {entry.name}\n" in rendered
        assert f'"path" "{entry.path}"' in rendered
        for resources in entry.resources.values():
            assert " ".join(f'"{each}"' for each in resources) in rendered
