"""What can be wrong with one keyless signature, one thing at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from webhook.core.references import Digest
from webhook.demo.keys import KeyKind

__all__ = ["NO_FLAWS", "Flaws"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaws:
    """What a signature gets wrong; the defaults are right. Everything else about the signature stays honest.

    Claims. `digest`: the signed text speaks of this digest. `claim_type`: simple signing's `critical.type`.
    `predicate_type` and `payload_type`: the statement's and the envelope's. `subject`: the manifest hangs on this
    digest. `flipped`: one bit of the signature is wrong, and so it is witnessed.

    Certificate. `sct`: the certificate log's signature. `leaf_key`: the key that is certified. `usage`: what the
    certificate is good for. `validity`: it begins so long after the signature (ten minutes before it: it has expired).
    `issuer_extensions`: where the OIDC issuer stands. `authority`: who certified.

    Log entry. `entry`: what is logged beside the signature. `log`: who keeps the log. `promise`: the signed entry
    timestamp. `proof`: of inclusion; `hashes-omitted` is how protojson writes the empty proof of a log's first entry.

    Timestamp. `stamp`: the timestamp authority's token. `stamped`: so long after the signature.

    Bundle. `unknown_field`: one that no version of the format has.
    """

    digest: Digest | None = None
    claim_type: str | None = None
    predicate_type: str | None = None
    payload_type: str | None = None
    subject: Digest | None = None
    flipped: bool = False
    sct: Literal["embedded", "missing", "twice", "flipped", "stranger"] = "embedded"
    leaf_key: KeyKind = "ecdsa-p256"
    usage: Literal["code-signing", "no-code-signing", "no-digital-signature"] = "code-signing"
    validity: timedelta = timedelta(0)
    issuer_extensions: Literal["both", "old", "new", "none"] = "both"
    authority: Literal["own", "stranger"] = "own"
    entry: Literal["own", "missing", "unrelated", "other-digest", "other-verifier", "other-signature", "twice"] = "own"
    log: Literal["own", "stranger"] = "own"
    promise: Literal["signed", "missing", "flipped"] = "signed"
    proof: Literal["complete", "missing", "flipped", "hashes-omitted", "checkpoint-missing", "checkpoint-flipped"] = (
        "complete"
    )
    stamp: Literal["own", "missing", "unrelated", "stranger", "flipped", "twice"] = "own"
    stamped: timedelta = timedelta(0)
    unknown_field: bool = False


NO_FLAWS = Flaws()
