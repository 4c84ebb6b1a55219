"""What runs on a machine, how far the clerk is behind, how full the journal is, and which snapshot is live.

Law: read only, from the board and the files of the home; no database and no network, so it answers whatever is broken.
The clerk's lag is as of a turn that began after the question did, so what was answered before is counted in it.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from gantry.board.board import CLERK_SLOT, CONSOLE_SLOT, SUPERVISOR_SLOT, Board, Slot, State, Word
from gantry.board.health import opened_health
from gantry.core.sealing import SealBroken
from gantry.home import Home, HomeError, load_keyring
from gantry.journal.reader import list_incarnations
from gantry.journal.writer import JournalLevel, allocated_bytes
from gantry.routing.cooldown import Condition, condition
from gantry.routing.snapshot import SnapshotUnreadable, read_snapshot

_FRESH_LAG_SECONDS: Final = 1.0
_NS: Final = 1_000_000_000


class ProcessStatus(Struct, frozen=True, kw_only=True):
    """One process; `pid` is None when none of that role runs."""

    pid: int | None = None
    state: str = "stopped"
    uptime_seconds: float | None = None
    restarts: int | None = None
    rss_bytes: int | None = None  # None where the system does not tell


class WorkerStatus(ProcessStatus, frozen=True, kw_only=True):
    snapshot_version: int
    requests: int
    in_flight: int
    connections: int
    journal_level: str


class ClerkStatus(ProcessStatus, frozen=True, kw_only=True):
    lag: int | None = None  # records not yet stored; None while no clerk has counted them
    records: int = 0
    rejected: int = 0
    store_faults: int = 0


class SnapshotStatus(Struct, frozen=True, kw_only=True):
    version: int | None = None  # in the file
    live_version: int | None = None  # the oldest that a worker routes by
    age_seconds: float | None = None
    problem: str | None = None


class JournalStatus(Struct, frozen=True, kw_only=True):
    level: str
    bytes: int
    incarnations: int


class NodeStatus(Struct, frozen=True, kw_only=True):
    running: bool
    home: str
    supervisor: ProcessStatus
    workers: list[WorkerStatus]
    clerk: ClerkStatus
    console: ProcessStatus
    snapshot: SnapshotStatus
    journal: JournalStatus
    deployments_cooling: int = 0


def read_status(home: Home, environ: Mapping[str, str] = os.environ) -> NodeStatus:
    """Return what the board and the files say now."""
    board = Board(home.board) if home.board.exists() else None
    workers = [_worker(slot) for slot in board.workers() if _pid(slot)] if board else []
    supervisor = _process(board.slot(SUPERVISOR_SLOT), with_restarts=True) if board else ProcessStatus()
    return NodeStatus(
        running=supervisor.pid is not None,
        home=str(home.path),
        supervisor=supervisor,
        workers=workers,
        clerk=_clerk(board.slot(CLERK_SLOT)) if board else ClerkStatus(),
        console=_process(board.slot(CONSOLE_SLOT)) if board else ProcessStatus(),
        snapshot=_snapshot(home, environ, min((worker.snapshot_version for worker in workers), default=None)),
        journal=JournalStatus(
            level=_level(max((slot[Word.JOURNAL_LEVEL] for slot in board.workers()), default=0)) if board else "normal",
            bytes=allocated_bytes(home.journal),
            incarnations=len(list_incarnations(home.journal)),
        ),
        deployments_cooling=_count_cooling(home) if workers else 0,
    )


def _count_cooling(home: Home) -> int:
    """Return how many deployments are left alone now."""
    now = time.monotonic_ns() // 1_000_000
    with opened_health(home.health) as book:
        standings = [] if book is None else [standing for _, standing in book.all()]
    return sum(condition(standing, now) is Condition.COOLING for standing in standings)


def _pid(slot: Slot) -> int | None:
    """Return the pid in a slot when that process lives: one that was killed could not clear it."""
    pid = slot[Word.PID]
    if not pid:
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return pid
    return pid


def _process(slot: Slot, *, with_restarts: bool = False) -> ProcessStatus:
    pid = _pid(slot)
    if pid is None:
        return ProcessStatus(state="elsewhere") if slot[Word.STATE] == State.ELSEWHERE else ProcessStatus()
    return ProcessStatus(
        pid=pid,
        state=_state(slot),
        uptime_seconds=_uptime(slot),
        restarts=slot[Word.RESTARTS] if with_restarts else None,
        rss_bytes=_rss(pid),
    )


def _worker(slot: Slot) -> WorkerStatus:
    return WorkerStatus(
        pid=slot[Word.PID],
        state=_state(slot),
        uptime_seconds=_uptime(slot),
        snapshot_version=slot[Word.SNAPSHOT_VERSION],
        requests=slot[Word.REQUESTS],
        in_flight=slot[Word.IN_FLIGHT],
        connections=slot[Word.CONNECTIONS],
        journal_level=_level(slot[Word.JOURNAL_LEVEL]),
        rss_bytes=_rss(slot[Word.PID]),
    )


def _clerk(slot: Slot) -> ClerkStatus:
    asked_at = time.time_ns()
    pid = _pid(slot)
    if pid is None:
        return ClerkStatus(records=slot[Word.RECORDS], rejected=slot[Word.RECORDS_REJECTED])
    while slot[Word.HEARTBEAT] < asked_at and time.time_ns() < asked_at + _FRESH_LAG_SECONDS * _NS:
        time.sleep(0.01)
    return ClerkStatus(
        pid=pid,
        state=_state(slot),
        uptime_seconds=_uptime(slot),
        lag=_lag(slot, asked_at),
        records=slot[Word.RECORDS],
        rejected=slot[Word.RECORDS_REJECTED],
        store_faults=slot[Word.STORE_FAULTS],
        rss_bytes=_rss(pid),
    )


def _lag(slot: Slot, asked_at: int) -> int | None:
    """Return the lag. That there is none, only a count made after the question can say."""
    lag = slot[Word.LAG]
    counted = slot[Word.STATE] == State.READY and (lag or slot[Word.HEARTBEAT] >= asked_at)
    return lag if counted else None


def _snapshot(home: Home, environ: Mapping[str, str], live_version: int | None) -> SnapshotStatus:
    try:
        keyring = load_keyring(home, environ.get("GANTRY_MASTER_KEY"))
        snapshot = read_snapshot(home.snapshot.read_bytes(), keyring.snapshot)
    except FileNotFoundError:
        problem = "none has been published yet"
    except (HomeError, SnapshotUnreadable, SealBroken, OSError) as error:
        problem = str(error)
    else:
        age = (time.time_ns() - snapshot.body.published_at) / _NS
        return SnapshotStatus(version=snapshot.version, live_version=live_version, age_seconds=round(age, 1))
    return SnapshotStatus(live_version=live_version, problem=problem)


def _state(slot: Slot) -> str:
    return State(slot[Word.STATE]).name.lower()


def _level(level: int) -> str:
    return JournalLevel(level).name.lower()


def _uptime(slot: Slot) -> float:
    return round((time.time_ns() - slot[Word.STARTED_AT]) / _NS, 1)


def _rss(pid: int) -> int | None:
    """Return the memory that a process has now, where the system tells it in a file."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
