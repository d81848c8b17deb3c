"""All candidates for signatures over one image + the keys of the policy → who verifiably vouched for it.

Each candidate is judged by itself, in these steps; the formats explain theirs.

1. Unpack: strict JSON, strict base64, bounded size. What cannot be unpacked is no signature and counts as nothing,
   unless it points at a key of the policy.
2. Find the key: every key of the policy is tried over the exact bytes; a hint chooses which one first, and no more.
3. Check the claims, in the bytes that were verified: purpose, and the digest of the very image.
4. Apply the limits of each authority that holds the key: repositories, and annotations that must have been signed.

What comes of it:

- All four hold: a voucher, for every holder of the key within its limits.
- The key is the policy's but the claims are wrong, or a bundle points to the policy's key and does not verify: broken.
- A signature by any other key, or by an authority beyond its limits: a stranger's.
- An attestation (a bundle with another predicate type) is no signature, whoever made it: it counts as nothing.

Log entries and timestamps beside a signature are not judged: authorities are keys for which the policy ignores the
transparency log. Certificates are nobody's key here, so their signatures are strangers'.
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
from webhook.core.signatures.findings import BrokenSignature, SignatureFindings, Voucher
from webhook.core.signatures.keyring import HeldKey, Keyring

__all__ = ["judge_signatures"]

MAX_CANDIDATES = 200
MAX_TOTAL_BYTES = 32 * 1024 * 1024
"""Payload of all candidates together that one image may make the gate read."""

NOTHING = SignatureFindings()
STRANGER = SignatureFindings(strangers=1)


def judge_signatures(
    search: SignatureSearch, image: PinnedImage, authorities: tuple[Authority, ...]
) -> SignatureFindings:
    """Judge every candidate that was found for `image`, and sum up; raises nothing, whatever the candidates are.

    At most 200 candidates and 32 MiB of them are judged, those first that seem to concern the policy's keys and the
    image; if that leaves some out, the findings are incomplete. A voucher is given once for each authority and key.
    """
    keyring = Keyring.of(authorities)
    chosen = _within_bounds(_likeliest_first(search.candidates, image.digest, keyring))
    findings = [_judged_alone(candidate, image, keyring) for candidate in chosen]
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


def _judged_alone(candidate: SignatureCandidate, image: PinnedImage, keyring: Keyring) -> SignatureFindings:
    """Judge one candidate so that it cannot spoil the judgement of the others."""
    try:
        match candidate.kind:
            case CandidateKind.SIMPLE_SIGNING:
                return _judge_simple_signing(candidate, image, keyring)
            case CandidateKind.BUNDLE:
                return _judge_bundle(candidate, image, keyring)
            case _:
                assert_never(candidate.kind)
    except Exception:  # noqa: BLE001 - hostile bytes must neither abort the other candidates nor pass for a signature
        return _incomplete(image, "a signature that the gate could not judge")


def _judge_simple_signing(candidate: SignatureCandidate, image: PinnedImage, keyring: Keyring) -> SignatureFindings:
    if len(candidate.payload) > simple_signing.MAX_PAYLOAD_BYTES:
        return NOTHING
    try:
        signature = simple_signing.read_signature(candidate.annotations)
    except ParseError:
        return NOTHING
    signer = keyring.signer(signature, candidate.payload)
    if signer is None:
        return STRANGER
    try:
        annotations = simple_signing.check_claims(candidate.payload, image.digest)
    except ParseError as error:
        return _broken(signer, str(error))
    return _vouched(signer, annotations, image)


def _judge_bundle(candidate: SignatureCandidate, image: PinnedImage, keyring: Keyring) -> SignatureFindings:
    try:
        bundle = parse_bundle(candidate.payload)
    except ParseError:
        return NOTHING
    hinted = keyring.keys.get(bundle.hint) if bundle.hint is not None else None
    try:
        envelope = read_envelope(bundle.envelope)
    except ParseError as error:
        return _broken(hinted, str(error))
    signer = keyring.signer(envelope.signature, envelope.signed_bytes, hinted=hinted)
    if signer is None:
        return _unverified(envelope, hinted)
    try:
        signed = statement.read_statement(envelope)
        if signed.text("predicateType") != statement.COSIGN_SIGN:
            return NOTHING
        annotations = statement.check_claims(signed, image.digest)
    except ParseError as error:
        return _broken(signer, str(error))
    return _vouched(signer, annotations, image)


def _unverified(envelope: Envelope, hinted: HeldKey | None) -> SignatureFindings:
    """Sort a bundle that no key of the policy verifies. Its text is read to say what it is, and is not believed."""
    try:
        claimed = statement.read_statement(envelope).text("predicateType")
    except ParseError:
        return _broken(hinted, "the signature does not verify")
    if claimed != statement.COSIGN_SIGN:
        return NOTHING
    return _broken(hinted, "the signature does not verify") if hinted else STRANGER


def _vouched(signer: HeldKey, annotations: Mapping[str, str], image: PinnedImage) -> SignatureFindings:
    vouchers = tuple(
        Voucher(authority=authority.name, key_fingerprint=signer.key.fingerprint)
        for authority in signer.holders
        if _within_limits(authority, annotations, image)
    )
    return SignatureFindings(vouchers=vouchers) if vouchers else STRANGER


def _within_limits(authority: Authority, annotations: Mapping[str, str], image: PinnedImage) -> bool:
    """Tell whether the authority may vouch for that repository, and signed all annotations that it must."""
    name = str(image.repository)
    in_scope = authority.repositories is None or any(glob.matches(name) for glob in authority.repositories)
    required = authority.annotations or {}
    return in_scope and all(annotations.get(key) == value for key, value in required.items())


def _broken(pointed_at: HeldKey | None, why: str) -> SignatureFindings:
    """Blame a signature on those whose key it points at; where it points at nobody's, it is none."""
    holders = pointed_at.holders if pointed_at is not None else ()
    return SignatureFindings(broken=tuple(BrokenSignature(authority=holder.name, why=why) for holder in holders))


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
        incomplete=next((trouble for trouble in troubles if trouble is not None), None),
    )
