"""Puts envelopes of Notation where its clients look for them: a referrer of the image, whoever lists it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.core.signatures.notation.signer import Words, payload
from tests.sigstore_stand.placing import attach_layer
from webhook.core.references import Digest
from webhook.demo.store import Store

__all__ = ["NotationSigner"]

ARTIFACT = "application/vnd.cncf.notary.signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotationSigner:
    """Signs any image in these words; methods return the digest of the manifest that carries the signature."""

    words: Words

    def sign_jws(self, store: Store, repository: str, image: Digest) -> Digest:
        """Sign in an envelope of the kind JWS."""
        data = self._about(image).jws().payload
        return attach_layer(
            store, repository, image, ("application/jose+json", data), artifact_type=ARTIFACT, subject=image
        )

    def sign_cose(self, store: Store, repository: str, image: Digest) -> Digest:
        """Sign in an envelope of the kind COSE."""
        data = self._about(image).cose().payload
        return attach_layer(store, repository, image, ("application/cose", data), artifact_type=ARTIFACT, subject=image)

    def _about(self, image: Digest) -> Words:
        return self.words.but(payload=payload(digest=str(image)))
