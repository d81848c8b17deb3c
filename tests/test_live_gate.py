"""The gate as a server holds it: documents on disk are replaced while reviews are under way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest

from tests.core.given import pod, use
from tests.fakes.registry import FakeRegistry
from tests.fakes.trust import FakeTrust
from tests.shop import HOST, Shop
from tests.sigstore_stand.certificates import Identity
from tests.sigstore_stand.signer import StandSigner
from tests.sigstore_stand.stand import SigstoreStand
from webhook.core.bases.document import print_catalog, seal
from webhook.core.facts import Trouble
from webhook.core.manifest_objects import bare_image
from webhook.core.policy import Mode, Policy
from webhook.core.references import Digest, ImageReference
from webhook.core.signatures.trust_root_reading import load_trust_root
from webhook.core.signatures.trust_roots import PublicGood
from webhook.core.workloads import Workload
from webhook.demo.images import push
from webhook.demo.store import Store
from webhook.documents import catalog_file, policy_file
from webhook.live_gate import RETIREMENT_SECONDS, WATCH_SECONDS, LiveGate
from webhook.ports import Registry, RootState
from webhook.server.gate import GateNotReady
from webhook.server.logs import LogFormat, open_log
from webhook.server.metrics import Metrics

SECONDS = 5.0


class Alarm:
    """A way of sleeping in which nobody wakes up before a test says so."""

    def __init__(self) -> None:
        self._asleep: dict[float, list[asyncio.Event]] = {}
        self._changed = asyncio.Condition()

    async def sleep(self, seconds: float) -> None:
        """Sleep until woken."""
        woken = asyncio.Event()
        async with self._changed:
            self._asleep.setdefault(seconds, []).append(woken)
            self._changed.notify_all()
        await woken.wait()

    async def wake(self, seconds: float, sleepers: int) -> None:
        """Wake those who sleep for so many seconds, once there are so many of them."""
        await self.asleep(seconds, sleepers)
        for woken in self._asleep.pop(seconds):
            woken.set()

    async def asleep(self, seconds: float, sleepers: int) -> None:
        """Wait until so many sleep for so many seconds."""
        async with self._changed, asyncio.timeout(SECONDS):
            await self._changed.wait_for(lambda: len(self._asleep.get(seconds, ())) == sleepers)


@dataclass(slots=True)
class Opened:
    """Connections that were opened for a policy."""

    policy: str
    registry: FakeRegistry
    closed: asyncio.Event = field(default_factory=asyncio.Event)


class Opener:
    """Opens registries over one store, and remembers them. `refusal` is raised instead, if there is one."""

    def __init__(self, store: Store) -> None:
        self.opened: list[Opened] = []
        self.refusal: OSError | None = None
        self._store = store

    @asynccontextmanager
    async def __call__(self, policy: Policy) -> AsyncIterator[Registry]:
        """Open a registry until the end of the block."""
        if self.refusal is not None:
            raise self.refusal
        opened = Opened(policy=policy.name, registry=FakeRegistry(self._store))
        self.opened.append(opened)
        try:
            yield opened.registry
        finally:
            opened.closed.set()


class Site:
    """A folder with documents, and a gate that watches it; `image` is signed and stands on the catalogued base."""

    def __init__(self, folder: Path, *, with_catalog: bool = True, ceiling: Mode = Mode.ENFORCE) -> None:
        self.shop = Shop()
        self.image = self.shop.push(self.shop.app(), self.shop.release)
        self.policy, self.catalog = folder / "policy.yaml", folder / "catalog.json"
        self.opener, self.alarm, self.output = Opener(self.shop.registry.store), Alarm(), StringIO()
        self.metrics = Metrics(clock=self.shop.clock, version="1.2.3")
        self.trust = FakeTrust()
        self.watches = 2 if with_catalog else 1
        self.gate = LiveGate(
            policy_file=policy_file(self.policy, clock=self.shop.clock),
            catalog_file=catalog_file(self.catalog, clock=self.shop.clock) if with_catalog else None,
            open_registry=self.opener,
            open_trust=lambda: self.trust,
            clock=self.shop.clock,
            log=open_log(LogFormat.JSON, self.output),
            metrics=self.metrics,
            ceiling=ceiling,
            sleep=self.alarm.sleep,
        )

    def write_policy(
        self, name: str = "first", *, base: bool = True, keyless: bool = False, registries: Sequence[str] = ()
    ) -> None:
        """Write a policy of one rule; if it is keyless, its signer is an identity of the public-good Sigstore."""
        keys = {"docker-dhi": self.shop.docker, "release": self.shop.release}
        identity = {"issuer": "https://token.example", "subject": "release@shop.example"}
        others = [{"name": "pipeline", "keyless": {"identities": [identity]}}] if keyless else []
        keyed = [{"name": key, "key": {"data": signer.public_pem}} for key, signer in keys.items()]
        trusted = ["pipeline"] if keyless else ["release"]
        spec = {
            "authorities": [*keyed, *others],
            "bases": [{"repository": "dhi.io/python", "tags": ["3.13*"], "signedBy": ["docker-dhi"]}],
            "registries": [{"host": host, "mirrors": ["cache.example"]} for host in registries],
            "rules": [{"name": "all", "require": {"signatures": {"from": trusted}} | ({"base": {}} if base else {})}],
        }
        kept = {key: value for key, value in spec.items() if value}
        head = {"apiVersion": "dhi-gate.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": name}}
        self.policy.write_text(json.dumps(head | {"spec": kept}))

    def write_catalog(self) -> None:
        """Write the catalog of the shop's builds."""
        self.catalog.write_bytes(print_catalog(self.shop.catalog))

    async def look(self) -> None:
        """Let every watch take one look at its files."""
        await self.alarm.wake(WATCH_SECONDS, self.watches)
        await self.alarm.asleep(WATCH_SECONDS, self.watches)

    async def ask(self) -> tuple[str, list[str]]:
        """Ask about the image; return the policy's name and the codes of the verdict."""
        deadline = self.shop.clock.monotonic() + SECONDS
        decision, policy = await self.gate.decide(self.workload, deadline=deadline, advisory=False)
        return policy.name, [problem.code for verdict in decision.verdicts for problem in verdict.problems]

    @property
    def workload(self) -> Workload:
        """The image on its own."""
        workload = bare_image(self.image, "shop")
        assert isinstance(workload, Workload)
        return workload

    def ready(self) -> dict[str, tuple[bool, str]]:
        """Return what readiness says, by document."""
        return {check.name: (check.ok, check.detail) for check in self.gate.readiness()}

    def counted(self, name: str, result: str) -> float | None:
        """Return how many attempts to reload a document were counted."""
        return self.metrics.registry.get_sample_value(f"dhi_gate_{name}_reloads_total", {"result": result})

    def events(self) -> list[str]:
        """Return the events of the log."""
        return [json.loads(line)["event"] for line in self.output.getvalue().splitlines()]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site without any document yet."""
    return Site(tmp_path)


async def test_without_a_policy_nothing_is_decided(site: Site) -> None:
    """Until a policy is there the gate is not ready and refuses to decide; the first one makes it ready."""
    site.write_catalog()
    async with site.gate:
        assert site.ready()["policy"] == (
            False,
            "the latest version is refused: cannot be read: No such file or directory",
        )
        with pytest.raises(GateNotReady, match="no policy is loaded yet"):
            await site.ask()
        assert site.opener.opened == []

        site.write_policy()
        await site.look()
        assert site.ready()["policy"][0]
        assert await site.ask() == ("first", [])


async def test_a_replaced_policy_is_in_force(site: Site) -> None:
    """What the next review is judged by is what lies on disk, and log and metrics name it."""
    site.write_policy("first")
    site.write_catalog()
    async with site.gate:
        assert await site.ask() == ("first", [])
        before = site.ready()["policy"]

        site.write_policy("second")
        await site.look()
        assert await site.ask() == ("second", [])
        assert site.ready()["policy"] != before
        assert 'dhi_gate_policy_info{digest="sha256:' in site.metrics.exposition().decode()
        assert 'name="second"' in site.metrics.exposition().decode()
        assert 'name="first"' not in site.metrics.exposition().decode()
        assert site.counted("policy", "success") == 2
        assert site.events().count("policy in force") == 2


async def test_a_log_that_is_gone_holds_up_no_policy(site: Site) -> None:
    """Where nothing can be logged any more, every further policy comes into force all the same."""
    site.write_policy("first")
    site.write_catalog()
    async with site.gate:
        site.output.close()
        for name in ("second", "third"):
            site.write_policy(name)
            await site.look()
            assert await site.ask() == (name, [])


async def test_a_broken_policy_changes_nothing(site: Site) -> None:
    """The last good policy stays in force, and readiness, metrics and log say that a newer one is refused."""
    site.write_policy("good")
    site.write_catalog()
    async with site.gate:
        site.policy.write_text("kind: [")
        await site.look()

        assert await site.ask() == ("good", [])
        ok, detail = site.ready()["policy"]
        assert ok
        assert detail.startswith("in force: sha256:")
        assert "; the latest version is refused: " in detail
        assert (site.counted("policy", "success"), site.counted("policy", "failure")) == (1, 1)
        assert site.events()[-1] == "policy refused"

        site.policy.unlink()
        await site.look()
        assert await site.ask() == ("good", [])
        assert "No such file" in site.ready()["policy"][1]


@pytest.mark.parametrize("with_catalog", [True, False])
async def test_a_missing_catalog_is_not_taken_for_an_empty_one(tmp_path: Path, with_catalog: bool) -> None:  # noqa: FBT001
    """While a rule asks for a base and there is no catalog, the gate is not ready, and images are unverifiable."""
    site = Site(tmp_path, with_catalog=with_catalog)
    site.write_policy()
    async with site.gate:
        ok, detail = site.ready()["catalog"]
        assert not ok
        assert detail == (
            "the latest version is refused: cannot be read: No such file or directory"
            if with_catalog
            else "none is given, and a rule asks for a base"
        )
        assert await site.ask() == ("first", ["unverifiable"])

        site.write_policy("second", base=False)
        await site.look()
        assert site.ready()["catalog"][0]
        assert await site.ask() == ("second", [])


async def test_a_replaced_catalog_is_in_force(site: Site) -> None:
    """A base that was enrolled a moment ago counts; a catalog that cannot be read takes nothing away again."""
    site.write_policy()
    site.catalog.write_bytes(print_catalog(seal(policy="first", synced_at=site.shop.clock.now(), builds=())))
    async with site.gate:
        assert await site.ask() == ("first", ["unapproved-base"])

        site.write_catalog()
        await site.look()
        assert await site.ask() == ("first", [])

        site.catalog.write_text("{}")
        await site.look()
        assert await site.ask() == ("first", [])
        assert (site.counted("catalog", "success"), site.counted("catalog", "failure")) == (2, 1)
        assert site.events()[-1] == "catalog refused"


async def test_reviews_end_on_the_connections_they_began_with(site: Site) -> None:
    """A policy that speaks of other registries gets new connections; the old ones close after the last review."""
    site.write_policy()
    site.write_catalog()
    async with site.gate:
        (old,) = site.opener.opened
        old.registry.gate = asyncio.Event()
        slow = asyncio.create_task(site.ask())
        await asyncio.sleep(0)

        site.write_policy("second", registries=[HOST])
        await site.look()
        assert await site.ask() == ("second", [])
        assert [opened.policy for opened in site.opener.opened] == ["first", "second"]
        assert not old.closed.is_set()

        old.registry.gate.set()
        assert await slow == ("first", [])
        await site.alarm.wake(RETIREMENT_SECONDS, 1)
        async with asyncio.timeout(SECONDS):
            await old.closed.wait()
        assert not site.opener.opened[1].closed.is_set()
        assert await site.ask() == ("second", [])


async def test_unchanged_registries_keep_their_connections(site: Site) -> None:
    """A policy that speaks of the same registries is judged over the same connections, with all they remember."""
    site.write_policy("first")
    site.write_catalog()
    async with site.gate:
        site.write_policy("second", base=False)
        await site.look()
        assert await asyncio.gather(*(site.ask() for _ in range(3))) == [("second", [])] * 3
        assert len(site.opener.opened) == 1


async def test_closing_ends_everything(site: Site) -> None:
    """When the gate ends, nothing runs on and no connection stays open, however young its successor is."""
    site.write_policy("first")
    site.write_catalog()
    async with site.gate:
        site.write_policy("second", registries=[HOST])
        await site.look()
        await site.ask()
        assert len(asyncio.all_tasks()) > 1
    assert [opened.closed.is_set() for opened in site.opener.opened] == [True, True]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_cannot_be_opened_ends_the_start(site: Site) -> None:
    """A flag that names an unreadable file is told at once, and leaves nothing running."""
    site.write_policy()
    site.opener.refusal = FileNotFoundError(2, "No such file or directory", "ca.pem")
    with pytest.raises(FileNotFoundError):
        await site.gate.__aenter__()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    ("ceiling", "advisory", "allowed"),
    [(Mode.ENFORCE, False, False), (Mode.WARN, False, True), (Mode.ENFORCE, True, True)],
)
async def test_nothing_is_stricter_than_the_ceiling(
    tmp_path: Path, ceiling: Mode, *, advisory: bool, allowed: bool
) -> None:
    """Under a ceiling of `warn` what would be denied is admitted; an advisory question never denies."""
    site = Site(tmp_path, ceiling=ceiling)
    site.image = site.shop.push(site.shop.app(name="unsigned"))
    site.write_policy(base=False)
    site.write_catalog()
    async with site.gate as gate:
        deadline = site.shop.clock.monotonic() + SECONDS
        decision, _ = await gate.decide(site.workload, deadline=deadline, advisory=advisory)
    assert decision.allowed is allowed


async def test_trusted_roots_follow_the_policy(site: Site) -> None:
    """What the policy in force names is refreshed, from the start and after a change; nothing more, and to the end."""
    site.write_policy("keyed")
    site.write_catalog()
    async with site.gate:
        assert site.trust.followed == frozenset()
        site.write_policy("keyless", keyless=True)
        await site.look()
        assert site.trust.followed == {PublicGood()}
        assert not site.trust.closed
    assert site.trust.closed


async def test_reviews_use_the_roots_that_are_there(site: Site) -> None:
    """A root that could not be loaded is trouble, which is told; no review waits for it."""
    site.write_policy("keyless", keyless=True, base=False)
    site.trust.known = {PublicGood(): Trouble(doing="loading the trust root", where="tuf.example", why="it is down")}
    stand = SigstoreStand.create()
    who = Identity(subject="release@shop.example", issuer="https://token.example", kind="email")
    signer = StandSigner(stand=stand, who=who)
    site.image = site.shop.push(site.shop.app(name="keyless"))
    signer.sign_bundle(site.shop.registry.store, "shop/api", Digest.parse(site.image.rpartition("@")[2]))
    async with site.gate:
        assert site.trust.followed == {PublicGood()}
        assert await site.ask() == ("keyless", ["unverifiable"])
        site.trust.known = {PublicGood(): load_trust_root(stand.trusted_root())}
        assert await site.ask() == ("keyless", [])


async def test_stale_roots_are_visible(site: Site) -> None:
    """Readiness says how old each root is and what keeps it so; a root is no reason to turn requests away."""
    site.write_policy()
    site.write_catalog()
    down = Trouble(doing="loading the trust root", where="tuf.example", why="it is down")
    now = site.shop.clock.now()
    site.trust.shown = (
        RootState(source="fresh", loaded=True, refreshed_at=now - timedelta(hours=3), trouble=None),
        RootState(source="missing", loaded=False, refreshed_at=None, trouble=down),
        RootState(source="public-good", loaded=True, refreshed_at=None, trouble=None),
        RootState(source="stale", loaded=True, refreshed_at=now - timedelta(hours=49), trouble=down),
    )
    async with site.gate:
        ready = site.ready()
        exposition = site.metrics.exposition().decode()
    assert ready["trust-root fresh"] == (True, "last confirmed 3 h ago")
    assert ready["trust-root missing"] == (True, "not loaded; it is down")
    assert ready["trust-root public-good"] == (True, "built in")
    assert ready["trust-root stale"] == (True, "stale: last confirmed 49 h ago; it is down")
    assert 'dhi_gate_trust_root_age_seconds{source="stale"} 176400.0' in exposition
    assert 'dhi_gate_trust_root_loaded{source="missing"} 0.0' in exposition


async def test_tags_are_pinned_by_the_registry_that_reviews_ask(site: Site) -> None:
    """Without a policy nothing is resolved; with one, a tag gets what the policy's registries say it stands for."""
    store = site.shop.registry.store
    pushed = push(store, "shop/api", site.shop.app(), tag="1")
    tagged = pod(use(ImageReference.parse(f"{HOST}/shop/api:1")))
    deadline = site.shop.clock.monotonic() + SECONDS
    async with site.gate:
        with pytest.raises(GateNotReady, match="no policy is loaded yet"):
            await site.gate.pin(tagged, deadline=deadline)
        site.write_policy(base=False)
        await site.look()
        pinning, policy = await site.gate.pin(tagged, deadline=deadline)
        assert policy.name == "first"
        assert [pin.image.digest for pin in pinning.pins if pin.image] == [pushed]
        assert site.opener.opened[0].registry.asked == ["resolve:1"]
