"""When an authority is made, believed, used and dropped, on values alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.errors import ParseError
from webhook.core.serving_certificates import (
    DEFAULT_LIFETIMES,
    Advance,
    Authority,
    Event,
    Leaf,
    Lifetimes,
    MakeFirst,
    MakeNext,
    Record,
    Rest,
    Step,
    first_step,
    leaf_expiry,
    needs_leaf,
    next_step,
    with_first,
    with_next,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
NOBODY: frozenset[str] = frozenset()
BOTH = frozenset({"old", "new"})


def authority(name: str = "old", *, age: timedelta = timedelta(0), life: timedelta = 365 * DAY) -> Authority:
    """Return an authority that was made so long ago."""
    return Authority(fingerprint=name, not_after=NOW - age + life)


def record(*, age: timedelta = timedelta(0)) -> Record:
    """Return the record of an authority that was made so long ago."""
    return with_first(authority(age=age), DEFAULT_LIFETIMES)


ROTATING = with_next(record(age=300 * DAY), authority("new"))


def step(of: Record, *, believed: frozenset[str] = NOBODY, now: datetime = NOW) -> Step:
    """Return the next step under the default lifetimes."""
    return next_step(of, believed=believed, lifetimes=DEFAULT_LIFETIMES, now=now)


@pytest.mark.parametrize(("age", "is_due"), [(243 * DAY, False), (244 * DAY, True)])
def test_another_authority_is_made_when_a_third_of_its_life_is_left(age: timedelta, is_due: bool) -> None:  # noqa: FBT001
    """Until then there is nothing to do, and nothing new in any bundle."""
    present = record(age=age)
    assert step(present) == (MakeNext(present) if is_due else Rest())


def test_a_rotation_takes_its_steps_in_order() -> None:
    """Prepared, believed for the overlap, used, known to be used, and dropped when the last leaf is over."""
    assert step(ROTATING) == Rest()
    believed = replace(ROTATING, next_believed_at=NOW)
    assert step(ROTATING, believed=BOTH) == Advance(believed, Event.BELIEVED)
    assert step(believed, believed=BOTH, now=NOW + 15 * MINUTE - timedelta(seconds=1)) == Rest()
    switched = Record(current=authority("new"), leaf_lifetime=7 * DAY, previous=authority(age=300 * DAY))
    assert step(believed, believed=BOTH, now=NOW + 15 * MINUTE) == Advance(switched, Event.SWITCHED)
    replaced = replace(switched, previous_ends_at=NOW + 7 * DAY + 15 * MINUTE)
    assert step(switched) == Advance(replaced, Event.REPLACED)
    assert step(replaced, now=NOW + 7 * DAY) == Rest()
    dropped = Record(current=authority("new"), leaf_lifetime=7 * DAY)
    assert step(replaced, now=NOW + 7 * DAY + 15 * MINUTE) == Advance(dropped, Event.DROPPED)
    assert [each.fingerprint for each in believed.authorities] == ["old", "new"]
    assert [each.fingerprint for each in replaced.authorities] == ["new", "old"]


def test_a_bundle_that_forgets_begins_the_wait_again() -> None:
    """However long ago it was believed: what is not in every bundle now does not sign."""
    long_ago = replace(ROTATING, next_believed_at=NOW - 30 * DAY)
    assert step(long_ago, believed=frozenset({"old"})) == Advance(ROTATING, Event.FORGOTTEN)


def test_an_instant_in_the_future_counts_from_now() -> None:
    """A clock that was ahead when it wrote neither shortens the wait nor makes it last for years."""
    ahead = replace(ROTATING, next_believed_at=NOW + 400 * DAY)
    assert step(ahead, believed=BOTH) == Advance(replace(ROTATING, next_believed_at=NOW), Event.BELIEVED)


def test_an_authority_that_has_just_expired_is_believed_for_the_overlap() -> None:
    """Who has a slower clock still serves with a leaf of it, and is not disbelieved before it has another."""
    end = ROTATING.current.not_after
    present = advanced(ROTATING, end, knows=False)
    while present.previous is not None:
        assert [each.fingerprint for each in present.authorities] == ["new", "old"]
        end += MINUTE
        present = advanced(present, end, knows=False)
    assert end == ROTATING.current.not_after + 15 * MINUTE


def test_a_predecessor_ends_no_later_than_if_it_were_replaced_now() -> None:
    """An instant by a clock that was ahead, or by a stranger, neither keeps it believed nor holds up what follows."""
    last = NOW + 7 * DAY + 15 * MINUTE
    due = Record(
        current=authority("new"), leaf_lifetime=7 * DAY, previous=authority(age=300 * DAY), previous_ends_at=last
    )
    assert step(due) == Rest()
    assert step(replace(due, previous_ends_at=last + MINUTE)) == Advance(due, Event.REPLACED)


def test_an_authority_that_lives_too_long_is_replaced() -> None:
    """It is of other lifetimes, of a clock that was ahead, or of a stranger; what clocks may differ is no reason."""
    skewed = Record(current=authority(life=365 * DAY + 15 * MINUTE), leaf_lifetime=7 * DAY)
    stranger = Record(current=authority(life=3650 * DAY), leaf_lifetime=7 * DAY)
    assert step(skewed) == Rest()
    assert step(stranger) == MakeNext(stranger)


def test_who_slept_for_years_begins_anew() -> None:
    """What has expired is not waited for: what was prepared is used if it is valid, else another one is made."""
    later = NOW + 100 * DAY
    begun = replace(with_first(authority("new"), DEFAULT_LIFETIMES), previous=ROTATING.current)
    assert step(ROTATING, now=later) == Advance(begun, Event.SWITCHED)
    assert step(begun, now=later) == Advance(with_first(authority("new"), DEFAULT_LIFETIMES), Event.DROPPED)
    assert step(ROTATING, now=NOW + 400 * DAY) == MakeFirst()
    assert step(record(age=400 * DAY)) == MakeFirst()


def test_what_was_prepared_and_expired_is_prepared_again() -> None:
    """An authority that was made under shorter lifetimes does not begin to sign when it is over."""
    short = with_next(record(), authority("new", age=2 * DAY, life=DAY))
    assert step(short, believed=BOTH) == MakeNext(short)


def test_an_expired_predecessor_is_dropped_at_once() -> None:
    """Nobody can serve with it, whatever was written down."""
    present = Record(current=authority("new"), leaf_lifetime=7 * DAY, previous=authority(age=366 * DAY))
    dropped = Record(current=authority("new"), leaf_lifetime=7 * DAY)
    assert step(present) == Advance(dropped, Event.DROPPED)


def test_a_longer_life_of_leaves_is_written_down_before_it_is_used() -> None:
    """Until all replicas can know of it, leaves live as long as before; a shorter one holds for who was told it."""
    longer = replace(DEFAULT_LIFETIMES, leaf=14 * DAY)
    wanted = replace(record(), leaf_lifetime=14 * DAY)
    assert next_step(record(), believed=NOBODY, lifetimes=longer, now=NOW) == Advance(wanted, Event.LENGTHENED)
    assert leaf_expiry(record(), longer, known_at=NOW) == NOW + 7 * DAY
    assert leaf_expiry(wanted, DEFAULT_LIFETIMES, known_at=NOW) == NOW + 7 * DAY
    assert step(wanted) == Rest()


def test_a_lost_record_asks_for_another_authority_without_haste() -> None:
    """Who remembers it lets the present authority serve on; who does not, or remembers an expired one, begins anew."""
    assert first_step(record(), now=NOW) == MakeNext(record())
    assert first_step(record(age=400 * DAY), now=NOW) == MakeFirst()
    assert first_step(None, now=NOW) == MakeFirst()


def test_a_leaf_is_signed_anew_after_two_thirds_and_for_another_authority() -> None:
    """Neither earlier, nor by an expired authority, nor where the new one would live no longer."""
    present = record()
    leaf = Leaf(authority="old", since=NOW, not_after=NOW + 6 * DAY)

    def needed(leaf: Leaf | None, of: Record, known_at: datetime) -> bool:
        return needs_leaf(leaf, of, DEFAULT_LIFETIMES, known_at=known_at)

    assert needed(None, present, NOW)
    assert not needed(None, present, NOW + 365 * DAY)
    assert not needed(leaf, present, NOW + 4 * DAY - MINUTE)
    assert needed(leaf, present, NOW + 4 * DAY)
    assert needed(replace(leaf, authority="other"), present, NOW)
    assert needed(leaf, present, NOW - MINUTE), "a clock that was ahead signed it"
    assert not needed(leaf, present, NOW + 365 * DAY), "it would have expired already"
    last = replace(leaf, not_after=present.current.not_after)
    assert not needed(last, present, present.current.not_after - MINUTE)


def test_a_leaf_dies_with_its_authority() -> None:
    """Nobody would believe it longer."""
    assert leaf_expiry(record(age=360 * DAY), DEFAULT_LIFETIMES, known_at=NOW) == NOW + 5 * DAY


def test_lifetimes_that_leave_no_time_for_a_rotation_are_refused() -> None:
    """An authority that a rotation would outlast is a mistake that is told at the start."""
    with pytest.raises(ParseError, match="three times as long"):
        Lifetimes(authority=20 * DAY, leaf=7 * DAY, overlap=15 * MINUTE)
    with pytest.raises(ParseError, match="lives 3650 days at most"):
        Lifetimes(authority=3651 * DAY, leaf=7 * DAY, overlap=15 * MINUTE)


def advanced(present: Record, now: datetime, *, knows: bool) -> Record:
    """Return the record after one look, at which all bundles held what they should, or nothing."""
    believed = frozenset(each.fingerprint for each in present.authorities) if knows else NOBODY
    made = Authority(fingerprint=f"made at {now}", not_after=now + 365 * DAY)
    match next_step(present, believed=believed, lifetimes=DEFAULT_LIFETIMES, now=now):
        case MakeFirst():
            return with_first(made, DEFAULT_LIFETIMES)
        case MakeNext(record=base):
            return with_next(base, made)
        case Advance(record=following):
            return following
        case Rest():
            return present


@given(st.lists(st.tuples(st.integers(1, 20 * 24 * 60), st.booleans()), max_size=60))
def test_a_rotation_never_stands_still(pauses: list[tuple[int, bool]]) -> None:
    """However far apart the looks were: after nine quiet days who was due then does not sign any more.

    All the time who signs has not expired, and at most two authorities are believed.
    """
    now, present = NOW, record(age=200 * DAY)
    for minutes, knows in pauses:
        now += minutes * MINUTE
        present = advanced(present, now, knows=knows)
        assert len(present.authorities) <= 2
        assert not present.current.has_expired(now)
    due = present.current if present.current.not_after - now <= 365 * DAY / 3 else None
    for _ in range(9 * 24):
        now += 60 * MINUTE
        present = advanced(present, now, knows=True)
        assert not present.current.has_expired(now)
    assert present.current != due
