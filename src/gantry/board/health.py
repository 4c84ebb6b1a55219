"""The health of deployments, for all workers of one machine, in one file.

Law: a deployment that nobody has complained of has no row, so while all is well a worker reads one number. Changes take
the file's lock for a few microseconds and are rare; reading takes none, and half a change costs at most one call's
choice. What is full forgets the well, then those of whom nobody has complained for an hour, and nobody else.

The file is a header and `ROWS` rows: a digest of the deployment's id, the numbers of its standing, and its id as text,
for people who look. `generation` moves when a row changes hands, and tells the others to find the rows again.
"""

import errno
import fcntl
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final

from gantry.core.standing import UNTOUCHED, Standing

ROWS: Final = 1024
_MAGIC: Final = 0x47414E54_48543031  # "GANTHT01"
_HEAD_BYTES: Final = 4096
_ROW_BYTES: Final = 256
_KEY_BYTES: Final = 16
_WORDS_AT: Final = _KEY_BYTES // 8
_TEXT_AT: Final = 96
_ROW_WORDS: Final = _ROW_BYTES // 8
_FILE_BYTES: Final = _HEAD_BYTES + ROWS * _ROW_BYTES
_GENERATION: Final = 1  # of the header's words
_STALE_SECONDS: Final = 3600  # the longest cooldown
_EMPTY: Final = bytes(_KEY_BYTES)
_FIELDS: Final = len(UNTOUCHED)


class HealthBook:
    """The mapped file. For one thread of each process."""

    __slots__ = ("_fd", "_generation", "_head", "_map", "_rows", "_words")

    def __init__(self, path: Path, *, reset: bool = False) -> None:
        """Open the file; it is made anew when it is missing, of another form, or to be `reset` (at start).

        Raises OSError when there is no room for it.
        """
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with _locked(self._fd):
                if reset or os.pread(self._fd, 8, 0) != _MAGIC.to_bytes(8, "little"):
                    _write_anew(self._fd, path)
            self._map = mmap.mmap(self._fd, _FILE_BYTES)
        except BaseException:
            os.close(self._fd)
            raise
        self._head = memoryview(self._map)[:_HEAD_BYTES].cast("Q")
        self._words = memoryview(self._map)[_HEAD_BYTES:].cast("Q")
        self._rows: dict[bytes, int] = {}
        self._generation = 0

    def close(self) -> None:
        self._head.release()
        self._words.release()
        self._map.close()
        os.close(self._fd)

    @property
    def troubled(self) -> bool:
        """Whether there was ever anything to remember since the file was made."""
        return self._head[_GENERATION] != 0

    def standing(self, deployment: str) -> Standing:
        row = self._row_of(deployment)
        return UNTOUCHED if row is None else self._read(row)

    def change(self, deployment: str, change: Callable[[Standing], Standing]) -> Standing:
        """Replace a deployment's standing by what `change` makes of it, and return that. Nobody comes between."""
        with _locked(self._fd):
            row = self._row_of(deployment)
            before = UNTOUCHED if row is None else self._read(row)
            after = change(before)
            if after != before:
                if row is None:
                    row = self._take_row(deployment, after.failed_at - _STALE_SECONDS)
                if row is not None:
                    self._write(row, after)
        return after

    def reset(self, deployment: str | None = None) -> int:
        """Forget what is known of a deployment, by its id or as `all` shows it, or of all; return how many it was."""
        wanted = None if deployment is None else _text_of(deployment)
        with _locked(self._fd):
            known = [
                row
                for row in range(ROWS)
                if self._read(row) != UNTOUCHED and (wanted is None or self._text(row) == wanted)
            ]
            for row in known:
                self._write(row, UNTOUCHED)
        return len(known)

    def all(self) -> Iterator[tuple[str, Standing]]:
        """Yield the deployments that something is known of, with their standing. A long id is cut off."""
        for row in range(ROWS):
            standing = self._read(row)
            if standing != UNTOUCHED:
                yield self._text(row).rstrip(b"\0").decode("utf-8", "replace"), standing

    def _row_of(self, deployment: str) -> int | None:
        generation = self._head[_GENERATION]
        if generation != self._generation:
            self._find_rows()
            self._generation = generation
        return self._rows.get(_key_of(deployment)) if self._rows else None

    def _find_rows(self) -> None:
        data = self._map
        keys = (data[at : at + _KEY_BYTES] for at in range(_HEAD_BYTES, _FILE_BYTES, _ROW_BYTES))
        self._rows = {key: row for row, key in enumerate(keys) if key != _EMPTY}

    def _take_row(self, deployment: str, stale: int) -> int | None:
        """Return a row for a deployment; None when all are taken by those who failed since `stale`."""
        data = self._map
        taken = set(self._rows.values())
        row = next((row for row in range(ROWS) if row not in taken), None)
        if row is None:
            row = next((row for row in range(ROWS) if self._read(row).failed_at < stale), None)
        if row is None:
            return None
        place = _HEAD_BYTES + row * _ROW_BYTES
        self._write(row, UNTOUCHED)
        data[place + _TEXT_AT : place + _ROW_BYTES] = _text_of(deployment)
        data[place : place + _KEY_BYTES] = _key_of(deployment)
        self._head[_GENERATION] += 1
        return row

    def _text(self, row: int) -> bytes:
        place = _HEAD_BYTES + row * _ROW_BYTES
        return self._map[place + _TEXT_AT : place + _ROW_BYTES]

    def _read(self, row: int) -> Standing:
        start = row * _ROW_WORDS + _WORDS_AT
        return Standing(*self._words[start : start + _FIELDS])

    def _write(self, row: int, standing: Standing) -> None:
        start = row * _ROW_WORDS + _WORDS_AT
        for place, number in enumerate(standing, start):
            self._words[place] = number


def _key_of(deployment: str) -> bytes:
    return blake2b(deployment.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()


def _text_of(deployment: str) -> bytes:
    """Return an id as a row has room for it, of whole characters."""
    room = _ROW_BYTES - _TEXT_AT
    text = deployment.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    return text.encode().ljust(room, b"\0")


def _write_anew(fd: int, path: Path) -> None:
    """Write the file out, not only its length: a mapped page that the full disk has no block for raises SIGBUS.

    It is never cut: another process may have it mapped.
    """
    if os.pwrite(fd, bytes(_FILE_BYTES), 0) != _FILE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    os.pwrite(fd, _MAGIC.to_bytes(8, "little"), 0)


@contextmanager
def opened_health(path: Path) -> Iterator[HealthBook | None]:
    """Open the file for one question; None where there is none. Raises OSError.

    The supervisor takes the file away at its start: only its workers may keep it open, for any other would go on
    looking at what was true before.
    """
    if not path.exists():
        yield None
        return
    book = HealthBook(path)
    try:
        yield book
    finally:
        book.close()


@contextmanager
def _locked(fd: int) -> Iterator[None]:
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)
