"""A signature, whatever its format + the authorities of the policy → who of them verifiably made it, and when.

The one place in which signatures are verified, for images and for attestations alike. Steps:

1. By key: every key of the policy is tried over the exact bytes; a hint chooses which one first, and no more. Each
   authority that holds the key then gets what it asks for: log entries, timestamps, a window of time.
2. By certificate: what came with it is verified against the root of each authority, once per root; who it names is
   compared with the identities of the authority after that.
3. What is left of it: a signature that points at an authority and does not hold is broken, one that points at none is
   a stranger's. By key it points with its hint, by certificate with the identity that stands in it unverified.

Whoever calls checks what was signed, in exactly these bytes, and asks for the vouchers after: limits of an authority
(repositories, annotations that must have been signed) are applied then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from webhook.core.errors import ParseError
from webhook.core.facts import Trouble
from webhook.core.policy import Authority, KeyAuthority, KeylessAuthority, NotationAuthority, TransparencyLog
from webhook.core.references import Digest, PinnedImage
from webhook.core.signatures.findings import BrokenSignature, Voucher
from webhook.core.signatures.identity import CertificateIdentity, CertifiedSigner, claimed_identity
from webhook.core.signatures.keyring import Keyring
from webhook.core.signatures.keys import PublicKey
from webhook.core.signatures.signed_bytes import Material, SignedBytes, Unreadable
from webhook.core.signatures.trust_roots import TrustRoot, TrustRootSource
from webhook.core.trust import Trust

__all__ = ["AuthoritySignature", "SignatureVerifier", "Verification"]

DOES_NOT_VERIFY = "the signature does not verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthoritySignature:
    """An authority verifiably signed; whether it may vouch for this image is not said yet. The rest as in a voucher."""

    authority: Authority
    key: Digest
    identity: Digest | None = None
    signed_at: datetime | None = None

    def may_vouch(self, image: PinnedImage, annotations: Mapping[str, str]) -> bool:
        """Tell whether the authority may vouch for that repository, and signed all annotations that it must."""
        name, limits = str(image.repository), self.authority
        in_scope = limits.repositories is None or any(glob.matches(name) for glob in limits.repositories)
        required = limits.annotations or {}
        return in_scope and all(annotations.get(key) == value for key, value in required.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Who made one signature. With neither signers nor broken, a stranger, whose `identity` is known if it holds."""

    signers: tuple[AuthoritySignature, ...] = ()
    broken: tuple[BrokenSignature, ...] = ()
    identity: CertificateIdentity | None = None
    incomplete: Trouble | None = None

    def vouchers(self, image: PinnedImage, annotations: Mapping[str, str]) -> tuple[Voucher, ...]:
        """Return who vouches for `image`, if what was signed is about it and holds `annotations`."""
        return tuple(
            Voucher(
                authority=signed.authority.name, key=signed.key, identity=signed.identity, signed_at=signed.signed_at
            )
            for signed in self.signers
            if signed.may_vouch(image, annotations)
        )

    def refuted(self, why: str) -> tuple[BrokenSignature, ...]:
        """Return the signatures as broken: they verify, and what was signed is something else."""
        return tuple(BrokenSignature(authority=signed.authority.name, why=why) for signed in self.signers)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureVerifier:
    """Verifies any number of signatures for the same authorities and the same trust.

    Authorities of `notation` have envelopes of their own, which are judged apart.
    """

    keyring: Keyring
    keyless: tuple[KeylessAuthority, ...]
    notation: tuple[NotationAuthority, ...]
    trust: Trust

    @classmethod
    def of(cls, authorities: tuple[Authority, ...], trust: Trust) -> SignatureVerifier:
        """Take the authorities of a policy, in its order, and what they are judged with."""
        keyless = tuple(authority for authority in authorities if isinstance(authority, KeylessAuthority))
        notation = tuple(authority for authority in authorities if isinstance(authority, NotationAuthority))
        return cls(keyring=Keyring.of(authorities), keyless=keyless, notation=notation, trust=trust)

    def verify(self, signed: SignedBytes) -> Verification:
        """Return who verifiably made the signature; raises nothing, whatever the bytes are."""
        # Step 1
        hinted = self.keyring.keys.get(signed.hint) if signed.hint is not None else None
        held = self.keyring.signer(signed.signature, signed.message, hinted=hinted)
        by_key = _sorted([self._by_key(signed, held.key, holder) for holder in held.holders] if held else [])
        # Step 2
        by_certificate = self._by_certificate(signed)
        # Step 3
        broken = () if held else self.pointed_at(signed.hint, DOES_NOT_VERIFY)
        return Verification(
            signers=(*by_key.signers, *by_certificate.signers),
            broken=(*broken, *by_key.broken, *by_certificate.broken),
            identity=by_certificate.identity,
            incomplete=by_key.incomplete or by_certificate.incomplete,
        )

    def pointed_at(self, hint: Digest | None, why: str) -> tuple[BrokenSignature, ...]:
        """Blame a signature on those whose key it points at; where it points at nobody's, on nobody."""
        held = self.keyring.keys.get(hint) if hint is not None else None
        return tuple(BrokenSignature(authority=holder.name, why=why) for holder in (held.holders if held else ()))

    def _by_key(
        self, signed: SignedBytes, key: PublicKey, authority: KeyAuthority
    ) -> AuthoritySignature | BrokenSignature | Trouble:
        """Give the authority what it asks for beside the key's signature, which has been verified."""
        times: tuple[datetime, ...] = ()
        if authority.trust_root is not None:
            root = self.trust.root(authority.trust_root)
            if isinstance(root, Trouble):
                return root
            try:
                times = _prove_key(signed, key, root, self.trust.as_of)
            except ParseError as error:
                return BrokenSignature(authority=authority.name, why=str(error))
        why = _lacking(signed.material, times, authority)
        if why is not None:
            return BrokenSignature(authority=authority.name, why=why)
        return AuthoritySignature(authority=authority, key=key.fingerprint, signed_at=times[0] if times else None)

    def _by_certificate(self, signed: SignedBytes) -> Verification:
        if not self.keyless or not signed.material.certificates:
            return Verification()
        sources = dict.fromkeys(authority.trust_root for authority in self.keyless)
        proven = {source: self._certified(signed, source) for source in sources}
        holding = [found for found in proven.values() if isinstance(found, CertifiedSigner)]
        # Where no root holds the certificate, what it says of its subject is a hint like any other.
        claimed = None if holding else claimed_identity(signed.material.certificates[0])
        found = _sorted([_of_authority(authority, proven[authority.trust_root], claimed) for authority in self.keyless])
        return replace(found, identity=holding[0].identity if holding and not found.signers else None)

    def _certified(self, signed: SignedBytes, source: TrustRootSource) -> CertifiedSigner | Refuted | Trouble:
        root = self.trust.root(source)
        if isinstance(root, Trouble):
            return root
        try:
            return _prove_certificate(signed, root, self.trust.as_of)
        except ParseError as error:
            return Refuted(why=str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuted:
    """What came with a signature does not hold."""

    why: str


def _of_authority(
    authority: KeylessAuthority, found: CertifiedSigner | Refuted | Trouble, claimed: CertificateIdentity | None
) -> AuthoritySignature | BrokenSignature | Trouble | None:
    """Say what a certificate is to one authority; None if nothing."""
    match found:
        case CertifiedSigner(key=key, identity=identity, signed_at=signed_at):
            if not authority.is_meant_by(identity.issuer, identity.subject):
                return None
            return AuthoritySignature(authority=authority, key=key, identity=identity.fingerprint, signed_at=signed_at)
        case Refuted(why=why):
            if claimed is None or not authority.is_meant_by(claimed.issuer, claimed.subject):
                return None
            return BrokenSignature(authority=authority.name, why=why)
        case Trouble():
            return found
        case _:
            assert_never(found)


def _lacking(material: Material | Unreadable, times: tuple[datetime, ...], authority: KeyAuthority) -> str | None:
    """Say what of that which the authority asks for is not there. Entries count if a root has verified them."""
    logged = authority.trust_root is not None and isinstance(material, Material) and bool(material.entries)
    if authority.transparency_log is TransparencyLog.REQUIRE and not logged:
        return "has no entry in a transparency log"
    if authority.valid_from is None and authority.valid_until is None:
        return None
    if not times:
        return "has no trusted timestamp, which a key that counts for some time only needs"
    early = authority.valid_from is not None and times[0] < authority.valid_from
    late = authority.valid_until is not None and times[-1] > authority.valid_until
    return "was made while the key did not count" if early or late else None


def _prove_key(signed: SignedBytes, key: PublicKey, root: TrustRoot, as_of: datetime) -> tuple[datetime, ...]:
    # Sigstore costs half a second and 50 MB, which a policy without trust roots need not pay.
    from webhook.core.signatures.proofs import prove_key  # noqa: PLC0415

    return prove_key(signed, key, root, as_of)


def _prove_certificate(signed: SignedBytes, root: TrustRoot, as_of: datetime) -> CertifiedSigner:
    from webhook.core.signatures.proofs import prove_certificate  # noqa: PLC0415 - as above

    return prove_certificate(signed, root, as_of)


def _sorted(found: Sequence[AuthoritySignature | BrokenSignature | Trouble | None]) -> Verification:
    return Verification(
        signers=tuple(one for one in found if isinstance(one, AuthoritySignature)),
        broken=tuple(one for one in found if isinstance(one, BrokenSignature)),
        incomplete=next((one for one in found if isinstance(one, Trouble)), None),
    )
