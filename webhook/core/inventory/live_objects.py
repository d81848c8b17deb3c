"""What is kept of an object that lives in a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.core.workloads import ContainerKind, Workload

__all__ = ["LiveObject", "LivePods", "ObjectKey", "RunningContainer", "Subject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectKey:
    """Who an object is. `api_version` is `v1` or `group/version`; `namespace` is None for an object without one.

    An owner is known by the reference of what it owns, whether the audit can read it or not.
    """

    api_version: str
    kind: str
    namespace: str | None
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningContainer:
    """What a node says it runs: `image_id` is the word of the container runtime, as the pod's status has it."""

    container: str
    kind: ContainerKind
    image_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveObject:
    """One object as a list of the API server has it. `owner` is its controller, None if it has none.

    `workload` is what admission would judge. `lives` is true for a pod that has not ended.
    """

    key: ObjectKey
    owner: ObjectKey | None
    workload: Workload
    lives: bool = False
    running: tuple[RunningContainer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePods:
    """Pods of one owner that are alike in what they name and in what they run.

    `workload` is the first of them, `pods` how many there are.
    """

    workload: Workload
    pods: int
    running: tuple[RunningContainer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One row of an audit: a top owner, and the pods that run for it.

    `workload` is what the owner itself names; None for an owner of a kind that holds no pod the audit can read (an
    Argo Rollout) or that the caller may not read. For a pod without an owner it is the pod, whose row it then is.
    `live` has each different kind of live pods once, the most frequent first; empty if nothing runs.
    """

    key: ObjectKey
    workload: Workload | None
    live: tuple[LivePods, ...] = ()

    @property
    def pods(self) -> int:
        """How many pods run for it."""
        return sum(alike.pods for alike in self.live)
