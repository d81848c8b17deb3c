"""Kubernetes objects as their authors write them, and the registration of the gate with the API server."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

Object = Mapping[str, Any]

JUDGED_BY = "e2e.dhi-gate.dev/judged-by"  # label of a namespace: the webhook configuration that speaks about it
TEMPLATES = "e2e.dhi-gate.dev/templates"  # label of a namespace: what happens to templates, `denied` or `advised`

# The images of a pod that an UPDATE leaves alone need no webhook, so that its outage does not hold up labels,
# finalizers and status. Kubernetes 1.29 or later.
IMAGES_CHANGED = " || ".join(
    (
        "request.operation != 'UPDATE'",
        "oldObject == null",
        *(
            f"object.spec.{field} != oldObject.spec.{field}"
            for field in (
                "containers.map(c, c.?image.orValue(''))",
                "?initContainers.orValue([]).map(c, c.?image.orValue(''))",
                "?ephemeralContainers.orValue([]).map(c, c.?image.orValue(''))",
            )
        ),
    )
)

_LABELS = {"app": "api"}


def pod_spec(image: str, *, field: str = "containers", sidecar: str | None = None) -> Object:
    """Return the spec of a pod that names `image` in `field`; its main container runs `sidecar` where that is given.

    `field` is one of `containers`, `initContainers` and `volumes`.
    """
    match field:
        case "containers":
            return {"containers": [{"name": "api", "image": image}]}
        case "initContainers":
            init = [{"name": "prepare", "image": image}]
            return {"initContainers": init, "containers": [{"name": "api", "image": sidecar or image}]}
        case "volumes":
            volumes = [{"name": "model", "image": {"reference": image}}]
            mounts = [{"name": "model", "mountPath": "/model"}]
            container = {"name": "api", "image": sidecar or image, "volumeMounts": mounts}
            return {"volumes": volumes, "containers": [container]}
        case _:
            raise ValueError(field)


def pod(name: str, namespace: str, spec: Object, *, metadata: Object | None = None) -> Object:
    """Return a Pod."""
    named = {"name": name, "namespace": namespace, **(metadata or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": spec}


def workload(kind: str, name: str, namespace: str, spec: Object, *, replicas: int = 1) -> Object:
    """Return an object of one of `WORKLOADS` whose pods have this spec."""
    version, content = WORKLOADS[kind]
    template = {"metadata": {"labels": _LABELS}, "spec": spec}
    named = {"name": name, "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": named, **content(template, replicas)}


def _scaled(template: Object, replicas: int) -> Object:
    return {"spec": {"replicas": replicas, "selector": {"matchLabels": _LABELS}, "template": template}}


def _job_template(template: Object) -> Object:
    return {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}


WORKLOADS: Mapping[str, tuple[str, Callable[[Object, int], Object]]] = {
    "PodTemplate": ("v1", lambda template, _: {"template": template}),
    "ReplicationController": (
        "v1",
        lambda template, replicas: {"spec": {"replicas": replicas, "selector": _LABELS, "template": template}},
    ),
    "Deployment": ("apps/v1", _scaled),
    "ReplicaSet": ("apps/v1", _scaled),
    "StatefulSet": (
        "apps/v1",
        lambda template, replicas: {"spec": {**_scaled(template, replicas)["spec"], "serviceName": "api"}},
    ),
    "DaemonSet": (
        "apps/v1",
        lambda template, _: {"spec": {"selector": {"matchLabels": _LABELS}, "template": template}},
    ),
    "Job": ("batch/v1", lambda template, _: {"spec": {"template": _job_template(template)}}),
    "CronJob": (
        "batch/v1",
        lambda template, _: {
            "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": _job_template(template)}}}
        },
    ),
}
"""API version and content of every kind that makes pods, or holds a template for them."""


def webhook_configuration(name: str, *, url: str, ca: bytes, timeout_s: int = 10) -> Object:
    """Register the gate at `url` for the namespaces whose label `JUDGED_BY` is `name`; `ca` is PEM.

    Pods are always judged. Templates are judged where the namespace says so by its label `TEMPLATES`.
    """
    everywhere = [
        {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]},
        {"key": JUDGED_BY, "operator": "In", "values": [name]},
    ]

    def webhook(prefix: str, path: str, rules: list[Object], **more: object) -> Object:
        return {
            "name": f"{prefix}.{name}.dhi-gate.dev",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": timeout_s,
            "clientConfig": {"url": url + path, "caBundle": b64encode(ca).decode()},
            "namespaceSelector": {"matchExpressions": everywhere},
            "rules": rules,
            **more,
        }

    def selecting(templates: str) -> Object:
        chosen = {"key": TEMPLATES, "operator": "In", "values": [templates]}
        return {"matchExpressions": [*everywhere, chosen]}

    pods = [_rule("", "pods", "pods/ephemeralcontainers")]
    templates = [
        _rule("", "podtemplates", "replicationcontrollers"),
        _rule("apps", "deployments", "replicasets", "statefulsets", "daemonsets"),
        _rule("batch", "jobs", "cronjobs"),
    ]
    changed = [{"name": "images-changed", "expression": IMAGES_CHANGED}]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            webhook("pods", "", pods, matchConditions=changed),
            webhook("workloads", "", templates, namespaceSelector=selecting("denied")),
            webhook("advice", "/advisory", templates, namespaceSelector=selecting("advised")),
        ],
    }


def _rule(group: str, *resources: str) -> Object:
    return {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": list(resources),
        "scope": "Namespaced",
    }
