"""Somebody who signs with the help of a stand, in every form that cosign has written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from cryptography import x509

from tests.sigstore_stand.certificates import CertificateAuthority, Identity
from tests.sigstore_stand.entries import Signed, Verifier
from tests.sigstore_stand.flaws import NO_FLAWS, Flaws
from tests.sigstore_stand.formats import (
    BundleVersion,
    bundle_media_type,
    bundle_of,
    classic_annotations,
    envelope_document,
    message_document,
)
from tests.sigstore_stand.placing import add_classic_layer, attach_layer
from tests.sigstore_stand.stand import SigstoreStand
from tests.sigstore_stand.witnesses import EnvelopeRecord, Testimony, Witness, stamps_of, witnessed
from webhook.core.references import Digest
from webhook.demo.documents import encode
from webhook.demo.envelopes import (
    COSIGN_SIGN,
    IN_TOTO_PAYLOAD,
    SIMPLE_SIGNING,
    SIMPLE_SIGNING_TYPE,
    SPDX,
    pre_authentication_encoding,
    simple_signing_payload,
)
from webhook.demo.keys import SigningKey
from webhook.demo.signer import COSIGN_ARTIFACT
from webhook.demo.store import Store

__all__ = ["DSSE_LAYER", "StandSigner"]

DSSE_LAYER = "application/vnd.dsse.envelope.v1+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandSigner:
    """An identity that gets a new key certified for every signature, or the holder of a key.

    `witness` says what sees each signature, `at` when it is made (default: the stand's now). Methods with a store put
    the signature into it and return the digest of the manifest that carries it; the others return bytes. `annotations`
    are signed (`cosign sign -a`). LookupError if what is signed must be in the repository and is not.
    """

    stand: SigstoreStand
    who: Identity | SigningKey = field(repr=False)
    witness: Witness = "rekor-v1"
    at: datetime | None = None
    version: BundleVersion = "0.3"
    envelope_record: EnvelopeRecord = "dsse"
    flaws: Flaws = NO_FLAWS

    def bundle(
        self,
        image: Digest,
        predicate_type: str = COSIGN_SIGN,
        predicate: object = None,
        *,
        annotations: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return a bundle around a statement about `image`; the predicate is `{}` if none is given."""
        return self.bundle_over(self._statement(image, predicate_type, predicate, annotations or {}))

    def bundle_over(self, payload: bytes) -> bytes:
        """Return a bundle around an envelope that holds any bytes."""
        signed, verifier = self._signed_envelope(payload)
        content = envelope_document(self._payload_type, payload, signed.signature)
        testimony = self._testimony(signed, verifier)
        return bundle_of(("dsseEnvelope", content), verifier, testimony, version=self.version, flaws=self.flaws)

    def message_bundle(self, message: bytes) -> bytes:
        """Return a bundle around a bare signature over `message`: a file, not an image."""
        signed, verifier = self._signed(message)
        content = message_document(message, signed.signature)
        testimony = self._testimony(signed, verifier)
        return bundle_of(("messageSignature", content), verifier, testimony, version=self.version, flaws=self.flaws)

    def simple_signing(
        self, image: Digest, *, reference: str, annotations: Mapping[str, str] | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """Return a classic payload and the annotations of its layer."""
        payload = simple_signing_payload(
            self.flaws.digest or image,
            reference=reference,
            optional=annotations or {},
            kind=self.flaws.claim_type or SIMPLE_SIGNING_TYPE,
        )
        signed, verifier = self._signed(payload)
        beside = classic_annotations(signed.signature, verifier, self._chain, self._testimony(signed, verifier))
        return payload, beside

    def envelope(
        self, image: Digest, predicate_type: str = SPDX, predicate: object = None
    ) -> tuple[bytes, dict[str, str]]:
        """Return a classic attestation about `image`: a bare envelope, and its layer's annotations."""
        data, beside = self.envelope_over(self._statement(image, predicate_type, predicate, {}))
        return data, {**beside, "predicateType": predicate_type}

    def envelope_over(self, payload: bytes) -> tuple[bytes, dict[str, str]]:
        """Return a bare envelope that holds any bytes, and its layer's annotations.

        Its timestamp is over the whole envelope, where a bundle's is over the signature.
        """
        signed, verifier = self._signed_envelope(payload)
        entries = self._testimony(signed, verifier).entries
        stamps = stamps_of(self.stand, self.witness, signed.envelope, at=self._now, flaws=self.flaws)
        testimony = Testimony(entries=entries, stamps=stamps)
        return signed.envelope, classic_annotations(b"", verifier, self._chain, testimony)

    def sign_bundle(
        self,
        store: Store,
        repository: str,
        image: Digest,
        *,
        annotations: Mapping[str, str] | None = None,
        listed_as: str | None = None,
    ) -> Digest:
        """Sign as cosign v3 does: a referrer with a bundle around the cosign-sign statement."""
        return self.attest(
            store, repository, image, {}, predicate_type=COSIGN_SIGN, annotations=annotations, listed_as=listed_as
        )

    def attest(
        self,
        store: Store,
        repository: str,
        image: Digest,
        predicate: object,
        *,
        predicate_type: str = SPDX,
        annotations: Mapping[str, str] | None = None,
        listed_as: str | None = None,
    ) -> Digest:
        """Attest as cosign v3 does: a referrer with a bundle around a statement."""
        kind = self.flaws.predicate_type or predicate_type
        data = self.bundle(image, kind, predicate, annotations=annotations)
        media_type = bundle_media_type(self.version)
        return attach_layer(
            store,
            repository,
            image,
            (media_type, data),
            artifact_type=media_type,
            subject=self.flaws.subject or image,
            annotations={"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": kind},
            listed_as=listed_as,
        )

    def sign_classic(
        self,
        store: Store,
        repository: str,
        image: Digest,
        *,
        annotations: Mapping[str, str] | None = None,
        reference: str | None = None,
    ) -> Digest:
        """Sign under the tag `sha256-….sig`."""
        payload, beside = self.simple_signing(image, reference=reference or repository, annotations=annotations)
        return add_classic_layer(store, repository, image, (SIMPLE_SIGNING, payload), suffix="sig", annotations=beside)

    def sign_oci11(
        self,
        store: Store,
        repository: str,
        image: Digest,
        *,
        annotations: Mapping[str, str] | None = None,
        reference: str | None = None,
    ) -> Digest:
        """Sign in the classic form, attached as a referrer."""
        payload, beside = self.simple_signing(image, reference=reference or repository, annotations=annotations)
        return attach_layer(
            store,
            repository,
            image,
            (SIMPLE_SIGNING, payload),
            artifact_type=COSIGN_ARTIFACT,
            subject=self.flaws.subject or image,
            layer_annotations=beside,
        )

    def attest_classic(
        self, store: Store, repository: str, image: Digest, predicate: object, *, predicate_type: str = SPDX
    ) -> Digest:
        """Attest under the tag `sha256-….att`."""
        data, beside = self.envelope(image, predicate_type, predicate)
        return add_classic_layer(store, repository, image, (DSSE_LAYER, data), suffix="att", annotations=beside)

    def attest_dsse(
        self, store: Store, repository: str, image: Digest, predicate: object, *, predicate_type: str = SPDX
    ) -> Digest:
        """Attest with a bare envelope, attached as a referrer."""
        data, beside = self.envelope(image, predicate_type, predicate)
        return attach_layer(
            store,
            repository,
            image,
            (DSSE_LAYER, data),
            artifact_type=DSSE_LAYER,
            subject=self.flaws.subject or image,
            layer_annotations=beside,
        )

    @property
    def _now(self) -> datetime:
        return self.at or self.stand.now

    @property
    def _chain(self) -> tuple[x509.Certificate, ...]:
        return self.stand.authority.chain

    def _testimony(self, signed: Signed, verifier: Verifier) -> Testimony:
        return witnessed(
            self.stand,
            self.witness,
            signed,
            verifier,
            at=self._now,
            flaws=self.flaws,
            envelope_record=self.envelope_record,
        )

    @property
    def _payload_type(self) -> str:
        return self.flaws.payload_type or IN_TOTO_PAYLOAD

    def _statement(
        self, image: Digest, predicate_type: str, predicate: object, annotations: Mapping[str, str]
    ) -> bytes:
        digest = self.flaws.digest or image
        return encode(
            {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{"digest": {digest.algorithm: digest.hex}, "annotations": dict(annotations)}],
                "predicateType": self.flaws.predicate_type or predicate_type,
                "predicate": {} if predicate is None else predicate,
            }
        )

    def _signed_envelope(self, payload: bytes) -> tuple[Signed, Verifier]:
        signed, verifier = self._signed(pre_authentication_encoding(self._payload_type, payload))
        envelope = encode(envelope_document(self._payload_type, payload, signed.signature))
        return replace(signed, payload=payload, envelope=envelope), verifier

    def _signed(self, message: bytes) -> tuple[Signed, Verifier]:
        """Sign with a key that is certified for this one signature, or with the key that is held."""
        match self.who:
            case SigningKey() as key:
                verifier: Verifier = key
            case Identity():
                key = SigningKey.generate(self.flaws.leaf_key)
                verifier = self._authority.certify(key, self.who, at=self._now, flaws=self.flaws)
            case _:
                assert_never(self.who)
        signature = key.sign(message)
        if self.flaws.flipped:
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        return Signed(message=message, signature=signature), verifier

    @property
    def _authority(self) -> CertificateAuthority:
        if self.flaws.authority == "own":
            return self.stand.authority
        own = self.stand.authority
        return CertificateAuthority.create(log=own.log, not_before=own.chain[0].not_valid_before_utc)
