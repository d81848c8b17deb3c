"""All candidates for attestations of an image + the authorities of the policy → who verifiably states what about it.

Each candidate is judged by itself, in these steps:

1. Unpack: strict JSON, strict base64, bounded size. What cannot be unpacked is no attestation and counts as nothing.
2. Find who signed. An envelope, bare or in a bundle, carries its signature. A plain statement has none: whoever signed
   the manifest that carries it, by digest, vouches for it, and where the image's own index lists that manifest, whoever
   signed the index does too.
3. Read the statement from exactly the bytes that were verified: its payload type, its kind, and which of the digests
   that were asked about it names. A statement about something else is no statement about this image, wherever it hung.
4. Apply the limits of each authority: repositories, and annotations that must have been signed for the subject.

A signature over an image is such a statement too, of a type of its own; it is none here. What nobody of the policy
vouches for is counted by the type that it claims, for words only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from webhook.core.attestations.statements import (
    AttestationFindings,
    UnprovenClaim,
    VerifiedStatement,
    named_subjects,
)
from webhook.core.errors import ParseError
from webhook.core.facts import AttestationCandidate, AttestationKind, AttestationSearch, SignatureSearch, Trouble
from webhook.core.policy import Authority
from webhook.core.reading.strict_json import JsonObject, parse_json
from webhook.core.references import Digest, PinnedImage
from webhook.core.signatures.bundle import MAX_BUNDLE_BYTES, parse_bundle
from webhook.core.signatures.cosign_annotations import material_beside
from webhook.core.signatures.dsse import read_envelope
from webhook.core.signatures.findings import BrokenSignature, SignatureFindings, Voucher
from webhook.core.signatures.judge import judge_signatures
from webhook.core.signatures.signed_bytes import SignedBytes
from webhook.core.signatures.statement import COSIGN_SIGN, PAYLOAD_TYPE, parse_statement
from webhook.core.signatures.verifying import SignatureVerifier
from webhook.core.trust import Trust

__all__ = ["judge_attestations"]


def judge_attestations(
    search: AttestationSearch,
    image: PinnedImage,
    platforms: tuple[Digest, ...],
    authorities: tuple[Authority, ...],
    trust: Trust,
    *,
    over_index: SignatureFindings,
) -> AttestationFindings:
    """Judge every candidate that was found for `image` and its `platforms`; raises nothing, whatever they are.

    `over_index` are the findings about signatures over the image itself.
    """
    judge = _Judge(
        search=search,
        image=image,
        digests=frozenset((image.digest, *platforms)),
        authorities=authorities,
        trust=trust,
        over_index=over_index,
        verifier=SignatureVerifier.of(authorities, trust),
    )
    findings = [judge.judged_alone(candidate) for candidate in search.candidates]
    troubles = (search.incomplete, *(finding.incomplete for finding in findings))
    return AttestationFindings(
        statements=tuple(statement for finding in findings for statement in finding.statements),
        claims=tuple(claim for finding in findings for claim in finding.claims),
        incomplete=next((trouble for trouble in troubles if trouble is not None), None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """What every candidate is judged with. `digests` are those that a statement may be about."""

    search: AttestationSearch
    image: PinnedImage
    digests: frozenset[Digest]
    authorities: tuple[Authority, ...]
    trust: Trust
    over_index: SignatureFindings
    verifier: SignatureVerifier

    def judged_alone(self, candidate: AttestationCandidate) -> AttestationFindings:
        """Judge one candidate so that it cannot spoil the judgement of the others."""
        try:
            match candidate.kind:
                case AttestationKind.PLAIN:
                    return self._plain(candidate)
                case AttestationKind.BUNDLE | AttestationKind.ENVELOPE:
                    return self._enveloped(candidate)
                case _:
                    assert_never(candidate.kind)
        except ParseError:
            return AttestationFindings()
        except Exception:  # noqa: BLE001 - hostile bytes must neither abort the other candidates nor pass for a statement
            return AttestationFindings(incomplete=_unjudged(self.image))

    def _enveloped(self, candidate: AttestationCandidate) -> AttestationFindings:
        """Judge a statement that carries its signature."""
        # Step 1
        signed, payload_type = _unpack(candidate)
        # Step 2
        verification = self.verifier.verify(signed)
        # Step 3
        statement = parse_statement(signed.payload)
        kind = statement.text("predicateType")
        if payload_type != PAYLOAD_TYPE or kind == COSIGN_SIGN:
            return AttestationFindings()
        try:
            subjects = named_subjects(statement, self.digests)
        except ParseError as error:
            return _unproven(kind, verification.refuted(str(error)))
        # Step 4: each subject has annotations of its own, so each has its own vouchers.
        found = tuple(
            _verified(candidate, statement, (digest,), verification.vouchers(self.image, annotations))
            for digest, annotations in subjects.items()
        )
        proven = tuple(one for one in found if one.vouchers)
        if proven:
            return AttestationFindings(statements=proven, incomplete=verification.incomplete)
        unproven = _unproven(kind, verification.broken)
        return AttestationFindings(claims=unproven.claims, incomplete=verification.incomplete)

    def _plain(self, candidate: AttestationCandidate) -> AttestationFindings:
        """Judge a statement that is vouched for by a signature over the manifest that carries it."""
        # Step 1
        statement = parse_statement(candidate.payload)
        kind = statement.text("predicateType")
        # Steps 2 and 4
        carrier = PinnedImage(repository=self.image.repository, digest=candidate.manifest)
        search = self.search.over_manifests.get(candidate.manifest, SignatureSearch(candidates=()))
        over_manifest = judge_signatures(search, carrier, self.authorities, self.trust)
        over_index = self.over_index.vouchers if candidate.manifest in self.search.in_index else ()
        vouchers = tuple(dict.fromkeys((*over_manifest.vouchers, *over_index)))
        # Step 3
        try:
            subjects = tuple(named_subjects(statement, self.digests))
        except ParseError as error:
            why = str(error)
            broken = tuple(BrokenSignature(authority=voucher.authority, why=why) for voucher in vouchers)
            return _unproven(kind, broken)
        if not vouchers:
            unproven = _unproven(kind, over_manifest.broken)
            return AttestationFindings(claims=unproven.claims, incomplete=over_manifest.incomplete)
        return AttestationFindings(
            statements=(_verified(candidate, statement, subjects, vouchers),), incomplete=over_manifest.incomplete
        )


def _unpack(candidate: AttestationCandidate) -> tuple[SignedBytes, str]:
    """Return what was signed, with its signature, and as what it was announced."""
    if candidate.kind is AttestationKind.BUNDLE:
        bundle = parse_bundle(candidate.payload)
        envelope = read_envelope(bundle.envelope)
        return bundle.over(envelope), envelope.payload_type
    source = JsonObject.of(parse_json(candidate.payload, max_bytes=MAX_BUNDLE_BYTES))
    source.refuse_variants(("payload", "payloadType", "signatures"))
    envelope = read_envelope(source)
    # cosign has the whole envelope stamped, as it is stored, and not the signature in it.
    signed = SignedBytes.enveloped(envelope, material_beside(candidate.annotations), stamped=candidate.payload)
    return signed, envelope.payload_type


def _verified(
    candidate: AttestationCandidate, statement: JsonObject, subjects: Iterable[Digest], vouchers: tuple[Voucher, ...]
) -> VerifiedStatement:
    return VerifiedStatement(
        predicate_type=statement.text("predicateType"),
        predicate=statement.members.get("predicate"),
        subjects=frozenset(subjects),
        vouchers=vouchers,
        manifest=candidate.manifest,
    )


def _unproven(predicate_type: str, broken: tuple[BrokenSignature, ...]) -> AttestationFindings:
    return AttestationFindings(claims=(UnprovenClaim(predicate_type=predicate_type, broken=broken),))


def _unjudged(image: PinnedImage) -> Trouble:
    return Trouble(
        doing="judging attestations",
        where=image.repository.registry,
        why="an attestation that the gate could not judge",
    )
