"""Pushes an image as a plain client does, over HTTP."""

from collections.abc import Mapping

import aiohttp

from webhook.core.references import Digest
from webhook.demo.images import BuiltImage


async def upload_blob(
    session: aiohttp.ClientSession, url: str, repository: str, data: bytes, *, headers: Mapping[str, str] | None = None
) -> int:
    """Upload a blob by POST and PUT; return the status of the PUT."""
    async with session.post(f"{url}/v2/{repository}/blobs/uploads/", headers=headers) as begun:
        begun.raise_for_status()
        location = begun.headers["Location"]
    async with session.put(
        f"{url}{location}", params={"digest": str(Digest.of(data))}, data=data, headers=headers
    ) as ended:
        return ended.status


async def upload(
    session: aiohttp.ClientSession,
    url: str,
    repository: str,
    image: BuiltImage,
    *,
    tag: str,
    headers: Mapping[str, str] | None = None,
) -> Digest:
    """Upload config, layers and manifest; return the digest that the registry gave the image."""
    for data in (image.config, *(layer.blob for layer in image.layers)):
        assert await upload_blob(session, url, repository, data, headers=headers) == 201
    async with session.put(
        f"{url}/v2/{repository}/manifests/{tag}",
        data=image.manifest,
        headers={**(headers or {}), "Content-Type": image.media_type},
    ) as answer:
        answer.raise_for_status()
        return Digest.parse(answer.headers["Docker-Content-Digest"])
