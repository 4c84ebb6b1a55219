"""What a worker says would happen: it agrees with what then happens, and leaves no trace."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from gantry.core.routing_rules import RoutingRules
from gantry.core.standing import Standing
from tests.gateway.catalogue import publish, until
from tests.gateway.conftest import answering
from tests.gateway.test_balancing import Fleet, credential, fleet
from tests.gateway.test_elsewhere import GOOD, SMALL, failing

Runner = Callable[[Any], Any]
EXPLAIN = "/api/route/explain"
CHAT = "/api/chat/completions"
MODELS = ("mistral/mistral-small-latest", "mistral/mistral-large-latest", "openai/gpt-4o", "openai/gpt-4o-mini")
NAMES = {"a": "mistral", "b": "mistral", "c": "mistral", "d": "openai", "e": "openai"}


def invent(random: Random) -> tuple[dict[str, Any], dict[str, Any], dict[str, float]]:
    """Return rules, a request and the weights of the credentials."""
    weights = {name: random.choice([0.0, 1.0, 2.5, 7.0]) for name in NAMES}
    members = [{"model": model, "weight": random.choice([0, 1, 3])} for model in random.sample(MODELS, 2)]
    if not any(member["weight"] for member in members):
        members[0]["weight"] = 1
    rules: dict[str, Any] = {
        "groups": [{"id": "g", "members": members, "affinity": random.choice(["auto", "always", "never"])}],
        "models": [{"match": "openai/*", "strategy": random.choice(["weighted", "least_busy", "least_latency"])}],
    }
    if random.random() < 0.5:
        rules["fallback_models"] = random.sample(MODELS, random.randrange(3))
    request: dict[str, Any] = {"model": random.choice(MODELS), "messages": SMALL["messages"]}
    if random.random() < 0.3:
        request["load_balance_group"] = {"group_id": "g"}
    if random.random() < 0.5:
        request["fallback_models"] = random.sample(MODELS, random.randrange(4))
    if random.random() < 0.3:
        request["retry_params"] = {"num_retries": random.randrange(1, 4), "retry_after": 0.0001}
    if random.random() < 0.3:
        request["messages"] = [{"role": "user", "content": "long " * 1500}]
    return rules, request, weights


async def standings(machines: Fleet, random: Random) -> None:
    """Let some deployments cool, or be due."""
    health = machines.node.worker._state.health
    book = health._book
    book.reset()
    for name in NAMES:
        for model in MODELS:
            state = random.choice(["well", "well", "cooling", "due"])
            if state != "well":
                until = 2_000_000 if state == "cooling" else 1_000
                standing = Standing(900, 1, 500, until)
                book.change(f"{name}/{model.partition('/')[2]}", lambda _, standing=standing: standing)  # type: ignore[misc]
    health.watch()


def test_what_is_explained_is_what_then_happens(run: Runner, tmp_path: Path) -> None:
    """Every upstream fails; the attempts on record are those that were foretold, with the same reasons."""

    async def main() -> None:
        upstreams = [(name, provider, 1.0, failing("500 No")) for name, provider in NAMES.items()]
        async with fleet(tmp_path, upstreams) as machines:
            node, state = machines.node, machines.node.worker._state
            state.health.clock = lambda: 1_000.0
            told = 0
            for seed in range(40):
                random = Random(seed)
                rules, request, weights = invent(random)
                stored = [
                    credential(name, machines.servers[name].url, provider, weights[name])
                    for name, provider in NAMES.items()
                ]
                await publish(node, 10 + seed, stored, rules=msgspec.convert(rules, RoutingRules))
                await standings(machines, random)
                state.health._known.clear()  # of the retries that were spent before
                state.draw = Random(seed).random
                status, explained = await machines.ask(request, EXPLAIN)
                assert status == 200, explained
                state.draw = Random(seed).random
                status, _ = await machines.ask(request)
                _, closed, _ = node.calls()[-1]
                assert closed is not None
                if "refused" in explained:
                    assert (status, closed.attempts) == (explained["refused"]["status"], [])
                    continue
                foretold = [
                    (one["credential"], one["model"], one["step"], one["reason"], one["share"], one["condition"])
                    for one in explained["route"]["attempts"]
                ]
                happened = [
                    (one.credential_name, one.upstream_model, one.step, one.reason, one.share, one.condition)
                    for one in closed.attempts
                ]
                if len(happened) == 1 and not happened[0][2]:  # there was nothing to choose
                    happened = [(*happened[0][:2], "first", "only", 1.0, "well")]
                    foretold = [(*foretold[0][:5], "well")]
                assert happened == foretold, (seed, request, rules)
                told += len(happened) > 1
            assert told > 15, "too few of them had anywhere to go"

    run(main())


def test_it_calls_nobody_records_nothing_and_takes_no_probe(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        upstreams = [("one", "mistral", 3.0, answering(GOOD)), ("two", "mistral", 1.0, answering(GOOD))]
        async with fleet(tmp_path, upstreams) as machines:
            health = machines.node.worker._state.health
            health.clock = lambda: 100.0
            health._book.change("one/mistral-small-latest", lambda _: Standing(900, 1, 500, 1_000))
            health.watch()
            before = dict(health._book.all())
            _, told = await machines.ask(SMALL, EXPLAIN)
            assert [one["reason"] for one in told["route"]["attempts"]] == ["probe", "only"]
            assert machines.heard == {"one": 0, "two": 0}
            assert machines.node.calls() == []
            assert dict(health._book.all()) == before

    run(main())


def test_it_tells_who_could_serve_and_who_is_left_out_and_why(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        upstreams = [(name, "mistral", 1.0, answering(GOOD)) for name in ("one", "two", "none", "other")]
        async with fleet(tmp_path, upstreams) as machines:
            stored = {name: credential(name, machines.servers[name].url) for name in machines.servers}
            await publish(
                machines.node,
                7,
                [
                    msgspec.structs.replace(stored["one"], weight=3.0),
                    stored["two"],
                    msgspec.structs.replace(stored["none"], weight=0.0),
                    msgspec.structs.replace(stored["other"], excluded_models=("mistral-small-*",)),
                ],
            )
            request = {**SMALL, "fallback_models": ["openai/x"], "temperature": 3, "seed": 5, "mock_response": "x"}
            status, told = await machines.ask({"path": CHAT, "request": request}, EXPLAIN)
            assert status == 200
            assert (told["path"], told["dialect"], told["operation"]) == ("/chat/completions", "openai_chat", "chat")
            (choice,) = told["route"]["choices"]
            assert [(one["credential"], one["share"]) for one in choice["deployments"]] == [
                ("one", 0.75),
                ("two", 0.25),
            ]
            assert choice["left_out"] == [
                {"provider_id": "mistral", "credential": "none", "reason": "its weight is 0"},
                {"provider_id": "mistral", "credential": "other", "reason": "it excludes mistral-small-latest"},
            ]
            assert told["route"]["passed_over"][0].startswith("openai/x cannot be asked: ")
            assert any("seed" in change for change in told["changes"])
            assert told["not_acted_on"] == ["mock_response"]
            assert told["deadlines"]["first_token"] == 300.0

    run(main())


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ({"path": "/api/request-logs/list/", "request": {}}, 400, "is no path that a model is called by"),
        ({"path": CHAT, "request": {}, "more": 1}, 400, "cannot be explained"),
        ([1], 400, "must be a JSON object"),
    ],
)
def test_a_question_that_is_none_is_told_so(run: Runner, tmp_path: Path, asked: Any, status: int, says: str) -> None:
    async def main() -> None:
        async with fleet(tmp_path, [("one", "mistral", 1.0, answering(GOOD))]) as machines:
            answer = await machines.node.ask(EXPLAIN, json.dumps(asked).encode())
            assert answer.status == status
            assert says in json.loads(answer.body)["error"]["message"]

    run(main())


@pytest.mark.parametrize(
    ("request_body", "status"),
    [
        ({"messages": []}, 400),
        ({"model": "nobody/x"}, 404),
        ({"model": "openai/gpt-4o"}, 503),
        ({"model": "mistral/m", "fallback_models": 3}, 400),
    ],
)
def test_what_would_be_refused_is_part_of_the_answer(
    run: Runner, tmp_path: Path, request_body: dict[str, Any], status: int
) -> None:
    async def main() -> None:
        async with fleet(tmp_path, [("one", "mistral", 1.0, answering(GOOD))]) as machines:
            told, explained = await machines.ask(request_body, EXPLAIN)
            refused, _ = await machines.ask(request_body)
            assert (told, explained["refused"]["status"]) == (200, refused)

    run(main())


def test_a_draft_of_the_rules_explains_what_it_would_do_and_holds_for_nobody(run: Runner, tmp_path: Path) -> None:
    draft = {
        "groups": [{"id": "g", "members": [{"model": "openai/gpt-4o"}]}],
        "models": [
            {"match": "mistral/*", "fallback_models": ["openai/gpt-4o"], "first_token_timeout": 7, "total_timeout": 9}
        ],
    }
    by_group = {**SMALL, "load_balance_group": {"group_id": "g"}}

    async def main() -> None:
        upstreams = [("one", "mistral", 1.0, answering(GOOD)), ("two", "openai", 1.0, answering(GOOD))]
        async with fleet(tmp_path, upstreams) as machines:
            for path in (EXPLAIN, "/api/routing/simulate/"):
                status, told = await machines.ask({"request": SMALL, "rules": draft}, path)
                assert status == 200
                assert [choice["asked"] for choice in told["route"]["choices"]] == [SMALL["model"], "openai/gpt-4o"]
                assert (told["deadlines"]["first_token"], told["deadlines"]["total"]) == (7.0, 9.0)
            _, grouped = await machines.ask({"request": by_group, "rules": draft}, EXPLAIN)
            assert grouped["route"]["attempts"][0]["provider_id"] == "openai"
            _, now = await machines.ask({"request": SMALL}, EXPLAIN)
            assert [choice["asked"] for choice in now["route"]["choices"]] == [SMALL["model"]]
            _, refused = await machines.ask({"request": by_group}, EXPLAIN)
            assert "refused" in refused, "the group is in the draft alone"
            wrong = {"request": SMALL, "rules": {"groups": [{"id": "g", "members": []}]}}
            status, told = await machines.ask(wrong, EXPLAIN)
            assert (status, told["error"]["param"]) == (400, "rules.groups[0].members")
            assert sum(machines.heard.values()) == 0

    run(main())


def test_strangers_are_told_nothing_and_hold_nothing(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with fleet(tmp_path, [("one", "mistral", 1.0, answering(GOOD))]) as machines:
            node = machines.node
            node.key = "gk_no"
            answer = await node.ask(EXPLAIN, json.dumps(SMALL).encode())
            assert answer.status == 401
            client = await node.connect()
            request = node.request(EXPLAIN, b"x" * 200_000)
            client.send(request[:100_000])
            assert (await client.answer()).status == 401
            client.send(request[100_000:])
            client.leave()
            await until(lambda: not node.worker._state.clients)
            assert node.worker._state.bytes_held == 0

    run(main())
