"""kubectl's flags for a connection to a cluster."""

from __future__ import annotations

from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import click

from webhook.cli.options import DURATION, READABLE, Command, flag
from webhook.settings import ClusterFlags

__all__ = ["cluster_options"]


def cluster_options(command: Command) -> Command:
    """Add the flags that say which cluster is asked, and as whom; the command gets them as `cluster: ClusterFlags`.

    What they do not say, the kubeconfig says: the file of `--kubeconfig`, else those of KUBECONFIG, else
    `~/.kube/config`; in a pod without any, its service account.
    """

    @flag("--kubeconfig", type=READABLE, help="The kubeconfig; default: KUBECONFIG, ~/.kube/config, the pod's account.")
    @flag("--context", default="", help="The context of the kubeconfig; default: its current one.")
    @flag("--cluster", "cluster_name", default="", help="The cluster of the kubeconfig instead of the context's.")
    @flag("--user", default="", help="The user of the kubeconfig instead of the context's.")
    @flag("-s", "--server", default="", metavar="URL", help="The address of the API server.")
    @flag("--tls-server-name", default="", help="The name that the API server's certificate has to have.")
    @flag("--insecure-skip-tls-verify", is_flag=True, help="Do not ask the API server who it is. Not for production.")
    @flag("--client-certificate", type=READABLE, help="The certificate of the caller (PEM).")
    @flag("--client-key", type=READABLE, help="The key of that certificate (PEM, unencrypted).")
    @flag("--certificate-authority", type=READABLE, help="Who vouches for the API server (PEM).")
    @flag("--token", default="", help="The bearer token of the caller.")
    @flag("--as", "as_user", default="", metavar="USER", help="Act for this user.")
    @flag("--as-uid", default="", metavar="UID", help="The uid to act with.")
    @flag("--as-group", "as_groups", multiple=True, metavar="GROUP", help="A group to act with; may be repeated.")
    @flag("--as-user-extra", multiple=True, metavar="KEY=VALUE", help="An attribute to act with; may be repeated.")
    @flag("--request-timeout", type=DURATION, default="30s", show_default=True, help="How long one request may take.")
    @wraps(command)
    def gathered(
        *,
        kubeconfig: Path | None,
        context: str,
        cluster_name: str,
        user: str,
        server: str,
        tls_server_name: str,
        insecure_skip_tls_verify: bool,
        client_certificate: Path | None,
        client_key: Path | None,
        certificate_authority: Path | None,
        token: str,
        as_user: str,
        as_uid: str,
        as_groups: tuple[str, ...],
        as_user_extra: tuple[str, ...],
        request_timeout: timedelta,
        **rest: Any,  # noqa: ANN401 - the command's own options, passed through
    ) -> Any:  # noqa: ANN401 - whatever the command returns
        flags = ClusterFlags(
            kubeconfig=kubeconfig,
            context=context,
            cluster=cluster_name,
            user=user,
            server=server,
            tls_server_name=tls_server_name,
            insecure_skip_tls_verify=insecure_skip_tls_verify,
            client_certificate=client_certificate,
            client_key=client_key,
            certificate_authority=certificate_authority,
            token=token,
            as_user=as_user,
            as_uid=as_uid,
            as_groups=as_groups,
            as_user_extra=tuple(_parse_extra(text) for text in as_user_extra),
            request_seconds=request_timeout.total_seconds(),
        )
        return command(cluster=flags, **rest)

    return gathered  # type: ignore[return-value]


def _parse_extra(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise click.UsageError(f"--as-user-extra is written KEY=VALUE, not {text!r}")
    return key, value
