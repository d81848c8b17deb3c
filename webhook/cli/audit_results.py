"""Where the results of an audit go: printed, as a page, kept in the cluster, as metrics; and the exit status."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from webhook.auditing.report_keeping import Audited, Kept, keep_reports
from webhook.auditing.run_metrics import MetricsTrouble, PushGateway, RunMetrics, push_metrics, write_metrics
from webhook.cli.audit_run import AuditRun, Found
from webhook.cli.options import wants_colour
from webhook.cli.reports import deliver, render
from webhook.cli.statuses import exit_status
from webhook.core.reporting.document import ReportDocument
from webhook.core.reporting.html import html_page
from webhook.core.reporting.making import Heading, make_report
from webhook.core.reporting.policy_reports import ReportApi
from webhook.ports import Cluster

__all__ = ["Destinations", "deliver_results"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """What the caller wants to have of a run. `about_another_day` says whether --as-of was given."""

    output: str
    output_file: Path | None
    html_file: Path | None
    report_api: ReportApi | None
    metrics_file: Path | None
    gateway: PushGateway | None
    fail_on: str
    color: str
    about_another_day: bool


async def deliver_results(run: AuditRun, destinations: Destinations, *, cluster: Cluster | None) -> int:
    """Print what was found, then leave it wherever it is wanted, and return the exit status.

    What an interrupted run has is printed and kept nowhere.
    """
    found = run.found
    heading = _heading(run, destinations)
    run.progress.stop()
    _print(found, heading, destinations)
    if not found.interrupted:
        report = make_report(found.rows, heading)
        if destinations.report_api is not None and cluster is not None:
            kept = await keep_reports(cluster, report, destinations.report_api, audited=_audited(found))
            _tell_kept(kept)
            found.troubles.extend(kept.troubles)
        await _leave_metrics(run, report, destinations)
    for trouble in found.troubles:
        click.echo(f"error: {trouble}", err=True)
    return exit_status(found.rows, destinations.fail_on, complete=found.complete)


def _heading(run: AuditRun, destinations: Destinations) -> Heading:
    plan = run.plan
    return Heading(
        policy=plan.candidate.policy,
        catalog_revision=plan.catalog.revision if plan.catalog else None,
        generated_at=run.around.clock.now(),
        complete=run.found.complete,
        as_of=plan.as_of if destinations.about_another_day else None,
        compared_with=plan.candidate.before,
    )


def _print(found: Found, heading: Heading, destinations: Destinations) -> None:
    to_terminal = destinations.output_file is None and sys.stdout.isatty()
    text = render(
        found.rows,
        destinations.output,
        heading,
        audit=True,
        coloured=wants_colour(destinations.color, os.environ, to_terminal=to_terminal),
        width=shutil.get_terminal_size().columns if to_terminal else None,
    )
    deliver(text, destinations.output_file)
    if destinations.html_file is not None:
        deliver(html_page(make_report(found.rows, heading)), destinations.html_file)


def _audited(found: Found) -> Audited:
    """Tell which namespaces were seen whole: nothing is removed where something may have been overlooked."""
    listing = found.listing
    if listing is None:
        return Audited(namespaces=frozenset(), whole=lambda _: False)
    namespaces = None if listing.scope.namespaces is None else frozenset(listing.scope.namespaces)
    judged_all = len(found.rows) == len(listing.rows) + len(listing.subjects)
    return Audited(namespaces=namespaces, whole=lambda namespace: judged_all and listing.covers(namespace))


def _tell_kept(kept: Kept) -> None:
    click.echo(
        f"reports: {kept.created} created, {kept.replaced} replaced, {kept.unchanged} unchanged, "
        f"{kept.removed} removed, {kept.failed} failed",
        err=True,
    )


async def _leave_metrics(run: AuditRun, report: ReportDocument, destinations: Destinations) -> None:
    """Leave the run's metrics in a file and at a gateway; that a place cannot be reached is trouble."""
    if destinations.metrics_file is None and destinations.gateway is None:
        return
    clock = run.around.clock
    seconds = clock.monotonic() - run.found.began
    metrics = RunMetrics(report, duration_seconds=seconds, finished_at=clock.now())
    if destinations.metrics_file is not None:
        with _told(run):
            write_metrics(metrics, destinations.metrics_file)
    if destinations.gateway is not None:
        with _told(run):
            await push_metrics(metrics, destinations.gateway)


@contextmanager
def _told(run: AuditRun) -> Iterator[None]:
    """Make trouble with one place a line, so that the other is not left out."""
    try:
        yield
    except MetricsTrouble as trouble:
        run.found.troubles.append(str(trouble))
