"""Sigstore bundles: the JSON in which cosign v3 stores a signature.

Source: sigstore/protobuf-specs `sigstore_bundle.proto`, version 0.3, in its JSON form.
"""

from __future__ import annotations

from dataclasses import dataclass

from webhook.core.errors import ParseError
from webhook.core.plain_text import printable
from webhook.core.references import Digest
from webhook.core.strict_json import JsonObject, parse_json

__all__ = ["LAYER_TYPE_PREFIX", "MAX_BUNDLE_BYTES", "Bundle", "parse_bundle"]

LAYER_TYPE_PREFIX = "application/vnd.dev.sigstore.bundle"
MAX_BUNDLE_BYTES = 4 * 1024 * 1024
MEDIA_TYPES = frozenset(
    {"application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.sigstore.bundle+json;version=0.3"}
)
FINGERPRINT_BYTES = 32

_BUNDLE_KEYS = ("mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature")
_MATERIAL_KEYS = ("publicKey", "certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle as it came: nothing in it has been verified. `envelope` is a DSSE envelope, not yet read.

    `hint` is the fingerprint of the key that the bundle points to, as cosign writes it (the SHA-256 of the key's DER);
    None for other hints and for certificates. Nobody signed it.
    """

    hint: Digest | None
    envelope: JsonObject


def parse_bundle(data: bytes) -> Bundle:
    """Read a bundle of at most 4 MiB; a ParseError if it is none, or has no DSSE envelope.

    A bundle with a bare message signature says nothing about an image: it has no statement that names the digest and
    the purpose. cosign ignores such bundles on images too.
    """
    document = JsonObject.of(parse_json(data, max_bytes=MAX_BUNDLE_BYTES))
    document.refuse_variants(_BUNDLE_KEYS)
    if document.text("mediaType") not in MEDIA_TYPES:
        raise ParseError("mediaType", f"is `{printable(document.text('mediaType'), 80)}`, no bundle of version 0.3")
    if document.has("messageSignature"):
        raise ParseError("messageSignature", "signs no statement about an image")
    material = document.object("verificationMaterial")
    material.refuse_variants(_MATERIAL_KEYS)
    if sum(material.has(key) for key in ("publicKey", "certificate", "x509CertificateChain")) != 1:
        raise ParseError(material.path, "does not name exactly one key, certificate or chain")
    return Bundle(
        hint=_read_hint(material.object("publicKey")) if material.has("publicKey") else None,
        envelope=document.object("dsseEnvelope"),
    )


def _read_hint(public_key: JsonObject) -> Digest | None:
    try:
        fingerprint = public_key.base64("hint")
    except ParseError:
        return None
    return Digest(algorithm="sha256", hex=fingerprint.hex()) if len(fingerprint) == FINGERPRINT_BYTES else None
