"""Entries of every kind: what must be in one, for it to be about a signature."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.core.signatures.given_keyless import KEY, PIPELINE, STAND
from tests.sigstore_stand.certificates import der_of, pem_of
from tests.sigstore_stand.flaws import NO_FLAWS
from tests.sigstore_stand.stand import STAND_NOW
from webhook.core.errors import ParseError
from webhook.core.signatures.entry_binding import EntrySigner, check_binding
from webhook.core.signatures.signed_bytes import Material, SignedBytes

SIGNED = SignedBytes(
    message=b"message", payload=b"payload", signature=b"signature", stamped=b"signature", material=Material()
)
SPKI = KEY.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
CERTIFICATE: x509.Certificate = STAND.authority.certify(KEY, PIPELINE, at=STAND_NOW, flaws=NO_FLAWS)
BY_KEY = EntrySigner(public_key=SPKI)
BY_CERTIFICATE = EntrySigner(public_key=SPKI, certificate=der_of(CERTIFICATE))
KEY_PEM, CERTIFICATE_PEM = KEY.public_pem.encode(), pem_of(CERTIFICATE)
Json = dict[str, Any]
Path = tuple[str | int, ...]


def text64(data: bytes) -> str:
    """Return base64 text."""
    return base64.b64encode(data).decode()


def hashed(data: bytes) -> Json:
    """Return a hash as Rekor v1 writes it."""
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}


def hashedrekord(signer: bytes = KEY_PEM) -> Json:
    """Return an entry of Rekor v1 about the message."""
    signature = {"content": text64(b"signature"), "publicKey": {"content": text64(signer)}}
    spec = {"data": {"hash": hashed(b"message")}, "signature": signature}
    return {"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec}


def hashedrekord_v2(signer: Json | None = None) -> Json:
    """Return an entry of Rekor v2 about the message."""
    spec = {
        "data": {"algorithm": "SHA2_256", "digest": text64(hashlib.sha256(b"message").digest())},
        "signature": {
            "content": text64(b"signature"),
            "verifier": signer or {"publicKey": {"rawBytes": text64(SPKI)}},
        },
    }
    return {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": spec}}


def dsse(signer: bytes = KEY_PEM) -> Json:
    """Return an entry about an envelope."""
    signatures = [{"signature": text64(b"signature"), "verifier": text64(signer)}]
    spec = {"payloadHash": hashed(b"payload"), "envelopeHash": hashed(b"whatever"), "signatures": signatures}
    return {"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}


def intoto(signer: bytes = KEY_PEM, signature: bytes = b"signature") -> Json:
    """Return an older entry about an envelope."""
    signatures = [{"sig": text64(signature), "publicKey": text64(signer)}]
    content = {"payloadHash": hashed(b"payload"), "envelope": {"signatures": signatures}}
    return {"apiVersion": "0.0.2", "kind": "intoto", "spec": {"content": content}}


def check(entry: Json, signer: EntrySigner = BY_KEY) -> None:
    """Check an entry against the signature of these tests."""
    check_binding(json.dumps(entry).encode(), SIGNED, signer)


@pytest.mark.parametrize("make", [hashedrekord, dsse, intoto])
def test_an_entry_of_rekor_v1_names_key_or_certificate(make: Callable[..., Json]) -> None:
    """A key is found as itself or in a certificate; a certificate only as itself."""
    check(make(KEY_PEM), BY_KEY)
    check(make(CERTIFICATE_PEM), BY_KEY)
    check(make(CERTIFICATE_PEM), BY_CERTIFICATE)
    for other in (KEY_PEM, pem_of(STAND.authority.chain[0])):
        with pytest.raises(ParseError, match="another signer"):
            check(make(other), BY_CERTIFICATE)
    with pytest.raises(ParseError, match="another signer"):
        check(make(pem_of(STAND.authority.chain[0])), BY_KEY)


def test_an_entry_of_rekor_v2_names_key_or_certificate() -> None:
    """In Rekor v2 both are DER, each under a name of its own."""
    certificate = {"x509Certificate": {"rawBytes": text64(der_of(CERTIFICATE))}}
    check(hashedrekord_v2())
    check(hashedrekord_v2(certificate))
    check(hashedrekord_v2(certificate), BY_CERTIFICATE)
    with pytest.raises(ParseError, match="another signer"):
        check(hashedrekord_v2(), BY_CERTIFICATE)
    with pytest.raises(ParseError, match="another signer"):
        check(hashedrekord_v2({"publicKey": {"rawBytes": text64(der_of(CERTIFICATE))}}), BY_CERTIFICATE)
    with pytest.raises(ParseError, match="no key or certificate"):
        check(hashedrekord_v2({"x509Certificate": {"rawBytes": text64(b"junk")}}))


def test_some_clients_encoded_the_signature_twice() -> None:
    """In entries of the older kind the signature may be base64 of base64; other bytes are another signature."""
    check(intoto(signature=text64(b"signature").encode()))
    for other in (b"other", text64(b"other").encode(), b"\xff"):
        with pytest.raises(ParseError, match="another signature"):
            check(intoto(signature=other))


def changed(entry: Json, path: Path, value: object) -> Json:
    """Return the entry with something else at a path."""
    copy: Any = json.loads(json.dumps(entry))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    changed_entry: Json = copy
    return changed_entry


HASH = ("spec", "data", "hash")
V2 = ("spec", "hashedRekordV002")


@pytest.mark.parametrize(
    ("entry", "path", "value", "expected"),
    [
        (hashedrekord(), (*HASH, "value"), hashlib.sha256(b"other").hexdigest(), "other content"),
        (hashedrekord(), (*HASH, "algorithm"), "sha1", "other content"),
        (hashedrekord(), (*HASH, "algorithm"), "sha512", "other content"),
        (hashedrekord(), ("spec", "signature", "content"), text64(b"other"), "another signature"),
        (hashedrekord(), ("spec", "signature", "publicKey", "content"), text64(b"junk"), "no key or certificate"),
        (hashedrekord(), ("kind",), "rekord", "not supported"),
        (hashedrekord(), ("apiVersion",), "0.0.3", "not supported"),
        (hashedrekord_v2(), (*V2, "data", "algorithm"), "SHA1", "other content"),
        (hashedrekord_v2(), (*V2, "signature", "content"), text64(b"other"), "another signature"),
        (dsse(), ("spec", "payloadHash", "value"), hashlib.sha256(b"message").hexdigest(), "other content"),
        (dsse(), ("spec", "signatures", 0, "signature"), text64(b"other"), "another signature"),
        (dsse(), ("spec", "signatures"), [], "is empty"),
        (dsse(), ("spec", "signatures"), [{}, {}], "more than 1"),
        (intoto(), ("apiVersion",), "0.0.1", "not supported"),
        (intoto(), ("spec", "content", "payloadHash", "value"), "", "other content"),
        (hashedrekord(), ("Kind",), "dsse", "two keys|`Kind`"),
    ],
)
def test_an_entry_of_anything_else_is_none(entry: Json, path: Path, value: object, expected: str) -> None:
    """A genuine entry that repeats another hash, signature or kind is not about this signature."""
    with pytest.raises(ParseError, match=expected):
        check(changed(entry, path, value))


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_the_log_may_hash_in_its_own_way(algorithm: str) -> None:
    """Any hash of the fixed list over the same bytes is about the same bytes."""
    value = {"algorithm": algorithm, "value": hashlib.new(algorithm, b"message").hexdigest()}

    check(changed(hashedrekord(), HASH, value))
