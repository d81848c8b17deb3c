"""What the tests of the cluster adapter start from."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from tests.adapters.given import Recorder
from tests.contract.cluster_contract import LEASES
from tests.fakes.api_server import LoopbackApiServer
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import FakeCluster
from webhook.adapters.cluster.api_server import ApiServerCluster
from webhook.adapters.cluster.flags import ClusterFlags
from webhook.adapters.cluster.opening import open_api_server
from webhook.adapters.registry.options import Proxies
from webhook.ports import Clock

__all__ = ["Authority", "filled", "kubeconfig", "open_cluster", "plugin", "server_of", "write_kubeconfig"]

PLUGIN = """#!/bin/sh
echo run >> "$0.runs"
echo "$KUBERNETES_EXEC_INFO" > "$0.asked"
{commands}
"""


class Authority:
    """An authority for servers and callers, with its files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.file = folder / "ca.crt"
        self._ca.cert_pem.write_to_path(str(self.file))

    @property
    def data(self) -> str:
        """The certificate as a kubeconfig holds it."""
        return base64.b64encode(self._ca.cert_pem.bytes()).decode()

    def serving(self, name: str = "127.0.0.1") -> ssl.SSLContext:
        """Return what a server of that name needs; it asks for the certificate of callers but wants none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(name).configure_cert(context)
        self._ca.configure_trust(context)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def caller(self) -> tuple[bytes, bytes]:
        """Return certificate and key of a caller, PEM."""
        issued = self._ca.issue_cert("caller@shop.example")
        return issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """An exec plugin on disk."""

    path: Path

    @property
    def runs(self) -> int:
        """How often it was run."""
        return len(Path(f"{self.path}.runs").read_text().splitlines())

    @property
    def asked(self) -> dict[str, Any]:
        """What it was asked the last time."""
        found: dict[str, Any] = json.loads(Path(f"{self.path}.asked").read_text())
        return found


def plugin(folder: Path, *, status: Mapping[str, Any] | None = None, commands: str = "") -> Plugin:
    """Write an exec plugin that hands out a status, or does what the shell commands say."""
    path = folder / "plugin"
    if status is not None:
        document = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
        commands = f"cat <<'END'\n{json.dumps(document)}\nEND"
    path.write_text(PLUGIN.format(commands=commands))
    path.chmod(0o755)
    return Plugin(path=path)


def kubeconfig(
    *,
    server: str = "https://api.example",
    user: Mapping[str, Any] | None = None,
    namespace: str = "",
    **cluster: object,
) -> dict[str, Any]:
    """Return a kubeconfig of one context; `cluster` are further fields of the cluster, with `_` for `-`."""
    fields = {name.replace("_", "-"): value for name, value in cluster.items()}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **fields}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        "current-context": "x",
    }


def write_kubeconfig(folder: Path, document: object, name: str = "config") -> Path:
    """Write a kubeconfig and return its path."""
    path = folder / name
    path.write_text(json.dumps(document))
    return path


def filled(leases: int, *, page_size: int = 2) -> FakeCluster:
    """Return a cluster with leases `lease-0` and so on in `shop`."""
    fake = FakeCluster(page_size=page_size)
    for number in range(leases):
        fake.put(LEASES, {"metadata": {"name": f"lease-{number}", "namespace": "shop"}})
    return fake


def server_of(fake: FakeCluster, **settings: Any) -> LoopbackApiServer:  # noqa: ANN401 - those of LoopbackApiServer
    """Return a server of a cluster that knows leases."""
    return LoopbackApiServer(fake, (LEASES,), **settings)


def open_cluster(
    flags: ClusterFlags,
    environment: Mapping[str, str] | None = None,
    *,
    proxies: Proxies | None = None,
    clock: Clock | None = None,
    recorder: Recorder | None = None,
    service_account: Path = Path("/not-there"),
) -> AbstractAsyncContextManager[ApiServerCluster]:
    """Open the adapter; nothing of the real user's plays a part, and waiting takes no time."""
    return open_api_server(
        flags,
        environment=environment or {},
        proxies=proxies or Proxies(),
        clock=clock or ManualClock(),
        service_account=service_account,
        sleep=(recorder or Recorder()).sleep,
    )
