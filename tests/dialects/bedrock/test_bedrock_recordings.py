"""Every recorded Converse exchange: requests go through unchanged, answers say what a naive reader reads in them."""

import json
from pathlib import Path
from typing import Any

import pytest

from gantry.core.chat import ChatAnswer, ChatRequest, Text, Thinking, ToolCall
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import assemble, unfold
from gantry.dialects.bedrock.codec import BEDROCK
from gantry.dialects.codec import Asking, Target
from tests.dialects.recorded import Exchange, exchanges

ASKING = Asking(ChatRequest(dialect=Dialect.BEDROCK, model="m", messages=()), 1, "id-1")
AT_LEAST = 60
EMPTY: tuple[Any, ...] = ({}, [], None)


@pytest.fixture
def recorded(shared: Path) -> list[Exchange]:
    found = list(exchanges(shared, Dialect.BEDROCK))
    assert len(found) >= AT_LEAST
    return found


def test_requests_go_through_unchanged(recorded: list[Exchange]) -> None:
    for exchange in recorded:
        if exchange.request is not None:
            encoded = BEDROCK.encode_request(BEDROCK.decode_request(exchange.request), Target("a-model"))
            assert plain(json.loads(encoded.body)) == plain(json.loads(exchange.request)), exchange.file
            assert encoded.changes == [], exchange.file


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """Return a request without what the format says is the same.

    Empty fields are fields left out; turns of one side in a row are one turn; a result is a success unless it says
    otherwise; a result's JSON is its text, which is what every other dialect has for it.
    """
    kept = {name: value for name, value in body.items() if value not in EMPTY}
    turns: list[dict[str, Any]] = []
    for message in kept.get("messages", []):
        blocks = [plain_block(block) for block in message["content"]]
        if turns and turns[-1]["role"] == message["role"]:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": message["role"], "content": blocks})
    return kept | {"messages": turns}


def plain_block(block: dict[str, Any]) -> dict[str, Any]:
    result = block.get("toolResult")
    if result is None:
        return block
    content = [parsed(one["text"]) if "text" in one else one.get("json", one) for one in result["content"]]
    rest = {name: value for name, value in result.items() if (name, value) != ("status", "success")}
    return {"toolResult": rest | {"content": content}}


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def test_answers_say_what_a_naive_reader_reads(recorded: list[Exchange]) -> None:
    for exchange in recorded:
        assert exchange.answer is not None
        body = json.loads(exchange.answer)
        if exchange.status >= 400:
            error = BEDROCK.decode_error(exchange.status, exchange.answer)
            assert (error.status, error.message) == (exchange.status, body["message"]), exchange.file
            continue
        answer = BEDROCK.decode_answer(exchange.answer)
        content = body["output"]["message"]["content"]
        (choice,) = answer.choices
        texts = [block["text"] for block in content if "text" in block]
        assert [part.text for part in choice.parts if isinstance(part, Text) and part.text] == texts, exchange.file
        calls = [use for block in content if (use := block.get("toolUse")) and use.get("type") != "server_tool_use"]
        assert [
            (part.id, part.name, json.loads(part.arguments)) for part in choice.parts if isinstance(part, ToolCall)
        ] == [(use["toolUseId"], use["name"], use["input"]) for use in calls], exchange.file
        thoughts = [block["reasoningContent"]["reasoningText"] for block in content if "reasoningContent" in block]
        assert [(part.text, part.signature) for part in choice.parts if isinstance(part, Thinking)] == [
            (thought["text"], thought.get("signature")) for thought in thoughts
        ], exchange.file
        assert choice.finish is not None
        assert choice.finish.raw == body["stopReason"], exchange.file
        check_usage(answer, body["usage"])


def check_usage(answer: ChatAnswer, usage: dict[str, int]) -> None:
    read, written = usage.get("cacheReadInputTokens"), usage.get("cacheWriteInputTokens")
    ours = answer.usage
    assert (ours.cached_input_tokens, ours.cache_write_tokens) == (read, written)
    assert ours.output_tokens == usage["outputTokens"]
    assert ours.total_tokens == usage["totalTokens"]
    # Whether Bedrock's input holds the cache is known by this sum.
    assert (ours.input_tokens or 0) + usage["outputTokens"] == usage["totalTokens"]


def test_answers_go_through_both_ways(recorded: list[Exchange]) -> None:
    for exchange in recorded:
        if exchange.status >= 400 or exchange.answer is None:
            continue
        answer = BEDROCK.decode_answer(exchange.answer)
        assert BEDROCK.decode_answer(BEDROCK.encode_answer(answer, ASKING)) == answer, exchange.file
        stream = BEDROCK.stream_encoder(ASKING).feed(unfold(answer))
        decoder = BEDROCK.stream_decoder()
        pieces = [stream[at : at + 61] for at in range(0, len(stream), 61)]
        events = [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()
        again = assemble(Dialect.BEDROCK, events)
        assert again.usage == answer.usage, exchange.file
        assert again.choices[0].finish == answer.choices[0].finish, exchange.file
        assert [comparable(part) for part in again.choices[0].parts] == [
            comparable(part) for part in answer.choices[0].parts
        ], exchange.file


def comparable(part: Any) -> Any:
    """Return a part with its raw JSON as values."""
    raw = getattr(part, "raw", None)
    return part if raw is None else json.loads(bytes(raw))
