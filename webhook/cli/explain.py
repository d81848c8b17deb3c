"""`dhi-gate explain [CODE]`: what a reason code means, why it matters and what to do."""

from __future__ import annotations

import difflib
import textwrap

import click

from webhook.core.wording.codes import EXPLANATIONS, as_text

__all__ = ["explain"]

WIDTH = 100


@click.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Explain a reason CODE of a denial; without one, list all codes."""
    if code is None:
        width = max(map(len, EXPLANATIONS))
        for name, explanation in EXPLANATIONS.items():
            summary = textwrap.shorten(explanation.means, WIDTH - width - 2, placeholder=" ...")
            click.echo(f"{name:<{width}}  {summary}")
        return
    if code not in EXPLANATIONS:
        close = difflib.get_close_matches(code, EXPLANATIONS, n=1)
        raise click.UsageError(f"no such reason code: {code}" + (f", did you mean {close[0]}?" if close else ""))
    paragraphs = (code, *as_text(EXPLANATIONS[code]))
    click.echo("\n\n".join(textwrap.fill(paragraph, WIDTH) for paragraph in paragraphs))
