"""The journal's writer: one directory per worker incarnation, one positional write per frame.

Law: after `append` returns, the frame survives the death of this process; after the next `sync` (every 50 ms, by a
thread) it survives the loss of power. A write that fails leaves nothing behind, and a later append works again.

The loop's thread appends and rolls; the sync thread makes segments ahead, and syncs, trims and closes finished ones.
Only the sync thread closes a file, and the two hand files over by single assignments: no append waits on a lock.
"""

import fcntl
import logging
import os
import secrets
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import NoReturn

from gantry.core.ids import ENTROPY_BITS, format_id
from gantry.journal.frames import FrameKind
from gantry.journal.segments import HEAD_BYTES, Mark, encode_frame, encode_frame_head, mark_of, segment_name

LOCK_NAME = "lock"
HIDDEN = "."  # what starts with it is being made, and is nobody's to read
_AHEAD_NAME = f"{HIDDEN}ahead"
_MEASURE_EVERY = 10  # turns of the sync thread
_BLOCK_BYTES = 512  # the unit of st_blocks
_ROOM_TO_SPARE = 4  # segments that must be free on the disk before one is reserved: the store needs room too
_LARGE = 64 * 1024  # not joined with its head: copying it would cost more than a second buffer
_SEGMENTS_PER_BUDGET = 32  # so that segments made ahead never eat a small budget

logger = logging.getLogger(__name__)


class JournalLevel(IntEnum):
    """What may still be written, by how much of the budget is used: below 70 %, 90 %, 100 %, and from there on."""

    NORMAL = 0
    NO_BODIES = 1
    MONEY_ONLY = 2
    FULL = 3


class JournalFull(Exception):
    """The frame was not written, and nothing of it is left; the same append may work later."""


def level_of(used: int, room: int) -> JournalLevel:
    """Return the level for `used` of `room` bytes."""
    if used >= room:
        return JournalLevel.FULL
    if used * 10 >= room * 9:
        return JournalLevel.MONEY_ONLY
    if used * 10 >= room * 7:
        return JournalLevel.NO_BODIES
    return JournalLevel.NORMAL


def allocated_bytes(root: Path) -> int:
    """Return the bytes that all journals under `root` take on disk, preallocated ones included."""
    total = 0
    for folder in _entries(root):
        if folder.is_dir(follow_symlinks=False):
            for entry in _entries(Path(folder.path)):
                try:
                    total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                except FileNotFoundError:  # stored and deleted meanwhile
                    continue
    return total


def disk_free(root: Path) -> int:
    disk = os.statvfs(root)
    return disk.f_bavail * disk.f_frsize


class JournalWriter:
    """Appends the frames of one worker. `append` belongs to one thread; `sync` and `level` to anybody."""

    def __init__(
        self,
        root: Path,
        *,
        budget: int = 4 << 30,
        segment_bytes: int = 16 << 20,
        sync_interval: float = 0.05,
        free: Callable[[Path], int] = disk_free,
    ) -> None:
        self.incarnation = format_id(time.time_ns() // 1_000_000, secrets.randbits(ENTROPY_BITS))
        self.level = JournalLevel.NORMAL
        self.used = 0
        self.frames = 0  # appended
        self._root = root
        self._budget = budget
        self._segment_bytes = min(segment_bytes, max(1, budget // _SEGMENTS_PER_BUDGET))
        self._free = free
        self._folder = root / self.incarnation
        self._lock = _make_folder(self._folder)
        self._folder_fd = os.open(self._folder, os.O_RDONLY)
        self._retired: deque[tuple[int, int]] = deque()  # (file, its length) rolled away from
        self._ahead: int | None = None
        self._dirty = True
        self._renamed = True
        self._number = 0
        self._fd = -1
        self._offset = 0
        self._mark = Mark(b"", 0)
        self._turn = threading.Lock()  # held by whoever does the sync thread's work
        self._stopped = False
        self._wake = threading.Event()
        self._rests = False  # the sync thread, until `_appended`
        self._appended = threading.Event()
        self._prepare_ahead()
        self._open_segment()
        self.refresh_level()
        self._syncing = threading.Thread(target=self._run, args=(sync_interval,), name="journal-sync", daemon=True)
        self._syncing.start()

    def append(self, kind: FrameKind, payload: bytes, *rest: bytes) -> None:
        """Write one frame, whose payload may come in pieces. Raises JournalFull when the disk does not take all."""
        size = HEAD_BYTES + len(payload)
        if rest:
            size += sum(map(len, rest))
        offset = self._offset
        end = offset + size
        if end > self._segment_bytes and offset:
            self._roll()
            offset, end = 0, size
        try:
            if size >= _LARGE or rest:
                pieces = (payload, *rest)
                head = encode_frame_head(kind, pieces, self._mark)
                written = os.pwritev(self._fd, (head, *pieces), offset)
            else:
                written = os.pwrite(self._fd, encode_frame(kind, payload, self._mark), offset)
        except OSError as error:
            self._take_back(error.strerror or str(error))
        if written != size:
            self._take_back(f"only {written} of {size} bytes fit")
        self._offset = end
        self._dirty = True
        self.frames += 1
        if self._rests:
            self._rests = False
            self._appended.set()

    def sync(self) -> None:
        """Return once everything appended before the call is on the disk. Raises OSError when the disk fails."""
        with self._turn:
            self._retire()
            if self._dirty:
                self._dirty = False
                try:
                    _datasync(self._fd)
                except OSError:
                    self._dirty = True
                    raise
            if self._renamed:
                self._renamed = False
                os.fsync(self._folder_fd)

    def refresh_level(self) -> None:
        """Measure the journals, and set `used` and `level`. A disk with less room than the budget is the budget."""
        self.used = allocated_bytes(self._root)
        self.level = level_of(self.used, min(self._budget, self.used + self._free(self._root)))

    def close(self) -> None:
        """Sync, seal the last segment, and give up the lock. Nothing may be appended afterwards."""
        if self._stopped:
            return
        self._stopped = True
        self._wake.set()
        self._appended.set()
        self._syncing.join()
        self._retired.append((self._fd, self._offset))
        self._dirty = False
        try:
            self.sync()
        finally:
            if self._ahead is not None:
                os.close(self._ahead)
                (self._folder / _AHEAD_NAME).unlink()
            os.close(self._folder_fd)
            os.close(self._lock)

    def _take_back(self, reason: str) -> NoReturn:
        """Cut off what a failed write left, and raise JournalFull. What cannot be cut, the next append overwrites."""
        self.level = JournalLevel.FULL
        try:
            os.ftruncate(self._fd, self._offset)
        except OSError as error:
            logger.warning("cannot cut a torn frame off %s: %s", self._folder, error)
        raise JournalFull(f"cannot write to the journal in {self._folder}: {reason}. Free some disk space.")

    def _roll(self) -> None:
        finished = (self._fd, self._offset)
        self._open_segment()
        self._retired.append(finished)
        self._wake.set()

    def _open_segment(self) -> None:
        """Take the segment made ahead; else make one that grows as it is written. Raises JournalFull.

        The name appears only now: a next segment with its name tells readers that this one is finished.
        """
        path = self._folder / segment_name(self._number + 1)
        fd = self._ahead
        try:
            if fd is not None:
                os.rename(self._folder / _AHEAD_NAME, path)
                self._ahead = None
            else:
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self.level = JournalLevel.FULL
            raise JournalFull(f"cannot open a new segment at {path}: {error.strerror}.") from error
        self._number += 1
        self._fd, self._offset = fd, 0
        self._mark = mark_of(self.incarnation, self._number)
        self._renamed = True

    def _run(self, interval: float) -> None:
        turns = 0
        failing = False
        while not self._stopped:
            rested = self._rest(_MEASURE_EVERY * interval)
            rolled = not rested and self._wake.wait(interval)
            self._wake.clear()
            turns += 1
            try:
                self.sync()
                self._prepare_ahead()
                if rested or rolled or turns % _MEASURE_EVERY == 0:
                    self.refresh_level()
            except OSError as error:
                if not failing:
                    logger.error("the journal in %s is not synced: %s", self._folder, error)
                failing = True
            else:
                failing = False

    def _rest(self, longest: float) -> bool:
        """Wait while there is nothing to sync, and return whether that took the longest time, or more."""
        self._rests = True  # before the look: what is appended after it finds this
        woken = self._dirty or self._renamed or bool(self._retired) or self._appended.wait(longest)
        self._rests = False
        self._appended.clear()
        return not woken

    def _prepare_ahead(self) -> None:
        """Make the next segment. Where room is short there is none, and segments grow as they are written."""
        if self._ahead is not None or self.level is JournalLevel.FULL:
            return
        if self._free(self._root) < _ROOM_TO_SPARE * self._segment_bytes:
            return
        path = self._folder / _AHEAD_NAME
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _allocate(fd, self._segment_bytes)
        except OSError:
            os.close(fd)
            path.unlink()
        else:
            self._ahead = fd

    def _retire(self) -> None:
        while self._retired:
            fd, length = self._retired[0]
            os.ftruncate(fd, length)
            _datasync(fd)
            self._retired.popleft()
            os.close(fd)


def _make_folder(folder: Path) -> int:
    """Make the directory with its lock taken, and show it only then; return the lock's file."""
    hidden = folder.with_name(HIDDEN + folder.name)
    hidden.mkdir(mode=0o700)
    lock = os.open(hidden / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    hidden.rename(folder)
    root = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(root)
    finally:
        os.close(root)
    return lock


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _allocate(fd: int, size: int) -> None:
    """Reserve the blocks of a file; on systems that cannot, only its length."""
    if sys.platform == "darwin":
        os.ftruncate(fd, size)
    else:
        os.posix_fallocate(fd, 0, size)


def _datasync(fd: int) -> None:
    if sys.platform == "darwin":
        os.fsync(fd)
    else:
        os.fdatasync(fd)
