"""Each source's rows as posted logs: what a column becomes, that the codec takes it, and that no column is lost."""

import csv
import io
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from gantry.dialects.posted_log import PostedLog, read_posted
from gantry.imports.finding import Fate
from gantry.imports.log_source import IMPORTED, ImportedLog, LogSource, RowRefused
from gantry.imports.rows import BadRow, read_rows
from gantry.imports.sources import LOG_SOURCES

MESSAGES = [{"role": "user", "content": "Where is the bridge?"}]
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Over the river."}}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
}

# Columns: `LiteLLM_SpendLogs` of schema.prisma in github.com/BerriAI/litellm.
LITELLM: dict[str, Any] = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "api_key": "88dc28d0",
    "spend": 0.00125,
    "total_tokens": 120,
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "startTime": "2026-10-01T10:00:00.000Z",
    "endTime": "2026-10-01T10:00:02.500Z",
    "completionStartTime": "2026-10-01T10:00:00.500Z",
    "request_duration_ms": 2500,
    "model": "openai/gpt-4o-mini",
    "model_id": "m-1",
    "model_group": "fast",
    "custom_llm_provider": "openai",
    "api_base": "https://api.openai.com",
    "user": "admin",
    "metadata": {"user_api_key_alias": "ci", "user_api_key": "88dc28d0", "own": "x"},
    "cache_hit": "False",
    "request_tags": ["nightly"],
    "team_id": "t-1",
    "end_user": "customer-1",
    "messages": MESSAGES,
    "response": COMPLETION,
    "session_id": "s-1",
    "status": "success",
    "proxy_server_request": {"headers": {"authorization": "Bearer sk-secret"}, "body": {"model": "fast", "n": 1}},
    "from_tomorrow": 1,
}

# Columns: `HeliconeRequest` of packages/llm-mapper/types.ts in github.com/Helicone/helicone.
HELICONE: dict[str, Any] = {
    "request_id": "11111111-1111-4111-8111-111111111111",
    "response_id": "22222222-2222-4222-8222-222222222222",
    "request_created_at": "2026-10-01 10:00:00.000",
    "response_created_at": "2026-10-01 10:00:02.500",
    "response_status": 200,
    "request_body": {"model": "gpt-4o-mini", "messages": MESSAGES, "stream": True},
    "response_body": COMPLETION,
    "request_path": "https://api.openai.com/v1/chat/completions",
    "request_user_id": "customer-1",
    "request_properties": {"Helicone-Session-Id": "s-1", "Helicone-Session-Path": "/a/b", "team": "blue"},
    "request_model": "gpt-4o-mini",
    "response_model": "gpt-4o-mini-2024-07-18",
    "provider": "OPENAI",
    "delay_ms": 2500,
    "time_to_first_token": 500,
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "costUSD": 0.00125,
    "feedback_rating": True,
    "country_code": "SE",
    "signed_body_url": "https://bodies.example/1",
    "llmSchema": {"request": {}},
    "from_tomorrow": 1,
}

# Columns: convertObservation (packages/shared/src/server/repositories/observations_converters.ts) and
# observation-stream.ts in github.com/langfuse/langfuse.
LANGFUSE: dict[str, Any] = {
    "id": "obs-1",
    "traceId": "trace-1",
    "projectId": "p-1",
    "type": "GENERATION",
    "environment": "staging",
    "parentObservationId": "obs-0",
    "startTime": "2026-10-01T10:00:00.000Z",
    "endTime": "2026-10-01T10:00:02.500Z",
    "completionStartTime": "2026-10-01T10:00:00.500Z",
    "name": "answer",
    "metadata": {"own": "x"},
    "level": "DEFAULT",
    "input": MESSAGES,
    "output": {"role": "assistant", "content": "Over the river."},
    "model": "gpt-4o-mini",
    "modelParameters": {"temperature": 0.2, "max_tokens": 64, "seed": 7},
    "usageDetails": {"input": 80, "input_cached_tokens": 20, "output": 20, "total": 120},
    "costDetails": {"input": 0.001, "output": 0.00025, "total": 0.00125},
    "totalCost": 0.00125,
    "latency": 2500,
    "userId": "customer-1",
    "sessionId": "s-1",
    "traceName": "question",
    "traceTags": ["nightly"],
    "promptName": "greeting",
    "promptVersion": 3,
    "modelId": "cl-1",
    "createdAt": "2026-10-01T10:00:03Z",
    "helpfulness": [0.9],
}

# A result item of POST /api/request-logs/list/, docs.respan.ai.
RESPAN: dict[str, Any] = {
    "unique_id": "5f1c0000000000000000000000000001",
    "organization_key__name": "ci",
    "environment": "test",
    "status": "success",
    "log_type": "chat",
    "prompt_messages": MESSAGES,
    "completion_message": {"role": "assistant", "content": "Over the river."},
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "cost": 0.00125,
    "latency": 2.5,
    "time_to_first_token": 0.5,
    "routing_time": 0.01,
    "model": "gpt-4o-mini",
    "provider_id": "openai",
    "start_time": "2026-10-01T10:00:00Z",
    "timestamp": "2026-10-01T10:00:02.5Z",
    "metadata": {"own": "x"},
    "customer_identifier": "customer-1",
    "thread_identifier": "s-1",
    "trace_unique_id": "trace-1",
    "scores": {"e": 1},
    "failed": False,
    "status_code": 200,
    "api_key": "sk-secret",
    "customer_credentials": {"openai": {"api_key": "sk-secret"}},
    "from_tomorrow": 1,
}
SAMPLES = {"litellm": LITELLM, "helicone": HELICONE, "langfuse": LANGFUSE, "respan": RESPAN}
START, END = 1_790_848_800_000_000_000, 1_790_848_802_500_000_000  # 2026-10-01T10:00:00Z, and 2.5 s later

Providers = Mapping[str, str]


def posted(log: ImportedLog) -> PostedLog:
    return read_posted(msgspec.json.encode(log.body))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_row_keeps_its_id_times_cost_words_and_owner(name: str, providers: Providers) -> None:
    log = LOG_SOURCES[name].read(SAMPLES[name], providers)
    read = posted(log)
    assert read.unique_id == SAMPLES[name][LOG_SOURCES[name].id_columns[0]] == log.id
    assert (read.started_at, read.ended_at) == (START, END)
    assert read.latency in (2_500_000_000, None), "told, or end less start"
    assert read.time_to_first_token == 500_000_000
    assert read.cost == 1_250_000
    assert (read.usage.input_tokens, read.usage.output_tokens) == (100, 20)
    assert read.model in ("openai/gpt-4o-mini", "gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert read.labels.customer_identifier == "customer-1"
    assert read.labels.thread_identifier == "s-1"
    assert read.input is not None
    assert "bridge" in read.input
    assert read.output is not None
    assert "river" in read.output
    assert (read.status, read.status_code) == ("success", 200)
    metadata = msgspec.json.decode(read.labels.metadata or "{}")
    assert (metadata["import_source"], metadata["import_id"]) == (name, log.id)


@pytest.mark.parametrize("name", SAMPLES)
def test_csv_says_the_same_as_json(name: str, providers: Providers) -> None:
    text = io.StringIO()
    cells = {
        column: msgspec.json.encode(value).decode() if isinstance(value, dict | list) else str(value)
        for column, value in SAMPLES[name].items()
    }
    writer = csv.DictWriter(text, cells)
    writer.writeheader()
    writer.writerow(cells)
    (row,) = read_rows([text.getvalue().encode()])
    assert not isinstance(row, BadRow)
    source = LOG_SOURCES[name]
    of_csv, of_json = (posted(source.read(members, providers)) for members in (row.members, SAMPLES[name]))
    differing = {
        field
        for field in PostedLog.__struct_fields__
        if field != "extra" and getattr(of_csv, field) != getattr(of_json, field)
    }
    assert differing == set()


@pytest.mark.parametrize("name", SAMPLES)
def test_no_column_is_ignored_in_silence(name: str, providers: Providers) -> None:
    source, sample = LOG_SOURCES[name], SAMPLES[name]
    findings = source.findings(dict.fromkeys(sample, 1))
    assert [finding.place for finding in findings] == list(sample)
    unknown = [finding.place for finding in findings if finding.fate is Fate.UNKNOWN]
    assert unknown == ["helpfulness" if name == "langfuse" else "from_tomorrow"]
    kept = source.read(sample, providers).body[IMPORTED]
    expected = [finding.place for finding in findings if finding.fate in (Fate.KEPT, Fate.UNKNOWN)]
    assert list(kept) == expected, "what is kept or unknown goes along, and nothing else"


@pytest.mark.parametrize("name", SAMPLES)
def test_no_secret_goes_along(name: str, providers: Providers) -> None:
    assert b"sk-secret" not in msgspec.json.encode(LOG_SOURCES[name].read(SAMPLES[name], providers).body)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_row_without_an_id_is_refused(name: str, providers: Providers) -> None:
    source = LOG_SOURCES[name]
    with pytest.raises(RowRefused, match=r"it has no"):
        source.read({"model": "x"}, providers)


def read(source: LogSource, providers: Providers, **changes: Any) -> PostedLog:
    return posted(source.read({**SAMPLES[source.name], **changes}, providers))


def test_litellm_tells_whose_key_it_was_and_keeps_no_hash(providers: Providers) -> None:
    log = LOG_SOURCES["litellm"].read(LITELLM, providers)
    assert log.key == "ci"
    assert log.body["metadata"]["tags"] == ["nightly"]
    assert b"88dc28d0" not in msgspec.json.encode(log.body)
    assert log.body["full_request"] == {"model": "fast", "n": 1}
    assert log.body["provider_id"] == "openai"


def test_litellm_failures_have_their_status_and_words(providers: Providers) -> None:
    error = {"error_code": "429", "error_class": "RateLimitError", "error_message": "slow down"}
    failed = read(
        LOG_SOURCES["litellm"], providers, status="failure", metadata={"error_information": error}, response={}
    )
    assert (failed.status, failed.status_code, failed.error_message) == ("error", 429, "slow down")


@pytest.mark.parametrize(
    ("call_type", "log_type"),
    [
        ("aembedding", "embedding"),
        ("atext_completion", "completion"),
        ("aresponses", "response"),
        ("rerank", "unknown"),
    ],
)
def test_litellm_call_types(call_type: str, log_type: str, providers: Providers) -> None:
    assert read(LOG_SOURCES["litellm"], providers, call_type=call_type).log_type == log_type


def test_helicone_status_below_zero_is_an_error_without_an_answer(providers: Providers) -> None:
    found = read(LOG_SOURCES["helicone"], providers, response_status=-3, response_body=None)
    assert (found.status, found.status_code) == ("error", 0)


def test_helicone_bodies_of_another_format_are_shown(providers: Providers) -> None:
    answer = {"type": "message", "content": [{"type": "text", "text": "Hej"}]}
    found = read(LOG_SOURCES["helicone"], providers, response_body=answer, provider="ANTHROPIC")
    assert found.output is not None
    assert "Hej" in found.output
    assert found.provider_id == "anthropic"


def test_helicone_csv_has_no_request_id(providers: Providers) -> None:
    # The columns that examples/export/typescript/index.ts writes.
    row = {
        "response_id": "r-1",
        "response_created_at": "2026-10-01T10:00:02Z",
        "response_status": "200",
        "request_created_at": "2026-10-01T10:00:00Z",
        "request_body": '{"messages": []}',
        "request_properties": "{}",
        "request_user_id": "u",
        "model": "gpt-4o",
        "prompt_tokens": "1",
        "completion_tokens": "2",
        "latency": "900",
        "cost": "0.5",
    }
    log = LOG_SOURCES["helicone"].read(row, providers)
    assert (log.id, posted(log).cost) == ("r-1", 500_000_000)
    assert log.body[IMPORTED] == {"latency": "900"}


def test_langfuse_blob_storage_says_the_same_with_underscores(providers: Providers) -> None:
    renamed = {"model": "provided_model_name"}
    under = {
        renamed.get(name, "".join(f"_{one.lower()}" if one.isupper() else one for one in name)): value
        for name, value in LANGFUSE.items()
    }
    source = LOG_SOURCES["langfuse"]
    assert posted(source.read(under, providers)) == posted(source.read(LANGFUSE, providers))


def test_langfuse_traces_are_workflows_without_a_cost(providers: Providers) -> None:
    # Columns: trace-stream.ts.
    trace = {
        "id": "trace-1",
        "timestamp": "2026-10-01T10:00:00.000Z",
        "name": "question",
        "userId": "customer-1",
        "sessionId": "s-1",
        "tags": ["nightly"],
        "input": "Where is the bridge?",
        "output": "Over the river.",
        "latency": 2.5,
        "totalCost": 0.00125,
        "level": "DEFAULT",
        "observationCount": 1,
    }
    log = LOG_SOURCES["langfuse"].read(trace, providers)
    found = posted(log)
    assert (found.log_type, found.cost, found.started_at, found.latency) == ("workflow", None, START, 2_500_000_000)
    assert found.labels.trace_unique_id == found.labels.span_unique_id == "trace-1"


def test_langfuse_reasoning_is_of_the_output(providers: Providers) -> None:
    # As an observation of a Gemini model has it, in the download of a trace.
    usage = {"input": 24, "output": 378, "input_cached_tokens": 0, "output_reasoning_tokens": 1029, "total": 1431}
    found = read(LOG_SOURCES["langfuse"], providers, usageDetails=usage)
    assert (found.usage.input_tokens, found.usage.output_tokens) == (24, 1407)
    assert found.usage.reasoning_tokens == 1029


def test_langfuse_errors_and_parameters(providers: Providers) -> None:
    found = read(LOG_SOURCES["langfuse"], providers, level="ERROR", statusMessage="no answer")
    assert (found.status, found.status_code, found.error_message) == ("error", 500, "no answer")
    assert (found.temperature, found.max_tokens) == (0.2, 64)
    assert found.usage.cached_input_tokens == 20
    metadata = msgspec.json.decode(found.labels.metadata or "{}")
    assert metadata["model_parameters"] == {"seed": 7}
    assert metadata["langfuse_environment"] == "staging"


def test_respan_tells_key_and_environment(providers: Providers) -> None:
    log = LOG_SOURCES["respan"].read(RESPAN, providers)
    assert (log.key, log.environment) == ("ci", "test")
    assert LOG_SOURCES["respan"].read({**RESPAN, "is_test": "False"}, providers).environment == "prod"
    assert posted(LOG_SOURCES["respan"].read({**RESPAN, "failed": True}, providers)).status == "error"


LISTED = {
    "litellm": """
        request_id call_type api_key spend total_tokens prompt_tokens completion_tokens startTime endTime
        request_duration_ms completionStartTime model model_id model_group custom_llm_provider api_base user metadata
        cache_hit cache_key request_tags team_id organization_id end_user requester_ip_address messages response
        session_id status mcp_namespaced_tool_name agent_id proxy_server_request
    """,
    "helicone": """
        response_id response_created_at response_body response_status response_model request_id request_created_at
        request_body request_path request_user_id request_properties request_model model_override helicone_user
        provider delay_ms time_to_first_token total_tokens prompt_tokens prompt_cache_write_tokens
        prompt_cache_read_tokens completion_tokens prompt_audio_tokens completion_audio_tokens prompt_id
        feedback_created_at feedback_id feedback_rating signed_body_url llmSchema country_code asset_ids asset_urls
        scores costUSD properties assets target_url model cache_reference_id cache_enabled
    """,
    "langfuse": """
        id traceId projectId type environment parentObservationId startTime endTime name metadata level statusMessage
        version userId sessionId input output modelParameters completionStartTime promptId createdAt updatedAt
        usageDetails costDetails providedCostDetails model internalModelId promptName promptVersion latency
        timeToFirstToken inputCost outputCost totalCost inputUsage outputUsage totalUsage traceName traceTags
        traceTimestamp modelId inputPrice outputPrice totalPrice scores comments timestamp release tags bookmarked
        public usage errorCount warningCount defaultCount debugCount observationCount inputTokens outputTokens
        totalTokens
    """,
    "respan": """
        unique_id organization_key__name organization user is_example status log_type input output prompt_messages
        completion_message prompt_tokens completion_tokens cost latency time_to_first_token tokens_per_second
        routing_time model foundation_model provider_id tool_choice tools tool_calls timestamp metadata
        customer_identifier customer_email thread_identifier custom_identifier trace_unique_id scores failed stream
        status_code used_custom_credential
    """,
}


@pytest.mark.parametrize("name", LISTED)
def test_every_column_of_a_source_has_a_word(name: str) -> None:
    source = LOG_SOURCES[name]
    assert {column for column in LISTED[name].split() if source.field_of(column).fate is Fate.UNKNOWN} == set()
