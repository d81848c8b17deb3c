"""What the gate counts. Labels are bounded: no image, namespace or user name is ever one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from webhook.core.pinning import Pinning, PinResult
from webhook.core.problems import CODES
from webhook.core.references import Digest
from webhook.core.verdicts import Decision
from webhook.ports import Clock, RootState

__all__ = ["Metrics"]

PREFIX = "dhi_gate"
KINDS = frozenset(
    {
        "Pod",
        "Deployment",
        "ReplicaSet",
        "StatefulSet",
        "DaemonSet",
        "Job",
        "CronJob",
        "ReplicationController",
        "PodTemplate",
    }
)
OPERATIONS = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
OTHER = "other"
DURATION_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0)


class Metrics:
    """All metrics of the server, in a registry of their own. The methods are the callbacks of those who know."""

    def __init__(self, *, clock: Clock, version: str) -> None:
        self._clock = clock
        self._registries: frozenset[str] = frozenset()
        self._catalog_synced_at: datetime | None = None
        self._trust_roots: Callable[[], tuple[RootState, ...]] = tuple
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._define_admission()
        self._define_documents()
        self._define_trust()
        self._define_tls()
        self._registry_requests = self._counter(
            "registry_requests", "Requests to registries, by outcome.", "registry", "outcome"
        )
        self._gauge("build_info", "The running version.", "version").labels(version).set(1)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        if self._catalog_synced_at is not None:
            self._catalog_age.set((self._clock.now() - self._catalog_synced_at).total_seconds())
        self._measure_trust_roots()
        return generate_latest(self.registry)

    @contextmanager
    def review(self) -> Iterator[None]:
        """Count one review as in flight, and how long it took."""
        started = self._clock.monotonic()
        self._in_flight.inc()
        try:
            yield
        finally:
            self._in_flight.dec()
            self._duration.observe(self._clock.monotonic() - started)

    def answered(self, *, webhook: str, operation: str, kind: str, decision: str, mode: str, dry_run: bool) -> None:
        """Count an answered review. `decision` is allow, deny or error; `mode` that of the strictest rule or none."""
        self._requests.labels(
            webhook=webhook,
            operation=operation if operation in OPERATIONS else OTHER,
            kind=kind if kind in KINDS else OTHER,
            decision=decision,
            mode=mode,
            dry_run=str(dry_run).lower(),
        ).inc()

    def decided(self, decision: Decision) -> None:
        """Count the problems that were found, and the exemptions that were used."""
        for verdict in decision.verdicts:
            for problem in verdict.problems:
                self._problems.labels(problem.code).inc()
            if verdict.exemption is not None:
                self._exemptions.labels("rule" if verdict.case is None else "except").inc()
        self._debug_exemptions.inc(len(decision.debug_exemptions))

    def pinned(self, pinning: Pinning) -> None:
        """Count what became of the tags of a Pod."""
        for pin in pinning.pins:
            self._pinned_images.labels(pin.result.value).inc()

    def turned_away(self, reason: str) -> None:
        """Count a request that got no AdmissionReview; `reason` is a word of the server's own."""
        self._turned_away.labels(reason).inc()

    def log_failed(self) -> None:
        """Count an answered review that could not be logged."""
        self._log_failures.inc()

    def policy_loaded(self, *, name: str, digest: Digest) -> None:
        """Note the policy that is in force now."""
        self._policy_info.clear()
        self._policy_info.labels(name, str(digest)).set(1)

    def policy_reloaded(self, *, ok: bool) -> None:
        """Count an attempt to read a changed policy."""
        self._policy_reloads.labels(_result(ok=ok)).inc()
        if ok:
            self._policy_reloaded_at.set(self._clock.now().timestamp())

    def catalog_loaded(self, *, synced_at: datetime) -> None:
        """Note when the catalog in force was written."""
        self._catalog_synced_at = synced_at

    def catalog_reloaded(self, *, ok: bool) -> None:
        """Count an attempt to read a changed catalog."""
        self._catalog_reloads.labels(_result(ok=ok)).inc()

    def watch_trust_roots(self, states: Callable[[], tuple[RootState, ...]]) -> None:
        """Set who is asked, at each scrape, how the trusted roots are."""
        self._trust_roots = states

    def certificate_loaded(self, *, expires_at: datetime) -> None:
        """Note when the certificate in force expires."""
        self._tls_expiry.set(expires_at.timestamp())

    def certificate_reloaded(self, *, ok: bool) -> None:
        """Count an attempt to load changed certificate files."""
        self._tls_reloads.labels(_result(ok=ok)).inc()

    def authority_in_force(self, *, expires_at: datetime) -> None:
        """Note until when the gate's own authority is valid, which signs certificates now."""
        self._ca_expiry.set(expires_at.timestamp())

    def authority_advanced(self, step: str) -> None:
        """Count a step of the rotation of authorities that this replica took; `step` is a word of the core's."""
        self._ca_steps.labels(step).inc()

    def bundle_written(self) -> None:
        """Count a webhook configuration whose bundles this replica put right."""
        self._bundle_writes.inc()

    def keeping_failed(self, reason: str) -> None:
        """Count a failure to keep the gate's own certificates; `reason` is a word of the gate's own."""
        self._keeping_failures.labels(reason).inc()

    def list_registries(self, hosts: Iterable[str]) -> None:
        """Set which hosts get a label of their own: those that the policy or a flag lists."""
        self._registries = frozenset(hosts)

    def observe_registry(self, registry: str, outcome: str) -> None:
        """Count a request to a registry. `outcome` is a word of the adapter's own, never what the network said."""
        self._registry_requests.labels(registry if registry in self._registries else OTHER, outcome).inc()

    def _define_admission(self) -> None:
        self._requests = self._counter(
            "admission_requests",
            "Admission reviews that were answered.",
            *("webhook", "operation", "kind", "decision", "mode", "dry_run"),
        )
        self._duration = Histogram(
            f"{PREFIX}_admission_request_duration_seconds",
            "Time from the head of a review to its answer.",
            buckets=DURATION_BUCKETS,
            registry=self.registry,
        )
        self._in_flight = self._gauge("admission_requests_in_flight", "Admission reviews under way.")
        self._turned_away = self._counter(
            "admission_requests_turned_away", "Requests to a webhook that got no AdmissionReview.", "reason"
        )
        self._problems = self._counter("problems", "Problems found in containers' images, in any mode.", "code")
        for code in CODES:
            self._problems.labels(code)
        self._exemptions = self._counter("exemptions", "Containers let through unjudged.", "type")
        for kind in ("rule", "except"):
            self._exemptions.labels(kind)
        self._debug_exemptions = self._counter(
            "debug_exemptions", "Ephemeral containers let in by a case that is for debugging only."
        )
        self._pinned_images = self._counter("pinned_images", "Tags in Pods that were to be pinned.", "result")
        for result in PinResult:
            self._pinned_images.labels(result.value)
        self._log_failures = self._counter("decision_log_failures", "Answers that could not be logged.")

    def _define_documents(self) -> None:
        self._policy_info = self._gauge("policy_info", "The policy in force.", "name", "digest")
        self._policy_reloads = self._counter("policy_reloads", "Attempts to read a changed policy.", "result")
        self._policy_reloaded_at = self._gauge(
            "policy_last_reload_success_timestamp_seconds", "When a policy was last read successfully."
        )
        self._catalog_age = self._gauge("catalog_age_seconds", "Time since the catalog in force was written.")
        self._catalog_reloads = self._counter("catalog_reloads", "Attempts to read a changed catalog.", "result")

    def _define_trust(self) -> None:
        self._root_loaded = self._gauge("trust_root_loaded", "Whether there is a trusted root (1) or none.", "source")
        self._root_age = self._gauge(
            "trust_root_age_seconds", "Time since its source last confirmed a trusted root.", "source"
        )

    def _measure_trust_roots(self) -> None:
        """Write down how the roots are now; those that the policy no longer names disappear."""
        self._root_loaded.clear()
        self._root_age.clear()
        for state in self._trust_roots():
            self._root_loaded.labels(state.source).set(state.loaded)
            if state.refreshed_at is not None:
                self._root_age.labels(state.source).set((self._clock.now() - state.refreshed_at).total_seconds())

    def _define_tls(self) -> None:
        self._tls_expiry = self._gauge(
            "tls_certificate_expiry_timestamp_seconds", "When the certificate in force expires."
        )
        self._tls_reloads = self._counter("tls_reloads", "Attempts to load changed certificate files.", "result")
        self._ca_expiry = self._gauge(
            "tls_ca_expiry_timestamp_seconds", "When the gate's own authority, which signs certificates now, expires."
        )
        self._ca_steps = self._counter("tls_ca_rotation_steps", "Steps of rotations that this replica took.", "step")
        self._bundle_writes = self._counter("tls_ca_bundle_writes", "Webhook configurations that were put right.")
        self._keeping_failures = self._counter(
            "tls_keeping_failures", "Failures to keep the gate's own certificates.", "reason"
        )

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", documentation, labels, registry=self.registry)

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", documentation, labels, registry=self.registry)


def _result(*, ok: bool) -> str:
    """Return the word of the `result` label."""
    return "success" if ok else "failure"
