"""One Notation envelope + the authorities of the policy → who of them verifiably vouches.

1. Unpack: strict JSON or CBOR, bounded size. What cannot be unpacked is no signature and counts as nothing.
2. See whom it points at: authorities whose trust store holds one of its certificates, and of these the ones that trust
   the subject of the first. Nothing has been verified yet, so this only says whom to blame.
3. Verify the signature by the key of the first certificate, in the one way in which that key signs.
4. Verify the chain: it ends in a root that signed itself, and every certificate in it is what its place demands.
5. Check what was signed: the attributes (scheme, critical names, expiry), then the artefact.
6. For each authority, look up the certificates below the one it trusts in its revocation lists, if it has any.

What fails in steps 3 to 6 is a broken signature of those it points at, and a stranger's if it points at nobody. One
whose certificates nobody trusts is a stranger's without further work.

A trust store may hold an intermediate authority, or a signer's own certificate: that narrows whom it trusts.
Timestamps beside the signature are not read: every certificate must be valid now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from webhook.core.errors import ParseError
from webhook.core.facts import CandidateKind, SignatureCandidate, Trouble
from webhook.core.policy import NotationAuthority
from webhook.core.references import Digest, PinnedImage
from webhook.core.signatures.findings import BrokenSignature, SignatureFindings
from webhook.core.signatures.identity import CertificateIdentity
from webhook.core.signatures.notation.chain import Chain, name_of, read_chain
from webhook.core.signatures.notation.claims import check_claims
from webhook.core.signatures.notation.envelope import NotationEnvelope, check_attributes
from webhook.core.signatures.notation.envelope_cose import read_cose
from webhook.core.signatures.notation.envelope_jws import read_jws
from webhook.core.signatures.notation.revocation import check_revocation
from webhook.core.signatures.verifying import AuthoritySignature, Verification

__all__ = ["judge_notation"]

NOTHING = SignatureFindings()
STRANGER = SignatureFindings(strangers=1)


def judge_notation(
    candidate: SignatureCandidate, image: PinnedImage, authorities: tuple[NotationAuthority, ...], as_of: datetime
) -> SignatureFindings:
    """Return what one envelope, of either kind, says about `image`; the steps are those of the module.

    A signer is told by the key, and by the subject of the certificate as its identity.
    """
    # Step 1
    try:
        envelope = _read(candidate)
    except ParseError:
        return NOTHING
    try:
        chain = read_chain(envelope.certificates)
    except ParseError:
        return STRANGER
    # Step 2
    trusting = tuple(one for authority in authorities if (one := _trusting(authority, chain)) is not None)
    if not trusting:
        return STRANGER
    pointed_at = tuple(one for one in trusting if one.is_meant)
    # Steps 3 to 5
    try:
        _verify(envelope, chain, as_of)
        annotations = check_claims(envelope.payload, image.digest)
    except ParseError as error:
        return _refuted(pointed_at, str(error))
    # Step 6
    found = _unrevoked(pointed_at, chain, as_of)
    vouchers = found.vouchers(image, annotations)
    unnamed = not (vouchers or found.broken or found.incomplete)
    return SignatureFindings(
        vouchers=vouchers,
        broken=found.broken,
        strangers=int(unnamed),
        identities=(_identity(chain),) if unnamed else (),
        incomplete=found.incomplete,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trusting:
    """An authority that trusts the certificate at `anchor`; with `is_meant`, also the subject of the first one."""

    authority: NotationAuthority
    anchor: int
    is_meant: bool


def _read(candidate: SignatureCandidate) -> NotationEnvelope:
    match candidate.kind:
        case CandidateKind.NOTATION_JWS:
            return read_jws(candidate.payload)
        case CandidateKind.NOTATION_COSE:
            return read_cose(candidate.payload)
        case CandidateKind.SIMPLE_SIGNING | CandidateKind.BUNDLE:
            raise ParseError("", "is not an envelope of Notation")
        case _:
            assert_never(candidate.kind)


def _trusting(authority: NotationAuthority, chain: Chain) -> _Trusting | None:
    """Find the first certificate of the chain that the authority trusts, byte for byte."""
    for position, certificate in enumerate(chain.certificates):
        if certificate in authority.trust_store:
            is_meant = any(identity.matches(chain.leaf.subject) for identity in authority.identities)
            return _Trusting(authority=authority, anchor=position, is_meant=is_meant)
    return None


def _verify(envelope: NotationEnvelope, chain: Chain, as_of: datetime) -> None:
    """Verify the signature, then the chain, then what was signed beside the payload; a ParseError if one fails."""
    if not chain.leaf_key.is_named(envelope.algorithm):
        raise ParseError("alg", "is not the one of the signer's key")
    if not chain.leaf_key.verifies(envelope.signature, envelope.signed_bytes):
        raise ParseError("", "the signature does not verify")
    chain.check(as_of)
    check_attributes(envelope, as_of)


def _refuted(pointed_at: tuple[_Trusting, ...], why: str) -> SignatureFindings:
    broken = tuple(BrokenSignature(authority=one.authority.name, why=why) for one in pointed_at)
    return SignatureFindings(broken=broken) if broken else STRANGER


def _unrevoked(pointed_at: tuple[_Trusting, ...], chain: Chain, as_of: datetime) -> Verification:
    """Return who verifiably signed, and who would have if nothing were revoked, or if that were known."""
    signers: list[AuthoritySignature] = []
    broken: list[BrokenSignature] = []
    unknown: list[Trouble] = []
    key = chain.leaf_key.fingerprint
    subject = Digest.of(chain.leaf.subject.rfc4514_string().encode())
    for one in pointed_at:
        judged = chain.certificates[: one.anchor + 1]
        try:
            trouble = check_revocation(judged, one.authority.crls, authority=one.authority.name, as_of=as_of)
        except ParseError as error:
            broken.append(BrokenSignature(authority=one.authority.name, why=str(error)))
            continue
        if trouble is not None:
            unknown.append(trouble)
        else:
            signers.append(AuthoritySignature(authority=one.authority, key=key, identity=subject))
    return Verification(signers=tuple(signers), broken=tuple(broken), incomplete=next(iter(unknown), None))


def _identity(chain: Chain) -> CertificateIdentity:
    return CertificateIdentity(issuer=name_of(chain.certificates[-1].subject), subject=name_of(chain.leaf.subject))
