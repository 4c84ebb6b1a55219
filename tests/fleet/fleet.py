"""Three machines with Gantry on them, before one database, one Redis and the same providers; and those who call them.

A caller does what a load balancer does that looks at `/readyz` and tries the next machine where one cannot be connected
to: nothing else is tried again. Each call has a marker, by which it is told among what the provider saw and what is on
record.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg

from tests.e2e.node import SECONDS, Server, await_true, bare_environment
from tests.e2e.traffic import MODEL, Account, Answer, Record
from tests.fleet.network import DATABASE, PROVIDERS, REDIS, Machine
from tests.fleet.services import PORT

MASTER_KEY: Final = "5a" * 32
NAME: Final = "fleet"
URL: Final = f"postgresql://postgres@{DATABASE}:{PORT}/{NAME}"
_GANTRY: Final = (sys.executable, "-P", "-c", "from gantry.cli.main import main; main()")
_LISTENS_ON: Final = 8790
_PACED: Final = "tokens-per-second=40; tokens=40"  # about a second
_PAUSE: Final = 0.05
_COLUMNS: Final = (
    "log_id, organization_id, custom_identifier, outcome, status_code, stream, input_tokens, output_tokens, "
    "usage_estimated, cost::bigint, price_missing"
)


class FleetNode:
    """A machine's home, and the gateway on it."""

    def __init__(self, folder: Path, machine: Machine, providers: int, more: str = "") -> None:
        self.machine = machine
        self.home = folder / "home"
        self.home.mkdir(parents=True, mode=0o700)
        self._log = folder / "stderr"
        # `database` is what versions before `database_url` understand, too.
        settings = f'database = "{URL}"\nredis_url = "redis://{REDIS}:6379/0"\nredis_timeout = 2.0\n'
        provider = (
            f'[[providers]]\nprovider = "mistral"\napi_key = "s"\nbase_url = "http://{PROVIDERS}:{providers}/mistral"\n'
        )
        (self.home / "gantry.toml").write_text(settings + "\n" + provider + more)
        self.server: Server | None = None

    def start(self, source: Path | None = None) -> None:
        """Start the gateway, or that of another source, and wait until it serves."""
        command = ("serve", "--home", str(self.home), "--host", self.machine.address, "--port", str(_LISTENS_ON))
        self.server = Server(
            (*self.machine.inside, "env", *_environment(source), *_GANTRY, *command, "--workers", "1"), self._log
        )
        await_true(self.is_ready, f"{self.machine.address} ready")

    def is_ready(self) -> bool:
        try:
            return self.ask("/readyz")[0] == 200
        except OSError:
            return False

    def ask(self, path: str, key: str = "") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.machine.address, _LISTENS_ON, timeout=SECONDS)
        try:
            connection.request("GET", path, headers={"authorization": f"Bearer {key}"} if key else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def gantry(self, *words: str, source: Path | None = None) -> str:
        done = subprocess.run(
            (*self.machine.inside, "env", *_environment(source), *_GANTRY, *words, "--home", str(self.home)),
            capture_output=True, text=True, timeout=SECONDS, check=False, env=bare_environment(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.gantry("status", "--json"))
        return status

    def await_stored(self) -> None:
        await_true(lambda: self.status()["clerk"]["lag"] == 0, f"all of {self.machine.address} stored")

    def drain(self) -> None:
        """End it as an upgrade does."""
        assert self.server is not None
        status = self.server.end()
        self.server.kill()  # which closes what it said
        assert status == 0, self._log.read_text()[-3000:]

    def kill(self) -> None:
        """End all its processes at once, as a power cut does."""
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        if self.server is not None:
            self.server.kill()

    def pids(self) -> list[int]:
        listed = subprocess.run(("ps", "-ww", "-eo", "pid=,args="), capture_output=True, text=True, check=True)
        lines = (line.split(None, 1) for line in listed.stdout.splitlines() if f"--home {self.home} " in f"{line} ")
        return [int(pid) for pid, _ in lines]


def _environment(source: Path | None) -> list[str]:
    path = [] if source is None else [f"PYTHONPATH={source}"]
    return [f"GANTRY_MASTER_KEY={MASTER_KEY}", *path]


class Callers:
    """Callers in threads, each with one call under way at a time."""

    def __init__(self, nodes: list[FleetNode], key: str, *, streams: int = 6, calls: int = 3) -> None:
        self._nodes = nodes
        self._key = key
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self.answers: list[Answer] = []
        self.answered_by: dict[str, int] = {}
        self._threads = [
            threading.Thread(target=self._keep_calling, args=(number, number < streams), daemon=True)
            for number in range(streams + calls)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(SECONDS)
            assert not thread.is_alive(), "a call hangs"

    def await_more(self, count: int, by: int | None = None) -> None:
        """Return after so many more complete answers, of one machine if it is named."""

        def found() -> int:
            return sum(
                one.complete and one.status == 200 and by in (None, self.answered_by[one.marker])
                for one in tuple(self.answers)
            )

        with self._changed:
            wanted = found() + count
            assert self._changed.wait_for(lambda: found() >= wanted, SECONDS), f"{count} more answers of {by}"

    def failed(self) -> list[Answer]:
        return [one for one in self.answers if not one.complete or one.status != 200]

    def _keep_calling(self, caller: int, stream: bool) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            marker = f"marker-{caller}-{number}"
            first = (caller + number) % len(self._nodes)
            order = [*range(first, len(self._nodes)), *range(first)]
            answer, by = self._call(marker, stream, order)
            with self._changed:
                self.answered_by[marker] = by
                self.answers.append(answer)
                self._changed.notify_all()
            self._stopping.wait(_PAUSE)

    def _call(self, marker: str, stream: bool, order: list[int]) -> tuple[Answer, int]:
        """Call the first machine that can be connected to."""
        content = {"model": MODEL, "stream": stream, "messages": [{"role": "user", "content": f"Remember {marker}."}]}
        headers = {
            "authorization": f"Bearer {self._key}",
            "content-type": "application/json",
            "x-gantry-params": json.dumps({"custom_identifier": marker}),
            **({"x-simulate": _PACED} if stream else {}),
        }
        for by in order:
            connection = http.client.HTTPConnection(self._nodes[by].machine.address, _LISTENS_ON, timeout=SECONDS)
            try:
                connection.connect()
            except OSError:
                continue
            with _closing(connection):
                return self._exchange(connection, marker, stream, json.dumps(content), headers), by
        return Answer(marker, stream, 0, None, complete=False, error="no machine"), -1

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        marker: str,
        stream: bool,
        content: str,
        headers: Mapping[str, str],
    ) -> Answer:
        status, log_id = 0, None
        try:
            connection.request("POST", "/api/v1/chat/completions", content, dict(headers))
            response = connection.getresponse()
            status, log_id = response.status, response.headers["x-respan-log-id"]
            said = response.read()
        except (OSError, http.client.HTTPException) as fault:
            return Answer(marker, stream, status, log_id, complete=False, error=type(fault).__name__)
        complete = status != 200 or not stream or said.rstrip().endswith(b"data: [DONE]")
        return Answer(
            marker, stream, status, log_id, complete=complete, error="" if status == 200 else said[:200].decode()
        )


@contextmanager
def _closing(connection: http.client.HTTPConnection) -> Iterator[None]:
    try:
        yield
    finally:
        connection.close()


def take_account(server: str, callers: Callers, seen: dict[str, str], unrecorded: int = 0) -> Account:
    """Return what callers were told, providers saw and the database has; `server` is its address on its socket."""
    with psycopg.connect(server) as connection:
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM request_logs WHERE custom_identifier LIKE 'marker-%'"
        ).fetchall()
    records = [msgspec.convert(row, Record, strict=False) for row in rows]
    account = Account(callers.answers, seen, records, unrecorded)
    sys.stdout.write(f"{account}\n")
    return account
