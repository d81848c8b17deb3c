"""A report → metrics; metrics → a file, or a gateway."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.auditing.report_samples import base, container, problem, report, workload
from tests.core.given import digest
from webhook.auditing.run_metrics import (
    AGE_BUCKETS_DAYS,
    MetricsTrouble,
    PushGateway,
    RunMetrics,
    parse_push_gateway,
    push_metrics,
    write_metrics,
)
from webhook.core.errors import ParseError
from webhook.core.problems import CODES
from webhook.core.reporting.document import ComparedDocument, ReportDocument

ENDED = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def metrics_of(found: ReportDocument) -> RunMetrics:
    """Return the metrics of a run of 30 seconds that found this."""
    return RunMetrics(found, duration_seconds=30.0, finished_at=ENDED)


def exposition(metrics: RunMetrics) -> str:
    """Return the metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(metrics)
    return generate_latest(registry).decode()


def samples(text: str) -> Samples:
    """Read samples as a scraper does, by name and labels."""
    families = text_string_to_metric_families(text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def measured(*workloads: object, **metadata: object) -> Callable[..., float | None]:
    """Return a look-up of what a run that found these objects left behind; None for what it did not say."""
    found = samples(exposition(metrics_of(report(*workloads, **metadata))))  # type: ignore[arg-type]
    return lambda name, **labels: found.get((f"dhi_gate_{name}", tuple(sorted(labels.items()))))


def test_objects_and_pods_are_counted_by_result() -> None:
    """Every result is there, if only as 0; the pods are those of the objects with that result."""
    of = measured(
        workload(name="a", pods=40, result="fail", allowed=False),
        workload(name="b", pods=2, result="fail", allowed=False),
        workload(name="c", pods=5),
    )

    assert [of("audit_workloads", result=result) for result in ("fail", "error", "warn", "pass", "skip")] == [
        *(2, 0, 0, 1, 0)
    ]
    assert [of("audit_pods", result=result) for result in ("fail", "error", "warn", "pass", "skip")] == [
        *(42, 0, 0, 5, 0)
    ]


def test_problems_are_counted_by_image_use() -> None:
    """An image use with a problem on two platforms is one; advice is no problem; every code is there."""
    twice = container(problems=(problem("stale-base", platform="a"), problem("stale-base", platform="b")))
    of = measured(
        workload(twice, container(problems=(problem("unsigned"), problem("stale-base", severity="warning")))),
        workload(container(problems=(problem("unsigned"),))),
    )

    found = {code: of("audit_problems", code=code) for code in CODES}

    assert found == {**dict.fromkeys(CODES, 0.0), "stale-base": 1, "unsigned": 2}


def test_the_run_itself() -> None:
    """How long it took, when it ended, and whether it learnt everything."""
    of = measured(workload(), complete=False)

    assert of("audit_duration_seconds") == 30.0
    assert of("audit_last_run_timestamp_seconds") == ENDED.timestamp()
    assert of("audit_complete") == 0
    assert measured(workload())("audit_complete") == 1


def test_an_image_is_one_image_however_many_pods_it_has() -> None:
    """Ages are those of distinct running images: the same digest in two objects counts once."""
    of = measured(
        workload(container("api", base=base(14)), name="a"),
        workload(container("api", base=base(14)), name="b"),
        workload(container("web", base=base(75)), name="c"),
    )

    assert of("base_age_days_count") == 2
    assert of("base_age_days_sum") == 89
    assert of("base_age_days_bucket", le="7.0") == 0
    assert of("base_age_days_bucket", le="14.0") == 1
    assert of("base_age_days_bucket", le="90.0") == 2
    assert of("base_oldest_age_days") == 75


def test_what_does_not_run_has_no_age() -> None:
    """A template without pods runs nothing."""
    of = measured(workload(container(pods=0), pods=0))

    assert of("base_age_days_count") == 0


def test_no_age_is_not_the_age_0() -> None:
    """Where no base is known there is no oldest base, and a base built today is one."""
    unknown = measured(workload(container(base=None)))
    today = measured(workload(container(base=base(0))))

    assert unknown("base_oldest_age_days") is None
    assert today("base_oldest_age_days") == 0
    assert today("base_age_days_bucket", le="1.0") == 1


def test_what_runs_under_a_moved_tag_counts_and_what_the_tag_says_does_not() -> None:
    """All three pods run the image of last month, so that its base is the one that is there."""
    moved = container("old", image=f"registry.example/shop/api:1.4.2@{digest('old')}", seen="running", base=base(45))

    of = measured(workload(container("new", base=base(1)), moved))

    assert of("base_age_days_count") == 1
    assert of("base_oldest_age_days") == 45
    assert of("base_age_days_bucket", le="30.0") == 0


def test_where_some_pods_follow_the_tag_both_images_run() -> None:
    """One of three pods runs other bytes; the other two run what the tag says."""
    moved = container(
        "old", image=f"registry.example/shop/api:1.4.2@{digest('old')}", seen="running", pods=1, base=base(45)
    )
    sidecar = container("proxy", name="proxy", image="registry.example/proxy:1", seen="pod", pods=1, base=base(2))

    of = measured(workload(container("new", base=base(1)), sidecar, moved))

    assert of("base_age_days_count") == 3


def test_a_report_about_files_has_no_pods() -> None:
    """What does not live in a cluster is counted, and runs nowhere."""
    of = measured(workload(container(seen=UNSET, pods=UNSET), pods=UNSET, uid=UNSET, api_version=UNSET))

    assert of("audit_workloads", result="pass") == 1
    assert of("audit_pods", result="pass") == 0
    assert of("base_age_days_count") == 0


@pytest.mark.parametrize(
    "metadata",
    [
        {"as_of": "2026-12-23T00:00:00Z"},
        {"compared_with": ComparedDocument(policy="current", policy_digest=str(digest("current")))},
    ],
)
def test_what_would_be_is_not_measured(metadata: dict[str, object]) -> None:
    """Another day, or the differences between two policies, are not what was found."""
    with pytest.raises(ValueError, match="what is, not of what would be"):
        metrics_of(report(workload(), **metadata))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 500)), max_size=12))
def test_the_histogram_is_cumulative_and_counts_each_image_once(images: list[tuple[int, int]]) -> None:
    """Whatever runs: buckets never fall, the last one is the count, and the count is that of the distinct images."""
    of = measured(*(workload(container(str(seed), base=base(age))) for seed, age in images))

    buckets = [of("base_age_days_bucket", le=str(float(limit))) or 0.0 for limit in AGE_BUCKETS_DAYS]

    assert buckets == sorted(buckets)
    assert of("base_age_days_bucket", le="+Inf") == of("base_age_days_count") == len({seed for seed, _ in images})
    assert of("base_oldest_age_days") == max((age for _, age in images), default=None)


def test_no_name_of_others_is_in_the_metrics() -> None:
    """Images, namespaces, workloads, rules and signers are told by the report, never by a label."""
    text = exposition(metrics_of(report(workload(container(problems=(problem("unsigned"),), result="fail")))))

    assert not re.search(r"registry\.example|shop|\bapi\b|everywhere|release|sha256|uid-of", text)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """The second run leaves one file, with its own numbers and nothing of the first run."""
    file = tmp_path / "dhi-gate.prom"
    write_metrics(metrics_of(report(workload(container(base=base(75))))), file)
    write_metrics(metrics_of(report(workload(container(base=None)))), file)

    found = samples(file.read_text())

    assert found["dhi_gate_base_age_days_count", ()] == 0
    assert ("dhi_gate_base_oldest_age_days", ()) not in found
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """One line says which file and why, in printable characters; nothing is left behind."""
    file = tmp_path / "not\nthere" / "dhi-gate.prom"

    with pytest.raises(MetricsTrouble) as raised:
        write_metrics(metrics_of(report(workload())), file)

    shown = f"{tmp_path}/not there/dhi-gate.prom: the metrics could not be written: No such file or directory"
    assert str(raised.value) == shown
    assert list(tmp_path.iterdir()) == []


class Gateway:
    """A server that keeps what is put to it and answers as it is told to."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.says = ""
        self.location = ""
        self.put: list[tuple[str, str, str]] = []  # method, raw path, body

    async def answer(self, request: web.Request) -> web.Response:
        """Keep the request."""
        self.put.append((request.method, request.raw_path, (await request.read()).decode()))
        headers = {"Location": self.location} if self.location else {}
        return web.Response(status=self.status, text=self.says, headers=headers)


@asynccontextmanager
async def serving() -> AsyncIterator[Gateway]:
    """Run a gateway on loopback."""
    gateway = Gateway()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", gateway.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        gateway.url = f"http://{host}:{port}"
        yield gateway
    finally:
        await runner.cleanup()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """Return a gateway that runs."""
    async with serving() as gateway:
        yield gateway


async def test_a_push_replaces_what_was_there_of_this_place(gateway: Gateway) -> None:
    """It is a PUT below the job and the place, with everything that the file would hold."""
    metrics = metrics_of(report(workload()))

    await push_metrics(metrics, parse_push_gateway(f"{gateway.url}/push/", cluster="eu/1"))

    ((method, path, body),) = gateway.put
    assert (method, path) == ("PUT", "/push/metrics/job/dhi-gate-audit/cluster@base64/ZXUvMQ==")
    assert samples(body) == samples(exposition(metrics))


@pytest.mark.parametrize(
    ("status", "says", "shown"),
    [
        (400, "pushed metrics are\x1b[31m inconsistent\n", "status 400, pushed metrics are?[31m inconsistent"),
        (503, "", "status 503"),
        (500, "x" * 9000, f"status 500, {'x' * 285}..."),
    ],
)
async def test_a_gateway_that_refuses(gateway: Gateway, status: int, says: str, shown: str) -> None:
    """One line names the gateway and what it says, printable and clipped."""
    gateway.status, gateway.says = status, says

    with pytest.raises(MetricsTrouble) as raised:
        await push_metrics(metrics_of(report(workload())), PushGateway(url=gateway.url, grouping={}))

    assert str(raised.value) == f"{gateway.url}: the metrics could not be pushed: {shown}"


async def test_a_redirect_is_not_followed(gateway: Gateway) -> None:
    """Metrics go where they are sent, and nowhere else."""
    gateway.status, gateway.location = 307, "/elsewhere"

    with pytest.raises(MetricsTrouble, match="status 307"):
        await push_metrics(metrics_of(report(workload())), parse_push_gateway(gateway.url))

    assert [path for _, path, _ in gateway.put] == ["/metrics/job/dhi-gate-audit"]


async def test_a_gateway_that_is_not_there() -> None:
    """Nobody listens: one line says so."""
    async with serving() as stopped:
        pass

    with pytest.raises(MetricsTrouble, match=f"^{stopped.url}: the metrics could not be pushed: .*refused"):
        await push_metrics(metrics_of(report(workload())), parse_push_gateway(stopped.url))


async def test_a_refusal_that_breaks_off() -> None:
    """The status alone is told where the reason does not come."""
    left = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Broken\r\nContent-Length: 50\r\n\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    gateway = parse_push_gateway(f"http://{host}:{port}")
    async with server:
        with pytest.raises(MetricsTrouble, match=r"could not be pushed: status 500$"):
            await push_metrics(metrics_of(report(workload())), gateway, timeout_seconds=0.1)
        await left.wait()


def silence() -> Iterator[str]:
    """Listen on loopback and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


silent_gateway = pytest.fixture(silence)


async def test_a_gateway_that_does_not_answer(silent_gateway: str) -> None:
    """The run does not wait for it longer than it was told to."""
    with pytest.raises(MetricsTrouble, match=f"^{silent_gateway}: the metrics could not be pushed: .*timed out"):
        await push_metrics(metrics_of(report(workload())), parse_push_gateway(silent_gateway), timeout_seconds=0.05)


@pytest.mark.parametrize(
    "url",
    [
        *("", "gateway:9091", "ftp://gateway", "file:///etc/passwd", "http://", "http://[::1", "http://gateway:x"),
        *("http://gate way", "http://gateway\n", "http://g\u00e4te", "http://gateway:0", "//gateway"),
        *("http://gateway?x=1", "http://gateway#x", "http://gateway:99999"),
    ],
)
def test_what_is_no_gateway(url: str) -> None:
    """Only a plain URL of HTTP is the address of a gateway; it is refused before anything is asked of anybody."""
    with pytest.raises(ParseError, match="Pushgateway"):
        parse_push_gateway(url)


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    """A message never repeats it."""
    with pytest.raises(ParseError) as raised:
        parse_push_gateway("https://robot:sesame@gateway")

    assert str(raised.value) == "the address of a Pushgateway holds no user or password"


def test_a_place_that_is_not_named_is_no_label() -> None:
    """Without a cluster there is no label of that name, instead of an empty one."""
    assert parse_push_gateway("https://gateway/push").grouping == {}
    assert parse_push_gateway("http://[::1]:9091", cluster="eu").grouping == {"cluster": "eu"}
