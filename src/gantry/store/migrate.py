"""Migrations: `python -m gantry.store.migrate --home DIR`, a short process of its own (see `gantry.store.schema`).

Two trees share one environment, each with its own folder of revisions and its own table for the revision, so that they
may live in two databases (SQLite) or in one (PostgreSQL).
"""

import argparse
import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from gantry.home import Home
from gantry.store.control_tables import CONTROL
from gantry.store.database import Database, StoreUnavailable
from gantry.store.log_tables import LOGS
from gantry.store.metadata import Tree
from gantry.store.schema_lock import hold_schema, lock_schema

_MIGRATIONS = Path(__file__).parent / "migrations"
_PATIENCE = "5s"  # for a lock that others wait behind
_TREES = {tree.name: tree for tree in (CONTROL, LOGS)}


def migrate(database: Database, tree: Tree) -> None:
    """Bring one tree to its head: on SQLite in one transaction, on PostgreSQL in one or more for each revision.

    Raises StoreUnavailable or CommandError.
    """
    if database.is_sqlite:
        with database.writing() as connection:
            upgrade(connection, tree)
        return
    with database.migrating() as connection:
        connection.execute(text("SET lock_timeout = 0"))  # another node may migrate, for as long as that takes
        connection.execute(text("SET statement_timeout = 0"))
        hold_schema(connection)
        connection.execute(text(f"SET lock_timeout = '{_PATIENCE}'"))
        connection.commit()
        try:
            config = alembic_config(tree, connection)
            config.attributes["in_transaction"] = False
            command.upgrade(config, "head")
        finally:
            connection.rollback()
            connection.detach()  # closed at the end, with the lock and the timeouts


def upgrade(connection: Connection, tree: Tree) -> None:
    """Bring one tree to its head, in the transaction of the connection."""
    lock_schema(connection)
    command.upgrade(alembic_config(tree, connection), "head")


def alembic_config(tree: Tree, connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(_MIGRATIONS / tree.name))
    config.attributes.update(tree=tree, connection=connection, in_transaction=True)
    return config


def script_head(tree: Tree) -> str | None:
    """Return the newest revision among a tree's migrations."""
    return ScriptDirectory.from_config(alembic_config(tree)).get_current_head()


def known_revisions(tree: Tree) -> frozenset[str]:
    """Return all revisions that this version can bring a tree from."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(alembic_config(tree)).walk_revisions())


def steps_from(tree: Tree, revision: str) -> list[str]:
    """Return what a tree goes through from a revision to the newest, each with what it says of itself."""
    scripts = ScriptDirectory.from_config(alembic_config(tree)).iterate_revisions("head", revision)
    return [f"{script.revision}: {(script.doc or '').strip().splitlines()[0]}" for script in scripts][::-1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gantry.store.migrate", description="Migrate the databases.")
    parser.add_argument("--home", type=Path, help="the home directory with control.db and logs.db")
    parser.add_argument("--tree", choices=sorted(_TREES), help="only these tables")
    options = parser.parse_args()
    address = os.environ.get("GANTRY_MIGRATE_DATABASE")
    if address is None and options.home is None:
        parser.error("say which databases: --home DIR, or GANTRY_MIGRATE_DATABASE=URL")
    for tree in [_TREES[options.tree]] if options.tree else [CONTROL, LOGS]:
        database = Database(address or _path_in(Home(options.home), tree))
        try:
            migrate(database, tree)
        except (StoreUnavailable, CommandError) as error:
            print(error, file=sys.stderr)  # noqa: T201 - a program's own message
            return 1
        finally:
            database.close()
    return 0


def _path_in(home: Home, tree: Tree) -> Path:
    return home.control_db if tree is CONTROL else home.logs_db


if __name__ == "__main__":
    sys.exit(main())
