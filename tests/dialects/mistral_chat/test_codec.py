"""Mistral's requests, answers and streams: what its schema and its strictest SDK demand, by hand and at random."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from msgspec import Raw, structs

from gantry.core.chat import (
    ChatAnswer,
    ChatRequest,
    Choice,
    Citation,
    Effort,
    Finish,
    FinishReason,
    FunctionTool,
    Media,
    MediaKind,
    Message,
    NativePart,
    NativeTool,
    ProviderError,
    Reasoning,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
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
from gantry.core.errors import InvalidRequest
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import assemble, unfold
from gantry.dialects.carried import pack_proof
from gantry.dialects.codec import Asking, Target
from gantry.dialects.mistral_chat.codec import MISTRAL
from gantry.dialects.mistral_chat.request_in import SAFE_PROMPT
from gantry.dialects.openai_chat.codec import OPENAI_CHAT
from tests.dialects.canonical import answers

DIALECT = Dialect.MISTRAL
ASKED = Message(Role.USER, (Text("?"),))
ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}

SIGNED = Thinking("t", "s", dialect=Dialect.ANTHROPIC)


def decode(**fields: Any) -> ChatRequest:
    return MISTRAL.decode_request(json.dumps({"model": "m", "messages": [], **fields}).encode())


def encode(request: ChatRequest, model: str = "mistral-medium-latest") -> tuple[dict[str, Any], list[str]]:
    encoded = MISTRAL.encode_request(request, Target(model))
    return json.loads(encoded.body), [str(change) for change in encoded.changes]


def foreign(*messages: Message, dialect: Dialect = Dialect.ANTHROPIC, **fields: Any) -> ChatRequest:
    return ChatRequest(dialect=dialect, model="x", messages=messages or (ASKED,), **fields)


def asking(*messages: Message, **fields: Any) -> Asking:
    return Asking(foreign(*messages, dialect=DIALECT, **fields), 9, "one")


THINKING = asking(reasoning=Reasoning(Effort.HIGH))


def events(stream: bytes) -> list[ChatEvent]:
    decoder = MISTRAL.stream_decoder()
    return decoder.feed(stream) + decoder.close()


def chunks(stream: bytes) -> list[dict[str, Any]]:
    assert b"event:" not in stream
    frames = [frame.removeprefix("data: ") for frame in stream.decode().split("\n\n") if frame]
    assert frames.pop() == "[DONE]"
    return [json.loads(frame) for frame in frames]


@pytest.mark.parametrize(
    "chunk",
    [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": "https://x/a.png"},
        {"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}},
        {"type": "document_url", "document_url": "https://x/a.pdf", "document_name": "a"},
        {"type": "document_url", "document_url": "data:application/pdf;base64,JVBERi0="},
        {"type": "input_audio", "input_audio": "UklGRgAA"},
        {"type": "input_audio", "input_audio": "https://x/a.mp3"},
        {"type": "file", "file_id": "5f0c0b5e-0000-4000-8000-000000000000"},
        {"type": "reference", "reference_ids": [1]},
        {"type": "resource_link", "uri": "x:y"},
    ],
)
def test_a_chunk_is_read_and_written_back(chunk: dict[str, Any]) -> None:
    content = [{"type": "text", "text": "?"}, chunk]
    written, changes = encode(decode(messages=[{"role": "user", "content": content}]))
    assert written["messages"][0]["content"] == content
    assert changes == []


def test_sound_is_known_by_its_first_bytes() -> None:
    request = decode(messages=[{"role": "user", "content": [{"type": "input_audio", "input_audio": "UklGRgAA"}]}])
    assert request.messages[0].parts == (Media(MediaKind.AUDIO, "audio/wav", data="UklGRgAA"),)


def test_what_an_sdk_did_not_know_is_unwrapped() -> None:
    wrapped = {"type": "UNKNOWN", "raw": {"type": "text", "text": "a"}, "is_unknown": True}
    assert decode(messages=[{"role": "user", "content": [wrapped]}]).messages[0].parts == (Text("a"),)


def test_thinking_chunks_keep_their_signature_and_its_maker() -> None:
    def thought(signature: str) -> object:
        chunk = {"type": "thinking", "thinking": [{"type": "text", "text": "t"}], "signature": signature}
        return decode(messages=[{"role": "assistant", "content": [chunk]}]).messages[0].parts[0]

    assert thought("s") == Thinking("t", "s", dialect=DIALECT)
    for others in (SIGNED, Thinking("t", sealed="e", dialect=Dialect.OPENAI_RESPONSES, id="rs_1")):
        assert thought(pack_proof(others) or "") == others
    assert thought("gantry.cut") == Thinking("t")


@pytest.mark.parametrize(
    ("given_", "field", "expected"),
    [
        ({"random_seed": 7}, "seed", 7),
        ({"tool_choice": "any"}, "tool_choice", ToolChoice(ToolMode.REQUIRED)),
        ({"prompt_mode": "reasoning"}, "reasoning", Reasoning(Effort.MEDIUM, shown=True)),
        ({"reasoning_effort": "high"}, "reasoning", Reasoning(Effort.HIGH, shown=True)),
        ({"reasoning_effort": "none"}, "reasoning", Reasoning(Effort.NONE)),
        ({"safe_prompt": True}, "messages", (Message(Role.SYSTEM, (Text(SAFE_PROMPT),)),)),
        ({"safe_prompt": False, "guardrails": []}, "extra", {}),
        ({}, "include_usage", True),
    ],
)
def test_a_field_is_read(given_: dict[str, Any], field: str, expected: object) -> None:
    assert getattr(decode(**given_), field) == expected


def test_guardrails_are_refused_elsewhere() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        OPENAI_CHAT.encode_request(decode(guardrails=[{"block_on_error": True}]), Target("m"))
    assert refusal.value.param == "guardrails"


def test_a_prefix_is_refused_where_it_cannot_be_gone_on_from() -> None:
    request = decode(messages=[{"role": "user", "content": "?"}, {"role": "assistant", "content": "a", "prefix": True}])
    assert encode(request)[0]["messages"][1] == {"role": "assistant", "content": "a", "prefix": True}
    with pytest.raises(InvalidRequest) as refusal:
        OPENAI_CHAT.encode_request(request, Target("m"))
    assert refusal.value.param == "messages[1].prefix"


@pytest.mark.parametrize(
    ("fields", "expected", "changes"),
    [
        ({"temperature": 2.0}, {"temperature": 1.5}, ["temperature: clamped to 1.5"]),
        ({"top_p": 0.0}, {"top_p": 0.0001}, ["top_p: clamped to 0.0001"]),
        ({"seed": -7}, {"random_seed": 7}, ["seed: converted to 7, Mistral takes none below 0"]),
        ({"max_tokens": 5, "top_k": 3, "choices": 2}, {"max_tokens": 5, "top_k": 3, "n": 2}, []),
        ({"min_p": 0.1, "user": "u"}, {}, ["min_p: dropped", "metadata.user_id: dropped"]),
        ({"logprobs": True}, {}, ["logprobs: dropped"]),
        ({"service_tier": "flex"}, {"service_tier": "standard_only"}, ["service_tier: converted to standard_only"]),
        ({"reasoning": Reasoning(Effort.LOW)}, {"reasoning_effort": "none"}, ["thinking: converted to none"]),
        ({"reasoning": Reasoning(budget=20_000)}, {"reasoning_effort": "high"}, ["thinking: converted to high"]),
        ({"metadata": Raw(b'{"a":1}')}, {}, ["metadata: dropped it is kept in the log"]),
        ({"stream": True}, {"stream": True}, []),
        ({"extra": {"speed": Raw(b'"fast"')}}, {}, ["speed: dropped"]),
    ],
)
def test_a_foreign_field_is_written(fields: dict[str, Any], expected: dict[str, Any], changes: list[str]) -> None:
    written, told = encode(foreign(**fields))
    assert written == {
        "model": "mistral-medium-latest",
        "messages": [{"role": "user", "content": "?"}],
        **expected,
    }
    assert told == changes


def test_thinking_is_asked_for_as_the_model_knows_it() -> None:
    request = foreign(reasoning=Reasoning(Effort.HIGH))
    assert encode(request, "magistral-medium-latest")[0]["prompt_mode"] == "reasoning"
    written, changes = encode(request, "codestral-latest")
    assert "reasoning_effort" not in written
    assert changes == ["thinking: dropped for a model that does not reason"]


def test_openais_own_knobs_that_mistral_has_too() -> None:
    prediction = Raw(b'{"type":"content","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}')
    written, changes = encode(
        foreign(dialect=Dialect.OPENAI_CHAT, extra={"prediction": prediction, "store": Raw(b"true")})
    )
    assert written["prediction"] == {"type": "content", "content": "ab"}
    assert changes == ["store: dropped"]


def test_tools_and_the_choice_among_them() -> None:
    tools = (FunctionTool("f"), FunctionTool("g", "G", Raw(b'{"type":"object"}'), strict=True))
    written, _ = encode(foreign(tools=tools, tool_choice=ToolChoice(ToolMode.REQUIRED), parallel_tool_calls=False))
    assert written["tools"] == [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}},
        {
            "type": "function",
            "function": {"name": "g", "description": "G", "parameters": {"type": "object"}, "strict": True},
        },
    ]
    assert written["tool_choice"] == "any"
    assert written["parallel_tool_calls"] is False
    written, changes = encode(foreign(tools=tools, tool_choice=ToolChoice(ToolMode.AUTO, ("g",))))
    assert [tool["function"]["name"] for tool in written["tools"]] == ["g"]
    assert changes == ["tool_choice: converted to the chosen tools alone"]
    own: tuple[Tool, ...] = (NativeTool(DIALECT, "web_search", Raw(b'{"type":"web_search"}')),)
    assert encode(foreign(tools=own))[0]["tools"] == [{"type": "web_search"}]


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (foreign(tools=(NativeTool(Dialect.ANTHROPIC, "bash", Raw(b"{}")),)), "tools[0]"),
        (foreign(Message(Role.USER, (NativePart(Dialect.ANTHROPIC, Raw(b"{}")),))), "messages[0].content[0]"),
        (foreign(Message(Role.USER, (Media(MediaKind.DOCUMENT, file_id="f"),))), "messages[0].content[0]"),
        (foreign(Message(Role.USER, (Media(MediaKind.VIDEO, url="u"),))), "messages[0].content[0]"),
        (foreign(Message(Role.ASSISTANT, (ToolCall("c", "f", "x", custom=True),))), "messages[0].content[0]"),
        (foreign(dialect=Dialect.OPENAI_CHAT, extra={"audio": Raw(b'{"voice":"x"}')}), "audio"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(request_: ChatRequest, param: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        encode(request_)
    assert refusal.value.param == param


def test_a_conversation_comes_in_mistrals_order() -> None:
    written, changes = encode(
        foreign(
            Message(Role.SYSTEM, (Text("first"),)),
            ASKED,
            Message(Role.ASSISTANT, (Thinking("t", "s", dialect=Dialect.ANTHROPIC), ToolCall("toolu_1", "f", ""))),
            Message(Role.TOOL, (ToolResult("toolu_1", (Text("r"),), is_error=True),)),
            Message(Role.SYSTEM, (Text("late"),)),
            Message(Role.ASSISTANT, (Text("So"),)),
            dialect=Dialect.OPENAI_CHAT,
        )
    )
    call = written["messages"][3]["tool_calls"][0]
    assert len(call["id"]) == 9
    assert written["messages"] == [
        {"role": "system", "content": "first"},
        {"role": "system", "content": "late"},
        {"role": "user", "content": "?"},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}],
            "tool_calls": [{"id": call["id"], "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": call["id"], "content": "Error: r"},
        {"role": "assistant", "content": "So", "prefix": True},
    ]
    assert changes == [
        "messages[4]: converted to a leading system message",
        "tool_calls[].id: converted to nine letters and digits",
        "messages[5].prefix: defaulted to true",
    ]


def test_thoughts_are_dropped_for_a_model_that_takes_none() -> None:
    said = Message(Role.ASSISTANT, (Thinking("t"), Text("a")))
    written, changes = encode(foreign(ASKED, said, ASKED), "codestral-latest")
    assert written["messages"][1] == {"role": "assistant", "content": "a"}
    assert changes == ["messages[1]: dropped of thinking, for a model that takes no thoughts back"]


def answer(*parts: Any, reason: FinishReason = FinishReason.STOP, usage: Usage | None = None) -> ChatAnswer:
    choices = (Choice(0, parts, Finish(reason)),)
    return ChatAnswer(dialect=Dialect.ANTHROPIC, id="a", choices=choices, usage=usage or Usage())


def test_an_answer_is_never_null_where_an_sdk_wants_a_value() -> None:
    written = json.loads(MISTRAL.encode_answer(answer(Text("Hi")), asking()))
    assert written == {
        "id": "a",
        "object": "chat.completion",
        "created": 9,
        "model": "x",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": ZEROS,
    }
    empty = json.loads(MISTRAL.encode_answer(ChatAnswer(dialect=Dialect.GEMINI), asking()))
    assert empty["id"] == "one"
    assert empty["choices"] == [{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}]


def test_calls_are_whole_and_content_beside_them_is_empty() -> None:
    called = answer(ToolCall("toolu_1", "f", ""), ToolCall("c2", "g", '{"a":1}'), reason=FinishReason.TOOL_CALLS)
    message = json.loads(MISTRAL.encode_answer(called, asking()))["choices"][0]["message"]
    assert message["content"] == ""
    formed = asking(format=decode(response_format={"type": "json_object"}).format)
    assert json.loads(MISTRAL.encode_answer(called, formed))["choices"][0]["message"]["content"] is None
    assert message["tool_calls"] == [
        {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "index": 0},
        {"id": "c2", "type": "function", "function": {"name": "g", "arguments": '{"a":1}'}, "index": 1},
    ]


def test_thinking_is_shown_to_who_asked_to_think() -> None:
    thought = answer(Thinking("t", "s", dialect=Dialect.ANTHROPIC), Text("Hi"))
    plain = json.loads(MISTRAL.encode_answer(thought, asking()))
    assert plain["choices"][0]["message"]["content"] == "Hi"
    shown = json.loads(MISTRAL.encode_answer(thought, THINKING))
    assert shown["choices"][0]["message"]["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "t"}], "signature": pack_proof(SIGNED)},
        {"type": "text", "text": "Hi"},
    ]
    formed = asking(reasoning=Reasoning(Effort.HIGH), format=decode(response_format={"type": "json_object"}).format)
    assert json.loads(MISTRAL.encode_answer(thought, formed))["choices"][0]["message"]["content"] == "Hi"


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (FinishReason.STOP_SEQUENCE, "stop"),
        (FinishReason.LENGTH, "length"),
        (FinishReason.CONTEXT, "model_length"),
        (FinishReason.REFUSAL, "content_filter"),
        (FinishReason.CONTENT_FILTER, "content_filter"),
        (FinishReason.PAUSE, "stop"),
        (FinishReason.OTHER, "stop"),
        (FinishReason.ERROR, "error"),
    ],
)
def test_a_reason_in_mistrals_words(reason: FinishReason, word: str) -> None:
    written = json.loads(MISTRAL.encode_answer(answer(Text("x"), reason=reason), asking()))
    assert written["choices"][0]["finish_reason"] == word


def test_an_answer_goes_on_from_its_prefix() -> None:
    begun = asking(ASKED, Message(Role.ASSISTANT, (Text("Once"),), prefix=True))
    whole = json.loads(MISTRAL.encode_answer(answer(Text(" more")), begun))
    assert whole["choices"][0]["message"]["content"] == "Once more"
    stream = MISTRAL.stream_encoder(begun).feed(unfold(answer(Text(" more"))))
    assert "".join([chunk["choices"][0]["delta"]["content"] for chunk in chunks(stream)]) == "Once more"


def test_references_stand_where_they_stood() -> None:
    content = [
        {"type": "text", "text": "One"},
        {"type": "reference", "reference_ids": [1]},
        {"type": "text", "text": " two"},
    ]
    body = {"choices": [{"index": 0, "message": {"content": content}, "finish_reason": "stop"}]}
    read = MISTRAL.decode_answer(json.dumps(body).encode())
    assert read.choices[0].parts == (
        Text("One two", (Citation(end=3, dialect=DIALECT, raw=Raw(json.dumps(content[1]).encode())),)),
    )
    assert json.loads(MISTRAL.encode_answer(read, asking()))["choices"][0]["message"]["content"] == content


def test_a_stream_is_written() -> None:
    out = MISTRAL.stream_encoder(THINKING).feed(
        [
            AnswerBegan("a", "m", 1),
            ThinkingAdded(0, 0, "t"),
            ThinkingSealed(0, 0, Dialect.ANTHROPIC, "s"),
            TextAdded(0, 1, "Hi"),
            CallBegan(0, 2, "c1", "f"),
            CallBegan(0, 3, "c2", "g"),
            CallAdded(0, 3, '{"a"'),
            CallAdded(0, 3, ":1}"),
            ChoiceFinished(0, Finish(FinishReason.TOOL_CALLS)),
            UsageReported(Usage(input_tokens=3, output_tokens=4)),
            AnswerEnded(),
        ]
    )
    found = chunks(out)
    assert [chunk["choices"][0]["delta"] for chunk in found] == [
        {"role": "assistant", "content": ""},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}]},
        {"content": [{"type": "thinking", "thinking": [], "signature": pack_proof(SIGNED), "closed": True}]},
        {"content": "Hi"},
        {
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "index": 0},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": '{"a":1}'}, "index": 1},
            ]
        },
        {"content": ""},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in found] == [None] * 5 + ["tool_calls"]
    assert [chunk.get("usage") for chunk in found][:-1] == [None] * 5
    assert found[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    assert all("usage" not in chunk for chunk in found[:-1])


def test_a_stream_that_fails_ends_in_the_one_word_that_sdks_know() -> None:
    error = ProviderError(503, "overloaded", "overloaded_error")
    out = MISTRAL.stream_encoder(asking()).feed([AnswerBegan("a"), TextAdded(0, 0, "Hi"), AnswerFailed(error)])
    last = chunks(out)[-1]
    assert last["choices"] == [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]
    assert last["error"]["message"] == "overloaded"
    assert events(out)[-1] == AnswerFailed(ProviderError(503, "overloaded", "overloaded_error"))
    alone = chunks(MISTRAL.stream_encoder(asking()).feed([AnswerFailed(error)]))
    assert alone[0]["id"] == "one"


def test_fragments_that_repeat_an_empty_name_are_one_call() -> None:
    first = {"id": "abcdefghi", "index": 0, "function": {"name": "f", "arguments": ""}}
    second = {"id": "null", "index": 0, "function": {"name": "", "arguments": "{}"}}
    stream = b"".join(
        b"data: %b\n\n" % json.dumps({"id": "a", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}).encode()
        for call in (first, second)
    )
    assert events(stream)[1:3] == [CallBegan(0, 0, "abcdefghi", "f"), CallAdded(0, 0, "{}")]


@pytest.mark.parametrize(("status", "detail"), [(400, "m"), (422, None)])
def test_a_refusal_is_in_mistrals_envelope(status: int, detail: str | None) -> None:
    body = json.loads(MISTRAL.encode_error(ProviderError(status, "m")))
    assert body["object"] == "error"
    assert body["message"] == "m"
    assert body["type"] == "invalid_request_error"
    assert body.get("detail") == detail


def comparable(found: ChatAnswer) -> ChatAnswer:
    """Return an answer without the provider's own word, and with zeros for counts that Mistral must have."""
    choices = [
        structs.replace(choice, finish=Finish(choice.finish.reason) if choice.finish else None)
        for choice in found.choices
    ]
    usage = structs.replace(
        found.usage,
        input_tokens=found.usage.input_tokens or 0,
        output_tokens=found.usage.output_tokens or 0,
        total_tokens=found.usage.total_tokens or 0,
    )
    return structs.replace(found, choices=tuple(choices), usage=usage)


@settings(max_examples=50)
@given(answers(DIALECT, choices=2))
def test_an_answer_survives_both_deliveries(found: ChatAnswer) -> None:
    whole = MISTRAL.decode_answer(MISTRAL.encode_answer(found, THINKING))
    assert comparable(whole) == comparable(found)
    out = MISTRAL.stream_encoder(THINKING).feed(unfold(found))
    assert comparable(assemble(DIALECT, events(out))) == comparable(found)
