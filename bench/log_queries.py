"""Questions about many logs, against their budgets: `python -m bench.log_queries --logs 1000000 --home DIR`.

The database is filled once, by the clerk's own way into the store, with logs that are the same each time; a home that
is filled is used again. A question is asked as the console asks it, from query parameters to the bytes of the answer,
without HTTP. A budget is met by the median; the slowest shows what a busy machine adds.

`--cold` asks each question once, as the first one after a restart of the machine: nothing of the database is in the
system's page cache, and a new connection has read nothing yet. Budgets are for a warm cache, which a console has some
seconds after its start (`gantry.store.warming`); what a cold one takes depends on the disk, so what was read from it
stands beside the time. It is the disk of this machine: one that a host caches is faster than the bare one.

`--database URL` asks PostgreSQL, with the budgets of ten million logs; its CPU is not ours and stands nowhere here.
`--clickhouse URL` has the logs there and the sums in the home or the database, with the same budgets.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Table, func, select

from gantry.console.log_question import read_question
from gantry.core.ids import ENTROPY_BITS, format_id
from gantry.core.log_item import item_of
from gantry.core.request_log import RequestLog
from gantry.core.sketch import Sketch, decode_sketch, merge, quantile
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, LogMethod, Outcome
from gantry.store.database import Apart
from gantry.store.log_query import LogQuery
from gantry.store.log_tables import customer_days, day_sketches, day_sums, hour_sketches, hour_sums, minute_sums
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.sketches import MEASURES

ORGANIZATION = "0199f0b0c0de7000800000000000000a"
_KEYS = tuple(f"0199f0b0c0de70008000000000000{number:03x}" for number in range(20))
_MODELS = (
    "mistral-small-latest",
    "mistral-large-latest",
    "codestral-latest",
    "ministral-8b-latest",
    "gpt-5.5",
    "pixtral",
)
_DAY = 86_400 * 1_000_000_000
_DAYS = 30
NOW = 1_795_000_000_000_000_000
_BATCH = 4000
_SLACK_OF_SERVERS = 1.5  # their budgets are for ten million logs, and half as much again
_COMMON = "the gantry road toll vehicle traffic speed under over passes while every counted bridge frame night".split()


class Corpus:
    """Makes logs, the same each time."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._chance = random.Random(11)
        self._words = [
            f"{first}{second}{number}" for first in "bcdfgklmnprst" for second in "aeiou" for number in range(300)
        ]
        self._weights = list(accumulate(1 / (rank + 10) for rank in range(len(self._words))))

    def log(self, number: int) -> RequestLog:
        chance = self._chance
        started_at = NOW - _DAYS * _DAY + number * (_DAYS * _DAY // self._count)
        failed = chance.random() < 0.03
        tokens_in, tokens_out = chance.randrange(20, 4000), 0 if failed else chance.randrange(1, 900)
        took = chance.randrange(200, 9000) * 1_000_000
        question, answer = self._text(40), self._text(25)
        request = f'[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"{question}"}}]'
        reply = f'{{"role":"assistant","tool_calls":null,"content":"{answer}"}}'
        model = chance.choices(_MODELS, (50, 20, 15, 10, 4, 1))[0]
        raw_usage = (
            f'{{"prompt_tokens":{tokens_in},"completion_tokens":{tokens_out},"total_tokens":{tokens_in + tokens_out}}}'
        )
        return RequestLog(
            log_id=format_id(started_at // 1_000_000, chance.getrandbits(ENTROPY_BITS)),
            organization_id=ORGANIZATION,
            key_id=chance.choice(_KEYS),
            environment=Environment.TEST if chance.random() < 0.05 else Environment.PROD,
            log_method=LogMethod.INFERENCE,
            dialect="mistral",
            path="/v1/chat/completions",
            model=model,
            requested_model=f"mistral/{model}",
            provider_id="openai" if model == "gpt-5.5" else "mistral",
            credential_id="0199f0b0c0de70008000000000000c01",
            deployment_name="main",
            tier="relay",
            attempts=f'[{{"provider_id":"mistral","credential_name":"main","upstream_model":"{model}","status":200}}]',
            outcome=Outcome.UPSTREAM_ERROR if failed else Outcome.SUCCESS,
            status_code=429 if failed else 200,
            error_message="rate limit exceeded" if failed else None,
            started_at=started_at,
            ended_at=started_at + took,
            latency=took,
            time_to_first_token=took // 5,
            routing_time=90_000,
            stream=chance.random() < 0.4,
            temperature=0.3,
            usage=Usage(input_tokens=tokens_in, output_tokens=tokens_out, total_tokens=tokens_in + tokens_out),
            usage_raw=raw_usage,
            cost=tokens_in * 150 + tokens_out * 600,
            cost_by_unit=f'{{"input_tokens":{tokens_in * 150},"output_tokens":{tokens_out * 600}}}',
            price_source="catalogue",
            customer_identifier=f"user_{chance.randrange(5000)}" if chance.random() < 0.6 else None,
            thread_identifier=f"thread_{number // 7}" if chance.random() < 0.2 else None,
            metadata=f'{{"feature":"{chance.choice(("search", "chat", "summary"))}","run":{number % 1000}}}'
            if chance.random() < 0.3
            else None,
            input=request,
            output=reply,
            finish_reason="stop",
            response_id=f"cmpl-{number}",
            full_request=f'{{"model":"{model}","temperature":0.3,"messages":{request}}}'.encode(),
            full_response=(
                f'{{"id":"cmpl-{number}","object":"chat.completion","choices":[{{"index":0,"message":{reply},'
                f'"finish_reason":"stop"}}],"usage":{raw_usage}}}'
            ).encode(),
            request_bytes=len(request) + 60,
            response_bytes=len(reply) + 200,
            user_agent="mistral-client-python/3.7.0",
            snapshot_version=7,
        )

    def _text(self, words: int) -> str:
        chance = self._chance
        rare = chance.choices(self._words, cum_weights=self._weights, k=words // 3)
        return " ".join(chance.sample([*chance.choices(_COMMON, k=words - len(rare)), *rare], words))


@dataclass(frozen=True)
class Question:
    """A question, and within how many seconds it is answered at a million logs."""

    name: str
    ask: Callable[[LogStore], int]  # returns how much was found
    budget: float


def listing(name: str, budget: float, query: str, filters: object = None) -> Question:
    """Return a question as the list asks it."""

    def ask(store: LogStore) -> int:
        body = b"" if filters is None else msgspec.json.encode({"filters": filters})
        asked = read_question(_pairs(query), body, **_CALLER)
        page = store.page(asked.query)
        msgspec.json.encode([item_of(log) for log in page.logs])
        return page.count or 0

    return Question(name, ask, budget)


def summing(name: str, budget: float, query: str, filters: object = None) -> Question:
    def ask(store: LogStore) -> int:
        body = b"" if filters is None else msgspec.json.encode({"filters": filters})
        return store.summary(read_question(_pairs(query), body, **_CALLER).query).requests

    return Question(name, ask, budget)


def grouping(name: str, table: Table, by: str | None, days: int, *, buckets: bool = True) -> Question:
    """Return a dashboard's question: sums of some days by bucket, and by one thing more, or by that alone."""
    span = table.c.keys()[1]
    number = table.c[span]

    def ask(store: LogStore) -> int:
        keys = [*((number,) if buckets else ()), *(() if by is None else (table.c[by],))]
        sums = [func.sum(table.c[each]) for each in _DASHBOARD]
        chosen = (table.c.organization_id == ORGANIZATION, table.c.environment == "prod", number >= _first(span, days))
        with store.reading() as connection:
            return len(connection.execute(select(*keys, *sums).where(*chosen).group_by(*keys)).all())

    return Question(name, ask, 0.2)


def quantiling(name: str, table: Table, days: int) -> Question:
    """Return the question for quantiles of latency, time to the first token and speed by bucket."""
    span = table.c.keys()[1]
    number = table.c[span]

    def ask(store: LogStore) -> int:
        wanted = select(number, *(table.c[name] for name in MEASURES)).where(
            table.c.organization_id == ORGANIZATION, table.c.environment == "prod", number >= _first(span, days)
        )
        buckets: dict[int, tuple[Sketch, Sketch, Sketch]] = {}
        with store.reading() as connection:
            for bucket, *blobs in connection.execute(wanted):
                for sketch, blob in zip(buckets.setdefault(bucket, ({}, {}, {})), blobs, strict=True):
                    if blob is not None:
                        merge(sketch, decode_sketch(blob))
        told = [quantile(sketch, part) for bucket in buckets.values() for sketch in bucket for part in _PARTS]
        return len(told)

    return Question(name, ask, 0.2)


def _first(span: str, days: int) -> int:
    return (NOW - days * _DAY) // {"minute": _DAY // 1440, "hour": _DAY // 24, "day": _DAY}[span]


_DASHBOARD = (
    "requests",
    "errors",
    "cost",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "latency_sum",
    "latency_count",
)
_PARTS = (0.5, 0.9, 0.95, 0.99)
_CALLER: dict[str, Any] = {
    "organization_id": ORGANIZATION,
    "key_id": None,
    "environment": Environment.PROD,
    "now": NOW,
}
ALL_LOGS = "start_time=2026-01-01T00:00:00Z"
_YESTERDAY = "start_time=2026-11-10T10:30:00Z&end_time=2026-11-11T10:30:00Z"


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)]


def _is(operator: str, *values: object) -> dict[str, object]:
    return {"operator": operator, "value": list(values)}


QUESTIONS = (
    listing("first page, last hour", 0.1, ""),
    listing("first page, all time", 0.1, ALL_LOGS),
    listing("first page, all environments", 0.1, ALL_LOGS + "&all_envs=true"),
    listing("first page, test only", 0.1, ALL_LOGS + "&environment=test"),
    listing("page 1000 of 100 by number", 0.1, ALL_LOGS + "&page=1000"),
    listing("by model", 0.1, ALL_LOGS + "&model=mistral-large-latest"),
    listing("by rare model", 0.1, ALL_LOGS + "&model=pixtral"),
    listing("by customer", 0.1, ALL_LOGS + "&customer_identifier=user_77"),
    listing("by API key", 0.1, ALL_LOGS + f"&organization_key_id={_KEYS[3]}"),
    listing("by id", 0.1, ALL_LOGS + "&unique_id=nothing"),
    listing("search a common word", 0.1, ALL_LOGS + "&search=gantry"),
    listing("search two common words", 0.1, ALL_LOGS + "&search=gantry toll"),
    listing("search a rare word", 0.1, ALL_LOGS + "&search=tu299"),
    listing("search a phrase", 0.1, ALL_LOGS + '&search="toll vehicle"'),
    listing("search a beginning", 0.1, ALL_LOGS + "&search=gant*"),
    listing("search no such word", 0.1, ALL_LOGS + "&search=zebra"),
    summing("summary, one day", 0.1, _YESTERDAY),
    summing("summary, one day, one model", 0.1, _YESTERDAY + "&model=mistral-large-latest"),
    summing("summary, 30 days", 0.2, ALL_LOGS),
    grouping("dashboard, 30 days by day", day_sums, None, 30),
    grouping("dashboard, 30 days by day and model", day_sums, "model", 30),
    grouping("dashboard, 30 days by day and key", day_sums, "key_id", 30),
    grouping("dashboard, 7 days by hour and model", hour_sums, "model", 7),
    grouping("dashboard, a day by minute", minute_sums, None, 1),
    grouping("dashboard, 30 days by customer", customer_days, "customer_identifier", 30, buckets=False),
    quantiling("quantiles, 30 days by day", day_sketches, 30),
    quantiling("quantiles, a day by hour", hour_sketches, 1),
    listing("status is error", 1.5, ALL_LOGS + "&status=error"),
    listing("cost >= 1 cent", 1.5, ALL_LOGS, {"cost": _is("gte", 0.01)}),
    listing("cost and latency, none match", 1.5, ALL_LOGS, {"cost": _is("gte", 5), "latency": _is("gte", 8)}),
    listing("sorted by cost", 1.5, ALL_LOGS + "&sort_by=-cost"),
    listing("sorted by speed", 1.5, ALL_LOGS + "&sort_by=-tokens_per_second"),
    listing("metadata equals", 1.5, ALL_LOGS + "&metadata__run=77"),
    listing("metadata >=, none match", 1.5, ALL_LOGS, {"metadata__run": _is("gte", 5000)}),
    listing("thread equals", 1.5, ALL_LOGS + "&thread_identifier=thread_777"),
    listing("error contains, ignoring case", 1.5, ALL_LOGS, {"error_message": _is("icontains", "RATE LIMIT X")}),
    listing("customer matches", 1.5, ALL_LOGS, {"customer_identifier": _is("regex", "^user_49.9$")}),
    listing("similar words", 1.5, ALL_LOGS, {"error_message": _is("trigram_word_similar", "limits")}),
    listing(
        "a OR b", 1.5, ALL_LOGS, {"cost": _is("gte", 5), "finish_reason": {**_is("", "length"), "connector": "OR"}}
    ),
    listing("not", 1.5, ALL_LOGS, {"finish_reason": _is("not", "stop")}),
    listing("search and model", 1.5, ALL_LOGS + "&search=gantry&model=pixtral"),
    listing("search and customer", 1.5, ALL_LOGS + "&search=gantry&customer_identifier=user_77"),
    summing("summary by a filter, 30 days", 1.5, ALL_LOGS + "&status=error"),
)


class Arrival:
    """The day on which logs arrive at a store that knows days: that on which they began."""

    day = NOW // _DAY

    def __call__(self) -> int:
        return self.day


def fill(store: LogStore, count: int, arrival: Arrival | None = None) -> None:
    """Store what is missing of `count` logs."""
    corpus = Corpus(count)
    known = store.summary(LogQuery(organization_id=ORGANIZATION)).requests
    if known >= count:
        return
    if known:
        sys.exit(f"there are {known} logs; give an empty --home, or --logs {known}")
    began = time.perf_counter()
    for start in range(0, count, _BATCH):
        numbers = range(start, min(start + _BATCH, count))
        logs = [corpus.log(number) for number in numbers]
        if arrival is not None:
            arrival.day = logs[-1].started_at // _DAY
        store.record(RecordBatch(logs=logs))
    print(f"filled with {count:,} logs in {time.perf_counter() - began:.0f} s", file=sys.stderr)


class Measured(NamedTuple):
    """How much a question found, how long it took in seconds, and how many bytes were read from disks for it."""

    found: int
    median: float
    slowest: float
    cpu: float  # seconds of it, the median: on a busy machine all that is comparable
    bytes: int


def measure(store: LogStore, question: Question, times: int) -> Measured:
    found, took, worked = 0, [], []
    before = bytes_read()
    for _ in range(times):
        began, cpu = time.perf_counter(), time.process_time()
        found = question.ask(store)
        took.append(time.perf_counter() - began)
        worked.append(time.process_time() - cpu)
    return Measured(found, statistics.median(took), max(took), statistics.median(worked), bytes_read() - before)


def measure_cold(path: Path, question: Question) -> Measured:
    """Ask once, from the disk."""
    forget_pages(path)
    store = LogStore(path)  # reads the schema; a console has done that, too
    try:
        return measure(store, question, 1)
    finally:
        store.close()


def forget_pages(path: Path) -> None:
    """Put a database out of the system's page cache, as a restart of the machine does. Nothing may have it open."""
    for part in (path, *path.parent.glob(f"{path.name}-wal")):
        fd = os.open(part, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def bytes_read() -> int:
    """Return how many bytes this process has had read from disks."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes:"))


def line_of(question: Question, measured: Measured) -> str:
    verdict = "met" if measured.median <= question.budget else "**missed**"
    times = " | ".join(
        f"{seconds * 1000:.1f} ms" for seconds in (measured.median, measured.slowest, measured.cpu, question.budget)
    )
    return f"| {question.name} | {measured.found:,} | {times} | {measured.bytes / 1e6:,.1f} MB | {verdict} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", type=int, default=1_000_000)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--home", type=Path, help="a folder for the database; kept, and used again")
    place.add_argument("--database", help="postgresql://…, likewise: an empty one, or one that was filled by this")
    parser.add_argument("--clickhouse", help="http://…/database for the logs; an empty one, or one filled by this")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", default="", help="questions whose name holds this")
    parser.add_argument("--cold", action="store_true", help="ask each question once, of the disk alone")
    parser.add_argument("--json", action="store_true", help="only the slowest median of each budget, in seconds")
    options = parser.parse_args()
    served = options.database or options.clickhouse
    if options.cold and served:
        parser.error("--cold is for SQLite: a server has a cache of its own")
    if options.home is not None:
        options.home.mkdir(parents=True, exist_ok=True)
    path: Path = (options.home or Path()) / "logs.db"
    slack = _SLACK_OF_SERVERS if served else 1.0
    arrival = Arrival()
    sql = options.database or path
    store = LogStore(Apart(sql, options.clickhouse) if options.clickhouse else sql, arrival=arrival)
    fill(store, options.logs, arrival)
    if options.cold:
        store.close()
    if not options.json:
        print(f"{options.logs:,} logs\n\n| question | found | p50 | max | CPU | budget | read | |")
        print("|---|---:|---:|---:|---:|---:|---:|---|")
    slowest: dict[str, float] = {}
    missed = 0
    for question in (replace(one, budget=one.budget * slack) for one in QUESTIONS if options.only in one.name):
        measured = measure_cold(path, question) if options.cold else measure(store, question, options.times)
        missed += measured.median > question.budget
        slowest[str(question.budget)] = max(measured.median, slowest.get(str(question.budget), 0.0))
        if not options.json:
            print(line_of(question, measured), flush=True)
    if not options.cold:
        store.close()
    if options.json:
        print(msgspec.json.encode(slowest).decode(), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
