"""A whole node as its users run it: `gantry serve` and a simulator behind it, driven by the CLI and by HTTP."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.node import status_of

_SECONDS = 60.0


class Reply(NamedTuple):
    status: int
    headers: str
    body: bytes


class Stack:
    """One running node. `replies` keeps all that callers were told."""

    def __init__(self, folder: Path, port: int, provider: str) -> None:
        self.home = folder / "home"
        self.stderr = folder / "stderr"
        self.port = port
        self.provider = provider
        self.replies: list[Reply] = []

    def gantry(self, *arguments: str) -> str:
        """Run a command of the CLI and return the last line it printed."""
        command = [sys.executable, "-m", "gantry.cli.main", *arguments, "--home", str(self.home)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, env=bare_environment())
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().rpartition("\n")[2]

    def ask(self, method: str, path: str, key: str, body: bytes | None = None, **headers: str) -> Reply:
        """Make one request and keep what was answered."""
        sent = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            try:
                content = answer.read()
            except http.client.IncompleteRead as cut:
                content = cut.partial
            reply = Reply(answer.status, str(answer.headers), content)
        finally:
            connection.close()
        self.replies.append(reply)
        return reply

    def post(self, path: str, key: str, content: Mapping[str, Any], **headers: str) -> Reply:
        return self.ask("POST", path, key, json.dumps(content).encode(), **headers)

    def status(self) -> dict[str, Any]:
        return status_of(self.home)

    @contextmanager
    def clerk_stopped(self) -> Iterator[None]:
        """Hold the clerk still, so that all that is recorded meanwhile lies in the journal."""
        pid = self.status()["clerk"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def await_stored(self) -> None:
        """Return once the clerk has stored all that was recorded."""
        deadline = time.monotonic() + _SECONDS
        while self.status()["clerk"]["lag"] != 0:
            assert time.monotonic() < deadline, "the clerk does not catch up"

    def files(self) -> Iterator[tuple[Path, bytes]]:
        """Yield every file under the home, and what the processes wrote to stderr."""
        for path in (self.stderr, *self.home.rglob("*")):
            if path.is_file():
                yield path, path.read_bytes()


def bare_environment() -> dict[str, str]:
    """Return this process's environment without settings, keys and proxies that it may hold."""
    kept = {}
    for name, value in os.environ.items():
        if not (name.startswith("GANTRY_") or name.lower().endswith("_proxy") or name.endswith("_API_KEY")):
            kept[name] = value
    return kept


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    """Run a node on an empty home, and a simulator, until the block ends."""
    simulate = [sys.executable, "-m", "gantry.simulator", "--port", "0"]
    serve = [sys.executable, "-m", "gantry.cli.main", "serve", "--port", "0", "--workers", "1"]
    with (
        _running(simulate, folder / "simulator.stderr") as provider,
        _running([*serve, "--home", str(folder / "home")], folder / "stderr") as url,
    ):
        stack = Stack(folder, int(url.rpartition(":")[2]), provider)
        deadline = time.monotonic() + _SECONDS
        for path in ("/readyz", "/api/health-check/"):  # calls pass before the console has started
            while stack.ask("GET", path, "").status != 200:
                assert time.monotonic() < deadline, stack.stderr.read_text()
        yield stack


@contextmanager
def _running(command: list[str], stderr: Path) -> Iterator[str]:
    """Run a server that says on its first line where it listens; yield that URL, and end it in order."""
    with stderr.open("wb") as written:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=written, text=True, process_group=0, env=bare_environment()
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert "listening on http://" in line, stderr.read_text()
        yield line.split()[-1]
    finally:
        process.terminate()
        try:
            process.wait(_SECONDS)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
