"""The database locked, and the disk full, under load: calls go on or are refused as the setting says, and none is lost."""

import errno
import os
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.e2e.node import Node, await_true, running_node
from tests.e2e.traffic import Traffic, take_account

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

LOCKED_SECONDS = 10.0
DISK = "48m"


def test_calls_pass_while_the_logs_are_locked_and_are_stored_afterwards(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        with Traffic(node) as traffic:
            traffic.await_more(10)
            with closing(sqlite3.connect(node.home / "logs.db", isolation_level=None, timeout=30.0)) as other:
                other.execute("BEGIN EXCLUSIVE")
                until = time.monotonic() + LOCKED_SECONDS
                while time.monotonic() < until:
                    traffic.await_more(10, stream=True)
                assert node.status()["clerk"]["lag"]
                other.execute("COMMIT")
        account = take_account(node, traffic)
        account.check_nothing_lost()
        assert all(answer.complete and answer.status == 200 for answer in account.answers)
        assert account.unrecorded == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> tuple[str, ...]:
    """A command that runs another with a small disk for a home, in a mount namespace that goes with it."""
    if os.geteuid() != 0:
        pytest.skip("a full disk needs a small mount, and only root may mount")
    home = tmp_path / "home"
    home.mkdir()
    inside = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size={DISK},mode=0700 gantry "$0" && exec "$@"', str(home))
    try:
        tried = subprocess.run((*inside, "true"), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("a full disk needs a mount namespace: there is no `unshare` here")
    if tried.returncode != 0:
        pytest.skip(f"a full disk needs a mount namespace: {tried.stderr.strip()}")
    return inside


def fill_disk(node: Node) -> Path:
    """Write a file that leaves no room."""
    filler = node.folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)) == 4096:
                continue
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
    return filler


def test_a_full_disk_refuses_calls_and_loses_none(tmp_path: Path, small_disk: tuple[str, ...]) -> None:
    with running_node(tmp_path, inside=small_disk) as node:
        with Traffic(node) as traffic:
            traffic.await_more(20)
            filler = fill_disk(node)
            traffic.await_more(50, status=503)
            assert node.ask("/readyz")[0] == 503
            assert node.ask("/healthz")[0] == 200
            filler.unlink()
            traffic.await_more(50)
            traffic.await_more(10, stream=True)
        account = take_account(node, traffic)
        account.check_nothing_lost()
        recorded = account.recorded()
        assert {answer.marker for answer in account.answers if answer.status == 200} <= set(recorded)
        await_true(lambda: node.ask("/readyz")[0] == 200, "a worker that is ready again")


def test_a_full_disk_lets_calls_pass_by_setting_and_counts_them(tmp_path: Path, small_disk: tuple[str, ...]) -> None:
    with running_node(tmp_path, "--journal-full", "pass", inside=small_disk) as node:
        with Traffic(node) as traffic:
            traffic.await_more(20)
            filler = fill_disk(node)
            traffic.await_more(100)
            traffic.await_more(10, stream=True)
            filler.unlink()
            traffic.await_more(50)
        account = take_account(node, traffic)
        account.check_nothing_lost()
        assert all(answer.complete and answer.status == 200 for answer in account.answers)
        assert account.unrecorded > 0
