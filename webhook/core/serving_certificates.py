"""When an authority for serving certificates is made, believed, used and dropped: the gate's own CA as values.

A replica serves with a leaf that it signs itself, by the key of an authority that all replicas share. API servers
believe the authorities in the `caBundle` of the webhook configurations. Both change, and no request may notice:

1. One record says which authority signs (`current`), which one will (`next`) and which one did (`previous`). Whoever
   may write changes it by one step at a time, from what is written there; so each step can be taken by anyone, and
   the same step by two only once.
2. Every authority of the record belongs into every bundle, from the moment at which it is recorded until the moment
   at which it is dropped.
3. `next` signs nothing until all bundles were seen to hold it and then the overlap has passed: an API server learns of
   a bundle by a watch, which may be late. A bundle that has lost it starts the wait again.
4. A leaf lives no longer than `leaf_lifetime` of the record after the moment at which its authority was known to be
   `current`, and not longer than its authority. `previous` is dropped when that time and the overlap have passed since
   it was known to be replaced. Nobody needs to know who still serves with it.
5. What has expired is no reason to wait: nobody can be served by it. A replica that slept for years begins with an
   authority that is valid now. The expired one stays in the bundles for the overlap: by a slower clock it still counts.
6. What a wrong clock or a stranger wrote lasts no longer than what is written now: an instant beyond that counts from
   now, and an authority that is valid for longer than one that is made now is replaced.

The overlap covers how far the clocks of the replicas may differ, besides the watches of the API servers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from webhook.core.errors import ParseError

__all__ = [
    "DEFAULT_LIFETIMES",
    "Advance",
    "Authority",
    "Event",
    "Leaf",
    "Lifetimes",
    "MakeFirst",
    "MakeNext",
    "Record",
    "Rest",
    "Step",
    "first_step",
    "leaf_expiry",
    "needs_leaf",
    "next_step",
    "with_first",
    "with_next",
]


LONGEST_AUTHORITY = timedelta(days=3650)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """What has to be known of a certificate authority: the SHA-256 of its certificate, and until when it is valid."""

    fingerprint: str
    not_after: datetime

    def has_expired(self, now: datetime) -> bool:
        """Tell whether nothing that it signed counts any more."""
        return self.not_after <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long an authority and a leaf are valid, and how long two authorities are believed side by side.

    Raises ParseError for a rotation that could not be finished within the third of its life at which it begins, and for
    a life that no certificate should have.
    """

    authority: timedelta
    leaf: timedelta
    overlap: timedelta

    def __post_init__(self) -> None:
        """Check that a rotation fits."""
        if self.authority > LONGEST_AUTHORITY:
            raise ParseError("", f"an authority lives {LONGEST_AUTHORITY.days} days at most")
        if 3 * (self.leaf + self.overlap) > self.authority:
            raise ParseError(
                "", "an authority must live at least three times as long as a certificate and the overlap together"
            )


DEFAULT_LIFETIMES = Lifetimes(authority=timedelta(days=365), leaf=timedelta(days=7), overlap=timedelta(minutes=15))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What all replicas share. Instants are None until somebody has seen what they tell.

    `leaf_lifetime` is the longest that a leaf may live, and never gets less: who signed by the longer one is not
    known. `next_believed_at` when all bundles were seen to
    hold `next`; `previous_ends_at` when the last leaf of `previous` has expired, with the overlap.
    """

    current: Authority
    leaf_lifetime: timedelta
    next: Authority | None = None
    next_believed_at: datetime | None = None
    previous: Authority | None = None
    previous_ends_at: datetime | None = None

    @property
    def authorities(self) -> tuple[Authority, ...]:
        """Who belongs into the bundles, the one that signs first."""
        return tuple(each for each in (self.current, self.next, self.previous) if each is not None)


class Event(Enum):
    """What a step did; the value is the word of logs and metrics."""

    FOUNDED = "founded"
    PREPARED = "prepared"
    BELIEVED = "believed"
    FORGOTTEN = "forgotten"
    SWITCHED = "switched"
    REPLACED = "replaced"
    DROPPED = "dropped"
    LENGTHENED = "lengthened"


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is to be written now."""


@dataclass(frozen=True, slots=True)
class MakeFirst:
    """There is no authority that could sign: make one."""


@dataclass(frozen=True, slots=True)
class MakeNext:
    """Make the authority that is to follow, beside `record`."""

    record: Record


@dataclass(frozen=True, slots=True)
class Advance:
    """Write this record; nothing has to be made for it."""

    record: Record
    event: Event


Step = Rest | MakeFirst | MakeNext | Advance


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A leaf that is served: who signed it, from when on it was used, and when it expires."""

    authority: str
    since: datetime
    not_after: datetime


def first_step(remembered: Record | None, *, now: datetime) -> Step:
    """Say what to do where there is no record, or none that can be read.

    Who has just seen one (`remembered`) takes its loss for the wish to have another authority, and prepares one while
    the present one still serves.
    """
    if remembered is None or remembered.current.has_expired(now):
        return MakeFirst()
    return MakeNext(remembered)


def next_step(record: Record, *, believed: frozenset[str], lifetimes: Lifetimes, now: datetime) -> Step:
    """Say how the record goes on. `believed` are the authorities that all bundles were seen to hold before `now`."""
    if record.current.has_expired(now):
        return _instead_of_the_expired(record, lifetimes, now)
    if record.leaf_lifetime < lifetimes.leaf:
        return Advance(replace(record, leaf_lifetime=lifetimes.leaf), Event.LENGTHENED)
    if record.previous is not None:
        step = _towards_dropping(record, record.previous, lifetimes, now)
    elif record.next is not None:
        step = _towards_switching(record, record.next, believed, lifetimes, now)
    else:
        left = record.current.not_after - now
        is_due = not lifetimes.authority / 3 < left <= lifetimes.authority + lifetimes.overlap
        step = MakeNext(record) if is_due else Rest()
    return step


def with_first(authority: Authority, lifetimes: Lifetimes) -> Record:
    """Return the record that begins with an authority."""
    return Record(current=authority, leaf_lifetime=lifetimes.leaf)


def with_next(record: Record, authority: Authority) -> Record:
    """Return the record with an authority that is to follow; nobody has seen it in a bundle yet."""
    return replace(record, next=authority, next_believed_at=None)


def leaf_expiry(record: Record, lifetimes: Lifetimes, *, known_at: datetime) -> datetime:
    """Return until when a leaf may be valid that `current` signs, which was known to be so at `known_at`."""
    return min(known_at + min(lifetimes.leaf, record.leaf_lifetime), record.current.not_after)


def needs_leaf(leaf: Leaf | None, record: Record, lifetimes: Lifetimes, *, known_at: datetime) -> bool:
    """Tell whether another leaf is to be signed: there is none of this authority, or two thirds of its life are over.

    One that would live no longer, or that an expired authority would sign, is of no use. One that is used since a
    moment to come is of a clock that was ahead: it may not be valid yet for anyone else.
    """
    if record.current.has_expired(known_at):
        return False
    if leaf is None or leaf.authority != record.current.fingerprint or leaf.since > known_at:
        return True
    is_due = known_at >= leaf.since + (leaf.not_after - leaf.since) * 2 / 3
    return is_due and leaf_expiry(record, lifetimes, known_at=known_at) > leaf.not_after


def _instead_of_the_expired(record: Record, lifetimes: Lifetimes, now: datetime) -> Step:
    """Begin anew, with what was prepared if that is still valid: law 5."""
    if record.next is None or record.next.has_expired(now):
        return MakeFirst()
    switched = replace(with_first(record.next, lifetimes), previous=record.current)
    return Advance(switched, Event.SWITCHED)


def _towards_dropping(record: Record, previous: Authority, lifetimes: Lifetimes, now: datetime) -> Step:
    """Drop what signs no more, once nobody serves with it: law 4."""
    if previous.has_expired(now - lifetimes.overlap):
        return _dropped(record)
    ends_at = now + record.leaf_lifetime + lifetimes.overlap
    if record.previous_ends_at is None or record.previous_ends_at > ends_at:  # law 6
        return Advance(replace(record, previous_ends_at=ends_at), Event.REPLACED)
    return _dropped(record) if record.previous_ends_at <= now else Rest()


def _dropped(record: Record) -> Step:
    return Advance(replace(record, previous=None, previous_ends_at=None), Event.DROPPED)


def _towards_switching(
    record: Record, following: Authority, believed: frozenset[str], lifetimes: Lifetimes, now: datetime
) -> Step:
    """Let the next authority sign, once it has been believed for long enough: law 3."""
    if following.has_expired(now):
        return MakeNext(record)
    since = record.next_believed_at
    if following.fingerprint not in believed:
        return Rest() if since is None else Advance(replace(record, next_believed_at=None), Event.FORGOTTEN)
    if since is None or since > now:  # what was written by a clock that is ahead counts from now
        return Advance(replace(record, next_believed_at=now), Event.BELIEVED)
    if now < since + lifetimes.overlap:
        return Rest()
    switched = Record(current=following, leaf_lifetime=record.leaf_lifetime, previous=record.current)
    return Advance(switched, Event.SWITCHED)
