"""`dhi-gate audit`: what admission would say to everything that lives in a cluster or stands in files."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import click

from webhook.auditing.auditor import Candidate
from webhook.auditing.listing import Scope
from webhook.auditing.run_metrics import PushGateway, parse_push_gateway
from webhook.cli.audit_results import Destinations, deliver_results
from webhook.cli.audit_run import AuditRun, Found, Plan
from webhook.cli.cluster_options import cluster_options
from webhook.cli.inputs import CANNOT_TELL, fail, read_policy
from webhook.cli.objects import find_rule, objects_in_files
from webhook.cli.options import (
    DURATION,
    color_option,
    flag,
    no_progress_option,
    registry_options,
)
from webhook.cli.progress import AuditProgress
from webhook.cli.reports import FORMATS
from webhook.cli.sources import DocumentFlags, document_options, read_once
from webhook.cli.statuses import FAIL_ON
from webhook.core.auditing.as_of import parse_as_of
from webhook.core.errors import DocumentError, ParseError
from webhook.core.policy import Mode
from webhook.core.policy_reading.words import parse_namespace_glob
from webhook.core.references import Glob
from webhook.core.reporting.policy_reports import ReportApi
from webhook.core.workloads import Workload
from webhook.server.logs import LogFormat, open_log
from webhook.settings import ClusterFlags, RegistryFlags, Surroundings, open_cluster, system_clock

__all__ = ["audit"]

T = TypeVar("T")

FILE = click.Path(dir_okay=False, path_type=Path)
MODES = {mode.word: mode for mode in reversed(Mode)}
APIS = {api.value: api for api in ReportApi}


@click.command()
@flag("-n", "--namespace", "namespaces", multiple=True, help="A namespace; default: that of the context.")
@flag("-A", "--all-namespaces", is_flag=True, help="All namespaces.")
@flag("--exclude-namespace", "excluded", multiple=True, metavar="GLOB", help="Namespaces to leave out.")
@flag("-l", "--selector", default="", help="Only workloads with these labels, or with pods that have them.")
@flag("-f", "--filename", "filenames", multiple=True, help="A manifest, a folder of them, or -, instead of a cluster.")
@flag("-R", "--recursive", is_flag=True, help="Look into folders below those of --filename.")
@flag("--compare", "compare_file", type=FILE, help="The policy in force: show only what --policy changes.")
@flag("--as-of", metavar="DAY", help="Judge as on that day (2026-12-24), or after a span (+30d).")
@flag("--rule", "rule_name", help="Judge by this rule instead of the namespaces'.")
@flag("--mode-ceiling", type=click.Choice(list(MODES)), default="enforce", show_default=True, help="As for serve.")
@flag("--hints/--no-hints", default=True, show_default=True, help="Look for what would help with what is refused.")
@flag("--pull-secrets/--no-pull-secrets", default=True, show_default=True, help="Read the pods' pull secrets.")
@flag("--fail-on", type=click.Choice(FAIL_ON), default="fail", show_default=True, help="What makes the status 1.")
@flag("--timeout", type=DURATION, default="60m", show_default=True, help="How long the run may take.")
@flag("-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="The form of the report.")
@flag("--output-file", type=FILE, help="Write the output there.")
@flag("--html", "html_file", type=FILE, help="Write a page that opens from disk, beside the output.")
@flag("--write-reports", is_flag=True, help="Keep a report object for each workload in the cluster.")
@flag("--report-api", type=click.Choice(list(APIS)), default="policyreport", show_default=True, help="Their kind.")
@flag("--metrics-file", type=FILE, help="Write the run's metrics there (*.prom, for a node exporter).")
@flag("--push-gateway", metavar="URL", help="Push the run's metrics to a Prometheus Pushgateway.")
@flag("--push-cluster", default="", metavar="NAME", help="The label `cluster` of pushed metrics.")
@no_progress_option
@color_option
@cluster_options
@registry_options
@document_options(catalog_required=False)
def audit(
    *,
    namespaces: tuple[str, ...],
    all_namespaces: bool,
    excluded: tuple[str, ...],
    selector: str,
    filenames: tuple[str, ...],
    recursive: bool,
    compare_file: Path | None,
    as_of: str | None,
    rule_name: str | None,
    mode_ceiling: str,
    hints: bool,
    pull_secrets: bool,
    fail_on: str,
    timeout: timedelta,
    output: str,
    output_file: Path | None,
    html_file: Path | None,
    write_reports: bool,
    report_api: str,
    metrics_file: Path | None,
    push_gateway: str | None,
    push_cluster: str,
    no_progress: bool,
    color: str,
    cluster: ClusterFlags,
    registry: RegistryFlags,
    documents: DocumentFlags,
) -> None:
    """Say what in a cluster or in files would be refused, and why.

    Judges what lives in a cluster, and what its nodes run, as admission would. The exit status is 0 if all would be
    admitted, 1 if anything would be denied (with --compare: newly denied), and 2 if anything could not be evaluated,
    the run is not complete, or the call was wrong.
    """
    _refuse_contradictions(
        in_cluster=not filenames,
        cluster_words=bool(all_namespaces or excluded or selector or write_reports or len(namespaces) > 1),
        all_and_named=all_namespaces and bool(namespaces),
        some_excluded=bool(excluded) and not all_namespaces,
        keeps=bool(write_reports or metrics_file or push_gateway),
        hypothetical=bool(compare_file or as_of),
    )
    around = Surroundings(environment=os.environ, clock=system_clock(), log=open_log(LogFormat.CONSOLE, sys.stderr))
    now = around.clock.now()
    policy, catalog = read_once(documents, registry, cluster, around)
    before = read_policy(compare_file) if compare_file else None
    for each in (policy, before):
        find_rule(each, rule_name) if each else None
    plan = Plan(
        candidate=Candidate(policy=policy, before=before, rule_name=rule_name, hints=hints),
        catalog=catalog,
        as_of=_as_of(as_of, now) if as_of else now,
        ceiling=MODES[mode_ceiling],
        registry=registry,
        seconds=timeout.total_seconds(),
        use_pull_secrets=pull_secrets,
    )
    destinations = Destinations(
        output=output,
        output_file=output_file,
        html_file=html_file,
        report_api=APIS[report_api] if write_reports else None,
        metrics_file=metrics_file,
        gateway=_gateway(push_gateway, push_cluster),
        fail_on=fail_on,
        color=color,
        about_another_day=as_of is not None,
    )
    scope = Scope(
        namespaces=None if all_namespaces else namespaces, excluded=tuple(map(_glob, excluded)), selector=selector
    )
    found = Found(began=around.clock.monotonic())
    with AuditProgress(shown=not no_progress and sys.stderr.isatty()) as progress:
        run = AuditRun(plan=plan, around=around, progress=progress, found=found)
        try:
            if filenames:
                workloads = _objects(filenames, namespaces, found, recursive=recursive)
                status = asyncio.run(_audit_files(run, workloads, destinations))
            else:
                status = asyncio.run(_audit_cluster(run, cluster, scope, destinations))
        except (DocumentError, ParseError) as error:
            fail("dhi-gate audit", error)
        except (asyncio.CancelledError, KeyboardInterrupt):
            # Told to stop when nothing is left to print, or told so twice.
            click.echo("error: the run was interrupted", err=True)
            status = CANNOT_TELL
    sys.exit(status)


async def _audit_files(run: AuditRun, workloads: tuple[Workload, ...], destinations: Destinations) -> int:
    """Audit objects of files, and return the exit status."""
    _cancel_when_told_to_stop()
    await run.over_files(workloads)
    return await deliver_results(run, destinations, cluster=None)


async def _audit_cluster(run: AuditRun, flags: ClusterFlags, scope: Scope, destinations: Destinations) -> int:
    """Audit a cluster, and return the exit status. Without a named namespace, the context's is meant."""
    _cancel_when_told_to_stop()
    async with open_cluster(flags, run.around) as cluster:
        if scope.namespaces == ():
            scope = replace(scope, namespaces=(cluster.default_namespace,))
        await run.over_cluster(cluster, scope)
        return await deliver_results(run, destinations, cluster=cluster)


def _cancel_when_told_to_stop() -> None:
    """Let the first Ctrl-C or SIGTERM cancel this run, which prints what it has; the second ends it at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        if task is not None:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)


def _objects(
    filenames: tuple[str, ...], namespaces: tuple[str, ...], found: Found, *, recursive: bool
) -> tuple[Workload, ...]:
    """Return the objects of the files; what could not be read of them is trouble."""
    objects = tuple(objects_in_files(filenames, namespaces[0] if namespaces else "default", recursive=recursive))
    found.troubles.extend(str(one) for one in objects if isinstance(one, ParseError))
    return tuple(one for one in objects if isinstance(one, Workload))


def _refuse_contradictions(
    *,
    in_cluster: bool,
    cluster_words: bool,
    all_and_named: bool,
    some_excluded: bool,
    keeps: bool,
    hypothetical: bool,
) -> None:
    """Refuse what means nothing, rather than take one flag and forget the other."""
    if not in_cluster and cluster_words:
        raise click.UsageError(
            "--filename audits files: it goes with one --namespace, and with no flag about a cluster"
        )
    if all_and_named:
        raise click.UsageError("either --namespace or --all-namespaces")
    if some_excluded:
        raise click.UsageError("--exclude-namespace goes with --all-namespaces")
    if hypothetical and keeps:
        raise click.UsageError(
            "--compare and --as-of tell what would be; --write-reports, --metrics-file and --push-gateway keep what is"
        )


def _as_of(text: str, now: datetime) -> datetime:
    return _option("--as-of", lambda: parse_as_of(text, now))


def _glob(text: str) -> Glob:
    return _option("--exclude-namespace", lambda: parse_namespace_glob(text))


def _gateway(url: str | None, cluster: str) -> PushGateway | None:
    return None if url is None else _option("--push-gateway", lambda: parse_push_gateway(url, cluster=cluster))


def _option(name: str, read: Callable[[], T]) -> T:
    """Read the value of an option; one that makes no sense ends the command."""
    try:
        return read()
    except ParseError as error:
        raise click.UsageError(f"{name}: {error}") from error
