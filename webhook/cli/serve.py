"""`dhi-gate serve`: the HTTPS admission server."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import click

from webhook.cli.cluster_options import cluster_options
from webhook.cli.options import flag, refuse_unbuilt, registry_options
from webhook.cli.sources import DocumentFlags, SourceMaker, document_options
from webhook.cli.tls_options import TlsFlags, tls_options
from webhook.core.errors import DocumentError, ParseError
from webhook.core.policy import Mode
from webhook.live_gate import LiveGate, PullSecretAccess
from webhook.ports import Cluster
from webhook.server.listeners import ListenAddress
from webhook.server.logs import LogFormat, open_log
from webhook.server.metrics import Metrics
from webhook.server.process import run_process
from webhook.server.run import ServeOptions
from webhook.server.tls import TlsError
from webhook.settings import (
    ClusterFlags,
    RegistryFlags,
    Surroundings,
    open_cluster,
    open_registries,
    open_registry,
    open_trust,
    remembered_reads,
    system_clock,
)

__all__ = ["serve"]

FOLDER = click.Path(file_okay=False, path_type=Path)
PORT = click.IntRange(0, 65535)
SECONDS = click.FloatRange(0, 3600)
TLS_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
MODES = {mode.word: mode for mode in reversed(Mode)}
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - a webhook is called from other machines
UNAUTHENTICATED = (
    "--pull-secrets needs --client-ca: without it, whoever reaches the port can have registries asked with the secrets "
    "of any pod; --pull-secrets-without-client-ca accepts that"
)


@click.command("serve")
@document_options(catalog_required=False)
@registry_options
@flag("--host", default=ALL_ADDRESSES, show_default=True, help="Address of the TLS port; `::` takes both families.")
@flag("--port", type=PORT, default=10250, show_default=True, help="The TLS port.")
@tls_options
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
@flag("--pull-secrets", is_flag=True, help="Read the pull secrets of pods at admission; needs --client-ca.")
@flag(
    "--pull-secrets-without-client-ca",
    is_flag=True,
    help="Accept that whoever reaches the port can have registries asked with them.",
)
@cluster_options
def serve(
    *,
    documents: DocumentFlags,
    registry: RegistryFlags,
    host: str,
    port: int,
    tls: TlsFlags,
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
    pull_secrets: bool,
    pull_secrets_without_client_ca: bool,
    cluster: ClusterFlags,
) -> None:
    """Answer AdmissionReviews over HTTPS until SIGTERM.

    POST /validate denies, POST /validate/advisory only warns. SIGHUP looks at the certificate files at once.
    """
    refuse_unbuilt(str(workers), ("1",), "--workers")
    refuse_unbuilt(cache, ("memory",), "--cache")
    if pull_secrets and tls.client_ca is None and not pull_secrets_without_client_ca:
        raise click.UsageError(UNAUTHENTICATED)
    if pull_secrets_without_client_ca and not pull_secrets:
        raise click.UsageError("--pull-secrets-without-client-ca belongs to --pull-secrets")
    log = open_log(LogFormat(log_format), sys.stdout)
    around = Surroundings(environment=os.environ, clock=system_clock(), log=log, serving=True)
    options = ServeOptions(
        admission=ListenAddress(host=host, port=port),
        metrics=ListenAddress(host=metrics_host, port=metrics_port),
        tls=tls.source(lambda: open_cluster(cluster, around)),
        minimum_tls=TLS_VERSIONS[tls_min_version],
        drain_seconds=drain_seconds,
        grace_seconds=grace_seconds,
    )
    decides = _Decides(
        documents=documents,
        registry=registry,
        cluster=cluster,
        trust_cache=trust_cache,
        ceiling=MODES[mode_ceiling],
        pull_secrets=pull_secrets,
    )
    try:
        _run(options, decides, around)
    except (OSError, TlsError, DocumentError, ParseError) as error:
        raise click.UsageError(str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decides:
    """What the gate decides by, and how it reaches registries and the cluster."""

    documents: DocumentFlags
    registry: RegistryFlags
    cluster: ClusterFlags
    trust_cache: Path | None
    ceiling: Mode
    pull_secrets: bool

    @asynccontextmanager
    async def opened(self, around: Surroundings, metrics: Metrics) -> AsyncIterator[LiveGate]:
        """Open what the flags name, and the gate over it. Raises DocumentError, ParseError or OSError."""
        async with AsyncExitStack() as stack:
            cluster = await stack.enter_async_context(
                self.documents.opened_cluster(self.cluster, around, needed=self.pull_secrets)
            )
            trust = await stack.enter_async_context(open_trust(around, directory=self.trust_cache))
            maker = SourceMaker(flags=self.documents, registry=self.registry, around=around, cluster=cluster)
            policy = maker.policy()
            gate = LiveGate(
                policy_file=policy,
                catalog_file=maker.catalog(lambda: policy.current, trust.roots),
                open_registry=lambda wanted: open_registry(wanted, self.registry, around),
                open_trust=lambda: nullcontext(trust),
                clock=around.clock,
                log=around.log,
                metrics=metrics,
                ceiling=self.ceiling,
                pull_secrets=await self._pull_secret_access(cluster, around, stack),
            )
            yield await stack.enter_async_context(gate)

    async def _pull_secret_access(
        self, cluster: Cluster | None, around: Surroundings, stack: AsyncExitStack
    ) -> PullSecretAccess | None:
        if cluster is None or not self.pull_secrets:
            return None
        return PullSecretAccess(
            cluster=await stack.enter_async_context(remembered_reads(cluster, around)),
            open_registries=lambda wanted: open_registries(wanted, self.registry, around),
        )


def _run(options: ServeOptions, decides: _Decides, around: Surroundings) -> None:
    """Serve until told to stop; OSError, TlsError, DocumentError or ParseError if it cannot start."""

    def open_gate(metrics: Metrics) -> AbstractAsyncContextManager[LiveGate]:
        return decides.opened(replace(around, observe=metrics.observe_registry), metrics)

    run_process(options, open_gate=open_gate, clock=around.clock, log=around.log, version=version("dhi-gate"))
