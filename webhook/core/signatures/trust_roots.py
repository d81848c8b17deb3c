"""Sigstore trusted roots: whose certificates, logs and timestamps are believed."""

from __future__ import annotations

from dataclasses import dataclass, field

from webhook.core.references import Digest

__all__ = ["PublicGood", "TrustRoot", "TrustRootSource", "TufMirror"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRoot:
    """A trusted root document, by its bytes. Two roots are equal if their documents are."""

    digest: Digest
    document: bytes = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TufMirror:
    """A TUF repository that a private Sigstore publishes its root in; `root` is the metadata trusted to begin with."""

    url: str
    root: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicGood:
    """The root of the public-good Sigstore."""


TrustRootSource = TrustRoot | TufMirror | PublicGood
"""Where an authority's root comes from: a file of the policy, or somewhere that is refreshed in the background."""
