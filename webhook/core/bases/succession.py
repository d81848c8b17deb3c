"""Whether one catalog may take the place of another where anyone might show an old one again."""

from __future__ import annotations

from webhook.core.bases.catalog import Catalog, Status
from webhook.core.references import Digest

__all__ = ["turns_back"]


def turns_back(before: Catalog, after: Catalog) -> str | None:
    """Say in which way `after` is older than `before`, the one in force; None if it is not.

    A signature tells who made a catalog, not that it is the latest: whoever holds a tag may move it to an earlier one,
    and so bring back a base that was revoked since. A revocation changes no `syncedAt`, so both are looked at.
    """
    if after.synced_at < before.synced_at:
        return f"was synced at {after.synced_at.isoformat()}, before the one in force ({before.synced_at.isoformat()})"
    lost = sorted(map(str, _revoked(before) - _revoked(after)))
    if lost:
        return f"lacks the revocation of {lost[0]}" + (f" and of {len(lost) - 1} more" if lost[1:] else "")
    return None


def _revoked(catalog: Catalog) -> frozenset[Digest]:
    return frozenset(build.chain_id for build in catalog.builds if build.status is Status.REVOKED)
