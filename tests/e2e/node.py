"""A node as its users run it: `gantry serve` in front of `gantry simulate`, both real processes, asked through the CLI.

Law: whatever a test does to a node, no process of it outlives the test. Waiting is asking again until a deadline; how
a node is, is asked where `gantry status` asks, but in this process: as a command it cost more than a node's own start.
"""

import http.client
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from gantry.console.node_status import read_status
from gantry.home import Home
from tests.postgresql import settings_of

_NOT_LIVE = re.compile(r"NOT live yet: .* do not route by version (\d+)")
SECONDS = 60.0  # the longest that anything here may take
_PAUSE = 0.02
_SHOWN = 5000  # characters of a log, when a test fails
_GANTRY = (sys.executable, "-m", "gantry.cli.main")
_SIMULATE = (sys.executable, "-m", "gantry.simulator", "--port", "0", "--journal", "100000")


def await_true(question: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Ask until the answer is true."""
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, f"in vain for {seconds:g} s: {what}"
        time.sleep(_PAUSE)


class Server:
    """A process whose first line on stdout says where it listens."""

    def __init__(self, command: Sequence[str], stderr: Path, home: Path | None = None) -> None:
        with stderr.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, process_group=0, env=bare_environment(home)
            )
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        line = self.process.stdout.readline() if readable else ""
        self.url = line.strip().rpartition(" ")[2]
        if "listening on http://" not in line:
            self.kill()
            raise AssertionError(f"it said {line!r}; its log ends: {stderr.read_text()[-_SHOWN:]}")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def end(self) -> int:
        """Ask it to end, and return its exit status."""
        self.process.terminate()
        return self.process.wait(SECONDS)


class Node:
    """One home, the gateway that serves it, and the provider behind it."""

    def __init__(self, folder: Path, *options: str, inside: int | None = None, workers: int = 2) -> None:
        """`inside` is the pid of a process in whose mount namespace the gateway is to run."""
        self.workers = workers
        self.home = folder / "home"
        self.stderr = folder / "stderr"
        self._options = options
        self._inside = inside
        self.simulator = Server(_SIMULATE, folder / "simulator.stderr")
        try:
            self.server = Server(self.serve_command(0), self.stderr, self.home)
        except BaseException:
            self.simulator.kill()
            raise
        self.port = self.server.port
        self.key = ""

    @property
    def folder(self) -> Path:
        """The home as it is seen from here. SQLite does not see it: it follows the link that leads there."""
        return self.home if self._inside is None else Path(f"/proc/{self._inside}/root{self.home}")

    @property
    def logs_db(self) -> Path:
        """The logs; when they are out of SQLite's sight, a copy as they are now."""
        if self._inside is None:
            return self.home / "logs.db"
        copy = self.stderr.with_name("copy.db")
        for suffix in ("", "-wal"):
            copy.with_name(copy.name + suffix).write_bytes((self.folder / f"logs.db{suffix}").read_bytes())
        return copy

    def serve(self, port: int = 0) -> Server:
        """Start the gateway on this home again."""
        self.server.kill()
        self.server = Server(self.serve_command(port), self.stderr, self.home)
        return self.server

    def serve_command(self, port: int) -> tuple[str, ...]:
        command = ("serve", "--home", str(self.home), "--port", str(port), "--workers", str(self.workers))
        return (*self._enter(), *_GANTRY, *command, *self._options)

    def refused_serve(self, port: int = 0, *options: str) -> str:
        """Try to serve where that must be refused; return what was said."""
        done = subprocess.run(
            (*self.serve_command(port), *options),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=bare_environment(self.home),
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, ""), done
        assert "Traceback" not in done.stderr
        return done.stderr

    def _enter(self) -> tuple[str, ...]:
        return () if self._inside is None else ("nsenter", f"--target={self._inside}", "--mount")

    def seed(self) -> None:
        """Add the provider and a key, and wait until the node is ready."""
        self.gantry("providers", "add", "mistral", "--api-key", "k", "--base-url", self.simulator.url)
        self.key = self.gantry("keys", "create", "load").stdout.split()[-1]
        self.await_ready()

    def await_ready(self) -> None:
        await_true(
            lambda: is_ready(self.status(), self.workers) and self.ask("/readyz")[0] == 200, "a node that is ready"
        )

    def gantry(self, *arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run a command of the CLI on this home; where what it changed is not live yet, wait until it is."""
        command = (*self._enter(), *_GANTRY, *arguments, "--home", str(self.home))
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, env=bare_environment(self.home), check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        if late := _NOT_LIVE.search(done.stderr):  # it waits for three seconds, and a busy machine takes longer
            version = int(late[1])
            await_true(lambda: (self.status()["snapshot"]["live_version"] or 0) >= version, done.stderr)
        return done

    def status(self) -> dict[str, Any]:
        if self._inside is not None:  # out of our sight
            status: dict[str, Any] = json.loads(self.gantry("status", "--json").stdout)
            return status
        return status_of(self.home)

    def pid_of(self, role: str) -> int:
        """Return the pid of a role's process once it is ready; of the workers, the one with most calls under way."""
        found: list[int] = []

        def is_there() -> bool:
            status = self.status()
            processes = status["workers"] if role == "worker" else [status[role]]
            ready = [process for process in processes if process["state"] == "ready"]
            found.extend(worker["pid"] for worker in sorted(ready, key=lambda process: process.get("in_flight", 0)))
            return bool(ready)

        await_true(is_there, f"a {role} that is ready")
        return found[-1]

    def kill(self, role: str) -> int:
        """Send SIGKILL to the process of a role; return the pid it had."""
        pid = self.pid_of(role)
        os.kill(pid, signal.SIGKILL)
        if role == "supervisor":
            self.server.kill()
        return pid

    def await_another(self, role: str, than: int) -> None:
        """Return once the node is ready again, with another process in that role."""

        def is_there() -> bool:
            status = self.status()
            processes = status["workers"] if role == "worker" else [status[role]]
            others = [process for process in processes if process["pid"] != than and process["state"] == "ready"]
            return is_ready(status, self.workers) and len(others) == len(processes)

        await_true(is_there, f"a new {role}")

    def await_stored(self) -> None:
        """Return once the clerk has stored all that was recorded."""
        await_true(lambda: self.status()["clerk"]["lag"] == 0, "a clerk without lag")

    def ask(
        self, path: str, *, body: bytes | None = None, key: str = "", method: str | None = None
    ) -> tuple[int, bytes]:
        """Make one request on a connection of its own; return status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            headers = {"authorization": f"Bearer {key or self.key}", "content-type": "application/json"}
            connection.request(method or ("GET" if body is None else "POST"), path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def chat(self, text: str, key: str = "") -> tuple[int, bytes]:
        content = {"model": "mistral/mistral-small-latest", "messages": [{"role": "user", "content": text}]}
        return self.ask("/api/v1/chat/completions", body=json.dumps(content).encode(), key=key)

    def seen_upstream(self) -> list[dict[str, Any]]:
        """Return the provider's own journal of requests."""
        connection = http.client.HTTPConnection("127.0.0.1", self.simulator.port, timeout=SECONDS)
        try:
            connection.request("GET", "/_simulator/requests")
            requests: list[dict[str, Any]] = json.loads(connection.getresponse().read())
            return requests
        finally:
            connection.close()

    def processes(self) -> list[str]:
        """Return pid and command of all living processes of this home."""
        listed = subprocess.run(("ps", "-ww", "-eo", "pid=,args="), capture_output=True, text=True, check=True)
        return [line.strip() for line in listed.stdout.splitlines() if f"--home {self.home}" in line]

    def close(self) -> None:
        """End everything. A supervisor that is killed takes its children along; any that stays is a fault."""
        self.server.kill()
        self.simulator.kill()
        try:
            await_true(
                lambda: not self.processes(), f"children that leave with their supervisor: {self.processes()}", 20.0
            )
        finally:
            for line in self.processes():
                os.kill(int(line.split()[0]), signal.SIGKILL)


def status_of(home: Path) -> dict[str, Any]:
    """Return what `gantry status --json` would say of a home."""
    status: dict[str, Any] = msgspec.to_builtins(read_status(Home(home), bare_environment(home)))
    return status


def is_ready(status: Mapping[str, Any], workers: int = 2) -> bool:
    """Say whether so many workers and a clerk are ready. The console starts at its leisure."""
    return [process["state"] for process in (*status["workers"], status["clerk"])] == ["ready"] * (workers + 1)


def bare_environment(home: Path | None = None) -> dict[str, str]:
    """Return this process's environment without settings, keys and proxies that it may hold, for one home or none."""
    return ({} if home is None else settings_of(home)) | {
        name: value
        for name, value in os.environ.items()
        if not (name.startswith("GANTRY_") or name.lower().endswith("_proxy") or name.endswith("_API_KEY"))
    }


@contextmanager
def running_node(folder: Path, *options: str, inside: int | None = None) -> Iterator[Node]:
    """Run a seeded node for the life of the block."""
    node = Node(folder, *options, inside=inside)
    try:
        node.seed()
        yield node
    except BaseException:
        sys.stderr.write(node.stderr.read_text()[-_SHOWN:])
        raise
    finally:
        node.close()
