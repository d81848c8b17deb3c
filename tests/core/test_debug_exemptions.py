"""Exemptions for debugging: for whom they hold, and where it is seen that one was used."""

from __future__ import annotations

import pytest

from tests.core.given import NOW, SILENCE, pod, policy, rule, use
from tests.core.problem_samples import decision, verdict
from tests.server.test_metrics import metrics, value
from webhook.core.explain import audit_annotations, debug_exemptions, warnings
from webhook.core.policy import Case, Exemption, Mode, Requirements, Rule
from webhook.core.problems import Unverifiable
from webhook.core.questions import ask
from webhook.core.verdicts import Decision, Verdict
from webhook.core.workloads import ContainerKind, ImageUse, Requester

EPHEMERAL = frozenset({ContainerKind.EPHEMERAL})
DEBUGGING = Case(
    name="debugging",
    outcome=Exemption(reason="on call"),
    containers=EPHEMERAL,
    groups=frozenset({"sre"}),
)
RULE = rule(cases=(DEBUGGING,))
ON_CALL = Requester(username="eve", groups=frozenset({"sre", "system:authenticated"}))


def added(**changes: object) -> ImageUse:
    """Return a new ephemeral container."""
    field = "spec.ephemeralContainers[0].image"
    return use(**({"container": "debugger", "kind": ContainerKind.EPHEMERAL, "field": field} | changes))  # type: ignore[arg-type]


def exempted(
    *, on: ImageUse | None = None, by: Rule = RULE, case: Case | None = DEBUGGING, **changes: object
) -> Verdict:
    """Return the verdict on a new ephemeral container that came in by the exemption, unless told otherwise."""
    return verdict(use=on or added(), rule=by, case=case, **changes)


@pytest.mark.parametrize("kind", [kind for kind in ContainerKind if kind is not ContainerKind.EPHEMERAL])
def test_no_other_container_is_exempt(kind: ContainerKind) -> None:
    """A case for ephemeral containers says nothing about containers that stay, nor about volumes."""
    (question,) = ask(pod(use(kind=kind), requester=ON_CALL), policy(RULE), NOW)
    assert question.case is None


@pytest.mark.parametrize(
    ("requester", "holds"),
    [
        (ON_CALL, True),
        (Requester(username="sre", groups=frozenset({"developers"})), False),
        (Requester(username="eve", groups=frozenset({"SRE", "sre-leads"})), False),
        (Requester(), False),
    ],
    ids=["in the group", "the name of the group", "similar groups", "nobody"],
)
def test_it_is_for_the_group_as_authenticated(requester: Requester, holds: bool) -> None:  # noqa: FBT001 - a parameter
    """Only who is in exactly that group gets the exemption."""
    (question,) = ask(pod(added(), requester=requester), policy(RULE), NOW)
    assert (question.case is DEBUGGING) is holds


def test_its_use_is_seen_everywhere() -> None:
    """Whoever debugs is warned, the audit log names rule and exception, and the metrics count the container."""
    found = decision(exempted())
    assert warnings(found) == ("debug-exemption: `debugger` is let in for debugging, and that is logged",)
    assert audit_annotations(found, policy())["debug-exemption"] == "everywhere/debugging"
    measured = metrics()
    measured.decided(found)
    assert value(measured, "debug_exemptions_total") == 1


def test_under_audit_nobody_is_warned() -> None:
    """A rule that only audits tells nobody, but the audit log knows."""
    found = decision(exempted(mode=Mode.AUDIT))
    assert warnings(found) == ()
    assert debug_exemptions(found) == ("everywhere/debugging",)


@pytest.mark.parametrize(
    "found",
    [
        decision(exempted(case=None)),
        decision(exempted(on=added(unchanged=True), unchanged=True)),
        decision(exempted(case=Case(name="vendor", outcome=Requirements()))),
        decision(verdict(Unverifiable(trouble=SILENCE), use=added(), rule=RULE, case=DEBUGGING, mode=Mode.WARN)),
        decision(exempted(), verdict(Unverifiable(trouble=SILENCE))),
    ],
    ids=["no case", "there before", "a case for all containers", "it has problems", "something else is refused"],
)
def test_what_is_no_use_of_it_is_not_told(found: Decision) -> None:
    """Only a new container that came in by such a case counts."""
    assert debug_exemptions(found) == ()
    assert "debug-exemption" not in audit_annotations(found, policy())
    assert not any(warning.startswith("debug-exemption") for warning in warnings(found))
