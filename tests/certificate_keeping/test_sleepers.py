"""A replica that falls asleep between two requests, and wakes up when others have gone on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.certificate_keeping.given import LIFETIMES, Replica, bundles, kept, new_cluster
from tests.certificate_keeping.turns import Living, TurnBasedCluster, verifies
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import FakeCluster

TURNS = 14
"""More than a look has, if it writes everything there is to write."""


def living(world: FakeCluster, clock: ManualClock, identity: str) -> Living:
    """Start a replica."""
    return Living(replica=Replica(TurnBasedCluster(world), identity=identity, clock=clock))


def let_go_on(replica: Living, clock: ManualClock, step: str) -> None:
    """Let a replica look every four hours until it has taken a step, a year at most."""
    for _ in range(365 * 6):
        if step in replica.replica.counts.steps:
            return
        clock.advance(4 * 3600)
        replica.finish()
    raise AssertionError(replica.replica.counts.steps)


@pytest.mark.parametrize("step", ["prepared", "believed", "switched", "dropped"])
@pytest.mark.parametrize("turns", range(TURNS))
def test_who_wakes_up_takes_nothing_back(turns: int, step: str) -> None:
    """Wherever the holder of the lease fell asleep and however far another one got: nothing that it writes is old."""
    world, clock = new_cluster(), ManualClock()
    sleeper, other = living(world, clock, "sleeper"), living(world, clock, "other")
    sleeper.finish()
    clock.advance(timedelta(days=244).total_seconds())
    for _ in range(turns):
        sleeper.turn()
    let_go_on(other, clock, step)
    before = kept(world)
    sleeper.finish()

    found = kept(world)
    assert before is not None
    assert found is not None
    assert set(found.record.authorities) == set(before.record.authorities)
    assert set(bundles(world)) == {found.bundle}
    assert verifies(other.replica.leaves[-1].certificate, found.bundle)


def test_what_is_signed_late_lives_from_when_it_was_known() -> None:
    """A leaf that is signed hours after the Secret was read expires a week after that, and not after its signing."""
    world, clock = new_cluster(), ManualClock()
    living(world, clock, "first").finish()
    late = living(world, clock, "late")
    world.asked.clear()
    while not any(question.startswith("get secrets") for question in world.asked):
        late.turn()
    known_at = clock.now()
    clock.advance(3600)
    late.finish()
    assert late.replica.leaves[0].not_after == known_at + LIFETIMES.leaf


def test_who_is_cut_off_is_believed_until_its_leaf_expires() -> None:
    """While a replica hears nothing, a whole rotation goes by; its leaf verifies as long as it is valid."""
    world, clock = new_cluster(), ManualClock()
    cut_off, other = living(world, clock, "cut-off"), living(world, clock, "other")
    other.finish()
    clock.advance(timedelta(days=243).total_seconds())
    other.finish()
    clock.advance(timedelta(days=0.5).total_seconds())
    other.finish()
    cut_off.finish()
    leaf = cut_off.replica.leaves[-1]
    while clock.now() < leaf.not_after:
        assert all(verifies(leaf.certificate, bundle) for bundle in bundles(world))
        clock.advance(600)
        other.finish()
    assert other.replica.counts.steps[-1] == "replaced"
    let_go_on(other, clock, "dropped")
    assert not any(verifies(leaf.certificate, bundle) for bundle in bundles(world))
