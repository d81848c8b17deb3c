"""DSSE envelopes: a payload, its type, and one signature over both.

Source: secure-systems-lab/dsse `envelope.md` and `protocol.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

from webhook.core.errors import ParseError
from webhook.core.reading.strict_json import JsonObject

__all__ = ["Envelope", "read_envelope"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An envelope as it came: nothing in it has been verified. `payload` and `signature` are decoded."""

    payload_type: str
    payload: bytes
    signature: bytes

    @property
    def signed_bytes(self) -> bytes:
        """What the signature is over: the pre-authentication encoding, whose lengths count bytes."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)


def read_envelope(source: JsonObject) -> Envelope:
    """Read an envelope with exactly one signature; a ParseError otherwise, also for lenient base64.

    With several signatures, tools differ in which must hold. `keyid` is a hint that nobody signed, and is not read.
    """
    signatures = source.objects("signatures", at_most=1)
    if not signatures:
        raise ParseError(source.at("signatures"), "is empty")
    return Envelope(
        payload_type=source.text("payloadType"),
        payload=source.base64("payload"),
        signature=signatures[0].base64("sig"),
    )
