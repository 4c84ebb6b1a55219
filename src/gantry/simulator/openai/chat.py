"""Chat completions as OpenAI words them."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from gantry.simulator.exchange import DONE, Answer, event, json_answer, stream_answer
from gantry.simulator.faults import Faults
from gantry.simulator.openai.catalog import check_model
from gantry.simulator.openai.errors import invalid
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
)
from gantry.simulator.routes import Call

_FINGERPRINT = "fp_simulated"
_SHARED = {"service_tier": "default", "system_fingerprint": _FINGERPRINT}


class ChatRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The closed top level; what is inside is taken as it comes."""

    model: str
    messages: list[dict[str, Any]]
    audio: Any = None
    frequency_penalty: float | None = None
    function_call: Any = None
    functions: Any = None
    logit_bias: Any = None
    logprobs: bool | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    metadata: Any = None
    modalities: Any = None
    n: int | None = None
    parallel_tool_calls: bool = True
    prediction: Any = None
    presence_penalty: float | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    reasoning_effort: str | None = None
    response_format: dict[str, Any] | None = None
    safety_identifier: str | None = None
    seed: int | None = None
    service_tier: str | None = None
    stop: str | list[str] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    temperature: float | None = None
    tool_choice: Any = None
    tools: list[dict[str, Any]] | None = None
    top_logprobs: int | None = None
    top_p: float | None = None
    user: str | None = None
    verbosity: str | None = None
    web_search_options: Any = None


_DECODER = msgspec.json.Decoder(ChatRequest)


def complete(call: Call) -> Answer:
    try:
        request = _DECODER.decode(call.request.body)
    except msgspec.MsgspecError as failure:
        raise invalid(str(failure), None, "invalid_request_body") from None
    check_model(request.model)
    if not request.messages:
        raise invalid("Invalid 'messages': empty array.", "messages", "empty_array")
    ask = _ask(request, call.faults)
    composition = compose(ask)
    finish = call.faults.finish or _finish(composition)
    usage = None if call.faults.no_usage else _usage(ask, composition, request.n or 1)
    identity = "chatcmpl-" + identifier(digest(call.request.body), length=29)
    if request.stream:
        wanted = bool((request.stream_options or {}).get("include_usage"))
        return _stream(composition, request, identity, finish, usage if wanted else None)
    choices = [
        {"index": index, "message": _message(composition), "logprobs": None, "finish_reason": finish}
        for index in range(request.n or 1)
    ]
    body = {"id": identity, "object": "chat.completion", "created": CREATED, "model": request.model, "choices": choices}
    return json_answer({**body, **({} if usage is None else {"usage": usage}), **_SHARED})


def _ask(request: ChatRequest, faults: Faults) -> Ask:
    texts = [_text(message.get("content")) for message in request.messages]
    question = next((_text(m.get("content")) for m in reversed(request.messages) if m.get("role") == "user"), "")
    functions = [tool["function"] for tool in request.tools or () if tool.get("type") == "function"]
    choice = request.tool_choice
    if isinstance(choice, Mapping):
        name = (choice.get("function") or {}).get("name")
        functions = [function for function in functions if function.get("name") == name]
    elif choice == "none":
        functions = []
    form = request.response_format or {}
    return Ask(
        question=question,
        prompt_tokens=sum(3 + count_tokens(text) for text in texts),
        tool_result=texts[-1] if request.messages[-1].get("role") == "tool" else None,
        tools=tuple(Tool(function["name"], function.get("parameters") or {}) for function in functions),
        must_call=choice == "required" or isinstance(choice, Mapping),
        parallel=request.parallel_tool_calls,
        schema=form["json_schema"].get("schema") if "json_schema" in form else None,
        json_object=form.get("type") == "json_object",
        max_tokens=request.max_completion_tokens or request.max_tokens,
        stop=(request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ()),
        length=faults.tokens,
        text_bytes=faults.body_bytes,
    )


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _message(composition: Composition) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": composition.text or None}
    if composition.calls:
        message["tool_calls"] = [
            {"id": "call_" + call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in composition.calls
        ]
    return {**message, "refusal": None, "annotations": []}


def _stream(
    composition: Composition, request: ChatRequest, identity: str, finish: str, usage: dict[str, Any] | None
) -> Answer:
    base = {"id": identity, "object": "chat.completion.chunk", "created": CREATED, "model": request.model, **_SHARED}
    asked = bool((request.stream_options or {}).get("include_usage"))
    blank = {"usage": None} if asked else {}
    parts, weights = [], []
    for index in range(request.n or 1):
        for delta, reason in _deltas(composition, finish):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
            parts.append(event({**base, "choices": [choice], **blank}))
            weights.append(1)
    if usage is not None:
        parts.append(event({**base, "choices": [], "usage": usage}))
        weights.append(0)
    return stream_answer([*parts, DONE], weights)


def _deltas(composition: Composition, finish: str) -> Iterator[tuple[dict[str, Any], str | None]]:
    opening: dict[str, Any] = {"role": "assistant", "content": None if composition.calls else "", "refusal": None}
    yield opening, None
    for token in composition.tokens:
        yield {"content": token}, None
    for index, call in enumerate(composition.calls):
        function = {"name": call.name, "arguments": ""}
        yield (
            {"tool_calls": [{"index": index, "id": "call_" + call.id, "type": "function", "function": function}]},
            None,
        )
        for start in range(0, len(call.arguments), 6):
            piece = {"arguments": call.arguments[start : start + 6]}
            yield {"tool_calls": [{"index": index, "function": piece}]}, None
    yield {}, finish


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
