"""The tree of a log: its root, and the proof that an entry is in it.

Source: RFC 6962, sections 2.1 and 2.1.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

__all__ = ["inclusion_proof", "tree_root"]


def tree_root(entries: Sequence[bytes]) -> bytes:
    """Return the hash of the tree over at least one entry."""
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    split = _split(len(entries))
    return _parent(tree_root(entries[:split]), tree_root(entries[split:]))


def inclusion_proof(entries: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the hashes beside the path from an entry to the root, lowest first."""
    if len(entries) == 1:
        return ()
    split = _split(len(entries))
    if index < split:
        return (*inclusion_proof(entries[:split], index), tree_root(entries[split:]))
    return (*inclusion_proof(entries[split:], index - split), tree_root(entries[:split]))


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
