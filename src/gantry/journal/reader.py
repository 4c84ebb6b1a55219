"""The journal's reader: the frames of each worker incarnation, from a position onwards.

Law: reading changes nothing. Positions move, segments and directories go, only when the caller says that what was
read is stored. A worker is gone when its lock is free, and what it left behind is then final.

A live writer is read while it writes: zeros, or a frame whose bytes are not all there yet, mean "not yet". They mean
"torn" when the writer is gone or has begun the next segment, or when a later frame is whole, because frames are
written in order.
"""

import fcntl
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from gantry.journal.segments import (
    SUFFIX,
    Mark,
    RawFrame,
    count_frames,
    declared_bytes,
    find_frame,
    mark_of,
    place_of,
    scan_frames,
    segment_name,
)
from gantry.journal.writer import LOCK_NAME

_CHUNK_BYTES = 64 * 1024  # more would be mapped and unmapped for each read
_SCOUT_BYTES = 32 << 20  # looked ahead per call when counting what is unread
_ZERO_HEAD = bytes(4)
_INCARNATION = re.compile(r"[0-9a-f]{32}")


class Position(NamedTuple):
    """Where the next frame begins. Segments are numbered from 1."""

    segment: int
    offset: int


START = Position(1, 0)


class Reading(Struct, frozen=True):
    """What one `read` found: frames in order, and where to go on once they are stored."""

    frames: list[RawFrame]
    position: Position
    size: int  # bytes gone over
    skipped: int = 0  # bytes that began no whole frame
    finished: bool = False  # the worker is gone, and this is all there will ever be


class _Room:
    """How much a read may still take."""

    __slots__ = ("bytes", "frames")

    def __init__(self, frames: int, size: int) -> None:
        self.frames = frames
        self.bytes = size

    def take(self, frames: list[RawFrame], size: int) -> None:
        self.frames -= len(frames)
        self.bytes -= size

    def __bool__(self) -> bool:
        return self.frames > 0 and self.bytes > 0


def list_incarnations(root: Path) -> list[str]:
    """Return the incarnations that have a journal, oldest first. Directories of other names are nobody's to delete."""
    try:
        with os.scandir(root) as entries:
            return sorted(
                entry.name
                for entry in entries
                if _INCARNATION.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            )
    except FileNotFoundError:
        return []


def is_alive(folder: Path) -> bool:
    """Say whether the process that writes a journal still holds its lock."""
    try:
        fd = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class JournalReader:
    """Reads one incarnation. `read` may be called again at the same position; `advance` moves it."""

    def __init__(self, root: Path, incarnation: str, position: Position = START) -> None:
        self.incarnation = incarnation
        self.position = position
        self._folder = root / incarnation
        self._gone = False
        self._scout = position
        self._counted = 0  # frames between position and scout

    def is_gone(self) -> bool:
        """Say whether the writer is gone. It never comes back: a new process takes a new directory."""
        self._gone = self._gone or not is_alive(self._folder)
        return self._gone

    def read(self, max_frames: int, max_bytes: int) -> Reading:
        """Return the frames from the position on, at most so many and about so many bytes of them."""
        gone = self.is_gone()  # first: what is found afterwards is final if it was gone before
        numbers = self._segments()
        room = _Room(max_frames, max_bytes)
        frames: list[RawFrame] = []
        position, skipped, ended = self.position, 0, True
        for index, number in enumerate(numbers):
            if not room:
                ended = False
                break
            start = position.offset if number == position.segment else 0
            final = gone or index + 1 < len(numbers)
            found, end, lost, ended = self._read_segment(number, start, room, final)
            frames += found
            position = Position(number, end)
            skipped += lost
            if not ended:
                break
        return Reading(frames, position, max_bytes - room.bytes, skipped, finished=gone and ended)

    def advance(self, reading: Reading) -> None:
        """Go on after a reading whose frames are stored, and delete the segments that lie wholly behind."""
        self.position = reading.position
        caught_up = self.position >= self._scout
        self._counted = 0 if caught_up else max(0, self._counted - len(reading.frames))
        self._scout = max(self._scout, self.position)
        for number in self._numbers():
            if number < self.position.segment:
                (self._folder / segment_name(number)).unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the directory of a finished incarnation, if it is still there."""
        try:
            shutil.rmtree(self._folder)
        except FileNotFoundError:
            pass

    def last_written(self) -> int:
        """Return when the newest segment was last written, in ns since the epoch; 0 when there is none."""
        numbers = self._numbers()
        return (self._folder / segment_name(numbers[-1])).stat().st_mtime_ns if numbers else 0

    def count_unread(self) -> int:
        """Return how many frames lie ahead, by hopping over their heads; of a long backlog, those looked at so far."""
        budget = _SCOUT_BYTES
        numbers = [number for number in self._numbers() if number >= self._scout.segment]
        for number in numbers:
            offset = self._scout.offset if number == self._scout.segment else 0
            while budget > 0:
                data = self._pread(number, offset, _CHUNK_BYTES)
                mark = mark_of(self.incarnation, number)
                count, used = count_frames(data, mark)
                whole = declared_bytes(data[used:], mark)
                if whole > _CHUNK_BYTES:
                    count, used = count + 1, used + whole
                self._counted += count
                offset += used
                budget -= used
                self._scout = Position(number, offset)
                if not used:
                    break
        return self._counted

    def _segments(self) -> list[int]:
        return [number for number in self._numbers() if number >= self.position.segment]

    def _numbers(self) -> list[int]:
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        return sorted(int(name.removesuffix(SUFFIX)) for name in names if name.endswith(SUFFIX))

    def _pread(self, number: int, offset: int, size: int) -> bytes:
        fd = os.open(self._folder / segment_name(number), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(fd, size, offset)
        finally:
            os.close(fd)

    def _read_segment(
        self, number: int, offset: int, room: _Room, final: bool
    ) -> tuple[list[RawFrame], int, int, bool]:
        """Return the frames of one segment, where they end, the bytes skipped, and whether that is all there is now."""
        mark = mark_of(self.incarnation, number)
        frames: list[RawFrame] = []
        skipped = 0
        fd = os.open(self._folder / segment_name(number), os.O_RDONLY | os.O_CLOEXEC)
        try:
            while room:
                found, used = _scan_chunk(fd, mark, number, offset, room.frames)
                if not found:
                    used, lost, ended = _skip_torn(fd, mark, number, offset, final)
                    skipped += lost
                    if ended:
                        return frames, offset + used, skipped, True
                frames += found
                offset += used
                room.take(found, used)
            return frames, offset, skipped, False
        finally:
            os.close(fd)


def _scan_chunk(fd: int, mark: Mark, number: int, offset: int, limit: int) -> tuple[list[RawFrame], int]:
    """Return the whole frames at an offset: those of one chunk, or one that is bigger than a chunk."""
    data = os.pread(fd, _CHUNK_BYTES, offset)
    base = place_of(number, offset)
    found, used = scan_frames(data, mark, base, limit)
    whole = declared_bytes(data, mark)
    if not found and len(data) < whole <= os.fstat(fd).st_size - offset:
        return scan_frames(os.pread(fd, whole, offset), mark, base, 1)
    return found, used


def _skip_torn(fd: int, mark: Mark, number: int, offset: int, final: bool) -> tuple[int, int, bool]:
    """Decide about bytes that begin no frame: return how far to go, the bytes lost, whether the segment ends here.

    One read of a file that is being written may show a later frame and not yet an earlier one, so after a later frame
    was seen, the earlier one is looked at again before it is given up.
    """
    head = os.pread(fd, len(_ZERO_HEAD), offset)
    if not head or (not final and head == _ZERO_HEAD):
        return 0, 0, True
    rest = os.pread(fd, os.fstat(fd).st_size - offset, offset)
    if scan_frames(rest, mark, 0, 1)[0]:
        return 0, 0, False
    next_frame = find_frame(rest, mark, 1)
    if next_frame < 0:
        lost = len(rest.rstrip(b"\0"))
        return (len(rest), lost, True) if final else (0, 0, True)
    if _scan_chunk(fd, mark, number, offset, 1)[0]:
        return 0, 0, False
    return next_frame, next_frame, False
