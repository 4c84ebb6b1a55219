"""The codec of a log that a user posts about a call made elsewhere (`POST /api/request-logs/create/`).

Law: accept every documented field, alias and shape, refuse only what cannot be meant, and say which field and why. What
has no column of its own is kept in `extra`, known or not.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.money import NanoUSD, nano_from_usd
from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.answer import EMPTY_ANSWER, Answer, read_answer
from gantry.dialects.fields import Fields, object_members
from gantry.dialects.labels import NO_LABELS, Labels, read_labels
from gantry.dialects.question import tool_names
from gantry.dialects.usage import IMPOSSIBLE, possible_usage, read_usage

PARAMS: Final = ("respan_params", "keywordsai_params", "gantry_params")
_OLD_NAME: Final = "keywordsai_"
_NEW_NAME: Final = "respan_"
_MAX_USD: Final = 1_000_000
_ERROR_STATUS: Final = 400
_MAX_TEMPERATURE: Final = 1000
_COUNTS: Final = (
    ("prompt_tokens", "input_tokens"),
    ("completion_tokens", "output_tokens"),
    ("total_tokens", "total_tokens"),
    ("total_request_tokens", "total_tokens"),
    ("reasoning_tokens", "reasoning_tokens"),
    ("prompt_cache_hit_tokens", "cached_input_tokens"),
    ("prompt_cache_creation_tokens", "cache_write_tokens"),
)


class _Message(Struct):
    tool_calls: Raw = Raw()


class PostedLog(Struct, frozen=True, kw_only=True):
    """A posted log, normalised. Durations in ns, moments in ns since the epoch, money in nano-dollars."""

    model: str | None = None
    provider_id: str | None = None
    log_type: str = "chat"
    unique_id: str | None = None
    labels: Labels = NO_LABELS
    input: str | None = None
    output: str | None = None
    tool_calls: str | None = None
    tools: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    positive_feedback: bool | None = None
    note: str | None = None
    finish_reason: str | None = None
    response_id: str | None = None
    usage: Usage = NO_USAGE
    usage_raw: str | None = None
    cost: NanoUSD | None = None
    prompt_unit_price: NanoUSD | None = None  # per million tokens
    completion_unit_price: NanoUSD | None = None
    latency: int | None = None
    time_to_first_token: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    stream: bool = False
    status_code: int = 200
    status: str = "success"
    error_message: str | None = None
    warnings: tuple[str, ...] = ()
    disable_log: bool = False
    full_request: bytes | None = None
    full_response: bytes | None = None
    extra: str | None = None


def read_posted(body: bytes) -> PostedLog:
    """Return the log in a JSON body. Raises InvalidRequest, naming the field and what it must be."""
    fields = Fields(merge_params(object_members(body, "a posted log")))
    labels = read_labels(fields)
    full_request, full_response = fields.raw("full_request"), fields.raw("full_response")
    answer = _answer_in(full_response)
    usage, usage_raw, usage_warnings = _read_usage(fields, answer)
    output, tool_calls = _read_output(fields, answer)
    status_code = fields.count("status_code", at_most=999)
    status_code = 200 if status_code is None else status_code
    temperature = fields.amount("temperature", _MAX_TEMPERATURE)
    max_tokens, max_completion_tokens = fields.count("max_tokens"), fields.count("max_completion_tokens")
    status = fields.text("status") or ("success" if status_code < _ERROR_STATUS else "error")
    return PostedLog(
        model=fields.identifier("model") or answer.model,
        provider_id=fields.identifier("provider_id"),
        log_type=fields.identifier("log_type", limit=64) or "chat",
        unique_id=fields.identifier("unique_id"),
        labels=labels,
        input=_read_input(fields, full_request),
        output=output,
        tool_calls=tool_calls,
        tools=tool_names(fields.rest["tools"]) if "tools" in fields.rest else None,
        temperature=None if temperature is None else float(temperature),
        max_tokens=max_completion_tokens if max_tokens is None else max_tokens,
        positive_feedback=fields.flag("positive_feedback"),
        note=fields.text_or_json("note"),
        finish_reason=fields.identifier("finish_reason") or answer.finish_reason,
        response_id=fields.identifier("response_id") or answer.response_id,
        usage=usage,
        usage_raw=usage_raw,
        cost=_money(fields, "cost"),
        prompt_unit_price=_money(fields, "prompt_unit_price"),
        completion_unit_price=_money(fields, "completion_unit_price"),
        latency=fields.seconds("latency", "generation_time"),
        time_to_first_token=fields.seconds("time_to_first_token", "ttft"),
        started_at=fields.moment("start_time"),
        ended_at=fields.moment("timestamp"),
        stream=fields.flag("stream") or False,
        status_code=status_code,
        status=status,
        error_message=fields.text_or_json("error_message") or answer.error,
        warnings=(*_read_warnings(fields), *usage_warnings),
        disable_log=fields.flag("disable_log") or False,
        full_request=full_request,
        full_response=full_response,
        extra=_read_extra(fields),
    )


def merge_params(members: dict[str, Raw]) -> dict[str, Raw]:
    """Lift the nested parameters to the top, where the top level wins, and give old names their new ones."""
    nested = Fields({name: members.pop(name) for name in PARAMS if name in members})
    merged = dict(_renamed(members))
    for name in PARAMS:
        for key, value in _renamed(nested.members(name)):
            merged.setdefault(key, value)
    return merged


def _renamed(members: dict[str, Raw]) -> Iterator[tuple[str, Raw]]:
    for name, value in members.items():
        yield (_NEW_NAME + name.removeprefix(_OLD_NAME) if name.startswith(_OLD_NAME) else name), value


def _answer_in(full_response: bytes | None) -> Answer:
    """Read the raw answer of the provider, if it was posted and is of a shape we know."""
    if full_response is None or not full_response.startswith(b"{"):
        return EMPTY_ANSWER
    return read_answer(Operation.CHAT, Dialect.OPENAI_CHAT, "application/json", full_response)


def _read_input(fields: Fields, full_request: bytes | None) -> str | None:
    """Take the input under the first of its names; what stands under a later one stays in `extra`."""
    found = _first_text(fields, "input", "prompt_messages", "messages")
    if found is None and bytes(fields.rest.get("prompt", Raw())).startswith(b'"'):
        found = fields.text("prompt")  # an object under this name is a managed prompt, not an input
    if found is None and full_request is not None and full_request.startswith(b"{"):
        request = Fields(object_members(full_request, "`full_request`"))
        found = _first_text(request, "messages", "input", "prompt")
    return found


def _read_output(fields: Fields, answer: Answer) -> tuple[str | None, str | None]:
    """Take the output under the first of its names, and the tool calls given or standing in it."""
    output = _first_text(fields, "output", "completion_message", "completion_messages")
    output = answer.messages or answer.message if output is None else output
    tool_calls = fields.raw("tool_calls")
    if tool_calls is not None:
        return output, tool_calls.decode("utf-8", "replace")
    return output, _tool_calls_in(output) or answer.tool_calls


def _tool_calls_in(output: str | None) -> str | None:
    if output is None or not output.startswith("{"):
        return None
    try:
        calls = msgspec.json.decode(output, type=_Message).tool_calls
    except (msgspec.DecodeError, RecursionError):
        return None
    return bytes(calls).decode() if bytes(calls).startswith(b"[") else None


def _first_text(fields: Fields, *names: str) -> str | None:
    return next((text for name in names if (text := fields.text_or_json(name)) is not None), None)


def _read_usage(fields: Fields, answer: Answer) -> tuple[Usage, str | None, Sequence[str]]:
    """Take the usage: counts at the top level win over those in `usage`, and both over the posted answer's."""
    raw = fields.json_object("usage")
    if raw is not None:
        usage, warnings = read_usage(raw)
        usage_raw: str | None = raw.decode("utf-8", "replace")
    else:
        usage, usage_raw, warnings = answer.usage, answer.usage_raw, answer.warnings
    given = {ours: count for theirs, ours in _COUNTS if (count := fields.count(theirs)) is not None}
    if given:
        usage = possible_usage(msgspec.structs.replace(usage, **given))
        if usage.clamped and IMPOSSIBLE not in warnings:
            warnings = (*warnings, IMPOSSIBLE)
    return usage, usage_raw, warnings


def _read_warnings(fields: Fields) -> tuple[str, ...]:
    warning = fields.text_or_json("warnings")
    return (warning,) if warning else ()


def _read_extra(fields: Fields) -> str | None:
    rest = {name: value for name, value in fields.rest.items() if bytes(value) != b"null"}
    return msgspec.json.encode(rest).decode("utf-8", "replace") if rest else None


def _money(fields: Fields, name: str) -> NanoUSD | None:
    amount = fields.amount(name, _MAX_USD)
    return None if amount is None else nano_from_usd(amount)
