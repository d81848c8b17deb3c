"""Verified statements about one image and its platforms, and what else was found that claims to be one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webhook.core.errors import ParseError
from webhook.core.facts import Trouble
from webhook.core.reading.strict_json import JsonObject, JsonValue
from webhook.core.references import Digest
from webhook.core.signatures.findings import BrokenSignature, Voucher

__all__ = ["AttestationFindings", "UnprovenClaim", "VerifiedStatement", "named_subjects"]

MAX_SUBJECTS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedStatement:
    """What authorities of the policy verifiably state about some of the digests that were asked about.

    `subjects` are those of them that the statement names; never empty, and `vouchers` neither. `manifest` carried it.
    """

    predicate_type: str
    predicate: JsonValue
    subjects: frozenset[Digest]
    vouchers: tuple[Voucher, ...]
    manifest: Digest

    def predicate_object(self) -> JsonObject:
        """Return the predicate for reading; a ParseError if it is not even an object."""
        return JsonObject.of(self.predicate, path="predicate")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnprovenClaim:
    """Something that says it is a statement of that type, and that nobody of the policy vouches for.

    `broken` are signatures on it in the name of an authority that do not hold; without any, it is a stranger's.
    """

    predicate_type: str
    broken: tuple[BrokenSignature, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationFindings:
    """Everything that was found. With `incomplete`, more may exist that could not be seen or judged."""

    statements: tuple[VerifiedStatement, ...] = ()
    claims: tuple[UnprovenClaim, ...] = ()
    incomplete: Trouble | None = None


def named_subjects(statement: JsonObject, digests: frozenset[Digest]) -> Mapping[Digest, Mapping[str, str]]:
    """Return which of `digests` the statement is about, with the annotations that were signed for each.

    A subject has the digest, algorithm and all digits. Builders name one digest once for every tag; only annotations
    that all of these agree on count. A ParseError if the subjects cannot be read, or are more than 1,024.
    Source: in-toto Attestation Framework, `spec/v1/resource_descriptor.md`.
    """
    wanted = {(digest.algorithm, digest.hex): digest for digest in digests}
    found: dict[Digest, dict[str, str]] = {}
    for subject in statement.objects("subject", at_most=MAX_SUBJECTS):
        subject.refuse_variants(("name", "digest", "annotations"))
        digest = next((wanted[pair] for pair in subject.text_map("digest").items() if pair in wanted), None)
        if digest is None:
            continue
        signed = {k: v for k, v in subject.object_or_empty("annotations").members.items() if isinstance(v, str)}
        known = found.setdefault(digest, signed)
        found[digest] = {key: value for key, value in known.items() if signed.get(key) == value}
    if not found:
        raise ParseError(statement.at("subject"), "is another image")
    return found
