"""All candidates for signatures over one image + the authorities of the policy → who verifiably vouched for it.

Each candidate is judged by itself, in these steps; the formats explain theirs.

1. Unpack: strict JSON, strict base64, bounded size. What cannot be unpacked is no signature and counts as nothing,
   unless it points at a key of the policy.
2. Verify: who made the signature over the exact bytes, with all that came with it (`verifying`).
3. Check the claims, in the bytes that were verified: purpose, and the digest of the very image.
4. Apply the limits of each authority that signed: repositories, and annotations that must have been signed.

What comes of it:

- All four hold: a voucher, for every authority that signed, within its limits.
- An authority signed but the claims are wrong, or the signature points at an authority and does not hold: broken.
- A signature by anyone else, or by an authority beyond its limits: a stranger's.
- An attestation (a bundle with another predicate type) is no signature, whoever made it: it counts as nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from webhook.core.errors import ParseError
from webhook.core.facts import CandidateKind, SignatureCandidate, SignatureSearch, Trouble
from webhook.core.policy import Authority
from webhook.core.references import Digest, PinnedImage
from webhook.core.signatures import simple_signing, statement
from webhook.core.signatures.bundle import parse_bundle
from webhook.core.signatures.discovery import from_both_ends
from webhook.core.signatures.dsse import Envelope, read_envelope
from webhook.core.signatures.findings import SignatureFindings
from webhook.core.signatures.keyring import Keyring
from webhook.core.signatures.notation.judge import judge_notation
from webhook.core.signatures.verifying import SignatureVerifier, Verification
from webhook.core.trust import Trust

__all__ = ["judge_signatures"]

MAX_CANDIDATES = 200
MAX_TOTAL_BYTES = 32 * 1024 * 1024
"""Payload of all candidates together that one image may make the gate read."""

NOTHING = SignatureFindings()
STRANGER = SignatureFindings(strangers=1)


def judge_signatures(
    search: SignatureSearch, image: PinnedImage, authorities: tuple[Authority, ...], trust: Trust
) -> SignatureFindings:
    """Judge every candidate that was found for `image`, and sum up; raises nothing, whatever the candidates are.

    At most 200 candidates and 32 MiB of them are judged, those first that seem to concern the policy's keys and the
    image; if that leaves some out, the findings are incomplete. A voucher is given once for each authority, key,
    identity and time.
    """
    verifier = SignatureVerifier.of(authorities, trust)
    chosen = _within_bounds(_likeliest_first(search.candidates, image.digest, verifier.keyring))
    findings = [_judged_alone(candidate, image, verifier) for candidate in chosen]
    if len(chosen) < len(search.candidates):
        findings.append(_incomplete(image, "more candidates than the gate looks at"))
    return _sum(findings, search.incomplete)


def _likeliest_first(
    candidates: tuple[SignatureCandidate, ...], digest: Digest, keyring: Keyring
) -> tuple[SignatureCandidate, ...]:
    """Order by what the bytes seem to concern. Anyone can write these, so likely junk is met from both ends."""
    names = (digest.hex.encode(), *(held.hint for held in keyring.keys.values()))
    likely = [any(name in candidate.payload for name in names) for candidate in candidates]
    first = [candidate for candidate, is_likely in zip(candidates, likely, strict=True) if is_likely]
    rest = [candidate for candidate, is_likely in zip(candidates, likely, strict=True) if not is_likely]
    return (*from_both_ends(first), *from_both_ends(rest))


def _within_bounds(candidates: tuple[SignatureCandidate, ...]) -> tuple[SignatureCandidate, ...]:
    chosen: list[SignatureCandidate] = []
    room = MAX_TOTAL_BYTES
    for candidate in candidates[:MAX_CANDIDATES]:
        if len(candidate.payload) <= room:
            room -= len(candidate.payload)
            chosen.append(candidate)
    return tuple(chosen)


def _judged_alone(candidate: SignatureCandidate, image: PinnedImage, verifier: SignatureVerifier) -> SignatureFindings:
    """Judge one candidate so that it cannot spoil the judgement of the others."""
    try:
        match candidate.kind:
            case CandidateKind.SIMPLE_SIGNING:
                return _judge_simple_signing(candidate, image, verifier)
            case CandidateKind.BUNDLE:
                return _judge_bundle(candidate, image, verifier)
            case CandidateKind.NOTATION_JWS | CandidateKind.NOTATION_COSE:
                return judge_notation(candidate, image, verifier.notation, verifier.trust.as_of)
            case _:
                assert_never(candidate.kind)
    except Exception:  # noqa: BLE001 - hostile bytes must neither abort the other candidates nor pass for a signature
        return _incomplete(image, "a signature that the gate could not judge")


def _judge_simple_signing(
    candidate: SignatureCandidate, image: PinnedImage, verifier: SignatureVerifier
) -> SignatureFindings:
    if len(candidate.payload) > simple_signing.MAX_PAYLOAD_BYTES:
        return NOTHING
    try:
        signed = simple_signing.read_signature(candidate.payload, candidate.annotations)
    except ParseError:
        return NOTHING
    verified = verifier.verify(signed)
    if not verified.signers:
        return _unvouched(verified)
    try:
        annotations = simple_signing.check_claims(candidate.payload, image.digest)
    except ParseError as error:
        return _refuted(verified, str(error))
    return _vouched(verified, annotations, image)


def _judge_bundle(candidate: SignatureCandidate, image: PinnedImage, verifier: SignatureVerifier) -> SignatureFindings:
    try:
        bundle = parse_bundle(candidate.payload)
        unread = bundle.envelope
    except ParseError:
        return NOTHING
    try:
        envelope = read_envelope(unread)
    except ParseError as error:
        return SignatureFindings(broken=verifier.pointed_at(bundle.hint, str(error)))
    verified = verifier.verify(bundle.over(envelope))
    if not verified.signers:
        return _unverified(envelope, verified)
    try:
        signed = statement.read_statement(envelope)
        if signed.text("predicateType") != statement.COSIGN_SIGN:
            return NOTHING
        annotations = statement.check_claims(signed, image.digest)
    except ParseError as error:
        return _refuted(verified, str(error))
    return _vouched(verified, annotations, image)


def _unverified(envelope: Envelope, verified: Verification) -> SignatureFindings:
    """Sort a bundle that nobody in the policy verifiably signed. Its text is read to say what it is, not believed."""
    try:
        claimed = statement.read_statement(envelope).text("predicateType")
    except ParseError:
        return SignatureFindings(broken=verified.broken, incomplete=verified.incomplete)
    return _unvouched(verified) if claimed == statement.COSIGN_SIGN else NOTHING


def _unvouched(verified: Verification) -> SignatureFindings:
    """Say of a signature that it is broken, or else a stranger's."""
    if verified.broken or verified.incomplete:
        return SignatureFindings(broken=verified.broken, incomplete=verified.incomplete)
    return SignatureFindings(strangers=1, identities=() if verified.identity is None else (verified.identity,))


def _refuted(verified: Verification, why: str) -> SignatureFindings:
    return SignatureFindings(broken=(*verified.refuted(why), *verified.broken), incomplete=verified.incomplete)


def _vouched(verified: Verification, annotations: Mapping[str, str], image: PinnedImage) -> SignatureFindings:
    vouchers = verified.vouchers(image, annotations)
    found = SignatureFindings(vouchers=vouchers, broken=verified.broken, incomplete=verified.incomplete)
    return found if vouchers or verified.broken or verified.incomplete else STRANGER


def _incomplete(image: PinnedImage, why: str) -> SignatureFindings:
    trouble = Trouble(doing="judging signatures", where=image.repository.registry, why=why)
    return SignatureFindings(incomplete=trouble)


def _sum(findings: list[SignatureFindings], search: Trouble | None) -> SignatureFindings:
    """Add up findings; the first trouble is told, that of the search before any of the judging."""
    troubles = (search, *(finding.incomplete for finding in findings))
    return SignatureFindings(
        vouchers=tuple(dict.fromkeys(voucher for finding in findings for voucher in finding.vouchers)),
        broken=tuple(dict.fromkeys(broken for finding in findings for broken in finding.broken)),
        strangers=sum(finding.strangers for finding in findings),
        identities=tuple(identity for finding in findings for identity in finding.identities),
        incomplete=next((trouble for trouble in troubles if trouble is not None), None),
    )
