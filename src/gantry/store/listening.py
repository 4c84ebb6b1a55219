"""Listening for new versions of the configuration: PostgreSQL tells of them as they are committed.

Law: what is told is a hint, and nobody's only source. Whoever listens looks at the version before and after each wait,
so what a lost connection, a failover or a pooler that passes no notifications on kept silent is found then.

The connection is one of its own, outside any pool, and in no transaction: a notification comes between transactions.
"""

from typing import Any, Final

from sqlalchemy import Connection, text

from gantry.store.database import Database

_CHANNEL: Final = "gantry_configuration"


def tell_version(connection: Connection, version: int) -> None:
    """Tell of a version when the transaction is committed; nothing on SQLite."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_notify('{_CHANNEL}', :version)"), {"version": str(version)})


class Listener:
    """For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Any = None

    def wait(self, seconds: float) -> None:
        """Wait until a version is told, or as long. Raises StoreUnavailable where the server cannot be asked."""
        with self._database.faults():
            if self._connection is None:
                self._connection = self._database.connect_alone()
                self._connection.execute(f"LISTEN {_CHANNEL}")
                return  # a version may have come before: whoever listens looks first
            try:
                for _ in self._connection.notifies(timeout=seconds, stop_after=1):
                    pass
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
