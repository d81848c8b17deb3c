"""`dhi-gate serve`: the HTTPS admission server."""

from __future__ import annotations

import os
import ssl
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import click
from structlog.typing import FilteringBoundLogger

from webhook.cli.options import catalog_option, flag, policy_option, refuse_unbuilt, registry_options
from webhook.core.errors import DocumentError
from webhook.core.policy import Mode
from webhook.documents import catalog_file as watch_catalog
from webhook.documents import policy_file as watch_policy
from webhook.live_gate import LiveGate
from webhook.server.listeners import ListenAddress
from webhook.server.logs import LogFormat, open_log
from webhook.server.metrics import Metrics
from webhook.server.process import run_process
from webhook.server.run import ServeOptions
from webhook.server.tls import TlsError, TlsFiles
from webhook.settings import RegistryFlags, Surroundings, open_registry, open_trust, system_clock

__all__ = ["serve"]

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
PORT = click.IntRange(0, 65535)
SECONDS = click.FloatRange(0, 3600)
TLS_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
MODES = {mode.word: mode for mode in reversed(Mode)}
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - a webhook is called from other machines
UNBUILT_SOURCES = ("configmap:", "oci:")


@click.command("serve")
@policy_option
@catalog_option
@registry_options
@flag("--host", default=ALL_ADDRESSES, show_default=True, help="Address of the TLS port; `::` takes both families.")
@flag("--port", type=PORT, default=10250, show_default=True, help="The TLS port.")
@flag("--tls-cert", type=FILE, required=True, help="Certificate and chain (PEM), reloaded when the file changes.")
@flag("--tls-key", type=FILE, required=True, help="The certificate's key (PEM), reloaded with it.")
@flag("--client-ca", type=FILE, help="Only clients with a certificate of this CA (PEM) are served.")
@flag("--tls-min-version", type=click.Choice(list(TLS_VERSIONS)), default="1.2", show_default=True, help="Least TLS.")
@flag("--metrics-host", default=ALL_ADDRESSES, show_default=True, help="Address of the metrics port.")
@flag("--metrics-port", type=PORT, default=8080, show_default=True, help="/metrics and health, plain HTTP.")
@flag("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@flag("--cache", default="memory", show_default=True, help="Where answers of registries are kept.")
@flag("--trust-cache", type=FOLDER, help="Folder in which TUF metadata outlives the process; default: a temporary one.")
@flag(
    "--mode-ceiling", type=click.Choice(list(MODES)), default="enforce", show_default=True, help="No rule is stricter."
)
@flag(
    "--log-format",
    type=click.Choice([f.value for f in LogFormat]),
    default="json",
    show_default=True,
    help="Log lines.",
)
@flag("--drain-seconds", type=SECONDS, default=5.0, show_default=True, help="Still serve so long after a SIGTERM.")
@flag("--grace-seconds", type=SECONDS, default=15.0, show_default=True, help="Then finish reviews so long.")
def serve(
    *,
    policy_file: Path,
    catalog_file: Path | None,
    registry: RegistryFlags,
    host: str,
    port: int,
    tls_cert: Path,
    tls_key: Path,
    client_ca: Path | None,
    tls_min_version: str,
    metrics_host: str,
    metrics_port: int,
    workers: int,
    cache: str,
    trust_cache: Path | None,
    mode_ceiling: str,
    log_format: str,
    drain_seconds: float,
    grace_seconds: float,
) -> None:
    """Answer AdmissionReviews over HTTPS until SIGTERM.

    POST /validate denies, POST /validate/advisory only warns. SIGHUP looks at the certificate files at once.
    """
    refuse_unbuilt(str(workers), ("1",), "--workers")
    refuse_unbuilt(cache, ("memory",), "--cache")
    _refuse_remote(policy_file, "--policy")
    _refuse_remote(catalog_file, "--catalog")
    options = ServeOptions(
        admission=ListenAddress(host=host, port=port),
        metrics=ListenAddress(host=metrics_host, port=metrics_port),
        tls=TlsFiles(certificate=tls_cert, key=tls_key, client_ca=client_ca),
        minimum_tls=TLS_VERSIONS[tls_min_version],
        drain_seconds=drain_seconds,
        grace_seconds=grace_seconds,
    )
    documents = _Documents(
        policy_file=policy_file,
        catalog_file=catalog_file,
        registry=registry,
        trust_cache=trust_cache,
        ceiling=MODES[mode_ceiling],
    )
    try:
        _run(options, documents, open_log(LogFormat(log_format), sys.stdout))
    except (OSError, TlsError, DocumentError) as error:
        raise click.UsageError(str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Documents:
    """What the gate decides by, and how it reaches registries."""

    policy_file: Path
    catalog_file: Path | None
    registry: RegistryFlags
    trust_cache: Path | None
    ceiling: Mode


def _run(options: ServeOptions, documents: _Documents, log: FilteringBoundLogger) -> None:
    """Serve until told to stop; OSError, TlsError or DocumentError if it cannot start."""
    clock = system_clock()

    def open_gate(metrics: Metrics) -> LiveGate:
        around = Surroundings(
            environment=os.environ, clock=clock, log=log, serving=True, observe=metrics.observe_registry
        )
        return LiveGate(
            policy_file=watch_policy(documents.policy_file, clock=clock),
            catalog_file=watch_catalog(documents.catalog_file, clock=clock) if documents.catalog_file else None,
            open_registry=lambda policy: open_registry(policy, documents.registry, around),
            open_trust=lambda: open_trust(around, directory=documents.trust_cache),
            clock=clock,
            log=log,
            metrics=metrics,
            ceiling=documents.ceiling,
        )

    run_process(options, open_gate=open_gate, clock=clock, log=log, version=version("dhi-gate"))


def _refuse_remote(path: Path | None, option: str) -> None:
    """Refuse the sources that the contract names and this version does not read."""
    if path is not None and str(path).startswith(UNBUILT_SOURCES):
        raise click.UsageError(f"not supported yet: {option} {path} (this version reads files)")
