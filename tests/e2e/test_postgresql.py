"""A node on PostgreSQL: calls on record once, changes live at once, and a server that is away costs nothing."""

import json
from pathlib import Path

import psycopg
import pytest

from tests.e2e.node import await_true, running_node
from tests.e2e.traffic import Traffic, take_account
from tests.postgresql import database_of, homes_on, server_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_CONNECTIONS = {"gantry_clerk": 24, "gantry_console": 16}  # docs/postgresql.md


def test_a_server_that_stops_and_comes_back_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with server_of(tmp_path / "postgresql") as server, homes_on(server.get_uri()), running_node(tmp_path) as node:
        with Traffic(node) as traffic:
            traffic.await_more(20)
            assert "Live: 2 of 2" in node.gantry("keys", "create", "another").stderr
            server.stop()
            traffic.await_more(50)
            traffic.await_more(10, stream=True)
            assert node.status()["clerk"]["lag"], "the journal holds what cannot be stored"
            assert node.ask("/readyz")[0] == 200
            server.start()
            traffic.await_more(20)
        account = take_account(node, traffic)
        account.check_nothing_lost()
        assert all(answer.complete and answer.status == 200 for answer in account.answers)
        assert {record.outcome for record in account.records} == {"success"}
        assert account.unrecorded == 0
        assert "Live: 2 of 2" in node.gantry("keys", "revoke", "another").stderr, "who listens does so again"
        assert not (node.home / "logs.db").exists()
        assert {one["verdict"] for one in json.loads(node.gantry("doctor", "--json").stdout)} <= {"ok", "note"}


def test_connections_are_few_and_named(tmp_path: Path) -> None:
    with server_of(tmp_path / "postgresql") as server, homes_on(server.get_uri()), running_node(tmp_path) as node:
        with Traffic(node) as traffic:
            traffic.await_more(50)
            await_true(lambda: node.ask("/api/request-logs/list/")[0] == 200, "the console's answer")
            for _ in range(20):
                assert node.ask("/api/request-logs/list/")[0] == 200
        node.await_stored()
        with psycopg.connect(database_of(node.home)) as connection:
            named = "SELECT application_name, count(*) FROM pg_stat_activity WHERE application_name LIKE 'gantry%%' "
            asked = named + "AND datname = current_database() GROUP BY 1"
            found: dict[str, int] = dict(connection.execute(asked).fetchall())  # type: ignore[call-overload, unused-ignore]
        assert set(found) == set(_CONNECTIONS)
        assert all(found[name] <= most for name, most in _CONNECTIONS.items()), found


def test_a_change_is_told_and_not_waited_for(tmp_path: Path) -> None:
    """The clerk listens: of a version that nobody told it would know a second later, which no command waits for."""
    with server_of(tmp_path / "postgresql") as server, homes_on(server.get_uri()), running_node(tmp_path) as node:
        with psycopg.connect(database_of(node.home), autocommit=True) as connection:
            connection.execute("LISTEN gantry_configuration")
            before = node.status()["snapshot"]["version"]
            node.gantry("keys", "create", "told")
            told = next(connection.notifies(timeout=30))
            assert int(told.payload) > before
            await_true(lambda: node.status()["snapshot"]["version"] >= int(told.payload), "a snapshot of that version")
