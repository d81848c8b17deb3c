"""Signers, authorities and candidates for the tests of signatures."""

from __future__ import annotations

from collections.abc import Mapping

from tests.sigstore_stand.stand import STAND_NOW
from webhook.core.facts import CandidateKind, SignatureCandidate, SignatureSearch
from webhook.core.policy import Authority, KeyAuthority
from webhook.core.references import Digest, Glob, PinnedImage, Repository
from webhook.core.signatures.findings import SignatureFindings
from webhook.core.signatures.judge import judge_signatures
from webhook.core.signatures.keys import load_public_keys
from webhook.core.trust import Trust
from webhook.demo.signer import HONEST, Forgery, Signer


def digest(seed: str) -> Digest:
    """Return the digest of some text: the same text, the same digest."""
    return Digest.of(seed.encode())


IMAGE = PinnedImage(repository=Repository.parse("registry.example/shop/api"), digest=digest("api"))
OTHER = digest("another image")
TRUST = Trust(catalog=None, as_of=STAND_NOW)
RELEASE = Signer.generate()
STRANGER = Signer.generate()


def authority(
    name: str = "release",
    *signers: Signer,
    repositories: tuple[str, ...] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Authority:
    """Return an authority with the keys of `signers`, or else of RELEASE."""
    pem = "".join(signer.public_pem for signer in signers or (RELEASE,))
    return KeyAuthority(
        name=name,
        keys=load_public_keys(pem.encode()),
        repositories=tuple(Glob(pattern) for pattern in repositories) if repositories else None,
        annotations=annotations,
    )


def bundle_by(
    signer: Signer, *, annotations: Mapping[str, str] | None = None, forgery: Forgery = HONEST
) -> SignatureCandidate:
    """Return a Sigstore bundle over IMAGE."""
    return bundle_of(signer.bundle(IMAGE.digest, annotations=annotations, forgery=forgery))


def bundle_of(payload: bytes) -> SignatureCandidate:
    """Return a candidate whose kind is that of a bundle, whatever its bytes are."""
    return SignatureCandidate(kind=CandidateKind.BUNDLE, manifest=digest("carrier"), payload=payload)


def simple_by(
    signer: Signer, *, annotations: Mapping[str, str] | None = None, forgery: Forgery = HONEST
) -> SignatureCandidate:
    """Return a simple-signing signature over IMAGE."""
    payload, layer = signer.simple_signing(
        IMAGE.digest, reference=str(IMAGE.repository), annotations=annotations, forgery=forgery
    )
    return simple_of(payload, layer)


def simple_of(payload: bytes, annotations: Mapping[str, str]) -> SignatureCandidate:
    """Return a candidate whose kind is that of simple signing, whatever its bytes are."""
    return SignatureCandidate(
        kind=CandidateKind.SIMPLE_SIGNING, manifest=digest("carrier"), payload=payload, annotations=annotations
    )


def judged(*candidates: SignatureCandidate, by: tuple[Authority, ...] | None = None) -> SignatureFindings:
    """Judge candidates for IMAGE, by default with `release` as the only authority."""
    return judge_signatures(SignatureSearch(candidates=candidates), IMAGE, (authority(),) if by is None else by, TRUST)
