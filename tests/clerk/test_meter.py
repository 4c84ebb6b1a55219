"""The meter: every field of a request log, from what was captured or posted."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gantry.clerk.meter import meter_call, meter_posted
from gantry.core.errors import InvalidRequest
from gantry.core.log_figures import is_cache_hit, tokens_per_second
from gantry.core.request_log import CACHED_MODEL, RequestLog
from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import ContentPolicy, Environment, LogMethod, Outcome
from gantry.dialects.usage import IMPOSSIBLE
from gantry.journal.frames import AttemptRecord, CacheNote, CallClosed, CallOpened, LogPosted
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates

START = 1_795_341_600_000_000_000
SECOND = 1_000_000_000

REQUEST = b'{"model":"mistral-large-latest","messages":[{"role":"user","content":"hi"}],"temperature":1.00}'
USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
MESSAGE = {"role": "assistant", "content": "hello"}
ANSWER = {
    "id": "r1",
    "object": "chat.completion",
    "model": "mistral-large-latest",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
    "usage": USAGE,
}
FIRST_TRY = AttemptRecord("mistral", "c1", "first", "mistral-large-latest", "relay", 503, "upstream_error", "busy")
SERVED = AttemptRecord("mistral", "c2", "second", "mistral-large-latest", "relay", 200, "success")

OPENED = CallOpened(
    log_id="a" * 32,
    organization_id="org",
    key_id="key",
    environment="prod",
    started_at=START,
    method="POST",
    path="/api/v1/chat/completions",
    dialect="mistral",
    operation="chat",
    requested_model="mistral/mistral-large-latest",
    stream=False,
    content_policy="full",
    snapshot_version=7,
    user_agent="mistral-client-python/3.7.0",
    request_content_type="application/json",
    params=b"",
    metadata=b"",
    request_body=b"",
)
CLOSED = CallClosed(
    log_id="a" * 32,
    ended_at=START + 2 * SECOND,
    outcome="success",
    status=200,
    error=None,
    attempts=[FIRST_TRY, SERVED],
    time_to_first_token=SECOND,
    routing_time=50_000,
    response_content_type="application/json",
    response_content_encoding="",
    upstream_request_id="corr-1",
    request_bytes=len(REQUEST),
    response_bytes=300,
    truncated=False,
    response_body=b"",
)


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


def body(**changes: Any) -> bytes:
    return json.dumps({**ANSWER, **changes}).encode()


def test_every_field_of_a_call(rates: Rates) -> None:
    response = body()
    log = meter_call(OPENED, REQUEST, response, CLOSED, rates)
    assert log == RequestLog(
        log_id="a" * 32,
        organization_id="org",
        key_id="key",
        environment=Environment.PROD,
        log_method=LogMethod.INFERENCE,
        log_type="chat",
        operation="chat",
        dialect="mistral",
        method="POST",
        path="/api/v1/chat/completions",
        model="mistral-large-latest",
        requested_model="mistral/mistral-large-latest",
        provider_id="mistral",
        credential_id="c2",
        deployment_name="second",
        tier="relay",
        attempts=log.attempts,
        outcome=Outcome.SUCCESS,
        status_code=200,
        started_at=START,
        ended_at=START + 2 * SECOND,
        latency=2 * SECOND,
        time_to_first_token=SECOND,
        routing_time=50_000,
        stream=False,
        usage=Usage(input_tokens=1000, output_tokens=500, total_tokens=1500),
        usage_raw=json.dumps(USAGE),
        cost=1_250_000,
        cost_by_unit='{"input_tokens":500000,"output_tokens":750000}',
        price_source="genai-prices",
        price_version="genai-prices 0.2.3, aliases 2026-11-29",
        input='[{"role":"user","content":"hi"}]',
        output=json.dumps(MESSAGE),
        temperature=1.0,
        finish_reason="stop",
        response_id="r1",
        upstream_request_id="corr-1",
        full_request=REQUEST,
        full_response=response,
        request_bytes=len(REQUEST),
        response_bytes=300,
        user_agent="mistral-client-python/3.7.0",
        snapshot_version=7,
    )
    assert json.loads(log.attempts or "") == [
        {
            "provider_id": "mistral",
            "credential_id": "c1",
            "credential_name": "first",
            "upstream_model": "mistral-large-latest",
            "tier": "relay",
            "status": 503,
            "outcome": "upstream_error",
            "error": "busy",
        },
        {
            "provider_id": "mistral",
            "credential_id": "c2",
            "credential_name": "second",
            "upstream_model": "mistral-large-latest",
            "tier": "relay",
            "status": 200,
            "outcome": "success",
        },
    ]


def stream(*deltas: str, usage: dict[str, Any] | None = None, done: bool = True) -> bytes:
    chunks: list[dict[str, Any]] = [
        {"model": "mistral-large-latest", "choices": [{"index": 0, "delta": {"content": delta}}]} for delta in deltas
    ]
    if usage is not None:
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage})
    return b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks) + (
        b"data: [DONE]\n\n" if done else b""
    )


STREAMED = replace(OPENED, stream=True)
STREAM_CLOSED = replace(CLOSED, response_content_type="text/event-stream; charset=utf-8")


def test_a_stream(rates: Rates) -> None:
    log = meter_call(STREAMED, REQUEST, stream("he", "llo", usage=USAGE), STREAM_CLOSED, rates)
    assert (log.stream, log.output, log.finish_reason) == (True, '{"role":"assistant","content":"hello"}', "stop")
    assert (log.usage.output_tokens, log.usage.estimated, log.cost) == (500, False, 1_250_000)


def test_a_stream_that_died_is_estimated_and_says_so(rates: Rates) -> None:
    closed = replace(STREAM_CLOSED, outcome="client_gone", status=200)
    log = meter_call(STREAMED, REQUEST, stream("hello, ", "world", done=False), closed, rates)
    assert log.usage == Usage(input_tokens=8, output_tokens=3, total_tokens=11, estimated=True)
    assert log.usage_raw is None
    assert log.cost == 8 * 500 + 3 * 1500


def test_a_crashed_call_is_priced_by_the_name_it_asked_for(rates: Rates) -> None:
    closed = replace(
        STREAM_CLOSED, outcome="gateway_crashed", attempts=[], status=0, error="crashed", response_content_type=""
    )
    log = meter_call(STREAMED, REQUEST, stream("hello, ", "world", done=False), closed, rates)
    assert (log.outcome, log.provider_id, log.error_message) == (Outcome.GATEWAY_CRASHED, None, "crashed")
    assert log.usage.estimated
    assert log.cost == 8 * 500 + 3 * 1500


def test_a_crash_before_any_answer_has_no_usage_and_no_cost(rates: Rates) -> None:
    closed = replace(CLOSED, outcome="gateway_crashed", attempts=[], status=0)
    log = meter_call(OPENED, REQUEST, b"", closed, rates)
    assert (log.usage, log.cost, log.price_missing) == (NO_USAGE, None, False)


def test_withheld_bodies_are_metered_by_the_usage_of_the_tail(rates: Rates) -> None:
    closed = replace(CLOSED, usage=json.dumps(USAGE).encode(), response_model="mistral-large-latest")
    log = meter_call(replace(OPENED, content_policy="metadata"), b"", b"", closed, rates)
    assert (log.usage.output_tokens, log.cost, log.input, log.output) == (500, 1_250_000, None, None)


@pytest.mark.parametrize("policy", [ContentPolicy.METADATA, ContentPolicy.NOTHING])
def test_no_content_stands_where_the_policy_withholds_it(rates: Rates, policy: ContentPolicy) -> None:
    opened = replace(OPENED, content_policy=policy, params=b'{"customer_identifier":"u"}', metadata=b'{"k":1}')
    log = meter_call(opened, REQUEST, body(), CLOSED, rates)
    assert (log.input, log.output, log.tool_calls, log.full_request, log.full_response) == (None,) * 5
    assert (log.customer_identifier is None) == (log.metadata is None) == (policy is ContentPolicy.NOTHING)
    assert log.cost == 1_250_000


PRICES = [
    ("mistral", "mistral-large-latest", USAGE, 1_250_000, False),
    ("mistral", "mistral-large-latest", {**USAGE, "num_cached_tokens": 64}, 936 * 500 + 64 * 50 + 750_000, False),
    (
        "mistral",
        "mistral-small-latest",
        {**USAGE, "service_tier": "priority"},
        round((1000 * 150 + 500 * 600) * 1.75),
        False,
    ),
    ("mistral", "no-such-model", USAGE, None, True),
    ("own-provider", "mistral-large-latest", USAGE, None, True),
    ("mistral", "mistral-moderation-latest", USAGE, 0, False),
    (
        "mistral",
        "voxtral-mini-latest",
        {"prompt_audio_seconds": 203, "prompt_tokens": 4, "total_tokens": 4},
        10_150_000,
        False,
    ),
]


@pytest.mark.parametrize(("provider_id", "model", "usage", "cost", "missing"), PRICES)
def test_the_price(
    rates: Rates, provider_id: str, model: str, usage: dict[str, Any], cost: int | None, missing: bool
) -> None:
    attempt = replace(SERVED, provider_id=provider_id, upstream_model=model)
    log = meter_call(OPENED, REQUEST, body(usage=usage, model=model), replace(CLOSED, attempts=[attempt]), rates)
    assert (log.cost, log.price_missing) == (cost, missing)


def test_a_deployment_is_priced_by_the_model_that_answered(rates: Rates) -> None:
    attempt = replace(SERVED, upstream_model="my-deployment")
    log = meter_call(OPENED, REQUEST, body(), replace(CLOSED, attempts=[attempt]), rates)
    assert (log.model, log.cost) == ("my-deployment", 1_250_000)


def test_the_answer_of_another_attempt_is_read_in_its_own_dialect(rates: Rates) -> None:
    claude = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "hello"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 9, "output_tokens": 3},
    }
    served = replace(
        SERVED, provider_id="anthropic", upstream_model="claude-sonnet-4-5", tier="translate", upstream_host=None
    )
    closed = replace(CLOSED, attempts=[FIRST_TRY, served], spoken_dialect="anthropic", spoken_operation="chat")
    log = meter_call(OPENED, REQUEST, json.dumps(claude).encode(), closed, rates)
    assert (log.usage.input_tokens, log.usage.output_tokens, log.provider_id) == (9, 3, "anthropic")
    assert log.output == '{"role":"assistant","content":"hello"}'
    assert log.input == meter_call(OPENED, REQUEST, body(), CLOSED, rates).input
    assert log.cost == 9 * 3_000 + 3 * 15_000
    assert log.dialect == "mistral"


def test_an_error_of_the_provider(rates: Rates) -> None:
    response = b'{"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"}'
    log = meter_call(OPENED, REQUEST, response, replace(CLOSED, outcome="upstream_error", status=400), rates)
    assert (log.error_message, log.cost, log.price_missing, log.output) == ("Invalid model: x", None, False, None)


def test_a_refusal_of_ours(rates: Rates) -> None:
    closed = replace(CLOSED, outcome="refused", status=403, error="this key may not use x", attempts=[])
    log = meter_call(OPENED, b"", b"", closed, rates)
    assert (log.error_message, log.provider_id, log.model, log.attempts) == ("this key may not use x", None, None, None)


def test_the_trace_is_the_callers_unless_the_parameters_name_one(rates: Rates) -> None:
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    traced = replace(OPENED, trace_parent=f"00-{trace}-{span}-01")
    log = meter_call(traced, b"", b"", CLOSED, rates)
    assert (log.trace_unique_id, log.span_parent_id, log.warnings) == (trace, span, None)
    named = replace(traced, params=b'{"trace_unique_id":"mine"}')
    log = meter_call(named, b"", b"", CLOSED, rates)
    assert (log.trace_unique_id, log.span_parent_id) == ("mine", None)
    log = meter_call(replace(OPENED, trace_parent="not one"), b"", b"", CLOSED, rates)
    assert (log.trace_unique_id, log.warnings) == (None, None)


def test_labels_from_the_parameters(rates: Rates) -> None:
    params = {
        "customer_params": {"customer_identifier": "u" * 300, "name": "N", "email": "E"},
        "thread_identifier": "t",
        "custom_identifier": 9,
        "metadata": {"a": "ours", "b": 2},
        "properties": {"p": 1},
        "fallback_models": ["x"],
    }
    opened = replace(OPENED, params=json.dumps(params).encode(), metadata=b'{"a":"theirs","c":3}')
    log = meter_call(opened, REQUEST, body(), CLOSED, rates)
    assert log.customer_identifier == "u" * 254
    assert (log.customer_name, log.customer_email) == ("N", "E")
    assert (log.thread_identifier, log.custom_identifier) == ("t", "9")
    assert json.loads(log.metadata or "") == {"a": "ours", "b": 2, "c": 3}
    assert json.loads(log.properties or "") == {"p": 1}
    assert json.loads(log.extra or "") == {"fallback_models": ["x"]}


def test_the_bodys_own_metadata(rates: Rates) -> None:
    assert (
        meter_call(replace(OPENED, metadata=b'{"k": 1.00}'), REQUEST, body(), CLOSED, rates).metadata == '{"k": 1.00}'
    )


BROKEN: list[tuple[dict[str, Any], bytes, bytes, str]] = [
    ({"params": b"[1]"}, REQUEST, body(), "the gateway parameters must be a JSON object"),
    (
        {"params": b'{"metadata":7,"thread_identifier":"t"}'},
        REQUEST,
        body(),
        "metadata: must be a JSON object, ignored",
    ),
    ({"metadata": b"[1]"}, REQUEST, body(), "`metadata` must be a JSON object"),
    ({}, b'{"messages":', body(), "the request's input could not be read"),
    ({}, b'{"messages":"\xff"}', body(), "the request's input could not be read"),
    ({}, REQUEST, body(usage={**USAGE, "prompt_tokens": -4}), "usage: a count was negative"),
    ({}, REQUEST, body()[:-30], "the answer is not whole JSON"),
]


@pytest.mark.parametrize(("opening", "request_body", "response", "warning"), BROKEN)
def test_one_broken_part_is_a_warning_and_hides_no_other(
    rates: Rates, opening: dict[str, Any], request_body: bytes, response: bytes, warning: str
) -> None:
    log = meter_call(
        replace(OPENED, **opening), request_body, response, replace(CLOSED, warnings=["from the gateway"]), rates
    )
    warnings = json.loads(log.warnings or "[]")
    assert warnings[0] == "from the gateway"
    assert any(warning in one for one in warnings)
    assert log.model == "mistral-large-latest"
    if "params" in opening and b"thread" in opening["params"]:
        assert log.thread_identifier == "t"
    if response == body():
        assert log.cost == 1_250_000


INPUTS = [
    (b'{"messages":[1]}', "[1]"),
    (b'{"prompt":"def f("}', "def f("),
    (b'{"prompt":"def f(","suffix":"return"}', '{"prompt":"def f(","suffix":"return"}'),
    (b'{"prompt":"a","suffix":null}', "a"),
    (b'{"input":["a","b"]}', '["a","b"]'),
    (b'{"input":"a"}', "a"),
    (b'{"messages":null,"prompt":"a"}', "a"),
    (b"--boundary", None),
    (b"", None),
]


@pytest.mark.parametrize(("request_body", "expected"), INPUTS)
def test_the_input(rates: Rates, request_body: bytes, expected: str | None) -> None:
    assert meter_call(OPENED, request_body, body(), CLOSED, rates).input == expected


TYPES = [
    ("chat", "/api/v1/chat/completions", "chat"),
    ("fim", "/api/v1/fim/completions", "completion"),
    ("embeddings", "/api/embeddings", "embedding"),
    ("opaque", "/api/v1/audio/transcriptions", "transcription"),
    ("opaque", "/api/v1/audio/speech", "speech"),
    ("opaque", "/api/responses", "response"),
    ("opaque", "/api/v1/ocr", "unknown"),
]


@pytest.mark.parametrize(("operation", "path", "expected"), TYPES)
def test_the_log_type(rates: Rates, operation: str, path: str, expected: str) -> None:
    assert (
        meter_call(replace(OPENED, operation=operation, path=path), REQUEST, body(), CLOSED, rates).log_type == expected
    )


def test_a_compressed_answer_is_kept_as_text(rates: Rates) -> None:
    closed = replace(CLOSED, response_content_encoding="gzip")
    log = meter_call(OPENED, REQUEST, gzip.compress(body()), closed, rates)
    assert (log.full_response, log.cost, log.warnings) == (body(), 1_250_000, None)


def test_tool_calls_and_several_choices(rates: Rates) -> None:
    call = {"id": "abc123def", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    choices = [
        {"index": n, "message": {**MESSAGE, "tool_calls": [call]}, "finish_reason": "tool_calls"} for n in range(2)
    ]
    log = meter_call(OPENED, REQUEST, body(choices=choices), CLOSED, rates)
    assert json.loads(log.tool_calls or "") == [call]
    assert len(json.loads(log.output or "")) == 2


def test_every_recording_becomes_a_whole_log(shared: Path, rates: Rates) -> None:
    count = 0
    for path in (shared / "recordings" / "mistral" / "mistral_chat").glob("*.json"):
        recording = json.loads(path.read_bytes())
        request, response = recording["request"], recording["response"]
        raw = response["sse"].encode() if response.get("sse") else json.dumps(response["body"]).encode()
        attempt = replace(SERVED, upstream_model=recording["model"])
        closed = replace(
            CLOSED,
            status=response["status"],
            attempts=[attempt],
            response_content_type=response["headers"]["content-type"],
        )
        log = meter_call(OPENED, json.dumps(request["body"]).encode() if request["body"] else b"", raw, closed, rates)
        count += 1
        if response["status"] == 200:
            assert log.usage.input_tokens is not None, path
            assert not log.usage.estimated, path
            assert log.cost is not None, (path, recording["model"])
            assert log.warnings is None, (path, log.warnings)
    assert count > 100


def posted(policy: ContentPolicy = ContentPolicy.FULL, **fields: Any) -> LogPosted:
    return LogPosted("b" * 32, "org", "key", "test", START, policy, json.dumps(fields).encode(), "python-requests/2")


PAGE: dict[str, Any] = {
    "model": "mistral/mistral-large-latest",
    "prompt_messages": [{"role": "user", "content": "Hello, how are you?"}],
    "completion_message": {"role": "assistant", "content": "Hello from Mistral through Respan."},
    "cost": 0.001,
    "generation_time": 1.2,
    "customer_params": {"customer_identifier": "user_123"},
}


def test_every_field_of_a_posted_log(rates: Rates) -> None:
    frame = posted(**PAGE)
    assert meter_posted(frame, rates) == RequestLog(
        log_id="b" * 32,
        organization_id="org",
        key_id="key",
        environment=Environment.TEST,
        log_method=LogMethod.LOGGING_API,
        model="mistral-large-latest",
        requested_model="mistral/mistral-large-latest",
        provider_id="mistral",
        outcome=Outcome.LOGGED,
        status_code=200,
        started_at=START - 1_200_000_000,
        ended_at=START,
        latency=1_200_000_000,
        cost=1_000_000,
        price_source="posted",
        customer_identifier="user_123",
        input=json.dumps(PAGE["prompt_messages"]),
        output=json.dumps(PAGE["completion_message"]),
        request_bytes=len(frame.body),
        user_agent="python-requests/2",
    )


POSTED_COSTS: list[tuple[dict[str, Any], int | None, bool, str | None]] = [
    (
        {"model": "mistral/mistral-large-latest", "prompt_tokens": 1000, "completion_tokens": 500},
        1_250_000,
        False,
        "genai-prices",
    ),
    (
        {"model": "mistral-large-latest", "prompt_tokens": 1000, "completion_tokens": 500},
        1_250_000,
        False,
        "genai-prices",
    ),
    ({"model": "gpt-4o", "usage": {"prompt_tokens": 1_000_000}}, 2_500_000_000, False, "genai-prices"),
    ({"model": "m", "provider_id": "mistral", "prompt_tokens": 1}, None, True, None),
    (
        {"model": "m", "prompt_tokens": 10, "completion_tokens": 2, "prompt_unit_price": 1, "completion_unit_price": 2},
        14_000,
        False,
        "posted",
    ),
    ({"model": "mistral/mistral-large-latest", "prompt_tokens": 10, "prompt_unit_price": 1}, 10_000, False, "posted"),
    ({"model": "mistral/mistral-large-latest", "prompt_tokens": 10, "cost": 0}, 0, False, "posted"),
    ({"model": "mistral/mistral-large-latest"}, None, False, None),
    ({"prompt_tokens": 10}, None, True, None),
]


@pytest.mark.parametrize(("fields", "cost", "missing", "source"), POSTED_COSTS)
def test_the_cost_of_a_posted_log(
    rates: Rates, fields: dict[str, Any], cost: int | None, missing: bool, source: str | None
) -> None:
    log = meter_posted(posted(**fields), rates)
    assert (log.cost, log.price_missing, log.price_source) == (cost, missing, source)


@pytest.mark.parametrize("part", ["prompt_cache_hit_tokens", "prompt_cache_creation_tokens"])
def test_a_posted_log_that_says_more_of_a_part_than_of_the_whole_gives_nothing_back(rates: Rates, part: str) -> None:
    fields: dict[str, Any] = {"model": "openai/gpt-4o", "prompt_tokens": 0, part: 10**15}
    log = meter_posted(posted(**fields), rates)
    assert (log.cost, log.usage.clamped, json.loads(log.warnings or "[]")) == (0, True, [IMPOSSIBLE])


MONTH = 31 * 86_400 * SECOND
TIMES: list[tuple[dict[str, Any], tuple[int, int, int | None]]] = [
    ({}, (START, START, None)),
    ({"latency": 2}, (START - 2 * SECOND, START, 2 * SECOND)),
    ({"timestamp": "2026-11-22T09:00:00Z", "latency": 1}, (START - 3601 * SECOND, START - 3600 * SECOND, SECOND)),
    ({"start_time": "2026-11-22T09:00:00Z", "latency": 1}, (START - 3600 * SECOND, START - 3599 * SECOND, SECOND)),
    (
        {"start_time": "2026-11-22T09:00:00Z", "timestamp": "2026-11-22T09:00:03Z"},
        (START - 3600 * SECOND, START - 3597 * SECOND, 3 * SECOND),
    ),
    ({"start_time": "2026-11-22T10:00:03Z", "timestamp": "2026-11-22T10:00:00Z"}, (START, START, 0)),
    ({"latency": 10**8}, (START - 10**8 * SECOND, START, MONTH)),
    ({"start_time": "1970-01-01T00:00:00Z", "timestamp": "2026-11-22T10:00:00Z"}, (0, START, MONTH)),
]


@pytest.mark.parametrize(("fields", "expected"), TIMES)
def test_the_times_of_a_posted_log(rates: Rates, fields: dict[str, Any], expected: tuple[int, int, int | None]) -> None:
    log = meter_posted(posted(**fields), rates)
    assert (log.started_at, log.ended_at, log.latency) == expected


def test_the_first_token_of_a_posted_log_came_within_a_month(rates: Rates) -> None:
    assert meter_posted(posted(time_to_first_token=10**8), rates).time_to_first_token == MONTH


@pytest.mark.parametrize(
    "frame", [posted(ContentPolicy.METADATA, **PAGE, note="n"), posted(**PAGE, note="n", disable_log=True)]
)
def test_a_posted_logs_content_is_withheld(rates: Rates, frame: LogPosted) -> None:
    log = meter_posted(frame, rates)
    assert (log.input, log.output, log.extra, log.cost) == (None, None, None, 1_000_000)
    assert log.customer_identifier == "user_123"


def test_a_posted_log_under_nothing_has_no_labels(rates: Rates) -> None:
    assert meter_posted(posted(ContentPolicy.NOTHING, **PAGE), rates).customer_identifier is None


def test_a_body_that_no_door_would_take_is_refused(rates: Rates) -> None:
    with pytest.raises(InvalidRequest):
        meter_posted(posted(cost="dear"), rates)


HIT = CacheNote(
    "k" * 64,
    hit=True,
    kept_at=START - SECOND,
    expires_at=START + SECOND,
    log_id="b" * 32,
    asked_model="mistral/mistral-large-latest",
    provider_id="mistral",
    upstream_model="mistral-large-latest",
    upstream_host="api.mistral.ai",
    latency=3 * SECOND,
)


def test_an_answer_from_the_cache_costs_nothing_and_tells_what_it_saved(rates: Rates) -> None:
    response = body()
    bought = meter_call(OPENED, REQUEST, response, CLOSED, rates)
    log = meter_call(OPENED, REQUEST, response, replace(CLOSED, attempts=[], cache=HIT), rates)
    assert (log.cost, log.cost_by_unit, log.price_missing) == (0, None, False)
    assert (log.cache_savings, log.price_version) == (bought.cost, bought.price_version)
    assert (log.model, log.cache_key, log.provider_id, log.attempts) == (CACHED_MODEL, "k" * 64, None, None)
    assert is_cache_hit(log)
    assert not is_cache_hit(bought)
    assert (log.usage, log.output, log.full_response) == (bought.usage, bought.output, bought.full_response)
    assert tokens_per_second(log) is None
    assert (bought.cache_key, bought.cache_savings) == (None, None)


def test_the_call_that_filled_the_cache_says_under_which_name(rates: Rates) -> None:
    filled = meter_call(OPENED, REQUEST, body(), replace(CLOSED, cache=replace(HIT, hit=False)), rates)
    assert filled == replace(meter_call(OPENED, REQUEST, body(), CLOSED, rates), cache_key="k" * 64)


def test_usage_that_left_no_trace_in_the_answer_is_that_of_the_first_call(rates: Rates) -> None:
    usage = Usage(input_tokens=1000, output_tokens=500, total_tokens=1500)
    silent = {name: value for name, value in ANSWER.items() if name != "usage"}
    note = replace(HIT, usage=usage)
    log = meter_call(OPENED, REQUEST, json.dumps(silent).encode(), replace(CLOSED, attempts=[], cache=note), rates)
    assert (log.usage, log.cache_savings) == (usage, 1_250_000)


def test_savings_that_have_no_price_are_unknown_and_the_cost_is_not(rates: Rates) -> None:
    note = replace(HIT, provider_id="nobody", upstream_model="nothing")
    closed = replace(CLOSED, attempts=[], cache=note, response_model=None)
    log = meter_call(OPENED, REQUEST, body(model="nothing"), closed, rates)
    assert (log.cost, log.cache_savings, log.price_missing) == (0, None, False)


def test_an_answer_out_of_somebodys_cache_cost_nothing_unless_it_was_posted_otherwise(rates: Rates) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 6}
    log = meter_posted(posted(model=CACHED_MODEL, usage=usage), rates)
    assert (log.model, log.cost, log.price_missing, log.usage.input_tokens) == (CACHED_MODEL, 0, False, 5)
    assert meter_posted(posted(model=CACHED_MODEL, usage=usage, cost=0.5), rates).cost == 500_000_000
