"""What the chart says is what the gate understands."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pytest

from tests.e2e.chart.helm import VALUES, of_kind, server_start, template
from tests.e2e.chart.matrix import Case, cases
from webhook.certificate_keeping.secret import decode_secret
from webhook.cli.main import cli

pytestmark = pytest.mark.e2e


def parse(arguments: Sequence[str]) -> Mapping[str, Any]:
    """Parse arguments of `dhi-gate` as the program does, without running it; return what each flag says."""
    command: click.Command = cli
    rest = list(arguments)
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), rest[0])
        assert found is not None, rest[0]
        command, rest = found, rest[1:]
    parsed = command.make_context(command.name, rest).params
    return {flag: parsed[option.name] for option in command.params for flag in option.opts if option.name in parsed}


@pytest.mark.parametrize("case", tuple(cases()), ids=lambda case: case.name)
def test_the_programs_know_their_arguments(case: Case, tmp_path: Path) -> None:
    """The server, the sync and the audit parse what the chart hands to them, whatever the values are."""
    objects = template(case.values, folder=tmp_path, release=case.release, namespace="gates")
    specs = [one["spec"]["jobTemplate"]["spec"]["template"]["spec"] for one in objects if one["kind"] == "CronJob"]
    programs = [server_start(objects).arguments, *(spec["containers"][0]["args"] for spec in specs)]

    for parsed in map(parse, programs):
        policy, catalog = str(parsed["--policy"]), str(parsed["--catalog"])
        assert policy.startswith(("configmap:gates/", "oci:registry.example/"))
        assert catalog.startswith(("configmap:gates/", "oci:registry.example/"))


def test_the_empty_secret_is_one_to_begin_in(tmp_path: Path) -> None:
    """The gate takes the Secret of the chart for one in which it may keep its first authority."""
    secret = of_kind(template(VALUES, folder=tmp_path), "Secret")

    stored = decode_secret(json.dumps(secret).encode())

    assert (stored.kept, stored.fault, stored.may_begin_anew) == (None, "", True)


def test_the_secret_stays_the_gates_when_it_is_damaged(tmp_path: Path) -> None:
    """The chart's labels tell that the gate may begin anew in what is left of its authority."""
    secret = of_kind(template(VALUES, folder=tmp_path), "Secret")

    stored = decode_secret(json.dumps({**secret, "data": {"ca.key": ""}}).encode())

    assert (stored.kept, stored.may_begin_anew) == (None, True)
