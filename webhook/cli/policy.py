"""`dhi-gate policy`: help for authors of an ImagePolicy."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from webhook.core.errors import DocumentError, ParseError
from webhook.core.policy_reading.warnings import warnings
from webhook.documents import load_policy

__all__ = ["policy"]

INVALID = 2


@click.group()
def policy() -> None:
    """Help with writing an ImagePolicy."""


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
def validate(file: Path) -> None:
    """Say everything that is wrong with the policy in FILE, and what may not be meant.

    Errors and warnings go to standard output, one per line. The exit status is 0 if the policy can be used, else 2.
    """
    try:
        found = load_policy(file)
    except DocumentError as error:
        for each in error.errors:
            click.echo(f"error: {each}")
        count = len(error.errors)
        click.echo(f"{file}: {count} {'error' if count == 1 else 'errors'}; this policy cannot be used", err=True)
        sys.exit(INVALID)
    except ParseError as error:
        click.echo(f"{file}: {error}", err=True)
        sys.exit(INVALID)
    except OSError as error:
        click.echo(f"{file}: cannot be read: {error.strerror or type(error).__name__}", err=True)
        sys.exit(INVALID)
    for warning in warnings(found, as_of=datetime.now(UTC)):
        click.echo(f"warning: {warning}")
    click.echo(f"{file}: policy `{found.name}` can be used ({found.digest})", err=True)
