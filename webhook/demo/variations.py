"""What happens to images between a build and a cluster, honestly or not: repacked, flattened, copied, forged."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from webhook.demo.documents import RootFilesystemDocument, encode
from webhook.demo.images import BuiltImage, assemble, build
from webhook.demo.layers import Compression, Layer, merged

__all__ = ["copied_from_scratch", "recompressed", "squashed", "with_config", "with_forged_diff_ids"]


def recompressed(image: BuiltImage, *, to: Compression) -> BuiltImage:
    """Repack every layer, as a mirror or `force-compression=true` does: same config, other layer digests."""
    layers = tuple(layer.recompressed(to) for layer in image.layers)
    return assemble(image.config, layers, family=image.family)


def squashed(image: BuiltImage) -> BuiltImage:
    """Flatten all layers into one and keep the rest of the config, labels included: the chain is lost."""
    layer = _flattened(image)
    rootfs = RootFilesystemDocument(type="layers", diff_ids=(str(layer.diff_id),))
    config = encode(msgspec.structs.replace(image.document, rootfs=rootfs, history=()))
    return assemble(config, (layer,), family=image.family)


def copied_from_scratch(image: BuiltImage, *, labels: Mapping[str, str] | None = None) -> BuiltImage:
    """Build `FROM scratch` and `COPY --from=IMAGE / /`: the same files, no layer, no label and no user of `image`."""
    return build(None, [_flattened(image)], platform=image.platform, labels=labels, family=image.family)


def with_forged_diff_ids(image: BuiltImage, base: BuiltImage) -> BuiltImage:
    """Let the config of `image` claim the diff IDs and labels of `base` for layers that are not those of `base`.

    A registry does not notice; ValueError if `image` has fewer layers than `base`, since the counts would give it away.
    """
    claimed, own = base.document.rootfs.diff_ids, image.document.rootfs.diff_ids
    if len(own) < len(claimed):
        raise ValueError(f"{len(own)} layers cannot pass for {len(claimed)}")
    document = image.document
    rootfs = RootFilesystemDocument(type="layers", diff_ids=(*claimed, *own[len(claimed) :]))
    runtime = msgspec.structs.replace(document.config, labels={**base.labels, **document.config.labels})
    return with_config(image, encode(msgspec.structs.replace(document, rootfs=rootfs, config=runtime)))


def with_config(image: BuiltImage, config: bytes) -> BuiltImage:
    """Return `image` with another config, whatever its bytes are; the layers stay."""
    return assemble(config, image.layers, family=image.family)


def _flattened(image: BuiltImage) -> Layer:
    """Return one gzip layer with what a container of `image` sees."""
    archive = merged(image.layers)
    plain = Layer(tar=archive, blob=archive, media_type=image.layers[0].media_type)
    return plain.recompressed(Compression.GZIP)
