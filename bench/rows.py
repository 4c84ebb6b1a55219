"""Fills the log store with many rows; exports, pages through, scans and watches them by the API: parts of a scenario.

The rows are copies of one call that was really made, an hour of them before now, so they are as wide as real ones. A
scan is a question that no index serves and nothing answers, so it reads every row.
"""

import itertools
import json
import select
import sys
import time
import urllib.request
from pathlib import Path

import msgspec

from gantry.core.ids import format_id
from gantry.core.request_log import RequestLog
from gantry.home import Home
from gantry.store.control import ControlStore, default_organization
from gantry.store.logs import LogStore, RecordBatch

_BATCH = 2000
_SPAN = 1800 * 1_000_000_000  # ns


def fill(home: Home, count: int) -> None:
    """Store `count` copies of the last call, spread over the last half hour."""
    with ControlStore(home.control_db) as control, control.reading() as connection:
        organization = default_organization(connection)
    store = LogStore(home.logs_db)
    logs, _ = store.tail(organization, limit=1)
    for start in range(0, count, _BATCH):
        store.record(RecordBatch(logs=copies_of(logs[0], start, min(start + _BATCH, count), count, _SPAN)))
    store.close()
    print("filled", flush=True)


def copies_of(log: RequestLog, start: int, end: int, count: int, span: int) -> list[RequestLog]:
    """Return the copies from one number until before another, of so many that lie within a span before now."""
    first = time.time_ns() - span
    return [_copy(log, number, first + number * span // count) for number in range(start, end)]


def _copy(log: RequestLog, number: int, moment: int) -> RequestLog:
    return msgspec.structs.replace(
        log,
        log_id=format_id(moment // 1_000_000, number),
        started_at=moment,
        ended_at=moment + log.ended_at - log.started_at,
    )


def export(port: int, key: str, form: str) -> None:
    """Export all rows, again and again, until a line on standard input asks how many there were."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/request-logs/export/?format={form}", headers={"authorization": f"Bearer {key}"}
    )
    rows = 0
    print("started", flush=True)
    while True:
        with urllib.request.urlopen(request, timeout=120) as answer:
            while piece := answer.read(1 << 20):
                rows += piece.count(b"\n")
                if select.select([sys.stdin], [], [], 0)[0]:
                    print(rows, flush=True)
                    return


def pages(port: int, key: str) -> None:
    """Page through all rows by the links of the list, again and again, until told to stop."""
    first = f"http://127.0.0.1:{port}/api/request-logs/list/?page_size=1000"
    print("started", flush=True)
    link: str | None = None
    while True:
        request = urllib.request.Request(link or first, headers={"authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            link = json.loads(answer.read())["next"]


def scan(port: int, key: str) -> None:
    """Ask for what no log has, by fields without an index, until told to stop."""
    filters = {
        "cost": {"operator": "gte", "value": [1000]},
        "error_message": {"operator": "icontains", "value": ["never said"]},
        "metadata__never": {"operator": "gte", "value": [1]},
    }
    print("started", flush=True)
    for name in itertools.cycle(filters):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/request-logs/list/",
            headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
            data=msgspec.json.encode({"filters": {name: filters[name]}}),
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            answer.read()


def watch(port: int, key: str) -> None:
    """Watch logs come, until told to stop."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/request-logs/tail/", headers={"authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        print("started", flush=True)
        while answer.read1(1 << 16):
            continue


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["fill", home, count]:
            fill(Home(Path(home)), int(count))
        case ["export", port, key, form]:
            export(int(port), key, form)
        case ["pages", port, key]:
            pages(int(port), key)
        case ["scan", port, key]:
            scan(int(port), key)
        case ["watch", port, key]:
            watch(int(port), key)
