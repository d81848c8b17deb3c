"""What the gate needs from the world, as protocols, and the one error by which the world excuses itself.

`deadline` is everywhere an instant in seconds on `Clock.monotonic()`; work that would outlive it raises
`RegistryTrouble` in time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from webhook.core.facts import Trouble
from webhook.core.inventory.resources import ApiResource
from webhook.core.manifests import Descriptor
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.core.signatures.trust_roots import PublicGood, TrustRoot, TufMirror

__all__ = [
    "ApiResource",
    "Clock",
    "Cluster",
    "ClusterTrouble",
    "ClusterTroubleKind",
    "ObjectReader",
    "RawManifest",
    "ReferrerListing",
    "Registries",
    "Registry",
    "RegistryTrouble",
    "RootState",
    "TroubleKind",
    "TrustSource",
]


class TroubleKind(Enum):
    """Why a registry could not answer a question; the value is the clause that a user may read."""

    UNREACHABLE = "the registry could not be reached"
    TIMEOUT = "no answer in time"
    UNAUTHORIZED = "the registry refused the credentials"
    RATE_LIMITED = "the registry asks to slow down"
    WRONG_BYTES = "the registry sent bytes that do not match their digest"
    TOO_LARGE = "the answer is larger than the gate accepts"
    BAD_ANSWER = "the registry gave an answer that makes no sense"
    INCOMPLETE = "the registry does not have every part of the image"
    FORBIDDEN_ADDRESS = "the registry is not one that this gate may contact"
    OVERLOADED = "the gate has too much to do"


class RegistryTrouble(Exception):  # noqa: N818 - the domain's word; it is no error of ours
    """The world is at fault: nothing is known about the image.

    `doing` is an activity ("listing signatures"), `where` a host as the policy names it. `detail` is what the network
    said: for the log, never for the requester, and never a secret.
    """

    def __init__(self, kind: TroubleKind, *, doing: str, where: str, detail: str = "") -> None:
        super().__init__(f"{doing} at {where}: {kind.value}{f' ({detail})' if detail else ''}")
        self.kind = kind
        self.doing = doing
        self.where = where
        self.detail = detail

    def as_trouble(self) -> Trouble:
        """Return what a requester may be told."""
        return Trouble(doing=self.doing, where=self.where, why=self.kind.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawManifest:
    """A manifest or index, byte for byte, hashed and found to be what was asked for; `media_type` is the answer's."""

    digest: Digest
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferrerListing:
    """What a registry lists as attached to a digest. Order is the registry's; `truncated` if bounds cut it short."""

    descriptors: tuple[Descriptor, ...]
    truncated: bool = False


class Registry(Protocol):
    """OCI distribution 1.1, read only. Every method raises `RegistryTrouble` and nothing else.

    None means that the registry is known not to have it (404); 401, 403, 5xx and silence are trouble.
    """

    async def resolve(self, repository: Repository, tag: str, *, deadline: float) -> Digest | None:
        """Return what `tag` points to right now."""
        ...

    async def manifest(self, image: PinnedImage, *, deadline: float) -> RawManifest | None:
        """Return the manifest or index whose bytes hash to `image.digest`; at most 4 MiB.

        Source: OCI Distribution Spec 1.1, "Pulling manifests".
        """
        ...

    async def blob(self, repository: Repository, digest: Digest, *, max_bytes: int, deadline: float) -> bytes | None:
        """Return a whole blob whose bytes hash to `digest`. `max_bytes` counts bytes on the wire."""
        ...

    def stream_blob(
        self, repository: Repository, digest: Digest, *, max_bytes: int, deadline: float
    ) -> AsyncIterator[bytes]:
        """Yield a blob in pieces; raises after the last piece if the bytes do not hash to `digest`."""
        ...

    async def referrers(self, image: PinnedImage, *, deadline: float) -> ReferrerListing:
        """Return what is attached to `image`: the referrers API, or the fallback tag where there is none.

        Source: OCI Distribution Spec 1.1, "Listing referrers" and "Backwards compatibility". No filter is sent:
        descriptor types are hints.
        """
        ...

    async def tags(self, repository: Repository, *, deadline: float) -> tuple[str, ...] | None:
        """Return all tags, following pages; at most 100,000."""
        ...


class Registries(Protocol):
    """The registries of one run, asked by whose credentials one likes."""

    def covers(self, pull_secret: bytes, repositories: Collection[Repository]) -> bool:
        """Tell whether a pull secret (a Docker `config.json`) holds credentials for any of the repositories.

        Raises DocumentError if it cannot be read; no message shows what an entry holds.
        """
        ...

    async def opened(self, pull_secrets: tuple[bytes, ...]) -> Registry:
        """Return the registries as they are asked with these pull secrets before the caller's own credentials.

        The same ones are returned for the same secrets. Programs that a secret names are never run.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RootState:
    """How one trusted root is. `source` names where it comes from, for logs and metrics.

    `loaded` tells whether there is one at all, `refreshed_at` when its source last confirmed it; None for the built-in
    root, which nobody confirms. `trouble` is why the last attempt failed, None if it did not.
    """

    source: str
    loaded: bool
    refreshed_at: datetime | None
    trouble: Trouble | None


class TrustSource(Protocol):
    """Sigstore trusted roots that are kept up to date in the background. Nothing here asks the network."""

    def follow(self, sources: frozenset[TufMirror | PublicGood]) -> None:
        """Keep these roots from now on, and forget all others."""
        ...

    async def settled(self, *, deadline: float) -> None:
        """Wait until each root has been tried once, or until the deadline."""
        ...

    def roots(self) -> Mapping[TufMirror | PublicGood, TrustRoot | Trouble]:
        """Return the last good root of each source, or why there has been none."""
        ...

    def states(self) -> tuple[RootState, ...]:
        """Return how each source is, by name."""
        ...


class ClusterTroubleKind(Enum):
    """Why an API server did not do what it was asked; the value is the clause that a user may read."""

    UNREACHABLE = "the API server could not be reached"
    TIMEOUT = "no answer in time"
    UNAUTHORIZED = "the API server does not accept the credentials"
    FORBIDDEN = "the API server does not allow it"
    MISSING_API = "the API server does not know this kind"
    EXPIRED = "the list changed too much while it was read"
    CONFLICT = "somebody else changed it at the same time"
    REFUSED = "the API server refuses it"
    UNAVAILABLE = "the API server has too much to do or is out of order"
    BAD_ANSWER = "the API server gave an answer that makes no sense"


class ClusterTrouble(Exception):  # noqa: N818 - the domain's word; it is no error of ours
    """The cluster is at fault, or the caller's rights are. `doing` is an activity ("listing pods in shop").

    `detail` is what the API server said, printable and clipped; it never holds a secret.
    """

    def __init__(self, kind: ClusterTroubleKind, *, doing: str, detail: str = "") -> None:
        super().__init__(f"{doing}: {kind.value}{f' ({detail})' if detail else ''}")
        self.kind = kind
        self.doing = doing
        self.detail = detail


class ObjectReader(Protocol):
    """Reads objects of a cluster one by one, now or from a moment ago."""

    async def read(self, resource: ApiResource, *, namespace: str | None, name: str) -> bytes | None:
        """Return one object, None if there is none of that name. Raises `ClusterTrouble`."""
        ...


class Cluster(Protocol):
    """A Kubernetes API server, for one caller. Every method raises `ClusterTrouble` and nothing else.

    Objects come and go as JSON, byte for byte. A name or a selector of a caller is data: it can never become another
    path or parameter, and what can be none is REFUSED. A kind that the server does not know is MISSING_API, wherever
    it is asked about.
    """

    def pages(
        self, resource: ApiResource, *, namespace: str | None = None, selector: str = "", metadata_only: bool = False
    ) -> AsyncIterator[bytes]:
        """Yield the pages of a list, at most 500 objects each, in every namespace if none is named.

        `selector` picks by labels; with `metadata_only` the items are PartialObjectMetadata. An object may come twice
        where the list had to be continued at a later state; EXPIRED if it could not be continued at all.
        Source: Kubernetes API concepts, "Retrieving large results sets in chunks" and "410 Gone responses".
        """
        ...

    async def read(self, resource: ApiResource, *, namespace: str | None, name: str) -> bytes | None:
        """Return one object, None if there is none of that name."""
        ...

    def watch(self, resource: ApiResource, *, namespace: str | None, name: str) -> AsyncGenerator[bytes | None, None]:
        """Yield one object as it is now, None if there is none, and again whenever it changed, came or went.

        It ends by itself after a while; whoever then watches anew has missed nothing, for the present state comes
        first. States that follow each other fast may be left out, never the last one. FORBIDDEN without the right to
        list and to watch that object.
        Source: Kubernetes API concepts, "Efficient detection of changes".
        """
        ...

    async def create(self, resource: ApiResource, *, namespace: str | None, document: bytes) -> bytes:
        """Create an object and return it as it was stored.

        CONFLICT if there is one of that name, or if its namespace is not there.
        """
        ...

    async def rehearse(self, resource: ApiResource, *, namespace: str | None, document: bytes) -> tuple[str, ...]:
        """Ask what creating an object would come to, without creating it; return the warnings of the API server.

        The trouble is that of `create`: FORBIDDEN too if admission denies it, UNAVAILABLE if a webhook that has to be
        asked does not answer; `detail` has the API server's words.
        Source: Kubernetes API concepts, "Dry-run"; KEP-1693 for warnings.
        """
        ...

    async def text(self, path: tuple[str, ...]) -> str:
        """Return what the API server answers where no object is, such as `("version",)`, or a Service behind it.

        `path` has the segments, none of which can become another path. MISSING_API if there is nothing.
        """
        ...

    async def replace(self, resource: ApiResource, *, namespace: str | None, name: str, document: bytes) -> bytes:
        """Replace an object and return it as it was stored.

        CONFLICT if it is not in the state that `document` names (`metadata.resourceVersion`), or is gone.
        """
        ...

    async def delete(self, resource: ApiResource, *, namespace: str | None, name: str, uid: str) -> bool:
        """Delete exactly this object; False if it was gone or is another one by now."""
        ...


class Clock(Protocol):
    """Time, as an argument."""

    def now(self) -> datetime:
        """Return the wall clock, in UTC, with its time zone."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only ever increase."""
        ...
