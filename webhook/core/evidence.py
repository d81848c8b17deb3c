"""Facts + what is trusted → Evidence: who vouched for an image, and what every platform of it stands on.

Pure and costly (cryptography lives below it), so its results may be remembered by digest: they stay true until the
policy or the catalog changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from webhook.core.attestations.judge import judge_attestations
from webhook.core.attestations.statements import AttestationFindings
from webhook.core.bases.ancestry import Ancestry, LayerProof, chain_ids, trace
from webhook.core.bases.catalog import Catalog
from webhook.core.facts import Facts, Known, Learnt, PlatformImage, Trouble
from webhook.core.manifests import Descriptor, Malformed
from webhook.core.policy import Policy, SignatureRequirement
from webhook.core.references import Digest, PinnedImage
from webhook.core.rules.provenance_descent import ProvenanceDescent, trace_provenance
from webhook.core.signatures.findings import SignatureFindings
from webhook.core.signatures.judge import judge_signatures
from webhook.core.trust import Trust

__all__ = ["Evidence", "PlatformEvidence", "count_signers", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformEvidence:
    """What is proven about one runnable child. `ancestry` is None if there is no catalog to compare with.

    `descents` are what verified provenance about the child, or about its index, names as its images.
    """

    image: PlatformImage
    chain_ids: tuple[Digest, ...]
    ancestry: Ancestry | None
    descents: tuple[ProvenanceDescent, ...] = ()

    @property
    def pending_layers(self) -> tuple[Descriptor, ...]:
        """The layers that must be hashed before the base is proven."""
        proof = self.ancestry.proof if self.ancestry else LayerProof()
        pending = frozenset(proof.pending) if isinstance(proof, LayerProof) else frozenset[Digest]()
        return tuple(layer for layer in self.image.manifest.layers if layer.digest in pending)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What has been proven about one image. None where nobody asked."""

    image: Learnt[PinnedImage | None]
    platforms: Known[tuple[PlatformEvidence, ...]] | Trouble | Malformed | None
    findings: SignatureFindings | None
    attestations: AttestationFindings | None = None


def verify(facts: Facts, policy: Policy, trust: Trust) -> Evidence:
    """Judge what was collected about one image against the authorities of the policy and the builds on record."""
    findings = _findings(facts, policy, trust)
    attestations = _attestations(facts, policy, trust, over_index=findings or SignatureFindings())
    return Evidence(
        image=facts.image,
        platforms=_platforms(facts, trust.catalog, attestations),
        findings=findings,
        attestations=attestations,
    )


def count_signers(findings: SignatureFindings, requirement: SignatureRequirement) -> int:
    """Count the distinct authorities of the requirement that vouched, each with a signer that counts for no other.

    1. What signs with one key, or in the name of one identity, is one signer. That goes on: a key that certificates
       give to two identities makes these one, whichever authorities saw it.
    2. Authorities are matched to the signers that signed for them, one to one, as many as can be.
    """
    # Step 1
    signer_of = {mark: signer for signer in _signers(findings) for mark in signer}
    # Step 2
    signers: dict[str, list[_Signer]] = {}
    for voucher in findings.vouchers:
        if voucher.authority in requirement.authorities:
            signers.setdefault(voucher.authority, []).append(signer_of[voucher.key])
    taken: dict[_Signer, str] = {}
    return sum(_place(authority, signers, taken, set()) for authority in signers)


_Signer = frozenset[Digest]
"""All fingerprints, of keys and identities, that verified signatures show to be of one signer."""


def _signers(findings: SignatureFindings) -> tuple[_Signer, ...]:
    """Join what vouchers have in common, until no two of the signers share a key or an identity."""
    signers: tuple[_Signer, ...] = ()
    for marks in {frozenset(filter(None, (voucher.key, voucher.identity))) for voucher in findings.vouchers}:
        same = tuple(signer for signer in signers if not signer.isdisjoint(marks))
        others = tuple(signer for signer in signers if signer.isdisjoint(marks))
        signers = (*others, marks.union(*same))
    return signers


def _place(authority: str, signers: dict[str, list[_Signer]], taken: dict[_Signer, str], tried: set[_Signer]) -> bool:
    """Give the authority a signer of its own, moving others to theirs where that makes room (augmenting path)."""
    for signer in signers[authority]:
        if signer in tried:
            continue
        tried.add(signer)
        if signer not in taken or _place(taken[signer], signers, taken, tried):
            taken[signer] = authority
            return True
    return False


def _platforms(
    facts: Facts, catalog: Catalog | None, attestations: AttestationFindings | None
) -> Known[tuple[PlatformEvidence, ...]] | Trouble | Malformed | None:
    if not isinstance(facts.platforms, Known):
        return facts.platforms
    return Known(
        value=tuple(
            PlatformEvidence(
                image=image,
                chain_ids=chain_ids(image.config.diff_ids),
                ancestry=trace(image, catalog, facts.layer_diff_ids) if catalog else None,
                descents=_descents(facts, image, catalog, attestations),
            )
            for image in facts.platforms.value
        )
    )


def _descents(
    facts: Facts, image: PlatformImage, catalog: Catalog | None, attestations: AttestationFindings | None
) -> tuple[ProvenanceDescent, ...]:
    """Trace the provenance about a platform, or about the index through which it was asked for."""
    if catalog is None or attestations is None or not isinstance(facts.image, Known) or facts.image.value is None:
        return ()
    digests = {image.digest, facts.image.value.digest}
    about = tuple(statement for statement in attestations.statements if not statement.subjects.isdisjoint(digests))
    return trace_provenance(about, image.config.platform, catalog)


def _findings(facts: Facts, policy: Policy, trust: Trust) -> SignatureFindings | None:
    if facts.signatures is None or not isinstance(facts.image, Known) or facts.image.value is None:
        return None
    return judge_signatures(facts.signatures, facts.image.value, policy.authorities, trust)


def _attestations(
    facts: Facts, policy: Policy, trust: Trust, *, over_index: SignatureFindings
) -> AttestationFindings | None:
    if facts.attestations is None or not isinstance(facts.image, Known) or facts.image.value is None:
        return None
    platforms = facts.platforms.value if isinstance(facts.platforms, Known) else ()
    return judge_attestations(
        facts.attestations,
        facts.image.value,
        tuple(platform.digest for platform in platforms),
        policy.authorities,
        trust,
        over_index=over_index,
    )
