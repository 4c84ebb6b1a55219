"""Anthropic's shapes, under `/anthropic`."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gantry.simulator import Simulator
from tests.simulator.client import Reply, ask, run
from tests.simulator.test_recordings import parsed

MODEL = "claude-sonnet-4-5"
HEADERS = {"x-api-key": "sk-ant-simulated", "anthropic-version": "2023-06-01"}
NEWEST = {**HEADERS, "anthropic-version": "2026-10-21"}
USER = {"role": "user", "content": "Hello, Claude!"}
WEATHER = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TIME = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}
BUDGET = {"type": "enabled", "budget_tokens": 1024}
BOTH = "get_weather and get_time, please"
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


def message(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 2048, "messages": [USER], **fields}


async def post(
    simulator: Simulator, body: Any, *, headers: dict[str, str] | None = None, faults: str = "", path: str = "messages"
) -> Reply:
    target = f"/anthropic/v1/{path}"
    return await ask(simulator, target, body, headers=HEADERS if headers is None else headers, faults=faults, key="")


def said(body: Any = None, *, headers: dict[str, str] | None = None, faults: str = "", path: str = "messages") -> Reply:
    async def scene(simulator: Simulator) -> Reply:
        return await post(simulator, body, headers=headers, faults=faults, path=path)

    reply: Reply = run(scene)
    return reply


def folded(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Put a stream together as the official clients do."""
    whole: dict[str, Any] = {}
    spoken: dict[int, str] = {}
    for event in events:
        match event["type"]:
            case "message_start":
                whole = event["message"]
            case "content_block_start":
                whole["content"].append(event["content_block"])
            case "content_block_delta":
                block, delta = whole["content"][event["index"]], event["delta"]
                match delta["type"]:
                    case "text_delta":
                        block["text"] += delta["text"]
                    case "thinking_delta":
                        block["thinking"] += delta["thinking"]
                    case "signature_delta":
                        block["signature"] = delta["signature"]
                    case _:
                        spoken[event["index"]] = spoken.get(event["index"], "") + delta["partial_json"]
                        block["input"] = spoken[event["index"]]
            case "message_delta":
                whole |= event["delta"]
                whole["usage"] |= event["usage"]
            case _:
                pass
    for index, text in spoken.items():
        whole["content"][index]["input"] = msgspec.json.decode(text)
    return whole


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stop_sequences": ["quay", "load"]},
        {"max_tokens": 5},
        {"tools": [WEATHER, TIME], "messages": [{"role": "user", "content": BOTH}]},
        {"thinking": BUDGET, "tools": [WEATHER], "messages": [{"role": "user", "content": BOTH}]},
        {"model": "claude-sonnet-5", "thinking": {"type": "adaptive"}},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ],
)
def test_a_stream_folds_to_the_whole_message(fields: dict[str, Any]) -> None:
    whole, stream = said(message(**fields)).json, said(message(**fields, stream=True)).events
    told = folded(stream)
    assert {**told, "id": None} == {**whole, "id": None}
    assert stream[-1] == {"type": "message_stop"}


@pytest.mark.parametrize(
    ("fields", "reason", "stop"),
    [
        ({}, "end_turn", None),
        ({"max_tokens": 3}, "max_tokens", None),
        ({"max_tokens": 0}, "max_tokens", None),
        ({"stop_sequences": ["said"]}, "stop_sequence", "said"),
        ({"tools": [WEATHER], "tool_choice": {"type": "any"}}, "tool_use", None),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "none"}, "messages": [{**USER, "content": BOTH}]},
            "end_turn",
            None,
        ),
    ],
)
def test_a_message_says_why_it_ended(fields: dict[str, Any], reason: str, stop: str | None) -> None:
    answer = said(message(**fields)).json
    assert (answer["stop_reason"], answer["stop_sequence"]) == (reason, stop)


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ({"type": "auto"}, ["get_weather", "get_time"]),
        ({"type": "auto", "disable_parallel_tool_use": True}, ["get_weather"]),
        ({"type": "tool", "name": "get_time"}, ["get_time"]),
    ],
)
def test_tools_are_called_as_chosen(choice: dict[str, Any], called: list[str]) -> None:
    answer = said(message(tools=[WEATHER, TIME], tool_choice=choice, messages=[{**USER, "content": BOTH}])).json
    assert [block["name"] for block in answer["content"]] == called


def called_and_answered(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "sunny"}
        for block in content
        if block["type"] == "tool_use"
    ]
    asked = {"role": "user", "content": BOTH}
    return [asked, {"role": "assistant", "content": content}, {"role": "user", "content": results}]


@pytest.mark.parametrize("marker", ["", "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING_46C9 "])
def test_thinking_comes_back_unchanged_or_not_at_all(marker: str) -> None:
    fields = {"thinking": BUDGET, "tools": [WEATHER, TIME]}

    async def scene(simulator: Simulator) -> None:
        first = await post(simulator, message(**fields, messages=[{**USER, "content": marker + BOTH}]))
        content = first.json["content"]
        assert content[0]["type"] == ("redacted_thinking" if marker else "thinking")
        kept = await post(simulator, message(**fields, messages=called_and_answered(content)))
        assert "sunny" in kept.json["content"][-1]["text"]
        sealed = {**content[0], ("data" if marker else "signature"): "c2ltdWxhdGVk"}
        changed = await post(simulator, message(**fields, messages=called_and_answered([sealed, *content[1:]])))
        assert changed.status == 400
        assert changed.json["error"]["message"].startswith("messages.1.content.0: Invalid ")
        left_out = await post(simulator, message(**fields, messages=called_and_answered(content[1:])))
        assert left_out.json["error"]["message"].startswith("messages.1.content.0.type: Expected `thinking`")

    run(scene)


def test_a_marked_prompt_is_written_once_and_then_read() -> None:
    marked = {"type": "text", "text": "word " * 2000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}

    async def scene(simulator: Simulator) -> list[dict[str, Any]]:
        return [(await post(simulator, message(system=[marked]))).json["usage"] for _ in range(2)]

    first, second = run(scene)
    assert (first["cache_creation_input_tokens"], first["cache_read_input_tokens"]) == (2500, 0)
    assert first["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 2500}
    assert (second["cache_creation_input_tokens"], second["cache_read_input_tokens"]) == (0, 2500)
    assert first["input_tokens"] == second["input_tokens"] < 20


def results_of(*names: str) -> list[dict[str, Any]]:
    use = {"type": "tool_use", "id": "toolu_1", "name": "get_time", "input": {}}
    results = [{"type": "tool_result", "tool_use_id": name, "content": "noon"} for name in names]
    return [USER, {"role": "assistant", "content": [use]}, {"role": "user", "content": results or "Well?"}]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"max_tokens": None}, "max_tokens: Input should be a valid integer"),
        ({"random_seed": 1}, "random_seed: Extra inputs are not permitted"),
        ({"temperature": 1.5}, "temperature: Input should be less than or equal to 1"),
        ({"temperature": 0.5, "top_p": 0.5}, "`temperature` and `top_p` cannot both be specified"),
        ({"temperature": 0.5, "thinking": BUDGET}, "`temperature` may only be set to 1 when thinking is enabled"),
        ({"thinking": BUDGET, "max_tokens": 1024}, "`max_tokens` must be greater than `thinking.budget_tokens`"),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, "thinking.enabled.budget_tokens: Input should be"),
        ({"thinking": {"type": "adaptive"}}, "adaptive thinking is not supported on this model"),
        ({"model": "claude-opus-5", "thinking": BUDGET}, '"thinking.type.enabled" is not supported for this model'),
        ({"model": "claude-opus-5", "temperature": 0.2}, "`temperature` is deprecated for this model"),
        ({"max_tokens": 64001}, "max_tokens: 64001 > 64000"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, 'messages: first message must use the "user" role'),
        ({"messages": [{"role": "system", "content": "a"}]}, 'messages: Unexpected role "system"'),
        ({"messages": [{"role": "user", "content": ""}]}, "messages.0: all messages must have non-empty content"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, "messages: text content blocks"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text.text: Field req"),
        ({"messages": [{"role": "user", "content": [{"type": "sound"}]}]}, "messages.0.content.0: Input tag 'sound'"),
        ({"messages": [USER, {"role": "assistant", "content": "a "}]}, "messages: final assistant content cannot end"),
        ({"messages": results_of()}, "messages.1: `tool_use` ids were found without `tool_result` blocks"),
        ({"messages": results_of("toolu_2")}, "messages.2.content.0: unexpected `tool_use_id` found"),
        ({"messages": results_of("toolu_1", "toolu_1")}, "messages.2.content.1: each tool_use must have a single"),
        ({"messages": results_of("a b")}, "messages.2.content.0.tool_result.tool_use_id: String should match pattern"),
        ({"tools": [{**TIME, "name": "a b"}]}, "tools.0.custom.name: String should match pattern"),
        ({"tools": [{"name": "a"}]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": [TIME, TIME]}, "tools: Tool names must be unique"),
        ({"tools": [TIME], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice: Tool 'x' not found"),
        ({"tool_choice": {"type": "auto"}}, "tool_choice: tool_choice may only be specified while providing tools"),
        ({"output_format": {"type": "json_schema", "schema": SCHEMA}}, "output_format: Extra inputs are not permitted"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
        ),
    ],
)
def test_what_the_real_one_refuses_is_refused(fields: dict[str, Any], text: str) -> None:
    reply = said(message(**fields))
    error = reply.json["error"]
    assert (reply.status, error["type"]) == (400, "invalid_request_error")
    assert error["message"].startswith(text)
    assert reply.json["request_id"] == reply.headers["request-id"]


def test_a_field_that_is_missing_is_named() -> None:
    assert said({"model": MODEL, "messages": [USER]}).json["error"]["message"] == "max_tokens: Field required"


@pytest.mark.parametrize(
    ("fields", "old", "new"),
    [
        ({"temperature": 1.0}, 200, 400),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "citations": [{}]}]}]}, 200, 400),
    ],
)
def test_the_newest_version_takes_less(fields: dict[str, Any], old: int, new: int) -> None:
    assert [said(message(**fields), headers=headers).status for headers in (HEADERS, NEWEST)] == [old, new]


@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        ({}, 401, "x-api-key header is required"),
        ({**HEADERS, "x-api-key": "bad"}, 401, "invalid x-api-key"),
        ({"x-api-key": "sk"}, 400, "anthropic-version: header is required"),
        ({**HEADERS, "anthropic-version": "2020-01-01"}, 400, 'anthropic-version: "2020-01-01" is not a valid version'),
    ],
)
def test_the_edge_asks_for_a_key_and_a_version(headers: dict[str, str], status: int, text: str) -> None:
    reply = said(message(), headers=headers)
    assert (reply.status, reply.json["error"]["message"]) == (status, text)


def test_a_bearer_key_is_a_key() -> None:
    headers = {"authorization": "Bearer sk-ant-simulated", "anthropic-version": "2026-10-21"}
    assert said(message(), headers=headers).status == 200


def test_an_overloaded_stream_ends_with_an_error_event() -> None:
    events = said(message(stream=True), faults="error-event; at=4").events
    assert events[-1] == {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def test_a_model_in_the_body_asks_for_faults() -> None:
    reply = said(message(model="sim-status-529--retry-after-1"))
    assert (reply.status, reply.headers["retry-after"]) == (529, "1")
    assert reply.json["error"]["type"] == "overloaded_error"


def test_tokens_are_counted_as_they_are_billed() -> None:
    fields = {"model": MODEL, "messages": [USER], "system": "Be brief.", "tools": [WEATHER]}
    counted = said(fields, path="messages/count_tokens").json["input_tokens"]
    assert counted == said(message(system="Be brief.", tools=[WEATHER])).json["usage"]["input_tokens"]


def test_models_are_listed_in_pages() -> None:
    page = said(path="models?limit=2").json
    assert (len(page["data"]), page["has_more"]) == (2, True)
    after = said(path=f"models?limit=1&after_id={page['last_id']}").json
    assert said(path=f"models/{after['first_id']}").json == after["data"][0]
    assert said(path="models/claude-0").json["error"]["type"] == "not_found_error"


def test_a_batch_ends_when_looked_at() -> None:
    lines = [{"custom_id": "a", "params": message()}, {"custom_id": "b", "params": message(model="claude-0")}]

    async def scene(simulator: Simulator) -> Reply:
        made = (await post(simulator, {"requests": lines}, path="messages/batches")).json
        assert made["processing_status"] == "in_progress"
        ended = (await post(simulator, None, path=f"messages/batches/{made['id']}")).json
        assert ended["request_counts"] | {"succeeded": 1, "errored": 1} == ended["request_counts"]
        assert ended["results_url"].endswith(f"/anthropic/v1/messages/batches/{made['id']}/results")
        return await post(simulator, None, path=f"messages/batches/{made['id']}/results")

    results = [msgspec.json.decode(line) for line in run(scene).body.splitlines()]
    assert [(line["custom_id"], line["result"]["type"]) for line in results] == [("a", "succeeded"), ("b", "errored")]


def recorded(shared: Path, *, stream: bool) -> list[dict[str, Any]]:
    """Give the untouched answers that are messages."""
    answers = []
    for path in sorted((shared / "recordings" / "anthropic" / "anthropic_messages").glob("*.json")):
        exchange = msgspec.json.decode(path.read_bytes())
        untouched = exchange["capture"]["response"] == "raw" and exchange["response"]["status"] == 200
        if untouched and exchange["stream"] is stream:
            answers.append(exchange["response"])
    return answers


def unordered(value: Any) -> Any:
    """Reduce to the keys, whatever their order: this provider has no fixed one."""
    if isinstance(value, dict):
        return frozenset((key, unordered(item)) for key, item in value.items() if key not in ("input", "caller"))
    return tuple(unordered(item) for item in value[:1]) if isinstance(value, list) else None


@pytest.mark.parametrize("fields", [{}, {"tools": [WEATHER], "tool_choice": {"type": "any"}}])
def test_a_whole_message_has_a_recorded_outline(shared: Path, fields: dict[str, Any]) -> None:
    theirs = [unordered(answer["body"]) for answer in recorded(shared, stream=False)]
    assert unordered(said(message(**fields)).json) in theirs


def test_each_event_has_a_recorded_outline(shared: Path) -> None:
    fields = {"tools": [WEATHER], "messages": [{"role": "user", "content": BOTH}]}
    ours = [event for body in ({}, fields) for event in said(message(stream=True, **body)).events]
    for event in ours:
        event.get("usage", {}).pop("output_tokens_details", None)  # newer than the untouched recordings
    theirs = {unordered(event) for answer in recorded(shared, stream=True) for event in parsed(answer["sse"])}
    assert [event for event in ours if unordered(event) not in theirs] == []


def test_the_headers_have_recorded_names(shared: Path) -> None:
    theirs = {name for answer in recorded(shared, stream=False) for name in answer["headers"]}
    assert theirs <= set(said(message()).headers)
