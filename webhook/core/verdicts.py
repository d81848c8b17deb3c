"""The Decision: a verdict for every container, and what follows for the object. Values only; no rule lives here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from webhook.core.bases.catalog import BaseBuild
from webhook.core.policy import BaseEvidence, Case, Exemption, Mode, Rule
from webhook.core.problems import Problem, Revoked, RevokedBase, Unverifiable
from webhook.core.references import PinnedImage
from webhook.core.workloads import ContainerKind, ImageUse, Workload

__all__ = ["Decision", "Result", "Standing", "Verdict"]


class Result(Enum):
    """How a container fared, from worst to best in the order of definition."""

    FAIL = "fail"
    ERROR = "error"
    WARN = "warn"
    PASS = "pass"  # noqa: S105 - the word of the report
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The base that one platform of an image stands on, its age in whole days, and what shows it."""

    platform: str
    build: BaseBuild
    age_days: int
    evidence: BaseEvidence = BaseEvidence.LAYERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was decided about one image use.

    `case` is the `except` that applied, if any; `mode` is the rule's after the ceiling. `problems` deny or warn as the
    mode says; `advisories` are of the same kinds and deny in no mode (a base that will be too old in a week).
    `exemption` is set if the image was not judged. `unchanged` says that an UPDATE does not touch it.
    """

    use: ImageUse
    rule: Rule
    case: Case | None
    mode: Mode
    image: PinnedImage | None = None
    problems: tuple[Problem, ...] = ()
    advisories: tuple[Problem, ...] = ()
    signed_by: tuple[str, ...] = ()
    standings: tuple[Standing, ...] = ()
    exemption: Exemption | None = None
    unchanged: bool = False

    @property
    def revoked(self) -> bool:
        """Whether the policy itself revokes the image or its base, which denies in every mode."""
        return any(isinstance(p, Revoked) or (isinstance(p, RevokedBase) and p.by_policy) for p in self.problems)

    @property
    def for_debugging(self) -> bool:
        """Whether the container is ephemeral, new, and good by an `except` that is for such containers only.

        The group that the `except` may ask for is the requester's as the API server authenticated it: under
        impersonation, that of whom they act as.
        """
        by_case = self.case is not None and self.case.containers == frozenset({ContainerKind.EPHEMERAL})
        return by_case and not self.unchanged and not self.problems

    @property
    def result(self) -> Result:
        """How the container fared."""
        definite = any(not isinstance(problem, Unverifiable) for problem in self.problems)
        if self.revoked or (definite and self.mode is Mode.ENFORCE):
            return Result.FAIL
        if definite:
            return Result.WARN
        if self.problems:
            return Result.ERROR
        if self.exemption is not None:
            return Result.SKIP
        return Result.WARN if self.advisories else Result.PASS

    @property
    def denies(self) -> bool:
        """Whether this verdict alone keeps the object out."""
        return self.revoked or (bool(self.problems) and self.mode is Mode.ENFORCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """All verdicts about one object. `never_denies` marks an answer that may only warn (advice, mirror pods).

    `notes` are for the log, one line each: what else played a part, such as a pull secret that could not be read.
    """

    workload: Workload
    verdicts: tuple[Verdict, ...]
    never_denies: bool = False
    notes: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the object may enter. No verdict at all is no approval, unless the object holds no images."""
        if not self.verdicts:
            return self.workload.no_images_because is not None
        return self.never_denies or not any(verdict.denies for verdict in self.verdicts)

    @property
    def debug_exemptions(self) -> tuple[Verdict, ...]:
        """The containers that came in by an exemption for debugging; none if nothing came in."""
        return tuple(verdict for verdict in self.verdicts if verdict.for_debugging) if self.allowed else ()

    @property
    def result(self) -> Result:
        """The worst result of any container; an object that rightly has no images passes."""
        order = list(Result)
        without = Result.PASS if self.allowed else Result.ERROR
        return min((verdict.result for verdict in self.verdicts), key=order.index, default=without)
