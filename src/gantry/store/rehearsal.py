"""The migrations tried where they do no harm: what an upgrade would do, how long it takes, and what it needs.

Law: nothing that is in use is changed, and none of it waits. SQLite's migrations run on a copy. PostgreSQL's run on
empty tables of the stored revision in a schema of their own, in a transaction that is rolled back: that shows whether
the server takes them, not how long they take with the rows that are there.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from alembic import command
from msgspec import Struct
from sqlalchemy import text

from gantry.store.database import Database, StoreUnavailable
from gantry.store.metadata import Tree
from gantry.store.migrate import alembic_config, steps_from, upgrade
from gantry.store.schema import refuse_newer, stored_revision
from gantry.store.sqlite_copy import copy_database

_SCHEMA: Final = "gantry_rehearsal"


class _Over(Exception):
    """Ends a transaction of which nothing is to stay."""


class Rehearsed(Struct, frozen=True, kw_only=True):
    """What one tree's upgrade would be. `bytes_needed` is the most that it took beside what was there, where known."""

    tree: str
    revision: str | None
    head: str
    steps: list[str] = []
    seconds: float = 0.0
    bytes_before: int | None = None
    bytes_after: int | None = None
    bytes_needed: int | None = None


def rehearse(address: str | Path, tree: Tree, *, clock: Callable[[], float] = time.monotonic) -> Rehearsed:
    """Try a tree's migrations. Raises StoreUnavailable, SchemaTooNew, or whatever a migration fails with."""
    if isinstance(address, Path) and not address.exists():
        return Rehearsed(tree=tree.name, revision=None, head=tree.head)
    database = Database(address)
    try:
        refuse_newer(database, tree)
        with database.reading() as connection:
            revision = stored_revision(connection, tree)
        if revision is None or revision == tree.head:
            return Rehearsed(tree=tree.name, revision=revision, head=tree.head)
        if isinstance(address, Path):
            return _on_a_copy(address, tree, revision, clock)
        return _in_a_schema(database, tree, revision, clock)
    finally:
        database.close()


def _on_a_copy(path: Path, tree: Tree, revision: str, clock: Callable[[], float]) -> Rehearsed:
    size = path.stat().st_size
    free = shutil.disk_usage(path.parent).free
    if free < 2 * size:
        raise StoreUnavailable(
            f"{path} has {size} bytes, and the copy to rehearse on may need twice as many; {free} are free. Make room."
        )
    with tempfile.TemporaryDirectory(prefix=".rehearsal-", dir=path.parent) as folder:
        copy = Path(folder) / path.name
        copy_database(path, copy)
        database = Database(copy)
        began = clock()
        try:
            with database.writing() as connection:
                upgrade(connection, tree)
            seconds = clock() - began
            log = _size(copy.with_name(copy.name + "-wal"))
            database.cut_log()
        finally:
            database.close()
        after = _size(copy)
    return Rehearsed(
        tree=tree.name,
        revision=revision,
        head=tree.head,
        steps=steps_from(tree, revision),
        seconds=seconds,
        bytes_before=size,
        bytes_after=after,
        bytes_needed=max(after - size, 0) + log,
    )


def _in_a_schema(database: Database, tree: Tree, revision: str, clock: Callable[[], float]) -> Rehearsed:
    with suppress(_Over), database.writing() as connection:
        connection.execute(text(f"CREATE SCHEMA {_SCHEMA}"))
        connection.execute(text(f"SET LOCAL search_path TO {_SCHEMA}"))
        config = alembic_config(tree, connection)
        command.upgrade(config, revision)
        began = clock()
        command.upgrade(config, "head")
        seconds = clock() - began
        raise _Over
    return Rehearsed(
        tree=tree.name, revision=revision, head=tree.head, steps=steps_from(tree, revision), seconds=seconds
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
