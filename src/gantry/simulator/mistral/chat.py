"""Chat, agents and fill-in-the-middle completions, whole and streamed, as Mistral words them."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from gantry.simulator.exchange import DONE, Answer, event, json_answer, stream_answer
from gantry.simulator.faults import Faults, ToolCallShape, UsageShape
from gantry.simulator.mistral import requests
from gantry.simulator.mistral.bodies import decode
from gantry.simulator.mistral.catalog import Model, lookup
from gantry.simulator.mistral.errors import capability, error
from gantry.simulator.mistral.guardrails import check_guardrails
from gantry.simulator.mistral.order import check_dialogue
from gantry.simulator.oracle import (
    CREATED,
    Ask,
    Composition,
    Tool,
    cached_tokens,
    compose,
    count_tokens,
    digest,
)
from gantry.simulator.oracle import Call as ToolUse
from gantry.simulator.routes import Call, Refusal, Table

_CHAT = msgspec.json.Decoder(requests.ChatRequest)
_AGENT = msgspec.json.Decoder(requests.AgentRequest)
_FIM = msgspec.json.Decoder(requests.FimRequest)
_PADDING = "abcdefghijklmnopqrstuvwxyz0123456789"
_GROUP_SIZES = (1, 3, 2, 4, 2)  # tokens per event, as the real streams vary
_AUDIO_SECONDS = 3


def complete_chat(call: Call) -> Answer:
    request = decode(_CHAT, call.request.body)
    model = lookup(request.model)
    if not model.chat:
        raise capability(request.model, "chat completions")
    check_dialogue(request.messages, old=model.nine_letter_ids)
    if request.logprobs or request.top_logprobs:
        raise Refusal(error(400, "Logprobs are not enabled for this model", "invalid_request_invalid_args", "3051"))
    return _dialogue(request, request.model, model, call)


def complete_agent(call: Call, model_of: Callable[[str], str]) -> Answer:
    """Answer as an agent; `model_of` names the model of an agent, or refuses."""
    request = decode(_AGENT, call.request.body)
    name = model_of(request.agent_id)
    model = lookup(name)
    check_dialogue(request.messages, old=model.nine_letter_ids)
    return _dialogue(request, name, model, call)


def complete_fim(call: Call) -> Answer:
    request = decode(_FIM, call.request.body)
    model = lookup(request.model)
    if not model.fim:
        raise capability(request.model, "FIM")
    ask = Ask(
        question=request.prompt,
        prompt_tokens=count_tokens(request.prompt) + count_tokens(request.suffix or ""),
        max_tokens=request.max_tokens,
        stop=_stops(request.stop),
        length=call.faults.tokens,
        text_bytes=call.faults.body_bytes,
    )
    return _encode(ask, request.model, 1, request.stream, None, call)


def text_of(content: Any) -> str:
    """Return the text of a message's content."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "".join(chunk.text for chunk in content if isinstance(chunk, requests.TextChunk))


def _dialogue(request: requests.DialogueRequest, name: str, model: Model, call: Call) -> Answer:
    audio = sum(
        isinstance(chunk, requests.AudioChunk)
        for message in request.messages
        if isinstance(message.content, list)
        for chunk in message.content
    )
    ask = _ask(request, model, call.faults)
    guardrails = check_guardrails(request.guardrails, ask.question)
    return _encode(ask, name, request.n or 1, request.stream, audio * _AUDIO_SECONDS or None, call, guardrails)


def _ask(request: requests.DialogueRequest, model: Model, faults: Faults) -> Ask:
    messages = request.messages
    last = messages[-1]
    question = next((text_of(m.content) for m in reversed(messages) if isinstance(m, requests.UserMessage)), "")
    choice = request.tool_choice
    functions = [tool.function for tool in request.tools or () if isinstance(tool, requests.FunctionTool)]
    if isinstance(choice, requests.NamedTool):
        functions = [function for function in functions if function.name == choice.function.name]
    elif choice == "none":
        functions = []
    form = request.response_format
    asked = request.reasoning_effort not in (None, "none") or request.prompt_mode == "reasoning"
    return Ask(
        question=question,
        prompt_tokens=sum(3 + count_tokens(text_of(message.content)) for message in messages),
        tool_result=text_of(last.content) if isinstance(last, requests.ToolMessage) else None,
        tools=tuple(Tool(function.name, function.parameters) for function in functions),
        must_call=choice in ("any", "required") or isinstance(choice, requests.NamedTool),
        parallel=request.parallel_tool_calls is not False,
        schema=form.json_schema.schema if form and form.json_schema else None,
        json_object=form is not None and form.type == "json_object",
        think=(model.thinks or (model.may_think and asked)) and (form is None or form.type == "text"),
        prefix=text_of(last.content) if isinstance(last, requests.AssistantMessage) else "",
        max_tokens=request.max_tokens,
        stop=_stops(request.stop),
        length=faults.tokens,
        text_bytes=faults.body_bytes,
    )


def _encode(
    ask: Ask,
    model: str,
    n: int,
    stream: bool,
    audio_seconds: int | None,
    call: Call,
    guardrails: list[dict[str, Any]] | None = None,
) -> Answer:
    composition = compose(ask)
    finish = call.faults.finish or _finish(composition)
    usage = None if call.faults.no_usage else _usage(ask, composition, n, audio_seconds, call.faults.usage)
    identity = digest(call.request.body)
    if stream:
        return _stream(composition, model, n, identity, finish, usage, call.faults.tool_calls)
    choices = [{"index": index, "finish_reason": finish, "message": _message(composition)} for index in range(n)]
    body: dict[str, Any] = {"id": identity, "created": CREATED, "model": model}
    if usage is not None:
        body["usage"] = usage
    if guardrails is not None:
        body["guardrails"] = guardrails
    return json_answer({**body, "object": "chat.completion", "choices": choices})


def _message(composition: Composition) -> dict[str, Any]:
    content: Any = composition.text
    if composition.thinking:
        chunks: list[dict[str, Any]] = [_thinking("".join(composition.thinking))]
        content = [*chunks, {"type": "text", "text": composition.text}] if composition.tokens else chunks
    calls = [_tool_call(call, index) for index, call in enumerate(composition.calls)]
    return {"role": "assistant", "tool_calls": calls or None, "content": content}


def _stream(
    composition: Composition,
    model: str,
    n: int,
    identity: str,
    finish: str,
    usage: dict[str, Any] | None,
    shape: ToolCallShape,
) -> Answer:
    base = {"id": identity, "object": "chat.completion.chunk", "created": CREATED, "model": model}
    parts: list[bytes] = []
    weights: list[int] = []
    for index in range(n):
        for number, (delta, weight) in enumerate(_deltas(composition, shape)):
            chunk = {**base, "choices": [{"index": index, "delta": delta, "finish_reason": None}]}
            padding = {"p": _PADDING[: 1 + len(str(delta)) * 7 % 35]} if number % 3 else {}
            parts.append(event({**chunk, **padding}))
            weights.append(weight)
        last = {**base, "choices": [{"index": index, "delta": {"content": ""}, "finish_reason": finish}]}
        counted = {"usage": usage} if usage is not None and index == n - 1 else {}
        parts.append(event({**last, **counted, "p": _PADDING[: 1 + len(parts) % 35]}))
        weights.append(0)
    return stream_answer([*parts, DONE], weights)


def _deltas(composition: Composition, shape: ToolCallShape) -> Iterator[tuple[dict[str, Any], int]]:
    yield {"role": "assistant", "content": ""}, 0
    for text, weight in _groups(composition.thinking):
        yield {"content": [_thinking(text)]}, weight
    if composition.thinking:
        yield {"content": [{"type": "thinking", "thinking": [], "closed": True}]}, 0
    for text, weight in _groups(composition.tokens):
        yield {"content": text}, weight
    for index, call in enumerate(composition.calls):
        yield from (({"tool_calls": [fragment]}, 1) for fragment in _fragments(call, index, shape))


def _fragments(call: ToolUse, index: int, shape: ToolCallShape) -> Iterator[dict[str, Any]]:
    """Spread one call as the real streams do: the name first, then pieces of arguments under an empty name."""
    if shape is ToolCallShape.WHOLE:
        yield _tool_call(call, index)
        return
    yield {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}, "index": index}
    middle = max(1, len(call.arguments) // 2)
    for piece in (call.arguments[:middle], call.arguments[middle:]):
        fragment = {"type": "function", "function": {"name": "", "arguments": piece}, "index": index}
        yield {"id": "null", **fragment} if shape is ToolCallShape.NULL_IDS else fragment


def _groups(tokens: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    start, turn = 0, 0
    while start < len(tokens):
        size = _GROUP_SIZES[turn % len(_GROUP_SIZES)]
        group = tokens[start : start + size]
        yield "".join(group), len(group)
        start, turn = start + size, turn + 1


def _thinking(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _tool_call(call: ToolUse, index: int) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
        "index": index,
    }


def _finish(composition: Composition) -> str:
    if composition.calls:
        return "tool_calls"
    return "length" if composition.truncated else "stop"


def _usage(
    ask: Ask, composition: Composition, n: int, audio_seconds: int | None, shape: UsageShape
) -> dict[str, Any] | None:
    prompt, output = ask.prompt_tokens, composition.output_tokens * n
    usage: dict[str, Any] = {} if audio_seconds is None else {"prompt_audio_seconds": audio_seconds}
    audio_tokens = 125 * (audio_seconds or 0)
    usage |= {
        "prompt_tokens": prompt,
        "total_tokens": prompt + output + audio_tokens,
        "completion_tokens": output,
    }
    cached = cached_tokens(prompt)
    match shape:
        case UsageShape.DETAILS:
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
        case UsageShape.SINGULAR:
            usage["prompt_token_details"] = {"cached_tokens": cached}
        case UsageShape.NUM_CACHED:
            usage["num_cached_tokens"] = cached
        case UsageShape.PLAIN:
            return usage
        case UsageShape.NONE:
            return None
    return {**usage, "service_tier": "standard"}


def _stops(stop: str | list[str] | None) -> tuple[str, ...]:
    return (stop,) if isinstance(stop, str) else tuple(stop or ())


TABLE: Table = (
    ("POST", "/v1/chat/completions", complete_chat),
    ("POST", "/v1/fim/completions", complete_fim),
)
