"""The row of a report: everything that was decided about one object, its pods included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from webhook.core.inventory.live_objects import ObjectKey
from webhook.core.verdicts import Decision, Result
from webhook.core.workloads import Origin

__all__ = ["Change", "Fix", "FixKind", "Judged", "Row", "Seen", "error_row", "row_of"]


class Seen(Enum):
    """Where the images of a decision were seen."""

    SPEC = "spec"
    """The object itself names them."""
    POD = "pod"
    """Live pods name them and the object's template does not: injected, added to debug, or older than the template."""
    RUNNING = "running"
    """Nodes run them, under a tag that points to something else by now."""


class Change(Enum):
    """What another policy makes of an object."""

    NEWLY_REFUSED = "newly-refused"
    NEWLY_ADMITTED = "newly-admitted"
    SAME = "same"


class FixKind(Enum):
    """What a fix proposes to write."""

    BASE = "base"
    """The approved base to build on."""
    NEWEST = "newest"
    """A newer tag of the same image."""
    PIN = "pin"
    """The same image by its digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One thing that would help: `write` is the image to write, whole, `says` one sentence about it.

    `write` is empty where all there is to say is that something obvious would not help.
    Nobody believes it: what it proposes is judged like everything else when it arrives.
    """

    kind: FixKind
    write: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One decision of a row. `pods` is how many live pods it speaks of: 0 for a template that none of them is like."""

    decision: Decision
    seen: Seen = Seen.SPEC
    pods: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One object and all that was decided about it.

    `key` is None for what does not live in a cluster; `pods` then is None, else the number of live pods. `notes` are
    circumstances that a reader must know ("pull secret `x` may not be read by you"). `trouble` says why nothing could
    be judged; `judged` is empty then. `fixes` are by the image as it is written. `change` is set where two policies
    are compared. `unknown` says that beside what was judged something could not be found out, which a note tells.
    """

    kind: str
    namespace: str | None
    name: str
    judged: tuple[Judged, ...]
    origin: Origin | None = None
    key: ObjectKey | None = None
    pods: int | None = None
    notes: tuple[str, ...] = ()
    trouble: str | None = None
    fixes: Mapping[str, tuple[Fix, ...]] = field(default_factory=dict)
    change: Change | None = None
    unknown: bool = False

    @property
    def allowed(self) -> bool:
        """Whether admission would let in the object and each of its pods. Nothing judged is no approval."""
        return bool(self.judged) and all(judged.decision.allowed for judged in self.judged)

    @property
    def result(self) -> Result:
        """The worst of the object and its live pods; what could not be found out is an error."""
        results = [judged.decision.result for judged in self.judged]
        if self.unknown or not results:
            results.append(Result.ERROR)
        return min(results, key=list(Result).index)


def row_of(decision: Decision) -> Row:
    """Return the row of an object that stands in a file, or of a bare image."""
    workload = decision.workload
    return Row(
        kind=workload.kind,
        namespace=workload.namespace,
        name=workload.name,
        judged=(Judged(decision=decision),),
        origin=workload.origin,
    )


def error_row(*, kind: str, namespace: str | None, name: str, trouble: str) -> Row:
    """Return the row of something about which nothing could be found out: a namespace that may not be listed."""
    return Row(kind=kind, namespace=namespace, name=name, judged=(), trouble=trouble)
