"""The bytes that cosign signs and the bytes it stores: simple signing, DSSE, Sigstore bundles. Nothing here knows keys.

Sources: containers/image `docs/atomic-signature.md` (simple signing), secure-systems-lab/dsse `protocol.md`, in-toto
Attestation Framework v1 (`statement.md`), Sigstore `sigstore_bundle.proto` v0.3.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from webhook.core.references import Digest
from webhook.demo.documents import encode

__all__ = [
    "BUNDLE",
    "COSIGN_SIGN",
    "IN_TOTO_PAYLOAD",
    "SIGNATURE_ANNOTATION",
    "SIMPLE_SIGNING",
    "SIMPLE_SIGNING_TYPE",
    "SPDX",
    "bundle",
    "pre_authentication_encoding",
    "simple_signing_payload",
    "statement",
]

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIMPLE_SIGNING_TYPE = "cosign container image signature"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO_PAYLOAD = "application/vnd.in-toto+json"
COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"
SPDX = "https://spdx.dev/Document"


def simple_signing_payload(
    digest: Digest, *, reference: str, optional: Mapping[str, str], kind: str = SIMPLE_SIGNING_TYPE
) -> bytes:
    """Say "this is `digest`, called `reference`" as cosign's classic signatures do; `optional` null if empty."""
    critical = {
        "identity": {"docker-reference": reference},
        "image": {"docker-manifest-digest": str(digest)},
        "type": kind,
    }
    return encode({"critical": critical, "optional": dict(optional) or None})


def statement(
    digest: Digest, predicate_type: str, predicate: Mapping[str, object], *, annotations: Mapping[str, str]
) -> bytes:
    """Say something about `digest`: an in-toto statement v1 with one subject, which cosign gives no name."""
    subject = {"digest": {digest.algorithm: digest.hex}, "annotations": dict(annotations)}
    return encode(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [subject],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return what a DSSE signature is over; lengths are decimal and count bytes."""
    kind = payload_type.encode()
    return b" ".join((b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload))


def bundle(payload: bytes, signature: bytes, *, hint: str, payload_type: str = IN_TOTO_PAYLOAD) -> bytes:
    """Pack a DSSE envelope and a key hint as cosign does without a log: there is no `tlogEntries` at all."""
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"sig": base64.b64encode(signature).decode()}],
    }
    return encode(
        {"mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": hint}}, "dsseEnvelope": envelope}
    )
