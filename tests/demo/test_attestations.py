"""Attestations hang where BuildKit and Docker hang them."""

import json

from webhook.demo.attestations import IN_TOTO, attach_statement, attestation_child
from webhook.demo.bases import dhi_base
from webhook.demo.documents import read_manifest
from webhook.demo.images import build, index, push
from webhook.demo.signer import Signer
from webhook.demo.store import Store

IMAGE = build(dhi_base(), [{"a": b"1"}])
PROVENANCE = "https://slsa.dev/provenance/v1"


def test_buildkit_lists_its_attestation_as_a_child() -> None:
    """The child is `unknown/unknown`, names its image in annotations, and its own config and layers say what it is."""
    child = attestation_child(IMAGE, {PROVENANCE: {"buildDefinition": {}}})
    listed = index([IMAGE, child])
    _, entry = json.loads(listed.manifest)["manifests"]
    assert entry["platform"] == {"architecture": "unknown", "os": "unknown"}
    assert entry["annotations"] == {
        "vnd.docker.reference.digest": str(IMAGE.digest),
        "vnd.docker.reference.type": "attestation-manifest",
    }
    (layer,) = child.image.layers
    said = json.loads(layer.blob)
    assert layer.media_type == IN_TOTO
    assert said["subject"][0]["digest"] == {"sha256": IMAGE.digest.hex}
    assert said["predicateType"] == PROVENANCE
    assert child.image.diff_ids == (layer.diff_id,)
    assert push(Store(), "shop/api", listed) == listed.digest


def test_docker_attaches_a_plain_statement_and_signs_its_manifest() -> None:
    """The statement is a referrer of the image; the signature is a referrer of the statement's manifest."""
    store = Store()
    push(store, "dhi/python", IMAGE)
    attached = attach_statement(store, "dhi/python", IMAGE.digest, PROVENANCE, {"builder": {}})
    (entry,) = store.referrers("dhi/python", IMAGE.digest)
    assert (entry.digest, entry.artifact_type) == (str(attached), IN_TOTO)
    assert entry.annotations == {"in-toto.io/predicate-type": PROVENANCE}
    stored = store.manifest("dhi/python", attached)
    assert stored is not None
    (layer,) = read_manifest(stored.data).layers
    assert layer.media_type == IN_TOTO
    assert layer.annotations == {"in-toto.io/predicate-type": PROVENANCE}
    signature = Signer.generate().sign_oci11(store, "dhi/python", attached)
    assert [found.digest for found in store.referrers("dhi/python", attached)] == [str(signature)]
