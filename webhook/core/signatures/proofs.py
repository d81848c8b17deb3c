"""What came with a signature, verified against a trusted root: when it was made, and by whom if by certificate.

Steps, the same for signatures by key and by certificate:

1. Every log entry that came along is held by the log it names, by a promise, a proof, or both if both are there.
2. Every entry is about this very signature, its content and its signer.
3. Every timestamp that came along is a trusted authority's, over this signature.
4. The times: the integrated time of an entry, if the log promised it, and those of the timestamps. None of them is in
   the future, and at all of them every log that was relied on counted; without any, it counts now. A time backed by a
   proof alone is none.
5. By certificate: there is an entry and a time, and at all times the certificate was good. What it names is believed
   only then. By key: nothing more, unless the authority asks for it.
6. By certificate: its key made the signature.

What came along and does not hold spoils the signature, also where the rest would do: nobody honest sends it.
Sources: sigstore/architecture-docs `client-spec.md`, section 4; sigstore/rekor-tiles `CLIENTS.md` for Rekor v2.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from webhook.core.errors import ParseError
from webhook.core.signatures.entry_binding import EntrySigner, check_binding
from webhook.core.signatures.identity import CertifiedSigner, read_identity
from webhook.core.signatures.inclusion import check_promise, check_proof
from webhook.core.signatures.keys import PublicKey, usable_key
from webhook.core.signatures.signed_bytes import LogEntry, Material, SignedBytes, Unreadable
from webhook.core.signatures.signing_certificates import check_certificate, load_certificate
from webhook.core.signatures.timestamps import stamped_at
from webhook.core.signatures.trust_roots import TrustRoot
from webhook.core.signatures.trusted_material import Log, TrustedMaterial, trusted_material

__all__ = ["prove_certificate", "prove_key"]

T = TypeVar("T")

TOLERANCE = timedelta(minutes=5)
"""By how much the clocks of logs and timestamp authorities may be ahead of the gate's."""


def prove_key(signed: SignedBytes, key: PublicKey, root: TrustRoot, as_of: datetime) -> tuple[datetime, ...]:
    """Return the trusted times of a signature that `key` verified, in order; none if nothing came with it.

    Raises ParseError, with why, if anything that came with the signature does not hold.
    """
    der = key.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    trusted = trusted_material(root)
    return _guarded(lambda: _trusted_times(signed, EntrySigner(public_key=der), trusted, as_of))


def prove_certificate(signed: SignedBytes, root: TrustRoot, as_of: datetime) -> CertifiedSigner:
    """Return who verifiably signed by certificate; a ParseError, with why, if anything does not hold."""
    trusted = trusted_material(root)
    return _guarded(lambda: _certified(signed, trusted, as_of))


def _certified(signed: SignedBytes, trusted: TrustedMaterial, as_of: datetime) -> CertifiedSigner:
    first, *others = _readable(signed).certificates
    leaf = load_certificate(first)
    key = usable_key(leaf.public_key(), "the key of the certificate")
    # Steps 1 to 4
    times = _trusted_times(signed, _entry_signer(leaf), trusted, as_of)
    # Step 5
    if not _readable(signed).entries:
        raise ParseError("log entry", "is missing, and a signature by certificate needs one")
    check_certificate(leaf, [_not_a_root(load_certificate(der)) for der in others], trusted, times)
    identity = read_identity(leaf)
    # Step 6
    if not key.verifies(signed.signature, signed.message):
        raise ParseError("signature", "is not by the key of its certificate")
    return CertifiedSigner(key=key.fingerprint, identity=identity, signed_at=times[0])


def _trusted_times(
    signed: SignedBytes, signer: EntrySigner, trusted: TrustedMaterial, as_of: datetime
) -> tuple[datetime, ...]:
    material = _readable(signed)
    relied_on: list[Log] = []
    times: list[datetime] = []
    for entry in material.entries:
        # Step 1
        log, time = _logged(entry, trusted.logs)
        relied_on.append(log)
        times += () if time is None else (time,)
        # Step 2
        check_binding(entry.body, signed, signer)
    # Step 3
    times += (stamped_at(response, signed.stamped, trusted.timestampers) for response in material.timestamps)
    # Step 4
    if any(time > as_of + TOLERANCE for time in times):
        raise ParseError("signature", "was made in the future, by the time that came with it")
    if not all(log.period.holds(times or (as_of,)) for log in relied_on):
        raise ParseError("log entry", "is of a log that did not count when the signature was made")
    return tuple(sorted(times))


def _logged(entry: LogEntry, logs: tuple[Log, ...]) -> tuple[Log, datetime | None]:
    """Return the log that holds the entry, and the time at which it promised to."""
    why = ParseError("log entry", "is of no log of the trust root")
    for log in logs:
        if entry.log_id in log.ids:
            try:
                return log, _held_since(entry, log)
            except ParseError as error:
                why = error
    raise why


def _held_since(entry: LogEntry, log: Log) -> datetime | None:
    if entry.proof is not None:
        check_proof(entry, entry.proof, log.signed)
        if entry.promise is None:
            return None
    return datetime.fromtimestamp(check_promise(entry, log.signed), tz=UTC)


def _entry_signer(leaf: x509.Certificate) -> EntrySigner:
    der = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return EntrySigner(public_key=der, certificate=leaf.public_bytes(Encoding.DER))


def _not_a_root(certificate: x509.Certificate) -> x509.Certificate:
    """Refuse a root among what came with a signature: roots come from the policy alone."""
    if certificate.issuer == certificate.subject:
        raise ParseError("certificate", "comes with a root certificate, which only the policy can give")
    return certificate


def _readable(signed: SignedBytes) -> Material:
    """Return what came with the signature; a ParseError if it cannot be read."""
    if isinstance(signed.material, Unreadable):
        raise ParseError("", signed.material.why)
    return signed.material


def _guarded(prove: Callable[[], T]) -> T:
    """Turn whatever the libraries raise on hostile bytes into a refusal."""
    try:
        return prove()
    except ParseError:
        raise
    except Exception:  # noqa: BLE001 - hostile bytes make the libraries raise many things, none of which is an approval
        raise ParseError("signature", "comes with something that cannot be verified") from None
