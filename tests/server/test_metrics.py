"""What Prometheus is told."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from tests.core.given import digest, pod, policy, rule, use
from tests.fakes.clock import ManualClock
from webhook.core.policy import Exemption, Mode, Rule
from webhook.core.problems import CODES, Unpinned
from webhook.core.references import ImageReference
from webhook.core.verdicts import Decision, Verdict
from webhook.ports import RootState
from webhook.server.metrics import Metrics


def metrics(clock: ManualClock | None = None) -> Metrics:
    """Return metrics on which nothing was counted yet."""
    return Metrics(clock=clock or ManualClock(datetime.now(UTC)), version="1.2.3")


def value(of: Metrics, name: str, /, **labels: str) -> float | None:
    """Return the value of one series."""
    return of.registry.get_sample_value(f"dhi_gate_{name}", labels)


def test_every_problem_code_is_there_from_the_start() -> None:
    """A rate over a code that never occurred is zero, not absent."""
    exposition = metrics().exposition().decode()
    for code in CODES:
        assert f'dhi_gate_problems_total{{code="{code}"}} 0.0' in exposition


def test_the_first_exemption_is_an_increase() -> None:
    """Both kinds are there as zero from the start: of a series that begins with one, no alert sees the first."""
    measured = metrics()
    assert [value(measured, "exemptions_total", type=kind) for kind in ("rule", "except")] == [0, 0]


def test_problems_and_exemptions_are_counted() -> None:
    """Each problem of each container counts, and each container let through unjudged."""
    measured = metrics()
    image = ImageReference.parse("registry.example/a")
    unpinned = Unpinned(reference=image, resolved=None)
    exempt = Rule(name="system", outcome=Exemption(reason="add-ons", expires=date(2027, 3, 31)))
    assert isinstance(exempt.outcome, Exemption)
    verdicts = (
        Verdict(use=use(image), rule=rule(), case=None, mode=Mode.WARN, problems=(unpinned,)),
        Verdict(use=use(image), rule=exempt, case=None, mode=Mode.ENFORCE, exemption=exempt.outcome),
    )
    measured.decided(Decision(workload=pod(use(image), use(image)), verdicts=verdicts))
    assert value(measured, "problems_total", code="unpinned") == 1
    assert value(measured, "exemptions_total", type="rule") == 1


def test_the_policy_in_force_is_one_series() -> None:
    """A new policy takes the place of the one before."""
    measured = metrics()
    first, second = policy(), policy(digest=digest("second"))
    for document in (first, second):
        measured.policy_loaded(name=document.name, digest=document.digest)
        measured.policy_reloaded(ok=True)
    measured.policy_reloaded(ok=False)
    assert value(measured, "policy_info", name="production", digest=str(first.digest)) is None
    assert value(measured, "policy_info", name="production", digest=str(second.digest)) == 1
    assert value(measured, "policy_reloads_total", result="success") == 2
    assert value(measured, "policy_reloads_total", result="failure") == 1
    assert value(measured, "policy_last_reload_success_timestamp_seconds")


def test_the_age_of_the_catalog_grows_between_scrapes() -> None:
    """The age is that of the moment it is asked for."""
    clock = ManualClock(datetime.now(UTC))
    measured = metrics(clock)
    measured.catalog_loaded(synced_at=clock.now() - timedelta(hours=1))
    measured.catalog_reloaded(ok=True)
    clock.advance(timedelta(hours=1).total_seconds())
    measured.exposition()
    assert value(measured, "catalog_age_seconds") == 7200


def test_hosts_that_nobody_listed_share_a_label() -> None:
    """A user who names a thousand registries makes no series."""
    measured = metrics()
    measured.list_registries(("registry.example",))
    measured.observe_registry("registry.example", "ok")
    for number in range(3):
        measured.observe_registry(f"{number}.evil.example", "timeout")
    assert value(measured, "registry_requests_total", registry="registry.example", outcome="ok") == 1
    assert value(measured, "registry_requests_total", registry="other", outcome="timeout") == 3


def test_the_age_of_trusted_roots_is_that_of_the_scrape() -> None:
    """Built-in roots have no age, those that never came are not loaded, and those not named any more disappear."""
    clock = ManualClock(datetime.now(UTC))
    measured = metrics(clock)
    fresh = RootState(source="tuf.example", loaded=True, refreshed_at=clock.now(), trouble=None)
    built_in = RootState(source="public-good", loaded=True, refreshed_at=None, trouble=None)
    missing = RootState(source="down.example", loaded=False, refreshed_at=None, trouble=None)
    shown = [fresh, built_in, missing]
    measured.watch_trust_roots(lambda: tuple(shown))
    clock.advance(timedelta(hours=1).total_seconds())
    measured.exposition()
    assert value(measured, "trust_root_age_seconds", source="tuf.example") == 3600
    assert value(measured, "trust_root_age_seconds", source="public-good") is None
    assert value(measured, "trust_root_loaded", source="public-good") == 1
    assert value(measured, "trust_root_loaded", source="down.example") == 0
    shown.clear()
    measured.exposition()
    assert value(measured, "trust_root_loaded", source="public-good") is None


def test_the_certificates_end_is_a_timestamp() -> None:
    """An alert can compare the expiry with the time."""
    measured = metrics()
    measured.certificate_loaded(expires_at=datetime(2027, 1, 1, tzinfo=UTC))
    assert value(measured, "tls_certificate_expiry_timestamp_seconds") == datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    assert value(measured, "build_info", version="1.2.3") == 1
