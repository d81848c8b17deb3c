"""What every implementation of the port `Registry` has to do.

Inherit from `RegistryContract` in a class whose name begins with `Test`, and give it a fixture `subject`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import msgspec
import pytest

from webhook.core.references import Digest, PinnedImage, Repository
from webhook.demo.documents import (
    OCI_INDEX,
    DescriptorDocument,
    IndexDocument,
    ManifestDocument,
    descriptor,
    encode,
    read_manifest,
)
from webhook.demo.referrers import list_in_fallback
from webhook.demo.store import Store
from webhook.ports import Clock, Registry, RegistryTrouble, TroubleKind

__all__ = ["RegistryContract", "Shelf", "StoreShelf", "Subject"]

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
EMPTY = b"{}"
MAX_BYTES = 1024 * 1024


class Shelf(Protocol):
    """How a test puts content into a registry, by whatever way that registry has."""

    async def put_blob(self, path: str, data: bytes) -> Digest:
        """Push a blob."""
        ...

    async def put_manifest(self, path: str, data: bytes, media_type: str, *, tag: str | None = None) -> Digest:
        """Push a manifest, under its digest and perhaps a tag."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A registry to test, a way to fill it, and an empty repository in it."""

    registry: Registry
    shelf: Shelf
    repository: Repository
    clock: Clock

    @property
    def deadline(self) -> float:
        """Half a minute from now."""
        return self.clock.monotonic() + 30

    def pinned(self, digest: Digest) -> PinnedImage:
        """Return an image of the repository."""
        return PinnedImage(repository=self.repository, digest=digest)

    async def push_image(self, *, tag: str | None = None, subject: DescriptorDocument | None = None) -> bytes:
        """Push a small manifest with all that it needs; return its bytes."""
        path = self.repository.path
        await self.shelf.put_blob(path, EMPTY)
        layer = b"a layer for " + (subject.digest.encode() if subject else b"nobody")
        await self.shelf.put_blob(path, layer)
        manifest = encode(
            ManifestDocument(
                schema_version=2,
                media_type=OCI_MANIFEST,
                artifact_type=BUNDLE if subject else None,
                config=descriptor("application/vnd.oci.empty.v1+json", EMPTY),
                layers=(descriptor(BUNDLE, layer),),
                subject=subject,
            )
        )
        await self.shelf.put_manifest(path, manifest, OCI_MANIFEST, tag=tag)
        return manifest


class StoreShelf:
    """Puts content straight into a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def put_blob(self, path: str, data: bytes) -> Digest:
        """Keep a blob."""
        return self.store.put_blob(path, data)

    async def put_manifest(self, path: str, data: bytes, media_type: str, *, tag: str | None = None) -> Digest:
        """Keep a manifest; what has a subject is listed under the fallback tag where there is no referrers API."""
        digest = self.store.put_manifest(path, data, media_type, tag=tag)
        subject = read_manifest(data).subject
        if subject is not None and not self.store.referrers_api:
            entry = msgspec.structs.replace(
                descriptor(media_type, data), artifact_type=read_manifest(data).artifact_type
            )
            list_in_fallback(self.store, path, Digest.parse(subject.digest), entry)
        return digest


def digest_of(data: bytes) -> Digest:
    """Return the SHA-256 of bytes."""
    return Digest.of(data)


async def _receive(stream: AsyncIterator[bytes], received: list[bytes]) -> None:
    """Collect what a stream yields before it ends or breaks."""
    async for piece in stream:
        received.append(piece)  # noqa: PERF401 - what came before an exception is to be kept


class RegistryContract:
    """The tests. Each begins with an empty repository."""

    async def test_a_tag_resolves_to_the_digest_of_its_manifest(self, subject: Subject) -> None:
        """A tag is what its manifest hashes to."""
        manifest = await subject.push_image(tag="1.0")
        found = await subject.registry.resolve(subject.repository, "1.0", deadline=subject.deadline)
        assert found == digest_of(manifest)

    async def test_an_unknown_tag_is_none(self, subject: Subject) -> None:
        """A tag that is not there is known not to be there."""
        await subject.push_image(tag="1.0")
        assert await subject.registry.resolve(subject.repository, "2.0", deadline=subject.deadline) is None

    async def test_a_manifest_comes_byte_for_byte(self, subject: Subject) -> None:
        """A manifest is returned as it was pushed, with its media type."""
        data = await subject.push_image()
        found = await subject.registry.manifest(subject.pinned(digest_of(data)), deadline=subject.deadline)
        assert found is not None
        assert (found.data, found.media_type, found.digest) == (data, OCI_MANIFEST, digest_of(data))

    async def test_an_unknown_manifest_is_none(self, subject: Subject) -> None:
        """A manifest that is not there is known not to be there."""
        await subject.push_image()
        image = subject.pinned(digest_of(b"nothing"))
        assert await subject.registry.manifest(image, deadline=subject.deadline) is None

    async def test_a_blob_comes_byte_for_byte(self, subject: Subject) -> None:
        """A blob is returned as it was pushed."""
        data = b"some bytes" * 100
        digest = await subject.shelf.put_blob(subject.repository.path, data)
        found = await subject.registry.blob(subject.repository, digest, max_bytes=MAX_BYTES, deadline=subject.deadline)
        assert found == data

    async def test_an_unknown_blob_is_none(self, subject: Subject) -> None:
        """A blob that is not there is known not to be there."""
        await subject.push_image()
        digest = digest_of(b"nothing")
        found = await subject.registry.blob(subject.repository, digest, max_bytes=MAX_BYTES, deadline=subject.deadline)
        assert found is None

    async def test_a_blob_of_exactly_the_bound_is_not_too_large(self, subject: Subject) -> None:
        """The bound is the largest size that is accepted."""
        data = b"x" * 1000
        digest = await subject.shelf.put_blob(subject.repository.path, data)
        found = await subject.registry.blob(subject.repository, digest, max_bytes=1000, deadline=subject.deadline)
        assert found == data

    async def test_a_blob_above_the_bound_is_too_large(self, subject: Subject) -> None:
        """A byte more than the bound is trouble."""
        digest = await subject.shelf.put_blob(subject.repository.path, b"x" * 1001)
        with pytest.raises(RegistryTrouble) as raised:
            await subject.registry.blob(subject.repository, digest, max_bytes=1000, deadline=subject.deadline)
        assert raised.value.kind is TroubleKind.TOO_LARGE

    async def test_a_stream_yields_the_blob(self, subject: Subject) -> None:
        """The pieces of a stream are the blob."""
        data = bytes(range(256)) * 1000
        digest = await subject.shelf.put_blob(subject.repository.path, data)
        stream = subject.registry.stream_blob(
            subject.repository, digest, max_bytes=MAX_BYTES, deadline=subject.deadline
        )
        assert b"".join([piece async for piece in stream]) == data

    async def test_a_stream_above_the_bound_is_too_large(self, subject: Subject) -> None:
        """A stream yields no more than its bound before it is trouble."""
        digest = await subject.shelf.put_blob(subject.repository.path, b"x" * 100_000)
        stream = subject.registry.stream_blob(subject.repository, digest, max_bytes=50_000, deadline=subject.deadline)
        received: list[bytes] = []
        with pytest.raises(RegistryTrouble) as raised:
            await _receive(stream, received)
        assert raised.value.kind is TroubleKind.TOO_LARGE
        assert sum(map(len, received)) <= 50_000

    async def test_a_stream_of_an_unknown_blob_is_incomplete(self, subject: Subject) -> None:
        """A layer that a manifest names and the registry does not have is trouble, never an empty layer."""
        await subject.push_image()
        stream = subject.registry.stream_blob(
            subject.repository, digest_of(b"nothing"), max_bytes=MAX_BYTES, deadline=subject.deadline
        )
        with pytest.raises(RegistryTrouble) as raised:
            [piece async for piece in stream]
        assert raised.value.kind is TroubleKind.INCOMPLETE

    async def test_what_is_attached_is_listed(self, subject: Subject) -> None:
        """A manifest with a subject is listed for that subject, with its artefact type."""
        image = await subject.push_image()
        signature = await subject.push_image(subject=descriptor(OCI_MANIFEST, image))
        listing = await subject.registry.referrers(subject.pinned(digest_of(image)), deadline=subject.deadline)
        assert [(entry.digest, entry.artifact_type) for entry in listing.descriptors] == [
            (digest_of(signature), BUNDLE)
        ]
        assert not listing.truncated

    async def test_nothing_attached_is_an_empty_listing(self, subject: Subject) -> None:
        """An image without attachments has an empty listing that is complete."""
        image = await subject.push_image()
        listing = await subject.registry.referrers(subject.pinned(digest_of(image)), deadline=subject.deadline)
        assert listing.descriptors == ()
        assert not listing.truncated

    async def test_what_only_the_fallback_tag_lists_is_found(self, subject: Subject) -> None:
        """An index behind the fallback tag counts, whatever artefact type it gives its entries."""
        image, other = await subject.push_image(), await subject.push_image(tag="other")
        path = subject.repository.path
        index = IndexDocument(schema_version=2, media_type=OCI_INDEX, manifests=(descriptor(OCI_MANIFEST, other),))
        await subject.shelf.put_manifest(path, encode(index), OCI_INDEX, tag=f"sha256-{digest_of(image).hex}")
        listing = await subject.registry.referrers(subject.pinned(digest_of(image)), deadline=subject.deadline)
        assert [entry.digest for entry in listing.descriptors] == [digest_of(other)]

    async def test_all_tags_are_listed(self, subject: Subject) -> None:
        """The list of tags has every tag once, over however many pages."""
        expected = {f"v{number}" for number in range(7)}
        for tag in expected:
            await subject.push_image(tag=tag)
        tags = await subject.registry.tags(subject.repository, deadline=subject.deadline)
        assert tags is not None
        assert sorted(tags) == sorted(expected)

    async def test_tags_of_an_unknown_repository_are_none(self, subject: Subject) -> None:
        """A repository that is not there has no list of tags, rather than an empty one."""
        unknown = Repository(registry=subject.repository.registry, path="not/there")
        assert await subject.registry.tags(unknown, deadline=subject.deadline) is None
