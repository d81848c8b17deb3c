"""Layers of images: files → tar → blob, in the same bytes every time."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

import zstandard

from webhook.core.references import Digest

__all__ = ["EMPTY_TAR", "Compression", "Entry", "File", "Layer", "Link", "MediaFamily", "compress", "merged", "tar"]

EMPTY_TAR = bytes(1024)
"""The tar archive of no files, as Go writes it; the end of every other archive."""

_BLOCK_BYTES = 512
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


class Compression(Enum):
    """How the blob of a layer is packed."""

    GZIP = "gzip"
    ZSTD = "zstd"
    NONE = "none"


class MediaFamily(Enum):
    """Whose media types an image carries."""

    OCI = "oci"
    DOCKER = "docker"


_MEDIA_TYPES = {
    (MediaFamily.OCI, Compression.GZIP): "application/vnd.oci.image.layer.v1.tar+gzip",
    (MediaFamily.OCI, Compression.ZSTD): "application/vnd.oci.image.layer.v1.tar+zstd",
    (MediaFamily.OCI, Compression.NONE): "application/vnd.oci.image.layer.v1.tar",
    (MediaFamily.DOCKER, Compression.GZIP): "application/vnd.docker.image.rootfs.diff.tar.gzip",
    (MediaFamily.DOCKER, Compression.ZSTD): "application/vnd.docker.image.rootfs.diff.tar.zstd",
    (MediaFamily.DOCKER, Compression.NONE): "application/vnd.docker.image.rootfs.diff.tar",
}
_COMPRESSIONS = {media_type: compression for (_, compression), media_type in _MEDIA_TYPES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A regular file, or a directory (then without content) where the path ends in `/`."""

    content: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A symbolic link, or a hard link to a path of the same layer."""

    target: str
    hard: bool = False


Entry = bytes | File | Link
"""What stands at a path; bytes are a File with these contents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer: `tar` is what its diff ID names, `blob` what the registry keeps.

    Nothing forces the two to agree: that is how a layer that lies is made.
    """

    tar: bytes
    blob: bytes
    media_type: str

    @classmethod
    def of(
        cls,
        files: Mapping[str, Entry],
        *,
        compression: Compression = Compression.GZIP,
        family: MediaFamily = MediaFamily.OCI,
    ) -> Layer:
        """Make a layer of `files`, by path, in their order. `.wh.NAME` and `.wh..wh..opq` are whiteouts."""
        archive = tar(files)
        return cls(tar=archive, blob=compress(archive, compression), media_type=_MEDIA_TYPES[family, compression])

    @property
    def diff_id(self) -> Digest:
        """The digest of the uncompressed layer."""
        return Digest.of(self.tar)

    @property
    def digest(self) -> Digest:
        """The digest of the blob."""
        return Digest.of(self.blob)

    def recompressed(self, compression: Compression) -> Layer:
        """Return the same files in another packing: the diff ID stays, the digest does not."""
        family = MediaFamily.DOCKER if ".docker." in self.media_type else MediaFamily.OCI
        return Layer(tar=self.tar, blob=compress(self.tar, compression), media_type=_MEDIA_TYPES[family, compression])

    def in_family(self, family: MediaFamily) -> Layer:
        """Return the same blob under the media type that `family` has for it; unknown media types stay."""
        compression = _COMPRESSIONS.get(self.media_type)
        media_type = _MEDIA_TYPES[family, compression] if compression else self.media_type
        return Layer(tar=self.tar, blob=self.blob, media_type=media_type)


def tar(files: Mapping[str, Entry]) -> bytes:
    """Pack `files` in their order; all are from 1970, so that the same files are the same bytes."""
    pieces = [_member(path, entry) for path, entry in files.items()]
    return b"".join((*pieces, EMPTY_TAR))


def compress(data: bytes, compression: Compression, *, members: int = 1) -> bytes:
    """Pack `data` into `members` gzip members or zstd frames, one after the other, as a stream would.

    Frames carry no content size, as those of BuildKit do not: a reader has to stream.
    """
    step = max(1, -(-len(data) // members))
    pieces = [data[start : start + step] for start in range(0, len(data), step)] or [b""]
    match compression:
        case Compression.GZIP:
            return b"".join(gzip.compress(piece, mtime=0) for piece in pieces)
        case Compression.ZSTD:
            return b"".join(_zstd_frame(piece) for piece in pieces)
        case Compression.NONE:
            return data
        case _:
            assert_never(compression)


def merged(layers: tuple[Layer, ...]) -> bytes:
    """Return the tar archive of what a container of these layers sees, base first, whiteouts applied.

    Source: OCI Image Specification 1.1, "Applying Changesets".
    """
    visible: dict[str, bytes] = {}
    for layer in layers:
        members = _members(layer.tar)
        for name in members:
            _remove_hidden(visible, name)
        visible |= {name: data for name, data in members.items() if not _last(name).startswith(_WHITEOUT)}
    return b"".join((*visible.values(), EMPTY_TAR))


def _member(path: str, entry: Entry) -> bytes:
    """Write one header and its content."""
    header = tarfile.TarInfo(path.rstrip("/"))
    match entry:
        case Link(target=target, hard=hard):
            header.type = tarfile.LNKTYPE if hard else tarfile.SYMTYPE
            header.linkname = target
            header.mode = 0o777
            return header.tobuf(tarfile.PAX_FORMAT)
        case bytes():
            return _regular(header, path, File(content=entry))
        case File():
            return _regular(header, path, entry)
        case _:
            assert_never(entry)


def _regular(header: tarfile.TarInfo, path: str, file: File) -> bytes:
    header.mode, header.uid, header.gid = file.mode, file.uid, file.gid
    if path.endswith("/"):
        header.type = tarfile.DIRTYPE
        return header.tobuf(tarfile.PAX_FORMAT)
    header.size = len(file.content)
    return header.tobuf(tarfile.PAX_FORMAT) + file.content + bytes(-len(file.content) % _BLOCK_BYTES)


def _zstd_frame(data: bytes) -> bytes:
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()
    return compressor.compress(data) + compressor.flush()


def _members(archive: bytes) -> dict[str, bytes]:
    """Part an archive into its members, headers included, by name."""
    members: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as reader:
        for member in reader:
            end = member.offset_data + -(-member.size // _BLOCK_BYTES) * _BLOCK_BYTES
            members[member.name] = archive[member.offset : end]
    return members


def _remove_hidden(visible: dict[str, bytes], name: str) -> None:
    """Forget what the whiteout `name` hides, if it is one."""
    last = _last(name)
    if not last.startswith(_WHITEOUT):
        return
    directory = name.removesuffix(last)
    target = directory if last == _OPAQUE else f"{directory}{last.removeprefix(_WHITEOUT)}"
    for hidden in [path for path in visible if _is_within(path, target)]:
        del visible[hidden]


def _is_within(path: str, target: str) -> bool:
    """Tell whether `path` is `target` or below it; a target that ends in `/` (or is empty) stays itself."""
    if target == "" or target.endswith("/"):
        return path.startswith(target)
    return path == target or path.startswith(f"{target}/")


def _last(name: str) -> str:
    return name.rpartition("/")[2]
