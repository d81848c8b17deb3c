"""Which recorded builds count under the policy in force. The catalog holds facts; approval is asked anew every time."""

from __future__ import annotations

from webhook.core.bases.catalog import BaseBuild, VerifiedBy
from webhook.core.policy import ApprovedBase, Authority, KeyAuthority, Policy
from webhook.core.references import Repository

__all__ = ["approved", "base_authorities", "still_trusted"]


def approved(build: BaseBuild, policy: Policy) -> bool:
    """Tell whether a build is one of the approved bases.

    The policy must list its repository, approve one of the tags under which it was seen, and still trust the key that
    verified it, all three in one entry of `bases`. Revocation, age and variant are asked by the rules.
    """
    return any(
        base.repository == build.repository
        and any(glob.matches(tag) for glob in base.tags for tag in build.tags)
        and still_trusted(build.verified_by, base_authorities(base, policy), base.repository)
        for base in policy.bases
    )


def base_authorities(base: ApprovedBase, policy: Policy) -> tuple[Authority, ...]:
    """Return the authorities that may have signed a base, in the order of the policy."""
    return tuple(authority for authority in policy.authorities if authority.name in base.signed_by)


def still_trusted(verified_by: VerifiedBy, authorities: tuple[Authority, ...], repository: Repository) -> bool:
    """Tell whether the key that verified a build belongs to one of these authorities, which may speak for the base.

    The authority's name may have changed; the key counts. An authority limited to other repositories cannot vouch.
    """
    return any(
        isinstance(authority, KeyAuthority)
        and any(key.fingerprint == verified_by.key_fingerprint for key in authority.keys)
        and (authority.repositories is None or any(glob.matches(str(repository)) for glob in authority.repositories))
        for authority in authorities
    )
