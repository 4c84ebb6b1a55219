"""A copy of the journal, taken while it is written.

Law: what was recorded before is in the copy, or was stored and its segment deleted in the meantime. So whoever copies
the store as well copies it afterwards: then nothing is in neither, and what is in both is stored once.

A segment is preallocated; its zeros at the end are left out, but for those that belong to the last frame. The process
that wrote it does not run where the copy is read, so the copy's lock is free.
"""

import os
from pathlib import Path

from gantry.journal.reader import list_incarnations
from gantry.journal.segments import SUFFIX, Mark, declared_bytes, mark_of, segment_name
from gantry.journal.writer import LOCK_NAME

_SPARE = 4096  # zeros kept in any case


def copy_journal(source: Path, target: Path) -> int:
    """Copy what is not read yet of all incarnations; return the bytes."""
    copied = 0
    for incarnation in list_incarnations(source):
        try:
            names = os.listdir(source / incarnation)
        except FileNotFoundError:  # read to its end, and gone
            continue
        folder = target / incarnation
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / LOCK_NAME).touch(mode=0o600)
        for number in sorted(int(name.removesuffix(SUFFIX)) for name in names if name.endswith(SUFFIX)):
            copied += _copy_segment(source / incarnation, folder, number, mark_of(incarnation, number))
    return copied


def _copy_segment(source: Path, target: Path, number: int, mark: Mark) -> int:
    try:
        file = (source / segment_name(number)).open("rb")
    except FileNotFoundError:  # stored meanwhile
        return 0
    with file:
        written = os.fstat(file.fileno()).st_mtime_ns
        data = file.read()
    data = data[: _end_of(data, mark)]
    path = target / segment_name(number)
    path.touch(mode=0o600)
    path.write_bytes(data)
    os.utime(path, ns=(written, written))  # that is when a crashed worker was last alive
    return len(data)


def _end_of(data: bytes, mark: Mark) -> int:
    """Return where the last frame ends, or later."""
    last = data.rfind(mark.magic)
    frame_end = last + declared_bytes(data[last:], mark) if last >= 0 else 0
    return max(len(data.rstrip(b"\0")) + _SPARE, frame_end)
