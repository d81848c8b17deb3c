"""The kinds of objects that the audit asks an API server for.

Source: Kubernetes API reference, core/v1, apps/v1, batch/v1: nine kinds are or hold a pod.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NAMESPACES", "PODS", "POD_HOLDERS", "ApiResource"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResource:
    """A kind of objects as the Kubernetes API serves them. `group` is empty for the core group."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """What an object of this kind has as its `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name by which kubectl and RBAC know it: `pods`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


PODS = ApiResource(group="", version="v1", kind="Pod", plural="pods")
NAMESPACES = ApiResource(group="", version="v1", kind="Namespace", plural="namespaces", namespaced=False)

POD_HOLDERS = (
    PODS,
    ApiResource(group="", version="v1", kind="PodTemplate", plural="podtemplates"),
    ApiResource(group="", version="v1", kind="ReplicationController", plural="replicationcontrollers"),
    ApiResource(group="apps", version="v1", kind="DaemonSet", plural="daemonsets"),
    ApiResource(group="apps", version="v1", kind="Deployment", plural="deployments"),
    ApiResource(group="apps", version="v1", kind="ReplicaSet", plural="replicasets"),
    ApiResource(group="apps", version="v1", kind="StatefulSet", plural="statefulsets"),
    ApiResource(group="batch", version="v1", kind="CronJob", plural="cronjobs"),
    ApiResource(group="batch", version="v1", kind="Job", plural="jobs"),
)
"""All kinds that are or hold a pod, pods first: they say what runs."""
