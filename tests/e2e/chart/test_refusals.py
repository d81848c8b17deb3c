"""Bad values end before anything is installed, with a sentence that says what to change."""

from pathlib import Path

import pytest

from tests.e2e.chart.helm import POLICY, VALUES, Object, template
from tests.e2e.chart.matrix import CA
from tests.e2e.tools.processes import ProcessFailedError

pytestmark = pytest.mark.e2e

DIGEST = "sha256:" + "a" * 64


def ruled(*rules: Object) -> Object:
    """Return the policy with other rules."""
    return {**POLICY, "spec": {"rules": list(rules)}}


SYSTEM = {"name": "system", "namespaces": ["kube-system"]}

REFUSED: dict[str, tuple[Object, str]] = {
    "a timeout of a minute": (
        {"webhook": {"timeoutSeconds": 60}},
        "/webhook/timeoutSeconds': maximum: got 60, want 30",
    ),
    "an unknown value": ({"webhok": {}}, "additional properties 'webhok' not allowed"),
    "one replica with enforce": ({"mode": "enforce", "replicas": 1}, "set replicas to 2 or more, or mode to warn"),
    "the port of the kubelet": ({"hostNetwork": True}, "set ports.webhook to one that is free on your nodes"),
    "no image": ({"image": {"repository": ""}}, "build the Dockerfile of dhi-gate, push it, and name it there"),
    "an empty policy": (
        {"policy": None},
        "the policy is empty, and a gate without a policy judges nothing: set policy",
    ),
    "no policy at all": ({"policy": {"a": "b"}}, "policy is no ImagePolicy with rules"),
    "a policy without rules": ({"policy": ruled()}, "policy is no ImagePolicy with rules"),
    "two policies": ({"existingPolicy": {"configMap": "ours"}}, "policy and existingPolicy are all given"),
    "files of nobody": (
        {"policy": None, "existingPolicy": {"configMap": "ours"}, "policyFiles": {"a": "b"}},
        "put them into your own ConfigMap or artefact",
    ),
    "kube-system enforced by a rule": (
        {"policy": ruled({**SYSTEM, "require": {"base": {}}})},
        "policy.spec.rules[0] enforces kube-system, and the gate is never asked about that namespace",
    ),
    "kube-system selected": (
        {
            "webhook": {
                "namespaceSelector": {
                    "matchExpressions": [
                        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop", "kube-system"]}
                    ]
                }
            }
        },
        "webhook.namespaceSelector asks for kube-system",
    ),
    "its own namespace selected": (
        {"webhook": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "dhi-gate"}}}},
        "webhook.namespaceSelector asks for dhi-gate",
    ),
    "fail without enforcing": (
        {"webhook": {"failurePolicy": "Fail"}},
        "leave failurePolicy empty, or set mode to enforce",
    ),
    "a catalog by a tag": (
        {"catalog": {"source": "oci", "artifact": "registry.example/catalog:latest"}, "sync": {"enabled": False}},
        "catalog.artifact must name a digest, or somebody could exchange the catalog",
    ),
    "a catalog that nobody can write": (
        {"catalog": {"source": "oci", "artifact": f"registry.example/catalog@{DIGEST}"}},
        "set sync.enabled to false",
    ),
    "an artefact that is not used": (
        {"catalog": {"artifact": "registry.example/catalog"}},
        "set that, or leave them empty",
    ),
    "no certificate": ({"certs": {"mode": "provided"}}, "set certs.provided.secretName"),
    "nobody who vouches": (
        {"certs": {"mode": "provided", "provided": {"secretName": "ours", "caBundle": "x"}}},
        "set certs.provided.caBundle to their certificates (PEM)",
    ),
    "a key among certificates": (
        {
            "certs": {
                "mode": "provided",
                "provided": {"secretName": "ours", "caBundle": f"{CA}-----BEGIN PRIVATE KEY-----\n"},
            }
        },
        "certs.provided.caBundle holds a private key",
    ),
    "a certificate that is not used": (
        {"certs": {"provided": {"secretName": "ours"}}},
        "certs.provided goes with certs.mode: provided, and the mode is selfManaged",
    ),
    "pull secrets for everybody": (
        {"pullSecrets": {"enabled": True}},
        "set clientCA.configMap, so that only the API server",
    ),
    "pull secrets of nobody": ({"pullSecrets": {"namespaces": ["shop"]}}, "go with pullSecrets.enabled"),
    "two files of credentials": (
        {"registry": {"existingSecret": "ours", "credHelpers": {"registry.example": "ecr-login"}}},
        "put the credential helpers into the Secret's `credHelpers`",
    ),
    "a guard against everybody": ({"guard": {"enabled": True, "groups": []}}, "name who may"),
}


@pytest.mark.parametrize(("values", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_values_are_refused(values: Object, sentence: str, tmp_path: Path) -> None:
    """Helm renders nothing and says what to change."""
    with pytest.raises(ProcessFailedError) as refused:
        template({**VALUES, **values}, folder=tmp_path)

    assert sentence in str(refused.value)


@pytest.mark.parametrize("namespace", ["kube-system", "kube-node-lease", "kube-public", "default"])
def test_the_gate_has_a_namespace_of_its_own(namespace: str, tmp_path: Path) -> None:
    """What shares the gate's namespace is not judged, so the gate shares none."""
    with pytest.raises(ProcessFailedError, match=f"it cannot live in {namespace}: install it into one of its own"):
        template(VALUES, folder=tmp_path, namespace=namespace)


@pytest.mark.parametrize(
    "rule",
    [{**SYSTEM, "exempt": {"reason": "add-ons"}}, {**SYSTEM, "mode": "warn", "require": {"base": {}}}],
    ids=["exempt", "warn"],
)
def test_a_rule_may_speak_of_kube_system(rule: Object, tmp_path: Path) -> None:
    """What does not enforce there promises nothing that the webhooks do not keep: an audit goes by it."""
    assert template({**VALUES, "policy": ruled(rule, {"name": "all", "require": {"base": {}}})}, folder=tmp_path)
