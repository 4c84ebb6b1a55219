"""A request to Cohere's chat as the canonical chat."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import (
    AnswerFormat,
    ChatRequest,
    Effort,
    FormatKind,
    FunctionTool,
    Media,
    MediaKind,
    Message,
    NativePart,
    NativeTool,
    Part,
    Reasoning,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
)
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.cohere.answer import add_plan, attach_citations
from gantry.dialects.cohere.shapes import Call, ImageUrl, decode_content
from gantry.dialects.data_urls import split_data_url
from gantry.dialects.members import UNREADABLE, decode_members, read_schema
from gantry.dialects.read_exactly import read_exactly


class _Function(Struct):
    name: str
    description: str | None = None
    parameters: Raw = ABSENT


class _ToolShape(Struct):
    type: str | None = None
    function: _Function | None = None


class _MessageShape(Struct):
    role: str
    content: str | list[Raw] | None = None
    tool_calls: list[Call] | None = None
    tool_plan: str | None = None
    tool_call_id: str | None = None
    citations: list[Raw] | None = None


class _Format(Struct):
    type: str | None = None
    json_schema: Raw = ABSENT
    schema: Raw = ABSENT  # the older name


class _Thinking(Struct):
    type: str | None = None
    token_budget: int | None = None


class _Request(Struct):
    model: str
    messages: list[_MessageShape]
    stream: bool | None = None
    tools: list[Raw] | None = None
    strict_tools: bool | None = None
    response_format: _Format | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    k: int | None = None
    p: float | None = None
    logprobs: bool | None = None
    tool_choice: str | None = None
    thinking: _Thinking | None = None


_decode: Final = msgspec.json.Decoder(_Request).decode
_decode_tool: Final = msgspec.json.Decoder(_ToolShape).decode
_READ: Final = frozenset(_Request.__struct_encode_fields__)
_CHOICES: Final = {"REQUIRED": ToolMode.REQUIRED, "NONE": ToolMode.NONE}


def decode_request(body: bytes) -> ChatRequest:
    """Return what a request asks. Raises InvalidRequest."""
    shape = read_exactly(_decode, body)
    members = read_exactly(decode_members, body)
    return ChatRequest(
        dialect=Dialect.COHERE,
        model=shape.model,
        messages=tuple(_message(message, f"messages[{at}]") for at, message in enumerate(shape.messages)),
        stream=shape.stream or False,
        tools=tuple(_tools(shape)),
        tool_choice=_tool_choice(shape.tool_choice),
        format=_format(shape.response_format),
        reasoning=_reasoning(shape.thinking),
        max_tokens=shape.max_tokens,
        temperature=shape.temperature,
        top_p=shape.p,
        top_k=shape.k,
        stop=tuple(shape.stop_sequences or ()),
        seed=shape.seed,
        presence_penalty=shape.presence_penalty,
        frequency_penalty=shape.frequency_penalty,
        logprobs=shape.logprobs or False,
        extra={name: raw for name, raw in members.items() if name not in _READ},
    )


def _message(message: _MessageShape, path: str) -> Message:
    match message.role:
        case "system":
            return Message(Role.SYSTEM, tuple(_content(message.content, path)))
        case "user":
            return Message(Role.USER, tuple(_content(message.content, path)))
        case "assistant":
            return Message(Role.ASSISTANT, _assistant_parts(message, path))
        case "tool":
            return Message(Role.TOOL, (_result(message, path),))
        case _:
            field = f"{path}.role"
            raise InvalidRequest(f"`{field}` must be `system`, `user`, `assistant` or `tool`", param=field)


def _content(content: str | list[Raw] | None, path: str) -> Iterator[Part]:
    if isinstance(content, str):
        yield Text(content)
        return
    for number, raw in enumerate(content or ()):
        item = read_exactly(decode_content, raw, f"{path}.content[{number}]")
        if item.text is not None:
            yield Text(item.text)
        elif item.thinking is not None:
            yield Thinking(item.thinking)
        elif item.image_url is not None:
            yield _image(item.image_url)
        else:
            yield NativePart(Dialect.COHERE, raw)


def _image(image: ImageUrl) -> Media:
    inline = split_data_url(image.url)
    if inline is None:
        return Media(MediaKind.IMAGE, url=image.url, detail=image.detail)
    return Media(MediaKind.IMAGE, inline[0], data=inline[1], detail=image.detail)


def _assistant_parts(message: _MessageShape, path: str) -> tuple[Part, ...]:
    parts: list[Part] = list(_content(message.content, path))
    if message.citations:
        try:
            attach_citations(parts, message.citations)
        except UNREADABLE:
            field = f"{path}.citations"
            raise InvalidRequest(f"`{field}` must be a list of citations", param=field) from None
    add_plan(parts, message.tool_plan)
    for call in message.tool_calls or ():
        parts.append(ToolCall(call.id, call.function.name, call.function.arguments or ""))
    return tuple(parts)


def _result(message: _MessageShape, path: str) -> ToolResult:
    if message.tool_call_id is None:
        field = f"{path}.tool_call_id"
        raise InvalidRequest(f"`{field}` is missing", param=field)
    parts: list[Any] = []
    if isinstance(message.content, str):
        parts.append(Text(message.content))
    else:
        for number, raw in enumerate(message.content or ()):
            item = read_exactly(decode_content, raw, f"{path}.content[{number}]")
            if item.text is not None:
                parts.append(Text(item.text))
            elif item.document is not None and has_value(item.document.data):
                # What the tool found, as JSON: every other dialect has text for it.
                parts.append(Text(bytes(item.document.data).decode()))
            else:
                parts.append(NativePart(Dialect.COHERE, raw))
    return ToolResult(message.tool_call_id, tuple(parts))


def _tools(shape: _Request) -> Iterator[Tool]:
    for number, raw in enumerate(shape.tools or ()):
        tool = read_exactly(_decode_tool, raw, f"tools[{number}]")
        if tool.function is None:
            yield NativeTool(Dialect.COHERE, tool.type or "tool", raw)
            continue
        function = tool.function
        where = f"tools[{number}].function.parameters"
        schema = read_schema(function.parameters, where) if has_value(function.parameters) else None
        yield FunctionTool(function.name, function.description, schema, shape.strict_tools)


def _tool_choice(choice: str | None) -> ToolChoice | None:
    if choice is None:
        return None
    mode = _CHOICES.get(choice)
    if mode is None:
        raise InvalidRequest("`tool_choice` must be `REQUIRED` or `NONE`", param="tool_choice")
    return ToolChoice(mode)


def _format(shape: _Format | None) -> AnswerFormat | None:
    if shape is None:
        return None
    match shape.type:
        case "text" | None:
            return AnswerFormat(FormatKind.TEXT)
        case "json_object":
            schema = shape.json_schema if has_value(shape.json_schema) else shape.schema
            if has_value(schema):
                return AnswerFormat(FormatKind.JSON_SCHEMA, read_schema(schema, "response_format.json_schema"))
            return AnswerFormat(FormatKind.JSON)
        case _:
            field = "response_format.type"
            raise InvalidRequest(f"`{field}` must be `text` or `json_object`", param=field)


def _reasoning(shape: _Thinking | None) -> Reasoning | None:
    if shape is None:
        return None
    return Reasoning(Effort.NONE) if shape.type == "disabled" else Reasoning(budget=shape.token_budget)
