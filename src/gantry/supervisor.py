"""The supervisor: binds the socket, starts the clerk, the console and the workers, watches them, and drains on SIGTERM.

Law: it starts processes and imports none of them. It holds nothing that cannot be lost: all it owns is the socket, the
home's lock and the write ends of the *lifelines*, one pipe per child on which nothing is ever written. When the
supervisor goes, even by SIGKILL, every child reads end-of-file and leaves, so a successor finds home and port free.
(One pipe for all would not do: a child that sets it non-blocking would set it for its siblings.)

A loop over signals and deadlines needs no event loop: each signal becomes a byte in a pipe, so none is lost between two
looks. Workers are drained first, then the console, and the clerk last, because it stores what the others recorded.
"""

import errno
import logging
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import FrameType

from msgspec import Struct

from gantry.board.board import (
    CLERK_SLOT,
    CONSOLE_SLOT,
    FIRST_WORKER_SLOT,
    SLOTS,
    SUPERVISOR_SLOT,
    Board,
    State,
    Word,
)
from gantry.board.counters import Counters, prepare_counters
from gantry.board.health import HealthBook
from gantry.board.resources import ResourceBook, ResourcesUnreadable
from gantry.home import Home, HomeError, Keyring, MasterKeys, load_keyring

MAX_WORKERS = SLOTS - FIRST_WORKER_SLOT
MASTER_KEY_VARIABLE = "GANTRY_MASTER_KEY"
URL_VARIABLE = "GANTRY_LISTENS_ON"  # in the environment of the children
_BACKLOG = 4096
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_WANTED_FILES = 65_536
_LONGEST_SLEEP = 1.0
_CRASH_LOOP = 5
_STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
_WATCHED_SIGNALS = _STOP_SIGNALS | {signal.SIGHUP, signal.SIGCHLD}

logger = logging.getLogger(__name__)


class Role(StrEnum):
    """A kind of child, in the order of the drain."""

    WORKER = "worker"
    CONSOLE = "console"
    CLERK = "clerk"


COMMANDS: Mapping[Role, Sequence[str]] = {
    Role.WORKER: (sys.executable, "-P", "-m", "gantry.gateway"),
    Role.CONSOLE: (sys.executable, "-P", "-m", "gantry.console"),
    Role.CLERK: (sys.executable, "-P", "-m", "gantry.clerk"),
}

# On a busy machine, and while all of them import at start, calls come first. On top of the supervisor's own, below
# which only root may go; a tenth of a busy CPU stays for the console.
NICENESS: Mapping[Role, int] = {Role.WORKER: 0, Role.CLERK: 5, Role.CONSOLE: 10}
_NICEST = 19


# glibc returns what was freed at the end of the heap, or was large, to the kernel, and a worker that reads bodies of
# 100 KB and more has it back in a moment, page fault by page fault: a tenth or more of such a call (`scripts/bench`).
# Other libraries of C do not read these.
_KEEP_MEMORY: Mapping[str, str] = {"MALLOC_MMAP_THRESHOLD_": str(4 << 20), "MALLOC_TRIM_THRESHOLD_": str(16 << 20)}
# The clerk and the console have threads that wait for databases. Each would get a heap of its own that it hardly fills.
_ONE_HEAP: Mapping[str, str] = {"MALLOC_ARENA_MAX": "1"}


class Patience(Struct, frozen=True, kw_only=True):
    """How long the supervisor waits for what, in seconds."""

    backoff: float = 0.2  # before the second restart; the first is immediate, each later one waits twice as long
    backoff_cap: float = 10.0
    steady: float = 10.0  # a child that ran so long has no crashes behind it
    drain: float = 30.0  # workers finish their streams
    console: float = 5.0
    clerk: float = 30.0
    margin: float = 2.0  # over the drain, which the workers time themselves
    orphans: float = 5.0  # children of a predecessor that was killed


DEFAULT_PATIENCE = Patience()


class CannotListen(Exception):
    """The address cannot be bound; the message says why and what to do."""


def serve(
    home: Home,
    *,
    host: str,
    port: int,
    workers: int,
    environment: Mapping[str, str],
    announce: Callable[[str], None],
    commands: Mapping[Role, Sequence[str]] = COMMANDS,
    patience: Patience = DEFAULT_PATIENCE,
    scheme: str = "http",
    with_console: bool = True,
) -> None:
    """Run a node until a signal ends it. `announce` gets the URL as soon as connections are accepted; `environment`
    is what the children find in theirs beside ours; `scheme` is what the workers speak. Without a console, another
    machine has one for this.

    Raises HomeError or CannotListen, before any child is started.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise HomeError(f"--workers must be between 1 and {MAX_WORKERS}, not {workers}.")
    os.umask(0o077)
    _raise_file_limit()
    home.prepare()
    lock = home.lock("supervisor")
    try:
        keyring = load_keyring(home, os.environ.get(MASTER_KEY_VARIABLE), create=True)
        MasterKeys(home, os.environ.get(MASTER_KEY_VARIABLE)).forget_rotation()
        _check_resources(home, keyring)
        wait_until = time.monotonic() + (patience.orphans if _predecessor_was_killed(home) else 0.0)
        listener = listen(host, port, wait_until)
        _await_lock(home, Role.CLERK, wait_until)
        board = _make_board(home)
        counters = _open_counters(home)
        url = url_of(listener, scheme)
        environment = {**environment, URL_VARIABLE: url}
        if not with_console:
            board.slot(CONSOLE_SLOT)[Word.STATE] = State.ELSEWHERE
        supervisor = Supervisor(
            home.path, board, counters, listener, workers, environment, commands, patience, with_console
        )
        supervisor.run(lambda: announce(url))
        _write_out(counters)
    finally:
        lock.release()


def _make_board(home: Home) -> Board:
    """Make what the processes share anew: an orphan may still be counting in its mapping of the old files.

    Health goes with it: its times are of a clock that may have begun again.
    """
    home.board.unlink(missing_ok=True)
    home.health.unlink(missing_ok=True)
    making = home.board
    try:
        board = Board(home.board)
        making = home.health
        HealthBook(home.health).close()
    except OSError as error:
        home.board.unlink(missing_ok=True)
        home.health.unlink(missing_ok=True)
        raise HomeError(f"cannot write {making}: {error.strerror}. Free some disk space.") from error
    return board


def _open_counters(home: Home) -> Counters:
    """Open what limits and credits have counted, which goes on from where it stopped."""
    try:
        return prepare_counters(home.counters, _boot_number())
    except OSError as error:
        raise HomeError(f"cannot write {home.counters}: {error.strerror}. Free some disk space.") from error


def _write_out(counters: Counters) -> None:
    """Note that all is on the disk; where that fails, it is filled from the store when the machine stops."""
    try:
        counters.stop()
    except OSError as error:
        logger.warning("the counters are not written out: %s", error)


def _boot_number() -> int:
    """Return a number of this run of the machine; 0 where the system tells none."""
    try:
        return int(_BOOT_ID.read_text().strip().replace("-", "")[:15], 16)
    except (OSError, ValueError):
        return 0


def listen(host: str, port: int, wait_until: float = 0.0) -> socket.socket:
    """Return a listening socket; on an address in use, try again until the monotonic time `wait_until`."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
    except (socket.gaierror, UnicodeError) as error:
        raise CannotListen(f"cannot listen on {host}: {error}. Give another --host.") from error
    while True:
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
            return listener
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE or time.monotonic() >= wait_until:
                advice = "Stop what uses it, or choose another with --port (0 picks a free one)."
                raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror}. {advice}") from error
        time.sleep(0.02)


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{scheme}://{host}:{port}"


def _check_resources(home: Home, keyring: Keyring) -> None:
    """Make the memory of resources, or see that it can be read, before a worker fails on it again and again."""
    try:
        ResourceBook.open(home.resources, keyring.resources).close()
    except ResourcesUnreadable as error:
        raise HomeError(str(error)) from error
    except OSError as error:
        raise HomeError(f"cannot write {home.resources}: {error.strerror}. Free some disk space.") from error


def _predecessor_was_killed(home: Home) -> bool:
    """Say whether the last supervisor left without clearing its slot, so that orphans may still be leaving."""
    return home.board.exists() and Board(home.board).slot(SUPERVISOR_SLOT)[Word.PID] != 0


def _await_lock(home: Home, role: Role, wait_until: float) -> None:
    """Wait for an orphan of this role to leave; when it does not, the new child will say so."""
    while time.monotonic() < wait_until:
        try:
            return home.lock(role).release()
        except HomeError:
            time.sleep(0.02)
    return None


def _raise_file_limit() -> None:
    """Allow as many open files as we may: a stream holds two sockets, and 1,024 is a common soft limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError) as error:
            logger.warning("open files stay limited to %d: %s", soft, error)


class SignalPipe:
    """The watched signals as bytes in a pipe, read by `wait`."""

    def __enter__(self) -> "SignalPipe":
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._read, selectors.EVENT_READ)
        self._previous_fd = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._previous = {number: signal.signal(number, _ignore) for number in _WATCHED_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_fd)
        self._selector.close()
        self._read.close()
        self._write.close()

    def wait(self, seconds: float) -> frozenset[int]:
        """Return the signals that arrived since the last look, waiting for the first of them."""
        if not self._selector.select(max(0.0, seconds)):
            return frozenset()
        return frozenset(self._read.recv(4096))


def _ignore(number: int, frame: FrameType | None) -> None:
    """A handler that does nothing: the byte in the pipe is the message."""


class Child:
    """One process to be kept running, and what is remembered of its deaths."""

    __slots__ = ("crashes", "lifeline", "name", "process", "restart_at", "role", "slot", "started_at")

    def __init__(self, role: Role, slot: int) -> None:
        self.role = role
        self.slot = slot
        self.name = f"worker {slot - FIRST_WORKER_SLOT}" if role is Role.WORKER else str(role)
        self.process: subprocess.Popen[bytes] | None = None
        self.lifeline: int | None = None
        self.started_at = 0.0
        self.restart_at: float | None = 0.0
        self.crashes = 0

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)

    def drop_lifeline(self) -> None:
        if self.lifeline is not None:
            os.close(self.lifeline)
            self.lifeline = None

    def plan_restart(self, now: float, patience: Patience) -> float:
        """Note a death and return the seconds to wait: none at first, then twice as long each time, up to the cap."""
        if now - self.started_at >= patience.steady:
            self.crashes = 0
        self.crashes += 1
        delay = 0.0 if self.crashes == 1 else min(patience.backoff * 2 ** (self.crashes - 2), patience.backoff_cap)
        self.restart_at = now + delay
        return delay


class Supervisor:
    """The children of one node, from the first start to the end of the drain."""

    def __init__(
        self,
        home: Path,
        board: Board,
        counters: Counters,
        listener: socket.socket,
        workers: int,
        environment: Mapping[str, str],
        commands: Mapping[Role, Sequence[str]],
        patience: Patience,
        with_console: bool = True,
    ) -> None:
        self._home = home
        self._board = board
        self._counters = counters
        self._listener = listener
        self._environment = {**os.environ, **environment}
        self._commands = commands
        self._patience = patience
        self._own_slot = board.slot(SUPERVISOR_SLOT)
        self._has_lost_a_clerk = False
        self._is_refused = False  # the first clerk refuses what it found: starting it again would mend nothing
        self._niceness = os.getpriority(os.PRIO_PROCESS, 0)
        self._children = [
            Child(Role.CLERK, CLERK_SLOT),
            *(Child(Role.WORKER, FIRST_WORKER_SLOT + number) for number in range(workers)),
            *([Child(Role.CONSOLE, CONSOLE_SLOT)] if with_console else []),
        ]

    def run(self, announce: Callable[[], None]) -> None:
        """Start all children, keep them running until SIGTERM or SIGINT, drain, and leave the board clean."""
        self._own_slot.claim(os.getpid(), time.time_ns())
        try:
            with SignalPipe() as signals:
                self._start_due(time.monotonic())
                announce()
                self._own_slot[Word.PORT] = self._listener.getsockname()[1]
                self._own_slot[Word.STATE] = State.READY  # what the console has to say comes after the announcement
                self._watch(signals)
                self._own_slot[Word.STATE] = State.DRAINING
                self._drain(signals)
        finally:
            for child in self._children:
                child.drop_lifeline()
        self._own_slot.release()
        if self._is_refused:
            raise HomeError(f"{self._home} cannot be served by this version: see the clerk's message above.")

    def _watch(self, signals: SignalPipe) -> None:
        while True:
            arrived = signals.wait(self._next_deadline(time.monotonic()))
            now = time.monotonic()
            self._own_slot[Word.HEARTBEAT] = time.time_ns()
            if arrived & _STOP_SIGNALS or self._is_refused:
                return
            if signal.SIGHUP in arrived:
                logger.info("SIGHUP: the clerk applies gantry.toml again")
                self._signal(Role.CLERK, signal.SIGHUP)
            for child in self._children:
                if child.process is not None and child.process.poll() is not None:
                    self._bury(child, child.process, now)
            self._start_due(now)

    def _next_deadline(self, now: float) -> float:
        """Return the seconds until a restart is due, at most those between two heartbeats."""
        due = (child.restart_at - now for child in self._children if child.restart_at is not None)
        return min((_LONGEST_SLEEP, *due))

    def _start_due(self, now: float) -> None:
        for child in self._children:
            if child.restart_at is not None and child.restart_at <= now:
                self._start(child, now)

    def _start(self, child: Child, now: float) -> None:
        lifeline, child.lifeline = os.pipe()
        arguments = [*self._commands[child.role], "--home", str(self._home), "--lifeline", str(lifeline)]
        inherited = [lifeline]
        if child.role is Role.WORKER:
            arguments += ["--listen-fd", str(self._listener.fileno()), "--slot", str(child.slot)]
            inherited.append(self._listener.fileno())
            environment = {**_KEEP_MEMORY, **self._environment}
        else:  # so PostgreSQL names its connections, where the administrator has not named them
            environment = {"PGAPPNAME": f"gantry_{child.role}", **_ONE_HEAP, **self._environment}
        child.started_at = now
        child.restart_at = None
        try:
            child.process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                # Ours carries where we listen, and the console's word on how to claim it, and no more.
                stdout=None if child.role is Role.CONSOLE else sys.stderr.fileno(),
                env=environment,
                pass_fds=inherited,
                process_group=0,  # Ctrl-C is for the supervisor, which drains in order
            )
            os.setpriority(os.PRIO_PROCESS, child.process.pid, min(self._niceness + NICENESS[child.role], _NICEST))
        except OSError as error:
            child.drop_lifeline()
            delay = child.plan_restart(now, self._patience)
            logger.error("%s cannot be started: %s; next try in %.1f s", child.name, error, delay)
        finally:
            os.close(lifeline)

    def _bury(self, child: Child, process: "subprocess.Popen[bytes]", now: float) -> None:
        """Clear up after a child that died, and plan its successor."""
        child.process = None
        child.drop_lifeline()
        self._board.slot(child.slot).release()
        self._counters.release_slot(child.slot)
        self._own_slot.add(Word.RESTARTS)
        if child.role is Role.CLERK:
            # Later it may be another machine's upgrade of the database that both share, and calls must go on.
            self._is_refused = process.returncode == os.EX_CONFIG and not self._has_lost_a_clerk
            self._has_lost_a_clerk = True
        delay = child.plan_restart(now, self._patience)
        end = _describe_exit(process.returncode)
        logger.warning("%s (pid %d) %s; starting it again in %.1f s", child.name, process.pid, end, delay)
        if child.crashes >= _CRASH_LOOP:
            what = "%s has died %d times in a row without running for %.0f s: see its messages above"
            logger.error(what, child.name, child.crashes, self._patience.steady)

    def _signal(self, role: Role, number: signal.Signals) -> None:
        for child in self._children:
            if child.role is role:
                child.signal(number)

    def _drain(self, signals: SignalPipe) -> None:
        """End the children role by role. A second signal ends a role at once; the journal keeps what it wrote."""
        logger.info("draining: workers have %.0f s to finish", self._patience.drain)
        self._listener.close()
        for role, seconds in (
            (Role.WORKER, self._patience.drain + self._patience.margin),
            (Role.CONSOLE, self._patience.console),
            (Role.CLERK, self._patience.clerk),
        ):
            self._end([child for child in self._children if child.role is role], signals, seconds)
        logger.info("stopped")

    def _end(self, children: Iterable[Child], signals: SignalPipe, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        left = list(children)
        for child in left:
            child.signal(signal.SIGTERM)
        while left := [child for child in left if child.is_running]:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            arrived = signals.wait(min(remaining, _LONGEST_SLEEP))
            self._own_slot[Word.HEARTBEAT] = time.time_ns()
            if arrived & _STOP_SIGNALS:
                logger.warning("second signal: not waiting for %s", ", ".join(child.name for child in left))
                break
        for child in left:
            logger.warning("%s did not finish in time and is killed", child.name)
            child.signal(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()


def _describe_exit(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with status {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"
