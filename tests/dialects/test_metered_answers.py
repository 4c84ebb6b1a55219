"""Units that stand beside the usage or change in the course of a stream: searches, calls of tools, compactions.

An answer at once and its stream come to the same.
"""

import json
from typing import Any

import pytest

from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.answer import read_answer

JSON, STREAM = "application/json", "text/event-stream"
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


def item(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "id": f"{kind}1", "status": "completed", **fields}


def search(action: str | None = "search") -> dict[str, Any]:
    return item("web_search_call", **({} if action is None else {"action": {"type": action, "query": "q"}}))


def response(*items: dict[str, Any], usage: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    used = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, **(usage or {})}
    return {"id": "r", "object": "response", "status": "completed", "output": [*items, SAID], "usage": used, **more}


RESPONSES: dict[str, tuple[dict[str, Any], int | None, int | None]] = {
    "no tools": (response(), None, None),
    "searches, and pages that were opened": (
        response(search(), search("open_page"), search("find_in_page"), search()),
        2,
        None,
    ),
    "a search of which no action is told": (response(search(None)), 1, None),
    "as the provider counts them": (
        response(search(), search(), tool_usage={"web_search": {"num_requests": 1}}),
        1,
        None,
    ),
    "files": (response(item("file_search_call"), item("file_search_call"), search()), 1, 2),
    "functions of the caller": (response(item("function_call", name="f", arguments="{}", call_id="c")), None, None),
    "xAI's count of all tools": (response(search(), usage={"num_server_side_tools_used": 3}), 1, 2),
    "xAI's counts": (
        response(
            usage={"num_server_side_tools_used": 5, "server_side_tool_usage_details": {"web_search_calls": 4}},
        ),
        4,
        1,
    ),
}


@pytest.mark.parametrize(("whole", "searches", "others"), RESPONSES.values(), ids=RESPONSES)
def test_calls_of_tools_in_responses(whole: dict[str, Any], searches: int | None, others: int | None) -> None:
    expected = Usage(10, None, None, 5, None, 15, web_searches=searches, billed_tool_calls=others)
    stream = [
        {"type": "response.output_item.done", "output_index": index, "item": one}
        for index, one in enumerate(whole["output"])
    ]
    ended = {"type": "response.completed", "response": {**whole, "output": []}}
    for content_type, body in ((JSON, json.dumps(whole).encode()), (STREAM, sse(*stream, ended))):
        assert read_answer(Operation.RESPONSES, Dialect.OPENAI_RESPONSES, content_type, body).usage == expected


def test_an_answer_without_usage_counts_no_searches() -> None:
    """What nobody reported is estimated from the text, which the meter does for what is no usage at all."""
    body = json.dumps({"output": [search(), SAID], "status": "incomplete"}).encode()
    assert read_answer(Operation.RESPONSES, Dialect.OPENAI_RESPONSES, JSON, body).usage == Usage()


def candidate(text: str, queries: list[str] | None = None, **more: Any) -> dict[str, Any]:
    grounding = {} if queries is None else {"groundingMetadata": {"webSearchQueries": queries}}
    return {"content": {"role": "model", "parts": [{"text": text}]}, **grounding, **more}


@pytest.mark.parametrize(
    ("queries", "expected"),
    [(None, None), ([], None), (["a", "b", "a"], 2), (["a", ""], 1), (["a", " "], 1), ("none", None)],
)
def test_googles_searches_are_counted_with_the_sources(queries: Any, expected: int | None) -> None:
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 2, "totalTokenCount": 9}
    last = {"candidates": [candidate("b", queries, finishReason="STOP")], "usageMetadata": usage}
    whole = {"candidates": [candidate("ab", queries, finishReason="STOP")], "usageMetadata": usage}
    stream = [{"candidates": [candidate("a")], "usageMetadata": {**usage, "candidatesTokenCount": 1}}, last]
    for content_type, body in ((JSON, json.dumps(whole).encode()), (STREAM, sse(*stream))):
        found = read_answer(Operation.CHAT, Dialect.GEMINI, content_type, body)
        assert found.usage == Usage(7, None, None, 2, None, 9, web_searches=expected)


STARTED = {
    "input_tokens": 10,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 50,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
    "output_tokens": 1,
    "service_tier": "standard",
}


def claude(start: dict[str, Any], end: dict[str, Any]) -> bytes:
    message = {"id": "m", "type": "message", "role": "assistant", "model": "claude-opus-5", "content": []}
    return sse(
        {"type": "message_start", "message": {**message, "usage": start}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": end},
        {"type": "message_stop"},
    )


CLAUDE: dict[str, tuple[dict[str, Any], Usage]] = {
    "the end tells the output alone": (
        {"output_tokens": 40},
        Usage(160, 100, 50, 40, cache_write_1h_tokens=30),
    ),
    "tools read and wrote meanwhile": (
        {
            "input_tokens": 12,
            "cache_read_input_tokens": 300,
            "cache_creation_input_tokens": 80,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 60},
            "output_tokens": 90,
            "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
        },
        Usage(392, 300, 80, 90, cache_write_1h_tokens=60, web_searches=2),
    ),
    "what was compacted is beside the rest": (
        {
            "output_tokens": 40,
            "iterations": [
                {"type": "compaction", "input_tokens": 1000, "cache_read_input_tokens": 500, "output_tokens": 70},
                {"type": "message", "input_tokens": 10, "output_tokens": 40},
            ],
        },
        Usage(1660, 600, 50, 110, cache_write_1h_tokens=30),
    ),
}


@pytest.mark.parametrize(("end", "expected"), CLAUDE.values(), ids=CLAUDE)
def test_the_end_of_anthropics_stream_counts(end: dict[str, Any], expected: Usage) -> None:
    streamed = read_answer(Operation.CHAT, Dialect.ANTHROPIC, STREAM, claude(STARTED, end))
    content = [{"type": "text", "text": "hi"}]
    message = {"id": "m", "type": "message", "role": "assistant", "model": "claude-opus-5", "stop_reason": "end_turn"}
    whole = json.dumps({**message, "content": content, "usage": {**STARTED, **end}}).encode()
    assert streamed.usage == expected
    assert read_answer(Operation.CHAT, Dialect.ANTHROPIC, JSON, whole).usage == expected
    assert json.loads(streamed.usage_raw or "") == end  # as the provider wrote it last


@pytest.mark.parametrize(("speed", "tier"), [("fast", "fast"), ("standard", "standard"), (None, "standard")])
def test_fast_mode_is_the_tier_that_sets_the_price(speed: str | None, tier: str) -> None:
    stream = claude({**STARTED, "speed": speed}, {"output_tokens": 40})
    assert read_answer(Operation.CHAT, Dialect.ANTHROPIC, STREAM, stream).service_tier == tier
