"""The meter: what was captured of a call, or posted about one, becomes its request log.

Law: each part is read on its own, and what cannot be read is a warning on the row, never a lost row. Content that the
key's policy withholds is not put on the row even if it came.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import asdict, astuple, replace

from gantry.clerk.attempts import Answered, charge_attempts, find_serving
from gantry.clerk.charge import (
    NO_CHARGE,
    Charge,
    charge_call,
    charge_crashed,
    charge_credits,
    charge_hit,
    charge_posted,
    charge_results,
    likely_provider,
)
from gantry.clerk.limit_info import limit_info
from gantry.clerk.told_cost import find_difference
from gantry.core.custom_model import CustomModel, model_behind
from gantry.core.errors import InvalidRequest
from gantry.core.model_ref import parse_model_ref
from gantry.core.request_log import CACHED_MODEL, RequestLog
from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import (
    EMBEDDING_OPERATIONS,
    ContentPolicy,
    Dialect,
    Environment,
    LogMethod,
    Operation,
    Outcome,
)
from gantry.dialects.answer import EMPTY_ANSWER, Answer, read_answer
from gantry.dialects.answer_usage import SPOKEN, usage_of_answer
from gantry.dialects.assemble import merge_usage
from gantry.dialects.content_coding import decode_content
from gantry.dialects.estimate import complete_usage, count_tokens, estimate_reading
from gantry.dialects.fields import Fields, object_members
from gantry.dialects.labels import NO_LABELS, Labels, read_labels
from gantry.dialects.otlp.trace_parent import read_trace_parent
from gantry.dialects.posted_log import PostedLog, read_posted
from gantry.dialects.question import Question, read_question, read_units
from gantry.dialects.question_shapes import NO_UNITS, Units
from gantry.dialects.reported_usage import read_reported_usage
from gantry.dialects.usage import IMPOSSIBLE, service_tier_in
from gantry.journal.frames import CacheNote, CallClosed, CallOpened, LogPosted, StopNote
from gantry.prices.rates import Rates

_LOG_TYPES: Final = {
    Operation.CHAT: "chat",
    Operation.FIM: "completion",
    Operation.COMPLETIONS: "completion",
    Operation.AGENT_CHAT: "chat",
    Operation.RESPONSES: "response",
    Operation.RESPONSE: "other",
    Operation.COUNT_TOKENS: "other",
    Operation.EMBEDDINGS: "embedding",
    Operation.EMBEDDING: "embedding",
    Operation.RERANK: "reranker",
    Operation.IMAGES: "generation",
    Operation.IMAGE_EDITS: "generation",
    Operation.IMAGE_VARIATIONS: "generation",
    Operation.MODERATION: "guardrail",
    Operation.CHAT_MODERATION: "guardrail",
    Operation.CLASSIFICATION: "guardrail",
    Operation.CHAT_CLASSIFICATION: "guardrail",
    Operation.OCR: "task",
    Operation.TRANSCRIPTION: "transcription",
    Operation.SPEECH: "speech",
    Operation.CONVERSATIONS: "agent",
    Operation.AGENTS: "other",
    Operation.MODELS: "other",
    Operation.MODEL: "other",
    Operation.FILES: "other",
    Operation.BATCHES: "batch",
    Operation.LIBRARIES: "other",
    Operation.FINE_TUNING: "other",
    Operation.VOICES: "other",
}
_LOG_TYPES_BY_PATH: Final = (
    ("/audio/transcriptions", "transcription"),
    ("/audio/speech", "speech"),
    ("/responses", "response"),
    ("/agents/completions", "chat"),
    ("/moderations", "guardrail"),
)
_COMPLETING: Final = frozenset((Operation.FIM, Operation.COMPLETIONS))
_ONLY_READING: Final = EMBEDDING_OPERATIONS | {Operation.RERANK}  # whose tokens are all input
_TOLD_AGAIN: Final = Operation.RESPONSE  # with the usage that was counted when it was made
_ERROR_STATUS: Final = 400
_LONGEST: Final = 31 * 86_400 * 10**9  # ns: a posted call that took longer has a wrong time, and would burst sums
# Calling an enum costs ten times as much as a look into a dict.
_POLICIES: Final = {policy.value: policy for policy in ContentPolicy}
_OPERATIONS: Final = {operation.value: operation for operation in Operation}
_DIALECTS: Final = {dialect.value: dialect for dialect in Dialect}
_ENVIRONMENTS: Final = {environment.value: environment for environment in Environment}
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}
_CRASHED: Final = Outcome.GATEWAY_CRASHED.value
_OF_BATCHES: Final = frozenset((Operation.FILES, Operation.BATCHES))
_UNCOUNTED: Final = "results of a batch, if there were any, were not counted: the content is not kept"
_INFERENCE: Final = LogMethod.INFERENCE
_encode: Final = msgspec.json.Encoder().encode
_SHOWN: Final = frozenset((ContentPolicy.FULL, ContentPolicy.REDACTED))
_EVENT_STREAM: Final = "text/event-stream"
# Compiled code finds a field of a struct as slowly as any attribute, so what each call has is taken apart, once. The
# fields of frames keep their places.
_astuple: Final = astuple
_NO_ATTEMPT: Final = (None, None, None, None, None)

# What was said, as far as the key's policy lets it be kept: the request as it was, what it asks, the answer as it was,
# what it says, its tool calls, and the tools that were offered.
_Content = tuple[bytes | None, str | None, bytes | None, str | None, str | None, str | None]
_NO_CONTENT: Final[_Content] = (None, None, None, None, None, None)

# What the close frame tells of the usage: as the provider wrote it where the body does not have it, as a stream that we
# ended came to, and as the worker counted it; and the status.
_Told = tuple[bytes, StopNote | None, Usage | None, int]

# What was understood of a call: operation, model, usage as it was told, what was said, extra parameters, warnings,
# savings, attempts, what is charged to credits, and labels. A tuple, for it is taken apart where it comes to.
_Measured = tuple[
    Operation, str | None, str | None, _Content, str | None, str | None, int | None, str | None, int | None, Labels
]


def meter_call(
    opened: CallOpened,
    request: bytes,
    response: bytes,
    closed: CallClosed,
    rates: Rates,
    custom: CustomModel | None = None,
) -> RequestLog:
    """Return the request log of a call that went through the gateway, ended or crashed.

    `custom` is the custom model that it was for, if it was for one.
    """
    sent, came = _astuple(opened), _astuple(closed)
    _, _, _, _, started_at, _, _, told_dialect, told_operation, asked_model, _, policy = sent[:12]
    content_type, params, metadata, _, told_units, spoken_dialect, spoken_operation, hold, trace_parent = sent[14:23]
    outcome, status, _, tried, _, _, answer_type, coding = came[2:10]
    told_warnings, told_usage, told_model, _, told_answer_dialect, told_answer_operation = came[15:21]
    turned_to, cache, note, _, stopped, counted = came[21:27]
    warnings = [*told_warnings]
    operation = _OPERATIONS[told_operation]
    spoken = _OPERATIONS[spoken_operation or told_operation]
    dialect = _DIALECTS[spoken_dialect or told_dialect]
    body = _decoded(response, closed, warnings) if coding else response
    answered = _OPERATIONS[told_answer_operation] if told_answer_operation else spoken
    answer_dialect = _DIALECTS[told_answer_dialect] if told_answer_dialect else dialect
    hit = cache if cache is not None and cache.hit else None
    answer = _read_answer(answered, answer_dialect, answer_type, body, stopped, hit, warnings)
    question = read_question(spoken, content_type, request, dialect)
    if question.problem is not None:
        warnings.append(question.problem)
    units = read_units(told_units) if told_units else question.units
    told = told_usage, stopped, counted, status
    usage, usage_raw, service_tier = _read_usage(operation, answer_dialect, told, answer, question, units, warnings)
    labels, extra = NO_LABELS, None
    if params or metadata or trace_parent:
        labels, extra = _read_labels(opened, warnings)
    last = find_serving(tried)
    serving = _NO_ATTEMPT if last is None else _astuple(last)
    provider_id, _, _, upstream_model, _ = serving[:5]
    answered_as = answer.model or told_model
    model = upstream_model or answered_as
    charge, savings = NO_CHARGE, None
    if hit is not None:
        charge, savings = charge_hit(
            rates, hit, (hit.upstream_model, answered_as), started_at, service_tier, usage, custom=custom
        )
        model = CACHED_MODEL
    elif usage != NO_USAGE:
        if last is None:
            provider_id = likely_provider(asked_model, rates)
        host = last.upstream_host if last is not None else None
        if answer.results:
            charge = charge_results(rates, provider_id, answer.results, started_at, host=host)
        else:
            names = (model, answered_as)
            charge = charge_call(rates, provider_id, names, started_at, service_tier, usage, host=host, custom=custom)
    if hit is None and not answer.results:
        difference = find_difference(usage_raw, charge)
        if difference is not None:
            warnings.append(difference)
    answered_by = Answered(last, usage, service_tier, started_at, custom, answered_as, turned_to)
    attempts, charge = charge_attempts(tried, answered_by, rates, charge, warnings)
    if outcome == _CRASHED and hold is not None:
        note = hold
        usage, charge = charge_crashed(note, usage, charge)
    shown = _POLICIES[policy] in _SHOWN
    content = _content_of(operation, request, body, question, answer) if shown else _NO_CONTENT
    charged, markup = charge_credits(note, charge)
    warned = _list_text(warnings)
    measured = operation, model, usage_raw, content, extra, warned, savings, attempts, charged, labels
    log = _log_of(sent, came, serving, question, answer, usage, charge, measured)
    return log if markup is None else replace(log, markup_ppm=markup)


def _read_answer(
    operation: Operation,
    dialect: Dialect,
    content_type: str,
    body: bytes,
    stopped: StopNote | None,
    hit: CacheNote | None,
    warnings: list[str],
) -> Answer:
    answer = EMPTY_ANSWER
    if body:
        answer = read_answer(operation, dialect, content_type, body)
        warnings += answer.warnings
    if stopped is not None:  # that its bytes have no end is our doing
        answer = replace(answer, finish_reason=stopped.finish_reason, error=None)
    if hit is not None and hit.usage != NO_USAGE:  # as it was told when the answer was made
        answer = replace(answer, usage=hit.usage, service_tier=hit.service_tier)
    return answer


def _content_of(operation: Operation, request: bytes, body: bytes, question: Question, answer: Answer) -> _Content:
    completed = answer.text if operation in _COMPLETING and answer.messages is None else None
    said = completed or answer.messages or answer.message
    return request or None, question.input, body or None, said, answer.tool_calls, question.tools


def meter_posted(
    frame: LogPosted, rates: Rates, find_custom: Callable[[str | None], CustomModel | None] | None = None
) -> RequestLog:
    """Return the request log of a call made elsewhere. Raises InvalidRequest for a body no door would have taken.

    `find_custom` returns the custom model of a name, if there is one.
    """
    posted = read_posted(frame.body)
    policy = ContentPolicy(frame.content_policy)
    labels = NO_LABELS if policy is ContentPolicy.NOTHING else posted.labels
    custom = None if find_custom is None else find_custom(posted.model)
    provider_id, model = _posted_model(posted, rates, custom)
    ended_at, started_at, latency = _posted_times(posted, frame.received_at)
    charge = charge_posted(posted, rates, provider_id, model, ended_at, custom)
    content: dict[str, Any] = {}
    if policy in _SHOWN and not posted.disable_log:
        names = ("input", "output", "tool_calls", "tools", "full_request", "full_response", "extra", "note")
        content = {name: getattr(posted, name) for name in names}
    return RequestLog(
        log_id=frame.log_id,
        organization_id=frame.organization_id,
        key_id=frame.key_id,
        environment=Environment(frame.environment),
        log_method=LogMethod.LOGGING_API,
        log_type=posted.log_type,
        operation=posted.log_type,
        model=model,
        requested_model=posted.model,
        provider_id=provider_id,
        outcome=Outcome.LOGGED,
        status_code=posted.status_code,
        error_message=posted.error_message,
        warnings=_list_text(posted.warnings),
        started_at=started_at,
        ended_at=ended_at,
        latency=latency,
        time_to_first_token=_bounded(posted.time_to_first_token),
        stream=posted.stream,
        temperature=posted.temperature,
        max_tokens=posted.max_tokens,
        positive_feedback=posted.positive_feedback,
        usage=posted.usage,
        usage_raw=posted.usage_raw,
        finish_reason=posted.finish_reason,
        response_id=posted.response_id,
        request_bytes=len(frame.body),
        user_agent=frame.user_agent or None,
        **asdict(charge),
        **asdict(labels),
        **content,
    )


def _log_of(
    sent: tuple[Any, ...],
    came: tuple[Any, ...],
    serving: tuple[Any, ...],
    question: Question,
    answer: Answer,
    usage: Usage,
    charge: Charge,
    measured: _Measured,
) -> RequestLog:
    """Return the row of a call. By place: by name, msgspec would look for each of sixty fields among the others."""
    log_id, organization_id, key_id, environment, started_at, method, path, dialect, operation, asked_model = sent[:10]
    is_stream, _, snapshot_version, user_agent = sent[10:14]
    _, ended_at, outcome, status, error, _, first, routing_time, content_type, _, request_id = came[:11]
    request_bytes, response_bytes, is_truncated = came[11:14]
    changes, _, _, _, cache, _, told, _, _, limits = came[18:28]
    provider_id, credential_id, credential_name, _, tier = serving[:5]
    measured_operation, model, usage_raw, content, extra, warnings, savings, attempts, charged, labels = measured
    full_request, asked, full_response, answered, tool_calls, tools = content
    cost, cost_by_unit, is_unpriced, price_source, price_version = _astuple(charge)
    return RequestLog(
        log_id,
        organization_id,
        key_id,
        _ENVIRONMENTS[environment],
        _INFERENCE,
        _OUTCOMES[outcome],
        status,
        started_at,
        ended_at,
        _log_type(measured_operation, path),
        operation,
        dialect,
        method,
        path,
        model,
        asked_model,
        provider_id,
        credential_id,
        credential_name,
        tier,
        attempts,
        error or answer.error,
        warnings,
        max(ended_at - started_at, 0),
        first,
        routing_time,
        is_stream or content_type.startswith(_EVENT_STREAM),
        question.temperature,
        question.max_tokens,
        usage,
        usage_raw,
        cost,
        cost_by_unit,
        is_unpriced,
        price_source,
        price_version,
        charged,
        None,  # what it costs the customer, the clerk adds
        limit_info(limits, told) if limits is not None or told else None,
        cache.key if cache is not None else None,
        savings,
        extra,
        asked,
        answered,
        tool_calls,
        tools,
        _list_text(changes),
        answer.finish_reason,
        answer.response_id,
        request_id,
        full_request,
        full_response,
        request_bytes,
        response_bytes,
        is_truncated,
        user_agent or None,
        snapshot_version,
        *_astuple(labels),
    )


def _decoded(response: bytes, closed: CallClosed, warnings: list[str]) -> bytes:
    decoded = decode_content(response, closed.response_content_encoding)
    if decoded.problem is not None and not closed.truncated:
        warnings.append(decoded.problem)
    return decoded.body


def _read_usage(
    operation: Operation,
    dialect: Dialect,
    told: _Told,
    answer: Answer,
    question: Question,
    units: Units,
    warnings: list[str],
) -> tuple[Usage, str | None, str | None]:
    """Return the usage, as the provider wrote it, and the service tier it names; an estimate where nobody counted."""
    written, stopped, counted, status = told
    if operation is _TOLD_AGAIN:
        return NO_USAGE, None, None
    usage, usage_raw, service_tier = answer.usage, answer.usage_raw, answer.service_tier
    if written and operation in _OF_BATCHES:  # the last usage in it is that of one result
        if usage == NO_USAGE:
            warnings.append(_UNCOUNTED)
    elif stopped is not None:
        usage = stopped.usage
    elif counted is not None and counted != NO_USAGE:
        usage = counted
        if usage.estimated and usage.input_tokens is None and question.input:
            usage = complete_usage(usage, count_tokens(question.input), 0)
    elif written:
        reported, problems = read_reported_usage(dialect, written)
        usage = reported if usage == NO_USAGE else merge_usage(usage, reported)
        warnings += problems
        usage_raw, service_tier = written.decode("utf-8", "replace"), service_tier_in(written)
    elif operation in SPOKEN:
        usage = usage_of_answer(operation, answer, question.input)
    elif usage == NO_USAGE and operation in EMBEDDING_OPERATIONS and answer.message is not None and question.input:
        usage = estimate_reading(question.input)
    if operation in _ONLY_READING and usage.input_tokens is None and usage.total_tokens is not None:
        usage = replace(usage, input_tokens=usage.total_tokens)
    if units is not NO_UNITS and 0 < status < _ERROR_STATUS:
        usage = replace(
            usage,
            characters=units.characters if usage.characters is None else usage.characters,
            annotated_pages=usage.pages if units.annotated else None,
        )
    if usage.clamped and IMPOSSIBLE not in warnings:
        warnings.append(IMPOSSIBLE)
    return usage, usage_raw, service_tier


def _read_labels(opened: CallOpened, warnings: list[str]) -> tuple[Labels, str | None]:
    """Return the labels in the gateway's parameters and the body's metadata, and the parameters that are no labels.

    A trace that the parameters do not name is the one that the caller's span is of.
    """
    labels, rest = _read_parameters(opened, warnings)
    caller = read_trace_parent(opened.trace_parent) if opened.trace_parent else None
    if caller is not None and labels.trace_unique_id is None:
        parent = labels.span_parent_id or caller.span_id
        labels = replace(labels, trace_unique_id=caller.trace_id, span_parent_id=parent)
    return labels, rest


def _read_parameters(opened: CallOpened, warnings: list[str]) -> tuple[Labels, str | None]:
    if not (opened.params or opened.metadata) or opened.content_policy == ContentPolicy.NOTHING:
        return NO_LABELS, None
    problems: list[str] = []
    labels, rest = NO_LABELS, {}
    try:
        fields = Fields(object_members(opened.params, "the gateway parameters") if opened.params else {}, problems)
        labels = read_labels(fields)
        rest = fields.rest
    except InvalidRequest as error:
        problems.append(error.message)
    metadata = _joined_metadata(opened.metadata, labels.metadata, problems)
    if metadata is not labels.metadata:
        labels = replace(labels, metadata=metadata)
    warnings += problems
    return labels, _encode(rest).decode("utf-8", "replace") if rest else None


def _joined_metadata(of_body: bytes, of_params: str | None, problems: list[str]) -> str | None:
    """Return both metadata as one object; where they differ, the gateway parameters' wins."""
    if not of_body or of_body == b"null":
        return of_params
    try:
        members = object_members(of_body, "the request's `metadata`")
    except InvalidRequest as error:
        problems.append(error.message)
        return of_params
    if of_params is None:
        return of_body.decode("utf-8", "replace") if members else None
    return _encode({**members, **object_members(of_params.encode(), "`metadata`")}).decode()


def _posted_model(posted: PostedLog, rates: Rates, custom: CustomModel | None) -> tuple[str | None, str | None]:
    """Return the provider and its name for the model."""
    if posted.model is None:
        return posted.provider_id, None
    if custom is not None:
        ref, provider_id = model_behind(custom, rates.providers), posted.provider_id or custom.provider_id
    else:
        ref, provider_id = parse_model_ref(posted.model, rates.providers), posted.provider_id
    return provider_id or ref.prefix or rates.provider_of(ref.name), ref.name


def _posted_times(posted: PostedLog, received_at: int) -> tuple[int, int, int | None]:
    """Return end, start and latency, which is bounded; whichever was not posted follows from the others."""
    ended_at = received_at if posted.ended_at is None else posted.ended_at
    latency = posted.latency
    if posted.started_at is not None:
        if latency is None and posted.ended_at is not None:
            latency = max(ended_at - posted.started_at, 0)
        if posted.ended_at is None and latency is not None:
            ended_at = posted.started_at + latency
        return ended_at, min(posted.started_at, ended_at), _bounded(latency)
    return ended_at, ended_at - (latency or 0), _bounded(latency)


def _bounded(duration: int | None) -> int | None:
    return None if duration is None else min(duration, _LONGEST)


def _log_type(operation: Operation, path: str) -> str:
    known = _LOG_TYPES.get(operation)
    if known is not None:
        return known
    found = next((log_type for part, log_type in _LOG_TYPES_BY_PATH if part in path), None)
    return found or ("transcription" if operation is Operation.REALTIME else "unknown")


def _list_text(items: Sequence[str]) -> str | None:
    return _encode(items).decode() if items else None
