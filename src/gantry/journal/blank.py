"""What was read of a journal, and lies in a segment that is still written to: overwritten with zeros.

Law: only what lies before a position that is stored as read is touched, and the writer only writes behind it.
"""

import os
from pathlib import Path

from gantry.journal.reader import Position
from gantry.journal.segments import segment_name

_AT_ONCE = 1 << 20


def blank_before(root: Path, incarnation: str, position: Position) -> None:
    """Blank a segment up to a position; one that is gone needs none."""
    try:
        fd = os.open(root / incarnation / segment_name(position.segment), os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        for start in range(0, position.offset, _AT_ONCE):
            os.pwrite(fd, bytes(min(_AT_ONCE, position.offset - start)), start)
        os.fsync(fd)
    finally:
        os.close(fd)
