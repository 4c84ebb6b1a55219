"""A bounded load of calls and streams, each with a marker of its own, and the account of it: what callers were told,
what the provider saw, and what is on record.

The marker travels in the message, so that the provider's journal shows it, and in a parameter, so that the row does.
"""

import http.client
import json
import re
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import msgspec
import psycopg
from msgspec import Struct

from tests.clickhouse.homes import ask_for_logs, asks_for_logs
from tests.e2e.node import SECONDS, Node
from tests.postgresql import are_homes_on, database_of

STREAMS = 12
CALLS = 3
MODEL = "mistral/mistral-small-latest"
_STREAM_FAULTS = "tokens-per-second=40; tokens=60"  # about 1.5 s
_CALL_FAULTS = "first-byte=0.05"
_PAUSE_AFTER_FAULT = 0.05
_MARKER = re.compile(r"marker-[0-9]+-[0-9]+")
_PATHS = ("/api/v1/chat/completions", "/api/chat/completions")  # Mistral's road, and OpenAI's
_COLUMNS = """log_id, organization_id, custom_identifier, outcome, status_code, stream, input_tokens, output_tokens,
    usage_estimated, cost, price_missing"""
_SUMS = "requests input_tokens cached_input_tokens output_tokens total_tokens cost unpriced latency_sum latency_count"


class Answer(NamedTuple):
    """What one caller was told."""

    marker: str
    stream: bool
    status: int  # 0 when there was no answer at all
    log_id: str | None
    complete: bool  # to its last byte
    error: str = ""


class Record(Struct, frozen=True, array_like=True):
    """One row, as far as the account looks at it."""

    log_id: str
    organization_id: str
    marker: str | None
    outcome: str
    status: int
    stream: bool
    input_tokens: int | None
    output_tokens: int | None
    estimated: bool
    cost: int | None
    price_missing: bool


class Traffic:
    """Callers in threads, each with one call under way at a time, until the block ends."""

    def __init__(self, node: Node, *, streams: int = STREAMS, calls: int = CALLS) -> None:
        self._node = node
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._flowing = 0
        self.answers: list[Answer] = []
        self._callers = [
            threading.Thread(target=self._keep_calling, args=(number, number < streams), daemon=True)
            for number in range(streams + calls)
        ]

    def __enter__(self) -> "Traffic":
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let each caller finish its call. One that does not hangs, and that is a fault of the gateway."""
        self._stopping.set()
        for caller in self._callers:
            caller.join(SECONDS)
            assert not caller.is_alive(), "a call hangs"

    def await_streams(self, count: int) -> None:
        """Return while so many streams are in the middle of their answers."""
        self._await(lambda: self._flowing >= count, f"{count} streams under way")

    def await_more(self, count: int, *, status: int = 200, stream: bool | None = None) -> None:
        """Return after so many more complete answers of this status."""

        def found() -> int:
            return sum(
                answer.complete and answer.status == status and stream in (None, answer.stream)
                for answer in tuple(self.answers)
            )

        wanted = found() + count
        self._await(lambda: found() >= wanted, f"{count} more answers with status {status}")

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        with self._changed:
            arrived = self._changed.wait_for(condition, SECONDS)
        assert arrived, f"in vain for {SECONDS:g} s: {what}; answers: {summary(self.answers)}"

    def _keep_calling(self, caller: int, stream: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._node.port, timeout=SECONDS)
        number = 0
        try:
            while not self._stopping.is_set():
                number += 1
                answer = self._call(connection, f"marker-{caller}-{number}", stream, _PATHS[caller % len(_PATHS)])
                with self._changed:
                    self.answers.append(answer)
                    self._changed.notify_all()
                if not answer.complete or answer.status != 200:
                    connection.close()
                    self._stopping.wait(_PAUSE_AFTER_FAULT)
        finally:
            connection.close()

    def _call(self, connection: http.client.HTTPConnection, marker: str, stream: bool, path: str) -> Answer:
        content = {"model": MODEL, "stream": stream, "messages": [{"role": "user", "content": f"Remember {marker}."}]}
        headers = {
            "authorization": f"Bearer {self._node.key}",
            "content-type": "application/json",
            "x-gantry-params": json.dumps({"custom_identifier": marker}),
            "x-simulate": _STREAM_FAULTS if stream else _CALL_FAULTS,
        }
        status, log_id = 0, None
        try:
            connection.request("POST", path, json.dumps(content), headers)
            response = connection.getresponse()
            status, log_id = response.status, response.headers["x-respan-log-id"]
            if not stream or status != 200:
                response.read()
                return Answer(marker, stream, status, log_id, complete=True)
            return Answer(marker, stream, status, log_id, complete=self._read_stream(response))
        except (OSError, http.client.HTTPException) as fault:
            return Answer(marker, stream, status, log_id, complete=False, error=type(fault).__name__)

    def _read_stream(self, response: http.client.HTTPResponse) -> bool:
        """Read events to the end, and say whether the last of them was [DONE]."""
        last = b""
        self._count_flowing(+1)
        try:
            for line in response:
                last = line.strip() or last
        finally:
            self._count_flowing(-1)
        return last == b"data: [DONE]"

    def _count_flowing(self, change: int) -> None:
        with self._changed:
            self._flowing += change
            self._changed.notify_all()


class Account(Struct, frozen=True):
    """All three sides after the load, with the clerk at rest."""

    answers: list[Answer]
    seen: dict[str, str]  # marker → how the provider's answer ended
    records: list[Record]
    unrecorded: int  # calls that the gateway says it could not record

    def recorded(self) -> dict[str, Record]:
        """Return the records by marker; a full journal keeps no marker, and then the id in the answer's head tells."""
        markers = {answer.log_id: answer.marker for answer in self.answers if answer.log_id}
        return {record.marker or markers.get(record.log_id, record.log_id): record for record in self.records}

    def check_nothing_lost(self) -> None:
        """Answered ∪ seen by the provider ⊆ recorded, nothing twice, and each record says what happened."""
        recorded = self.recorded()
        assert len({record.log_id for record in self.records}) == len(self.records) == len(recorded)
        told = {answer.marker for answer in self.answers if answer.complete or answer.log_id}
        missing = (told | set(self.seen)) - set(recorded)
        assert len(missing) == self.unrecorded, missing
        assert len({record.organization_id for record in self.records}) == 1
        for answer in self.answers:
            record = recorded.get(answer.marker)
            if answer.complete and record is not None:
                assert (record.log_id, record.status) == (answer.log_id, answer.status), (answer, record)
                assert (record.outcome == "success") == (answer.status == 200), (answer, record)
        for record in self.records:
            if record.outcome == "success":
                check_metered(record)

    def check_crashed(self) -> int:
        """All whose answer the provider could not finish are on record as crashed; return how many that are."""
        recorded = self.recorded()
        cut = {marker for marker, fate in self.seen.items() if fate == "hung_up"}
        assert {recorded[marker].outcome for marker in cut} <= {"gateway_crashed"}
        crashed = {marker for marker, record in recorded.items() if record.outcome == "gateway_crashed"}
        assert not crashed & {answer.marker for answer in self.answers if answer.complete}
        return len(crashed)

    def __str__(self) -> str:
        outcomes = dict(Counter(record.outcome for record in self.records))
        seen = dict(Counter(self.seen.values()))
        return f"answered {summary(self.answers)}; seen {seen}; recorded {outcomes}; unrecorded {self.unrecorded}"


def check_metered(record: Record) -> None:
    assert not record.estimated, record
    assert record.input_tokens, record
    assert record.output_tokens, record
    assert record.cost, record
    assert not record.price_missing, record


def summary(answers: Iterable[Answer]) -> dict[str, int]:
    kinds = Counter(
        f"{'stream' if answer.stream else 'call'} {answer.status}{'' if answer.complete else ' cut ' + answer.error}"
        for answer in tuple(answers)
    )
    return dict(sorted(kinds.items()))


def take_account(node: Node, traffic: Traffic) -> Account:
    """Wait until a running node has stored all, and return the account."""
    node.await_stored()
    assert node.status()["clerk"]["rejected"] == 0
    unrecorded = re.search(rb"^gantry_calls_unrecorded_total ([0-9]+)$", node.ask("/metrics")[1], re.MULTILINE)
    assert unrecorded
    return settle_account(node, traffic, unrecorded=int(unrecorded[1]))


def settle_account(node: Node, traffic: Traffic, *, unrecorded: int) -> Account:
    """Return the account of what is stored. The sums by hour are checked against the rows on the way."""
    database = node.logs_db
    check_rollups(database)
    seen: dict[str, str] = {}
    for request in node.seen_upstream():
        found = _MARKER.search(request["body"] or "")
        assert found, request
        seen[found.group()] = request["fate"]
    account = Account(traffic.answers, seen, read_records(database), unrecorded)
    sys.stdout.write(f"{account}\n")  # the counts of a run: `pytest -rP` shows them
    return account


def read_records(database: Path) -> list[Record]:
    rows = query(database, f"SELECT {_COLUMNS} FROM request_logs")
    return [msgspec.convert(row, Record, strict=False) for row in rows]


def check_rollups(database: Path) -> None:
    """Assert that the sums of all hours are the sums of all rows."""
    names = _SUMS.split()
    sums = query(database, f"SELECT {', '.join(f'coalesce(sum({name}), 0)' for name in names)} FROM hour_sums")[0]
    of_rows = [
        "count(*)",
        *(f"sum({name})" for name in names[1:6]),
        "sum(CASE WHEN price_missing THEN 1 ELSE 0 END)",
        "sum(latency)",
    ]
    of_rows.append("count(latency)")
    rows = query(database, f"SELECT {', '.join(f'coalesce({text}, 0)' for text in of_rows)} FROM request_logs")[0]
    assert dict(zip(names, sums, strict=True)) == dict(zip(names, rows, strict=True))


def query(database: Path, statement: str) -> list[tuple[Any, ...]]:
    """Ask a home's database, wherever it is kept."""
    if asks_for_logs(statement):
        return ask_for_logs(database.parent, statement)
    if are_homes_on():
        with psycopg.connect(database_of(database.parent)) as server:
            return server.execute(statement).fetchall()  # type: ignore[call-overload, no-any-return, unused-ignore]
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=SECONDS)) as connection:
        rows: list[tuple[Any, ...]] = connection.execute(statement).fetchall()
        return rows
