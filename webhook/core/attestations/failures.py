"""In which ways a verified attestation can fail the rule that asks for it; values, the words are chosen elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.core.attestations.findings_of_scanners import Vulnerability

__all__ = [
    "Failure",
    "FromTheFuture",
    "NotPassed",
    "NotUnderstood",
    "TooOld",
    "Undated",
    "UntrustedBuilder",
    "UntrustedSource",
    "Vulnerable",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUnderstood:
    """The gate cannot read what it says."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undated:
    """The rule bounds its age, and nothing that was signed says when that was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromTheFuture:
    """It says that it was made later than now, by so many whole minutes."""

    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TooOld:
    """It was signed too long ago. Both ages are in whole hours."""

    age_hours: int
    max_age_hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vulnerable:
    """It reports vulnerabilities that the rule does not admit and nobody it trusts excuses, the worst first."""

    found: tuple[Vulnerability, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UntrustedBuilder:
    """The image was built by somebody whom the rule does not list."""

    builder: str
    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UntrustedSource:
    """The image was built from a source that the rule does not list; `sources` is empty where none is named."""

    sources: tuple[str, ...]
    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPassed:
    """The verification that it sums up did not pass."""


Failure = NotUnderstood | Undated | FromTheFuture | TooOld | Vulnerable | UntrustedBuilder | UntrustedSource | NotPassed
