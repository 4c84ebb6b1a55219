"""The mapped file: 64 slots of 128 unsigned 64-bit numbers, one slot per process.

A slot belongs to the process whose pid stands in it. The supervisor hands out slot numbers: 0 for itself, 1 for the
clerk, 2 for the console, 3 and up for the workers.
"""

import errno
import mmap
import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Final

SLOTS = 64
WORDS = 128
SUPERVISOR_SLOT, CLERK_SLOT, CONSOLE_SLOT, FIRST_WORKER_SLOT = 0, 1, 2, 3
_MAGIC = 0x47414E54_42443031  # "GANTBD01"
_HEAD_BYTES = 4096
_FILE_BYTES = _HEAD_BYTES + SLOTS * WORDS * 8

# Upper bounds in microseconds of the latency histograms; the last bucket is open.
LATENCY_BOUNDS_US: Final[Sequence[int]] = (
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
)


class Word(IntEnum):
    """What each number of a slot means. Counters only grow; states are set."""

    PID = 0
    STARTED_AT = 1  # ns since the epoch
    STATE = 2  # a State
    HEARTBEAT = 3  # ns since the epoch
    SNAPSHOT_VERSION = 4
    SNAPSHOT_PUBLISHED_AT = 5  # ns since the epoch
    JOURNAL_LEVEL = 6  # a journal level, 0 to 3
    JOURNAL_BYTES = 7
    CONNECTIONS = 8
    IN_FLIGHT = 9
    BYTES_HELD = 10
    ATTEMPTS = 11  # under way, of calls that had a choice
    UPSTREAM_CONNECTIONS = 12
    TASKS = 13
    PORT = 14  # supervisor: where the workers listen
    SHARED_SILENT = 15  # 1 while the counters that several machines share do not answer
    REQUESTS = 16
    STRANGERS = 17  # requests without a valid key
    REFUSED = 18
    SUCCEEDED = 19
    UPSTREAM_FAULTS = 20
    CLIENTS_GONE = 21
    OWN_FAULTS = 22
    BYTES_IN = 23
    BYTES_OUT = 24
    JOURNAL_FRAMES = 25
    BODIES_DROPPED = 26  # calls whose content the journal's ladder withheld
    CALLS_UNRECORDED = 27  # passed while the journal was full, by setting
    UPSTREAM_CONNECTIONS_OPENED = 28
    LAG = 32  # clerk: frames not yet stored
    RECORDS = 33  # clerk: request logs stored
    RECORDS_REJECTED = 34
    STORE_FAULTS = 35  # clerk: batches that the store refused and that were tried again
    PUBLISH_FAULTS = 36
    RESTARTS = 37  # supervisor: children restarted
    DELIVERY_FAULTS = 38  # clerk: turns of the loop that tells which failed
    CACHE_HITS = 40
    CACHE_MISSES = 41
    ATTEMPTS_FAILED = 48  # whether or not another one answered
    ROTATIONS = 49
    FALLBACKS = 50
    RETRIES = 51
    HEDGES = 52
    HEDGES_WON = 53
    COOLDOWNS = 54  # of deployments, that began
    EXPORT_LAG = 55  # clerk: logs stored and not yet exported
    LOGS_EXPORTED = 56
    EXPORTS_DROPPED = 57  # logs that the receiver would not take
    EXPORT_FAULTS = 58  # requests that failed and are sent again
    EXPORTED_AT = 59  # ns since the epoch, when the receiver took something last
    EXPORTS_FAILED = 60  # requests one after the other, up to now
    LATENCY_SUM_US = 63
    LATENCY = 64  # first of the histogram's buckets


_LATENCY, _LATENCY_SUM_US = int(Word.LATENCY), int(Word.LATENCY_SUM_US)
_REQUESTS, _IN_FLIGHT = int(Word.REQUESTS), int(Word.IN_FLIGHT)
# What a process that begins has none of.
_STATES = (
    Word.CONNECTIONS,
    Word.IN_FLIGHT,
    Word.BYTES_HELD,
    Word.ATTEMPTS,
    Word.UPSTREAM_CONNECTIONS,
    Word.TASKS,
    Word.SHARED_SILENT,
    Word.SNAPSHOT_VERSION,
    Word.LAG,
    Word.EXPORT_LAG,
    Word.EXPORTS_FAILED,
)


class State(IntEnum):
    EMPTY = 0
    STARTING = 1
    READY = 2
    DRAINING = 3
    ELSEWHERE = 4  # of a role that another machine has for us; no process


class Slot:
    """One process's numbers. `add` and `set` are for its owner only."""

    __slots__ = ("_words",)

    def __init__(self, words: memoryview, index: int) -> None:
        self._words = words[index * WORDS : (index + 1) * WORDS]

    def __getitem__(self, word: Word) -> int:
        return int(self._words[word])

    def __setitem__(self, word: Word, value: int) -> None:
        self._words[word] = value

    def add(self, word: int, amount: int = 1) -> None:
        self._words[word] += amount

    def open_call(self) -> None:
        """Count a call that begins."""
        words = self._words
        words[_REQUESTS] += 1
        words[_IN_FLIGHT] += 1

    def close_call(self, how: int, microseconds: int) -> None:
        """Count a call that ended: `how` is the word of its outcome, and so long it took."""
        words = self._words
        words[_IN_FLIGHT] -= 1
        words[how] += 1
        words[_LATENCY + bisect_left(LATENCY_BOUNDS_US, microseconds)] += 1
        words[_LATENCY_SUM_US] += microseconds

    def latency_buckets(self) -> list[int]:
        return [int(count) for count in self._words[_LATENCY : _LATENCY + len(LATENCY_BOUNDS_US) + 1]]

    def claim(self, pid: int, now_ns: int) -> None:
        """Take the slot for a process. Counters go on from where its predecessor stopped, as a counter should."""
        for word in _STATES:
            self[word] = 0
        self[Word.STARTED_AT] = now_ns
        self[Word.HEARTBEAT] = now_ns
        self[Word.STATE] = State.STARTING
        self[Word.PID] = pid

    def release(self) -> None:
        self[Word.STATE] = State.EMPTY
        self[Word.PID] = 0


class Board:
    """The mapped file of one home."""

    def __init__(self, path: Path, *, reset: bool = False) -> None:
        """Open the board, creating it when it is missing, of another format, or to be `reset` (at start).

        Raises OSError when there is no room for it.
        """
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if reset or os.fstat(fd).st_size != _FILE_BYTES:
                os.ftruncate(fd, 0)
                # Written, not only made so long: a mapped page that the full disk has no block for raises SIGBUS.
                if os.pwrite(fd, bytes(_FILE_BYTES), 0) != _FILE_BYTES:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            self._map = mmap.mmap(fd, _FILE_BYTES)
        finally:
            os.close(fd)  # the mapping has its own
        head = memoryview(self._map)[:8].cast("Q")
        if head[0] != _MAGIC:
            self._map[8:] = bytes(_FILE_BYTES - 8)
            head[0] = _MAGIC
        self._words = memoryview(self._map)[_HEAD_BYTES:].cast("Q")

    def slot(self, index: int) -> Slot:
        if not 0 <= index < SLOTS:
            raise IndexError(f"the board has {SLOTS} slots; {index} is not one")
        return Slot(self._words, index)

    def workers(self) -> Iterator[Slot]:
        """Yield the slots of live workers."""
        for index in range(FIRST_WORKER_SLOT, SLOTS):
            slot = self.slot(index)
            if slot[Word.PID]:
                yield slot

    def slots(self) -> Iterator[Slot]:
        """Yield every slot that any process has used, so that counters of a dead worker still count."""
        for index in range(SLOTS):
            slot = self.slot(index)
            if slot[Word.STARTED_AT]:
                yield slot
