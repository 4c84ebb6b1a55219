"""The statements of a batch, compiled once for an engine into its own SQL with positional parameters.

A row then costs what the driver costs: SQLAlchemy prepares parameters row by row, which is half of an insert's time.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import ClauseElement, Table, delete, func, literal_column

from gantry.store.columns_at_once import many_rows
from gantry.store.credits import USAGE_COLUMNS
from gantry.store.customer_sums import COLUMNS as COLUMNS_OF_CUSTOMERS
from gantry.store.customer_sums import DAY_SUMS, add_drift, put_customer, put_metadata, put_terms
from gantry.store.full_text import FullTextStatements
from gantry.store.log_rows import COLUMNS
from gantry.store.log_tables import (
    board_differences,
    counted_results,
    credit_entries,
    customer_days,
    customers,
    day_sketches,
    day_sums,
    hour_sketches,
    hour_sums,
    journal_checkpoints,
    minute_sums,
    open_calls,
    open_parts,
    request_log_bodies,
    request_logs,
)
from gantry.store.repricing import put_price, put_prices_at_once
from gantry.store.rollups import DRIFTING, SUMS
from gantry.store.rows_at_once import RowsAtOnce
from gantry.store.sketches import sketch_statements
from gantry.store.upsert import insert_into

# What calls of one kind have in common, and where they went.
_OFTEN_ALIKE: Final = (("environment", "path"), ("model", "tier"), ("price_source", "finish_reason"))
_MOST: Final[Any] = literal_column(str(2**63 - 1))

# SQLite's one writer gives out numbers as it likes, and forgets none that were given out.
_LAST_IN_SQLITE = "SELECT seq FROM sqlite_sequence WHERE name = 'request_logs'"


class LogStatements:
    """SQL texts; the comment after each names its parameters."""

    def __init__(self, dialect: Any) -> None:
        self._sqlite = dialect.name == "sqlite"
        self._dialect = type(dialect)(paramstyle="qmark" if self._sqlite else "format")
        self._insert_log: dict[int, str] = {}
        self.full_text = FullTextStatements(is_sqlite=self._sqlite)
        self.logs = RowsAtOnce(request_logs.name, ("seq", *COLUMNS), _OFTEN_ALIKE)  # these two are for SQLite
        self.bodies = RowsAtOnce(request_log_bodies.name, request_log_bodies.c.keys())
        self.count_results = self._insert_new(counted_results)  # organization_id, response_id, log_id
        self.put_call = self._insert_or_replace(open_calls)  # log_id, incarnation, payload
        self.put_part = self._insert_or_replace(open_parts)  # log_id, incarnation, seq, direction, data
        self.put_checkpoint = self._insert_or_replace(journal_checkpoints)  # incarnation, segment, position
        self.add_minutes, self.add_hours, self.add_days = (
            self._insert_or_add(table, SUMS) for table in (minute_sums, hour_sums, day_sums)
        )
        self.hour_sketches, self.day_sketches = (
            sketch_statements(table, dialect) for table in (hour_sketches, day_sketches)
        )
        # Of DAY_COLUMNS; says how many requests there are now.
        self.add_customer_day = self._insert_or_add(customer_days, DAY_SUMS) + " RETURNING requests"
        self.put_customer = self._text(put_customer(self._insert(customers)), COLUMNS_OF_CUSTOMERS)
        self.put_terms = self._text(put_terms())
        self.put_metadata = self._text(put_metadata())
        self.drift_of_minutes = self._text(add_drift(minute_sums, DRIFTING))  # of `rollups.drift_of_minutes`
        self.drift_of_days = self._text(add_drift(customer_days, ("cost", "customer_cost", "unpriced")))
        self.drift_of_customers = self._text(add_drift(customers, ("cost", "customer_cost")))
        self.note_differences = self._insert_new(board_differences)  # board, number, payload
        before = (board_differences.c.board == "", board_differences.c.number < 0)
        self.forget_differences = self._text(delete(board_differences).where(*before))  # board, the first that stays
        self.enter = self._insert_new(credit_entries, USAGE_COLUMNS)  # of `credits.usage_rows`
        self.put_price = self._text(put_price())  # those of `repricing.parameters_of`
        self.put_prices = "" if self._sqlite else put_prices_at_once(self._dialect)  # of `repricing.json_of`
        adding = {
            self.add_minutes: minute_sums,
            self.add_hours: hour_sums,
            self.add_days: day_sums,
            self.add_customer_day: customer_days,
            self.put_customer: customers,
            self.enter: credit_entries,
        }
        self.many = {} if self._sqlite else {one: many_rows(one, table, dialect) for one, table in adding.items()}
        self.close = self._deletes((open_calls, open_parts), "log_id")
        self.forget = self._deletes((open_calls, open_parts, journal_checkpoints), "incarnation")

    def next_numbers(self, cursor: Any, count: int) -> Sequence[int]:
        """Return the numbers of so many new rows in SQLite; elsewhere `log_days.NEXT_NUMBERS` says them."""
        last = cursor.execute(_LAST_IN_SQLITE).fetchone()
        first = 1 if last is None else last[0] + 1
        return range(first, first + count)

    def insert_log(self, length: int) -> str:
        """Return the insert of rows with so many values: seq, and as many of COLUMNS as there are."""
        statement = self._insert_log.get(length)
        if statement is None:
            statement = self._insert_log[length] = self._insert_new(request_logs, ("seq", *COLUMNS[: length - 1]))
        return statement

    def _insert(self, table: Table) -> Any:
        return insert_into(table, is_sqlite=self._sqlite)

    def _insert_new(self, table: Table, columns: Iterable[str] | None = None) -> str:
        return self._text(self._insert(table).on_conflict_do_nothing(), columns or table.c.keys())

    def _insert_or_replace(self, table: Table) -> str:
        insert = self._insert(table)
        values = {column.name: insert.excluded[column.name] for column in table.c if not column.primary_key}
        return self._text(insert.on_conflict_do_update(index_elements=table.primary_key, set_=values), table.c.keys())

    def _insert_or_add(self, table: Table, added: Iterable[str]) -> str:
        insert = self._insert(table)
        values: dict[str, Any] = {name: table.c[name] + insert.excluded[name] for name in added}
        if self._sqlite:  # where a sum beyond 64 bits would become a float, and the next reader's fault
            values = {name: func.min(value, _MOST) for name, value in values.items()}
        statement = insert.on_conflict_do_update(index_elements=table.primary_key, set_=values)
        return self._text(statement, (*table.primary_key.columns.keys(), *added))

    def _deletes(self, tables: Iterable[Table], column: str) -> tuple[str, ...]:
        return tuple(self._text(delete(table).where(table.c[column] == "")) for table in tables)

    def _text(self, statement: ClauseElement, columns: Iterable[str] | None = None) -> str:
        keys = None if columns is None else list(columns)
        return str(statement.compile(dialect=self._dialect, compile_kwargs={}, column_keys=keys))
