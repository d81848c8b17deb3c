"""A certificate that the gate signs itself is served, exchanged and missed as one from files is."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
import trustme

from tests.certificate_keeping.given import Counts, bundles, installed, keeping, new_cluster
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import FakeCluster
from tests.server.gates import ScriptedGate, review
from tests.server.serving import ANY_PORT, Connection
from tests.server.test_tls import echoed, listening, served_leaf
from webhook.core.errors import ParseError
from webhook.ports import ApiResource, Cluster, ClusterTroubleKind
from webhook.server.logs import LogFormat, open_log
from webhook.server.metrics import Metrics
from webhook.server.run import AdmissionServer, ServeOptions, Signals
from webhook.server.self_managed import SelfManagedCertificate, SelfManagedTls
from webhook.server.tls import LoadedCertificate, TlsError


def tls_in(cluster: Cluster, *, client_ca: Path | None = None, look_seconds: float = 3600.0) -> SelfManagedTls:
    """Return the settings of a server that keeps its certificate in that cluster."""

    @asynccontextmanager
    async def open_cluster() -> AsyncIterator[Cluster]:
        yield cluster

    return SelfManagedTls(
        keeping=keeping("a"), open_cluster=open_cluster, client_ca=client_ca, look_seconds=look_seconds
    )


DAYS = timedelta(days=5)
"""After so long another leaf is needed. Clients here have the true time, at which both leaves are valid."""


class Served:
    """A certificate that is kept, with what it tells; it looks when it is woken."""

    def __init__(self, cluster: FakeCluster, *, client_ca: Path | None = None) -> None:
        self.cluster = cluster
        self.clock = ManualClock(datetime.now(UTC) - DAYS)
        self.wake = asyncio.Event()
        self.loads: asyncio.Queue[LoadedCertificate | None] = asyncio.Queue()
        self.counts = Told()
        self.output = StringIO()
        self.certificate = SelfManagedCertificate(
            tls_in(cluster, client_ca=client_ca),
            minimum_version=ssl.TLSVersion.TLSv1_2,
            clock=self.clock,
            log=open_log(LogFormat.JSON, self.output),
            observer=self.counts,
            on_load=self.loads.put_nowait,
        )

    async def loaded(self) -> None:
        """Wait for the next leaf."""
        async with asyncio.timeout(5):
            assert await self.loads.get() is not None

    async def renewed(self) -> None:
        """Let the days pass after which another leaf is needed, and wait for it."""
        self.clock.advance(DAYS.total_seconds())
        self.wake.set()
        await self.loaded()

    def trust(self) -> ssl.SSLContext:
        """Return the context of an API server, which believes what the bundles hold."""
        return ssl.create_default_context(cadata=bundles(self.cluster)[0].decode())


class Told(Counts):
    """Counts, and lets a test wait for a failure."""

    __slots__ = ("failed",)

    def __init__(self) -> None:
        super().__init__()
        self.failed = asyncio.Event()

    def keeping_failed(self, reason: str) -> None:
        """Count, and tell who waits."""
        super().keeping_failed(reason)
        self.failed.set()


async def test_its_leaf_is_served_and_exchanged_under_open_connections() -> None:
    """API servers that go by the bundles accept it, before and after; what is open goes on."""
    served = Served(new_cluster())
    async with served.certificate.kept(served.wake), listening(served.certificate.front) as port:
        await served.loaded()
        first = await served_leaf(port, served.trust())
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=served.trust())
        await served.renewed()
        second = await served_leaf(port, served.trust())
        writer.write(b"still there\n")
        assert await reader.readline() == b"still there\n"
        writer.close()
        await writer.wait_closed()
    assert first.public_key() != second.public_key()


async def test_its_key_is_in_no_file() -> None:
    """No descriptor of the process leads to the anonymous file any more once the leaf is served."""
    served = Served(new_cluster())
    async with served.certificate.kept(served.wake):
        await served.loaded()
        assert not [link for link in open_files() if "memfd" in link]


async def test_a_fault_of_ours_is_counted_and_ends_nothing() -> None:
    """Whatever a look raises is told by the metric too, and the next look goes on."""
    served = Served(Faulty())
    async with served.certificate.kept(served.wake):
        await served.counts.failed.wait()
        assert served.counts.failures == {"fault": 1}
        served.wake.set()
        await served.loaded()


class Faulty(FakeCluster):
    """A cluster with the gate installed, the first read of which is a fault."""

    def __init__(self) -> None:
        super().__init__()
        self._faults = ["a fault"]
        installed(self)

    async def read(self, resource: ApiResource, *, namespace: str | None, name: str) -> bytes | None:
        """Read, but for the first time."""
        if self._faults:
            raise RuntimeError(self._faults.pop())
        return await super().read(resource, namespace=namespace, name=name)


def open_files() -> list[str]:
    """Return what the descriptors of this process lead to."""
    descriptors = Path("/proc/self/fd").iterdir()
    return [str(descriptor.readlink()) for descriptor in descriptors if descriptor.is_symlink()]


async def test_without_an_authority_nobody_is_served() -> None:
    """An API server that is not reachable at the start leaves the gate not ready, with the reason, until it is."""
    cluster = new_cluster()
    cluster.break_down(ClusterTroubleKind.UNREACHABLE)
    served = Served(cluster)
    assert served.certificate.readiness().detail == "none yet: the API server has not answered"
    async with served.certificate.kept(served.wake), listening(served.certificate.front) as port:
        await served.counts.failed.wait()
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        assert not await echoed(port, anybody)
        check = served.certificate.readiness()
        assert not check.ok
        assert "get secrets in gate: the API server could not be reached" in check.detail
        cluster.mend()
        served.wake.set()
        await served.loaded()
        assert await echoed(port, served.trust())
        assert served.certificate.readiness().ok


async def test_it_outlives_the_api_server_until_it_expires() -> None:
    """While nothing can be asked the last leaf is ready, and says what is wrong; once it has expired it is not."""
    cluster = new_cluster()
    served = Served(cluster)
    async with served.certificate.kept(served.wake):
        await served.loaded()
        cluster.break_down(ClusterTroubleKind.UNREACHABLE)
        served.clock.advance(timedelta(days=6).total_seconds())
        served.wake.set()
        await served.counts.failed.wait()
        late = served.certificate.readiness()
        served.clock.advance(timedelta(days=2).total_seconds())
        expired = served.certificate.readiness()
    assert late.ok
    assert late.detail.startswith("valid until ")
    assert late.detail.endswith("the API server could not be reached")
    assert not expired.ok
    assert expired.detail.startswith("expired at ")


async def test_clients_must_show_a_certificate_of_the_client_ca(tmp_path: Path) -> None:
    """Only those of the file are served, also after another leaf; a changed file counts, a broken one does not."""
    clients, others = trustme.CA(), trustme.CA()
    file = tmp_path / "clients.crt"
    file.write_bytes(clients.cert_pem.bytes())
    served = Served(new_cluster(), client_ca=file)
    async with served.certificate.kept(served.wake), listening(served.certificate.front) as port:
        await served.loaded()

        async def is_served(ca: trustme.CA | None) -> bool:
            context = served.trust()
            if ca is not None:
                ca.issue_cert("apiserver@example.com").configure_cert(context)
            return await echoed(port, context)

        assert (await is_served(clients), await is_served(others), await is_served(None)) == (True, False, False)
        file.write_bytes(b"broken")
        served.certificate._look_at_client_ca()
        await served.renewed()
        assert (await is_served(clients), await is_served(others)) == (True, False)
        assert "clients.crt: no certificate authorities (PEM)" in served.certificate.readiness().detail
        file.write_bytes(others.cert_pem.bytes())
        served.certificate._look_at_client_ca()
        assert (await is_served(clients), await is_served(others)) == (False, True)
    assert served.output.getvalue().count("no certificate authorities (PEM)") == 1


async def test_a_client_ca_that_is_none_keeps_it_from_starting(tmp_path: Path) -> None:
    """An empty file does not quietly ask nobody."""
    (tmp_path / "clients.crt").touch()
    with pytest.raises(TlsError, match="no certificate authorities"):
        Served(new_cluster(), client_ca=tmp_path / "clients.crt")


class FaultyCluster(FakeCluster):
    """A cluster whose adapter has a fault, once."""

    def __init__(self) -> None:
        super().__init__()
        self.struck = asyncio.Event()

    async def read(self, resource: ApiResource, *, namespace: str | None, name: str) -> bytes | None:
        """Break a law of the port, the first time."""
        if not self.struck.is_set():
            self.struck.set()
            raise RuntimeError("a fault")
        return await super().read(resource, namespace=namespace, name=name)


async def test_a_fault_ends_neither_the_server_nor_the_keeping() -> None:
    """It is logged with its trace, and the next look may do better."""
    cluster = installed(FaultyCluster())
    served = Served(cluster)
    async with served.certificate.kept(served.wake):
        await cluster.struck.wait()
        served.wake.set()
        await served.loaded()
    assert '"event":"certificate-keeping-fault"' in served.output.getvalue()
    assert "RuntimeError: a fault" in served.output.getvalue()


async def test_a_cluster_that_cannot_be_opened_ends_the_start() -> None:
    """A configuration that cannot be used is told at once, and not at the first request."""
    cluster = new_cluster()

    @asynccontextmanager
    async def open_cluster() -> AsyncIterator[Cluster]:
        if not cluster.asked:
            raise ParseError("", "no kubeconfig")
        yield cluster

    tls = SelfManagedTls(keeping=keeping("a"), open_cluster=open_cluster)
    with pytest.raises(ParseError, match="no kubeconfig"):
        await server(tls).run(Signals())


def server(tls: SelfManagedTls) -> AdmissionServer:
    """Return a whole server."""
    clock = ManualClock(datetime.now(UTC))
    return AdmissionServer(
        ServeOptions(admission=ANY_PORT, metrics=ANY_PORT, tls=tls, drain_seconds=0.0, grace_seconds=2.0),
        gate=ScriptedGate(),
        metrics=Metrics(clock=clock, version="1.2.3"),
        clock=clock,
        log=open_log(LogFormat.JSON, StringIO()),
    )


class PublishedCluster(FakeCluster):
    """A cluster that tells when the last bundle was written, which is when the leaf is signed."""

    def __init__(self) -> None:
        super().__init__()
        self.published = asyncio.Event()

    async def replace(self, resource: ApiResource, *, namespace: str | None, name: str, document: bytes) -> bytes:
        """Replace, and tell of the mutating configuration."""
        stored = await super().replace(resource, namespace=namespace, name=name, document=document)
        if resource.plural == "mutatingwebhookconfigurations":
            self.published.set()
        return stored


async def test_a_whole_server_answers_reviews_and_counts() -> None:
    """From nothing but a cluster to an answered review, its readiness, and the metrics of its authority."""
    cluster = installed(PublishedCluster())
    whole, signals = server(tls_in(cluster)), Signals()
    running = asyncio.create_task(whole.run(signals))
    async with asyncio.timeout(5):
        await cluster.published.wait()
    trust = ssl.create_default_context(cadata=bundles(cluster)[0].decode())
    address, metrics = whole.admission_address, whole.metrics_address
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=trust)
    reply = await Connection(reader, writer).request(review())
    writer.close()
    plain = Connection(*await asyncio.open_connection(metrics.host, metrics.port))
    shown = (await plain.request(method="GET", target="/readyz?verbose")).body.decode()
    counted = (await plain.request(method="GET", target="/metrics")).body.decode()
    plain.writer.close()
    signals.end()
    signals.hurry.set()
    await running
    assert reply.response["allowed"] is True
    assert "[+]certificate ok: valid until " in shown
    assert 'dhi_gate_tls_ca_rotation_steps_total{step="founded"} 1.0' in counted
    assert "dhi_gate_tls_ca_bundle_writes_total 2.0" in counted
    assert "dhi_gate_tls_ca_expiry_timestamp_seconds 0.0" not in counted
    assert cluster.asked[-1] == "update leases gate/dhi-gate-ca", "the lease is given back"
