"""What Anthropic and its clients really sent, read by the codec and by a naive reader written apart from it."""

import json
import random
from pathlib import Path
from typing import Any

import msgspec

from gantry.core.chat import ChatAnswer, ChatRequest, NativePart, Text, Thinking, ToolCall
from gantry.core.chat_events import AnswerEnded, AnswerFailed, ChatEvent
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.codec import ANTHROPIC
from gantry.dialects.assemble import assemble
from gantry.dialects.codec import Asking, Target
from tests.dialects.anthropic.recorded import Exchange, Naive, exchanges, read_naively

SPLICED = {"186-spliced-message-start-stream.json"}  # a second answer begins in the middle of the first
ASKING = Asking(ChatRequest(dialect=Dialect.ANTHROPIC, model="m", messages=()), 1_790_000_000, "log-1")


def test_every_request_says_the_same_after_decoding_and_encoding(shared: Path) -> None:
    count = 0
    for exchange in exchanges(shared):
        if exchange.request is None:
            continue
        count += 1
        request = ANTHROPIC.decode_request(json.dumps(exchange.request).encode())
        again = ANTHROPIC.encode_request(request, Target(request.model))
        assert meaning(json.loads(again.body)) == meaning(exchange.request), exchange.name
        assert again.changes == [], exchange.name
        assert ANTHROPIC.decode_request(again.body) == ANTHROPIC.decode_request(
            ANTHROPIC.encode_request(ANTHROPIC.decode_request(again.body), Target(request.model)).body
        ), exchange.name
    assert count >= 160


def meaning(body: dict[str, Any]) -> dict[str, Any]:
    """Return a request with one spelling for what the format says is the same."""
    said = {name: value for name, value in body.items() if value is not None}
    if said.get("stream") is False:
        del said["stream"]
    if "output_format" in said:  # its name in the beta
        said["output_config"] = {**said.get("output_config", {}), "format": said.pop("output_format")}
    if said.get("thinking", {}).get("type") in ("enabled", "adaptive"):  # the default of the models recorded here
        said["thinking"] = {"display": "summarized", **said["thinking"]}
    if said.get("thinking", {}).get("type") == "adaptive":  # the documented default
        said["output_config"] = {"effort": "high", **said.get("output_config", {})}
    said["system"] = blocks_of(said.get("system", []))
    said["tools"] = [without_nulls(tool) for tool in said.get("tools", [])]
    turns: list[dict[str, Any]] = []
    for message in said["messages"]:
        content = blocks_of(message["content"])
        content.sort(key=lambda block: block["type"] != "tool_result")
        if turns and turns[-1]["role"] == message["role"]:
            turns[-1]["content"] += content  # the API joins neighbours itself
        else:
            turns.append({"role": message["role"], "content": content})
    said["messages"] = turns
    return said


def blocks_of(content: Any) -> list[dict[str, Any]]:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [block for block in map(block_meaning, blocks) if block.get("text") != ""]


def block_meaning(block: dict[str, Any]) -> dict[str, Any]:
    said = without_nulls(block)
    if said.get("caller") == {"type": "direct"}:
        del said["caller"]
    if said["type"] == "tool_result":
        said["content"] = blocks_of(said.get("content", []))
        if said.get("is_error") is False:
            del said["is_error"]
    if said["type"] == "text" and said.get("citations") == []:
        del said["citations"]
    if said["type"] == "document" and said.get("citations") == {"enabled": False}:
        del said["citations"]
    return said


def without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if inner is not None}


def test_every_answer_reads_as_the_naive_reader_reads_it(shared: Path) -> None:
    count = 0
    for exchange in exchanges(shared):
        if exchange.status >= 400:
            error = ANTHROPIC.decode_error(exchange.status, exchange.body)
            told = json.loads(exchange.body)["error"]
            assert (error.type, error.message) == (told["type"], " ".join(told["message"].split())), exchange.name
            continue
        count += 1
        if exchange.name in SPLICED:
            assert isinstance(events_of(exchange)[-1], AnswerFailed)
            continue
        assert told_by(answer_of(exchange)) == expected(read_naively(exchange)), exchange.name
        if exchange.streamed:
            assert isinstance(events_of(exchange)[-1], AnswerEnded), exchange.name
    assert count >= 170


def answer_of(exchange: Exchange) -> ChatAnswer:
    return (
        assemble(Dialect.ANTHROPIC, events_of(exchange))
        if exchange.streamed
        else ANTHROPIC.decode_answer(exchange.body)
    )


def events_of(exchange: Exchange) -> list[ChatEvent]:
    decoder = ANTHROPIC.stream_decoder()
    return [*decoder.feed(exchange.body), *decoder.close()]


def told_by(answer: ChatAnswer) -> tuple[Any, ...]:
    choice = answer.choices[0]
    parts = choice.parts
    finish = choice.finish
    return (
        "".join(part.text for part in parts if isinstance(part, Text)),
        "".join(part.text for part in parts if isinstance(part, Thinking)),
        [(part.id, part.name, json.loads(part.arguments)) for part in parts if isinstance(part, ToolCall)],
        [part.signature for part in parts if isinstance(part, Thinking) and part.signature],
        [json.loads(bytes(part.raw))["type"] for part in parts if isinstance(part, NativePart)],
        (None, None) if finish is None else (finish.raw, finish.sequence),
        answer.usage,
    )


def expected(naive: Naive) -> tuple[Any, ...]:
    usage = naive.usage
    cached, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    tools, kept = usage.get("server_tool_use") or {}, usage.get("cache_creation") or {}
    return (
        *naive[:6],
        Usage(
            input_tokens=usage["input_tokens"] + (cached or 0) + (written or 0),
            cached_input_tokens=cached,
            cache_write_tokens=written,
            output_tokens=usage["output_tokens"],
            reasoning_tokens=(usage.get("output_tokens_details") or {}).get("thinking_tokens"),
            cache_write_1h_tokens=kept.get("ephemeral_1h_input_tokens") or None,
            web_searches=tools.get("web_search_requests") or None,
        ),
    )


def test_any_rechunking_gives_the_same_events(shared: Path) -> None:
    dice = random.Random(20261129)
    for exchange in exchanges(shared):
        if not exchange.streamed:
            continue
        whole = events_of(exchange)
        sizes = (1, 7, 64) if len(exchange.body) < 4_000 else (dice.choice((7, 64, 500)),)
        for size in sizes:
            decoder = ANTHROPIC.stream_decoder()
            pieces = [exchange.body[start : start + size] for start in range(0, len(exchange.body), size)]
            events = [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()
            assert events == whole, (exchange.name, size)


def test_encoding_what_was_decoded_comes_to_the_same_answer(shared: Path) -> None:
    for exchange in exchanges(shared):
        if exchange.status >= 400 or exchange.name in SPLICED:
            continue
        answer = answer_of(exchange)
        whole = ANTHROPIC.decode_answer(ANTHROPIC.encode_answer(answer, ASKING))
        assert comparable(whole) == comparable(answer), exchange.name
        if exchange.streamed:
            body = ANTHROPIC.stream_encoder(ASKING).feed(events_of(exchange))
            decoder = ANTHROPIC.stream_decoder()
            again = assemble(Dialect.ANTHROPIC, [*decoder.feed(body), *decoder.close()])
            assert comparable(again) == comparable(answer), exchange.name


def comparable(answer: ChatAnswer) -> ChatAnswer:
    """Cache counts that nobody reported are written as 0, as SDKs demand; a foreign id becomes one of ours."""
    usage = msgspec.structs.replace(
        answer.usage,
        cached_input_tokens=answer.usage.cached_input_tokens or 0,
        cache_write_tokens=answer.usage.cache_write_tokens or 0,
    )
    own_id = answer.id if answer.id is not None and answer.id.startswith("msg_") else None
    choices = tuple(
        msgspec.structs.replace(choice, parts=tuple(map(comparable_part, choice.parts))) for choice in answer.choices
    )
    return msgspec.structs.replace(answer, usage=usage, id=own_id, choices=choices)


def comparable_part(part: Any) -> Any:
    return (part.dialect, json.loads(bytes(part.raw))) if isinstance(part, NativePart) else part


def test_a_stream_cut_anywhere_ends_in_a_failure(shared: Path) -> None:
    for exchange in exchanges(shared):
        if not exchange.streamed:
            continue
        finished = exchange.body.find(b"event: message_delta") % (len(exchange.body) + 1)
        for end in range(0, finished, max(finished // 9, 1)):
            decoder = ANTHROPIC.stream_decoder()
            events = [*decoder.feed(exchange.body[:end]), *decoder.close()]
            assert isinstance(events[-1], AnswerFailed), (exchange.name, end)
            ends = [event for event in events if isinstance(event, AnswerFailed | AnswerEnded)]
            assert len(ends) == 1, exchange.name
            body = ANTHROPIC.stream_encoder(ASKING).feed(events)
            assert body.endswith(b"\n\n")
            assert body.count(b"event: error\n") == 1
