"""Customers on both engines: made and added to by traffic, once for each log; what people set stays; pages; sums."""

import random
from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from gantry.core.credits import DAY
from gantry.core.limits import CustomerTerms
from gantry.core.log_figures import total_tokens
from gantry.core.periods import Period
from gantry.core.priced_log import NewPrice
from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, Outcome
from gantry.store.customer_sums import CustomerNote
from gantry.store.customers import (
    Customer,
    CustomerMark,
    CustomerQuery,
    add_customer,
    change_customer,
    count_customers,
    customers_with_terms,
    delete_customer,
    field_named,
    find_customer,
    marks_of,
    page_of_customers,
    spent_in_period,
)
from gantry.store.log_filter import Condition, FilterRefused, Operator
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.repricing import START, PricedQuery
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import HOUR, ORGANIZATION, OTHER, make_log

__all__ = ["address"]

EVERYTHING = PricedQuery(organization_id=ORGANIZATION, since=0, until=2**62)


def note(customer: str, at: int = 5, **terms: Any) -> CustomerNote:
    return CustomerNote(ORGANIZATION, "prod", customer, at, CustomerTerms(**terms))


def find(logs: LogStore, customer: str = "ada", environment: Environment = Environment.PROD) -> Customer:
    with logs.reading() as connection:
        found = find_customer(connection, ORGANIZATION, environment, customer)
    assert found is not None
    return found


def change(logs: LogStore, customer: str, **values: Any) -> Customer | None:
    with logs.writing() as connection:
        return change_customer(connection, ORGANIZATION, Environment.PROD, customer, values, 99)


def some_logs(count: int = 300) -> list[RequestLog]:
    chance = random.Random(4)
    return [
        make_log(
            str(number),
            organization_id=OTHER if number % 10 == 0 else ORGANIZATION,
            environment=Environment.TEST if number % 7 == 0 else Environment.PROD,
            customer_identifier=chance.choice(("ada", "bob", "cem", None)),
            outcome=chance.choice((Outcome.SUCCESS, Outcome.LOGGED, Outcome.UPSTREAM_ERROR)),
            started_at=chance.randrange(9 * DAY),
            latency=chance.choice((None, 5)),
            cost=chance.choice((None, chance.randrange(10**9))),
            customer_cost=chance.choice((None, 7)),
            usage=Usage(input_tokens=chance.choice((None, 5)), output_tokens=chance.choice((None, 7))),
        )
        for number in range(count)
    ]


def key_of(log: RequestLog) -> tuple[str, str, str | None]:
    return log.organization_id, log.environment, log.customer_identifier


def assert_is_sum_of(customer: Customer, logs: Iterable[RequestLog]) -> None:
    mine = [log for log in logs if key_of(log) == customer.key]
    assert customer.requests == len(mine)
    assert customer.errors == sum(log.outcome is Outcome.UPSTREAM_ERROR for log in mine)
    assert customer.cost == sum(log.cost or 0 for log in mine)
    assert customer.customer_cost == sum(
        (log.cost if log.customer_cost is None else log.customer_cost) for log in mine if log.cost is not None
    )
    assert customer.total_tokens == sum(total_tokens(log) or 0 for log in mine)
    assert (customer.latency_sum, customer.latency_count) == (
        sum(log.latency or 0 for log in mine),
        sum(log.latency is not None for log in mine),
    )
    starts = [log.started_at for log in mine]
    assert (customer.first_seen, customer.last_seen) == (min(starts), max(starts))
    assert customer.active_days == len({start // DAY for start in starts})


def test_customers_are_the_sums_of_their_logs_whatever_the_batches(logs: LogStore) -> None:
    some = some_logs()
    chance = random.Random(8)
    start = 0
    while start < len(some):
        end = start + chance.randrange(1, 60)
        logs.record(RecordBatch(logs=some[start:end]))
        start = end - chance.choice((0, 0, 5))  # which come again
    with logs.reading() as connection:
        everybody = page_of_customers(connection, CustomerQuery(organization_id=ORGANIZATION))
        everybody += page_of_customers(connection, CustomerQuery(organization_id=OTHER))
    assert {one.key for one in everybody} == {key for log in some if (key := key_of(log))[2] is not None}
    for customer in everybody:
        assert_is_sum_of(customer, some)
        assert customer.terms == CustomerTerms()


def test_another_price_moves_customers_and_their_days(logs: LogStore) -> None:
    some = [make_log(str(day), customer_identifier="ada", cost=10, started_at=day * DAY) for day in range(4)]
    logs.record(RecordBatch(logs=[*some, make_log("nobody", cost=10)]))
    priced = logs.priced_logs(EVERYTHING, START, 10)
    logs.reprice([NewPrice(log, 30, None, False, None, None, None, None, 33) for log in priced])
    assert (find(logs).cost, find(logs).customer_cost) == (120, 132)
    with logs.reading() as connection:
        assert spent_in_period(connection, find(logs), 3 * DAY) == 132
        weekly = replace(find(logs), terms=CustomerTerms(budget_duration=Period.DAY))
        assert spent_in_period(connection, weekly, 3 * DAY + 5) == 33


def test_terms_are_what_was_said_last_until_people_set_them(logs: LogStore) -> None:
    ada = make_log("a", customer_identifier="ada", customer_name="Ada")
    said = note("ada", period_budget=5, budget_duration=Period.WEEK, markup_ppm=7)
    logs.record(RecordBatch(logs=[ada], customers=[said]))
    assert (find(logs).terms, find(logs).name) == (said.terms, "Ada")
    logs.record(RecordBatch(customers=[note("ada", at=7, rate_limit=3), note("nobody", rate_limit=3)]))
    assert (find(logs).terms, find(logs).updated_at) == (CustomerTerms(rate_limit=3), 7)

    changed = change(logs, "ada", total_budget=9, rate_limit=None, email="a@b")
    assert changed is not None
    assert (changed.terms, changed.email) == (CustomerTerms(total_budget=9, managed=True), "a@b")
    quiet = replace(ada, log_id="b", customer_name=None)
    metadata = CustomerNote(ORGANIZATION, "prod", "ada", 9, CustomerTerms(rate_limit=8), '{"plan":"pro"}')
    logs.record(RecordBatch(logs=[quiet], customers=[metadata]))
    after = find(logs)
    assert (after.terms, after.name, after.metadata) == (changed.terms, "Ada", '{"plan":"pro"}')
    assert change(logs, "nobody", name="N") is None


def test_marks_and_terms_are_found_of_those_who_have_some(logs: LogStore) -> None:
    names = [f"c{number}" for number in range(700)]
    some = [make_log(name, customer_identifier=name) for name in names]
    logs.record(RecordBatch(logs=some))
    keys = [(ORGANIZATION, "prod", name) for name in names]
    with logs.reading() as connection:
        assert marks_of(connection, keys) == {}
    logs.record(RecordBatch(customers=[note("c3", markup_ppm=5), note("c650", total_budget=1)]))
    change(logs, "c600", total_budget=4)
    with logs.reading() as connection:
        assert marks_of(connection, keys) == {keys[3]: CustomerMark(5, False), keys[600]: CustomerMark(0, True)}
        assert marks_of(connection, [keys[650]]) == {}
        assert dict(customers_with_terms(connection)) == {
            keys[3]: CustomerTerms(markup_ppm=5),
            keys[600]: CustomerTerms(total_budget=4, managed=True),
            keys[650]: CustomerTerms(total_budget=1),
        }


def test_pages_filters_and_sorts(logs: LogStore) -> None:
    logs.record(
        RecordBatch(
            logs=[
                make_log(
                    f"{name}{number}",
                    customer_identifier=name,
                    cost=cost,
                    started_at=start * HOUR,
                    latency=None if name == "cem" else cost,
                )
                for name, cost, start in (("ada", 30, 1), ("bob", 20, 3), ("cem", 10, 2))
                for number in range(2)
            ]
        )
    )

    def page(**query: Any) -> list[str]:
        with logs.reading() as connection:
            asked = CustomerQuery(organization_id=ORGANIZATION, **query)
            found = page_of_customers(connection, asked)
            if "page" not in query:
                assert count_customers(connection, asked) == len(found)
            return [one.customer_identifier for one in found]

    assert page() == page(sort_by=field_named("last_seen")) == ["bob", "cem", "ada"]
    assert page(sort_by=field_named("total_cost")) == ["ada", "bob", "cem"]
    assert page(sort_by=field_named("average_latency")) == ["ada", "bob", "cem"]
    assert page(sort_by=field_named("average_latency"), descending=False) == ["bob", "ada", "cem"]
    assert page(filters=Condition(field_named("total_cost"), Operator.GTE, (40,))) == ["bob", "ada"]
    assert page(filters=Condition(field_named("customer_identifier"), Operator.CONTAINS, ("a",))) == ["ada"]
    assert page(page=2, page_size=2) == ["ada"]
    assert page(environment=Environment.TEST) == []
    with pytest.raises(FilterRefused, match="There is no field `nothing` of customers"):
        field_named("nothing")


def test_a_customer_is_added_once(logs: LogStore) -> None:
    with logs.writing() as connection:
        added = [add_customer(connection, ORGANIZATION, Environment.PROD, name, 5) for name in ("ada", "ada", "bob")]
    assert added == [True, False, True]
    assert (find(logs).first_seen, find(logs).requests) == (5, 0)


def test_a_customer_that_is_deleted_begins_anew(logs: LogStore) -> None:
    logs.record(RecordBatch(logs=[make_log("a", customer_identifier="ada", cost=5)]))
    with logs.writing() as connection:
        assert delete_customer(connection, ORGANIZATION, Environment.PROD, "ada")
        assert not delete_customer(connection, ORGANIZATION, Environment.PROD, "ada")
    logs.record(RecordBatch(logs=[make_log("b", customer_identifier="ada", cost=7)]))
    assert (find(logs).requests, find(logs).cost, find(logs).active_days) == (1, 7, 1)


def test_a_name_that_an_engine_refuses_is_mended(logs: LogStore) -> None:
    logs.record(RecordBatch(logs=[make_log("a", customer_identifier="a\0b", cost=5)]))
    with logs.reading() as connection:
        (customer,) = page_of_customers(connection, CustomerQuery(organization_id=ORGANIZATION))
    assert (customer.customer_identifier in ("a\0b", "a\ufffdb"), customer.cost) == (True, 5)
