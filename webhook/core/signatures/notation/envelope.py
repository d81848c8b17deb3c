"""What both kinds of envelope hold, and the rules for what the signer said beside the payload.

Source: Notary Project `signature-specification.md`, "Signed Attributes", and `signing-scheme.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable

__all__ = [
    "AUTHENTIC_SIGNING_TIME",
    "EXPIRY",
    "MAX_CERTIFICATES",
    "MAX_CRITICAL",
    "MAX_ENVELOPE_BYTES",
    "SIGNING_SCHEME",
    "SIGNING_TIME",
    "NotationEnvelope",
    "check_attributes",
]

MAX_ENVELOPE_BYTES = 1024 * 1024
MAX_CERTIFICATES = 10
MAX_CRITICAL = 16

PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
SCHEME = "notary.x509"
SIGNING_SCHEME = "io.cncf.notary.signingScheme"
SIGNING_TIME = "io.cncf.notary.signingTime"
AUTHENTIC_SIGNING_TIME = "io.cncf.notary.authenticSigningTime"
EXPIRY = "io.cncf.notary.expiry"
PLUGIN = "io.cncf.notary.verificationPlugin"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotationEnvelope:
    """An envelope as it came: nothing in it has been verified.

    `signed_bytes` are what the signature is over: the attributes and the payload. `attributes` are the names of all
    that was signed beside the payload. `certificates` (DER, the signer's first) and all else that is not named here
    were not signed. `signing_time` is the signer's own word.
    """

    algorithm: str | int
    content_type: str
    signing_scheme: str
    signing_time: datetime | None
    expiry: datetime | None
    critical: tuple[str | int, ...]
    attributes: frozenset[str | int]
    payload: bytes
    signed_bytes: bytes
    signature: bytes
    certificates: tuple[bytes, ...]


def check_attributes(envelope: NotationEnvelope, as_of: datetime) -> None:
    """Check what was signed beside the payload; a ParseError says which rule fails. To be called after the signature.

    1. The signing scheme is `notary.x509`. `notary.x509.signingAuthority` asks to believe a time that the signer wrote.
    2. Everything marked critical is there and is understood here: the scheme and the expiry, and nothing else. Both are
       marked whenever they are there.
    3. No verification plugin is asked for, marked or not: what it would check is not checked here.
    4. The payload is of the one type that names an image.
    5. A signing time is there. It decides nothing, but the expiry lies after it.
    6. The expiry, where there is one, has not come.
    """
    # Step 1
    if envelope.signing_scheme != SCHEME:
        raise ParseError(SIGNING_SCHEME, f"is `{printable(envelope.signing_scheme, 60)}`; only `{SCHEME}` is accepted")
    # Step 2
    required = {SIGNING_SCHEME} | ({EXPIRY} & envelope.attributes)
    if len(set(envelope.critical)) != len(envelope.critical) or not required <= set(envelope.critical):
        raise ParseError("crit", "does not name the signing scheme and the expiry, each once")
    for name in envelope.critical:
        if name not in required:
            raise ParseError("crit", f"names `{printable(str(name), 60)}`, which is unknown here")
    # Step 3
    if PLUGIN in envelope.attributes:
        raise ParseError(PLUGIN, "asks for a plugin to verify it")
    # Step 4
    if envelope.content_type != PAYLOAD_TYPE:
        raise ParseError("content type", f"is `{printable(envelope.content_type, 80)}`, which names no image")
    # Step 5
    if envelope.signing_time is None or AUTHENTIC_SIGNING_TIME in envelope.attributes:
        raise ParseError(SIGNING_TIME, "does not stand alone, as the signing scheme demands")
    if envelope.expiry is not None and envelope.expiry <= envelope.signing_time:
        raise ParseError(EXPIRY, "is not after the signing time")
    # Step 6
    if envelope.expiry is not None and envelope.expiry <= as_of:
        raise ParseError("", f"the signature expired at {envelope.expiry:%Y-%m-%dT%H:%M:%SZ}")
