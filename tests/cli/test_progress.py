"""How far an audit is, as a terminal shows it."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from webhook.auditing.listing import Progress
from webhook.cli.progress import AuditProgress


def terminal() -> tuple[StringIO, Console]:
    """Return a terminal and what is written to it."""
    written = StringIO()
    return written, Console(file=written, force_terminal=True, width=120, legacy_windows=False)


def test_it_counts_lists_and_then_objects() -> None:
    """While it lists it counts lists and objects, while it judges it counts these against their number."""
    written, console = terminal()
    with AuditProgress(shown=True, console=console) as progress:
        progress.listed(Progress(objects=1200, lists_done=3, lists=9))
        progress.stop()
        listing = written.getvalue()
    again, console = terminal()
    with AuditProgress(shown=True, console=console) as progress:
        progress.begin_judging(2)
        progress.judged()
        progress.stop()

    assert "listing" in listing
    assert "3/9" in listing
    assert "1,200 objects" in listing
    assert "judging" in again.getvalue()
    assert "1/2" in again.getvalue()


def test_it_tells_an_estimate() -> None:
    """What is left to do has a time."""
    written, console = terminal()
    with AuditProgress(shown=True, console=console) as progress:
        progress.begin_judging(10)

    assert "-:--:--" in written.getvalue()


def test_without_a_terminal_there_is_nothing() -> None:
    """Not a byte is written where nobody looks."""
    written, console = terminal()
    with AuditProgress(shown=False, console=console) as progress:
        progress.listed(Progress(objects=1, lists_done=1, lists=9))
        progress.begin_judging(1)
        progress.judged()

    assert written.getvalue() == ""
