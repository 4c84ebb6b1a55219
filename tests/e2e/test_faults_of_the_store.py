"""The logs locked, and the disk full, under load: calls go on, or are refused if the setting says so; none is lost."""

import errno
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.node import Node, await_true, running_node
from tests.e2e.traffic import Traffic, take_account
from tests.postgresql import needs_sqlite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150), needs_sqlite]

LOCKED_SECONDS = 10.0
DISK = "48m"
BLOCK = 4096


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
def small_disk(tmp_path: Path) -> Iterator[int]:
    """The pid of a process that sees a small disk as the home, in a mount namespace that goes with it."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a full disk needs a small mount: only root may mount, in a namespace of its own by `unshare`")
    home = tmp_path / "home"
    home.mkdir()
    mount = f'mount -t tmpfs -o size={DISK},mode=0700 gantry "$0" && echo mounted && exec sleep infinity'
    with subprocess.Popen(
        ("unshare", "--mount", "sh", "-c", mount, str(home)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stderr is not None
        try:
            if holder.stdout.readline() != "mounted\n":
                pytest.skip(f"a full disk needs a small mount: {holder.stderr.read().strip()}")
            yield holder.pid
        finally:
            holder.kill()


def fill_disk(node: Node) -> Path:
    """Write a file until there is no room."""
    filler = node.folder / "filler"
    with filler.open("ab", buffering=0) as file:
        file.write(bytes(shutil.disk_usage(node.folder).free))
        try:
            while file.write(bytes(BLOCK)) == BLOCK:
                continue
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    return filler


def test_a_full_disk_refuses_calls_and_loses_none(tmp_path: Path, small_disk: int) -> None:
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


def test_a_full_disk_lets_calls_pass_by_setting_and_counts_them(tmp_path: Path, small_disk: int) -> None:
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


def test_serve_on_a_full_disk_says_so_and_starts_when_there_is_room(tmp_path: Path, small_disk: int) -> None:
    with running_node(tmp_path, inside=small_disk) as node:
        with Traffic(node) as traffic:
            traffic.await_more(20)
            traffic.stop()
        node.kill("supervisor")
        await_true(lambda: not node.processes(), "children that leave")
        (node.folder / "board").unlink()
        filler = fill_disk(node)
        for _ in range(2):
            assert "No space left on device. Free some disk space." in node.refused_serve()
        filler.unlink()
        node.serve(node.port)
        take_account(node, traffic).check_nothing_lost()
