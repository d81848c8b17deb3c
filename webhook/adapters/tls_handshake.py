"""One TLS handshake, to see whether a server shows a certificate that its caller believes. Nothing is sent."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

from cryptography import x509

from webhook.core.diagnosis.findings import Unseen
from webhook.core.diagnosis.installation import Handshake

__all__ = ["shake_hands"]

SECONDS = 5.0


async def shake_hands(host: str, port: int, *, authorities: bytes, seconds: float = SECONDS) -> Handshake | Unseen:
    """Connect, and say whether these authorities (PEM) vouch for `host`; Unseen if nobody answers in time.

    Source: as client-go does: at least TLS 1.2, the name among the subject alternative names.
    """
    address = f"{host}:{port}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=authorities.decode("ascii"))
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        return Handshake(address=address, distrust=error.verify_message, expires_at=None)
    except TimeoutError:
        return Unseen(why=f"{address} does not answer within {seconds:g} s")
    except (OSError, ValueError) as error:
        return Unseen(why=f"{address} cannot be reached from here: {_reason(error)}")
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return Handshake(
            address=address, distrust="", expires_at=x509.load_der_x509_certificate(shown).not_valid_after_utc
        )
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
