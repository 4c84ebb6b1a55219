"""The schema: the migrations lead to the tables, and a start pays for them only when it must."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, Table, insert, text, update
from sqlalchemy.schema import DropIndex, DropTable

from gantry.store.content import Content, pack_content
from gantry.store.database import Database
from gantry.store.log_filter import FIELDS, Condition, Operator
from gantry.store.log_query import LogQuery
from gantry.store.log_rows import COLUMNS, row_of
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.migrate import alembic_config, script_head, upgrade
from gantry.store.schema import SchemaError, create_schema, ensure_schema, stored_revision
from gantry.store.tables import CONTROL, LOGS, Tree, cached_answers, day_rollups, request_logs
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
            # Alembic does not know of indexes that one engine alone has.
            "include_object": lambda _, name, *__: name != "ix_request_logs_facts" or database.is_sqlite,
        }
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, tree.metadata))


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
    with pytest.raises(SchemaError, match=r"revision l9999 of the logs tables, this version needs l0005"):
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
        "assert not {'alembic', 'mako', 'sqlalchemy.orm'} & set(sys.modules)"
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
def test_the_third_revision_sums_by_day_what_was_summed_by_hour(database: Database, address: str | Path) -> None:
    ensure_schema(database, LOGS)
    store = LogStore(address)
    everything = LogQuery(organization_id=ORGANIZATION)
    store.record(RecordBatch(logs=[make_log(str(hour), started_at=hour * HOUR, cost=2**62) for hour in range(48)]))
    before = store.summary(everything)
    store.close()
    with database.writing() as connection:
        connection.execute(DropTable(day_rollups))
        for index in request_logs.indexes:
            if database.is_sqlite and index.name == "ix_request_logs_facts":
                connection.execute(DropIndex(index))
        connection.execute(DropTable(cached_answers))  # this, and what follows, is of later revisions
        later = ("input_image_tokens", "output_image_tokens", "images", "searches", "cache_key", "cache_savings")
        for name in later:
            connection.execute(text(f"ALTER TABLE request_logs DROP COLUMN {name}"))
        for name in ("cache_hits", "cached_tokens", "cache_savings"):
            connection.execute(text(f"ALTER TABLE rollups DROP COLUMN {name}"))
        connection.execute(update(LOGS.revision).values(version_num="l0002"))
    with database.writing() as connection:
        upgrade(connection, LOGS)
    assert _differences(database, LOGS) == []
    store = LogStore(address)
    after = store.summary(everything)
    assert (after.requests, after.latency_sum) == (48, before.latency_sum)
    assert after.cost == pytest.approx(48 * 2**62)
    store.close()
