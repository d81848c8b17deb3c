"""The flags by which `serve` gets its certificate: from files, or by an authority that the gate keeps itself."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import click

from webhook.certificate_keeping.keeper import Keeping
from webhook.cli.options import DURATION, READABLE, Command, flag
from webhook.core.errors import ParseError
from webhook.core.serving_certificates import Lifetimes
from webhook.ports import Cluster
from webhook.server.self_managed import SelfManagedTls
from webhook.server.tls import TlsFiles

__all__ = ["TlsFlags", "tls_options"]

PLACE = re.compile(r"([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)/([a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?)")
NAME = re.compile(r"[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?")
HOST = re.compile(r"[A-Za-z0-9:](?:[-.:A-Za-z0-9]{0,251}[A-Za-z0-9:])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFlags:
    """What the command line says about the certificate; `keeping` is None where files hold it."""

    files: TlsFiles | None
    keeping: Keeping | None
    client_ca: Path | None

    def source(self, open_cluster: Callable[[], AbstractAsyncContextManager[Cluster]]) -> TlsFiles | SelfManagedTls:
        """Return where the certificate comes from; the cluster is opened only where the gate keeps it."""
        if self.keeping is not None:
            return SelfManagedTls(keeping=self.keeping, open_cluster=open_cluster, client_ca=self.client_ca)
        if self.files is None:
            raise click.UsageError("a certificate is needed: --tls-cert and --tls-key, or --tls-self-managed")
        return self.files


def tls_options(command: Command) -> Command:
    """Add the flags of the certificate; the command gets them as one `tls: TlsFlags`."""

    @flag("--tls-cert", type=READABLE, help="Certificate and chain (PEM), reloaded when the file changes.")
    @flag("--tls-key", type=READABLE, help="The certificate's key (PEM), reloaded with it.")
    @flag("--tls-self-managed", metavar="NAMESPACE/SECRET", help="Instead: sign it by an authority kept in a Secret.")
    @flag("--tls-service", metavar="NAMESPACE/NAME", help="The Service whose names the gate then signs for.")
    @flag("--tls-webhooks", metavar="NAME", help="The webhook configurations whose caBundle the gate then keeps.")
    @flag("--tls-extra-name", multiple=True, metavar="NAME", help="Sign for this DNS name or address too.")
    @flag("--tls-ca-lifetime", type=DURATION, default="365d", show_default=True, help="Life of that authority.")
    @flag("--tls-leaf-lifetime", type=DURATION, default="7d", show_default=True, help="Life of what it signs.")
    @flag("--tls-overlap", type=DURATION, default="15m", show_default=True, help="Believe two authorities so long.")
    @flag("--client-ca", type=READABLE, help="Only clients with a certificate of this CA (PEM) are served.")
    @wraps(command)
    def gathered(
        *,
        tls_cert: Path | None,
        tls_key: Path | None,
        tls_self_managed: str | None,
        tls_service: str | None,
        tls_webhooks: str | None,
        tls_extra_name: tuple[str, ...],
        tls_ca_lifetime: timedelta,
        tls_leaf_lifetime: timedelta,
        tls_overlap: timedelta,
        client_ca: Path | None,
        **rest: Any,  # noqa: ANN401 - the command's own options, passed through
    ) -> Any:  # noqa: ANN401 - whatever the command returns
        files = _files(tls_cert, tls_key, client_ca)
        keeping = None
        if tls_self_managed is None:
            _refuse_alone(tls_service, "--tls-service")
            _refuse_alone(tls_webhooks, "--tls-webhooks")
            _refuse_alone(tls_extra_name, "--tls-extra-name")
        else:
            _refuse_both(tls_cert, tls_key)
            lifetimes = _lifetimes(tls_ca_lifetime, tls_leaf_lifetime, tls_overlap)
            keeping = _keeping(tls_self_managed, tls_service, tls_webhooks, tls_extra_name, lifetimes)
        return command(tls=TlsFlags(files=files, keeping=keeping, client_ca=client_ca), **rest)

    return gathered  # type: ignore[return-value]


def _files(certificate: Path | None, key: Path | None, client_ca: Path | None) -> TlsFiles | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise click.UsageError("--tls-cert and --tls-key belong together")
    return TlsFiles(certificate=certificate, key=key, client_ca=client_ca)


def _refuse_alone(value: str | tuple[str, ...] | None, option: str) -> None:
    if value:
        raise click.UsageError(f"{option} belongs to --tls-self-managed")


def _refuse_both(*files: Path | None) -> None:
    if any(files):
        raise click.UsageError("--tls-self-managed stands instead of --tls-cert and --tls-key")


def _lifetimes(authority: timedelta, leaf: timedelta, overlap: timedelta) -> Lifetimes:
    try:
        return Lifetimes(authority=authority, leaf=leaf, overlap=overlap)
    except ParseError as error:
        raise click.UsageError(f"--tls-ca-lifetime, --tls-leaf-lifetime, --tls-overlap: {error}") from error


def _keeping(
    secret: str, service: str | None, webhooks: str | None, extra_names: tuple[str, ...], lifetimes: Lifetimes
) -> Keeping:
    if service is None or webhooks is None:
        raise click.UsageError("--tls-self-managed needs --tls-service and --tls-webhooks")
    secret_namespace, secret_name = _place(secret, "--tls-self-managed")
    namespace, name = _place(service, "--tls-service")
    if NAME.fullmatch(webhooks) is None:
        raise click.UsageError(f"--tls-webhooks is the name of a webhook configuration, not {webhooks!r}")
    for extra in extra_names:
        if HOST.fullmatch(extra) is None:
            raise click.UsageError(f"--tls-extra-name is a DNS name or an address, not {extra!r}")
    in_cluster = f"{name}.{namespace}.svc"
    return Keeping(
        namespace=secret_namespace,
        secret=secret_name,
        names=(in_cluster, name, f"{name}.{namespace}", f"{in_cluster}.cluster.local", *extra_names),
        webhooks=webhooks,
        identity=f"{socket.gethostname()}_{uuid.uuid4()}",
        lifetimes=lifetimes,
    )


def _place(text: str, option: str) -> tuple[str, str]:
    match = PLACE.fullmatch(text)
    if match is None:
        raise click.UsageError(f"{option} is written NAMESPACE/NAME, not {text!r}")
    return match[1], match[2]
