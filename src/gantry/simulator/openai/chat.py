"""Chat completions as OpenAI words them."""

from collections.abc import Iterator
from typing import Any

import msgspec

from gantry.simulator.exchange import DONE, Answer, event, json_answer, stream_answer
from gantry.simulator.faults import Faults
from gantry.simulator.openai.bodies import decode
from gantry.simulator.openai.catalog import check_model
from gantry.simulator.openai.requests import REFUSAL, ChatRequest, check_request
from gantry.simulator.oracle import (
    CREATED,
    Ask,
    Composition,
    Tool,
    cached_tokens,
    compose,
    count_tokens,
    digest,
    identifier,
    tokenize,
)
from gantry.simulator.routes import Call, Table

_FINGERPRINT = "fp_simulated"
_SHARED = {"service_tier": "default", "system_fingerprint": _FINGERPRINT}
_DECODER = msgspec.json.Decoder(ChatRequest)


def complete(call: Call) -> Answer:
    request = decode(_DECODER, call.request.body)
    check_model(request.model)
    check_request(request)
    ask = _ask(request, call.faults)
    composition = compose(ask)
    finish = call.faults.finish or _finish(composition)
    usage = None if call.faults.no_usage else _usage(ask, composition, request.n or 1)
    identity = "chatcmpl-" + identifier(digest(call.request.body), length=29)
    if request.stream:
        parts = tuple(_deltas(composition, request, finish, refused=call.faults.refusal))
        return _stream(parts, request, identity, usage if request.usage_in_stream else None)
    message = _message(composition, refused=call.faults.refusal)
    logprobs = _logprobs(composition.tokens, request) if request.logprobs else None
    choices = [
        {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish}
        for index in range(request.n or 1)
    ]
    body = {"id": identity, "object": "chat.completion", "created": CREATED, "model": request.model, "choices": choices}
    return json_answer({**body, **({} if usage is None else {"usage": usage}), **_SHARED})


def _ask(request: ChatRequest, faults: Faults) -> Ask:
    texts = [_text(message.get("content")) for message in request.messages]
    question = next((_text(m.get("content")) for m in reversed(request.messages) if m.get("role") == "user"), "")
    functions = [tool["function"] for tool in request.tools or () if tool.get("type") == "function"]
    choice = request.tool_choice
    if isinstance(choice, dict):
        name = (choice.get("function") or {}).get("name")
        functions = [function for function in functions if function.get("name") == name]
    elif choice == "none":
        functions = []
    form = request.response_format or {}
    most = request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens
    return Ask(
        question=question,
        prompt_tokens=sum(3 + count_tokens(text) for text in texts),
        tool_result=texts[-1] if request.messages[-1].get("role") == "tool" else None,
        tools=tuple(Tool(function["name"], function.get("parameters") or {}) for function in functions),
        must_call=choice == "required" or isinstance(choice, dict),
        parallel=request.parallel_tool_calls is not False,
        schema=form["json_schema"].get("schema") if "json_schema" in form else None,
        json_object=form.get("type") == "json_object",
        max_tokens=most,
        stop=(request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ()),
        length=faults.tokens,
        text_bytes=faults.body_bytes,
    )


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _message(composition: Composition, *, refused: bool) -> dict[str, Any]:
    if refused:
        return {"role": "assistant", "content": None, "refusal": REFUSAL, "annotations": []}
    message: dict[str, Any] = {"role": "assistant", "content": composition.text or None}
    if composition.calls:
        message["tool_calls"] = [
            {"id": "call_" + call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in composition.calls
        ]
    return {**message, "refusal": None, "annotations": []}


def _stream(
    parts: tuple[tuple[dict[str, Any], Any, str | None], ...],
    request: ChatRequest,
    identity: str,
    usage: dict[str, Any] | None,
) -> Answer:
    base = {"id": identity, "object": "chat.completion.chunk", "created": CREATED, "model": request.model, **_SHARED}
    blank = {"usage": None} if request.usage_in_stream else {}
    events: list[bytes] = []
    for index in range(request.n or 1):
        for delta, logprobs, reason in parts:
            choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
            events.append(event({**base, "choices": [choice], **blank}))
    weights = [1] * len(events)
    if usage is not None:
        events.append(event({**base, "choices": [], "usage": usage}))
    return stream_answer([*events, DONE], weights)


def _deltas(
    composition: Composition, request: ChatRequest, finish: str, *, refused: bool
) -> Iterator[tuple[dict[str, Any], Any, str | None]]:
    """Tell one answer as (delta, logprobs, finish reason)."""
    silent = composition.calls or refused
    yield {"role": "assistant", "content": None if silent else "", "refusal": None}, None, None
    if refused:
        yield from (({"refusal": token}, None, None) for token in tokenize(REFUSAL))
        yield {}, None, finish
        return
    for token in composition.tokens:
        yield {"content": token}, _logprobs((token,), request) if request.logprobs else None, None
    for index, call in enumerate(composition.calls):
        function = {"name": call.name, "arguments": ""}
        opening = {"index": index, "id": "call_" + call.id, "type": "function", "function": function}
        yield {"tool_calls": [opening]}, None, None
        for start in range(0, len(call.arguments), 6):
            piece = {"arguments": call.arguments[start : start + 6]}
            yield {"tool_calls": [{"index": index, "function": piece}]}, None, None
    yield {}, None, finish


def _logprobs(tokens: tuple[str, ...], request: ChatRequest) -> dict[str, Any]:
    content = [{**_likely(token, -0.05), "top_logprobs": _likeliest(token, request)} for token in tokens]
    return {"content": content, "refusal": None}


def _likeliest(token: str, request: ChatRequest) -> list[dict[str, Any]]:
    others = (f"{token}{number or ''}" for number in range(request.top_logprobs or 0))
    return [_likely(other, -0.05 - number) for number, other in enumerate(others)]


def _likely(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _finish(composition: Composition) -> str:
    if composition.calls:
        return "tool_calls"
    return "length" if composition.truncated else "stop"


def _usage(ask: Ask, composition: Composition, n: int) -> dict[str, Any]:
    output = composition.output_tokens * n
    return {
        "prompt_tokens": ask.prompt_tokens,
        "completion_tokens": output,
        "total_tokens": ask.prompt_tokens + output,
        "prompt_tokens_details": {"cached_tokens": cached_tokens(ask.prompt_tokens), "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


TABLE: Table = (("POST", "/v1/chat/completions", complete),)
