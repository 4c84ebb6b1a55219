"""The answer of a Responses operation, whole and as its events: OpenAI's format, which Mistral speaks too.

A provider brings the items it puts out; how each is told as events is the same for both.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gantry.simulator.distortion import turning_point
from gantry.simulator.exchange import Answer, event, stream_answer
from gantry.simulator.faults import Faults
from gantry.simulator.oracle import CREATED, Ask, Composition, cached_tokens, count_tokens, digest, tokenize
from gantry.simulator.routes import Call

_ECHOED = ("instructions", "temperature", "top_p", "metadata", "max_output_tokens", "previous_response_id", "reasoning")
_STEP = 6
_ERROR = {"code": "server_error", "message": "The server had an error while processing your request."}


class Reply(Struct, frozen=True):
    """The whole response, and what it is made of."""

    whole: dict[str, Any]
    composition: Composition


def last_text(given: str | list[dict[str, Any]]) -> tuple[str, str | None]:
    """Return the last words of a user, and the result of a tool if that came last."""
    if isinstance(given, str):
        return given, None
    result = str(given[-1].get("output")) if given and given[-1].get("type") == "function_call_output" else None
    for item in reversed(given):
        if item.get("role") == "user":
            content = item.get("content") or ""
            text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
            return text, result
    return "", result


def input_tokens(given: str | list[dict[str, Any]], instructions: str | None) -> int:
    return 3 + count_tokens(str(given) + (instructions or ""))


def reply(
    call: Call, fields: Mapping[str, Any], ask: Ask, composition: Composition, output: Iterable[dict[str, Any]]
) -> Reply:
    """Compose the response to a request of these fields."""
    filtered = call.faults.finish == "content_filter"
    cut = composition.truncated or filtered
    whole = {
        **{name: fields.get(name) for name in _ECHOED},
        "id": "resp_" + digest(call.request.body),
        "object": "response",
        "created_at": CREATED,
        "completed_at": None if cut else CREATED,
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": "content_filter" if filtered else "max_output_tokens"} if cut else None,
        "model": fields["model"],
        "output": list(output),
        "parallel_tool_calls": fields.get("parallel_tool_calls") is not False,
        "tool_choice": fields.get("tool_choice") or "auto",
        "tools": fields.get("tools") or [],
        "text": fields.get("text") or {"format": {"type": "text"}},
        "truncation": fields.get("truncation") or "disabled",
        "background": False,
        "service_tier": "default",
        "usage": None if call.faults.no_usage else _usage(ask, composition),
    }
    return Reply(whole, composition)


def events(made: Reply, faults: Faults) -> Answer:
    """Tell the response as a stream of events, with the one that would end it if it failed."""
    whole = made.whole
    opened = {**whole, "status": "in_progress", "completed_at": None, "output": [], "usage": None}
    data: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**opened, "incomplete_details": None}},
        {"type": "response.in_progress", "response": {**opened, "incomplete_details": None}},
    ]
    for index, item in enumerate(whole["output"]):
        data.append({"type": "response.output_item.added", "output_index": index, "item": _begun(item)})
        data += _told(item, {"output_index": index, "item_id": item["id"]}, made.composition)
        data.append({"type": "response.output_item.done", "output_index": index, "item": item})
    data.append({"type": f"response.{whole['status']}", "response": whole})
    numbered = [{**item, "sequence_number": number} for number, item in enumerate(data)]
    answer = stream_answer((event(item, item["type"]) for item in numbered), (1 for _ in numbered))
    failed = {**opened, "status": "failed", "error": _ERROR}
    last = {"type": "response.failed", "response": failed, "sequence_number": turning_point(faults, len(data))}
    return replace(answer, failure=event(last, "response.failed"))


def spoken(composition: Composition, identity: str, prefix: str = "") -> Iterator[dict[str, Any]]:
    """Return the calls of functions, their ids after the prefix, or the message if there are none."""
    for call in composition.calls:
        yield {
            "type": "function_call",
            "id": "fc_" + digest(identity, call.id),
            "call_id": prefix + call.id,
            "name": call.name,
            "arguments": call.arguments,
            "status": "completed",
        }
    if not composition.calls:
        status = "incomplete" if composition.truncated else "completed"
        message = {"type": "message", "id": "msg_" + identity, "role": "assistant", "status": status}
        yield {**message, "content": [_text_part(composition.text)]}


def refused(text: str, identity: str) -> dict[str, Any]:
    """Return a message that says only that there will be none."""
    content = [{"type": "refusal", "refusal": text}]
    return {"type": "message", "id": "msg_" + identity, "role": "assistant", "status": "completed", "content": content}


def reasoning_text(composition: Composition, identity: str) -> dict[str, Any]:
    """Return thinking as an item that shows it."""
    text = {"type": "reasoning_text", "text": "".join(composition.thinking)}
    return {"type": "reasoning", "id": "rs_" + identity, "summary": [], "content": [text], "status": "completed"}


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _begun(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as it is before anything of it was told."""
    started = {**item, "status": "in_progress"} if "status" in item else item
    match item["type"]:
        case "function_call":
            return {**started, "arguments": ""}
        case "reasoning":
            return {**started, "summary": [], "content": []}
        case _:
            return {**started, "content": []}


def _told(item: dict[str, Any], place: dict[str, Any], composition: Composition) -> Iterator[dict[str, Any]]:
    match item["type"]:
        case "function_call":
            said = item["arguments"]
            for start in range(0, len(said), _STEP):
                delta = said[start : start + _STEP]
                yield {"type": "response.function_call_arguments.delta", **place, "delta": delta}
            yield {"type": "response.function_call_arguments.done", **place, "arguments": said}
        case "reasoning":
            yield from _thought(item, place, composition)
        case _ if item["content"][0]["type"] == "refusal":
            where, text = {**place, "content_index": 0}, item["content"][0]["refusal"]
            yield {"type": "response.content_part.added", **where, "part": {"type": "refusal", "refusal": ""}}
            for token in tokenize(text):
                yield {"type": "response.refusal.delta", **where, "delta": token}
            yield {"type": "response.refusal.done", **where, "refusal": text}
            yield {"type": "response.content_part.done", **where, "part": item["content"][0]}
        case _:
            where = {**place, "content_index": 0}
            yield {"type": "response.content_part.added", **where, "part": _text_part("")}
            for token in composition.tokens:
                yield {"type": "response.output_text.delta", **where, "delta": token, "logprobs": []}
            yield {"type": "response.output_text.done", **where, "text": composition.text, "logprobs": []}
            yield {"type": "response.content_part.done", **where, "part": _text_part(composition.text)}


def _thought(item: dict[str, Any], place: dict[str, Any], composition: Composition) -> Iterator[dict[str, Any]]:
    """Tell what a reasoning item shows: a summary, or the text itself, or nothing."""
    for index, part in enumerate(item["summary"]):
        where = {**place, "summary_index": index}
        yield {"type": "response.reasoning_summary_part.added", **where, "part": {**part, "text": ""}}
        for token in tokenize(part["text"]):
            yield {"type": "response.reasoning_summary_text.delta", **where, "delta": token}
        yield {"type": "response.reasoning_summary_text.done", **where, "text": part["text"]}
        yield {"type": "response.reasoning_summary_part.done", **where, "part": part}
    for part in item["content"]:
        where = {**place, "content_index": 0}
        for token in composition.thinking:
            yield {"type": "response.reasoning_text.delta", **where, "delta": token}
        yield {"type": "response.reasoning_text.done", **where, "text": part["text"]}


def _usage(ask: Ask, composition: Composition) -> dict[str, Any]:
    return {
        "input_tokens": ask.prompt_tokens,
        "input_tokens_details": {"cached_tokens": cached_tokens(ask.prompt_tokens), "cache_write_tokens": 0},
        "output_tokens": composition.output_tokens,
        "output_tokens_details": {"reasoning_tokens": len(composition.thinking)},
        "total_tokens": ask.prompt_tokens + composition.output_tokens,
    }
