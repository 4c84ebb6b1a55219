"""Fills the log store with many rows, and exports them through the API page by page: two processes of one scenario.

The rows are copies of one call that was really made, an hour of them before now, so they are as wide as real ones.
"""

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
_PAGE = 1000
_SPAN = 1800 * 1_000_000_000  # ns


class _Page(msgspec.Struct):
    results: list[msgspec.Raw]


def fill(home: Home, count: int) -> None:
    """Store `count` copies of the last call, spread over the last half hour."""
    with ControlStore(home.control_db) as control, control.reading() as connection:
        organization = default_organization(connection)
    store = LogStore(home.logs_db)
    logs, _ = store.tail(organization, limit=1)
    first = time.time_ns() - _SPAN
    for start in range(0, count, _BATCH):
        numbers = range(start, min(start + _BATCH, count))
        store.record(RecordBatch(logs=[_copy(logs[0], number, first + number * _SPAN // count) for number in numbers]))
    store.close()
    print("filled", flush=True)


def _copy(log: RequestLog, number: int, moment: int) -> RequestLog:
    return msgspec.structs.replace(
        log,
        log_id=format_id(moment // 1_000_000, number),
        started_at=moment,
        ended_at=moment + log.ended_at - log.started_at,
    )


def export(port: int, key: str) -> None:
    """Read all pages of the list, from the first on, and say how many rows there were."""
    decoder = msgspec.json.Decoder(_Page)
    rows = page = 0
    while True:
        page += 1
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/request-logs/list/?page={page}&page_size={_PAGE}",
            headers={"authorization": f"Bearer {key}"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            found = len(decoder.decode(answer.read()).results)
        rows += found
        if page == 1:
            print("started", flush=True)
        if found < _PAGE:
            print(rows, flush=True)
            return


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(Home(Path(sys.argv[2])), int(sys.argv[3]))
    else:
        export(int(sys.argv[2]), sys.argv[3])
