"""The statements of a batch, compiled once for an engine into its own SQL with positional parameters.

A row then costs what the driver costs: SQLAlchemy prepares parameters row by row, which is half of an insert's time.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ClauseElement, Table, delete
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gantry.store.full_text import FullTextStatements
from gantry.store.log_rows import COLUMNS
from gantry.store.repricing import put_price
from gantry.store.rollups import SUMS
from gantry.store.tables import (
    counted_results,
    day_rollups,
    journal_checkpoints,
    open_calls,
    open_parts,
    request_log_bodies,
    request_logs,
    rollups,
)

# SQLite's one writer gives out numbers as it likes; elsewhere a sequence does. Both forget none that were given out.
_NEXT_IN_SQLITE = (
    "WITH RECURSIVE next(number, wanted) AS ("
    "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'request_logs'), 0) + 1, ? "
    "UNION ALL SELECT number + 1, wanted - 1 FROM next WHERE wanted > 1) SELECT number FROM next"
)
_NEXT_IN_POSTGRESQL = "SELECT nextval(pg_get_serial_sequence('request_logs', 'seq')) FROM generate_series(1, %s)"


class LogStatements:
    """SQL texts; the comment after each names its parameters."""

    def __init__(self, dialect: Any) -> None:
        self._sqlite = dialect.name == "sqlite"
        self._dialect = type(dialect)(paramstyle="qmark" if self._sqlite else "format")
        self._insert_log: dict[int, str] = {}
        self.next_numbers = _NEXT_IN_SQLITE if self._sqlite else _NEXT_IN_POSTGRESQL  # how many
        self.full_text = FullTextStatements(is_sqlite=self._sqlite)
        self.insert_body = self._insert_new(request_log_bodies)  # seq, content
        self.count_results = self._insert_new(counted_results)  # organization_id, response_id, log_id
        self.put_call = self._insert_or_replace(open_calls)  # log_id, incarnation, payload
        self.put_part = self._insert_or_replace(open_parts)  # log_id, incarnation, seq, direction, data
        self.put_checkpoint = self._insert_or_replace(journal_checkpoints)  # incarnation, segment, position
        self.add_hours = self._insert_or_add(rollups, SUMS)
        self.add_days = self._insert_or_add(day_rollups, SUMS)
        self.put_price = self._text(put_price())  # those of `repricing.parameters_of`
        self.close = self._deletes((open_calls, open_parts), "log_id")
        self.forget = self._deletes((open_calls, open_parts, journal_checkpoints), "incarnation")

    def insert_log(self, length: int) -> str:
        """Return the insert of rows with so many values: seq, and as many of COLUMNS as there are."""
        statement = self._insert_log.get(length)
        if statement is None:
            statement = self._insert_log[length] = self._insert_new(request_logs, ("seq", *COLUMNS[: length - 1]))
        return statement

    def _insert(self, table: Table) -> Any:
        return sqlite_insert(table) if self._sqlite else postgresql_insert(table)

    def _insert_new(self, table: Table, columns: Iterable[str] | None = None) -> str:
        return self._text(self._insert(table).on_conflict_do_nothing(), columns or table.c.keys())

    def _insert_or_replace(self, table: Table) -> str:
        insert = self._insert(table)
        values = {column.name: insert.excluded[column.name] for column in table.c if not column.primary_key}
        return self._text(insert.on_conflict_do_update(index_elements=table.primary_key, set_=values), table.c.keys())

    def _insert_or_add(self, table: Table, added: Iterable[str]) -> str:
        insert = self._insert(table)
        values = {name: table.c[name] + insert.excluded[name] for name in added}
        statement = insert.on_conflict_do_update(index_elements=table.primary_key, set_=values)
        return self._text(statement, (*table.primary_key.columns.keys(), *added))

    def _deletes(self, tables: Iterable[Table], column: str) -> tuple[str, ...]:
        return tuple(self._text(delete(table).where(table.c[column] == "")) for table in tables)

    def _text(self, statement: ClauseElement, columns: Iterable[str] | None = None) -> str:
        keys = None if columns is None else list(columns)
        return str(statement.compile(dialect=self._dialect, compile_kwargs={}, column_keys=keys))
