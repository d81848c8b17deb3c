"""Replicas that do one request at a time, so that a test decides what happens in between."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from tests.certificate_keeping.given import Replica, kept
from tests.fakes.cluster import FakeCluster
from webhook.certificate_keeping.secret import Kept
from webhook.ports import ApiResource, ClusterTrouble

__all__ = ["Living", "TurnBasedCluster", "verifies"]

Written = Callable[[ApiResource, Kept | None], None]


class Turn:
    """Where a replica waits until it is its turn again."""

    def __await__(self) -> Generator[None]:
        """Suspend once."""
        yield


class TurnBasedCluster(FakeCluster):
    """A cluster that lets others act before and after each request.

    `written` is told of every kind of object that was written, and what the Secret said before.
    """

    def __init__(self, world: FakeCluster, written: Written = lambda _resource, _before: None) -> None:
        super().__init__()
        self._world = world
        self._written = written

    async def read(self, resource: ApiResource, *, namespace: str | None, name: str) -> bytes | None:
        """Read."""
        await Turn()
        found = await self._world.read(resource, namespace=namespace, name=name)
        await Turn()
        return found

    async def create(self, resource: ApiResource, *, namespace: str | None, document: bytes) -> bytes:
        """Create."""
        await Turn()
        before = kept(self._world)
        stored = await self._world.create(resource, namespace=namespace, document=document)
        self._written(resource, before)
        await Turn()
        return stored

    async def replace(self, resource: ApiResource, *, namespace: str | None, name: str, document: bytes) -> bytes:
        """Replace."""
        await Turn()
        before = kept(self._world)
        stored = await self._world.replace(resource, namespace=namespace, name=name, document=document)
        self._written(resource, before)
        await Turn()
        return stored


@dataclass(slots=True, kw_only=True)
class Living:
    """A replica that runs, and the look that it is in the middle of."""

    replica: Replica
    look: Coroutine[Any, Any, None] | None = None
    answers: int = 0

    def turn(self, trouble: ClusterTrouble | None = None) -> bool:
        """Go on to the next turn, with the answer or with trouble instead; False if the look is over."""
        self.look = self.look or self.replica.keeper.look()
        try:
            if trouble is None or not self.answers:
                self.look.send(None)
            else:
                self.look.throw(trouble)
            self.answers += 1
        except StopIteration:
            self.look, self.answers = None, 0
            return False
        return True

    def finish(self) -> None:
        """Look to the end."""
        while self.turn():
            pass

    def end(self) -> None:
        """Die."""
        if self.look is not None:
            self.look.close()


@lru_cache(maxsize=100_000)
def verifies(leaf: bytes, bundle: bytes) -> bool:
    """Tell whether one of the authorities in a bundle signed a leaf."""
    certificate = x509.load_pem_x509_certificate(leaf)
    for authority in x509.load_pem_x509_certificates(bundle) if bundle else ():
        try:
            certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError):
            continue
        return True
    return False
