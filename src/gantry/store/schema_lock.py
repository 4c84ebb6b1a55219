"""The lock of whoever changes a schema: two nodes that start at once do not both create the tables."""

from typing import Final

from sqlalchemy import Connection, text

_ADVISORY_LOCK: Final = 0x67616E74


def lock_schema(connection: Connection) -> None:
    """Keep other processes from changing the schema until the transaction ends, as SQLite's writer lock does."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})


def hold_schema(connection: Connection) -> None:
    """The same until the connection ends, for migrations of several transactions."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
