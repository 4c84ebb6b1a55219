"""Requests of other clients, as a provider of Responses is asked them."""

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
    Part,
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
from gantry.dialects.codec import Target
from gantry.dialects.responses.codec import RESPONSES

OWN, CHAT, CLAUDE = Dialect.OPENAI_RESPONSES, Dialect.OPENAI_CHAT, Dialect.ANTHROPIC
USER, ASSISTANT, SYSTEM, TOOL = Role.USER, Role.ASSISTANT, Role.SYSTEM, Role.TOOL
HELLO = Message(USER, (Text("x"),))
ASKED = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
FUNCTION = FunctionTool("f")
WRITTEN = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}


def encode(dialect: Dialect = CLAUDE, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    request = ChatRequest(**{"dialect": dialect, "model": "m", "messages": (HELLO,), **fields})
    encoded = RESPONSES.encode_request(request, Target("gpt"))
    return json.loads(encoded.body), [str(change) for change in encoded.changes]


def test_a_request_from_elsewhere_is_stateless() -> None:
    assert encode() == ({"model": "gpt", "input": [ASKED], "store": False}, [])


FIELDS: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"stream": True}, {"stream": True}, []),
    ({"max_tokens": 99}, {"max_output_tokens": 99}, []),
    ({"max_tokens": 1}, {"max_output_tokens": 16}, ["max_tokens: clamped to 16"]),
    ({"temperature": 0.0, "top_p": 0.5}, {"temperature": 0.0, "top_p": 0.5}, []),
    ({"logprobs": True, "top_logprobs": 2}, {"top_logprobs": 2, "include": ["message.output_text.logprobs"]}, []),
    ({"user": "u", "cache_key": "k"}, {"user": "u", "prompt_cache_key": "k"}, []),
    ({"service_tier": "standard_only"}, {"service_tier": "default"}, []),
    ({"service_tier": "turbo"}, {}, ["service_tier: dropped turbo is not known to the provider"]),
    ({"verbosity": "low"}, {"text": {"verbosity": "low"}}, []),
    ({"format": AnswerFormat(FormatKind.TEXT)}, {}, []),
    ({"format": AnswerFormat(FormatKind.JSON)}, {"text": {"format": {"type": "json_object"}}}, []),
    (
        {"format": AnswerFormat(FormatKind.JSON_SCHEMA, Raw(b'{"a":1}'), None, "d", True)},
        {
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "answer",
                    "description": "d",
                    "schema": {"a": 1},
                    "strict": True,
                }
            }
        },
        [],
    ),
    (
        {"reasoning": Reasoning(Effort.HIGH)},
        {"reasoning": {"effort": "high"}, "include": ["reasoning.encrypted_content"]},
        [],
    ),
    (
        {"reasoning": Reasoning(budget=9000, shown=True)},
        {"reasoning": {"effort": "medium", "summary": "auto"}, "include": ["reasoning.encrypted_content"]},
        ["reasoning: converted from a budget of 9000 tokens to effort medium"],
    ),
    ({"reasoning": Reasoning(Effort.NONE, shown=True)}, {"reasoning": {"effort": "none"}}, []),
    ({"tools": (FUNCTION,)}, {"tools": [WRITTEN]}, []),
    ({"tool_choice": ToolChoice(ToolMode.AUTO)}, {}, []),
    (
        {"tools": (FUNCTION,), "tool_choice": ToolChoice(ToolMode.REQUIRED), "parallel_tool_calls": False},
        {"tools": [WRITTEN], "tool_choice": "required", "parallel_tool_calls": False},
        [],
    ),
    (
        {"tools": (FUNCTION,), "tool_choice": ToolChoice(ToolMode.REQUIRED, ("f",))},
        {"tools": [WRITTEN], "tool_choice": {"type": "function", "name": "f"}},
        [],
    ),
    (
        {"tools": (FUNCTION,), "tool_choice": ToolChoice(ToolMode.AUTO, ("f",))},
        {
            "tools": [WRITTEN],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        },
        [],
    ),
    ({"stop": ("a",), "seed": 0}, {}, ["stop_sequences: dropped", "seed: dropped"]),
    ({"top_k": 3, "presence_penalty": 0.0}, {}, ["top_k: dropped"]),
    ({"metadata": Raw(b'{"user_id":"u"}')}, {}, ["metadata: dropped it is kept in the log"]),
    ({"extra": {"betas": Raw(b'["b"]'), "mcp_servers": Raw(b"[]")}}, {}, ["betas: dropped"]),
]


@pytest.mark.parametrize(("fields", "expected", "changes"), FIELDS)
def test_fields(fields: dict[str, Any], expected: dict[str, Any], changes: list[str]) -> None:
    plain = {"model": "gpt", "input": [ASKED], "store": False}
    assert encode(**fields) == ({**plain, **expected}, changes)


def test_a_custom_tool_of_chat_is_one_here() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}
    tool = {"type": "custom", "custom": {"name": "g", "description": "d", "format": grammar}}
    body, _ = encode(
        CHAT,
        tools=(NativeTool(CHAT, "custom", Raw(json.dumps(tool).encode())),),
        tool_choice=ToolChoice(ToolMode.REQUIRED, ("g",)),
    )
    assert body["tools"] == [
        {
            "type": "custom",
            "name": "g",
            "description": "d",
            "format": {"type": "grammar", "syntax": "lark", "definition": "x"},
        }
    ]
    assert body["tool_choice"] == {"type": "custom", "name": "g"}


def test_what_chat_and_responses_share_is_passed_on() -> None:
    extra = {"safety_identifier": Raw(b'"s"'), "store": Raw(b"true"), "logit_bias": Raw(b'{"1":2}')}
    body, changes = encode(CHAT, extra=extra, metadata=Raw(b'{"a":"b"}'))
    assert (body["safety_identifier"], body["store"], body["metadata"]) == ("s", True, {"a": "b"})
    assert changes == ["logit_bias: dropped"]


SOURCE = b'{"type":"url_citation"}'
MESSAGES: list[tuple[str, list[Message], list[Any], list[str]]] = [
    (
        "roles",
        [Message(SYSTEM, (Text("a", cache=CacheMark()), Text("b"))), HELLO, Message(SYSTEM, (Text("c"),))],
        [ASKED, {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "c"}]}],
        [],
    ),
    (
        "media",
        [
            Message(
                USER,
                (
                    Media(MediaKind.IMAGE, "image/png", "AA==", detail="low"),
                    Media(MediaKind.IMAGE, url="https://a/b.png"),
                    Media(MediaKind.DOCUMENT, "text/plain", "AA=="),
                    Media(MediaKind.DOCUMENT, url="https://a/b.pdf", name="b.pdf"),
                ),
            )
        ],
        [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_image", "detail": "low", "image_url": "data:image/png;base64,AA=="},
                    {"type": "input_image", "image_url": "https://a/b.png"},
                    {"type": "input_file", "filename": "document.txt", "file_data": "data:text/plain;base64,AA=="},
                    {"type": "input_file", "file_url": "https://a/b.pdf", "filename": "b.pdf"},
                ],
            }
        ],
        [],
    ),
    (
        "a turn comes apart",
        [
            Message(
                ASSISTANT,
                (
                    Thinking("hm", sealed="E", dialect=OWN, id="rs_1"),
                    Text("a", (Citation(dialect=OWN, raw=Raw(SOURCE)), Citation("https://b.c"))),
                    Refusal("no"),
                    ToolCall("c1", "f", ""),
                    ToolCall("c2", "g", "free", custom=True),
                    Text(""),
                    Text("b"),
                ),
            ),
            Message(TOOL, (ToolResult("c2", (Text("2"),)), ToolResult("c1", ()))),
        ],
        [
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "E",
            },
            {
                "type": "message",
                "role": "assistant",
                "content": [
                    {"type": "output_text", "text": "a", "annotations": [{"type": "url_citation"}]},
                    {"type": "refusal", "refusal": "no"},
                ],
            },
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "free"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "2"},
            {"type": "function_call_output", "call_id": "c1", "output": ""},
        ],
        [],
    ),
    (
        "what others made",
        [
            HELLO,
            Message(
                ASSISTANT,
                (
                    Thinking("hm", "signed", dialect=CLAUDE),
                    Thinking("plain"),
                    NativePart(CLAUDE, Raw(b"{}")),
                    Media(MediaKind.IMAGE, data="AA=="),
                ),
            ),
        ],
        [ASKED],
        [
            "messages[1].content[0]: dropped the provider takes reasoning only as it sealed it",
            "messages[1].content[1]: dropped the provider takes reasoning only as it sealed it",
            "messages[1].content[2]: dropped only anthropic knows this part of an earlier answer",
            "messages[1].content[3]: dropped the provider takes no image said by the assistant",
        ],
    ),
    (
        "results with parts, and a name",
        [
            Message(
                TOOL,
                (ToolResult("c", (Text("a"), Media(MediaKind.IMAGE, "image/png", "AA==")), is_error=True),),
            ),
            Message(USER, (Text("x"),), name="Eve"),
        ],
        [
            {
                "type": "function_call_output",
                "call_id": "c",
                "output": [
                    {"type": "input_text", "text": "a"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
                ],
            },
            ASKED,
        ],
        [
            "messages[0].is_error: converted to the result's text alone",
            "messages[0].name: dropped",  # one turn with the result, to its caller
        ],
    ),
]


@pytest.mark.parametrize(
    ("messages", "items", "changes"), [row[1:] for row in MESSAGES], ids=[row[0] for row in MESSAGES]
)
def test_messages(messages: list[Message], items: list[Any], changes: list[str]) -> None:
    body, told = encode(messages=tuple(messages))
    assert body["input"] == items
    assert told == changes


def test_the_leading_system_turn_is_the_instructions() -> None:
    body, _ = encode(messages=(Message(SYSTEM, (Text("a"), Text("b"))), HELLO))
    assert (body["instructions"], body["input"]) == ("a\n\nb", [ASKED])


def test_sealed_reasoning_in_the_history_asks_for_more_of_it() -> None:
    sealed = Message(ASSISTANT, (Thinking(sealed="E", dialect=OWN), Text("a")))
    body, _ = encode(messages=(HELLO, sealed, HELLO))
    assert body["include"] == ["reasoning.encrypted_content"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"dialect": CHAT, "choices": 2}, "n"),
    ({"dialect": CHAT, "extra": {"web_search_options": Raw(b'{"a":1}')}}, "web_search_options"),
    ({"tools": (FUNCTION, NativeTool(CLAUDE, "web_search_20250305", Raw(b"{}")))}, "tools[1]"),
    ({"messages": (HELLO, Message(ASSISTANT, (Text("a"),), prefix=True))}, "messages[1].prefix"),
]
CONTENT: list[tuple[Part, str]] = [
    (Media(MediaKind.AUDIO, "audio/wav", "AA=="), "takes no audio"),
    (Media(MediaKind.VIDEO, url="https://a/b.mp4"), "takes no video"),
    (Media(MediaKind.DOCUMENT, file_id="f"), "lives with the account"),
    (Media(MediaKind.IMAGE, file_id="f"), "lives with the account"),
    (NativePart(CLAUDE, Raw(b"{}")), "known to anthropic alone"),
]


@pytest.mark.parametrize(("fields", "param"), REFUSED)
def test_what_the_caller_would_miss_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        encode(**fields)
    assert refused.value.param == param


@pytest.mark.parametrize(("part", "said"), CONTENT)
def test_content_that_cannot_be_said_is_refused(part: Part, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as refused:
        encode(messages=(HELLO, Message(USER, (Text("a"), part))))
    assert refused.value.param == "messages[1].content[1]"
