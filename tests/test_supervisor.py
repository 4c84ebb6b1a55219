"""The supervisor with stand-in children: small scripts that say on stderr what happens to them.

Each test reads those lines as its clock, so nothing here sleeps or guesses.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gantry.board.board import SUPERVISOR_SLOT, Board, Word
from gantry.board.counters import Counters
from gantry.home import Home, HomeError, load_keyring
from gantry.supervisor import (
    CannotListen,
    Child,
    Patience,
    Role,
    SignalPipe,
    Supervisor,
    listen,
    serve,
    url_of,
)

CHILD = """
import os, select, signal, socket, sys
role, options = sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2]))
name = role + options.get("--slot", "")
def say(word):
    os.write(2, f"{name} {word} {os.getpid()}\\n".encode())
def stop(number, frame):
    say("TERM")
    if os.environ.get("STUBBORN") != role:
        sys.exit(0)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGHUP, lambda number, frame: say("HUP"))
say("started")
if os.environ.get("CRASHING") == role:
    sys.exit(7)
lifeline = int(options["--lifeline"])
watched = [lifeline]
if role == "worker":
    listener = socket.socket(fileno=int(options["--listen-fd"]))
    watched.append(listener)
while True:
    ready = select.select(watched, [], [])[0]
    if lifeline in ready:
        say("EOF")
        sys.exit(0)
    try:
        client = listener.accept()[0]
    except BlockingIOError:
        continue
    client.sendall(f"{options['--home']} {os.environ['GREETING']}".encode())
    client.close()
"""

DRIVER = """
import logging, os, sys
from pathlib import Path
from gantry.home import Home
from gantry.supervisor import Patience, Role, serve
logging.basicConfig(level="INFO", format="supervisor %(message)s")
os.nice(int(os.environ.get("NICE", "0")))
serve(
    Home(Path(sys.argv[1])),
    host="127.0.0.1",
    port=int(sys.argv[2]),
    workers=2,
    environment={"GREETING": "hello"},
    announce=lambda url: print(url, flush=True),
    commands={role: (sys.executable, "-I", "-c", sys.argv[4], role) for role in Role},
    patience=Patience(backoff=0.01, backoff_cap=0.05, drain=float(sys.argv[3]), margin=0.0),
)
"""

ALL_CHILDREN = {"clerk", "console", "worker3", "worker4"}


class Node:
    """A supervisor in a process of its own, and the lines it and its children write."""

    def __init__(self, home: Path, port: int, drain: float, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(home), str(port), str(drain), CHILD],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._stderr = self.process.stderr
        self.url = self.process.stdout.readline().strip()
        self.pids: dict[str, int] = {}
        self.seen: list[str] = []

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def read_until(self, condition: Callable[[str], bool]) -> str:
        for line in self._stderr:
            self.seen.append(line.strip())
            name, _, rest = line.strip().partition(" ")
            if rest.startswith("started "):
                self.pids[name] = int(rest.split()[1])
            if condition(line.strip()):
                return line.strip()
        raise AssertionError(f"the supervisor ended before that was said; it said: {self.seen}")

    def await_children(self) -> None:
        while set(self.pids) != ALL_CHILDREN:
            self.read_until(lambda line: " started " in line)

    def read_to_end(self) -> list[str]:
        """Read all lines until the supervisor and every child have closed their stderr, so until all are gone."""
        self.seen += [line.strip() for line in self._stderr]
        return self.seen

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


Start = Callable[..., Node]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    nodes: list[Node] = []

    def start_node(*, port: int = 0, drain: float = 30.0, **environment: str) -> Node:
        nodes.append(Node(tmp_path / "home", port, drain, environment))
        return nodes[-1]

    yield start_node
    for node in nodes:
        node.close()


def call(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port)) as client:
        return client.makefile().read()


@pytest.mark.slow
def test_workers_serve_the_socket_that_the_supervisor_bound(start: Start, tmp_path: Path) -> None:
    node = start()
    assert call(node.port) == f"{tmp_path / 'home'} hello"


@pytest.mark.slow
@pytest.mark.parametrize("niceness", [0, 3])
def test_calls_come_before_records_and_records_before_questions(start: Start, niceness: int) -> None:
    """And none of them before others of a machine on which Gantry was started to stand back."""
    node = start(NICE=str(niceness))
    node.await_children()
    own = os.getpriority(os.PRIO_PROCESS, node.process.pid)
    assert own == min(os.getpriority(os.PRIO_PROCESS, 0) + niceness, 19)
    order = [os.getpriority(os.PRIO_PROCESS, node.pids[name]) for name in ("worker3", "clerk", "console")]
    assert order == [own, min(own + 5, 19), min(own + 10, 19)]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ALL_CHILDREN))
def test_a_killed_child_is_replaced_at_once(start: Start, tmp_path: Path, name: str) -> None:
    node = start()
    node.await_children()
    killed = node.pids[name]
    os.kill(killed, signal.SIGKILL)
    node.read_until(lambda line: line.startswith(f"{name} started"))
    assert node.pids[name] != killed
    assert any("was ended by SIGKILL; starting it again in 0.0 s" in line for line in node.seen)
    assert Board(tmp_path / "home" / "board").slot(SUPERVISOR_SLOT)[Word.RESTARTS] == 1
    assert call(node.port)


@pytest.mark.slow
def test_a_crash_loop_is_slowed_down_and_named(start: Start) -> None:
    node = start(CRASHING="console")
    node.read_until(lambda line: "console has died 5 times in a row" in line)
    assert sum("console" in line and "ended with status 7" in line for line in node.seen) == 5
    assert call(node.port)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_drain_ends_workers_then_console_then_clerk(start: Start, tmp_path: Path, number: int) -> None:
    node = start()
    node.await_children()
    node.process.send_signal(number)
    order = [line.split()[0] for line in node.read_to_end() if " TERM " in line]
    assert set(order[:2]) == {"worker3", "worker4"}
    assert order[2:] == ["console", "clerk"]
    assert node.process.wait() == 0
    assert Board(tmp_path / "home" / "board").slot(SUPERVISOR_SLOT)[Word.PID] == 0


@pytest.mark.slow
def test_a_child_that_does_not_finish_in_time_is_killed(start: Start) -> None:
    node = start(STUBBORN="worker", drain=0.1)
    node.await_children()
    node.process.terminate()
    said = node.read_to_end()
    assert sum("did not finish in time and is killed" in line for line in said) == 2
    assert node.process.wait() == 0


@pytest.mark.slow
def test_a_second_signal_does_not_wait(start: Start) -> None:
    node = start(STUBBORN="worker")
    node.await_children()
    node.process.terminate()
    node.read_until(lambda line: "worker3 TERM" in line)
    node.process.terminate()
    assert any("second signal" in line for line in node.read_to_end())
    assert node.process.wait() == 0


@pytest.mark.slow
def test_sighup_goes_to_the_clerk(start: Start) -> None:
    node = start()
    node.await_children()
    node.process.send_signal(signal.SIGHUP)
    node.read_until(lambda line: line.startswith("clerk HUP"))
    node.process.terminate()
    assert [line.split()[0] for line in node.read_to_end() if " HUP " in line] == ["clerk"]


@pytest.mark.slow
def test_when_the_supervisor_is_killed_its_children_leave_and_a_successor_starts_at_once(start: Start) -> None:
    first = start()
    first.await_children()
    first.process.kill()
    second = start(port=first.port)
    assert call(second.port)
    left = [line for line in first.read_to_end() if " EOF " in line]
    assert {line.split()[0] for line in left} == ALL_CHILDREN


@pytest.mark.slow
def test_a_home_in_use_is_refused_with_the_holder_named(start: Start, tmp_path: Path) -> None:
    node = start()
    with pytest.raises(HomeError, match=f"in use by another gantry supervisor \\(pid {node.process.pid}\\)"):
        serve(
            Home(tmp_path / "home"),
            host="127.0.0.1",
            port=0,
            workers=1,
            environment={},
            announce=lambda url: None,
        )


def test_a_memory_of_resources_that_cannot_be_read_is_refused_with_advice(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    load_keyring(home, create=True)
    home.resources.write_bytes(b"of another version" * 100)
    with pytest.raises(HomeError, match="move the file away"):
        serve(home, host="127.0.0.1", port=0, workers=1, environment={}, announce=lambda url: None)


def test_a_port_in_use_is_refused_with_advice() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"cannot listen on 127.0.0.1:{port}: .*--port"):
            listen("127.0.0.1", port)


def test_an_unknown_host_is_refused_with_advice() -> None:
    with pytest.raises(CannotListen, match="--host"):
        listen("a" * 64 + ".example", 0)


def test_a_url_brackets_ipv6_addresses() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert url_of(listener, "https") == f"https://127.0.0.1:{listener.getsockname()[1]}"
    if socket.has_dualstack_ipv6():
        with listen("::1", 0) as listener:
            assert url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


@pytest.mark.parametrize("workers", [0, -1, 62])
def test_the_number_of_workers_is_bounded_by_the_board(tmp_path: Path, workers: int) -> None:
    with pytest.raises(HomeError, match="between 1 and 61"):
        serve(
            Home(tmp_path),
            host="127.0.0.1",
            port=0,
            workers=workers,
            environment={},
            announce=lambda url: None,
        )


def test_restarts_back_off_and_a_steady_run_forgives() -> None:
    patience = Patience(backoff=1.0, backoff_cap=5.0, steady=10.0)
    child = Child(Role.CLERK, 1)
    delays = [child.plan_restart(0.0, patience) for _ in range(6)]
    assert delays == [0.0, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert child.plan_restart(9.9, patience) == 5.0
    assert child.plan_restart(10.0, patience) == 0.0


def test_a_program_that_cannot_be_started_does_not_end_the_supervisor(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    nowhere = dict.fromkeys(Role, ("/nonexistent/program",))

    def stop_at_once() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with listen("127.0.0.1", 0) as listener:
        board = Board(home.board)
        Supervisor(home.path, board, Counters(home.counters), listener, 1, {}, nowhere, Patience()).run(stop_at_once)
    assert not any(slot[Word.PID] for slot in board.slots())


def test_a_signal_that_came_before_the_look_is_seen() -> None:
    with SignalPipe() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert signals.wait(0.0) == {signal.SIGHUP}
        assert signals.wait(0.0) == frozenset()


@pytest.mark.slow
def test_the_supervisor_has_no_ciphers_and_no_tls(tmp_path: Path) -> None:
    """11 MB that it would hold for a key that it only derives from; it makes and reads all of a home's keys here."""
    program = (
        "import sys, pathlib, gantry.cli.serve; from gantry.home import Home, load_keyring\n"
        "home = Home(pathlib.Path(sys.argv[1])); home.prepare(); load_keyring(home, create=True)\n"
        "found = {'cryptography', 'ssl', 'asyncio'} & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
