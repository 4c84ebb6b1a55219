"""Responses, the operation only the newest client knows, whole and as named events."""

from typing import Any

from gantry.simulator.exchange import Answer, event, json_answer, stream_answer
from gantry.simulator.mistral.bodies import json_object
from gantry.simulator.mistral.catalog import lookup
from gantry.simulator.oracle import CREATED, Ask, Composition, Tool, compose, count_tokens, digest
from gantry.simulator.routes import Call


def respond(call: Call) -> Answer:
    body = json_object(call.request.body, "model", "input")
    lookup(body["model"])
    functions = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
    ask = Ask(
        question=_question(body["input"]),
        prompt_tokens=_input_tokens(body),
        tools=tuple(Tool(function["name"], function.get("parameters") or {}) for function in functions),
        must_call=body.get("tool_choice") in ("required", "any"),
        max_tokens=body.get("max_output_tokens"),
        length=call.faults.tokens,
    )
    composition = compose(ask)
    identity = digest(call.request.body)
    output = _output(composition, identity)
    whole = _whole(body, identity, output, ask, composition)
    return _events(whole, output, composition) if body.get("stream") else json_answer(whole)


def count_input(call: Call) -> Answer:
    body = json_object(call.request.body, "model", "input")
    return json_answer({"object": "response.input_tokens", "input_tokens": _input_tokens(body)})


def _question(given: Any) -> str:
    if isinstance(given, str):
        return given
    for item in reversed(given):
        if item.get("role") == "user":
            content = item.get("content") or ""
            return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    return ""


def _input_tokens(body: dict[str, Any]) -> int:
    return 3 + count_tokens(str(body["input"]) + str(body.get("instructions") or ""))


def _output(composition: Composition, identity: str) -> list[dict[str, Any]]:
    if composition.calls:
        return [
            {
                "type": "function_call",
                "id": "fc_" + digest(identity, call.id),
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
                "status": "completed",
            }
            for call in composition.calls
        ]
    content = {"type": "output_text", "text": composition.text, "annotations": [], "logprobs": []}
    message = {"type": "message", "id": "msg_" + identity, "role": "assistant", "status": "completed"}
    return [{**message, "content": [content]}]


def _whole(
    body: dict[str, Any], identity: str, output: list[dict[str, Any]], ask: Ask, composition: Composition
) -> dict[str, Any]:
    return {
        "id": "resp_" + identity,
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "model": body["model"],
        "output": output,
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "temperature": body.get("temperature"),
        "top_p": body.get("top_p"),
        "metadata": body.get("metadata"),
        "usage": {
            "input_tokens": ask.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": composition.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": ask.prompt_tokens + composition.output_tokens,
        },
    }


def _events(whole: dict[str, Any], output: list[dict[str, Any]], composition: Composition) -> Answer:
    blank = {**whole, "status": "in_progress", "output": [], "usage": None}
    data: list[dict[str, Any]] = [
        {"type": "response.created", "response": blank},
        {"type": "response.in_progress", "response": blank},
    ]
    for index, item in enumerate(output):
        place = {"output_index": index, "item_id": item["id"]}
        data.append({"type": "response.output_item.added", "output_index": index, "item": item})
        if item["type"] == "message":
            delta = {"type": "response.output_text.delta", **place, "content_index": 0, "logprobs": []}
            data += [{**delta, "delta": token} for token in composition.tokens]
            done = {"type": "response.output_text.done", **place, "content_index": 0, "logprobs": []}
            data.append({**done, "text": composition.text})
        else:
            arguments = {"type": "response.function_call_arguments.done", **place, "name": item["name"]}
            data.append({**arguments, "arguments": item["arguments"]})
        data.append({"type": "response.output_item.done", "output_index": index, "item": item})
    data.append({"type": "response.completed", "response": whole})
    numbered = [{**item, "sequence_number": number} for number, item in enumerate(data)]
    return stream_answer((event(item, item["type"]) for item in numbered), (1 for _ in numbered))
