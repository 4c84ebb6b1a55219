"""Questions about a million logs, asked as a browser asks them: over HTTP, through the gateway, of its console.

The database is that of `bench.log_queries`, served by `gantry serve` as it is. Each question is asked several times
over one connection, first by itself and then while somebody watches logs come, one every 50 ms. A time is from the
request to the last byte of the answer, as whoever asked saw it.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import insert

from bench.log_queries import ALL_LOGS, NOW, ORGANIZATION, fill
from gantry.core.log_item import iso_of
from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home, load_keyring
from gantry.store.control import ControlStore
from gantry.store.control_tables import organizations
from gantry.store.keys import KeyPolicy, add_key
from gantry.store.logs import LogStore

_DAY = 86_400 * 1_000_000_000
_SECONDS_TO_START = 120
_SECONDS_BETWEEN_LOGS = 0.05
_LISTS = "/api/request-logs/list/?page_size=50&" + ALL_LOGS
_RANGE = f"start_time={iso_of(NOW - 30 * _DAY)}&end_time={iso_of(NOW)}"

# A name, the path, and the body of a POST.
QUESTIONS: dict[str, tuple[str, str | None]] = {
    "first page": (_LISTS, None),
    "filter": (f"{_LISTS}&model=mistral-large-latest", None),
    "search": (f"{_LISTS}&search=gantry%20toll", None),
    "30-day dashboard": (f"/api/dashboard/llm-metrics/?time_tick=day&{_RANGE}", "{}"),
}


class Place(NamedTuple):
    port: int
    key: str


def a_key(home: Home) -> str:
    """Make the organization whose logs these are, where it is not yet, and a key of it."""
    pepper = load_keyring(home, create=True).pepper
    with ControlStore(home.control_db) as control, control.changing() as change:
        known = change.connection.scalars(organizations.select()).all()
        if ORGANIZATION not in known:
            row = {"id": ORGANIZATION, "name": "a million logs", "created_at": NOW}
            change.connection.execute(insert(organizations).values(row))
        policy = KeyPolicy(scopes=DEFAULT_SCOPES | Scope.READ | Scope.INGEST)
        return add_key(change, ORGANIZATION, "questions", policy, pepper)[1].reveal()


@contextmanager
def served(home: Home) -> Iterator[int]:
    """Serve a home for the life of the block; yield the port."""
    command = (sys.executable, "-c", "from gantry.cli.main import main; main()")
    arguments = ("serve", "--home", str(home.path), "--port", "0", "--workers", "1")
    with subprocess.Popen(
        (*command, *arguments), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline().rpartition(":")[2])
        try:
            await_console(port)
            yield port
        finally:
            server.terminate()


def await_console(port: int) -> None:
    ends = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < ends:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS_TO_START)
        connection.request("GET", "/api/health-check/")
        status = connection.getresponse().status
        connection.close()
        if status == 200:
            return
        time.sleep(_SECONDS_BETWEEN_LOGS)
    sys.exit("the console does not start")


def ask(connection: http.client.HTTPConnection, key: str, path: str, body: str | None) -> float:
    """Return the seconds that a question took."""
    began = time.perf_counter()
    connection.request("GET" if body is None else "POST", path, body, {"authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    said = answer.read()
    seconds = time.perf_counter() - began
    if answer.status != 200:
        sys.exit(f"{path}: {answer.status} {said[:300]!r}")
    return seconds


@contextmanager
def watched(place: Place) -> Iterator[Callable[[], int]]:
    """Watch logs come, and have some come, for the life of the block; yield how many were seen."""
    over, seen = threading.Event(), [0]
    tail = http.client.HTTPConnection("127.0.0.1", place.port, timeout=_SECONDS_TO_START)
    tail.request("GET", "/api/request-logs/tail/", headers={"authorization": f"Bearer {place.key}"})
    events = tail.getresponse()

    def watch() -> None:
        while not over.is_set() and (line := events.readline()):
            seen[0] += line.startswith(b"event: log")

    def post() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=_SECONDS_TO_START)
        while not over.wait(_SECONDS_BETWEEN_LOGS):
            ask(connection, place.key, "/api/request-logs/create/", '{"model":"m","input":"hello","output":"hi"}')
        connection.close()

    threads = [threading.Thread(target=one, daemon=True) for one in (watch, post)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: seen[0]
    finally:
        threads[1].join(1)
        over.set()
        threads[0].join(5)
        tail.close()


def measure(place: Place, times: int) -> dict[str, float]:
    """Return the median of each question, in milliseconds; the first time is for warming, and does not count."""
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=_SECONDS_TO_START)
    found = {}
    for name, (path, body) in QUESTIONS.items():
        taken = [ask(connection, place.key, path, body) for _ in range(times + 1)][1:]
        found[name] = statistics.median(taken) * 1000
    connection.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", type=int, default=1_000_000)
    parser.add_argument("--home", type=Path, required=True, help="the folder of `bench.log_queries`")
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.umask(0o077)
    home = Home(options.home)
    home.prepare()
    store = LogStore(home.logs_db)
    fill(store, options.logs)
    store.close()
    key = a_key(home)
    with served(home) as port:
        place = Place(port, key)
        alone = measure(place, options.times)
        with watched(place) as seen:
            beside = measure(place, options.times)
        came = seen()
    if options.json:
        print(json.dumps({"alone": alone, "watched": beside}), flush=True)
        return 0
    print(
        f"{options.logs:,} logs; {came} more were seen as they came\n\n| question | alone | watched |\n|---|---:|---:|"
    )
    for name, milliseconds in alone.items():
        print(f"| {name} | {milliseconds:.0f} ms | {beside[name]:.0f} ms |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
