"""The stand against sigstore's own verifier: what is honest passes, and each flaw fails for its own reason."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import get_args

import pytest
import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from rfc3161_client import VerifierBuilder, decode_timestamp_response
from sigstore.errors import Error
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier, policy
from sigstore_models.trustroot import v1 as trustroot_v1

from tests.sigstore_stand.certificates import Identity
from tests.sigstore_stand.flaws import Flaws
from tests.sigstore_stand.formats import BundleVersion
from tests.sigstore_stand.signer import StandSigner
from tests.sigstore_stand.stand import SigstoreStand
from tests.sigstore_stand.witnesses import Witness
from webhook.core.references import Digest
from webhook.demo.documents import OCI_MANIFEST, encode, read_manifest
from webhook.demo.keys import SigningKey
from webhook.demo.store import Store

IMAGE = Digest.of(b"image")
RELEASE = Identity(
    subject="https://git.stand.test/shop/.ci/release.yml@refs/heads/main", issuer="https://token.stand.test"
)
EXPECTED = policy.AllOf(
    [policy.Identity(identity=RELEASE.subject, issuer=RELEASE.issuer), policy.OIDCIssuerV2(RELEASE.issuer)]
)
LOGGED: tuple[Witness, ...] = ("rekor-v1", "rekor-v1-tsa", "rekor-v2")
UNKNOWN: tuple[Witness, BundleVersion] = ("rekor-v2", "0.1")
"""Bundles of version 0.1 need the promise that the second generation does not give."""
STAND = SigstoreStand.create()


def verify(data: bytes, root: bytes | None = None) -> bytes:
    """Return the payload that sigstore's verifier finds signed by the release identity."""
    trusted = TrustedRoot(trustroot_v1.TrustedRoot.from_json(root or STAND.trusted_root()))
    return Verifier(trusted_root=trusted).verify_dsse(Bundle.from_json(data), EXPECTED)[1]


@pytest.mark.parametrize(
    ("witness", "version"),
    [(witness, version) for witness in LOGGED for version in get_args(BundleVersion) if (witness, version) != UNKNOWN],
)
def test_an_honest_bundle_verifies(witness: Witness, version: BundleVersion) -> None:
    """Every version of the format verifies with every log, and says what was signed."""
    signer = StandSigner(stand=STAND, who=RELEASE, witness=witness, version=version)
    payload = json.loads(verify(signer.bundle(IMAGE)))
    assert payload["subject"][0]["digest"] == {"sha256": IMAGE.hex}
    assert payload["predicateType"] == "https://sigstore.dev/cosign/sign/v1"


@pytest.mark.parametrize("witness", LOGGED)
def test_an_honest_message_signature_verifies(witness: Witness) -> None:
    """A signature over a file verifies, over another file it does not."""
    signer = StandSigner(stand=STAND, who=RELEASE, witness=witness)
    bundle = Bundle.from_json(signer.message_bundle(b"a file"))
    verifier = Verifier(trusted_root=TrustedRoot(trustroot_v1.TrustedRoot.from_json(STAND.trusted_root())))
    verifier.verify_artifact(b"a file", bundle, EXPECTED)
    with pytest.raises(Error):
        verifier.verify_artifact(b"another file", bundle, EXPECTED)


@pytest.mark.parametrize("size", range(1, 18))
def test_proofs_hold_in_trees_of_every_size(size: int) -> None:
    """The path to the root is right wherever in the tree the entry stands."""
    stand = SigstoreStand.create(log_size=size)
    verify(StandSigner(stand=stand, who=RELEASE).bundle(IMAGE), stand.trusted_root())


FLAWS: dict[str, tuple[Flaws, str]] = {
    "signature": (Flaws(flipped=True), "invalid signature"),
    "no SCT": (Flaws(sct="missing"), "does not contain a signed certificate timestamp"),
    "two SCTs": (Flaws(sct="twice"), "Expected one certificate timestamp"),
    "flipped SCT": (Flaws(sct="flipped"), "SCT verify failed"),
    "SCT of a stranger": (Flaws(sct="stranger"), "SCT verify failed"),
    "no code signing": (Flaws(usage="no-code-signing"), "code signing"),
    "no digital signature": (Flaws(usage="no-digital-signature"), "digital signature"),
    "expired": (Flaws(validity=-timedelta(hours=1)), "not valid at validation time"),
    "not yet valid": (Flaws(validity=timedelta(hours=1)), "not valid at validation time"),
    "only the old issuer": (Flaws(issuer_extensions="old"), "OIDCIssuerV2"),
    "only the new issuer": (Flaws(issuer_extensions="new"), "does not contain OIDCIssuer "),
    "no issuer": (Flaws(issuer_extensions="none"), "does not contain OIDCIssuer "),
    "authority of a stranger": (Flaws(authority="stranger"), "signature does not match"),
    "no entry": (Flaws(entry="missing"), "tlogEntries"),
    "unrelated entry": (Flaws(entry="unrelated"), "does not match bundle|inconsistent"),
    "entry for another digest": (Flaws(entry="other-digest"), "does not match bundle|inconsistent"),
    "entry by another key": (Flaws(entry="other-verifier"), "do not match bundle|inconsistent"),
    "entry with another signature": (Flaws(entry="other-signature"), "do not match bundle|inconsistent"),
    "two entries": (Flaws(entry="twice"), "exactly one log entry"),
    "log of a stranger": (Flaws(log="stranger"), "checkpoint: invalid signature"),
    "no proof": (Flaws(proof="missing"), "inclusionProof"),
    "flipped proof": (Flaws(proof="flipped"), "invalid root hash"),
    "hashes omitted": (Flaws(proof="hashes-omitted"), "hashes"),
    "no checkpoint": (Flaws(proof="checkpoint-missing"), "with checkpoint"),
    "flipped checkpoint": (Flaws(proof="checkpoint-flipped"), "checkpoint: invalid signature"),
    "unknown field": (Flaws(unknown_field=True), "novelty"),
}


@pytest.mark.parametrize("witness", ["rekor-v1", "rekor-v2"])
@pytest.mark.parametrize("name", FLAWS)
def test_each_flaw_is_refused_for_its_own_reason(name: str, witness: Witness) -> None:
    """One thing is wrong, and sigstore's verifier says so and nothing else."""
    flaws, reason = FLAWS[name]
    data = StandSigner(stand=STAND, who=RELEASE, witness=witness, flaws=flaws).bundle(IMAGE)
    with pytest.raises(Error, match=reason):
        verify(data)


@pytest.mark.parametrize("flaws", [Flaws(promise="flipped"), Flaws(promise="missing")], ids=lambda flaws: flaws.promise)
def test_a_flawed_promise_is_refused(flaws: Flaws) -> None:
    """Without the promise of Rekor v1, and without a timestamp authority, nobody knows the time."""
    with pytest.raises(Error, match=r"inclusion promise"):
        verify(StandSigner(stand=STAND, who=RELEASE, flaws=flaws).bundle(IMAGE))


@pytest.mark.parametrize(
    ("flaws", "reason"),
    [
        (Flaws(stamp="missing"), "must contain an inclusion promise or signed timestamp"),
        (Flaws(stamp="unrelated"), "verified time"),
        (Flaws(stamp="stranger"), "verified time"),
        (Flaws(stamp="flipped"), "verified time"),
        (Flaws(stamp="twice"), "duplicate timestamp"),
        (Flaws(stamped=timedelta(hours=1)), "not valid at validation time"),
    ],
    ids=lambda value: value.stamp if isinstance(value, Flaws) else None,
)
def test_a_flawed_timestamp_is_refused(flaws: Flaws, reason: str) -> None:
    """Rekor v2 knows no time, so nothing replaces a timestamp that does not hold."""
    with pytest.raises(Error, match=reason):
        verify(StandSigner(stand=STAND, who=RELEASE, witness="rekor-v2", flaws=flaws).bundle(IMAGE))


def test_rsa_leaves_are_what_sigstore_cannot_verify() -> None:
    """The certificate is fine, but the verifier takes every key for one on a curve."""
    data = StandSigner(stand=STAND, who=RELEASE, flaws=Flaws(leaf_key="rsa-2048")).bundle(IMAGE)
    with pytest.raises(TypeError):
        verify(data)


def test_the_classic_annotations_carry_a_promise_that_verifies() -> None:
    """The entry timestamp is over the canonical form of what the annotation spells in another case and encoding."""
    payload, beside = StandSigner(stand=STAND, who=RELEASE).simple_signing(IMAGE, reference="registry.test/shop")
    annotation = json.loads(beside["dev.sigstore.cosign/bundle"])
    key = serialization.load_der_public_key(STAND.first_log.public_key)
    certificate = x509.load_pem_x509_certificate(beside["dev.sigstore.cosign/certificate"].encode())
    leaf = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(leaf, ec.EllipticCurvePublicKey)
    promise = base64.b64decode(annotation["SignedEntryTimestamp"])
    key.verify(promise, rfc8785.dumps(annotation["Payload"]), ec.ECDSA(hashes.SHA256()))
    signature = base64.b64decode(beside["dev.cosignproject.cosign/signature"])
    leaf.verify(signature, payload, ec.ECDSA(hashes.SHA256()))


def test_the_timestamp_of_a_bare_envelope_is_over_the_whole_of_it() -> None:
    """Attestations in the classic form have the layer's bytes timestamped, not the signature."""
    data, beside = StandSigner(stand=STAND, who=RELEASE, witness="rekor-v1-tsa").envelope(IMAGE)
    response = json.loads(beside["dev.sigstore.cosign/rfc3161timestamp"])["SignedRFC3161Timestamp"]
    chain = STAND.clock.chain
    verifier = VerifierBuilder(tsa_certificate=chain[0], intermediates=[chain[1]], roots=[chain[2]]).build()
    assert verifier.verify_message(decode_timestamp_response(base64.b64decode(response)), data)


def test_the_holder_of_a_key_is_witnessed_too() -> None:
    """A key needs no certificate; its bundle points to it and has the same log entry and timestamp."""
    key = SigningKey.generate()
    bundle = json.loads(StandSigner(stand=STAND, who=key, witness="rekor-v2").bundle(IMAGE))
    material = bundle["verificationMaterial"]
    assert material["publicKey"] == {"hint": key.hint}
    assert len(material["tlogEntries"]) == len(material["timestampVerificationData"]["rfc3161Timestamps"]) == 1


def test_signatures_are_put_where_clients_look() -> None:
    """Classic ones gather behind their tag, the others are referrers."""
    store = Store()
    image = store.put_manifest("shop", encode({"schemaVersion": 2}), OCI_MANIFEST, checked=False)
    signer = StandSigner(stand=STAND, who=RELEASE)
    classic = (signer.sign_classic(store, "shop", image), signer.sign_classic(store, "shop", image))
    attested = signer.attest_classic(store, "shop", image, {"spdxVersion": "SPDX-2.3"})
    attached = (
        signer.sign_bundle(store, "shop", image),
        signer.sign_oci11(store, "shop", image),
        signer.attest(store, "shop", image, {}),
        signer.attest_dsse(store, "shop", image, {}),
    )
    assert {entry.digest for entry in store.referrers("shop", image)} == {str(digest) for digest in attached}
    latest = store.manifest("shop", f"sha256-{image.hex}.sig")
    assert latest is not None
    assert latest.digest == classic[1]
    assert len(read_manifest(latest.data).layers) == 2
    assert store.manifest("shop", f"sha256-{image.hex}.att") == store.manifest("shop", attested)
