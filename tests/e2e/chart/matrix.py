"""Values of the chart in many combinations, each a release of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.chart.readme import CHART
from tests.e2e.chart.helm import VALUES, Object

__all__ = ["Case", "cases"]

# A certificate authority without a key that anybody has; only its form matters.
CA = yaml.safe_load((CHART / "ci" / "provided-values.yaml").read_text("utf-8"))["certs"]["provided"]["caBundle"]
DIGEST = "sha256:" + "a" * 64
LONG = "a-release-whose-name-is-as-long-as-helm-permits-53-ch"

CERTIFICATES: Mapping[str, Object] = {
    "self-managed": {"mode": "selfManaged"},
    "cert-manager": {"mode": "certManager"},
    "provided": {"mode": "provided", "provided": {"secretName": "our-certificate", "caBundle": CA}},
}
FEATURES: Mapping[str, Object] = {
    "issuer": {
        "certs": {"mode": "certManager", "certManager": {"issuerRef": {"name": "ours", "kind": "ClusterIssuer"}}},
    },
    "no-pinning": {"mutation": {"enabled": False}},
    "no-sync": {"sync": {"enabled": False}},
    "audit": {"audit": {"enabled": True}},
    "audit-openreports": {"audit": {"enabled": True, "reports": "openreports", "pullSecrets": True}},
    "audit-log-only": {"audit": {"enabled": True, "reports": "none", "pushGateway": "https://gateway.example"}},
    "guard": {"guard": {"enabled": True, "users": ["deployer"]}},
    "monitoring": {
        "metrics": {
            "serviceMonitor": {"enabled": True},
            "prometheusRule": {"enabled": True},
            "grafanaDashboard": {"enabled": True},
        },
    },
    "network-policy": {"networkPolicy": {"enabled": True}},
    "pull-secrets": {"pullSecrets": {"enabled": True, "withoutClientCA": True}},
    "pull-secrets-somewhere": {
        "pullSecrets": {"enabled": True, "namespaces": ["default"]},
        "clientCA": {"configMap": "client-ca"},
    },
    "existing-policy": {"policy": None, "existingPolicy": {"configMap": "ours"}},
    "artefacts": {
        "policy": None,
        "policyArtifact": f"registry.example/policy@{DIGEST}",
        "catalog": {"source": "oci", "artifact": "registry.example/catalog:latest", "authority": "platform"},
        "sync": {"enabled": False},
    },
    "nothing-to-ask": {
        "policy": None,
        "policyArtifact": f"registry.example/policy@{DIGEST}",
        "catalog": {"source": "oci", "artifact": f"registry.example/catalog@{DIGEST}"},
        "sync": {"enabled": False},
        "certs": CERTIFICATES["provided"],
    },
    "credentials": {"registry": {"existingSecret": "registries", "caConfigMap": "registry-ca"}},
    "helpers": {
        "registry": {
            "credHelpers": {"registry.example": "ecr-login"},
            "helperPrograms": [
                {"name": "docker-credential-ecr-login", "image": "registry.example/ecr", "command": ["cp", "a", "b"]},
            ],
            "mirrors": ["dhi.io=registry.example/mirror"],
            "insecure": ["registry.example:5000"],
        },
    },
    "one-replica": {"replicas": 1},
    "no-pre-stop": {"shutdown": {"preStopSeconds": 0}},
    "renamed": {"fullnameOverride": "gate", "nameOverride": "door"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Values that are rendered, and for which release."""

    name: str
    values: Object
    release: str = "dhi-gate"


def cases() -> Iterator[Case]:
    """Yield every certificate mode in every mode of the gate, every feature alone, the examples, and long names."""
    for (certificates, certs), mode in itertools.product(CERTIFICATES.items(), ("audit", "warn", "enforce")):
        yield Case(name=f"{certificates}-{mode}", values={**VALUES, "certs": certs, "mode": mode})
    for feature, values in FEATURES.items():
        yield Case(name=feature, values={**VALUES, **values})
    for example in sorted((CHART / "ci").glob("*-values.yaml")):
        document: dict[str, Any] = yaml.safe_load(example.read_text(encoding="utf-8"))
        yield Case(name=example.stem, values=document)
        yield Case(name=f"{example.stem}-long", values=document, release=LONG)
