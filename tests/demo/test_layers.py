"""Layers are real archives, the same every time."""

import gzip
import hashlib
import io
import tarfile

import zstandard
from hypothesis import given
from hypothesis import strategies as st

from webhook.demo.layers import EMPTY_TAR, Compression, File, Layer, Link, MediaFamily, compress, merged, tar

PATHS = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,3}", fullmatch=True)


def names(archive: bytes) -> list[str]:
    """List the paths in an archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as reader:
        return reader.getnames()


def unpack(data: bytes, compression: Compression) -> bytes:
    """Undo a compression, over all members or frames."""
    match compression:
        case Compression.GZIP:
            return gzip.decompress(data)
        case Compression.ZSTD:
            with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
                return bytes(reader.readall())
        case Compression.NONE:
            return data


def test_the_empty_layer_has_the_well_known_diff_id() -> None:
    """A layer without files is the 1,024 zero bytes that every OCI tool knows."""
    layer = Layer.of({})
    assert layer.tar == EMPTY_TAR
    assert str(layer.diff_id) == "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"


@given(st.dictionaries(PATHS, st.binary(max_size=1500), max_size=5))
def test_an_archive_gives_back_its_files(files: dict[str, bytes]) -> None:
    """Whatever files go in, tarfile finds the same paths, contents and order in the archive."""
    with tarfile.open(fileobj=io.BytesIO(tar(files))) as reader:
        found = {}
        for member in reader:
            content = reader.extractfile(member)
            assert content is not None
            found[member.name] = content.read()
    assert list(found.items()) == list(files.items())


def test_entries_keep_mode_owner_and_kind() -> None:
    """Directories, links and owners arrive in the archive as they were asked for."""
    archive = tar(
        {
            "home/": File(mode=0o700, uid=65532, gid=65532),
            "home/run": File(content=b"x", mode=0o755),
            "bin": Link(target="usr/bin"),
            "home/again": Link(target="home/run", hard=True),
        }
    )
    with tarfile.open(fileobj=io.BytesIO(archive)) as reader:
        home, run, binary, again = reader.getmembers()
    assert (home.isdir(), home.mode, home.uid, home.mtime) == (True, 0o700, 65532, 0)
    assert (run.isfile(), run.mode, run.size) == (True, 0o755, 1)
    assert (binary.issym(), binary.linkname) == (True, "usr/bin")
    assert (again.islnk(), again.linkname) == (True, "home/run")


@given(st.binary(max_size=3000), st.sampled_from(Compression), st.integers(min_value=1, max_value=4))
def test_compression_loses_nothing(data: bytes, compression: Compression, members: int) -> None:
    """Every packing, in any number of members or frames, unpacks to the same bytes and is the same every time."""
    packed = compress(data, compression, members=members)
    assert unpack(packed, compression) == data
    assert packed == compress(data, compression, members=members)


def test_members_are_separate() -> None:
    """Three gzip members are three gzip headers, one after the other."""
    packed = compress(b"abcdef", Compression.GZIP, members=3)
    assert packed == b"".join(gzip.compress(piece, mtime=0) for piece in (b"ab", b"cd", b"ef"))


def test_zstd_frames_have_no_content_size() -> None:
    """A zstd layer cannot be unpacked in one go by its declared size, as those of real builders cannot."""
    assert zstandard.frame_content_size(compress(b"x" * 100, Compression.ZSTD)) == -1


def test_a_layer_names_its_tar_and_its_blob() -> None:
    """The diff ID is over the uncompressed bytes, the digest over the compressed."""
    layer = Layer.of({"a": b"1"}, compression=Compression.ZSTD)
    assert layer.diff_id.hex == hashlib.sha256(layer.tar).hexdigest()
    assert layer.digest.hex == hashlib.sha256(layer.blob).hexdigest()
    assert layer.media_type == "application/vnd.oci.image.layer.v1.tar+zstd"


def test_recompression_and_family_change_only_what_they_say() -> None:
    """Recompressing keeps files and family; another family keeps the blob, and media types nobody knows."""
    layer = Layer.of({"a": b"1"}, family=MediaFamily.DOCKER)
    plain = layer.recompressed(Compression.NONE)
    assert (plain.blob, plain.media_type) == (layer.tar, "application/vnd.docker.image.rootfs.diff.tar")
    moved = layer.in_family(MediaFamily.OCI)
    assert (moved.blob, moved.media_type) == (layer.blob, "application/vnd.oci.image.layer.v1.tar+gzip")
    odd = Layer(tar=b"", blob=b"", media_type="application/x-odd")
    assert odd.in_family(MediaFamily.DOCKER) == odd


def test_whiteouts_hide_what_lies_below() -> None:
    """A whiteout takes a file or a whole directory of lower layers away, and is itself not seen."""
    lower = Layer.of({"a": b"1", "d/x": b"2", "d/y": b"3", "dd": b"4"})
    upper = Layer.of({".wh.d": b"", "a": b"5"})
    assert names(merged((lower, upper))) == ["a", "dd"]


def test_an_opaque_whiteout_empties_its_directory() -> None:
    """`.wh..wh..opq` hides everything that lower layers put into the directory, the root included."""
    lower = Layer.of({"a": b"1", "d/": File(), "d/x": b"2"})
    inside = Layer.of({"d/.wh..wh..opq": b"", "d/new": b"3"})
    everything = Layer.of({".wh..wh..opq": b"", "only": b"4"})
    assert names(merged((lower, inside))) == ["a", "d", "d/new"]
    assert names(merged((lower, everything))) == ["only"]
