"""The catalog for people: a table of builds, one build in full, and what a sync did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from webhook.core.bases.approval import approved
from webhook.core.bases.catalog import BaseBuild, Catalog, Status
from webhook.core.bases.document import entry_fields
from webhook.core.policy import Policy
from webhook.core.reading.plain_text import listing, printable
from webhook.core.references import Digest, ImageReference
from webhook.sync import RepositoryReport

__all__ = ["draw_list", "draw_record", "find_builds", "objections", "summary"]

UNLIMITED_COLUMNS = 10_000
COLOURS = {Status.ACTIVE: "green", Status.SUPERSEDED: "yellow", Status.REVOKED: "red"}


def draw_list(builds: Iterable[BaseBuild], policy: Policy | None, *, wide: bool, coloured: bool) -> str:
    """Return a line for each build; with a policy, whether it counts as approved under it."""
    headers = ["REPOSITORY", "TAGS", "PLATFORM", "VARIANT", "CREATED", "STATUS"]
    headers += ["APPROVED"] if policy else []
    headers += ["CHAIN", "DIGEST", "END OF LIFE", "KEY", "REASON"] if wide else ["CHAIN"]
    table = Table(*headers, box=None, pad_edge=False)
    for build in builds:
        cells = [*_cells(build, policy), *(_wide_cells(build) if wide else (build.chain_id.short,))]
        table.add_row(
            *(Text(cell, style=COLOURS[build.status] if cell == build.status.value else "") for cell in cells)
        )
    drawn = StringIO()
    console = Console(
        file=drawn, width=UNLIMITED_COLUMNS, force_terminal=coloured, no_color=not coloured, highlight=False
    )
    console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in drawn.getvalue().splitlines())


def draw_record(build: BaseBuild) -> str:
    """Return all fields of one build, under the names of the document."""
    lines: list[str] = []
    for name, value in entry_fields(build).items():
        values = value if isinstance(value, tuple) else (value,)
        lines += [f"{name if position == 0 else '':<14}  {_shown(item)}" for position, item in enumerate(values)]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def find_builds(catalog: Catalog, what: str) -> tuple[BaseBuild, ...]:
    """Return the builds of a chain ID or digest, or those seen under `REPOSITORY:TAG` (all, without a tag).

    ParseError if `what` is neither.
    """
    if what.startswith(("sha256:", "sha512:")):
        digest = Digest.parse(what)
        return tuple(
            build
            for build in catalog.builds
            if digest in (build.chain_id, build.digest, build.index_digest, build.config_digest)
        )
    image = ImageReference.parse(what)
    return tuple(
        build
        for build in catalog.builds
        if build.repository == image.repository
        and (image.tag is None or image.tag in build.tags)
        and (image.digest is None or image.digest in (build.digest, build.index_digest))
    )


def summary(report: RepositoryReport) -> str:
    """Return one line on how a repository fared."""
    skipped = f", {len(report.skipped)} skipped" if report.skipped else ""
    source = f" (from {report.source})" if report.source not in (None, report.repository) else ""
    failed = "; failed" if report.trouble else ""
    return (
        f"{report.repository}{source}: {len(report.recorded)} new builds, {report.unchanged} tags unchanged"
        f"{skipped}{failed}"
    )


def objections(report: RepositoryReport) -> Iterator[str]:
    """Yield a line for every tag that was skipped, and for the trouble that made the repository fail."""
    for skip in report.skipped:
        yield f"skipped: {report.repository}:{printable(skip.tag)}: {printable(skip.why, 400)}"
    if report.trouble:
        trouble = report.trouble
        yield f"error: {report.repository}: {trouble.doing} at {trouble.where}: {printable(trouble.why, 400)}"


def _cells(build: BaseBuild, policy: Policy | None) -> tuple[str, ...]:
    counts = ("yes" if approved(build, policy) else "no",) if policy else ()
    return (
        str(build.repository),
        listing(build.tags, limit=60),
        str(build.platform),
        build.variant,
        f"{build.created:%Y-%m-%d}",
        build.status.value,
        *counts,
    )


def _wide_cells(build: BaseBuild) -> tuple[str, ...]:
    return (
        str(build.chain_id),
        str(build.root),
        str(build.end_of_life or ""),
        f"{build.verified_by.authority} {build.verified_by.key_fingerprint.short}",
        printable(build.reason or ""),
    )


def _shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
        case _:
            return printable(str(value), 400)
