"""Flags that commands share, and the command itself."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from tests.core.given import NOW, policy
from tests.core.problem_samples import decision, verdict
from webhook.cli.main import COMMANDS, cli
from webhook.cli.options import DURATION, color_option, flag, registry_options, wants_colour
from webhook.cli.reports import render
from webhook.core.auditing.rows import row_of
from webhook.core.reporting.making import Heading
from webhook.settings import RegistryFlags


def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
    """Run `dhi-gate`."""
    return CliRunner().invoke(cli, [*arguments], env=env)


@pytest.mark.parametrize("flag_name", ["-h", "--help"])
def test_help_fits_a_narrow_terminal(flag_name: str) -> None:
    """Every command is listed with a whole sentence, in the order in which one meets them."""
    result = run(flag_name)
    assert result.exit_code == 0
    listed = result.output.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == list(COMMANDS)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)
    assert all(len(line) <= 80 for line in listed)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["refresh"], "not supported yet: refresh"),
        (["dockerfile", "lint", "Dockerfile"], "not supported yet: dockerfile"),
        (["chek"], "no such command: chek, did you mean check?"),
        (["nonsense"], "No such command 'nonsense'"),
        (["check", "--nonsense"], "No such option '--nonsense'"),
        (["policy", "nonsense"], "No such command 'nonsense'"),
    ],
)
def test_a_wrong_call_ends_with_two(arguments: list[str], said: str) -> None:
    """What is not built yet, mistyped or unknown is told apart, on standard error."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_both_names_lead_to_the_command() -> None:
    """The package installs `dhi-gate`, and the name by which kubectl finds plugins."""
    scripts = importlib.metadata.entry_points(group="console_scripts", module="webhook.cli.main")
    assert {script.name for script in scripts} == {"dhi-gate", "kubectl-dhi_gate"}


@pytest.mark.parametrize(
    ("script", "shown"), [("/usr/bin/dhi-gate", "dhi-gate"), ("/usr/bin/kubectl-dhi_gate", "kubectl dhi-gate")]
)
def test_usage_names_the_command_as_it_was_called(script: str, shown: str) -> None:
    """Called by kubectl, it calls itself as kubectl does."""
    code = f"import sys; sys.argv = [{script!r}, 'nonsense']; from webhook.cli.main import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert result.returncode == 2
    assert result.stderr.startswith(f"Usage: {shown} [OPTIONS] COMMAND")


def gathered(*arguments: str, env: dict[str, str] | None = None) -> tuple[Result, list[RegistryFlags]]:
    """Run a command that takes the flags about registries, and return what it got."""
    got: list[RegistryFlags] = []

    @click.command()
    @registry_options
    def command(*, registry: RegistryFlags) -> None:
        got.append(registry)

    return CliRunner().invoke(command, [*arguments], env=env), got


def test_registry_flags_become_one_value() -> None:
    """Names become canonical, mirrors keep their order, and what is not given is empty."""
    _, (nothing,) = gathered()
    assert nothing == RegistryFlags()
    _, (flags,) = gathered(
        *("--registry-config", "c.json", "--registry-ca", "ca.pem", "--insecure-registry", "LAB.example:443"),
        *("--registry-mirror", "index.docker.io=a.example/hub", "--registry-mirror", "docker.io=b.example"),
    )
    assert flags == RegistryFlags(
        config_file=Path("c.json"),
        ca_file=Path("ca.pem"),
        insecure_hosts=("lab.example",),
        mirrors=(("docker.io", "a.example/hub"), ("docker.io", "b.example")),
    )


def test_flags_come_from_the_environment() -> None:
    """A variable takes several values, parted by spaces; a flag wins over it."""
    env = {"DHIGATE_INSECURE_REGISTRY": "a.example b.example:5000", "DHIGATE_REGISTRY_MIRROR": "c.example=d.example"}
    _, (flags,) = gathered(env=env)
    assert flags.insecure_hosts == ("a.example", "b.example:5000")
    assert flags.mirrors == (("c.example", "d.example"),)
    _, (flags,) = gathered("--insecure-registry", "e.example", env=env)
    assert flags.insecure_hosts == ("e.example",)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--registry-mirror", "a.example"],
        ["--registry-mirror", "=b.example"],
        ["--registry-mirror", "a.example="],
        ["--registry-mirror", "a b=c"],
        ["--insecure-registry", "https://a.example"],
        ["--insecure-registry", ""],
    ],
)
def test_senseless_registries_are_refused(arguments: list[str]) -> None:
    """What is no name of a registry is a wrong call."""
    result, got = gathered(*arguments)
    assert (result.exit_code, got) == (2, [])


@pytest.mark.parametrize(
    ("choice", "environment", "to_terminal", "coloured"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1", "TERM": "dumb"}, False, True),
        ("never", {}, True, False),
    ],
)
def test_colours(choice: str, environment: dict[str, str], *, to_terminal: bool, coloured: bool) -> None:
    """An explicit choice wins over NO_COLOR and the terminal."""
    assert wants_colour(choice, environment, to_terminal=to_terminal) is coloured


@pytest.mark.parametrize("coloured", [True, False])
def test_a_table_is_coloured_as_was_decided(*, coloured: bool) -> None:
    """Whatever the terminal is, colours are there if they are wanted, and not a byte of them if they are not."""
    heading = Heading(policy=policy(), catalog_revision=None, generated_at=NOW, complete=True)
    text = render([row_of(decision(verdict()))], "table", heading, audit=False, coloured=coloured)
    assert ("\x1b[32mpass" in text) is coloured
    assert ("\x1b" in text) is coloured


def test_the_colour_flag_knows_three_words() -> None:
    """Any other word is a wrong call."""

    @click.command()
    @color_option
    def command(*, color: str) -> None:
        click.echo(color)

    assert CliRunner().invoke(command, []).output == "auto\n"
    assert CliRunner().invoke(command, [], env={"DHIGATE_COLOR": "never"}).output == "never\n"
    assert CliRunner().invoke(command, ["--color", "sometimes"]).exit_code == 2


@pytest.mark.parametrize(
    ("written", "seconds"), [("30s", 30), ("15m", 900), ("12h", 43200), ("60d", 5184000), ("0s", None), ("-1s", None)]
)
def test_durations(written: str, seconds: int | None) -> None:
    """Spans are written as in the policy, and in seconds; an endless or empty one is none."""

    @click.command()
    @flag("--wait", type=DURATION)
    def command(**given: Any) -> None:  # noqa: ANN401 - click's own vocabulary
        click.echo(int(given["wait"].total_seconds()))

    result = CliRunner().invoke(command, ["--wait", written])
    assert result.exit_code == (2 if seconds is None else 0)
    assert result.stdout == ("" if seconds is None else f"{seconds}\n")
