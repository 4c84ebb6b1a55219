"""Chat, FIM and embeddings as Mistral words them."""

import base64
import struct
from typing import Any

import pytest

from gantry.simulator import Simulator
from tests.simulator.client import QUESTION, Reply, ask, chat, run

CHAT = "/v1/chat/completions"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
FUNCTION = {"name": "f", "arguments": {}}
CALLED = {"role": "assistant", "tool_calls": [{"id": "abcdefghi", "function": FUNCTION}]}
CALLED_ODDLY = {"role": "assistant", "tool_calls": [{"id": "call_1", "function": FUNCTION}]}
RESULT = {"role": "tool", "content": "done"}


def asked(body: Any, path: str = CHAT, *, faults: str = "") -> Reply:
    async def scene(simulator: Simulator) -> Reply:
        return await ask(simulator, path, body, faults=faults)

    reply: Reply = run(scene)
    return reply


def folded(events: list[Any]) -> tuple[str, dict[int, list[str]], str, Any]:
    """Return the text, the tool calls by index as [name, arguments], the finish reason and the usage of a stream."""
    calls: dict[int, list[str]] = {}
    text, finish, usage = "", "", None
    for event in events:
        choice = event["choices"][0]
        content = choice["delta"].get("content") or ""
        text += content if isinstance(content, str) else ""
        for call in choice["delta"].get("tool_calls") or ():
            so_far = calls.setdefault(call["index"], ["", ""])
            so_far[0] += call["function"]["name"]
            so_far[1] += call["function"]["arguments"]
        finish, usage = choice["finish_reason"] or finish, event.get("usage", usage)
    return text, calls, finish, usage


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"max_tokens": 4},
        {"tools": [WEATHER], "tool_choice": "any"},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "integer"}}}},
    ],
)
def test_a_stream_folds_to_the_whole_answer(extra: dict[str, Any]) -> None:
    whole = asked(chat(**extra)).json
    text, calls, finish, usage = folded(asked(chat(**extra, stream=True)).events)
    message = whole["choices"][0]["message"]
    expected = {
        call["index"]: [call["function"]["name"], call["function"]["arguments"]] for call in message["tool_calls"] or ()
    }
    assert (text, calls, finish, usage) == (
        message["content"],
        expected,
        whole["choices"][0]["finish_reason"],
        whole["usage"],
    )


@pytest.mark.parametrize(("shape", "ids"), [("fragments", 1), ("null-ids", 3), ("whole", 1)])
def test_tool_calls_are_spread_in_the_ways_seen_in_the_wild(shape: str, ids: int) -> None:
    body = chat(stream=True, tools=[WEATHER], tool_choice="any")
    events = asked(body, faults=f"tool-calls={shape}").events
    fragments = [call for event in events for call in event["choices"][0]["delta"].get("tool_calls") or ()]
    assert len([1 for fragment in fragments if "id" in fragment]) == ids
    assert [fragment["function"]["name"] for fragment in fragments[1:]] == [""] * (len(fragments) - 1)


def test_a_reasoning_model_thinks_in_chunks_then_speaks_in_strings() -> None:
    content = asked(chat("magistral-medium-latest")).json["choices"][0]["message"]["content"]
    assert [chunk["type"] for chunk in content] == ["thinking", "text"]
    deltas = [
        event["choices"][0]["delta"].get("content")
        for event in asked(chat("magistral-medium-latest", stream=True)).events
    ]
    kinds = [type(delta) for delta in deltas]
    assert list in kinds
    assert kinds == [str, *[list] * kinds.count(list), *[str] * (len(kinds) - 1 - kinds.count(list))]
    assert asked(chat(reasoning_effort="high")).json["choices"][0]["message"]["content"][0]["type"] == "thinking"


@pytest.mark.parametrize(
    ("shape", "keys"),
    [
        ("details", {"prompt_tokens_details", "service_tier"}),
        ("num-cached", {"num_cached_tokens", "service_tier"}),
        ("singular", {"prompt_token_details", "service_tier"}),
        ("plain", set()),
    ],
)
def test_cached_tokens_have_several_spellings(shape: str, keys: set[str]) -> None:
    usage = asked(chat(), faults=f"usage={shape}").json["usage"]
    assert set(usage) == {"prompt_tokens", "completion_tokens", "total_tokens"} | keys


def test_a_long_prompt_is_cached_in_part() -> None:
    usage = asked(chat(messages=[{"role": "user", "content": "x" * 4000}])).json["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 960
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_audio_is_counted_in_seconds_and_in_the_total() -> None:
    chunks = [{"type": "text", "text": "what is this"}, {"type": "input_audio", "input_audio": "UklGRg=="}]
    usage = asked(chat("voxtral-small-latest", messages=[{"role": "user", "content": chunks}])).json["usage"]
    assert usage["prompt_audio_seconds"] == 3
    assert usage["total_tokens"] > usage["prompt_tokens"] + usage["completion_tokens"]


def test_usage_and_done_can_be_missing() -> None:
    reply = asked(chat(stream=True), faults="no-usage; no-done")
    assert not any("usage" in event for event in reply.events)
    assert b"[DONE]" not in reply.body
    assert "usage" not in asked(chat(), faults="no-usage").json


def test_an_error_can_arrive_inside_a_stream() -> None:
    events = asked(chat(stream=True), faults="error-event; at=2").events
    assert len(events) == 3
    assert events[-1]["object"] == "error"


def test_n_answers_and_a_prefix() -> None:
    assert [choice["index"] for choice in asked(chat(n=3)).json["choices"]] == [0, 1, 2]
    prefixed = [*QUESTION, {"role": "assistant", "content": "Ahoy! ", "prefix": True}]
    assert asked(chat(messages=prefixed)).json["choices"][0]["message"]["content"].startswith("Ahoy! ")


@pytest.mark.parametrize(
    ("body", "kind", "where"),
    [
        (chat(max_completion_tokens=1), "extra_forbidden", ["body", "max_completion_tokens"]),
        (chat(messages=[{**QUESTION[0], "name": "x"}]), "extra_forbidden", ["body", "messages", 0, "user", "name"]),
        (chat(temperature=1.6), "less_than_equal", ["body", "temperature"]),
        (chat(messages=[{"role": "developer", "content": "x"}]), "union_tag_invalid", ["body", "messages", 0]),
        ({"messages": QUESTION}, "missing", ["body", "model"]),
        (
            chat(tools=[{"type": "function", "function": {"name": "f"}}]),
            "missing",
            ["body", "tools", 0, "function", "parameters"],
        ),
        (b"{", "json_invalid", ["body", 0]),
    ],
)
def test_an_invalid_body_is_a_422_with_a_list(body: Any, kind: str, where: list[Any]) -> None:
    reply = asked(body)
    assert reply.status == 422
    (detail,) = reply.json["detail"]
    assert (detail["type"], detail["loc"]) == (kind, where)
    assert {"msg", "input"} <= set(detail)


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (chat("mistral-nope"), "invalid_model", "1500"),
        (chat(messages=[*QUESTION, {"role": "assistant", "content": "hi"}]), "invalid_request_message_order", "3230"),
        (chat(messages=[*QUESTION, CALLED, *QUESTION]), "invalid_request_message_order", "3230"),
        (chat("pixtral-12b", messages=[*QUESTION, CALLED_ODDLY, RESULT]), "invalid_function_call", "3280"),
        (chat(logprobs=True), "invalid_request_invalid_args", "3051"),
    ],
)
def test_a_refusal_has_the_type_and_code_of_the_real_one(body: Any, kind: str, code: str) -> None:
    reply = asked(body)
    assert reply.status == 400
    error = {"object": "error", "type": kind, "param": None, "code": code, "raw_status_code": 400}
    assert {**reply.json, **error} == reply.json


def test_a_number_of_23_digits_is_taken_as_it_is() -> None:
    assert (
        asked(
            b'{"model":"mistral-small-latest","messages":[{"role":"user","content":"x"}],"metadata":{"n":12345678901234567890123}}'
        ).status
        == 200
    )


@pytest.mark.parametrize("status", [400, 402, 403, 404, 408, 422, 429, 500, 502, 503, 504, 520, 529])
def test_any_status_can_be_asked_for(status: int) -> None:
    reply = asked(chat(f"sim-status-{status}--retry-after-7"))
    assert (reply.status, reply.headers["retry-after"]) == (status, "7")
    assert "detail" in reply.json if status == 422 else reply.json["object"] == "error"


def test_capacity_errors_have_their_own_code() -> None:
    assert asked(chat("sim-status-429")).json["code"] == "1300"
    assert asked(chat("sim-status-429--code-3505")).json["type"] == "service_tier_capacity_exceeded"


def test_a_web_page_instead_of_json() -> None:
    reply = asked(chat(), faults="content-type=text/html; status=502")
    assert (reply.status, reply.headers["content-type"]) == (502, "text/html")
    assert reply.body.startswith(b"<html>")


def test_fim_answers_for_code_models_only() -> None:
    body = {"model": "codestral-latest", "prompt": "def f(", "suffix": "return 1"}
    assert asked(body, "/v1/fim/completions").json["object"] == "chat.completion"
    assert asked({**body, "model": "mistral-large-latest"}, "/v1/fim/completions").status == 400


def test_embeddings_have_the_dimension_and_form_asked_for() -> None:
    body = {"model": "codestral-embed", "input": ["a", "b"], "output_dimension": 64}
    floats = asked(body, "/v1/embeddings").json
    coded = asked({**body, "encoding_format": "base64"}, "/v1/embeddings").json
    assert [len(item["embedding"]) for item in floats["data"]] == [64, 64]
    assert floats["usage"]["prompt_tokens"] == floats["usage"]["total_tokens"] > 0
    unpacked = struct.unpack("<64f", base64.b64decode(coded["data"][0]["embedding"]))
    assert list(unpacked) == floats["data"][0]["embedding"]


@pytest.mark.parametrize(("dtype", "length"), [("int8", 64), ("uint8", 64), ("binary", 8), ("ubinary", 8)])
def test_embeddings_can_be_small_integers(dtype: str, length: int) -> None:
    body = {"model": "codestral-embed", "input": "a", "output_dimension": 64, "output_dtype": dtype}
    (item,) = asked(body, "/v1/embeddings").json["data"]
    assert len(item["embedding"]) == length
    assert all(isinstance(number, int) for number in item["embedding"])


@pytest.mark.parametrize(
    "body",
    [
        {"model": "mistral-embed", "input": "a", "output_dimension": 256},
        {"model": "codestral-embed", "input": "a", "output_dimension": 4096},
        {"model": "mistral-small-latest", "input": "a"},
    ],
)
def test_embeddings_refuse_what_the_model_cannot_do(body: Any) -> None:
    assert asked(body, "/v1/embeddings").status == 400
