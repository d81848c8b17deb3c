"""Log entries, certificates and timestamps as a Sigstore bundle spells them.

Sources: sigstore/protobuf-specs `sigstore_bundle.proto` and `sigstore_rekor.proto` in their JSON form: integers of 64
bits are strings, and what is empty or zero may be left out.
"""

from __future__ import annotations

from webhook.core.errors import ParseError
from webhook.core.reading.strict_json import JsonObject, decode_base64
from webhook.core.signatures.signed_bytes import InclusionProof, LogEntry, Material, Unreadable

__all__ = ["MAX_CERTIFICATES", "MAX_CERTIFICATE_BYTES", "MAX_TIMESTAMP_BYTES", "read_material"]

MAX_CERTIFICATES = 8
MAX_CERTIFICATE_BYTES = 32 * 1024
MAX_ENTRIES = 4
MAX_HASHES = 64
"""A Merkle tree whose size fits 64 bits is no deeper."""
MAX_CHECKPOINT_CHARACTERS = 16 * 1024
MAX_TIMESTAMPS = 8
MAX_TIMESTAMP_BYTES = 32 * 1024
U64 = range(2**64)

_ENTRY_KEYS = ("logIndex", "logId", "integratedTime", "inclusionPromise", "inclusionProof", "canonicalizedBody")
_PROOF_KEYS = ("logIndex", "rootHash", "treeSize", "hashes", "checkpoint")


def read_material(source: JsonObject, *, promised: bool) -> Material | Unreadable:
    """Read the `verificationMaterial` of a bundle; what is too large or no part of one makes it unreadable.

    `promised` is true for bundles of version 0.1, whose entries must carry a promise and may lack a proof; those of
    later versions must carry a proof.
    """
    certificates: tuple[bytes, ...] = ()
    try:
        certificates = _certificates(source)
        entries = _objects(source, "tlogEntries", at_most=MAX_ENTRIES)
        return Material(
            certificates=certificates,
            entries=tuple(_entry(entry, promised=promised) for entry in entries),
            timestamps=_timestamps(source.object_or_empty("timestampVerificationData")),
        )
    except ParseError as error:
        return Unreadable(why=str(error), certificates=certificates)


def _timestamps(source: JsonObject) -> tuple[bytes, ...]:
    stamps = _objects(source, "rfc3161Timestamps", at_most=MAX_TIMESTAMPS)
    return tuple(_bounded(stamp, "signedTimestamp", MAX_TIMESTAMP_BYTES) for stamp in stamps)


def _certificates(source: JsonObject) -> tuple[bytes, ...]:
    if source.has("certificate"):
        return (_bounded(source.object("certificate"), "rawBytes", MAX_CERTIFICATE_BYTES),)
    if not source.has("x509CertificateChain"):
        return ()
    chain = source.object("x509CertificateChain")
    certificates = chain.objects("certificates", at_most=MAX_CERTIFICATES)
    if not certificates:
        raise ParseError(chain.at("certificates"), "is empty")
    return tuple(_bounded(certificate, "rawBytes", MAX_CERTIFICATE_BYTES) for certificate in certificates)


def _entry(source: JsonObject, *, promised: bool) -> LogEntry:
    source.refuse_variants(_ENTRY_KEYS)
    promise = source.object("inclusionPromise").base64("signedEntryTimestamp") if promised else _promise(source)
    return LogEntry(
        log_id=source.object("logId").base64("keyId"),
        log_index=_u64(source, "logIndex"),
        body=source.base64("canonicalizedBody"),
        integrated_time=_u64(source, "integratedTime") or None,
        promise=promise,
        proof=None if promised and not _has_checkpoint(source) else _proof(source.object("inclusionProof")),
    )


def _promise(source: JsonObject) -> bytes | None:
    promise = source.object_or_empty("inclusionPromise")
    return promise.base64("signedEntryTimestamp") if promise.has("signedEntryTimestamp") else None


def _has_checkpoint(source: JsonObject) -> bool:
    """Tell whether a proof is of use: those of the first bundles lack the signed root."""
    return source.object_or_empty("inclusionProof").has("checkpoint")


def _proof(source: JsonObject) -> InclusionProof:
    source.refuse_variants(_PROOF_KEYS)
    checkpoint = source.object("checkpoint")
    text = checkpoint.text("envelope")
    if len(text) > MAX_CHECKPOINT_CHARACTERS:
        raise ParseError(checkpoint.at("envelope"), f"has more than {MAX_CHECKPOINT_CHARACTERS:,} characters")
    hashes = source.texts("hashes", at_most=MAX_HASHES) if source.has("hashes") else ()
    return InclusionProof(
        log_index=_u64(source, "logIndex"),
        tree_size=_u64(source, "treeSize"),
        root_hash=source.base64("rootHash"),
        hashes=tuple(decode_base64(text) for text in hashes),
        checkpoint=text,
    )


def _objects(source: JsonObject, key: str, *, at_most: int) -> tuple[JsonObject, ...]:
    return source.objects(key, at_most=at_most) if source.has(key) else ()


def _bounded(source: JsonObject, key: str, max_bytes: int) -> bytes:
    data = source.base64(key)
    if len(data) > max_bytes:
        raise ParseError(source.at(key), f"is larger than {max_bytes:,} bytes")
    return data


def _u64(source: JsonObject, key: str) -> int:
    """Read an integer that is written as a string or a number; 0 where it is left out."""
    if not source.has(key):
        return 0
    written = source.members[key]
    digits = isinstance(written, str) and written.isascii() and written.isdigit() and len(written) <= len(str(U64.stop))
    number = int(str(written)) if digits else source.integer(key)
    if number not in U64:
        raise ParseError(source.at(key), "is no unsigned integer of 64 bits")
    return number
