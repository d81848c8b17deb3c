"""Layers are unpacked to their last byte, whatever they are cut into, and never without bound."""

from __future__ import annotations

import gzip
import random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.core.given import digest
from webhook.core.bases import layer_hashing
from webhook.core.bases.layer_hashing import DiffIdHasher, LayerTooLarge
from webhook.core.manifests import Malformed
from webhook.core.references import Digest
from webhook.demo.layers import Compression, compress

LAYER = digest("layer")
OCI, DOCKER = "application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"
TYPES = {Compression.NONE: "", Compression.GZIP: "+gzip", Compression.ZSTD: "+zstd"}
CONTENT = random.Random(1).randbytes(3000) + b"layer" * 9000  # noqa: S311 - bytes that do not compress, always the same
SKIPPABLE = b"\x50\x2a\x4d\x18" + (9).to_bytes(4, "little") + b"123456789"
PACKED = [Compression.GZIP, Compression.ZSTD]


def verdict(
    blob: bytes, media_type: str, *, step: int = 1000, max_bytes: int = 1_000_000
) -> Digest | Malformed | LayerTooLarge:
    """Feed a blob in pieces of `step` bytes."""
    hasher = DiffIdHasher(media_type, max_bytes=max_bytes)
    for start in range(0, len(blob), step):
        hasher.feed(blob[start : start + step])
    return hasher.finish(layer=LAYER)


def sha256(data: bytes) -> Digest:
    """Return what a layer of these bytes is called."""
    return Digest.of(data)


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("members", [1, 2, 7])
@pytest.mark.parametrize("step", [1, 3, 511, 100_000])
def test_every_member_and_frame_is_hashed(compression: Compression, members: int, step: int) -> None:
    """The diff ID covers all members or frames, however the stream is cut."""
    blob = compress(CONTENT, compression, members=members)

    assert sha256(CONTENT) == verdict(blob, f"{OCI}{TYPES[compression]}", step=step)


@given(
    st.binary(max_size=2000),
    st.sampled_from(PACKED),
    st.integers(min_value=1, max_value=5),
    st.integers(min_value=1, max_value=600),
)
def test_unpacking_undoes_packing(content: bytes, compression: Compression, members: int, step: int) -> None:
    """Whatever was packed, in however many parts, comes out."""
    blob = compress(content, compression, members=members)

    assert sha256(content) == verdict(blob, f"{OCI}{TYPES[compression]}", step=step)


@given(st.binary(max_size=600), st.sampled_from(sorted(TYPES.values())))
def test_no_bytes_make_the_hasher_raise(blob: bytes, suffix: str) -> None:
    """Hostile bytes have a verdict like all others."""
    assert isinstance(verdict(blob, f"{OCI}{suffix}"), Digest | Malformed | LayerTooLarge)


@pytest.mark.parametrize("suffix", ["", ".gzip", ".zstd"])
def test_docker_media_types_are_layers_too(suffix: str) -> None:
    """Docker spells the types with dots."""
    compression = {"": Compression.NONE, ".gzip": Compression.GZIP, ".zstd": Compression.ZSTD}[suffix]

    assert sha256(CONTENT) == verdict(compress(CONTENT, compression), f"{DOCKER}{suffix}")


@pytest.mark.parametrize("media_type", ["", "application/octet-stream", f"{OCI}+encrypted", f"{OCI}+xz"])
def test_other_media_types_are_no_layers(media_type: str) -> None:
    """What is no layer type is refused, not guessed at."""
    found = verdict(CONTENT, media_type)

    assert Malformed(what=f"layer {LAYER.short}", why="its media type is not that of a layer") == found


@pytest.mark.parametrize("compression", PACKED)
@pytest.mark.parametrize("members", [1, 3])
def test_a_truncated_layer_is_malformed(compression: Compression, members: int) -> None:
    """A stream that ends within a member or frame is not the whole of it, wherever it is cut."""
    blob = compress(CONTENT, compression, members=members)
    for cut in (1, 4, 9, len(blob) // 2):
        found = verdict(blob[:-cut], f"{OCI}{TYPES[compression]}")
        assert isinstance(found, Malformed)
        assert "ends in the middle" in found.why


@pytest.mark.parametrize("compression", PACKED)
def test_an_empty_blob_is_malformed(compression: Compression) -> None:
    """No member and no frame is no compressed layer."""
    assert isinstance(verdict(b"", f"{OCI}{TYPES[compression]}"), Malformed)


@pytest.mark.parametrize("compression", PACKED)
@pytest.mark.parametrize("garbage", [bytes(512), b"garbage that is longer than a header"])
@pytest.mark.parametrize("step", [1, 100_000])
def test_garbage_behind_the_data_is_malformed(compression: Compression, garbage: bytes, step: int) -> None:
    """Some readers stop at garbage, others fail: such a layer has no one content."""
    blob = compress(CONTENT, compression) + garbage

    assert isinstance(verdict(blob, f"{OCI}{TYPES[compression]}", step=step), Malformed)


@pytest.mark.parametrize("compression", PACKED)
def test_a_flipped_bit_never_gives_the_same_content(compression: Compression) -> None:
    """Checksums of the formats are checked; what they let through hashes to something else."""
    blob = compress(CONTENT[:2000], compression)
    randomly = random.Random(2)  # noqa: S311 - the same flips every time
    for _ in range(200):
        position = randomly.randrange(len(blob))
        spoilt = blob[:position] + bytes([blob[position] ^ 1 << randomly.randrange(8)]) + blob[position + 1 :]
        found = verdict(spoilt, f"{OCI}{TYPES[compression]}", step=5000)
        assert found == sha256(CONTENT[:2000]) or not isinstance(found, Digest)


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_skippable_frames_are_passed_over(step: int) -> None:
    """A skippable frame holds nothing of the layer; one that is cut short is malformed."""
    blob = SKIPPABLE + compress(CONTENT, Compression.ZSTD) + SKIPPABLE

    assert sha256(CONTENT) == verdict(blob, f"{OCI}+zstd", step=step)
    assert isinstance(verdict(blob[:-1], f"{OCI}+zstd", step=step), Malformed)


@pytest.mark.parametrize("compression", PACKED)
@pytest.mark.parametrize("step", [1, 2, 100_000])
def test_compressed_data_called_plain_is_malformed(compression: Compression, step: int) -> None:
    """Container runtimes look at the first bytes and unpack; the gate would hash what they never see."""
    assert isinstance(verdict(compress(CONTENT, compression), OCI, step=step), Malformed)


@pytest.mark.parametrize("compression", PACKED)
def test_one_compression_called_the_other_is_malformed(compression: Compression) -> None:
    """The media type decides, and the bytes must be of it."""
    other = {Compression.GZIP: "+zstd", Compression.ZSTD: "+gzip"}[compression]

    assert isinstance(verdict(compress(CONTENT, compression), f"{OCI}{other}"), Malformed)


@pytest.mark.parametrize("compression", list(Compression))
def test_a_layer_may_be_exactly_as_large_as_the_limit(compression: Compression) -> None:
    """The limit counts unpacked bytes, and one more is too many."""
    blob, media_type = compress(CONTENT, compression), f"{OCI}{TYPES[compression]}"

    assert sha256(CONTENT) == verdict(blob, media_type, max_bytes=len(CONTENT))
    found = verdict(blob, media_type, max_bytes=len(CONTENT) - 1)
    assert LayerTooLarge(why=f"it unpacks to more than {len(CONTENT) - 1:,} bytes") == found


@pytest.mark.parametrize("compression", PACKED)
def test_a_bomb_is_too_large_and_not_malformed(compression: Compression) -> None:
    """What unpacks to hundreds of times its size is given up long before the limit, and called neither good nor bad."""
    bomb = compress(bytes(layer_hashing.RATIO_FREE_BYTES + 20_000_000), compression)
    found = verdict(bomb, f"{OCI}{TYPES[compression]}", step=len(bomb), max_bytes=layer_hashing.MAX_UNPACKED_BYTES)

    assert LayerTooLarge(why="it unpacks to more than 200 times its size") == found


def test_a_full_piece_at_the_very_end_is_not_lost() -> None:
    """Output that fills the buffer exactly may have more behind it although all input was taken."""
    for size in (
        layer_hashing.GZIP_PIECE_BYTES,
        2 * layer_hashing.GZIP_PIECE_BYTES,
        layer_hashing.GZIP_PIECE_BYTES + 1,
    ):
        content = bytes(size)
        assert sha256(content) == verdict(gzip.compress(content), f"{OCI}+gzip", max_bytes=size)


def test_a_frame_that_asks_for_much_memory_is_too_large() -> None:
    """A window beyond the limit is a matter of the gate's limits, not of the image."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    found = verdict(packer.compress(CONTENT) + packer.flush(), f"{OCI}+zstd")

    assert isinstance(found, LayerTooLarge)
    assert "window" in found.why


def test_the_number_of_parts_is_bounded() -> None:
    """A layer of nothing but empty members costs time without output."""
    output = layer_hashing._Output(max_bytes=1)
    output._parts = layer_hashing.MAX_PARTS - 1
    output.count_part()

    with pytest.raises(layer_hashing._Excess, match="parts"):
        output.count_part()


def test_what_is_fed_after_the_verdict_is_passed_over() -> None:
    """Whoever feeds may go on to the end, to check the digest of the whole."""
    hasher = DiffIdHasher(f"{OCI}+gzip")
    hasher.feed(b"garbage")
    hasher.feed(compress(CONTENT, Compression.GZIP))

    assert isinstance(hasher.finish(layer=LAYER), Malformed)
