"""A SQLite database copied into another file while it is written.

Law: the copy is one moment of the database. It is made in one step: between two steps another process may write, and
SQLite would begin anew each time. Writers go on meanwhile, beside the view that is copied.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from gantry.store.database import BUSY_TIMEOUT, StoreUnavailable
from gantry.store.metadata import Tree


def copy_database(source: Path, target: Path) -> None:
    """Copy a database into a file that is made, for its owner only. Raises StoreUnavailable."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT)) as read,
            closing(sqlite3.connect(target)) as write,
        ):
            read.backup(write)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{source} cannot be copied to {target}: {error}") from error


def revision_of_copy(path: Path, tree: Tree) -> str | None:
    """Return the revision of a tree's tables in a copy that nobody writes; None where it has none.

    Raises StoreUnavailable.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            row = connection.execute(f"SELECT version_num FROM {tree.revision.name}").fetchone()  # noqa: S608 - our own table's
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise StoreUnavailable(f"{path}: {error}") from error
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path}: {error}") from error
    return None if row is None else str(row[0])
