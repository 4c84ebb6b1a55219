"""A span as a log: each family of attributes, what is counted and what is not, and what must not be kept."""

from typing import Any

import msgspec
import pytest

from gantry.core.errors import InvalidRequest
from gantry.core.usage import NO_USAGE
from gantry.core.vocabulary import ContentPolicy
from gantry.dialects.otlp import span_attributes
from gantry.dialects.otlp.message import Attributes, Batch, Event, Link
from gantry.dialects.otlp.span_log import log_of_span
from gantry.dialects.posted import withhold
from gantry.dialects.posted_log import PostedLog, read_posted
from tests.dialects.otlp.spans import SECOND, SPAN, START, TRACE, make_span

QUESTION = {"role": "user", "content": "Weather in Paris?"}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
SEMCONV: Attributes = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "mistral_ai",
    "gen_ai.request.model": "mistral-small-latest",
    "gen_ai.response.model": "mistral-small-2506",
    "gen_ai.response.id": "r1",
    "gen_ai.response.finish_reasons": ["tool_calls"],
    "gen_ai.request.temperature": 0.2,
    "gen_ai.request.max_tokens": 100,
    "gen_ai.conversation.id": "thread-1",
    "gen_ai.usage.input_tokens": 120,
    "gen_ai.usage.output_tokens": 30,
    "gen_ai.usage.cache_read.input_tokens": 100,
    "gen_ai.usage.cache_creation.input_tokens": 10,
    "gen_ai.usage.reasoning.output_tokens": 20,
    "gen_ai.response.time_to_first_chunk": 0.25,
    "server.address": "api.mistral.ai",
}
IN_PARTS: Attributes = {
    "gen_ai.system_instructions": '[{"type":"text","content":"Be brief."}]',
    "gen_ai.input.messages": msgspec.json.encode(
        [
            {"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]},
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "Hm."},
                    {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Paris"}},
                ],
            },
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"sun": True}}]},
        ]
    ).decode(),
    "gen_ai.output.messages": (
        '[{"role":"assistant","parts":[{"type":"text","content":"Sunny."}],"finish_reason":"stop"}]'
    ),
}
CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    QUESTION,
    {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": '{"sun":true}'},
]
OPENLLMETRY: Attributes = {
    "traceloop.workflow.name": "forecast",
    "traceloop.association.properties.user_id": "u-7",
    "traceloop.association.properties.plan": "pro",
    "llm.request.type": "chat",
    "gen_ai.system": "OpenAI",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "Weather in Paris?",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.finish_reason": "tool_calls",
    "gen_ai.completion.0.tool_calls.0.id": "c1",
    "gen_ai.completion.0.tool_calls.0.name": "weather",
    "gen_ai.completion.0.tool_calls.0.arguments": '{"city":"Paris"}',
    "gen_ai.usage.prompt_tokens": 12,
    "gen_ai.usage.completion_tokens": 5,
    "llm.usage.total_tokens": 17,
    "gen_ai.usage.cache_read_input_tokens": 4,
    "llm.is_streaming": True,
    "llm.headers": "authorization: Bearer secret-1",
}
OPENINFERENCE: Attributes = {
    "openinference.span.kind": "LLM",
    "llm.provider": "openai",
    "llm.model_name": "gpt-4o-mini",
    "llm.invocation_parameters": '{"temperature":0}',
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.contents.0.message_content.type": "text",
    "llm.input_messages.0.message.contents.0.message_content.text": "Weather in Paris?",
    "llm.input_messages.0.message.contents.1.message_content.type": "image",
    "llm.input_messages.0.message.contents.1.message_content.image.image.url": "https://example.com/p.png",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "weather",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"city":"Paris"}',
    "llm.token_count.prompt": 12,
    "llm.token_count.completion": 5,
    "llm.token_count.total": 17,
    "llm.token_count.prompt_details.cache_read": 4,
    "llm.token_count.completion_details.reasoning": 3,
    "input.value": '{"model":"gpt-4o-mini","messages":[]}',
    "input.mime_type": "application/json",
    "output.value": "plain",
    "session.id": "s-1",
    "user.id": "u-7",
    "metadata": '{"plan":"pro"}',
}
AN_EVENT_EACH = (
    Event("gen_ai.system.message", START, {"gen_ai.system": "openai", "content": "Be brief."}),
    Event("gen_ai.user.message", START, {"content": "Weather in Paris?"}),
    Event("gen_ai.tool.message", START, {"id": "c1", "content": "sunny"}),
    Event("gen_ai.choice", START, {"index": 0, "finish_reason": "stop", "message": '{"content":"Sunny."}'}),
)


def posted(attributes: Attributes, resource: Attributes | None = None, **fields: Any) -> PostedLog:
    return read_posted(log_of_span(make_span(attributes, **fields), Batch(resource or {}, "a.library", ())))


def document(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


def test_a_span_of_genai_conventions_is_a_log_of_its_call() -> None:
    log = posted({**SEMCONV, **IN_PARTS}, {"service.name": "app"}, parent_id="00f067aa0ba902b7")
    assert (log.log_type, log.provider_id, log.model, log.response_id) == (
        "chat",
        "mistral",
        "mistral-small-2506",
        "r1",
    )
    assert (log.unique_id, log.started_at, log.ended_at) == (f"{TRACE}-{SPAN}", START, START + 2 * SECOND)
    labels = log.labels
    assert (labels.trace_unique_id, labels.span_unique_id, labels.span_parent_id) == (TRACE, SPAN, "00f067aa0ba902b7")
    assert (labels.span_name, labels.thread_identifier) == ("a span", "thread-1")
    usage = log.usage
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (120, 30, 20)
    assert (usage.cached_input_tokens, usage.cache_write_tokens) == (100, 10)
    assert (log.temperature, log.max_tokens, log.time_to_first_token) == (0.2, 100, SECOND // 4)
    assert document(log.input) == CONVERSATION
    assert document(log.output) == {"role": "assistant", "content": "Sunny."}
    assert (log.finish_reason, log.status, log.status_code, log.cost) == ("stop", "success", 200, None)
    assert document(labels.metadata) == {
        "service.name": "app",
        "otel.scope.name": "a.library",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "mistral_ai",
        "gen_ai.request.model": "mistral-small-latest",
        "server.address": "api.mistral.ai",
    }


def test_messages_may_stand_in_the_event_of_the_operation() -> None:
    event = Event("gen_ai.client.inference.operation.details", START, IN_PARTS)
    log = posted(SEMCONV, events=(event,))
    assert document(log.input) == CONVERSATION
    assert document(log.extra) == {"span_kind": "unspecified"}


def test_messages_may_stand_in_an_event_each() -> None:
    log = posted({"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"}, events=AN_EVENT_EACH)
    assert document(log.input) == [
        {"role": "system", "content": "Be brief."},
        QUESTION,
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    assert (document(log.output), log.finish_reason) == ({"role": "assistant", "content": "Sunny."}, "stop")


def test_a_span_of_openllmetry_is_a_log_of_its_call() -> None:
    log = posted(OPENLLMETRY)
    assert (log.log_type, log.provider_id, log.model, log.stream) == ("chat", "openai", "gpt-4o-mini", True)
    assert (log.usage.input_tokens, log.usage.output_tokens, log.usage.total_tokens) == (12, 5, 17)
    assert (log.usage.cached_input_tokens, log.labels.customer_identifier) == (4, "u-7")
    assert (document(log.input), log.finish_reason) == ([QUESTION], "tool_calls")
    assert document(log.tool_calls) == [CALL]
    assert document(log.labels.metadata)["plan"] == "pro"
    assert document(log.extra)["span_workflow_name"] == "forecast"
    assert b"secret-1" not in log_of_span(make_span(OPENLLMETRY), Batch({}, "", ()))


def test_a_span_of_openinference_is_a_log_of_its_call() -> None:
    log = posted(OPENINFERENCE)
    assert (log.log_type, log.provider_id, log.model) == ("chat", "openai", "gpt-4o-mini")
    assert (log.usage.input_tokens, log.usage.output_tokens, log.usage.reasoning_tokens) == (12, 5, 3)
    image = {"type": "image_url", "image_url": {"url": "https://example.com/p.png"}}
    words = {"type": "text", "text": "Weather in Paris?"}
    assert document(log.input) == [{"role": "user", "content": [words, image]}]
    assert document(log.tool_calls) == [CALL]
    assert msgspec.json.decode(log.full_request or b"") == {"model": "gpt-4o-mini", "messages": []}
    assert (log.labels.customer_identifier, log.labels.thread_identifier) == ("u-7", "s-1")
    assert document(log.labels.metadata)["plan"] == "pro"
    assert document(log.extra)["attributes"]["output.value"] == "plain"


@pytest.mark.parametrize("prefix", ["respan", "keywordsai"])
def test_what_is_said_in_our_own_words_counts(prefix: str) -> None:
    said: Attributes = {
        "entity.log_type": "guardrail",
        "customer_params.customer_identifier": "c-1",
        "customer.email": "c@example.com",
        "threads.thread_identifier": "t-1",
        "span_params.custom_identifier": "ticket-9",
        "metadata": '{"a":1}',
        "metadata.b": 2,
        "properties": {"p": True},
        "span.tools": '["search"]',
    }
    log = posted({f"{prefix}.{name}": value for name, value in said.items()})
    assert log.log_type == "guardrail"
    labels = log.labels
    assert (labels.customer_identifier, labels.customer_email, labels.thread_identifier) == (
        "c-1",
        "c@example.com",
        "t-1",
    )
    assert (labels.custom_identifier, document(labels.properties)) == ("ticket-9", {"p": True})
    assert document(log.extra)["span_tools"] == ["search"]
    assert {"a": 1, "b": 2}.items() <= document(labels.metadata).items()


@pytest.mark.parametrize(
    ("attributes", "log_type"),
    [
        ({"traceloop.span.kind": "workflow"}, "workflow"),
        ({"traceloop.span.kind": "agent"}, "agent"),
        ({"openinference.span.kind": "CHAIN"}, "task"),
        ({"openinference.span.kind": "EMBEDDING", "embedding.model_name": "m"}, "embedding"),
        ({"gen_ai.operation.name": "execute_tool"}, "tool"),
        ({"gen_ai.operation.name": "invoke_agent"}, "agent"),
        ({"gen_ai.operation.name": "embeddings"}, "embedding"),
        ({"llm.request.type": "completion"}, "completion"),
        ({"gen_ai.request.model": "m"}, "chat"),
        ({"http.request.method": "GET"}, "span"),
    ],
)
def test_the_kind_of_a_span_is_its_log_type(attributes: Attributes, log_type: str) -> None:
    assert posted(attributes).log_type == log_type


def test_a_tool_has_input_and_output() -> None:
    log = posted(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "weather",
            "gen_ai.tool.call.arguments": '{"city":"Paris"}',
            "gen_ai.tool.call.result": "sunny",
        }
    )
    assert (log.input, log.output) == ('{"city":"Paris"}', "sunny")


def test_what_is_summed_up_is_not_counted_again() -> None:
    log = posted({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 500})
    assert log.usage.input_tokens is None
    assert document(log.labels.metadata)["gen_ai.usage.input_tokens"] == 500


def test_a_call_through_the_gateway_costs_and_uses_what_its_own_log_says() -> None:
    log = posted({**SEMCONV, "respan.gateway.log_id": "1"})
    assert (log.cost, log.usage) == (0, NO_USAGE)
    assert document(log.labels.metadata)["gen_ai.usage.input_tokens"] == 120
    assert posted({**SEMCONV, "llm.cost.total": 0.5}).cost == SECOND // 2


def test_a_failed_span_is_an_error_with_its_words() -> None:
    thrown = Event(
        "exception", START, {"exception.type": "Oops", "exception.message": "no", "exception.stacktrace": "…"}
    )
    log = posted(SEMCONV, failed=True, events=(thrown,))
    assert (log.status, log.status_code, log.error_message) == ("error", 500, "no")
    (event,) = document(log.extra)["events"]
    assert (event["name"], event["attributes"]["exception.type"]) == ("exception", "Oops")
    log = posted({"http.response.status_code": 429}, failed=True, status_message="slow down")
    assert (log.status_code, log.error_message) == (429, "slow down")
    log = posted({"error.type": "timeout"}, failed=True)
    assert log.error_message == "timeout"


def test_links_and_what_has_no_field_are_kept() -> None:
    log = posted({"a": [1, {"b": None}]}, links=(Link("1" * 32, "2" * 16, {"why": "retry"}),), kind=3)
    extra = document(log.extra)
    assert extra["span_links"] == [{"trace_id": "1" * 32, "span_id": "2" * 16, "attributes": {"why": "retry"}}]
    assert extra["span_kind"] == "client"
    assert document(log.labels.metadata)["a"] == [1, {"b": None}]


def test_credentials_and_queries_of_addresses_are_not_kept() -> None:
    body = log_of_span(
        make_span(
            {
                "http.request.header.authorization": "canary-1",
                "http.request.header.x_api_key": ["canary-2"],
                "url.full": "https://api.example.com/v1?key=canary-3",
                "url.query": "key=canary-4",
            },
            events=(Event("request", START, {"http.request.header.cookie": "canary-5"}),),
        ),
        Batch({"db.password": "canary-6"}, "", ()),
    )
    assert b"canary" not in body
    assert b"https://api.example.com/v1" in body


@pytest.mark.parametrize("attributes", [{**SEMCONV, **IN_PARTS}, OPENLLMETRY, OPENINFERENCE])
def test_a_policy_that_keeps_no_content_keeps_none_of_a_span(attributes: Attributes) -> None:
    body = log_of_span(make_span(attributes, events=AN_EVENT_EACH), Batch({}, "", ()))
    kept = withhold(body, read_posted(body), ContentPolicy.METADATA)
    for word in (b"Paris", b"Sunny", b"brief", b"weather", b"plain"):
        assert word not in kept
    assert read_posted(kept).model == read_posted(body).model


@pytest.mark.parametrize(
    "fields",
    [
        {"trace_id": ""},
        {"trace_id": "0" * 32},
        {"span_id": "xyz"},
        {"span_id": "eee19b7ec3c1b1"},
        {"started_at": 0},
        {"ended_at": 2**64 - 1},
    ],
)
def test_what_is_no_span_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        posted({}, **fields)


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": 5}]}]'},
        {"gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text"}]}]'},
        {"llm.input_messages.0.message.contents.0.message_content.type": "text"},
        {f"gen_ai.prompt.{'1' * 5000}.content": "x"},
        {f"gen_ai.prompt.0.tool_calls.{'1' * 5000}.name": "x"},
    ],
)
def test_what_a_span_says_in_no_form_is_kept(attributes: Attributes) -> None:
    assert msgspec.json.decode(log_of_span(make_span(attributes), Batch({}, "", ())))["span_unique_id"]


@pytest.mark.parametrize(("kind", "named"), [(3, "client"), (-1, None), (-7, None), (6, None)])
def test_a_kind_that_is_none_is_left_out(kind: int, named: str | None) -> None:
    log = msgspec.json.decode(log_of_span(make_span({}, kind=kind), Batch({}, "", ())))
    assert log.get("span_kind") == named


def test_a_span_of_too_many_attributes_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="more than 10000 attributes"):
        log_of_span(make_span({str(number): 1 for number in range(10_001)}), Batch({}, "", ()))


def test_a_document_of_too_many_values_stays_the_text_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told = '[{"role":"user","content":"hi"}]'
    span = make_span({"gen_ai.input.messages": told})
    assert "input" in msgspec.json.decode(log_of_span(span, Batch({}, "", (span,))))
    monkeypatch.setattr(span_attributes, "MOST_VALUES", 2)
    log = msgspec.json.decode(log_of_span(span, Batch({}, "", (span,))))
    assert ("input" in log, log["attributes"]) == (False, {"gen_ai.input.messages": told})
