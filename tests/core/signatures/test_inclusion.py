"""Whether a log has an entry: the way to the root, held against the library's; and the note in which the log signs."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore.errors import VerificationError
from sigstore.models import TransparencyLogEntry
from sigstore_models.rekor import v1 as rekor

from webhook.core.errors import ParseError
from webhook.core.signatures.inclusion import check_promise, check_proof
from webhook.core.signatures.signed_bytes import InclusionProof, LogEntry

LOG_ID = bytes(range(32))
hashes = st.lists(st.binary(min_size=32, max_size=32), max_size=8)


def signs(signature: bytes, message: bytes) -> bool:
    """Stand in for a log whose signature over a message is its hash."""
    return signature == hashlib.sha256(message).digest()


def note(size: int, root: bytes, *, origin: str = "log.example", name: str = "log.example") -> str:
    """Return a checkpoint that the log signed."""
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = base64.b64encode(LOG_ID[:4] + hashlib.sha256(text.encode()).digest()).decode()
    return f"{text}\n\u2014 {name} {signature}\n"


def tree(leaves: list[bytes]) -> bytes:
    """Return the root of a tree, by the definition (RFC 9162, section 2.1.1)."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + tree(leaves[:split]) + tree(leaves[split:])).digest()


def path(leaves: list[bytes], index: int) -> list[bytes]:
    """Return the hashes beside the way from a leaf to the root, by the definition (RFC 9162, section 2.1.3.1)."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*path(leaves[:split], index), tree(leaves[split:])]
    return [*path(leaves[split:], index - split), tree(leaves[:split])]


def entry(body: bytes = b"body") -> LogEntry:
    """Return an entry with nothing that speaks for it."""
    return LogEntry(log_id=LOG_ID, log_index=0, body=body)


def proof(size: int, index: int, root: bytes, siblings: list[bytes], **changes: Any) -> InclusionProof:  # noqa: ANN401 - keywords of a note
    """Return a proof whose checkpoint the log signed."""
    return InclusionProof(
        log_index=index,
        tree_size=size,
        root_hash=root,
        hashes=tuple(siblings),
        checkpoint=note(size, root, **changes),
    )


@given(st.lists(st.binary(max_size=3), min_size=1, max_size=40), st.data())
def test_every_entry_of_every_tree_is_found(leaves: list[bytes], data: st.DataObject) -> None:
    """The way up from any leaf of a tree of any size leads to its root, and that of any other content does not."""
    index = data.draw(st.integers(0, len(leaves) - 1))
    given_proof = proof(len(leaves), index, tree(leaves), path(leaves, index))

    check_proof(entry(leaves[index]), given_proof, signs)
    with pytest.raises(ParseError, match="not in the tree"):
        check_proof(entry(leaves[index] + b"!"), given_proof, signs)


@given(st.integers(0, 12), st.integers(1, 12), hashes, st.lists(st.booleans(), min_size=8), st.binary(max_size=4))
def test_a_proof_holds_here_only_if_it_holds_for_the_library(
    index: int, size: int, siblings: list[bytes], sides: list[bool], body: bytes
) -> None:
    """Of made-up ways up, each with the root to which it leads, none is accepted here alone."""
    root = hashlib.sha256(b"\x00" + body).digest()
    for sibling, left in zip(siblings, sides, strict=False):
        root = hashlib.sha256(b"\x01" + (sibling + root if left else root + sibling)).digest()
    try:
        check_proof(entry(body), proof(size, index, root, siblings), signs)
    except ParseError:
        return
    verify_merkle_inclusion(_for_library(body, index, size, root, siblings))


def _for_library(body: bytes, index: int, size: int, root: bytes, siblings: list[bytes]) -> TransparencyLogEntry:
    encoded = [base64.b64encode(sibling) for sibling in siblings]
    inner = rekor.TransparencyLogEntry.model_validate(
        {
            "log_index": str(index),
            "log_id": {"key_id": base64.b64encode(LOG_ID)},
            "kind_version": {"kind": "hashedrekord", "version": "0.0.1"},
            "inclusion_proof": {
                "log_index": str(index),
                "root_hash": base64.b64encode(root),
                "tree_size": str(size),
                "hashes": encoded,
                "checkpoint": {"envelope": note(size, root)},
            },
            "canonicalized_body": base64.b64encode(body),
        }
    )
    return TransparencyLogEntry(inner)


def test_an_index_beyond_the_tree_is_in_no_tree() -> None:
    """A leaf cannot stand behind the last one."""
    leaf = hashlib.sha256(b"\x00body").digest()
    with pytest.raises(ParseError, match="not in the tree"):
        check_proof(entry(), proof(1, 1, leaf, []), signs)
    with pytest.raises(ParseError, match="not in the tree"):
        check_proof(entry(), proof(1, 0, leaf, [leaf]), signs)


ROOT = hashlib.sha256(b"\x00body").digest()
GOOD = note(1, ROOT)
WITNESS = "\u2014 witness.example AAAAAAAA\n"


@pytest.mark.parametrize(
    "checkpoint",
    [GOOD, GOOD + WITNESS, GOOD.replace("\n\n", f"\n\n{WITNESS}"), note(1, ROOT, origin="log.example - 17")],
)
def test_a_note_of_the_log_is_found_among_others(checkpoint: str) -> None:
    """Witnesses may sign too, before or after the log, and Rekor v1 writes the tree's number into the origin."""
    given_proof = InclusionProof(log_index=0, tree_size=1, root_hash=ROOT, hashes=(), checkpoint=checkpoint)

    check_proof(entry(), given_proof, signs)


@pytest.mark.parametrize(
    "checkpoint",
    [
        "",
        "log.example\n1\n",
        GOOD.partition("\n\n")[0],
        GOOD.partition("\n\n")[0] + "\n\n",
        GOOD.removesuffix("\n"),
        GOOD + "junk\n",
        GOOD.replace("\u2014 log.example", "\u2014 other.example"),
        note(1, ROOT, origin="log.exampl"),
        note(2, ROOT),
        note(1, LOG_ID),
        GOOD.replace("\n1\n", "\n01\n"),
        GOOD.partition("\n\n")[0] + "\n\n" + WITNESS,
        GOOD.partition("\n\n")[0] + "\n\n" + WITNESS * 40,
        "\n" + GOOD,
        GOOD.replace("\n1\n", "\n\n"),
    ],
)
def test_a_note_of_something_else_is_none(checkpoint: str) -> None:
    """A note that is cut, renamed, of another tree, or signed by others only, proves nothing."""
    given_proof = InclusionProof(log_index=0, tree_size=1, root_hash=ROOT, hashes=(), checkpoint=checkpoint)
    with pytest.raises(ParseError):
        check_proof(entry(), given_proof, signs)


@given(st.text(max_size=200))
def test_no_text_is_a_note_by_chance(checkpoint: str) -> None:
    """Whatever stands in place of a checkpoint is refused in the one way."""
    given_proof = InclusionProof(log_index=0, tree_size=1, root_hash=ROOT, hashes=(), checkpoint=checkpoint)
    with pytest.raises(ParseError):
        check_proof(entry(), given_proof, signs)


@pytest.mark.parametrize(("promise", "time"), [(None, 1), (b"x", None), (None, None)])
def test_a_promise_needs_a_signature_and_a_time(promise: bytes | None, time: int | None) -> None:
    """A time without a promise is anybody's."""
    made = LogEntry(log_id=LOG_ID, log_index=0, body=b"", integrated_time=time, promise=promise)
    with pytest.raises(ParseError, match="no promise"):
        check_promise(made, signs)


def test_the_library_refuses_what_is_refused_here() -> None:
    """The library's reading of a proof is what the property above compares with: it refuses a wrong root."""
    with pytest.raises(VerificationError):
        verify_merkle_inclusion(_for_library(b"body", 0, 1, LOG_ID, []))
