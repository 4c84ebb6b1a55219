"""Holds of calls that go elsewhere: what each attempt may cost, who cannot be paid, and what stays counted."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gantry.core.limit_terms import credit_terms
from gantry.core.limits import CreditTerms, LimitUnit
from gantry.core.routing_rules import Hedge, ModelRule, RoutingRules
from gantry.core.vocabulary import Outcome
from gantry.gateway.call import Call
from gantry.routing.snapshot import CredentialRecord
from tests.gateway.books import (
    CENT,
    CHAT,
    all_closed,
    answered,
    chat,
    counted,
    counted_in,
    credential,
    limit,
    limited_node,
    penny,
    told_limits,
)
from tests.gateway.catalogue import holding, silent, until
from tests.gateway.conftest import Node, Upstream, answering, json_answer

Runner = Callable[[Any], Any]
GOOD = json_answer(answered())
FAILED = json_answer(b'{"message":"no"}', b"500 No")
DEAR = penny("openai/gpt-4o", name="dear", output_price=3 * CENT // 10 * 1_000_000)
HEDGED = RoutingRules(models=(ModelRule(match="*", hedge=Hedge(after=0.1, share=1.0)),))
STYLED = "/api/chat/completions"


def test_who_cannot_be_paid_is_passed_over_for_who_can(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        free = penny("openai/gpt-4o", name="free", output_price=0)
        upstream = Upstream(answering(GOOD))
        customs = [penny(), free]
        async with upstream.running(), limited_node(tmp_path, upstream.url, limit(CENT), customs=customs) as node:
            for _ in range(3):
                assert (await node.ask(STYLED, chat(fallback_models=["free"]))).status == 200
            calls = await all_closed(node, 3)
            assert [closed.attempts[0].provider_id for _, closed in calls] == ["mistral", "openai", "openai"]
            assert [closed.settled and closed.settled.cost for _, closed in calls] == [CENT, 0, 0]
            (warning,) = calls[1][1].warnings
            assert warning.startswith("penny-mistral cannot be asked: the limit api_key_cost_lifetime is reached")
            assert (await node.ask(STYLED, chat(fallback_models=["penny-mistral"]))).status == 429

    run(main())


def test_when_credits_are_used_up_a_fallback_at_ones_own_credential_answers(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        upstream = Upstream(answering(GOOD))
        async with upstream.running():
            both = [credential("mistral", upstream.url, None), credential("openai", upstream.url)]
            paid = CreditTerms(granted=CENT)
            async with limited_node(tmp_path, upstream.url, paid=paid, credentials=both) as node:
                for _ in range(2):
                    assert (await node.ask(STYLED, chat(fallback_models=["penny-openai"]))).status == 200
                assert (await node.ask(STYLED, chat())).status == 402
                calls = await all_closed(node, 3)
                assert [closed.attempts and closed.attempts[0].provider_id for _, closed in calls] == [
                    "mistral",
                    "openai",
                    [],
                ]
                first, second = calls[0][1].settled, calls[1][1].settled
                assert first is not None
                assert first.on_credits
                assert second is None  # nothing limits what one's own credential pays

    run(main())


def test_a_hold_moves_with_its_call(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap, requests = limit(3 * CENT), limit(9, LimitUnit.REQUESTS)
        gate = asyncio.Event()
        first, second = Upstream(holding(FAILED, gate)), Upstream(holding(GOOD, gate))
        async with first.running(), second.running():
            both = [credential("mistral", first.url), credential("openai", second.url)]
            customs = [penny(), DEAR]
            async with limited_node(tmp_path, "", cap, requests, credentials=both, customs=customs) as node:
                asked = asyncio.create_task(node.ask(STYLED, chat(fallback_models=["dear"])))
                await until(lambda: b"POST " in first.heard)
                assert counted(node, cap) == CENT
                gate.set()
                assert (await asked).status == 200
                ((opened, closed),) = await all_closed(node, 1)
                assert opened.hold is not None
                assert closed.settled is not None
                assert (opened.hold.cost, closed.settled.cost) == (CENT, 3 * CENT)
                assert (counted(node, cap), counted(node, requests)) == (3 * CENT, 1)

    run(main())


def test_a_fallback_that_cannot_be_paid_leaves_the_failure_and_nothing_held(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(2 * CENT)
        upstream = Upstream(answering(FAILED))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, customs=[penny(), DEAR]) as node:
            assert (await node.ask(STYLED, chat(fallback_models=["dear"]))).status == 500
            assert upstream.heard.count(b"POST ") == 1
            ((opened, closed),) = await all_closed(node, 1)
            assert opened.hold is not None
            assert closed.settled is not None
            assert (closed.settled.cost, list(counted_in(opened, closed)), counted(node, cap)) == (0, [], 0)
            assert told_limits(closed)["is_allowed"] is False

    run(main())


def test_two_attempts_at_once_are_both_held_and_are_one_request(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap, requests = limit(9 * CENT), limit(9, LimitUnit.REQUESTS)
        under_way = limit(1, LimitUnit.CONCURRENCY)
        gate = asyncio.Event()
        first, second = Upstream(silent), Upstream(holding(GOOD, gate))
        model = penny(input_price=1_000_000)  # a nano-dollar for each token
        async with first.running(), second.running():
            secrets = credential("mistral", first.url)
            both = [secrets, credential("mistral", second.url)]
            both[1] = type(secrets)("c-2", "o1", "mistral", "other", second.url, secrets.secrets, home=True)
            options: dict[str, Any] = {"credentials": both, "customs": [model], "rules": HEDGED}
            async with limited_node(tmp_path, "", cap, requests, under_way, **options) as node:
                node.worker._state.draw = lambda: 0.0
                asked = asyncio.create_task(node.ask(CHAT, chat()))
                await until(lambda: b"POST " in first.heard and b"POST " in second.heard)
                held = counted(node, cap)
                assert held > 2 * CENT
                assert counted(node, under_way) == 1
                gate.set()
                assert (await asked).status == 200
                ((opened, closed),) = await all_closed(node, 1)
                assert [one.outcome for one in closed.attempts] == [Outcome.CANCELLED, Outcome.SUCCESS]
                read = held // 2 - CENT  # what the one in vain was taken for: the request, and no answer
                assert closed.settled is not None
                assert closed.settled.cost == counted(node, cap) == CENT + 5 + read
                keys = [one.key for one in counted_in(opened, closed)]
                assert len(set(keys)) == len(keys)
                assert (counted(node, requests), counted(node, under_way)) == (1, 0)

    run(main())


def test_a_second_attempt_that_cannot_be_paid_is_not_made(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(CENT)
        gate = asyncio.Event()
        upstream = Upstream(holding(GOOD, gate))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, rules=HEDGED) as node:
            hedges = node.worker._state.hedges
            asked = asyncio.create_task(node.ask(CHAT, chat()))
            await until(lambda: hedges._left == 2)  # what each worker begins with, and this call's share
            await until(lambda: hedges._left == 1)  # it was to have one
            gate.set()
            assert (await asked).status == 200
            assert len(upstream.connections) == 1
            ((_, closed),) = await all_closed(node, 1)
            assert [one.outcome for one in closed.attempts] == [Outcome.SUCCESS]
            assert counted(node, cap) == CENT

    run(main())


def test_after_two_attempts_at_once_have_failed_a_third_is_the_same_request(run: Runner, tmp_path: Path) -> None:
    """The call's own attempt fails beside its rival, then the rival fails: who comes next takes nothing twice."""

    async def main() -> None:
        cap, requests = limit(9 * CENT), limit(1, LimitUnit.REQUESTS)
        under_way = limit(1, LimitUnit.CONCURRENCY)
        gates = asyncio.Event(), asyncio.Event()
        upstreams = Upstream(holding(FAILED, gates[0])), Upstream(holding(FAILED, gates[1])), Upstream(answering(GOOD))
        async with upstreams[0].running(), upstreams[1].running(), upstreams[2].running():
            held = [_twin(upstreams[0].url, "c-1"), _twin(upstreams[1].url, "c-2")]
            held.append(credential("openai", upstreams[2].url))
            options: dict[str, Any] = {"credentials": held, "rules": HEDGED}
            async with limited_node(tmp_path, "", cap, requests, under_way, **options) as node:
                node.worker._state.draw = lambda: 0.0
                asked = asyncio.create_task(node.ask(STYLED, chat(fallback_models=["penny-openai"])))
                await until(lambda: b"POST " in upstreams[0].heard and b"POST " in upstreams[1].heard)
                gates[0].set()
                await until(lambda: bool(node.worker._state.calls) and _attempts_noted(node) == 1)
                gates[1].set()
                assert (await asked).status == 200
                ((opened, closed),) = await all_closed(node, 1)
                assert closed.settled is not None
                assert (counted(node, cap), counted(node, requests), counted(node, under_way)) == (CENT, 1, 0)
                assert {one.unit: one.amount for one in counted_in(opened, closed)} == {"cost": CENT, "requests": 1}

    run(main())


def test_what_was_held_beside_is_given_back_where_the_answer_is_not_paid(run: Runner, tmp_path: Path) -> None:
    """A rival at the platform's credential fails, then the first does: one's own credential needs no credits."""

    async def main() -> None:
        gates = asyncio.Event(), asyncio.Event()
        upstreams = Upstream(holding(FAILED, gates[0])), Upstream(holding(FAILED, gates[1])), Upstream(answering(GOOD))
        async with upstreams[0].running(), upstreams[1].running(), upstreams[2].running():
            held = [_twin(upstreams[0].url, "c-1", None), _twin(upstreams[1].url, "c-2", None)]
            held.append(credential("openai", upstreams[2].url))
            paid = CreditTerms(granted=9 * CENT)
            options: dict[str, Any] = {"credentials": held, "rules": HEDGED, "paid": paid}
            async with limited_node(tmp_path, "", **options) as node:
                node.worker._state.draw = lambda: 0.0
                asked = asyncio.create_task(node.ask(STYLED, chat(fallback_models=["penny-openai"])))
                await until(lambda: b"POST " in upstreams[0].heard and b"POST " in upstreams[1].heard)
                assert _used_credits(node, paid) == 2 * CENT
                gates[1].set()
                await until(lambda: bool(node.worker._state.calls) and _attempts_noted(node) == 1)
                gates[0].set()
                assert (await asked).status == 200
                await all_closed(node, 1)
                assert _used_credits(node, paid) == 0

    run(main())


def test_credits_do_not_pay_the_answer_of_a_rival_at_ones_own_credential(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        first, second = Upstream(silent), Upstream(holding(GOOD, gate))
        async with first.running(), second.running():
            held = [_twin(first.url, "c-1", None), credential("openai", second.url)]
            paid = CreditTerms(granted=9 * CENT)
            options: dict[str, Any] = {"credentials": held, "rules": HEDGED, "paid": paid}
            async with limited_node(tmp_path, "", **options) as node:
                node.worker._state.draw = lambda: 0.0
                group = [{"model": "penny-mistral", "weight": 1}, {"model": "penny-openai", "weight": 1}]
                asked = asyncio.create_task(node.ask(STYLED, chat(load_balance_models=group)))
                await until(lambda: b"POST " in first.heard and b"POST " in second.heard)
                assert _used_credits(node, paid) == CENT
                gate.set()
                assert (await asked).status == 200
                ((opened, closed),) = await all_closed(node, 1)
                assert opened.hold is not None
                assert opened.hold.on_credits
                assert closed.settled is not None
                assert not closed.settled.on_credits
                assert _used_credits(node, paid) == closed.settled.cost == 0  # to read costs nothing there

    run(main())


def _twin(url: str, name: str, organization: str | None = "o1") -> CredentialRecord:
    made = credential("mistral", url, organization)
    return CredentialRecord(name, organization, "mistral", name, url, made.secrets, home=True)


def _attempts_noted(node: Node) -> int:
    """Return how many attempts of the one call under way are over."""
    (call,) = node.worker._state.calls
    assert isinstance(call, Call)
    return 0 if call.recording is None else len(call.recording.attempts)


def _used_credits(node: Node, paid: CreditTerms) -> int:
    return node.worker._state.purses.counters.read(credit_terms("o1", paid), time.time_ns())
