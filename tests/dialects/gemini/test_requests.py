"""Requests of Google's clients as the canonical chat, and the canonical chat as requests for Gemini."""

import json
from typing import Any

import pytest
from msgspec import Raw, structs

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
from gantry.dialects.codec import Target
from gantry.dialects.gemini.codec import GEMINI
from gantry.dialects.tool_terms import mint_call_id

HI = Message(Role.USER, (Text("hi"),))
NATIVE = NativePart(Dialect.ANTHROPIC, Raw(b'{"type":"server_tool_use"}'))
UNSIGNED = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="


def decoded(**fields: Any) -> ChatRequest:
    return GEMINI.decode_request(json.dumps({"contents": [{"parts": [{"text": "hi"}]}], **fields}).encode())


def read_parts(*parts: dict[str, Any], role: str = "user") -> list[Part]:
    request = decoded(contents=[{"role": role, "parts": list(parts)}])
    return [part for message in request.messages for part in message.parts]


def asked(*messages: Message, dialect: Dialect = Dialect.OPENAI_CHAT, **fields: Any) -> ChatRequest:
    return ChatRequest(dialect=dialect, model="gpt", messages=messages or (HI,), **fields)


def encoded(request: ChatRequest, model: str = "gemini-2.5-flash") -> tuple[dict[str, Any], list[str]]:
    found = GEMINI.encode_request(request, Target(model))
    body: dict[str, Any] = json.loads(found.body)
    return body, [str(change) for change in found.changes]


def written_parts(*messages: Message, model: str = "gemini-2.5-flash", **fields: Any) -> list[list[dict[str, Any]]]:
    return [content["parts"] for content in encoded(asked(*messages, **fields), model)[0]["contents"]]


# Reading

BOTH_SPELLINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"maxOutputTokens": 5}, {"max_tokens": 5}),
    ({"max_output_tokens": 5}, {"max_tokens": 5}),
    ({"maxOutputTokens": "5"}, {"max_tokens": 5}),
    ({"temperature": 0}, {"temperature": 0.0}),
    ({"topP": 0.5, "topK": 40.0}, {"top_p": 0.5, "top_k": 40}),
    ({"top_p": 0.5, "top_k": 40}, {"top_p": 0.5, "top_k": 40}),
    ({"stopSequences": ["a"]}, {"stop": ("a",)}),
    ({"candidateCount": 2, "seed": 7}, {"choices": 2, "seed": 7}),
    ({"presencePenalty": 1, "frequency_penalty": 2}, {"presence_penalty": 1.0, "frequency_penalty": 2.0}),
    ({"responseLogprobs": True, "logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
    ({"temperature": None}, {}),
    ({"responseMimeType": "text/plain"}, {"format": AnswerFormat(FormatKind.TEXT)}),
    ({"responseMimeType": "application/json"}, {"format": AnswerFormat(FormatKind.JSON)}),
    ({"thinkingConfig": {"includeThoughts": True}}, {"reasoning": Reasoning(shown=True)}),
    ({"thinking_config": {"thinking_budget": 0}}, {"reasoning": Reasoning(budget=0)}),
    ({"thinkingConfig": {"thinkingLevel": "low"}}, {"reasoning": Reasoning(effort=Effort.LOW)}),
]


@pytest.mark.parametrize(("config", "wanted"), BOTH_SPELLINGS)
def test_a_configuration_is_read(config: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name in ("generationConfig", "generation_config"):
        assert decoded(**{name: config}) == structs.replace(decoded(), **wanted)


@pytest.mark.parametrize("name", ["responseSchema", "response_schema", "responseJsonSchema", "_responseJsonSchema"])
def test_a_schema_of_the_answer_is_read_in_all_its_fields(name: str) -> None:
    schema = {"type": "OBJECT" if "Json" not in name else "object", "properties": {"a": {"type": "string"}}}
    found = decoded(generationConfig={name: schema, "responseMimeType": "application/json"}).format
    assert found is not None
    assert found.kind is FormatKind.JSON_SCHEMA
    assert json.loads(bytes(found.schema or b"")) == {"type": "object", "properties": {"a": {"type": "string"}}}


def test_what_only_google_knows_keeps_its_path() -> None:
    request = decoded(
        safetySettings=[{"category": "C", "threshold": "T"}],
        cached_content="cachedContents/1",
        generationConfig={
            "speech_config": {"voice_config": 1},
            "thinkingConfig": {"thinkingBudget": -1},
            "responseMimeType": "text/x.enum",
            "responseSchema": {"type": "STRING", "enum": ["a"]},
        },
        toolConfig={"functionCallingConfig": {"mode": "VALIDATED"}, "retrievalConfig": {"languageCode": "de"}},
        model="models/other",
    )
    assert {name: json.loads(bytes(value)) for name, value in request.extra.items()} == {
        "safetySettings": [{"category": "C", "threshold": "T"}],
        "cachedContent": "cachedContents/1",
        "generationConfig.speechConfig": {"voice_config": 1},
        "generationConfig.thinkingConfig.thinkingBudget": -1,
        "generationConfig.responseMimeType": "text/x.enum",
        "generationConfig.responseSchema": {"type": "STRING", "enum": ["a"]},
        "toolConfig.functionCallingConfig.mode": "VALIDATED",
        "toolConfig.retrievalConfig": {"languageCode": "de"},
    }
    assert (request.model, request.stream, request.tool_choice) == ("", False, ToolChoice(ToolMode.AUTO))
    again = GEMINI.encode_request(request, Target("m"))
    assert again.changes == []
    assert GEMINI.decode_request(again.body) == request


PARTS: list[tuple[dict[str, Any], list[Part]]] = [
    ({"text": "a"}, [Text("a")]),
    ({"text": "a", "thought": False}, [Text("a")]),
    ({"text": "a", "thought": True}, [Thinking("a")]),
    (
        {"text": "a", "thought": True, "thoughtSignature": "c2ln"},
        [Thinking("a", signature="c2ln", dialect=Dialect.GEMINI)],
    ),
    ({"thought": True, "thought_signature": "c2ln"}, [Thinking("", signature="c2ln", dialect=Dialect.GEMINI)]),
    ({"text": "a", "thoughtSignature": "c2ln"}, [Thinking(sealed="c2ln", dialect=Dialect.GEMINI), Text("a")]),
    (
        {"inlineData": {"mimeType": "image/png", "data": "-_8="}},
        [Media(MediaKind.IMAGE, mime="image/png", data="+/8=")],
    ),
    (
        {"inline_data": {"mime_type": "audio/wav", "data": "aaaa"}, "thought_signature": "c2ln"},
        [Thinking(sealed="c2ln", dialect=Dialect.GEMINI), Media(MediaKind.AUDIO, mime="audio/wav", data="aaaa")],
    ),
    (
        {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://bucket/a.mp4"}},
        [Media(MediaKind.VIDEO, mime="video/mp4", file_id="gs://bucket/a.mp4")],
    ),
    (
        {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/a"}},
        [Media(MediaKind.DOCUMENT, file_id="https://generativelanguage.googleapis.com/v1beta/files/a")],
    ),
    (
        {"fileData": {"fileUri": "https://example.com/a.png"}, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}},
        [Media(MediaKind.IMAGE, url="https://example.com/a.png", detail="low")],
    ),
    (
        {"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}},
        [Media(MediaKind.VIDEO, url="https://www.youtube.com/watch?v=1")],
    ),
    (
        {"functionCall": {"name": "f", "args": {"a": 1}, "id": "1"}, "thoughtSignature": "c2ln"},
        [ToolCall("1", "f", '{"a": 1}', signature="c2ln")],
    ),
    ({"functionCall": {"name": "f", "args": {}}}, [ToolCall(mint_call_id("gemini/contents", 0), "f", "{}")]),
    (
        {"functionResponse": {"name": "f", "id": "1", "response": {"result": "x"}}},
        [ToolResult("1", (Text("x"),), name="f")],
    ),
    (
        {"functionResponse": {"name": "f", "id": "1", "response": {"error": "x"}}},
        [ToolResult("1", (Text("x"),), name="f", is_error=True)],
    ),
    (
        {"function_response": {"name": "f", "id": "1", "response": {"output": "x"}}},
        [ToolResult("1", (Text('{"output": "x"}'),), name="f")],
    ),
    ({"executableCode": {"code": "1"}}, [NativePart(Dialect.GEMINI, Raw(b'{"executableCode": {"code": "1"}}'))]),
    (
        {"text": "", "thoughtSignature": "c"},
        [NativePart(Dialect.GEMINI, Raw(b'{"text": "", "thoughtSignature": "c"}'))],
    ),
]


@pytest.mark.parametrize(("part", "wanted"), PARTS)
def test_a_part_is_read_and_written_again(part: dict[str, Any], wanted: list[Part]) -> None:
    assert read_parts(part) == wanted
    role = Role.TOOL if isinstance(wanted[0], ToolResult) else Role.ASSISTANT
    (again,) = written_parts(Message(role, tuple(wanted)), dialect=Dialect.GEMINI)
    assert read_parts(*again) == wanted
    assert len(again) == 1


def test_results_come_first_and_find_their_calls_in_order() -> None:
    contents = [
        {"role": "model", "parts": [{"functionCall": {"name": name}} for name in ("f", "g", "f")]},
        {
            "role": "function",
            "parts": [
                {"text": "and then?"},
                *({"functionResponse": {"name": name, "response": {"result": name}}} for name in ("g", "f", "f")),
            ],
        },
    ]
    calls, results, said = decoded(contents=contents).messages
    first, second, third = (part.id for part in calls.parts if isinstance(part, ToolCall))
    answered = [part.call_id for part in results.parts if isinstance(part, ToolResult)]
    assert (answered, len({first, second, third})) == ([second, first, third], 3)
    assert (results.role, said) == (Role.TOOL, Message(Role.USER, (Text("and then?"),)))


def test_ids_that_were_minted_do_not_go_back() -> None:
    contents = [
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "x"}}}]},
    ]
    assert encoded(decoded(contents=contents))[0]["contents"] == contents


@pytest.mark.parametrize(
    "system", ["be brief", {"parts": [{"text": "be brief"}]}, {"role": "user", "parts": {"text": "be brief"}}]
)
def test_a_system_instruction_is_read_in_all_its_forms(system: Any) -> None:
    for name in ("systemInstruction", "system_instruction"):
        request = decoded(**{name: system})
        assert request.messages == (Message(Role.SYSTEM, (Text("be brief"),)), HI)


def test_tools_are_read() -> None:
    request = decoded(
        tools=[
            {"functionDeclarations": [{"name": "f", "description": "d", "parameters": {"type": "OBJECT"}}]},
            {
                "google_search": {},
                "function_declarations": [{"name": "g", "parameters_json_schema": {"type": "object"}}],
            },
            {"codeExecution": {}},
        ],
        tool_config={"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}},
    )
    schema = Raw(b'{"type":"object"}')
    assert request.tools[0] == FunctionTool("f", "d", schema)
    natives = [(tool.kind, bytes(tool.raw)) for tool in request.tools if isinstance(tool, NativeTool)]
    assert natives == [("googleSearch", b'{"googleSearch":{}}'), ("codeExecution", b'{"codeExecution":{}}')]
    assert request.tool_choice == ToolChoice(ToolMode.REQUIRED, ("f",))


REFUSED_READING: list[tuple[dict[str, Any], str]] = [
    ({"contents": "hi"}, "contents"),
    ({"contents": [{"role": "robot", "parts": []}]}, "contents[0].role"),
    ({"contents": [{"parts": [{"text": 1}]}]}, "contents[0].parts[0].text"),
    ({"contents": [{"parts": [{"inlineData": {"mimeType": "a/b"}}]}]}, "contents[0].parts[0].inlineData.data"),
    ({"contents": [{"parts": [{"functionCall": {}}]}]}, "contents[0].parts[0].functionCall.name"),
    (
        {"contents": [{"parts": [{"functionCall": {"name": "f", "args": "x"}}]}]},
        "contents[0].parts[0].functionCall.args",
    ),
    ({"generationConfig": {"topK": 1.5}}, "generationConfig.topK"),
    ({"generationConfig": {"temperature": "NaN"}}, "generationConfig.temperature"),
    ({"generationConfig": {"topP": "-Infinity"}}, "generationConfig.topP"),
    ({"generationConfig": {"stopSequences": "a"}}, "generationConfig.stopSequences"),
    ({"generationConfig": {"candidateCount": 0}}, "generationConfig.candidateCount"),
    ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
    ({"toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}, "toolConfig.functionCallingConfig.mode"),
]


@pytest.mark.parametrize(("fields", "param"), REFUSED_READING)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decoded(**fields)
    assert refused.value.param == param


def test_a_body_that_is_none_is_refused() -> None:
    for body in (b"", b"[]", b"{", b"null"):
        with pytest.raises(InvalidRequest):
            GEMINI.decode_request(body)


# Writing

KNOBS: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    (
        {"max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 3},
        {"maxOutputTokens": 5, "temperature": 0.5, "topP": 0.9, "topK": 3},
        [],
    ),
    ({"stop": ("a",), "seed": 5, "choices": 2}, {"stopSequences": ["a"], "seed": 5, "candidateCount": 2}, []),
    ({"presence_penalty": 1.0, "frequency_penalty": 2.0}, {"presencePenalty": 1.0, "frequencyPenalty": 2.0}, []),
    ({"logprobs": True, "top_logprobs": 4}, {"responseLogprobs": True, "logprobs": 4}, []),
    ({"seed": 1 << 40 | 5}, {"seed": 5}, ["seed: converted to 5, for Gemini's has 32 bits"]),
    ({"format": AnswerFormat(FormatKind.TEXT)}, {}, []),
    ({"format": AnswerFormat(FormatKind.JSON)}, {"responseMimeType": "application/json"}, []),
    (
        {"format": AnswerFormat(FormatKind.JSON_SCHEMA, Raw(b'{"type":"object"}'), "n", strict=True)},
        {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
        [],
    ),
    (
        {"reasoning": Reasoning(budget=2000, shown=True)},
        {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 2000}},
        [],
    ),
    (
        {"reasoning": Reasoning(effort=Effort.LOW)},
        {"thinkingConfig": {"thinkingBudget": 2048}},
        ["reasoning_effort: converted low to a budget of 2048 tokens"],
    ),
    (
        {"reasoning": Reasoning(effort=Effort.NONE)},
        {"thinkingConfig": {"thinkingBudget": 0}},
        ["reasoning_effort: converted none to a budget of 0 tokens"],
    ),
    (
        {"reasoning": Reasoning(budget=90_000)},
        {"thinkingConfig": {"thinkingBudget": 24_576}},
        ["reasoning_effort: clamped to 24576"],
    ),
    ({"min_p": 0.1}, {}, ["min_p: dropped"]),
    ({"user": "u", "cache_key": "k"}, {}, ["user: dropped", "prompt_cache_key: dropped"]),
    ({"metadata": Raw(b"{}")}, {}, []),
    ({"extra": {"logit_bias": Raw(b'{"1":2}'), "store": Raw(b"false")}}, {}, ["logit_bias: dropped"]),
    ({"service_tier": "auto"}, {}, []),
    ({"service_tier": "scale"}, {}, ["service_tier: dropped Gemini has none that is called scale"]),
    ({"cache": CacheMark()}, {}, ["cache_control: dropped Gemini caches by itself what it has read before"]),
]


@pytest.mark.parametrize(("fields", "config", "changes"), KNOBS)
def test_a_knob_is_written(fields: dict[str, Any], config: dict[str, Any], changes: list[str]) -> None:
    body, found = encoded(asked(**fields))
    assert (body.get("generationConfig", {}), found) == (config, changes)
    assert set(body) <= {"contents", "generationConfig"}


def test_models_from_three_on_take_levels() -> None:
    for effort, level, changes in (
        (Effort.LOW, "LOW", []),
        (Effort.HIGH, "HIGH", []),
        (Effort.NONE, "MINIMAL", ["reasoning_effort: converted none to minimal"]),
        (Effort.MAX, "HIGH", ["reasoning_effort: converted max to high"]),
    ):
        body, found = encoded(asked(reasoning=Reasoning(effort=effort)), "models/gemini-3.5-flash")
        assert (body["generationConfig"], found) == ({"thinkingConfig": {"thinkingLevel": level}}, changes)


def test_a_tier_has_googles_name() -> None:
    assert encoded(asked(service_tier="default"))[0]["serviceTier"] == "standard"
    assert decoded(serviceTier="standard").service_tier == "default"
    assert encoded(decoded(serviceTier="standard"))[0]["serviceTier"] == "standard"


def test_a_field_has_the_name_that_its_caller_gave_it() -> None:
    body = asked(HI, Message(Role.ASSISTANT, (NATIVE, Text("x"))), dialect=Dialect.ANTHROPIC, cache_key="k")
    changes = encoded(structs.replace(body, reasoning=Reasoning(effort=Effort.LOW)))[1]
    assert [change.partition(":")[0] for change in changes] == ["messages[1].content[0]", "thinking", "cache_key"]


def test_sealed_thinking_with_its_text_is_a_thought_and_a_signature_on_what_follows() -> None:
    thinking = Thinking("hm", sealed="c2ln", dialect=Dialect.GEMINI)
    (parts,) = written_parts(Message(Role.ASSISTANT, (thinking, Text("so"))))
    assert parts == [{"text": "hm", "thought": True}, {"text": "so", "thoughtSignature": "c2ln"}]


def test_neighbours_of_one_role_are_one_content() -> None:
    call, other = ToolCall("1", "f", '{"a":1}'), ToolCall("2", "g", "")
    body, changes = encoded(
        asked(
            Message(Role.SYSTEM, (Text("s"),)),
            HI,
            Message(Role.ASSISTANT, (Text("let me see"), call, other)),
            Message(Role.TOOL, (ToolResult("1", (Text("one"),)),)),
            Message(Role.TOOL, (ToolResult("2", (Text('{"two": 2}'),), is_error=False),)),
            Message(Role.USER, (Text("go on"),)),
        )
    )
    assert body == {
        "systemInstruction": {"parts": [{"text": "s"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}]},
            {
                "role": "model",
                "parts": [
                    {"text": "let me see"},
                    {"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}, "thoughtSignature": UNSIGNED},
                    {"functionCall": {"id": "2", "name": "g", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "1", "name": "f", "response": {"result": "one"}}},
                    {"functionResponse": {"id": "2", "name": "g", "response": {"two": 2}}},
                    {"text": "go on"},
                ],
            },
        ],
    }
    assert changes == []


def test_a_signature_of_geminis_goes_back_and_no_other_does() -> None:
    foreign = Thinking("hm", signature="theirs", dialect=Dialect.ANTHROPIC)
    sealed = Thinking(sealed="theirs", dialect=Dialect.ANTHROPIC)
    signed = ToolCall("1", "f", "{}", signature="b3Vycw==")
    body, changes = encoded(asked(HI, Message(Role.ASSISTANT, (foreign, sealed, signed))))
    assert body["contents"][1]["parts"] == [
        {"text": "hm", "thought": True},
        {"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": "b3Vycw=="},
    ]
    assert changes == ["messages[1].content[1]: dropped thinking that only anthropic can read"]


@pytest.mark.parametrize(
    ("part", "wanted", "changes"),
    [
        (
            Media(MediaKind.IMAGE, mime="image/png", data="aa"),
            {"inlineData": {"mimeType": "image/png", "data": "aa"}},
            0,
        ),
        (
            Media(MediaKind.IMAGE, url="data:image/gif;base64,aa"),
            {"inlineData": {"mimeType": "image/gif", "data": "aa"}},
            0,
        ),
        (
            Media(MediaKind.IMAGE, url="https://e.com/a.png"),
            {"fileData": {"mimeType": "image/png", "fileUri": "https://e.com/a.png"}},
            0,
        ),
        (
            Media(MediaKind.IMAGE, url="https://e.com/a"),
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://e.com/a"}},
            1,
        ),
        (
            Media(MediaKind.DOCUMENT, data="aa", name="a.pdf"),
            {"inlineData": {"mimeType": "application/pdf", "data": "aa"}},
            0,
        ),
        (
            Media(MediaKind.IMAGE, mime="image/png", data="aa", detail="high"),
            {"inlineData": {"mimeType": "image/png", "data": "aa"}},
            1,
        ),
        (Refusal("no"), {"text": "no"}, 0),
    ],
)
def test_a_foreign_part_is_written(part: Part, wanted: dict[str, Any], changes: int) -> None:
    body, found = encoded(asked(Message(Role.USER, (part,))))
    assert (body["contents"][0]["parts"], len(found)) == ([wanted], changes)


def test_pictures_in_a_result_stand_where_the_model_takes_them() -> None:
    picture = Media(MediaKind.IMAGE, mime="image/png", data="aa")
    result = ToolResult("1", (Text("see"), picture), name="f")
    inline = {"inlineData": {"mimeType": "image/png", "data": "aa"}}
    response = {"id": "1", "name": "f", "response": {"result": "see"}}
    for model, wanted in (
        ("gemini-2.5-pro", [{"functionResponse": response}, inline]),
        ("gemini-3-pro", [{"functionResponse": {**response, "parts": [inline]}}]),
    ):
        assert written_parts(Message(Role.TOOL, (result,)), model=model) == [wanted]


CHOICES: list[tuple[ToolChoice | None, bool, dict[str, Any] | None]] = [
    (None, False, None),
    (None, True, {"mode": "VALIDATED"}),
    (ToolChoice(ToolMode.AUTO), False, {"mode": "AUTO"}),
    (ToolChoice(ToolMode.AUTO), True, {"mode": "VALIDATED"}),
    (ToolChoice(ToolMode.NONE), True, {"mode": "NONE"}),
    (ToolChoice(ToolMode.REQUIRED), False, {"mode": "ANY"}),
    (ToolChoice(ToolMode.REQUIRED, ("f",)), False, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    (ToolChoice(ToolMode.AUTO, ("f",)), False, {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
]


@pytest.mark.parametrize(("choice", "strict", "wanted"), CHOICES)
def test_a_choice_is_written(choice: ToolChoice | None, strict: bool, wanted: dict[str, Any] | None) -> None:
    tool = FunctionTool("f", "d", Raw(b'{"type":"object"}'), strict=strict)
    body, _ = encoded(asked(tools=(tool,), tool_choice=choice))
    assert body["tools"] == [
        {"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}]}
    ]
    assert body.get("toolConfig") == (None if wanted is None else {"functionCallingConfig": wanted})


def test_one_call_at_a_time_cannot_be_asked() -> None:
    tool = FunctionTool("f")
    assert encoded(asked(tools=(tool,), parallel_tool_calls=True))[1] == []
    (change,) = encoded(asked(tools=(tool,), parallel_tool_calls=False))[1]
    assert change.startswith("parallel_tool_calls: dropped")


def test_a_later_system_turn_joins_the_first() -> None:
    body, changes = encoded(asked(Message(Role.SYSTEM, (Text("a"),)), HI, Message(Role.SYSTEM, (Text("b"),))))
    assert body["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}]}
    assert changes == ["messages[2]: converted to a part of the system instruction at the beginning"]


def test_a_system_turn_alone_is_asked_as_the_users() -> None:
    body, changes = encoded(asked(Message(Role.SYSTEM, (Text("a"),))))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "a"}]}]}
    assert len(changes) == 1


REFUSED_WRITING: list[tuple[ChatRequest, str]] = [
    (asked(Message(Role.USER, (Text(""),))), "messages"),
    (asked(Message(Role.USER, (NATIVE,))), "messages[0].content[0]"),
    (asked(Message(Role.USER, (Media(MediaKind.IMAGE, file_id="file-1"),))), "messages[0].content[0]"),
    (asked(Message(Role.TOOL, (ToolResult("1", (Text("x"),)),))), "messages[0].content[0]"),
    (asked(tools=(NativeTool(Dialect.OPENAI_RESPONSES, "web_search", Raw(b"{}")),)), "tools[0]"),
    (asked(stop=("a", "b", "c", "d", "e", "f")), "stop"),
]


@pytest.mark.parametrize(("request_", "param"), REFUSED_WRITING)
def test_what_cannot_be_said_and_would_be_missed_is_refused(request_: ChatRequest, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        GEMINI.encode_request(request_, Target("m"))
    assert refused.value.param == param


def test_what_another_provider_did_itself_is_left_out_of_its_turn() -> None:
    body, changes = encoded(asked(HI, Message(Role.ASSISTANT, (NATIVE, Text("done")))))
    assert body["contents"][1]["parts"] == [{"text": "done"}]
    assert changes == ["messages[1].content[0]: dropped what anthropic did itself"]
