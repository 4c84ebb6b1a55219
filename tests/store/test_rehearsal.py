"""An upgrade rehearsed: it says what would be done, and does nothing."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import inspect, update

from gantry.store.control_tables import CONTROL
from gantry.store.database import Database
from gantry.store.log_tables import LOGS
from gantry.store.metadata import Tree
from gantry.store.migrate import alembic_config
from gantry.store.rehearsal import rehearse
from gantry.store.schema import SchemaTooNew, ensure_schema, stored_revision

pytestmark = pytest.mark.slow
TREES = pytest.mark.parametrize("tree", [CONTROL, LOGS], ids=lambda tree: tree.name)


@pytest.fixture
def database(address: str | Path) -> Iterator[Database]:
    opened = Database(address)
    yield opened
    opened.close()


@TREES
def test_what_would_be_done_is_said_and_not_done(database: Database, address: str | Path, tree: Tree) -> None:
    first = f"{tree.head[0]}0001"
    with database.writing() as connection:
        command.upgrade(alembic_config(tree, connection), first)
        before = inspect(connection).get_table_names()
    found = rehearse(address, tree)
    assert (found.tree, found.revision, found.head) == (tree.name, first, tree.head)
    revisions = files("gantry.store.migrations").joinpath(tree.name).iterdir()
    names = sorted(one.name.removesuffix(".py") for one in revisions if one.name.endswith(".py"))
    assert [step.partition(":")[0] for step in found.steps] == names[1:]
    with database.reading() as connection:
        assert stored_revision(connection, tree) == first
        assert inspect(connection).get_table_names() == before
        assert "gantry_rehearsal" not in inspect(connection).get_schema_names()
    if isinstance(address, Path):
        assert found.bytes_before is not None
        assert found.bytes_needed is not None
        assert found.bytes_needed > 0
        assert [path.name for path in address.parent.iterdir() if path.is_dir()] == [], "the copy is gone"
    ensure_schema(database, tree)
    with database.reading() as connection:
        assert stored_revision(connection, tree) == tree.head


def test_where_nothing_is_to_be_done_nothing_is_tried(database: Database, address: str | Path, tmp_path: Path) -> None:
    assert rehearse(tmp_path / "none.db", LOGS).revision is None
    assert not (tmp_path / "none.db").exists()
    assert rehearse(address, LOGS).revision is None
    ensure_schema(database, LOGS)
    assert rehearse(address, LOGS).steps == []


@TREES
def test_a_newer_version_s_database_is_refused_with_the_way_back(
    database: Database, address: str | Path, tree: Tree
) -> None:
    ensure_schema(database, tree)
    with database.writing() as connection:
        connection.execute(update(tree.revision).values(version_num=f"{tree.head[0]}9999"))
    for ask in (lambda: rehearse(address, tree), lambda: ensure_schema(database, tree)):
        with pytest.raises(SchemaTooNew, match="a newer Gantry has migrated it"):
            ask()
