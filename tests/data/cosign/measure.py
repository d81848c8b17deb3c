"""What is signed in an OCI image layout, by which key, and by which scheme: found by trying, not by reading labels."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from nacl import bindings as nacl
from nacl.exceptions import CryptoError

from tests.data.cosign.repository import Json

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature found in a layout, and what its maker says by it."""

    manifest: str  # digest of the manifest that carries it
    statement: str  # `critical.type` of a simple signing payload, else the predicate type
    about: str  # digest of the image or index
    message: bytes  # what is signed
    value: bytes


def signatures_in(layout: Path) -> Iterator[Signature]:
    """Yield every signature in `layout`, in the order of the manifests' digests."""
    blobs = layout / "blobs" / "sha256"
    for path in sorted(blobs.iterdir()):
        content = path.read_bytes()
        if not content.startswith(b"{"):  # a layer
            continue
        for layer in json.loads(content).get("layers", []):
            blob = (blobs / layer["digest"].removeprefix("sha256:")).read_bytes()
            yield from _signatures_of(f"sha256:{path.name}", layer, blob)


def _signatures_of(manifest: str, layer: Json, blob: bytes) -> Iterator[Signature]:
    match layer["mediaType"]:
        case media_type if media_type == SIMPLE_SIGNING:
            critical = json.loads(blob)["critical"]
            yield Signature(
                manifest=manifest,
                statement=critical["type"],
                about=critical["image"]["docker-manifest-digest"],
                message=blob,
                value=base64.b64decode(layer["annotations"][SIGNATURE_ANNOTATION]),
            )
        case media_type if media_type == BUNDLE:
            yield from _signatures_of_envelope(manifest, json.loads(blob)["dsseEnvelope"])
        case media_type if media_type == ENVELOPE:
            yield from _signatures_of_envelope(manifest, json.loads(blob))


def _signatures_of_envelope(manifest: str, envelope: Json) -> Iterator[Signature]:
    body = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    statement = json.loads(body)
    for signature in envelope["signatures"]:
        yield Signature(
            manifest=manifest,
            statement=statement["predicateType"],
            about=f"sha256:{statement['subject'][0]['digest']['sha256']}",
            message=b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body),
            value=base64.b64decode(signature["sig"]),
        )


def recognise(signature: Signature, keys: Mapping[str, PublicKey]) -> tuple[str, str]:
    """Return the name of the key and the scheme that `signature` is of; `LookupError` if there is none."""
    for name, key in keys.items():
        if scheme := _scheme(key, signature):
            return name, scheme
    raise LookupError(f"{signature.manifest}: a signature by none of the keys, or of an unknown scheme")


def _scheme(key: PublicKey, signature: Signature) -> str | None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        if _is_pure_ed25519(key, signature):
            return "Ed25519"
        return "Ed25519ph" if _is_prehashed_ed25519(key, signature) else None
    for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        try:
            if isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature.value, signature.message, ec.ECDSA(algorithm))
                return f"ECDSA {algorithm.name}"
            key.verify(signature.value, signature.message, padding.PKCS1v15(), algorithm)
        except InvalidSignature:
            continue
        return f"RSA PKCS#1 v1.5 {algorithm.name}"
    return None


def _is_pure_ed25519(key: ed25519.Ed25519PublicKey, signature: Signature) -> bool:
    try:
        key.verify(signature.value, signature.message)
    except InvalidSignature:
        return False
    return True


def _is_prehashed_ed25519(key: ed25519.Ed25519PublicKey, signature: Signature) -> bool:
    state = nacl.crypto_sign_ed25519ph_state()
    nacl.crypto_sign_ed25519ph_update(state, signature.message)
    try:
        return nacl.crypto_sign_ed25519ph_final_verify(state, signature.value, key.public_bytes_raw())
    except CryptoError:  # not this signature, or not even 64 bytes
        return False
