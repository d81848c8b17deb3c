"""Signatures of Notation from the registry to the findings: every place where they are stored, and whole documents."""

from __future__ import annotations

import pytest

from tests.core.signatures.notation.artefacts import CASES, DOCUMENT, IMAGE, NOW, authority, content
from tests.data.notation.make import IMAGE as IMAGE_BYTES
from tests.fakes.registry import FakeRegistry
from webhook.collecting.signatures import search_signatures
from webhook.core.signatures.judge import judge_signatures
from webhook.core.trust import Trust
from webhook.demo.documents import OCI_EMPTY, OCI_MANIFEST, ManifestDocument, descriptor
from webhook.demo.referrers import attach, subject_descriptor
from webhook.demo.store import Store

ARTIFACT = "application/vnd.cncf.notary.signature"
LAYERS = {"jws": "application/jose+json", "cose": "application/cose"}
EMPTY_BLOB = b"{}"
REPOSITORY = IMAGE.repository.path


def pushed(store: Store, name: str, *, by_config: bool = False, listed_as: str | None = None) -> None:
    """Push the image and a signature of it, in the newer form or in the one whose config tells what it is."""
    store.put_manifest(REPOSITORY, IMAGE_BYTES, OCI_MANIFEST, checked=False)
    store.put_blob(REPOSITORY, EMPTY_BLOB)
    store.put_blob(REPOSITORY, content(name))
    manifest = ManifestDocument(
        schema_version=2,
        media_type=OCI_MANIFEST,
        artifact_type=None if by_config else ARTIFACT,
        config=descriptor(ARTIFACT if by_config else OCI_EMPTY, EMPTY_BLOB),
        layers=(descriptor(LAYERS[name.rpartition(".")[2]], content(name)),),
        subject=subject_descriptor(store, REPOSITORY, IMAGE.digest),
    )
    attach(store, REPOSITORY, IMAGE.digest, manifest, listed_as=listed_as)


@pytest.mark.parametrize("listed_as", [None, OCI_EMPTY])
@pytest.mark.parametrize("by_config", [True, False])
@pytest.mark.parametrize("referrers_api", [True, False])
@pytest.mark.parametrize("name", ["ecdsa-p384.jws", "rsa-3072.cose"])
async def test_a_signature_is_found_wherever_it_is_stored(
    name: str, *, referrers_api: bool, by_config: bool, listed_as: str | None
) -> None:
    """Behind the referrers API or the fallback tag, in both forms of the manifest, whatever the listing calls it."""
    store = Store(referrers_api=referrers_api)
    pushed(store, name, by_config=by_config, listed_as=listed_as)
    search = await search_signatures(FakeRegistry(store), IMAGE, elsewhere=(), deadline=60)
    findings = judge_signatures(search, IMAGE, (authority(),), Trust(catalog=None, as_of=NOW))

    assert [voucher.authority for voucher in findings.vouchers] == ["release"]
    assert (findings.broken, findings.strangers, findings.incomplete) == ((), 0, None)


async def test_all_signatures_are_judged_side_by_side() -> None:
    """A broken signature beside good ones hides none, and one subject is one signer for each of its envelopes."""
    store = Store()
    for case in CASES:
        pushed(store, case["file"])
    search = await search_signatures(FakeRegistry(store), IMAGE, elsewhere=(), deadline=60)
    findings = judge_signatures(search, IMAGE, (authority(),), Trust(catalog=None, as_of=NOW))

    assert len(findings.vouchers) == len({case["key"] for case in CASES})
    assert [broken.authority for broken in findings.broken] == ["release"]


def test_the_image_of_the_artefacts_is_the_one_they_name() -> None:
    """The program that makes them and what it made agree."""
    assert (str(IMAGE.digest), len(IMAGE_BYTES)) == (DOCUMENT["digest"], DOCUMENT["size"])
