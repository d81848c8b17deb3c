"""The webhook that pins, registered beside those that judge, and another one that gets between them."""

import json
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.e2e.gate import Certificates
from tests.e2e.objects import IMAGES_CHANGED, JUDGED_BY, Object
from tests.e2e.tools.processes import LOOPBACK


def pinning_configuration(name: str, *, url: str, ca: bytes, judged_by: str, conditions: bool = True) -> Object:
    """Register what answers at `url` for pods of the namespaces judged by `judged_by`, as the chart does."""
    changed = [{"name": "images-changed", "expression": IMAGES_CHANGED}] if conditions else []
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": f"pin.{name}.dhi-gate.dev",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Ignore",
                "reinvocationPolicy": "IfNeeded",
                "timeoutSeconds": 10,
                "clientConfig": {"url": url, "caBundle": b64encode(ca).decode()},
                "namespaceSelector": {"matchLabels": {JUDGED_BY: judged_by}},
                "matchConditions": changed,
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["pods", "pods/ephemeralcontainers"],
                        "scope": "Namespaced",
                    }
                ],
            }
        ],
    }


@contextmanager
def other_webhook(certificates: Certificates, react: Callable[[Any], list[Object]]) -> Iterator[str]:
    """Run a mutating webhook of somebody else and yield its URL; `react` gets a request and returns a JSON Patch."""

    class Handler(BaseHTTPRequestHandler):
        """Answers every AdmissionReview with what `react` returns."""

        def do_POST(self) -> None:
            """Answer one review."""
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            operations = react(review["request"])
            response: dict[str, object] = {"uid": review["request"]["uid"], "allowed": True}
            if operations:
                patch = b64encode(json.dumps(operations).encode()).decode()
                response |= {"patchType": "JSONPatch", "patch": patch}
            body = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"https://{LOOPBACK}:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
