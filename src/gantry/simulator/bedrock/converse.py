"""Converse, whole and streamed, and the count of its tokens."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from gantry.simulator import eventstream
from gantry.simulator.anthropic import signatures
from gantry.simulator.anthropic.messages import REDACT
from gantry.simulator.bedrock.dialogue import check_dialogue
from gantry.simulator.bedrock.errors import FAILURE, error, invalid
from gantry.simulator.bedrock.requests import ConverseRequest, read, read_count
from gantry.simulator.exchange import Answer, json_answer, stream_answer
from gantry.simulator.faults import Faults, base_model
from gantry.simulator.oracle import Ask, Composition, Tool, cached_tokens, compose, count_tokens, identifier
from gantry.simulator.routes import Call, Refusal, Table

_MAKERS = "amazon|anthropic|meta|mistral|deepseek|openai|cohere|ai21|qwen|zai|minimax|nvidia|writer|moonshot|google"
_MODEL = re.compile(
    rf"((us|eu|apac|ap|jp|au|ca|us-gov|global)\.)?({_MAKERS})\.[a-z0-9][A-Za-z0-9.:_-]*|arn:aws.*|sim-.*"
)
_PROFILED = re.compile(r"anthropic\.claude-(sonnet|opus|haiku|fable)-.*|deepseek\.r1.*|meta\.llama4.*")
_RETIRED = re.compile(r".*claude-(v2|instant|3-5-sonnet|3-opus|3-sonnet).*")
_IMAGE = 1_500
_STEP = 6
_LATENCY = 420
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def _converse(call: Call) -> Answer:
    request, composition = _composed(call)
    message = {"role": "assistant", "content": list(_content(request, composition))}
    return json_answer(
        {
            "output": {"message": message},
            "stopReason": _reason(composition, call.faults),
            **({} if call.faults.no_usage else {"usage": _usage(request, composition)}),
            "metrics": {"latencyMs": _LATENCY},
        }
    )


def _converse_stream(call: Call) -> Answer:
    request, composition = _composed(call)
    events: list[tuple[str, dict[str, Any]]] = [("messageStart", {"role": "assistant"})]
    for index, block in enumerate(_content(request, composition)):
        events += _told(block, index, composition)
    events.append(("messageStop", {"stopReason": _reason(composition, call.faults)}))
    usage = {} if call.faults.no_usage else {"usage": _usage(request, composition)}
    events.append(("metadata", {**usage, "metrics": {"latencyMs": _LATENCY}}))
    parts = [
        _framed(kind, {**value, "p": _PADDING[: 2 + index * 7 % 60]}) for index, (kind, value) in enumerate(events)
    ]
    weights = [int(kind == "contentBlockDelta") for kind, _ in events]
    return replace(stream_answer(parts, weights, eventstream.MEDIA), failure=FAILURE)


def _count(call: Call) -> Answer:
    check_model(call.parameter)
    request = read_count(call.request.body)
    check_dialogue(request)
    return json_answer({"inputTokens": _prompt_tokens(request)})


def check_model(name: str) -> None:
    """Raises Refusal if a model does not exist, any more, or but in a profile of regions."""
    base = base_model(name)
    if not _MODEL.fullmatch(base):
        raise invalid("The provided model identifier is invalid.")
    if _RETIRED.fullmatch(base):
        text = "This model version has reached the end of its life."
        hint = "Please refer to the AWS documentation for more details."
        raise Refusal(error(404, "ResourceNotFoundException", f"{text} {hint}"))
    if _PROFILED.fullmatch(base):
        text = f"Invocation of model ID {base} with on-demand throughput isn\u2019t supported."
        hint = "Retry your request with the ID or ARN of an inference profile that contains this model."
        raise invalid(f"{text} {hint}")


def _composed(call: Call) -> tuple[ConverseRequest, Composition]:
    check_model(call.parameter)
    request = read(call.request.body)
    check_dialogue(request)
    return request, compose(_ask(request, call.faults))


def _ask(request: ConverseRequest, faults: Faults) -> Ask:
    choice, tools = request.choice, request.tools
    if choice.tool is not None:
        tools = [tool for tool in tools if tool.name == choice.tool.name]
    return Ask(
        question=_question(request),
        prompt_tokens=_prompt_tokens(request),
        tool_result=_tool_result(request),
        tools=tuple(Tool(tool.name, tool.input_schema.json) for tool in tools),
        must_call=choice.any is not None or choice.tool is not None,
        schema=_schema(request),
        think=request.thinks,
        max_tokens=request.inference_config.max_tokens,
        stop=tuple(request.inference_config.stop_sequences or ()),
        length=faults.tokens,
        text_bytes=faults.body_bytes,
    )


def _schema(request: ConverseRequest) -> Any:
    """Return the schema asked for: it comes as JSON inside of JSON."""
    form = request.output_config.text_format
    if form is None:
        return None
    try:
        return msgspec.json.decode(form.structure.json_schema.schema)
    except msgspec.MsgspecError:
        raise invalid("outputConfig.textFormat.structure.jsonSchema.schema is not a JSON schema in a string.") from None


def _question(request: ConverseRequest) -> str:
    for message in reversed(request.messages):
        texts = [block.text for block in message.content if block.text is not None]
        if message.role == "user" and texts:
            return "".join(texts)
    return ""


def _tool_result(request: ConverseRequest) -> str | None:
    results = [block.tool_result for block in request.messages[-1].content if block.tool_result]
    if not results:
        return None
    contents = [item for result in results for item in result.content]
    return " ".join(str(item.json or "") if item.text is None else item.text for item in contents)


def _prompt_tokens(request: ConverseRequest) -> int:
    blocks = [*request.system, *(block for message in request.messages for block in message.content)]
    spoken = sum(count_tokens(block.text or "") for block in blocks)
    shown = _IMAGE * sum(bool(block.image or block.document or block.video) for block in blocks)
    used = [item for block in blocks for item in (block.tool_use, block.tool_result) if item is not None]
    described = sum(count_tokens(msgspec.json.encode(item).decode()) for item in (*used, *request.tools))
    return 3 * len(request.messages) + spoken + shown + described


def _content(request: ConverseRequest, composition: Composition) -> Iterator[dict[str, Any]]:
    if composition.thinking:
        thinking = "".join(composition.thinking)
        if REDACT in _question(request):
            yield {"reasoningContent": {"redactedContent": signatures.redact(thinking)}}
        else:
            shown = {"text": thinking, "signature": signatures.sign(thinking)}
            yield {"reasoningContent": {"reasoningText": shown}}
    if composition.tokens:
        yield {"text": composition.text}
    for call in composition.calls:
        name = "tooluse_" + identifier(call.id, length=22)
        yield {"toolUse": {"toolUseId": name, "name": call.name, "input": msgspec.json.decode(call.arguments)}}


def _told(block: dict[str, Any], index: int, composition: Composition) -> Iterator[tuple[str, dict[str, Any]]]:
    place = {"contentBlockIndex": index}
    deltas: list[dict[str, Any]]
    match block:
        case {"toolUse": use}:
            begun = {"toolUseId": use["toolUseId"], "name": use["name"]}
            yield "contentBlockStart", {"start": {"toolUse": begun}, **place}
            said = msgspec.json.encode(use["input"]).decode()
            pieces = ["", *(said[start : start + _STEP] for start in range(0, len(said), _STEP))]
            deltas = [{"toolUse": {"input": piece}} for piece in pieces]
        case {"reasoningContent": {"reasoningText": shown}}:
            deltas = [{"reasoningContent": {"text": token}} for token in composition.thinking]
            deltas.append({"reasoningContent": {"signature": shown["signature"]}})
        case {"reasoningContent": _}:
            deltas = [block]
        case _:
            deltas = [{"text": token} for token in composition.tokens]
    yield from (("contentBlockDelta", {"delta": delta, **place}) for delta in deltas)
    yield "contentBlockStop", place


def _framed(kind: str, value: dict[str, Any]) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return eventstream.encode(headers, msgspec.json.encode(value))


def _reason(composition: Composition, faults: Faults) -> str:
    if faults.refusal:
        return "guardrail_intervened"
    if faults.finish:
        return faults.finish
    if composition.calls:
        return "tool_use"
    if composition.stopped:
        return "stop_sequence"
    return "max_tokens" if composition.truncated else "end_turn"


def _usage(request: ConverseRequest, composition: Composition) -> dict[str, Any]:
    total, output = _prompt_tokens(request), composition.output_tokens
    marked = any(block.cache_point for message in request.messages for block in message.content)
    read_again = cached_tokens(total) if marked or any(block.cache_point for block in request.system) else 0
    return {
        "inputTokens": total - read_again,
        "outputTokens": output,
        "totalTokens": total + output,
        "cacheReadInputTokens": read_again,
        "cacheWriteInputTokens": 0,
    }


TABLE: Table = (
    ("POST", "/model/{id}/converse", _converse),
    ("POST", "/model/{id}/converse-stream", _converse_stream),
    ("POST", "/model/{id}/count-tokens", _count),
)
