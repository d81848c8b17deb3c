"""The command `dhi-gate`: finds the module of a command when it is called, so that none pays for the others."""

from __future__ import annotations

import difflib
import sys
from importlib import import_module
from importlib.metadata import version

import click

__all__ = ["cli", "main"]

COMMANDS = {
    "serve": "webhook.cli.serve",
    "check": "webhook.cli.check",
    "audit": "webhook.cli.audit",
    "doctor": "webhook.cli.doctor",
    "catalog": "webhook.cli.catalog",
    "policy": "webhook.cli.policy",
    "schema": "webhook.cli.schema",
    "explain": "webhook.cli.explain",
    "certs": "webhook.cli.certs",
    "demo": "webhook.cli.demo",
    "version": "webhook.cli.version",
}
"""Where each command lives; it has the same name in its module."""

UNBUILT = frozenset({"dockerfile", "inspect", "scan", "refresh"})
"""What the contract names and this version does not have."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order in which a new user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command's module; None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called; a wrong call says what may be meant, or what is not built yet."""
        name = args[0]
        if name in UNBUILT:
            ctx.fail(f"not supported yet: {name} (this version has {', '.join(COMMANDS)})")
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        if name not in COMMANDS and close:
            ctx.fail(f"no such command: {name}, did you mean {close[0]}?")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("dhi-gate"), prog_name="dhi-gate")
def cli() -> None:
    """Let an image run only if someone you trust signed it and it provably stands on an approved hardened base."""


def main() -> None:
    """Run the command line; a wrong call ends with status 2."""
    cli(prog_name="dhi-gate" if "kubectl" not in sys.argv[0] else "kubectl dhi-gate")
