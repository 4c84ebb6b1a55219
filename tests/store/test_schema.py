"""The schema: the migrations lead to the tables, and a start pays for them only when it must."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, Table, UniqueConstraint, insert, update

from gantry.store.content import Content, pack_content
from gantry.store.control_tables import CONTROL
from gantry.store.database import Database
from gantry.store.log_filter import FIELDS, Condition, Operator
from gantry.store.log_query import LogQuery
from gantry.store.log_rows import COLUMNS, row_of
from gantry.store.log_tables import LOGS
from gantry.store.logs import LogStore
from gantry.store.metadata import Tree
from gantry.store.migrate import alembic_config, script_head, upgrade
from gantry.store.schema import SchemaError, create_schema, ensure_schema, stored_revision
from tests.store.logs_of_tests import HOUR, ORGANIZATION, make_log

TREES = pytest.mark.parametrize("tree", [CONTROL, LOGS], ids=lambda tree: tree.name)


@pytest.fixture
def database(address: str | Path) -> Iterator[Database]:
    opened = Database(address)
    yield opened
    opened.close()


@TREES
def test_the_constant_is_the_newest_migration(tree: Tree) -> None:
    assert script_head(tree) == tree.head


def _differences(database: Database, tree: Tree) -> list[object]:
    with database.writing() as connection:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_name": lambda name, kind, _: kind != "table" or name in tree.metadata.tables,
            # Alembic does not know of what one engine alone has.
            "include_object": lambda thing, name, *_: _is_had(thing, name, is_sqlite=database.is_sqlite),
        }
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, tree.metadata))


def _is_had(thing: object, name: str | None, *, is_sqlite: bool) -> bool:
    if isinstance(thing, UniqueConstraint) and thing.table.name == "request_logs":
        return is_sqlite  # on PostgreSQL each partition has an index
    return name != ("ix_request_logs_pinned" if is_sqlite else "ix_request_logs_facts")


@TREES
def test_migrating_from_nothing_leads_to_the_tables(database: Database, tree: Tree) -> None:
    with database.writing() as connection:
        upgrade(connection, tree)
        assert stored_revision(connection, tree) == tree.head
    assert _differences(database, tree) == []


@TREES
def test_creating_directly_leads_to_the_tables(database: Database, tree: Tree) -> None:
    with database.writing() as connection:
        create_schema(connection, tree)
    assert _differences(database, tree) == []


def test_both_trees_live_in_one_database(database: Database) -> None:
    for tree in (CONTROL, LOGS, CONTROL, LOGS):
        ensure_schema(database, tree)
    with database.reading() as connection:
        assert [stored_revision(connection, tree) for tree in (CONTROL, LOGS)] == [CONTROL.head, LOGS.head]


@pytest.mark.slow
def test_a_revision_of_a_newer_version_is_refused_by_name(database: Database) -> None:
    ensure_schema(database, LOGS)
    with database.writing() as connection:
        connection.execute(update(LOGS.revision).values(version_num="l9999"))
    with pytest.raises(SchemaError, match=rf"revision l9999 of the logs tables, this version needs {LOGS.head}"):
        ensure_schema(database, LOGS)


@pytest.mark.slow
def test_an_older_revision_is_migrated_by_a_process_of_its_own(database: Database) -> None:
    """With one revision yet, the oldest there is stands for none of its tables."""
    with database.writing() as connection:
        LOGS.revision.create(connection)
        connection.execute(insert(LOGS.revision).values(version_num="l0001"))
        connection.execute(LOGS.revision.delete())
    child = subprocess.run(
        [sys.executable, "-m", "gantry.store.migrate", "--tree", "logs"],
        env={"GANTRY_MIGRATE_DATABASE": database.url.render_as_string(hide_password=False)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (child.returncode, child.stderr) == (0, "")
    assert _differences(database, LOGS) == []


@pytest.mark.slow
def test_a_start_imports_no_migrations(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from gantry.store.logs import LogStore; from gantry.store.control import ControlStore\n"
        "home = pathlib.Path(sys.argv[1]); LogStore(home / 'logs.db'); ControlStore(home / 'control.db')\n"
        "assert not {'alembic', 'mako', 'sqlalchemy.orm', 'sqlalchemy.dialects.postgresql'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)


@pytest.mark.slow
def test_the_second_revision_keeps_what_is_stored_and_makes_it_searchable(
    database: Database, address: str | Path
) -> None:
    with database.writing() as connection:
        command.upgrade(alembic_config(LOGS, connection), "l0001")
        old = Table("request_logs", MetaData(), autoload_with=connection)
        log = make_log("a", model="m", input="a red gantry")
        row = dict(zip(COLUMNS, row_of(log), strict=True))
        connection.execute(insert(old).values({name: value for name, value in row.items() if name in old.c}))
        body = {
            "log_id": "a",
            "organization_id": ORGANIZATION,
            "content": pack_content(Content(None, log.input, None, None)),
        }
        bodies = Table("request_log_bodies", MetaData(), autoload_with=connection)
        connection.execute(insert(bodies).values(body))
    with database.writing() as connection:
        upgrade(connection, LOGS)
    assert _differences(database, LOGS) == []
    store = LogStore(address)
    assert store.find(ORGANIZATION, "a") == log
    search = Condition(FIELDS["search"], Operator.WORDS, ("red",))
    assert store.page(LogQuery(organization_id=ORGANIZATION, filters=search)).count == 1
    store.close()


@pytest.mark.slow
def test_sums_by_hour_of_old_are_summed_by_day_and_kept(database: Database, address: str | Path) -> None:
    with database.writing() as connection:
        command.upgrade(alembic_config(LOGS, connection), "l0002")
        old = Table("rollups", MetaData(), autoload_with=connection)
        row: dict[str, Any] = {column.name: 0 for column in old.c}
        row |= {"organization_id": ORGANIZATION, "environment": "prod", "key_id": "key", "model": "m"}
        row |= {"provider_id": "p", "outcome": "success", "requests": 1, "cost": 2**62}
        connection.execute(insert(old), [{**row, "hour": hour, "latency_sum": hour} for hour in range(48)])
    with database.writing() as connection:
        upgrade(connection, LOGS)
    assert _differences(database, LOGS) == []
    store = LogStore(address)
    for since, until in ((None, None), (0, 48 * HOUR), (HOUR, 49 * HOUR)):
        found = store.summary(LogQuery(organization_id=ORGANIZATION, since=since, until=until))
        assert (found.requests, found.latency_sum) == (48 - (since or 0) // HOUR, sum(range(48)))
        assert found.cost == pytest.approx(found.requests * 2**62)
    store.close()
