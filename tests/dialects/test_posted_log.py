"""Posted logs: every field, alias and shape of the logging API, and plain words for what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.errors import InvalidRequest
from gantry.core.usage import Usage
from gantry.dialects.posted_log import PostedLog, read_posted

SECOND = 1_000_000_000


def post(**fields: Any) -> PostedLog:
    return read_posted(json.dumps(fields).encode())


def snippet(shared: Path) -> dict[str, Any]:
    """Return the body in the product page's logging snippet, whose lines carry their numbers."""
    page = (shared / "reference" / "product-page.txt").read_text(encoding="utf-8")
    lines = page.split("import requests", 1)[1].split("See the logging guide", 1)[0].splitlines()
    code = "\n".join(line.strip().lstrip("0123456789").strip() for line in lines)
    start = code.index("json={") + len("json=")
    body: dict[str, Any] = json.loads(code[start : code.rindex(",\n)")].replace(",\n}", "\n}"))
    return body


def test_the_product_pages_snippet(shared: Path) -> None:
    posted = post(**snippet(shared))
    assert posted.model == "mistral/mistral-large-latest"
    assert posted.cost == 1_000_000
    assert posted.latency == 1_200_000_000
    assert posted.labels.customer_identifier == "user_123"
    assert json.loads(posted.input or "") == [{"role": "user", "content": "Hello, how are you?"}]
    assert json.loads(posted.output or "")["content"] == "Hello from Mistral through Respan."
    assert (posted.status_code, posted.status, posted.log_type, posted.extra) == (200, "success", "chat", None)


def test_an_empty_log_is_a_log() -> None:
    assert post() == PostedLog()


FIELDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"latency": 1.5}, {"latency": 3 * SECOND // 2}),
    ({"generation_time": 1.2}, {"latency": 1_200_000_000}),
    ({"latency": 1, "generation_time": 2}, {"latency": SECOND}),
    ({"ttft": 0.3}, {"time_to_first_token": 300_000_000}),
    ({"time_to_first_token": "0.3"}, {"time_to_first_token": 300_000_000}),
    ({"cost": 0.000_000_001}, {"cost": 1}),
    ({"cost": "0.001"}, {"cost": 1_000_000}),
    ({"cost": 0}, {"cost": 0}),
    ({"cost": None}, {"cost": None}),
    (
        {"prompt_unit_price": 0.5, "completion_unit_price": 1.5},
        {"prompt_unit_price": 500_000_000, "completion_unit_price": 1_500_000_000},
    ),
    ({"timestamp": "2026-11-22T10:00:00Z"}, {"ended_at": 1_795_341_600 * SECOND}),
    ({"timestamp": "2026-11-22T11:00:00.000001+01:00"}, {"ended_at": 1_795_341_600 * SECOND + 1000}),
    ({"start_time": "2026-11-22T10:00:00"}, {"started_at": 1_795_341_600 * SECOND}),
    ({"start_time": "2026-11-22T10:00:00.123456789Z"}, {"started_at": 1_795_341_600_123_456_789}),
    ({"status_code": 500}, {"status_code": 500, "status": "error"}),
    ({"status_code": 500, "status": "success"}, {"status_code": 500, "status": "success"}),
    ({"error_message": "no"}, {"error_message": "no"}),
    ({"error_message": {"a": 1}}, {"error_message": '{"a": 1}'}),
    ({"warnings": {"a": "b"}}, {"warnings": ('{"a": "b"}',)}),
    ({"stream": True}, {"stream": True}),
    ({"log_type": "embedding"}, {"log_type": "embedding"}),
    ({"unique_id": 7}, {"unique_id": "7"}),
    ({"disable_log": True}, {"disable_log": True}),
    ({"input": "hi"}, {"input": "hi"}),
    ({"input": {"a": [1]}}, {"input": '{"a": [1]}'}),
    ({"messages": [1]}, {"input": "[1]"}),
    ({"prompt_messages": [1], "messages": [2]}, {"input": "[1]", "extra": '{"messages":[2]}'}),
    ({"prompt": "once upon"}, {"input": "once upon"}),
    ({"prompt": {"prompt_id": "p"}}, {"input": None, "extra": '{"prompt":{"prompt_id": "p"}}'}),
    ({"output": "hi"}, {"output": "hi"}),
    ({"completion_messages": [{"content": "a"}]}, {"output": '[{"content": "a"}]'}),
    (
        {"completion_message": {"tool_calls": [{"id": "a"}]}},
        {"output": '{"tool_calls": [{"id": "a"}]}', "tool_calls": '[{"id": "a"}]'},
    ),
    ({"tool_calls": [1], "output": {"tool_calls": [2]}}, {"output": '{"tool_calls": [2]}', "tool_calls": "[1]"}),
    (
        {"note": "n", "category": 1, "temperature": 0.7, "nobody_knows": {"a": 1.0}},
        {
            "extra": '{"category":1,"nobody_knows":{"a": 1.0}}',
            "note": "n",
            "temperature": 0.7,
        },
    ),
    ({"max_tokens": 5, "max_completion_tokens": 7}, {"max_tokens": 5}),
    ({"max_completion_tokens": 7, "positive_feedback": False}, {"max_tokens": 7, "positive_feedback": False}),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, {"tools": '["f"]'}),
    ({"note": None}, {"extra": None}),
]


@pytest.mark.parametrize(("fields", "expected"), FIELDS)
def test_each_field(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    posted = post(**fields)
    assert {name: getattr(posted, name) for name in expected} == expected


LABELS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"customer_identifier": 17}, {"customer_identifier": "17"}),
    ({"customer_identifier": "x" * 300}, {"customer_identifier": "x" * 254}),
    (
        {"customer_params": {"customer_identifier": "u", "name": "N", "email": "e"}},
        {"customer_identifier": "u", "customer_name": "N", "customer_email": "e"},
    ),
    ({"customer_identifier": "top", "customer_params": {"customer_identifier": "u"}}, {"customer_identifier": "top"}),
    ({"customer_name": "top", "customer_params": {"name": "N"}}, {"customer_name": "top"}),
    ({"thread_identifier": "t"}, {"thread_identifier": "t"}),
    ({"trace_group_identifier": "g"}, {"thread_identifier": "g"}),
    ({"session_identifier": "s", "trace_group_identifier": "g"}, {"thread_identifier": "g"}),
    ({"thread_identifier": "t", "trace_group_identifier": "g"}, {"thread_identifier": "t"}),
    ({"span_name": "s" * 300}, {"span_name": "s" * 255}),
    ({"metadata": {"a": 1}}, {"metadata": '{"a": 1}'}),
    ({"metadata": '{"a": 1}'}, {"metadata": '{"a": 1}'}),
    ({"properties": {"a": 1}}, {"properties": '{"a": 1}'}),
    (
        {"trace_unique_id": "t", "span_unique_id": "s", "span_parent_id": "p"},
        {"trace_unique_id": "t", "span_unique_id": "s", "span_parent_id": "p"},
    ),
    ({"custom_identifier": "c", "group_identifier": 3}, {"custom_identifier": "c", "group_identifier": "3"}),
    ({"respan_params": {"customer_identifier": "u"}}, {"customer_identifier": "u"}),
    ({"keywordsai_params": {"customer_identifier": "u"}}, {"customer_identifier": "u"}),
    ({"customer_identifier": "top", "respan_params": {"customer_identifier": "u"}}, {"customer_identifier": "top"}),
]


@pytest.mark.parametrize(("fields", "expected"), LABELS)
def test_each_label(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    labels = post(**fields).labels
    assert {name: getattr(labels, name) for name in expected} == expected


def test_a_session_beside_a_thread_is_kept() -> None:
    assert post(thread_identifier="t", trace_group_identifier="g").extra == '{"session_identifier":"g"}'


def test_the_rest_of_customer_params_is_kept() -> None:
    assert (
        post(customer_params={"customer_identifier": "u", "period_budget": 5}).extra
        == '{"customer_params":{"period_budget":5}}'
    )


def test_old_names_are_the_new_ones() -> None:
    assert post(keywordsai_api_controls={"block": False}).extra == '{"respan_api_controls":{"block": false}}'


USAGE: list[tuple[dict[str, Any], Usage]] = [
    ({"prompt_tokens": 4, "completion_tokens": 2}, Usage(input_tokens=4, output_tokens=2)),
    (
        {"usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}},
        Usage(input_tokens=4, output_tokens=2, total_tokens=6),
    ),
    ({"usage": {"prompt_tokens": 4}, "prompt_tokens": 5}, Usage(input_tokens=5)),
    (
        {
            "usage": {
                "input_tokens": 4,
                "output_tokens": 2,
                "cache_read_input_tokens": 3,
                "cache_creation_input_tokens": 1,
            }
        },
        Usage(input_tokens=8, cached_input_tokens=3, cache_write_tokens=1, output_tokens=2),
    ),
    (
        {"prompt_tokens": 9, "prompt_cache_hit_tokens": 3, "prompt_cache_creation_tokens": 1, "reasoning_tokens": 2},
        Usage(input_tokens=9, cached_input_tokens=3, cache_write_tokens=1, reasoning_tokens=2),
    ),
]


@pytest.mark.parametrize(("fields", "expected"), USAGE)
def test_usage(fields: dict[str, Any], expected: Usage) -> None:
    assert post(**fields).usage == expected


def test_raw_payloads_are_read_where_nothing_else_was_said() -> None:
    posted = post(
        full_request={"messages": [{"role": "user", "content": "hi"}]},
        full_response={
            "id": "r1",
            "model": "mistral-small-2603",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": "",
                        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}],
                    },
                    "finish_reason": "tool_calls",
                }
            ],
            "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6},
        },
    )
    assert json.loads(posted.input or "") == [{"role": "user", "content": "hi"}]
    assert json.loads(posted.tool_calls or "") == [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]
    assert (posted.model, posted.response_id, posted.finish_reason) == ("mistral-small-2603", "r1", "tool_calls")
    assert posted.usage == Usage(input_tokens=4, output_tokens=2, total_tokens=6)


WRONG = [
    ({"cost": "dear"}, "cost", "a number"),
    ({"cost": -1}, "cost", "from 0"),
    ({"cost": 1e30}, "cost", "from 0"),
    ({"latency": [1]}, "latency", "a number"),
    ({"prompt_tokens": 1.5}, "prompt_tokens", "a whole number"),
    ({"prompt_tokens": -1}, "prompt_tokens", "from 0"),
    ({"timestamp": "yesterday"}, "timestamp", "ISO 8601"),
    ({"timestamp": "1601-01-01T00:00:00Z"}, "timestamp", "after 1970"),
    ({"metadata": [1]}, "metadata", "a JSON object"),
    ({"metadata": "not json"}, "metadata", "a JSON object"),
    ({"customer_params": "u"}, "customer_params", "a JSON object"),
    ({"customer_identifier": {"a": 1}}, "customer_identifier", "a string or a number"),
    ({"stream": "perhaps"}, "stream", "true or false"),
    ({"status_code": 70_000}, "status_code", "from 0 to 999"),
    ({"usage": 7}, "usage", "a JSON object"),
    ({"model": ["m"]}, "model", "a string or a number"),
]


@pytest.mark.parametrize(("fields", "name", "wanted"), WRONG)
def test_a_wrong_type_is_named(fields: dict[str, Any], name: str, wanted: str) -> None:
    with pytest.raises(InvalidRequest, match=f"`{name}` must be .*{wanted}") as raised:
        post(**fields)
    assert raised.value.param == name


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b'{"a":\xff}', b"[" * 5000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="a posted log must be a JSON object"):
        read_posted(body)


NAMES = sorted({name for fields, _ in FIELDS + LABELS + USAGE for name in fields} | {"full_request", "full_response"})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(fields=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6))
def test_any_body_is_read_or_refused_by_name(fields: dict[str, Any]) -> None:
    refused = refusal_of(fields)
    if refused is not None:
        assert refused.param is None or refused.param in {*NAMES, "name", "email"}


def refusal_of(fields: dict[str, Any]) -> InvalidRequest | None:
    try:
        post(**fields)
    except InvalidRequest as error:
        return error
    return None
