"""The documents of the trial: the policy, as a person would write it, and the reviews, as the API server sends them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from webhook.demo.documents import encode
from webhook.demo.trial_images import BASE_REPOSITORY

__all__ = ["NAMESPACE", "admission_review", "policy_document"]

NAMESPACE = "prod-shop"

_POLICY = """\
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: demo
spec:
  authorities:
    - name: publisher                 # signs the hardened bases, as Docker does
      key: {{file: publisher.pub}}
    - name: release                   # signs what may run
      key: {{file: release.pub}}

  bases:
    - repository: {host}/{base}
      tags: ["3.13*"]
      signedBy: [publisher]

  registries:
    - {{host: "{host}", ca: {{file: ca.crt}}}}

  rules:
    - name: production
      namespaces: ["prod-*"]
      images: ["{host}/**"]
      require:
        signatures: {{from: [release]}}
        base: {{variants: [runtime], maxLag: 14d}}
        user: nonRoot
    - name: everything-else           # looks, warns and never denies
      mode: warn
      images: ["{host}/**"]
      require:
        signatures: {{from: [release]}}
        base: {{}}
"""


def policy_document(*, registry_host: str) -> str:
    """Write an ImagePolicy that speaks about one registry; it refers to publisher.pub, release.pub and ca.crt."""
    return _POLICY.format(host=registry_host, base=BASE_REPOSITORY)


def admission_review(*, name: str, image: str) -> bytes:
    """Write the AdmissionReview of a pod of this name that is about to be created in NAMESPACE with one container.

    The uid depends on name and image alone. Source: Kubernetes, `k8s.io/api/admission/v1/types.go`.
    """
    pods = {"group": "", "version": "v1", "resource": "pods"}
    pod_kind = {"group": "", "version": "v1", "kind": "Pod"}
    request = {
        "uid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name} {image}")),
        "kind": pod_kind,
        "resource": pods,
        "requestKind": pod_kind,
        "requestResource": pods,
        "name": name,
        "namespace": NAMESPACE,
        "operation": "CREATE",
        "userInfo": {"username": "demo", "groups": ["system:authenticated"]},
        "object": _pod(name=name, image=image),
        "oldObject": None,
        "dryRun": False,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
    }
    return encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})


def _pod(*, name: str, image: str) -> Mapping[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "api", "image": image}]},
    }
