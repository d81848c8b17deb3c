"""The two generations of the signature log: what Rekor v1 and v2 answer when an entry is added.

Sources: sigstore/rekor `types.md` and `openapi.yaml` (v1); sigstore/rekor-tiles and the client's part of its
specification (v2); transparency-dev/formats `log/README.md` (checkpoints) and C2SP `signed-note.md`.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import rfc8785
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.sigstore_stand.certificates import spki_of
from tests.sigstore_stand.flaws import Flaws
from tests.sigstore_stand.merkle import inclusion_proof, tree_root

__all__ = ["LogEntry", "SignatureLog", "text64"]

Json = dict[str, object]

ED25519_NOTE = b"\x01"
"""The signature type of an Ed25519 key in C2SP signed notes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """What a log hands back: the entry in a bundle's words, and the body that it canonicalized.

    `integrated` is None in logs of the second generation, which know no time; `promise` likewise.
    """

    body: bytes
    log_id: bytes
    log_index: int
    integrated: datetime | None
    promise: bytes | None
    document: Json


@dataclass(slots=True, kw_only=True)
class SignatureLog:
    """A log that grows. `generation` 1 signs with ECDSA P-256 and promises; 2 signs with Ed25519 and knows no time.

    `shard_offset` is what the log's earlier trees held: in the first generation, `logIndex` counts them too.
    """

    generation: Literal[1, 2]
    origin: str
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey = field(repr=False)
    shard_offset: int = 0
    entries: list[bytes] = field(default_factory=list, repr=False)

    @classmethod
    def create(cls, generation: Literal[1, 2], *, origin: str) -> SignatureLog:
        """Make an empty log with a new key."""
        if generation == 1:
            key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey = ec.generate_private_key(ec.SECP256R1())
            return cls(generation=1, origin=f"{origin} - 1193050959916656506", key=key, shard_offset=1000)
        return cls(generation=2, origin=origin, key=ed25519.Ed25519PrivateKey.generate())

    @property
    def log_id(self) -> bytes:
        """The SHA-256 of the key; in the second generation that of the key's note form."""
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            named = self.origin.encode() + b"\n" + ED25519_NOTE
            return hashlib.sha256(named + self.key.public_key().public_bytes_raw()).digest()
        return hashlib.sha256(spki_of(self.key)).digest()

    @property
    def public_key(self) -> bytes:
        """The DER of the log's public key."""
        return spki_of(self.key)

    def grow(self, count: int) -> None:
        """Add `count` entries of others."""
        self.entries.extend(f'{{"somebody":{len(self.entries) + number}}}'.encode() for number in range(count))

    def add(self, body: Json, kind: str, version: str, *, at: datetime, flaws: Flaws) -> LogEntry:
        """Log a body and return what the log says of it: proof in the present tree, and a promise if it makes any."""
        data = rfc8785.dumps(body)  # type: ignore[arg-type]
        position = len(self.entries)
        self.entries.append(data)
        log_index = position + self.shard_offset
        integrated = at if self.generation == 1 else None
        promise = self._promise(data, log_index, integrated, flaws) if integrated else None
        document: Json = {
            "logIndex": str(log_index),
            "logId": {"keyId": text64(self.log_id)},
            "kindVersion": {"kind": kind, "version": version},
            "canonicalizedBody": text64(data),
        }
        if integrated is not None:
            document["integratedTime"] = str(int(integrated.timestamp()))
        if promise is not None:
            document["inclusionPromise"] = {"signedEntryTimestamp": text64(promise)}
        if flaws.proof != "missing":
            document["inclusionProof"] = self._proof(position, flaws)
        return LogEntry(
            body=data,
            log_id=self.log_id,
            log_index=log_index,
            integrated=integrated,
            promise=promise,
            document=document,
        )

    def _promise(self, body: bytes, log_index: int, integrated: datetime, flaws: Flaws) -> bytes | None:
        """Sign the entry timestamp, over the same four fields in canonical JSON."""
        if flaws.promise == "missing":
            return None
        signed = rfc8785.dumps(
            {
                "body": text64(body),
                "integratedTime": int(integrated.timestamp()),
                "logID": self.log_id.hex(),
                "logIndex": log_index,
            }
        )
        signature = self._sign(signed)
        return _flipped(signature) if flaws.promise == "flipped" else signature

    def _proof(self, position: int, flaws: Flaws) -> Json:
        root = tree_root(self.entries)
        path = list(inclusion_proof(self.entries, position))
        if flaws.proof == "flipped":
            path = [_flipped(path[0]), *path[1:]] if path else [bytes(32)]
        proof: Json = {
            "logIndex": str(position),
            "rootHash": text64(root),
            "treeSize": str(len(self.entries)),
            "hashes": [text64(each) for each in path],
            "checkpoint": {"envelope": self.checkpoint(root, flaws)},
        }
        if flaws.proof == "hashes-omitted":
            del proof["hashes"]
        if flaws.proof == "checkpoint-missing":
            del proof["checkpoint"]
        return proof

    def checkpoint(self, root: bytes, flaws: Flaws) -> str:
        """Sign the size and root of the tree as a note."""
        note = f"{self.origin}\n{len(self.entries)}\n{text64(root)}\n"
        signature = self._sign(note.encode())
        if flaws.proof == "checkpoint-flipped":
            signature = _flipped(signature)
        name = self.origin.split(" - ", maxsplit=1)[0]
        return f"{note}\n\u2014 {name} {text64(self.log_id[:4] + signature)}\n"

    def _sign(self, message: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))


def text64(data: bytes) -> str:
    """Return standard base64 as JSON holds it."""
    return base64.b64encode(data).decode()


def _flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])
