"""A worker that has a choice: who is asked, how that is told in the record, and what is learned from it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gantry.board.health import HealthBook
from gantry.core.routing_rules import RoutingRules
from gantry.core.secret import Secret
from gantry.core.standing import Standing
from gantry.core.vocabulary import Outcome
from gantry.routing.snapshot import CredentialRecord
from gantry.wire.body import encode_chunk
from tests.gateway.catalogue import holding, publish, silent, until
from tests.gateway.conftest import Node, Script, Upstream, answering, json_answer, running_node
from tests.gateway.test_elsewhere import CLAUDE, GOOD, STREAM, failing

Runner = Callable[[Any], Any]
CHAT = "/api/chat/completions"
SMALL = {"model": "mistral/mistral-small-latest", "messages": [{"role": "user", "content": "hi"}]}
LONG = {**SMALL, "messages": [{"role": "system", "content": "law " * 1500}, {"role": "user", "content": "hi"}]}


def credential(name: str, url: str, provider: str = "mistral", weight: float = 1.0) -> CredentialRecord:
    return CredentialRecord(name, "o1", provider, name, url, {"api_key": Secret(f"key-{name}")}, weight)


class Fleet:
    """A worker with a scripted upstream for each credential."""

    def __init__(self, node: Node, servers: dict[str, Upstream]) -> None:
        self.node = node
        self.servers = servers

    @property
    def heard(self) -> dict[str, int]:
        return {name: server.heard.count(b"POST ") for name, server in self.servers.items()}

    async def ask(self, body: dict[str, Any], path: str = CHAT, *headers: bytes) -> tuple[int, Any]:
        answer = await self.node.ask(path, json.dumps(body).encode(), *headers)
        try:
            return answer.status, json.loads(answer.body)
        except ValueError:
            return answer.status, answer.body


@asynccontextmanager
async def fleet(
    tmp_path: Path,
    upstreams: Sequence[tuple[str, str, float, Script]],
    rules: dict[str, Any] | None = None,
    chance: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[Fleet]:
    """Run a worker with these credentials: name, provider, weight, and what their upstream does."""
    async with AsyncExitStack() as stack:
        servers = {
            name: await stack.enter_async_context(Upstream(script).running()) for name, _, _, script in upstreams
        }
        node = await stack.enter_async_context(running_node(tmp_path, "http://127.0.0.1:9"))
        node.worker._state.draw = chance
        stored = [credential(name, servers[name].url, provider, weight) for name, provider, weight, _ in upstreams]
        await publish(node, 6, stored, rules=msgspec.convert(rules or {}, RoutingRules))
        yield Fleet(node, servers)


FAST: dict[str, Any] = {"id": "fast", "members": [{"model": SMALL["model"], "weight": 3}, {"model": "openai/gpt-4o"}]}


@pytest.mark.parametrize(
    ("chance", "asked"), [(0.0, {"one": 1, "two": 0}), (0.74, {"one": 1, "two": 0}), (0.76, {"one": 0, "two": 1})]
)
@pytest.mark.parametrize(
    "group",
    [
        {"load_balance_group": {"group_id": "fast"}},
        {"load_balance_group": {"group_id": "fast"}, "model": "openai/gpt-4o"},
        {"load_balance_models": FAST["members"]},
        {"loadbalance_models": FAST["members"]},
        {"load_balance_group": {"models": FAST["members"]}},
    ],
)
def test_a_group_is_drawn_from_by_weight(
    run: Runner, tmp_path: Path, group: dict[str, Any], chance: float, asked: dict[str, int]
) -> None:
    async def main() -> None:
        upstreams = [("one", "mistral", 1.0, answering(GOOD)), ("two", "openai", 1.0, answering(GOOD))]
        async with fleet(tmp_path, upstreams, {"groups": [FAST]}, lambda: chance) as machines:
            status, answer = await machines.ask({**group, "messages": SMALL["messages"]})
            assert status == 200, answer
            assert machines.heard == asked
            sent = next(server.heard for name, server in machines.servers.items() if asked[name])
            model = b"mistral-small-latest" if asked["one"] else b"gpt-4o"
            assert b'"model":"%b"' % model in sent.replace(b'": "', b'":"')
            assert b"load" not in sent
            _, closed, _ = await machines.node.one_call()
            (attempt,) = closed.attempts
            assert (attempt.step, attempt.reason, attempt.condition) == ("first", "weight", "well")
            assert attempt.share == (0.75 if asked["one"] else 0.25)
            assert closed.warnings == []

    run(main())


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        ({"load_balance_group": {"group_id": "slow"}}, 400, "which is no group of yours; known: fast"),
        ({"load_balance_group": {}}, 400, "needs a group_id or models"),
        ({"load_balance_group": {"group_id": 3}}, 400, "must be text"),
        ({"load_balance_group": {"group_id": "fast", "x": 1}}, 400, "nothing else"),
        ({"load_balance_models": []}, 400, "must be a list of 1 to"),
        ({"load_balance_models": [{"model": "a", "weight": 0}]}, 400, "Weight has to be greater than 0"),
        ({"load_balance_models": [{"weight": 1}]}, 400, "an object with a model"),
        ({"load_balance_models": [{"model": "a/b", "credentials": 3}]}, 400, "must be an object"),
        ({"load_balance_group": {"group_id": "fast"}, "exclude_models": ["*"]}, 400, "has no model left"),
        ({"models": [SMALL["model"]], "exclude_providers": ["mistral"]}, 400, "is excluded"),
        ({"models": "gpt-4o"}, 400, "must be a list of names"),
        ({}, 400, "`model` is missing"),
    ],
)
def test_a_group_that_cannot_be_acted_on_is_refused(
    run: Runner, tmp_path: Path, given: dict[str, Any], status: int, says: str
) -> None:
    async def main() -> None:
        async with fleet(tmp_path, [("one", "mistral", 1.0, answering(GOOD))], {"groups": [FAST]}) as machines:
            told, answer = await machines.ask({**given, "messages": SMALL["messages"]})
            assert told == status, answer
            assert says in answer["error"]["message"]
            assert machines.heard == {"one": 0}

    run(main())


def test_a_member_of_a_group_that_fails_is_followed_by_the_others(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        upstreams = [("one", "mistral", 1.0, failing("503 No")), ("two", "openai", 1.0, answering(GOOD))]
        async with fleet(tmp_path, upstreams, {"groups": [FAST]}) as machines:
            status, _ = await machines.ask({"load_balance_group": {"group_id": "fast"}, **SMALL})
            assert (status, machines.heard) == (200, {"one": 1, "two": 1})
            _, closed, _ = await machines.node.one_call()
            assert [(one.credential_name, one.step) for one in closed.attempts] == [
                ("one", "first"),
                ("two", "rotation"),
            ]

    run(main())


def test_models_without_a_model_are_asked_in_their_order(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        upstreams = [("one", "mistral", 1.0, failing("500 No")), ("two", "openai", 1.0, answering(GOOD))]
        async with fleet(tmp_path, upstreams) as machines:
            models = ["anthropic/claude-sonnet-4-5", "openai/gpt-4o-mini", SMALL["model"], "openai/gpt-4o"]
            body = {"messages": SMALL["messages"], "models": models, "exclude_models": ["openai/gpt-4o-mini"]}
            status, _ = await machines.ask(body)
            assert (status, machines.heard) == (200, {"one": 1, "two": 1})
            _, closed, _ = await machines.node.one_call()
            assert closed.warnings[0].startswith("anthropic/claude-sonnet-4-5 cannot be asked: no credential for")

    run(main())


def test_the_organizations_rules_hold_where_the_request_says_nothing(run: Runner, tmp_path: Path) -> None:
    rules = {
        "fallback_models": ["openai/gpt-4o"],
        "models": [{"match": "mistral/*", "retries": {"num_retries": 1, "retry_after": 0.01}}],
    }

    async def main() -> None:
        upstreams = [("one", "mistral", 1.0, failing("503 No")), ("two", "openai", 1.0, failing("500 No"))]
        async with fleet(tmp_path, upstreams, rules) as machines:
            assert (await machines.ask(SMALL))[0] == 500
            assert machines.heard == {"one": 1, "two": 2}
            assert (await machines.ask({**SMALL, "disable_fallback": True}))[0] == 503
            assert machines.heard == {"one": 3, "two": 2}
            assert (await machines.ask({**SMALL, "fallback_models": [], "retries": 0}))[0] == 503
            assert machines.heard == {"one": 4, "two": 2}

    run(main())


@pytest.mark.parametrize("retry_after", [(), (b"retry-after: 30",)])
def test_who_is_limited_is_left_alone_by_the_calls_that_follow(
    run: Runner, tmp_path: Path, retry_after: tuple[bytes, ...]
) -> None:
    async def main() -> None:
        limited = failing("429 No", *retry_after)
        upstreams = [("one", "mistral", 5.0, limited), ("two", "mistral", 1.0, answering(GOOD))]
        async with fleet(tmp_path, upstreams) as machines:
            clock = machines.node.worker._state.health
            clock.clock = lambda: 1000.0
            for _ in range(5):
                assert (await machines.ask(SMALL))[0] == 200
            assert machines.heard == {"one": 1, "two": 5}
            clock.clock = lambda: 1005.0
            assert (await machines.ask(SMALL))[0] == 200
            assert machines.heard["one"] == (1 if retry_after else 2), "what is due is probed, by one call"

    run(main())


def test_health_is_shared_between_workers_and_a_probe_brings_back(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        good = answering(GOOD)
        upstreams = [("one", "mistral", 5.0, good), ("two", "mistral", 1.0, good)]
        async with fleet(tmp_path, upstreams) as machines:
            health = machines.node.worker._state.health
            health.clock = lambda: 1000.0
            other = HealthBook(machines.node.home.health)  # as another worker has it
            sick = other.standing("one/x")._replace(cooldowns=1, since=999_000, until=1_004_000)
            other.change("one/mistral-small-latest", lambda standing: sick)
            await until(lambda: health.troubled)
            assert (await machines.ask(SMALL))[0] == 200
            assert machines.heard == {"one": 0, "two": 1}
            health.clock = lambda: 1004.0
            assert (await machines.ask(SMALL))[0] == 200
            assert (await machines.ask(SMALL))[0] == 200
            assert machines.heard == {"one": 2, "two": 1}
            assert list(other.all()) == []

    run(main())


def test_a_callers_mistake_and_a_callers_hurry_harm_nobody(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        upstreams = [("one", "mistral", 1.0, failing("400 No")), ("two", "openai", 1.0, holding(GOOD, gate))]
        async with fleet(tmp_path, upstreams) as machines:
            for _ in range(6):
                assert (await machines.ask(SMALL))[0] == 400
            hurried = {**SMALL, "model": "openai/gpt-4o", "first_token_timeout": 0.05}
            for _ in range(2):
                assert (await machines.ask(hurried))[0] == 504
            assert list(HealthBook(machines.node.home.health).all()) == []

    run(main())


@pytest.mark.parametrize("where", ["request", "rule"])
@pytest.mark.parametrize("stream", [False, True])
def test_who_is_late_with_the_first_token_is_left(run: Runner, tmp_path: Path, where: str, stream: bool) -> None:
    rules: dict[str, Any] = {"models": [{"match": "mistral/*", "first_token_timeout": 0.05}]} if where == "rule" else {}
    body = {**SMALL, "fallback_models": ["openai/gpt-4o"], "stream": stream}
    if where == "request":
        body["first_token_timeout"] = 0.05

    async def main() -> None:
        gate = asyncio.Event()
        answer = STREAM if stream else GOOD
        upstreams = [("one", "mistral", 1.0, holding(answer, gate)), ("two", "openai", 1.0, answering(answer))]
        async with fleet(tmp_path, upstreams, rules) as machines:
            assert (await machines.ask(body))[0] == 200
            assert machines.heard == {"one": 1, "two": 1}
            _, closed, _ = await machines.node.one_call()
            late, served = closed.attempts
            assert (late.outcome, late.error) == (Outcome.TIMEOUT, "the provider did not answer within 0.05 s")
            assert (served.outcome, served.step) == (Outcome.SUCCESS, "fallback")
            assert served.began is not None
            assert served.began >= 50_000_000

    run(main())


HEDGED: dict[str, Any] = {"models": [{"match": "mistral/*", "hedge": {"after": 0.02, "share": 1.0}}]}


@pytest.mark.parametrize("stream", [False, True])
def test_a_slow_attempt_is_overtaken_by_its_rival(run: Runner, tmp_path: Path, stream: bool) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        answer = STREAM if stream else GOOD
        upstreams = [("one", "mistral", 5.0, holding(answer, gate)), ("two", "mistral", 1.0, answering(answer))]
        async with fleet(tmp_path, upstreams, HEDGED) as machines:
            status, told = await machines.ask({**SMALL, "stream": stream})
            assert (status, machines.heard) == (200, {"one": 1, "two": 1})
            assert b"hello" in (told if stream else json.dumps(told).encode())
            await machines.servers["one"].connections[0].closed.wait()  # the loser is cut off at once
            _, closed, captured = await machines.node.one_call()
            assert [(one.credential_name, one.step, one.outcome) for one in closed.attempts] == [
                ("one", "first", Outcome.CANCELLED),
                ("two", "hedge", Outcome.SUCCESS),
            ]
            assert captured.count(b"hello") == 1
            assert list(HealthBook(machines.node.home.health).all()) == []

    run(main())


def test_a_rival_that_is_slower_loses(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        first, second = asyncio.Event(), asyncio.Event()
        upstreams = [("one", "mistral", 5.0, holding(GOOD, first)), ("two", "mistral", 1.0, holding(GOOD, second))]
        async with fleet(tmp_path, upstreams, HEDGED) as machines:
            asking = asyncio.create_task(machines.ask(SMALL))
            await until(lambda: machines.heard == {"one": 1, "two": 1})
            first.set()
            assert (await asking)[0] == 200
            await machines.servers["two"].connections[0].closed.wait()
            _, closed, _ = await machines.node.one_call()
            assert [(one.credential_name, one.outcome) for one in closed.attempts] == [
                ("two", Outcome.CANCELLED),
                ("one", Outcome.SUCCESS),
            ]

    run(main())


@pytest.mark.parametrize("failing_one", ["one", "two"])
def test_of_two_attempts_one_may_fail(run: Runner, tmp_path: Path, failing_one: str) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        bad = json_failure(gate)
        late = holding(GOOD, gate)
        upstreams = [
            ("one", "mistral", 5.0, bad if failing_one == "one" else late),
            ("two", "mistral", 1.0, bad if failing_one == "two" else late),
        ]
        async with fleet(tmp_path, upstreams, HEDGED) as machines:
            asking = asyncio.create_task(machines.ask(SMALL))
            await until(lambda: machines.heard == {"one": 1, "two": 1})
            gate.set()
            assert (await asking)[0] == 200
            _, closed, _ = await machines.node.one_call()
            assert (closed.outcome, closed.status) == (Outcome.SUCCESS, 200)
            outcomes = {one.credential_name: one.outcome for one in closed.attempts}
            other = "two" if failing_one == "one" else "one"
            assert outcomes[other] == Outcome.SUCCESS
            assert outcomes[failing_one] in (Outcome.UPSTREAM_ERROR, Outcome.CANCELLED)

    run(main())


def json_failure(gate: asyncio.Event) -> Script:
    body = b'{"object":"error","message":"no","type":"t","code":"1"}'
    head = b"HTTP/1.1 503 No\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    return holding(head + body, gate)


def test_hedges_are_a_share_of_the_calls(run: Runner, tmp_path: Path) -> None:
    rules = {"models": [{"match": "mistral/*", "hedge": {"after": 0.001, "share": 0.25}}]}

    async def main() -> None:
        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Any) -> None:
            while True:
                data = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(one[15:]) for one in data.lower().split(b"\r\n") if one.startswith(b"content-length:")
                )
                heard.data += data + await reader.readexactly(length)
                asyncio.get_running_loop().call_later(0.03, writer.write, GOOD)

        async with fleet(tmp_path, [("one", "mistral", 1.0, slow)], rules) as machines:
            for _ in range(12):
                assert (await machines.ask(SMALL))[0] == 200
            assert 12 < machines.heard["one"] <= 12 + 1 + 12 * 0.25

    run(main())


def test_a_long_conversation_stays_and_a_short_one_does_not(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        chances = iter([0.0, 0.99] * 50)
        upstreams = [("one", "mistral", 1.0, answering(GOOD)), ("two", "mistral", 1.0, answering(GOOD))]
        async with fleet(tmp_path, upstreams, chance=lambda: next(chances)) as machines:
            for _ in range(4):
                await machines.ask(SMALL)
            assert machines.heard == {"one": 2, "two": 2}
            turns = list(LONG["messages"])
            for turn in range(4):
                await machines.ask({**LONG, "messages": turns})
                turns += [{"role": "assistant", "content": str(turn)}, {"role": "user", "content": "more"}]
            assert sorted(machines.heard.values()) == [2, 6]

    run(main())


def test_a_retry_budget_keeps_an_outage_from_being_multiplied(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with fleet(tmp_path, [("one", "mistral", 1.0, failing("503 No"))]) as machines:
            body = {**SMALL, "retry_params": {"num_retries": 3, "retry_after": 0.0001}}
            for _ in range(20):
                assert (await machines.ask(body))[0] == 503
            # 20 first attempts, ten retries at once, and one for each five calls.
            assert 30 <= machines.heard["one"] <= 35

    run(main())


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({}, {"one": 0, "two": 4}),
        ({"previous_response_id": "resp_1", "store": False}, {"one": 0, "two": 4}),
        ({"store": False}, {"one": 4, "two": 0}),
    ],
)
def test_a_response_that_is_stored_lives_with_the_home_credential(
    run: Runner, tmp_path: Path, more: dict[str, Any], asked: dict[str, int]
) -> None:
    async def main() -> None:
        upstreams = [("one", "openai", 1.0, answering(GOOD)), ("two", "openai", 1.0, answering(GOOD))]
        async with fleet(tmp_path, upstreams) as machines:
            stored = [credential(name, server.url, "openai") for name, server in machines.servers.items()]
            stored[1] = msgspec.structs.replace(stored[1], home=True)
            await publish(machines.node, 7, stored)
            for _ in range(4):
                body = {"model": "openai/gpt-4o", "input": "hi", **more}
                assert (await machines.ask(body, "/api/responses"))[0] == 200
            assert machines.heard == asked
            closed = machines.node.calls()[-1][1]
            assert closed is not None
            assert closed.attempts[0].reason == ("weight" if asked["one"] else "home")

    run(main())


def test_a_call_takes_no_longer_than_its_caller_says(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        upstreams = [("one", "mistral", 1.0, holding(GOOD, gate)), ("two", "openai", 1.0, holding(GOOD, gate))]
        async with fleet(tmp_path, upstreams) as machines:
            body = {**SMALL, "timeout": 0.1, "fallback_models": ["openai/gpt-4o"]}
            status, answer = await machines.ask(body)
            assert (status, answer["error"]["message"]) == (504, "the call took longer than 0.1 s")
            assert machines.heard == {"one": 1, "two": 0}
            assert b"timeout" not in machines.servers["one"].heard
            assert list(HealthBook(machines.node.home.health).all()) == []
            assert (await machines.ask({**SMALL, "timeout": "long"}))[0] == 400

    run(main())


@pytest.mark.parametrize("said", [{}, {"first_token_timeout": 5}, {"disable_fallback": True}, {"cache_enabled": True}])
def test_a_key_for_some_models_must_name_one_whatever_is_said_of_routing(
    run: Runner, tmp_path: Path, said: dict[str, Any]
) -> None:
    """Also where the answer is in the cache, by a key that may ask anything."""
    body = json.dumps({"input": "x", **said}).encode()
    answer = json_answer(b'{"id":"x","model":"m","results":[]}')

    async def main() -> None:
        async with Upstream(answering(answer)).running() as up, running_node(tmp_path, up.url) as node:
            assert (await node.ask("/v1/moderations", body)).status == 200
            await publish(node, 6, [credential("one", up.url)], models=("mistral-small-latest",))
            assert (await node.ask("/v1/moderations", body)).status == 403
            explained = await node.ask("/api/route/explain", b'{"path":"/v1/moderations","request":%b}' % body)
            assert json.loads(explained.body)["refused"]["status"] == 403
            assert up.heard.count(b"POST ") == 1

    run(main())


@pytest.mark.parametrize("names", ["one", "one two"])
def test_a_callers_fault_cools_nobody_though_its_status_looks_like_a_dead_key(
    run: Runner, tmp_path: Path, names: str
) -> None:
    """What a provider has to say decides, also where the answer is passed on: Mistral's guardrails refuse with 403."""
    said = json_answer(b'{"object":"error","message":"Blocked by a guardrail","type":"t","code":"1"}', b"403 No")

    async def main() -> None:
        upstreams = [(name, "mistral", 1.0, answering(said)) for name in names.split()]
        async with fleet(tmp_path, upstreams, {"retries": {"num_retries": 1}}) as machines:
            assert (await machines.ask(SMALL))[0] == 403
            assert sum(machines.heard.values()) == 1
            assert list(HealthBook(machines.node.home.health).all()) == []

    run(main())


def test_an_array_that_streams_is_not_held_back(run: Runner, tmp_path: Path) -> None:
    """Google's streams are arrays of JSON, unless they are asked for as events."""
    piece = b'[{"candidates":[{"content":{"parts":[{"text":"hel"}]}}]}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}

    async def main() -> None:
        upstreams = [(name, "google_gemini_ai", 1.0, answering(head + encode_chunk(piece))) for name in ("one", "two")]
        async with fleet(tmp_path, upstreams) as machines:
            client = await machines.node.connect()
            path = "/api/google/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent"
            client.send(machines.node.request(path, json.dumps(body).encode()))
            seen = await asyncio.wait_for(client.reader.readuntil(b'"hel"'), 5)
            assert seen.startswith(b"HTTP/1.1 200"), "it began before its end, which never comes"
            client.leave()

    run(main())


def test_what_lives_with_an_account_is_no_probe_of_another(run: Runner, tmp_path: Path) -> None:
    """The other account knows nothing of the response that this one goes on from."""

    async def main() -> None:
        upstreams = [("one", "openai", 1.0, answering(GOOD)), ("two", "openai", 1.0, answering(GOOD))]
        async with fleet(tmp_path, upstreams) as machines:
            stored = [credential(name, server.url, "openai") for name, server in machines.servers.items()]
            await publish(machines.node, 7, [stored[0], msgspec.structs.replace(stored[1], home=True)])
            health = machines.node.worker._state.health
            health._book.change("one/gpt-4o", lambda _: Standing(900, 1, 1, 2))
            health.watch()
            body = {"model": "openai/gpt-4o", "input": "hi", "previous_response_id": "resp_1"}
            assert (await machines.ask(body, "/api/responses"))[0] == 200
            assert machines.heard == {"one": 0, "two": 1}

    run(main())


def test_what_goes_on_from_a_response_fails_rather_than_ask_who_does_not_know_it(run: Runner, tmp_path: Path) -> None:
    """A 503 is tried again; that there is no such response would end the conversation."""

    async def main() -> None:
        upstreams = [("one", "openai", 1.0, answering(GOOD)), ("two", "openai", 1.0, failing("503 No"))]
        async with fleet(tmp_path, upstreams) as machines:
            stored = [credential(name, server.url, "openai") for name, server in machines.servers.items()]
            await publish(machines.node, 7, [stored[0], msgspec.structs.replace(stored[1], home=True)])
            body = {"model": "openai/gpt-4o", "input": "hi"}
            for _ in range(5):  # in the end, its home is cooling
                going_on = {**body, "previous_response_id": "resp_1"}
                assert (await machines.ask(going_on, "/api/responses"))[0] == 503
            assert machines.heard == {"one": 0, "two": 5}
            assert (await machines.ask(body, "/api/responses"))[0] == 200, "what is new may live elsewhere"

    run(main())


def test_a_member_of_a_group_that_cannot_be_asked_is_not_the_last(run: Runner, tmp_path: Path) -> None:
    """Anthropic's models give one answer to a request; the third of the group is asked instead."""
    models = ("mistral/mistral-small-latest", "anthropic/claude-sonnet-4-5", "openai/gpt-4o")
    body = {"messages": SMALL["messages"], "n": 2, "load_balance_models": [{"model": model} for model in models]}

    async def main() -> None:
        good = answering(GOOD)
        upstreams = [("one", "mistral", 1.0, failing("503 No")), ("two", "anthropic", 1.0, good)]
        async with fleet(tmp_path, [*upstreams, ("three", "openai", 1.0, good)]) as machines:
            assert (await machines.ask(body))[0] == 200
            assert machines.heard == {"one": 1, "two": 0, "three": 1}

    run(main())


@pytest.mark.parametrize(("owner", "cools"), [("o1", True), (None, False)])
def test_an_organization_in_a_hurry_harms_no_credential_that_others_share(
    run: Runner, tmp_path: Path, owner: str | None, cools: bool
) -> None:
    """Its rules say what is late for it; what is late for everybody is the machine's setting."""

    async def main() -> None:
        rules = {"models": [{"match": "*", "first_token_timeout": 0.05}]}
        async with fleet(tmp_path, [("one", "mistral", 1.0, silent)]) as machines:
            stored = msgspec.structs.replace(credential("one", machines.servers["one"].url), organization_id=owner)
            await publish(machines.node, 7, [stored], rules=msgspec.convert(rules, RoutingRules))
            for _ in range(6):
                assert (await machines.ask(SMALL))[0] == 504
            assert [one.since > 0 for _, one in HealthBook(machines.node.home.health).all()] == [True] * cools

    run(main())


def test_a_member_of_a_group_that_cannot_be_asked_this_is_passed_over(run: Runner, tmp_path: Path) -> None:
    """Anthropic gives no two answers; by chance it is drawn first."""

    async def main() -> None:
        upstreams = [("one", "anthropic", 1.0, answering(CLAUDE)), ("two", "openai", 1.0, answering(GOOD))]
        async with fleet(tmp_path, upstreams) as machines:
            members = [{"model": "anthropic/claude-sonnet-4-5"}, {"model": "openai/gpt-4o"}]
            body = {"load_balance_models": members, "messages": SMALL["messages"], "n": 2}
            _, explained = await machines.ask(body, "/api/route/explain")
            assert explained["route"]["passed_over"][0].startswith("anthropic/claude-sonnet-4-5 cannot be asked: ")
            assert (await machines.ask(body))[0] == 200
            assert machines.heard == {"one": 0, "two": 1}
            _, closed, _ = await machines.node.one_call()
            assert [one.step for one in closed.attempts] == ["first"]
            assert closed.warnings[0].startswith("anthropic/claude-sonnet-4-5 cannot be asked: ")

    run(main())


def test_a_group_of_which_nobody_can_be_asked_is_told_why(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with fleet(tmp_path, [("one", "anthropic", 1.0, answering(CLAUDE))]) as machines:
            members = [{"model": "anthropic/claude-sonnet-4-5"}, {"model": "anthropic/claude-haiku-4-5"}]
            body = {"load_balance_models": members, "messages": SMALL["messages"], "n": 2}
            status, answer = await machines.ask(body)
            assert (status, machines.heard) == (400, {"one": 0})
            assert answer["error"]["param"] == "n"
            _, explained = await machines.ask(body, "/api/route/explain")
            assert explained["refused"]["param"] == "n"

    run(main())
