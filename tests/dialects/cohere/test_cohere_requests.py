"""Requests to Cohere's chat, written field by field from what callers of every dialect ask, and read back."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from msgspec import Raw, structs

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
from gantry.dialects.codec import Target
from gantry.dialects.cohere.codec import COHERE
from tests.dialects.canonical import requests

HELLO = Message(Role.USER, (Text("Hello"),))
SCHEMA = Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}')
TOOL = FunctionTool("look_up", "Looks up", SCHEMA)
VALUE = {
    "type": "function",
    "function": {"name": "look_up", "description": "Looks up", "parameters": json.loads(bytes(SCHEMA))},
}
NO_CACHE = "dropped the provider caches by itself"


def asking(*messages: Message, dialect: Dialect = Dialect.OPENAI_CHAT, **fields: Any) -> ChatRequest:
    return ChatRequest(dialect=dialect, model="m", messages=messages or (HELLO,), **fields)


def encoded(request: ChatRequest) -> tuple[dict[str, Any], list[str]]:
    found = COHERE.encode_request(request, Target("command-a-03-2025"))
    return json.loads(found.body), [str(change) for change in found.changes]


def user(*parts: Any) -> Message:
    return Message(Role.USER, parts)


def assistant(*parts: Any) -> Message:
    return Message(Role.ASSISTANT, parts)


def test_a_conversation() -> None:
    body, changes = encoded(
        asking(
            Message(Role.SYSTEM, (Text("Be brief."),)),
            user(Text("Look:"), Media(MediaKind.IMAGE, "image/png", data="AA==", detail="low")),
            assistant(Text("I look "), Text("it up."), ToolCall("c/1", "f", '{"x": 1}'), ToolCall("c2", "g", "")),
            Message(Role.TOOL, (ToolResult("c/1", (Text("ok"),)), ToolResult("c2", (Text("a"), Text("b"))))),
            assistant(Text("")),
            Message(Role.USER, (Text("And?"),), name="Ann"),
        )
    )
    assert body == {
        "model": "command-a-03-2025",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look:"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
                ],
            },
            {
                "role": "assistant",
                "tool_plan": "I look it up.",
                "tool_calls": [
                    {"id": "c/1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
                    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c/1", "content": "ok"},
            {
                "role": "tool",
                "tool_call_id": "c2",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            },
            {"role": "assistant", "content": ""},
            {"role": "user", "content": "And?"},
        ],
    }
    assert changes == ["messages[5].name: dropped"]


@pytest.mark.parametrize(
    ("thinking", "reasoning", "sent"),
    [
        (Thinking("hm", "sig", dialect=Dialect.ANTHROPIC), Reasoning(budget=500), True),
        (Thinking("hm"), None, False),
        (Thinking("hm"), Reasoning(Effort.NONE), False),
        (Thinking(sealed="x", dialect=Dialect.ANTHROPIC), Reasoning(budget=500), False),
    ],
)
def test_thinking_goes_back_to_models_that_think(thinking: Thinking, reasoning: Reasoning | None, sent: bool) -> None:
    body, changes = encoded(asking(HELLO, assistant(thinking, Text("Hi")), HELLO, reasoning=reasoning))
    said = {"type": "text", "text": "Hi"}
    assert body["messages"][1]["content"] == ([{"type": "thinking", "thinking": "hm"}, said] if sent else [said])
    assert changes == ([] if sent else ["messages[1].thinking: dropped the provider cannot take it back"])


def test_what_others_said_earlier() -> None:
    own = Citation(dialect=Dialect.COHERE, raw=Raw(b'{"start":0,"end":4}'))
    body, changes = encoded(
        asking(
            HELLO,
            assistant(
                Text("said", (Citation("https://a.example"), own), cache=CacheMark()),
                NativePart(Dialect.ANTHROPIC, Raw(b"{}")),
                Media(MediaKind.IMAGE, "image/png", data="AA=="),
            ),
            Message(Role.TOOL, (ToolResult("c", (Text("broke"),), is_error=True),)),
        )
    )
    assert body["messages"][1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "said"}],
        "citations": [{"start": 0, "end": 4}],
    }
    assert changes == [
        f"cache_control: {NO_CACHE}",
        "messages[1].citations: dropped of another provider",
        "messages[1]: dropped a part that only anthropic knows",
        "messages[1]: dropped image in an earlier answer",
        "messages[2].is_error: dropped the provider has no word for it; the text is sent",
    ]


@pytest.mark.parametrize(
    ("fields", "expected", "changes"),
    [
        ({"stream": True}, {"stream": True}, []),
        ({"max_tokens": 5, "seed": 7, "temperature": 0.5}, {"max_tokens": 5, "seed": 7, "temperature": 0.5}, []),
        ({"top_p": 0.5, "top_k": 3}, {"p": 0.5, "k": 3}, []),
        ({"top_p": 1.0}, {"p": 0.99}, ["top_p: clamped to 0.99"]),
        ({"presence_penalty": -0.5}, {"presence_penalty": 0}, ["presence_penalty: clamped to 0"]),
        ({"frequency_penalty": 1.5}, {"frequency_penalty": 1}, ["frequency_penalty: clamped to 1"]),
        ({"stop": ("a",)}, {"stop_sequences": ["a"]}, []),
        ({"tools": (TOOL,)}, {"tools": [VALUE]}, []),
        ({"tools": (structs.replace(TOOL, strict=True),)}, {"tools": [VALUE], "strict_tools": True}, []),
        (
            {"tools": (structs.replace(TOOL, strict=True), TOOL)},
            {"tools": [VALUE, VALUE]},
            ["tools[].strict: dropped the provider takes it for all tools only"],
        ),
        (
            {"tools": (FunctionTool("f"),), "parallel_tool_calls": False},
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
                    }
                ]
            },
            ["parallel_tool_calls: dropped"],
        ),
        ({"tools": (TOOL,), "tool_choice": ToolChoice(ToolMode.AUTO)}, {"tools": [VALUE]}, []),
        (
            {"tools": (TOOL,), "tool_choice": ToolChoice(ToolMode.REQUIRED)},
            {"tools": [VALUE], "tool_choice": "REQUIRED"},
            [],
        ),
        ({"tools": (TOOL,), "tool_choice": ToolChoice(ToolMode.NONE)}, {"tools": [VALUE], "tool_choice": "NONE"}, []),
        (
            {"tools": (TOOL, FunctionTool("f")), "tool_choice": ToolChoice(ToolMode.REQUIRED, ("look_up",))},
            {"tools": [VALUE], "tool_choice": "REQUIRED"},
            ["tool_choice: converted to an offer of the named tools alone"],
        ),
        (
            {"format": AnswerFormat(FormatKind.JSON_SCHEMA, SCHEMA, "shape")},
            {"response_format": {"type": "json_object", "json_schema": json.loads(bytes(SCHEMA))}},
            [],
        ),
        ({"format": AnswerFormat(FormatKind.JSON)}, {"response_format": {"type": "json_object"}}, []),
        ({"format": AnswerFormat(FormatKind.TEXT)}, {"response_format": {"type": "text"}}, []),
        ({"reasoning": Reasoning(budget=500)}, {"thinking": {"type": "enabled", "token_budget": 500}}, []),
        (
            {"reasoning": Reasoning(Effort.LOW)},
            {"thinking": {"type": "enabled", "token_budget": 2048}},
            ["reasoning_effort: converted to a budget of 2048 tokens"],
        ),
        ({"reasoning": Reasoning(Effort.NONE)}, {"thinking": {"type": "disabled"}}, []),
        ({"reasoning": Reasoning(summary="auto")}, {}, []),
        (
            {"user": "u", "cache_key": "k", "service_tier": "flex", "verbosity": "low", "min_p": 0.1},
            {},
            [f"{name}: dropped" for name in ("min_p", "verbosity", "service_tier", "user", "prompt_cache_key")],
        ),
        ({"metadata": Raw(b'{"a":"b"}')}, {}, ["metadata: dropped"]),
        ({"metadata": Raw(b"{}")}, {}, []),
        ({"cache": CacheMark()}, {}, [f"cache: {NO_CACHE}"]),
        ({"extra": {"store": Raw(b"false"), "logit_bias": Raw(b'{"1":2}')}}, {}, ["logit_bias: dropped"]),
    ],
)
def test_each_parameter(fields: Mapping[str, Any], expected: dict[str, Any], changes: list[str]) -> None:
    body, told = encoded(asking(**fields))
    base = {"model": "command-a-03-2025", "messages": [{"role": "user", "content": "Hello"}]}
    assert body == {**base, **expected}
    assert told == changes


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (asking(choices=2), "n"),
        (asking(logprobs=True), "logprobs"),
        (asking(tools=(NativeTool(Dialect.ANTHROPIC, "web_search", Raw(b"{}")),)), "tools[0]"),
        (asking(HELLO, HELLO, user(NativePart(Dialect.OPENAI_CHAT, Raw(b"{}")))), "messages[2]"),
        (asking(user(Media(MediaKind.AUDIO, "audio/wav", data="AA=="))), "messages[0]"),
        (asking(user(Media(MediaKind.DOCUMENT, "application/pdf", data="AA=="))), "messages[0]"),
        (asking(user(Media(MediaKind.IMAGE, file_id="f"))), "messages[0]"),
        (
            asking(Message(Role.TOOL, (ToolResult("c", (Media(MediaKind.IMAGE, "image/png", data="AA=="),)),))),
            "messages[0]",
        ),
        (asking(user(Thinking("hm"))), "messages[0]"),
    ],
)
def test_what_a_caller_would_miss_is_refused_by_its_name(request_: ChatRequest, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encoded(request_)
    assert caught.value.param == param
    assert param in caught.value.message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"m","messages":[{"role":"bot","content":""}]}', "messages[0].role"),
        (b'{"model":"m","messages":[{"role":"user","content":5}]}', "messages[0].content"),
        (b'{"model":"m","messages":[{"role":"user","content":[{"text":5}]}]}', "messages[0].content[0].text"),
        (b'{"model":"m","messages":[{"role":"tool","content":""}]}', "messages[0].tool_call_id"),
        (b'{"model":"m","messages":[],"tool_choice":"auto"}', "tool_choice"),
        (b'{"model":"m","messages":[],"response_format":{"type":"xml"}}', "response_format.type"),
        (b'{"model":"m","messages":[],"k":"5"}', "k"),
        (
            b'{"model":"m","messages":[{"role":"assistant","content":"a","citations":[5]}]}',
            "messages[0].citations",
        ),
        (b"[]", None),
    ],
)
def test_what_cannot_be_read_is_named_by_its_path(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        COHERE.decode_request(body)
    assert caught.value.param == param


def test_a_request_of_coheres_own_is_read_whole() -> None:
    body = {
        "model": "command-a-03-2025",
        "stream": True,
        "messages": [
            {"role": "user", "content": "Hello"},
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "hm"}],
                "tool_plan": "I look.",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "found"},
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "It is so."}],
                "citations": [{"start": 0, "end": 2, "sources": [{"type": "document", "document": {"title": "T"}}]}],
            },
            {"role": "user", "content": [{"type": "text", "text": "Sure?"}, {"type": "new", "x": 1}]},
        ],
        "tools": [VALUE],
        "strict_tools": True,
        "documents": [{"id": "1", "data": {"text": "t"}}],
        "citation_options": {"mode": "FAST"},
        "safety_mode": "STRICT",
        "priority": 3,
        "thinking": {"type": "enabled"},
        "response_format": {"type": "text"},
        "logprobs": True,
    }
    request = COHERE.decode_request(json.dumps(body).encode())
    assert request.messages[1].parts == (Thinking("hm"), Text("I look."), ToolCall("c", "f", "{}"))
    cited = request.messages[3].parts[0]
    assert isinstance(cited, Text)
    assert (cited.citations[0].title, cited.citations[0].start, cited.citations[0].end) == ("T", 0, 2)
    assert encoded(request) == (body, [])


def test_documents_in_a_tools_result_are_text_for_everyone() -> None:
    content = [
        {"type": "document", "document": {"id": "1", "data": {"temperature": 20}}},
        {"type": "text", "text": "a"},
    ]
    body = {"model": "m", "messages": [{"role": "tool", "tool_call_id": "c", "content": content}]}
    request = COHERE.decode_request(json.dumps(body).encode())
    assert request.messages[0].parts == (ToolResult("c", (Text('{"temperature": 20}'), Text("a"))),)


@settings(max_examples=60)
@given(requests(Dialect.COHERE, images=True))
def test_random_requests_come_back(request_: ChatRequest) -> None:
    body = COHERE.encode_request(request_, Target("m")).body
    again = COHERE.decode_request(body)
    assert json.loads(COHERE.encode_request(again, Target("m")).body) == json.loads(body)
    assert (again.stop, again.max_tokens, again.stream) == (request_.stop, request_.max_tokens, request_.stream)
