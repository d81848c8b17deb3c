"""AdmissionReviews as an API server sends them, and what it checks of the answer."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import msgspec

__all__ = ["NINE_KINDS", "apply_patch", "object_of", "pod_spec", "review", "verify_patch", "verify_response"]

NINE_KINDS = {
    "Pod": ("", "spec"),
    "PodTemplate": ("", "template.spec"),
    "ReplicationController": ("", "spec.template.spec"),
    "DaemonSet": ("apps", "spec.template.spec"),
    "Deployment": ("apps", "spec.template.spec"),
    "ReplicaSet": ("apps", "spec.template.spec"),
    "StatefulSet": ("apps", "spec.template.spec"),
    "CronJob": ("batch", "spec.jobTemplate.spec.template.spec"),
    "Job": ("batch", "spec.template.spec"),
}
"""Kind → API group, and where its pod's spec stands."""

_ANNOTATION_KEY = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def pod_spec(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return a pod's spec with the one container `api`, and whatever else is given."""
    return {"containers": [{"name": "api", "image": "registry.example/shop/api:1"}], **fields}


def object_of(kind: str, spec: object, **metadata: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return an object of one of the nine kinds around a pod's spec."""
    group, path = NINE_KINDS[kind]
    inner: object = spec
    for key in reversed(path.split(".")):
        inner = {key: inner}
    assert isinstance(inner, dict)
    version = f"{group}/v1" if group else "v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "api", "namespace": "shop", **metadata}, **inner}


def review(obj: object, *, kind: str = "Pod", group: str | None = None, **request: Any) -> bytes:  # noqa: ANN401 - JSON
    """Return the bytes of a review; `request` replaces fields of the request."""
    given = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": NINE_KINDS.get(kind, ("", ""))[0] if group is None else group, "version": "v1", "kind": kind},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "api",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "dev", "groups": ["developers", "system:authenticated"]},
        "object": obj,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    whole = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {**given, **request}}
    return json.dumps(whole).encode()


def verify_response(body: bytes, *, uid: str) -> dict[str, Any]:
    """Check an answer of a validating webhook as the API server does, and return the response.

    Source: `apiserver/pkg/admission/plugin/webhook/request.VerifyAdmissionResponse` (validating), the handling of
    `auditAnnotations` in `validating/dispatcher.go`, and `k8s.io/apiserver/pkg/warning` for `warnings`.
    """
    response = verify_any_response(body, uid=uid)
    assert "patch" not in response
    assert "patchType" not in response
    return response


def verify_patch(body: bytes, *, uid: str) -> list[dict[str, Any]]:
    """Check an answer of a mutating webhook as the API server does, and return its JSON Patch, empty if there is none.

    Source: `apiserver/pkg/admission/plugin/webhook/request.VerifyAdmissionResponse`: patch and type come together.
    """
    response = verify_any_response(body, uid=uid)
    assert ("patch" in response) is ("patchType" in response)
    if "patch" not in response:
        return []
    assert response["allowed"]
    assert response["patchType"] == "JSONPatch"
    operations: list[dict[str, Any]] = json.loads(base64.b64decode(response["patch"], validate=True))
    return operations


def apply_patch(obj: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the object after a JSON Patch of `test` and `replace`, applied as RFC 6902 says; a failed test raises."""
    patched: dict[str, Any] = json.loads(json.dumps(obj))
    for operation in operations:
        *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:])
        place: Any = patched
        for part in parents:
            place = place[int(part) if isinstance(place, list) else part]
        assert operation["op"] in {"test", "replace"}
        if operation["op"] == "test":
            assert place[last] == operation["value"]
        place[last] = operation["value"]
    return patched


def verify_any_response(body: bytes, *, uid: str) -> dict[str, Any]:
    """Check what holds for an answer of any webhook, and return the response."""
    document: dict[str, Any] = msgspec.json.decode(body)
    assert document["apiVersion"] == "admission.k8s.io/v1"
    assert document["kind"] == "AdmissionReview"
    response: dict[str, Any] = document["response"]
    assert response["uid"] == uid
    assert type(response["allowed"]) is bool
    if not response["allowed"]:
        status = response["status"]
        assert 400 <= status["code"] < 600
        assert status["message"]
        assert len(status["message"].encode()) <= 1024
        assert status["reason"]
    else:
        assert "status" not in response
    always = {"decision", "mode", "rule", "codes", "policy-digest"}
    assert set(response["auditAnnotations"]) - {"debug-exemption", "pinned-images"} == always
    for key, value in response["auditAnnotations"].items():
        assert _ANNOTATION_KEY.fullmatch(key)
        assert value.isprintable()
    for warning in response.get("warnings", ()):
        assert len(warning) <= 120
        assert warning.isprintable()
    assert sum(len(warning) for warning in response.get("warnings", ())) <= 4096
    return response
