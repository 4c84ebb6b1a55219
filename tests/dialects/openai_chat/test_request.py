"""OpenAI's requests, read and written: each field by hand."""

import json
from typing import Any

import pytest
from msgspec import Raw, structs

from gantry.core.chat import (
    CacheMark,
    ChatRequest,
    Effort,
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
from gantry.dialects.codec import Target
from gantry.dialects.openai_chat.codec import OPENAI_CHAT
from tests.dialects.counted import calls_of

TARGET = Target("gpt-x")
PDF = "data:application/pdf;base64,JVBERi0="
ASKED = Message(Role.USER, (Text("?"),))


def decode(**fields: Any) -> ChatRequest:
    return OPENAI_CHAT.decode_request(json.dumps({"model": "m", "messages": [], **fields}).encode())


def decode_message(**message: Any) -> Message:
    return decode(messages=[message]).messages[0]


def encode(request: ChatRequest, target: Target = TARGET) -> tuple[dict[str, Any], list[str]]:
    encoded = OPENAI_CHAT.encode_request(request, target)
    return json.loads(encoded.body), [str(change) for change in encoded.changes]


def foreign(*messages: Message, dialect: Dialect = Dialect.ANTHROPIC, **fields: Any) -> ChatRequest:
    return ChatRequest(dialect=dialect, model="x", messages=messages or (ASKED,), **fields)


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"max_tokens": 5}, "max_tokens", 5),
        ({"max_tokens": 5, "max_completion_tokens": 7}, "max_tokens", 7),
        ({"stop": "END"}, "stop", ("END",)),
        ({"stop": ["a", "b"]}, "stop", ("a", "b")),
        ({"n": 2}, "choices", 2),
        ({"prompt_cache_key": "k"}, "cache_key", "k"),
        ({"safety_identifier": "u"}, "user", "u"),
        ({"stream_options": {"include_usage": True}}, "include_usage", True),
        ({}, "include_usage", False),
        ({"reasoning_effort": "xhigh"}, "reasoning", Reasoning(Effort.XHIGH)),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "reasoning", Reasoning(budget=2000)),
        ({"thinking": {"type": "disabled"}}, "reasoning", Reasoning(Effort.NONE)),
        ({"reasoning": {"max_tokens": 9, "exclude": True}}, "reasoning", Reasoning(budget=9, shown=False)),
        ({"tool_choice": "required"}, "tool_choice", ToolChoice(ToolMode.REQUIRED)),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            "tool_choice",
            ToolChoice(ToolMode.REQUIRED, ("f",)),
        ),
        (
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
                }
            },
            "tool_choice",
            ToolChoice(ToolMode.AUTO, ("f",)),
        ),
        ({"function_call": {"name": "f"}}, "tool_choice", ToolChoice(ToolMode.REQUIRED, ("f",))),
        ({"modalities": ["text"]}, "extra", {}),
        ({"store": False, "logit_bias": {}}, "extra", {}),
    ],
)
def test_a_field_is_read(given: dict[str, Any], field: str, expected: object) -> None:
    assert getattr(decode(**given), field) == expected


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"type": "text", "text": "a"}, Text("a")),
        (
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            Text("a", cache=CacheMark("1h")),
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}},
            Media(MediaKind.IMAGE, "image/png", url="https://x/a.png", detail="low"),
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lG"}},
            Media(MediaKind.IMAGE, "image/gif", data="R0lG"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklGR", "format": "wav"}},
            Media(MediaKind.AUDIO, "audio/wav", data="UklGR"),
        ),
        (
            {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
            Media(MediaKind.DOCUMENT, "application/pdf", data="JVBERi0=", name="a.pdf"),
        ),
        ({"type": "file", "file": {"file_id": "file-1"}}, Media(MediaKind.DOCUMENT, file_id="file-1")),
        (
            {"type": "video_url", "video_url": {"url": "https://x/a.mp4"}},
            Media(MediaKind.VIDEO, "video/mp4", url="https://x/a.mp4"),
        ),
        ({"type": "refusal", "refusal": "no"}, Refusal("no")),
    ],
)
def test_a_content_part_is_read_and_written_back(content: dict[str, Any], part: object) -> None:
    request = decode(messages=[{"role": "user", "content": [{"type": "text", "text": "?"}, content]}])
    assert request.messages[0].parts[1] == part
    assert encode(request)[0]["messages"][0]["content"][1] == content


def test_a_part_that_is_not_known_goes_back_as_it_came_and_nowhere_else() -> None:
    message = decode_message(role="user", content=[{"type": "hologram", "depth": 3}])
    part = message.parts[0]
    assert isinstance(part, NativePart)
    assert json.loads(bytes(part.raw)) == {"type": "hologram", "depth": 3}
    assert encode(foreign(message, dialect=Dialect.OPENAI_CHAT))[0]["messages"][0]["content"] == [
        {"type": "hologram", "depth": 3}
    ]
    with pytest.raises(InvalidRequest) as refusal:
        encode(foreign(Message(Role.USER, (NativePart(Dialect.ANTHROPIC, Raw(b"{}")),))))
    assert refusal.value.param == "messages[0].content[0]"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", "model"),
        (b"[]", None),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":[{"content":"x"}]}', "messages[0].role"),
        (b'{"model":"m","messages":[{"role":"king"}]}', "messages[0].role"),
        (b'{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}', "messages[0].content[0].text"),
        (b'{"model":"m","messages":[{"role":"user","content":[{"type":7}]}]}', "messages[0].content[0].type"),
        (b'{"model":"m","messages":[],"temperature":"hot"}', "temperature"),
        (b'{"model":"m","messages":[],"n":0}', "n"),
        (b'{"model":"m","messages":[],"tools":[{"type":"function"}]}', "tools[0].function"),
        (b'{"model":"m","messages":[],"tools":[{"type":"function","function":{}}]}', "tools[0].function.name"),
        (b'{"model":"m","messages":[],"tool_choice":"maybe"}', "tool_choice"),
        (b'{"model":"m","messages":[],"response_format":{"type":"xml"}}', "response_format.type"),
        (b'{"model":"m","messages":[{"role":"tool","content":"x"}]}', "messages[0].tool_call_id"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        OPENAI_CHAT.decode_request(body)
    assert refusal.value.param == param
    assert param is None or f"`{param}`" in refusal.value.message


def test_the_older_functions_become_tools_and_results_find_their_call() -> None:
    request = decode(
        functions=[{"name": "f", "parameters": {"type": "object"}}],
        messages=[
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "done"},
        ],
    )
    assert [tool.name for tool in request.tools if isinstance(tool, FunctionTool)] == ["f"]
    call, result = request.messages[0].parts[0], request.messages[1].parts[0]
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert call.id == result.call_id
    assert encode(structs.replace(request, dialect=Dialect.MISTRAL))[1] == []


def test_thinking_comes_back_signed_by_whom_it_was() -> None:
    message = decode_message(
        role="assistant",
        content="a",
        thinking_blocks=[{"type": "thinking", "thinking": "t", "signature": "s"}],
        reasoning_content="t",
    )
    assert message.parts == (Thinking("t", "s", dialect=Dialect.ANTHROPIC), Text("a"))
    message = decode_message(
        role="assistant",
        content="a",
        reasoning_details=[
            {"type": "reasoning.summary", "summary": "t", "format": "openai-responses-v1"},
            {"type": "reasoning.encrypted", "data": "e", "format": "openai-responses-v1", "id": "rs_1"},
        ],
    )
    assert message.parts[0] == Thinking("t", sealed="e", dialect=Dialect.OPENAI_RESPONSES, id="rs_1")
    assert decode_message(role="assistant", content="a", reasoning="t").parts[0] == Thinking("t")
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "g"}},
    }
    message = decode_message(role="assistant", content=None, tool_calls=[call])
    assert message.parts == (ToolCall("c", "f", "{}", signature="g"),)
    assert encode(foreign(message, dialect=Dialect.OPENAI_CHAT))[0]["messages"][0]["tool_calls"] == [call]
    assert "extra_content" not in encode(foreign(message))[0]["messages"][0]["tool_calls"][0]


def test_a_foreign_signature_is_never_sent() -> None:
    said = Message(Role.ASSISTANT, (Thinking("t", "s", dialect=Dialect.ANTHROPIC), Text("a")))
    written, changes = encode(foreign(ASKED, said, ASKED))
    assert written["messages"][1] == {"role": "assistant", "content": "a"}
    assert changes == ["messages[1]: dropped of thinking, which its maker alone can take back"]
    plain = Message(Role.ASSISTANT, (Thinking("t"), Text("a")))
    assert encode(foreign(ASKED, plain))[0]["messages"][1] == {
        "role": "assistant",
        "content": "a",
        "reasoning_content": "t",
    }
    assert encode(foreign(ASKED, plain), Target("m", thinking_field="reasoning"))[0]["messages"][1]["reasoning"] == "t"
    assert encode(foreign(ASKED, plain), Target("m", thinking_field=None))[1]


@pytest.mark.parametrize(
    ("fields", "expected", "changes"),
    [
        ({"max_tokens": 5}, {"max_completion_tokens": 5}, []),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}, []),
        ({"top_k": 5, "min_p": 0.1}, {}, ["top_k: dropped", "min_p: dropped"]),
        ({"stop": ("a",)}, {"stop": ["a"]}, []),
        ({"choices": 2}, {"n": 2}, []),
        ({"seed": -1}, {"seed": -1}, []),
        ({"reasoning": Reasoning(budget=3000)}, {"reasoning_effort": "low"}, ["thinking: converted to low"]),
        ({"reasoning": Reasoning(Effort.MAX)}, {"reasoning_effort": "xhigh"}, ["thinking: converted to xhigh"]),
        ({"reasoning": Reasoning(Effort.NONE)}, {}, ["thinking: converted to the model's own measure"]),
        ({"service_tier": "auto"}, {}, []),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}, ["service_tier: converted to default"]),
        ({"metadata": Raw(b'{"user_id":"u"}')}, {}, ["metadata: dropped it is kept in the log"]),
        ({"user": "u"}, {"user": "u"}, []),
        ({"extra": {"speed": Raw(b'"fast"'), "off": Raw(b"null")}}, {}, ["speed: dropped"]),
        (
            {"cache": CacheMark()},
            {},
            ["cache_control: converted to the provider's own caching"],
        ),
        ({"tool_choice": ToolChoice(ToolMode.REQUIRED)}, {}, ["tool_choice: dropped for lack of tools"]),
    ],
)
def test_a_foreign_field_is_written(fields: dict[str, Any], expected: dict[str, Any], changes: list[str]) -> None:
    written, told = encode(foreign(**fields))
    assert written == {"model": "gpt-x", "messages": [{"role": "user", "content": "?"}], **expected}
    assert told == changes


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (foreign(Message(Role.ASSISTANT, (Text("a"),), prefix=True)), "messages[0].prefix"),
        (foreign(Message(Role.USER, (Media(MediaKind.AUDIO, url="https://x/a.wav"),))), "messages[0].content[0]"),
        (foreign(Message(Role.USER, (Media(MediaKind.DOCUMENT, url="https://x/a.pdf"),))), "messages[0].content[0]"),
        (foreign(Message(Role.USER, (Media(MediaKind.DOCUMENT, file_id="f"),))), "messages[0].content[0]"),
        (
            foreign(Message(Role.USER, (Media(MediaKind.AUDIO, file_id="f"),)), dialect=Dialect.GEMINI),
            "contents[0].parts[0]",
        ),
        (foreign(tools=(NativeTool(Dialect.ANTHROPIC, "web_search", Raw(b"{}")),)), "tools[0]"),
        (foreign(dialect=Dialect.MISTRAL, extra={"guardrails": Raw(b"[{}]")}), "guardrails"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(request_: ChatRequest, param: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        encode(request_)
    assert refusal.value.param == param


def test_results_stand_alone_and_their_images_follow_them() -> None:
    image = Media(MediaKind.IMAGE, "image/png", data="iVBO")
    results = Message(
        Role.TOOL,
        (ToolResult("c1", (Text("seen"), image)), ToolResult("c2", (Text("broken"),), is_error=True)),
    )
    written, changes = encode(foreign(results, ASKED))
    assert written["messages"] == [
        {"role": "tool", "tool_call_id": "c1", "content": "seen"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: broken"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "The tool call c1 returned:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
            ],
        },
        {"role": "user", "content": "?"},
    ]
    assert changes == ["messages[0].content[0]: converted from a tool's result to a message after it"]


def test_a_document_of_text_becomes_text() -> None:
    document = Media(MediaKind.DOCUMENT, "text/plain", data="aGk=", name="a.txt")
    written, changes = encode(foreign(Message(Role.USER, (document,))))
    assert written["messages"][0]["content"] == "a.txt:\nhi"
    assert changes == ["messages[0].content[0]: converted from a document to its text"]


def test_a_choice_among_tools_becomes_those_tools_elsewhere() -> None:
    tools = (FunctionTool("f"), FunctionTool("g"))
    choice = ToolChoice(ToolMode.REQUIRED, ("g", "h"))
    written, changes = encode(foreign(tools=tools, tool_choice=choice, dialect=Dialect.GEMINI))
    assert [tool["function"]["name"] for tool in written["tools"]] == ["g"]
    assert written["tool_choice"] == "required"
    assert changes == ["toolConfig: converted to the chosen tools alone"]
    own, _ = encode(foreign(tools=tools, tool_choice=choice, dialect=Dialect.OPENAI_CHAT))
    assert own["tool_choice"]["allowed_tools"]["mode"] == "required"


def test_a_custom_tool_and_the_call_of_it_go_back() -> None:
    custom = {"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}}
    call = {"id": "1", "type": "custom", "custom": {"name": "c", "input": "free"}}
    request = decode(
        tools=[custom],
        tool_choice={"type": "custom", "custom": {"name": "c"}},
        messages=[{"role": "assistant", "content": None, "tool_calls": [call]}],
    )
    written, _ = encode(request)
    assert written["tools"] == [custom]
    assert written["tool_choice"] == {"type": "custom", "custom": {"name": "c"}}
    assert written["messages"][0]["tool_calls"] == [call]


def test_an_id_that_is_too_long_is_the_same_in_call_and_result() -> None:
    long = "x" * 50
    call = Message(Role.ASSISTANT, (ToolCall(long, "f", ""),))
    written, _ = encode(foreign(call, Message(Role.TOOL, (ToolResult(long, (Text("r"),)),))))
    sent = written["messages"][0]["tool_calls"][0]
    assert sent["id"] == written["messages"][1]["tool_call_id"]
    assert len(sent["id"]) <= 40
    assert sent["function"]["arguments"] == "{}"


def test_a_body_is_read_a_few_times_however_many_parts_and_tools_are_not_known() -> None:
    strange = [{"type": "strange", "n": number} for number in range(200)]
    messages = [{"role": "user", "content": strange}, {"role": "user", "content": strange}]
    body = json.dumps({"model": "m", "messages": messages, "tools": strange}).encode()
    assert calls_of(lambda: OPENAI_CHAT.decode_request(body))["decode"] < 20
    request = OPENAI_CHAT.decode_request(body)
    last = request.messages[1].parts[199]
    assert isinstance(last, NativePart)
    assert json.loads(bytes(last.raw)) == strange[199]
    assert isinstance(request.tools[7], NativeTool)
    assert json.loads(bytes(request.tools[7].raw)) == strange[7]


def test_results_that_name_only_the_tool_are_shared_out_among_its_calls() -> None:
    calls = [{"id": one, "function": {"name": "f"}} for one in ("a", "b")]
    results = [{"role": "tool", "name": "f", "content": one} for one in ("1", "2")]
    request = decode(messages=[{"role": "assistant", "tool_calls": calls}, *results])
    found = [part.call_id for message in request.messages[1:] for part in message.parts if isinstance(part, ToolResult)]
    assert found == ["a", "b"]
