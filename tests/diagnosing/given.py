"""A healthy installation in a fake cluster, which tests then damage."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.fakes.clock import ManualClock
from tests.fakes.cluster import NAMESPACES, FakeCluster, Manifest
from webhook.certificates import make_authority
from webhook.core.bases.document import print_catalog, seal
from webhook.core.diagnosis.diagnosing import diagnose
from webhook.core.diagnosis.findings import Finding, Unseen
from webhook.core.diagnosis.installation import Handshake, Intent
from webhook.core.diagnosis.intended import MATCH_EXPRESSION
from webhook.core.policy_reading.document import parse_policy
from webhook.diagnosing.looking import BUDGETS, BY_KIND, GUARDS, MUTATING, RBAC, SERVICES, VALIDATING, look
from webhook.document_sources.config_maps import CONFIG_MAPS
from webhook.ports import ApiResource

__all__ = ["CRON_JOBS", "DEPLOYMENTS", "METRICS_PATH", "NAME", "PLACE", "POLICY", "RESOURCES", "House", "webhook_of"]

PLACE, NAME = "dhi-gate", "dhi-gate"
DEPLOYMENTS, CRON_JOBS = BY_KIND["Deployment"], BY_KIND["CronJob"]
RESOURCES = (VALIDATING, MUTATING, DEPLOYMENTS, CRON_JOBS, SERVICES, BUDGETS, CONFIG_MAPS, *GUARDS, *RBAC)
METRICS_PATH = ("api", "v1", "namespaces", PLACE, "services", f"http:{NAME}:metrics", "proxy", "metrics")
POLICY = """
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata: {name: production}
spec:
  pinTags: true
  rules:
    - {name: everything, require: {pinned: true}}
"""
Edit = Callable[[Manifest], object]


class House:
    """A healthy installation. What a test changes in `cluster`, `intent` or `handshake` is what is looked at."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.cluster = FakeCluster()
        self.intent = Intent(namespace=PLACE, name=NAME)
        expires_at = self.now + timedelta(days=5)
        self.handshake: Handshake | Unseen = Handshake(address="gate:443", distrust="", expires_at=expires_at)
        self.asked: list[tuple[str, int, bytes]] = []
        self._furnish()

    @property
    def now(self) -> datetime:
        """The instant at which everything happens."""
        return self.clock.now()

    def bundle(self, *, days: int = 300) -> str:
        """Return a new authority that is valid for so many days, as a caBundle."""
        begin = self.now - timedelta(days=365)
        authority = make_authority("test", now=begin, lifetime=timedelta(days=365 + days))
        return base64.b64encode(authority.pem).decode()

    def change(self, resource: ApiResource, edit: Edit, *, name: str = NAME, namespace: str | None = PLACE) -> None:
        """Change an object that is there."""
        found = self.cluster.object(resource, namespace if resource.namespaced else None, name)
        assert found is not None
        edit(found)
        self.cluster.put(resource, found)

    def remove(self, resource: ApiResource, *, name: str = NAME) -> None:
        """Take an object away."""
        self.cluster.remove(resource, PLACE if resource.namespaced else None, name)

    def write_policy(self, text: str, *, in_force: bool = True, files: Mapping[str, str] | None = None) -> None:
        """Replace the policy, and let the gate decide by it."""
        beside = files or {}
        data = {"policy.yaml": text, **beside}
        self.cluster.put(CONFIG_MAPS, _object(f"{NAME}-policy", data=data))
        if in_force:
            policy = parse_policy(text.encode(), read_file=lambda name: beside[name].encode())
            metric = f'dhi_gate_policy_info{{digest="{policy.digest}",name="{policy.name}"}} 1.0\n'
            self.cluster.texts[METRICS_PATH] = f"# HELP dhi_gate_policy_info It.\n{metric}"

    def write_catalog(self, *, age: timedelta) -> None:
        """Replace the catalog by one that is so old."""
        catalog = seal(policy="production", synced_at=self.now - age, builds=())
        text = print_catalog(catalog).decode()
        self.cluster.put(CONFIG_MAPS, _object(f"{NAME}-catalog", data={"catalog.json": text}))

    def bind(self, subject: Manifest, *rules: Manifest, namespace: str | None = None, role: str = "some-role") -> None:
        """Give somebody rights, everywhere or in a namespace."""
        place = {} if namespace is None else {"namespace": namespace}
        metadata = {"name": role, **place}
        kind = "ClusterRole" if namespace is None else "Role"
        roles, bindings = (RBAC[0], RBAC[1]) if namespace is None else (RBAC[2], RBAC[3])
        self.cluster.put(roles, {"metadata": metadata, "rules": list(rules)})
        self.cluster.put(
            bindings, {"metadata": metadata, "roleRef": {"kind": kind, "name": role}, "subjects": [subject]}
        )

    async def findings(self) -> tuple[Finding, ...]:
        """Look at everything, and return what is found."""

        async def shake_hands(host: str, port: int, *, authorities: bytes) -> Handshake | Unseen:
            self.asked.append((host, port, authorities))
            return self.handshake

        return diagnose(await look(self.cluster, self.intent, shake_hands=shake_hands), self.intent, now=self.now)

    async def found(self, check: str) -> list[tuple[str, str]]:
        """Return severity and words of what a check finds."""
        return [(each.severity.value, each.what) for each in await self.findings() if each.check == check]

    async def degree(self, check: str) -> str:
        """Return the severity of the one finding of a check, empty if there is none."""
        found = await self.found(check)
        assert len(found) < 2, found
        return found[0][0] if found else ""

    def _furnish(self) -> None:
        bundle = self.bundle()
        put = self.cluster.put
        put(NAMESPACES, {"metadata": {"name": PLACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
        put(VALIDATING, {"metadata": {"name": NAME}, "webhooks": [_pods(bundle), _workloads(bundle)]})
        put(MUTATING, {"metadata": {"name": NAME}, "webhooks": [_pin(bundle)]})
        put(DEPLOYMENTS, _object(NAME, spec=_deployment_spec(), status={"readyReplicas": 2}))
        put(SERVICES, _object(NAME, spec={"ports": [{"name": "webhook", "port": 443}]}))
        put(BUDGETS, _object(NAME, spec={"maxUnavailable": 1}))
        succeeded = {"lastSuccessfulTime": f"{self.now:%Y-%m-%dT%H:%M:%SZ}"}
        put(CRON_JOBS, _object(f"{NAME}-sync", spec={"schedule": "17 2 * * *"}, status=succeeded))
        put(GUARDS[0], {"metadata": {"name": f"{NAME}-guard"}, "spec": {"failurePolicy": "Fail"}})
        binding = {"policyName": f"{NAME}-guard", "validationActions": ["Deny"]}
        put(GUARDS[1], {"metadata": {"name": f"{NAME}-guard"}, "spec": binding})
        self.write_policy(POLICY)
        self.write_catalog(age=timedelta(hours=1))
        self.cluster.texts[("metrics",)] = "# TYPE apiserver_request_total counter\n"


def webhook_of(configuration: Manifest, name: str) -> Manifest:
    """Return one entry of a webhook configuration."""
    (found,) = (each for each in configuration["webhooks"] if each["name"] == name)
    entry: Manifest = found
    return entry


def _object(name: str, **content: Any) -> Manifest:  # noqa: ANN401 - any JSON
    return {"metadata": {"name": name, "namespace": PLACE}, **content}


def _deployment_spec() -> Manifest:
    arguments = [
        "serve",
        "--mode-ceiling=enforce",
        f"--policy=configmap:{PLACE}/{NAME}-policy/policy.yaml",
        f"--catalog=configmap:{PLACE}/{NAME}-catalog/catalog.json",
    ]
    server = {"name": "server", "image": f"registry.example/dhi-gate@sha256:{'a' * 64}", "args": arguments}
    return {"replicas": 2, "template": {"spec": {"containers": [server]}}}


def _pods(bundle: str) -> Manifest:
    conditions = [{"name": "images-changed", "expression": MATCH_EXPRESSION}]
    rules = [_rule("", "pods", "pods/ephemeralcontainers")]
    return _webhook("pods.dhi-gate.dev", "/validate", bundle, rules, failurePolicy="Fail", matchConditions=conditions)


def _workloads(bundle: str) -> Manifest:
    rules = [
        _rule("", "podtemplates", "replicationcontrollers"),
        _rule("apps", "deployments", "replicasets", "statefulsets", "daemonsets"),
        _rule("batch", "jobs", "cronjobs"),
    ]
    return _webhook("workloads.dhi-gate.dev", "/validate/advisory", bundle, rules, failurePolicy="Ignore")


def _pin(bundle: str) -> Manifest:
    more = {"failurePolicy": "Ignore", "reinvocationPolicy": "IfNeeded"}
    return {**_pods(bundle), **_webhook("pin.dhi-gate.dev", "/mutate", bundle, _pods(bundle)["rules"], **more)}


def _webhook(name: str, path: str, bundle: str, rules: list[Manifest], **more: object) -> Manifest:
    excluded = {
        "key": "kubernetes.io/metadata.name",
        "operator": "NotIn",
        "values": ["kube-system", "kube-node-lease", PLACE],
    }
    return {
        "name": name,
        "clientConfig": {
            "caBundle": bundle,
            "service": {"name": NAME, "namespace": PLACE, "path": path, "port": 443},
        },
        "rules": rules,
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": 10,
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": {"matchExpressions": [excluded]},
        "objectSelector": {},
        **more,
    }


def _rule(group: str, *resources: str) -> Manifest:
    return {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": list(resources),
        "scope": "Namespaced",
    }
