"""Signatures lie where cosign puts them, and hold; forgeries fail in exactly the way that was asked for."""

import base64
import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.references import Digest
from webhook.demo.documents import AnyManifest, read_manifest
from webhook.demo.envelopes import BUNDLE, COSIGN_SIGN, SPDX, pre_authentication_encoding
from webhook.demo.images import build, push
from webhook.demo.signer import COSIGN_ARTIFACT, Forgery, Signer
from webhook.demo.store import Store, fallback_tag

IMAGE = build(None, [{"a": b"1"}])
OTHER = build(None, [{"a": b"2"}])
SIGNER = Signer.generate()
REPOSITORY = "shop/api"


def stocked(*, referrers_api: bool = True) -> Store:
    """Return a store that holds both images."""
    store = Store(referrers_api=referrers_api)
    push(store, REPOSITORY, IMAGE, tag="1")
    push(store, REPOSITORY, OTHER)
    return store


def manifest(store: Store, reference: Digest | str) -> AnyManifest:
    """Return a manifest that is there."""
    stored = store.manifest(REPOSITORY, reference)
    assert stored is not None
    return read_manifest(stored.data)


def content(store: Store, digest: str) -> bytes:
    """Return a blob that is there."""
    data = store.blob(REPOSITORY, Digest.parse(digest))
    assert data is not None
    return data


def verify(signature: str, message: bytes) -> None:
    """Check a base64 signature by the signer's public key, as cosign does for P-256."""
    public = serialization.load_pem_public_key(SIGNER.public_pem.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(base64.b64decode(signature, validate=True), message, ec.ECDSA(hashes.SHA256()))


def simple_signing(store: Store, found: AnyManifest, *, layer: int = 0) -> dict[str, Any]:
    """Verify a simple-signing layer and return what it says."""
    entry = found.layers[layer]
    assert entry.media_type == "application/vnd.dev.cosign.simplesigning.v1+json"
    payload = content(store, entry.digest)
    assert entry.annotations is not None
    verify(entry.annotations["dev.cosignproject.cosign/signature"], payload)
    said: dict[str, Any] = json.loads(payload)
    return said


def statement(data: bytes) -> dict[str, object]:
    """Verify a bundle's envelope and return its statement."""
    envelope = json.loads(data)["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"], validate=True)
    (signature,) = envelope["signatures"]
    verify(signature["sig"], pre_authentication_encoding(envelope["payloadType"], payload))
    said: dict[str, object] = json.loads(payload)
    return said


def test_the_encoding_is_that_of_the_dsse_specification() -> None:
    """The example of the specification comes out byte for byte."""
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@given(st.text(), st.binary())
def test_the_encoding_counts_bytes(kind: str, payload: bytes) -> None:
    """Lengths are those of the bytes, whatever characters there are."""
    encoded = pre_authentication_encoding(kind, payload)
    assert encoded.startswith(b"DSSEv1 %d " % len(kind.encode()))
    assert encoded.endswith(b" %d " % len(payload) + payload)


def test_a_classic_signature_lies_under_its_tag() -> None:
    """The manifest behind `sha256-….sig` has one signed layer that names the digest; `optional` is null if empty."""
    store = stocked()
    digest = SIGNER.sign_classic(store, REPOSITORY, IMAGE.digest)
    tag = f"sha256-{IMAGE.digest.hex}.sig"
    said = simple_signing(store, manifest(store, tag))
    assert said["critical"] == {
        "identity": {"docker-reference": REPOSITORY},
        "image": {"docker-manifest-digest": str(IMAGE.digest)},
        "type": "cosign container image signature",
    }
    assert said["optional"] is None
    stored = store.manifest(REPOSITORY, tag)
    assert stored is not None
    assert stored.digest == digest


def test_a_second_classic_signature_joins_the_first() -> None:
    """Signing again adds a layer, and the config counts both."""
    store = stocked()
    SIGNER.sign_classic(store, REPOSITORY, IMAGE.digest)
    digest = SIGNER.sign_classic(store, REPOSITORY, IMAGE.digest, annotations={"env": "production"}, reference="r/x")
    found = manifest(store, digest)
    said = simple_signing(store, found, layer=1)
    assert said["optional"] == {"env": "production"}
    assert said["critical"]["identity"] == {"docker-reference": "r/x"}
    assert found.config is not None
    config = json.loads(content(store, found.config.digest))
    assert config["rootfs"]["diff_ids"] == [layer.digest for layer in found.layers]


@pytest.mark.parametrize("in_config", [False, True])
def test_dockers_form_is_a_referrer_with_simple_signing(*, in_config: bool) -> None:
    """The referrer's type is cosign's artefact type, in the manifest or only in the config's media type."""
    store = stocked()
    digest = SIGNER.sign_oci11(store, REPOSITORY, IMAGE.digest, type_in_config=in_config)
    found = manifest(store, digest)
    assert found.artifact_type == (None if in_config else COSIGN_ARTIFACT)
    assert found.subject is not None
    assert (found.subject.digest, found.subject.size) == (str(IMAGE.digest), len(IMAGE.manifest))
    assert simple_signing(store, found)["critical"]["image"] == {"docker-manifest-digest": str(IMAGE.digest)}
    assert [entry.artifact_type for entry in store.referrers(REPOSITORY, IMAGE.digest)] == [COSIGN_ARTIFACT]


def test_a_bundle_is_a_referrer_with_a_statement() -> None:
    """The bundle is of v0.3, hints at the key, has no log entries and says cosign-sign about the digest."""
    store = stocked()
    found = manifest(store, SIGNER.sign_bundle(store, REPOSITORY, IMAGE.digest, annotations={"k": "v"}))
    assert found.artifact_type == found.layers[0].media_type == BUNDLE
    data = content(store, found.layers[0].digest)
    assert json.loads(data)["mediaType"] == BUNDLE
    assert json.loads(data)["verificationMaterial"] == {"publicKey": {"hint": SIGNER.key.hint}}
    assert statement(data) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": IMAGE.digest.hex}, "annotations": {"k": "v"}}],
        "predicateType": COSIGN_SIGN,
        "predicate": {},
    }


def test_an_attestation_carries_its_predicate() -> None:
    """An attestation is the same container around another predicate, which the manifest hints at."""
    store = stocked()
    found = manifest(store, SIGNER.attest(store, REPOSITORY, IMAGE.digest, {"spdxVersion": "SPDX-2.3"}))
    said = statement(content(store, found.layers[0].digest))
    assert (said["predicateType"], said["predicate"]) == (SPDX, {"spdxVersion": "SPDX-2.3"})
    assert found.annotations is not None
    assert found.annotations["dev.sigstore.bundle.predicateType"] == SPDX


@pytest.mark.parametrize("listed_as", [None, "application/vnd.oci.empty.v1+json"])
def test_without_referrers_api_the_fallback_tag_lists_all(listed_as: str | None) -> None:
    """Every attachment joins the index behind the fallback tag, under its true type or the one that was asked for."""
    store = stocked(referrers_api=False)
    bundle = SIGNER.sign_bundle(store, REPOSITORY, IMAGE.digest, listed_as=listed_as)
    docker = SIGNER.sign_oci11(store, REPOSITORY, IMAGE.digest, listed_as=listed_as)
    listed = manifest(store, fallback_tag(IMAGE.digest)).manifests
    assert [entry.digest for entry in listed] == [str(bundle), str(docker)]
    assert [entry.artifact_type for entry in listed] == [listed_as or BUNDLE, listed_as or COSIGN_ARTIFACT]


def test_a_referrer_needs_its_subject() -> None:
    """An image that is not in the repository cannot get a referrer."""
    with pytest.raises(LookupError, match="not in the registry"):
        SIGNER.sign_bundle(Store(), REPOSITORY, IMAGE.digest)


def test_a_wrong_digest_is_signed_properly() -> None:
    """The signature holds and the text speaks of another image, in both kinds of text."""
    payload, annotations = SIGNER.simple_signing(IMAGE.digest, reference="r", forgery=Forgery(digest=OTHER.digest))
    verify(annotations["dev.cosignproject.cosign/signature"], payload)
    assert json.loads(payload)["critical"]["image"] == {"docker-manifest-digest": str(OTHER.digest)}
    said = statement(SIGNER.bundle(IMAGE.digest, forgery=Forgery(digest=OTHER.digest)))
    assert said["subject"] == [{"digest": {"sha256": OTHER.digest.hex}, "annotations": {}}]


def test_wrong_types_are_signed_properly() -> None:
    """The signature holds, and claim type, predicate type, payload type or hint are what was asked for."""
    payload, _ = SIGNER.simple_signing(IMAGE.digest, reference="r", forgery=Forgery(claim_type="odd"))
    assert json.loads(payload)["critical"]["type"] == "odd"
    data = SIGNER.bundle(IMAGE.digest, forgery=Forgery(predicate_type="odd", payload_type="text/odd", hint="b2Rk"))
    assert statement(data)["predicateType"] == "odd"
    assert json.loads(data)["dsseEnvelope"]["payloadType"] == "text/odd"
    assert json.loads(data)["verificationMaterial"]["publicKey"]["hint"] == "b2Rk"


def test_a_flipped_bit_breaks_the_signature() -> None:
    """Everything is right except one bit of the signature."""
    payload, annotations = SIGNER.simple_signing(IMAGE.digest, reference="r", forgery=Forgery(flipped=True))
    with pytest.raises(InvalidSignature):
        verify(annotations["dev.cosignproject.cosign/signature"], payload)
    with pytest.raises(InvalidSignature):
        statement(SIGNER.bundle(IMAGE.digest, forgery=Forgery(flipped=True)))


def test_a_foreign_subject_is_listed_with_the_image() -> None:
    """Behind the fallback tag stands a manifest that says it belongs to another image."""
    store = stocked(referrers_api=False)
    forgery = Forgery(subject=OTHER.digest)
    digest = SIGNER.sign_oci11(store, REPOSITORY, IMAGE.digest, forgery=forgery)
    assert [entry.digest for entry in manifest(store, fallback_tag(IMAGE.digest)).manifests] == [str(digest)]
    subject = manifest(store, digest).subject
    assert subject is not None
    assert subject.digest == str(OTHER.digest)


def test_the_signer_shows_no_key() -> None:
    """A signer can be printed and logged; its public half is what a policy needs."""
    assert repr(SIGNER) == "Signer(moved_to=None)"
    assert SIGNER.fingerprint == SIGNER.key.fingerprint
    assert SIGNER.public_pem.startswith("-----BEGIN PUBLIC KEY-----")
