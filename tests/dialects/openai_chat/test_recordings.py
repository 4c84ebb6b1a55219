"""All recorded traffic of OpenAI's format and of Mistral's, through their codecs.

Answers are compared with a naive reader written apart; requests with themselves, after what the formats hold to be one
thing has been made one. Exceptions stand here, each with its reason.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gantry.core.chat import ChatAnswer, Refusal, Text, ToolCall
from gantry.core.chat_events import AnswerEnded, AnswerFailed, ChatEvent
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import assemble
from gantry.dialects.codec import Asking, Codec, Target
from gantry.dialects.mistral_chat.codec import MISTRAL
from gantry.dialects.openai_chat.codec import OPENAI_CHAT
from gantry.dialects.usage import read_usage
from tests.dialects.recorded import exchanges
from tests.dialects.test_answer_recordings import exchanges as raw_exchanges
from tests.dialects.test_answer_recordings import read_naively

pytestmark = pytest.mark.slow

CODECS: list[Codec] = [OPENAI_CHAT, MISTRAL]
FOLDERS = {Dialect.OPENAI_CHAT: "openai_chat", Dialect.MISTRAL: "mistral_chat"}
AT_LEAST = {Dialect.OPENAI_CHAT: 450, Dialect.MISTRAL: 90}
# Mistral takes nine letters and digits, and these were recorded with placeholders.
PLACEHOLDER_IDS = "call_REDACTED"
# What asks for nothing, and what the format says is so anyway.
DEFAULTS = {"n": 1, "stream": False, "tools": [], "tool_choice": None}


@pytest.fixture(params=CODECS, ids=lambda codec: codec.dialect)
def codec(request: pytest.FixtureRequest) -> Codec:
    chosen: Codec = request.param
    return chosen


def test_answers_say_what_a_naive_reader_reads(shared: Path, codec: Codec) -> None:
    count = 0
    for exchange in raw_exchanges(shared, FOLDERS[codec.dialect]):
        if exchange.status >= 400:
            error = codec.decode_error(exchange.status, exchange.raw)
            assert error.status == exchange.status, exchange.file
            assert error.message, exchange.file
            continue
        count += 1
        naive = read_naively(exchange)
        answer = read(codec, exchange.raw, streamed=exchange.streamed)
        first = answer.choices[0] if answer.choices else None
        parts = first.parts if first is not None else ()
        assert answer.model == (naive.model or None), exchange.file
        assert "".join([part.text for part in parts if isinstance(part, Text)]) == (naive.text or ""), exchange.file
        calls = [part for part in parts if isinstance(part, ToolCall)]
        assert [(call.name, call.arguments) for call in calls] == [one[1:] for one in naive.calls], exchange.file
        assert all(call.id == given[0] for call, given in zip(calls, naive.calls, strict=True) if given[0])
        assert all(call.id for call in calls), exchange.file
        if first is not None and not failed(codec, exchange.raw, streamed=exchange.streamed):
            assert (first.finish.raw if first.finish else None) == (naive.finish_reason or None), exchange.file
        expected = read_usage(json.dumps(naive.usage).encode())[0] if naive.usage else None
        assert expected is None or answer.usage == expected, exchange.file
    assert count >= AT_LEAST[codec.dialect] - 30


def test_any_cut_of_a_stream_gives_the_same_events(shared: Path, codec: Codec) -> None:
    for exchange in exchanges(shared, codec.dialect):
        if not exchange.streamed or exchange.answer is None:
            continue
        whole = events_of(codec, exchange.answer, len(exchange.answer))
        for size in (1,) if len(exchange.answer) < 4000 else (7, 64):
            assert events_of(codec, exchange.answer, size) == whole, exchange.file


def test_a_stream_cut_short_ends_in_a_failure(shared: Path, codec: Codec) -> None:
    for exchange in exchanges(shared, codec.dialect):
        if not exchange.streamed or exchange.answer is None:
            continue
        half = exchange.answer[: len(exchange.answer) // 2]
        events = events_of(codec, half, len(half))
        assert isinstance(events[-1], AnswerFailed | AnswerEnded), exchange.file
        assert sum(isinstance(event, AnswerFailed | AnswerEnded) for event in events) == 1, exchange.file
        assert codec.stream_encoder(asking()).feed(events).endswith(b"\n\n"), exchange.file


def test_reading_what_was_written_gives_the_same_answer(shared: Path, codec: Codec) -> None:
    for exchange in exchanges(shared, codec.dialect):
        if exchange.status >= 400 or exchange.answer is None or b'"error"' in exchange.answer:
            continue
        answer = read(codec, exchange.answer, streamed=exchange.streamed)
        once = codec.decode_answer(codec.encode_answer(answer, asking()))
        twice = codec.decode_answer(codec.encode_answer(once, asking()))
        assert once == twice, exchange.file


def test_requests_read_and_written_ask_the_same(shared: Path, codec: Codec) -> None:
    count = 0
    for exchange in exchanges(shared, codec.dialect):
        if exchange.request is None:
            continue
        count += 1
        try:
            request = codec.decode_request(exchange.request)
        except InvalidRequest as refusal:
            pytest.fail(f"{exchange.file}: {refusal}")
        encoded = codec.encode_request(request, Target(request.model))
        before, after = plain(json.loads(exchange.request)), plain(json.loads(encoded.body))
        if PLACEHOLDER_IDS.encode() in exchange.request and codec is MISTRAL:
            continue
        assert after == before, exchange.file
    assert count >= AT_LEAST[codec.dialect] - 30


def read(codec: Codec, raw: bytes, *, streamed: bool) -> ChatAnswer:
    return assemble(codec.dialect, events_of(codec, raw, len(raw))) if streamed else codec.decode_answer(raw)


def failed(codec: Codec, raw: bytes, *, streamed: bool) -> bool:
    return streamed and isinstance(events_of(codec, raw, len(raw))[-1], AnswerFailed)


def events_of(codec: Codec, raw: bytes, size: int) -> list[ChatEvent]:
    decoder = codec.stream_decoder()
    events: list[ChatEvent] = []
    for start in range(0, len(raw), max(size, 1)):
        events += decoder.feed(raw[start : start + size])
    return events + decoder.close()


def asking() -> Asking:
    return Asking(OPENAI_CHAT.decode_request(b'{"model":"m","messages":[],"reasoning_effort":"high"}'), 1, "id-1")


def plain(request: dict[str, Any]) -> dict[str, Any]:
    """Return a request with one spelling for what has several."""
    found = {name: value for name, value in request.items() if value not in (None, False) or name == "stream"}
    found.pop("stream_options", None)  # usage is always asked for
    if "max_tokens" in found:
        found["max_completion_tokens"] = found.pop("max_tokens")
    if isinstance(found.get("stop"), str):
        found["stop"] = [found["stop"]]
    if found.get("tool_choice") == "required":
        found["tool_choice"] = "any"
    thinking = found.pop("thinking", None)
    if thinking is not None and thinking.get("type") == "disabled":
        found.setdefault("reasoning_effort", "none")
    elif thinking is not None:
        found.setdefault("reasoning_effort", "medium")
    wish = found.get("reasoning")
    if isinstance(wish, dict) and "effort" in wish:
        found["reasoning_effort"] = found.pop("reasoning")["effort"]
    schema = found.get("response_format", {}).get("json_schema")
    if schema is not None:
        schema.setdefault("name", "answer")  # OpenAI demands one
    found["messages"] = list(plain_messages(found["messages"]))
    found["tools"] = [plain_tool(tool) for tool in found.get("tools", ())]
    if not found["tools"]:
        for name in ("tool_choice", "parallel_tool_calls"):
            found.pop(name, None)
    return {name: value for name, value in found.items() if name not in DEFAULTS or value != DEFAULTS[name]}


def plain_messages(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for given in messages:
        message = {name: value for name, value in given.items() if value not in (None, False, [], "")}
        message["role"] = {"developer": "system"}.get(given["role"], given["role"])
        message.pop("annotations", None)  # the provider's own words, which it does not take back
        details = message.pop("reasoning_details", None)  # a signed thought is one under either name
        blocks = message.pop("thinking_blocks", None)
        if details or blocks:
            message["signed"] = sorted(str(one.get("signature") or one.get("data")) for one in details or blocks)
            message.pop("reasoning_content", None)
            message.pop("reasoning", None)
        if "reasoning" in message:
            message["reasoning_content"] = message.pop("reasoning")
        content = message.get("content")
        if isinstance(content, list):
            content = [plain_part(part) for part in content]
            if len(content) == 1 and content[0].keys() == {"type", "text"}:
                content = content[0]["text"]
            message["content"] = content
        calls = message.get("tool_calls", ())
        for call in calls:
            call.pop("index", None)
        if message.keys() - {"role"}:
            yield message


def plain_part(part: dict[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in part.items() if value is not None}
    image = found.get("image_url")
    if isinstance(image, dict) and image.keys() == {"url"}:
        found["image_url"] = image["url"]
    if found["type"] == "thinking":
        found["thinking"] = "".join([one["text"] for one in found["thinking"]])
    return found


def plain_tool(tool: dict[str, Any]) -> dict[str, Any]:
    if "function" not in tool:
        return tool
    function = {name: value for name, value in tool["function"].items() if value is not None}
    return {"type": "function", "function": function}


def test_a_refusal_in_an_answer_is_read(shared: Path) -> None:
    refusals = 0
    for exchange in exchanges(shared, Dialect.OPENAI_CHAT):
        if (
            exchange.answer is not None
            and exchange.status < 400
            and b'"refusal":"I' in exchange.answer.replace(b" ", b"")
        ):
            answer = read(OPENAI_CHAT, exchange.answer, streamed=exchange.streamed)
            refusals += any(isinstance(part, Refusal) for part in answer.choices[0].parts)
    assert refusals > 2
