"""A log as spans: the conventions' names, ids that stay the same, attempts within, content where it is asked for."""

import msgspec
import pytest

from gantry.core.logged_attempt import LoggedAttempt
from gantry.core.usage import Usage
from gantry.core.vocabulary import LogMethod, Outcome
from gantry.dialects.otlp.log_span import MOST_CONTENT, spans_of
from gantry.dialects.otlp.message import Batch
from gantry.dialects.otlp.span_log import log_of_span
from gantry.dialects.otlp.writing import encode_span
from gantry.dialects.posted_log import read_posted
from tests.dialects.otlp.spans import SPAN, TRACE
from tests.store.logs_of_tests import make_log

ID = "0192f0c0000070008000000000000001"
ATTEMPTS = msgspec.json.encode(
    [
        LoggedAttempt(
            "openai", "c1", "first", "gpt-4o", "relay", 503, "upstream_error", error="busy", duration=5_000, began=1_000
        ),
        LoggedAttempt(
            "mistral", "c2", "second", "mistral-small-latest", "adapt", 200, "success", duration=9_000, began=7_000
        ),
    ]
).decode()
CHAT = msgspec.json.encode(
    [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]
).decode()
CALL = make_log(
    ID,
    model="mistral-small-latest",
    requested_model="mistral/mistral-small-latest",
    provider_id="mistral",
    log_type="chat",
    usage=Usage(input_tokens=10, output_tokens=5, cached_input_tokens=4, reasoning_tokens=2),
    cost=2_500_000,
    stream=True,
    time_to_first_token=250_000_000,
    finish_reason="stop",
    thread_identifier="talk",
    customer_identifier="c-1",
    metadata='{"a":1}',
    attempts=ATTEMPTS,
    input=CHAT,
    output='{"role":"assistant","content":"hello"}',
)


def test_a_call_is_told_by_the_conventions() -> None:
    call, *attempts = spans_of(CALL, "a key", content=False)
    assert (call.name, call.kind, call.trace_id, call.parent_id) == ("chat mistral-small-latest", 3, ID, "")
    assert (call.started_at, call.ended_at, call.failed) == (CALL.started_at, CALL.ended_at, False)
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "mistral_ai",
        "gen_ai.request.model": "mistral/mistral-small-latest",
        "gen_ai.response.model": "mistral-small-latest",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "gen_ai.conversation.id": "talk",
        "user.id": "c-1",
        "gantry.cost_usd": 0.0025,
        "gantry.key.name": "a key",
        "gantry.metadata": '{"a":1}',
    }
    assert told.items() <= call.attributes.items()
    assert not any("messages" in name or "value" in name for name in call.attributes)
    first, second = attempts
    assert (first.parent_id, first.trace_id) == (call.span_id, ID)
    assert (first.started_at, first.ended_at) == (CALL.started_at + 1_000, CALL.started_at + 6_000)
    assert (first.failed, first.status_message, second.failed) == (True, "busy", False)
    assert first.attributes["gen_ai.provider.name"] == "openai"
    assert len({call.span_id, first.span_id, second.span_id}) == 3
    assert spans_of(CALL, "a key", content=False) == [call, *attempts]


def test_ids_are_the_callers_where_they_have_the_form() -> None:
    known = msgspec.structs.replace(CALL, trace_unique_id=TRACE, span_unique_id=SPAN, span_parent_id="b" * 16)
    call, *_ = spans_of(known, None, content=False)
    assert (call.trace_id, call.span_id, call.parent_id) == (TRACE, SPAN, "b" * 16)
    child = msgspec.structs.replace(CALL, trace_unique_id="my trace", span_parent_id="root")
    root = msgspec.structs.replace(CALL, log_id="f" * 32, trace_unique_id="my trace", span_unique_id="root")
    (of_child, *_), (of_root, *_) = (spans_of(log, None, content=False) for log in (child, root))
    assert of_child.trace_id == of_root.trace_id != "my trace"
    assert of_child.parent_id == of_root.span_id


def test_what_was_said_is_told_where_it_is_asked_for() -> None:
    call, *_ = spans_of(CALL, None, content=True)
    assert msgspec.json.decode(str(call.attributes["gen_ai.input.messages"])) == [
        {"role": "user", "parts": [{"type": "text", "content": "hi"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "f", "arguments": "{}"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "done"}]},
    ]
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": "hello"}]}]
    assert msgspec.json.decode(str(call.attributes["gen_ai.output.messages"])) == answer
    tool, *_ = spans_of(make_log(ID, log_type="tool", input="in", output="o" * (MOST_CONTENT + 1)), None, content=True)
    assert (tool.kind, tool.attributes["input.value"], "output.value" in tool.attributes) == (1, "in", False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outcome": Outcome.TIMEOUT, "error_message": "too slow"}, "too slow"),
        ({"outcome": Outcome.REFUSED, "status_code": 429}, "refused"),
        ({"outcome": Outcome.LOGGED, "status_code": 500, "log_method": LogMethod.LOGGING_API}, "logged"),
    ],
)
def test_what_failed_is_an_error(changes: dict[str, object], message: str) -> None:
    (span,) = spans_of(make_log(ID, **changes), None, content=False)
    assert (span.failed, span.status_message) == (True, message)


def test_a_span_that_comes_back_counts_nothing_twice() -> None:
    call, *_ = spans_of(CALL, None, content=True)
    posted = read_posted(log_of_span(call, Batch({}, "", ())))
    assert (posted.model, posted.provider_id, posted.cost) == ("mistral-small-latest", "mistral", 0)
    assert posted.labels.thread_identifier == "talk"


def test_a_log_from_before_1970_is_a_span_at_its_beginning() -> None:
    (span,) = spans_of(make_log("a" * 32, started_at=-5, ended_at=-2), None, content=False)
    assert (span.started_at, span.ended_at) == (0, 0)
    assert encode_span(span)
