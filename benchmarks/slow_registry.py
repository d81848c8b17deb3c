"""A registry with signed applications and a delay before each answer, in a process of its own.

`python -m benchmarks.slow_registry FOLDER IMAGES DELAY_SECONDS` writes `policy.yaml` and `catalog.json` into the
folder and prints one line of JSON: the references of the images. `GET /asked` answers with every request since the last
one of these. It ends when its input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import yaml
from aiohttp import web

from tests.shop import Shop
from webhook.core.bases.document import print_catalog
from webhook.demo.images import push
from webhook.demo.registry import LoopbackRegistry

UNSIGNED_OF = 4
"""Of so many images one is refused, so that hints are looked for as in a real audit."""


async def serve(folder: Path, images: int, delay_seconds: float) -> None:
    """Serve until the input ends."""

    async def delay(request: web.Request) -> web.Response | None:
        if request.path == "/asked":
            asked = [f"{each.method} {each.path}" for each in registry.requests[:-1]]
            registry.requests.clear()
            return web.json_response(asked)
        await asyncio.sleep(delay_seconds)
        return None

    shop = Shop()
    shop.clock.advance((datetime.now(UTC) - shop.clock.now()).total_seconds())
    shop.builds = (shop.record(shop.base),)
    _write_documents(folder, shop)
    async with LoopbackRegistry(shop.registry.store, interceptor=delay) as registry:
        references = [_publish(shop, registry.host, number) for number in range(images)]
        print(json.dumps(references), flush=True)
        await asyncio.to_thread(sys.stdin.read)


def _publish(shop: Shop, host: str, number: int) -> str:
    """Push an application; all but each fourth are signed."""
    repository = f"shop/app-{number}"
    digest = push(shop.registry.store, repository, shop.app(name=f"app-{number}"), tag="1.0")
    if number % UNSIGNED_OF:
        shop.release.sign_bundle(shop.registry.store, repository, digest)
    return f"{host}/{repository}:1.0@{digest}"


def _write_documents(folder: Path, shop: Shop) -> None:
    keys = {name: getattr(shop, name).public_pem for name in ("docker", "release")}
    wanted = {"signatures": {"from": ["release"]}, "base": {"maxAge": "60d"}, "user": "nonRoot"}
    policy = {
        "apiVersion": "dhi-gate.dev/v1alpha1",
        "kind": "ImagePolicy",
        "metadata": {"name": "benchmark"},
        "spec": {
            "authorities": [
                {"name": "docker-dhi", "key": {"data": keys["docker"]}},
                {"name": "release", "key": {"data": keys["release"]}},
            ],
            "bases": [{"repository": "dhi.io/python", "tags": ["3.13*"], "signedBy": ["docker-dhi"]}],
            "rules": [{"name": "everywhere", "require": wanted}],
        },
    }
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy), encoding="utf-8")
    (folder / "catalog.json").write_bytes(print_catalog(shop.catalog))


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
