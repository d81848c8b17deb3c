"""What a Notation signature says: which artefact the signer meant.

Source: Notary Project `signature-specification.md`, "Payload".
"""

from __future__ import annotations

from collections.abc import Mapping

from webhook.core.descriptors import read_descriptor
from webhook.core.errors import ParseError
from webhook.core.manifests import INDEX_TYPES, MANIFEST_TYPES
from webhook.core.reading.plain_text import printable
from webhook.core.reading.strict_json import JsonObject, parse_json
from webhook.core.references import Digest
from webhook.core.signatures.notation.envelope import MAX_ENVELOPE_BYTES

__all__ = ["check_claims"]

TARGET = "targetArtifact"


def check_claims(payload: bytes, digest: Digest) -> Mapping[str, str]:
    """Return the annotations that were signed for `digest`; a ParseError if `payload` says anything else.

    To be called with exactly the bytes whose signature verified.

    1. `targetArtifact` is a descriptor with media type, digest and size.
    2. It has this very digest, algorithm and all digits. That settles the bytes, and with them their size.
    3. It is meant to be an image or an index: a signature over a blob of the same bytes vouches for no image.
    """
    # Step 1
    document = JsonObject.of(parse_json(payload, max_bytes=MAX_ENVELOPE_BYTES))
    document.refuse_variants((TARGET,))
    target = read_descriptor(document.object(TARGET))
    # Step 2
    if target.digest != digest:
        raise ParseError(f"{TARGET}.digest", f"is {target.digest.short}: it signs another image")
    # Step 3
    if target.media_type not in INDEX_TYPES | MANIFEST_TYPES:
        raise ParseError(f"{TARGET}.mediaType", f"is `{printable(target.media_type, 80)}`, which is no image")
    return target.annotations
