"""Every attempt that sets out is counted, ends, and is on record; one that never did is neither."""

import asyncio
import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from gantry.core.routing_rules import NO_ROUTING_RULES, Hedge, ModelRule, RoutingRules
from gantry.core.vocabulary import Outcome
from gantry.gateway.attempts import Attempts
from gantry.gateway.call import Call
from gantry.providers.failures import FailureKind
from gantry.routing.cooldown import Condition
from gantry.wire.body import encode_chunk
from tests.gateway.catalogue import publish, silent, until
from tests.gateway.conftest import STREAM_HEAD, Node, Script, Upstream, answering, running_node
from tests.gateway.test_elsewhere import CHAT, GOOD, SMALL, credential, failing
from tests.routing.boards import attempt as attempt_of

Runner = Callable[[Any], Any]


def busy(node: Node) -> int:
    """Return how many attempts the worker believes to be under way."""
    return node.worker._state.health.under_way


async def ask_and_leave(node: Node, upstream: Upstream, body: dict[str, Any]) -> None:
    """Ask, and leave once the upstream was asked."""
    client = await node.connect()
    client.send(node.request(CHAT, json.dumps(body).encode()))
    await until(lambda: upstream.heard.count(b"POST ") > 0)
    client.leave()


@pytest.mark.parametrize("script", [failing("503 No"), silent])
def test_a_client_that_leaves_leaves_nothing_under_way(run: Runner, tmp_path: Path, script: Script) -> None:
    """During a pause before the same is asked again, and while an answer is waited for."""

    async def main() -> None:
        async with Upstream(script).running() as up, running_node(tmp_path, up.url) as node:
            await ask_and_leave(node, up, {**SMALL, "retry_params": {"num_retries": 3, "retry_after": 5}})
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.CLIENT_GONE
            assert len(closed.attempts) == 1
            assert busy(node) == 0

    run(main())


def test_what_was_refused_before_it_set_out_is_no_attempt(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(answering(GOOD)).running() as up, running_node(tmp_path, up.url) as node:
            await publish(node, 6, [credential("one", up.url), credential("two", up.url)])
            answer = await node.ask(CHAT, json.dumps({**SMALL, "first_token_timeout": "soon"}).encode())
            assert answer.status == 400
            _, closed, _ = await node.one_call()
            assert (closed.outcome, closed.attempts) == (Outcome.REFUSED, [])
            assert up.connections == []
            assert busy(node) == 0

    run(main())


def test_calls_that_are_over_are_not_kept_for_a_hedge_that_was_to_come(run: Runner, tmp_path: Path) -> None:
    """A hedge may be an hour away; a pause must not make its timer be forgotten."""
    rules = RoutingRules(models=(ModelRule(match="*", hedge=Hedge(after=3600)),))
    body = {**SMALL, "retry_params": {"num_retries": 1, "retry_after": 0.01}}

    async def main() -> None:
        async with Upstream(failing("503 No")).running() as up, running_node(tmp_path, up.url) as node:
            await publish(node, 6, [credential("one", up.url)], rules=rules)
            for _ in range(3):
                assert (await node.ask(CHAT, json.dumps(body).encode())).status == 503
            await until(lambda: not node.worker._state.calls)
            gc.collect()
            assert not [one for one in gc.get_objects() if isinstance(one, Attempts)]
            assert busy(node) == 0

    run(main())


@pytest.mark.parametrize("given", [{"first_token_timeout": 0.3}, {}])
def test_a_deadline_for_the_first_token_is_for_content_also_where_nothing_could_follow(
    run: Runner, tmp_path: Path, given: dict[str, Any]
) -> None:
    """A head has come, and a comment: no token. By the caller's wish, and by the rule of its model."""
    rules = NO_ROUTING_RULES if given else RoutingRules(models=(ModelRule(match="*", first_token_timeout=0.3),))

    async def main() -> None:
        async with (
            Upstream(answering(STREAM_HEAD + encode_chunk(b": ping\n\n"))).running() as up,
            running_node(tmp_path, up.url) as node,
        ):
            await publish(node, 6, [credential("one", up.url)], rules=rules)
            answer = await node.ask(CHAT, json.dumps({**SMALL, "stream": True, **given}).encode())
            assert answer.status == 504
            _, closed, _ = await node.one_call()
            assert [one.outcome for one in closed.attempts] == [Outcome.TIMEOUT]
            assert busy(node) == 0

    run(main())


def test_a_fallback_that_cannot_be_asked_is_said_also_where_nothing_is_left_to_choose(
    run: Runner, tmp_path: Path
) -> None:
    async def main() -> None:
        async with Upstream(answering(GOOD)).running() as up, running_node(tmp_path, up.url) as node:
            answer = await node.ask(CHAT, json.dumps({**SMALL, "fallback_models": ["nobody/nothing"]}).encode())
            assert answer.status == 200
            _, closed, _ = await node.one_call()
            assert len(closed.warnings) == 1
            assert closed.warnings[0].startswith("nobody/nothing cannot be asked")

    run(main())


def test_a_probe_that_comes_to_its_content_is_news_before_its_end(run: Runner, tmp_path: Path) -> None:
    """A stream may take minutes, and the others would wait for what becomes of it."""
    opened = STREAM_HEAD + encode_chunk(b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"he"}}]}\n\n')

    async def main() -> None:
        async with Upstream(answering(opened)).running() as up, running_node(tmp_path, up.url) as node:
            await publish(node, 6, [credential("one", up.url), credential("two", up.url)])
            health, found = node.worker._state.health, attempt_of("one", "mistral-small-latest")
            health.note_failure(found, FailureKind.LIMIT, int(time.monotonic() * 1000), 429)
            health.clock = lambda: time.monotonic() + 3  # its cooldown of 2 s is over
            assert health.condition(found) is Condition.DUE
            client = await node.connect()
            client.send(node.request(CHAT, json.dumps({**SMALL, "stream": True}).encode()))
            await client.reader.readuntil(b'"he"')
            assert node.worker._state.calls
            assert health.condition(found) is Condition.WELL
            client.leave()

    run(main())


def test_the_whole_calls_deadline_holds_for_a_model_that_has_none(run: Runner, tmp_path: Path) -> None:
    """Also where the rule that set it is another model's; the client is told how long the call had."""
    rules = RoutingRules(models=(ModelRule(match="mistral/*", total_timeout=0.6),))
    body = {**SMALL, "fallback_models": ["openai/gpt-4o"]}

    async def main() -> None:
        async with (
            Upstream(failing("503 No")).running() as up,
            Upstream(silent).running() as mute,
            running_node(tmp_path, up.url) as node,
        ):
            await publish(node, 6, [credential("one", up.url), credential("two", mute.url, "openai")], rules=rules)
            client = await node.connect()
            client.send(node.request(CHAT, json.dumps(body).encode()))
            answer = await asyncio.wait_for(client.answer(), 5)
            client.leave()
            assert (answer.status, b"longer than 0.6 s" in answer.body) == (504, True)
            _, closed, _ = await node.one_call()
            assert [one.outcome for one in closed.attempts] == [Outcome.UPSTREAM_ERROR, Outcome.TIMEOUT]
            assert busy(node) == 0

    run(main())


def test_a_cooling_model_is_asked_where_its_fallback_cannot_be(run: Runner, tmp_path: Path) -> None:
    """A cooldown makes the others be preferred; it refuses no call that has nowhere else to go."""
    body = {**SMALL, "n": 3, "fallback_models": ["anthropic/claude-sonnet-4-5"]}

    async def main() -> None:
        async with Upstream(answering(GOOD)).running() as up, running_node(tmp_path, up.url) as node:
            await publish(node, 6, [credential("one", up.url), credential("two", up.url, "anthropic")])
            health, found = node.worker._state.health, attempt_of("one", "mistral-small-latest")
            health.note_failure(found, FailureKind.LIMIT, int(time.monotonic() * 1000), 429)
            assert health.condition(found) is Condition.COOLING
            assert (await node.ask(CHAT, json.dumps(body).encode())).status == 200
            _, closed, _ = await node.one_call()
            assert [(one.credential_name, one.condition) for one in closed.attempts] == [("one", "cooling")]

    run(main())


def test_a_home_credential_serves_though_it_is_drained_whatever_is_said_of_routing(run: Runner, tmp_path: Path) -> None:
    """What lives with its account is asked of no other."""
    home = structs.replace(credential("one", "", weight=0.0), home=True)

    async def main() -> None:
        async with Upstream(answering(GOOD)).running() as up, running_node(tmp_path, up.url) as node:
            await publish(node, 6, [structs.replace(home, base_url=up.url)])
            for said in ({}, {"first_token_timeout": 5}):
                asked = {"agent_id": "ag", "messages": SMALL["messages"], **said}
                assert (await node.ask("/v1/agents/completions", json.dumps(asked).encode())).status == 200

    run(main())


def test_a_call_whose_check_fails_is_answered_and_on_record(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(call: Call, now: float) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Call, "check", fail)

    async def main() -> None:
        async with Upstream(silent).running() as up, running_node(tmp_path, up.url) as node:
            assert (await node.ask(CHAT, json.dumps(SMALL).encode())).status == 500
            await node.one_call()
            await asyncio.wait_for(up.connections[0].closed.wait(), 5)

    run(main())


def test_a_worker_that_has_stopped_looks_at_nothing_any_more(run: Runner, tmp_path: Path) -> None:
    """Its files are closed: each look would be an error in the log of a stop."""

    async def main() -> None:
        faults: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
        async with running_node(tmp_path, "http://127.0.0.1:9"):
            pass
        await asyncio.sleep(0.4)  # longer than a tick
        assert faults == []

    run(main())
