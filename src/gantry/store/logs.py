"""The log store: what the clerk has read from the journals, and where in them it stands.

Law: one batch is one transaction. Rows, sums, open calls and checkpoints are stored together or not at all, so a clerk
that dies anywhere reads the same frames again and counts nothing twice.

Readers have connections of their own: an export of a million rows does not hold up the clerk.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from msgspec import Struct
from sqlalchemy import Select, select

from gantry.core.priced_log import NewPrice, PricedLog
from gantry.core.request_log import RequestLog
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
from gantry.store.content import Content, pack_content
from gantry.store.counted_once import counted_once, numbered_results
from gantry.store.database import BUSY_TIMEOUT, Database, StoreUnavailable
from gantry.store.full_text import entry_of
from gantry.store.log_changes import LogChange, change_logs, delete_log
from gantry.store.log_pages import read_page
from gantry.store.log_query import LogPage, LogQuery, with_said
from gantry.store.log_rows import Row, log_of, row_of, short_row_of, storable
from gantry.store.log_statements import LogStatements
from gantry.store.log_summary import Summary, read_options, read_summary
from gantry.store.repricing import Mark, PricedQuery, parameters_of, read_priced
from gantry.store.rollups import drift_rows, rollup_rows
from gantry.store.schema import ensure_schema
from gantry.store.spending import Spent, read_spending
from gantry.store.tables import LOGS, journal_checkpoints, open_calls, open_parts, request_log_bodies, request_logs

__all__ = ["LogChange", "LogPage", "LogQuery", "LogStore", "RecordBatch", "StoreUnavailable"]

_TAIL_LIMIT = 1000

OpenCall = tuple[str, str, bytes]  # log id, incarnation, payload
OpenPart = tuple[str, str, int, int, bytes]  # log id, incarnation, seq, direction, data


class RecordBatch(Struct, frozen=True, kw_only=True):
    """What one transaction of the clerk stores. `closed` and `forget` are applied after `opened` and `parts`."""

    logs: list[RequestLog] = []
    opened: list[OpenCall] = []
    parts: list[OpenPart] = []
    closed: list[str] = []
    checkpoints: dict[str, tuple[int, int]] = {}  # incarnation → (segment, position)
    forget: list[str] = []  # incarnations whose journal was read to its end and deleted
    cache: CacheChanges = CacheChanges()


class LogStore:
    """Request logs, their sums by hour, and the clerk's place in the journals."""

    def __init__(
        self, address: str | Path, *, busy_timeout: float = BUSY_TIMEOUT, patience: float | None = None
    ) -> None:
        """Open a database and bring its tables to this version. Raises StoreUnavailable, SchemaError.

        `patience` is how many seconds a question about logs may take; without it, as long as it takes.
        """
        self._patience = patience
        self._database = Database(address, busy_timeout=busy_timeout)
        ensure_schema(self._database, LOGS)
        self._sql = LogStatements(self._database.dialect)
        # Rows of many lengths are inserted in turns: nothing in this process, a round trip each to a server.
        self._row_of = short_row_of if self._database.is_sqlite else row_of

    def close(self) -> None:
        self._database.close()

    def record(self, batch: RecordBatch) -> set[str]:
        """Store a batch and return the ids of the logs that were new. Raises StoreUnavailable: nothing was stored."""
        try:
            return self._record(batch, _as_it_is)
        except self._database.refusals:  # a NUL, half a surrogate, an integer of 30 digits: callers send them
            return self._record(batch, storable)

    def _record(self, batch: RecordBatch, mend: Callable[[Row], Row]) -> set[str]:
        logs = batch.logs
        rows = [mend(self._row_of(log)) for log in logs]
        results = numbered_results(logs)
        with self._database.writing() as connection:
            cursor = connection.connection.cursor()
            _run_many(cursor, self._sql.put_call, batch.opened)
            _run_many(cursor, self._sql.put_part, batch.parts)
            if results:
                logs = list(logs)
                for index, log in counted_once(connection, self._sql.count_results, results):
                    logs[index], rows[index] = log, mend(self._row_of(log))
            new = self._insert_new(cursor, rows)
            logs = [logs[index] for index in new] if len(new) < len(logs) else logs
            self._insert_said(cursor, zip(new.values(), logs, strict=True), mend)
            hours, days = rollup_rows(logs)
            _run_many(cursor, self._sql.add_hours, [mend(row) for row in hours])
            _run_many(cursor, self._sql.add_days, [mend(row) for row in days])
            for statement in self._sql.close:
                _run_many(cursor, statement, [(log_id,) for log_id in batch.closed])
            places = [(name, segment, position) for name, (segment, position) in batch.checkpoints.items()]
            _run_many(cursor, self._sql.put_checkpoint, places)
            for statement in self._sql.forget:
                _run_many(cursor, statement, [(name,) for name in batch.forget])
            cursor.close()
            apply_changes(connection, batch.cache, is_sqlite=self._database.is_sqlite)
        return {log.log_id for log in logs}

    def _insert_new(self, cursor: Any, rows: Sequence[Row]) -> dict[int, int]:
        """Insert rows, and return of those that were not there before the index and the number they have now.

        Nearly always all are new, and one count says so. Otherwise the insert is undone and done again row by row.
        """
        if not rows:
            return {}
        cursor.execute(self._sql.next_numbers, (len(rows),))
        numbered = [(*number, *row) for number, row in zip(cursor.fetchall(), rows, strict=True)]
        cursor.execute("SAVEPOINT rows_before")
        inserted = 0
        for length, alike in groupby(numbered, len):
            cursor.executemany(self._sql.insert_log(length), alike)
            inserted += cursor.rowcount
        if inserted == len(rows):
            return {index: row[0] for index, row in enumerate(numbered)}
        cursor.execute("ROLLBACK TO SAVEPOINT rows_before")
        new = {}
        for index, row in enumerate(numbered):
            cursor.execute(self._sql.insert_log(len(row)), row)
            if cursor.rowcount == 1:
                new[index] = row[0]
        return new

    def _insert_said(self, cursor: Any, logs: Iterable[tuple[int, RequestLog]], mend: Callable[[Row], Row]) -> None:
        """Store what was said in new logs, by their numbers, and its words."""
        said = [(seq, content) for seq, log in logs if (content := _said_in(log, mend)) is not None]
        _run_many(cursor, self._sql.insert_body, [(seq, pack_content(content)) for seq, content in said])
        entries = [entry_of(seq, content) for seq, content in said]
        _run_many(cursor, self._sql.full_text.put, [entry for entry in entries if entry is not None])

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
            return read_page(connection, query, is_sqlite=self._database.is_sqlite)

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
            return change_logs(connection, organization_id, key_id, changes)

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
        rows = [parameters_of(price) for price in prices]
        with self._database.writing() as connection:
            cursor = connection.connection.cursor()
            cursor.execute("SAVEPOINT prices_before")
            _run_many(cursor, self._sql.put_price, rows)
            if rows and cursor.rowcount != len(rows):
                cursor.execute("ROLLBACK TO SAVEPOINT prices_before")
                prices = [price for price, row in zip(prices, rows, strict=True) if self._put_price(cursor, row)]
            hours, days = drift_rows(prices)
            _run_many(cursor, self._sql.add_hours, list(map(storable, hours)))
            _run_many(cursor, self._sql.add_days, list(map(storable, days)))
            cursor.close()
        return list(prices)

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


def _as_it_is(row: Row) -> Row:
    return row


def _said_in(log: RequestLog, mend: Callable[[Row], Row]) -> Content | None:
    if log.full_request is None and log.full_response is None and log.input is None and log.output is None:
        return None
    return Content(*mend((log.full_request, log.input, log.full_response, log.output)))


def _run_many(cursor: Any, statement: str, rows: Iterable[Row]) -> None:
    if rows:
        cursor.executemany(statement, rows)
