"""Listening for new versions of the configuration: PostgreSQL tells of them as they are committed, SQLite's files show.

Law: what is told is a hint, and nobody's only source. Whoever listens looks at the version before and after each wait,
so what a lost connection, a failover or a pooler that passes no notifications on kept silent is found then.

PostgreSQL's connection is one of its own, outside any pool, and in no transaction: notifications come between these.
"""

import os
import time
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import Connection, text

from gantry.store.database import Database

_CHANNEL: Final = "gantry_configuration"
_LOOK_EVERY: Final = 0.1  # seconds: to look at two files takes a hundredth of asking SQLite

_Seen = tuple[tuple[int, int, int] | None, ...]  # of each file that is there: which, when it was written to, its bytes


class Listener(Protocol):
    """For one thread."""

    def wait(self, seconds: float) -> None:
        """Wait until there may be a new version, or as long. Raises StoreUnavailable where nobody can say."""

    def close(self) -> None: ...


def tell_version(connection: Connection, version: int) -> None:
    """Tell of a version when the transaction is committed; nothing on SQLite."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_notify('{_CHANNEL}', :version)"), {"version": str(version)})


class ToldListener:
    """Hears of versions from PostgreSQL."""

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


class FileListener:
    """Looks whether SQLite's files were written to: within one tick of the file system's clock it may miss it."""

    def __init__(self, path: Path) -> None:
        self._files = (path, Path(f"{path}-wal"))
        self._seen = self._look()

    def wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (seen := self._look()) == self._seen and time.monotonic() < until:
            time.sleep(_LOOK_EVERY)
        self._seen = seen

    def close(self) -> None:
        pass

    def _look(self) -> _Seen:
        return tuple(map(_look_at, self._files))


def _look_at(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
