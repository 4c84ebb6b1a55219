"""A store that moves to PostgreSQL: changes follow, what is killed goes on, nothing is lost and nothing repeated."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gantry.core.retention import Retention
from gantry.home import Home
from gantry.keeping import moving
from gantry.keeping.moving import Move, MoveRefused, refuse_other_revision
from gantry.store import log_tables
from gantry.store.control import ControlStore, default_organization
from gantry.store.followers import begin_following
from gantry.store.logs import LogChange, LogStore, RecordBatch
from gantry.store.move_source import MoveSource
from gantry.store.move_target import PostgresTarget, TargetTaken
from gantry.store.retention import put_retention
from tests.e2e.node import await_true, running_node
from tests.e2e.traffic import Traffic
from tests.postgresql import needs_sqlite
from tests.store.logs_of_tests import HOUR, ORGANIZATION, make_log

pytestmark = [pytest.mark.slow, needs_sqlite]
ROOT = Path(__file__).resolve().parents[2]
LOGS = 5000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    with ControlStore(home.control_db) as control, control.changing() as change:
        put_retention(change, default_organization(change.connection), Retention(days=30))
    return home


@pytest.fixture
def logs(home: Home) -> Iterator[LogStore]:
    store = LogStore(home.logs_db)
    yield store
    store.close()


@pytest.fixture
def source(home: Home, logs: LogStore) -> Iterator[MoveSource]:
    opened = MoveSource(home.control_db, home.logs_db)
    yield opened
    opened.close()


def log_number(number: int, **fields: Any) -> Any:
    values = {
        "started_at": (1000 + number // 100) * HOUR + number,
        "ended_at": (1000 + number // 100) * HOUR + number + 1_000_000,
        "input": f"question {number}",
        "output": f"answer number{number}",
        "cost": 1_000_000_007 + number,
        "customer_identifier": f"customer-{number % 7}",
        "stream": number % 2 == 0,
    }
    return make_log(f"{number:032x}", **(values | fields))


def record(logs: LogStore, first: int, count: int) -> None:
    for start in range(first, first + count, 1000):
        end = min(start + 1000, first + count)
        logs.record(RecordBatch(logs=[log_number(number) for number in range(start, end)]))


def moved(source: MoveSource, address: str) -> moving.Moved:
    target = PostgresTarget(address, source.begin())
    try:
        move = Move(source, target)
        move.follow()
        return move.settle()
    finally:
        target.close()


def test_what_came_and_changed_meanwhile_is_there_as_it_is(
    home: Home, logs: LogStore, source: MoveSource, database_url: str
) -> None:
    record(logs, 0, LOGS)
    with logs.writing() as connection:
        begin_following(logs._database, connection, "somebody")
    target = PostgresTarget(database_url, source.begin())
    move = Move(source, target)
    assert move.follow() == LOGS
    logs.change(ORGANIZATION, None, [LogChange(f"{5:032x}", {"is_pinned": True, "note": "kept"})])
    assert logs.delete(ORGANIZATION, None, f"{6:032x}")
    record(logs, LOGS, 300)
    logs.change(ORGANIZATION, None, [LogChange(f"{LOGS + 5:032x}", {"note": "new"})])
    move.settle()
    record(logs, LOGS + 300, 60)
    logs.record(RecordBatch(logs=[log_number(LOGS + 360, started_at=5000 * HOUR, input=None, output=None)]))
    assert logs.delete(ORGANIZATION, None, f"{LOGS + 300:032x}")
    found = move.settle()
    with logs.reading() as connection:
        left = connection.exec_driver_sql(
            "SELECT count(*) FROM moving_days UNION ALL SELECT count(*) FROM moving_changes"
        )
        assert left.fetchall() == [(0,), (0,)]
    target.close()
    assert found.rows["request_logs"] == LOGS + 359
    assert found.rows["request_log_bodies"] == LOGS + 358
    deleted = (6, LOGS + 300)
    assert found.cost == sum(1_000_000_007 + number for number in range(LOGS + 361) if number not in deleted)
    there = LogStore(database_url)
    try:
        for number in (0, 5, 6, LOGS - 1, LOGS, LOGS + 5, LOGS + 299):
            assert there.find(ORGANIZATION, f"{number:032x}") == logs.find(ORGANIZATION, f"{number:032x}"), number
        assert there.find(ORGANIZATION, f"{6:032x}") is None
        for word, count in (("number4242", 1), ("number6", 0), (f"number{LOGS}", 1)):
            with psycopg.connect(database_url) as connection:
                query = "SELECT count(*) FROM request_log_texts WHERE output @@ to_tsquery('simple', %s)"
                assert connection.execute(query, (word,)).fetchall() == [(count,)], word
        there.record(RecordBatch(logs=[log_number(1), log_number(LOGS + 400)]))
        newest = there.tail(ORGANIZATION, limit=1)[0]
        assert [log.log_id for log in newest] == [f"{LOGS + 400:032x}"], "numbers go on"
    finally:
        there.close()
    with ControlStore(home.control_db) as one, ControlStore(database_url) as two:
        assert one.version() == two.version()
        with one.reading() as here, two.reading() as gone:
            assert default_organization(here) == default_organization(gone)


def test_a_nul_that_one_engine_takes_and_the_other_not_is_mended(
    logs: LogStore, source: MoveSource, database_url: str
) -> None:
    record(logs, 0, 10)
    logs.record(RecordBatch(logs=[log_number(10, note=None, user_agent="a\0b", cost=-5)]))
    assert moved(source, database_url).rows["request_logs"] == 11
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT user_agent FROM request_logs WHERE cost = -5").fetchall() == [("a\ufffdb",)]


@pytest.mark.parametrize("step", ["batch 2000", "batch 4000", f"followed {LOGS}", "logs", "rest", "compared"])
def test_killed_at_any_step_the_same_command_goes_on(
    home: Home, logs: LogStore, source: MoveSource, database_url: str, step: str
) -> None:
    record(logs, 0, LOGS)
    command = [sys.executable, "-m", "tests.keeping.killed_move", str(home.path), database_url, step]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    logs.change(ORGANIZATION, None, [LogChange(f"{1:032x}", {"note": "changed"})])
    record(logs, LOGS, 10)
    found = moved(source, database_url)
    assert found.rows["request_logs"] == LOGS + 10
    assert found.rows["credit_entries"] == 0
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*), count(note) FROM request_logs").fetchall() == [(LOGS + 10, 1)]


def test_a_difference_is_found_and_named(logs: LogStore, source: MoveSource, database_url: str) -> None:
    record(logs, 0, 1000)
    target = PostgresTarget(database_url, source.begin())
    move = Move(source, target)
    move.follow()
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE request_logs SET cost = cost + 1 WHERE log_id = %s", (f"{500:032x}",))
    with pytest.raises(MoveRefused, match=r"request_logs is not the same in both on 1 days"):
        move.settle()
    target.close()


def test_a_database_with_something_else_in_it_is_refused(logs: LogStore, source: MoveSource, database_url: str) -> None:
    ControlStore(database_url).close()
    with pytest.raises(TargetTaken, match="is not empty"):
        PostgresTarget(database_url, source.begin())


def test_nothing_of_the_move_stays_in_the_files(logs: LogStore, source: MoveSource, database_url: str) -> None:
    record(logs, 0, 10)
    moved(source, database_url)
    source.end()
    with logs.reading() as connection:
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name LIKE 'moving%'").fetchall()
    assert names == []


@pytest.mark.timeout(200)
def test_a_busy_gateway_moves_over_and_loses_and_repeats_nothing(tmp_path: Path, database_url: str) -> None:
    with running_node(tmp_path) as node:
        await_true(lambda: node.ask("/api/request-logs/list/")[0] == 200, "a console")
        with Traffic(node) as traffic:
            traffic.await_more(20)
            said = node.gantry("migrate-store", "--to", database_url).stderr
            assert "Nothing was moved over yet" in said
            traffic.await_more(10)
            said = node.gantry("migrate-store", "--to", database_url, "--cut-over").stderr
            assert "Compared by table and day" in said
            assert "goes on with the new database" in said
            traffic.await_more(20)
        node.await_ready()
        node.await_stored()
        told = {answer.log_id for answer in traffic.answers if answer.log_id}
        assert {answer.status for answer in traffic.answers} == {200}
        assert all(answer.complete for answer in traffic.answers), "no call noticed"
        bodies = [request["body"] for request in node.seen_upstream()]
        seen = {found.group() for body in bodies if (found := re.search("marker-[0-9-]+", body))}
        with psycopg.connect(database_url) as connection:
            rows = connection.execute("SELECT log_id, custom_identifier, cost FROM request_logs").fetchall()
            sums = connection.execute("SELECT sum(requests), sum(cost) FROM hour_sums").fetchall()
            assert connection.execute("SELECT to_regclass('gantry_move')").fetchall() == [(None,)]
        assert {row[0] for row in rows} == told
        assert len(rows) == len(told)
        assert seen <= {row[1] for row in rows}
        assert sums == [(len(rows), sum(row[2] for row in rows))]
        assert (node.home / "logs.db.moved").exists()
        assert not (node.home / "logs.db").exists()
        assert not (node.home / "moving").exists()
        assert 'database_url = "postgresql://' in (node.home / "gantry.toml").read_text()
        await_true(lambda: node.ask("/api/request-logs/list/")[0] == 200, "a console on the new database")
        added = node.gantry("keys", "create", "later").stdout.split()[-1]
        assert node.chat("with a new key", added)[0] == 200


def test_tables_of_another_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MoveRefused, match=r"has revision none .* Start `gantry serve`"):
        refuse_other_revision(log_tables.LOGS, tmp_path / "logs.db")
    LogStore(tmp_path / "logs.db").close()
    refuse_other_revision(log_tables.LOGS, tmp_path / "logs.db")
