"""The pull secrets of pods at admission: whose are used, what is told, and what is kept of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import pytest

from tests.auditing.given import pod
from tests.auditing.test_pull_secrets import CONFIG, account, secret, with_secrets
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.registry import FakeRegistry
from tests.fakes.trust import FakeTrust
from tests.shop import Shop
from webhook.adapters.cluster.remembering import ABSENCE_SECONDS, SECONDS, RememberedReads
from webhook.adapters.registry.credential_files import ConfigSource, FixedConfig
from webhook.adapters.registry.pull_secrets import PullSecretRegistries
from webhook.core.policy import Policy
from webhook.core.verdicts import Decision
from webhook.core.workloads import Workload
from webhook.credential_scopes import IDLE_SECONDS, CredentialScopes
from webhook.documents import policy_file
from webhook.live_gate import LiveGate, PullSecretAccess
from webhook.ports import ClusterTroubleKind, ObjectReader, Registries, Registry, TroubleKind
from webhook.pull_secrets import SECRETS, SERVICE_ACCOUNTS
from webhook.server.logs import LogFormat, open_log
from webhook.server.metrics import Metrics

POLICY = """
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata: {name: private}
spec:
  authorities: [{name: release, key: {data: "%s"}}]
  rules:
    - {name: trusted, namespaces: [system], exempt: {reason: "add-ons", expires: 2030-01-01}}
    - {name: all, require: {signatures: {from: [release]}}}
"""
REVIEW_SECONDS = 5.0


class Scopes:
    """Opens registries that answer only if some pull secret is there, and remembers what was opened and closed."""

    def __init__(self, private: Registry, closed: Registry) -> None:
        self.private = private
        self.closed_to_us = closed
        self.opened: list[int] = []
        self.ended: list[int] = []

    @asynccontextmanager
    async def open(self, _: Policy | None = None) -> AsyncIterator[Registries]:
        """Open registries until the end of the block."""
        number: list[int] = []

        async def opened(config: ConfigSource) -> Registry:
            entries = (await config.current()).entries
            number.append(len(self.opened))
            self.opened.append(number[-1])
            return self.private if entries else self.closed_to_us

        yield PullSecretRegistries(opened, FixedConfig())
        self.ended.extend(number)


class Site:
    """A gate over a registry that shows nothing without a pull secret."""

    def __init__(self, folder: Path, cluster: ObjectReader | None) -> None:
        self.shop = Shop()
        self.image = self.shop.push(self.shop.app(), self.shop.release)
        path = folder / "policy.yaml"
        path.write_text(POLICY % self.shop.release.public_pem.replace("\n", "\\n"))
        closed = FakeRegistry()
        closed.break_down(TroubleKind.UNAUTHORIZED)
        self.scopes = Scopes(self.shop.registry, closed)

        @asynccontextmanager
        async def open_registry(_: Policy) -> AsyncIterator[Registry]:
            yield closed

        self.gate = LiveGate(
            policy_file=policy_file(path, clock=self.shop.clock),
            catalog_file=None,
            open_registry=open_registry,
            open_trust=FakeTrust,
            clock=self.shop.clock,
            log=open_log(LogFormat.JSON, StringIO()),
            metrics=Metrics(clock=self.shop.clock, version="1.2.3"),
            pull_secrets=PullSecretAccess(cluster=cluster, open_registries=self.scopes.open) if cluster else None,
        )

    async def ask(self, workload: Workload, *, seconds: float = REVIEW_SECONDS) -> tuple[list[str], Decision]:
        """Ask about an object; return the codes of its problems, and the decision."""
        deadline = self.shop.clock.monotonic() + seconds
        decision, _ = await self.gate.decide(workload, deadline=deadline, advisory=False)
        return sorted({problem.code for verdict in decision.verdicts for problem in verdict.problems}), decision


def stocked() -> FakeCluster:
    """Return a cluster with a pull secret, a useless one, and an account that names the first."""
    made = FakeCluster()
    made.put(SECRETS, secret("regcred", CONFIG))
    made.put(SECRETS, secret("elsewhere", {"auths": {"other.example": {"username": "u", "password": "p"}}}))
    made.put(SECRETS, secret("broken", b"hunter2"))
    made.put(SERVICE_ACCOUNTS, account("default", "regcred"))
    return made


async def test_the_pods_own_secret_opens_the_registry(tmp_path: Path) -> None:
    """What the node could pull the gate can read; the note of the log is empty."""
    site = Site(tmp_path, stocked())
    async with site.gate:
        codes, decision = await site.ask(pod(site.image, spec=with_secrets("regcred")))
    assert (codes, decision.notes) == ([], ())


async def test_the_secret_of_the_account_opens_the_registry(tmp_path: Path) -> None:
    """A pod that names no secret has those of its service account."""
    site = Site(tmp_path, stocked())
    async with site.gate:
        assert (await site.ask(pod(site.image)))[0] == []


async def test_without_the_flag_no_secret_is_read(tmp_path: Path) -> None:
    """The gate's own credentials count, and the image cannot be read by them."""
    site = Site(tmp_path, None)
    async with site.gate:
        assert (await site.ask(pod(site.image, spec=with_secrets("regcred"))))[0] == ["unverifiable"]
    assert site.scopes.opened == []


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("missing", "pull secret `missing` does not exist"),
        ("broken", "pull secret `broken` is not used: "),
        ("elsewhere", ""),
    ],
)
async def test_a_secret_that_is_no_use_is_a_note(tmp_path: Path, name: str, note: str) -> None:
    """The image is unverifiable because it cannot be read; no word of a secret is told."""
    site = Site(tmp_path, stocked())
    async with site.gate:
        codes, decision = await site.ask(pod(site.image, spec=with_secrets(name)))
    assert codes == ["unverifiable"]
    assert [each[: len(note)] for each in decision.notes] == ([note] if note else [])
    assert "hunter2" not in repr(decision)
    assert site.scopes.opened == []


async def test_a_secret_that_may_not_be_read_harms_only_who_needs_it(tmp_path: Path) -> None:
    """Where the right is missing, that is a note; what another secret opens is judged all the same."""
    cluster = stocked()
    cluster.forbid("serviceaccounts")
    site = Site(tmp_path, cluster)
    async with site.gate:
        codes, decision = await site.ask(pod(site.image))
        assert codes == ["unverifiable"]
        assert "the API server does not allow it" in decision.notes[0]
        assert (await site.ask(pod(site.image, spec=with_secrets("missing", "regcred"))))[0] == []


async def test_a_slow_api_server_does_not_take_the_whole_time(tmp_path: Path) -> None:
    """After half of the review's time it goes on without secrets, and says so."""

    class Silent:
        async def read(self, *_: object, **__: object) -> bytes | None:
            await asyncio.Event().wait()
            return None

    site = Site(tmp_path, Silent())
    async with site.gate:
        codes, decision = await site.ask(pod(site.image), seconds=0.4)
    assert codes == ["unverifiable"]
    assert decision.notes == ("pull secrets are not used: they could not be read in time",)


async def test_who_is_not_asked_about_has_no_secret_read(tmp_path: Path) -> None:
    """Under an exemption nothing is fetched, and so nothing is read."""
    cluster = stocked()
    site = Site(tmp_path, cluster)
    workload = pod(site.image, spec=with_secrets("regcred"))
    async with site.gate:
        exempt = Workload(
            kind=workload.kind,
            namespace="system",
            name=workload.name,
            operation="CREATE",
            source=workload.source,
            uses=workload.uses,
            pull_secrets=workload.pull_secrets,
        )
        assert (await site.ask(exempt))[0] == []
    assert cluster.asked == []


async def test_each_set_of_secrets_has_connections_of_its_own() -> None:
    """The same secrets share them; only so many sets stay open, and one in use is closed by its last user."""
    shop = Shop()
    scopes = Scopes(shop.registry, shop.registry)
    config = json.dumps(CONFIG).encode()
    first, second, third = ((config + b" " * number,) for number in range(3))
    kept = CredentialScopes(scopes.open, clock=shop.clock, log=open_log(LogFormat.JSON, StringIO()), max_scopes=1)
    async with kept:
        async with kept.entered(first) as one, kept.entered(first) as same:
            assert one is same
            async with kept.entered(second) as other:
                assert other is not one
                assert other.layers is not one.layers
            assert scopes.ended == []
        assert scopes.ended == [0]
        async with kept.entered(third):
            assert scopes.ended == [0, 1]
    assert scopes.ended == [0, 1, 2]


async def test_a_set_that_nobody_uses_is_closed() -> None:
    """A rotated secret is another set; what was opened for the old one does not stay for ever."""
    shop = Shop()
    scopes = Scopes(shop.registry, shop.registry)
    kept = CredentialScopes(scopes.open, clock=shop.clock, log=open_log(LogFormat.JSON, StringIO()))
    async with kept:
        async with kept.entered((b'{"auths":{}}',)):
            pass
        shop.clock.advance(IDLE_SECONDS + 1)
        async with kept.entered((b'{"auths": {}}',)):
            assert scopes.ended == [0]


async def test_what_is_read_counts_for_a_moment() -> None:
    """A Secret is read again after half a minute, one that is not there after seconds, and trouble at once."""
    cluster, clock = stocked(), ManualClock()
    reads = RememberedReads(cluster, clock=clock)

    async def read(name: str) -> bytes | None:
        return await reads.read(SECRETS, namespace="shop", name=name)

    assert await read("regcred") == await read("regcred")
    assert await read("late") is None
    assert len(cluster.asked) == 2
    clock.advance(ABSENCE_SECONDS)
    cluster.put(SECRETS, secret("late", CONFIG))
    assert await read("late") is not None
    clock.advance(SECONDS)
    cluster.put(SECRETS, secret("regcred", {"auths": {}}))
    assert await read("regcred") == await cluster.read(SECRETS, namespace="shop", name="regcred")
    clock.advance(SECONDS)
    cluster.break_down(ClusterTroubleKind.UNREACHABLE, times=1)
    with pytest.raises(Exception, match="could not be reached"):
        await read("regcred")
    assert await read("regcred") is not None
    await reads.close()


async def test_what_is_large_is_not_remembered() -> None:
    """Nor what has a name that nothing can have: memory is bounded, whatever is asked for."""
    cluster = FakeCluster()
    cluster.put(SECRETS, secret("large", b"x" * 40_000))
    reads = RememberedReads(cluster, clock=ManualClock())
    for name in ("large", "n" * 300):
        for _ in range(2):
            await reads.read(SECRETS, namespace="shop", name=name)
    assert len(cluster.asked) == 4
