"""What is being asked of a registry, and how its failures are told."""

from __future__ import annotations

from dataclasses import dataclass, replace

from webhook.core.references import Repository
from webhook.ports import RegistryTrouble, TroubleKind

__all__ = ["Endpoint", "PassingTrouble", "Question", "clip"]

MAX_DETAIL_CHARACTERS = 200


class PassingTrouble(RegistryTrouble):
    """Trouble that may be gone a moment later. Asked again a few times, then told as plain RegistryTrouble."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of the gate: the activity, the registry as the policy names it, and when it has to end."""

    doing: str
    where: str
    deadline: float

    def trouble(self, kind: TroubleKind, detail: str = "") -> RegistryTrouble:
        """Return the trouble that ends this question."""
        return RegistryTrouble(kind, doing=self.doing, where=self.where, detail=clip(detail))

    def passing(self, kind: TroubleKind, detail: str) -> PassingTrouble:
        """Return trouble after which asking again may help."""
        return PassingTrouble(kind, doing=self.doing, where=self.where, detail=clip(detail))

    def until(self, deadline: float) -> Question:
        """Return the same question with another deadline."""
        return replace(self, deadline=deadline)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a repository is asked for: the registry itself or a mirror.

    `host` is contacted; `repository` names it there, and its credentials: those of `repository` and never the
    original's, so that a mirror gets only what was written for the mirror.
    """

    host: str
    repository: Repository

    @property
    def key(self) -> str:
        """A name for what is remembered about this endpoint and repository."""
        return str(self.repository)


def clip(text: str) -> str:
    """Shorten what the network said and make it printable, for the log."""
    printable = "".join(c if c.isprintable() else "?" for c in text[: 2 * MAX_DETAIL_CHARACTERS])
    return printable if len(printable) <= MAX_DETAIL_CHARACTERS else f"{printable[: MAX_DETAIL_CHARACTERS - 3]}..."
