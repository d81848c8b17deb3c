"""What evidence is judged against: catalog, Sigstore roots and time. The clock enters the core here, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from webhook.core.bases.catalog import Catalog
from webhook.core.facts import Trouble
from webhook.core.signatures.trust_roots import PublicGood, TrustRoot, TrustRootSource, TufMirror

__all__ = ["NOT_LOADED", "Roots", "Trust"]

Roots = Mapping[TufMirror | PublicGood, TrustRoot | Trouble]
"""Trusted roots that are refreshed in the background, or why one could not be had."""

NOT_LOADED = Trouble(doing="verifying a signature", where="the trust root", why="it has not been loaded yet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """`catalog` is None if there is none. `roots` are those that are refreshed in the background, as far as known."""

    catalog: Catalog | None
    as_of: datetime
    roots: Roots = field(default_factory=dict)

    def root(self, source: TrustRootSource) -> TrustRoot | Trouble:
        """Return the root of an authority, or why nobody has it."""
        return source if isinstance(source, TrustRoot) else self.roots.get(source, NOT_LOADED)
