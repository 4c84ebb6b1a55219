"""Rows of numbers in one mapped file, found by 16-byte keys: what the counters of all processes are kept in.

Law: one lock, the file's, is held while anything is looked up or changed. Who is killed in the middle leaves nothing by
half: a row gets its key last, and several changes are noted in the head before they are made, so that the next who
takes the lock makes the rest of them. A page is mapped only when the disk has given it: one that a full disk has no
block for raises SIGBUS.

The file is a head and segments. A table is a chain of segments, each twice the one before: nothing is ever moved, so
places stay true, and a process that sees more segments in the head than it has mapped maps the new ones. A key may
stand in any of `_REACH` neighbouring rows of each segment of its table. Keys and numbers lie apart, so that one search
over neighbouring keys finds it. The first number of a row is its *stamp*: a new one whenever the row begins to mean
something else, so whoever remembers a place knows by comparing one number whether it is still the same row.
"""

import errno
import fcntl
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from struct import Struct, pack, unpack_from
from typing import Any, Final

from gantry.board.board import SLOTS

KEY_BYTES: Final = 16
MOST_CHANGES: Final = 500
_MAGIC: Final = 0x47414E54_43543031  # "GANTCT01"
_GRAIN: Final = max(16_384, mmap.ALLOCATIONGRANULARITY)  # a segment begins where it can be mapped by itself
_REACH: Final = 32
_REACH_BYTES: Final = _REACH * KEY_BYTES
_EMPTY: Final = bytes(KEY_BYTES)
_PIECE: Final = bytes(1 << 20)
_MOST_SEGMENTS: Final = 64
_MOST_BITS: Final = 22
_SEGMENT_SHIFT: Final = 48  # of a place: the segment's number above it, the word's below
_WORD_MASK: Final = (1 << _SEGMENT_SHIFT) - 1
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class RowsUnreadable(ValueError):
    """The file is not one that this version reads, or a part of it is gone. Starting anew makes another."""


class Table(IntEnum):
    """What is kept, each in rows of its own form."""

    COUNTERS = 0
    GAUGES = 1
    CUSTOMERS = 2


GAUGE_COLUMNS: Final = 6  # where in a row of a gauge the numbers of the slots begin
_ROW_WORDS: Final = (6, GAUGE_COLUMNS + SLOTS, 8)
_FIRST_BITS: Final = (12, 8, 11)


class HeadWord(IntEnum):
    """What each number of the head means."""

    MAGIC = 0
    SEGMENTS = 1  # how many there are, each allocated to its last byte before it is counted here
    STAMP = 2  # the last that was given
    MADE_AT = 3  # ns since the epoch
    FILLED = 4  # 1 when what the store knew at the making has been added
    WITHOUT_ROOM = 5  # how often there was none for a row
    BOOT = 6  # of the machine, by a digest
    IS_CLEAN = 7  # 1 when all was written to the disk and nobody has come since
    EPOCHS = 64  # of the slots, one each: the number of a process in its slot
    SEGMENT = 256  # the first of the segments' forms: the table, and its rows as a power of two
    CHANGES = 1023  # how many are noted behind it; they are to be made
    CHANGE = 1024  # the first of their places, behind which the new numbers are


_HEAD_BYTES: Final = _GRAIN
_STAMP, _SEGMENTS = int(HeadWord.STAMP), int(HeadWord.SEGMENTS)
CHANGES: Final[Any] = int(HeadWord.CHANGES)  # an index of which compiled code makes no object anew
_CHANGE_AT: Final = int(HeadWord.CHANGE) * 8
FIRST: Final = 3  # of the numbers in the note of changes

Target = tuple["memoryview[int]", int]  # the words of a segment, and an index in them


class Changes:
    """Numbers that change together. Where they are is found once for many times; then only the numbers are put in."""

    __slots__ = ("count", "indexes", "note", "pack_note", "places", "words")

    def __init__(self, head: mmap.mmap, targets: Sequence[Target], places: Sequence[int]) -> None:
        count = self.count = len(places)
        self.words = [words for words, _ in targets]
        self.indexes: list[Any] = [index for _, index in targets]  # ints, of which compiled code makes no objects anew
        self.places = places  # the targets, for everybody
        form = Struct(f"{8 * count}s{count}q")
        self.pack_note: Callable[..., None] = form.pack_into
        # What it is called with: the map of the head, where, and what; the numbers stand from FIRST on.
        self.note: list[Any] = [head, _CHANGE_AT, pack(f"{count}q", *places), *(0 for _ in places)]


class Segment:
    """One piece of a table, mapped."""

    __slots__ = ("homes", "map", "number", "rows", "start", "table", "width", "words")

    def __init__(self, fd: int, offset: int, number: int, table: int, rows: int) -> None:
        self.map = mmap.mmap(fd, _size(table, rows), offset=offset)
        self.words: memoryview[int] = memoryview(self.map).cast("q")
        self.number = number
        self.table = table
        self.rows = rows
        self.width = _ROW_WORDS[table]
        self.start = rows * KEY_BYTES // 8
        self.homes = rows - _REACH + 1

    def find_empty(self, home: int) -> int | None:
        """Return the index of a row without a key where a key of that `home` may stand."""
        first = home % self.homes
        place = first * KEY_BYTES
        keys = self.map[place : place + _REACH_BYTES]
        at = keys.find(_EMPTY)
        while at % KEY_BYTES and at >= 0:  # it began with the last zeros of a key
            at = keys.find(_EMPTY, at + 1)
        return None if at < 0 else self.start + (first + at // KEY_BYTES) * self.width

    def neighbours(self, home: int) -> range:
        """Return the indexes of the rows where a key may stand."""
        first = self.start + home % self.homes * self.width
        return range(first, first + _REACH * self.width, self.width)

    def key(self, index: int) -> bytes:
        at = (index - self.start) // self.width * KEY_BYTES
        return self.map[at : at + KEY_BYTES]

    def name(self, index: int, key: bytes) -> None:
        """Give a row its key, after its numbers are there."""
        at = (index - self.start) // self.width * KEY_BYTES
        self.map[at : at + KEY_BYTES] = key

    def free(self, index: int) -> None:
        self.words[index] = 0
        self.name(index, _EMPTY)

    def column(self, word: int) -> list[int]:
        """Return one number of every row."""
        return self.words[self.start + word :: self.width].tolist()

    def place(self, index: int) -> int:
        return self.number << _SEGMENT_SHIFT | index

    def bytes_at(self, index: int) -> bytes:
        return self.map[index * 8 : (index + self.width) * 8]

    def flush(self) -> None:
        self.map.flush()

    def close(self) -> None:
        self.words.release()
        self.map.close()


def home_of(key: bytes) -> int:
    """Return the number that says where in each segment a key may stand."""
    return int.from_bytes(key[:8], "little")


class RowFile:
    """The mapped file. For one thread of each process; all but `locked` is called with the lock held."""

    __slots__ = ("_head_map", "_path", "_segments", "_tables", "fd", "head")

    def __init__(self, path: Path, now: int) -> None:
        """Open the file, making it when it is missing, at the time `now`.

        Raises RowsUnreadable, or OSError when there is no room for it.
        """
        self._path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            try:
                _prepare(path, self.fd, now)
                self._head_map = mmap.mmap(self.fd, _HEAD_BYTES)
                self.head: memoryview[int] = memoryview(self._head_map).cast("q")
                self._segments: list[Segment] = []
                self._tables: dict[int, list[Segment]] = {table: [] for table in Table}
                self._map_more()
                self.make_changes()
            finally:
                fcntl.flock(self.fd, fcntl.LOCK_UN)
        except BaseException:
            os.close(self.fd)
            raise

    def close(self) -> None:
        for segment in self._segments:
            segment.close()
        self.head.release()
        self._head_map.close()
        os.close(self.fd)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock, and find nothing half done."""
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        try:
            if self.head[CHANGES]:
                self.make_changes()
            yield
        finally:
            fcntl.flock(self.fd, fcntl.LOCK_UN)

    def flush(self) -> None:
        """Wait until all is on the disk. Raises OSError."""
        for segment in self._segments:
            segment.flush()
        self._head_map.flush()

    def segments(self, table: Table) -> list[Segment]:
        """Return the segments of a table, the newest first."""
        if self.head[_SEGMENTS] != len(self._segments):
            self._map_more()
        return self._tables[table]

    def find(self, table: Table, key: bytes) -> tuple[Segment, int] | None:
        """Return where a key's row is: its segment, and the index of its first word."""
        home = home_of(key)
        for segment in self.segments(table):
            first = home % segment.homes
            place = first * KEY_BYTES
            at = segment.map[place : place + _REACH_BYTES].find(key)
            if at >= 0:  # between two keys a third is found by chance only, which takes 2^128 tries
                return segment, segment.start + (first + at // KEY_BYTES) * segment.width
        return None

    def take(self, table: Table, key: bytes, is_over: Callable[[Segment, int], bool]) -> tuple[Segment, int] | None:
        """Return a row without a key, for a new one: one that is empty, or whose matter is over, or in a new segment.

        None when the disk has no room; that is counted.
        """
        home = home_of(key)
        segments = self.segments(table)
        for segment in segments:
            index = segment.find_empty(home)
            if index is not None:
                return segment, index
        for segment in segments:
            for index in segment.neighbours(home):
                if is_over(segment, index):
                    segment.free(index)
                    return segment, index
        if not self._grow(table):
            self.head[HeadWord.WITHOUT_ROOM] += 1
            return None
        segment = self._tables[table][0]
        return segment, segment.neighbours(home)[0]

    def next_stamp(self) -> int:
        stamp = self.head[_STAMP] = self.head[_STAMP] + 1
        return stamp

    def change(self, targets: Sequence[Target], places: Sequence[int], numbers: Sequence[int]) -> None:
        """Make changes, all of them even when this process is killed in the middle; of a great many, part by part."""
        for first in range(0, len(places), MOST_CHANGES):
            end = first + MOST_CHANGES
            part = Changes(self._head_map, targets[first:end], places[first:end])
            part.note[FIRST:] = numbers[first:end]
            self.make(part)

    def changes_at(self, targets: Sequence[Target], places: Sequence[int]) -> Changes:
        """Return changes to be made many times, with other numbers each."""
        return Changes(self._head_map, targets, places)

    def make(self, changes: Changes) -> None:
        """Make changes whose numbers were put in."""
        count, words, indexes, note = changes.count, changes.words, changes.indexes, changes.note
        if count == 1:
            words[0][indexes[0]] = note[FIRST]
        elif count > MOST_CHANGES:
            self.change(list(zip(words, indexes, strict=True)), changes.places, note[FIRST:])
        elif count:
            head, pack_note = self.head, changes.pack_note
            pack_note(*note)
            head[CHANGES] = count
            for place, index in enumerate(indexes):
                words[place][index] = note[FIRST + place]
            head[CHANGES] = 0

    def make_changes(self) -> None:
        """Make the changes that somebody noted who was killed before they were all made."""
        count = self.head[CHANGES]
        if not count:
            return
        self._map_more()
        noted = unpack_from(f"{2 * count}q", self._head_map, _CHANGE_AT)
        for place, number in zip(noted[:count], noted[count:], strict=True):
            self._segments[place >> _SEGMENT_SHIFT].words[place & _WORD_MASK] = number
        self.head[CHANGES] = 0

    def _grow(self, table: Table) -> bool:
        """Add a segment to a table, if the disk has room for it."""
        count = self.head[_SEGMENTS]
        bits = min(_MOST_BITS, _FIRST_BITS[table] + len(self._tables[table]))
        if count >= _MOST_SEGMENTS:
            return False
        start = _end(self.head, count)
        try:
            _allocate(self.fd, start, _size(table, 1 << bits))
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            return False
        self.head[HeadWord.SEGMENT + count] = table << 8 | bits
        self.head[_SEGMENTS] = count + 1
        self._map_more()
        return True

    def _map_more(self) -> None:
        """Map the segments that others have added."""
        for number in range(len(self._segments), self.head[_SEGMENTS]):
            table, bits = divmod(self.head[HeadWord.SEGMENT + number], 256)
            segment = Segment(self.fd, _end(self.head, number), number, table, 1 << bits)
            self._segments.append(segment)
            self._tables[table].insert(0, segment)


def _prepare(path: Path, fd: int, now: int) -> None:
    """Make a new file, or see that it is whole; the magic goes last. Raises RowsUnreadable."""
    head = os.pread(fd, _HEAD_BYTES, 0)
    if not int.from_bytes(head[:8], "little"):
        _allocate(fd, 0, _HEAD_BYTES)
        _write(fd, _words(0, 0, 0, now, 0, 0, 0, 0), 0)
        _write(fd, bytes(_HEAD_BYTES - 64), 64)
        _write(fd, _words(_MAGIC), 0)
        return
    if len(head) == _HEAD_BYTES:
        words: memoryview[int] = memoryview(head).cast("q")
        whole = words[0] == _MAGIC and 0 <= words[_SEGMENTS] <= _MOST_SEGMENTS
        if whole and os.fstat(fd).st_size >= _end(words, words[_SEGMENTS]):
            return
    raise RowsUnreadable(f"{path} is not a file of counters that this version reads, or a part of it is gone")


def _words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(8, "little") for number in numbers)


def _end(head: "memoryview[int]", count: int) -> int:
    """Return where so many segments end, which is where the next begins."""
    forms = (divmod(head[HeadWord.SEGMENT + number], 256) for number in range(count))
    return _HEAD_BYTES + sum(_size(table, 1 << bits) for table, bits in forms)


def _size(table: int, rows: int) -> int:
    """Return the bytes of a segment, filled up to where the next can begin."""
    return -(-rows * (KEY_BYTES + _ROW_WORDS[table] * 8) // _GRAIN) * _GRAIN


def _allocate(fd: int, start: int, size: int) -> None:
    """Get blocks from the disk. Where it cannot promise them, they are written: the same, and slower."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(fd, start, size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENODEV):
                raise
        else:
            return
    for place in range(start, start + size, len(_PIECE)):
        _write(fd, _PIECE[: start + size - place], place)


def _write(fd: int, data: bytes, place: int) -> None:
    if os.pwrite(fd, data, place) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
