"""Calls whose counters answer later, as those of several machines do: nothing is lost, asked twice or left held."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from gantry.board.counters import Counters
from gantry.board.held import HeldElsewhere, Taking
from gantry.board.standings import Refused
from gantry.core.limits import Counted, CounterTerms, LimitUnit
from gantry.core.vocabulary import Outcome
from gantry.gateway.cached_answer import CachedAnswer
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
)
from tests.gateway.catalogue import holding, silent, until
from tests.gateway.conftest import Node, Upstream, answering, json_answer
from tests.gateway.test_holds import words_of
from tests.gateway.test_holds_attempts import DEAR, FAILED, GOOD, HEDGED, STYLED
from tests.gateway.test_holds_routes import NATIVE, ask_all
from tests.gateway.test_kept_response import ANTHROPIC, make
from tests.gateway.test_tunnel import BYE, CLIENTS_BYE, accepting, offer

Runner = Callable[[Any], Any]


class LateCounters:
    """This machine's counters, that answer when the gate is open and the loop comes round."""

    def __init__(self, local: Counters) -> None:
        self._local = local
        self.answers = True
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0

    async def start(self) -> None: ...
    async def close(self) -> None: ...

    def hold(
        self,
        terms: Sequence[CounterTerms],
        cost: int | None,
        tokens: int,
        now: int,
        then: Callable[[Taking | Refused], None],
        *,
        present: int = 0,
    ) -> None:
        async def answer() -> None:
            await self.gate.wait()
            held = self._local.hold(terms, cost, tokens, now)
            then(held if isinstance(held, Refused) else HeldElsewhere(held.counted, held.warned, held.standings, held))

        self.asked += 1
        self._task = asyncio.get_running_loop().create_task(answer())

    def settle(
        self, held: Taking, cost: int, tokens: int, now: int, then: Callable[[tuple[Counted, ...]], None]
    ) -> None:
        def settle() -> None:
            assert isinstance(held, HeldElsewhere)
            assert held.local is not None
            then(self._local.settle(held.local, cost, tokens, now).counted)

        asyncio.get_running_loop().call_soon(settle)

    def release(self, held: Taking, now: int) -> None:
        assert isinstance(held, HeldElsewhere)
        assert held.local is not None
        self._local.release(held.local, now)


@contextlib.asynccontextmanager
async def late_node(path: Path, url: str, *limits: Any, **options: Any) -> AsyncIterator[tuple[Node, LateCounters]]:
    async with limited_node(path, url, *limits, **options) as node:
        purses = node.worker._state.purses
        late = LateCounters(purses.counters)
        purses.shared = late
        yield node, late


def test_a_call_waits_for_its_hold_and_is_refused_by_it(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(2 * CENT)
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), late_node(tmp_path, upstream.url, cap) as (node, late):
            for stream in (False, False):
                assert (await node.ask(CHAT, chat(stream=stream))).status == 200
            assert "the limit api_key_cost_lifetime" in words_of((await node.ask(CHAT, chat())).body)
            assert late.asked == 3
            calls = await all_closed(node, 3)
            settled = calls[0][1].settled
            assert settled is not None
            assert [one.amount for one in counted_in(*calls[0])] == [CENT]
            assert counted(node, cap) == 2 * CENT

    run(main())


def test_a_client_that_leaves_while_its_hold_is_asked_for_leaves_nothing(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(2 * CENT)
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), late_node(tmp_path, upstream.url, cap) as (node, late):
            late.gate.clear()
            client = await node.connect()
            client.send(node.request(CHAT, chat()))
            await until(lambda: late.asked == 1)
            client.leave()
            await all_closed(node, 1)
            late.gate.set()
            assert (await node.ask(CHAT, chat())).status == 200  # asked and answered behind it
            assert counted(node, cap) == CENT
            assert upstream.heard.count(b"POST ") == 1

    run(main())


def test_a_fallback_waits_for_its_hold_and_one_that_cannot_be_paid_ends_the_call(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(4 * CENT)
        first, second = Upstream(answering(FAILED)), Upstream(answering(GOOD))
        async with first.running(), second.running():
            both = [credential("mistral", first.url), credential("openai", second.url)]
            options: dict[str, Any] = {"credentials": both, "customs": [penny(), DEAR]}
            async with late_node(tmp_path, "", cap, **options) as (node, _):
                assert (await node.ask(STYLED, chat(fallback_models=["dear"]))).status == 200
                assert counted(node, cap) == 3 * CENT
                assert (await node.ask(STYLED, chat(fallback_models=["dear"]))).status == 429
                assert counted(node, cap) == 3 * CENT
                calls = await all_closed(node, 2)
                assert calls[1][1].settled is not None
                assert list(counted_in(*calls[1])) == []

    run(main())


def test_who_cannot_be_paid_is_passed_over(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        free = penny("openai/gpt-4o", name="free", output_price=0)
        upstream = Upstream(answering(GOOD))
        customs = [penny(), free]
        async with upstream.running(), late_node(tmp_path, upstream.url, limit(CENT), customs=customs) as (node, _):
            for _ in range(2):
                assert (await node.ask(STYLED, chat(fallback_models=["free"]))).status == 200
            calls = await all_closed(node, 2)
            assert [closed.attempts[0].provider_id for _, closed in calls] == ["mistral", "openai"]

    run(main())


def test_a_second_attempt_waits_for_its_hold(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(9 * CENT)
        first, second = Upstream(silent), Upstream(answering(GOOD))
        async with first.running(), second.running():
            one = credential("mistral", first.url)
            other = type(one)("c-2", "o1", "mistral", "other", second.url, one.secrets, home=True)
            async with late_node(tmp_path, "", cap, credentials=[one, other], rules=HEDGED) as (node, _):
                node.worker._state.draw = lambda: 0.0
                assert (await node.ask(CHAT, chat())).status == 200
                ((_, closed),) = await all_closed(node, 1)
                assert [attempt.outcome for attempt in closed.attempts] == [Outcome.CANCELLED, Outcome.SUCCESS]
                await until(lambda: counted(node, cap) == CENT)

    run(main())


def test_every_route_waits_for_its_hold(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap, requests = limit(10**12), limit(10_000, LimitUnit.REQUESTS)
        upstream = Upstream(answering(GOOD))
        async with (
            upstream.running(),
            limited_node(tmp_path / "a", upstream.url, cap, requests, scopes=NATIVE) as node,
            late_node(tmp_path / "b", upstream.url, cap, requests, scopes=NATIVE) as (late, _),
        ):
            at_once, later = await ask_all(node), await ask_all(late)
            assert {name: status for name, (status, _) in later.items()} == {
                name: status for name, (status, _) in at_once.items()
            }
            await all_closed(late, len(later))
            await until(lambda: counted(late, requests) == counted(node, requests))

    run(main())


def test_tunnels_kept_responses_and_cached_answers_wait_too(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        requests = limit(9, LimitUnit.REQUESTS)
        tunnel, kept = Upstream(accepting(until=CLIENTS_BYE, last=BYE)), Upstream(ANTHROPIC)
        async with tunnel.running(), late_node(tmp_path / "a", tunnel.url, requests, scopes=NATIVE) as (node, _):
            client = await node.connect()
            client.send(offer(node))
            await client.reader.readuntil(b"\r\n\r\n")
            client.send(CLIENTS_BYE)
            await all_closed(node, 1)
            assert counted(node, requests) == 1
            client.leave()
        async with kept.running(), late_node(tmp_path / "b", kept.url, requests) as (node, _):
            made = await make(node, max_output_tokens=10)
            shown = await node.ask(f"/api/responses/{made['id']}", method="GET")
            assert (shown.status, json.loads(shown.body)["id"]) == (200, made["id"])
            assert counted(node, requests) == 2
        upstream = Upstream(answering(json_answer(answered())))
        async with upstream.running(), late_node(tmp_path / "c", upstream.url, requests) as (node, _):
            for _ in range(2):
                assert (await node.ask(CHAT, chat(cache_enabled=True))).status == 200
            assert upstream.heard.count(b"POST ") == 1
            assert counted(node, requests) == 2

    run(main())


def test_a_cached_answer_that_waits_writes_nothing_before_its_counters_answer(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        requests = limit(9, LimitUnit.REQUESTS)
        upstream = Upstream(answering(json_answer(answered())))
        async with upstream.running(), late_node(tmp_path, upstream.url, requests) as (node, late):
            assert (await node.ask(CHAT, chat(cache_enabled=True))).status == 200
            late.gate.clear()
            asked = asyncio.create_task(node.ask(CHAT, chat(cache_enabled=True)))
            await until(lambda: late.asked == 2)
            (waiting,) = node.worker._state.calls
            assert isinstance(waiting, CachedAnswer)
            faults: list[dict[str, Any]] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
            waiting.on_client_full()  # what was answered before it on the connection is not read at once
            waiting.on_client_drained()
            await asyncio.sleep(0)
            late.gate.set()
            assert (await asked).status == 200
            assert not faults

    run(main())


def test_a_call_refused_while_it_waits_gives_back_what_comes(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(CENT)
        gate = asyncio.Event()
        upstream = Upstream(holding(GOOD, gate))
        async with upstream.running(), late_node(tmp_path, upstream.url, cap) as (node, late):
            late.gate.clear()
            asked = [asyncio.create_task(node.ask(CHAT, chat())) for _ in range(4)]
            await until(lambda: late.asked == 4)
            late.gate.set()
            gate.set()
            assert sorted([answer.status for answer in await asyncio.gather(*asked)]) == [200, 429, 429, 429]
            await until(lambda: counted(node, cap) == CENT)

    run(main())
