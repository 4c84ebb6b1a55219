"""`gantry serve` as a process: how it ends, what it refuses, and what it needs to answer a first call."""

import http.client
import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e.node import SECONDS, await_true, running_node
from tests.e2e.traffic import Traffic, read_records, settle_account, take_account
from tests.postgresql import needs_sqlite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

UNDER_WAY = 8
DATABASES = ("control.db", "logs.db")


class HalfAsked:
    """A kept connection on which a second question has begun and not ended."""

    def __init__(self, port: int, path: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        self._connection.request("GET", path)
        first = self._connection.getresponse()
        first.read()
        self.first_status = first.status
        self._path = path
        assert self._connection.sock is not None
        self._connection.sock.sendall(f"GET {path} HTTP/1.1\r\nhost: gateway\r\n".encode())

    def finish(self) -> tuple[int, bytes]:
        """Send the rest of the question; return status and body of its answer, and close."""
        assert self._connection.sock is not None
        self._connection.sock.sendall(b"\r\n")
        response = http.client.HTTPResponse(self._connection.sock)
        response.begin()
        try:
            return response.status, response.read()
        finally:
            self._connection.close()


def test_a_drain_finishes_what_is_under_way_and_ends_with_status_0(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        with Traffic(node) as traffic:
            traffic.await_more(20)
            half_asked = HalfAsked(node.port, "/readyz")
            assert half_asked.first_status == 200
            traffic.await_streams(UNDER_WAY)
            node.server.process.terminate()
            states = ["draining", "draining"]
            await_true(lambda: [worker["state"] for worker in node.status()["workers"]] == states, "workers that drain")
            status, body = half_asked.finish()
            assert (status, json.loads(body)["problems"]) == (503, ["shutting down"])
            assert node.server.process.wait(SECONDS) == 0
        assert node.processes() == []
        account = settle_account(node, traffic, unrecorded=0)
        account.check_nothing_lost()
        assert all(answer.complete for answer in account.answers if answer.status)
        assert {record.outcome for record in account.records} == {"success"}


def test_children_leave_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        assert len(node.processes()) == 5
        node.kill("supervisor")
        await_true(lambda: not node.processes(), "children that leave")


def test_a_home_or_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        pid = node.status()["supervisor"]["pid"]
        assert f"{node.home} is in use by another gantry supervisor (pid {pid}). Stop it first" in node.refused_serve()
        said = node.refused_serve(node.port, "--home", str(tmp_path / "another"))
        assert f"cannot listen on 127.0.0.1:{node.port}: Address already in use. Stop what uses it" in said
        assert node.chat("still there?")[0] == 200


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold both databases of a home as one who writes for long."""
    with ExitStack() as stack:
        for name in DATABASES:
            other = stack.enter_context(closing(sqlite3.connect(home / name, isolation_level=None)))
            other.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def unreadable(home: Path) -> Iterator[None]:
    """Take both databases of a home away, and put something in their place that is none."""
    aside = home.with_name("aside")
    aside.mkdir()
    moved = [path for path in home.iterdir() if path.name.startswith(DATABASES)]
    for path in moved:
        path.rename(aside / path.name)
    for name in DATABASES:
        (home / name).mkdir()
    try:
        yield
    finally:
        for name in DATABASES:
            (home / name).rmdir()
        for path in moved:
            (aside / path.name).rename(path)


@needs_sqlite
@pytest.mark.parametrize("away", [locked, unreadable])
def test_workers_boot_from_the_snapshot_alone(
    tmp_path: Path, away: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with running_node(tmp_path) as node:
        assert node.server.end() == 0
        with away(node.home):
            node.port = node.serve().port
            with Traffic(node, streams=4) as traffic:
                traffic.await_more(20)
                traffic.await_more(4, stream=True)
            assert node.ask("/readyz")[0] == 200
            assert node.status()["clerk"]["lag"] != 0
        take_account(node, traffic).check_nothing_lost()


@needs_sqlite
def test_a_home_whose_databases_are_deleted_goes_on_by_its_snapshot(tmp_path: Path) -> None:
    """The clerk makes new ones. An empty configuration revokes nothing: it is refused until somebody decides."""
    with running_node(tmp_path) as node:
        assert node.server.end() == 0
        for path in [path for path in node.home.iterdir() if path.name.startswith(DATABASES)]:
            path.unlink()
        node.port = node.serve().port
        with Traffic(node, streams=4) as traffic:
            await_true(lambda: b"\ngantry_publish_faults_total 0\n" not in node.ask("/metrics")[1], "a refusal")
            traffic.await_more(20)
            traffic.await_more(4, stream=True)
        account = take_account(node, traffic)
        account.check_nothing_lost()
        assert {record.outcome for record in account.records} == {"success"}


def test_an_existing_home_answers_and_records_a_first_call(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        assert node.server.end() == 0
        node.port = node.serve(node.port).port
        assert node.chat("the first call")[0] == 200
        node.await_stored()
        assert [record.outcome for record in read_records(node.logs_db)] == ["success"]


def test_a_revoked_key_is_refused_by_all_workers_as_soon_as_the_cli_says_so(tmp_path: Path) -> None:
    with running_node(tmp_path) as node, ExitStack() as stack:
        key = node.gantry("keys", "create", "short-lived").stdout.split()[-1]
        connections: list[http.client.HTTPConnection] = []

        def reach_both() -> bool:
            connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=SECONDS)
            connections.append(stack.enter_context(closing(connection)))
            assert list_models(connection, key) == 200
            return all(worker["connections"] for worker in node.status()["workers"])

        await_true(reach_both, "a connection to each worker")
        assert "Live: 2 of 2 workers" in node.gantry("keys", "revoke", "short-lived").stderr
        assert {list_models(connection, key) for connection in connections} == {401}
        assert node.chat("another key goes on")[0] == 200


def list_models(connection: http.client.HTTPConnection, key: str) -> int:
    connection.request("GET", "/api/v1/models", headers={"authorization": f"Bearer {key}"})
    response = connection.getresponse()
    response.read()
    return response.status


def test_a_worker_that_is_killed_while_another_drains_does_not_keep_the_node(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        with Traffic(node) as traffic:
            traffic.await_streams(UNDER_WAY)
            worker = node.pid_of("worker")
            node.server.process.terminate()
            os.kill(worker, signal.SIGKILL)
            assert node.server.process.wait(SECONDS) == 0
        assert node.processes() == []
        node.serve(node.port)
        account = take_account(node, traffic)
        account.check_nothing_lost()
        assert account.check_crashed()
