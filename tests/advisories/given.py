"""What the stories of the advisories start from."""

from __future__ import annotations

from typing import Any

from tests.core.reviews import object_of, pod_spec, review
from tests.shop import Shop
from webhook.core.admission import parse_review
from webhook.core.references import Digest
from webhook.core.verdicts import Decision
from webhook.core.workloads import Workload
from webhook.demo.documents import EMPTY_BLOB, OCI_EMPTY, OCI_MANIFEST, ManifestDocument, descriptor
from webhook.demo.envelopes import BUNDLE, IN_TOTO_PAYLOAD, bundle, pre_authentication_encoding
from webhook.demo.referrers import attach, subject_descriptor
from webhook.demo.signer import Signer

__all__ = ["REPOSITORY", "SIGNED", "asked_for", "codes_of", "envelope", "hang", "pod_of"]

SIGNED = "{signatures: {from: [release]}}"
REPOSITORY = "shop/api"


def asked_for(body: bytes) -> Workload:
    """Return what a review asks about."""
    workload = parse_review(body).workload
    assert isinstance(workload, Workload), workload
    return workload


def pod_of(image: str, **metadata: Any) -> Workload:  # noqa: ANN401 - JSON
    """Return a new pod with one container."""
    spec = pod_spec(containers=[{"name": "api", "image": image}])
    return asked_for(review(object_of("Pod", spec, **metadata)))


def hang(shop: Shop, image: Digest, data: bytes) -> None:
    """Hang any bytes on an image as if they were its bundle."""
    for blob in (EMPTY_BLOB, data):
        shop.registry.store.put_blob(REPOSITORY, blob)
    manifest = ManifestDocument(
        schema_version=2,
        media_type=OCI_MANIFEST,
        artifact_type=BUNDLE,
        config=descriptor(OCI_EMPTY, EMPTY_BLOB),
        layers=(descriptor(BUNDLE, data),),
        subject=subject_descriptor(shop.registry.store, REPOSITORY, image),
    )
    attach(shop.registry.store, REPOSITORY, image, manifest)


def codes_of(decision: Decision) -> list[str]:
    """Return the reason codes of a decision."""
    return [problem.code for verdict in decision.verdicts for problem in verdict.problems]


def envelope(signer: Signer, payload: bytes) -> bytes:
    """Return a well signed bundle around any payload."""
    signature = signer.key.sign(pre_authentication_encoding(IN_TOTO_PAYLOAD, payload))
    return bundle(payload, signature, hint=signer.key.hint)
