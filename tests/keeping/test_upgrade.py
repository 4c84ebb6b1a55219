"""`gantry upgrade --check`, and a start that refuses databases of a newer version."""

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from gantry.store.database import Database
from tests.e2e.node import SECONDS, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


def set_revision(path: Path, table: str, revision: str) -> None:
    with closing(Database(path)) as database, database.writing() as connection:
        connection.execute(text(f"UPDATE {table} SET version_num = :revision"), {"revision": revision})


def test_a_start_refuses_what_a_newer_version_has_migrated_and_says_the_way_back(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        assert "control: revision c" in node.gantry("upgrade", "--check").stdout
        assert "nothing to do" in node.gantry("upgrade", "--check").stdout
        assert node.server.end() == 0
        set_revision(node.home / "logs.db", "logs_revision", "l9999")
        said = node.gantry("upgrade", "--check", code=1).stderr
        assert "a newer Gantry has migrated it" in said
        before = node.stderr.stat().st_size
        server = node.serve()
        assert server.process.wait(SECONDS) == 1
        said = node.stderr.read_text()[before:]
        assert "has revision l9999 of the logs tables" in said
        assert "cannot be served by this version" in said


def test_a_running_gateway_goes_on_when_another_machine_has_upgraded_the_database(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        for _ in range(2):
            killed = node.kill("clerk")
            node.await_another("clerk", killed)
        set_revision(node.home / "logs.db", "logs_revision", "l9999")
        node.kill("clerk")
        assert node.chat("stored later")[0] == 200
        assert node.server.process.poll() is None
