"""How grave a reason code is."""

from __future__ import annotations

import pytest

from tests.core.reporting.page_samples import problem
from webhook.core.problems import CODES
from webhook.core.reporting.severities import Severity, severity_of, severity_of_code


def test_every_code_has_a_severity() -> None:
    """No code of the contract is without one, and none is a mere information."""
    assert Severity.INFO not in {severity_of_code(code) for code in CODES}


@pytest.mark.parametrize(
    ("code", "severity"),
    [
        ("revoked", Severity.CRITICAL),
        ("invalid-signature", Severity.CRITICAL),
        ("unsigned", Severity.HIGH),
        ("stale-base", Severity.MEDIUM),
        ("unverifiable", Severity.MEDIUM),
        ("not-found", Severity.LOW),
    ],
)
def test_the_severity_says_what_an_attacker_gains(code: str, severity: Severity) -> None:
    """Tampering is worse than a missing signature, and that is worse than an old base."""
    assert severity_of(problem(code)) is severity


def test_an_advice_is_of_low_severity() -> None:
    """What denies in no mode yet is low, whatever it will be."""
    assert severity_of(problem("unsigned", severity="warning")) is Severity.LOW


def test_an_unknown_code_has_no_severity() -> None:
    """A word that is no code is a fault of ours, not a mild problem."""
    with pytest.raises(KeyError):
        severity_of_code("fine")
