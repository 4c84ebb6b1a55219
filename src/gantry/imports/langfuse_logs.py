"""Langfuse's exports: observations and traces, from its tables, its API, or its blob storage. Pure.

The columns are those of `worker/src/features/database-read-stream/` and `packages/shared/src/server/repositories/
observations_converters.ts` in github.com/langfuse/langfuse, and of langfuse.com/docs/api-and-data-platform/features/
blob-storage-export-fields, where the same have underscores.
"""

import re
from typing import Any, Final

from gantry.imports.amounts import number_in
from gantry.imports.finding import Fate, kept, needless
from gantry.imports.log_source import (
    Columns,
    LogSource,
    Reading,
    columns_as,
    json_in,
    object_in,
    read_with,
    seconds_between,
    to,
)

_HUMP: Final = re.compile(r"_([a-z])")
_OTHER_NAMES: Final = {"providedModelName": "model", "usagePricingTierName": "pricingTierName"}
_LOG_TYPES: Final = {
    "GENERATION": "generation",
    "EMBEDDING": "embedding",
    "AGENT": "agent",
    "TOOL": "tool",
    "CHAIN": "workflow",
    "RETRIEVER": "task",
    "EVALUATOR": "task",
    "GUARDRAIL": "guardrail",
    "EVENT": "custom",
    "SPAN": "span",
}
_PARAMETERS: Final = (
    "temperature top_p max_tokens max_completion_tokens frequency_penalty presence_penalty stop n reasoning_effort"
).split()
_SUM: Final = needless("a trace's sums are those of its observations, which have them")
_FAILED: Final = 500

COLUMNS: Final[Columns] = {
    "id": read_with("unique_id and span_unique_id, so that a second import adds nothing"),
    "traceId": to("trace_unique_id"),
    "parentObservationId": to("span_parent_id"),
    "type": read_with("log_type"),
    "name": to("span_name"),
    "startTime": to("start_time"),
    "endTime": to("timestamp"),
    "timestamp": read_with("start_time of a trace, which is a log of the type workflow"),
    "completionStartTime": read_with("time_to_first_token, from startTime on"),
    "level": read_with(
        "status: ERROR is an error of 500, where Langfuse tells no status; WARNING a warning", Fate.CHANGED
    ),
    "statusMessage": read_with("error_message, or a warning"),
    "input": to("input"),
    "output": to("output"),
    "metadata": to("metadata"),
    "model": to("model"),
    "modelParameters": read_with("temperature, max_tokens and the like; others in metadata.model_parameters"),
    "usageDetails": read_with("prompt_tokens, completion_tokens, reasoning_tokens, prompt_cache_hit_tokens"),
    "usage": read_with("prompt_tokens, completion_tokens of an observation"),
    "inputUsage": read_with("prompt_tokens"),
    "outputUsage": read_with("completion_tokens"),
    "totalUsage": read_with("total_tokens"),
    "promptTokens": read_with("prompt_tokens"),
    "completionTokens": read_with("completion_tokens"),
    "costDetails": read_with("cost: its total, told"),
    "totalCost": read_with("cost of an observation, told: price_source is `posted`"),
    "calculatedTotalCost": read_with("cost of an observation, told"),
    "latency": read_with("latency of a trace; an observation's is its end less its start"),
    **dict(columns_as(needless("completionStartTime tells it"), "timeToFirstToken")),
    "userId": to("customer_identifier"),
    "sessionId": to("session_identifier", "thread_identifier"),
    "traceName": to("trace_name"),
    "traceTags": read_with("metadata.tags"),
    "tags": read_with("metadata.tags"),
    "environment": read_with("metadata.langfuse_environment; a log's environment is the import's --env", Fate.CHANGED),
    "promptId": to("prompt_id"),
    "promptName": to("prompt_name"),
    "promptVersion": to("prompt_version_number"),
    **dict(columns_as(_SUM, "inputTokens outputTokens totalTokens observationCount errorCount warningCount")),
    **dict(columns_as(_SUM, "defaultCount debugCount observations")),
    **dict(columns_as(needless("it says when Langfuse wrote the row"), "createdAt updatedAt eventTs isDeleted")),
    **dict(
        columns_as(
            kept(),
            "projectId version release bookmarked public traceTimestamp modelId internalModelId inputPrice "
            "outputPrice "
            "totalPrice inputCost outputCost providedUsageDetails providedCostDetails usagePricingTierId "
            "pricingTierName "
            "calculatedInputCost calculatedOutputCost scores comments corrections toolDefinitions "
            "toolCalls toolCallNames unit htmlPath externalId orgId serviceName serviceVersion scopeName scopeVersion "
            "telemetrySdkLanguage "
            "telemetrySdkName telemetrySdkVersion source",
        )
    ),
}


def canonical(name: str) -> str:
    """Return a column's name as the API has it: `parent_observation_id` is parentObservationId."""
    humped = _HUMP.sub(lambda found: found[1].upper(), name)
    return _OTHER_NAMES.get(humped, humped)


def _finish(reading: Reading) -> None:
    row, body = reading.row, reading.body
    body["span_unique_id"] = body["unique_id"]
    metadata = reading.metadata()
    if row.get("environment"):
        metadata.setdefault("langfuse_environment", row["environment"])
    tags = json_in(row.get("traceTags") or row.get("tags"))
    if tags:
        metadata.setdefault("tags", tags)
    _read_level(reading)
    if row.get("startTime") is None and row.get("timestamp") is not None:
        _finish_trace(reading)
        return
    body["log_type"] = _LOG_TYPES.get(str(row.get("type") or "").upper(), "unknown")
    if body["log_type"] == "generation" or row.get("completionStartTime"):
        reading.put("time_to_first_token", seconds_between(row.get("startTime"), row.get("completionStartTime")))
    body["stream"] = bool(row.get("completionStartTime"))
    _read_parameters(reading, metadata)
    _read_usage(reading)


def _finish_trace(reading: Reading) -> None:
    row, body = reading.row, reading.body
    body["log_type"] = "workflow"
    body["start_time"] = row["timestamp"]
    body["trace_unique_id"] = body["unique_id"]
    reading.put("trace_name", row.get("name"))
    body["latency"] = max(number_in(row.get("latency")) or 0.0, 0.0)


def _read_level(reading: Reading) -> None:
    level, message = str(reading.row.get("level") or "").upper(), reading.row.get("statusMessage")
    if level == "ERROR":
        reading.body["status"], reading.body["status_code"] = "error", _FAILED
        reading.put("error_message", message or "an error that Langfuse tells nothing of")
    else:
        reading.put("warnings", message)


def _read_parameters(reading: Reading, metadata: dict[str, Any]) -> None:
    parameters = object_in(reading.row.get("modelParameters"))
    for name in _PARAMETERS:
        value = parameters.get(name)
        number = number_in(value)
        if number is not None:
            reading.put(name, int(number) if number.is_integer() else number)
    others = {name: value for name, value in parameters.items() if name not in reading.body}
    if others:
        metadata.setdefault("model_parameters", others)


def _read_usage(reading: Reading) -> None:
    row = reading.row
    usage, costs = object_in(row.get("usageDetails")), object_in(row.get("costDetails"))
    older = object_in(row.get("usage"))
    for member, begins, others in (
        ("prompt_tokens", "input", (row.get("inputUsage"), row.get("promptTokens"), older.get("input"))),
        ("completion_tokens", "output", (row.get("outputUsage"), row.get("completionTokens"), older.get("output"))),
    ):
        details = [number for name, value in usage.items() if name.startswith(begins) and (number := number_in(value))]
        told = sum(details) or next((number for other in others if (number := number_in(other))), 0)
        if told > 0:
            reading.put(member, int(told))
    cached = next((number_in(value) for name, value in usage.items() if "cache" in name and "read" in name), None)
    cached = cached or number_in(usage.get("input_cached_tokens"))
    if cached:
        reading.put("prompt_cache_hit_tokens", int(cached))
    reasoned = number_in(usage.get("output_reasoning_tokens")) or number_in(usage.get("output_reasoning"))
    if reasoned is not None and reasoned > 0:
        reading.put("reasoning_tokens", int(reasoned))
    told_costs = (costs.get("total"), row.get("totalCost"), row.get("calculatedTotalCost"))
    cost = next((number for told in told_costs if (number := number_in(told)) is not None), None)
    if cost is not None and (cost > 0 or reading.body.get("model")):
        reading.put("cost", cost)


LANGFUSE: Final = LogSource(
    name="langfuse",
    title="Langfuse",
    columns=COLUMNS,
    id_columns=("id",),
    finish=_finish,
    canonical=canonical,
)
