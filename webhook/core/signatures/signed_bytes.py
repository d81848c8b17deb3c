"""A signature as it was found: the bytes it is over, and all that came with it to prove who made it and when.

Every format is read into these types; whoever verifies sees no format any more. Nothing here has been verified.
"""

from __future__ import annotations

from dataclasses import dataclass

from webhook.core.references import Digest
from webhook.core.signatures.dsse import Envelope

__all__ = ["InclusionProof", "LogEntry", "Material", "SignedBytes", "Unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """The way from an entry to the root of the log's Merkle tree, and the note in which the log signed that root.

    `log_index` counts within the tree of `tree_size` entries; `hashes` go from the leaf upwards.
    Source: RFC 6962, section 2.1.1; C2SP `tlog-checkpoint` for the text of `checkpoint`.
    """

    log_index: int
    tree_size: int
    root_hash: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """An entry of a transparency log: its `body` as the log keeps it, and what says that the log has it.

    `promise` is the signed entry timestamp over the entry and `integrated_time` (seconds since the epoch); Rekor v2
    gives neither. `log_index` counts over all trees of the log.
    """

    log_id: bytes
    log_index: int
    body: bytes
    integrated_time: int | None = None
    promise: bytes | None = None
    proof: InclusionProof | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What came with a signature: certificates (DER, the signer's first), log entries, RFC 3161 responses (DER)."""

    certificates: tuple[bytes, ...] = ()
    entries: tuple[LogEntry, ...] = ()
    timestamps: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """What came with a signature cannot be read, but for its `certificates`. Who asks for none of it can do without."""

    why: str
    certificates: tuple[bytes, ...] = ()


NOTHING = Material()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBytes:
    """Exactly the bytes that were signed, the signature, and what came with it.

    `message` is what the signature is over; `payload` is the part of it that carries the meaning, and the same where
    nothing is wrapped around it. `stamped` is what a timestamp is over. `hint` is the fingerprint of the key that the
    signature points to, which nobody signed.
    """

    message: bytes
    payload: bytes
    signature: bytes
    stamped: bytes
    material: Material | Unreadable = NOTHING
    hint: Digest | None = None

    @classmethod
    def plain(
        cls, payload: bytes, signature: bytes, material: Material | Unreadable, *, hint: Digest | None = None
    ) -> SignedBytes:
        """Take a signature over the payload itself: simple signing, or a file."""
        return cls(
            message=payload, payload=payload, signature=signature, stamped=signature, material=material, hint=hint
        )

    @classmethod
    def enveloped(
        cls,
        envelope: Envelope,
        material: Material | Unreadable = NOTHING,
        *,
        hint: Digest | None = None,
        stamped: bytes | None = None,
    ) -> SignedBytes:
        """Take the signature of a DSSE envelope; `stamped` is given where timestamps are over something else than it.

        cosign's classic attestations stamp the whole envelope, byte for byte as it is stored.
        """
        return cls(
            message=envelope.signed_bytes,
            payload=envelope.payload,
            signature=envelope.signature,
            stamped=envelope.signature if stamped is None else stamped,
            material=material,
            hint=hint,
        )
