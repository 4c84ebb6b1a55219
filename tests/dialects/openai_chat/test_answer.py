"""OpenAI's answers and streams: transcripts in, events out, and back."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from gantry.core.chat import (
    ChatAnswer,
    Choice,
    Citation,
    Finish,
    FinishReason,
    Media,
    MediaKind,
    ProviderError,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from gantry.core.chat_events import (
    AnswerBegan,
    AnswerEnded,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
    ChoiceFinished,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
    UsageReported,
)
from gantry.core.errors import UpstreamBroke
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import assemble, unfold
from gantry.dialects.codec import Asking
from gantry.dialects.openai_chat.codec import OPENAI_CHAT
from tests.dialects.canonical import answers

DIALECT = Dialect.OPENAI_CHAT


def asking(**fields: Any) -> Asking:
    body = {"model": "m", "messages": [], "stream_options": {"include_usage": True}, **fields}
    return Asking(OPENAI_CHAT.decode_request(json.dumps(body).encode()), 9, "one")


def sse(*chunks: dict[str, Any] | str) -> bytes:
    lines = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks]
    return "".join([f"data: {line}\n\n" for line in lines]).encode()


def delta(finish: str | None = None, **said: Any) -> dict[str, Any]:
    return {"id": "a", "model": "m", "created": 1, "choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


def events(stream: bytes) -> list[ChatEvent]:
    decoder = OPENAI_CHAT.stream_decoder()
    return decoder.feed(stream) + decoder.close()


def whole(**message: Any) -> ChatAnswer:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return OPENAI_CHAT.decode_answer(json.dumps({"id": "a", "choices": [choice]}).encode())


def parts(**message: Any) -> tuple[Any, ...]:
    return whole(**message).choices[0].parts


def test_a_stream_is_read() -> None:
    stream = sse(
        {"id": "", "model": "", "choices": [], "prompt_filter_results": []},  # Azure's first
        delta(role="assistant", content=""),
        delta(reasoning_content="think"),
        delta(content="Hi", reasoning_content=None),
        delta(tool_calls=[{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]),
        delta(tool_calls=[{"index": 1, "id": "c2", "function": {"name": "g", "arguments": '{"b"'}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]),
        delta(tool_calls=[{"index": 1, "id": None, "function": {"name": None, "arguments": ":1}"}}]),
        delta("tool_calls"),
        {"id": "a", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}},
        "[DONE]",
    )
    assert events(stream) == [
        AnswerBegan("a", "m", 1),
        ThinkingAdded(0, 0, "think"),
        TextAdded(0, 1, "Hi"),
        CallBegan(0, 2, "c1", "f"),
        CallBegan(0, 3, "c2", "g"),
        CallAdded(0, 3, '{"b"'),
        CallAdded(0, 2, "{}"),
        CallAdded(0, 3, ":1}"),
        ChoiceFinished(0, Finish(FinishReason.TOOL_CALLS, "tool_calls")),
        UsageReported(Usage(input_tokens=3, output_tokens=4, total_tokens=7)),
        AnswerEnded(),
    ]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": ""}, ()),
        ({"content": "a", "refusal": "no"}, (Text("a"), Refusal("no"))),
        ({"content": "a", "reasoning": "t", "reasoning_content": "t"}, (Thinking("t"), Text("a"))),
        (
            {
                "content": "a",
                "reasoning": "t",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "t", "signature": "s", "format": "anthropic-claude-v1"}
                ],
            },
            (Thinking("t", "s", dialect=Dialect.ANTHROPIC), Text("a")),
        ),
        (
            {"content": "a", "thinking_blocks": [{"type": "redacted_thinking", "data": "x"}]},
            (Thinking(sealed="x", dialect=Dialect.ANTHROPIC), Text("a")),
        ),
        (
            {
                "content": "abc",
                "annotations": [
                    {
                        "type": "url_citation",
                        "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 2},
                    }
                ],
            },
            (Text("abc", (Citation("u", "t", None, 0, 2),)),),
        ),
        (
            {"content": None, "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}]},
            (Media(MediaKind.IMAGE, "image/png", data="iVBO"),),
        ),
        (
            {"content": None, "audio": {"id": "x", "data": "AAAA", "transcript": "spoken"}},
            (Text("spoken"), Media(MediaKind.AUDIO, data="AAAA")),
        ),
        (
            {"content": None, "tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "c", "input": "i"}}]},
            (ToolCall("1", "c", "i", custom=True),),
        ),
        (
            {"content": None, "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}]},
            (ToolCall("1", "f", '{"a":1}'),),
        ),
    ],
)
def test_a_message_is_read(message: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert parts(**message) == expected
    written = json.loads(OPENAI_CHAT.encode_answer(whole(**message), asking()))
    assert parts(**written["choices"][0]["message"]) == expected
    assert events(sse(delta(**message), delta("stop"), "[DONE]"))
    assert assemble(DIALECT, events(sse(delta(**message), delta("stop"), "[DONE]"))).choices[0].parts == expected


def test_calls_without_ids_are_given_ones_that_differ() -> None:
    function = {"name": "f", "arguments": "{}"}
    first, second = parts(tool_calls=[{"id": "", "function": function}, {"function": function}])
    assert first.id
    assert second.id
    assert first.id != second.id
    assert parts(tool_calls=[{"id": "", "function": function}])[0].id == first.id


def test_calls_that_share_an_index_are_told_apart() -> None:
    one = {"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}
    two = {"index": 0, "id": "c2", "function": {"name": "g", "arguments": "{}"}}
    answer = assemble(DIALECT, events(sse(delta(tool_calls=[one]), delta(tool_calls=[two]), delta("tool_calls"))))
    assert answer.choices[0].parts == (ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "{}"))


@pytest.mark.parametrize(
    ("word", "calls", "reason"),
    [
        ("stop", False, FinishReason.STOP),
        ("stop", True, FinishReason.TOOL_CALLS),
        ("length", False, FinishReason.LENGTH),
        ("length", True, FinishReason.LENGTH),
        ("content_filter", False, FinishReason.CONTENT_FILTER),
        ("function_call", False, FinishReason.TOOL_CALLS),
        ("model_length", False, FinishReason.CONTEXT),
        ("moonrise", False, FinishReason.OTHER),
    ],
)
def test_a_finish_reason_keeps_its_word(word: str, calls: bool, reason: FinishReason) -> None:
    called = [{"id": "c", "function": {"name": "f", "arguments": ""}}] if calls else []
    choice = {"message": {"content": "x", "tool_calls": called}, "finish_reason": word}
    answer = OPENAI_CHAT.decode_answer(json.dumps({"choices": [choice]}).encode())
    assert answer.choices[0].finish == Finish(reason, word)


@pytest.mark.parametrize(
    ("stream", "status", "message"),
    [
        (sse(delta(content="a")), 502, "the provider's stream ended before the answer did"),
        (sse(delta(content="a"), "{"), 502, "the provider's stream holds an event that cannot be read"),
        (sse(delta(content="a"), {"error": {"message": "full", "code": 429}}), 429, "full"),
        (sse({"error": {"message": "full", "type": "rate_limit_error"}}), 429, "full"),
        (sse(delta("error")), 502, "the model stopped with an error"),
        (b"", 502, "the provider's stream ended before the answer did"),
    ],
)
def test_a_stream_that_breaks_ends_in_a_failure(stream: bytes, status: int, message: str) -> None:
    last = events(stream)[-1]
    assert isinstance(last, AnswerFailed)
    assert (last.error.status, last.error.message) == (status, message)
    out = OPENAI_CHAT.stream_encoder(asking()).feed(events(stream))
    assert json.loads(out.split(b"data: ")[-1])["error"]["message"] == message


def test_a_stream_without_done_is_whole_when_its_choices_are() -> None:
    assert isinstance(events(sse(delta(content="a"), delta("stop")))[-1], AnswerEnded)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"object":"list"}', b'{"error":{"message":"m"}}'])
def test_what_is_no_answer_is_an_upstream_fault(body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        OPENAI_CHAT.decode_answer(body)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, b'{"error":{"message":"m","type":"t","code":"c","param":"p"}}', ProviderError(400, "m", "t", "c", "p")),
        (429, b'{"error":{"message":"m","code":429}}', ProviderError(429, "m", None, "429")),
        (401, b'{"object":"error","message":"m","type":"t","code":"1"}', ProviderError(401, "m", "t", "1")),
        (422, b'{"detail":[{"loc":["body","n"],"msg":"bad","type":"x"}]}', ProviderError(422, "body.n: bad")),
        (503, b"try later", ProviderError(503, "try later")),
        (500, b"<html>", ProviderError(500, "the provider answered with an error that has no message")),
        (500, b"", ProviderError(500, "the provider answered with an error that has no message")),
    ],
)
def test_a_refusal_is_read(status: int, body: bytes, expected: ProviderError) -> None:
    assert OPENAI_CHAT.decode_error(status, body) == expected


def test_a_stream_is_written() -> None:
    encoder = OPENAI_CHAT.stream_encoder(asking())
    out = encoder.feed(
        [
            AnswerBegan("a", "m", 1),
            ThinkingAdded(0, 0, "t"),
            ThinkingSealed(0, 0, Dialect.ANTHROPIC, "s"),
            TextAdded(0, 1, "Hi"),
            CallBegan(0, 2, "c1", "f", signature="g"),
            ChoiceFinished(0, Finish(FinishReason.TOOL_CALLS)),
            UsageReported(Usage(input_tokens=3, cached_input_tokens=1, output_tokens=4)),
            AnswerEnded(),
            TextAdded(0, 1, "late"),
        ]
    )
    frames = [frame.removeprefix("data: ") for frame in out.decode().split("\n\n") if frame]
    assert frames.pop() == "[DONE]"
    chunks = [json.loads(frame) for frame in frames]
    assert all(chunk["id"] == "a" and chunk["object"] == "chat.completion.chunk" for chunk in chunks)
    assert [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]] == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "t"},
        {"thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "s", "index": 0}]},
        {"content": "Hi"},
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "f", "arguments": ""},
                    "extra_content": {"google": {"thought_signature": "g"}},
                }
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {},
    ]
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert chunks[-1] == {
        "id": "a",
        "created": 1,
        "model": "m",
        "object": "chat.completion.chunk",
        "choices": [],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "total_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 1},
        },
    }
    read = assemble(DIALECT, events(out))
    assert read.choices[0].parts[0] == Thinking("t", "s", dialect=Dialect.ANTHROPIC)


def test_usage_comes_only_to_who_asked_for_it() -> None:
    told: list[ChatEvent] = [AnswerBegan("a"), UsageReported(Usage(input_tokens=1)), AnswerEnded()]
    quiet = asking(stream_options={"include_usage": False})
    assert b'"usage"' in OPENAI_CHAT.stream_encoder(asking()).feed(told)
    assert b'"usage"' not in OPENAI_CHAT.stream_encoder(quiet).feed(told)


def test_who_spoke_of_functions_is_answered_so() -> None:
    legacy = asking(functions=[{"name": "f"}])
    answer = ChatAnswer(
        dialect=DIALECT,
        choices=(Choice(0, (ToolCall("c", "f", "{}"),), Finish(FinishReason.TOOL_CALLS)),),
    )
    choice = json.loads(OPENAI_CHAT.encode_answer(answer, legacy))["choices"][0]
    assert choice["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert choice["finish_reason"] == "function_call"
    out = OPENAI_CHAT.stream_encoder(legacy).feed(unfold(answer))
    assert b"tool_calls" not in out
    assert assemble(DIALECT, events(out)).choices[0].parts[0].name == "f"  # type: ignore[union-attr]


def test_sources_beside_an_answer_stand_at_no_place_in_it() -> None:
    chunk = {**delta(content="a"), "citations": ["https://x"], "search_results": [{"url": "https://x", "title": "X"}]}
    answer = assemble(DIALECT, events(sse(chunk, {**chunk, **delta("stop"), "citations": ["https://x"]}, "[DONE]")))
    assert answer.choices[0].parts == (Text("a", (Citation("https://x", "X"),)),)


def test_log_probabilities_of_deltas_are_those_of_the_whole() -> None:
    first, second = delta(content="a"), delta("stop", content="b")
    first["choices"][0]["logprobs"] = {"content": [{"token": "a"}], "refusal": None}
    second["choices"][0]["logprobs"] = {"content": [{"token": "b"}], "refusal": None}
    answer = assemble(DIALECT, events(sse(first, second, "[DONE]")))
    assert answer.choices[0].logprobs is not None
    assert json.loads(bytes(answer.choices[0].logprobs)) == {"content": [{"token": "a"}, {"token": "b"}]}


def comparable(answer: ChatAnswer) -> ChatAnswer:
    """Return an answer without what the format has one word for: why it ended, in the provider's own."""
    choices = [
        structs.replace(choice, finish=Finish(choice.finish.reason) if choice.finish else None, logprobs=None)
        for choice in answer.choices
    ]
    return structs.replace(answer, choices=tuple(choices))


@settings(max_examples=50)
@given(answers(DIALECT, choices=2))
def test_an_answer_survives_both_deliveries(answer: ChatAnswer) -> None:
    assert comparable(OPENAI_CHAT.decode_answer(OPENAI_CHAT.encode_answer(answer, asking()))) == answer
    out = OPENAI_CHAT.stream_encoder(asking()).feed(unfold(answer))
    assert comparable(assemble(DIALECT, events(out))) == answer


@settings(max_examples=50)
@given(answers(DIALECT), st.integers(0, 10_000))
def test_a_stream_cut_anywhere_ends_once(answer: ChatAnswer, at: int) -> None:
    out = OPENAI_CHAT.stream_encoder(asking()).feed(unfold(answer))
    found = events(out[: at % (len(out) + 1)])
    assert [isinstance(event, AnswerEnded | AnswerFailed) for event in found].count(True) == 1
    assert isinstance(found[-1], AnswerEnded | AnswerFailed)
