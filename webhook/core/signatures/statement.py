"""In-toto statements: what a bundle's payload says, and about which digest.

Source: in-toto Attestation Framework, `spec/v1/statement.md`; cosign's signature is such a statement with a predicate
type of its own and an empty predicate.
"""

from __future__ import annotations

from collections.abc import Mapping

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable
from webhook.core.reading.strict_json import JsonObject, parse_json
from webhook.core.references import Digest
from webhook.core.signatures.dsse import Envelope

__all__ = ["COSIGN_SIGN", "check_claims", "parse_statement", "read_statement"]

COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPES = frozenset({"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"})
MAX_STATEMENT_BYTES = 4 * 1024 * 1024
MAX_SUBJECTS = 1024


def read_statement(envelope: Envelope) -> JsonObject:
    """Read the statement in an envelope; a ParseError if the payload is none, or is announced as something else."""
    if envelope.payload_type != PAYLOAD_TYPE:
        raise ParseError("payloadType", f"is `{printable(envelope.payload_type, 80)}`, not `{PAYLOAD_TYPE}`")
    return parse_statement(envelope.payload)


def parse_statement(payload: bytes) -> JsonObject:
    """Read the bytes of a statement of at most 4 MiB; a ParseError if they are none."""
    statement = JsonObject.of(parse_json(payload, max_bytes=MAX_STATEMENT_BYTES))
    statement.refuse_variants(("_type", "subject", "predicateType", "predicate"))
    if statement.text("_type") not in STATEMENT_TYPES:
        raise ParseError("_type", f"is `{printable(statement.text('_type'), 80)}`, not an in-toto statement")
    statement.text("predicateType")
    return statement


def check_claims(statement: JsonObject, digest: Digest) -> Mapping[str, str]:
    """Return the annotations that were signed for `digest`; a ParseError if the statement is not about it alone.

    Exactly one of at most 1,024 subjects has the digest, algorithm and all digits; it needs no name. Its annotations
    are what `cosign sign -a` adds; only strings count.
    """
    subjects = statement.objects("subject", at_most=MAX_SUBJECTS)
    for subject in subjects:
        subject.refuse_variants(("name", "digest", "annotations"))
    matching = [subject for subject in subjects if subject.text_map("digest").get(digest.algorithm) == digest.hex]
    if len(matching) != 1:
        raise ParseError(statement.at("subject"), "names this image twice" if matching else "is another image")
    annotations = matching[0].object_or_empty("annotations").members
    return {name: value for name, value in annotations.items() if isinstance(value, str)}
