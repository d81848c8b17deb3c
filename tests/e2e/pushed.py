"""Small images, and what hangs on them, brought into a real registry by a real client and taken out again."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from tests.e2e.clients import ClientHome
from tests.e2e.tools.processes import http_get
from webhook.core.references import Digest
from webhook.demo.documents import EMPTY_BLOB, OCI_EMPTY, OCI_MANIFEST, ManifestDocument, descriptor
from webhook.demo.envelopes import BUNDLE
from webhook.demo.images import BuiltImage, build, push
from webhook.demo.layers import File
from webhook.demo.referrers import attach, subject_descriptor
from webhook.demo.registry import LoopbackRegistry

__all__ = ["Bundle", "bundle_of", "push_image", "push_with_bundle"]

Bundle = Mapping[str, Any]


def push_image(home: ClientHome, target: str, name: str) -> str:
    """Push the image `name` to `target` (`HOST/PATH`) and return its pinned reference."""
    return asyncio.run(_copy(home, target, _image(name), bundle=None))


def push_with_bundle(home: ClientHome, target: str, name: str, bundle: Bundle) -> str:
    """Push the image `name` to `target`, with any bundle hanging on it, and return its pinned reference."""
    return asyncio.run(_copy(home, target, _image(name), bundle=json.dumps(bundle).encode()))


def bundle_of(image: str) -> Bundle:
    """Return the first bundle that a registry with a referrers API lists for `image` (`HOST/PATH@DIGEST`)."""
    name, _, digest = image.partition("@")
    host, _, path = name.partition("/")
    home = f"http://{host}/v2/{path}"
    (first, *_) = _get(f"{home}/referrers/{digest}")["manifests"]
    (layer,) = _get(f"{home}/manifests/{first['digest']}")["layers"]
    bundle: Bundle = _get(f"{home}/blobs/{layer['digest']}")
    return bundle


def _image(name: str) -> BuiltImage:
    return build(None, [{"app": File(content=name.encode(), mode=0o755)}], user="1000")


async def _copy(home: ClientHome, target: str, image: BuiltImage, *, bundle: bytes | None) -> str:
    """Serve the image on loopback for as long as crane needs to copy it."""
    async with LoopbackRegistry() as source:
        path = "source/image"
        digest = push(source.store, path, image)
        copied = [digest] if bundle is None else [digest, _hang(source, path, digest, bundle)]
        for number, each in enumerate(copied):
            names = f"{source.host}/{path}@{each}", f"{target}:copy-{number}"
            await asyncio.to_thread(home.run, "crane", "copy", *names)
    return f"{target}@{digest}"


def _hang(source: LoopbackRegistry, path: str, image: Digest, bundle: bytes) -> Digest:
    for blob in (EMPTY_BLOB, bundle):
        source.store.put_blob(path, blob)
    manifest = ManifestDocument(
        schema_version=2,
        media_type=OCI_MANIFEST,
        artifact_type=BUNDLE,
        config=descriptor(OCI_EMPTY, EMPTY_BLOB),
        layers=(descriptor(BUNDLE, bundle),),
        subject=subject_descriptor(source.store, path, image),
    )
    return attach(source.store, path, image, manifest)


def _get(url: str) -> Any:  # noqa: ANN401 - JSON
    status, body = http_get(url)
    assert status == 200, f"{url}: {status}"
    return json.loads(body)
