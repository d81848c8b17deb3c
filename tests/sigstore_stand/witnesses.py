"""Who else saw a signature: the log entry and the timestamp that come with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, assert_never

from tests.sigstore_stand.entries import (
    EntryBody,
    Signed,
    Verifier,
    dsse_body,
    hashedrekord_body,
    hashedrekord_v2_body,
    intoto_body,
)
from tests.sigstore_stand.flaws import Flaws
from tests.sigstore_stand.logs import LogEntry, SignatureLog
from tests.sigstore_stand.stand import SigstoreStand
from tests.sigstore_stand.timestamps import TimestampAuthority
from webhook.demo.keys import SigningKey

__all__ = ["EnvelopeRecord", "Testimony", "Witness", "stamps_of", "witnessed"]

Witness = Literal["rekor-v1", "rekor-v1-tsa", "rekor-v2", "tsa", "none"]
"""What is asked to see a signature: a log, a timestamp authority, or both. Rekor v2 always comes with a timestamp."""
EnvelopeRecord = Literal["dsse", "intoto"]
"""What Rekor v1 is told of an envelope; cosign before 2.2 said `intoto`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Testimony:
    """Log entries, and timestamps in DER."""

    entries: tuple[LogEntry, ...] = ()
    stamps: tuple[bytes, ...] = ()


def witnessed(
    stand: SigstoreStand,
    witness: Witness,
    signed: Signed,
    verifier: Verifier,
    *,
    at: datetime,
    flaws: Flaws,
    envelope_record: EnvelopeRecord,
) -> Testimony:
    """Have a signature witnessed, over its own bytes as bundles want it."""
    stamps = stamps_of(stand, witness, signed.signature, at=at, flaws=flaws)
    match witness:
        case "rekor-v1" | "rekor-v1-tsa":
            log = SignatureLog.create(1, origin="rekor.stand.test") if flaws.log == "stranger" else stand.first_log
            write = _first_generation_body(signed, envelope_record)
        case "rekor-v2":
            log = SignatureLog.create(2, origin="log.stand.test") if flaws.log == "stranger" else stand.second_log
            write = hashedrekord_v2_body
        case "tsa" | "none":
            return Testimony(stamps=stamps)
        case _:
            assert_never(witness)
    bodies = [write(*each) for each in _told(signed, verifier, flaws)]
    entries = tuple(log.add(body.document, body.kind, body.version, at=at, flaws=flaws) for body in bodies)
    return Testimony(entries=entries, stamps=stamps)


def stamps_of(
    stand: SigstoreStand, witness: Witness, message: bytes, *, at: datetime, flaws: Flaws
) -> tuple[bytes, ...]:
    """Have bytes timestamped, if the witness includes a timestamp authority."""
    if witness in {"rekor-v1", "none"} or flaws.stamp == "missing":
        return ()
    clock = stand.clock
    if flaws.stamp == "stranger":
        clock = TimestampAuthority.create(not_before=clock.chain[0].not_valid_before_utc)
    stamp = clock.stamp(b"unrelated" if flaws.stamp == "unrelated" else message, at + flaws.stamped)
    if flaws.stamp == "flipped":
        stamp = stamp[:-1] + bytes([stamp[-1] ^ 1])
    return (stamp, stamp) if flaws.stamp == "twice" else (stamp,)


WriteBody = Callable[[Signed, Verifier], EntryBody]


def _first_generation_body(signed: Signed, envelope_record: EnvelopeRecord) -> WriteBody:
    if not signed.envelope:
        return hashedrekord_body
    return intoto_body if envelope_record == "intoto" else dsse_body


def _told(signed: Signed, verifier: Verifier, flaws: Flaws) -> tuple[tuple[Signed, Verifier], ...]:
    """Return what the log is told, entry by entry."""
    other, stranger = b"something else", SigningKey.generate()
    told: dict[str, tuple[tuple[Signed, Verifier], ...]] = {
        "own": ((signed, verifier),),
        "missing": (),
        "unrelated": ((replace(signed, message=other, payload=other, signature=stranger.sign(other)), verifier),),
        "other-digest": ((replace(signed, message=other, payload=other), verifier),),
        "other-verifier": ((signed, stranger),),
        "other-signature": ((replace(signed, signature=stranger.sign(signed.message)), verifier),),
        "twice": ((signed, verifier), (signed, verifier)),
    }
    return told[flaws.entry]
