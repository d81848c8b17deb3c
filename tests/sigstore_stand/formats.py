"""How a signature and its witnesses are packed: Sigstore bundles of three versions, and cosign's classic annotations.

Sources: sigstore/protobuf-specs `sigstore_bundle.proto`; sigstore/cosign `specs/SIGNATURE_SPEC.md`.
"""

from __future__ import annotations

import hashlib
from typing import Literal, assert_never

from cryptography import x509

from tests.sigstore_stand.certificates import der_of, pem_of
from tests.sigstore_stand.entries import Verifier
from tests.sigstore_stand.flaws import Flaws
from tests.sigstore_stand.logs import LogEntry, text64
from tests.sigstore_stand.witnesses import Testimony
from webhook.demo.documents import encode
from webhook.demo.envelopes import SIGNATURE_ANNOTATION
from webhook.demo.keys import SigningKey

__all__ = [
    "BundleVersion",
    "bundle_media_type",
    "bundle_of",
    "classic_annotations",
    "envelope_document",
    "message_document",
]

BundleVersion = Literal["0.1", "0.2", "0.3"]
Json = dict[str, object]

CERTIFICATE_ANNOTATION = "dev.sigstore.cosign/certificate"
CHAIN_ANNOTATION = "dev.sigstore.cosign/chain"
BUNDLE_ANNOTATION = "dev.sigstore.cosign/bundle"
TIMESTAMP_ANNOTATION = "dev.sigstore.cosign/rfc3161timestamp"


def bundle_media_type(version: BundleVersion) -> str:
    """Return the media type of a bundle, in the spelling of its time."""
    if version == "0.3":
        return "application/vnd.dev.sigstore.bundle.v0.3+json"
    return f"application/vnd.dev.sigstore.bundle+json;version={version}"


def envelope_document(payload_type: str, payload: bytes, signature: bytes) -> Json:
    """Return a DSSE envelope with one signature."""
    return {
        "payload": text64(payload),
        "payloadType": payload_type,
        "signatures": [{"sig": text64(signature)}],
    }


def message_document(message: bytes, signature: bytes) -> Json:
    """Return a bundle's bare signature over a file."""
    digest: Json = {"algorithm": "SHA2_256", "digest": text64(hashlib.sha256(message).digest())}
    return {"messageDigest": digest, "signature": text64(signature)}


def bundle_of(
    content: tuple[Literal["dsseEnvelope", "messageSignature"], Json],
    verifier: Verifier,
    testimony: Testimony,
    *,
    version: BundleVersion,
    flaws: Flaws,
) -> bytes:
    """Pack a bundle. What is empty is left out, as protojson does."""
    material = _key_material(verifier, version)
    if testimony.entries:
        material["tlogEntries"] = [entry.document for entry in testimony.entries]
    if testimony.stamps:
        stamps = [{"signedTimestamp": text64(stamp)} for stamp in testimony.stamps]
        material["timestampVerificationData"] = {"rfc3161Timestamps": stamps}
    document: Json = {"mediaType": bundle_media_type(version), "verificationMaterial": material, content[0]: content[1]}
    if flaws.unknown_field:
        document["novelty"] = "of a later version"
    return encode(document)


def classic_annotations(
    signature: bytes, verifier: Verifier, chain: tuple[x509.Certificate, ...], testimony: Testimony
) -> dict[str, str]:
    """Return what stands beside a classic layer; attestations carry an empty signature there."""
    found = {SIGNATURE_ANNOTATION: text64(signature)}
    if isinstance(verifier, x509.Certificate):
        found[CERTIFICATE_ANNOTATION] = pem_of(verifier).decode()
        found[CHAIN_ANNOTATION] = pem_of(*chain).decode()
    for entry in testimony.entries:
        found[BUNDLE_ANNOTATION] = encode(_classic_bundle(entry)).decode()
    for stamp in testimony.stamps:
        found[TIMESTAMP_ANNOTATION] = encode({"SignedRFC3161Timestamp": text64(stamp)}).decode()
    return found


def _key_material(verifier: Verifier, version: BundleVersion) -> Json:
    match verifier:
        case x509.Certificate() if version == "0.3":
            return {"certificate": {"rawBytes": text64(der_of(verifier))}}
        case x509.Certificate():
            return {"x509CertificateChain": {"certificates": [{"rawBytes": text64(der_of(verifier))}]}}
        case SigningKey():
            return {"publicKey": {"hint": verifier.hint}}
        case _:
            assert_never(verifier)


def _classic_bundle(entry: LogEntry) -> Json:
    """Write the promise alone: the classic annotation has no proof, and the log's ID in hex."""
    return {
        "SignedEntryTimestamp": text64(entry.promise or b""),
        "Payload": {
            "body": text64(entry.body),
            "integratedTime": int(entry.integrated.timestamp()) if entry.integrated else 0,
            "logIndex": entry.log_index,
            "logID": entry.log_id.hex(),
        },
    }
