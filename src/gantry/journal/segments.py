"""Segments: the bytes of the journal's files, seen as frames.

A frame is `magic (4) | format version (1) | kind (1) | flags (2) | length (4) | CRC-32 (4) | payload`, big-endian. The
CRC is that of the payload, started from version, kind and length, so that it vouches for them too; flags are zero. A
file may end in zeros, being preallocated, or torn.

Law: bytes that do not check are skipped, and reading goes on at the next frame that does. Magic and CRC start from the
segment's place (directory and number), so bytes that a caller planted in a body never pass for a frame in that search.
"""

import hashlib
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Struct
from zlib_ng.zlib_ng import crc32  # zlib's, at ten times its speed: that took a tenth of what a body of 100 KB costs

FORMAT_VERSION: Final = 2
HEAD_BYTES: Final = 16
SUFFIX: Final = ".seg"

_HEAD: Final = struct.Struct(">4sBBHII")
_pack_head: Final = _HEAD.pack
_unpack_head: Final = _HEAD.unpack_from
_VERSION_BITS: Final = FORMAT_VERSION << 24
_crc32: Final = crc32


class Mark(NamedTuple):
    """What frames of one segment begin with, and what their checksums start from."""

    magic: bytes
    seed: int


class RawFrame(Struct, frozen=True, gc=False):
    """A frame whose checksum holds; what the payload says is another matter."""

    place: int
    version: int
    kind: int
    payload: bytes


def mark_of(place: str, number: int) -> Mark:
    """Return the mark of a segment. The first byte never occurs in UTF-8, nor in the zeros of a preallocated file."""
    digest = hashlib.sha256(f"{place}/{number}".encode()).digest()
    return Mark(b"\xf5" + digest[:3], int.from_bytes(digest[4:8], "big"))


def place_of(number: int, offset: int) -> int:
    """Return where a frame begins as one number of 63 bits, which rises along a journal and is never used twice."""
    return number << 32 | offset


def segment_name(number: int) -> str:
    return f"{number:010d}{SUFFIX}"


def encode_frame(kind: int, payload: bytes, mark: Mark) -> bytes:
    magic, seed = mark
    length = len(payload)
    crc = crc32(payload, seed ^ _VERSION_BITS ^ kind << 16 ^ length)
    return _pack_head(magic, FORMAT_VERSION, kind, 0, length, crc) + payload


def encode_frame_head(kind: int, pieces: Sequence[bytes], mark: Mark) -> bytes:
    """Return what stands before a payload that comes in pieces, for who writes them without joining them."""
    magic, seed = mark
    length = sum(map(len, pieces))
    crc = seed ^ _VERSION_BITS ^ kind << 16 ^ length
    for piece in pieces:
        crc = crc32(piece, crc)
    return _pack_head(magic, FORMAT_VERSION, kind, 0, length, crc)


def scan_frames(data: bytes, mark: Mark, base: int, limit: int) -> tuple[list[RawFrame], int]:
    """Return up to `limit` frames that follow each other from the start of `data`, and the bytes they take.

    `base` is the place where `data` begins. Stops at the first byte that begins no whole frame.
    """
    frames: list[RawFrame] = []
    magic, seed = mark
    position, size = 0, len(data)
    found: bytes
    version: int
    kind: int
    flags: int
    length: int
    crc: int
    while len(frames) < limit and position + HEAD_BYTES <= size:
        found, version, kind, flags, length, crc = _unpack_head(data, position)
        end = position + HEAD_BYTES + length
        if found != magic or flags or end > size:
            break
        payload = data[position + HEAD_BYTES : end]
        checked: int = _crc32(payload, seed ^ version << 24 ^ kind << 16 ^ length)
        if checked != crc:
            break
        frames.append(RawFrame(base + position, version, kind, payload))
        position = end
    return frames, position


def declared_bytes(data: bytes, mark: Mark) -> int:
    """Return the whole length of the frame that begins `data`, as its head has it; 0 when there is no head."""
    if len(data) < HEAD_BYTES or not data.startswith(mark.magic):
        return 0
    return HEAD_BYTES + int(_HEAD.unpack_from(data)[4])


def find_frame(data: bytes, mark: Mark, start: int) -> int:
    """Return where the next whole frame begins at or after `start`, or -1."""
    position = data.find(mark.magic, start)
    while position >= 0:
        whole = declared_bytes(data[position : position + HEAD_BYTES], mark)
        if scan_frames(data[position : position + whole], mark, 0, 1)[0]:
            return position
        position = data.find(mark.magic, position + 1)
    return -1


def count_frames(data: bytes, mark: Mark) -> tuple[int, int]:
    """Return how many frames begin `data`, by their heads alone, and the bytes they take."""
    count, position, size = 0, 0, len(data)
    magic = mark.magic
    found: bytes
    length: int
    while position + HEAD_BYTES <= size:
        found, _, _, _, length, _ = _unpack_head(data, position)
        end = position + HEAD_BYTES + length
        if found != magic or end > size:
            break
        count += 1
        position = end
    return count, position
