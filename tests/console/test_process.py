"""console/process: it takes its place on the socket and the board, and leaves with its supervisor."""

import http.client
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gantry.board.board import CONSOLE_SLOT, Board, State, Word
from gantry.home import Home, Keyring

pytestmark = pytest.mark.slow


class Running:
    """A console process and the lifeline it hangs on."""

    def __init__(self, home: Home, environment: dict[str, str] | None = None) -> None:
        self.home = home
        read, self.lifeline = os.pipe()
        command = [sys.executable, "-m", "gantry.console", "--home", str(home.path), "--lifeline", str(read)]
        self.process = subprocess.Popen(
            command, pass_fds=[read], stderr=subprocess.PIPE, env={**os.environ, **(environment or {})}
        )
        os.close(read)

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.home.console_socket))
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def wait_until_ready(self) -> None:
        slot = Board(self.home.board).slot(CONSOLE_SLOT)
        while slot[Word.PID] != self.process.pid or slot[Word.STATE] != State.READY:
            assert self.process.poll() is None, "the console ended at its start"
            time.sleep(0.01)

    def cut_lifeline(self) -> None:
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1

    def end(self) -> str:
        """Wait for the end and return what was written to stderr."""
        assert self.process.stderr is not None
        written = self.process.stderr.read().decode()
        self.process.wait(20)
        return written


@pytest.fixture
def running(home: Home, keyring: Keyring) -> Iterator[Running]:
    running = Running(home)
    running.wait_until_ready()
    yield running
    running.cut_lifeline()
    if running.process.poll() is None:
        running.process.kill()
    running.process.wait()
    assert running.process.stderr is not None
    running.process.stderr.close()


def test_it_answers_on_a_socket_of_its_owner_alone(running: Running) -> None:
    assert running.get("/api/health-check/")[0] == 200
    assert running.get("/api/request-logs/list/")[0] == 401
    assert stat.S_IMODE(running.home.console_socket.stat().st_mode) == 0o600


def test_it_lets_calls_go_first(running: Running) -> None:
    pid = running.process.pid
    assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0)  # the supervisor has set it
    if sys.platform == "linux":
        assert os.sched_getscheduler(pid) == os.SCHED_BATCH


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(running: Running, number: signal.Signals) -> None:
    running.process.send_signal(number)
    assert "Traceback" not in running.end()
    assert running.process.returncode == 0
    assert Board(running.home.board).slot(CONSOLE_SLOT)[Word.PID] == 0


def test_it_leaves_when_the_supervisor_is_gone(running: Running) -> None:
    running.cut_lifeline()
    assert "the supervisor is gone" in running.end()
    assert running.process.returncode == 0


def test_a_home_may_be_a_link(home: Home, keyring: Keyring, tmp_path: Path) -> None:
    """As systemd makes one for a service with a user of its own."""
    link = tmp_path / "link"
    link.symlink_to(home.path)
    running = Running(Home(link))
    try:
        running.wait_until_ready()
        assert running.get("/api/health-check/")[0] == 200
    finally:
        running.cut_lifeline()
        running.end()
        assert running.process.stderr is not None
        running.process.stderr.close()


def test_a_successor_takes_the_socket_over(running: Running) -> None:
    running.process.kill()
    running.process.wait()
    successor = Running(running.home)
    try:
        successor.wait_until_ready()
        assert successor.get("/api/health-check/")[0] == 200
    finally:
        successor.cut_lifeline()
        successor.end()
        assert successor.process.stderr is not None
        successor.process.stderr.close()
    assert successor.process.returncode == 0


def test_a_home_without_master_key_is_refused_in_words(tmp_path: Path) -> None:
    running = Running(Home(tmp_path / "empty"))
    written = running.end()
    running.cut_lifeline()
    assert running.process.stderr is not None
    running.process.stderr.close()
    assert running.process.returncode == 1
    assert "master.key is missing" in written
    assert "Traceback" not in written


def test_the_socket_of_a_home_with_a_long_path_is_in_a_folder_of_our_own(tmp_path: Path) -> None:
    runtime = tmp_path / "r"
    runtime.mkdir()
    home = Home(tmp_path / ("long" * 30))
    home.prepare()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        folder = home.console_socket.parent
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    home.master_key.write_text("0" * 64)
    running = Running(home, {"XDG_RUNTIME_DIR": str(runtime)})
    written = running.end()
    running.cut_lifeline()
    assert running.process.stderr is not None
    running.process.stderr.close()
    assert running.process.returncode == 1
    assert "nobody else can write to" in written
