"""Cohere's shapes, under `/cohere`."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gantry.simulator import Simulator
from tests.simulator.client import QUESTION, Reply, ask, run
from tests.simulator.test_recordings import parsed

MODEL, REASONING = "command-a-03-2025", "command-a-reasoning-08-2025"
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"role": "user", "content": "get_weather, please"}


def said(path: str, body: Any = None, *, faults: str = "", key: str = "sk-simulated") -> Reply:
    async def scene(simulator: Simulator) -> Reply:
        return await ask(simulator, f"/cohere{path}", body, faults=faults, key=key)

    reply: Reply = run(scene)
    return reply


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": QUESTION, **fields}


def folded(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Put a stream together as the official client does."""
    message: dict[str, Any] = {"role": "assistant"}
    for event in events:
        said = event.get("delta", {}).get("message", {})
        match event["type"]:
            case "tool-plan-delta":
                message["tool_plan"] = message.get("tool_plan", "") + said["tool_plan"]
            case "content-start":
                message.setdefault("content", []).append(said["content"])
            case "content-delta":
                for kind, text in said["content"].items():
                    message["content"][event["index"]][kind] += text
            case "tool-call-start":
                message.setdefault("tool_calls", []).append(said["tool_calls"])
            case "tool-call-delta":
                message["tool_calls"][event["index"]]["function"]["arguments"] += said["tool_calls"]["function"][
                    "arguments"
                ]
            case _:
                pass
    return {"id": events[0]["id"], "message": message, **events[-1]["delta"]}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"max_tokens": 4},
        {"model": REASONING},
        {"tools": [TOOL], "messages": [CALL]},
        {"model": REASONING, "tools": [TOOL], "messages": [CALL]},
    ],
)
def test_a_stream_folds_to_the_whole_answer(fields: dict[str, Any]) -> None:
    whole, stream = said("/v2/chat", chat(**fields)).json, said("/v2/chat", chat(**fields, stream=True)).events
    assert {**folded(stream), "id": None} == {**whole, "id": None}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "COMPLETE"),
        ({"max_tokens": 3}, "MAX_TOKENS"),
        ({"stop_sequences": ["said"]}, "STOP_SEQUENCE"),
        ({"tools": [TOOL], "tool_choice": "REQUIRED"}, "TOOL_CALL"),
        ({"tools": [TOOL], "tool_choice": "NONE", "messages": [CALL]}, "COMPLETE"),
    ],
)
def test_an_answer_says_why_it_ended(fields: dict[str, Any], reason: str) -> None:
    assert said("/v2/chat", chat(**fields)).json["finish_reason"] == reason


def test_results_of_tools_are_read() -> None:
    async def scene(simulator: Simulator) -> str:
        fields = {"tools": [TOOL]}
        turn = (await ask(simulator, "/cohere/v2/chat", chat(**fields, messages=[CALL]))).json["message"]
        result = {"role": "tool", "tool_call_id": turn["tool_calls"][0]["id"], "content": "sunny"}
        answer = await ask(simulator, "/cohere/v2/chat", chat(**fields, messages=[CALL, turn, result]))
        text: str = answer.json["message"]["content"][0]["text"]
        return text

    assert run(scene).startswith("The tool answered: sunny")


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/v2/chat", chat(top_k=1), 422, "unknown field: parameter 'top_k' is not a valid field"),
        ("/v2/chat", {"model": MODEL}, 400, "invalid request: messages is required"),
        ("/v2/chat", chat(messages=[]), 400, "invalid request: messages must not be empty"),
        ("/v2/chat", chat(temperature=3), 400, "invalid request: invalid value for temperature"),
        ("/v2/chat", chat(tool_choice="REQUIRED"), 400, "invalid request: tool_choice may only be given with tools"),
        (
            "/v2/chat",
            chat(messages=[CALL, {"role": "tool", "tool_call_id": "a", "content": "b"}]),
            400,
            "invalid request: tool call id not found in previous tool calls: a",
        ),
        ("/v2/chat", chat(model="command-0"), 404, "model 'command-0' not found"),
        ("/v2/embed", {"model": "embed-v4.0", "texts": ["a"]}, 400, "invalid request: input_type is required"),
        ("/v2/rerank", {"model": "rerank-v3.5", "query": "a", "documents": []}, 400, "invalid request: from 1 to"),
        ("/v2/chat", chat(model="sim-status-429"), 429, "You are past the per minute request limit"),
        ("/v2/nothing", {}, 404, "page not found"),
    ],
)
def test_what_the_real_one_refuses_is_refused(path: str, body: Any, status: int, text: str) -> None:
    reply = said(path, body)
    assert (reply.status, reply.json["message"].startswith(text)) == (status, True)
    assert set(reply.json) == {"id", "message"}


@pytest.mark.parametrize("key", ["", "bad"])
def test_the_edge_asks_for_a_key(key: str) -> None:
    assert said("/v2/chat", chat(), key=key).status == 401


def test_a_stream_can_end_with_an_error() -> None:
    last = said("/v2/chat", chat(stream=True), faults="error-event; at=3").events[-1]
    assert (last["type"], last["delta"]["finish_reason"]) == ("message-end", "ERROR")


def test_embeddings_come_in_several_types() -> None:
    body = {"model": "embed-v4.0", "input_type": "search_query", "texts": ["a", "b"], "output_dimension": 256}
    answer = said("/v2/embed", {**body, "embedding_types": ["float", "int8", "ubinary"]}).json
    sizes = {kind: [len(item) for item in items] for kind, items in answer["embeddings"].items()}
    assert sizes == {"float": [256] * 2, "int8": [256] * 2, "ubinary": [32] * 2}
    assert answer["response_type"] == "embeddings_by_type"


def test_documents_are_ranked_by_what_they_share_with_the_query() -> None:
    body = {"model": "rerank-v3.5", "query": "red crane", "documents": ["blue", "red crane", "red"], "top_n": 2}
    assert [result["index"] for result in said("/v2/rerank", body).json["results"]] == [1, 2]


def keys(value: Any) -> Any:
    if isinstance(value, dict):
        return frozenset((key, keys(item)) for key, item in value.items())
    return tuple(keys(item) for item in value[:1]) if isinstance(value, list) else None


def recorded(shared: Path, *, stream: bool) -> list[dict[str, Any]]:
    exchanges = [
        msgspec.json.decode(path.read_bytes())
        for path in sorted((shared / "recordings" / "cohere" / "cohere_chat").glob("*.json"))
    ]
    kind = "sse" if stream else "body"
    return [item["response"] for item in exchanges if item["response"]["status"] == 200 and item["response"].get(kind)]


@pytest.mark.parametrize("fields", [{}, {"tools": [TOOL], "messages": [CALL]}, {"model": REASONING}])
def test_a_whole_answer_has_a_recorded_outline(shared: Path, fields: dict[str, Any]) -> None:
    theirs = [keys(answer["body"]) for answer in recorded(shared, stream=False)]
    assert keys(said("/v2/chat", chat(**fields)).json) in theirs


@pytest.mark.parametrize("fields", [{}, {"tools": [TOOL], "messages": [CALL]}])
def test_each_event_has_a_recorded_outline(shared: Path, fields: dict[str, Any]) -> None:
    theirs = {keys(event) for answer in recorded(shared, stream=True) for event in parsed(answer["sse"])}
    ours = said("/v2/chat", chat(**fields, stream=True)).events
    assert [event for event in ours if keys(event) not in theirs] == []
