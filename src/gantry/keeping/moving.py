"""A store on its way from SQLite to PostgreSQL, while the gateway is busy.

Law: the files are the truth until the cut-over, and nothing of them is changed. Everything is copied from one view of
them, and compared with that same view, table by table and day by day. Killed anywhere, the same command goes on.

The logs, which are many, are copied first, in order and in bounded batches; what comes and changes meanwhile follows.
The rest is small, changes all the time, and is copied whole from the view that is compared. For the cut-over nobody
writes: clerk and console are ended and wait at their start for as long as `moving` lies in the home; calls pass, and
the journal keeps their records. The setting is written before `moving` goes, so what then goes on is in the new place.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from gantry.board.board import CLERK_SLOT, CONSOLE_SLOT, Board, State, Word
from gantry.home import Home, HomeError
from gantry.keeping import KeepingRefused
from gantry.store.database import Database
from gantry.store.integrity import find_revision
from gantry.store.metadata import Tree
from gantry.store.move_check import differences, figures_of, tables
from gantry.store.move_source import LogRow, MoveSource, SourceView
from gantry.store.move_target import LogTarget, PostgresTarget
from gantry.whole_file import sync_folder, write_whole

MOVED = ".moved"
_TO_LEAVE = 60.0  # seconds
_TO_COME = 60.0
_POLL = 0.05
_NEAR = 500  # logs that came during a round: the next one is the last before all is compared

Reached = Callable[[str], object]


class MoveRefused(KeepingRefused):
    """The store does not move, or not to the end; the message says what to do."""


class Moved(Struct, frozen=True):
    """What was compared and found equal: rows by table, and the sum of what logs cost in nano-dollars."""

    rows: Mapping[str, int]
    cost: int


class Move:
    """One move, from wherever one before it stopped."""

    def __init__(self, source: MoveSource, target: PostgresTarget, reached: Reached = lambda step: None) -> None:
        self._source = source
        self._target = target
        self._reached = reached

    def follow(self) -> int:
        """Copy logs until few are left; return how many. Raises StoreUnavailable."""
        copied = 0
        while True:
            came = copy_new(self._source, self._target, self._reached)
            changed = self._amend()
            copied += came
            self._reached(f"followed {copied}")
            if came + changed <= _NEAR:
                return copied

    def settle(self, *, is_last: bool = False) -> Moved:
        """Copy what is left as of one moment, and compare all of it. The last time nobody writes to the source any
        more, we neither. Raises StoreUnavailable, MoveRefused.
        """
        with self._source.reading() as view:
            note = 0
            mark = self._target.mark()
            while (changes := view.changes_after(note)).numbers:
                note = changes.last
                _amend(self._target, changes.numbers, changes.rows, mark)
            while (batch := view.logs_after(mark)).rows:
                self._target.put_logs(batch.rows, batch.mark)
                mark = batch.mark
            self._reached("logs")
            copied = self._target.put_rest(view)
            self._reached("rest")
            moved = self._compare(view)
        if not is_last:
            self._source.forget(note)
            self._source.forget_days(copied)
        return moved

    def _amend(self) -> int:
        """Carry out what changed of logs that were copied; return how many changes there were."""
        changed = 0
        while True:
            with self._source.reading() as view:
                changes = view.changes_after(0)
            if not changes.numbers:
                return changed
            _amend(self._target, changes.numbers, changes.rows, self._target.mark())
            self._source.forget(changes.last)
            changed += len(changes.numbers)

    def _compare(self, view: SourceView) -> Moved:
        rows, cost = {}, 0
        with self._target.reading() as connection:
            for table in tables():
                source, target = figures_of(view.connection_of(table), table), figures_of(connection, table)
                found = differences(table, source, target)
                if found:
                    first = found[0]
                    raise MoveRefused(
                        f"{table.name} is not the same in both on {len(found)} days; on day {first.day} there are "
                        f"(count, sums) {first.source} and {first.target}. Nothing was moved over."
                    )
                rows[table.name] = sum(figures[0] for figures in source.values())
                if table.name == "request_logs":
                    cost = sum(figures[1] for figures in source.values())
        self._reached("compared")
        return Moved(rows, cost)


def refuse_other_revision(tree: Tree, file: Path) -> None:
    """Raise MoveRefused for tables that are not those of this version: what is copied is what they are now."""
    database = Database(file)
    try:
        revision = find_revision(database, tree)
    finally:
        database.close()
    if revision != tree.head:
        raise MoveRefused(
            f"{file} has revision {revision or 'none'} of its tables, and this version moves {tree.head}. Start "
            "`gantry serve` with this version, which migrates it, then run the same command again."
        )


def copy_new(source: MoveSource, target: LogTarget, reached: Reached = lambda step: None) -> int:
    """Copy the logs after the target's mark, batch by batch, each a view of its own; return how many."""
    mark, copied = target.mark(), 0
    while True:
        with source.reading() as view:
            batch = view.logs_after(mark)
        if not batch.rows:
            return copied
        target.put_logs(batch.rows, batch.mark)
        mark = batch.mark
        copied += len(batch.rows)
        reached(f"batch {copied}")


def _amend(target: LogTarget, numbers: list[int], rows: list[LogRow], mark: int) -> None:
    """Amend what was copied; what was not will be copied as it is."""
    copied = [number for number in numbers if number <= mark]
    target.amend(copied, [row for row in rows if row[0] <= mark])


def cut_over(home: Home, move: Move, source: MoveSource, address: str) -> Moved:
    """Move the node over to the new database while calls pass. Raises MoveRefused, StoreUnavailable."""
    setting = f"database_url = {msgspec.json.encode(address).decode()}\n"
    config = home.config.read_bytes() if home.config.exists() else b""
    write_whole(home.moving, b"")
    try:
        end_writers(home)
        with source.standing_still():
            moved = move.settle(is_last=True)
            write_whole(home.config, setting.encode() + config)
    except BaseException:
        go_on(home)  # in the place where everything still is
        raise
    return moved


def go_on(home: Home) -> None:
    """Let clerk and console go on, in the place that the setting names, and wait until the clerk does."""
    home.moving.unlink(missing_ok=True)
    sync_folder(home.path)
    if _is_served(home):
        clerk = Board(home.board).slot(CLERK_SLOT)
        deadline = time.monotonic() + _TO_COME
        while clerk[Word.STATE] != State.READY:
            if time.monotonic() > deadline:
                raise MoveRefused("the clerk does not come back: see its messages. The journal keeps the records.")
            time.sleep(_POLL)


def set_aside(home: Home) -> None:
    """Give the files that were moved out of another name: they are not read any more."""
    for path in (home.control_db, home.logs_db):
        for suffix in ("", "-wal", "-shm"):  # the log goes along: whoever still reads the file has not emptied it
            file = path.with_name(path.name + suffix)
            if file.exists():
                file.replace(path.with_name(path.name + MOVED + suffix))
    sync_folder(home.path)


def end_writers(home: Home) -> None:
    """End clerk and console, which the supervisor starts again, and wait until they have left."""
    if not home.board.exists():
        return
    board = Board(home.board)
    left = {number: int(board.slot(number)[Word.PID]) for number in (CLERK_SLOT, CONSOLE_SLOT)}
    left = {number: pid for number, pid in left.items() if pid}
    for pid in left.values():
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + _TO_LEAVE
    while left := {number: pid for number, pid in left.items() if board.slot(number)[Word.PID] == pid and _lives(pid)}:
        if time.monotonic() > deadline:
            for pid in left.values():
                _signal(pid, signal.SIGKILL)  # what is not stored is in the journal
            deadline = time.monotonic() + _TO_LEAVE
        time.sleep(_POLL)


def _is_served(home: Home) -> bool:
    try:
        home.lock("supervisor").release()
    except HomeError:
        return True
    return False


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
