"""The CustomResourceDefinitions of others that the chart makes objects of, as they are published."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.tools.published import PublishedFiles, _provide

__all__ = ["crds"]

CERT_MANAGER = PublishedFiles(
    module="github.com/cert-manager/cert-manager",
    version="v1.21.2",
    h1="h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
    licence="Apache-2.0",
    files=("deploy/crds/cert-manager.io_certificates.yaml", "deploy/crds/cert-manager.io_issuers.yaml"),
)
PROMETHEUS_OPERATOR = PublishedFiles(
    module="github.com/prometheus-operator/prometheus-operator",
    version="v0.85.0",
    h1="h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
    licence="Apache-2.0",
    files=(
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
)


def crds() -> list[Path]:
    """Return the definitions of Certificate, Issuer, ServiceMonitor and PrometheusRule, as YAML."""
    return [*_provide(CERT_MANAGER), *_provide(PROMETHEUS_OPERATOR)]
