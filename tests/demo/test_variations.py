"""Repacked, flattened, copied and forged images are wrong in exactly one way."""

import io
import tarfile

import pytest

from webhook.demo.bases import dhi_base
from webhook.demo.images import BuiltImage, build, push
from webhook.demo.layers import Compression
from webhook.demo.store import Store
from webhook.demo.variations import copied_from_scratch, recompressed, squashed, with_config, with_forged_diff_ids

IMAGE = build(dhi_base(), [{"app/main.py": b"print()", "usr/bin/.wh.python": b""}], labels={"team": "shop"})


def files(image: BuiltImage) -> list[str]:
    """List the paths in the only layer of an image."""
    (layer,) = image.layers
    with tarfile.open(fileobj=io.BytesIO(layer.tar)) as reader:
        return reader.getnames()


@pytest.mark.parametrize("to", list(Compression))
def test_recompression_keeps_the_config(to: Compression) -> None:
    """Other blobs, the same config and diff IDs."""
    other = recompressed(IMAGE, to=to)
    assert other.config == IMAGE.config
    assert set(other.layer_digests) - set(IMAGE.layer_digests)


def test_squashing_keeps_labels_and_loses_layers() -> None:
    """One layer with what could be seen before, under the old labels and user."""
    flat = squashed(IMAGE)
    assert (flat.labels, flat.user) == (IMAGE.labels, IMAGE.user)
    assert len(flat.diff_ids) == 1
    assert "app/main.py" in files(flat)
    assert "usr/bin/python" not in files(flat)


def test_a_copy_has_the_files_and_nothing_else() -> None:
    """The copied image has one layer of the same files, no inherited label, no user."""
    copy = copied_from_scratch(IMAGE, labels={"team": "other"})
    assert files(copy) == files(squashed(IMAGE))
    assert (copy.labels, copy.user) == ({"team": "other"}, "")


def test_forged_diff_ids_are_claims_only() -> None:
    """The config claims the base's diff IDs and labels; the layers are the forger's own, and a registry agrees."""
    base = dhi_base()
    own = build(None, [{name: b"evil"} for name in "abcd"])
    forged = with_forged_diff_ids(own, base)
    assert forged.diff_ids[: len(base.diff_ids)] == base.diff_ids
    assert forged.layers == own.layers
    assert forged.labels["com.docker.dhi.chain-id"] == str(base.chain_id)
    assert push(Store(), "shop/forged", forged) == forged.digest


def test_a_forgery_needs_enough_layers() -> None:
    """Fewer layers than the base has cannot pass for it."""
    with pytest.raises(ValueError, match="1 layers cannot pass for 3"):
        with_forged_diff_ids(build(None, [{"a": b"1"}]), dhi_base())


def test_any_bytes_can_be_a_config() -> None:
    """The config may be replaced by something that is none."""
    assert with_config(IMAGE, b"not json").config == b"not json"
