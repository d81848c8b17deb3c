"""What an index offers to a node, and how it could be shown otherwise to whoever judges it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.shop import Shop
from webhook.demo.attestations import IN_TOTO, attestation_child
from webhook.demo.documents import encode
from webhook.demo.images import ARM64, BuiltImage, BuiltIndex, Child, build, index
from webhook.demo.layers import File

SPDX = "https://spdx.dev/Document"


@pytest.fixture
def shop() -> Shop:
    """Return a world whose rule asks for the approved base and nothing else: whoever may push may try."""
    return Shop(require="{base: {}}")


def evil() -> BuiltImage:
    """Build an image on no base, as root."""
    return build(None, [{"bin/sh": File(content=b"evil")}])


def disguised(image: BuiltImage) -> BuiltImage:
    """Call every layer of an image a statement; their bytes stay those of a file system."""
    manifest: dict[str, Any] = msgspec.json.decode(image.manifest)
    for layer in manifest["layers"]:
        layer["mediaType"] = IN_TOTO
    return replace(image, manifest=encode(manifest))


class TestAttestationsThatRun:
    """An image among attestations, where nobody would look for one: some runtimes unpack layers of any type."""

    async def test_on_a_platform(self, shop: Shop) -> None:
        """What an index offers to nodes of a platform is no attestation, whatever its layers call themselves."""
        both = index([Child(image=disguised(evil()), platform=shop.base.platform), shop.app()])

        assert await shop.codes(shop.push(both)) == ["malformed-image"]

    async def test_on_any_platform(self, shop: Shop) -> None:
        """Where the index names no platform, a node asks the config, and that can name any."""
        both = index([disguised(evil()), shop.app()])
        document: dict[str, Any] = msgspec.json.decode(both.manifest)
        del document["manifests"][0]["platform"]
        anywhere = BuiltIndex(manifest=encode(document), media_type=both.media_type, children=both.children)

        assert await shop.codes(shop.push(anywhere)) == ["malformed-image"]

    @pytest.mark.parametrize("honest_last", [True, False])
    async def test_beside_its_own_alibi(self, shop: Shop, honest_last: bool) -> None:  # noqa: FBT001 - a case
        """One manifest that is listed twice is held against both descriptors, in whichever order they stand."""
        image = disguised(evil())
        alibi = attestation_child(shop.app(), {SPDX: {}})
        offers = [Child(image=image, platform=shop.base.platform), Child(image=image, platform=alibi.platform)]
        children = offers if honest_last else offers[::-1]

        assert await shop.codes(shop.push(index([*children, shop.app()]))) == ["malformed-image"]

    async def test_by_its_own_digest(self, shop: Shop) -> None:
        """Asked for without the index, what calls itself a statement is no image."""
        assert await shop.codes(shop.push(disguised(evil()))) == ["malformed-image"]


class TestChildren:
    """Every child counts, whichever a node would choose."""

    @pytest.mark.parametrize("evil_first", [True, False])
    async def test_two_for_one_platform(self, shop: Shop, evil_first: bool) -> None:  # noqa: FBT001 - a case
        """The second image for a platform is judged as the first is."""
        children = [evil(), shop.app()] if evil_first else [shop.app(), evil()]

        assert await shop.codes(shop.push(index(children))) == ["unapproved-base"]

    @pytest.mark.parametrize("honest_last", [True, False])
    async def test_one_for_two_platforms(self, shop: Shop, honest_last: bool) -> None:  # noqa: FBT001 - a case
        """An image that is offered for its own platform and for another contradicts one of the two."""
        children: list[BuiltImage | Child] = [Child(image=shop.app(), platform=ARM64), shop.app()]

        offered = index(children if honest_last else children[::-1])
        assert await shop.codes(shop.push(offered)) == ["malformed-image"]


class TestSize:
    """An index multiplies what one document may hold."""

    async def test_many_large_children(self, shop: Shop) -> None:
        """What one image makes the gate read is bounded as a whole."""
        filler = {"filler": "x" * 3_000_000}
        children = [shop.app(name=str(number), annotations=filler) for number in range(20)]
        reference = shop.push(index(children))

        assert await shop.codes(reference) == ["unverifiable"]

    async def test_many_large_configs(self, shop: Shop) -> None:
        """Configs count as manifests do."""
        filler = {"filler": "x" * 3_000_000}
        children = [shop.app(name=str(number), labels=filler) for number in range(4)]

        assert await shop.codes(shop.push(index(children))) == ["unverifiable"]

    async def test_one_large_document(self, shop: Shop) -> None:
        """What a single image may hold by itself, it may still hold."""
        image = shop.app(annotations={"filler": "x" * 3_000_000}, labels={"filler": "x" * 3_000_000})

        assert await shop.codes(shop.push(image)) == []
