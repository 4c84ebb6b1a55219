"""The meter: what was captured of a call, or posted about one, becomes its request log.

Law: each part is read on its own, and what cannot be read is a warning on the row, never a lost row. Content that the
key's policy withholds is not put on the row even if it came. Cost is posted, or computed from posted unit prices, or
computed from our rates, in this order; an unknown one is NULL and flagged (law 7).
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict, astuple, replace

from gantry.clerk.estimate import estimate_usage
from gantry.core.errors import InvalidRequest
from gantry.core.model_ref import parse_model_ref
from gantry.core.request_log import RequestLog
from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import ContentPolicy, Dialect, Environment, LogMethod, Operation, Outcome
from gantry.dialects.answer import EMPTY_ANSWER, Answer, read_answer
from gantry.dialects.chat_chunk import ABSENT, has_value
from gantry.dialects.content_coding import decode_content
from gantry.dialects.fields import Fields, object_members
from gantry.dialects.labels import NO_LABELS, Labels, read_labels
from gantry.dialects.posted_log import PostedLog, read_posted
from gantry.dialects.usage import read_usage, service_tier_in
from gantry.journal.frames import AttemptRecord, CallClosed, CallOpened, LogPosted
from gantry.prices.rate import Prices, Rate, cost
from gantry.prices.rates import Rates

_LOG_TYPES: Final = {Operation.CHAT: "chat", Operation.FIM: "completion", Operation.EMBEDDINGS: "embedding"}
_LOG_TYPES_BY_PATH: Final = (
    ("/audio/transcriptions", "transcription"),
    ("/audio/speech", "speech"),
    ("/responses", "response"),
    ("/agents/completions", "chat"),
    ("/moderations", "guardrail"),
)
_ESTIMATED: Final = (Operation.CHAT, Operation.FIM)
_ERROR_STATUS: Final = 400
_UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
# Calling an enum costs ten times as much as a look into a dict.
_POLICIES: Final = {policy.value: policy for policy in ContentPolicy}
_OPERATIONS: Final = {operation.value: operation for operation in Operation}
_DIALECTS: Final = {dialect.value: dialect for dialect in Dialect}
_ENVIRONMENTS: Final = {environment.value: environment for environment in Environment}
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}
# An attempt as a JSON object without its nulls; in the journal it is an array.
_NamedAttempt: Final[Any] = msgspec.defstruct(
    "_NamedAttempt", [(name, Any, None) for name in AttemptRecord.__struct_fields__], omit_defaults=True, gc=False
)
_POSTED_PRICES: Final = "posted"


class _Request(Struct, gc=False):
    """The parts of a request body that are its input."""

    messages: Raw = ABSENT
    prompt: Raw = ABSENT
    suffix: Raw = ABSENT
    input: Raw = ABSENT
    inputs: Raw = ABSENT


class _Charge(Struct, frozen=True, gc=False):
    """What a call cost and how we know, under the names of the request log."""

    cost: int | None = None
    price_missing: bool = False
    price_source: str | None = None
    price_version: str | None = None


class _Content(Struct, frozen=True, gc=False):
    """What was said, as far as the key's policy lets it be kept."""

    full_request: bytes | None = None
    input: str | None = None
    full_response: bytes | None = None
    output: str | None = None
    tool_calls: str | None = None


class _Measured(Struct, frozen=True, gc=False):
    """What was understood of a call."""

    operation: Operation
    model: str | None
    answer: Answer
    usage: Usage
    usage_raw: str | None
    charge: _Charge
    content: _Content
    extra: str | None
    warnings: str | None


_decode_request: Final = msgspec.json.Decoder(_Request).decode
_NO_CHARGE: Final = _Charge()
_NO_CONTENT: Final = _Content()


def meter_call(opened: CallOpened, request: bytes, response: bytes, closed: CallClosed, rates: Rates) -> RequestLog:
    """Return the request log of a call that went through the gateway, ended or crashed."""
    warnings = list(closed.warnings)
    operation = _OPERATIONS[opened.operation]
    body = _decoded(response, closed, warnings)
    answer = _read_answer(operation, opened, closed, body)
    warnings += answer.warnings
    question = _read_input(request, warnings)
    usage, usage_raw, service_tier = _read_usage(operation, closed, answer, question, warnings)
    labels, extra = _read_labels(opened, warnings)
    last = closed.attempts[-1] if closed.attempts else None
    answered_as = answer.model or closed.response_model
    model = (last.upstream_model if last is not None else None) or answered_as
    charge = _NO_CHARGE
    if usage != NO_USAGE:
        provider_id = last.provider_id if last is not None else _likely_provider(opened, rates)
        charge = _charge(rates, provider_id, (model, answered_as), opened.started_at, service_tier, usage)
    content = _NO_CONTENT
    if _POLICIES[opened.content_policy] is ContentPolicy.FULL:
        said = answer.messages or answer.message
        content = _Content(request or None, question, body or None, said, answer.tool_calls)
    measured = _Measured(operation, model, answer, usage, usage_raw, charge, content, extra, _list_text(warnings))
    log = _log_of(opened, closed, last, measured)
    return log if labels is NO_LABELS else replace(log, **asdict(labels))


def meter_posted(frame: LogPosted, rates: Rates) -> RequestLog:
    """Return the request log of a call made elsewhere. Raises InvalidRequest for a body no door would have taken."""
    posted = read_posted(frame.body)
    policy = ContentPolicy(frame.content_policy)
    labels = NO_LABELS if policy is ContentPolicy.NOTHING else posted.labels
    provider_id, model = _posted_model(posted, rates)
    ended_at, started_at, latency = _posted_times(posted, frame.received_at)
    charge = _posted_charge(posted, rates, provider_id, model, ended_at)
    content: dict[str, Any] = {}
    if policy is ContentPolicy.FULL and not posted.disable_log:
        names = ("input", "output", "tool_calls", "full_request", "full_response", "extra")
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
        time_to_first_token=posted.time_to_first_token,
        stream=posted.stream,
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


def _log_of(opened: CallOpened, closed: CallClosed, last: AttemptRecord | None, measured: _Measured) -> RequestLog:
    """Return the row of a call but for its labels. Field by field: joining dicts of them takes twice as long."""
    answer, charge, content = measured.answer, measured.charge, measured.content
    return RequestLog(
        log_id=opened.log_id,
        organization_id=opened.organization_id,
        key_id=opened.key_id,
        environment=_ENVIRONMENTS[opened.environment],
        log_method=LogMethod.INFERENCE,
        log_type=_log_type(measured.operation, opened.path),
        operation=opened.operation,
        dialect=opened.dialect,
        method=opened.method,
        path=opened.path,
        model=measured.model,
        requested_model=opened.requested_model,
        provider_id=last.provider_id if last else None,
        credential_id=last.credential_id if last else None,
        deployment_name=last.credential_name if last else None,
        tier=last.tier if last else None,
        attempts=_attempts_text(closed.attempts) if last else None,
        outcome=_OUTCOMES[closed.outcome],
        status_code=closed.status,
        error_message=closed.error or answer.error,
        warnings=measured.warnings,
        started_at=opened.started_at,
        ended_at=closed.ended_at,
        latency=max(closed.ended_at - opened.started_at, 0),
        time_to_first_token=closed.time_to_first_token,
        routing_time=closed.routing_time,
        stream=opened.stream,
        usage=measured.usage,
        usage_raw=measured.usage_raw,
        cost=charge.cost,
        price_missing=charge.price_missing,
        price_source=charge.price_source,
        price_version=charge.price_version,
        extra=measured.extra,
        input=content.input,
        output=content.output,
        tool_calls=content.tool_calls,
        finish_reason=answer.finish_reason,
        response_id=answer.response_id,
        upstream_request_id=closed.upstream_request_id,
        full_request=content.full_request,
        full_response=content.full_response,
        request_bytes=closed.request_bytes,
        response_bytes=closed.response_bytes,
        content_truncated=closed.truncated,
        user_agent=opened.user_agent or None,
        snapshot_version=opened.snapshot_version,
    )


def _decoded(response: bytes, closed: CallClosed, warnings: list[str]) -> bytes:
    if not closed.response_content_encoding:
        return response
    decoded = decode_content(response, closed.response_content_encoding)
    if decoded.problem is not None and not closed.truncated:
        warnings.append(decoded.problem)
    return decoded.body


def _read_answer(operation: Operation, opened: CallOpened, closed: CallClosed, body: bytes) -> Answer:
    if not body:
        return EMPTY_ANSWER
    return read_answer(operation, _DIALECTS[opened.dialect], closed.response_content_type, body)


def _read_input(request: bytes, warnings: list[str]) -> str | None:
    """Return the request's messages, prompt or input: a string as itself, anything else as JSON."""
    if not request.startswith(b"{"):
        return None
    try:
        body = _decode_request(request)
        for raw in (body.messages, body.prompt, body.input, body.inputs):
            if not has_value(raw):
                continue
            value = bytes(raw)
            if has_value(body.suffix):
                return msgspec.json.encode({"prompt": raw, "suffix": body.suffix}).decode()
            return msgspec.json.decode(value, type=str) if value.startswith(b'"') else value.decode()
    except _UNREADABLE:
        warnings.append("the request's input could not be read")
    return None


def _read_usage(
    operation: Operation, closed: CallClosed, answer: Answer, question: str | None, warnings: list[str]
) -> tuple[Usage, str | None, str | None]:
    """Return the usage, as the provider wrote it, and the service tier it names; an estimate where nobody counted."""
    if closed.usage:
        usage, problems = read_usage(closed.usage)
        warnings += problems
        return usage, closed.usage.decode("utf-8", "replace"), service_tier_in(closed.usage)
    if answer.usage_raw is not None:
        return answer.usage, answer.usage_raw, answer.service_tier
    said = "".join(filter(None, (answer.reasoning, answer.text, answer.tool_calls)))
    if operation in _ESTIMATED and said:
        return estimate_usage(question, said), None, answer.service_tier
    return NO_USAGE, None, None


def _read_labels(opened: CallOpened, warnings: list[str]) -> tuple[Labels, str | None]:
    """Return the labels in the gateway's parameters and the body's metadata, and the parameters that are no labels."""
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
    return labels, msgspec.json.encode(rest).decode("utf-8", "replace") if rest else None


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
    return msgspec.json.encode({**members, **object_members(of_params.encode(), "`metadata`")}).decode()


def _charge(
    rates: Rates,
    provider_id: str | None,
    names: Sequence[str | None],
    at: int,
    service_tier: str | None,
    usage: Usage,
) -> _Charge:
    """Price a usage under the first of the names that has a rate."""
    for name in names:
        rate = rates.find(provider_id, name, at, service_tier) if provider_id and name else None
        if rate is not None:
            amount = cost(rate, usage)
            return _Charge(amount, amount is None, rate.source, rate.version)
    return _Charge(price_missing=True)


def _likely_provider(opened: CallOpened, rates: Rates) -> str | None:
    """Return the provider that the requested name means, for a call that crashed before its attempts were recorded."""
    if opened.requested_model is None:
        return None
    ref = parse_model_ref(opened.requested_model, rates.providers)
    return ref.prefix or rates.provider_of(ref.name)


def _posted_charge(posted: PostedLog, rates: Rates, provider_id: str | None, model: str | None, at: int) -> _Charge:
    if posted.cost is not None:
        return _Charge(posted.cost, price_source=_POSTED_PRICES)
    if posted.usage == NO_USAGE:
        return _NO_CHARGE
    if posted.prompt_unit_price is not None or posted.completion_unit_price is not None:
        prices = Prices(input=posted.prompt_unit_price or 0, output=posted.completion_unit_price or 0)
        amount = cost(Rate(prices, model or "", _POSTED_PRICES, _POSTED_PRICES), posted.usage)
        return _Charge(amount, amount is None, _POSTED_PRICES)
    service_tier = service_tier_in(posted.usage_raw.encode()) if posted.usage_raw else None
    return _charge(rates, provider_id, (model,), at, service_tier, posted.usage)


def _posted_model(posted: PostedLog, rates: Rates) -> tuple[str | None, str | None]:
    """Return the provider and the model's name without its prefix."""
    if posted.model is None:
        return posted.provider_id, None
    ref = parse_model_ref(posted.model, rates.providers)
    return posted.provider_id or ref.prefix or rates.provider_of(ref.name), ref.name


def _posted_times(posted: PostedLog, received_at: int) -> tuple[int, int, int | None]:
    """Return end, start and latency; whichever was not posted follows from the others."""
    ended_at = received_at if posted.ended_at is None else posted.ended_at
    latency = posted.latency
    if posted.started_at is not None:
        if latency is None and posted.ended_at is not None:
            latency = max(ended_at - posted.started_at, 0)
        if posted.ended_at is None and latency is not None:
            ended_at = posted.started_at + latency
        return ended_at, min(posted.started_at, ended_at), latency
    return ended_at, ended_at - (latency or 0), latency


def _log_type(operation: Operation, path: str) -> str:
    known = _LOG_TYPES.get(operation)
    if known is not None:
        return known
    return next((log_type for part, log_type in _LOG_TYPES_BY_PATH if part in path), "unknown")


def _attempts_text(attempts: Sequence[AttemptRecord]) -> str:
    """Return the attempts as a JSON list of objects."""
    return msgspec.json.encode([_NamedAttempt(*astuple(attempt)) for attempt in attempts]).decode()


def _list_text(items: Sequence[str]) -> str | None:
    return msgspec.json.encode(items).decode() if items else None
