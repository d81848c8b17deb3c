"""The certificates: whom the API servers believe, and whether the gate shows what they believe."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

from cryptography import x509

from webhook.core.diagnosis.findings import Finding, Severity, Unseen, not_checked
from webhook.core.diagnosis.installation import Installation, Intent
from webhook.core.diagnosis.objects import Webhook, WebhookConfiguration

__all__ = ["bundle_of", "diagnose_certificates", "serving_address"]

AUTHORITY_SOON = timedelta(days=30)
CERTIFICATE_SOON = timedelta(days=1)
"""One that the gate signs itself lives for seven days and is renewed after two thirds of them."""

TELL_THE_GATE = "see what `dhi_gate_tls_keeping_failures_total` and `/readyz?verbose` say, or what cert-manager says"


def bundle_of(webhook: Webhook) -> bytes:
    """Return the certificates (PEM) of whom the API server believes for this webhook; empty if nobody can be read."""
    try:
        return base64.b64decode(webhook.client_config.ca_bundle, validate=True)
    except binascii.Error:
        return b""


def serving_address(webhook: Webhook) -> tuple[str, int] | None:
    """Return the host, which is also the name in the certificate, and the port that the API server calls."""
    service = webhook.client_config.service
    if service is not None:
        return f"{service.name}.{service.namespace}.svc", service.port
    try:
        url = urlsplit(webhook.client_config.url)
        port = url.port or 443
    except ValueError:
        return None
    return (url.hostname, port) if url.hostname else None


def diagnose_certificates(seen: Installation, intent: Intent, *, now: datetime) -> Iterator[Finding]:
    """Yield what is wrong with the bundles, and with the certificate that is served."""
    for kind, configuration in (("validating", seen.validating), ("mutating", seen.mutating)):
        if isinstance(configuration, WebhookConfiguration):
            yield from _bundles(configuration, f"{kind}webhookconfiguration/{intent.name}", now)
    yield from _handshake(seen, intent, now)


def _bundles(configuration: WebhookConfiguration, where: str, now: datetime) -> Iterator[Finding]:
    bundles = {webhook.client_config.ca_bundle: webhook for webhook in configuration.webhooks or ()}
    for webhook in bundles.values():
        yield from _bundle(webhook, f"{where} {webhook.name}", now)
    if len(bundles) > 1:
        yield Finding(
            severity=Severity.MEDIUM,
            check="ca-bundle",
            where=where,
            what="the entries do not believe the same authorities",
            why="a change of authority has stopped half way, or somebody wrote one of them",
            remedy=TELL_THE_GATE,
        )


def _bundle(webhook: Webhook, place: str, now: datetime) -> Iterator[Finding]:
    find = partial(Finding, check="ca-bundle", where=place, remedy=TELL_THE_GATE)
    lost = "no call of the API server succeeds: by the failurePolicy everything is refused, or gets in unseen"
    pem = bundle_of(webhook)
    if not webhook.client_config.ca_bundle:
        yield find(severity=Severity.CRITICAL, what="there is no caBundle", why=lost)
        return
    try:
        authorities = x509.load_pem_x509_certificates(pem)
    except (ValueError, x509.InvalidVersion):
        yield find(severity=Severity.CRITICAL, what="the caBundle holds no certificates", why=lost)
        return
    until = max(authority.not_valid_after_utc for authority in authorities)
    if until <= now:
        yield find(severity=Severity.CRITICAL, what=f"the caBundle expired on {until:%Y-%m-%d}", why=lost)
    elif until - now < AUTHORITY_SOON:
        why = "another authority should have been prepared long before"
        yield find(severity=Severity.HIGH, what=f"the caBundle expires on {until:%Y-%m-%d}", why=why)


def _handshake(seen: Installation, intent: Intent, now: datetime) -> Iterator[Finding]:
    shown = seen.handshake
    where = f"service/{intent.name}"
    if isinstance(shown, Unseen):
        yield not_checked(
            shown,
            severity=Severity.LOW,
            check="served-certificate",
            where=where,
            why="whether the certificate that is served is one that the API server believes",
            remedy="run `helm test`, or this command with --probe-image: then the API server itself tries",
        )
        return
    find = partial(Finding, check="served-certificate", where=f"{where} ({shown.address})", remedy=TELL_THE_GATE)
    if shown.distrust:
        yield find(
            severity=Severity.CRITICAL,
            what=f"the certificate that is served is not believed: {shown.distrust}",
            why="no call of the API server succeeds: by the failurePolicy everything is refused, or gets in unseen",
        )
    elif shown.expires_at is not None and shown.expires_at - now < CERTIFICATE_SOON:
        yield find(
            severity=Severity.HIGH,
            what=f"the certificate that is served expires at {shown.expires_at:%Y-%m-%d %H:%M} UTC",
            why="it should have been renewed; then no call of the API server succeeds",
        )
