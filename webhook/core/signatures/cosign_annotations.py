"""What cosign's classic form puts beside a signature: annotations of the layer that holds what was signed.

Sources: sigstore/cosign `specs/SIGNATURE_SPEC.md`, `pkg/oci/static` and `pkg/cosign/bundle` for the names and members.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from webhook.core.errors import ParseError
from webhook.core.reading.strict_json import JsonObject, parse_json
from webhook.core.signatures.log_entries import MAX_CERTIFICATE_BYTES, MAX_CERTIFICATES, MAX_TIMESTAMP_BYTES
from webhook.core.signatures.signed_bytes import LogEntry, Material, Unreadable

__all__ = ["SIGNATURE", "material_beside"]

SIGNATURE = "dev.cosignproject.cosign/signature"
CERTIFICATE = "dev.sigstore.cosign/certificate"
CHAIN = "dev.sigstore.cosign/chain"
BUNDLE = "dev.sigstore.cosign/bundle"
TIMESTAMP = "dev.sigstore.cosign/rfc3161timestamp"
MAX_BUNDLE_BYTES = 4 * 1024 * 1024
INTEGERS = range(2**63)


def material_beside(annotations: Mapping[str, str]) -> Material | Unreadable:
    """Read what came with a signature or an attestation in cosign's classic form; an empty annotation is none."""
    certificates: tuple[bytes, ...] = ()
    try:
        certificates = _certificates(annotations)
        return Material(
            certificates=certificates,
            entries=_entries(annotations.get(BUNDLE, "")),
            timestamps=_timestamps(annotations.get(TIMESTAMP, "")),
        )
    except ParseError as error:
        return Unreadable(why=str(error), certificates=certificates)


def _certificates(annotations: Mapping[str, str]) -> tuple[bytes, ...]:
    """Read the signer's certificate and those above it, but for roots: cosign writes them, and they prove nothing."""
    signer = _read_certificates(annotations, CERTIFICATE, 1)
    above = _read_certificates(annotations, CHAIN, MAX_CERTIFICATES) if signer else ()
    try:
        found = (*signer, *(certificate for certificate in above if certificate.issuer != certificate.subject))
    except (TypeError, ValueError):
        # Names are read only when they are asked for.
        raise ParseError(CHAIN, "holds a certificate that cannot be read") from None
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in found)


def _read_certificates(annotations: Mapping[str, str], name: str, at_most: int) -> tuple[x509.Certificate, ...]:
    pem = annotations.get(name, "").encode()
    if not pem:
        return ()
    if len(pem) > 2 * at_most * MAX_CERTIFICATE_BYTES:
        raise ParseError(name, "is too large")
    try:
        found = tuple(x509.load_pem_x509_certificates(pem))
    except (ValueError, x509.InvalidVersion):
        raise ParseError(name, "is no certificate") from None
    if len(found) > at_most:
        raise ParseError(name, f"holds more than {at_most} certificates")
    return found


def _entries(text: str) -> tuple[LogEntry, ...]:
    """Read the one entry: the log promised it, and gave no proof. Its keys begin with capitals outside and not inside.

    The log's ID is in hexadecimal, and the entry's numbers are numbers.
    """
    if not text:
        return ()
    source = JsonObject.of(parse_json(text.encode(), max_bytes=MAX_BUNDLE_BYTES), path=BUNDLE)
    source.refuse_variants(("SignedEntryTimestamp", "Payload"))
    entry = source.object("Payload")
    entry.refuse_variants(("body", "integratedTime", "logIndex", "logID"))
    return (
        LogEntry(
            log_id=_hexadecimal(entry, "logID"),
            log_index=_number(entry, "logIndex"),
            body=entry.base64("body"),
            integrated_time=_number(entry, "integratedTime"),
            promise=source.base64("SignedEntryTimestamp"),
        ),
    )


def _timestamps(text: str) -> tuple[bytes, ...]:
    if not text:
        return ()
    source = JsonObject.of(parse_json(text.encode(), max_bytes=2 * MAX_TIMESTAMP_BYTES), path=TIMESTAMP)
    source.refuse_variants(("SignedRFC3161Timestamp",))
    return (source.base64("SignedRFC3161Timestamp"),)


def _number(source: JsonObject, key: str) -> int:
    number = source.integer(key)
    if number not in INTEGERS:
        raise ParseError(source.at(key), "is negative or too large")
    return number


def _hexadecimal(source: JsonObject, key: str) -> bytes:
    try:
        return bytes.fromhex(source.text(key))
    except ValueError:
        raise ParseError(source.at(key), "is not hexadecimal") from None
