"""One pipeline in front of every route: what is used up stops a call wherever it is made, and what is free passes."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.core.limits import Books, LimitScope, LimitUnit
from gantry.core.vocabulary import DEFAULT_SCOPES, Outcome, Scope
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
from tests.gateway.catalogue import publish, until
from tests.gateway.conftest import Node, Upstream, answering, json_answer
from tests.gateway.scenes import SCENES
from tests.gateway.test_kept_response import ANTHROPIC, make
from tests.gateway.test_tunnel import BYE, CLIENTS_BYE, accepting, offer
from tests.gateway.uploads import FORM_TYPE, MISTRAL, file, form, part

Runner = Callable[[Any], Any]
GOOD = json_answer(answered())
NATIVE = int(DEFAULT_SCOPES | Scope.NATIVE)
TINY = 100_000  # nano-dollars: $0.0001
PROVIDERS = ("mistral", "openai", "anthropic", "google_gemini_ai", "cohere")
SPEECH = b'{"model":"mistral/voxtral-mini-tts-2603","input":"hi","voice":"v"}'
OCR = b'{"model":"mistral/mistral-ocr-latest","document":{"type":"document_url","document_url":"https://a.example/b"}}'
# Beyond the scenes: method, path, body, headers.
ROUTES: dict[str, tuple[str, str, bytes, tuple[bytes, ...]]] = {
    "completions": ("POST", "/api/completions", b'{"model":"openai/gpt-3.5-turbo-instruct","prompt":"a"}', ()),
    "agents' chat": ("POST", "/v1/agents/completions", b'{"agent_id":"ag1","messages":[]}', (MISTRAL,)),
    "rerank": ("POST", "/api/v2/rerank", b'{"model":"cohere/rerank-v3.5","query":"a","documents":["b"]}', ()),
    "images": ("POST", "/api/images/generations", b'{"model":"openai/gpt-image-1","prompt":"a cat"}', ()),
    "moderations": ("POST", "/v1/moderations", b'{"model":"mistral-moderation-2411","input":"hi"}', (MISTRAL,)),
    "speech": ("POST", "/v1/audio/speech", SPEECH, (MISTRAL,)),
    "OCR": ("POST", "/v1/ocr", OCR, (MISTRAL,)),
    "files": ("POST", "/v1/files", form(part("purpose", b"batch"), file()), (FORM_TYPE, MISTRAL)),
    "a file": ("GET", "/v1/files/f1", b"", (MISTRAL,)),
    "batches": ("POST", "/v1/batch/jobs", b'{"model":"mistral-small-latest","input_files":["f1"]}', (MISTRAL,)),
    "agents": ("POST", "/v1/agents", b'{"model":"mistral-small-latest","name":"a"}', (MISTRAL,)),
    "conversations": ("POST", "/v1/conversations", b'{"model":"mistral-small-latest","inputs":"hi"}', (MISTRAL,)),
    "libraries": ("GET", "/v1/libraries", b"", (MISTRAL,)),
    "fine-tuning": ("POST", "/v1/fine_tuning/jobs", b'{"model":"open-mistral-7b"}', (MISTRAL,)),
    "voices": ("GET", "/v1/audio/voices", b"", (MISTRAL,)),
    "an upload": ("POST", "/v1/workflows/x", b"no json", (b"Content-Type: application/octet-stream",)),
    "Anthropic's batches": ("POST", "/api/anthropic/v1/messages/batches", b'{"requests":[]}', ()),
    "Google's files": ("POST", "/api/google/gemini/upload/v1beta/files", b'{"file":{}}', ()),
}
FREE: dict[str, tuple[str, str, bytes]] = {
    "models": ("GET", "/v1/models", b""),
    "a model": ("GET", "/v1/models/mistral-small-latest", b""),
    "token counts": ("POST", "/v1/messages/count_tokens", chat("anthropic/claude-sonnet-4-5")),
}


def tiny() -> Any:
    return penny(name="tiny", output_price=TINY // WORDS * 1_000_000)


async def ask_all(node: Node) -> dict[str, tuple[int, bytes]]:
    """Ask on every route; return status and body by name."""
    told: dict[str, tuple[int, bytes]] = {}
    for scene in SCENES:
        for stream in scene.deliveries:
            path, body, headers = scene.request({}, stream=stream)
            answer = await node.ask(path, body, *headers)
            told[f"{scene.name}, {'stream' if stream else 'whole'}"] = answer.status, answer.body
    for name, (method, path, body, lines) in ROUTES.items():
        answer = await node.ask(path, body, *lines, method=method)
        told[name] = answer.status, answer.body
    client = await node.connect()
    client.send(offer(node))
    answer = await asyncio.wait_for(client.answer("GET"), 10)
    told["realtime"] = answer.status, answer.body
    client.leave()
    return told


def test_pain_9_a_budget_of_a_hundredth_of_a_cent_blocks_the_second_call_on_every_endpoint(
    run: Runner, tmp_path: Path
) -> None:
    async def main() -> None:
        cap = limit(TINY)
        upstream = Upstream(answering(GOOD))

        async with (
            upstream.running(),
            limited_node(tmp_path, upstream.url, cap, customs=[tiny()], scopes=NATIVE) as node,
        ):
            assert (await node.ask(CHAT, chat("tiny"))).status == 200
            assert counted(node, cap) == TINY
            heard = len(upstream.heard)
            for name, (status, body) in (await ask_all(node)).items():
                if "azure" in name or "bedrock" in name:
                    assert status == 503, name  # nobody has a credential there
                    continue
                assert status == 429, (name, status, body)
                assert b"$0.0001 of $0.0001 in all are used" in body, (name, body)
            assert len(upstream.heard) == heard
            for name, (method, path, body) in FREE.items():
                assert (await node.ask(path, body, method=method)).status != 429, name

    run(main())


@pytest.mark.parametrize("unit", [LimitUnit.REQUESTS, LimitUnit.CONCURRENCY])
def test_pain_11_requests_count_and_are_limited_on_every_route(run: Runner, tmp_path: Path, unit: LimitUnit) -> None:
    async def main() -> None:
        count = 1 if unit is LimitUnit.REQUESTS else 0
        cap = limit(count, unit)
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, scopes=NATIVE) as node:
            if count:
                assert (await node.ask("/v1/workflows/x", b"{}", MISTRAL)).status == 200
            for name, (status, body) in (await ask_all(node)).items():
                assert status == (503 if "azure" in name or "bedrock" in name else 429), (name, status, body)

    run(main())


def test_every_route_is_on_record_with_what_it_counted(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        requests, cap = limit(10_000, LimitUnit.REQUESTS), limit(10**12)
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, requests, scopes=NATIVE) as node:
            told = await ask_all(node)
            calls = await all_closed(node, len(told))
            sent = [closed for _, closed in calls if closed.attempts]
            for opened, closed in calls:
                if not closed.attempts:
                    continue
                assert opened.hold is not None, opened.path
                assert closed.settled is not None, opened.path
                assert {one.key for one in counted_in(opened, closed)} == {one.key for one in opened.hold.counted}
            assert counted(node, requests) == len(sent)

    run(main())


def test_a_tunnel_is_under_way_for_its_life(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        cap = limit(1, LimitUnit.CONCURRENCY)
        upstream = Upstream(accepting(until=CLIENTS_BYE, last=BYE))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, scopes=NATIVE) as node:
            first, second = await node.connect(), await node.connect()
            first.send(offer(node))
            await first.reader.readuntil(b"\r\n\r\n")
            second.send(offer(node))
            assert (await second.answer("GET")).status == 429
            first.send(CLIENTS_BYE)
            await until(lambda: counted(node, cap) == 0)
            first.leave()
            second.leave()
            assert {closed.outcome for _, closed in await all_closed(node, 2)} == {Outcome.SUCCESS, Outcome.REFUSED}

    run(main())


def test_a_response_that_is_remembered_costs_nothing_and_is_a_request(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        requests, cap = limit(3, LimitUnit.REQUESTS), limit(CENT)
        upstream = Upstream(ANTHROPIC)
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, requests, scopes=NATIVE) as node:
            made = await make(node, max_output_tokens=10)
            used = counted(node, cap)
            for _ in range(2):
                assert (await node.ask(f"/api/responses/{made['id']}", method="GET")).status == 200
            assert (counted(node, cap), counted(node, requests)) == (used, 3)
            refused = await node.ask(f"/api/responses/{made['id']}", method="GET")
            assert refused.status == 429

    run(main())


def test_a_kept_response_that_a_key_may_not_read_is_no_request(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        requests = limit(3, LimitUnit.REQUESTS)
        upstream = Upstream(ANTHROPIC)
        async with upstream.running(), limited_node(tmp_path, upstream.url, requests) as node:
            made = await make(node, max_output_tokens=10)
            held = [credential("anthropic", upstream.url)]
            await publish(node, 7, held, books=Books((requests,)), surfaces=("chat",))
            refused = await node.ask(f"/api/responses/{made['id']}", method="GET")
            assert (refused.status, counted(node, requests)) == (403, 1)

    run(main())


def test_an_answer_from_the_cache_costs_nothing_and_is_a_request(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        requests, cap = limit(3, LimitUnit.REQUESTS), limit(CENT)
        of_model = limit(CENT, scope=LimitScope.MODEL, subject="penny-*")
        upstream = Upstream(answering(GOOD))
        async with upstream.running(), limited_node(tmp_path, upstream.url, cap, requests, of_model) as node:
            for _ in range(3):
                assert (await node.ask(CHAT, chat(cache_enabled=True))).status == 200
            assert upstream.heard.count(b"POST ") == 1
            assert (counted(node, cap), counted(node, of_model), counted(node, requests)) == (CENT, CENT, 3)
            assert (await node.ask(CHAT, chat(cache_enabled=True))).status == 429
            hit = (await all_closed(node, 4))[1][1]
            assert hit.settled is not None
            assert (hit.settled.cost, hit.settled.tokens) == (0, 0)
            assert told_limits(hit)["is_allowed"] is True

    run(main())


def test_a_response_that_its_provider_remembers_is_not_paid_again(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        tokens = limit(1000, LimitUnit.TOKENS)
        usage = {"input_tokens": 5, "output_tokens": 20, "total_tokens": 25}
        kept = {"id": "resp_1", "object": "response", "model": "gpt-4o", "output": [], "usage": usage}
        upstream = Upstream(answering(json_answer(json.dumps(kept).encode())))
        async with upstream.running(), limited_node(tmp_path, upstream.url, tokens) as node:
            assert (await node.ask("/api/responses/resp_1", method="GET")).status == 200
            await all_closed(node, 1)
            assert counted(node, tokens) == 0

    run(main())
