"""The whole gate in one process: the real server, adapter and documents, a good registry and one that misbehaves."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import aiohttp

from tests.server.gates import review
from tests.shop import Shop
from webhook.certificates import make_development_certificates
from webhook.core.bases.document import print_catalog
from webhook.core.references import Digest
from webhook.demo.images import BuiltImage, BuiltIndex, push
from webhook.demo.registry import LoopbackRegistry
from webhook.demo.trial_server import calling, serving
from webhook.server.logs import LogFormat, open_log
from webhook.server.tls import TlsFiles
from webhook.settings import system_clock

__all__ = ["Composed", "Reply", "composed", "pod_review"]

REPOSITORY = "shop/api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server answered, and after how many seconds."""

    status: int
    body: bytes
    seconds: float

    @property
    def response(self) -> dict[str, Any]:
        """The response in the AdmissionReview."""
        found: dict[str, Any] = json.loads(self.body)["response"]
        return found

    @property
    def codes(self) -> list[str]:
        """The reason codes of a denial."""
        return [cause["reason"] for cause in self.response["status"]["details"]["causes"]]

    @property
    def message(self) -> str:
        """What the user of a denied request reads."""
        text: str = self.response["status"]["message"]
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A running gate, and what is around it. `good` is the reference of an image that it admits.

    Both registries serve the store of `shop`; `bad` is there to be given an interceptor.
    """

    shop: Shop
    registry: LoopbackRegistry
    bad: LoopbackRegistry
    url: str
    session: aiohttp.ClientSession
    log: StringIO
    good: str = field(init=False)

    def __post_init__(self) -> None:
        """Push the good image."""
        object.__setattr__(self, "good", f"{self.registry.host}/{REPOSITORY}@{self.signed(self.shop.app())}")

    def signed(self, content: BuiltImage | BuiltIndex) -> Digest:
        """Push an image, have the release pipeline sign it, and return its digest."""
        digest = push(self.shop.registry.store, REPOSITORY, content)
        self.shop.release.sign_bundle(self.shop.registry.store, REPOSITORY, digest)
        return digest

    def at_bad(self, digest: Digest) -> str:
        """Return the reference of an image at the registry that misbehaves."""
        return f"{self.bad.host}/{REPOSITORY}@{digest}"

    async def post(self, body: bytes | AsyncIterator[bytes], *, caller_waits: str = "10s") -> Reply:
        """Send a body to the webhook as the API server does, which gives it so much time."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with self.session.post(
            f"{self.url}/validate",
            params={"timeout": caller_waits},
            data=BytesIO(body) if isinstance(body, bytes) else body,
            headers={"Content-Type": "application/json"},
        ) as answer:
            status, content = answer.status, await answer.read()
        return Reply(status=status, body=content, seconds=loop.time() - started)

    async def post_beside_a_good_one(self, body: bytes, *, caller_waits: str = "10s") -> Reply:
        """Send a body, and at the same time a review about the good image, which must be admitted."""
        reply, other = await asyncio.gather(
            self.post(body, caller_waits=caller_waits), self.post(pod_review(self.good))
        )
        assert other.status == 200
        assert other.response["allowed"] is True, other.body
        return reply


@asynccontextmanager
async def composed(folder: Path) -> AsyncIterator[Composed]:
    """Run everything until the end of the block; nothing is shared with another block."""
    shop = _shop()
    tls, ca = _write_certificates(folder)
    log = StringIO()
    clock = system_clock()
    store = shop.registry.store
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    async with LoopbackRegistry(store, tls=context) as registry, LoopbackRegistry(store, tls=context) as bad:
        (folder / "policy.yaml").write_text(json.dumps(_policy(shop, registry.host, bad.host)))
        (folder / "catalog.json").write_bytes(print_catalog(shop.catalog))
        served = serving(
            policy=folder / "policy.yaml",
            catalog=folder / "catalog.json",
            tls=tls,
            clock=clock,
            log=open_log(LogFormat.JSON, log),
        )
        async with served as url, calling(url, ca=ca, clock=clock) as caller:
            yield Composed(shop=shop, registry=registry, bad=bad, url=url, session=caller.session, log=log)


def pod_review(image: str = "", *, containers: object = None, **changes: Any) -> bytes:  # noqa: ANN401 - JSON
    """Return an AdmissionReview about a Pod of one container, or of these; `changes` are to the request."""
    spec: Mapping[str, object] = {"containers": containers or [{"name": "api", "image": image}]}
    pod = {"kind": "Pod", "metadata": {"name": "api", "namespace": "shop"}, "spec": spec}
    return review(**({"object": pod} | changes))


def _shop() -> Shop:
    """Return a shop whose clock shows the present."""
    shop = Shop()
    shop.clock.advance((datetime.now(UTC) - shop.clock.now()).total_seconds())
    shop.builds = (shop.record(shop.base),)
    return shop


def _write_certificates(folder: Path) -> tuple[TlsFiles, Path]:
    """Write a pair for all servers on loopback, and the certificate of its CA."""
    made = make_development_certificates(("127.0.0.1",), now=datetime.now(UTC), lifetime=timedelta(days=1))
    files = TlsFiles(certificate=folder / "tls.crt", key=folder / "tls.key")
    files.certificate.write_bytes(made.certificate)
    files.key.write_bytes(made.key)
    (folder / "ca.crt").write_bytes(made.ca)
    return files, folder / "ca.crt"


def _policy(shop: Shop, *hosts: str) -> dict[str, Any]:
    """Return a policy under which an image at one of these hosts must be signed and stand on the base."""
    keys = {"docker-dhi": shop.docker, "release": shop.release}
    return {
        "apiVersion": "dhi-gate.dev/v1alpha1",
        "kind": "ImagePolicy",
        "metadata": {"name": "composed"},
        "spec": {
            "authorities": [{"name": name, "key": {"data": signer.public_pem}} for name, signer in keys.items()],
            "bases": [{"repository": "dhi.io/python", "tags": ["3.13*"], "signedBy": ["docker-dhi"]}],
            "registries": [{"host": host, "ca": {"file": "ca.crt"}} for host in hosts],
            "rules": [
                {
                    "name": "strict",
                    "images": [f"{host}/**" for host in hosts],
                    "require": {"signatures": {"from": ["release"]}, "base": {}},
                }
            ],
        },
    }
