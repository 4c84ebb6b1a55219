"""The self-audit: books that balance say nothing, on both engines, and each kind of wrong number is found by name."""

import random

import pytest
from msgspec.structs import replace
from sqlalchemy import Table, delete, select, update

from gantry.core.credits import DAY
from gantry.core.priced_log import NewPrice
from gantry.core.request_log import RequestLog
from gantry.core.time_range import MINUTE
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, Outcome
from gantry.store.audit import Imbalance, audit_books
from gantry.store.customers import delete_customer
from gantry.store.database import Address, open_database
from gantry.store.log_tables import (
    credit_entries,
    customer_days,
    customers,
    day_sums,
    hour_sums,
    minute_sums,
)
from gantry.store.logs import LogChange, LogStore, RecordBatch
from gantry.store.repricing import START, PricedQuery
from gantry.store.rollups import MINUTES_KEPT, prune_minutes
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import ORGANIZATION, OTHER, make_log

__all__ = ["address"]


def some_logs(count: int = 200) -> list[RequestLog]:
    chance = random.Random(6)
    return [
        make_log(
            str(number),
            organization_id=chance.choice((ORGANIZATION, OTHER)),
            key_id=chance.choice(("one", None)),
            outcome=chance.choice((Outcome.SUCCESS, Outcome.LOGGED, Outcome.UPSTREAM_ERROR)),
            started_at=chance.randrange(5 * DAY),
            usage=Usage(input_tokens=chance.choice((None, 5)), output_tokens=7),
            customer_identifier=chance.choice((None, "ada", "bob")),
            **chance.choice(
                (
                    {"cost": None, "price_missing": True},
                    {"cost": 10, "cost_by_unit": '{"input_tokens":4,"output_tokens":6}'},
                    {"cost": 2**50, "charged": 2**50 + 5, "markup_ppm": 1, "customer_cost": 2**49},
                )
            ),
        )
        for number in range(count)
    ]


def audit(logs: LogStore, first_day: int = 0, *, now: int = 0) -> list[Imbalance]:
    with logs.reading() as connection:
        return audit_books(connection, now, first_day)


@pytest.fixture
def stored(logs: LogStore) -> LogStore:
    some = some_logs()
    for start in range(0, 200, 70):
        logs.record(RecordBatch(logs=some[start : start + 90]))
    return logs


def test_books_balance_whatever_happens_to_them(stored: LogStore) -> None:
    """Stored twice, priced again, deleted, forgotten: none of it is wrong."""
    assert audit(stored) == []
    everything = PricedQuery(organization_id=ORGANIZATION, since=0, until=2**62)
    priced = stored.priced_logs(everything, START, 50)
    stored.reprice(
        [
            NewPrice(log, 9, '{"input_tokens":9}', False, None, None, None, 11 if log.charged else None, 7)
            for log in priced
        ]
    )
    assert audit(stored) == []
    for number in range(0, 200, 9):
        for organization in (ORGANIZATION, OTHER):
            stored.delete(organization, None, str(number))
    with stored.writing() as connection:
        delete_customer(connection, ORGANIZATION, Environment.PROD, "ada")
        connection.execute(delete(minute_sums).where(minute_sums.c.minute < 3 * 24 * 60 + 7))
    assert audit(stored) == []
    assert audit(stored, 3) == []


@pytest.mark.parametrize(
    ("table", "column", "found"),
    [
        (credit_entries, "amount", {("charged", "the ledger", "sums by day")}),
        (minute_sums, "cost", {("cost", "sums by minute", "sums by day")}),
        (hour_sums, "charged", {("charged", "sums by hour", "sums by day")}),
        (hour_sums, "requests", {("requests", "sums by hour", "sums by day")}),
        (customers, "cost", {("cost", "customers", "customers by day")}),
        (
            customer_days,
            "customer_cost",
            {
                ("customer_cost", "customers", "customers by day"),
                ("customer_cost", "logs with customers", "customers by day"),
            },
        ),
        (
            day_sums,
            "cost",
            {
                ("cost", "sums by hour", "sums by day"),
                ("cost", "sums by minute", "sums by day"),
                ("cost", "logs", "sums by day"),
            },
        ),
    ],
    ids=lambda value: getattr(value, "name", value) if not isinstance(value, set) else "",
)
def test_a_nano_dollar_too_much_is_found_wherever_it_is(
    stored: LogStore, address: Address, table: Table, column: str, found: set[tuple[str, str, str]]
) -> None:
    key = list(table.primary_key.columns)
    database = open_database(address)
    with database.writing() as connection:
        newest = select(*key).order_by(*(part.desc() for part in key)).limit(1)
        row = connection.execute(newest).one()
        same = [part == value for part, value in zip(key, row, strict=True)]
        connection.execute(update(table).where(*same).values({column: table.c[column] + 1}))
    database.close()
    said = audit(stored)
    assert {(one.what, one.one, one.other) for one in said} == found
    assert {abs(one.one_sum - one.other_sum) for one in said} == {1}


def test_pain_2_a_row_that_differs_from_its_own_breakdown_is_found(logs: LogStore) -> None:
    good = make_log("good", cost=11, cost_by_unit='{"input_tokens":4,"output_tokens":6}')  # each part is rounded
    logs.record(RecordBatch(logs=[good, replace(good, log_id="bad", cost=45)]))
    logs.change(ORGANIZATION, None, [LogChange("bad", {"cost": 0})])
    said = audit(logs)
    assert [one.log_id for one in said if one.log_id] == ["bad"]
    assert [one.sentence for one in said] == [
        f"cost of {ORGANIZATION} on 1970-02-11: $0.000000011 by logs, $0.000000056 by sums by day",
        f"cost of {ORGANIZATION}, log bad: $0.000000000 by the log, $0.000000010 by its parts",
    ]


@pytest.mark.parametrize("change", ["priced again", "posted late"])
def test_a_change_of_what_is_older_than_the_minutes_is_no_difference(logs: LogStore, change: str) -> None:
    """Minutes are kept for some days; what is changed before them adds to none, and is compared with none."""
    now = 100 * DAY
    days = range(90, 100)
    logs.record(RecordBatch(logs=[make_log(f"{day}", cost=5, started_at=day * DAY + DAY // 3) for day in days]))
    with logs.writing() as connection:
        assert prune_minutes(connection, now) == len(days) - MINUTES_KEPT // (24 * 60)
    if change == "posted late":
        logs.record(RecordBatch(logs=[make_log("late", cost=7, started_at=91 * DAY)]))
    else:
        everything = PricedQuery(organization_id=ORGANIZATION, since=0, until=now)
        prices = logs.priced_logs(everything, START, 50)
        assert len(logs.reprice([NewPrice(log, 9, None, False, None, None, None, None) for log in prices])) == len(days)
        with logs.reading() as connection:
            minutes = connection.scalars(select(minute_sums.c.minute)).all()
        assert min(minutes) >= now // MINUTE - MINUTES_KEPT
    assert audit(logs, now=now) == []
