"""The words for one problem, as values: `webhook.core.explain` lays them out."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.core.reading.plain_text import printable

__all__ = ["Words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What is said about one problem, all of it printable and clipped.

    `says` continues the name of the container ("has no signature at all"), `facts` are label and text in the order in
    which they are read, `help` says what to do. `platform` is set if only that platform of the image is meant; it is
    what the image's config claims.
    """

    says: str
    facts: tuple[tuple[str, str], ...]
    help: str
    platform: str | None = None

    @property
    def statement(self) -> str:
        """What is said, and of which platform."""
        return f"{self.says} ({printable(self.platform)})" if self.platform else self.says

    @property
    def sentence(self) -> str:
        """Everything but the advice, in one line."""
        facts = "; ".join(f"{label} {text}" for label, text in self.facts)
        return f"{self.statement}: {facts}" if facts else self.statement
