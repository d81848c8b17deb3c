"""Sigstore bundles: the JSON in which cosign v3 stores a signature, with all that is needed to verify it.

Source: sigstore/protobuf-specs `sigstore_bundle.proto`, versions 0.1 to 0.3, in its JSON form.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable
from webhook.core.reading.strict_json import JsonObject, parse_json
from webhook.core.references import Digest
from webhook.core.signatures.dsse import Envelope
from webhook.core.signatures.log_entries import read_material
from webhook.core.signatures.signed_bytes import Material, SignedBytes, Unreadable

__all__ = ["LAYER_TYPE_PREFIX", "MAX_BUNDLE_BYTES", "Bundle", "parse_bundle"]

LAYER_TYPE_PREFIX = "application/vnd.dev.sigstore.bundle"
MAX_BUNDLE_BYTES = 4 * 1024 * 1024
VERSION_0_1 = "application/vnd.dev.sigstore.bundle+json;version=0.1"
MEDIA_TYPES = frozenset(
    {
        VERSION_0_1,
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle+json;version=0.3",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
    }
)
FINGERPRINT_BYTES = 32

_BUNDLE_KEYS = ("mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature")
_MATERIAL_KEYS = ("publicKey", "certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle as it came: nothing in it has been verified. `document` holds what was signed.

    `hint` is the fingerprint of the key that the bundle points to, as cosign writes it (the SHA-256 of the key's DER);
    None for other hints and for certificates. Nobody signed it.
    """

    hint: Digest | None
    material: Material | Unreadable
    document: JsonObject

    @property
    def envelope(self) -> JsonObject:
        """Return the DSSE envelope, not yet read; a ParseError if a bare message was signed.

        A bare message signature says nothing about an image: it has no statement that names the digest and the
        purpose. cosign ignores such bundles on images too.
        """
        if self.document.has("messageSignature"):
            raise ParseError("messageSignature", "signs no statement about an image")
        return self.document.object("dsseEnvelope")

    def over(self, envelope: Envelope) -> SignedBytes:
        """Return the signature of this bundle's `envelope` for whoever verifies it."""
        return SignedBytes.enveloped(envelope, self.material, hint=self.hint)

    def over_file(self, content: bytes) -> SignedBytes:
        """Return the signature of this bundle over a file for whoever verifies it; a ParseError if it has none.

        A digest that the bundle names beside the signature must be that of the file.
        """
        signature = self.document.object("messageSignature")
        named = signature.object_or_empty("messageDigest")
        digest = named.base64("digest") if named.has("digest") else sha256(content).digest()
        if named.text_or("algorithm", "SHA2_256") != "SHA2_256" or digest != sha256(content).digest():
            raise ParseError(named.path, "is not that of the file")
        return SignedBytes.plain(content, signature.base64("signature"), self.material, hint=self.hint)


def parse_bundle(data: bytes) -> Bundle:
    """Read a bundle of at most 4 MiB; a ParseError if it is none.

    What belongs to one and cannot be read beside the key or certificate is told as unreadable: an authority that asks
    for nothing of it can do without.
    """
    document = JsonObject.of(parse_json(data, max_bytes=MAX_BUNDLE_BYTES))
    document.refuse_variants(_BUNDLE_KEYS)
    version = document.text("mediaType")
    if version not in MEDIA_TYPES:
        raise ParseError("mediaType", f"is `{printable(version, 80)}`, no bundle of version 0.1 to 0.3")
    if document.has("messageSignature") == document.has("dsseEnvelope"):
        raise ParseError("", "does not hold exactly one of `messageSignature` and `dsseEnvelope`")
    source = document.object("verificationMaterial")
    source.refuse_variants(_MATERIAL_KEYS)
    if sum(source.has(key) for key in ("publicKey", "certificate", "x509CertificateChain")) != 1:
        raise ParseError(source.path, "does not name exactly one key, certificate or chain")
    return Bundle(
        hint=_read_hint(source.object("publicKey")) if source.has("publicKey") else None,
        material=read_material(source, promised=version == VERSION_0_1),
        document=document,
    )


def _read_hint(public_key: JsonObject) -> Digest | None:
    try:
        fingerprint = public_key.base64("hint")
    except ParseError:
        return None
    return Digest(algorithm="sha256", hex=fingerprint.hex()) if len(fingerprint) == FINGERPRINT_BYTES else None
