"""Whether one catalog may take the place of another."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.shop import Shop
from webhook.core.bases.catalog import BaseBuild, Catalog, Status
from webhook.core.bases.document import seal
from webhook.core.bases.succession import turns_back
from webhook.core.references import Digest


def catalog(*builds: BaseBuild, hours: int = 0) -> Catalog:
    """Return a catalog that was synced so many hours later."""
    return seal(policy="production", synced_at=Shop().clock.now() + timedelta(hours=hours), builds=builds)


def revoked(build: BaseBuild, letter: str) -> BaseBuild:
    """Return a revoked build of another chain."""
    chain = Digest(algorithm="sha256", hex=letter * 64)
    return replace(build, status=Status.REVOKED, reason="leaked", chain_id=chain, digest=chain)


def test_what_is_not_older_may_follow() -> None:
    """A later sync, the same one, and one with a further revocation."""
    [build] = Shop().builds
    for after in (catalog(build), catalog(build, hours=1), catalog(build, revoked(build, "a"))):
        assert turns_back(catalog(build), after) is None


def test_an_earlier_sync_may_not() -> None:
    """Both times are named."""
    why = turns_back(catalog(hours=2), catalog())
    assert why is not None
    assert why.startswith("was synced at 2026-")
    assert "before the one in force" in why


def test_a_revocation_may_not_be_lost() -> None:
    """Not even by a later sync: a revocation is for ever."""
    [build] = Shop().builds
    before = catalog(build, revoked(build, "a"), revoked(build, "b"))
    assert turns_back(before, catalog(build, revoked(build, "b"), hours=1)) == (
        f"lacks the revocation of sha256:{'a' * 64}"
    )
    assert turns_back(before, catalog(build, hours=1)) == f"lacks the revocation of sha256:{'a' * 64} and of 1 more"
