"""A store of a million logs moves to PostgreSQL, and backs itself up, while the gateway is busy: what each step takes.

`python -m bench.moving --postgres URL --logs 1000000` fills a home, calls it all the while from a few connections,
backs it up, copies, copies once more and moves over. Law: what must hold is counted. Each answered call is one row
there, no row is there twice, and the callers' slowest answers are shown beside those from before.
"""

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy import ColumnElement, Insert, Table, func, insert, select

from bench.jobs import percentiles
from bench.log_queries import NOW, fill
from gantry.board.board import CLERK_SLOT, Board, Word
from gantry.core.credits import DAY
from gantry.store.log_tables import LOGS, request_log_bodies, request_logs
from gantry.store.logs import LogStore

_GANTRY: Final = (sys.executable, "-m", "gantry.cli.main")
_SIMULATOR: Final = (sys.executable, "-m", "gantry.simulator", "--port", "0")
_CALL: Final = json.dumps(
    {"model": "mistral/mistral-small-latest", "messages": [{"role": "user", "content": "What is a toll gantry?"}]}
)
_SECONDS: Final = 120.0
_MADE: Final = 25_000
_MONTH: Final = 32  # days: more than those that the logs that are made lie in
_UNITS: Final = {
    "minute_sums": ("minute", 1440),
    "hour_sums": ("hour", 24),
    "hour_sketches": ("hour", 24),
    "day_sums": ("day", 1),
    "day_sketches": ("day", 1),
    "customer_days": ("day", 1),
}


class Callers:
    """Threads that call one after the other, at a pace, and remember what they were told and how long it took."""

    def __init__(self, port: int, key: str, count: int, pause: float) -> None:
        self._port, self._key, self._pause = port, key, pause
        self._stop = threading.Event()
        self.answers: list[tuple[float, float, int, str]] = []  # when, how long, the status, the log's id
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _call(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_SECONDS)
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        while not self._stop.is_set():
            began = time.perf_counter()
            try:
                connection.request("POST", "/api/v1/chat/completions", _CALL, headers)
                answer = connection.getresponse()
                answer.read()
                told = (answer.status, answer.headers["x-respan-log-id"] or "")
            except (OSError, http.client.HTTPException):
                connection.close()
                told = (0, "")
            self.answers.append((began, time.perf_counter() - began, *told))
            self._stop.wait(self._pause)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_SECONDS)

    def line(self, since: float, until: float) -> str:
        """Return how calls of a span went."""
        took = [int(long * 1e9) for when, long, *_ in self.answers if since <= when < until]
        failed = sum(since <= when < until and status != 200 for when, _, status, _ in self.answers)
        if not took:
            return "no calls"
        found = percentiles(took)
        return (
            f"{len(took)} calls ({len(took) / (until - since):.0f}/s), {failed} failed, "
            f"p50 {found.p50 / 1e6:.1f} ms, p99 {found.p99 / 1e6:.1f} ms, slowest {found.worst / 1e6:.0f} ms"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", required=True, help="URL of an empty database")
    parser.add_argument("--logs", type=int, default=1_000_000)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between two calls of a caller")
    parser.add_argument("--home", type=Path, help="a home whose logs.db is filled already")
    parser.add_argument("--folder", type=Path, help="where the home is made; by default a temporary folder")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        return run(Path(folder), asked)


def run(folder: Path, asked: argparse.Namespace) -> int:
    home: Path = asked.home or folder / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    began = time.perf_counter()
    logs = fill_by_months(home / "logs.db", asked.logs)
    size = (home / "logs.db").stat().st_size / (1 << 20)
    print(f"{logs:,} logs, {size:.0f} MiB, filled in {time.perf_counter() - began:.0f} s", flush=True)
    children: list[subprocess.Popen[str]] = []
    try:
        upstream = _listening(_SIMULATOR, folder, children)
        gantry(home, "providers", "add", "mistral", "--api-key", "k", "--base-url", upstream)
        key = gantry(home, "keys", "create", "bench").stdout.split()[-1]
        node = _listening((*_GANTRY, "serve", "--home", str(home), "--port", "0", "--workers", "1"), folder, children)
        callers = Callers(int(node.rpartition(":")[2]), key, asked.callers, asked.pause)
        _settle(home)
        timed("undisturbed", callers, lambda: time.sleep(15))
        timed("backup", callers, lambda: said(gantry(home, "backup", str(folder / "kept.tar"))))
        (folder / "kept.tar").unlink()
        for step in ("copied", "copied again"):
            timed(step, callers, lambda: said(gantry(home, "migrate-store", "--to", asked.postgres)))
        timed("moved over", callers, lambda: said(gantry(home, "migrate-store", "--to", asked.postgres, "--cut-over")))
        timed("afterwards", callers, lambda: time.sleep(10))
        callers.stop()
        _settle(home)
        return account(callers, asked.postgres, logs)
    finally:
        for child in reversed(children):
            child.terminate()
        for child in children:
            child.wait(_SECONDS)


def fill_by_months(path: Path, count: int) -> int:
    """Store some logs one by one, and copies of them from months before with their sums; return how many there are.

    A store that holds some stays as it is.
    """
    store = LogStore(path)
    with store.reading() as connection:
        known = connection.scalar(select(func.count()).select_from(request_logs)) or 0
    if known:
        store.close()
        return known
    known = min(count, _MADE)
    fill(store, known)
    months = -(-count // known)
    for number in range(1, months):
        with store.writing() as connection:
            for table in (request_logs, request_log_bodies, *map(LOGS.metadata.tables.__getitem__, _UNITS)):
                connection.execute(_copy(table, number, known))
    store.close()
    return known * months


def _copy(table: Table, number: int, known: int) -> Insert:
    """Return what copies the rows of a table to so many months before."""
    moved: dict[str, ColumnElement[Any]] = {}
    if table in (request_logs, request_log_bodies):
        moved["seq"] = table.c.seq + number * known
        mine = table.c.seq <= known
    else:
        unit, per_day = _UNITS[table.name]
        moved[unit] = table.c[unit] - number * _MONTH * per_day
        mine = table.c[unit] >= (NOW // DAY - _MONTH + 1) * per_day
    if table is request_logs:
        shift = number * _MONTH * DAY
        moved |= {name: table.c[name] - shift for name in ("started_at", "ended_at")}
        moved["log_id"] = func.printf("%08x", number).concat(func.substr(table.c.log_id, 9))
    chosen = select(*(moved.get(column.name, column) for column in table.c)).where(mine)
    return insert(table).from_select([column.name for column in table.c], chosen)


def account(callers: Callers, address: str, logs: int) -> int:
    """Say whether each answered call is one row; return the exit status."""
    told = {log_id for *_, status, log_id in callers.answers if status == 200}
    with psycopg.connect(address) as connection:
        counts = "SELECT count(*), count(DISTINCT (log_id, organization_id)) FROM request_logs"
        found = connection.execute(counts).fetchone()
        rows = connection.execute("SELECT log_id FROM request_logs WHERE log_id = ANY(%s)", (list(told),)).fetchall()
        sums = connection.execute("SELECT sum(requests) FROM hour_sums").fetchone()
    assert found is not None
    assert sums is not None
    missing = told - {row[0] for row in rows}
    print(
        f"{len(told)} calls answered, {len(missing)} of them not on record; {found[0]:,} rows, {found[0] - found[1]} "
        f"twice, {found[0] - logs - len(told)} more than logs and answered calls; sums by hour count {int(sums[0]):,}"
    )
    return int(bool(missing) or found[0] != found[1] or int(sums[0]) != found[0])


def timed(name: str, callers: Callers, step: Callable[[], object]) -> None:
    began = time.perf_counter()
    step()
    ended = time.perf_counter()
    print(f"{name}: {ended - began:.1f} s; meanwhile {callers.line(began, ended)}", flush=True)


def said(done: "subprocess.CompletedProcess[str]") -> None:
    for line in done.stderr.splitlines():
        if not re.search("logs are copied", line):
            print(f"  {line}", flush=True)


def gantry(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run((*_GANTRY, *arguments, "--home", str(home)), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"gantry {arguments[0]}: {done.stderr}")
    return done


def _listening(command: Sequence[str], folder: Path, children: "list[subprocess.Popen[str]]") -> str:
    with (folder / "messages").open("a") as messages:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages, text=True, env=dict(os.environ))
    children.append(child)
    assert child.stdout is not None
    return child.stdout.readline().strip().rpartition(" ")[2]


def _settle(home: Path) -> None:
    """Wait until the clerk is behind by little."""
    deadline = time.monotonic() + _SECONDS
    clerk = Board(home / "board").slot(CLERK_SLOT)
    while clerk[Word.LAG] > 100 or not clerk[Word.PID]:
        if time.monotonic() > deadline:
            sys.exit("the clerk does not catch up")
        time.sleep(0.1)
    time.sleep(2)


if __name__ == "__main__":
    sys.exit(main())
