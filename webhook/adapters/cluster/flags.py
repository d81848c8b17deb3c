"""What a caller says about the cluster, in kubectl's words."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["REQUEST_SECONDS", "ClusterFlags"]

REQUEST_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFlags:
    """kubectl's flags for a connection; what is empty or None is not said, and the kubeconfig counts.

    `cluster` and `user` are names in the kubeconfig. `as_user_extra` are (key, value) pairs, a key may return.
    `request_seconds` bounds each request, from the connection to the last byte of the answer.
    """

    kubeconfig: Path | None = None
    context: str = ""
    cluster: str = ""
    user: str = ""
    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    client_certificate: Path | None = None
    client_key: Path | None = None
    certificate_authority: Path | None = None
    token: str = field(default="", repr=False)
    as_user: str = ""
    as_uid: str = ""
    as_groups: tuple[str, ...] = ()
    as_user_extra: tuple[tuple[str, str], ...] = ()
    request_seconds: float = REQUEST_SECONDS
