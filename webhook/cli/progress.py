"""How far an audit is, on standard error: counts while it lists, counts and an estimate while it judges."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from webhook.auditing.listing import Progress as Listed

__all__ = ["AuditProgress"]


class AuditProgress:
    """A progress bar on `console`, or nothing at all unless `shown`; a context manager."""

    def __init__(self, *, shown: bool, console: Console | None = None) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[counted]}"),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
            transient=True,
            disable=not shown,
        )
        self._listing = self._bar.add_task("listing", total=None, counted="", visible=False)
        self._judging = self._bar.add_task("judging", total=None, counted="objects", visible=False)

    def __enter__(self) -> Self:
        """Begin to show."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop, if nobody has."""
        self.stop()

    def stop(self) -> None:
        """Leave nothing behind on the terminal, before something else is written to it."""
        self._bar.stop()

    def listed(self, listed: Listed) -> None:
        """Show how far the listing is."""
        self._bar.update(
            self._listing,
            completed=listed.lists_done,
            total=listed.lists,
            counted=f"lists, {listed.objects:,} objects",
            visible=True,
        )

    def begin_judging(self, total: int) -> None:
        """Show that so many objects are to be judged."""
        self._bar.update(self._listing, visible=False)
        self._bar.update(self._judging, total=total, visible=True)

    def judged(self) -> None:
        """Count an object."""
        self._bar.advance(self._judging)
