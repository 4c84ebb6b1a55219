"""Requests of Responses clients, as the canonical chat; each row one thing that a caller may say."""

import json
from typing import Any

import pytest
from msgspec import Raw

from gantry.core.chat import (
    AnswerFormat,
    CacheMark,
    ChatRequest,
    Citation,
    Effort,
    FormatKind,
    FunctionTool,
    Media,
    MediaKind,
    Message,
    NativePart,
    NativeTool,
    Reasoning,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
)
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.responses.codec import RESPONSES

OWN = Dialect.OPENAI_RESPONSES
USER, ASSISTANT, SYSTEM, TOOL = Role.USER, Role.ASSISTANT, Role.SYSTEM, Role.TOOL


def decode(**body: Any) -> ChatRequest:
    return RESPONSES.decode_request(json.dumps({"model": "m", "input": "x", **body}).encode())


def raw(value: Any) -> Raw:
    """As the test's json writes it, and so as the codec keeps it."""
    return Raw(json.dumps(value).encode())


SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
SPECIAL = {"type": "function_call", "namespace": "shop", "call_id": "c", "name": "f", "arguments": "{}"}
ODD = {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_hologram", "depth": 3}]}
SOURCE = {"type": "url_citation", "url": "https://a.b", "title": "A", "start_index": 0, "end_index": 2}

INPUTS: list[tuple[str, Any, list[Message]]] = [
    ("text", "hi", [Message(USER, (Text("hi"),))]),
    ("easy", [{"role": "user", "content": "hi"}], [Message(USER, (Text("hi"),))]),
    (
        "roles",
        [{"role": "system", "content": "a"}, {"type": "message", "role": "developer", "content": "b"}],
        [Message(SYSTEM, (Text("a"),)), Message(SYSTEM, (Text("b"),))],
    ),
    (
        "cached text",
        [{"role": "user", "content": [{"type": "input_text", "text": "hi", "prompt_cache_breakpoint": {"ttl": "1h"}}]}],
        [Message(USER, (Text("hi", cache=CacheMark("1h")),))],
    ),
    (
        "image by URL",
        [{"role": "user", "content": [{"type": "input_image", "image_url": "https://a/b.png", "detail": "low"}]}],
        [Message(USER, (Media(MediaKind.IMAGE, url="https://a/b.png", detail="low"),))],
    ),
    (
        "image in the URL",
        [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA=="}]}],
        [Message(USER, (Media(MediaKind.IMAGE, "image/png", "AA=="),))],
    ),
    (
        "file",
        [
            {
                "role": "user",
                "content": [
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "AA=="},
                    {"type": "input_file", "file_url": "https://a/b.pdf"},
                    {"type": "input_file", "file_id": "file-1"},
                ],
            }
        ],
        [
            Message(
                USER,
                (
                    Media(MediaKind.DOCUMENT, "application/pdf", "AA==", name="a.pdf"),
                    Media(MediaKind.DOCUMENT, "application/pdf", "AA==", name="a.pdf"),
                    Media(MediaKind.DOCUMENT, url="https://a/b.pdf"),
                    Media(MediaKind.DOCUMENT, file_id="file-1"),
                ),
            )
        ],
    ),
    (
        "audio",
        [
            {
                "role": "user",
                "content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}}],
            }
        ],
        [Message(USER, (Media(MediaKind.AUDIO, "audio/mpeg", "AA=="),))],
    ),
    (
        "one turn of many items",
        [
            {
                "type": "reasoning",
                "id": "rs_1",
                "encrypted_content": "E",
                "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
            },
            {
                "type": "message",
                "role": "assistant",
                "content": [
                    {"type": "output_text", "text": "hi", "annotations": [SOURCE]},
                    {"type": "refusal", "refusal": "no"},
                ],
            },
            SEARCH,
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "free"},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
        ],
        [
            Message(
                ASSISTANT,
                (
                    Thinking("a\n\nb", sealed="E", dialect=OWN, id="rs_1"),
                    Text("hi", (Citation("https://a.b", "A", None, 0, 2, OWN, raw(SOURCE)),)),
                    Refusal("no"),
                    NativePart(OWN, raw(SEARCH)),
                    ToolCall("c1", "f", '{"a":1}'),
                    ToolCall("c2", "g", "free", custom=True),
                ),
            ),
            Message(TOOL, (ToolResult("c1", (Text("one"),)), ToolResult("c2", (Text("two"),)))),
        ],
    ),
    (
        "reasoning as it was thought",
        [{"type": "reasoning", "id": "1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}],
        [Message(ASSISTANT, (Thinking("hm"),))],
    ),
    ("a call in a namespace", [SPECIAL], [Message(ASSISTANT, (NativePart(OWN, raw(SPECIAL)),))]),
    (
        "what the caller brings",
        [{"type": "item_reference", "id": "msg_1"}],
        [Message(USER, (NativePart(OWN, raw({"type": "item_reference", "id": "msg_1"})),))],
    ),
    ("a part of next year", [ODD], [Message(USER, (NativePart(OWN, raw(ODD)),))]),
    ("an assistant that said nothing", [{"role": "assistant", "content": ""}], []),
]


@pytest.mark.parametrize(("given", "messages"), [row[1:] for row in INPUTS], ids=[row[0] for row in INPUTS])
def test_input(given: Any, messages: list[Message]) -> None:
    assert list(decode(input=given).messages) == messages


FUNCTION = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
CUSTOM = {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}
DEFERRED = {"type": "function", "name": "f", "defer_loading": True}

FIELDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"max_output_tokens": 9}, {"max_tokens": 9}),
    ({"temperature": 1, "top_p": 0.5}, {"temperature": 1.0, "top_p": 0.5}),
    ({"top_logprobs": 3}, {"top_logprobs": 3}),
    ({"stream": True}, {"stream": True}),
    ({"stream": None, "metadata": None, "tools": None}, {}),
    ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
    (
        {"service_tier": "flex", "user": "u", "prompt_cache_key": "k"},
        {"service_tier": "flex", "user": "u", "cache_key": "k"},
    ),
    ({"metadata": {"a": "b"}}, {"metadata": raw({"a": "b"})}),
    ({"reasoning": {"effort": "high"}}, {"reasoning": Reasoning(Effort.HIGH)}),
    (
        {"reasoning": {"effort": None, "summary": "auto"}},
        {"reasoning": Reasoning(None, shown=True, summary="auto")},
    ),
    ({"reasoning": {"context": "all_turns"}}, {"extra": {"reasoning.context": raw("all_turns")}}),
    ({"text": {"verbosity": "low", "format": {"type": "text"}}}, {"verbosity": "low"}),
    ({"text": {"format": {"type": "json_object"}}}, {"format": AnswerFormat(FormatKind.JSON)}),
    (
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"a": 1}, "strict": True}}},
        {"format": AnswerFormat(FormatKind.JSON_SCHEMA, raw({"a": 1}), "n", None, True)},
    ),
    ({"tools": [FUNCTION]}, {"tools": (FunctionTool("f", "d", raw({"type": "object"}), True),)}),
    ({"tools": [CUSTOM]}, {"tools": (NativeTool(OWN, "custom", raw(CUSTOM)),)}),
    ({"tools": [DEFERRED]}, {"tools": (NativeTool(OWN, "function", raw(DEFERRED)),)}),
    ({"tool_choice": "required"}, {"tool_choice": ToolChoice(ToolMode.REQUIRED)}),
    ({"tool_choice": {"type": "function", "name": "f"}}, {"tool_choice": ToolChoice(ToolMode.REQUIRED, ("f",))}),
    ({"tool_choice": {"type": "custom", "name": "g"}}, {"tool_choice": ToolChoice(ToolMode.REQUIRED, ("g",))}),
    (
        {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}},
        {"tool_choice": ToolChoice(ToolMode.AUTO, ("f",))},
    ),
    ({"tool_choice": {"type": "web_search"}}, {"extra": {"tool_choice": raw({"type": "web_search"})}}),
    ({"include": ["message.output_text.logprobs"]}, {"logprobs": True}),
    ({"include": ["reasoning.encrypted_content"]}, {"extra": {"include": raw([])}}),
    ({"include": ["file_search_call.results"]}, {"extra": {"include": raw(["file_search_call.results"])}}),
    ({"truncation": "disabled"}, {}),
    ({"truncation": "auto"}, {"extra": {"truncation": raw("auto")}}),
    (
        {"store": False, "background": True, "previous_response_id": "resp_1"},
        {"extra": {"store": raw(False), "background": raw(True), "previous_response_id": raw("resp_1")}},
    ),
]


@pytest.mark.parametrize(("given", "expected"), FIELDS)
def test_fields(given: dict[str, Any], expected: dict[str, Any]) -> None:
    plain = {"dialect": OWN, "model": "m", "messages": (Message(USER, (Text("x"),)),)}
    assert decode(**given) == ChatRequest(**{**plain, **expected})


def test_instructions_come_first_and_are_remembered_as_such() -> None:
    request = decode(instructions="Be brief.")
    assert request.messages == (Message(SYSTEM, (Text("Be brief."),)), Message(USER, (Text("x"),)))
    assert request.extra == {"instructions": raw("")}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"model": 3}, "model", "must be a string"),
    ({"input": 3}, "input", "must be array, not int"),
    ({"input": [3]}, "input[0]", "must be object, not int"),
    ({"input": [{}]}, "input[0]", "neither a `type` nor a `role`"),
    ({"input": [{"role": "queen", "content": "x"}]}, "input[0].role", "must be one of user, assistant"),
    ({"input": [{"role": "user"}]}, "input[0].content", "is missing"),
    ({"input": [{"role": "user", "content": [{"text": "x"}]}]}, "input[0].content[0].type", "is missing"),
    ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text", "is missing"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": 3}]}]},
        "input[0].content[0].text",
        "must be str | null, not int",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
        "input[0].content[0]",
        "image_url` is missing",
    ),
    ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0]", "needs one of"),
    ({"input": [{"type": "function_call", "arguments": "{}"}]}, "input[0].name", "is missing"),
    (
        {"input": [{"type": "function_call", "name": "f", "arguments": {}}]},
        "input[0].arguments",
        "must be str | null, not object",
    ),
    ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id", "is missing"),
    ({"temperature": "hot"}, "temperature", "must be float, not str"),
    ({"stream": "yes"}, "stream", "must be bool, not str"),
    ({"tools": {}}, "tools", "must be array, not object"),
    ({"tools": [{"name": "f"}]}, "tools[0].type", "is missing"),
    ({"tools": [{"type": "function"}]}, "tools[0].name", "is missing"),
    ({"tool_choice": "any"}, "tool_choice", "Invalid enum value 'any'"),
    ({"reasoning": {"effort": "huge"}}, "reasoning.effort", "must be one of none, minimal"),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type", "must be one of text, json_object, json_schema"),
    ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema", "is missing"),
    ({"include": "all"}, "include", "must be array, not str"),
]


@pytest.mark.parametrize(("body", "param", "said"), WRONG, ids=[row[1] for row in WRONG])
def test_what_is_wrong_is_named_with_its_place(body: dict[str, Any], param: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode(**body)
    assert refused.value.param == param
    assert said in refused.value.message


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"model": "m", "input": "\xff"}', b"null"])
def test_a_body_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        RESPONSES.decode_request(body)
