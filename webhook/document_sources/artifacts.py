"""A document as an OCI artefact: fetched through a registry, verified by its digest or by who signed it.

1. A digest names exact bytes. A tag is believed by a signature alone, of an authority of the policy in force.
2. Its manifest and its layer are fetched by digest; each byte is hashed on the way.
3. Artifact type and media type are those of the document; a signed image is no catalog.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from webhook.catalog_keeping.reading import unsigned_by
from webhook.collecting.signatures import search_signatures
from webhook.core.contacts import kept_elsewhere
from webhook.core.document_artifacts import ArtifactKind, document_layer, unpack
from webhook.core.errors import ParseError
from webhook.core.manifests import Manifest, parse_manifest
from webhook.core.policy import Authority, Policy
from webhook.core.references import ImageReference, PinnedImage
from webhook.core.signatures.judge import judge_signatures
from webhook.core.trust import Roots, Trust
from webhook.ports import Clock, Registry

__all__ = ["ArtifactReader", "UnverifiedError", "Voucher"]


class UnverifiedError(Exception):
    """It could not be found out whether an artefact is signed; the text is a clause for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """Who must have signed an artefact: an authority, by its name in the policy that is in force at that moment."""

    authority: str
    policy: Callable[[], Policy | None]
    roots: Callable[[], Roots]

    def found(self) -> tuple[Policy, Authority]:
        """Return the policy and the authority. Raises UnverifiedError without a policy, ParseError if it has none."""
        policy = self.policy()
        if policy is None:
            raise UnverifiedError("there is no policy yet that says who may sign it")
        for authority in policy.authorities:
            if authority.name == self.authority:
                return policy, authority
        raise ParseError("", f"the policy in force has no authority `{self.authority}`")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactReader:
    """Reads one artefact. `image` has a digest, or a tag; then there is a `voucher`."""

    image: ImageReference
    kind: ArtifactKind
    open_registry: Callable[[], AbstractAsyncContextManager[Registry]]
    clock: Clock
    voucher: Voucher | None = None

    async def read(self, *, deadline: float) -> bytes:
        """Return the document; `deadline` as in `webhook.ports`.

        Raises RegistryTrouble and UnverifiedError for what could not be found out, ParseError for what must not count,
        OSError and DocumentError if a file that a flag names cannot be used.
        """
        async with self.open_registry() as registry:
            pinned = await self._pinned(registry, deadline=deadline)
            if self.voucher is not None:
                await self._verify(registry, pinned, self.voucher, deadline=deadline)
            return await self._document(registry, pinned, deadline=deadline)

    async def _pinned(self, registry: Registry, *, deadline: float) -> PinnedImage:
        if self.image.digest is not None:
            return self.image.pinned(self.image.digest)
        digest = await registry.resolve(self.image.repository, self.image.tag or "latest", deadline=deadline)
        if digest is None:
            raise ParseError("", f"there is no {self.image}")
        return self.image.pinned(digest)

    async def _verify(self, registry: Registry, image: PinnedImage, voucher: Voucher, *, deadline: float) -> None:
        policy, authority = voucher.found()
        elsewhere = kept_elsewhere(policy, image.repository)
        search = await search_signatures(registry, image, elsewhere=elsewhere, deadline=deadline)
        trust = Trust(catalog=None, as_of=self.clock.now(), roots=voucher.roots())
        findings = await asyncio.to_thread(judge_signatures, search, image, (authority,), trust)
        if findings.vouchers:
            return
        if findings.incomplete is not None:
            trouble = findings.incomplete
            raise UnverifiedError(f"{trouble.doing} at {trouble.where}: {trouble.why}")
        raise ParseError("", f"{image}: {unsigned_by(findings, (authority,)).why}")

    async def _document(self, registry: Registry, image: PinnedImage, *, deadline: float) -> bytes:
        raw = await registry.manifest(image, deadline=deadline)
        manifest = parse_manifest(raw.digest, raw.media_type, raw.data) if raw else None
        if not isinstance(manifest, Manifest):
            raise ParseError("", f"there is no artefact {image}" if raw is None else f"{image} is no artefact")
        layer = document_layer(manifest, self.kind)
        if layer.size > self.kind.max_bytes:
            raise ParseError("", f"{image} has a layer of more than {self.kind.max_bytes:,} bytes")
        data = await registry.blob(image.repository, layer.digest, max_bytes=layer.size, deadline=deadline)
        if data is None:
            raise UnverifiedError("the registry does not have every part of the artefact")
        return await asyncio.to_thread(unpack, data, layer, self.kind)
