"""The translate tier over sockets: what the provider hears, what the client gets, and what is written down."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gantry.core.vocabulary import ContentPolicy, Dialect, Operation, Outcome
from tests.gateway.conftest import (
    STREAM_HEAD,
    UPSTREAM_KEY,
    Node,
    Script,
    Upstream,
    answering,
    json_answer,
    running_node,
)
from tests.gateway.uploads import Taken, taking

Runner = Callable[[Any], Any]
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "Hello!"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 0, "output_tokens": 2},
}
COMPLETION = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "mistral-large-2512",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Bonjour."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6},
}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]


def event(name: str, **fields: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def anthropic_stream(*blocks: Sequence[dict[str, Any]], stop: str = "end_turn") -> list[bytes]:
    """Return the events of an answer; a block is its start and its deltas."""
    events = [event("message_start", message={**MESSAGE, "content": [], "stop_reason": None})]
    for index, (start, *deltas) in enumerate(blocks):
        events.append(event("content_block_start", index=index, content_block=start))
        events += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(event("content_block_stop", index=index))
    ended = {"stop_reason": stop, "stop_sequence": None}
    events.append(event("message_delta", delta=ended, usage={"output_tokens": 2}))
    events.append(event("message_stop"))
    return events


def streaming(events: Sequence[bytes], *, whole: bool = True) -> Script:
    return answering(STREAM_HEAD, *map(chunk, events), *([b"0\r\n\r\n"] if whole else []), close=not whole)


TEXT_BLOCK = (
    {"type": "text", "text": ""},
    {"type": "text_delta", "text": "Hel"},
    {"type": "text_delta", "text": "lo!"},
)


async def chat(node: Node, *headers: bytes, path: str = "/api/chat/completions", **body: Any) -> Any:
    return await node.ask(path, json.dumps(body).encode(), *headers)


def test_an_openai_client_asks_anthropic(run: Runner, tmp_path: Path) -> None:
    taken: list[Taken] = []
    identified = json_answer(json.dumps(MESSAGE).encode(), b"200 OK", b"request-id: r1")

    async def main() -> None:
        async with (
            Upstream(taking(identified, taken)).running() as up,
            running_node(tmp_path, up.url) as node,
        ):
            got = await chat(
                node,
                b"OpenAI-Organization: secret-org",
                b"X-Stainless-Lang: python",
                b"X-Trace: kept",
                model="anthropic/claude-sonnet-4-5",
                messages=[{"role": "system", "content": "Brief."}, {"role": "user", "content": "hi"}],
                seed=7,
                customer_identifier="u1",
            )
            assert got.status == 200
            answer = json.loads(got.body)
            assert answer["object"] == "chat.completion"
            assert answer["choices"][0]["message"]["content"] == "Hello!"
            assert answer["choices"][0]["finish_reason"] == "stop"
            assert answer["usage"]["prompt_tokens"] == 12
            assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 3
            assert got.headers["x-gantry-changes"] == "max_tokens: defaulted to 4096; seed: dropped"
            heard = up.heard
            assert heard.startswith(b"POST /v1/messages HTTP/1.1\r\n")
            assert b"x-api-key: " + UPSTREAM_KEY.encode() in heard
            assert b"anthropic-version: 2023-06-01\r\n" in heard
            assert b"x-trace: kept" in heard
            assert b"secret-org" not in heard
            assert b"stainless" not in heard
            assert node.key.encode() not in heard
            assert json.loads(taken[0].body) == {
                "model": "claude-sonnet-4-5",
                "max_tokens": 4096,
                "system": "Brief.",
                "messages": [{"role": "user", "content": "hi"}],
            }
            opened, closed, captured = await node.one_call()
            assert (opened.dialect, opened.operation) == (Dialect.OPENAI_CHAT, Operation.CHAT)
            assert (opened.spoken_dialect, opened.spoken_operation) == (Dialect.ANTHROPIC, "")
            assert opened.request_body == taken[0].body
            assert json.loads(captured) == MESSAGE
            assert (closed.outcome, closed.upstream_request_id) == (Outcome.SUCCESS, "r1")
            assert closed.attempts[0].tier == "translate"
            assert closed.changes == ["max_tokens: defaulted to 4096", "seed: dropped"]

    run(main())


def test_a_strict_caller_is_refused_what_would_be_dropped(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(answering(b"")).running() as up, running_node(tmp_path, up.url, strict=True) as node:
            messages = [{"role": "user", "content": "hi"}]
            got = await chat(node, model="anthropic/claude-sonnet-4-5", messages=messages, seed=7)
            assert got.status == 400
            assert json.loads(got.body)["error"]["param"] == "seed"
            assert up.connections == []

    run(main())


def test_a_stream_of_anthropics_is_one_of_openais(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(streaming(anthropic_stream(TEXT_BLOCK))).running() as up,
            running_node(tmp_path, up.url) as node,
        ):
            got = await chat(
                node,
                model="claude-sonnet-4-5",
                stream=True,
                stream_options={"include_usage": True},
                messages=[{"role": "user", "content": "hi"}],
            )
            assert got.headers["content-type"] == "text/event-stream"
            *lines, done = got.body.decode().strip().split("\n\n")
            assert done == "data: [DONE]"
            chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
            deltas = [one["choices"][0]["delta"].get("content") for one in chunks if one["choices"]]
            assert "".join(filter(None, deltas)) == "Hello!"
            assert chunks[-1]["choices"] == []
            assert chunks[-1]["usage"]["total_tokens"] == 14
            opened, closed, captured = await node.one_call()
            assert opened.stream
            assert captured == b"".join(anthropic_stream(TEXT_BLOCK))
            assert closed.outcome == Outcome.SUCCESS

    run(main())


def test_an_anthropic_client_asks_mistral(run: Runner, tmp_path: Path) -> None:
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(json_answer(json.dumps(COMPLETION).encode()), taken)).running() as up,
            running_node(tmp_path, up.url) as node,
        ):
            body = {
                "model": "mistral/mistral-large-latest",
                "max_tokens": 50,
                "system": [{"type": "text", "text": "Brief.", "cache_control": {"type": "ephemeral"}}],
                "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
                "metadata": {"user_id": "u7", "respan_params": {"customer_identifier": "c9"}},
            }
            got = await node.ask("/api/anthropic/v1/messages", json.dumps(body).encode(), b"anthropic-beta: x")
            assert got.status == 200
            answer = json.loads(got.body)
            assert (answer["type"], answer["stop_reason"]) == ("message", "end_turn")
            assert answer["content"] == [{"type": "text", "text": "Bonjour."}]
            assert answer["usage"]["input_tokens"] == 4
            assert b"anthropic" not in up.heard.lower()
            sent = json.loads(taken[0].body)
            assert sent["messages"][0] == {"role": "system", "content": "Brief."}
            assert "respan_params" not in up.heard.decode()
            opened, _, _ = await node.one_call()
            assert json.loads(opened.params)["customer_identifier"] == "c9"
            assert (opened.dialect, opened.spoken_dialect) == (Dialect.ANTHROPIC, Dialect.MISTRAL)

    run(main())


@pytest.mark.parametrize("header", [b"X-Goog-Api-Key", b"X-Api-Key", None])
def test_a_google_client_names_model_and_key_in_its_own_places(
    run: Runner, tmp_path: Path, header: bytes | None
) -> None:
    async def main() -> None:
        async with (
            Upstream(taking(json_answer(json.dumps(COMPLETION).encode()), [])).running() as up,
            running_node(tmp_path, up.url) as node,
        ):
            target = "/api/google/gemini/v1beta/models/mistral/mistral-large-latest:generateContent"
            body = json.dumps({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}).encode()
            shown = b"" if header is None else b"%b: %b\r\n" % (header, node.key.encode())
            query = f"?key={node.key}" if header is None else ""
            client = await node.connect()
            head = f"POST {target}{query} HTTP/1.1\r\nHost: g\r\nContent-Length: {len(body)}\r\n".encode()
            client.send(head + shown + b"Content-Type: application/json\r\n\r\n" + body)
            got = await client.answer()
            client.leave()
            assert got.status == 200
            told = json.loads(got.body)
            assert told["candidates"][0]["content"]["parts"] == [{"text": "Bonjour."}]
            assert told["usageMetadata"]["totalTokenCount"] == 6
            assert node.key.encode() not in up.heard
            opened, _, _ = await node.one_call()
            assert node.key not in opened.path

    run(main())


def test_an_openai_client_streams_from_gemini_by_its_path(run: Runner, tmp_path: Path) -> None:
    part = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "index": 0}]}
    last = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "!"}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
    }
    events = [b"data: %b\r\n\r\n" % json.dumps(one).encode() for one in (part, last)]

    async def main() -> None:
        async with Upstream(streaming(events)).running() as up, running_node(tmp_path, up.url) as node:
            got = await chat(
                node, model="gemini/gemini-2.5-flash", stream=True, messages=[{"role": "user", "content": "hi"}]
            )
            assert b'"content":"Hi"' in got.body
            assert got.body.endswith(b"data: [DONE]\n\n")
            assert up.heard.startswith(
                b"POST /v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse HTTP/1.1\r\n"
            )
            assert b'"model"' not in up.heard
            assert b'"stream"' not in up.heard

    run(main())


@pytest.mark.parametrize(("query", "kept"), [("?alt=sse", "?alt=sse"), ("?key=KEY&alt=sse", "?alt=sse"), ("", "")])
def test_a_google_client_of_gemini_is_relayed_with_its_own_query(
    run: Runner, tmp_path: Path, query: str, kept: str
) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(b'[{"a" : 1.00}]'))).running() as up,
            running_node(tmp_path, up.url) as node,
        ):
            path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
            body = b'{"contents" : [ ], "unknown":1.00}'
            got = await node.ask(path + query.replace("KEY", node.key), body)
            assert got.body == b'[{"a" : 1.00}]'
            assert up.heard.startswith(f"POST {path}{kept} HTTP/1.1\r\n".encode())
            assert up.heard.endswith(body)

    run(main())


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/api/chat/completions", {}, b'"error":{"message":"Slow down"'),
        ("/api/anthropic/v1/messages", {"max_tokens": 5}, b'"type":"rate_limit_error"'),
    ],
)
def test_a_providers_refusal_comes_in_the_callers_words(
    run: Runner, tmp_path: Path, path: str, body: dict[str, Any], words: bytes
) -> None:
    model = "gemini/gemini-2.5-flash"
    refusal = b'{"error":{"code":429,"message":"Slow down","status":"RESOURCE_EXHAUSTED"}}'

    async def main() -> None:
        async with (
            Upstream(answering(json_answer(refusal, b"429 Too Many", b"retry-after: 3"))).running() as up,
            running_node(tmp_path, up.url) as node,
        ):
            got = await chat(node, path=path, model=model, messages=[{"role": "user", "content": "hi"}], **body)
            assert (got.status, got.headers["retry-after"]) == (429, "3")
            assert words in got.body
            assert b"Slow down" in got.body
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.UPSTREAM_ERROR

    run(main())


def test_a_stream_that_breaks_off_ends_in_the_callers_error(run: Runner, tmp_path: Path) -> None:
    half = anthropic_stream(TEXT_BLOCK)[:3]

    async def main() -> None:
        async with Upstream(streaming(half, whole=False)).running() as up, running_node(tmp_path, up.url) as node:
            got = await chat(node, model="claude-sonnet-4-5", stream=True, messages=[{"role": "user", "content": "hi"}])
            assert b'"content":"Hel"' in got.body
            last = json.loads(got.body.decode().strip().split("\n\n")[-1].removeprefix("data: "))
            assert last["error"]["message"]
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.UPSTREAM_BROKE

    run(main())


THINKING = (
    {"type": "thinking", "thinking": "", "signature": ""},
    {"type": "thinking_delta", "thinking": "Hm."},
    {"type": "signature_delta", "signature": "SIGNED"},
)
CALL = (
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
    {"type": "input_json_delta", "partial_json": '{"in":"Paris"}'},
)


@pytest.mark.parametrize("policy", [*ContentPolicy, None])
def test_signed_thinking_comes_back_with_a_client_that_cannot_carry_it(
    run: Runner, tmp_path: Path, policy: ContentPolicy | None
) -> None:
    """And is not kept where content is not: by the key's policy or, here None, by the caller's wish for one call."""
    taken: list[Taken] = []
    first = streaming(anthropic_stream(THINKING, CALL, stop="tool_use"))
    second = taking(json_answer(json.dumps(MESSAGE).encode()), taken)

    async def main() -> None:
        async with (
            Upstream(first, second).running() as up,
            running_node(tmp_path, up.url, content_policy=policy or ContentPolicy.FULL) as node,
        ):
            asked: dict[str, Any] = {"model": "claude-sonnet-4-5", "reasoning_effort": "low", "tools": TOOLS}
            asked |= {"disable_log": policy is None}
            question = {"role": "user", "content": "Weather?"}
            await chat(node, **asked, messages=[question], stream=True)
            call = {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": '{"in":"Paris"}'}}
            said = {"role": "assistant", "content": None, "tool_calls": [call]}
            result = {"role": "tool", "tool_call_id": "toolu_1", "content": "rain"}
            drop_pooled(node)
            got = await chat(node, **asked, messages=[question, said, result])
            assert got.status == 200
            turn = json.loads(taken[0].body)["messages"][1]["content"]
            kinds = [block["type"] for block in turn]
            if policy is ContentPolicy.FULL:
                assert kinds == ["thinking", "tool_use"]
                assert turn[0] == {"type": "thinking", "thinking": "Hm.", "signature": "SIGNED"}
            else:
                assert kinds == ["tool_use"]
                assert not node.home.turns.exists()

    run(main())


def drop_pooled(node: Node) -> None:
    """Close idle connections, so that the next call comes on one of its own and meets the next script."""
    for pool in node.worker._state.dialler._pools.values():
        for connection in tuple(pool._idle):
            pool._idle.remove(connection)
            connection.abort()


def test_a_conversation_goes_on_by_the_id_of_its_response(run: Runner, tmp_path: Path) -> None:
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(json_answer(json.dumps(MESSAGE).encode()), taken)).running() as up,
            running_node(tmp_path, up.url) as node,
        ):
            first = await chat(node, path="/api/responses", model="claude-sonnet-4-5", input="My name is Ada.")
            told = json.loads(first.body)
            assert told["object"] == "response"
            assert told["output"][0]["content"][0]["text"] == "Hello!"
            again = await chat(
                node,
                path="/api/responses",
                model="claude-sonnet-4-5",
                input="Who am I?",
                previous_response_id=told["id"],
            )
            assert again.status == 200
            roles = [(turn["role"], turn["content"]) for turn in json.loads(taken[1].body)["messages"]]
            assert [role for role, _ in roles] == ["user", "assistant", "user"]
            assert "Ada" in json.dumps(roles[0])
            assert "Hello!" in json.dumps(roles[1])
            unknown = await chat(
                node, path="/api/responses", model="claude-sonnet-4-5", input="?", previous_response_id="resp_unknown"
            )
            assert unknown.status == 400
            assert json.loads(unknown.body)["error"]["param"] == "previous_response_id"
            assert len(taken) == 2
            assert up.connections

    run(main())


def test_tokens_are_estimated_for_a_provider_that_does_not_count(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(answering(b"")).running() as up, running_node(tmp_path, up.url) as node:
            got = await chat(
                node,
                path="/api/anthropic/v1/messages/count_tokens",
                model="mistral/mistral-large-latest",
                messages=[{"role": "user", "content": "Four words of text."}],
            )
            assert (got.status, got.headers["x-gantry-estimated"]) == (200, "true")
            assert 5 <= json.loads(got.body)["input_tokens"] <= 15
            assert up.connections == []
            opened, closed, _ = await node.one_call()
            assert opened.operation == Operation.COUNT_TOKENS
            assert closed.outcome == Outcome.SUCCESS

    run(main())


def test_a_caller_pins_the_provider(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(json.dumps(COMPLETION).encode()))).running() as up,
            running_node(tmp_path, up.url) as node,
        ):
            messages = [{"role": "user", "content": "hi"}]
            await chat(node, b"X-Respan-Route-Provider: openrouter", model="claude-sonnet-4-5", messages=messages)
            assert up.heard.startswith(b"POST /api/v1/chat/completions HTTP/1.1\r\n")
            assert b"route-provider" not in up.heard.lower()
            got = await chat(node, b"X-Respan-Route-Provider: nobody", model="claude-sonnet-4-5", messages=messages)
            assert got.status == 400
            assert "nobody" in got.body.decode()

    run(main())


def test_an_array_of_geminis_is_redacted_as_the_answer_it_came_to(run: Runner, tmp_path: Path) -> None:
    texts = ("Write to ada@exa", "mple.org")
    items: list[dict[str, Any]] = [
        {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}]} for text in texts
    ]
    items.append({"candidates": [{"finishReason": "STOP", "index": 0}], "usageMetadata": {"promptTokenCount": 3}})

    async def main() -> None:
        async with (
            Upstream(answering(json_answer(json.dumps(items).encode()))).running() as up,
            running_node(tmp_path, up.url, content_policy=ContentPolicy.REDACTED) as node,
        ):
            contents = [{"role": "user", "parts": [{"text": "Where?"}]}]
            path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
            got = await node.ask(path, json.dumps({"contents": contents}).encode())
            assert json.loads(got.body) == items
            _, _, captured = await node.one_call()
            kept = json.loads(captured)
            assert kept["candidates"][0]["content"]["parts"][0]["text"] == "Write to [email]"
            assert kept["usageMetadata"]["promptTokenCount"] == 3

    run(main())


def test_a_redacted_stream_is_kept_as_the_answer_it_came_to(run: Runner, tmp_path: Path) -> None:
    block = (
        {"type": "text", "text": ""},
        {"type": "text_delta", "text": "Write to ada@exa"},
        {"type": "text_delta", "text": "mple.org"},
    )

    async def main() -> None:
        async with (
            Upstream(streaming(anthropic_stream(block))).running() as up,
            running_node(tmp_path, up.url, content_policy=ContentPolicy.REDACTED) as node,
        ):
            messages = [{"role": "user", "content": "Where? I am bob@example.org"}]
            got = await chat(node, model="claude-sonnet-4-5", stream=True, messages=messages)
            assert b"ada@exa" in got.body
            opened, _, captured = await node.one_call()
            assert b"example.org" not in captured
            assert b"example.org" not in opened.request_body
            assert json.loads(captured)["content"][0]["text"] == "Write to [email]"

    run(main())
