"""What `check` and `audit` are asked about: objects in files, and the rule to judge them by."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from webhook.cli.inputs import manifest_files, read_manifest
from webhook.core.errors import ParseError
from webhook.core.manifest_objects import parse_objects
from webhook.core.policy import Policy, Rule
from webhook.core.workloads import STANDARD_INPUT, Workload

__all__ = ["find_rule", "objects_in_files"]


def find_rule(policy: Policy, name: str | None) -> Rule | None:
    """Return the rule of that name, None if none is asked for; a wrong name ends the command."""
    if name is None:
        return None
    rule = policy.rule_named(name)
    if rule is None:
        raise click.UsageError(f"the policy has no rule `{name}`: {', '.join(rule.name for rule in policy.rules)}")
    return rule


def objects_in_files(filenames: tuple[str, ...], namespace: str, *, recursive: bool) -> Iterator[Workload | ParseError]:
    """Yield every object of the files, folders and standard input (`-`), and what could not be read, in their order.

    `namespace` is that of what names none. A file that cannot be opened ends the command; a folder in which no manifest
    is found says nothing about what it was to hold.
    """
    for filename in filenames:
        paths = tuple(manifest_files((filename,), recursive=recursive))
        if not paths:
            yield ParseError(filename, "holds no manifest" + ("" if recursive else "; -R looks into its folders too"))
        for path in paths:
            yield from _objects_in(path, namespace)


def _objects_in(path: Path | None, namespace: str) -> Iterator[Workload | ParseError]:
    """Yield the objects of one file, of standard input for None."""
    name = str(path) if path else STANDARD_INPUT
    objects = parse_objects(read_manifest(path, sys.stdin), default_namespace=namespace, source_name=name)
    if not objects:
        yield ParseError(name, "holds no object")
    yield from objects
