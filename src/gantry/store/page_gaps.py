"""What lies in the gaps of SQLite's pages: rows that were moved to a neighbour, blanked where no cell is.

Law: only bytes that the file format gives no meaning to are written, each to zero, so a crash between two of them, a
reader that sees some of them and a page that is half written are all harmless. No other writer is in the file then, and
the write-ahead log is empty: no older picture of a page is put over one that was blanked.

`secure_delete` blanks a cell that is deleted and a page that is given back. But when pages are balanced, SQLite may
build one anew from the cells that stay in it, and what moved away stays readable in the gap, for as long as nothing is
put there: https://www.sqlite.org/fileformat2.html#b_tree_pages
"""

import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Final

FIRST_PAGE: Final = 2  # the one before it holds the names of the tables
PAGES: Final = 2000  # of a slice: 16 MB, some milliseconds
_MOST_PAGES: Final = 1 << 25  # beyond these the number of a next page may begin as a page of a tree does
_TREE_HEADERS: Final = {2: 12, 5: 12, 10: 8, 13: 8}  # bytes, by the kind of page
_TREE: Final = struct.Struct(">BHHH")  # kind, first free block, number of cells, where the cells begin
_FREE_BLOCK: Final = struct.Struct(">HH")  # where the next is, bytes of this one
_FILE: Final = struct.Struct(">16x H 2x B 31x I")  # bytes of a page, of them reserved, whether pages are moved
_PATIENCE: Final = 0.05  # seconds in which readers leave the write-ahead log; no record is stored meanwhile


def blank_gaps(path: Path, first: int, pages: int = PAGES) -> int | None:
    """Blank the gaps of some pages; return the page to go on with, `first` again where others use the file now.

    None at the end, and for a file whose pages cannot be told apart. Raises sqlite3.Error and OSError.
    """
    with closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as connection:
        try:
            if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                return first
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                return first
            raise
        if os.stat(f"{path}-wal").st_size:
            return first  # somebody wrote between the two
        status = os.stat(path)
        descriptor = _descriptor_of(path, status.st_dev, status.st_ino)
        size, reserved, are_moved = _FILE.unpack(os.pread(descriptor, _FILE.size, 0))
        size = 65536 if size == 1 else size
        count = os.fstat(descriptor).st_size // size
        if are_moved or count >= _MOST_PAGES:
            return None
        if _blank(descriptor, range(first, min(first + pages, count + 1)), size, size - reserved):
            os.fdatasync(descriptor)
            # A commit: whoever holds a picture of these pages reads them again.
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
    return first + pages if first + pages <= count else None


def gaps_in(page: bytes | memoryview, usable: int) -> Iterator[tuple[int, int]]:
    """Return from where to where a page holds nothing; of its `usable` bytes, for a page of a tree."""
    kind, block, cells, begin = _TREE.unpack_from(page)
    header = _TREE_HEADERS.get(kind)
    if header is None:
        return
    begin = begin or 65536
    end = header + 2 * cells
    if not end <= begin <= usable:
        return
    yield end, begin
    while begin <= block <= usable - _FREE_BLOCK.size:
        following, length = _FREE_BLOCK.unpack_from(page, block)
        if not _FREE_BLOCK.size <= length <= usable - block:
            return  # it is no page of a tree, or a broken one
        yield block + _FREE_BLOCK.size, block + length
        if following <= block:
            return
        block = following


def _blank(descriptor: int, pages: range, size: int, usable: int) -> bool:
    """Blank gaps that hold something, and say whether there were any."""
    start = (pages.start - 1) * size
    content = memoryview(os.pread(descriptor, len(pages) * size, start))
    zeros = bytes(size)
    found = False
    for at in range(0, len(content) - size + 1, size):
        page = content[at : at + size]
        for begin, end in gaps_in(page, usable):
            if page[begin:end] != zeros[: end - begin]:
                os.pwrite(descriptor, zeros[: end - begin], start + at + begin)
                found = True
    return found


@cache
def _descriptor_of(path: Path, _device: int, _number: int) -> int:
    """Return an open descriptor of a file, which stays open.

    Closing one gives up every lock of the process on the file, SQLite's own too:
    https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    """
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)
