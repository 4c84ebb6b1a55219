"""What Mistral refuses, and how it says so."""

from typing import Any

import msgspec
import pytest

from gantry.simulator.mistral.agents import PRESET
from tests.simulator.test_operations import OCR, QUESTION, TEXT, Bench

CHAT, AGENTS, FIM = "/v1/chat/completions", "/v1/agents/completions", "/v1/fim/completions"
USER, SYSTEM = {"role": "user", "content": "u"}, {"role": "system", "content": "s"}
ASSISTANT = {"role": "assistant", "content": "a"}
FUNCTION = {"name": "f", "arguments": "{}"}
CALLS = {"role": "assistant", "tool_calls": [{"id": "abcdefghi", "function": FUNCTION}]}
ODD = {"role": "assistant", "tool_calls": [{"id": "call_1", "function": FUNCTION}]}
BOTH = {**CALLS, "content": "a"}
RESULT = {"role": "tool", "content": "r", "tool_call_id": "abcdefghi"}
STRANGE = {**RESULT, "tool_call_id": "zzzzzzzzz"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
OLD = "open-mistral-nemo"
DOCUMENT = {"type": "document_url", "document_url": "u"}
GUARD = {"moderation_llm_v2": {"action": "block"}}
THREAT = [{"role": "user", "content": "violence"}]


def chat(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": TEXT, "messages": list(messages or QUESTION), **fields}


@pytest.mark.parametrize(
    ("path", "body", "kind", "where"),
    [
        (CHAT, chat(stream_options={}), "extra_forbidden", ["stream_options"]),
        (CHAT, chat(seed=1), "extra_forbidden", ["seed"]),
        (CHAT, chat({**USER, "name": "n"}), "extra_forbidden", ["messages", 0, "user", "name"]),
        (
            CHAT,
            chat(USER, {**ASSISTANT, "reasoning_content": "x"}, USER),
            "extra_forbidden",
            ["messages", 1, "assistant", "reasoning_content"],
        ),
        (
            CHAT,
            chat({"role": "user", "content": [{"type": "text", "text": "t", "cache_control": {}}]}),
            "extra_forbidden",
            ["messages", 0, "user", "content", 0, "cache_control"],
        ),
        (CHAT, chat(tools=[{**TOOL, "x": 1}]), "extra_forbidden", ["tools", 0, "x"]),
        (CHAT, chat({"role": "developer", "content": "x"}), "union_tag_invalid", ["messages", 0]),
        (CHAT, chat(temperature=1.51), "less_than_equal", ["temperature"]),
        (CHAT, chat(top_p=1.1), "less_than_equal", ["top_p"]),
        (CHAT, chat(random_seed=-1), "greater_than_equal", ["random_seed"]),
        (CHAT, chat(reasoning_effort="loads"), "literal_error", ["reasoning_effort"]),
        (CHAT, chat(service_tier="flex"), "literal_error", ["service_tier"]),
        (AGENTS, {"agent_id": PRESET, "messages": QUESTION, "temperature": 1}, "extra_forbidden", ["temperature"]),
        (FIM, {"model": "codestral-latest", "prompt": "p", "n": 2}, "extra_forbidden", ["n"]),
        (
            "/v1/embeddings",
            {"model": "mistral-embed", "input": "a", "dimensions": 8},
            "extra_forbidden",
            ["dimensions"],
        ),
        ("/v1/moderations", {"model": "mistral-moderation-latest", "input": "a", "x": 1}, "extra_forbidden", ["x"]),
        ("/v1/chat/moderations", {"model": "mistral-moderation-latest"}, "missing", ["input"]),
        ("/v1/classifications", {"model": "ft:a", "input": "a", "x": 1}, "extra_forbidden", ["x"]),
        ("/v1/ocr", {"model": OCR, "document": DOCUMENT, "x": 1}, "extra_forbidden", ["x"]),
        ("/v1/ocr", {"model": OCR, "document": DOCUMENT, "table_format": "csv"}, "literal_error", ["table_format"]),
        ("/v1/ocr", {"model": OCR, "document": DOCUMENT, "pages": "a-b"}, "value_error", ["pages"]),
        ("/v1/audio/speech", {"input": "a", "voice": "alloy"}, "extra_forbidden", ["voice"]),
        ("/v1/audio/speech", {"input": "a", "response_format": "aac"}, "literal_error", ["response_format"]),
        (
            "/v1/audio/transcriptions",
            {"model": "voxtral-mini-latest", "file_url": "u", "timestamp_granularities": ["hour"]},
            "literal_error",
            ["timestamp_granularities"],
        ),
        ("/v1/audio/transcriptions", {"model": "voxtral-mini-latest"}, "missing", ["file"]),
        ("/v1/conversations", {"model": TEXT, "inputs": "a", "x": 1}, "extra_forbidden", ["x"]),
        ("/v1/conversations", {"inputs": "a"}, "missing", ["model"]),
        ("/v1/conversations/{conversation}", {"inputs": "a", "tools": []}, "extra_forbidden", ["tools"]),
        ("/v1/batch/jobs", {"endpoint": "/v1/models", "requests": []}, "literal_error", ["endpoint"]),
        ("/v1/batch/jobs", {"endpoint": "/v1/embeddings"}, "missing", ["input_files"]),
        ("/v1/responses", {"model": TEXT, "input": "a", "store": True}, "literal_error", ["store"]),
        (
            "/v1/responses",
            {"model": TEXT, "input": "a", "reasoning": {"summary": "auto"}},
            "extra_forbidden",
            ["reasoning", "summary"],
        ),
        (
            "/v1/responses",
            {"model": TEXT, "input": "a", "tools": [{"type": "web_search"}]},
            "union_tag_invalid",
            ["tools", 0],
        ),
        (
            "/v1/responses",
            {"model": TEXT, "input": [{"type": "item_reference", "id": "fc_1"}]},
            "union_tag_invalid",
            ["input", 0],
        ),
        ("/v1/agents", {"model": TEXT, "name": "a", "x": 1}, "extra_forbidden", ["x"]),
        ("/v2/prompts", {"name": "a", "definition": {}, "sharing_scope": "x"}, "extra_forbidden", ["sharing_scope"]),
    ],
)
def test_a_closed_schema_names_what_does_not_fit(path: str, body: Any, kind: str, where: list[Any]) -> None:
    reply = Bench().ask("POST", path, body)
    assert reply.status == 422, reply.body
    (detail,) = decoded(reply.body)["detail"]
    assert (detail["type"], detail["loc"]) == (kind, ["body", *where])
    assert {"msg", "input"} <= set(detail)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (chat(USER, ASSISTANT), "3230", "but got assistant"),
        (chat(USER, SYSTEM), "3230", "but got system"),
        (chat(USER, ASSISTANT, SYSTEM, USER), "3230", "Unexpected role 'system' after role 'assistant'"),
        (chat(USER, RESULT), "3230", "Unexpected role 'tool' after role 'user'"),
        (chat(RESULT), "3230", "Unexpected role 'tool'"),
        (chat(USER, CALLS, USER), "3230", "Not the same number of function calls and responses"),
        (chat(USER, CALLS, RESULT, RESULT), "3230", "Not the same number of function calls and responses"),
        (chat(USER, CALLS, STRANGE), "3230", "Unexpected tool call id zzzzzzzzz"),
        (chat(USER, {**ASSISTANT, "prefix": True}, USER), "3230", "must be last message"),
        (chat(USER, CALLS, RESULT, USER, model=OLD), "3230", "Unexpected role 'user' after role 'tool'"),
        (chat(USER, ODD, {**RESULT, "tool_call_id": "call_1"}, model=OLD), "3280", "Tool call id was call_1"),
        (chat(USER, BOTH, RESULT, model=OLD), "3240", "either content or tool_calls"),
        (chat(model="mistral-nope"), "1500", "Invalid model: mistral-nope"),
        (chat(model="mistral/mistral-small-latest"), "1500", "Invalid model"),
        (chat(model="mistral-embed"), "1500", "does not support chat"),
    ],
)
def test_a_dialogue_out_of_order_is_a_400_with_its_code(body: Any, code: str, message: str) -> None:
    reply = Bench().ask("POST", CHAT, body)
    error = decoded(reply.body)
    assert (reply.status, error["object"], error["code"]) == (400, "error", code)
    assert message in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        chat(USER, CALLS, RESULT, USER),
        chat(USER, ODD, {**RESULT, "tool_call_id": "call_1"}),
        chat(USER, BOTH, RESULT),
        chat(SYSTEM, SYSTEM, USER, ASSISTANT, USER),
        chat(USER, {**ASSISTANT, "prefix": True}),
        chat(USER, CALLS, {"role": "tool", "content": "r"}),
        chat(tools=[], tool_choice="auto", parallel_tool_calls=None, safe_prompt=None, stop=None, n=None),
        chat(USER, CALLS, RESULT, model=OLD),
    ],
)
def test_what_the_models_take_is_not_refused(body: Any) -> None:
    assert Bench().ask("POST", CHAT, body).status == 200


@pytest.mark.parametrize(
    ("path", "model"),
    [
        (FIM, {"model": TEXT, "prompt": "p"}),
        ("/v1/embeddings", {"model": TEXT, "input": "a"}),
        ("/v1/moderations", {"model": TEXT, "input": "a"}),
        ("/v1/ocr", {"model": TEXT, "document": DOCUMENT}),
        ("/v1/audio/speech", {"model": TEXT, "input": "a"}),
        ("/v1/audio/transcriptions", {"model": TEXT, "file_url": "u"}),
        ("/v1/responses", {"model": "mistral-embed", "input": "a"}),
    ],
)
def test_a_model_does_only_what_it_can(path: str, model: Any) -> None:
    reply = Bench().ask("POST", path, model)
    assert (reply.status, decoded(reply.body)["code"]) == (400, "1500")


def test_guardrails_block_and_report() -> None:
    blocked = Bench().ask("POST", CHAT, chat(*THREAT, guardrails=[GUARD]))
    assert blocked.status == 403
    assert decoded(blocked.body)["error"]["status"] == 403
    watched = Bench().ask("POST", CHAT, chat(*THREAT, guardrails=[{"moderation_llm_v2": {}}]))
    assert [item["triggered"] for item in decoded(watched.body)["guardrails"]] == [True]


def decoded(body: bytes) -> Any:
    return msgspec.json.decode(body)
