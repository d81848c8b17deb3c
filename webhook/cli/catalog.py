"""`dhi-gate catalog`: keeps the catalog of bases, and shows what is in it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar, assert_never

import click
from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TaskID

from webhook.catalog_keeping.config_map import CatalogConfigMap
from webhook.catalog_keeping.file import CatalogFile
from webhook.catalog_keeping.visits import Progress
from webhook.cli.catalog_places import existing, keep, open_file, open_named, refuse, replace_file
from webhook.cli.catalog_views import draw_list, draw_record, find_builds, objections, summary
from webhook.cli.cluster_options import cluster_options
from webhook.cli.inputs import CANNOT_TELL, fail, read_policy
from webhook.cli.options import (
    DURATION,
    READABLE,
    color_option,
    flag,
    no_progress_option,
    policy_option,
    refuse_unbuilt,
    registry_options,
    wants_colour,
)
from webhook.cli.sources import DocumentFlags, document_options, read_once, shown_name
from webhook.core.bases.changes import revoke
from webhook.core.bases.document import print_catalog, seal
from webhook.core.bases.identity import Unfit
from webhook.core.contacts import refreshed_roots
from webhook.core.errors import DocumentError, ParseError
from webhook.core.facts import Trouble
from webhook.core.policy import Policy
from webhook.core.references import Digest, ImageReference, Repository
from webhook.core.trust import Roots
from webhook.ports import Clock, Registry
from webhook.server.logs import LogFormat, open_log
from webhook.settings import (
    ClusterFlags,
    RegistryFlags,
    Surroundings,
    open_cluster,
    open_registry,
    open_trust,
    system_clock,
)
from webhook.sync import NO_ROOTS, Enrolment, SyncResult, enrol, sync

__all__ = ["add_base", "catalog", "sync_catalog"]

T = TypeVar("T")

FIRST_ROOTS_SECONDS = 30.0
"""How long a command waits for trusted roots to be loaded, before it goes on without them."""
FORMATS = ("table", "wide", "json", "name")
"""The values of `--output` that this version has."""

catalog_file_option = flag("--catalog", "catalog_file", type=READABLE, required=True, help="The BaseCatalog document.")
timeout_option = flag("--timeout", type=DURATION, default="15m", show_default=True, help="How long it may take.")


@click.group()
def catalog() -> None:
    """Keep the catalog of bases: every verified build, with its layers."""


@catalog.command("sync")
@document_options(catalog_required=True)
@registry_options
@timeout_option
@flag("--allow-shrink", is_flag=True, help="Accept that many tags lose their active build.")
@no_progress_option
@cluster_options
def sync_command(
    *,
    documents: DocumentFlags,
    registry: RegistryFlags,
    timeout: timedelta,
    allow_shrink: bool,
    no_progress: bool,
    cluster: ClusterFlags,
) -> None:
    """Record every verified build of the bases that the policy lists.

    The exit status is 0 if all repositories were read, else 2. What a failed one holds in the catalog stays.
    """
    around = _surroundings()
    policy, _ = read_once(replace(documents, catalog=None, catalog_authority=None), registry, cluster, around)
    file = open_named(documents.catalog, lambda: open_cluster(cluster, around))

    async def run(world: Registry, roots: Roots, clock: Clock) -> SyncResult:
        with _progress(shown=not no_progress and sys.stderr.isatty()) as on_progress:
            return await sync_catalog(
                file,
                policy,
                world,
                clock,
                seconds=timeout.total_seconds(),
                roots=roots,
                allow_shrink=allow_shrink,
                on_progress=on_progress,
            )

    result = _with_registry(policy, registry, run)
    for report in result.reports:
        click.echo(summary(report))
        for line in objections(report):
            click.echo(line, err=True)
    if not result.reports:
        click.echo(f"error: {shown_name(documents.policy)}: the policy lists no bases", err=True)
    sys.exit(0 if result.complete else CANNOT_TELL)


@catalog.command("add")
@click.argument("image", metavar="REPOSITORY[:TAG]@DIGEST")
@policy_option
@catalog_file_option
@registry_options
@timeout_option
def add_command(
    *, image: str, policy_file: Path, catalog_file: Path, registry: RegistryFlags, timeout: timedelta
) -> None:
    """Record one older build of a listed base, verified like the rest.

    Without a tag it is recorded under the exact version that its labels name.
    """
    policy, file, reference = read_policy(policy_file), open_file(catalog_file), _reference(image)

    async def run(world: Registry, roots: Roots, clock: Clock) -> Enrolment | Unfit | Trouble:
        seconds = timeout.total_seconds()
        return await add_base(file, policy, world, clock, image=reference, seconds=seconds, roots=roots)

    result = _with_registry(policy, registry, run)
    match result:
        case Enrolment(builds=builds):
            for build in builds:
                click.echo(f"{build.repository}@{build.digest} {build.platform} {build.chain_id} {build.status.value}")
        case Unfit(why=why):
            refuse(image, why)
        case Trouble() as trouble:
            refuse(image, f"{trouble.doing} at {trouble.where}: {trouble.why}")
        case _:
            assert_never(result)


@catalog.command("list")
@catalog_file_option
@flag("--policy", "policy_file", type=READABLE, help="Tell which builds count as approved under this policy.")
@flag("-o", "--output", default="table", show_default=True, help=f"One of {', '.join(FORMATS)}.")
@color_option
def list_command(*, catalog_file: Path, policy_file: Path | None, output: str, color: str) -> None:
    """Show all builds, whether approved or not."""
    refuse_unbuilt(output, FORMATS, "--output")
    found = existing(open_file(catalog_file))
    policy = read_policy(policy_file) if policy_file else None
    if output == "json":
        click.echo(print_catalog(found).decode(), nl=False)
    elif output == "name":
        click.echo("".join(f"{build.repository}@{build.digest}\n" for build in found.builds), nl=False)
    else:
        coloured = wants_colour(color, os.environ, to_terminal=sys.stdout.isatty())
        click.echo(draw_list(found.builds, policy, wide=output == "wide", coloured=coloured), nl=False, color=coloured)


@catalog.command("show")
@click.argument("what", metavar="CHAIN-OR-DIGEST-OR-REPOSITORY[:TAG]")
@catalog_file_option
def show_command(*, what: str, catalog_file: Path) -> None:
    """Show every field of the builds with a chain ID or digest, or of those seen under a tag."""
    found = existing(open_file(catalog_file))
    try:
        builds = find_builds(found, what)
    except ParseError as error:
        fail("dhi-gate catalog show", error)
    if not builds:
        refuse(what, "nothing in the catalog has that chain ID, digest or name")
    click.echo("\n".join(draw_record(build) for build in builds), nl=False)


@catalog.command("revoke")
@click.argument("digest", metavar="CHAIN-OR-DIGEST")
@click.option("--reason", required=True, help="Why no image may stand on it any more.")
@catalog_file_option
def revoke_command(*, digest: str, reason: str, catalog_file: Path) -> None:
    """Revoke a base by its chain ID, or by a digest of it: under every name, and for ever."""
    file = open_file(catalog_file)
    before = existing(file)
    try:
        builds = revoke(before.builds, Digest.parse(digest), reason=reason)
    except ParseError as error:
        fail("dhi-gate catalog revoke", error)
    replace_file(file, seal(policy=before.policy, synced_at=before.synced_at, builds=builds))
    for old, new in zip(before.builds, builds, strict=True):
        if old != new:
            click.echo(f"revoked {new.repository}@{new.digest} {new.platform} {new.chain_id}")


async def sync_catalog(
    file: CatalogFile | CatalogConfigMap,
    policy: Policy,
    registry: Registry,
    clock: Clock,
    *,
    seconds: float,
    allow_shrink: bool,
    roots: Roots = NO_ROOTS,
    on_progress: Progress,
) -> SyncResult:
    """Bring a catalog up to date where it is kept. One that was not there is written only if it then has a build."""
    result = await sync(
        file.catalog,
        policy,
        registry,
        clock,
        deadline=clock.monotonic() + seconds,
        roots=roots,
        allow_shrink=allow_shrink,
        on_progress=on_progress,
    )
    if file.catalog is not None or result.catalog.builds:
        await keep(file, result.catalog)
    return result


async def add_base(
    file: CatalogFile,
    policy: Policy,
    registry: Registry,
    clock: Clock,
    *,
    image: ImageReference,
    seconds: float,
    roots: Roots = NO_ROOTS,
) -> Enrolment | Unfit | Trouble:
    """Add one base to a catalog on disk, which stays as it is if the base cannot be added."""
    deadline = clock.monotonic() + seconds
    result = await enrol(file.catalog, policy, registry, clock, image=image, deadline=deadline, roots=roots)
    if isinstance(result, Enrolment):
        replace_file(file, result.catalog)
    return result


def _with_registry(policy: Policy, flags: RegistryFlags, run: Callable[[Registry, Roots, Clock], Awaitable[T]]) -> T:
    """Run something that asks registries, on a loop of its own; end the command if they cannot be opened."""
    around = _surroundings()

    async def opened() -> T:
        async with open_registry(policy, flags, around) as registry, open_trust(around) as trust:
            trust.follow(refreshed_roots(policy))
            await trust.settled(deadline=around.clock.monotonic() + FIRST_ROOTS_SECONDS)
            return await run(registry, trust.roots(), around.clock)

    try:
        return asyncio.run(opened())
    except (OSError, DocumentError) as error:
        fail("dhi-gate catalog", error)


def _surroundings() -> Surroundings:
    return Surroundings(environment=os.environ, clock=system_clock(), log=open_log(LogFormat.CONSOLE, sys.stderr))


def _reference(text: str) -> ImageReference:
    try:
        return ImageReference.parse(text)
    except ParseError as error:
        fail("dhi-gate catalog add", error)


@contextmanager
def _progress(*, shown: bool) -> Iterator[Progress]:
    """Draw a bar for each repository on standard error."""
    bars: dict[Repository, TaskID] = {}
    with Bars(console=Console(stderr=True), transient=True, disable=not shown) as drawing:

        def show(repository: Repository, done: int, expected: int) -> None:
            if repository not in bars:
                bars[repository] = drawing.add_task(str(repository))
            drawing.update(bars[repository], completed=done, total=expected)

        yield show
