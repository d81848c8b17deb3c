"""Stand-ins for the images that nobody here builds, brought into a real registry by a real client."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.e2e.clients import ClientHome, Cosign
from webhook.core.references import Digest
from webhook.demo.bases import dhi_base, dhi_index
from webhook.demo.images import AMD64, ARM64, BuiltImage, build, push
from webhook.demo.layers import File
from webhook.demo.registry import LoopbackRegistry

BASE = "dhi/python"
OTHER_BASE = "library/python"

_BUILD_AGE = timedelta(days=20)
_OLD_BUILD_AGE = timedelta(days=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """Digests of what was published: the hardened base, its development variant, and an older build of it."""

    runtime: Digest
    development: Digest
    old: Digest
    chain_id: Digest  # of the runtime variant for linux/amd64


def publish_bases(home: ClientHome, cosign: Cosign, registry: str) -> Bases:
    """Push the hardened base for two platforms, signed as Docker signs, and a base of somebody else.

    The tags `3.13` and `3.13-dev` carry the current build; no tag carries the old one any more.
    """
    current = datetime.now(UTC).replace(microsecond=0) - _BUILD_AGE
    old = current + _BUILD_AGE - _OLD_BUILD_AGE
    bases = asyncio.run(_push(home, registry, current=current, old=old))
    for digest in (bases.runtime, bases.development, bases.old):
        cosign.sign(f"{registry}/{BASE}@{digest}", key="publisher", form="oci11")
    return bases


async def _push(home: ClientHome, registry: str, *, current: datetime, old: datetime) -> Bases:
    """Serve the stand-ins on loopback for as long as crane needs to copy them."""
    async with LoopbackRegistry() as source:
        runtime, development, outdated = (
            push(
                source.store,
                BASE,
                dhi_index([dhi_base(variant=variant, created=created, platform=each) for each in (AMD64, ARM64)]),
                tag=tag,
            )
            for tag, variant, created in (
                ("3.13", "runtime", current),
                ("3.13-dev", "dev", current),
                ("old", "runtime", old),
            )
        )
        push(source.store, OTHER_BASE, _other_base(), tag="3.13-slim")
        copies = {
            f"{BASE}:3.13": f"{BASE}:3.13",
            f"{BASE}:3.13-dev": f"{BASE}:3.13-dev",
            f"{BASE}:old": f"{BASE}@{outdated}",
            f"{OTHER_BASE}:3.13-slim": f"{OTHER_BASE}:3.13-slim",
        }
        for copied, target in copies.items():
            await asyncio.to_thread(home.run, "crane", "copy", f"{source.host}/{copied}", f"{registry}/{target}")
    chain_id = dhi_base(created=current).chain_id
    return Bases(runtime=runtime, development=development, old=outdated, chain_id=chain_id)


def _other_base() -> BuiltImage:
    """Make a base of somebody else with as many layers as the hardened one."""
    return build(
        None,
        [
            {"etc/os-release": b"ID=debian\n", "bin/sh": File(content=b"a shell\n", mode=0o755)},
            {"usr/bin/python3.13": File(content=b"python of a stranger\n", mode=0o755)},
            {"usr/bin/pip": File(content=b"pip\n", mode=0o755)},
        ],
    )
