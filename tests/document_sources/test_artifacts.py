"""Documents from a registry: believed by their digest, or by who signed what a tag names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.document_sources.artefacts import push_document
from tests.shop import HOST, Shop
from webhook.core.bases.catalog import Catalog, Status
from webhook.core.bases.document import print_catalog, seal
from webhook.core.bases.succession import turns_back
from webhook.core.document_artifacts import ArtifactKind
from webhook.core.policy import Policy
from webhook.core.references import Digest, ImageReference
from webhook.demo.signer import Signer
from webhook.document_sources.artifact_documents import ArtifactDocument
from webhook.document_sources.artifacts import ArtifactReader, Voucher
from webhook.document_sources.states import Change, Loaded, Rejected, Unseen
from webhook.documents import read_catalog_document, read_policy_document
from webhook.ports import Registry, TroubleKind

REPOSITORY = "gate/catalog"
REFRESH_SECONDS = 300.0
RETRY_SECONDS = 2.0


class Place:
    """A registry with catalogs in it; the policy in force is the shop's, until a test says otherwise."""

    def __init__(self) -> None:
        self.shop = Shop()
        self.policy: Policy | None = self.shop.policy
        self.opened = 0

    def push(self, catalog: Catalog, *signers: Signer, tag: str | None = "latest", packed: bool = False) -> Digest:
        """Push a catalog and have it signed."""
        store = self.shop.registry.store
        digest = push_document(store, REPOSITORY, ArtifactKind.CATALOG, print_catalog(catalog), tag=tag, packed=packed)
        for signer in signers:
            signer.sign_bundle(store, REPOSITORY, digest)
        return digest

    def catalog(self, *, hours: int = 0, revoked: bool = False) -> Catalog:
        """Return a catalog that was synced so many hours later, with its base revoked or not."""
        [build] = self.shop.builds
        if revoked:
            build = replace(build, status=Status.REVOKED, reason="leaked")
        return seal(policy="production", synced_at=self.shop.clock.now() + timedelta(hours=hours), builds=(build,))

    def document(self, name: str, *, authority: str | None = "release") -> ArtifactDocument[Catalog]:
        """Return the catalog behind a tag or a digest."""
        voucher = Voucher(authority=authority, policy=lambda: self.policy, roots=dict) if authority else None
        return ArtifactDocument(
            self._reader(name, ArtifactKind.CATALOG, voucher),
            read_catalog_document,
            clock=self.shop.clock,
            refresh_seconds=REFRESH_SECONDS,
            objection=turns_back,
        )

    def policy_document(self, digest: Digest) -> ArtifactDocument[Policy]:
        """Return the policy of a digest."""
        reader = self._reader(f"@{digest}", ArtifactKind.POLICY, None)
        return ArtifactDocument(reader, read_policy_document, clock=self.shop.clock, refresh_seconds=REFRESH_SECONDS)

    def _reader(self, name: str, kind: ArtifactKind, voucher: Voucher | None) -> ArtifactReader:
        return ArtifactReader(
            image=ImageReference.parse(f"{HOST}/{REPOSITORY}{name}"),
            kind=kind,
            open_registry=self._open,
            clock=self.shop.clock,
            voucher=voucher,
        )

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Registry]:
        self.opened += 1
        yield self.shop.registry


@pytest.fixture
def place() -> Place:
    """Return a registry without a catalog."""
    return Place()


def refused(change: Change[Catalog] | None) -> str:
    """Return why a catalog did not take effect."""
    assert isinstance(change, Rejected), change
    [error] = change.errors
    return error


def unseen(change: Change[Catalog] | None) -> str:
    """Return why it is not known how the catalog is."""
    assert isinstance(change, Unseen), change
    return change.why


@pytest.mark.parametrize("packed", [False, True])
async def test_a_digest_is_believed(place: Place, packed: bool) -> None:  # noqa: FBT001
    """Exact bytes need no signature, packed or not; and who watches them is done at once."""
    digest = place.push(place.catalog(), tag=None, packed=packed)
    document = place.document(f"@{digest}", authority=None)
    assert isinstance(await document.load(), Loaded)
    assert document.current == place.catalog()
    assert await document.load() is None
    await document.watch(_no_change, interval_seconds=RETRY_SECONDS, sleep=_no_sleep)


async def test_a_tag_is_believed_by_its_signature(place: Place) -> None:
    """The named authority must have signed exactly what the tag names; another one of the policy is not enough."""
    place.push(place.catalog())
    document = place.document(":latest")
    assert "it is not signed by release" in refused(await document.load())
    place.push(place.catalog(), place.shop.sandbox)
    assert "it is signed, but not by release" in refused(await document.load())
    assert document.current is None
    place.push(place.catalog(), place.shop.release)
    assert isinstance(await document.load(), Loaded)
    assert document.current == place.catalog()


async def test_a_digest_with_an_authority_needs_both(place: Place) -> None:
    """Who asks for a signature gets none waived by the digest."""
    digest = place.push(place.catalog(), tag=None)
    assert "it is not signed by release" in refused(await place.document(f"@{digest}").load())


async def test_the_policy_in_force_says_who_may_sign(place: Place) -> None:
    """Without a policy nobody may, and an authority that it does not have is named."""
    place.push(place.catalog(), place.shop.release)
    document = place.document(":latest")
    place.policy = None
    assert unseen(await document.load()) == "there is no policy yet that says who may sign it"
    place.policy = place.shop.policy
    assert refused(await place.document(":latest", authority="nobody").load()) == (
        "the policy in force has no authority `nobody`"
    )


async def test_a_signature_that_cannot_be_looked_for_is_not_missing(place: Place) -> None:
    """Trouble with the list of signatures is trouble, and the last good catalog stays."""
    place.push(place.catalog(), place.shop.release)
    document = place.document(":latest")
    await document.load()
    place.shop.registry.break_down(TroubleKind.UNREACHABLE, "referrers")
    assert "the registry could not be reached" in unseen(await document.load())
    assert document.current == place.catalog()
    place.shop.registry.mend()
    assert isinstance(await document.load(), Loaded)
    assert document.state.unseen is None


async def test_an_older_catalog_is_refused(place: Place) -> None:
    """Though it is signed: whoever moves the tag back does not turn the gate back, nor by losing a revocation."""
    document = place.document(":latest")
    place.push(place.catalog(hours=1, revoked=True), place.shop.release)
    assert isinstance(await document.load(), Loaded)
    place.push(place.catalog(), place.shop.release)
    assert refused(await document.load()).startswith("was synced at ")
    place.push(place.catalog(hours=2), place.shop.release)
    assert refused(await document.load()).startswith("lacks the revocation of sha256:")
    assert document.current == place.catalog(hours=1, revoked=True)
    place.push(place.catalog(hours=2, revoked=True), place.shop.release)
    assert isinstance(await document.load(), Loaded)


async def test_what_is_no_catalog_is_refused(place: Place) -> None:
    """A tag that is not there, a signed image, a signed policy, and a catalog that does not parse."""
    store = place.shop.registry.store
    store.put_blob(REPOSITORY, b"x")
    document = place.document(":latest")
    assert refused(await document.load()) == f"there is no {HOST}/{REPOSITORY}:latest"
    for kind, said in ((ArtifactKind.POLICY, "it is an artefact of type"), (ArtifactKind.CATALOG, "JSON")):
        digest = push_document(store, REPOSITORY, kind, b"kind: ImagePolicy", tag="latest")
        place.shop.release.sign_bundle(store, REPOSITORY, digest)
        change = await document.load()
        assert isinstance(change, Rejected)
        assert said in " ".join(change.errors)
    image = place.shop.push(place.shop.app(), place.shop.release, repository=REPOSITORY)
    assert "it is an artefact of type" in refused(await place.document(f"@{image.rpartition('@')[2]}").load())
    missing = Digest.of(b"nothing")
    assert refused(await place.document(f"@{missing}", authority=None).load()).startswith("there is no artefact")


async def test_a_part_that_is_missing_may_come(place: Place) -> None:
    """A layer that the registry does not have yet is trouble, not a verdict."""
    digest = place.push(place.catalog(), tag=None)
    place.shop.registry.store.delete_blob(REPOSITORY, Digest.of(print_catalog(place.catalog())))
    change = await place.document(f"@{digest}", authority=None).load()
    assert unseen(change) == "the registry does not have every part of the artefact"


async def test_a_tag_is_looked_at_again(place: Place) -> None:
    """Every five minutes; sooner while there is none yet, or the registry does not answer; each trouble told once."""
    document = place.document(":latest")
    place.shop.registry.break_down(TroubleKind.UNREACHABLE)
    slept: list[float] = []
    told: list[Change[Catalog]] = []

    def recover() -> None:
        place.shop.registry.mend()
        place.push(place.catalog(), place.shop.release)

    steps: list[Callable[[], object]] = [
        list,
        list,
        recover,
        list,
        lambda: place.push(place.catalog(hours=1), place.shop.release),
        lambda: place.shop.registry.break_down(TroubleKind.TIMEOUT),
    ]

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if not steps:
            raise asyncio.CancelledError
        steps.pop(0)()

    with pytest.raises(asyncio.CancelledError):
        await document.watch(told.append, interval_seconds=RETRY_SECONDS, sleep=sleep)
    assert [type(change) for change in told] == [Unseen, Loaded, Loaded, Unseen]
    assert slept == [RETRY_SECONDS] * 3 + [REFRESH_SECONDS] * 3 + [RETRY_SECONDS]
    assert document.current == place.catalog(hours=1)


async def test_a_policy_has_no_files_beside_it(place: Place) -> None:
    """A policy of a registry holds its keys; a file that it names cannot be read, and it is said what to do."""
    text = """
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata: {name: remote}
spec:
  rules: [{name: all, exempt: {reason: "a trial"}}]
"""
    store = place.shop.registry.store
    good = push_document(store, REPOSITORY, ArtifactKind.POLICY, text.encode())
    document = place.policy_document(good)
    assert isinstance(await document.load(), Loaded)
    named = text.replace("spec:", "spec:\n  authorities: [{name: a, key: {file: release.pem}}]")
    change = await place.policy_document(push_document(store, REPOSITORY, ArtifactKind.POLICY, named.encode())).load()
    assert isinstance(change, Rejected)
    assert "write their content into it as `data`" in change.errors[0]


def _no_change(change: Change[Catalog]) -> None:
    raise AssertionError(change)


async def _no_sleep(seconds: float) -> None:
    raise AssertionError(seconds)
