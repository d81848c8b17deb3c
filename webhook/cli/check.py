"""`dhi-gate check`: the decision of the cluster's gate, without a cluster."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path

import click
from rich.console import Console

from webhook.cli.inputs import fail, read_catalog, read_policy
from webhook.cli.objects import find_rule, objects_in_files
from webhook.cli.options import (
    DURATION,
    catalog_option,
    color_option,
    flag,
    no_progress_option,
    policy_option,
    registry_options,
    wants_colour,
)
from webhook.cli.reports import FORMATS, deliver, render
from webhook.cli.statuses import FAIL_ON, exit_status
from webhook.core.auditing.rows import row_of
from webhook.core.bases.catalog import Catalog
from webhook.core.contacts import refreshed_roots
from webhook.core.errors import DocumentError, ParseError
from webhook.core.manifest_objects import bare_image
from webhook.core.policy import Policy, Rule
from webhook.core.reporting.making import Heading
from webhook.core.verdicts import Decision
from webhook.core.workloads import Workload
from webhook.layers import LayerInspector
from webhook.review import World, review
from webhook.server.logs import LogFormat, open_log
from webhook.settings import RegistryFlags, Surroundings, open_registry, open_trust, system_clock

__all__ = ["check"]

REVIEWS_AT_ONCE = 32


@click.command()
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@flag("-f", "--filename", "filenames", multiple=True, help="A manifest, a folder of them, or - for input.")
@flag("-R", "--recursive", is_flag=True, help="Look into folders below those of --filename.")
@flag("-n", "--namespace", default="default", show_default=True, help="The namespace of what names none.")
@flag("--rule", "rule_name", help="Judge by this rule instead of the namespace's.")
@flag("--fail-on", type=click.Choice(FAIL_ON), default="fail", show_default=True, help="What makes the status 1.")
@flag("--timeout", type=DURATION, default="30s", show_default=True, help="How long the run may take.")
@flag("-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="The form of the output.")
@flag("--output-file", type=click.Path(dir_okay=False, path_type=Path), help="Write the output there.")
@no_progress_option
@color_option
@registry_options
@catalog_option
@policy_option
def check(
    *,
    images: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    namespace: str,
    rule_name: str | None,
    fail_on: str,
    timeout: timedelta,
    output: str,
    output_file: Path | None,
    no_progress: bool,
    color: str,
    registry: RegistryFlags,
    catalog_file: Path | None,
    policy_file: Path,
) -> None:
    """Decide about images or manifests as the cluster's gate would.

    The exit status is 0 if all would be admitted, 1 if anything would be denied, and 2 if anything could not be
    evaluated or the call was wrong.
    """
    if not images and not filenames:
        raise click.UsageError("name an image, or a manifest with --filename")
    policy, catalog = read_policy(policy_file), read_catalog(catalog_file)
    rule = find_rule(policy, rule_name)
    workloads, unreadable = _objects(images, filenames, namespace=namespace, recursive=recursive)
    around = Surroundings(environment=os.environ, clock=system_clock(), log=open_log(LogFormat.CONSOLE, sys.stderr))
    try:
        with _shown(f"deciding about {len(workloads)} objects", shown=not no_progress and sys.stderr.isatty()):
            decisions = asyncio.run(
                _decide(workloads, policy, catalog, registry, around, rule=rule, seconds=timeout.total_seconds())
            )
    except DocumentError as error:
        fail("dhi-gate check", error)
    heading = Heading(
        policy=policy,
        catalog_revision=catalog.revision if catalog else None,
        generated_at=around.clock.now(),
        complete=not unreadable,
    )
    coloured = wants_colour(color, os.environ, to_terminal=output_file is None and sys.stdout.isatty())
    rows = [row_of(decision) for decision in decisions]
    deliver(render(rows, output, heading, audit=False, coloured=coloured), output_file)
    for complaint in unreadable:
        click.echo(f"error: {complaint}", err=True)
    sys.exit(exit_status(rows, fail_on, complete=not unreadable))


def _shown(activity: str, *, shown: bool) -> AbstractContextManager[object]:
    """Say on standard error what is going on, while it is."""
    return Console(stderr=True).status(activity) if shown else nullcontext()


def _objects(
    images: tuple[str, ...], filenames: tuple[str, ...], *, namespace: str, recursive: bool
) -> tuple[tuple[Workload, ...], tuple[ParseError, ...]]:
    """Read everything that was named, in that order, and what of it could not be read."""
    found = [
        *(bare_image(text, namespace) for text in images),
        *objects_in_files(filenames, namespace, recursive=recursive),
    ]
    return (
        tuple(entry for entry in found if isinstance(entry, Workload)),
        tuple(entry for entry in found if isinstance(entry, ParseError)),
    )


async def _decide(
    workloads: Sequence[Workload],
    policy: Policy,
    catalog: Catalog | None,
    registry_flags: RegistryFlags,
    around: Surroundings,
    *,
    rule: Rule | None,
    seconds: float,
) -> list[Decision]:
    """Review every object, some at a time; what is not decided after that many seconds is `unverifiable`."""
    deadline = around.clock.monotonic() + seconds
    turn = asyncio.Semaphore(REVIEWS_AT_ONCE)
    async with (
        open_registry(policy, registry_flags, around) as registry,
        LayerInspector(registry, clock=around.clock, log=around.log) as layers,
        open_trust(around) as trust,
    ):
        trust.follow(refreshed_roots(policy))
        await trust.settled(deadline=deadline - seconds / 2)
        roots = trust.roots()
        world = World(registry=registry, layers=layers, clock=around.clock, catalog=catalog, roots=roots)

        async def decide(workload: Workload) -> Decision:
            async with turn:
                return await review(workload, policy, world, deadline=deadline, rule=rule)

        return await asyncio.gather(*(decide(workload) for workload in workloads))
