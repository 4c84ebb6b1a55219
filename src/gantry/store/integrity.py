"""What a database says about its own health: the questions that `gantry doctor` asks. Nothing here changes a row."""

import sqlite3

from msgspec import Struct
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from gantry.store.database import Database, StoreUnavailable
from gantry.store.log_tables import LOGS, journal_checkpoints, open_calls, request_logs
from gantry.store.metadata import Tree
from gantry.store.schema import stored_revision

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class StoredLogs(Struct, frozen=True, kw_only=True):
    """What the clerk has stored, and up to where in each incarnation's journal."""

    records: int
    open_calls: int
    checkpoints: dict[str, tuple[int, int]]  # incarnation → (segment, position)


def find_damage(database: Database) -> list[str]:
    """Return what SQLite finds wrong with its file. PostgreSQL checks its pages itself, as it reads them."""
    if not database.is_sqlite:
        return []
    try:
        with database.reading() as connection:
            found = [str(row[0]) for row in connection.execute(text("PRAGMA quick_check"))]
    except StoreUnavailable as error:
        if not _is_damage(error.__cause__):
            raise
        return [str(error)]
    return [line for line in found if line != "ok"]


def _is_damage(error: BaseException | None) -> bool:
    """Say whether a file is so broken that it cannot even be asked, and not only busy or out of reach."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode & 0xFF in _DAMAGE


def find_revision(database: Database, tree: Tree) -> str | None:
    """Return the revision of a tree's tables here; None when they were never created."""
    with database.reading() as connection:
        return stored_revision(connection, tree)


def count_stored(database: Database) -> StoredLogs | None:
    """Return what is stored; None when the tables of this version are not there."""
    with database.reading() as connection:
        if stored_revision(connection, LOGS) != LOGS.head:
            return None
        return StoredLogs(
            records=connection.scalar(select(func.count()).select_from(request_logs)) or 0,
            open_calls=connection.scalar(select(func.count()).select_from(open_calls)) or 0,
            checkpoints={
                row.incarnation: (row.segment, row.position) for row in connection.execute(select(journal_checkpoints))
            },
        )
