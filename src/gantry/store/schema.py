"""The schema at start: compare one stored word with a constant, and only when they differ do more.

An empty database is created from the tables directly and stamped with the head, which a test proves equal to running
every migration. An older one is migrated by a short process of its own, because importing Alembic costs a second and
56 MB that no long-lived process should pay.
"""

import os
import subprocess
import sys

from sqlalchemy import Connection, insert, inspect, select, text

from gantry.store.database import Database
from gantry.store.estimates import tell_planner
from gantry.store.full_text import create_full_text
from gantry.store.tables import LOGS, Tree

_ADVISORY_LOCK = 0x67616E74  # two nodes that start at once do not both create the tables


class SchemaError(Exception):
    """The database cannot be brought to the schema of this version; the message says why."""


def ensure_schema(database: Database, tree: Tree) -> None:
    """Bring a database's tables to this version. Raises StoreUnavailable or SchemaError."""
    with database.reading() as connection:
        revision = stored_revision(connection, tree)
    if revision is None:
        with database.writing() as connection:
            lock_schema(connection)
            revision = stored_revision(connection, tree)
            if revision is None:
                create_schema(connection, tree)
                return
    if revision != tree.head:
        _migrate_in_child(database, tree, revision)


def stored_revision(connection: Connection, tree: Tree) -> str | None:
    """Return the revision of a tree in this database; None when it has none of its tables."""
    if not inspect(connection).has_table(tree.revision.name):
        return None
    return connection.scalar(select(tree.revision.c.version_num))


def create_schema(connection: Connection, tree: Tree) -> None:
    tree.metadata.create_all(connection, checkfirst=False)
    tree.revision.create(connection)
    if tree is LOGS:
        create_full_text(connection)
        tell_planner(connection)
    connection.execute(insert(tree.revision).values(version_num=tree.head))


def lock_schema(connection: Connection) -> None:
    """Keep other processes from changing the schema until the transaction ends, as SQLite's writer lock does."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})


def _migrate_in_child(database: Database, tree: Tree, revision: str) -> None:
    address = database.url.render_as_string(hide_password=False)
    child = subprocess.run(
        [sys.executable, "-m", "gantry.store.migrate", "--tree", tree.name],
        env={**os.environ, "GANTRY_MIGRATE_DATABASE": address},  # not an argument: those are public
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode:
        where = database.url.render_as_string(hide_password=True)
        raise SchemaError(
            f"{where} has revision {revision} of the {tree.name} tables, this version needs {tree.head}, "
            f"and migrating failed: {child.stderr.strip() or child.returncode}"
        )
