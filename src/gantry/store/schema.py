"""The schema at start: compare one stored word with a constant, and only when they differ do more.

An empty database is created from the tables directly and stamped with the head, which a test proves equal to running
every migration. An older one is migrated by a short process of its own, because importing Alembic costs a second and
56 MB that no long-lived process should pay.
"""

import os
import subprocess
import sys

from sqlalchemy import Connection, insert, inspect, select

from gantry.store.database import Database
from gantry.store.estimates import tell_planner
from gantry.store.full_text import create_full_text
from gantry.store.log_days import AHEAD, make_days, today
from gantry.store.log_tables import LOGS
from gantry.store.metadata import Tree, speak_postgresql
from gantry.store.schema_lock import lock_schema


class SchemaError(Exception):
    """The database cannot be brought to the schema of this version; the message says why."""


class SchemaTooNew(SchemaError):
    """A newer version has migrated the database; the message says what to do."""


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
        _refuse_newer(database, tree, revision)
        _migrate_in_child(database, tree, revision)


def refuse_newer(database: Database, tree: Tree) -> None:
    """Raise SchemaTooNew where a newer version has migrated a tree, and StoreUnavailable."""
    with database.reading() as connection:
        revision = stored_revision(connection, tree)
    if revision is not None:
        _refuse_newer(database, tree, revision)


def _refuse_newer(database: Database, tree: Tree, revision: str) -> None:
    if revision > tree.head:  # a letter and four digits: their order is that of time
        raise SchemaTooNew(
            f"{database.url.render_as_string(hide_password=True)} has revision {revision} of the {tree.name} tables, "
            f"this version needs {tree.head}: a newer Gantry has migrated it. Start that version again, or restore the "
            "backup from before the upgrade with this one (docs/moving-house.md, Downgrade)."
        )


def stored_revision(connection: Connection, tree: Tree) -> str | None:
    """Return the revision of a tree in this database; None when it has none of its tables."""
    if not inspect(connection).has_table(tree.revision.name):
        return None
    return connection.scalar(select(tree.revision.c.version_num))


def create_schema(connection: Connection, tree: Tree) -> None:
    if connection.dialect.name == "postgresql":
        speak_postgresql(tree.metadata)
    tree.metadata.create_all(connection, checkfirst=False)
    tree.revision.create(connection)
    if tree is LOGS:
        create_full_text(connection)
        tell_planner(connection)
        if connection.dialect.name == "postgresql":
            now = today(connection)
            make_days(connection, range(now, now + AHEAD))
    connection.execute(insert(tree.revision).values(version_num=tree.head))


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
