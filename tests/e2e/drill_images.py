"""What the drills run: a hardened base, images that are good and one that nobody signed, and a policy that knows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.clients import ClientHome, Cosign
from webhook.core.references import Digest
from webhook.demo.bases import dhi_base
from webhook.demo.images import build, push
from webhook.demo.layers import File
from webhook.demo.registry import LoopbackRegistry

__all__ = ["UNSIGNED", "Images"]

GOOD = ("api", "web", "worker")
UNSIGNED = "unsigned"
TAG = "1.0"
AGE = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Images in the registry `hub` (`HOST:PORT`), each under the tag `1.0`, and the keys by which they are judged."""

    hub: str
    digests: Mapping[str, Digest]
    keys: Mapping[str, str]

    @classmethod
    def publish(cls, home: ClientHome, hub: str) -> Images:
        """Build, push and sign them, all but `UNSIGNED`; all of them stand on a base that its publisher signed."""
        cosign = Cosign(home)
        base, digests = asyncio.run(_push(home, hub))
        cosign.sign(f"{hub}/dhi/python@{base}", key="publisher", form="oci11")
        for name in GOOD:
            cosign.sign(f"{hub}/shop/{name}@{digests[name]}", key="release", form="bundle")
        keys = {f"{key}.pub": cosign.public_key(key).read_text(encoding="utf-8") for key in ("publisher", "release")}
        return cls(hub=hub, digests=digests, keys=keys)

    def repository(self, name: str) -> str:
        """Return where an image is, as policies name it."""
        return f"{self.hub}/shop/{name}"

    def tagged(self, name: str) -> str:
        """Return an image as people write it."""
        return f"{self.repository(name)}:{TAG}"

    def pinned(self, name: str) -> str:
        """Return an image as it is stored once its tag is pinned."""
        return f"{self.tagged(name)}@{self.digests[name]}"

    def policy(self, *exceptions: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a policy that asks for a signature and the base everywhere, with these exceptions."""
        base = {
            "repository": "dhi.io/python",
            "tags": ["3.13"],
            "signedBy": ["publisher"],
            "mirrors": [f"{self.hub}/dhi/python"],
        }
        rule = {
            "name": "everything",
            "images": [f"{self.hub}/**"],
            "require": {"signatures": {"from": ["release"]}, "base": {}},
            **({"except": list(exceptions)} if exceptions else {}),
        }
        return {
            "apiVersion": "dhi-gate.dev/v1alpha1",
            "kind": "ImagePolicy",
            "metadata": {"name": "drills"},
            "spec": {
                "authorities": [{"name": name, "key": {"file": f"{name}.pub"}} for name in ("publisher", "release")],
                "bases": [base],
                "pinTags": True,
                "rules": [rule],
            },
        }


async def _push(home: ClientHome, hub: str) -> tuple[Digest, Mapping[str, Digest]]:
    """Serve the images on loopback for as long as crane needs to copy them; return the base's digest and theirs."""
    base = dhi_base(created=datetime.now(UTC).replace(microsecond=0) - AGE)
    names = (*GOOD, UNSIGNED)
    applications = {name: build(base, [{"app": File(content=name.encode(), mode=0o755)}]) for name in names}
    async with LoopbackRegistry() as source:
        targets = {"dhi/python": (base, "3.13"), **{f"shop/{name}": (applications[name], TAG) for name in names}}
        digests = {path: push(source.store, path, image) for path, (image, _) in targets.items()}
        for path, (_, tag) in targets.items():
            copied = f"{source.host}/{path}@{digests[path]}", f"{hub}/{path}:{tag}"
            await asyncio.to_thread(home.run, "crane", "copy", *copied)
    return digests["dhi/python"], {name: digests[f"shop/{name}"] for name in names}
