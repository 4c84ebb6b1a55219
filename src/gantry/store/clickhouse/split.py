"""A database whose logs are in ClickHouse: its connections send each statement to the store that has its tables.

Law: a statement is of one store; who asks about both says so by `store.together`. Nothing that goes to ClickHouse
can be rolled back, so it goes there before the transaction beside it commits, and doing it once more changes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import ClauseElement, ColumnElement, Connection, Delete, Engine, Table, delete, select, tuple_
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.sql.visitors import iterate

from gantry.store.clickhouse.client import Client
from gantry.store.clickhouse.compiler import CONTENT, WORDS, compile_condition, compile_select
from gantry.store.clickhouse.tables import COLUMNS, TABLE, VERSION
from gantry.store.database import LOGS_APART, Apart, Database
from gantry.store.log_tables import log_ids, request_log_bodies, request_logs

_OF_LOGS: Final = frozenset((request_logs, request_log_bodies))
_AT_ONCE: Final = 500  # ids in a statement
_NOTHING_SAID: Final = {CONTENT: None, **dict.fromkeys(WORDS.values(), "")}


class SplitConnection(Connection):
    """A connection to the SQL store, and through it to the logs."""

    def __init__(self, engine: Engine, logs: Client) -> None:
        super().__init__(engine)
        self.execution_options(**{LOGS_APART: True})
        self._logs: Final = logs
        self.patience: float | None = None

    def execute(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> Any:
        if parameters is None and isinstance(statement, ClauseElement) and is_of_logs(statement):
            return self._delete(statement) if isinstance(statement, Delete) else self._select(statement)
        return super().execute(statement, parameters, execution_options=execution_options or {})

    def scalar(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> Any:
        return self.execute(statement, parameters, execution_options=execution_options).scalar()

    def scalars(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> Any:
        return self.execute(statement, parameters, execution_options=execution_options).scalars()

    def change_logs(self, of: ColumnElement[bool], values: Mapping[str, Any]) -> None:
        """Store a newer version of the logs for which a condition holds."""
        condition, bound = compile_condition(of)
        bound = {**bound, **{f"new_{name}": value for name, value in values.items()}}
        columns = {name: name for name in COLUMNS} | {VERSION: f"{VERSION} + 1"}
        columns |= {name: _new(name, value) for name, value in values.items()}
        self._logs.run(
            f"INSERT INTO {TABLE} ({', '.join(columns)}) SELECT {', '.join(columns.values())} FROM {TABLE} FINAL WHERE {condition}",  # noqa: S608, E501
            bound,
        )

    def forget_said(self, of: ColumnElement[bool]) -> None:
        """Store a newer version, without what was said, of the logs for which a condition holds."""
        self.change_logs(of, _NOTHING_SAID)

    def _select(self, statement: Any) -> Any:
        asked = compile_select(statement)
        return _result(asked.names, self._logs.select(asked, self.patience))

    def _delete(self, statement: Delete) -> Any:
        condition = statement.whereclause
        assert condition is not None
        if statement.table is request_log_bodies:
            self.forget_said(condition)
            return _result((), ())
        found = self._select(select(request_logs.c.log_id, request_logs.c.organization_id).where(condition)).all()
        ids = sorted((log_id, organization_id) for log_id, organization_id in found)
        if ids:
            hold_ids(self, ids)  # or a newer version comes after it
            where, bound = compile_condition(condition)
            self._logs.run(f"DELETE FROM {TABLE} WHERE {where}", bound)  # noqa: S608
            _forget_ids(self, ids)
        return _result((), ())


class SplitDatabase(Database):
    """The SQL store with the logs beside it."""

    def __init__(self, address: Apart, *, busy_timeout: float) -> None:
        """Raises StoreUnavailable."""
        self.logs: Final = Client(address.logs)
        super().__init__(address.sql, busy_timeout=busy_timeout)

    def _connect(self, engine: Engine) -> Connection:
        return SplitConnection(engine, self.logs)

    @contextmanager
    def reading(self, patience: float | None = None) -> Iterator[Connection]:
        with super().reading(patience) as connection:
            assert isinstance(connection, SplitConnection)
            connection.patience = patience
            yield connection

    def close(self) -> None:
        super().close()
        self.logs.close()


def is_of_logs(statement: ClauseElement) -> bool:
    """Say whether a statement asks for logs. Raises ValueError when it asks for other things, too."""
    tables = {element for element in iterate(statement) if isinstance(element, Table)}
    if tables.isdisjoint(_OF_LOGS):
        return False
    if tables <= _OF_LOGS:
        return True
    raise ValueError(f"no store knows all of {', '.join(sorted(table.name for table in tables))}")


def hold_ids(connection: Connection, ids: Sequence[tuple[str, str]]) -> None:
    """Let nobody else change or delete the logs of these ids, in their order, until the transaction is over."""
    for some in _few_by_few(ids):
        held = select(log_ids.c.log_id).where(some).order_by(log_ids.c.log_id, log_ids.c.organization_id)
        connection.execute(held.with_for_update()).all()


def _forget_ids(connection: Connection, ids: Sequence[tuple[str, str]]) -> None:
    """Let the ids of logs that are gone be used again."""
    for some in _few_by_few(ids):
        connection.execute(delete(log_ids).where(some))


def _few_by_few(ids: Sequence[tuple[str, str]]) -> Iterator[ColumnElement[bool]]:
    """Yield conditions for some of the ids, as many as a statement may have values for."""
    taken = tuple_(log_ids.c.log_id, log_ids.c.organization_id)
    for start in range(0, len(ids), _AT_ONCE):
        yield taken.in_(ids[start : start + _AT_ONCE])


def _new(name: str, value: Any) -> str:
    return "NULL" if value is None else f"{{new_{name}:{_kind(value)}}}"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "Bool"
    return {int: "Int64", float: "Float64"}.get(type(value), "String")


def _result(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> IteratorResult[Any]:
    return IteratorResult(SimpleResultMetaData(names), iter([tuple(row) for row in rows]))
