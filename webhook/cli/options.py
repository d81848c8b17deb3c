"""Flags that several commands share. Every flag has an environment variable `DHIGATE_<FLAG>`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from webhook.core.errors import ParseError
from webhook.core.reading.durations import parse_duration
from webhook.core.references import canonical_name
from webhook.settings import RegistryFlags

__all__ = [
    "DURATION",
    "catalog_option",
    "color_option",
    "flag",
    "no_progress_option",
    "policy_option",
    "refuse_unbuilt",
    "registry_options",
    "wants_colour",
]

Command = TypeVar("Command", bound=Callable[..., Any])
READABLE = click.Path(dir_okay=False, path_type=Path)


def flag(*names: str, **attributes: Any) -> Callable[[Command], Command]:  # noqa: ANN401 - click's own vocabulary
    """Declare an option whose environment variable is `DHIGATE_` and its long name."""
    longest = max((name.split("/")[0] for name in names if name.startswith("--")), key=len)
    variable = "DHIGATE_" + re.sub(r"[^A-Z0-9]", "_", longest.removeprefix("--").upper())
    return click.option(*names, envvar=variable, show_envvar=True, **attributes)


class DurationType(click.ParamType[timedelta]):
    """A span of time as the policy writes it: `60d`, `12h`, `15m`, and `30s`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:  # noqa: ANN401
        """Read the text; a value that is a span already stays."""
        if isinstance(value, timedelta):
            return value
        try:
            return (
                timedelta(seconds=int(value[:-1]))
                if re.fullmatch(r"[1-9][0-9]{0,6}s", value)
                else parse_duration(value)
            )
        except ParseError as error:
            self.fail(f"{error}, or of seconds (30s)", param, ctx)


DURATION = DurationType()


def policy_option(command: Command) -> Command:
    """Add `--policy FILE`, which is needed."""
    return flag("--policy", "policy_file", type=READABLE, required=True, help="The ImagePolicy document.")(command)


def catalog_option(command: Command) -> Command:
    """Add `--catalog FILE`."""
    return flag("--catalog", "catalog_file", type=READABLE, help="The BaseCatalog document.")(command)


def no_progress_option(command: Command) -> Command:
    """Add `--no-progress`."""
    return flag("--no-progress", is_flag=True, help="Show no progress; there is none without a terminal.")(command)


def color_option(command: Command) -> Command:
    """Add `--color`."""
    choice = click.Choice(["auto", "always", "never"])
    return flag("--color", type=choice, default="auto", show_default=True, help="`auto` honours NO_COLOR.")(command)


def registry_options(command: Command) -> Command:
    """Add the flags that say how registries are reached; the command gets them as one `registry: RegistryFlags`."""

    @flag("--registry-config", type=READABLE, help="A Docker config.json; default: the usual places.")
    @flag("--insecure-registry", multiple=True, metavar="HOST[:PORT]", help="Plain HTTP or unverified TLS.")
    @flag("--registry-ca", type=READABLE, help="Certificate authorities to trust besides the system's (PEM).")
    @flag("--registry-mirror", multiple=True, metavar="FROM=TO", help="Ask TO first for what is in FROM.")
    @wraps(command)
    def gathered(
        *,
        registry_config: Path | None,
        insecure_registry: tuple[str, ...],
        registry_ca: Path | None,
        registry_mirror: tuple[str, ...],
        **rest: Any,  # noqa: ANN401 - the command's own options, passed through
    ) -> Any:  # noqa: ANN401 - whatever the command returns
        flags = RegistryFlags(
            config_file=registry_config,
            insecure_hosts=tuple(_canonical(host) for host in insecure_registry),
            ca_file=registry_ca,
            mirrors=tuple(_parse_mirror(text) for text in registry_mirror),
        )
        return command(registry=flags, **rest)

    return gathered  # type: ignore[return-value]


def wants_colour(choice: str, environment: Mapping[str, str], *, to_terminal: bool) -> bool:
    """Decide about colours: an explicit choice wins, then NO_COLOR and a dumb terminal, then whether there is one."""
    if choice != "auto":
        return choice == "always"
    return to_terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def refuse_unbuilt(value: str, built: tuple[str, ...], option: str) -> None:
    """Refuse what the contract names and this version does not do, rather than accept and ignore it."""
    if value not in built:
        raise click.UsageError(f"not supported yet: {option} {value} (this version has {', '.join(built)})")


def _parse_mirror(text: str) -> tuple[str, str]:
    source, equals, target = text.partition("=")
    if not (source and equals and target):
        raise click.UsageError(f"--registry-mirror is written FROM=TO, not {text!r}")
    return _canonical(source), _canonical(target)


def _canonical(name: str) -> str:
    try:
        return canonical_name(name)
    except ParseError as error:
        raise click.UsageError(str(error)) from error
