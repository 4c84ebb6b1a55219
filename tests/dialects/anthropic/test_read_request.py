"""What a client of Anthropic's asks, in the canonical words."""

import json
from typing import Any

import pytest
from msgspec import Raw

from gantry.core.chat import (
    AnswerFormat,
    CacheMark,
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
from gantry.dialects.anthropic.codec import ANTHROPIC
from gantry.dialects.codec import Target

ASKED: dict[str, Any] = {"model": "claude", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}
EPHEMERAL = {"type": "ephemeral", "ttl": "1h"}


def read(**members: Any) -> Any:
    return ANTHROPIC.decode_request(json.dumps({**ASKED, **members}).encode())


FIELDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"model": "claude", "max_tokens": 10, "stream": False, "messages": (Message(Role.USER, (Text("Hi"),)),)}),
    ({"stream": True, "temperature": 1, "top_p": 0.5, "top_k": 3}, {"stream": True, "temperature": 1.0, "top_k": 3}),
    ({"stop_sequences": ["a"], "service_tier": "auto"}, {"stop": ("a",), "service_tier": "auto"}),
    ({"metadata": {"user_id": "u", "x": 1}}, {"user": "u", "extra": {"metadata.x": Raw(b"1")}}),
    ({"cache_control": EPHEMERAL}, {"cache": CacheMark("1h")}),
    ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, {"reasoning": Reasoning(budget=2000, shown=True)}),
    ({"thinking": {"type": "adaptive", "display": "omitted"}}, {"reasoning": Reasoning(Effort.HIGH, shown=False)}),
    ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
     {"reasoning": Reasoning(Effort.LOW, shown=True)}),
    ({"thinking": {"type": "disabled"}}, {"reasoning": Reasoning(Effort.NONE)}),
    ({"output_config": {"effort": "max", "task_budget": {}}},
     {"reasoning": Reasoning(Effort.MAX), "extra": {"output_config.task_budget": Raw(b"{}")}}),
    ({"output_format": {"type": "json_schema", "schema": {}}},
     {"format": AnswerFormat(FormatKind.JSON_SCHEMA, Raw(b"{}"))}),
    ({"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
     {"tool_choice": ToolChoice(ToolMode.REQUIRED), "parallel_tool_calls": False}),
    ({"tool_choice": {"type": "tool", "name": "t"}}, {"tool_choice": ToolChoice(ToolMode.REQUIRED, ("t",))}),
    ({"tools": [{"name": "t", "input_schema": {}, "cache_control": EPHEMERAL, "defer_loading": True}]},
     {"tools": (FunctionTool("t", None, Raw(b"{}"), cache=CacheMark("1h")),),
      "extra": {"tools[0].defer_loading": Raw(b"true")}}),
    ({"tools": [{"type": "bash_20250124", "name": "bash"}]},
     {"tools": (NativeTool(Dialect.ANTHROPIC, "bash_20250124", Raw(b'{"type": "bash_20250124", "name": "bash"}')),)}),
    ({"system": [{"type": "text", "text": "S", "cache_control": EPHEMERAL}], "container": "c"},
     {"messages": (Message(Role.SYSTEM, (Text("S", cache=CacheMark("1h")),)), Message(Role.USER, (Text("Hi"),))),
      "extra": {"container": Raw(b'"c"')}}),
]  # fmt: skip


@pytest.mark.parametrize(("members", "fields"), FIELDS)
def test_a_field(members: dict[str, Any], fields: dict[str, Any]) -> None:
    request = read(**members)
    assert {name: getattr(request, name) for name in fields} == fields


SEARCH = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
CITED = {"type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "q", "encrypted_index": "e"}
BLOCKS: list[tuple[dict[str, Any], Any]] = [
    ({"type": "text", "text": "a"}, Text("a")),
    ({"type": "text", "text": "a", "citations": [CITED]},
     Text("a", (Citation("u", "t", "q", dialect=Dialect.ANTHROPIC, raw=Raw(json.dumps(CITED).encode())),))),
    ({"type": "text", "text": "a", "citations": [{**CITED, "encrypted_index": ""}]},
     Text("a", (Citation("u", "t", "q"),))),
    ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A"}},
     Media(MediaKind.IMAGE, "image/png", "A")),
    ({"type": "image", "source": {"type": "url", "url": "u"}}, Media(MediaKind.IMAGE, url="u")),
    ({"type": "document", "source": {"type": "text", "data": "a"}, "title": "t", "citations": {"enabled": True}},
     Media(MediaKind.DOCUMENT, "text/plain", "YQ==", name="t", cited=True)),
    ({"type": "document", "source": {"type": "file", "file_id": "f"}, "context": "c"},
     Media(MediaKind.DOCUMENT, file_id="f", context="c")),
    ({"type": "thinking", "thinking": "t", "signature": "s"}, Thinking("t", "s", dialect=Dialect.ANTHROPIC)),
    ({"type": "thinking", "thinking": "t", "signature": ""}, Thinking("t")),
    ({"type": "thinking", "thinking": "t", "signature": "gantry.WyJnZW1pbmkiLCJ0aGVpcnMiLG51bGwsbnVsbF0="},
     Thinking("t", "theirs", dialect=Dialect.GEMINI)),
    ({"type": "thinking", "thinking": "t", "signature": "gantry.broken"}, Thinking("t")),
    ({"type": "redacted_thinking", "data": "d"}, Thinking(sealed="d", dialect=Dialect.ANTHROPIC)),
    ({"type": "tool_use", "id": "i", "name": "n", "input": {"a": 1}}, ToolCall("i", "n", '{"a": 1}')),
    (SEARCH, NativePart(Dialect.ANTHROPIC, Raw(json.dumps(SEARCH).encode()))),
]  # fmt: skip


@pytest.mark.parametrize(("block", "part"), BLOCKS)
def test_a_block(block: dict[str, Any], part: Any) -> None:
    assert read(messages=[{"role": "assistant", "content": [block]}]).messages == (Message(Role.ASSISTANT, (part,)),)


def test_results_are_a_turn_of_their_own_in_front_of_what_the_user_says() -> None:
    content = [
        {"type": "text", "text": "and"},
        {"type": "tool_result", "tool_use_id": "a", "content": "x", "is_error": True},
        {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "y"}]},
        {"type": "tool_result", "tool_use_id": "c"},
    ]
    results = (ToolResult("a", (Text("x"),), is_error=True), ToolResult("b", (Text("y"),)), ToolResult("c", ()))
    assert read(messages=[{"role": "user", "content": content}]).messages == (
        Message(Role.TOOL, results),
        Message(Role.USER, (Text("and"),)),
    )


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"messages": None}, "messages"),
    ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"text": "a"}]}]}, "messages[0].content[0].type"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages[0].content[0].text"),
    ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
    ({"messages": [{"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]}]}]},
     "messages[0].content[0].content[0].text"),
    ({"max_tokens": "many"}, "max_tokens"),
    ({"tools": [{"name": 1}]}, "tools[0].name"),
    ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
    ({"thinking": {"type": "deep"}}, "thinking.type"),
    ({"output_config": {"effort": "much"}}, "output_config.effort"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
    ({"output_config": {"format": {"type": "json_schema", "schema": None}}}, "output_config.format.schema"),
    ({"model": None}, "model"),
]  # fmt: skip


@pytest.mark.parametrize(("members", "param"), WRONG)
def test_what_cannot_be_read_is_named_by_its_path(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(**members)
    assert refused.value.param == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        ANTHROPIC.decode_request(body)


def test_what_only_anthropic_knows_goes_back_where_it_stood() -> None:
    members = {
        "context_management": {"edits": []},
        "metadata": {"user_id": "u", "x": 1},
        "output_config": {"effort": "low", "task_budget": {"total": 5}},
        "tools": [{"name": "t", "input_schema": {"type": "object"}, "input_examples": [{}], "strict": False}],
        "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
    }
    request = read(**members)
    encoded = ANTHROPIC.encode_request(request, Target("claude"))
    assert json.loads(encoded.body) == {**ASKED, **members}
    assert encoded.changes == []


def test_a_member_of_a_block_that_has_no_place_is_named() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "u"}, "transformations": {"a": 1}}
    request = read(messages=[{"role": "user", "content": [image]}])
    encoded = ANTHROPIC.encode_request(request, Target("claude"))
    assert [str(change) for change in encoded.changes] == ["messages[0].content[0].transformations: dropped"]


def test_a_prompt_to_count_needs_no_bound() -> None:
    request = ANTHROPIC.decode_request(b'{"model": "claude", "messages": [{"role": "user", "content": "Hi"}]}')
    assert (request.model, request.max_tokens) == ("claude", None)
