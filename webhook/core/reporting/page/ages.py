"""How old the bases are on which the images stand: collected from a report, the oldest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec import UNSET

from webhook.core.reporting.document import BaseDocument, ContainerDocument, WorkloadDocument

__all__ = ["BANDS", "AgedBase", "Band", "Bases", "collect_bases"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A span of ages in days, both ends included; `last` is None for the band without an end."""

    first: int
    last: int | None

    @property
    def label(self) -> str:
        """The band in words."""
        return f"over {self.first - 1} days" if self.last is None else f"{self.first} to {self.last} days"

    def holds(self, age_days: int) -> bool:
        """Whether an age is in the band."""
        return self.first <= age_days and (self.last is None or age_days <= self.last)


BANDS = (Band(first=0, last=30), Band(first=31, last=60), Band(first=61, last=90), Band(first=91, last=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class AgedBase:
    """A build of a base, and who stands on it. `pods` is None where no pods are known: manifests in files."""

    name: str
    digest: str
    age_days: int
    images: int
    workloads: int
    pods: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """All bases of a report, the oldest first, and how many images stand on no base that is known."""

    known: tuple[AgedBase, ...]
    images_without: int


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What is counted for one base while workloads go by."""

    base: BaseDocument
    images: set[str] = field(default_factory=set)
    workloads: int = 0
    pods: int | None = None


def collect_bases(workloads: Iterable[WorkloadDocument]) -> Bases:
    """Count images, workloads and pods by base.

    A pod counts once for a base, however many of its containers stand on it. Where a tag has moved, the pods that run
    the older bytes are counted for both bases, as the report speaks of both.
    """
    tallies: dict[tuple[str, str], _Tally] = {}
    without: set[str] = set()
    for workload in workloads:
        on_base: defaultdict[tuple[str, str], list[ContainerDocument]] = defaultdict(list)
        for container in workload.containers:
            if container.base is None:
                without.add(_identity(container))
                continue
            key = (container.base.repository, container.base.digest)
            tallies.setdefault(key, _Tally(base=container.base)).images.add(_identity(container))
            on_base[key].append(container)
        for key, containers in on_base.items():
            _add(tallies[key], containers)
    known = (_aged(tally) for tally in tallies.values())
    return Bases(
        known=tuple(sorted(known, key=lambda base: (-base.age_days, base.name, base.digest))),
        images_without=len(without),
    )


def _identity(container: ContainerDocument) -> str:
    """Return by what an image is told from others: its digest, else how it is written."""
    return container.digest or container.image


def _add(tally: _Tally, containers: list[ContainerDocument]) -> None:
    """Count one workload, whose given containers stand on the base."""
    tally.workloads += 1
    pods = [container.pods for container in containers if container.pods is not UNSET]
    if pods:
        tally.pods = (tally.pods or 0) + max(pods)


def _aged(tally: _Tally) -> AgedBase:
    base = tally.base
    return AgedBase(
        name=f"{base.repository}:{base.tags[0]}" if base.tags else base.repository,
        digest=base.digest,
        age_days=base.age_days,
        images=len(tally.images),
        workloads=tally.workloads,
        pods=tally.pods,
    )
