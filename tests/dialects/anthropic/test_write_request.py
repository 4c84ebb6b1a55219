"""What other callers ask, as Anthropic is asked it: one table of fields, and the conversations that need mending."""

import json
from base64 import b64encode
from typing import Any

import pytest
from msgspec import Raw

from gantry.core.chat import (
    AnswerFormat,
    CacheMark,
    ChatRequest,
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
from gantry.dialects.anthropic.codec import ANTHROPIC
from gantry.dialects.codec import Target

OLD, NEW, LATEST, LOOK_ALIKE = "claude-sonnet-4-5-20250929", "claude-sonnet-4-6", "claude-opus-4-7", "kimi-k2"
HELLO = Message(Role.USER, (Text("Hi"),))
SCHEMA = Raw(b'{"type":"object","properties":{"n":{"type":"integer","minimum":1}}}')
TOOLS = (FunctionTool("weather", "Tells it.", Raw(b'{"type":"object"}')), FunctionTool("clock"))
WEATHER = {"name": "weather", "description": "Tells it.", "input_schema": {"type": "object"}}
CLOCK = {"name": "clock", "input_schema": {"type": "object", "properties": {}}}


def asked(model: str = OLD, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the body that a request becomes, and the changes."""
    given: dict[str, Any] = {"dialect": Dialect.OPENAI_CHAT, "model": "m", "messages": (HELLO,), "max_tokens": 8000}
    encoded = ANTHROPIC.encode_request(ChatRequest(**{**given, **fields}), Target(model))
    return json.loads(encoded.body), [str(change) for change in encoded.changes]


FIELDS: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    (OLD, {"max_tokens": None}, {"max_tokens": 4096}, ["max_tokens: defaulted to 4096"]),
    (OLD, {"stream": True}, {"stream": True}, []),
    (OLD, {"temperature": 1.5}, {"temperature": 1.0}, ["temperature: clamped to 1.0"]),
    (OLD, {"temperature": 0.5, "top_p": 0.9, "top_k": 5}, {"temperature": 0.5, "top_k": 5},
     ["top_p: dropped Anthropic takes one of temperature and top_p"]),
    (OLD, {"top_p": 0.9}, {"top_p": 0.9}, []),
    (LATEST, {"temperature": 0.5, "top_k": 5}, {},
     ["temperature: dropped this model does not take it", "top_k: dropped this model does not take it"]),
    (OLD, {"stop": ("END", " ")}, {"stop_sequences": ["END"]}, ["stop: dropped the sequences of blanks only"]),
    (OLD, {"user": "u-7"}, {"metadata": {"user_id": "u-7"}}, []),
    (OLD, {"service_tier": "auto"}, {"service_tier": "auto"}, []),
    (OLD, {"service_tier": "default"}, {"service_tier": "standard_only"}, ["service_tier: converted to standard_only"]),
    (OLD, {"service_tier": "flex"}, {}, ["service_tier: dropped flex is none of Anthropic's"]),
    (OLD, {"seed": 7, "presence_penalty": 0.5, "frequency_penalty": 0.0, "verbosity": "low", "logprobs": True}, {},
     ["seed: dropped", "presence_penalty: dropped", "logprobs: dropped", "verbosity: dropped"]),
    (OLD, {"dialect": Dialect.MISTRAL, "seed": 7}, {}, ["random_seed: dropped"]),
    (OLD, {"cache_key": "k", "metadata": Raw(b'{"a":"b"}')}, {}, ["prompt_cache_key: dropped", "metadata: dropped"]),
    (OLD, {"extra": {"logit_bias": Raw(b'{"1":2}'), "store": Raw(b"false")}}, {}, ["logit_bias: dropped"]),
    (OLD, {"cache": CacheMark("1h")}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}, []),
    (OLD, {"tools": TOOLS}, {"tools": [WEATHER, CLOCK]}, []),
    (OLD, {"tools": TOOLS, "tool_choice": ToolChoice(ToolMode.REQUIRED)},
     {"tools": [WEATHER, CLOCK], "tool_choice": {"type": "any"}}, []),
    (OLD, {"tools": TOOLS, "tool_choice": ToolChoice(ToolMode.NONE), "parallel_tool_calls": False},
     {"tools": [WEATHER, CLOCK], "tool_choice": {"type": "none"}}, []),
    (OLD, {"tools": TOOLS, "tool_choice": ToolChoice(ToolMode.REQUIRED, ("clock",)), "parallel_tool_calls": False},
     {"tools": [WEATHER, CLOCK], "tool_choice": {"type": "tool", "name": "clock", "disable_parallel_tool_use": True}},
     []),
    (OLD, {"tools": TOOLS, "parallel_tool_calls": False},
     {"tools": [WEATHER, CLOCK], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, []),
    (OLD, {"tools": TOOLS, "tool_choice": ToolChoice(ToolMode.AUTO, ("clock",))},
     {"tools": [CLOCK], "tool_choice": {"type": "auto"}}, ["tool_choice: converted to a shorter list of tools"]),
    (OLD, {"tool_choice": ToolChoice(ToolMode.AUTO), "parallel_tool_calls": False}, {}, []),
    (OLD, {"tools": (FunctionTool("clock", strict=True),)}, {"tools": [{**CLOCK, "strict": True}]}, []),
    ("claude-3-haiku-20240307", {"tools": (FunctionTool("clock", strict=True),)}, {"tools": [CLOCK]},
     ["tools[0].strict: dropped this model has no strict tools"]),
    (OLD, {"format": AnswerFormat(FormatKind.TEXT)}, {}, []),
    (OLD, {"format": AnswerFormat(FormatKind.JSON)},
     {"system": "Answer with one JSON object and nothing else: no explanation and no code fence."},
     ["response_format: converted to an instruction in the system prompt"]),
    (OLD, {"format": AnswerFormat(FormatKind.JSON_SCHEMA, SCHEMA)},
     {"output_config": {"format": {"type": "json_schema", "schema": {
         "type": "object", "additionalProperties": False,
         "properties": {"n": {"type": "integer", "description": "(minimum: 1)"}}}}}},
     ["response_format: converted to the subset of JSON schema that Anthropic compiles"]),
    (NEW, {"reasoning": Reasoning(Effort.MEDIUM)},
     {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}, []),
    (NEW, {"reasoning": Reasoning(Effort.XHIGH, shown=True)},
     {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
     ["reasoning_effort: converted to the effort high"]),
    (LATEST, {"reasoning": Reasoning(Effort.XHIGH, shown=True)},
     {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "xhigh"}}, []),
    (NEW, {"reasoning": Reasoning(Effort.LOW, shown=False)},
     {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "low"}}, []),
    (NEW, {"reasoning": Reasoning(budget=3000)}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
     ["reasoning_effort: converted to the effort low"]),
    (NEW, {"reasoning": Reasoning(Effort.NONE)}, {"thinking": {"type": "disabled"}}, []),
    ("claude-fable-5", {"reasoning": Reasoning(Effort.NONE)},
     {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
     ["reasoning_effort: converted to the effort low"]),
    (OLD, {"reasoning": Reasoning(Effort.NONE)}, {}, []),
    (OLD, {"reasoning": Reasoning(Effort.LOW)}, {"thinking": {"type": "enabled", "budget_tokens": 2048}},
     ["reasoning_effort: converted to a budget of 2048 tokens"]),
    (LOOK_ALIKE, {"reasoning": Reasoning(budget=3000)}, {"thinking": {"type": "enabled", "budget_tokens": 3000}}, []),
    (OLD, {"reasoning": Reasoning(budget=9000)}, {"thinking": {"type": "enabled", "budget_tokens": 4000}},
     ["reasoning_effort: clamped to 4000"]),
    (OLD, {"reasoning": Reasoning(budget=9000), "max_tokens": None},
     {"max_tokens": 13096, "thinking": {"type": "enabled", "budget_tokens": 9000}},
     ["max_tokens: defaulted to 13096"]),
    (OLD, {"reasoning": Reasoning(Effort.HIGH), "max_tokens": 500}, {"max_tokens": 500},
     ["reasoning_effort: dropped thinking takes 1024 tokens, more than the answer may have"]),
    ("claude-3-5-sonnet-20241022", {"reasoning": Reasoning(Effort.HIGH)}, {},
     ["reasoning_effort: dropped this model does not think"]),
    (OLD, {"reasoning": Reasoning(Effort.LOW), "tools": TOOLS, "tool_choice": ToolChoice(ToolMode.REQUIRED)},
     {"tools": [WEATHER, CLOCK], "tool_choice": {"type": "any"}}, ["reasoning_effort: dropped a tool is forced"]),
    (NEW, {"reasoning": Reasoning(Effort.LOW), "temperature": 0.3, "top_p": 0.5},
     {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}, "top_p": 0.95},
     ["temperature: dropped a model that thinks does not take it", "top_p: clamped to 0.95"]),
]  # fmt: skip


@pytest.mark.parametrize(("model", "fields", "members", "changes"), FIELDS)
def test_a_field(model: str, fields: dict[str, Any], members: dict[str, Any], changes: list[str]) -> None:
    body, found = asked(model, **fields)
    plain = {"model": model, "max_tokens": 8000, "messages": [{"role": "user", "content": "Hi"}]}
    assert body == {**plain, **members}
    assert found == changes


def talk(*messages: Message, dialect: Dialect = Dialect.OPENAI_CHAT) -> tuple[Any, list[Any], list[str]]:
    body, changes = asked(messages=messages, dialect=dialect)
    return body.get("system"), body["messages"], changes


def said(role: Role, *parts: Part) -> Message:
    return Message(role, parts)


def test_results_of_tools_are_one_turn_with_what_the_user_says_after_them() -> None:
    system, turns, changes = talk(
        said(Role.SYSTEM, Text("Be kind.")),
        said(Role.USER, Text("Weather?")),
        said(Role.ASSISTANT, Text(""), ToolCall("call|1", "weather", '{"at": "Rome"}'), ToolCall("b", "clock", "")),
        said(Role.TOOL, ToolResult("call|1", (Text("Sun"),))),
        said(Role.TOOL, ToolResult("b", (Text("broken"), Text("clock")), is_error=True)),
        said(Role.USER, Text("And?")),
    )
    mapped = turns[1]["content"][0]["id"]
    assert mapped.replace("_", "").isalnum()
    assert system == "Be kind."
    assert turns == [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": mapped, "name": "weather", "input": {"at": "Rome"}},
                {"type": "tool_use", "id": "b", "name": "clock", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": mapped, "content": "Sun"},
                {
                    "type": "tool_result",
                    "tool_use_id": "b",
                    "content": [{"type": "text", "text": "broken"}, {"type": "text", "text": "clock"}],
                    "is_error": True,
                },
                {"type": "text", "text": "And?"},
            ],
        },
    ]
    assert changes == []


def test_system_prompts_are_gathered_and_a_late_one_is_named() -> None:
    system, turns, changes = talk(
        said(Role.SYSTEM, Text("One.")), HELLO, said(Role.SYSTEM, Text("Two.")), said(Role.USER, Text("Go"))
    )
    assert system == [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]
    assert turns == [{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "Go"}]}]
    assert changes == ["messages[2]: converted to a part of the system prompt"]


def test_a_conversation_that_begins_with_the_assistant_gets_a_user_turn_in_front() -> None:
    _, turns, changes = talk(said(Role.ASSISTANT, Text("Hello! ")))
    assert turns == [{"role": "user", "content": "."}, {"role": "assistant", "content": "Hello!"}]
    assert changes == [
        "messages: converted by a user's turn put in front, `.`",
        "messages: converted by cutting blanks off the last assistant turn",
    ]


def test_only_what_anthropic_signed_is_sent_as_thinking() -> None:
    _, turns, changes = talk(
        HELLO,
        said(
            Role.ASSISTANT,
            Thinking("unsigned"),
            Thinking("theirs", "sig", dialect=Dialect.GEMINI),
            Thinking("own", "sig", dialect=Dialect.ANTHROPIC),
            Thinking(sealed="xyz", dialect=Dialect.ANTHROPIC),
            NativePart(Dialect.OPENAI_RESPONSES, Raw(b'{"type":"web_search_call"}')),
            Media(MediaKind.IMAGE, data="AAAA"),
            Refusal("No."),
        ),
        HELLO,
    )
    assert turns[1]["content"] == [
        {"type": "thinking", "thinking": "own", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "No."},
    ]
    assert changes == [
        "messages[1].thinking: dropped Anthropic did not sign it",
        "messages[1].content[4]: dropped only its own provider knows it",
        "messages[1].content[5]: dropped image that a model made",
    ]


def test_a_budget_gives_way_to_tool_calls_whose_thinking_is_not_there() -> None:
    messages = (HELLO, said(Role.ASSISTANT, ToolCall("a", "clock", "{}")), said(Role.TOOL, ToolResult("a", ())))
    body, changes = asked(OLD, messages=messages, reasoning=Reasoning(Effort.HIGH))
    assert "thinking" not in body
    assert changes == ["reasoning_effort: dropped the last tool calls come without Anthropic's thinking before them"]
    body, changes = asked(NEW, messages=messages, reasoning=Reasoning(Effort.HIGH))
    assert body["thinking"] == {"type": "adaptive"}


MEDIA: list[tuple[Media, dict[str, Any]]] = [
    (Media(MediaKind.IMAGE, url="https://x.test/a.png"),
     {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}),
    (Media(MediaKind.IMAGE, url="data:image/webp;base64,UklGRg=="),
     {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "UklGRg=="}}),
    (Media(MediaKind.IMAGE, data="/9j/4AAQ", cache=CacheMark()),
     {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"},
      "cache_control": {"type": "ephemeral"}}),
    (Media(MediaKind.DOCUMENT, data="JVBERi0x", name="a.pdf"),
     {"type": "document", "title": "a.pdf",
      "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"}}),
    (Media(MediaKind.DOCUMENT, "text/csv", b64encode(b"a,b").decode(), context="figures", cited=True),
     {"type": "document", "context": "figures", "citations": {"enabled": True},
      "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}}),
]  # fmt: skip


@pytest.mark.parametrize(("media", "block"), MEDIA)
def test_media(media: Media, block: dict[str, Any]) -> None:
    _, turns, _ = talk(said(Role.USER, media))
    assert turns == [{"role": "user", "content": [block]}]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"dialect": Dialect.MISTRAL, "extra": {"guardrails": Raw(b"[{}]")}}, "guardrails"),
    ({"extra": {"web_search_options": Raw(b'{"a":1}')}}, "web_search_options"),
    ({"choices": 2}, "n"),
    ({"choices": 2, "dialect": Dialect.GEMINI}, "generationConfig.candidateCount"),
    ({"tools": (NativeTool(Dialect.OPENAI_RESPONSES, "web_search", Raw(b"{}")),)}, "tools[0]"),
    ({"messages": (HELLO, said(Role.USER, Text("a"), Media(MediaKind.AUDIO, data="A")))}, "messages[1].content[1]"),
    ({"messages": (said(Role.SYSTEM, Media(MediaKind.IMAGE, url="u")), HELLO)}, "messages[0]"),
    ({"messages": (said(Role.USER, Media(MediaKind.IMAGE, file_id="file-1")),)}, "messages[0].content[0]"),
    ({"messages": (said(Role.USER, Media(MediaKind.DOCUMENT, "application/zip", "AAAA")),)}, "messages[0].content[0]"),
    ({"messages": (said(Role.USER, NativePart(Dialect.GEMINI, Raw(b"{}"))),)}, "messages[0].content[0]"),
    ({"messages": (said(Role.SYSTEM, Text("s")), said(Role.USER, Media(MediaKind.VIDEO, url="u"))),
      "dialect": Dialect.GEMINI}, "contents[0].parts[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "param"), REFUSED)
def test_what_the_caller_would_miss_is_refused_by_its_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked(**fields)
    assert refused.value.param == param
    assert param in refused.value.message


def test_what_one_caller_says_of_thinking_is_not_said_for_the_next() -> None:
    off: dict[str, Any] = {"dialect": Dialect.ANTHROPIC, "reasoning": Reasoning(Effort.NONE)}
    told, _ = asked(**off, extra={"thinking.note": Raw(b'"mine"')})
    assert told["thinking"] == {"type": "disabled", "note": "mine"}
    assert asked(**off)[0]["thinking"] == {"type": "disabled"}
