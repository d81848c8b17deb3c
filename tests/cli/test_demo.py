"""`dhi-gate demo`, as somebody meets it who has just installed the package."""

from __future__ import annotations

import json
import os
import shlex
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from webhook.cli import demo as command
from webhook.cli.check import check
from webhook.demo.trial import Outcome
from webhook.demo.trial_images import CASES, Case
from webhook.demo.trial_server import Answer

PROGRAM = str(Path(sys.executable).with_name("dhi-gate"))
ON_A_FULL_DISK = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64));"
    "from webhook.cli.main import main; sys.argv[1:] = ['demo']; main()"
)


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a program with `folder` for temporary files and nothing else in its environment."""
    environment = {"TMPDIR": str(folder), "PATH": os.defpath}
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], word: str) -> list[str]:
    """Return the lines of standard output up to the first that holds the word."""
    lines: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if word in line:
            return lines
    raise AssertionError(f"no line with {word!r} in {lines}")


def test_the_trial_shows_every_case_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """It ends with status 0, shows every case with its verdict and codes, uncoloured in a pipe, and clears away."""
    with started(tmp_path, PROGRAM, "demo") as process:
        output, errors = process.communicate(timeout=30)

    assert (process.returncode, errors) == (0, "")
    assert all(f"{number:2}. {case.name}: {case.about}\n" in output for number, case in enumerate(CASES, start=1))
    assert all(f"error[{code}]" in output for case in CASES for code in case.codes)
    assert output.endswith("10 of 10 verdicts as expected: 2 allowed, 8 denied\n")
    assert "\x1b[" not in output
    assert list(tmp_path.iterdir()) == []


def test_a_kept_trial_answers_by_hand_until_it_is_interrupted(tmp_path: Path) -> None:
    """With `--keep` the printed commands work, Ctrl-C ends with status 0, and the files stay behind."""
    with started(tmp_path, PROGRAM, "demo", "--keep", "--color", "always") as process:
        lines = read_until(process, "All files stay behind")
        _, denied = (shlex.split(line) for line in lines if line.startswith("  curl "))
        checking = next(shlex.split(line) for line in lines if " check --policy " in line)

        response = ask_as_curl_does(denied)
        checked = CliRunner().invoke(check, checking[2:])
        process.send_signal(signal.SIGINT)
        status = process.wait(timeout=10)

    assert checking[:2] == [PROGRAM, "check"]
    assert response == (False, ["unsigned"])
    assert checked.exit_code == 1
    assert status == 0
    assert any("\x1b[31m" in line for line in lines)
    (folder,) = tmp_path.iterdir()
    assert {"policy.yaml", "catalog.json", "ca.crt", "gate.log"} <= {path.name for path in folder.iterdir()}


def ask_as_curl_does(arguments: list[str]) -> tuple[bool, list[str]]:
    """Do what a printed curl command does; return the verdict and its codes."""
    _curl, _cacert, ca, _header, header, _data, data, url = arguments
    name, _, value = header.partition(": ")
    request = urllib.request.Request(url, Path(data.removeprefix("@")).read_bytes(), {name: value})  # noqa: S310 - https
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca))
    )
    with opener.open(request, timeout=5) as answer:
        response = json.load(answer)["response"]
    return response["allowed"], [cause["reason"] for cause in response["status"]["details"]["causes"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_trial_clears_away(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM before the end leaves no file behind, and no trace of the program on the screen."""
    with started(tmp_path, PROGRAM, "demo") as process:
        read_until(process, "1. A registry listens")
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)

    assert list(tmp_path.iterdir()) == []
    assert errors.strip() in {"", "Aborted!"}


def test_what_stands_in_the_way_is_said_in_a_line(tmp_path: Path) -> None:
    """A full disk ends the trial with one line on standard error and status 1, and leaves nothing behind."""
    with started(tmp_path, sys.executable, "-B", "-c", ON_A_FULL_DISK) as process:
        output, errors = process.communicate(timeout=30)

    assert (process.returncode, output, errors) == (1, "", "error: [Errno 27] File too large\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("case", "allowed", "wanted"),
    [(CASES[0], False, "ALLOWED without a warning"), (CASES[2], True, "DENIED (unsigned)")],
)
def test_an_unexpected_verdict_is_pointed_out(case: Case, *, allowed: bool, wanted: str) -> None:
    """A verdict that had to be another one is marked, and the summary counts it out."""
    given = Answer(allowed=allowed, codes=(), message="", warnings=("careful",), milliseconds=3.4)
    outcome = Outcome(case=case, answer=given)

    told = click.unstyle(command._account(1, outcome))

    assert "in 3 ms" in told
    assert "warning: careful" in told
    assert told.rstrip().endswith(f"unexpected: this had to be {wanted}")
    assert click.unstyle(command._summary([outcome])).startswith("0 of 1 verdicts as expected")
