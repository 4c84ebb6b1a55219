"""An OpenAI request on its way to Mistral: what stays, what changes, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from gantry.core.errors import InvalidRequest
from gantry.dialects.mistral_request import MistralRequest, to_mistral

USER = {"role": "user", "content": "hi"}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}


def adapt(messages: list[Any] | None = None, **fields: Any) -> MistralRequest:
    return to_mistral(
        json.dumps({"model": "m", "messages": [USER] if messages is None else messages, **fields}).encode()
    )


def adapted(messages: list[Any] | None = None, **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(adapt(messages, **fields).body)
    return body


def messages_of(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = adapted(list(messages))["messages"]
    return found


def call(call_id: str | None, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    identity = {} if call_id is None else {"id": call_id}
    return {**identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {**TOOL["function"], "name": name}}


def allowed(mode: str, *names: str) -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


PREDICTION = {"prediction": {"type": "content", "content": "a"}}
FIELDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"max_tokens": 5}, {"max_tokens": 5}),
    ({"max_completion_tokens": 7}, {"max_tokens": 7}),
    ({"max_completion_tokens": 7, "max_tokens": 5}, {"max_tokens": 7}),
    ({"max_tokens": 5, "max_completion_tokens": None}, {"max_tokens": 5}),
    ({"seed": 42}, {"random_seed": 42}),
    ({"seed": -1}, {"random_seed": 1}),
    ({"temperature": 1.0}, {"temperature": 1.0}),
    ({"temperature": 2}, {"temperature": 1.5}),
    ({"temperature": None}, {}),
    ({"top_p": 0}, {"top_p": 0.0001}),
    ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
    ({"user": "u", "store": True, "logit_bias": {}, "verbosity": "low"}, {}),
    ({"n": 2, "stop": ["a"], "metadata": {"a": 1}}, {"n": 2, "stop": ["a"], "metadata": {"a": 1}}),
    ({"service_tier": "priority"}, {"service_tier": "auto"}),
    ({"service_tier": "flex"}, {"service_tier": "standard_only"}),
    ({"modalities": ["text"]}, {}),
    ({"tools": []}, {}),
    ({"tools": [], "tool_choice": "auto", "parallel_tool_calls": True}, {}),
    ({"tools": [TOOL], "tool_choice": "required"}, {"tools": [TOOL], "tool_choice": "required"}),
    (
        {"tools": [TOOL, named("g")], "tool_choice": allowed("required", "g")},
        {"tools": [named("g")], "tool_choice": "required"},
    ),
    ({"tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}]}, {"tools": [TOOL]}),
    ({"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
    ({"prediction": {"type": "content", "content": [{"type": "text", "text": "a"}]}}, PREDICTION),
    ({"prediction": {"type": "content", "content": "a"}}, PREDICTION),
    ({"logprobs": True, "top_logprobs": 3, "top_k": 5}, {"top_k": 5}),
    ({"stop": None, "n": None, "tools": None}, {}),
    ({"tools": [TOOL], "parallel_tool_calls": False}, {"tools": [TOOL], "parallel_tool_calls": False}),
    (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {
            "tools": [
                {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
            ]
        },
    ),
    (
        {"functions": [TOOL["function"]], "function_call": {"name": "f"}},
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
    ),
    (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {}, "strict": None, "extra": 1},
            }
        },
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}},
    ),
    ({"safe_prompt": True, "a_field_of_tomorrow": {"x": 1}}, {"safe_prompt": True}),
]


@pytest.mark.parametrize(("given", "expected"), FIELDS)
def test_each_field(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert adapted(**given) == {"model": "m", "messages": [USER], **expected}


def test_what_is_the_same_keeps_its_bytes() -> None:
    body = (
        b'{"model":"m", "temperature":1.00,"random_seed":12345678901234567890123,'
        b'"messages":[{"role":"user","content":"\\u00e9"}]}'
    )
    assert to_mistral(body).body is body


@pytest.mark.parametrize(
    ("options", "wanted"), [({"include_usage": True}, True), ({"include_usage": False}, False), (None, False)]
)
def test_remembers_whether_usage_was_asked_for(options: Any, wanted: bool) -> None:
    assert adapt(stream=True, stream_options=options).include_usage is wanted


CHANGES: list[tuple[dict[str, Any], list[str]]] = [
    ({"max_completion_tokens": 7}, ["max_completion_tokens: renamed to max_tokens"]),
    (
        {"max_tokens": 1, "max_completion_tokens": 7},
        ["max_tokens: dropped in favour of max_completion_tokens", "max_completion_tokens: renamed to max_tokens"],
    ),
    ({"seed": 4}, ["seed: renamed to random_seed"]),
    ({"seed": -4}, ["seed: converted to 4, Mistral takes none below 0", "seed: renamed to random_seed"]),
    ({"temperature": 2}, ["temperature: clamped to 1.5"]),
    ({"top_p": 0}, ["top_p: clamped to 0.0001"]),
    ({"user": "u"}, ["user: dropped"]),
    ({"user": "", "store": False, "logprobs": False, "logit_bias": {}, "modalities": ["text"]}, []),
    ({"stream": True, "stream_options": {"include_usage": True}}, []),
    ({"service_tier": "flex"}, ["service_tier: converted to standard_only"]),
    ({"service_tier": "auto"}, []),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, ["tools[0].function.parameters: defaulted"]),
    ({"tools": [{**TOOL, "x": 1}]}, ["tools[0].x: dropped"]),
    ({"functions": [TOOL["function"]]}, ["functions: converted to tools"]),
    (
        {"tools": [TOOL], "tool_choice": allowed("auto", "f")},
        ["tool_choice: converted to auto among the allowed tools"],
    ),
    ({"tool_choice": "required"}, ["tool_choice: dropped for lack of tools"]),
    ({"tool_choice": "none", "parallel_tool_calls": True}, []),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "x": 1}}},
        ["response_format.json_schema.x: dropped"],
    ),
    ({"prediction": {"content": [{"text": "a"}]}}, ["prediction.content: converted to one string"]),
    ({"messages": [{**USER, "name": "bob"}]}, ["messages[0].name: dropped"]),
    ({"messages": [{"role": "developer", "content": "x"}, USER]}, ["messages[0].role: converted to system"]),
    ({"messages": [USER, {"role": "assistant", "content": "x"}]}, ["messages[1].prefix: defaulted to true"]),
    (
        {"messages": [{"role": "assistant", "content": ""}, USER]},
        ["messages[0]: dropped an answer that says nothing"],
    ),
    (
        {"messages": [USER, {"role": "assistant", "content": "x"}, {"role": "system", "content": "y"}, USER]},
        ["messages[2]: converted to a leading system message"],
    ),
    (
        {"messages": [USER, {"role": "assistant", "content": "x", "reasoning_content": "hm"}, USER]},
        ["messages[1].reasoning_content: dropped for a model that takes no thoughts back"],
    ),
    (
        {
            "messages": [
                {"role": "assistant", "tool_calls": [call("call_1"), call("call_2")]},
                {"role": "tool", "tool_call_id": "call_1", "content": "x"},
            ]
        },
        ["messages[].tool_calls[].id: converted to nine letters and digits"],
    ),
]


@pytest.mark.parametrize(("given", "expected"), CHANGES)
def test_every_change_is_reported_in_one_form(given: dict[str, Any], expected: list[str]) -> None:
    assert [str(change) for change in adapt(**given).changes] == expected


def test_developer_and_function_are_roles_of_old() -> None:
    found = messages_of(
        {"role": "developer", "content": "be brief"},
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
    )
    assert [message["role"] for message in found] == ["system", "user", "assistant", "tool"]
    assert found[3]["tool_call_id"] == found[2]["tool_calls"][0]["id"]
    assert found[3]["name"] == "f"


def test_tool_ids_become_nine_characters_and_still_meet() -> None:
    found = messages_of(
        USER,
        {"role": "assistant", "content": "", "tool_calls": [call("call_abcdefghijklmno"), call("abcDEF123")]},
        {"role": "tool", "tool_call_id": "abcDEF123", "content": "2"},
        {"role": "tool", "tool_call_id": "call_abcdefghijklmno", "content": "1"},
        USER,
    )
    ids = [one["id"] for one in found[1]["tool_calls"]]
    assert ids[1] == "abcDEF123"
    assert all(len(one) == 9 and one.isalnum() for one in ids)
    assert [message["tool_call_id"] for message in found[2:4]] == [ids[1], ids[0]]


@pytest.mark.parametrize("missing", [None, "", "null"])
def test_missing_tool_ids_meet_in_order(missing: str | None) -> None:
    found = messages_of(
        USER,
        {"role": "assistant", "content": "", "tool_calls": [call(missing), call(missing)]},
        {"role": "tool", "tool_call_id": missing, "content": "1"},
        {"role": "tool", "tool_call_id": missing, "content": "2"},
        USER,
    )
    ids = [one["id"] for one in found[1]["tool_calls"]]
    assert len(set(ids)) == 2
    assert [message["tool_call_id"] for message in found[2:4]] == ids


def test_what_the_sdk_read_out_of_an_answer_stays_here() -> None:
    function = {"name": "f", "arguments": "{}", "parsed_arguments": None}
    answer = {"role": "assistant", "parsed": {"a": 1}, "tool_calls": [{**call("abcDEF123"), "function": function}]}
    told = adapt([USER, answer, {"role": "tool", "tool_call_id": "abcDEF123", "content": "1"}])
    found = json.loads(told.body)["messages"][1]
    assert (told.changes, found) == ([], {"role": "assistant", "tool_calls": [call("abcDEF123")]})
    other = {**call("abcDEF123"), "function": {"name": "f", "arguments": "{}", "mood": "high"}}
    reported = adapt([USER, {**answer, "tool_calls": [other]}, USER]).changes
    assert [str(change) for change in reported] == ["messages[1].tool_calls[0].function.mood: dropped"]


def test_tool_ids_are_the_same_in_every_turn() -> None:
    turn = [
        USER,
        {"role": "assistant", "content": "", "tool_calls": [call("call_1")]},
        {"role": "tool", "tool_call_id": "call_1", "content": "1"},
    ]
    first = adapted(turn)["messages"]
    assert adapted([*turn, {"role": "assistant", "content": "ok"}, USER])["messages"][:3] == first


def test_a_late_system_message_moves_to_the_front() -> None:
    found = messages_of(
        {"role": "system", "content": "a"},
        USER,
        {"role": "assistant", "content": "x"},
        {"role": "system", "content": "b"},
        USER,
    )
    assert [message["content"] for message in found] == ["a", "b", "hi", "x", "hi"]


def test_a_system_message_before_any_answer_stays() -> None:
    found = messages_of(USER, {"role": "system", "content": "b"}, USER)
    assert [message["role"] for message in found] == ["user", "system", "user"]


def test_an_empty_assistant_message_is_dropped() -> None:
    assert messages_of(USER, {"role": "assistant", "content": None, "tool_calls": []}, USER) == [USER, USER]


def test_a_last_assistant_message_is_the_prefix() -> None:
    assert messages_of(USER, {"role": "assistant", "content": "Once"})[1] == {
        "role": "assistant",
        "content": "Once",
        "prefix": True,
    }


def test_what_an_assistant_said_beside_its_content_is_dropped() -> None:
    found = messages_of(
        USER, {"role": "assistant", "content": "x", "refusal": None, "reasoning_content": "hm", "annotations": []}, USER
    )
    assert found[1] == {"role": "assistant", "content": "x"}


FILE_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
PARTS: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    ({"type": "text", "text": "a"}, {"type": "text", "text": "a"}),
    ({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "a"}),
    ({"type": "image_url", "image_url": {"url": "u"}}, {"type": "image_url", "image_url": {"url": "u"}}),
    ({"type": "image_url", "image_url": "u"}, {"type": "image_url", "image_url": "u"}),
    (
        {"type": "image_url", "image_url": {"url": "u", "detail": "original"}},
        {"type": "image_url", "image_url": {"url": "u", "detail": "auto"}},
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}},
        {"type": "input_audio", "input_audio": "QQ=="},
    ),
    ({"type": "input_audio", "input_audio": "QQ=="}, {"type": "input_audio", "input_audio": "QQ=="}),
    (
        {"type": "file", "file": {"file_data": "data:x", "filename": "a.pdf"}},
        {"type": "document_url", "document_url": "data:x", "document_name": "a.pdf"},
    ),
    ({"type": "file", "file": {"file_id": FILE_ID}}, {"type": "file", "file_id": FILE_ID}),
    ({"type": "refusal", "refusal": "no"}, None),
    ({"type": "document_url", "document_url": "u"}, {"type": "document_url", "document_url": "u"}),
]


@pytest.mark.parametrize(("part", "expected"), PARTS)
def test_each_content_part(part: dict[str, Any], expected: dict[str, Any] | None) -> None:
    assert messages_of({"role": "user", "content": [part]})[0]["content"] == ([] if expected is None else [expected])


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"audio": {"voice": "alloy"}}, "audio"),
    ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0]"),
    ({"tools": 7}, "tools"),
    ({"tool_choice": {"type": "custom", "custom": {}}, "tools": [TOOL]}, "tool_choice"),
    ({"tool_choice": "sometimes", "tools": [TOOL]}, "tool_choice"),
    ({"web_search_options": {"search_context_size": "low"}}, "web_search_options"),
    ({"moderation": {"model": "omni"}}, "moderation"),
    ({"prediction": {"content": 7}}, "prediction.content"),
    (
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-abc"}}]}]},
        "messages[0].content[0].file.file_id",
    ),
    ({"temperature": "hot"}, "temperature"),
    ({"response_format": "json"}, "response_format"),
    ({"messages": "hi"}, "messages"),
    ({"messages": [{"role": "narrator", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
    ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages[0].content[0].file"),
    ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "type": "custom", "custom": {}}]}]},
        "messages[0].tool_calls[0]",
    ),
]


@pytest.mark.parametrize(("fields", "param"), REFUSED)
def test_what_mistral_cannot_do_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        adapt(**fields)
    assert raised.value.param == param
    assert f"`{param}" in raised.value.message


@pytest.mark.parametrize("body", [b'{"model":"m"}', b'{"model":"m","messages":null}'])
def test_a_request_without_messages_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="`messages`"):
        to_mistral(body)


MISTRAL_FIELDS = set(
    """
    model messages temperature top_p max_tokens min_tokens stream stop random_seed metadata response_format tools
    tool_choice parallel_tool_calls presence_penalty frequency_penalty repetition_penalty top_k n prediction
    reasoning_effort prompt_mode guardrails prompt_cache_key service_tier safe_prompt prompt_logprobs
    top_prompt_logprobs
    """.split()
)


def test_every_recorded_openai_request_is_adapted_or_refused_by_name(shared: Path) -> None:
    count = 0
    for path in (shared / "recordings").glob("*/openai_chat/*.json"):
        body = json.loads(path.read_bytes())["request"].get("body")
        if not isinstance(body, dict):
            continue
        count += 1
        request = adapt_or_refuse(body)
        if isinstance(request, InvalidRequest):
            assert request.param, path
            continue
        found = json.loads(request.body)
        assert found.keys() <= MISTRAL_FIELDS, path
        assert not {"max_completion_tokens", "seed", "stream_options", "functions", "store"} & found.keys(), path
        asked = [one["id"] for message in found["messages"] for one in message.get("tool_calls", ())]
        assert all(len(one) == 9 and one.isalnum() for one in asked), path
        answered = [message["tool_call_id"] for message in found["messages"] if message["role"] == "tool"]
        assert set(answered) <= set(asked), path
    assert count > 300


def adapt_or_refuse(body: dict[str, Any]) -> MistralRequest | InvalidRequest:
    try:
        return to_mistral(json.dumps(body).encode())
    except InvalidRequest as error:
        return error
