"""What is kept of an object that lives in a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.core.errors import ParseError
from webhook.core.workloads import ContainerKind, Workload

__all__ = ["LiveObject", "LivePods", "ObjectKey", "RunningContainer", "Subject", "UnreadableObject"]


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

    `workload` is what admission would judge. `lives` is true for a pod that has not ended. `wants_pods` is true for
    what makes pods on behalf of its owner and is not done: a ReplicaSet or ReplicationController with replicas, a Job
    that has not ended.
    """

    key: ObjectKey
    owner: ObjectKey | None
    workload: Workload
    lives: bool = False
    wants_pods: bool = False
    running: tuple[RunningContainer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableObject:
    """An object of which nothing can be judged, and why. `uid` is empty where not even that can be read.

    `error` has its path inside the object. It must be told: what cannot be read is not thereby approved.
    """

    kind: str
    namespace: str | None
    name: str
    uid: str
    error: ParseError


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePods:
    """Pods of one owner that are alike in what they name, by whose credentials it is pulled, and in what they run.

    `workload` is the first of them by name, `pods` how many there are. None at all are there of what an object under
    the owner wants to run and does not (a ReplicaSet whose pods are refused); `workload` is that object then.
    """

    workload: Workload
    pods: int
    running: tuple[RunningContainer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One row of an audit: a top owner, and the pods that run for it.

    `workload` is what the owner itself names; None for an owner of a kind that holds no pod the audit can read (an
    Argo Rollout) or that the caller may not read. For a pod without an owner it is the pod, whose row it then is.
    `live` has each different kind of live pods once, the most frequent first. It is empty only if nothing runs and
    there is a `workload`: no subject is without something to judge.
    """

    key: ObjectKey
    workload: Workload | None
    live: tuple[LivePods, ...] = ()

    @property
    def pods(self) -> int:
        """How many pods run for it."""
        return sum(alike.pods for alike in self.live)
