"""Reading ahead: after a machine's start, the newest part of SQLite's file is brought into the system's page cache.

Law: nobody waits for it, and it holds no memory of ours: the system is told what will be needed, piece by piece, and
gives the pages up when others need the room. A filter that no index serves reads every row: from a disk that takes
seconds, from the page cache a tenth of them.
"""

import os
from pathlib import Path
from typing import Final, Protocol

MOST_BYTES: Final = 2 << 30  # the rows, indexes and words of about a million logs, and what was said in them
_SHARE_OF_MEMORY: Final = 4
_PIECE: Final = 16 << 20
_PAUSE: Final = 0.02  # seconds between two pieces, for those who read and write meanwhile


class Stop(Protocol):
    """What ends it early; a `threading.Event`."""

    def wait(self, timeout: float) -> bool: ...


def read_ahead(path: Path, stop: Stop) -> int:
    """Ask for the end of a file, and return how many bytes were asked for: none where the system takes no such hint."""
    if not hasattr(os, "posix_fadvise"):
        return 0
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        size = os.fstat(fd).st_size
        start = max(0, size - min(MOST_BYTES, memory // _SHARE_OF_MEMORY))
        for offset in range(start, size, _PIECE):
            os.posix_fadvise(fd, offset, _PIECE, os.POSIX_FADV_WILLNEED)
            if stop.wait(_PAUSE):
                return offset + _PIECE - start
        return size - start
    finally:
        os.close(fd)
