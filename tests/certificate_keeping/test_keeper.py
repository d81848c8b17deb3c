"""One replica and its cluster: the authority, the leaf, the bundles, and everything that may stand in the way."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.certificate_keeping.given import (
    LIFETIMES,
    MUTATING,
    NAME,
    NAMESPACE,
    SECRET,
    VALIDATING,
    Replica,
    bundles,
    configuration,
    kept,
    new_cluster,
    put_bundles,
)
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import FakeCluster
from webhook.certificate_keeping.secret import SECRETS
from webhook.ports import ClusterTroubleKind

DAY = 24 * 3600


def leaf_of(replica: Replica) -> x509.Certificate:
    """Return the leaf that a replica serves."""
    return x509.load_pem_x509_certificate(replica.leaves[-1].certificate)


def data(cluster: FakeCluster) -> dict[str, bytes]:
    """Return what the Secret holds."""
    found = cluster.object(SECRETS, NAMESPACE, SECRET)
    assert found is not None
    return {key: base64.b64decode(value) for key, value in found["data"].items()}


async def test_an_installation_begins_with_an_authority_a_leaf_and_bundles() -> None:
    """One look is enough: P-384 for a year in the Secret, P-256 for a week with the Service's names, in all bundles."""
    cluster, clock = new_cluster(), ManualClock()
    replica = Replica(cluster, clock=clock)
    await replica.keeper.look()

    found, leaf = kept(cluster), leaf_of(replica)
    assert found is not None
    authority = found.current.certificate
    leaf.verify_directly_issued_by(authority)
    assert isinstance(found.current.key.curve, ec.SECP384R1)
    assert authority.not_valid_after_utc == clock.now() + timedelta(days=365)
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    assert leaf.not_valid_after_utc == clock.now() + timedelta(days=7)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["dhi-gate.gate.svc", "dhi-gate"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert bundles(cluster) == [found.bundle] * 3
    assert replica.counts.steps == ["founded"]
    assert replica.counts.authority_expires_at == authority.not_valid_after_utc
    assert replica.keeper.troubles == ()


async def test_replicas_share_the_authority_and_nothing_else() -> None:
    """The second serves a leaf with a key of its own, and writes nothing."""
    cluster, clock = new_cluster(), ManualClock()
    first, second = (Replica(cluster, identity=name, clock=clock) for name in "ab")
    await first.keeper.look()
    cluster.forbid(verb="update")
    cluster.forbid(verb="create")
    await second.keeper.look()
    found = kept(cluster)
    assert found is not None
    leaf_of(second).verify_directly_issued_by(found.current.certificate)
    assert leaf_of(first).public_key() != leaf_of(second).public_key()
    assert not any(each.key in value for each in (*first.leaves, *second.leaves) for value in data(cluster).values())


async def test_a_quiet_look_writes_nothing_but_the_lease() -> None:
    """What is right already is left alone, and the leaf stays."""
    cluster, clock = new_cluster(), ManualClock()
    replica = Replica(cluster, clock=clock)
    await replica.keeper.look()
    cluster.asked.clear()
    for _ in range(10):
        clock.advance(2)
        await replica.keeper.look()
    writes = {question for question in cluster.asked if not question.startswith("get ")}
    assert writes == {f"update leases {NAMESPACE}/{SECRET}"}
    assert len(replica.leaves) == 1


async def test_only_bundles_are_touched() -> None:
    """Everything else in a configuration is as it was, also what this version does not know."""
    cluster = new_cluster()
    odd = configuration("pods.dhi-gate.dev") | {"spec": {"ofTomorrow": [1.5, None, "ä"]}}
    cluster.put(VALIDATING, odd)
    before = cluster.object(VALIDATING, None, NAME)
    await Replica(cluster).keeper.look()
    after = cluster.object(VALIDATING, None, NAME)
    assert before is not None
    assert after is not None
    assert after["webhooks"][0]["clientConfig"].pop("caBundle")
    for document in (before, after):
        del document["metadata"]["resourceVersion"]
    assert after == before


async def test_a_wiped_bundle_is_back_with_the_next_look() -> None:
    """Whoever wiped it, or wrote another: a look puts it right, and counts that."""
    cluster, clock = new_cluster(), ManualClock()
    replica = Replica(cluster, clock=clock)
    await replica.keeper.look()
    right = bundles(cluster)
    for wrong in (b"", b"not a certificate", right[0] + right[0]):
        put_bundles(cluster, VALIDATING, wrong)
        before = replica.counts.bundle_writes
        clock.advance(2)
        await replica.keeper.look()
        assert bundles(cluster) == right
        assert replica.counts.bundle_writes == before + 1


async def test_a_configuration_that_is_not_there_is_waited_for() -> None:
    """Helm makes it last; until then the gate serves, and then it is filled in."""
    cluster, clock = FakeCluster(), ManualClock()
    cluster.put(SECRETS, {"metadata": {"name": "other", "namespace": NAMESPACE}})
    replica = Replica(cluster, clock=clock)
    await replica.keeper.look()
    assert replica.leaves
    assert replica.keeper.troubles == ()
    cluster.put(VALIDATING, configuration("pods.dhi-gate.dev"))
    await replica.keeper.look()
    found = kept(cluster)
    assert found is not None
    assert bundles(cluster) == [found.bundle]


async def looks(replica: Replica, clock: ManualClock, *, days: float, every: float = 3600) -> None:
    """Let a replica look so often for so long."""
    for _ in range(int(days * DAY / every)):
        clock.advance(every)
        await replica.keeper.look()


async def test_a_year_goes_by() -> None:
    """The authority is replaced once, step by step, leaves every four days and a half; the old key is gone at once."""
    cluster, clock = new_cluster(), ManualClock()
    replica = Replica(cluster, clock=clock)
    await replica.keeper.look()
    first = kept(cluster)
    assert first is not None
    await looks(replica, clock, days=244, every=4 * 3600)
    assert replica.counts.steps == ["founded", "prepared", "believed", "switched", "replaced"]
    assert data(cluster).keys() == {"ca.crt", "ca.key", "previous-ca.crt", "rotation.json"}
    assert first.current.key_pem not in data(cluster).values()
    second = kept(cluster)
    assert second is not None
    assert bundles(cluster) == [second.current.pem + first.current.pem] * 3
    await looks(replica, clock, days=121, every=4 * 3600)
    assert replica.counts.steps[5:] == ["dropped"]
    assert bundles(cluster) == [second.current.pem] * 3
    assert 365 / 4.7 - 1 < len(replica.leaves) < 365 / 4.6 + 2


async def test_who_slept_for_years_serves_with_the_next_look() -> None:
    """An authority and a leaf that are valid now, in all bundles, whatever state it was left in."""
    cluster, clock = new_cluster(), ManualClock()
    replica = Replica(cluster, clock=clock)
    await replica.keeper.look()
    for pause in (300, 400, 1000):
        await looks(replica, clock, days=0.1)
        clock.advance(pause * DAY)
        await replica.keeper.look()
        found, leaf = kept(cluster), leaf_of(replica)
        assert found is not None
        leaf.verify_directly_issued_by(found.current.certificate)
        assert leaf.not_valid_after_utc > clock.now()
        assert bundles(cluster) == [found.bundle] * 3


async def test_a_rotation_waits_for_a_configuration_that_cannot_be_read() -> None:
    """What it believes is unknown, which is not yes; one that is not there believes nothing and is not waited for."""
    cluster, clock = new_cluster(), ManualClock()
    replica = Replica(cluster, clock=clock)
    await replica.keeper.look()
    cluster.remove(MUTATING, None, NAME)
    cluster.break_down(ClusterTroubleKind.FORBIDDEN, "get", plural=VALIDATING.plural)
    await looks(replica, clock, days=250, every=4 * 3600)
    assert replica.counts.steps == ["founded", "prepared"]
    cluster.mend()
    await looks(replica, clock, days=1)
    assert replica.counts.steps[2:4] == ["believed", "switched"]


async def test_no_answer_signs_nothing() -> None:
    """While the API server is silent the last good leaf stays, though its time has come; then it is renewed."""
    cluster, clock = new_cluster(), ManualClock()
    replica = Replica(cluster, clock=clock)
    await replica.keeper.look()
    cluster.break_down(ClusterTroubleKind.UNREACHABLE)
    await looks(replica, clock, days=6)
    assert len(replica.leaves) == 1
    assert replica.keeper.troubles == (
        f"get leases in gate: {ClusterTroubleKind.UNREACHABLE.value}",
        f"get secrets in gate: {ClusterTroubleKind.UNREACHABLE.value}",
    )
    told = [event["part"] for event in replica.events if event["event"] == "certificate-keeping-failed"]
    assert sorted(told) == ["lease", "secret"], "once each, however long it takes"
    cluster.mend()
    clock.advance(2)
    await replica.keeper.look()
    assert len(replica.leaves) == 2
    mended = [event["part"] for event in replica.events if event["event"] == "certificate-keeping-works-again"]
    assert sorted(mended) == ["lease", "secret"]
    assert replica.counts.failures["unreachable"] == 2 * 6 * 24


@pytest.mark.parametrize(
    ("verb", "plural"),
    [("create", "leases"), ("get", "secrets"), ("create", "secrets")],
)
async def test_a_right_that_is_missing_is_named(verb: str, plural: str) -> None:
    """Without it there is no leaf, and the API server's own words say which right it is."""
    cluster, clock = new_cluster(), ManualClock()
    cluster.forbid(plural, verb=verb)
    replica = Replica(cluster, clock=clock)
    await replica.keeper.look()
    await replica.keeper.look()
    assert replica.leaves == []
    assert f'cannot {verb} resource "{plural}"' in "; ".join(replica.keeper.troubles)
    assert any(f'cannot {verb} resource "{plural}"' in event.get("reason", "") for event in replica.events)
    assert replica.counts.failures["forbidden"] == 2


async def test_without_the_right_to_write_configurations_it_still_serves() -> None:
    """Somebody else may keep the bundles; what is missing is told."""
    cluster = new_cluster()
    cluster.forbid(VALIDATING.plural, verb="update")
    replica = Replica(cluster)
    await replica.keeper.look()
    assert replica.leaves
    assert 'cannot update resource "validatingwebhookconfigurations"' in replica.keeper.troubles[0]
    assert all(bundles(cluster, MUTATING))


def foreign(labels: dict[str, str], **held: str) -> dict[str, Any]:
    """Return a Secret of our name that holds something."""
    held = {key: base64.b64encode(value.encode()).decode() for key, value in held.items()}
    return {"metadata": {"name": SECRET, "namespace": NAMESPACE, "labels": labels}, "data": held}


async def test_a_secret_of_somebody_else_is_left_alone() -> None:
    """It is not written over; the reason says what to do, and not what it holds."""
    cluster = new_cluster()
    cluster.put(SECRETS, foreign({}, password="hunter2"))
    replica = Replica(cluster)
    await replica.keeper.look()
    await replica.keeper.look()
    assert data(cluster) == {"password": b"hunter2"}
    assert replica.leaves == []
    (told,) = replica.keeper.troubles
    assert told == (
        "the Secret gate/dhi-gate-ca (ca.crt: is no certificate of an authority (PEM)) is not the gate's "
        "and is left alone; empty it, or name another with --tls-self-managed"
    )
    assert replica.counts.failures["foreign-secret"] == 2
    assert "hunter2" not in str(replica.events)


async def test_an_empty_secret_is_filled_in() -> None:
    """A chart may have made it; its labels stay as they are."""
    cluster = new_cluster()
    cluster.put(SECRETS, foreign({"app.kubernetes.io/managed-by": "Helm"}))
    replica = Replica(cluster)
    await replica.keeper.look()
    assert replica.leaves
    found = cluster.object(SECRETS, NAMESPACE, SECRET)
    assert found is not None
    assert found["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "Helm"}


CHARTED = {
    "app.kubernetes.io/component": "serving-certificates",
    "app.kubernetes.io/managed-by": "Helm",
    "app.kubernetes.io/part-of": "dhi-gate",
}


@pytest.mark.parametrize("held", [None, {"ca.key": ""}])
async def test_what_is_left_of_the_charts_secret_is_put_right_without_a_right_to_create(
    held: dict[str, str] | None,
) -> None:
    """Emptied on purpose or damaged: the present authority serves on and another is prepared."""
    cluster, clock = new_cluster(), ManualClock()
    cluster.put(SECRETS, foreign(CHARTED))
    cluster.forbid("secrets", verb="create")
    replica = Replica(cluster, clock=clock)
    await replica.keeper.look()
    before = kept(cluster)
    assert before is not None
    found = cluster.object(SECRETS, NAMESPACE, SECRET)
    assert found is not None
    cluster.put(SECRETS, found | {"data": held})
    clock.advance(2)
    await replica.keeper.look()
    after = kept(cluster)
    assert after is not None
    assert replica.counts.steps == ["founded", "prepared"]
    assert after.current.pem == before.current.pem
    assert bundles(cluster) == [after.bundle] * 3


async def test_a_leaf_that_could_not_be_put_to_use_is_signed_anew() -> None:
    """A process without a free descriptor keeps its leaf for now, and gets another with the next look."""
    cluster, clock = new_cluster(), ManualClock()
    replica = Replica(cluster, clock=clock, uses=[OSError("too many open files")])
    with pytest.raises(OSError, match="too many open files"):
        await replica.keeper.look()
    clock.advance(2)
    await replica.keeper.look()
    assert len(replica.leaves) == 1


async def damage(cluster: FakeCluster, key: str, value: bytes | None) -> None:
    """Change one key of the Secret, or remove it."""
    found = cluster.object(SECRETS, NAMESPACE, SECRET)
    assert found is not None
    found["data"].pop(key, None)
    if value is not None:
        found["data"][key] = base64.b64encode(value).decode()
    cluster.put(SECRETS, found)


OTHER_KEY = ec.generate_private_key(ec.SECP384R1())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ca.crt", b"no certificate"),
        ("ca.key", None),
        ("ca.key", b"no key"),
        ("rotation.json", None),
        ("rotation.json", b'{"leafLifetimeSeconds": 0}'),
        ("rotation.json", b'{"leafLifetimeSeconds": 604800, "nextBelievedAt": 5}'),
        ("next-ca.crt", b"no certificate"),
        ("previous-ca.crt", b""),
    ],
)
async def test_what_is_left_of_our_own_secret_is_put_right(key: str, value: bytes | None) -> None:
    """A replica that serves lets the present authority serve on and prepares another; one that begins makes one."""
    for remembers in (True, False):
        cluster, clock = new_cluster(), ManualClock()
        replica = Replica(cluster, clock=clock)
        await replica.keeper.look()
        before = kept(cluster)
        assert before is not None
        await damage(cluster, key, value)
        if not remembers:
            replica = Replica(cluster, clock=clock)
        clock.advance(2)
        await replica.keeper.look()
        found = kept(cluster)
        assert found is not None
        assert replica.counts.failures["unreadable-secret"] == 1
        assert replica.counts.steps[-1] == ("prepared" if remembers else "founded")
        assert (found.current.pem == before.current.pem) is remembers
        assert bundles(cluster) == [found.bundle] * 3


async def test_a_deleted_secret_asks_for_another_authority() -> None:
    """The present one serves on while the rotation takes its course."""
    cluster, clock = new_cluster(), ManualClock()
    replica = Replica(cluster, clock=clock)
    await replica.keeper.look()
    before = kept(cluster)
    assert before is not None
    cluster.remove(SECRETS, NAMESPACE, SECRET)
    clock.advance(2)
    await replica.keeper.look()
    await looks(replica, clock, days=1)
    assert replica.counts.steps == ["founded", "prepared", "believed", "switched", "replaced"]
    found = kept(cluster)
    assert found is not None
    assert found.previous == before.current.certificate


async def test_who_does_not_hold_the_lease_waits_for_the_first_authority() -> None:
    """It says for what, and serves as soon as there is one; a damaged one is not put right by it either."""
    cluster, clock = new_cluster(), ManualClock()
    first, second = (Replica(cluster, identity=name, clock=clock) for name in "ab")
    cluster.break_down(ClusterTroubleKind.UNAVAILABLE, "create", plural="secrets", times=1)
    await first.keeper.look()
    await second.keeper.look()
    assert second.leaves == []
    assert second.keeper.troubles == (
        "the Secret gate/dhi-gate-ca has no authority yet; the holder of the lease makes one",
    )
    await first.keeper.look()
    await second.keeper.look()
    assert second.leaves
    await damage(cluster, "ca.key", None)
    await second.keeper.look()
    assert len(second.leaves) == 1
    assert "ca.key" not in data(cluster)


async def test_who_leaves_lets_another_go_on_at_once() -> None:
    """After an orderly end the next look of another replica may write."""
    cluster, clock = new_cluster(), ManualClock()
    first, second = (Replica(cluster, identity=name, clock=clock) for name in "ab")
    await first.keeper.look()
    await second.keeper.look()
    await first.keeper.leave()
    put_bundles(cluster, VALIDATING, b"")
    await second.keeper.look()
    assert all(bundles(cluster))


async def test_nothing_that_is_logged_or_told_holds_a_key() -> None:
    """Neither events nor reasons nor what the keeper looks like in a trace."""
    cluster, clock = new_cluster(), ManualClock()
    replica = Replica(cluster, clock=clock)
    await replica.keeper.look()
    await damage(cluster, "ca.crt", b"no certificate")
    cluster.break_down(ClusterTroubleKind.UNREACHABLE, "update", plural="secrets")
    for _ in range(3):
        await replica.keeper.look()
    shown = str(replica.events) + str(replica.keeper.troubles) + repr(kept(cluster)) + repr(replica.leaves)
    assert "PRIVATE" not in shown
    assert "BEGIN" in shown, "a leaf may be shown, without its key"


async def test_a_longer_life_of_leaves_is_agreed_on_first() -> None:
    """A replica with a longer life writes it down before it signs by it."""
    cluster, clock = new_cluster(), ManualClock()
    await Replica(cluster, identity="a", clock=clock).keeper.look()
    longer = Replica(
        cluster,
        identity="b",
        clock=clock,
        lifetimes=type(LIFETIMES)(authority=LIFETIMES.authority, leaf=timedelta(days=14), overlap=LIFETIMES.overlap),
    )
    await longer.keeper.look()
    assert leaf_of(longer).not_valid_after_utc == clock.now() + timedelta(days=7)
    clock.advance(20)
    await longer.keeper.look()
    found = kept(cluster)
    assert found is not None
    assert found.record.leaf_lifetime == timedelta(days=14)
