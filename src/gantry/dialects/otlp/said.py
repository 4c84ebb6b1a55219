"""What was said in a call to a model, out of whichever form a span tells it in, as messages of a chat.

Four forms: documents in attributes (`gen_ai.input.messages`, with parts), the same in an event of the span, an
attribute for each leaf (`gen_ai.prompt.0.content`, `llm.input_messages.0.message.content`), and an event for each
message (`gen_ai.user.message`, `gen_ai.choice`).

Law: what a message has that a chat's message has no place for stays in it, under its own name.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from gantry.dialects.otlp.message import Event
from gantry.dialects.otlp.span_attributes import SpanAttributes, document_in

Message = dict[str, Any]

DETAILS: Final = "gen_ai.client.inference.operation.details"
_INPUTS: Final = "gen_ai.input.messages"
_OUTPUTS: Final = "gen_ai.output.messages"
_SYSTEM: Final = "gen_ai.system_instructions"
_ROLES: Final = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}
_CHOICE: Final = "gen_ai.choice"
_PROMPT: Final = {"gen_ai.content.prompt": "gen_ai.prompt", "gen_ai.content.completion": "gen_ai.completion"}


class Said(Struct, frozen=True):
    """Messages to a model and from it; `rest` are the events that were none of them."""

    input: list[Message]
    output: list[Message]
    finish_reason: str | None
    rest: list[Event]


def read_said(attributes: SpanAttributes, events: Iterable[Event]) -> Said:
    """Take what was said out of a span's attributes and events."""
    rest, told, answered = [], [], []
    for event in events:
        if event.name == DETAILS:
            attributes.add(event.attributes)
        elif event.name in _PROMPT:
            attributes.add({name: event.attributes.get(name) for name in (_PROMPT[event.name],)})
        elif event.name in _ROLES:
            told.append(_of_event(event, _ROLES[event.name]))
        elif event.name == _CHOICE:
            answered.append(_of_event(event, "assistant"))
        else:
            rest.append(event)
    inputs = _documents(attributes, _INPUTS) or _indexed(attributes, "gen_ai.prompt", "llm.input_messages") or told
    outputs = _documents(attributes, _OUTPUTS) or _indexed(attributes, "gen_ai.completion", "llm.output_messages")
    outputs = outputs or answered
    system = _system(attributes)
    for name, messages, role in (("gen_ai.prompt", inputs, "user"), ("gen_ai.completion", outputs, "assistant")):
        if not messages and name in attributes.rest:
            messages += _listed(attributes.said(name), role)
    reason = next((one for message in outputs if (one := message.pop("finish_reason", None))), None)
    return Said(system + inputs, outputs, reason if isinstance(reason, str) else None, rest)


def _documents(attributes: SpanAttributes, name: str) -> list[Message]:
    found = attributes.document(name)
    return [] if found is None else _listed(found, "user" if name == _INPUTS else "assistant")


def _listed(found: Any, role: str) -> list[Message]:
    """Return messages out of a list of them, one of them, or a text that is one."""
    messages: list[Message] = []
    for one in found if isinstance(found, list) else [found]:
        if not isinstance(one, dict):
            messages.append({"role": role, "content": one})
        elif isinstance(one.get("parts"), list):
            messages += _of_parts(one, role)
        else:
            messages.append({"role": role, **one})
    return messages


def _system(attributes: SpanAttributes) -> list[Message]:
    found = attributes.said(_SYSTEM)
    if found is None:
        return []
    parts = found if isinstance(found, list) else [found]
    return _of_parts({"role": "system", "parts": parts}, "system")


def _of_parts(message: Mapping[str, Any], role: str) -> list[Message]:
    """Return a message in parts as one of a chat; results of tools are messages of their own there."""
    contents: list[Any] = []
    calls: list[Message] = []
    results: list[Message] = []
    made: Message = {"role": role, **{name: value for name, value in message.items() if name != "parts"}}
    for part in message["parts"]:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("content"), str):
            contents.append({"type": "text", "text": part["content"]})
        elif kind == "tool_call":
            calls.append(_call(part.get("id"), part.get("name"), part.get("arguments")))
        elif kind == "tool_call_response":
            result = part.get("response", part.get("result"))
            results.append({"role": "tool", "tool_call_id": part.get("id"), "content": _text_of(result)})
        elif kind == "reasoning" and "reasoning_content" not in made:
            made["reasoning_content"] = part.get("content")
        else:
            contents.append(part)
    if not contents and not calls and results:
        return results
    made["content"] = _joined(contents)
    if calls:
        made["tool_calls"] = calls
    return [made, *results]


def _joined(contents: list[Any]) -> Any:
    """Return contents as one text where they are one, and nothing where there is none."""
    only = contents[0] if len(contents) == 1 else None
    if isinstance(only, dict) and only.get("type") == "text" and isinstance(only.get("text"), str):
        return only["text"]
    return only if isinstance(only, str) else contents or None


def _indexed(attributes: SpanAttributes, ours: str, theirs: str) -> list[Message]:
    return [_of_leaves(one) for one in attributes.tree(ours) or attributes.tree(theirs)]


def _of_leaves(found: Any) -> Message:
    """Return the message in a tree of attributes: OpenLLMetry's, or OpenInference's, where it is a level deeper."""
    one = found.get("message", found) if isinstance(found, dict) else {"content": found}
    message: Message = dict(one) if isinstance(one, dict) else {"content": one}
    content = document_in(message.get("content"))
    if content is not None:
        message["content"] = content
    parts = message.pop("contents", None)
    if isinstance(parts, list):
        message["content"] = _joined([_part(part) for part in parts])
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        message["tool_calls"] = [_called(call) for call in calls]
    return message


def _part(found: Any) -> Any:
    part = found.get("message_content", found) if isinstance(found, dict) else found
    if not isinstance(part, dict):
        return part
    image = part.get("image")
    url = (
        image.get("image", image).get("url")
        if isinstance(image, dict) and isinstance(image.get("image", image), dict)
        else None
    )
    return part if url is None else {"type": "image_url", "image_url": {"url": url}}


def _called(found: Any) -> Any:
    call = found.get("tool_call", found) if isinstance(found, dict) else found
    if not isinstance(call, dict):
        return call
    function = call.get("function")
    if isinstance(function, dict):
        return _call(call.get("id"), function.get("name"), function.get("arguments"))
    return _call(call.get("id"), call.get("name"), call.get("arguments"))


def _call(id_: Any, name: Any, arguments: Any) -> Message:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": _text_of(arguments)}}


def _text_of(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


def _of_event(event: Event, role: str) -> Message:
    """Return the message of an event: of its attributes, or of the body that some put into one of them."""
    told = {name: value for name, value in event.attributes.items() if not name.startswith("gen_ai.")}
    for name in ("gen_ai.event.content", "body"):
        body = document_in(event.attributes.get(name))
        if isinstance(body, dict):
            told = {**told, **body}
    told.pop("index", None)
    inner = document_in(told.pop("message", None))
    if isinstance(inner, dict):
        told = {**inner, **told}
    for name in ("content", "tool_calls"):
        found = document_in(told.get(name))
        if found is not None:
            told[name] = found
    if role == "tool" and "id" in told:
        told["tool_call_id"] = told.pop("id")
    return {"role": role, **told}
