"""That a transparency log has an entry: its promise, or the way to the root of its tree and its signature under that.

Sources: RFC 9162, section 2.1.3.2 (the same tree as RFC 6962) for the way to the root; C2SP `signed-note` and
`tlog-checkpoint` for the text in which a log signs its root; sigstore/rekor `pkg/signer` for the promise.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Protocol

from webhook.core.errors import ParseError
from webhook.core.reading.strict_json import decode_base64
from webhook.core.signatures.signed_bytes import InclusionProof, LogEntry

__all__ = ["Verifies", "check_promise", "check_proof"]

CHECKPOINT = "checkpoint"
KEY_HASH_BYTES = 4
MAX_SIGNATURES = 32
_SIGNATURE_LINE = re.compile(r"\u2014 ([^\s+]{1,256}) ([A-Za-z0-9+/=]{1,8192})")
_TREE_SIZE = re.compile(r"0|[1-9][0-9]{0,19}")


class Verifies(Protocol):
    """Tells whether a signature over a message is by a certain log."""

    def __call__(self, signature: bytes, message: bytes, /) -> bool:
        """Return True if it is; raises nothing."""


def check_promise(entry: LogEntry, by_log: Verifies) -> int:
    """Return the time (seconds since the epoch) at which the log promised to include the entry; a ParseError if not.

    The promise is over the canonical JSON (RFC 8785) of these four members, which are ASCII and integers.
    """
    if entry.promise is None or entry.integrated_time is None:
        raise ParseError("log entry", "has no promise of the log with a time")
    promised = {
        "body": base64.b64encode(entry.body).decode(),
        "integratedTime": entry.integrated_time,
        "logID": entry.log_id.hex(),
        "logIndex": entry.log_index,
    }
    if not by_log(entry.promise, json.dumps(promised, separators=(",", ":"), sort_keys=True).encode()):
        raise ParseError("log entry", "has a promise that the log did not sign")
    return entry.integrated_time


def check_proof(entry: LogEntry, proof: InclusionProof, by_log: Verifies) -> None:
    """Check that the log signed a tree which holds the entry; a ParseError if not.

    1. The note is a checkpoint: origin, tree size, root hash, an empty line, and lines with signatures.
    2. The log signed its text. Signatures of witnesses, whose keys nobody gave, are passed over.
    3. Size and root are those of the proof.
    4. The entry, and the hashes beside its way up, come to that root.
    """
    # Step 1
    text, separator, signatures = proof.checkpoint.partition("\n\n")
    lines = text.split("\n")
    if not separator or len(lines) < 3 or not lines[0]:  # noqa: PLR2004 - origin, size, root
        raise ParseError(CHECKPOINT, "is no signed tree head")
    # Step 2
    _check_signature(f"{text}\n".encode(), lines[0], signatures, entry.log_id[:KEY_HASH_BYTES], by_log)
    # Step 3
    if not _TREE_SIZE.fullmatch(lines[1]) or int(lines[1]) != proof.tree_size:
        raise ParseError(CHECKPOINT, "is of a tree of another size")
    if decode_base64(lines[2]) != proof.root_hash:
        raise ParseError(CHECKPOINT, "is of a tree with another root")
    # Step 4
    if _root(entry.body, proof) != proof.root_hash:
        raise ParseError("log entry", "is not in the tree that the log signed")


def _check_signature(text: bytes, origin: str, signatures: str, key_hash: bytes, by_log: Verifies) -> None:
    """Find the log's own line, by the name in the origin and the first bytes of its ID, and verify it.

    Rekor v1 writes `NAME - TREE` for an origin, Rekor v2 the name alone.
    """
    lines = signatures.split("\n")
    if lines.pop() or not 0 < len(lines) <= MAX_SIGNATURES:
        raise ParseError(CHECKPOINT, "has no lines with signatures, or does not end in one")
    found = [_SIGNATURE_LINE.fullmatch(line) for line in lines]
    if None in found:
        raise ParseError(CHECKPOINT, "has a line that is no signature")
    name = origin.partition(" - ")[0]
    own = [match[2] for match in found if match is not None and match[1] == name]
    if not any(_is_by(encoded, text, key_hash, by_log) for encoded in own):
        raise ParseError(CHECKPOINT, "is not signed by the log")


def _is_by(encoded: str, text: bytes, key_hash: bytes, by_log: Verifies) -> bool:
    """Tell whether a signature of a note is the log's; base64 that spells the same bytes otherwise is none."""
    signature = decode_base64(encoded)
    return (
        base64.b64encode(signature).decode() == encoded
        and signature[:KEY_HASH_BYTES] == key_hash
        and by_log(signature[KEY_HASH_BYTES:], text)
    )


def _root(body: bytes, proof: InclusionProof) -> bytes | None:
    """Return the root to which the proof leads, or None if it has too few or too many hashes for its tree."""
    if proof.log_index >= proof.tree_size:
        return None
    node, last = proof.log_index, proof.tree_size - 1
    reached = hashlib.sha256(b"\x00" + body).digest()
    for sibling in proof.hashes:
        if last == 0:
            return None
        if node & 1 or node == last:
            reached = hashlib.sha256(b"\x01" + sibling + reached).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            reached = hashlib.sha256(b"\x01" + reached + sibling).digest()
        node, last = node >> 1, last >> 1
    return reached if last == 0 else None
