"""Replicas in any order, between any two requests, under clocks that differ: no leaf is ever disbelieved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.certificate_keeping.given import MUTATING, VALIDATING, Replica, bundles, kept, new_cluster, put_bundles
from tests.certificate_keeping.turns import Living, TurnBasedCluster, verifies
from tests.fakes.clock import ManualClock
from webhook.certificate_keeping.secret import SECRETS, Kept
from webhook.core.serving_certificates import Lifetimes
from webhook.ports import ApiResource, Clock, ClusterTrouble, ClusterTroubleKind

LIFETIMES = Lifetimes(authority=timedelta(hours=12), leaf=timedelta(hours=1), overlap=timedelta(minutes=10))
SKEWS = (0.0, 120.0, -120.0)
SLACK = timedelta(seconds=max(SKEWS) - min(SKEWS))
SECONDS = st.sampled_from([5, 20, 320, 1300, 2700])
REPLICAS = st.integers(0, len(SKEWS) - 1)
CONFIGURATIONS = st.sampled_from([VALIDATING, MUTATING])


@dataclass(slots=True)
class SkewedClock:
    """A clock that is ahead of the true one, or behind it, by so many seconds."""

    truth: ManualClock
    seconds: float

    def now(self) -> datetime:
        """Return the wall clock."""
        return self.truth.now() + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Return the seconds that passed."""
        return self.truth.monotonic()


@dataclass(slots=True, kw_only=True)
class Version:
    """What a configuration said from an instant until another; `by_gate` if the gate wrote it."""

    since: datetime
    until: datetime | None = None
    bundle: bytes
    by_gate: bool


class Interleavings(RuleBasedStateMachine):
    """What may happen to a gate with three replicas, one of which is always running or about to."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.world = new_cluster()
        self.living: dict[int, Living] = {}
        self.lives = 0
        self.versions: dict[str, list[Version]] = {
            each.plural: [Version(since=self.clock.now(), bundle=b"", by_gate=False)] for each in (VALIDATING, MUTATING)
        }
        self.begun_anew_at = self.clock.now()

    @initialize(rounds=st.integers(5, 18))
    def install(self, rounds: int) -> None:
        """Begin with replicas that have served for some time; a rotation is due after ten rounds or so."""
        for number in range(len(SKEWS)):
            self.start(number)
        self.quiet()
        self.work(rounds, 2700, frozenset())

    @rule(number=REPLICAS)
    def start(self, number: int) -> None:
        """Start a replica that does not run."""
        if number not in self.living:
            self.lives += 1
            clock: Clock = SkewedClock(self.clock, SKEWS[number])
            cluster = TurnBasedCluster(self.world, self.written)
            replica = Replica(cluster, identity=f"{number}-{self.lives}", clock=clock, lifetimes=LIFETIMES)
            self.living[number] = Living(replica=replica)

    @rule(number=REPLICAS)
    def crash(self, number: int) -> None:
        """Let a replica die, in the middle of whatever it does."""
        if number in self.living:
            self.living.pop(number).end()

    @rule(number=REPLICAS, turns=st.integers(1, 12))
    def go_on(self, number: int, turns: int) -> None:
        """Let a replica do some requests."""
        if number in self.living:
            for _ in range(turns):
                self.living[number].turn()

    @rule(number=REPLICAS)
    def finish(self, number: int) -> None:
        """Let a replica finish its look."""
        if number in self.living:
            self.living[number].finish()

    @rule(number=REPLICAS)
    def lose(self, number: int) -> None:
        """Lose a request of a replica, or the answer to it."""
        if number in self.living:
            self.living[number].turn(ClusterTrouble(ClusterTroubleKind.UNREACHABLE, doing="asking"))

    @rule(seconds=st.sampled_from([1, 20, 200, 700, 2000]))
    def wait(self, seconds: int) -> None:
        """Let time pass without anybody doing anything."""
        self.clock.advance(seconds)

    @rule(rounds=st.integers(1, 6), seconds=SECONDS, asleep=st.frozensets(REPLICAS, max_size=2))
    def work(self, rounds: int, seconds: int, asleep: frozenset[int]) -> None:
        """Let replicas look again and again, some time apart, while others stand still where they are."""
        for _ in range(rounds):
            self.clock.advance(seconds)
            for number, living in self.living.items():
                if number not in asleep:
                    living.finish()
            self.no_leaf_is_disbelieved()

    @rule(number=REPLICAS, turns=st.integers(1, 14), rounds=st.integers(2, 8), seconds=SECONDS)
    def nap(self, number: int, turns: int, rounds: int, seconds: int) -> None:
        """Let a replica sleep between two requests, and go on when others have done much."""
        if number in self.living:
            self.go_on(number, turns)
            self.work(rounds, seconds, frozenset({number}))
            self.finish(number)

    @rule(resource=CONFIGURATIONS, verb=st.sampled_from(["get", "update"]))
    def forbid(self, resource: ApiResource, verb: str) -> None:
        """Take a right away for a while."""
        self.world.break_down(ClusterTroubleKind.FORBIDDEN, verb, plural=resource.plural)

    @rule()
    def allow(self) -> None:
        """Give all rights back."""
        self.world.mend()

    @rule(resource=CONFIGURATIONS)
    def wipe(self, resource: ApiResource) -> None:
        """Let somebody else empty the bundles of a configuration."""
        put_bundles(self.world, resource, b"")
        self.note(resource, by_gate=False)

    @rule()
    @precondition(lambda self: self.living)
    def quiet(self) -> None:
        """Let the replicas that run have half a minute of peace: then every bundle is right and every leaf valid."""
        self.world.mend()
        for _ in range(15):
            self.clock.advance(2)
            for living in self.living.values():
                living.finish()
        found = kept(self.world)
        assert found is not None
        assert set(bundles(self.world)) == {found.bundle}
        for living in self.living.values():
            leaf = living.replica.leaves[-1]
            assert leaf.not_after > self.clock.now() - SLACK
            assert verifies(leaf.certificate, found.bundle)

    def written(self, resource: ApiResource, before: Kept | None) -> None:
        """Note what the gate wrote; a Secret must say what follows from what it said."""
        if resource is not SECRETS:
            if resource in (VALIDATING, MUTATING):
                self.note(resource, by_gate=True)
            return
        after = kept(self.world)
        assert after is not None
        if before is None or before.record.current.has_expired(self.clock.now() + SLACK):
            self.begun_anew_at = self.clock.now()
            return
        assert after.record.current in (before.record.current, before.record.next)
        if after.record.current != before.record.current:
            assert after.record.previous == before.record.current

    def note(self, resource: ApiResource, *, by_gate: bool) -> None:
        """Note what a configuration says from now on; the gate gives all its webhooks the same bundle."""
        now, versions = self.clock.now(), self.versions[resource.plural]
        (bundle,) = set(bundles(self.world, resource))
        versions[-1].until = now
        versions.append(Version(since=now, bundle=bundle, by_gate=by_gate))

    @invariant()
    def no_leaf_is_disbelieved(self) -> None:
        """Verify each leaf that is valid by all clocks against every bundle that an API server may still go by.

        These are all that the gate wrote, as far back as the overlap, less what the clocks differ, reaches.
        """
        now = self.clock.now()
        horizon = max(now - LIFETIMES.overlap + SLACK, self.begun_anew_at)
        for versions in self.versions.values():
            for version in versions:
                if version.by_gate and version.since >= self.begun_anew_at and (version.until or now) >= horizon:
                    for living in self.living.values():
                        if living.replica.leaves and living.replica.leaves[-1].not_after > now + SLACK:
                            assert verifies(living.replica.leaves[-1].certificate, version.bundle)


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
