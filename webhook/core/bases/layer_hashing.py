"""What a layer really contains: its compressed bytes, piece by piece, → the digest of what they unpack to.

Sources: OCI Image Specification 1.1, `config.md`, "Layer DiffID"; RFC 1952, section 2.2 (a gzip file is a series of
members); RFC 8878, section 3 (zstd data is one or more frames).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

import zstandard

from webhook.core.manifests import Malformed
from webhook.core.references import Digest

__all__ = ["MAX_UNPACKED_BYTES", "DiffIdHasher", "LayerTooLarge"]

MAX_UNPACKED_BYTES = 4 * 1024**3
MAX_RATIO = 200
"""How many times larger than its compressed form a layer may be, once it exceeds `RATIO_FREE_BYTES`."""
RATIO_FREE_BYTES = 64 * 1024**2
MAX_WINDOW_BYTES = 64 * 1024**2
"""Memory that a zstd frame may ask for. Source: RFC 8878, section 3.1.1.1.2, asks readers for 8 MiB at least."""
MAX_PARTS = 1_000_000
"""Gzip members or zstd frames of one layer. Lazily loaded formats write one per file."""

GZIP_STEP_BYTES = 16 * 1024
GZIP_PIECE_BYTES = 1024**2
ZSTD_STEP_BYTES = 512
"""Compressed bytes per call: a block takes at least 4 and yields at most 128 KiB, so a call yields at most 16 MiB."""

_LONGEST_FRAME_HEADER = 18
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18")
"""How gzip members, zstd frames and the usual skippable zstd frames begin."""
_LONGEST_MAGIC = max(map(len, _COMPRESSED))


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTooLarge:
    """A layer that would take more to unpack than the gate gives. Nothing is known about what it contains."""

    why: str


class DiffIdHasher:
    """Unpacks and hashes one layer as its media type says, holding no more of it than one piece.

    `feed` it all the compressed bytes in order, then ask `finish`, once. What is wrong may be settled long before;
    further bytes are then passed over, so that whoever feeds can go on to check the digest of the whole.
    """

    def __init__(self, media_type: str, *, max_bytes: int = MAX_UNPACKED_BYTES) -> None:
        self._output = _Output(max_bytes=max_bytes)
        unpacker = _UNPACKERS.get(media_type)
        self._unpacker = (unpacker or _Plain)(self._output)
        self._settled: str | LayerTooLarge | None = None if unpacker else "its media type is not that of a layer"

    def feed(self, piece: bytes) -> None:
        """Take the next compressed bytes. Never raises, whatever they are."""
        self._attempt(lambda: self._unpack(piece))

    def finish(self, *, layer: Digest) -> Digest | Malformed | LayerTooLarge:
        """Return the diff ID, or in which way the layer is not what its media type says; `layer` names it."""
        self._attempt(self._unpacker.finish)
        match self._settled:
            case LayerTooLarge() as too_large:
                return too_large
            case str(why):
                return Malformed(what=f"layer {layer.short}", why=why)
            case None:
                return self._output.digest()
            case _:
                assert_never(self._settled)

    def _unpack(self, piece: bytes) -> None:
        self._output.compressed_bytes += len(piece)
        self._unpacker.feed(piece)

    def _attempt(self, step: Callable[[], None]) -> None:
        if self._settled is not None:
            return
        try:
            step()
        except _Spoilt as spoilt:
            self._settled = str(spoilt)
        except _Excess as excess:
            self._settled = LayerTooLarge(why=str(excess))


class _Spoilt(Exception):  # noqa: N818 - a finding about the layer, no error of ours
    """The layer is not what its media type says."""


class _Excess(Exception):  # noqa: N818 - a finding about the layer, no error of ours
    """The layer would take too much to unpack."""


class _Output:
    """Hashes what was unpacked, and counts."""

    def __init__(self, *, max_bytes: int) -> None:
        self.compressed_bytes = 0
        self._max_bytes = max_bytes
        self._unpacked_bytes = 0
        self._parts = 0
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Take unpacked bytes; they are counted before they are hashed."""
        self._unpacked_bytes += len(data)
        if self._unpacked_bytes > self._max_bytes:
            raise _Excess(f"it unpacks to more than {self._max_bytes:,} bytes")
        if self._unpacked_bytes > max(RATIO_FREE_BYTES, MAX_RATIO * self.compressed_bytes):
            raise _Excess(f"it unpacks to more than {MAX_RATIO} times its size")
        self._hash.update(data)

    def count_part(self) -> None:
        """Count a member or frame."""
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _Excess(f"it is packed in more than {MAX_PARTS:,} parts")

    def digest(self) -> Digest:
        """Return the digest of all that was written."""
        return Digest(algorithm="sha256", hex=self._hash.hexdigest())


class _Unpacker(Protocol):
    def feed(self, piece: bytes) -> None: ...

    def finish(self) -> None: ...


class _Plain:
    """A tar archive as it is. One that begins as compressed data does would be unpacked by container runtimes."""

    def __init__(self, output: _Output) -> None:
        self._output = output
        self._head = b""

    def feed(self, piece: bytes) -> None:
        if len(self._head) < _LONGEST_MAGIC:
            self._head = (self._head + piece)[:_LONGEST_MAGIC]
            if self._head.startswith(_COMPRESSED):
                raise _Spoilt("it is compressed, and its media type says that it is not")
        self._output.write(piece)

    def finish(self) -> None:
        """Accept any end: the digest tells whether it is the expected one."""


class _Gzip:
    """Gzip: every member, to the last byte."""

    def __init__(self, output: _Output) -> None:
        self._output = output
        self._member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._is_within = True

    def feed(self, piece: bytes) -> None:
        view = memoryview(piece)
        for start in range(0, len(view), GZIP_STEP_BYTES):
            try:
                self._step(bytes(view[start : start + GZIP_STEP_BYTES]))
            except zlib.error:
                raise _Spoilt("it is not gzip from the first to the last byte") from None

    def finish(self) -> None:
        if self._is_within:
            raise _Spoilt("it ends in the middle of its gzip data")

    def _step(self, data: bytes) -> None:
        """Unpack some bytes, at most a piece at a time; behind a full piece there may be more without further input."""
        full = False
        while data or full:
            if not self._is_within:
                self._member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
                self._is_within = True
            unpacked = self._member.decompress(data, GZIP_PIECE_BYTES)
            self._output.write(unpacked)
            if self._member.eof:
                self._output.count_part()
                self._is_within = False
                data, full = self._member.unused_data, False
            else:
                data, full = self._member.unconsumed_tail, len(unpacked) == GZIP_PIECE_BYTES


class _Zstd:
    """Zstandard: every frame, skippable ones included, to the last byte."""

    def __init__(self, output: _Output) -> None:
        self._output = output
        self._context = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
        self._frame = self._context.decompressobj()
        self._head = b""
        self._is_within = True

    def feed(self, piece: bytes) -> None:
        view = memoryview(piece)
        for start in range(0, len(view), ZSTD_STEP_BYTES):
            self._step(bytes(view[start : start + ZSTD_STEP_BYTES]))

    def finish(self) -> None:
        if self._is_within:
            raise _Spoilt("it ends in the middle of its zstd data")

    def _step(self, data: bytes) -> None:
        while data:
            if not self._is_within:
                self._frame = self._context.decompressobj()
                self._head = b""
                self._is_within = True
            if len(self._head) < _LONGEST_FRAME_HEADER:
                self._head = (self._head + data)[:_LONGEST_FRAME_HEADER]
            try:
                unpacked = self._frame.decompress(data)
            except zstandard.ZstdError:
                raise self._objection() from None
            self._output.write(unpacked)
            if not self._frame.eof:
                return
            self._output.count_part()
            self._is_within = False
            data = self._frame.unused_data

    def _objection(self) -> _Spoilt | _Excess:
        """Tell a frame that asks for too much memory from one that is broken: the library's error does not."""
        try:
            window_bytes = zstandard.get_frame_parameters(self._head).window_size
        except zstandard.ZstdError:
            window_bytes = 0
        if window_bytes > MAX_WINDOW_BYTES:
            return _Excess(f"unpacking it takes a window of more than {MAX_WINDOW_BYTES:,} bytes")
        return _Spoilt("it is not zstd from the first to the last byte")


_UNPACKERS: dict[str, Callable[[_Output], _Unpacker]] = {
    "application/vnd.oci.image.layer.v1.tar": _Plain,
    "application/vnd.oci.image.layer.v1.tar+gzip": _Gzip,
    "application/vnd.oci.image.layer.v1.tar+zstd": _Zstd,
    "application/vnd.docker.image.rootfs.diff.tar": _Plain,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": _Gzip,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": _Zstd,
}
