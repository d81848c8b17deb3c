"""What is written into a signature log about one signature, kind by kind.

Sources: sigstore/rekor `pkg/types/{hashedrekord,dsse,intoto}` schemas 0.0.1; sigstore/protobuf-specs
`rekor/v2/{entry,hashedrekord,verifier}.proto`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import assert_never

from cryptography import x509

from tests.sigstore_stand.certificates import der_of, pem_of, spki_of
from tests.sigstore_stand.logs import text64
from webhook.demo.keys import SigningKey

__all__ = ["EntryBody", "Signed", "Verifier", "dsse_body", "hashedrekord_body", "hashedrekord_v2_body", "intoto_body"]

Json = dict[str, object]
Verifier = x509.Certificate | SigningKey
"""By what a log can check a signature: a certificate, or a key of which the public half is logged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signature over `message`. In a DSSE envelope, `payload` is what it holds and `envelope` its bytes."""

    message: bytes
    signature: bytes
    payload: bytes = b""
    envelope: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryBody:
    """A body, with its kind and version."""

    kind: str
    version: str
    document: Json


def hashedrekord_body(signed: Signed, verifier: Verifier) -> EntryBody:
    """Write what Rekor v1 logs of a signature over bytes."""
    spec: Json = {
        "data": {"hash": _hash(signed.message)},
        "signature": {"content": text64(signed.signature), "publicKey": {"content": text64(_pem(verifier))}},
    }
    return _body("hashedrekord", "0.0.1", spec)


def dsse_body(signed: Signed, verifier: Verifier) -> EntryBody:
    """Write what Rekor v1 logs of a DSSE envelope."""
    spec: Json = {
        "envelopeHash": _hash(signed.envelope),
        "payloadHash": _hash(signed.payload),
        "signatures": [{"signature": text64(signed.signature), "verifier": text64(_pem(verifier))}],
    }
    return _body("dsse", "0.0.1", spec)


def intoto_body(signed: Signed, verifier: Verifier) -> EntryBody:
    """Write what Rekor v1 logged of a DSSE envelope for cosign before 2.2: the signature is not in it."""
    content = {"hash": _hash(signed.envelope), "payloadHash": _hash(signed.payload)}
    return _body("intoto", "0.0.1", {"content": content, "publicKey": text64(_pem(verifier))})


def hashedrekord_v2_body(signed: Signed, verifier: Verifier) -> EntryBody:
    """Write what Rekor v2 logs, of bytes and of envelopes alike: the hash of what was signed. Keys are P-256."""
    match verifier:
        case x509.Certificate():
            by: Json = {"x509Certificate": {"rawBytes": text64(der_of(verifier))}}
        case SigningKey():
            by = {"publicKey": {"rawBytes": text64(spki_of(verifier.private))}}
        case _:
            assert_never(verifier)
    digest = hashlib.sha256(signed.message).digest()
    record = {
        "data": {"algorithm": "SHA2_256", "digest": text64(digest)},
        "signature": {
            "content": text64(signed.signature),
            "verifier": {**by, "keyDetails": "PKIX_ECDSA_P256_SHA_256"},
        },
    }
    return _body("hashedrekord", "0.0.2", {"hashedRekordV002": record})


def _body(kind: str, version: str, spec: Json) -> EntryBody:
    return EntryBody(kind=kind, version=version, document={"apiVersion": version, "kind": kind, "spec": spec})


def _hash(data: bytes) -> Json:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}


def _pem(verifier: Verifier) -> bytes:
    match verifier:
        case x509.Certificate():
            return pem_of(verifier)
        case SigningKey():
            return verifier.public_pem.encode()
        case _:
            assert_never(verifier)
