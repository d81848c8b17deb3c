"""Who holds the lease, as client-go's leader election has it."""

from __future__ import annotations

import msgspec
import pytest

from tests.certificate_keeping.given import NAMESPACE, SECRET, new_cluster
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import FakeCluster, Manifest
from webhook.certificate_keeping.lease import LEASES, Leadership
from webhook.ports import ClusterTrouble, ClusterTroubleKind


def leadership(cluster: FakeCluster, clock: ManualClock, identity: str) -> Leadership:
    """Return the part of one replica."""
    return Leadership(cluster, namespace=NAMESPACE, name=SECRET, identity=identity, clock=clock)


def lease(cluster: FakeCluster) -> Manifest:
    """Return the lease's spec."""
    found = cluster.object(LEASES, NAMESPACE, SECRET)
    assert found is not None
    spec: Manifest = found["spec"]
    return spec


async def test_the_first_takes_it_and_others_wait() -> None:
    """The lease is made by whoever comes first, with the fields of client-go; the second holds nothing."""
    cluster, clock = new_cluster(), ManualClock()
    first, second = (leadership(cluster, clock, name) for name in "ab")
    await first.claim()
    await second.claim()
    assert (first.held, second.held) == (True, False)
    assert lease(cluster) == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-11-23T12:00:00.000000Z",
        "renewTime": "2026-11-23T12:00:00.000000Z",
        "leaseTransitions": 0,
    }


async def test_the_holder_renews_it() -> None:
    """As long as it is renewed nobody else gets it; who acquired it when does not change."""
    cluster, clock = new_cluster(), ManualClock()
    first, second = (leadership(cluster, clock, name) for name in "ab")
    for _ in range(30):
        await first.claim()
        await second.claim()
        assert (first.held, second.held) == (True, False)
        clock.advance(2)
    assert lease(cluster)["acquireTime"] == "2026-11-23T12:00:00.000000Z"
    assert lease(cluster)["renewTime"] >= "2026-11-23T12:00:54"
    assert lease(cluster)["leaseTransitions"] == 0


async def test_a_silent_holder_is_replaced_by_our_own_clock() -> None:
    """Fifteen seconds after the lease last changed before our eyes it is free, whatever the times in it say."""
    cluster, clock = new_cluster(), ManualClock()
    await leadership(cluster, clock, "a").claim()
    clock.advance(3600)
    second = leadership(cluster, clock, "b")
    await second.claim()
    assert lease(cluster)["holderIdentity"] == "a", "an hour old by its times, but only just seen"
    clock.advance(14.9)
    await second.claim()
    before = second.held
    clock.advance(0.2)
    await second.claim()
    assert (before, second.held) == (False, True)
    assert (lease(cluster)["holderIdentity"], lease(cluster)["leaseTransitions"]) == ("b", 1)


async def test_who_cannot_renew_stops_before_others_may_begin() -> None:
    """An unreachable API server ends a leadership after ten seconds; others wait fifteen."""
    cluster, clock = new_cluster(), ManualClock()
    first = leadership(cluster, clock, "a")
    await first.claim()
    cluster.break_down(ClusterTroubleKind.UNREACHABLE)
    clock.advance(5)
    with pytest.raises(ClusterTrouble):
        await first.claim()
    before = first.held
    clock.advance(5)
    assert (before, first.held) == (True, False)


async def test_of_two_that_try_one_succeeds() -> None:
    """Losing the race for a free lease is no trouble, and no leadership."""
    cluster, clock = new_cluster(), ManualClock()
    for verb in ("create", "update"):
        late = leadership(cluster, clock, "late")
        cluster.break_down(ClusterTroubleKind.CONFLICT, verb, times=1)
        await late.claim()
        assert not late.held, verb
        await leadership(cluster, clock, "late").claim()


async def test_who_leaves_gives_it_back() -> None:
    """The next one need not wait; who does not hold it leaves it alone."""
    cluster, clock = new_cluster(), ManualClock()
    first, second = (leadership(cluster, clock, name) for name in "ab")
    await first.claim()
    await second.claim()
    await second.release()
    assert lease(cluster)["holderIdentity"] == "a"
    await first.release()
    assert not first.held
    await second.claim()
    assert second.held
    await first.release()
    assert lease(cluster)["holderIdentity"] == "b"


async def test_a_lease_that_makes_no_sense_is_trouble() -> None:
    """It is not taken over: nobody knows who holds it."""
    cluster, clock = new_cluster(), ManualClock()
    cluster.put(LEASES, {"metadata": {"name": SECRET, "namespace": NAMESPACE}, "spec": {"holderIdentity": 7}})
    one = leadership(cluster, clock, "a")
    with pytest.raises(ClusterTrouble) as caught:
        await one.claim()
    assert caught.value.kind is ClusterTroubleKind.BAD_ANSWER
    assert not one.held


async def test_what_others_wrote_into_it_stays() -> None:
    """Labels of the object survive a renewal."""
    cluster, clock = new_cluster(), ManualClock()
    cluster.put(LEASES, {"metadata": {"name": SECRET, "namespace": NAMESPACE, "labels": {"team": "a"}}})
    await leadership(cluster, clock, "a").claim()
    found = msgspec.convert(cluster.object(LEASES, NAMESPACE, SECRET), dict[str, Manifest | str])
    assert msgspec.convert(found["metadata"], Manifest)["labels"] == {"team": "a"}
    assert lease(cluster)["holderIdentity"] == "a"
