"""OpenAI's shapes, under `/openai`."""

from typing import Any

import pytest

from gantry.simulator import Simulator
from tests.simulator.client import Reply, ask, chat, run

CHAT = "/openai/v1/chat/completions"
TOOL = {"type": "function", "function": {"name": "move", "parameters": {"type": "object", "properties": {}}}}


def asked(path: str, body: Any = None, *, faults: str = "") -> Reply:
    async def scene(simulator: Simulator) -> Reply:
        return await ask(simulator, path, body, faults=faults)

    reply: Reply = run(scene)
    return reply


def test_usage_is_streamed_only_when_asked_for() -> None:
    without = asked(CHAT, chat("gpt-4o", stream=True)).events
    asked_for = asked(CHAT, chat("gpt-4o", stream=True, stream_options={"include_usage": True})).events
    assert not any("usage" in event for event in without)
    assert (asked_for[-1]["choices"], asked_for[0]["usage"]) == ([], None)
    assert asked_for[-1]["usage"] == asked(CHAT, chat("gpt-4o")).json["usage"]


@pytest.mark.parametrize("extra", [{}, {"tools": [TOOL], "tool_choice": "required"}])
def test_a_stream_folds_to_the_whole_answer(extra: dict[str, Any]) -> None:
    message = asked(CHAT, chat("gpt-4o", **extra)).json["choices"][0]["message"]
    deltas = [event["choices"][0]["delta"] for event in asked(CHAT, chat("gpt-4o", stream=True, **extra)).events]
    text = "".join(delta.get("content") or "" for delta in deltas)
    fragments = [call for delta in deltas for call in delta.get("tool_calls") or ()]
    assert text == (message["content"] or "")
    assert "".join(fragment["function"]["arguments"] for fragment in fragments) == "".join(
        call["function"]["arguments"] for call in message.get("tool_calls") or ()
    )
    assert [fragment for fragment in fragments if "name" in fragment["function"]] == fragments[: bool(fragments)]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (CHAT, chat("gpt-nope"), 404, "model_not_found"),
        (CHAT, chat("gpt-4o", random_seed=1), 400, "unknown_parameter"),
        (CHAT, chat("gpt-4o", messages=[]), 400, "empty_array"),
        (CHAT, chat("sim-status-429"), 429, "rate_limit_exceeded"),
        ("/openai/v1/models/gpt-nope", None, 404, "model_not_found"),
    ],
)
def test_errors_have_their_own_envelope(path: str, body: Any, status: int, code: str) -> None:
    reply = asked(path, body)
    assert (reply.status, reply.json["error"]["code"]) == (status, code)
    assert set(reply.json["error"]) == {"message", "type", "param", "code"}


def test_an_error_can_arrive_inside_a_stream() -> None:
    assert (
        asked(CHAT, chat("gpt-4o", stream=True), faults="error-event; at=1").events[-1]["error"]["type"]
        == "server_error"
    )


@pytest.mark.parametrize(("given", "count"), [("a", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1], [2]], 2)])
def test_embeddings_take_texts_and_tokens(given: Any, count: int) -> None:
    answer = asked("/openai/v1/embeddings", {"model": "text-embedding-3-small", "input": given, "dimensions": 8}).json
    assert [len(item["embedding"]) for item in answer["data"]] == [8] * count


def test_models_are_listed() -> None:
    assert {card["object"] for card in asked("/openai/v1/models").json["data"]} == {"model"}
