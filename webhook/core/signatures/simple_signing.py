"""Simple signing: cosign's classic signature, and its OCI 1.1 form that Docker uses for hardened images.

The signed text is a small JSON document in a layer of its own; the signature stands in an annotation of that layer.
Sources: sigstore/cosign `specs/SIGNATURE_SPEC.md`; containers/image `docs/atomic-signature.md` for the document.
"""

from __future__ import annotations

from collections.abc import Mapping

from webhook.core.descriptors import read_digest
from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable
from webhook.core.reading.strict_json import JsonObject, decode_base64, parse_json
from webhook.core.references import Digest
from webhook.core.signatures import cosign_annotations
from webhook.core.signatures.signed_bytes import SignedBytes

__all__ = ["LAYER_TYPE", "MAX_PAYLOAD_BYTES", "check_claims", "read_signature"]

LAYER_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
CLAIM_TYPE = "cosign container image signature"
MAX_PAYLOAD_BYTES = 1024 * 1024


def read_signature(payload: bytes, annotations: Mapping[str, str]) -> SignedBytes:
    """Return the signature that the annotations of a layer hold over its `payload`; a ParseError if they hold none."""
    signature = decode_base64(annotations.get(cosign_annotations.SIGNATURE, ""))
    if not signature:
        raise ParseError(cosign_annotations.SIGNATURE, "is empty")
    return SignedBytes.plain(payload, signature, cosign_annotations.material_beside(annotations))


def check_claims(payload: bytes, digest: Digest) -> Mapping[str, str]:
    """Return the annotations that were signed for `digest`; a ParseError if `payload` says anything else.

    To be called with exactly the bytes whose signature verified.

    1. `critical.type` is that of a cosign image signature: the key may sign other JSON for other purposes.
    2. `critical.image.docker-manifest-digest` is `digest`, algorithm and all digits.
    3. `optional` holds what was signed beside (`cosign sign -a`). Only strings count.

    `critical.identity.docker-reference` is not judged: copies and mirrors keep the signature and change the name.
    """
    document = JsonObject.of(parse_json(payload, max_bytes=MAX_PAYLOAD_BYTES))
    document.refuse_variants(("critical", "optional"))
    critical = document.object("critical")
    critical.refuse_variants(("identity", "image", "type"))
    # Step 1
    if critical.text("type") != CLAIM_TYPE:
        raise ParseError(critical.at("type"), f"is `{printable(critical.text('type'), 80)}`, not an image signature")
    # Step 2
    image = critical.object("image")
    image.refuse_variants(("docker-manifest-digest",))
    path = image.at("docker-manifest-digest")
    signed = read_digest(image.text("docker-manifest-digest"), path=path)
    if signed != digest:
        raise ParseError(path, f"is {signed.short}: it signs another image")
    # Step 3
    return {
        name: value for name, value in document.object_or_empty("optional").members.items() if isinstance(value, str)
    }
