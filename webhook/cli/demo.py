"""`dhi-gate demo`: the whole gate at its main job, on loopback. No cluster, no root, nothing to download."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import indent

import click

from webhook.cli.options import color_option, flag, wants_colour
from webhook.core.errors import DocumentError
from webhook.demo.trial import Outcome, Trial, TrialFiles, TrialSetupError, open_trial
from webhook.demo.trial_documents import NAMESPACE
from webhook.demo.trial_images import BASE_REPOSITORY, BASE_TAG, CASES, DEV_TAG, Case
from webhook.demo.trial_server import UnexpectedAnswer
from webhook.server.logs import LogFormat, adopt_library_logs, open_log
from webhook.settings import system_clock

__all__ = ["demo"]

UNEXPECTED = 1
"""The exit status if the gate did not give every verdict that it had to give."""
MARGIN = " " * 4


@click.command()
@flag("--keep", is_flag=True, help="Stay up until Ctrl-C, and leave all files behind.")
@color_option
def demo(*, keep: bool, color: str) -> None:
    """Try the whole gate on loopback: ten images, ten verdicts.

    Each comes with the message that its user would read.

    Makes keys, a registry with hardened bases, a policy and a catalog, starts the admission server, and sends it every
    image in an AdmissionReview over TLS. The exit status is 0 if every verdict was as it had to be, else 1.
    """
    coloured = wants_colour(color, os.environ, to_terminal=sys.stdout.isatty())
    try:
        with _folder(keep=keep) as folder:
            as_expected = asyncio.run(_interruptible(folder, keep=keep, coloured=coloured))
    except (OSError, DocumentError, TrialSetupError, UnexpectedAnswer) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(UNEXPECTED)
    except asyncio.CancelledError:
        raise click.Abort from None
    sys.exit(0 if as_expected else UNEXPECTED)


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    """Make a folder that only its owner may enter, and remove it unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix="dhi-gate-demo-"))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder)


async def _interruptible(folder: Path, *, keep: bool, coloured: bool) -> bool:
    """Show the trial; Ctrl-C and SIGTERM cancel it, so that it clears everything away as it ends."""
    showing = asyncio.create_task(_show(folder, keep=keep, coloured=coloured))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, showing.cancel)
    return await showing


async def _show(folder: Path, *, keep: bool, coloured: bool) -> bool:
    """Run the trial and print what happens; return whether every verdict was as it had to be."""
    files = TrialFiles(folder=folder)
    with files.log.open("w", encoding="utf-8") as log_file:
        log = open_log(LogFormat.JSON, log_file)
        adopt_library_logs(log)
        async with open_trial(files, clock=system_clock(), log=log) as trial:
            click.echo(_introduction(trial))
            outcomes = []
            for number, case in enumerate(CASES, start=1):
                outcomes.append(await trial.judge(case))
                click.echo(_account(number, outcomes[-1]), color=coloured)
            click.echo(_summary(outcomes), color=coloured)
            if keep:
                click.echo(_invitation(trial))
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
    return all(outcome.as_expected for outcome in outcomes)


def _introduction(trial: Trial) -> str:
    """Tell in five lines what has been set up."""
    builds = len(trial.catalog.builds)
    return f"""\
1. A registry listens at {trial.registry_url}, with TLS. Its keys, images and signatures were made just now.
2. In it is a hardened base, {BASE_REPOSITORY}:{BASE_TAG}, and its development variant, {BASE_REPOSITORY}:{DEV_TAG}.
3. A policy lists that base, says who signs it, and who signs what may run: {trial.files.policy}
4. `catalog sync` verified the base and recorded {builds} builds of it: {trial.files.catalog}
5. The gate serves {trial.caller.url}. Each image below is asked about as a Pod that is about to be created.
"""


def _account(number: int, outcome: Outcome) -> str:
    """Tell of one case: what it is, the verdict, and the message."""
    answer, case = outcome.answer, outcome.case
    verdict = (
        click.style("ALLOWED", fg="green", bold=True) if answer.allowed else click.style("DENIED", fg="red", bold=True)
    )
    lines = [
        f"{click.style(f'{number:2}. {case.name}', bold=True)}: {case.about}",
        f"{MARGIN}{verdict} in {answer.milliseconds:.0f} ms",
        *(f"{MARGIN}warning: {warning}" for warning in answer.warnings),
    ]
    if answer.message:
        lines += ["", indent(answer.message, MARGIN)]
    if not outcome.as_expected:
        wanted = f"DENIED ({', '.join(case.codes)})" if case.codes else "ALLOWED without a warning"
        lines.append(click.style(f"{MARGIN}unexpected: this had to be {wanted}", fg="magenta", bold=True))
    return "\n".join(lines) + "\n"


def _summary(outcomes: Sequence[Outcome]) -> str:
    """Tell how many verdicts were as they had to be."""
    right = sum(outcome.as_expected for outcome in outcomes)
    allowed = sum(outcome.answer.allowed for outcome in outcomes)
    text = f"{right} of {len(outcomes)} verdicts as expected: {allowed} allowed, {len(outcomes) - allowed} denied"
    return click.style(text, fg="green" if right == len(outcomes) else "magenta", bold=True)


def _invitation(trial: Trial) -> str:
    """Tell how to go on by hand, in commands that can be pasted into a shell."""
    files = trial.files
    allowed = next(case for case in CASES if not case.codes)
    denied = next(case for case in CASES if case.codes)
    documents = ("--policy", str(files.policy), "--catalog", str(files.catalog), "-n", NAMESPACE)
    check = shlex.join((sys.argv[0], "check", *documents, trial.images[allowed.name], trial.images[denied.name]))
    return f"""
Registry and gate stay up until Ctrl-C. Ask the gate again; it follows changes of the policy:

  {_curl(trial, allowed)}

  {_curl(trial, denied)}

Decide about the same two images without it, as a pipeline does:

  {check}

The other reviews are in {files.review(denied).parent}, and what the gate logs in {files.log}.
All files stay behind in {files.folder}. The key of the TLS certificate is the only private one among them.
"""


def _curl(trial: Trial, case: Case) -> str:
    trust = ("--cacert", str(trial.files.ca))
    body = ("-H", "Content-Type: application/json", "--data", f"@{trial.files.review(case)}")
    return shlex.join(("curl", *trust, *body, trial.caller.url))
