"""The log store: what the clerk has read from the journals, and where in them it stands.

Law: one batch is one transaction. Rows, sums, open calls and checkpoints are stored together or not at all, so a clerk
that dies anywhere reads the same frames again and counts nothing twice.

Readers have connections of their own: an export of a million rows does not hold up the clerk.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Select, select

from gantry.core.limits import Difference
from gantry.core.priced_log import NewPrice, PricedLog
from gantry.core.request_log import RequestLog
from gantry.store.alerts import NOTHING_TO_TELL, Outbox, post
from gantry.store.aside import Aside
from gantry.store.cached_answers import (
    CacheChanges,
    CacheEntry,
    CacheQuery,
    CacheSums,
    apply_changes,
    delete_entries,
    find_entry,
    keys_of,
    read_entries,
    sum_entries,
)
from gantry.store.columns_at_once import put_all
from gantry.store.content import pack_all
from gantry.store.counted_once import counted_once, numbered_results, without_cost
from gantry.store.credits import repricing_rows, usage_rows
from gantry.store.customer_sums import (
    CustomerKey,
    CustomerNote,
    customer_drift,
    customer_rows,
    is_new_day,
    key_of,
    terms_values,
    with_new_days,
)
from gantry.store.customers import CustomerMark, marks_of
from gantry.store.database import BUSY_TIMEOUT, Address, Apart, Clock, StoreUnavailable, open_database
from gantry.store.followers import begin_following
from gantry.store.full_text import entries_of
from gantry.store.log_changes import LogChange, change_logs, delete_log
from gantry.store.log_copy import copy_bodies, copy_new, next_numbers, put_words
from gantry.store.log_days import (
    AHEAD,
    ROWS,
    SAID,
    Kept,
    LogDay,
    day_of,
    days_in,
    drop_day,
    is_over,
    make_days,
    today,
)
from gantry.store.log_pages import read_page
from gantry.store.log_query import LogPage, LogQuery, with_said
from gantry.store.log_rows import (
    Mend,
    Row,
    as_it_is,
    log_of,
    numbered_rows,
    row_of,
    rows_of,
    said_in,
    short_row_of,
    storable,
)
from gantry.store.log_statements import LogStatements
from gantry.store.log_summary import Summary, read_options, read_summary
from gantry.store.log_tables import (
    LOGS,
    board_differences,
    journal_checkpoints,
    open_calls,
    open_parts,
    request_log_bodies,
    request_logs,
)
from gantry.store.repricing import Mark, PricedQuery, json_of, parameters_of, read_priced
from gantry.store.rollups import Rollup, drift_of, drift_of_minutes, rollup_of
from gantry.store.schema import ensure_schema
from gantry.store.sketches import add_sketches
from gantry.store.spending import Spent, read_spending

__all__ = ["BoardNote", "LogChange", "LogPage", "LogQuery", "LogStore", "RecordBatch", "StoreUnavailable"]

_TAIL_LIMIT = 1000
_TAKE_OUT = "DELETE FROM request_logs WHERE seq >= ?"
_APART = "gantry.store.clickhouse.remote"  # and with it a client of ClickHouse, for those who have one

_T = TypeVar("_T")
_R = TypeVar("_R")

OpenCall = tuple[str, str, bytes]  # log id, incarnation, payload
OpenPart = tuple[str, str, int, int, bytes]  # log id, incarnation, seq, direction, data


class BoardNote(Struct, frozen=True):
    """By how much records differ from what a board counted, by the ids of logs, and under which number that is kept.

    What was noted under numbers before `applied` is done with.
    """

    board: str
    number: int
    applied: int
    differences: dict[str, list[Difference]]


class RecordBatch(Struct, frozen=True, kw_only=True):
    """What one transaction of the clerk stores. `closed` and `forget` are applied after `opened` and `parts`."""

    logs: list[RequestLog] = []
    opened: list[OpenCall] = []
    parts: list[OpenPart] = []
    closed: list[str] = []
    checkpoints: dict[str, tuple[int, int]] = {}  # incarnation → (segment, position)
    forget: list[str] = []  # incarnations whose journal was read to its end and deleted
    cache: CacheChanges = CacheChanges()
    customers: list[CustomerNote] = []
    outbox: Outbox = NOTHING_TO_TELL
    board: BoardNote | None = None


class LogStore:
    """Request logs, their sums by hour, and the clerk's place in the journals."""

    def __init__(
        self,
        address: Address,
        *,
        busy_timeout: float = BUSY_TIMEOUT,
        patience: float | None = None,
        clock: Clock = time.time_ns,
        arrival: Callable[[], int] | None = None,
    ) -> None:
        """Open a database and bring its tables to this version. Raises StoreUnavailable, SchemaError.

        `patience` is how many seconds a question about logs may take; without it, as long as it takes. `arrival` says
        the day on which logs arrive in the place of PostgreSQL's own clock, to make a store that has a past.
        """
        self._patience = patience
        self._clock = clock
        self._arrival = arrival
        self._days: frozenset[int] = frozenset()
        self._database = open_database(address, busy_timeout=busy_timeout)
        self._apart = import_module(_APART).RemoteLogs(self._database) if isinstance(address, Apart) else None
        ensure_schema(self._database, LOGS)
        self._sql = LogStatements(self._database.dialect)
        self._aside = Aside()
        self._has_rows = self._database.is_sqlite and self._apart is None  # in SQLite
        # Rows of many lengths are inserted in turns: nothing in this process, a round trip each to a server.
        self._row_of = short_row_of if self._has_rows else row_of

    def close(self) -> None:
        self._aside.close()
        self._database.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read from one consistent view. Raises StoreUnavailable."""
        with self._database.reading(self._patience) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Write all of the block or nothing. Raises StoreUnavailable."""
        with self._database.writing() as connection:
            yield connection

    def cut_log(self) -> bool:
        """Leave nothing in SQLite's write-ahead log; False where somebody still reads it. Raises StoreUnavailable."""
        return self._database.cut_log()

    def blank_gaps(self, page: int) -> int | None:
        """Blank what was moved within SQLite's file, from a page on; return the next. Raises StoreUnavailable."""
        return self._database.blank_gaps(page)

    @property
    def has_other_writers(self) -> bool:
        """Whether logs may arrive in another order than their numbers': SQLite has one writer at a time."""
        return not self._has_rows

    @property
    def has_days(self) -> bool:
        """Whether what is stored of calls lies in a partition for each day, which goes as a whole."""
        return not self._has_rows

    def make_days(self) -> None:
        """Make the partitions of today and the days to come. Raises StoreUnavailable."""
        if self._apart is not None:
            return  # each is made by the first row in it
        with self._database.writing() as connection:
            now = today(connection)
            make_days(connection, range(now, now + AHEAD))

    def days(self) -> list[LogDay]:
        """Return the days there are partitions of, the oldest first. Raises StoreUnavailable."""
        if self._apart is not None:
            found: list[LogDay] = self._apart.days()
            return found
        with self._database.reading() as connection:
            return days_in(connection)

    def is_over(self, day: LogDay, kept: Mapping[str, Kept], *, said: bool = False) -> bool:
        """Say whether nobody keeps anything of a day, or of what was said on it. Raises StoreUnavailable."""
        if self._apart is not None:
            return bool(self._apart.is_over(day, kept, said=said))
        with self._database.reading() as connection:
            return is_over(connection, day.name, kept, said=said)

    def drop_day(self, day: LogDay, *, said: bool = False) -> None:
        """Drop all that is stored of a day's calls, or only what was `said` in them. Raises StoreUnavailable."""
        if self._apart is not None:
            self._apart.drop_day(day, said=said)
            return
        with self._database.apart() as connection:
            drop_day(connection, day, SAID if said else (*SAID, ROWS))

    def wipe(self) -> None:
        """Leave nothing of deleted logs where an engine only hides them. Raises StoreUnavailable."""
        if self._apart is not None:
            self._apart.wipe()

    def begin_following(self, name: str) -> None:
        """Make a follower's mark where there is none."""
        with self._database.writing() as connection:
            begin_following(self._database, connection, name)

    def record(self, batch: RecordBatch) -> set[str]:
        """Store a batch and return the ids of the logs that were new. Raises StoreUnavailable: nothing was stored."""
        if self._apart is not None:
            self._apart.set_aside(len(batch.logs))
            return self._record(batch, storable)
        try:
            return self._record(batch, as_it_is)
        except self._database.refusals:  # a NUL, half a surrogate, an integer of 30 digits: callers send them
            return self._record(batch, storable)

    def _record(self, batch: RecordBatch, mend: Mend) -> set[str]:
        logs, board = batch.logs, batch.board
        rows = rows_of(logs, self._row_of, mend)
        results = numbered_results(logs)
        with self._database.writing() as connection:
            cursor = connection.connection.cursor()
            _run_many(cursor, self._sql.put_call, batch.opened)
            _run_many(cursor, self._sql.put_part, batch.parts)
            if results:
                logs = list(logs)
                for index, log in counted_once(connection, self._sql.count_results, results):
                    board = None if board is None else _note_without(board, logs[index])
                    logs[index], rows[index] = log, mend(self._row_of(log))
            new = self._insert_new(connection, cursor, rows)
            logs = [logs[index] for index in new] if len(new) < len(logs) else logs
            sums = self._begin(_sums_of, logs)
            if self._apart is None:
                self._insert_said(cursor, zip(new.values(), logs, strict=True), mend)
            rollup, by_day, customers, entries = sums()
            self._add_up(cursor, rollup, mend)
            self._add_customers(cursor, by_day, customers, mend)
            self._note_customers(cursor, batch.customers, mend)
            self._put_all(cursor, self._sql.enter, [mend(row) for row in entries])
            if board is not None:
                self._note_differences(cursor, board, {log.log_id for log in logs})
            for statement in self._sql.close:
                _run_many(cursor, statement, [(log_id,) for log_id in batch.closed])
            places = [(name, segment, position) for name, (segment, position) in batch.checkpoints.items()]
            _run_many(cursor, self._sql.put_checkpoint, places)
            for statement in self._sql.forget:
                _run_many(cursor, statement, [(name,) for name in batch.forget])
            cursor.close()
            apply_changes(connection, batch.cache, is_sqlite=self._database.is_sqlite)
            post(connection, batch.outbox, logs)
            if self._apart is not None:  # last, for nothing undoes it
                self._apart.insert(zip(new.values(), logs, strict=True))
        return {log.log_id for log in logs}

    def _insert_new(self, connection: Connection, cursor: Any, rows: Sequence[Row]) -> dict[int, int]:
        """Insert rows, and return of those that were not there before the index and the number they have now.

        Nearly always all are new, and one count says so. Otherwise the rows are taken out and inserted one by one. That
        needs no savepoint, under which SQLite would write a copy of each page that the transaction changes to a file.
        """
        if not rows:
            return {}
        if self._apart is not None:
            taken: dict[int, int] = self._apart.take_ids(connection, cursor, rows)
            return taken
        if not self._database.is_sqlite:
            numbers = next_numbers(cursor, len(rows), None if self._arrival is None else self._arrival())
            self._ensure_days({day_of(number) for number in (numbers[0], numbers[-1])})
            return copy_new(cursor, rows, numbers, self._database.violation)
        free = self._sql.next_numbers(cursor, len(rows))
        numbered = numbered_rows(free, rows)
        if self._sql.logs.insert(cursor, numbered) == len(rows):
            return dict(enumerate(free))
        cursor.execute(_TAKE_OUT, (numbered[0][0],))
        new = {}
        for index, row in enumerate(numbered):
            cursor.execute(self._sql.insert_log(len(row)), row)
            if cursor.rowcount == 1:
                new[index] = row[0]
        return new

    def _ensure_days(self, days: Set[int]) -> None:
        """Make the days under which rows will lie where the clerk did not come to it, as after a long pause."""
        if not days <= self._days:
            with self._database.writing() as connection:  # of its own, because what stores the rows may fail
                make_days(connection, sorted(days))
            self._days = frozenset(days)

    def _insert_said(self, cursor: Any, logs: Iterable[tuple[int, RequestLog]], mend: Mend) -> None:
        """Store what was said in new logs, by their numbers, and its words."""
        said = said_in(logs, mend)
        bodies, entries = self._begin(pack_all, said), entries_of(said)
        if not self._database.is_sqlite:
            put_words(cursor, entries, len(said))  # what takes the server longest, and so hides the most
            copy_bodies(cursor, bodies())
            return
        self._sql.bodies.insert(cursor, bodies())
        _run_many(cursor, self._sql.full_text.put, list(entries))

    def _begin(self, work: Callable[[Sequence[_T]], _R], given: Sequence[_T]) -> Callable[[], _R]:
        """Begin some work while a server does its own; SQLite is this process, and does it when it is asked for."""
        return partial(work, given) if self._database.is_sqlite else self._aside.begin(len(given), work, given)

    def _add_up(self, cursor: Any, rollup: Rollup, mend: Mend) -> None:
        sql = self._sql
        self._put_all(cursor, sql.add_minutes, [mend(row) for row in rollup.minutes])
        self._put_all(cursor, sql.add_hours, [mend(row) for row in rollup.hours])
        self._put_all(cursor, sql.add_days, [mend(row) for row in rollup.days])
        add_sketches(cursor, sql.hour_sketches, rollup.hour_sketches, mend)
        add_sketches(cursor, sql.day_sketches, rollup.day_sketches, mend)

    def _add_customers(self, cursor: Any, by_day: Iterable[Row], customers: Iterable[Row], mend: Mend) -> None:
        days = [mend(row) for row in by_day]
        new: Counter[tuple[Any, ...]] = Counter()
        for row, requests in zip(days, self._add_days(cursor, days), strict=True):
            new[row[0], row[2], row[3]] += is_new_day(row, requests)
        rows = map(mend, customers)
        self._put_all(cursor, self._sql.put_customer, [with_new_days(row, new[tuple(row[:3])]) for row in rows])

    def _note_customers(self, cursor: Any, notes: Iterable[CustomerNote], mend: Mend) -> None:
        for note in notes:
            key = key_of(note)
            if note.terms is not None:
                cursor.execute(self._sql.put_terms, mend((*terms_values(note.terms).values(), note.at, *key)))
            if note.metadata is not None:
                cursor.execute(self._sql.put_metadata, mend((note.metadata, note.at, *key)))

    def _add_days(self, cursor: Any, days: Sequence[Row]) -> Iterator[int]:
        """Add to customers' days, and yield how many requests each has then."""
        add = self._sql.add_customer_day
        if self._database.is_sqlite:
            for row in days:
                yield cursor.execute(add, row).fetchone()[0]
            return
        if days:
            put_all(cursor, self._sql.many[add], days)
            for (requests,) in cursor.fetchall():
                yield requests

    def _put_all(self, cursor: Any, statement: str, rows: Sequence[Row]) -> None:
        """Put rows in, no two of one key."""
        if self._database.is_sqlite:
            _run_many(cursor, statement, rows)
        else:
            put_all(cursor, self._sql.many[statement], rows)

    def _note_differences(self, cursor: Any, note: BoardNote, new: Collection[str]) -> None:
        cursor.execute(self._sql.forget_differences, (note.board, note.applied))
        found = [one for log_id, some in note.differences.items() if log_id in new for one in some]
        if found:
            cursor.execute(self._sql.note_differences, (note.board, note.number, msgspec.msgpack.encode(found)))

    def noted_differences(self, board: str, first: int) -> list[tuple[int, bytes]]:
        """Return what was noted for a board from a number on, in that order."""
        noted = board_differences.c
        query = select(noted.number, noted.payload).where(noted.board == board, noted.number >= first)
        return [(row.number, row.payload) for row in self._all(query.order_by(noted.number))]

    def customer_marks(self, keys: Collection[CustomerKey]) -> dict[CustomerKey, CustomerMark]:
        """Return what of some customers bears on the price of their calls."""
        with self._database.reading() as connection:
            return marks_of(connection, keys)

    def checkpoints(self) -> dict[str, tuple[int, int]]:
        """Return how far each incarnation's journal is stored: (segment, position)."""
        rows = self._all(select(journal_checkpoints))
        return {row.incarnation: (row.segment, row.position) for row in rows}

    def open_calls(
        self,
        incarnation: str | None = None,
        *,
        log_ids: Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[OpenCall]:
        """Return the calls that were opened and not closed, oldest first; of one incarnation, or among some ids."""
        query = select(open_calls).order_by(open_calls.c.log_id).limit(limit)
        if incarnation is not None:
            query = query.where(open_calls.c.incarnation == incarnation)
        if log_ids is not None:
            query = query.where(open_calls.c.log_id.in_(log_ids))
        return [(row.log_id, row.incarnation, row.payload) for row in self._all(query)]

    def open_parts(self, *log_ids: str) -> list[OpenPart]:
        """Return the captured parts of open calls, those of each call in the order of `seq`."""
        query = select(open_parts).where(open_parts.c.log_id.in_(log_ids)).order_by(open_parts.c.seq)
        return [(row.log_id, row.incarnation, row.seq, row.direction, row.data) for row in self._all(query)]

    def find(self, organization_id: str, log_id: str) -> RequestLog | None:
        """Return one log with all that was said in it."""
        query = with_said(select(request_logs, request_log_bodies.c.content)).where(
            request_logs.c.log_id == log_id, request_logs.c.organization_id == organization_id
        )
        rows = self._all(query)
        return log_of(rows[0], rows[0].content) if rows else None

    def page(self, query: LogQuery) -> LogPage:
        """Return a page of logs with what was said in them, and the count of all that match."""
        with self._database.reading(self._patience) as connection:
            return read_page(connection, query, is_sqlite=self._has_rows)

    def summary(self, query: LogQuery) -> Summary:
        """Return the sums over all logs that match; its page and order mean nothing."""
        with self._database.reading(self._patience) as connection:
            return read_summary(connection, query)

    def options(self, query: LogQuery) -> dict[str, list[str]]:
        """Return which models, providers, API keys and outcomes the logs of the time range have."""
        with self._database.reading(self._patience) as connection:
            return read_options(connection, query)

    def change(self, organization_id: str, key_id: str | None, changes: Sequence[LogChange]) -> set[str]:
        """Apply changes and return the ids of the logs that were there; `key_id` binds them to one key's logs."""
        with self._database.writing() as connection:
            if self._apart is None:
                return change_logs(connection, organization_id, key_id, changes)
            self._apart.hold(connection, organization_id, [change.log_id for change in changes])
            return change_logs(connection, organization_id, key_id, changes, self._apart.write_marks)

    def delete(self, organization_id: str, key_id: str | None, log_id: str) -> bool:
        """Delete a log and say whether it was there."""
        with self._database.writing() as connection:
            return delete_log(connection, organization_id, key_id, log_id)

    def priced_logs(self, query: PricedQuery, after: Mark, limit: int) -> list[PricedLog]:
        """Return the logs after a mark, by their start, with what their prices depend on."""
        with self._database.reading() as connection:
            return read_priced(connection, query, after, limit)

    def reprice(self, prices: Sequence[NewPrice]) -> list[NewPrice]:
        """Write prices over those that were read, with the sums, and return those of logs that still had them."""
        with self._database.writing() as connection:
            cursor = connection.connection.cursor()
            prices = self._put_prices(connection, cursor, prices)
            drift = drift_of(prices)
            _run_many(cursor, self._sql.drift_of_minutes, list(map(storable, drift_of_minutes(drift))))
            self._add_up(cursor, msgspec.structs.replace(drift, minutes=[]), storable)
            by_day, customers = customer_drift(prices)
            _run_many(cursor, self._sql.drift_of_days, list(map(storable, by_day)))
            _run_many(cursor, self._sql.drift_of_customers, list(map(storable, customers)))
            _run_many(cursor, self._sql.enter, repricing_rows(prices, self._clock()))
            cursor.close()
        return list(prices)

    def _put_prices(self, connection: Connection, cursor: Any, prices: Sequence[NewPrice]) -> Sequence[NewPrice]:
        if not prices:
            return prices
        if self._apart is not None:
            put_there: list[NewPrice] = self._apart.put_prices(connection, prices)
            return put_there
        if not self._database.is_sqlite:
            cursor.execute(self._sql.put_prices, (json_of(prices),))
            put = {seq for (seq,) in cursor.fetchall()}
            return [price for price in prices if price.log.seq in put]
        rows = [parameters_of(price) for price in prices]
        cursor.execute("SAVEPOINT prices_before")
        cursor.executemany(self._sql.put_price, rows)
        if cursor.rowcount == len(rows):
            return prices
        cursor.execute("ROLLBACK TO SAVEPOINT prices_before")
        return [price for price, row in zip(prices, rows, strict=True) if self._put_price(cursor, row)]

    def _put_price(self, cursor: Any, row: Row) -> bool:
        cursor.execute(self._sql.put_price, row)
        return bool(cursor.rowcount == 1)

    def spending(
        self, organization_id: str, provider_id: str, days: tuple[int, int], *, by_credential: bool = False
    ) -> list[Spent]:
        """Return what was spent with a provider by day and model, from the first of two days to the last."""
        with self._database.reading() as connection:
            return read_spending(connection, organization_id, provider_id, days, by_credential=by_credential)

    def cache_entries(self, query: CacheQuery) -> tuple[list[CacheEntry], CacheSums]:
        """Return a page of what the response cache keeps, and the sums over all of it."""
        with self._database.reading(self._patience) as connection:
            return read_entries(connection, query), sum_entries(connection, query)

    def cache_sums(self, query: CacheQuery) -> CacheSums:
        with self._database.reading(self._patience) as connection:
            return sum_entries(connection, query)

    def find_cache_entry(self, organization_id: str, entry_id: int) -> CacheEntry | None:
        with self._database.reading(self._patience) as connection:
            return find_entry(connection, organization_id, entry_id)

    def cache_keys(self, organization_id: str, ids: Collection[int]) -> list[str]:
        with self._database.reading(self._patience) as connection:
            return keys_of(connection, organization_id, ids)

    def delete_cache_entries(self, organization_id: str, keys: Collection[str] | None) -> list[str]:
        """Delete the rows of some entries, or of all; return the names of those that were there."""
        with self._database.writing() as connection:
            return delete_entries(connection, organization_id, keys)

    def tail(
        self, organization_id: str, after: int | None = None, limit: int = _TAIL_LIMIT
    ) -> tuple[list[RequestLog], int]:
        """Return the logs stored after a mark, in order of arrival, and the new mark. Without a mark: the last ones."""
        query = select(request_logs, request_log_bodies.c.content)
        owner = request_logs.c.organization_id.concat("")  # not a bare column: its index would order by another key
        query = with_said(query).where(owner == organization_id).limit(limit)
        if after is None:
            rows = self._all(query.order_by(request_logs.c.seq.desc()))[::-1]
        else:
            rows = self._all(query.where(request_logs.c.seq > after).order_by(request_logs.c.seq))
        mark = rows[-1].seq if rows else after or 0
        return [log_of(row, row.content) for row in rows], mark

    def _all(self, statement: Select[Any]) -> Sequence[Any]:
        with self._database.reading() as connection:
            return connection.execute(statement).all()


def _note_without(board: BoardNote, log: RequestLog) -> BoardNote:
    """Return a note without the cost of a log that turned out to be counted before."""
    some = without_cost(board.differences.get(log.log_id, ()), log.cost)
    return msgspec.structs.replace(board, differences={**board.differences, log.log_id: some})


def _sums_of(logs: Sequence[RequestLog]) -> tuple[Rollup, Sequence[Row], Sequence[Row], Sequence[Row]]:
    """Return what logs add to all sums, to their customers' days, to these, and to the ledger."""
    return rollup_of(logs), *customer_rows(logs), usage_rows(logs)


def _run_many(cursor: Any, statement: str, rows: Iterable[Row]) -> None:
    if rows:
        cursor.executemany(statement, rows)
