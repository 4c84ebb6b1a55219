"""The memory of resources: which organization made what at a provider, for all workers of one machine, in one file.

Law: what is remembered stays with its first owner, and half a slot is never believed: its last four bytes check the
rest. The file tells nothing: it holds digests under a pepper of the home. Lookups take no lock; insertions take the
file's, for a few microseconds.

The file is a header and a chain of hash tables, each twice the one before and added behind it when the last is three
quarters full. Nothing is moved: to copy a full table into a larger one would hold a worker's loop for seconds. A
process that sees more tables in the header than it has mapped maps the file again.
"""

import errno
import fcntl
import hashlib
import mmap
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Final

DEFAULT_LIMIT: Final = 1_000_000
_MAGIC: Final = 0x47414E54_52533031  # "GANTRS01"
_HEAD_BYTES: Final = 4096
_KEY_BYTES: Final = 16
_OWNER_BYTES: Final = 12
_CHECK_AT: Final = _KEY_BYTES + _OWNER_BYTES
_SLOT_BYTES: Final = 32
_FIRST_SLOTS: Final = 1 << 15  # 1 MB
_EMPTY: Final = bytes(_KEY_BYTES)
_PIECE: Final = bytes(1 << 20)
_MAX_TABLES: Final = 16
_REMEDY: Final = (
    "stop the gateway and move the file away; resources made until now are then nobody's, "
    "open to every organization that shares their account"
)


class ResourcesUnreadable(ValueError):
    """The file is not this version's memory of resources; the message says what to do."""


class _Word(IntEnum):
    MAGIC = 0
    TABLES = 1  # how many there are, each written to its last byte before it is counted here
    ENTRIES = 2
    REFUSED = 3  # not remembered, because there was no room


class ResourceBook:
    """The mapped file. For one thread of each process."""

    __slots__ = ("_fd", "_limit", "_map", "_path", "_pepper", "_tables", "_words")

    def __init__(self, path: Path, fd: int, pepper: bytes, limit: int) -> None:
        self._path = path
        self._fd = fd
        self._pepper = pepper
        self._limit = limit
        self._tables = 0
        self._map_again()

    @classmethod
    def open(cls, path: Path, pepper: bytes, *, limit: int = DEFAULT_LIMIT) -> "ResourceBook":
        """Open the file, creating it when it is missing. Beyond the `limit` nothing more is remembered, but counted.

        Raises ResourcesUnreadable, or OSError when there is no room for the file.
        """
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with _locked(fd):
                _prepare(path, fd)
            return cls(path, fd, pepper, limit)
        except BaseException:
            os.close(fd)
            raise

    def close(self) -> None:
        self._words.release()
        self._map.close()
        os.close(self._fd)

    @property
    def entries(self) -> int:
        return int(self._words[_Word.ENTRIES])

    @property
    def refused(self) -> int:
        """How often something was not remembered for want of room; isolation does not cover it."""
        return int(self._words[_Word.REFUSED])

    def owner(self, provider_id: str, resource_id: str) -> bytes | None:
        """Return the mark of the organization that made a resource; None when nobody is remembered."""
        return self._find(self._key(provider_id, resource_id))

    def mark(self, organization_id: str) -> bytes:
        """Return what `owner` returns for the resources of an organization."""
        return self._digest(b"organization", organization_id)[:_OWNER_BYTES]

    def is_foreign(self, provider_id: str, resource_id: str, organization_id: str) -> bool:
        """Say whether another organization made a resource. What nobody is remembered for is nobody's."""
        owner = self.owner(provider_id, resource_id)
        return owner is not None and owner != self.mark(organization_id)

    def remember(self, provider_id: str, resource_id: str, organization_id: str) -> bool:
        """Note who made a resource, unless somebody is remembered for it; say whether there was room."""
        key = self._key(provider_id, resource_id)
        with _locked(self._fd):
            return self._find(key) is not None or self._insert(key, self.mark(organization_id))

    def _key(self, provider_id: str, resource_id: str) -> bytes:
        return self._digest(provider_id.encode(), resource_id)

    def _digest(self, kind: bytes, text: str) -> bytes:
        return hashlib.blake2b(
            kind + b"\0" + text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES, key=self._pepper
        ).digest()

    def _find(self, key: bytes) -> bytes | None:
        if self._words[_Word.TABLES] != self._tables:
            self._map_again()
        for table in range(self._tables):
            place = self._probe(table, key)
            owner = self._believe(place)
            if owner is not None:
                return owner
        return None

    def _believe(self, place: int) -> bytes | None:
        """Return the owner in a slot, if the slot is whole."""
        slot = self._map[place : place + _SLOT_BYTES]
        return slot[_KEY_BYTES:_CHECK_AT] if slot[_CHECK_AT:] == _check(slot[:_CHECK_AT]) else None

    def _probe(self, table: int, key: bytes) -> int:
        """Return the place of a key's slot in a table, or of the empty slot where it would go."""
        data, start, slots = self._map, _start(table), _slots(table)
        index = int.from_bytes(key[:8], "little")
        for step in range(slots):
            place = start + (index + step) % slots * _SLOT_BYTES
            found = data[place : place + _KEY_BYTES]
            if found in (key, _EMPTY):
                return place
        raise ResourcesUnreadable(f"{self._path} has a full table, which no version writes; {_REMEDY}")

    def _insert(self, key: bytes, owner: bytes) -> bool:
        words = self._words
        if words[_Word.ENTRIES] >= min(self._limit, _room(self._tables)) and not self._grow():
            words[_Word.REFUSED] += 1
            return False
        place = self._probe(self._tables - 1, key)
        words[_Word.ENTRIES] += 1  # first: a count that is too high wastes a slot, one too low fills a table
        self._map[place + _KEY_BYTES : place + _SLOT_BYTES] = owner + _check(key + owner)
        self._map[place : place + _KEY_BYTES] = key
        return True

    def _grow(self) -> bool:
        """Add a table behind the last, if the limit and the disk have room for it."""
        if self._words[_Word.ENTRIES] >= self._limit or self._tables == _MAX_TABLES:
            return False
        try:
            _write_table(self._fd, self._tables)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            return False
        self._words[_Word.TABLES] = self._tables + 1
        self._map_again()
        return True

    def _map_again(self) -> None:
        """Map as many tables as the header counts."""
        head = os.pread(self._fd, 16, 0)
        tables = int.from_bytes(head[8:], "little")
        self._map = mmap.mmap(self._fd, _start(tables))
        self._words = memoryview(self._map)[:_HEAD_BYTES].cast("Q")
        self._tables = tables


def _prepare(path: Path, fd: int) -> None:
    """Make a new file, or the rest of one whose maker was killed; the magic goes last. Raises ResourcesUnreadable."""
    head = os.pread(fd, 16, 0)
    magic, tables = (int.from_bytes(head[at : at + 8], "little") for at in (0, 8))
    if magic == 0:
        _write(fd, bytes(_HEAD_BYTES), 0)
        _write_table(fd, 0)
        _write(fd, (1).to_bytes(8, "little"), 8)
        _write(fd, _MAGIC.to_bytes(8, "little"), 0)
    elif magic != _MAGIC or not 0 < tables <= _MAX_TABLES:
        raise ResourcesUnreadable(f"{path} is not a memory of resources that this version reads; {_REMEDY}")
    for table in range(tables):
        if os.fstat(fd).st_size < _start(table + 1):  # a power loss kept the header and not what it counts
            _write_table(fd, table)


def _write_table(fd: int, table: int) -> None:
    """Write an empty table, not only its length: a mapped page that the full disk has no block for raises SIGBUS."""
    end = _start(table + 1)
    for place in range(_start(table), end, len(_PIECE)):
        _write(fd, _PIECE[: end - place], place)


def _write(fd: int, data: bytes, place: int) -> None:
    if os.pwrite(fd, data, place) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _slots(table: int) -> int:
    return _FIRST_SLOTS << table


def _start(table: int) -> int:
    """Return where a table begins, which is where the one before it ends."""
    return _HEAD_BYTES + _FIRST_SLOTS * ((1 << table) - 1) * _SLOT_BYTES


def _room(tables: int) -> int:
    """Return how many entries fill so many tables to three quarters."""
    return _FIRST_SLOTS * ((1 << tables) - 1) * 3 // 4


def _check(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


@contextmanager
def _locked(fd: int) -> Iterator[None]:
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)
