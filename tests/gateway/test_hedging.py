"""Two attempts beside each other, through a worker: who answers, what the other costs, and that nothing is left."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from gantry.core.routing_rules import Hedge, ModelRule, RoutingRules
from gantry.core.vocabulary import Outcome
from tests.gateway.catalogue import publish, silent, until
from tests.gateway.conftest import Script, Upstream, answering, running_node
from tests.gateway.test_elsewhere import CHAT, GOOD, SMALL, credential, failing

Runner = Callable[[Any], Any]
RULES = RoutingRules(models=(ModelRule(match="*", hedge=Hedge(after=0.1, share=1.0), first_token_timeout=1.0),))
Attempts = list[tuple[str, str, str]]


async def hedge(tmp_path: Path, first: Script, second: Script, *, leaves: bool = False) -> tuple[int, Attempts, int]:
    """Ask once; return the status, the attempts on record and what is believed to be under way afterwards."""
    async with AsyncExitStack() as stack:
        ups = [await stack.enter_async_context(Upstream(script).running()) for script in (first, second)]
        node = await stack.enter_async_context(running_node(tmp_path, ups[0].url))
        node.worker._state.draw = lambda: 0.0
        await publish(
            node, 6, [credential(*each) for each in zip("ab", (up.url for up in ups), strict=True)], rules=RULES
        )
        client = await node.connect()
        client.send(node.request(CHAT, json.dumps(SMALL).encode()))
        status = 0
        if leaves:
            await until(lambda: all(b"POST " in up.heard for up in ups))
            client.leave()
        else:
            status = (await asyncio.wait_for(client.answer(), 10)).status
        _, closed, _ = await node.one_call()
        for up in ups:
            assert up.heard.count(b"POST ") <= 1
        attempts = [(one.credential_name, one.step, str(one.outcome)) for one in closed.attempts]
        if not leaves:
            client.leave()
        return status, attempts, node.worker._state.health.under_way


FIRST, BESIDE = ("a", "first"), ("b", "hedge")
SUCCESS, CANCELLED, ERROR, TIMEOUT = Outcome.SUCCESS, Outcome.CANCELLED, Outcome.UPSTREAM_ERROR, Outcome.TIMEOUT


@pytest.mark.parametrize(
    ("first", "second", "status", "attempts"),
    [
        (answering(GOOD), silent, 200, [(*FIRST, SUCCESS)]),
        (silent, answering(GOOD), 200, [(*FIRST, CANCELLED), (*BESIDE, SUCCESS)]),
        (silent, failing("503 No"), 504, [(*BESIDE, ERROR), (*FIRST, TIMEOUT)]),
        (silent, silent, 504, [(*FIRST, TIMEOUT), (*BESIDE, TIMEOUT)]),
        (silent, answering(b"", close=True), 504, [(*BESIDE, Outcome.UPSTREAM_UNREACHABLE), (*FIRST, TIMEOUT)]),
    ],
)
def test_who_answers_first(
    run: Runner, tmp_path: Path, first: Script, second: Script, status: int, attempts: Attempts
) -> None:
    async def main() -> None:
        assert await hedge(tmp_path, first, second) == (status, attempts, 0)

    run(main())


def test_a_client_that_leaves_two_attempts_leaves_nothing(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        _, attempts, under_way = await hedge(tmp_path, silent, silent, leaves=True)
        assert sorted(attempts) == [(*FIRST, Outcome.CLIENT_GONE), (*BESIDE, CANCELLED)]
        assert under_way == 0

    run(main())


@pytest.mark.parametrize(("store", "asked"), [(False, 2), (True, 1)])
def test_what_would_be_left_at_two_providers_is_asked_of_one(
    run: Runner, tmp_path: Path, store: bool, asked: int
) -> None:
    """Only one of two stored responses could be gone on from, and nobody would delete the other."""

    async def main() -> None:
        async with Upstream(silent).running() as up, running_node(tmp_path, up.url) as node:
            stored = [credential(name, up.url, "openai") for name in "ab"]
            await publish(node, 6, [structs.replace(stored[0], home=True), stored[1]], rules=RULES)
            body = {"model": "openai/gpt-4o", "input": "hi", "store": store}
            assert (await node.ask("/api/responses", json.dumps(body).encode())).status == 504
            assert up.heard.count(b"POST ") == len(up.connections)
            _, closed, _ = await node.one_call()
            assert [one.step for one in closed.attempts].count("hedge") == asked - 1

    run(main())


def test_two_attempts_end_with_the_worker(run: Runner, tmp_path: Path) -> None:
    rules = RoutingRules(models=(ModelRule(match="*", hedge=Hedge(after=0.1, share=1.0)),))

    async def main() -> None:
        async with AsyncExitStack() as stack:
            ups = [await stack.enter_async_context(Upstream(silent).running()) for _ in "ab"]
            node = await stack.enter_async_context(running_node(tmp_path, ups[0].url))
            node.worker._state.draw = lambda: 0.0
            both = [credential(name, up.url) for name, up in zip("ab", ups, strict=True)]
            await publish(node, 6, both, rules=rules)
            client = await node.connect()
            client.send(node.request(CHAT, json.dumps(SMALL).encode()))
            await until(lambda: all(b"POST " in up.heard for up in ups))
            node.worker.stop(0.1)
            assert (await asyncio.wait_for(client.answer(), 5)).status == 503
            client.leave()
            for up in ups:
                await asyncio.wait_for(up.connections[0].closed.wait(), 5)
            _, closed, _ = await node.one_call()
            attempts = sorted((one.credential_name, str(one.outcome)) for one in closed.attempts)
            assert attempts == [("a", Outcome.GATEWAY_ERROR), ("b", Outcome.CANCELLED)]
            assert node.worker._state.health.under_way == 0

    run(main())
