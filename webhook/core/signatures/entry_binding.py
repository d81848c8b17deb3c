"""That a log entry is about this very signature, and not about another that the log has too.

| kind | what the entry repeats |
|---|---|
| `hashedrekord` 0.0.1 and, in Rekor v2, 0.0.2 | the hash of what is signed, the signature, its key or certificate |
| `dsse` 0.0.1 | the hash of the payload, and the envelope's one signature with its key or certificate |
| `intoto` 0.0.2 | the same |

Other kinds repeat too little (`intoto` 0.0.1 has no signature) or something else. Sources: sigstore/rekor
`pkg/types/*/v*/*_schema.json`; sigstore/rekor-tiles `api/proto/rekor/v2`. A valid entry of something else has passed
for one of the artefact before: CVE-2022-36056, GHSA-whqx-f9j3-ch6m.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable
from webhook.core.reading.strict_json import JsonObject, decode_base64, parse_json
from webhook.core.signatures.signed_bytes import SignedBytes

__all__ = ["EntrySigner", "check_binding"]

ENTRY = "log entry"
MAX_BODY_BYTES = 4 * 1024 * 1024
PEM_BEGIN = b"-----BEGIN CERTIFICATE-----"
_HASHES = frozenset({"sha256", "sha384", "sha512"})
_HASHES_OF_V2 = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySigner:
    """Who must stand in the entry: this certificate (DER), or without one, this key (DER SubjectPublicKeyInfo)."""

    public_key: bytes
    certificate: bytes | None = None


def check_binding(body: bytes, signed: SignedBytes, signer: EntrySigner) -> None:
    """Check that the entry's `body` is about the signature and its signer; a ParseError if not."""
    entry = JsonObject.of(parse_json(body, max_bytes=MAX_BODY_BYTES), path=ENTRY)
    entry.refuse_variants(("apiVersion", "kind", "spec"))
    spec = entry.object("spec")
    kind, version = entry.text("kind"), entry.text("apiVersion")
    match kind, version:
        case "hashedrekord", "0.0.1":
            _check_hashedrekord(spec, signed, signer)
        case "hashedrekord", "0.0.2":
            _check_hashedrekord_v2(spec.object("hashedRekordV002"), signed, signer)
        case "dsse", "0.0.1":
            _check_dsse(spec, signed, signer)
        case "intoto", "0.0.2":
            _check_intoto(spec.object("content"), signed, signer)
        case _:
            raise ParseError(ENTRY, f"is of the kind `{printable(kind, 40)}` {printable(version, 20)}, not supported")


def _check_hashedrekord(spec: JsonObject, signed: SignedBytes, signer: EntrySigner) -> None:
    logged = spec.object("data").object("hash")
    _check_hash(logged.text("algorithm"), logged.text("value"), signed.message)
    signature = spec.object("signature")
    _check_signature(signature.base64("content"), signed)
    _check_signer(signature.object("publicKey").base64("content"), signer)


def _check_hashedrekord_v2(spec: JsonObject, signed: SignedBytes, signer: EntrySigner) -> None:
    data = spec.object("data")
    algorithm = _HASHES_OF_V2.get(data.text("algorithm"), "")
    _check_hash(algorithm, data.base64("digest").hex(), signed.message)
    signature = spec.object("signature")
    _check_signature(signature.base64("content"), signed)
    verifier = signature.object("verifier")
    kind = "x509Certificate" if verifier.has("x509Certificate") else "publicKey"
    logged = verifier.object(kind).base64("rawBytes")
    _check_signer_der(logged, signer, is_certificate=kind == "x509Certificate")


def _check_dsse(spec: JsonObject, signed: SignedBytes, signer: EntrySigner) -> None:
    _check_payload(spec, signed)
    only = _only(spec)
    _check_signature(only.base64("signature"), signed)
    _check_signer(only.base64("verifier"), signer)


def _check_intoto(content: JsonObject, signed: SignedBytes, signer: EntrySigner) -> None:
    _check_payload(content, signed)
    only = _only(content.object("envelope"))
    written = only.base64("sig")
    # Some clients encoded the signature twice, the way Go encodes bytes that hold text already.
    signature = written if written == signed.signature else _decoded_again(written)
    _check_signature(signature, signed)
    _check_signer(only.base64("publicKey"), signer)


def _check_payload(spec: JsonObject, signed: SignedBytes) -> None:
    logged = spec.object("payloadHash")
    _check_hash(logged.text("algorithm"), logged.text("value"), signed.payload)


def _only(spec: JsonObject) -> JsonObject:
    signatures = spec.objects("signatures", at_most=1)
    if not signatures:
        raise ParseError(spec.at("signatures"), "is empty")
    return signatures[0]


def _check_hash(algorithm: str, value: str, data: bytes) -> None:
    if algorithm not in _HASHES or hashlib.new(algorithm, data).hexdigest() != value.lower():
        raise ParseError(ENTRY, "is about other content")


def _check_signature(logged: bytes, signed: SignedBytes) -> None:
    if logged != signed.signature:
        raise ParseError(ENTRY, "is about another signature")


def _decoded_again(written: bytes) -> bytes:
    try:
        return decode_base64(written.decode("ascii"))
    except (UnicodeDecodeError, ParseError):
        return written


def _check_signer(pem: bytes, signer: EntrySigner) -> None:
    try:
        if pem.startswith(PEM_BEGIN):
            der = load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
        else:
            der = load_pem_public_key(pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        raise ParseError(ENTRY, "names no key or certificate") from None
    _check_signer_der(der, signer, is_certificate=pem.startswith(PEM_BEGIN))


def _check_signer_der(logged: bytes, signer: EntrySigner, *, is_certificate: bool) -> None:
    """Compare who is in the entry: certificate with certificate, or key with key, be it in a certificate."""
    if signer.certificate is not None:
        same = is_certificate and logged == signer.certificate
    else:
        same = (_key_of(logged) if is_certificate else logged) == signer.public_key
    if not same:
        raise ParseError(ENTRY, "is of another signer")


def _key_of(certificate: bytes) -> bytes:
    try:
        key = load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise ParseError(ENTRY, "names no key or certificate") from None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
