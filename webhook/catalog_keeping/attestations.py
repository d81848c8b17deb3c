"""Reading what the signer of a base attests about it: whether it is FIPS validated."""

from __future__ import annotations

import asyncio

from webhook.collecting.attachments import attached_to
from webhook.collecting.attestations import search_attestations
from webhook.collecting.images import Children
from webhook.core.attestations.forms import check_form
from webhook.core.attestations.judge import judge_attestations
from webhook.core.attestations.predicate_types import FIPS
from webhook.core.attestations.statements import VerifiedStatement
from webhook.core.errors import ParseError
from webhook.core.facts import PlatformImage, Trouble
from webhook.core.policy import Authority
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.core.signatures.findings import SignatureFindings
from webhook.core.trust import Trust
from webhook.ports import Registry

__all__ = ["read_fips"]

COMPLIANCE = "com.docker.dhi.compliance"


async def read_fips(
    registry: Registry,
    source: PinnedImage,
    canonical: Repository,
    children: Children,
    authorities: tuple[Authority, ...],
    *,
    over_index: SignatureFindings,
    elsewhere: tuple[Repository, ...],
    trust: Trust,
    deadline: float,
) -> frozenset[Digest] | Trouble:
    """Return the platforms of which one of `authorities` attests that they are FIPS validated.

    1. A base whose labels claim no FIPS is not asked about. The label chooses where to look, and proves nothing.
    2. Find statements about the index and its platforms, wherever they are stored, and verify them.
    3. Where a claim stays unproven and the search was incomplete, nobody knows: that is trouble, not a no.

    `over_index` are the findings about signatures over `source`; the rest as in `reading.read_base`.
    Source: docker/docs `content/manuals/dhi/core-concepts/attestations.md` for the predicate type.
    """
    # Step 1
    claiming = frozenset(platform.digest for platform in children.platforms if _claims_fips(platform))
    if not claiming:
        return frozenset()
    # Step 2
    digests = tuple(platform.digest for platform in children.platforms)
    search = await search_attestations(
        registry,
        source,
        digests,
        wanted=frozenset({FIPS}),
        attached=await attached_to(registry, source, elsewhere=elsewhere, deadline=deadline),
        in_index=children.attestations,
        elsewhere=elsewhere,
        deadline=deadline,
    )
    image = PinnedImage(repository=canonical, digest=source.digest, tag=source.tag)
    findings = await asyncio.to_thread(
        judge_attestations, search, image, digests, authorities, trust, over_index=over_index
    )
    attested = frozenset(subject for one in findings.statements if _attests_fips(one) for subject in one.subjects)
    proven = claiming if source.digest in attested else claiming & attested
    # Step 3
    return findings.incomplete if findings.incomplete is not None and proven != claiming else proven


def _claims_fips(platform: PlatformImage) -> bool:
    return "fips" in platform.config.labels.get(COMPLIANCE, "").split(",")


def _attests_fips(statement: VerifiedStatement) -> bool:
    if statement.predicate_type != FIPS:
        return False
    try:
        check_form(FIPS, statement.predicate)
    except ParseError:
        return False
    return True
