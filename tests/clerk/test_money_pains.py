"""The pains about usage of `reference/field.md` §2, by their numbers: what others bill wrongly, metered here.

Every law is tried as a record is made: by the whole content, by a redacted one, and by what is left where none is kept.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gantry.clerk.meter import meter_call
from gantry.core.chat import ChatAnswer, ChatRequest, Message, Role, Text
from gantry.core.request_log import RequestLog
from gantry.core.usage import NO_USAGE, UNITS
from gantry.core.vocabulary import ContentPolicy, Dialect, Operation, Outcome
from gantry.dialects.answer import is_stream
from gantry.dialects.assemble import unfold
from gantry.dialects.codec import Asking, Target
from gantry.dialects.codecs import CODECS
from gantry.dialects.passed_usage import (
    NOTHING_PASSED,
    STREAM_TYPES,
    Passed,
    PassedUsage,
    passed_usage,
    usage_withheld,
)
from gantry.dialects.redact import redact_body
from gantry.dialects.running_usage import RunningUsage
from gantry.gateway.capture import HEAD_BYTES, TAIL_BYTES
from gantry.journal.frames import AttemptRecord, CallClosed, CallOpened
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates
from tests.dialects.bedrock import transcripts as bedrock
from tests.dialects.canonical import answers
from tests.dialects.recorded import exchanges

RATES = load_rates()
DIALECTS = sorted(CODECS)
BY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS)
FULL, REDACTED, METADATA, NOTHING = ContentPolicy
BY_POLICY = pytest.mark.parametrize("policy", [FULL, REDACTED, METADATA, NOTHING])
ASKED = "How many wagons are there, and what is in them?"
SERVED = AttemptRecord("anthropic", "c1", "main", "claude-sonnet-4-5", "relay", 200, "success")


def operation_of(dialect: Dialect) -> Operation:
    return Operation.RESPONSES if dialect is Dialect.OPENAI_RESPONSES else Operation.CHAT


def content_type_of(dialect: Dialect, *, streamed: bool) -> str:
    return STREAM_TYPES[dialect is Dialect.BEDROCK] if streamed else "application/json"


def metered(
    dialect: Dialect,
    body: bytes,
    *,
    streamed: bool,
    policy: ContentPolicy = FULL,
    outcome: Outcome = Outcome.SUCCESS,
    rates: Rates = RATES,
) -> RequestLog:
    """Return the row of a call that was answered so: what the worker leaves in the journal, read by the clerk."""
    operation, content_type = operation_of(dialect), content_type_of(dialect, streamed=streamed)
    passed, kept = _left_by_worker(operation, dialect, body, content_type, policy)
    opened = CallOpened(
        log_id="a" * 32,
        organization_id="org",
        key_id="key",
        environment="prod",
        started_at=1_795_341_600_000_000_000,
        method="POST",
        path="/",
        dialect=dialect,
        operation=operation,
        requested_model="anthropic/claude-sonnet-4-5",
        stream=streamed,
        content_policy=policy,
        snapshot_version=1,
        user_agent="",
        request_content_type="application/json",
        params=b"",
        metadata=b"",
        request_body=b"",
    )
    closed = CallClosed(
        log_id="a" * 32,
        ended_at=opened.started_at + 1,
        outcome=outcome,
        status=200,
        error=None,
        attempts=[SERVED],
        time_to_first_token=1,
        routing_time=1,
        response_content_type=content_type,
        response_content_encoding="",
        upstream_request_id=None,
        request_bytes=100,
        response_bytes=len(body),
        truncated=False,
        response_body=b"",
        usage=passed.usage,
        response_model=passed.model,
        counted=passed.counted,
    )
    return meter_call(opened, b"" if policy in (METADATA, NOTHING) else request_to(dialect), kept, closed, rates)


def _left_by_worker(
    operation: Operation, dialect: Dialect, body: bytes, content_type: str, policy: ContentPolicy
) -> tuple[PassedUsage, bytes]:
    """Return what is left of an answer, as `gateway.recording` leaves it."""
    if policy is FULL:
        return NOTHING_PASSED, body
    if policy is REDACTED:
        streamed = is_stream(content_type, body)
        passed = usage_withheld(operation, dialect, content_type, body) if streamed else NOTHING_PASSED
        return passed, redact_body(body, content_type, operation, dialect)
    whole = body if policy is METADATA else b""  # as small ones are at hand; of the others, there are the ends
    ends = Passed(body[:HEAD_BYTES], body[-TAIL_BYTES:], len(body), content_type, whole)
    return passed_usage(operation, dialect, ends, "application/json", request_to(dialect)), b""


def request_to(dialect: Dialect) -> bytes:
    said = (Message(Role.USER, (Text(ASKED),)),)
    asked = ChatRequest(dialect=dialect, model="m", messages=said, stream=True)
    return CODECS[dialect].encode_request(asked, Target("m")).body


def asking(dialect: Dialect) -> Asking:
    return Asking(ChatRequest(dialect=dialect, model="m", messages=(), stream=True), 1, "id", "alt=sse")


def streamed_as(dialect: Dialect, answer: ChatAnswer) -> bytes:
    encoder = CODECS[dialect].stream_encoder(asking(dialect))
    return b"".join([encoder.feed([event]) for event in unfold(answer)])


@BY_DIALECT
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), policy=st.sampled_from([FULL, REDACTED, METADATA, NOTHING]))
def test_pain_1_a_stream_is_metered_as_the_whole_answer(
    dialect: Dialect, data: st.DataObject, policy: ContentPolicy
) -> None:
    answer = data.draw(answers(dialect))
    assume(answer.usage != NO_USAGE)
    whole = metered(dialect, CODECS[dialect].encode_answer(answer, asking(dialect)), streamed=False, policy=policy)
    stream = metered(dialect, streamed_as(dialect, answer), streamed=True, policy=policy)
    assert stream.usage == whole.usage
    assert stream.cost == whole.cost
    assert whole.cost
    assert not whole.usage.estimated


def recorded(shared: Path, dialect: Dialect) -> Iterator[tuple[str, bytes]]:
    """Yield every recorded stream that is one answer."""
    for exchange in exchanges(shared, dialect):
        if exchange.streamed and exchange.answer is not None and exchange.status == 200:
            if any(name in exchange.file for name in ("anthropic-programmatic", "spliced", "duplicate-message")):
                continue  # several answers in one file
            yield exchange.file, exchange.answer


def assert_alike(row: RequestLog, full: RequestLog, policy: ContentPolicy, name: str) -> None:
    """Compare two rows of one answer. What content alone tells need not be known of a large one."""
    if policy is NOTHING and (full.usage.web_searches or full.usage.billed_tool_calls):
        words = {"web_searches": None, "billed_tool_calls": None}
        assert replace(row.usage, **words) == replace(full.usage, **words), name
        return
    assert (row.usage, row.cost) == (full.usage, full.cost), (name, policy)


@pytest.mark.slow
@BY_DIALECT
def test_pain_1_recorded_streams_are_metered_alike_whatever_is_kept_of_them(shared: Path, dialect: Dialect) -> None:
    for name, stream in recorded(shared, dialect):
        full = metered(dialect, stream, streamed=True)
        if full.usage.estimated:
            continue
        for policy in (REDACTED, METADATA, NOTHING):
            other = metered(dialect, stream, streamed=True, policy=policy)
            assert_alike(other, full, policy, name)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", [Dialect.ANTHROPIC, Dialect.OPENAI_CHAT])
def test_pain_1_recorded_answers_are_metered_alike_whatever_is_kept_of_them(shared: Path, dialect: Dialect) -> None:
    for exchange in exchanges(shared, dialect):
        if exchange.answer is None or exchange.streamed or exchange.status != 200:
            continue
        full = metered(dialect, exchange.answer, streamed=False)
        for policy in (REDACTED, METADATA, NOTHING):
            other = metered(dialect, exchange.answer, streamed=False, policy=policy)
            assert_alike(other, full, policy, exchange.file)


# Pain 3: usage in any chunk

USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 50,
    "total_tokens": 1050,
    "prompt_tokens_details": {"cached_tokens": 900},
}


def chunk(content: str, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join([b"data: %b\n\n" % json.dumps(event).encode() for event in events]) + b"data: [DONE]\n\n"


PLACES: dict[str, list[dict[str, Any]]] = {
    "alone at the end": [chunk("a"), chunk("b"), chunk("", "stop"), {**chunk(""), "choices": [], "usage": USAGE}],
    "with the finish": [chunk("a"), chunk("b"), chunk("", "stop", usage=USAGE)],
    "last, with choices that are not empty": [chunk("a"), chunk("b", "stop"), chunk("", usage=USAGE)],
    "in a chunk of text": [chunk("a"), chunk("b", usage=USAGE), chunk("", "stop")],
    "first": [chunk("a", usage=USAGE), chunk("b"), chunk("", "stop")],
    "before null": [chunk("a"), chunk("b", usage=USAGE), chunk("", "stop", usage=None)],
    "several times, the last counts": [
        chunk("a", usage={**USAGE, "completion_tokens": 1, "total_tokens": 1001}),
        chunk("b", usage=USAGE),
        chunk("", "stop", usage=USAGE),
    ],
    "with an empty finish, as Groq has it": [chunk("a"), chunk("b"), chunk("", "stop", x_groq={"usage": USAGE})],
}


@BY_POLICY
@pytest.mark.parametrize("dialect", [Dialect.MISTRAL, Dialect.OPENAI_CHAT])
@pytest.mark.parametrize("events", PLACES.values(), ids=PLACES)
def test_pain_3_usage_counts_in_whichever_chunk_it_comes(
    events: list[dict[str, Any]], dialect: Dialect, policy: ContentPolicy
) -> None:
    row = metered(dialect, sse(*events), streamed=True, policy=policy)
    usage = row.usage
    assert (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens) == (1000, 900, 50)
    assert not usage.estimated


# Pain 4: Anthropic's cache writes are those of the final total


def anthropic_stream(first: dict[str, Any], last: dict[str, Any], *, text: str = "Hello.") -> list[bytes]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, "stop_reason": None, "usage": first}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": delta, "usage": last},
        {"type": "message_stop"},
    ]
    return [b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), json.dumps(event).encode()) for event in events]


@BY_POLICY
@pytest.mark.parametrize("text", ["Hello.", "Hello. " * 2000], ids=["short", "long"])
def test_pain_4_cache_writes_are_those_of_the_final_total(policy: ContentPolicy, text: str) -> None:
    first = {"input_tokens": 10, "cache_creation_input_tokens": 400, "cache_read_input_tokens": 0, "output_tokens": 1}
    last = {"input_tokens": 14, "cache_creation_input_tokens": 9000, "cache_read_input_tokens": 70, "output_tokens": 30}
    stream = b"".join(anthropic_stream(first, last, text=text))
    usage = metered(Dialect.ANTHROPIC, stream, streamed=True, policy=policy).usage
    assert (usage.cache_write_tokens, usage.cached_input_tokens) == (9000, 70)
    assert (usage.input_tokens, usage.output_tokens) == (14 + 9000 + 70, 30)


@BY_POLICY
@pytest.mark.parametrize("text", ["Hello.", "Hello. " * 2000], ids=["short", "long"])
def test_pain_4_what_only_the_first_event_tells_stays(policy: ContentPolicy, text: str) -> None:
    first = {"input_tokens": 10, "cache_creation_input_tokens": 400, "cache_read_input_tokens": 6, "output_tokens": 1}
    stream = b"".join(anthropic_stream(first, {"output_tokens": 30}, text=text))
    usage = metered(Dialect.ANTHROPIC, stream, streamed=True, policy=policy).usage
    assert (usage.cache_write_tokens, usage.cached_input_tokens) == (400, 6)
    assert (usage.input_tokens, usage.output_tokens) == (416, 30)


# Pain 5 and 8: streams without their end


def long_stream(dialect: Dialect) -> bytes:
    """Return a stream that tells of no usage, and is cut inside its text."""
    words = [f"number {number} and then " for number in range(400)]
    if dialect is Dialect.BEDROCK:
        return bedrock.BEGIN + b"".join([bedrock.delta(0, {"text": word}) for word in words])
    from_text = CODECS[Dialect.OPENAI_CHAT].stream_decoder()
    encoder = CODECS[dialect].stream_encoder(asking(dialect))
    out = b""
    for word in words:
        out += encoder.feed(from_text.feed(b"data: %b\n\n" % json.dumps(chunk(word)).encode()))
    return out


def counted_in(dialect: Dialect, stream: bytes) -> int:
    usage = RunningUsage(CODECS[dialect].stream_decoder())
    usage.see(stream)
    return usage.output_tokens


@BY_POLICY
@BY_DIALECT
@pytest.mark.parametrize("outcome", [Outcome.UPSTREAM_BROKE, Outcome.CLIENT_GONE, Outcome.SUCCESS])
def test_pain_5_and_8_a_stream_without_usage_is_estimated_and_says_so(
    dialect: Dialect, policy: ContentPolicy, outcome: Outcome
) -> None:
    stream = long_stream(dialect)
    row = metered(dialect, stream, streamed=True, policy=policy, outcome=outcome)
    assert row.usage.estimated
    assert row.usage.output_tokens is not None
    assert 0.75 < row.usage.output_tokens / counted_in(dialect, stream) < 1.33
    assert row.usage.input_tokens or dialect is Dialect.ANTHROPIC  # which our encoder tells to be 0 as it begins
    assert row.cost
    assert not row.price_missing


@BY_POLICY
def test_pain_8_what_anthropic_tells_at_the_beginning_is_not_the_whole(policy: ContentPolicy) -> None:
    first = {"input_tokens": 10, "cache_creation_input_tokens": 400, "cache_read_input_tokens": 6, "output_tokens": 1}
    stream = b"".join(anthropic_stream(first, {}, text="Hello there. " * 400)[:3])
    usage = metered(Dialect.ANTHROPIC, stream, streamed=True, policy=policy, outcome=Outcome.CLIENT_GONE).usage
    assert (usage.input_tokens, usage.cache_write_tokens, usage.cached_input_tokens) == (416, 400, 6)
    assert 1000 < (usage.output_tokens or 0) < 1700
    assert usage.estimated


@pytest.mark.slow
def test_pain_5_estimates_of_what_is_not_kept_are_near(shared: Path) -> None:
    """Of streams cut at their half, what passed is estimated by the tail as it is counted, within a factor of 1.5."""
    ratios = []
    for dialect in DIALECTS:
        for _, stream in recorded(shared, dialect):
            half = stream[: len(stream) // 2]
            tail = metered(dialect, half, streamed=True, policy=NOTHING, outcome=Outcome.CLIENT_GONE).usage
            counted = counted_in(dialect, half)
            if tail.estimated and counted >= 40:
                ratios.append((tail.output_tokens or 0) / counted)
    ratios.sort()
    assert len(ratios) >= 20
    assert 0.85 < ratios[len(ratios) // 2] < 1.2, ratios
    assert sum(2 / 3 < ratio < 3 / 2 for ratio in ratios) >= 0.7 * len(ratios), ratios


# Pain 16: negative usage


def negative(usage: Any) -> Any:
    """Return a usage with every count below zero."""
    if isinstance(usage, dict):
        return {name: negative(value) for name, value in usage.items()}
    return -usage if isinstance(usage, int) and not isinstance(usage, bool) else usage


NEGATED: dict[Dialect, Callable[[], bytes]] = {
    Dialect.OPENAI_CHAT: lambda: sse(chunk("Hello", "stop", usage=negative(USAGE))),
    Dialect.MISTRAL: lambda: sse(chunk("Hello", "stop", usage=negative(USAGE))),
    Dialect.ANTHROPIC: lambda: b"".join(
        anthropic_stream(
            {"input_tokens": -10, "cache_creation_input_tokens": -400, "output_tokens": -1}, {"output_tokens": -30}
        )
    ),
    Dialect.BEDROCK: lambda: (
        bedrock.BEGIN
        + bedrock.delta(0, {"text": "Hello"})
        + bedrock.end()
        + bedrock.event("metadata", {"usage": {"inputTokens": -10, "outputTokens": -5, "totalTokens": -15}})
    ),
    Dialect.GEMINI: lambda: (
        b"data: %b\n\n"
        % json.dumps(
            {
                "candidates": [{"content": {"parts": [{"text": "Hello"}]}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": -9, "candidatesTokenCount": -4, "totalTokenCount": -13},
            }
        ).encode()
    ),
}


@BY_POLICY
@pytest.mark.parametrize("dialect", NEGATED)
def test_pain_16_negative_usage_credits_nobody(dialect: Dialect, policy: ContentPolicy) -> None:
    row = metered(dialect, NEGATED[dialect](), streamed=True, policy=policy)
    counts = [count for unit in UNITS if (count := getattr(row.usage, unit)) is not None]
    assert counts
    assert min(counts) >= 0
    assert row.cost is not None
    assert row.cost >= 0


@pytest.mark.parametrize("dialect", [Dialect.OPENAI_CHAT, Dialect.MISTRAL])
def test_pain_16_negative_usage_is_flagged(dialect: Dialect) -> None:
    row = metered(dialect, NEGATED[dialect](), streamed=True)
    assert row.warnings is not None
    assert "clamped" in row.warnings
