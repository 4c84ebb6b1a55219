"""History priced again: what the meter priced stays, and what moved has moved in logs and sums alike."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import func, select

from gantry.clerk.meter import meter_call, meter_posted
from gantry.clerk.recompute import Recompute, Sums
from gantry.clerk.reprice import FindCustom, Left
from gantry.core.custom_model import CustomModel
from gantry.core.logged_attempt import read_attempts
from gantry.core.priced_log import NewPrice
from gantry.core.request_log import CACHED_MODEL, RequestLog
from gantry.core.usage import NO_USAGE, Usage
from gantry.journal.frames import AttemptRecord, LogPosted
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates
from gantry.store.database import open_database
from gantry.store.log_tables import day_sums, hour_sums, minute_sums, request_logs
from gantry.store.logs import LogStore, RecordBatch, StoreUnavailable
from gantry.store.repricing import START, PricedQuery
from tests.clerk.test_meter import CLOSED, OPENED, REQUEST, SERVED, body
from tests.clerk.test_meter import START as AT
from tests.clickhouse.homes import address_of
from tests.postgresql import held_up
from tests.store.conftest import address, logs, postgres_server
from tests.store.logs_of_tests import HOUR, ORGANIZATION, OTHER, make_log

__all__ = ["address", "logs", "postgres_server"]

LARGE = "mistral-large-latest"
USAGE = Usage(input_tokens=1000, output_tokens=500)
COST = 1_250_000  # at $0.5 and $1.5 a million
FAST = CustomModel(
    organization_id="org", name="fast", base=LARGE, input_price=7_000_000_000, output_price=9_000_000_000
)
LOST = replace(SERVED, outcome="cancelled", status=None, step="first")
WON = replace(SERVED, step="hedge", upstream_host="api.eu.mistral.ai")
RATES = load_rates()


@pytest.fixture(scope="module")
def rates() -> Rates:
    return RATES


def no_custom(_organization: str, _name: str | None) -> None:
    return None


def customs(*models: CustomModel) -> FindCustom:
    named = {(model.organization_id, model.name): model for model in models}
    return lambda organization, name: named.get((organization, name or ""))


def called(*attempts: AttemptRecord, custom: CustomModel | None = None, turned_to: str = "", **said: Any) -> RequestLog:
    closed = replace(CLOSED, attempts=list(attempts), turned_to=turned_to)
    return meter_call(OPENED, REQUEST, body(**said), closed, RATES, custom)


def posted(find_custom: FindCustom = no_custom, **fields: Any) -> RequestLog:
    sent = json.dumps({"prompt_tokens": 1000, "completion_tokens": 500, "model": LARGE, **fields}).encode()
    frame = LogPosted("b" * 32, "org", "key", "prod", AT, "full", sent, "tests")
    return meter_posted(frame, RATES, lambda name: find_custom("org", name))


def recomputed(
    logs: LogStore,
    find_custom: FindCustom = no_custom,
    *,
    organization: str = ORGANIZATION,
    batch: int = 2,
    dry_run: bool = False,
    **query: Any,
) -> Recompute:
    asked = PricedQuery(**{"organization_id": organization, "since": 0, "until": 2**62, **query})
    job = Recompute(logs, asked, RATES, find_custom, dry_run=dry_run)
    while job.step(batch):
        pass
    return job


class Books(Struct, frozen=True):
    """Cost and unpriced requests, by the logs and by all sums of them."""

    by_logs: tuple[int, int]
    by_minutes: tuple[int, int]
    by_hours: tuple[int, int]
    by_days: tuple[int, int]

    def balance(self) -> bool:
        return self.by_logs == self.by_minutes == self.by_hours == self.by_days


def books_of(address: str | Path) -> Books:
    unpriced = func.count().filter(request_logs.c.price_missing)
    asked = [select(func.sum(request_logs.c.cost), unpriced)]
    asked += [select(func.sum(sums.c.cost), func.sum(sums.c.unpriced)) for sums in (minute_sums, hour_sums, day_sums)]
    database = open_database(address_of(address))
    with database.reading() as connection:
        rows = [connection.execute(statement).one() for statement in asked]
    database.close()
    return Books(*((int(cost or 0), int(count or 0)) for cost, count in rows))


def priced(log_id: str, cost: int | None = 0, **fields: Any) -> RequestLog:
    values: dict[str, Any] = {
        "model": LARGE,
        "provider_id": "mistral",
        "started_at": AT,
        "ended_at": AT + 1,
        "usage": USAGE,
        "cost": cost,
        "price_missing": cost is None,
        "price_source": "genai-prices",
        "price_version": "an old one",
    }
    return make_log(log_id, **(values | fields))


AS_METERED: dict[str, Callable[[], RequestLog]] = {
    "a call": lambda: called(SERVED),
    "after a failure": lambda: called(replace(LOST, outcome="timeout"), SERVED),
    "a region": lambda: called(replace(SERVED, upstream_host="api.eu.mistral.ai")),
    "a service tier": lambda: called(SERVED, service_tier="priority"),
    "a hedge": lambda: called(LOST, WON, service_tier="priority"),
    "a hedge, answered first": lambda: called(WON, LOST),
    "a hedge elsewhere": lambda: called(replace(LOST, provider_id="openai", upstream_model="gpt-4o"), WON),
    "priced as the answer's model": lambda: called(replace(SERVED, upstream_model="ours")),
    "a hedge priced so": lambda: called(LOST, replace(WON, upstream_model="ours")),
    "no price": lambda: called(replace(SERVED, upstream_model="ours"), model="ours"),
    "a provider without prices": lambda: called(replace(SERVED, provider_id="acme")),
    "a crash before attempts": lambda: called(),
    "cached tokens": lambda: called(
        SERVED, usage={"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 7}}
    ),
    "searches, and a cache of an hour": lambda: called(
        replace(SERVED, provider_id="anthropic", upstream_model="claude-opus-4-5"),
        usage={
            "input_tokens": 9,
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            "output_tokens": 3,
            "server_tool_use": {"web_search_requests": 2},
        },
    ),
    "fast mode": lambda: called(
        replace(SERVED, provider_id="anthropic", upstream_model="claude-opus-5"),
        usage={"input_tokens": 9, "output_tokens": 3, "speed": "fast"},
    ),
    "sound": lambda: called(
        replace(SERVED, provider_id="openai", upstream_model="gpt-realtime"),
        usage={
            "input_tokens": 100,
            "output_tokens": 50,
            "input_token_details": {
                "audio_tokens": 80,
                "cached_tokens": 40,
                "cached_tokens_details": {"audio_tokens": 30, "text_tokens": 10},
            },
            "output_token_details": {"audio_tokens": 40, "text_tokens": 10},
        },
    ),
    "a custom model": lambda: replace(called(SERVED, custom=FAST), requested_model="fast"),
    "a custom model that was turned to": lambda: called(SERVED, custom=FAST, turned_to="fast"),
    "turned from a custom model": lambda: replace(called(SERVED, turned_to=LARGE), requested_model="fast"),
    "posted usage": posted,
    "posted usage of a custom model": lambda: posted(customs(FAST), model="fast"),
}


@pytest.mark.parametrize("make", AS_METERED.values(), ids=AS_METERED.keys())
def test_what_the_meter_priced_is_priced_the_same(tmp_path: Path, make: Callable[[], RequestLog]) -> None:
    """And by the same source and version, when the price is lost: a log keeps all that its price depends on."""
    log = make()
    store = LogStore(tmp_path / "logs.db")
    store.record(RecordBatch(logs=[log]))
    find_custom = customs(FAST)
    job = recomputed(store, find_custom, organization="org")
    assert (job.drift.total().logs, job.drift.total().changed, job.drift.left) == (1, 0, {})
    (stored,) = store.priced_logs(PricedQuery(organization_id="org", since=0, until=2**62), START, 9)
    cleared = NewPrice(stored, 0, None, False, None, None, stored.attempts)
    if log.cost != 0:
        assert store.reprice([cleared]) == [cleared]
    assert recomputed(store, find_custom, organization="org").drift.total().changed == 1
    assert store.find("org", log.log_id) == log
    store.close()


def test_a_log_tells_what_its_price_depends_on() -> None:
    (one,) = read_attempts(called(replace(SERVED, upstream_model="ours"), service_tier="flex", turned_to="x").attempts)
    assert (one.priced_as, one.service_tier, one.turned_to) == (LARGE, "flex", "x")
    (one,) = read_attempts(called(SERVED, model="mistral-large-2512").attempts)
    assert one.priced_as is None, "the model that was asked for has a price"


def test_prices_that_moved_move_logs_and_sums(logs: LogStore, address: str | Path) -> None:
    stored = [
        priced("a", 1),
        priced("b", None, started_at=AT + HOUR),
        priced("c", 7, model="unheard-of", started_at=AT + 48 * HOUR),
        priced("d", COST, cost_by_unit='{"input_tokens":500000,"output_tokens":750000}'),
        priced("e", 5, provider_id="acme", model="x", organization_id=OTHER),
    ]
    logs.record(RecordBatch(logs=stored))
    before = books_of(address)
    dry = recomputed(logs, dry_run=True).drift
    assert books_of(address) == before
    wet = recomputed(logs).drift
    assert (wet.by_served, wet.left) == (dry.by_served, dry.left)
    assert wet.by_served["mistral", LARGE] == Sums(3, 2, 1, 0, COST + 1, 3 * COST)
    assert wet.by_served["mistral", "unheard-of"] == Sums(1, 1, 0, 1, 7, 0)
    after = books_of(address)
    assert after.balance()
    assert after.by_logs == (3 * COST + 5, 1)
    found = logs.find(ORGANIZATION, "a")
    assert found is not None
    assert (found.cost, found.cost_by_unit) == (COST, '{"input_tokens":500000,"output_tokens":750000}')
    assert (found.price_version or "").startswith("genai-prices ")
    assert found == replace(stored[0], cost=COST, cost_by_unit=found.cost_by_unit, price_version=found.price_version)
    unknown = logs.find(ORGANIZATION, "c")
    assert unknown is not None
    assert (unknown.cost, unknown.price_missing, unknown.price_source) == (None, True, None)
    assert logs.find(ORGANIZATION, "d") == stored[3], "what costs the same keeps its version"
    again = recomputed(logs).drift.total()
    assert (again.changed, again.before, again.after) == (0, 3 * COST, 3 * COST)


def test_what_no_rate_of_ours_priced_is_left_and_counted(logs: LogStore, address: str | Path) -> None:
    left = [
        replace(posted(cost=3), log_id="a", organization_id=ORGANIZATION),
        replace(posted(prompt_unit_price=1, completion_unit_price=1), log_id="b", organization_id=ORGANIZATION),
        priced("c", 0, model=CACHED_MODEL, cache_savings=9),
        priced("d", 4, operation="files", response_id="batch-results:1"),
        priced("e", 0, usage=NO_USAGE),
    ]
    logs.record(RecordBatch(logs=left))
    before = books_of(address)
    drift = recomputed(logs).drift
    assert drift.left == {Left.POSTED: 2, Left.CACHED: 1, Left.RESULTS: 1, Left.NO_USAGE: 1}
    assert (drift.total().changed, drift.total().logs) == (0, 5)
    assert [logs.find(ORGANIZATION, log.log_id) for log in left] == left
    assert books_of(address) == before


def test_only_what_was_asked_for(logs: LogStore) -> None:
    logs.record(
        RecordBatch(
            logs=[
                priced("a"),
                priced("b", started_at=AT + 1),
                priced("c", provider_id="openai", model="gpt-4o", requested_model="smart"),
            ]
        )
    )

    def changed(**query: Any) -> int:
        return recomputed(logs, dry_run=True, **query).drift.total().changed

    assert (changed(), changed(since=AT + 1), changed(until=AT + 1)) == (3, 1, 2)
    assert (changed(model=LARGE), changed(model="smart"), changed(provider_id="openai")) == (2, 1, 1)


def test_a_hedge_is_estimated_anew(logs: LogStore) -> None:
    log = replace(called(LOST, WON), organization_id=ORGANIZATION)
    logs.record(RecordBatch(logs=[log]))
    (stored,) = logs.priced_logs(PricedQuery(organization_id=ORGANIZATION, since=0, until=2**62), START, 9)
    old = (stored.attempts or "").replace('"cost":500000', '"cost":1')
    assert old != stored.attempts
    logs.reprice([NewPrice(stored, 2, '{"hedge":1,"input_tokens":1}', False, "s", "v", old)])
    assert recomputed(logs).drift.total().changed == 1
    assert logs.find(ORGANIZATION, log.log_id) == log


def test_a_log_that_went_or_was_priced_in_between_is_not_counted(logs: LogStore, address: str | Path) -> None:
    logs.record(RecordBatch(logs=[priced("a", 1), priced("b", 2), priced("c", 3)]))
    page = logs.priced_logs(PricedQuery(organization_id=ORGANIZATION, since=0, until=2**62), START, 9)
    prices = [NewPrice(log, 10, None, False, "s", "v", None) for log in page]
    assert logs.reprice(prices[1:2]) == prices[1:2]
    assert books_of(address).balance()
    logs.delete(ORGANIZATION, None, "c")
    assert logs.reprice(prices) == prices[:1]
    books = books_of(address)
    assert books.by_logs == (20, 0)
    assert books.by_hours == books.by_days == (23, 0), "sums keep what is deleted, at the price that it had"


def test_it_goes_on_where_the_store_went_away(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    store = LogStore(path, busy_timeout=0.01)
    store.record(RecordBatch(logs=[priced(f"{number}", started_at=AT) for number in range(5)]))
    job = Recompute(store, PricedQuery(organization_id=ORGANIZATION, since=0, until=2**62), RATES, no_custom)
    assert job.step(2)
    with held_up(path, "request_logs"), pytest.raises(StoreUnavailable):
        job.step(2)
    assert books_of(path).balance()
    assert books_of(path).by_logs[0] == 2 * COST
    while job.step(2):
        pass
    assert (job.drift.total().changed, books_of(path).by_logs[0]) == (5, 5 * COST)
    store.close()


def test_beside_a_clerk_that_writes(logs: LogStore, address: str | Path) -> None:
    """Two recomputes and a writer of new logs into the same hours: nothing is lost and nothing counts twice."""
    logs.record(RecordBatch(logs=[priced(f"old{number}", 1, started_at=AT + number) for number in range(200)]))
    drifts: list[Sums] = []

    def write() -> None:
        store = LogStore(address)
        for number in range(40):
            store.record(RecordBatch(logs=[priced(f"new{number}", 3, started_at=AT + number)]))
        store.close()

    def recompute() -> None:
        store = LogStore(address)
        drifts.append(recomputed(store, batch=10).drift.total())
        store.close()

    threads = [threading.Thread(target=work) for work in (write, recompute, recompute)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert books_of(address).balance()
    changed = sum(drift.changed for drift in drifts) + recomputed(logs).drift.total().changed
    assert changed == 240
    books = books_of(address)
    assert books.balance()
    assert books.by_logs == (240 * COST, 0)


USAGES = st.builds(
    Usage,
    input_tokens=st.none() | st.integers(0, 10**15),
    output_tokens=st.none() | st.integers(0, 10**15),
    cached_input_tokens=st.none() | st.just(0),
    pages=st.none() | st.integers(0, 1000),
)
LOGS = st.lists(
    st.tuples(
        USAGES,
        st.none() | st.integers(0, 10**12),
        st.sampled_from([LARGE, "mistral-ocr-latest", "unheard-of"]),
        st.integers(0, 100),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(drawn=LOGS)
def test_sums_are_those_of_the_logs_and_a_second_time_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[Usage, int | None, str, int]]
) -> None:
    path = tmp_path_factory.mktemp("books") / "logs.db"
    store = LogStore(path)
    rows = [
        priced(f"{number}", cost, usage=usage, model=model, started_at=AT + hours * HOUR)
        for number, (usage, cost, model, hours) in enumerate(drawn)
    ]
    store.record(RecordBatch(logs=rows))
    first = recomputed(store, batch=5).drift.total()
    books = books_of(path)
    assert books.balance()
    assert books.by_logs[0] == first.after
    assert recomputed(store, batch=5).drift.total().changed == 0
    store.close()
