"""Requests to Converse, written field by field from what callers of every dialect ask, and read back."""

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
from gantry.dialects.bedrock.codec import BEDROCK
from gantry.dialects.codec import Target
from gantry.dialects.instructions import ANY_JSON
from tests.dialects.canonical import requests

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HELLO = Message(Role.USER, (Text("Hello"),))
SCHEMA = Raw(b'{"type":"object","properties":{"a":{"type":"string"}}}')
TOOL = FunctionTool("look_up", "Looks up", SCHEMA)
SPEC = {"toolSpec": {"name": "look_up", "description": "Looks up", "inputSchema": {"json": json.loads(bytes(SCHEMA))}}}
PNG = "iVBORw0KGgo="


def asking(*messages: Message, dialect: Dialect = Dialect.OPENAI_CHAT, **fields: Any) -> ChatRequest:
    return ChatRequest(dialect=dialect, model="m", messages=messages or (HELLO,), **fields)


def encoded(request: ChatRequest, model: str = CLAUDE) -> tuple[dict[str, Any], list[str]]:
    found = BEDROCK.encode_request(request, Target(model))
    return json.loads(found.body), [str(change) for change in found.changes]


def user(*parts: Any) -> Message:
    return Message(Role.USER, parts)


def assistant(*parts: Any) -> Message:
    return Message(Role.ASSISTANT, parts)


def tool(*parts: Any) -> Message:
    return Message(Role.TOOL, parts)


def test_turns_alternate_and_results_come_first() -> None:
    body, changes = encoded(
        asking(
            Message(Role.SYSTEM, (Text("Be brief."), Text(""))),
            Message(Role.SYSTEM, (Text("Be kind."),)),
            user(Text("one")),
            user(Text("two")),
            assistant(Text(""), ToolCall("c1", "f", '{"x": 1}'), ToolCall("c/2", "g", "")),
            user(Text("beside")),
            tool(ToolResult("c1", (Text("ok"),)), ToolResult("c/2", (), is_error=True)),
            assistant(Text("")),
            user(Text("three")),
        )
    )
    second = body["messages"][1]["content"][1]["toolUse"]["toolUseId"]
    assert second.startswith("call_")
    assert body == {
        "system": [{"text": "Be brief."}, {"text": "Be kind."}],
        "messages": [
            {"role": "user", "content": [{"text": "one"}, {"text": "two"}]},
            {
                "role": "assistant",
                "content": [
                    {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"x": 1}}},
                    {"toolUse": {"toolUseId": second, "name": "g", "input": {}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "c1", "content": [{"text": "ok"}]}},
                    {"toolResult": {"toolUseId": second, "content": [], "status": "error"}},
                    {"text": "beside"},
                    {"text": "three"},
                ],
            },
        ],
        "toolConfig": {
            "tools": [
                {"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object", "properties": {}}}}}
                for name in ("f", "g")
            ]
        },
    }
    assert changes == ["tools: defaulted to the tools that were called before"]


def test_a_system_turn_in_the_middle_moves_up_and_says_so() -> None:
    body, changes = encoded(asking(HELLO, Message(Role.SYSTEM, (Text("Be brief."),)), user(Text("Go on"))))
    assert body["system"] == [{"text": "Be brief."}]
    assert [turn["role"] for turn in body["messages"]] == ["user"]
    assert changes == ["messages[1]: converted to a part of the system prompt, which stands first"]


@pytest.mark.parametrize(
    ("media", "block"),
    [
        (Media(MediaKind.IMAGE, "image/png", data=PNG), {"image": {"format": "png", "source": {"bytes": PNG}}}),
        (Media(MediaKind.IMAGE, "image/jpg", data=PNG), {"image": {"format": "jpeg", "source": {"bytes": PNG}}}),
        (
            Media(MediaKind.IMAGE, url=f"data:image/webp;base64,{PNG}"),
            {"image": {"format": "webp", "source": {"bytes": PNG}}},
        ),
        (
            Media(MediaKind.IMAGE, url="s3://b/kiwi.jpg"),
            {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://b/kiwi.jpg"}}}},
        ),
        (
            Media(MediaKind.DOCUMENT, "application/pdf", data="JVBERg==", name="My_report (v2).pdf"),
            {"document": {"format": "pdf", "name": "My report (v2) pdf", "source": {"bytes": "JVBERg=="}}},
        ),
        (
            Media(MediaKind.DOCUMENT, "application/json", data="e30="),
            {"document": {"format": "txt", "name": "document", "source": {"bytes": "e30="}}},
        ),
        (
            Media(MediaKind.VIDEO, "video/3gpp", data="AA=="),
            {"video": {"format": "three_gp", "source": {"bytes": "AA=="}}},
        ),
        (Media(MediaKind.AUDIO, "audio/mpeg", data="AA=="), {"audio": {"format": "mp3", "source": {"bytes": "AA=="}}}),
    ],
)
def test_media(media: Media, block: dict[str, Any]) -> None:
    body, _ = encoded(asking(user(Text("look"), media)))
    assert body["messages"][0]["content"][1] == block


@pytest.mark.parametrize(
    ("media", "words"),
    [
        (Media(MediaKind.IMAGE, url="https://a.example/i.png"), "image by URL"),
        (Media(MediaKind.DOCUMENT, file_id="file-1"), "document by a file's id"),
        (Media(MediaKind.IMAGE, "image/tiff", data="AA=="), "image of type image/tiff is not taken"),
        (Media(MediaKind.AUDIO, data="AA=="), "audio of type unknown is not taken"),
    ],
)
def test_media_that_cannot_be_sent_is_refused(media: Media, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        encoded(asking(HELLO, assistant(Text("Yes?")), user(media)))
    assert caught.value.param == "messages[2]"


def test_documents_have_names_of_their_own() -> None:
    documents = [Media(MediaKind.DOCUMENT, "text/plain", data="YQ==", name=name) for name in ("a.b", "a b", None, None)]
    body, _ = encoded(asking(user(*documents)))
    names = [block["document"]["name"] for block in body["messages"][0]["content"]]
    assert names == ["a b", "a b 2", "document", "document 2"]


def test_cache_marks_stand_behind_what_they_mark() -> None:
    mark = CacheMark("1h")
    body, changes = encoded(
        asking(
            Message(Role.SYSTEM, (Text("long", cache=CacheMark()),)),
            user(Text("also long", cache=mark), Text("short")),
            dialect=Dialect.ANTHROPIC,
            tools=(structs.replace(TOOL, cache=mark),),
            cache=CacheMark("5m"),
        )
    )
    point = {"cachePoint": {"type": "default"}}
    hour = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["system"] == [{"text": "long"}, point]
    assert body["messages"][0]["content"] == [
        {"text": "also long"},
        hour,
        {"text": "short"},
        {"cachePoint": {"type": "default", "ttl": "5m"}},
    ]
    assert body["toolConfig"]["tools"] == [SPEC, hour]
    assert changes == []
    again = BEDROCK.decode_request(json.dumps(body).encode())
    assert again.messages[1].parts[0] == Text("also long", cache=mark)
    assert again.tools[0].cache == mark if isinstance(again.tools[0], FunctionTool) else False


@pytest.mark.parametrize(
    ("thinking", "block"),
    [
        (
            Thinking("hm", "sig", dialect=Dialect.ANTHROPIC),
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
        ),
        (Thinking(sealed="AA==", dialect=Dialect.BEDROCK), {"reasoningContent": {"redactedContent": "AA=="}}),
        (Thinking("hm", "sig", dialect=Dialect.GEMINI), None),
        (Thinking("hm"), None),
        (Thinking(sealed="x", dialect=Dialect.ANTHROPIC), None),
    ],
)
def test_thinking_goes_back_only_when_it_can_be_checked(thinking: Thinking, block: Any) -> None:
    body, changes = encoded(asking(HELLO, assistant(thinking, Text("Hi")), HELLO))
    assert body["messages"][1]["content"] == ([{"text": "Hi"}] if block is None else [block, {"text": "Hi"}])
    assert (changes == []) is (block is not None)


def test_what_claude_signed_goes_to_no_other_maker() -> None:
    signed = Thinking("hm", "sig", dialect=Dialect.ANTHROPIC)
    for model, blocks in (
        (CLAUDE, 2),
        ("arn:aws:bedrock:::application-inference-profile/x", 2),
        ("amazon.nova-pro", 1),
    ):
        body, changes = encoded(asking(HELLO, assistant(signed, Text("Hi")), HELLO), model)
        assert len(body["messages"][1]["content"]) == blocks
        assert len(changes) == 2 - blocks


def test_what_others_said_earlier() -> None:
    cited = Text("said", (Citation("https://a.example"), Citation(dialect=Dialect.BEDROCK, raw=Raw(b'{"title":"T"}'))))
    body, changes = encoded(
        asking(
            HELLO,
            assistant(cited, Refusal("no"), NativePart(Dialect.ANTHROPIC, Raw(b"{}"))),
            Message(Role.USER, (Text("Go on"),), name="Ann"),
        )
    )
    assert body["messages"][1]["content"] == [
        {"citationsContent": {"content": [{"text": "said"}], "citations": [{"title": "T"}]}},
        {"text": "no"},
    ]
    assert changes == [
        "messages[1].citations: dropped of another provider",
        "messages[1]: dropped a part that only anthropic knows",
        "messages[2].name: dropped",
    ]


@pytest.mark.parametrize(
    ("choice", "config", "changed"),
    [
        (ToolChoice(ToolMode.AUTO), {"tools": [SPEC], "toolChoice": {"auto": {}}}, False),
        (ToolChoice(ToolMode.REQUIRED), {"tools": [SPEC], "toolChoice": {"any": {}}}, False),
        (
            ToolChoice(ToolMode.REQUIRED, ("look_up",)),
            {"tools": [SPEC], "toolChoice": {"tool": {"name": "look_up"}}},
            False,
        ),
        (ToolChoice(ToolMode.NONE), None, True),
        (ToolChoice(ToolMode.AUTO, ("look_up",)), {"tools": [SPEC], "toolChoice": {"auto": {}}}, True),
        (ToolChoice(ToolMode.REQUIRED, ("look_up", "x")), {"tools": [SPEC], "toolChoice": {"any": {}}}, True),
        (None, {"tools": [SPEC]}, False),
    ],
)
def test_tool_choice(choice: ToolChoice | None, config: Any, changed: bool) -> None:
    body, changes = encoded(asking(tools=(TOOL,), tool_choice=choice))
    assert body.get("toolConfig") == config
    assert any(change.startswith("tool_choice: converted") for change in changes) is changed


def test_no_tools_cannot_be_asked_of_a_conversation_that_used_them() -> None:
    body, changes = encoded(
        asking(
            HELLO,
            assistant(ToolCall("c", "look_up", "{}")),
            tool(ToolResult("c", (Text("x"),))),
            tools=(TOOL,),
            tool_choice=ToolChoice(ToolMode.NONE),
        )
    )
    assert body["toolConfig"] == {"tools": [SPEC]}
    assert changes == ["tool_choice: dropped not in a conversation that used tools"]


@pytest.mark.parametrize(
    ("fields", "model", "expected", "changes"),
    [
        ({"max_tokens": 5}, CLAUDE, {"inferenceConfig": {"maxTokens": 5}}, []),
        ({"temperature": 0.5, "top_p": 0.25}, CLAUDE, {"inferenceConfig": {"temperature": 0.5, "topP": 0.25}}, []),
        ({"temperature": 1.5}, CLAUDE, {"inferenceConfig": {"temperature": 1}}, ["temperature: clamped to 1"]),
        ({"stop": ("a", "b")}, CLAUDE, {"inferenceConfig": {"stopSequences": ["a", "b"]}}, []),
        ({"top_k": 5}, CLAUDE, {"additionalModelRequestFields": {"top_k": 5}}, []),
        ({"top_k": 5}, "amazon.nova-pro-v1:0", {"additionalModelRequestFields": {"inferenceConfig": {"topK": 5}}}, []),
        ({"top_k": 5}, "meta.llama3", {}, ["top_k: dropped the provider has no word for it with this model"]),
        (
            {"reasoning": Reasoning(budget=2000), "max_tokens": 9000, "temperature": 0.5, "top_p": 0.5, "top_k": 3},
            CLAUDE,
            {
                "inferenceConfig": {"maxTokens": 9000},
                "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            },
            [f"{name}: dropped not with thinking" for name in ("temperature", "top_p", "top_k")],
        ),
        (
            {"reasoning": Reasoning(Effort.LOW)},
            CLAUDE,
            {
                "inferenceConfig": {"maxTokens": 6144},
                "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            },
            ["reasoning_effort: converted to a budget of 2048 tokens", "max_tokens: defaulted to 6144"],
        ),
        (
            {"reasoning": Reasoning(budget=5000), "max_tokens": 2000},
            CLAUDE,
            {
                "inferenceConfig": {"maxTokens": 2000},
                "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1999}},
            },
            ["reasoning_effort: clamped to 1999"],
        ),
        (
            {"reasoning": Reasoning(budget=5000), "max_tokens": 500},
            CLAUDE,
            {"inferenceConfig": {"maxTokens": 500}},
            ["reasoning_effort: dropped `max_tokens` leaves no room for it"],
        ),
        ({"reasoning": Reasoning(Effort.NONE)}, CLAUDE, {}, []),
        ({"reasoning": Reasoning(summary="auto")}, CLAUDE, {}, []),
        (
            {"reasoning": Reasoning(Effort.MINIMAL)},
            "openai.gpt-oss-120b-1:0",
            {"additionalModelRequestFields": {"reasoning_effort": "low"}},
            ["reasoning_effort: converted to low"],
        ),
        (
            {"reasoning": Reasoning(Effort.XHIGH)},
            "us.openai.gpt-5.2",
            {"additionalModelRequestFields": {"reasoning": {"effort": "xhigh"}}},
            [],
        ),
        (
            {"reasoning": Reasoning(budget=9000)},
            "us.amazon.nova-2-lite-v1:0",
            {"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}},
            [],
        ),
        (
            {"reasoning": Reasoning(Effort.NONE)},
            "us.amazon.nova-2-lite-v1:0",
            {"additionalModelRequestFields": {"reasoningConfig": {"type": "disabled"}}},
            [],
        ),
        (
            {"reasoning": Reasoning(Effort.LOW)},
            "meta.llama3",
            {},
            ["reasoning_effort: dropped the provider has no word for it with this model"],
        ),
        (
            {"format": AnswerFormat(FormatKind.JSON_SCHEMA, SCHEMA, "shape", "A shape", True)},
            CLAUDE,
            {
                "outputConfig": {
                    "textFormat": {
                        "type": "json_schema",
                        "structure": {
                            "jsonSchema": {
                                "schema": bytes(SCHEMA).decode(),
                                "name": "shape",
                                "description": "A shape",
                            }
                        },
                    }
                }
            },
            [],
        ),
        (
            {"format": AnswerFormat(FormatKind.JSON)},
            CLAUDE,
            {"system": [{"text": ANY_JSON}]},
            ["response_format: converted to an instruction in the system prompt"],
        ),
        ({"format": AnswerFormat(FormatKind.TEXT)}, CLAUDE, {}, []),
        ({"metadata": Raw(b'{"team":"a b"}')}, CLAUDE, {"requestMetadata": {"team": "a b"}}, []),
        (
            {"metadata": Raw(b'{"team":"a*b"}')},
            CLAUDE,
            {},
            ["metadata: dropped the provider takes short plain texts only"],
        ),
        ({"metadata": Raw(b"{}")}, CLAUDE, {}, []),
        ({"service_tier": "flex"}, CLAUDE, {"serviceTier": {"type": "flex"}}, []),
        ({"service_tier": "auto"}, CLAUDE, {}, []),
        ({"service_tier": "scale"}, CLAUDE, {}, ["service_tier: dropped not a tier of the provider's"]),
        (
            {"seed": 1, "presence_penalty": 0.5, "user": "u", "cache_key": "k", "verbosity": "low", "min_p": 0.1},
            CLAUDE,
            {},
            [
                f"{name}: dropped"
                for name in ("min_p", "seed", "presence_penalty", "verbosity", "user", "prompt_cache_key")
            ],
        ),
        (
            {"extra": {"store": Raw(b"false"), "logit_bias": Raw(b'{"1":2}')}},
            CLAUDE,
            {},
            ["logit_bias: dropped"],
        ),
        ({"tools": (TOOL,), "parallel_tool_calls": True}, CLAUDE, {"toolConfig": {"tools": [SPEC]}}, []),
        (
            {"tools": (structs.replace(TOOL, strict=True),), "parallel_tool_calls": False},
            CLAUDE,
            {"toolConfig": {"tools": [SPEC]}},
            [
                "tools[0].strict: dropped not every model of the provider takes it",
                "parallel_tool_calls: dropped",
            ],
        ),
    ],
)
def test_each_parameter(fields: Mapping[str, Any], model: str, expected: dict[str, Any], changes: list[str]) -> None:
    body, told = encoded(asking(**fields), model)
    assert body == {"messages": [{"role": "user", "content": [{"text": "Hello"}]}], **expected}
    assert told == changes


def test_claude_cannot_think_on_from_a_call_without_thinking() -> None:
    used = (HELLO, assistant(ToolCall("c", "f", "{}")), tool(ToolResult("c", (Text("x"),))))
    body, changes = encoded(asking(*used, tools=(TOOL,), reasoning=Reasoning(budget=2000)))
    assert "additionalModelRequestFields" not in body
    assert changes[-1].startswith("reasoning_effort: dropped the call before this result came without thinking")
    thought = assistant(Thinking("hm", "sig", dialect=Dialect.ANTHROPIC), ToolCall("c", "f", "{}"))
    body, _ = encoded(asking(HELLO, thought, used[2], tools=(TOOL,), reasoning=Reasoning(budget=2000)))
    assert body["additionalModelRequestFields"] == {"thinking": {"type": "enabled", "budget_tokens": 2000}}


def test_thinking_left_to_claude() -> None:
    body, _ = encoded(asking(dialect=Dialect.ANTHROPIC, reasoning=Reasoning()))
    assert body["additionalModelRequestFields"] == {"thinking": {"type": "adaptive"}}


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (asking(choices=2), "n"),
        (asking(logprobs=True), "logprobs"),
        (asking(tools=(NativeTool(Dialect.ANTHROPIC, "web_search", Raw(b"{}")),)), "tools[0]"),
        (asking(user(NativePart(Dialect.ANTHROPIC, Raw(b"{}"))), dialect=Dialect.ANTHROPIC), "messages[0]"),
        (asking(Message(Role.SYSTEM, (Media(MediaKind.IMAGE, "image/png", data=PNG),))), "messages[0]"),
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
        (b'{"messages":[{"role":"bot","content":[]}]}', "messages[0].role"),
        (b'{"messages":[{"role":"user","content":"Hello"}]}', "messages[0].content"),
        (b'{"messages":[{"role":"user","content":[{"text":5}]}]}', "messages[0].content[0].text"),
        (
            b'{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[{"text":1}]}}]}]}',
            "messages[0].content[0].toolResult.content[0].text",
        ),
        (b'{"inferenceConfig":{"maxTokens":"5"}}', "inferenceConfig.maxTokens"),
        (b'{"toolConfig":{"tools":[{"toolSpec":{"name":1}}]}}', "toolConfig.tools[0].toolSpec.name"),
        (b"[]", None),
        (b"{", None),
    ],
)
def test_what_cannot_be_read_is_named_by_its_path(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        BEDROCK.decode_request(body)
    assert caught.value.param == param


def test_null_is_not_there() -> None:
    request = BEDROCK.decode_request(b'{"messages":[],"inferenceConfig":null,"outputConfig":null,"toolConfig":null}')
    assert request.messages == ()
    assert not request.extra


def test_what_only_bedrock_knows_goes_back_as_it_came() -> None:
    point = {"cachePoint": {"type": "default"}}
    body = {
        "messages": [
            {
                "role": "user",
                "content": [{"guardContent": {"text": {"text": "x"}}}, point],
            },
            {"role": "system", "content": [{"text": "in the middle"}]},
        ],
        "inferenceConfig": {"maxTokens": 5, "new": 1},
        "outputConfig": {"effort": "low", "new": [2]},
        "toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}, point]},
        "guardrailConfig": {"guardrailIdentifier": "g"},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}, "x": 1},
        "performanceConfig": {"latency": "optimized"},
    }
    request = BEDROCK.decode_request(json.dumps(body).encode())
    assert request.reasoning == Reasoning(Effort.LOW, 2000)
    assert encoded(request) == (body, [])


@settings(max_examples=60)
@given(requests(Dialect.BEDROCK, images=True))
def test_random_requests_come_back(request_: ChatRequest) -> None:
    body = BEDROCK.encode_request(request_, Target(CLAUDE)).body
    again = BEDROCK.decode_request(body)
    assert json.loads(BEDROCK.encode_request(again, Target(CLAUDE)).body) == json.loads(body)
    assert (again.model, again.stream) == ("", False)
    assert again.stop == request_.stop
    assert again.max_tokens == request_.max_tokens
