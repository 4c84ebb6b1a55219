"""Customers' budgets: brought by calls, set by people, or the organization's for each; and what they do not change."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.core.limit_terms import customer_counters, customer_key
from gantry.core.limits import CustomerTerms, LimitScope
from gantry.core.periods import Period
from gantry.core.vocabulary import Environment
from tests.gateway.books import CENT, CHAT, all_closed, answered, chat, counted, limit, limited_node, told_limits
from tests.gateway.catalogue import until
from tests.gateway.conftest import Node, Upstream, answering, json_answer
from tests.gateway.test_holds import words_of

Runner = Callable[[Any], Any]
GOOD = json_answer(answered())
PROD = Environment.PROD


def used(node: Node, customer: str, terms: CustomerTerms) -> list[int]:
    """Return what is counted of a customer's budgets."""
    counters = node.worker._state.purses.counters
    return [counters.read(one, time.time_ns()) for one in customer_counters("o1", PROD, customer, terms)]


def of(customer: str, **terms: Any) -> dict[str, Any]:
    return {"customer_params": {"customer_identifier": customer, **terms}}


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        ({"period_budget": 0.02, "budget_duration": "yearly"}, "customer_budget"),
        ({"total_budget": 0.02}, "customer_total"),
        ({"rate_limit": 2}, "customer_rate"),
    ],
)
def test_a_budget_that_a_call_brings_holds_from_that_call_on(
    run: Runner, tmp_path: Path, terms: dict[str, Any], name: str
) -> None:
    async def main() -> None:
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url) as node:
            for _ in range(2):
                assert (await node.ask(CHAT, chat(**of("ada", **terms)))).status == 200
            refused = await node.ask(CHAT, chat(customer_identifier="ada"))
            assert refused.status == 429
            assert f"the limit {name} is reached" in words_of(refused.body)
            assert (await node.ask(CHAT, chat(customer_identifier="bob"))).status == 200
            assert (await node.ask(CHAT, chat())).status == 200

    run(main())


def test_a_markup_counts_on_the_customers_budget_alone(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(9 * CENT)
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap) as node:
            said = of("ada", total_budget=0.05, markup_percentage=50)
            assert (await node.ask(CHAT, chat(**said))).status == 200
            terms = CustomerTerms(total_budget=5 * CENT, markup_ppm=500_000)
            assert (counted(node, cap), used(node, "ada", terms)) == (CENT, [15 * CENT // 10])

    run(main())


def test_what_people_have_set_is_not_changed_by_calls(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url) as node:
            counters = node.worker._state.purses.counters
            counters.put_customer(customer_key("o1", PROD, "ada"), CustomerTerms(total_budget=CENT, managed=True))
            assert (await node.ask(CHAT, chat(**of("ada", total_budget=1000)))).status == 200
            assert (await node.ask(CHAT, chat(**of("ada", total_budget=1000)))).status == 429

    run(main())


def test_a_budget_ends_with_its_period(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url) as node:
            said = of("ada", total_budget=0, period_end="2020-01-01")
            assert (await node.ask(CHAT, chat(**said))).status == 200

    run(main())


def test_a_body_that_comes_when_its_window_is_over_counts_in_the_one_that_is_on(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url) as node:
            ends = time.time_ns() + 500_000_000
            anchored = CustomerTerms(period_budget=CENT, budget_duration=Period.HOUR, period_start=ends)
            counters = node.worker._state.purses.counters
            counters.put_customer(customer_key("o1", PROD, "ada"), anchored)
            body = chat(customer_identifier="ada")
            request = node.request(CHAT, body)
            slow = await node.connect()
            slow.send(request[: -len(body)])
            await until(lambda: bool(node.worker._state.calls))
            assert time.time_ns() < ends
            await until(lambda: time.time_ns() >= ends)
            assert (await node.ask(CHAT, body)).status == 200
            slow.send(body)
            assert (await slow.answer("POST")).status == 429
            slow.leave()
            assert used(node, "ada", anchored) == [CENT]

    run(main())


@pytest.mark.parametrize("name", [True, {"a": "b"}, ["a"]])
def test_a_name_that_is_none_takes_no_customers_budget_away(run: Runner, tmp_path: Path, name: Any) -> None:
    """The record reads the same name as the counters: what is no identifier is as if it were not there."""

    async def main() -> None:
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url) as node:
            said = of("ada", total_budget=0.01)
            assert (await node.ask(CHAT, chat(**said))).status == 200
            assert (await node.ask(CHAT, chat(**said, customer_identifier=name))).status == 429

    run(main())


def test_a_customer_that_may_not_call_at_all_is_not_told_to_try_again(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with limited_node(tmp_path, "http://127.0.0.1:9") as node:
            refused = await node.ask(CHAT, chat(**of("ada", rate_limit=0)))
            assert refused.status == 429
            assert "retry-after" not in refused.headers
            assert refused.headers["x-should-retry"] == "false"
            assert "try again" not in words_of(refused.body)

    run(main())


def test_a_limit_for_each_customer_counts_them_apart(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(CENT, scope=LimitScope.CUSTOMER, subject="*", period=Period.DAY)
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap) as node:
            for name in ("ada", "bob"):
                assert (await node.ask(CHAT, chat(customer_identifier=name))).status == 200
                assert (await node.ask(CHAT, chat(customer_identifier=name))).status == 429
                assert counted(node, cap, name) == CENT
            assert (await node.ask(CHAT, chat())).status == 200

    run(main())


def test_pain_5_naming_another_customer_takes_nothing_off_the_key(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(3 * CENT)
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap) as node:
            bodies = [
                chat(customer_identifier="ada"),
                chat(**of("bob", total_budget=1000)),
                chat(metadata={"respan_params": {"customer_identifier": "eve"}}, user="mallory"),
            ]
            for body in bodies:
                assert (await node.ask(CHAT, body)).status == 200
            assert counted(node, cap) == 3 * CENT
            for body in (*bodies, chat()):
                refused = await node.ask(CHAT, body)
                assert "the limit api_key_cost_lifetime is reached" in words_of(refused.body)
            for opened, closed in (await all_closed(node, 7))[:3]:
                assert opened.key_id == "k1"
                names = [one["name"] for one in told_limits(closed)["limits"]]
                assert names[0] == "api_key_cost_lifetime"

    run(main())
