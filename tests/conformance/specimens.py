"""One genuine signature, or attestation, per format, and what it takes to judge it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import assert_never

from tests.core.signatures.notation import artefacts
from tests.sigstore_stand.certificates import Identity as Signatory
from tests.sigstore_stand.formats import BundleVersion
from tests.sigstore_stand.signer import StandSigner
from tests.sigstore_stand.stand import SigstoreStand
from tests.sigstore_stand.witnesses import Witness
from webhook.core.attestations.judge import judge_attestations
from webhook.core.attestations.statements import VerifiedStatement
from webhook.core.facts import (
    AttestationCandidate,
    AttestationKind,
    AttestationSearch,
    CandidateKind,
    SignatureCandidate,
    SignatureSearch,
    Trouble,
)
from webhook.core.policy import Authority, Identity, KeyAuthority, KeylessAuthority, TransparencyLog
from webhook.core.reading.text_patterns import TextPattern
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.core.signatures.findings import SignatureFindings, Voucher
from webhook.core.signatures.judge import judge_signatures
from webhook.core.signatures.keys import load_public_keys
from webhook.core.signatures.trust_root_reading import load_trust_root
from webhook.core.trust import Trust
from webhook.demo.keys import SigningKey

__all__ = ["FORMATS", "Candidate", "Judgement", "Specimen", "specimen"]

IMAGE = PinnedImage(
    repository=Repository.parse("registry.example/shop/api"),
    digest=Digest.of(b"image"),
)
RELEASE = Signatory(subject="https://git.stand.test/shop/release@refs/heads/main", issuer="https://token.stand.test")

BUNDLES: dict[str, tuple[BundleVersion, Witness]] = {
    "bundle 0.1": ("0.1", "rekor-v1"),
    "bundle 0.2": ("0.2", "rekor-v1"),
    "bundle 0.3": ("0.3", "rekor-v1"),
    "bundle 0.3 with Rekor v2": ("0.3", "rekor-v2"),
    "bundle 0.3 by key": ("0.3", "rekor-v1-tsa"),
}
"""Version of the bundle and witness. One is signed by key, all others by certificate."""
CLASSIC: dict[str, Witness] = {"classic": "rekor-v1", "classic with a timestamp": "rekor-v1-tsa"}
ATTESTED: dict[str, Witness] = {"attestation behind a tag": "rekor-v1-tsa"}
NOTATION = {"Notation JWS": "ecdsa-p256.jws", "Notation COSE": "ecdsa-p256.cose"}
"""The files that the real libraries wrote."""
FORMATS = (*BUNDLES, *CLASSIC, *ATTESTED, *NOTATION)

Candidate = SignatureCandidate | AttestationCandidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What came of a candidate: who vouches for the image, or for which statement about it."""

    said: tuple[Voucher | VerifiedStatement, ...]
    vouchers: tuple[Voucher, ...]
    incomplete: Trouble | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """A genuine signature or attestation of `image`."""

    candidate: Candidate
    authority: Authority
    trust: Trust = field(repr=False)
    image: PinnedImage = IMAGE

    def judged(self, candidate: Candidate) -> Judgement:
        """Judge a candidate as the gate would that finds it beside the image."""
        match candidate:
            case SignatureCandidate():
                search = SignatureSearch(candidates=(candidate,))
                found = judge_signatures(search, self.image, (self.authority,), self.trust)
                return Judgement(said=found.vouchers, vouchers=found.vouchers, incomplete=found.incomplete)
            case AttestationCandidate():
                stated = judge_attestations(
                    AttestationSearch(candidates=(candidate,)),
                    self.image,
                    (),
                    (self.authority,),
                    self.trust,
                    over_index=SignatureFindings(),
                )
                vouchers = tuple(voucher for statement in stated.statements for voucher in statement.vouchers)
                return Judgement(said=stated.statements, vouchers=vouchers, incomplete=stated.incomplete)
            case _:
                assert_never(candidate)


@cache
def specimen(name: str) -> Specimen:
    """Make the genuine signature of a format, or read it."""
    if name in NOTATION:
        return Specimen(
            candidate=artefacts.candidate(NOTATION[name]),
            authority=artefacts.authority(),
            trust=Trust(catalog=None, as_of=artefacts.NOW),
            image=artefacts.IMAGE,
        )
    stand = SigstoreStand.create()
    key = SigningKey.generate() if name.endswith("by key") else None
    return Specimen(
        candidate=_candidate(name, stand, key or RELEASE),
        authority=_authority(stand, key),
        trust=Trust(catalog=None, as_of=stand.now),
    )


def _candidate(name: str, stand: SigstoreStand, who: Signatory | SigningKey) -> Candidate:
    if name in BUNDLES:
        version, witness = BUNDLES[name]
        data = StandSigner(stand=stand, who=who, witness=witness, version=version).bundle(IMAGE.digest)
        return SignatureCandidate(kind=CandidateKind.BUNDLE, manifest=IMAGE.digest, payload=data)
    if name in ATTESTED:
        data, beside = StandSigner(stand=stand, who=who, witness=ATTESTED[name]).envelope(IMAGE.digest)
        kind = AttestationKind.ENVELOPE
        return AttestationCandidate(kind=kind, manifest=IMAGE.digest, payload=data, annotations=beside)
    signer = StandSigner(stand=stand, who=who, witness=CLASSIC[name])
    data, beside = signer.simple_signing(IMAGE.digest, reference=str(IMAGE.repository))
    classic = CandidateKind.SIMPLE_SIGNING
    return SignatureCandidate(kind=classic, manifest=IMAGE.digest, payload=data, annotations=beside)


def _authority(stand: SigstoreStand, key: SigningKey | None) -> Authority:
    root = load_trust_root(stand.trusted_root())
    if key is None:
        identity = Identity(issuer=TextPattern(RELEASE.issuer), subject=TextPattern(RELEASE.subject))
        return KeylessAuthority(name="release", identities=(identity,), trust_root=root)
    return KeyAuthority(
        name="release",
        keys=load_public_keys(key.public_pem.encode()),
        transparency_log=TransparencyLog.REQUIRE,
        trust_root=root,
    )
