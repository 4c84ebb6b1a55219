"""INSERT … ON CONFLICT, for which each engine has a statement of its own.

PostgreSQL's comes with its whole dialect, 5 MB that no process on SQLite needs: it is imported where it is spoken.
"""

from importlib import import_module
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.sqlite import insert

_POSTGRESQL: Final = "sqlalchemy.dialects.postgresql"


def insert_into(table: Table, *, is_sqlite: bool) -> Any:
    """Return an INSERT into a table that can say what becomes of a row that is there."""
    return insert(table) if is_sqlite else import_module(_POSTGRESQL).insert(table)


def insert_by(connection: Connection, table: Table) -> Any:
    """Return such an INSERT for the engine of a connection."""
    return insert_into(table, is_sqlite=connection.dialect.name == "sqlite")
