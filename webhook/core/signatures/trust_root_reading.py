"""Trusted root documents → `TrustRoot`, and whether a root has what its use needs."""

from __future__ import annotations

import json

from webhook.core.errors import ParseError
from webhook.core.reading.strict_json import JsonObject, parse_json
from webhook.core.references import Digest
from webhook.core.signatures.trust_roots import TrustRoot

__all__ = ["check_for_certificates", "check_for_times", "load_trust_root"]

MAX_ROOT_BYTES = 4 * 1024 * 1024
CLIENT_TRUST_CONFIG = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"


def load_trust_root(data: bytes) -> TrustRoot:
    """Read a `trusted_root.json`, or the one inside a `ClientTrustConfig`; a ParseError if it is neither, or unusable.

    The document that is kept is the trusted root alone, with its keys in order: two files that say the same make equal
    roots.
    """
    # Sigstore costs half a second and 50 MB, which a policy without trust roots need not pay.
    from webhook.core.signatures.trusted_material import read_trusted_root  # noqa: PLC0415

    source = JsonObject.of(parse_json(data, max_bytes=MAX_ROOT_BYTES))
    if source.text("mediaType") == CLIENT_TRUST_CONFIG:
        source = source.object("trustedRoot")
    document = json.dumps(source.members, separators=(",", ":"), sort_keys=True).encode()
    read_trusted_root(document)
    return TrustRoot(digest=Digest.of(document), document=document)


def check_for_certificates(root: TrustRoot) -> None:
    """Raise ParseError unless a root lists all that signatures by certificate are verified with."""
    from webhook.core.signatures.trusted_material import trusted_material  # noqa: PLC0415 - as above

    trusted = trusted_material(root)
    if not trusted.issuers:
        raise ParseError("certificateAuthorities", "is empty, so no certificate can be verified")
    if not trusted.certificate_logs:
        raise ParseError("ctlogs", "is empty; a certificate authority without a certificate log is not supported")
    if not trusted.logs:
        raise ParseError("tlogs", "is empty, so no signature by certificate can be verified")


def check_for_times(root: TrustRoot) -> None:
    """Raise ParseError unless a root lists somebody who can say when a signature by key was made."""
    from webhook.core.signatures.trusted_material import trusted_material  # noqa: PLC0415 - as above

    trusted = trusted_material(root)
    if not trusted.logs and not trusted.timestampers:
        raise ParseError("", "lists neither transparency logs nor timestamp authorities")
