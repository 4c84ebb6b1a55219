"""Limits of calls, as transcripts: what is held, who is refused and in which words, and what is counted at the end."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gantry.core.limits import Books, CreditTerms, LimitAction, LimitScope, LimitUnit, Unpriced
from gantry.core.money import MOST_COST
from gantry.core.periods import Period
from gantry.core.vocabulary import Dialect, Outcome
from gantry.wire.body import encode_chunk
from tests.gateway.books import (
    CENT,
    CHAT,
    WORDS,
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
from tests.gateway.catalogue import holding, publish, until
from tests.gateway.conftest import STREAM_HEAD, Heard, Upstream, answering, json_answer, read_request
from tests.gateway.endless import ENDLESS

Runner = Callable[[Any], Any]
GOOD = json_answer(answered())


def words_of(body: bytes) -> str:
    told = json.loads(body)
    words: str = told.get("error", told)["message"]
    return words


def test_a_cost_limit_lets_through_what_it_can_pay_and_says_why_not_the_rest(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        pocket_money = limit(2 * CENT, name="pocket money")
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, pocket_money) as node:
            for _ in range(2):
                assert (await node.ask(CHAT, chat())).status == 200
            refused = await node.ask(CHAT, chat())
            assert refused.status == 429
            assert "retry-after" not in refused.headers
            assert refused.headers["x-should-retry"] == "false"
            assert words_of(refused.body).startswith(
                "the limit pocket money is reached: $0.02 of $0.02 in all are used"
            )
            assert upstream.heard.count(b"POST ") == 2
            calls = await all_closed(node, 3)
            for opened, closed in calls[:2]:
                assert opened.hold is not None
                assert closed.settled is not None
                assert (opened.hold.cost, closed.settled.cost) == (CENT, CENT)
                assert [one.amount for one in counted_in(opened, closed)] == [CENT]
                assert told_limits(closed)["is_allowed"] is True
            opened, closed = calls[2]
            assert opened.hold is closed.settled is None
            assert closed.outcome == Outcome.REFUSED
            assert told_limits(closed) == {
                "is_allowed": False,
                "limits": [
                    {
                        "name": "pocket money",
                        "current_value": 0.02,
                        "new_value": 0.03,
                        "limit_value": 0.02,
                        "is_within_limit": False,
                    }
                ],
            }

    run(main())


def test_pain_6_calls_at_once_do_not_pass_the_same_check(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        upstream = Upstream(holding(GOOD, gate))
        async with upstream.running(), limited_node(tmp_path, upstream.url, limit(3 * CENT)) as node:
            asked = [asyncio.create_task(node.ask(CHAT, chat())) for _ in range(8)]
            await until(lambda: sum(task.done() for task in asked) == 5)
            gate.set()
            statuses = sorted(answer.status for answer in await asyncio.gather(*asked))
            assert statuses == [200] * 3 + [429] * 5
            assert upstream.heard.count(b"POST ") == 3

    run(main())


def test_what_a_call_used_takes_the_place_of_what_it_might_have(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap, tokens = limit(5 * CENT), limit(1000, LimitUnit.TOKENS, period=Period.DAY)
        upstream = Upstream(answering(json_answer(answered(WORDS))))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, tokens) as node:
            assert (await node.ask(CHAT, chat(max_tokens=3 * WORDS))).status == 200
            assert (counted(node, cap), counted(node, tokens)) == (CENT, WORDS + 5)
            assert (await node.ask(CHAT, chat(max_tokens=4 * WORDS))).status == 200
            refused = await node.ask(CHAT, chat(max_tokens=4 * WORDS))
            assert refused.status == 429
            assert "$0.02 of $0.05 in all are used, and this call may take $0.04" in words_of(refused.body)

    run(main())


@pytest.mark.plain
def test_a_fault_in_reading_what_a_call_cost_loses_no_record(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        cap, alone = limit(2 * CENT), limit(1, LimitUnit.CONCURRENCY)
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, alone) as node:
            monkeypatch.setattr("gantry.gateway.hold.spent", fail)
            assert (await node.ask(CHAT, chat())).status == 200
            ((opened, closed),) = await all_closed(node, 1)
            assert opened.hold is not None
            assert closed.settled is not None
            assert (closed.outcome, closed.settled.cost) == (Outcome.SUCCESS, CENT)
            assert counted(node, cap) == CENT, "the estimate stays"
            assert (await node.ask(CHAT, chat())).status == 200, "no call is under way any more"

    run(main())


def test_a_long_answer_is_settled_by_its_usage_as_a_short_one_is(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(5 * CENT)
        long = answered().replace(b"hello", b"hello " * 8000)
        upstream = Upstream(answering(json_answer(long)))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap) as node:
            assert (await node.ask(CHAT, chat(max_tokens=3 * WORDS))).status == 200
            assert counted(node, cap) == CENT

    run(main())


@pytest.mark.parametrize(
    ("unit", "amount", "period", "words", "waits"),
    [
        (LimitUnit.REQUESTS, 1, Period.LIFETIME, "1 requests in all are used; it does not begin anew", None),
        (LimitUnit.REQUESTS, 1, Period.MINUTE, "1 requests a minute are used", True),
        (LimitUnit.REQUESTS, 1, Period.YEAR, "1 requests a year are used; it begins anew at 20", False),
        (LimitUnit.TOKENS, 40, Period.LIFETIME, "40 tokens in all are used, and this call may take", None),
        (LimitUnit.COST, CENT, Period.YEAR, "$0.01 of $0.01 a year are used; it begins anew at 20", False),
    ],
)
def test_a_refusal_has_numbers_and_the_time_when_it_ends(
    run: Runner, tmp_path: Path, unit: LimitUnit, amount: int, period: Period, words: str, waits: bool | None
) -> None:
    async def main() -> None:
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, limit(amount, unit, period=period)) as node:
            assert (await node.ask(CHAT, chat())).status == 200
            refused = await node.ask(CHAT, chat())
            assert refused.status == 429
            assert words in words_of(refused.body)
            told = json.loads(refused.body).get("retry_after")
            if waits:
                assert 1 <= int(refused.headers["retry-after"]) <= 60
                assert told == int(refused.headers["retry-after"])
            else:
                assert "retry-after" not in refused.headers
                assert refused.headers["x-should-retry"] == "false"
                assert (told is None) == (waits is None)

    run(main())


def test_what_is_larger_than_a_whole_minute_is_told_to_ask_for_less(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(100, LimitUnit.TOKENS, period=Period.MINUTE)
        async with limited_node(tmp_path, "http://127.0.0.1:9", cap) as node:
            refused = await node.ask(CHAT, chat(max_tokens=1000))
            assert refused.status == 429
            assert "retry-after" not in refused.headers
            assert refused.headers["x-should-retry"] == "false"
            assert words_of(refused.body).endswith("it never allows so much at once: raise it, or ask for less")

    run(main())


def test_a_limit_that_refuses_what_nobody_knows_the_price_of_is_told_as_one_that_does(
    run: Runner, tmp_path: Path
) -> None:
    async def main() -> None:
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, limit(CENT)) as node:
            assert (await node.ask(CHAT, chat())).status == 200
            assert (await node.ask("/v1/workflows/x", b"{}")).status == 429
            (_, refused) = (await all_closed(node, 2))[1]
            told = told_limits(refused)
            assert told["is_allowed"] is False
            assert [one["is_within_limit"] for one in told["limits"]] == [False]

    run(main())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, chat()),
        ("/api/chat/completions", chat("penny-openai")),
        ("/api/responses", json.dumps({"model": "penny-openai", "input": "hi", "max_output_tokens": WORDS}).encode()),
        ("/api/anthropic/v1/messages", chat("penny-anthropic")),
        (
            "/api/google/gemini/v1beta/models/penny-gemini:generateContent",
            b'{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":10}}',
        ),
        ("/api/v2/rerank", b'{"model":"cohere/rerank-v3.5","query":"a","documents":["b"]}'),
    ],
)
def test_a_refusal_speaks_the_callers_dialect(run: Runner, tmp_path: Path, path: str, body: bytes) -> None:
    async def main() -> None:
        async with limited_node(tmp_path, "http://127.0.0.1:9", limit(1)) as node:
            refused = await node.ask(path, body)
            assert refused.status == 429
            told = json.loads(refused.body)
            words = told["message"] if path.endswith("rerank") else told["error"]["message"]
            assert words.startswith("the limit api_key_cost_lifetime is reached: $0.00 of $0.000000001 in all are used")
            match path.split("/")[2]:
                case "anthropic":
                    assert told["error"]["type"] == "rate_limit_error"
                case "google":
                    assert told["error"]["status"] == "RESOURCE_EXHAUSTED"
                case "v2":
                    assert told.keys() <= {"message"}
                case _:
                    assert told["error"]["code"] == "rate_limit_error"

    run(main())


def test_pain_15_what_costs_nothing_passes_an_exhausted_cap(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        free = penny(name="free", output_price=0)
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, limit(0), customs=[penny(), free]) as node:
            assert (await node.ask(CHAT, chat())).status == 429
            assert (await node.ask(CHAT, chat("free"))).status == 200

    run(main())


@pytest.mark.parametrize(("unpriced", "status"), [(Unpriced.ALLOW, 200), (Unpriced.BLOCK, 403)])
def test_a_model_without_a_price_passes_or_not_by_the_setting(
    run: Runner, tmp_path: Path, unpriced: Unpriced, status: int
) -> None:
    async def main() -> None:
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, limit(CENT), unpriced=unpriced) as node:
            got = await node.ask(CHAT, chat("mistral/nobody-knows-what-it-costs"))
            assert got.status == status, got.body
            if status != 200:
                assert "no price is known for mistral/nobody-knows-what-it-costs" in words_of(got.body)
                assert "`unpriced`" in words_of(got.body)
        async with upstream.running(), limited_node(tmp_path / "b", upstream.url, unpriced=unpriced) as node:
            assert (await node.ask(CHAT, chat("mistral/nobody-knows-what-it-costs"))).status == 200  # nothing counts it

    run(main())


def test_pain_14_no_key_is_above_its_organizations_limits(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        upstream = Upstream(answering(GOOD))
        cap = limit(CENT, scope=LimitScope.ORGANIZATION)
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, scopes=63) as node:
            assert (await node.ask(CHAT, chat())).status == 200
            assert (await node.ask(CHAT, chat())).status == 429
        async with upstream.running(), limited_node(tmp_path / "b", upstream.url, scopes=32) as node:
            assert (await node.ask(CHAT, chat())).status == 403  # a key that manages calls no model at all

    run(main())


def test_pain_7_a_stream_that_failed_before_its_first_chunk_leaves_nothing_held(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(CENT)
        upstream = Upstream(answering(STREAM_HEAD, close=True))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap) as node:
            for number in range(3):
                assert (await node.ask(CHAT, chat(stream=True))).status == 200
                await all_closed(node, number + 1)
                assert counted(node, cap) == 0
            assert upstream.heard.count(b"POST ") == 3

    run(main())


@pytest.mark.parametrize("status", [b"500 No", b"429 Too Many Requests", b"400 Bad Request"])
def test_an_error_of_the_provider_costs_nothing_and_is_a_request(run: Runner, tmp_path: Path, status: bytes) -> None:
    async def main() -> None:
        cap, requests = limit(CENT), limit(2, LimitUnit.REQUESTS)
        upstream = Upstream(answering(json_answer(b'{"message":"no"}', status)))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, requests) as node:
            for _ in range(2):
                assert (await node.ask(CHAT, chat())).status == int(status[:3])
            assert (counted(node, cap), counted(node, requests)) == (0, 2)
            assert "api_key_requests" in words_of((await node.ask(CHAT, chat())).body)

    run(main())


def test_a_call_that_never_reached_its_provider_counts_for_nothing(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap, requests = limit(CENT), limit(2, LimitUnit.REQUESTS)
        async with limited_node(tmp_path, "http://127.0.0.1:9", cap, requests) as node:
            for _ in range(3):
                assert (await node.ask(CHAT, chat())).status == 502
            assert (counted(node, cap), counted(node, requests)) == (0, 0)

    run(main())


def test_pain_8_a_client_that_leaves_is_charged_for_what_came(run: Runner, tmp_path: Path) -> None:
    event = b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"word"},"finish_reason":null}]}\n\n'

    async def talking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        await read_request(reader, heard)
        writer.write(STREAM_HEAD + encode_chunk(event) * 4)
        await reader.read()

    async def main() -> None:
        cap = limit(9 * CENT)
        upstream = Upstream(talking)
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap) as node:
            client = await node.connect()
            client.send(node.request(CHAT, chat(stream=True, max_tokens=9 * WORDS)))
            await client.reader.readuntil(event)
            await until(lambda: counted(node, cap) == 9 * CENT)
            client.leave()
            ((_, closed),) = await all_closed(node, 1)
            assert closed.outcome == Outcome.CLIENT_GONE
            assert closed.settled is not None
            assert 0 < counted(node, cap) <= 4 * CENT // WORDS
            assert closed.settled.cost == counted(node, cap)

    run(main())


def test_a_client_that_leaves_before_the_first_chunk_is_charged_for_its_request(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(900 * CENT)
        model = penny(input_price=1_000_000 * CENT)  # a cent for each token
        upstream = Upstream(holding(GOOD, asyncio.Event()))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, customs=[model]) as node:
            client = await node.connect()
            client.send(node.request(CHAT, chat(max_tokens=WORDS)))
            await until(lambda: b"POST " in upstream.heard)
            held = counted(node, cap)
            client.leave()
            await all_closed(node, 1)
            assert held > counted(node, cap) == held - CENT > 0

    run(main())


def test_concurrency_is_of_calls_under_way(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        upstream = Upstream(holding(GOOD, gate))
        cap = limit(2, LimitUnit.CONCURRENCY)
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap) as node:
            asked = [asyncio.create_task(node.ask(CHAT, chat())) for _ in range(2)]
            await until(lambda: counted(node, cap) == 2)
            refused = await node.ask(CHAT, chat())
            assert (refused.status, refused.headers["retry-after"]) == (429, "1")
            assert "2 of 2 calls are under way" in words_of(refused.body)
            gate.set()
            assert [answer.status for answer in await asyncio.gather(*asked)] == [200, 200]
            await until(lambda: counted(node, cap) == 0)
            assert (await node.ask(CHAT, chat())).status == 200

    run(main())


def test_a_limit_that_warns_lets_the_call_through_and_says_so(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        upstream = Upstream(answering(GOOD))
        cap = limit(CENT, action=LimitAction.WARN, name="watched")
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap) as node:
            for _ in range(2):
                assert (await node.ask(CHAT, chat())).status == 200
            (_, first), (_, second) = await all_closed(node, 2)
            assert first.warnings == []
            assert second.warnings == ["the limit watched is passed: $0.02 of $0.01 in all; it only warns"]
            info = told_limits(second)
            assert info["is_allowed"] is True
            assert info["limits"][0]["is_within_limit"] is False

    run(main())


def test_several_limits_stack_and_all_of_them_count_or_none(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        wide, narrow = limit(9 * CENT), limit(CENT, scope=LimitScope.ORGANIZATION, period=Period.MONTH)
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, wide, narrow) as node:
            assert (await node.ask(CHAT, chat())).status == 200
            refused = await node.ask(CHAT, chat())
            assert "the limit organization_cost_month is reached" in words_of(refused.body)
            assert (counted(node, wide), counted(node, narrow)) == (CENT, CENT)

    run(main())


def test_a_models_limit_is_of_all_that_its_pattern_fits_and_of_nothing_else(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(CENT, scope=LimitScope.MODEL, subject="penny-*")
        upstream = Upstream(answering(GOOD))
        customs = [penny(), penny("openai/gpt-4o")]
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, customs=customs) as node:
            assert (await node.ask(CHAT, chat("penny-mistral"))).status == 200
            assert (await node.ask("/api/chat/completions", chat("penny-openai"))).status == 429
            assert (await node.ask(CHAT, chat("mistral/mistral-small-latest"))).status == 200

    run(main())


def test_a_new_key_in_place_of_another_does_not_escape_its_limit(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(CENT, subject="k0")
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, bound_by=("k0",)) as node:
            assert (await node.ask(CHAT, chat())).status == 200
            assert (await node.ask(CHAT, chat())).status == 429

    run(main())


def test_credits_pay_for_the_platforms_credentials_with_their_markup_and_for_no_others(
    run: Runner, tmp_path: Path
) -> None:
    async def main() -> None:
        upstream = Upstream(answering(GOOD))
        paid = CreditTerms(granted=3 * CENT, minimum_balance=CENT // 2, markup_ppm=200_000)
        platform = [credential("mistral", upstream.url, None)]
        async with upstream.running():
            platform = [credential("mistral", upstream.url, None)]
            async with limited_node(tmp_path, upstream.url, paid=paid, credentials=platform) as node:
                for _ in range(2):
                    assert (await node.ask(CHAT, chat())).status == 200
                refused = await node.ask(CHAT, chat())
                assert refused.status == 402
                assert refused.headers["x-should-retry"] == "false"
                assert words_of(refused.body).startswith(
                    "the organization's credits are used up: the balance is $0.006, of which $0.005 must stay, "
                    "and this call may cost $0.012"
                )
                calls = await all_closed(node, 3)
                settled = calls[0][1].settled
                assert settled is not None
                assert (settled.cost, settled.on_credits, settled.markup_ppm) == (CENT, True, 200_000)
                assert [one.amount for one in counted_in(*calls[0])] == [12 * CENT // 10]
                (told,) = told_limits(calls[2][1])["limits"]
                assert told == {
                    "name": "org_credits",
                    "current_value": 0.006,
                    "new_value": -0.006,
                    "limit_value": 0.005,
                    "is_within_limit": False,
                }
            async with limited_node(tmp_path / "own", upstream.url, paid=paid) as node:
                for _ in range(4):
                    assert (await node.ask(CHAT, chat())).status == 200
                assert all(closed.settled is None for _, closed in await all_closed(node, 4))

    run(main())


def test_nothing_is_held_for_an_organization_without_books(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url) as node:
            assert (await node.ask(CHAT, chat(customer_identifier="ada"))).status == 200
            ((opened, closed),) = await all_closed(node, 1)
            assert (opened.hold, closed.settled, closed.limits) == (None, None, None)

    run(main())


def test_pain_18_a_runaway_agent_is_stopped_before_its_next_call_and_goes_on_when_its_limit_is_raised(
    run: Runner, tmp_path: Path
) -> None:
    async def main() -> None:
        cap = limit(3 * CENT, name="agents", period=Period.DAY)
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap) as node:
            turn = chat(thread_identifier="a loop")
            statuses = [(await node.ask(CHAT, turn)).status for _ in range(10)]
            assert statuses == [200] * 3 + [429] * 7
            assert upstream.heard.count(b"POST ") == 3  # what is refused does not go out
            refused = await node.ask(CHAT, turn)
            assert words_of(refused.body).startswith(
                "the limit agents is reached: $0.03 of $0.03 a day are used; it begins"
            )
            assert refused.headers["x-should-retry"] == "false"  # so that the SDK's own loop ends, too
            raised = Books((replace(cap, amount=4 * CENT),))
            await publish(node, 7, [credential("mistral", upstream.url)], [penny()], books=raised)
            assert [(await node.ask(CHAT, turn)).status for _ in range(2)] == [200, 429]
            assert counted(node, cap) == 4 * CENT

    run(main())


@pytest.mark.parametrize("stops", [True, False])
def test_pain_18_a_stream_ends_with_what_its_limit_can_hold_where_that_is_wished(
    run: Runner, tmp_path: Path, stops: bool
) -> None:
    endless = ENDLESS[Dialect.MISTRAL]

    async def main() -> None:
        cap = limit(3 * CENT)
        upstream = Upstream(endless.script())
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, stop_streams=stops) as node:
            client = await node.connect()
            client.send(node.request(CHAT, chat(stream=True)))
            if not stops:
                await client.reader.readuntil(endless.words[-1])
                client.leave()
                await all_closed(node, 1)
                return
            answer = await asyncio.wait_for(client.answer(), 10)
            assert (answer.status, answer.body.endswith(b"data: [DONE]\n\n")) == (200, True)
            assert b'"finish_reason":"length"' in answer.body.replace(b" ", b"")
            ((_, closed),) = await all_closed(node, 1)
            assert closed.stopped is not None
            assert closed.stopped.usage.output_tokens is not None
            assert 2 * WORDS < closed.stopped.usage.output_tokens <= 3 * WORDS + 5
            assert closed.settled is not None
            assert closed.settled.cost == counted(node, cap) == closed.stopped.usage.output_tokens * CENT // WORDS
            assert "the limit api_key_cost_lifetime is reached" in closed.warnings[-1]
            assert "$0.03 of $0.03" in closed.warnings[-1]
            client.leave()

    run(main())


@pytest.mark.parametrize("asked", [WORDS, 10**15])
def test_a_usage_beyond_all_measure_is_recorded_and_uses_the_limit_up(run: Runner, tmp_path: Path, asked: int) -> None:
    async def main() -> None:
        cap = limit(5 * CENT, action=LimitAction.WARN)
        upstream = Upstream(answering(json_answer(answered(10**15 - 5))))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap) as node:
            assert (await node.ask(CHAT, chat(max_tokens=asked))).status == 200
            ((_, closed),) = await all_closed(node, 1)
            assert closed.settled is not None
            assert (closed.settled.cost, counted(node, cap)) == (MOST_COST, MOST_COST)

    run(main())
