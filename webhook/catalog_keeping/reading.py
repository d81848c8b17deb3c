"""Reading a base from a registry: its signature first, then everything that it offers."""

from __future__ import annotations

import asyncio
from typing import assert_never

from webhook.catalog_keeping.attestations import read_fips
from webhook.collecting.images import Children, collect_children
from webhook.collecting.signatures import search_signatures
from webhook.core.bases.catalog import VerifiedBy
from webhook.core.bases.identity import Unfit
from webhook.core.bases.recording import VerifiedBase
from webhook.core.facts import Known, Trouble
from webhook.core.manifests import Malformed
from webhook.core.policy import Authority
from webhook.core.reading.plain_text import printable
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.core.signatures.findings import SignatureFindings, Voucher
from webhook.core.signatures.judge import judge_signatures
from webhook.core.trust import Trust
from webhook.ports import Registry

__all__ = ["read_base", "unsigned_by"]


async def read_base(
    registry: Registry,
    source: PinnedImage,
    canonical: Repository,
    authorities: tuple[Authority, ...],
    *,
    elsewhere: tuple[Repository, ...],
    trust: Trust,
    deadline: float,
) -> VerifiedBase | Unfit | Trouble:
    """Read and verify what `source` names, which lies in the `canonical` repository or in a mirror of it.

    1. Find the signatures over exactly this digest: the index where there is one, for that is what Docker signs.
    2. One of `authorities` must have signed it. It vouches for the canonical repository, wherever the bytes come from.
    3. Read the manifest and config of every platform, by digest. What is signed by digest covers them all.
    4. Where a platform claims to be FIPS validated, see whether one of `authorities` attests it.

    What is attached to the base is looked for beside it and `elsewhere`, in other repositories that the policy names.
    Source: docker-hardened-images/keyring README (index signatures); `deadline` as in `webhook.ports`.
    """
    search = await search_signatures(registry, source, elsewhere=elsewhere, deadline=deadline)
    image = PinnedImage(repository=canonical, digest=source.digest, tag=source.tag)
    findings = await asyncio.to_thread(judge_signatures, search, image, authorities, trust)
    if not findings.vouchers:
        return findings.incomplete or unsigned_by(findings, authorities)
    children = await collect_children(registry, source, deadline=deadline)
    match children:
        case Known(value=found):
            fips = await read_fips(
                registry,
                source,
                canonical,
                found,
                authorities,
                over_index=findings,
                elsewhere=elsewhere,
                trust=trust,
                deadline=deadline,
            )
            return fips if isinstance(fips, Trouble) else _verified(source, found, findings.vouchers[0], fips)
        case Malformed(what=what, why=why):
            return Unfit(why=f"it is not well formed: {what}: {why}")
        case Trouble() as trouble:
            return trouble
        case None:
            return Unfit(why="the registry does not have it")
        case _:
            assert_never(children)


def _verified(source: PinnedImage, children: Children, voucher: Voucher, fips: frozenset[Digest]) -> VerifiedBase:
    verified_by = VerifiedBy(authority=voucher.authority, key_fingerprint=voucher.key)
    return VerifiedBase(root=source.digest, platforms=children.platforms, verified_by=verified_by, fips=fips)


def unsigned_by(findings: SignatureFindings, authorities: tuple[Authority, ...]) -> Unfit:
    """Say why nothing that was found is a signature of one of these authorities."""
    wanted = ", ".join(authority.name for authority in authorities)
    if findings.broken:
        broken = findings.broken[0]
        return Unfit(why=f"a signature by {broken.authority} does not hold: {printable(broken.why)}")
    if findings.strangers:
        return Unfit(why=f"it is signed, but not by {wanted}")
    return Unfit(why=f"it is not signed by {wanted}")
