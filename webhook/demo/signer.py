"""Signs images in a store in the three forms that the gate reads, and forges each of them for the tests.

Sources: sigstore/cosign `specs/SIGNATURE_SPEC.md`, `specs/BUNDLE_SPEC.md` and its `--experimental-oci11` form, which
Docker uses for hardened images.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from webhook.core.references import Digest
from webhook.demo.documents import (
    EMPTY_BLOB,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_MANIFEST,
    DescriptorDocument,
    ManifestDocument,
    descriptor,
    encode,
    read_manifest,
)
from webhook.demo.envelopes import (
    BUNDLE,
    COSIGN_SIGN,
    IN_TOTO_PAYLOAD,
    SIGNATURE_ANNOTATION,
    SIMPLE_SIGNING,
    SIMPLE_SIGNING_TYPE,
    SPDX,
    bundle,
    pre_authentication_encoding,
    simple_signing_payload,
    statement,
)
from webhook.demo.keys import HashRule, KeyKind, SigningKey
from webhook.demo.referrers import attach, subject_descriptor
from webhook.demo.store import Store, fallback_tag

__all__ = ["COSIGN_ARTIFACT", "HONEST", "Forgery", "Signer"]

COSIGN_ARTIFACT = "application/vnd.dev.cosign.artifact.sig.v1+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """What a signature gets wrong; what is None is right.

    `digest`: the signed text speaks of this digest. `claim_type`: simple signing's `critical.type`. `predicate_type`:
    that of the bundle's statement. `payload_type`: DSSE's. `hint`: the bundle points to this key. `subject`: the
    manifest hangs on this digest, though it is listed with the image. `flipped`: one bit of the signature is wrong.
    """

    digest: Digest | None = None
    claim_type: str | None = None
    predicate_type: str | None = None
    payload_type: str | None = None
    hint: str | None = None
    subject: Digest | None = None
    flipped: bool = False


HONEST = Forgery()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Somebody with a key. All methods return the digest of the manifest that carries the signature.

    `repository` holds the image and gets the signature, unless that is `moved_to` another one (COSIGN_REPOSITORY).
    `annotations` are signed with it (`cosign sign -a`).
    Errors: LookupError if a form that needs a subject is asked to sign what is not in the repository.
    """

    key: SigningKey = field(repr=False)
    moved_to: str | None = None

    @classmethod
    def generate(
        cls, kind: KeyKind = "ecdsa-p256", *, hash_rule: HashRule = "curve", prehashed: bool = False
    ) -> Signer:
        """Make somebody with a new key; see SigningKey for the choices."""
        return cls(key=SigningKey.generate(kind, hash_rule=hash_rule, prehashed=prehashed))

    @property
    def public_pem(self) -> str:
        """The public key as a policy holds it."""
        return self.key.public_pem

    @property
    def fingerprint(self) -> Digest:
        """The SHA-256 of the public key's DER."""
        return self.key.fingerprint

    def sign_classic(
        self,
        store: Store,
        repository: str,
        image: Digest,
        *,
        annotations: Mapping[str, str] | None = None,
        reference: str | None = None,
        forgery: Forgery = HONEST,
    ) -> Digest:
        """Sign under the tag `sha256-….sig`, beside the signatures that are there already."""
        tag = f"{fallback_tag(image)}.sig"
        signed = self.simple_signing(image, reference=reference or repository, annotations=annotations, forgery=forgery)
        target = self.moved_to or repository
        layer = _put_simple_signing(store, target, *signed)
        present = store.manifest(target, tag)
        layers = (*(read_manifest(present.data).layers if present else ()), layer)
        config = _classic_config(layers)
        store.put_blob(target, config)
        manifest = ManifestDocument(
            schema_version=2, media_type=OCI_MANIFEST, config=descriptor(OCI_CONFIG, config), layers=layers
        )
        return store.put_manifest(target, encode(manifest), OCI_MANIFEST, tag=tag)

    def sign_oci11(
        self,
        store: Store,
        repository: str,
        image: Digest,
        *,
        annotations: Mapping[str, str] | None = None,
        reference: str | None = None,
        type_in_config: bool = False,
        listed_as: str | None = None,
        forgery: Forgery = HONEST,
    ) -> Digest:
        """Sign as Docker signs hardened images: a referrer with a simple-signing layer.

        `type_in_config`: the artefact type is told by the config's media type only, as cosign itself writes it.
        `listed_as`: what the fallback index says of it, where there is one.
        """
        signed = self.simple_signing(image, reference=reference or repository, annotations=annotations, forgery=forgery)
        target = self.moved_to or repository
        layer = _put_simple_signing(store, target, *signed)
        store.put_blob(target, EMPTY_BLOB)
        manifest = ManifestDocument(
            schema_version=2,
            media_type=OCI_MANIFEST,
            artifact_type=None if type_in_config else COSIGN_ARTIFACT,
            config=descriptor(COSIGN_ARTIFACT if type_in_config else OCI_EMPTY, EMPTY_BLOB),
            layers=(layer,),
            subject=subject_descriptor(store, repository, forgery.subject or image),
        )
        return attach(store, target, image, manifest, listed_as=listed_as)

    def sign_bundle(
        self,
        store: Store,
        repository: str,
        image: Digest,
        *,
        annotations: Mapping[str, str] | None = None,
        listed_as: str | None = None,
        forgery: Forgery = HONEST,
    ) -> Digest:
        """Sign as cosign v3 does by default: a referrer with a Sigstore bundle around the cosign-sign statement."""
        return self.attest(
            store,
            repository,
            image,
            {},
            predicate_type=COSIGN_SIGN,
            annotations=annotations,
            listed_as=listed_as,
            forgery=forgery,
        )

    def attest(
        self,
        store: Store,
        repository: str,
        image: Digest,
        predicate: Mapping[str, object],
        *,
        predicate_type: str = SPDX,
        annotations: Mapping[str, str] | None = None,
        listed_as: str | None = None,
        forgery: Forgery = HONEST,
    ) -> Digest:
        """Attest as cosign v3 does: a referrer with a Sigstore bundle around a statement about `image`."""
        kind = forgery.predicate_type or predicate_type
        data = self.bundle(image, kind, predicate, annotations=annotations or {}, forgery=forgery)
        target = self.moved_to or repository
        store.put_blob(target, EMPTY_BLOB)
        store.put_blob(target, data)
        manifest = ManifestDocument(
            schema_version=2,
            media_type=OCI_MANIFEST,
            artifact_type=BUNDLE,
            config=descriptor(OCI_EMPTY, EMPTY_BLOB),
            layers=(descriptor(BUNDLE, data),),
            subject=subject_descriptor(store, repository, forgery.subject or image),
            annotations={
                "dev.sigstore.bundle.content": "dsse-envelope",
                "dev.sigstore.bundle.predicateType": kind,
            },
        )
        return attach(store, target, image, manifest, listed_as=listed_as)

    def bundle(
        self,
        image: Digest,
        predicate_type: str = COSIGN_SIGN,
        predicate: Mapping[str, object] | None = None,
        *,
        annotations: Mapping[str, str] | None = None,
        forgery: Forgery = HONEST,
    ) -> bytes:
        """Return a signed Sigstore bundle about `image`, without putting it anywhere."""
        payload = statement(
            forgery.digest or image,
            forgery.predicate_type or predicate_type,
            predicate or {},
            annotations=annotations or {},
        )
        payload_type = forgery.payload_type or IN_TOTO_PAYLOAD
        signature = self._sign(pre_authentication_encoding(payload_type, payload), forgery)
        return bundle(payload, signature, hint=forgery.hint or self.key.hint, payload_type=payload_type)

    def simple_signing(
        self,
        image: Digest,
        *,
        reference: str,
        annotations: Mapping[str, str] | None = None,
        forgery: Forgery = HONEST,
    ) -> tuple[bytes, dict[str, str]]:
        """Return a simple-signing payload and the annotations of its layer, without putting it anywhere."""
        payload = simple_signing_payload(
            forgery.digest or image,
            reference=reference,
            optional=annotations or {},
            kind=forgery.claim_type or SIMPLE_SIGNING_TYPE,
        )
        signature = base64.b64encode(self._sign(payload, forgery)).decode()
        return payload, {SIGNATURE_ANNOTATION: signature}

    def _sign(self, message: bytes, forgery: Forgery) -> bytes:
        signature = self.key.sign(message)
        return signature[:-1] + bytes([signature[-1] ^ 1]) if forgery.flipped else signature


def _put_simple_signing(
    store: Store, repository: str, payload: bytes, annotations: dict[str, str]
) -> DescriptorDocument:
    """Put a signed text into the repository and point to it."""
    store.put_blob(repository, payload)
    return descriptor(SIMPLE_SIGNING, payload, annotations=annotations)


def _classic_config(layers: tuple[DescriptorDocument, ...]) -> bytes:
    """Write the config that go-containerregistry gives an image made of signatures only."""
    never = "0001-01-01T00:00:00Z"
    return encode(
        {
            "architecture": "",
            "created": never,
            "history": [{"created": never} for _ in layers],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
            "config": {},
        }
    )
