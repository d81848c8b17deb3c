"""What the last audit found, as metrics: in a file for the node exporter, or at a Pushgateway.

An audit has ended before anybody could scrape it, so its metrics are left where they can be scraped later: each run
replaces all that the run before it left. Labels are bounded: no image, namespace or workload is ever one.

1. An image runs if live pods have it. Where nodes run something else than what is written, what they run counts, and
   what is written counts only if more pods name it than run something else.
2. Ages are of the bases of distinct running images, by digest: a hundred pods of one image are one image.
3. What is not known is left out: an image without a known base has no age, and without any age there is no oldest.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit

from msgspec import UNSET
from prometheus_client import CollectorRegistry, push_to_gateway, write_to_textfile
from prometheus_client.metrics_core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from webhook.core.auditing.rows import Seen
from webhook.core.errors import ParseError
from webhook.core.problems import CODES
from webhook.core.reading.plain_text import printable
from webhook.core.reporting.document import ContainerDocument, ReportDocument, WorkloadDocument
from webhook.core.verdicts import Result

__all__ = [
    "AGE_BUCKETS_DAYS",
    "MetricsTrouble",
    "PushGateway",
    "RunMetrics",
    "parse_push_gateway",
    "push_metrics",
    "write_metrics",
]

AGE_BUCKETS_DAYS = (1, 3, 7, 14, 30, 60, 90, 180, 365)
JOB = "dhi-gate-audit"
PUSH_SECONDS = 10.0
MAX_ANSWER_BYTES = 400


class MetricsTrouble(Exception):  # noqa: N818 - as the ports say it: the world is at fault
    """The metrics are not where they should be; one line that says why. What the audit found is not touched by it."""


class RunMetrics(Collector):
    """The metrics of one run that judged the present; `duration_seconds` is how long it took.

    Raises ValueError for a report about another day, or about what changes between two policies: a graph of the past
    has no place for what might be.
    """

    def __init__(self, report: ReportDocument, *, duration_seconds: float, finished_at: datetime) -> None:
        if report.metadata.hypothetical:
            raise ValueError("metrics are of what is, not of what would be")
        self._report = report
        self._duration_seconds = duration_seconds
        self._finished_at = finished_at

    def collect(self) -> Iterable[Metric]:
        """Yield each metric with its samples."""
        yield _gauge("audit_workloads", "Objects that the last audit judged.", "result", _workloads(self._report))
        yield _gauge("audit_pods", "Live pods, by the result of their workload.", "result", _pods(self._report))
        yield _gauge("audit_problems", "Image uses with a problem, in any mode.", "code", _problems(self._report))
        yield from _ages(sorted(_running_ages(self._report).values()))
        yield _number("audit_duration_seconds", "How long the last audit took.", self._duration_seconds)
        yield _number("audit_last_run_timestamp_seconds", "When the last audit ended.", self._finished_at.timestamp())
        yield _number(
            "audit_complete", "Whether the last audit learnt all it asked about.", self._report.metadata.complete
        )


def write_metrics(metrics: RunMetrics, path: Path) -> None:
    """Put the metrics into a file in Prometheus' text format, replaced whole or not at all.

    The node exporter reads files whose name ends in `.prom`. Raises MetricsTrouble.
    Source: prometheus/node_exporter README, "Textfile Collector".
    """
    try:
        write_to_textfile(str(path), _registry(metrics))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise MetricsTrouble(f"{printable(str(path), 400)}: the metrics could not be written: {why}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class PushGateway:
    """A Prometheus Pushgateway, and the labels by which it keeps the metrics of one place apart from all others'."""

    url: str
    grouping: Mapping[str, str]


def parse_push_gateway(url: str, *, cluster: str = "") -> PushGateway:
    """Read the address of a Pushgateway; `cluster` becomes a label unless it is empty.

    Raises ParseError if it is no plain `http` or `https` URL. One that holds a password is refused and not shown:
    addresses stand in messages and process lists.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not (url.isascii() and url.isprintable()) or " " in url:
        raise ParseError("", "a Pushgateway is written as `http://HOST[:PORT]` or `https://HOST[:PORT]`")
    if "@" in parts.netloc:
        raise ParseError("", "the address of a Pushgateway holds no user or password")
    if parts.query or parts.fragment:
        raise ParseError("", "the address of a Pushgateway ends with its path")
    return PushGateway(url=url, grouping={"cluster": cluster} if cluster else {})


async def push_metrics(metrics: RunMetrics, gateway: PushGateway, *, timeout_seconds: float = PUSH_SECONDS) -> None:
    """Replace what the gateway keeps of this job and place; `timeout_seconds` for each step of the network.

    Raises MetricsTrouble. Redirects are not followed; proxies are taken from the usual environment variables.
    Source: prometheus/pushgateway README, "PUT method".
    """
    try:
        await asyncio.to_thread(
            push_to_gateway,
            gateway.url,
            job=JOB,
            registry=_registry(metrics),
            grouping_key=dict(gateway.grouping),
            timeout=timeout_seconds,
        )
    except HTTPError as error:
        raise MetricsTrouble(_not_pushed(gateway, _answer(error))) from error
    except (OSError, HTTPException) as error:
        raise MetricsTrouble(_not_pushed(gateway, str(error) or type(error).__name__)) from error


def _not_pushed(gateway: PushGateway, why: str) -> str:
    return f"{gateway.url}: the metrics could not be pushed: {printable(why, 300)}"


def _answer(error: HTTPError) -> str:
    """Say what the gateway answered; a refusal says what is wrong with the metrics."""
    with error:
        try:
            said = error.read(MAX_ANSWER_BYTES).decode(errors="replace")
        except (OSError, HTTPException):
            said = ""
    return f"status {error.code}{f', {said}' if said.strip() else ''}"


def _registry(metrics: RunMetrics) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(metrics)
    return registry


def _gauge(name: str, documentation: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"dhi_gate_{name}", documentation, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def _number(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"dhi_gate_{name}", documentation, value=float(value))


def _ages(ages_days: list[int]) -> Iterator[Metric]:
    """Yield the histogram, and the oldest if there is any."""
    buckets = [(str(float(limit)), float(sum(age <= limit for age in ages_days))) for limit in AGE_BUCKETS_DAYS]
    buckets.append(("+Inf", float(len(ages_days))))
    yield HistogramMetricFamily(
        "dhi_gate_base_age_days", "Ages of the bases of distinct running images.", buckets, sum_value=sum(ages_days)
    )
    if ages_days:
        yield _number("base_oldest_age_days", "Age of the oldest base of a running image.", ages_days[-1])


def _workloads(report: ReportDocument) -> Mapping[str, int]:
    summary = report.summary
    return {
        Result.PASS.value: summary.passed,
        Result.WARN.value: summary.warn,
        Result.FAIL.value: summary.fail,
        Result.ERROR.value: summary.error,
        Result.SKIP.value: summary.skip,
    }


def _pods(report: ReportDocument) -> Mapping[str, int]:
    counts = {result.value: 0 for result in Result}
    for workload in report.results:
        counts[workload.result] += 0 if workload.pods is UNSET else workload.pods
    return counts


def _problems(report: ReportDocument) -> Mapping[str, int]:
    """Count the image uses that have a problem, by its code. Advice is none, and two platforms are one use."""
    found: Counter[str] = Counter()
    for workload in report.results:
        for container in workload.containers:
            found.update({problem.code for problem in container.problems if problem.severity == "error"})
    return {code: found[code] for code in CODES}


def _running_ages(report: ReportDocument) -> Mapping[str, int]:
    """Return the age in days of the base of each running image, by its digest."""
    ages: dict[str, int] = {}
    for workload in report.results:
        for container in _running(workload):
            if container.digest is not None and container.base is not None:
                age = container.base.age_days
                ages[container.digest] = max(age, ages.get(container.digest, age))
    return ages


def _running(workload: WorkloadDocument) -> Iterator[ContainerDocument]:
    """Yield the image uses of a workload that run."""
    moved: Counter[tuple[str, str]] = Counter()
    for container in workload.containers:
        if container.seen == Seen.RUNNING.value:
            moved[_place(container)] += _pods_of(container)
    for container in workload.containers:
        elsewhere = 0 if container.seen == Seen.RUNNING.value else moved[_place(container)]
        if _pods_of(container) > elsewhere:
            yield container


def _place(container: ContainerDocument) -> tuple[str, str]:
    """Return what a use that is written and one that runs instead have in common: its name, and all but the digest."""
    return container.name, container.image.partition("@")[0]


def _pods_of(container: ContainerDocument) -> int:
    return 0 if container.pods is UNSET else container.pods
