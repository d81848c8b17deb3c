"""`dhi-gate doctor`: what is wrong with a live installation, in order of danger."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping

import click
import yaml

from webhook.cli.cluster_options import cluster_options
from webhook.cli.drawing import draw
from webhook.cli.inputs import CANNOT_TELL, fail
from webhook.cli.options import color_option, flag, wants_colour
from webhook.cli.reports import deliver
from webhook.core.diagnosis.diagnosing import diagnose
from webhook.core.diagnosis.findings import Finding, exit_status
from webhook.core.diagnosis.installation import Intent, full_name
from webhook.core.diagnosis.layout import diagnosis_blocks, diagnosis_document
from webhook.core.diagnosis.probe import diagnose_probe
from webhook.core.errors import DocumentError, ParseError
from webhook.core.policy import Mode
from webhook.diagnosing.looking import look
from webhook.diagnosing.probing import try_pod
from webhook.ports import ClusterTrouble
from webhook.server.logs import LogFormat, open_log
from webhook.settings import ClusterFlags, Surroundings, open_cluster, shake_hands, system_clock

__all__ = ["doctor"]

FORMATS = ("table", "json", "yaml")
MODES: Mapping[str, Mode] = {mode.word: mode for mode in reversed(Mode)}
SUBJECT = re.compile(r"(user|group):.+|serviceaccount:[^/]+/[^/]+")


@click.command()
@flag("-n", "--namespace", default="", help="Where the release is, or the pod is tried; default: the context's.")
@flag("--release", default="dhi-gate", show_default=True, help="The name of the Helm release.")
@flag("--fullname", default="", help="The name of its objects, if the release's values change it.")
@flag("--mode", type=click.Choice(list(MODES)), help="What the gate is to do; default: what its Deployment says.")
@flag("--excluded-namespace", multiple=True, help="A namespace that is left out on purpose; may be repeated.")
@flag("--trusted", multiple=True, metavar="SUBJECT", help="user:U, group:G or serviceaccount:NS/NAME that may do it.")
@flag("--probe-image", metavar="IMAGE", help="Only try a pod of this image, which must not run; nothing is created.")
@flag("-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="The form of the output.")
@color_option
@cluster_options
def doctor(
    *,
    namespace: str,
    release: str,
    fullname: str,
    mode: str | None,
    excluded_namespace: tuple[str, ...],
    trusted: tuple[str, ...],
    probe_image: str | None,
    output: str,
    color: str,
    cluster: ClusterFlags,
) -> None:
    """Say what is wrong with an installation, gravest first.

    Compares what lives in the cluster with what the chart means it to be, and changes nothing. The exit status is 0 if
    nothing above `low` was found, 1 if there was, and 2 if something that may be above `low` could not be looked at, or
    the call was wrong.
    """
    for subject in trusted:
        if SUBJECT.fullmatch(subject) is None:
            raise click.UsageError(f"--trusted is user:U, group:G or serviceaccount:NAMESPACE/NAME, not {subject!r}")
    around = Surroundings(environment=os.environ, clock=system_clock(), log=open_log(LogFormat.CONSOLE, sys.stderr))
    intent = Intent(
        namespace=namespace,
        name=fullname or full_name(release),
        mode=MODES[mode] if mode else None,
        excluded=frozenset(excluded_namespace),
        trusted=frozenset(trusted),
    )
    try:
        intent, findings = asyncio.run(_examine(cluster, intent, probe_image, around))
    except ClusterTrouble as trouble:
        click.echo(f"error: {trouble}", err=True)
        sys.exit(CANNOT_TELL)
    except (DocumentError, ParseError) as error:
        fail("dhi-gate doctor", error)
    coloured = wants_colour(color, os.environ, to_terminal=sys.stdout.isatty())
    deliver(_printed(findings, intent, output, around, coloured=coloured), None)
    sys.exit(exit_status(findings))


async def _examine(
    flags: ClusterFlags, intent: Intent, probe_image: str | None, around: Surroundings
) -> tuple[Intent, tuple[Finding, ...]]:
    """Look at the installation, or only try a pod; return where, and what came of it."""
    async with open_cluster(flags, around) as cluster:
        placed = intent if intent.namespace else intent.at(cluster.default_namespace)
        if probe_image is None:
            seen = await look(cluster, placed, shake_hands=shake_hands)
            return placed, diagnose(seen, placed, now=around.clock.now())
        trial = await try_pod(cluster, image=probe_image, namespace=placed.namespace)
        return placed, (diagnose_probe(trial, image=probe_image, namespace=placed.namespace, mode=placed.mode),)


def _printed(
    findings: tuple[Finding, ...], intent: Intent, output: str, around: Surroundings, *, coloured: bool
) -> str:
    if output == "table":
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        return draw(diagnosis_blocks(findings), coloured=coloured, width=width)
    document = diagnosis_document(findings, intent, at=around.clock.now())
    if output == "json":
        return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n"
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)
