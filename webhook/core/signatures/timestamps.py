"""RFC 3161 timestamps: that somebody who is trusted saw a signature, and when."""

from __future__ import annotations

from datetime import datetime

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier
from rfc3161_client import TimeStampResponse, VerificationError, VerifierBuilder, decode_timestamp_response

from webhook.core.errors import ParseError
from webhook.core.signatures.trusted_material import Chain

__all__ = ["stamped_at"]

TIMESTAMP = "timestamp"
MIN_CHAIN = 2
SIGNED_DATA_VERSION = 3
SIGNER_INFO_VERSION = 1

_SHA256, _SHA384, _SHA512 = (ObjectIdentifier(f"2.16.840.1.101.3.4.2.{arc}") for arc in (1, 2, 3))
_ANY_HASH = (_SHA256, _SHA384, _SHA512)
_SIGNATURE_ALGORITHMS = {
    bytes.fromhex("300a06082a8648ce3d040302"): (_SHA256,),  # ECDSA
    bytes.fromhex("300a06082a8648ce3d040303"): (_SHA384,),
    bytes.fromhex("300a06082a8648ce3d040304"): (_SHA512,),
    bytes.fromhex("300d06092a864886f70d01010b0500"): (_SHA256,),  # RSA
    bytes.fromhex("300d06092a864886f70d01010c0500"): (_SHA384,),
    bytes.fromhex("300d06092a864886f70d01010d0500"): (_SHA512,),
    bytes.fromhex("300d06092a864886f70d0101010500"): _ANY_HASH,
    bytes.fromhex("300506032b6570"): _ANY_HASH,  # Ed25519
}
"""How a response may say by which algorithm it is signed, and the hashes that go with it.

The verification does not read this; what stands there and cannot be true is refused. Source: RFC 5652, section 5.3.
"""


def stamped_at(response: bytes, stamped: bytes, authorities: tuple[Chain, ...]) -> datetime:
    """Return when one of the `authorities` saw `stamped`; a ParseError if none of them did.

    1. The response is a granted one, over the hash of exactly these bytes.
    2. It is signed by the authority's own certificate, made for timestamps alone, up to the authority's root, all of
       them valid at the time it tells.
    3. That time lies within the period in which the authority counts.
    4. What no signature covers is as it must be: the versions, the algorithm of the signature, and nothing after it.
    """
    if not authorities:
        raise ParseError(TIMESTAMP, "cannot be checked: the trust root lists no timestamp authority")
    try:
        read = decode_timestamp_response(response)
        time = read.tst_info.gen_time
    except ValueError:
        raise ParseError(TIMESTAMP, "cannot be read") from None
    if not _is_regular(read, response):
        raise ParseError(TIMESTAMP, "has parts that nobody signed and that are not as they must be")
    if not any(_is_by(authority, read, stamped) and authority.period.holds((time,)) for authority in authorities):
        raise ParseError(TIMESTAMP, "is of no timestamp authority of the trust root, or of another signature")
    return time


def _is_regular(read: TimeStampResponse, response: bytes) -> bool:
    """Tell whether the versions are right, and an algorithm that can be and the signature are the last things in it."""
    signed = read.signed_data
    if signed.version != SIGNED_DATA_VERSION or any(one.version != SIGNER_INFO_VERSION for one in signed.signer_infos):
        return False
    tails = [
        response.rpartition(algorithm)[2]
        for algorithm, hashes in _SIGNATURE_ALGORITHMS.items()
        if algorithm in response and not signed.digest_algorithms.isdisjoint(hashes)
    ]
    return any(_is_octet_string(tail) for tail in tails)


def _is_octet_string(der: bytes) -> bool:
    """Tell whether these bytes are one octet string, and nothing more (X.690, section 8.7)."""
    try:
        asn1.decode_der(bytes, der)
    except ValueError:
        return False
    return True


def _is_by(authority: Chain, response: TimeStampResponse, stamped: bytes) -> bool:
    if len(authority.certificates) < MIN_CHAIN:
        return False
    signer, *between, root = authority.certificates
    builder = VerifierBuilder(tsa_certificate=signer, roots=[root], intermediates=between)
    try:
        return builder.build().verify_message(response, stamped)
    except (VerificationError, ValueError):
        return False
