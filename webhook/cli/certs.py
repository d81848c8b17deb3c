"""`dhi-gate certs`: certificates for development. In a cluster they come from the chart or from cert-manager."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from webhook.certificates import make_development_certificates, write_new
from webhook.cli.options import flag

__all__ = ["certs"]

LOOPBACK_NAMES = ("127.0.0.1", "::1", "localhost")


@click.group("certs")
def certs() -> None:
    """Make certificates for development."""


@certs.command("dev")
@flag(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("certs/dev"),
    show_default=True,
    help="Where they are written.",
)
@flag("--service", default="dhi-gate", show_default=True, help="The Service that the API server calls.")
@flag("--service-namespace", default="dhi-gate", show_default=True, help="The namespace of that Service.")
@flag("--name", "names", multiple=True, help="A further DNS name or address.")
@flag("--days", type=click.IntRange(1, 365), default=90, show_default=True, help="How long they are valid.")
def dev(*, directory: Path, service: str, service_namespace: str, names: tuple[str, ...], days: int) -> None:
    """Make a CA and a server certificate for loopback and a Service's names; never overwrites a file.

    Writes ca.crt (for `caBundle`), tls.crt and tls.key into the directory.
    """
    in_cluster = f"{service}.{service_namespace}.svc"
    wanted = (in_cluster, service, f"{service}.{service_namespace}", f"{in_cluster}.cluster.local", *LOOPBACK_NAMES)
    try:
        made = make_development_certificates((*wanted, *names), now=datetime.now(UTC), lifetime=timedelta(days=days))
    except ValueError as error:
        raise click.UsageError(f"a name is neither a DNS name nor an address: {error}") from error
    files = {"ca.crt": (made.ca, 0o644), "tls.crt": (made.certificate, 0o644), "tls.key": (made.key, 0o600)}
    existing = [name for name in files if (directory / name).exists()]
    if existing:
        raise click.UsageError(f"{directory} already holds {', '.join(existing)}; remove them to make new ones")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, (content, mode) in files.items():
            write_new(directory / name, content, mode)
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}") from error
    click.echo(f"{directory}: ca.crt, tls.crt and tls.key, valid for {days} days")
