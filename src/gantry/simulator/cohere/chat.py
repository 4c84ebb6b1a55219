"""Chat, whole and streamed."""

from collections.abc import Iterator
from typing import Any

from gantry.simulator.cohere.catalog import check_model, thinks
from gantry.simulator.cohere.requests import CHAT, ChatRequest, check_dialogue, decode
from gantry.simulator.exchange import DONE, Answer, event, json_answer, stream_answer
from gantry.simulator.faults import Faults
from gantry.simulator.oracle import (
    Ask,
    Composition,
    Tool,
    cached_tokens,
    compose,
    count_tokens,
    identifier,
    tokenize,
    uuid,
)
from gantry.simulator.routes import Call, Table

_STEP = 6
_PREAMBLE = 480  # tokens of the prompt that are not billed


def _chat(call: Call) -> Answer:
    request = decode(CHAT, call.request.body)
    check_model(request.model, "chat")
    check_dialogue(request)
    ask = _ask(request, call.faults)
    composition = compose(ask)
    identity = uuid(call.request.body)
    finish = call.faults.finish.upper() or _finish(composition)
    usage = {} if call.faults.no_usage else {"usage": _usage(ask, composition)}
    if request.stream:
        return _streamed(list(_events(composition, identity, {"finish_reason": finish, **usage})))
    return json_answer({"id": identity, "message": _message(composition), "finish_reason": finish, **usage})


def _ask(request: ChatRequest, faults: Faults) -> Ask:
    messages, form = request.messages, request.response_format
    tools = [] if request.tool_choice == "NONE" else request.tools or []
    last = messages[-1]
    results = [message.text for message in messages[_results_start(request) :]]
    documents = sum(count_tokens(str(document)) for document in request.documents or ())
    return Ask(
        question=next((message.text for message in reversed(messages) if message.role == "user"), ""),
        prompt_tokens=documents + sum(3 + count_tokens(message.text) for message in messages),
        tool_result=" ".join(results) if last.role == "tool" else None,
        tools=tuple(Tool(tool.function.name, tool.function.parameters or {}) for tool in tools),
        must_call=request.tool_choice == "REQUIRED",
        schema=(form.json_schema or form.schema) if form else None,
        json_object=form is not None and form.type == "json_object",
        think=request.thinking.type == "enabled" if request.thinking else thinks(request.model),
        max_tokens=request.max_tokens,
        stop=tuple(request.stop_sequences or ()),
        length=faults.tokens,
        text_bytes=faults.body_bytes,
    )


def _results_start(request: ChatRequest) -> int:
    """Return where the results at the end of the dialogue begin."""
    start = len(request.messages)
    while start and request.messages[start - 1].role == "tool":
        start -= 1
    return start


def _message(composition: Composition) -> dict[str, Any]:
    thought = [{"type": "thinking", "thinking": "".join(composition.thinking)}] if composition.thinking else []
    message: dict[str, Any] = {"role": "assistant"}
    if not composition.calls:
        return {**message, "content": [*thought, {"type": "text", "text": composition.text}]}
    calls = [_call(index, composition) for index in range(len(composition.calls))]
    content = {"content": thought} if thought else {"tool_plan": _plan(composition)}
    return {**message, **content, "tool_calls": calls}


def _call(index: int, composition: Composition) -> dict[str, Any]:
    made = composition.calls[index]
    name = f"{made.name}_{identifier(made.id, length=12).lower()}"
    return {"id": name, "type": "function", "function": {"name": made.name, "arguments": made.arguments}}


def _plan(composition: Composition) -> str:
    return f"I will use the {' and '.join(call.name for call in composition.calls)} tools to answer."


def _events(composition: Composition, identity: str, end: dict[str, Any]) -> Iterator[dict[str, Any]]:
    opened = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"id": identity, "type": "message-start", "delta": {"message": opened}}
    index = 0
    if composition.thinking:
        yield from _block(index, "thinking", composition.thinking)
        index += 1
    elif composition.calls:
        for token in tokenize(_plan(composition)):
            yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": token}}}
    if composition.tokens:
        yield from _block(index, "text", composition.tokens)
    for number in range(len(composition.calls)):
        place, call = {"index": number}, _call(number, composition)
        said = call["function"]["arguments"]
        begun = {**call, "function": {**call["function"], "arguments": ""}}
        yield {"type": "tool-call-start", **place, "delta": {"message": {"tool_calls": begun}}}
        for start in range(0, len(said), _STEP):
            piece = {"function": {"arguments": said[start : start + _STEP]}}
            yield {"type": "tool-call-delta", **place, "delta": {"message": {"tool_calls": piece}}}
        yield {"type": "tool-call-end", **place}
    yield {"type": "message-end", "delta": end}


def _block(index: int, kind: str, tokens: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    begun = {"type": kind, kind: ""}
    yield {"type": "content-start", "index": index, "delta": {"message": {"content": begun}}}
    for token in tokens:
        yield {"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: token}}}}
    yield {"type": "content-end", "index": index}


def _streamed(events: list[dict[str, Any]]) -> Answer:
    parts = [event(item, item["type"]) for item in events]
    weights = [int(item["type"].endswith("-delta")) for item in events]
    return stream_answer([*parts, DONE], weights, b"text/event-stream")


def _finish(composition: Composition) -> str:
    if composition.calls:
        return "TOOL_CALL"
    if composition.stopped:
        return "STOP_SEQUENCE"
    return "MAX_TOKENS" if composition.truncated else "COMPLETE"


def _usage(ask: Ask, composition: Composition) -> dict[str, Any]:
    whole = ask.prompt_tokens + _PREAMBLE
    return {
        "billed_units": {"input_tokens": ask.prompt_tokens, "output_tokens": composition.output_tokens},
        "tokens": {"input_tokens": whole, "output_tokens": composition.output_tokens + 3},
        "cached_tokens": cached_tokens(whole),
    }


TABLE: Table = (("POST", "/v2/chat", _chat),)
