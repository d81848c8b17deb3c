"""Decisions → AdmissionReview responses, checked as the API server checks them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.given import policy
from tests.core.problem_samples import RELEASE, SAMPLES, decision, decisions, verdict
from tests.core.reviews import object_of, pod_spec, review, verify_response
from webhook.core.admission import AdmissionRequest, parse_review
from webhook.core.admission_answer import answer, refusal, reservation
from webhook.core.errors import ParseError
from webhook.core.explain import status_message
from webhook.core.policy import Mode
from webhook.core.problems import Problem, Unsigned
from webhook.core.verdicts import Decision

POLICY = policy()
REQUEST = AdmissionRequest(uid="uid-1", workload=ParseError("", "not looked at"))
UNSIGNED = Unsigned(expected=RELEASE)


@given(decisions)
@settings(max_examples=60)
def test_the_api_server_accepts_every_answer(found: Decision) -> None:
    """Whatever was decided, the answer is one that the API server takes, and says what was decided."""
    response = verify_response(answer(REQUEST, found, POLICY), uid="uid-1")

    assert found.allowed is response["allowed"]


@pytest.mark.parametrize("problem", SAMPLES, ids=lambda problem: type(problem).__name__)
def test_a_denial_is_forbidden_with_its_causes(problem: Problem) -> None:
    """A denial is 403 `Forbidden`, about the object, with the message and a cause for each problem."""
    found = decision(verdict(problem))
    status = verify_response(answer(REQUEST, found, POLICY), uid="uid-1")["status"]

    assert (status["status"], status["code"], status["reason"]) == ("Failure", 403, "Forbidden")
    assert status_message(found) == status["message"]
    assert (status["details"]["name"], status["details"]["kind"]) == ("api", "Pod")
    (cause,) = status["details"]["causes"]
    assert ("spec.containers[0].image", problem.code) == (cause["field"], cause["reason"])


def test_an_approval_carries_warnings() -> None:
    """An allowed object has no status; its warnings and annotations are there."""
    response = verify_response(answer(REQUEST, decision(verdict(UNSIGNED, mode=Mode.WARN)), POLICY), uid="uid-1")

    assert response["warnings"] == ["unsigned: `api` has no signature at all (rule everywhere, warn)"]
    assert response["auditAnnotations"] == {
        "decision": "allow",
        "mode": "warn",
        "rule": "everywhere",
        "codes": "unsigned",
        "policy-digest": str(POLICY.digest),
    }


@given(st.text(max_size=2000), st.sampled_from([(400, "BadRequest"), (500, "InternalError")]))
def test_a_refusal_is_a_denial(message: str, fault: tuple[int, str]) -> None:
    """A broken object and a fault of ours are denied with the code that says whose fault it is."""
    code, reason = fault
    response = verify_response(refusal("uid-1", code=code, reason=reason, message=message), uid="uid-1")

    assert not response["allowed"]
    assert (code, reason) == (response["status"]["code"], response["status"]["reason"])
    assert response["auditAnnotations"]["decision"] == "error"


@given(st.text(max_size=500))
def test_a_reservation_lets_in_with_a_warning(message: str) -> None:
    """A webhook that only advises never denies, and says that it did not judge."""
    response = verify_response(reservation("uid-1", message=message), uid="uid-1")

    assert response["allowed"]
    assert response["warnings"][0].startswith("dhi-gate did not judge this: "[:-1])
    assert response["auditAnnotations"]["decision"] == "error"


@given(st.text(min_size=1, max_size=256).filter(lambda text: text.isprintable()))
def test_the_uid_comes_back_as_it_came(uid: str) -> None:
    """The answer echoes the uid to the letter."""
    request = parse_review(review(object_of("Pod", pod_spec()), uid=uid))

    verify_response(answer(request, decision(verdict()), POLICY), uid=uid)
